"""What can be read by address: `tower://` addresses, each one tool called with what the address says.

So whoever reads one needs what that tool needs, and gets what it gives: without secrets, and not too long.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

SCHEME = "tower://"
JSON = "application/json"
MARKDOWN = "text/markdown"
CSV = "text/csv"
FORMATS = {"markdown": MARKDOWN, "csv": CSV}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One address, or with `{names}` in it a template of addresses. `arguments` are those that stay."""

    address: str
    name: str
    title: str
    description: str
    tool: str
    media_type: str = JSON
    arguments: Mapping[str, str] | None = None

    @property
    def is_template(self) -> bool:
        return "{" in self.address


REFERENCES: tuple[Reference, ...] = (
    Reference(
        address="tower://health", name="health", title="Health", description="whether all is well",
        tool="get-system-health",
    ),
    Reference(
        address="tower://services", name="services", title="Services",
        description="every service with its ready replicas, and the quorum", tool="get-cluster-status",
    ),
    Reference(
        address="tower://containers", name="containers", title="Containers",
        description="the containers of every host", tool="list-containers",
    ),
    Reference(
        address="tower://rollouts", name="rollouts", title="Rollouts", description="the newest rollouts",
        tool="get-deploy-status",
    ),
    Reference(
        address="tower://reports/{format}", name="report", title="Analytics report",
        description="capacity, trends and bottlenecks; format is markdown or csv",
        tool="export-analytics-report", media_type=MARKDOWN,
    ),
    Reference(
        address="tower://services/{service}", name="service", title="One service",
        description="what serves, what is wrong, its newest rollouts", tool="get-deploy-status",
    ),
    Reference(
        address="tower://services/{service}/history", name="service-history",
        title="Deployments of a service", description="its revisions and how their rollouts ended",
        tool="get-deployment-history",
    ),
    Reference(
        address="tower://rollouts/{rollout_id}", name="rollout", title="One rollout",
        description="how far it is, or why it failed", tool="get-deploy-status",
    ),
    Reference(
        address="tower://containers/{node}/{container}", name="container", title="One container",
        description="how it is made and does", tool="get-container",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """What an address means: the tool to call, and of what kind its text is."""

    tool: str
    arguments: Mapping[str, str]
    media_type: str


def find_meant(address: str) -> Meant | None:
    """Return what an address means, None for one that there is not."""
    for reference in REFERENCES:
        match = _pattern(reference.address).fullmatch(address)
        if match is None:
            continue
        given = {name: unquote(value) for name, value in match.groupdict().items()}
        if "format" in given:
            if given["format"] not in FORMATS:
                return None
            return Meant(tool=reference.tool, arguments=given, media_type=FORMATS[given["format"]])
        return Meant(
            tool=reference.tool,
            arguments={**(reference.arguments or {}), **given},
            media_type=reference.media_type,
        )
    return None


def address_of(kind: str, *names: str) -> str:
    """Return the address of something by its names."""
    return SCHEME + "/".join((kind, *(quote(name, safe="") for name in names)))


def _pattern(address: str) -> re.Pattern[str]:
    escaped = re.escape(address)
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]{1,512})", escaped))
