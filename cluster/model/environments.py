"""Where services are deployed to: development, staging, production, or environments of people's own."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from cluster.model import rules
from cluster.model.placing import HostSet
from cluster.model.service import REPLICAS_MAX

ENVIRONMENTS_MAX = 32
KNOWN_ENVIRONMENTS = ("development", "staging", "production")
"""There without being made, with the defaults of `Environment`."""

SOAK_MS = 30 * 60_000
_MONTH_MS = 30 * 86_400_000
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
# Of a registry, and a path in it behind which the images are: registry.example:5000/mirror.
_REGISTRY = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?(?:/[a-z0-9._/-]{1,128})?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentQuota:
    """Bounds on what all services of an environment reserve together; None: no bound."""

    cpu_millis: int | None = None
    memory_bytes: int | None = None
    replicas: int | None = None

    def __post_init__(self) -> None:
        for name, value, most in (
            ("cpu_millis", self.cpu_millis, 10**9),
            ("memory_bytes", self.memory_bytes, 2**60),
            ("replicas", self.replicas, 10**6),
        ):
            if value is not None:
                rules.check_range(f"quota.{name}", value, 0, most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What holds for all services that are deployed to it.

    Its services are on `hosts`. Their images come from `registry` ("registry.example/mirror") instead of the
    one they name; "" leaves them. A service has `replicas_min` to `replicas_max` replicas (0: no bound), or
    none at all. A revision comes here once it was stable in the environment `requires` for `soak_ms`. With
    `is_protected` a person lets each rollout go on, or starts it.

    `is_alerting`, `alert_channel` ("" for the cluster's own) and `sample_interval_ms` (0 for the cluster's)
    are for what watches its services.
    """

    name: str
    hosts: HostSet = field(default_factory=HostSet)
    registry: str = ""
    replicas_min: int = 0
    replicas_max: int = 0
    quota: EnvironmentQuota = field(default_factory=EnvironmentQuota)
    requires: str = ""
    soak_ms: int = SOAK_MS
    is_protected: bool = False
    is_alerting: bool = True
    alert_channel: str = ""
    sample_interval_ms: int = 0
    changed_at_ms: int = 0
    changed_by: str = ""

    def __post_init__(self) -> None:
        check_environment("name", self.name)
        if self.registry and not _REGISTRY.fullmatch(self.registry):
            raise ValueError(
                f"registry {self.registry[:80]!r}: the host as images name it, and a path behind it where"
                " there is one, such as registry.example:5000/mirror"
            )
        rules.check_range("replicas_min", self.replicas_min, 0, REPLICAS_MAX)
        rules.check_range("replicas_max", self.replicas_max, 0, REPLICAS_MAX)
        if 0 < self.replicas_max < self.replicas_min:
            raise ValueError(
                f"replicas_min {self.replicas_min} is above replicas_max {self.replicas_max}:"
                " no service could be deployed"
            )
        if self.requires:
            check_environment("requires", self.requires)
            if self.requires == self.name:
                raise ValueError(f"requires {self.requires!r}: an environment cannot come before itself")
        rules.check_range("soak_ms", self.soak_ms, 0, _MONTH_MS)
        rules.check_text("alert_channel", self.alert_channel, 128)
        rules.check_range("sample_interval_ms", self.sample_interval_ms, 0, 3_600_000)
        rules.check_text("changed by", self.changed_by, 128)

    def refuse_replicas(self, replicas: int) -> str:
        """Return why a service may not have so many here, "" when it may. None at all is always allowed."""
        if replicas and replicas < self.replicas_min:
            return f"{replicas} replicas; in {self.name} a service has at least {self.replicas_min}"
        if self.replicas_max and replicas > self.replicas_max:
            return f"{replicas} replicas; in {self.name} a service has at most {self.replicas_max}"
        return ""


def check_environment(field: str, name: str) -> None:
    """Without dots, because it is a part of its services' ids. Raises ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{field} {name[:80]!r}: 1 to 31 of a-z 0-9 -, a letter or digit first")


def image_from(registry: str, image: str) -> str:
    """Return the image as `registry` has it, tag and digest kept; `image` itself without a registry.

    The host of an image's name is what has a dot or a port, or is localhost: Docker's own rule. Images of
    Docker Hub without an owner are kept under `library/`, as mirrors of it have them.
    """
    if not registry:
        return image
    first, slash, rest = image.partition("/")
    has_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    path = rest if has_host else image
    if not has_host or first in ("docker.io", "index.docker.io"):
        path = path if "/" in path else f"library/{path}"
    return f"{registry}/{path}"
