"""The container of a hook: made, found again, ended, and what it printed.

It is made from the new revision as a replica is, with another command, without ports, aliases and health
check: nobody is to take it for a replica. Its labels say of which run it is.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from agent.execute.health import printable
from agent.execute.replica import LABEL_PROJECT, LABEL_REVISION, LABEL_ROLLOUT, Replica, container_spec
from agent.keeper.policy import LABEL_CLUSTER
from agent.ports import (
    ContainerDetail,
    ContainerEngine,
    ContainerNotFound,
    ContainerSpec,
    ContainerState,
    EngineError,
    EngineRefused,
    HealthCheck,
    Mount,
    NameConflict,
)
from cluster.identity.redaction import redact
from cluster.model.hooks import TAIL_CHARS_MAX, HookRun
from cluster.model.service import ServiceSpec

LABEL_HOOK = "tower.hook"
LABEL_HOOK_ATTEMPT = "tower.hook.attempt"

LINES = 20
LINE_CHARS_MAX = 240
LOG_TIMEOUT_S = 5.0
SECRET_CHARS_MIN = 4
"""What is shorter would take ordinary words out of a log."""

_SECRET_NAME = re.compile(r"PASS|SECRET|TOKEN|CREDENTIAL|PRIVATE|(^|_)(API)?_?KEY(_|$)", re.IGNORECASE)
_IN_URL = re.compile(r"(?P<start>[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@/]+(?=@)", re.IGNORECASE)
_REDACTED = "[redacted]"


@dataclass(frozen=True, slots=True, kw_only=True)
class HookJob:
    """One run of a hook on this host. `replica` carries the container's name and what it is made from."""

    replica: Replica
    rollout_id: str
    run: HookRun

    @property
    def name(self) -> str:
        return self.replica.container_name

    @property
    def labels(self) -> dict[str, str]:
        """They tell this attempt from every other one, of this rollout and of all others."""
        return {
            LABEL_CLUSTER: self.replica.cluster_id,
            LABEL_PROJECT: self.replica.project,
            LABEL_REVISION: str(self.replica.key.revision),
            LABEL_ROLLOUT: self.rollout_id,
            LABEL_HOOK: f"{self.run.kind}-{self.run.number}",
            LABEL_HOOK_ATTEMPT: str(self.run.attempts),
        }

    def is_of(self, labels: Mapping[str, str]) -> bool:
        return all(labels.get(key) == value for key, value in self.labels.items())


def is_hook_of(labels: Mapping[str, str], cluster_id: str) -> bool:
    """Whether a container is a hook's of this cluster."""
    return LABEL_HOOK in labels and labels.get(LABEL_CLUSTER) == cluster_id


def hook_container(job: HookJob, files: tuple[Mount, ...]) -> ContainerSpec:
    """Return the container to create."""
    spec = container_spec(job.replica, token=0, address="", files=files)
    # The labels of the service's own file are left out too: another tool may route requests by them.
    return replace(
        spec,
        labels=job.labels,
        command=job.run.hook.command,
        ports=(),
        networks={job.replica.network: ()},
        health_check=HealthCheck(test=("NONE",)),
        restart_policy="no",
    )


async def find_hook(engine: ContainerEngine, job: HookJob) -> ContainerDetail | None:
    """Return the container of this very run, None when there is none.

    Raises EngineRefused when a container that is no hook of this cluster has its name.
    """
    try:
        found = await engine.inspect(job.name)
    except ContainerNotFound:
        return None
    if job.is_of(found.labels):
        return found
    if not is_hook_of(found.labels, job.replica.cluster_id):
        raise EngineRefused(
            f"a container named {job.name} exists that is none of ours: rename or remove it", status=409
        )
    return None


async def create_hook(engine: ContainerEngine, job: HookJob, files: tuple[Mount, ...]) -> None:
    """Have the container of this run, not started; one of an earlier run in its place is removed."""
    if await find_hook(engine, job) is not None:
        return
    await remove_hook(engine, job.name, job.replica.cluster_id)
    await engine.ensure_network(job.replica.network, labels={LABEL_PROJECT: job.replica.project})
    try:
        await engine.create(hook_container(job, files))
    except NameConflict:
        if await find_hook(engine, job) is None:
            raise


async def remove_hook(engine: ContainerEngine, container: str, cluster_id: str) -> None:
    """End and remove a hook's container; what is none of this cluster's hooks is not touched."""
    try:
        found = await engine.inspect(container)
        if not is_hook_of(found.labels, cluster_id):
            return
        if found.state is not ContainerState.CREATED:
            await engine.stop(found.id)
        await engine.remove(found.id, force=True, volumes=True)
    except ContainerNotFound:
        return


async def read_tail(engine: ContainerEngine, container: str, secrets: Iterable[str]) -> str:
    """Return the last lines a hook printed without what is known to be secret; "" when there are none."""
    lines: deque[str] = deque(maxlen=LINES)
    try:
        async with asyncio.timeout(LOG_TIMEOUT_S):
            async for line in engine.logs(container, tail=LINES):
                lines.append(line.text)
    except (EngineError, TimeoutError):
        # How it ended is worth telling without them.
        return ""
    return clipped(without_secrets("\n".join(lines), secrets))


def clipped(text: str) -> str:
    """Return the end of a text that fits into a report, each line cut where it is too long."""
    lines = [printable(line)[:LINE_CHARS_MAX] for line in text.splitlines() if line.strip()]
    kept: list[str] = []
    left = TAIL_CHARS_MAX
    for line in reversed(lines):
        if len(line) + 1 > left:
            break
        left -= len(line) + 1
        kept.append(line)
    return "\n".join(reversed(kept))


def secrets_of(spec: ServiceSpec, files: Iterable[str]) -> tuple[str, ...]:
    """Return what is secret about a specification: its files' contents, and variables named like secrets."""
    named = [value for name, value in spec.environment if _SECRET_NAME.search(name)]
    return (*files, *named)


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return the text with every secret in it, each of their lines, and passwords in URLs left out."""
    parts = {part.strip() for secret in secrets for part in (secret, *secret.splitlines())}
    # The longest first: one may be a part of another.
    for part in sorted((each for each in parts if len(each) >= SECRET_CHARS_MIN), key=len, reverse=True):
        text = text.replace(part, _REDACTED)
    return redact(_IN_URL.sub(lambda match: match["start"] + _REDACTED, text))
