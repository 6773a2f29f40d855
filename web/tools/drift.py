"""What of a service really runs, host by host, beside what the log says of it. Pure.

An assignment is a wish and its host's last word; a host's list of containers is what its engine says. Where
the two differ somebody else had a hand in it, or the host has not acted yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from cluster.model.ids import NodeId, ServiceId
from cluster.model.inventory import ContainerSummary, HostView
from cluster.model.service import Assignment, DesiredState, ReplicaPhase, ServiceSpec

_EXPECTED = (ReplicaPhase.STARTING, ReplicaPhase.HEALTHY, ReplicaPhase.UNHEALTHY)


class DriftKind(StrEnum):
    """MISSING: no such container. STOPPED: it does not run. OTHER_IMAGE: it runs another digest.

    LEFT_OVER: it runs, and nothing asks for it.
    """

    MISSING = "missing"
    STOPPED = "stopped"
    OTHER_IMAGE = "other-image"
    LEFT_OVER = "left-over"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftView:
    """One thing that is not as the cluster has it. `words` say it for people."""

    kind: DriftKind
    node_name: str
    container_name: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningView:
    """A container of the service, as its host's engine lists it. `digest` is empty where it says none."""

    node_name: str
    container_name: str
    revision: int
    image: str
    digest: str
    state: str
    health: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reality:
    """What runs of a service. `unseen` are hosts of it whose containers are not known now."""

    running: tuple[RunningView, ...]
    drift: tuple[DriftView, ...]
    unseen: tuple[str, ...]


def reality_of(
    service_id: ServiceId,
    assignments: Sequence[Assignment],
    specs: Mapping[int, ServiceSpec],
    hosts: Sequence[HostView],
    names: Mapping[str, str],
) -> Reality:
    """Return what runs of a service and how that differs from the log.

    `specs` are its revisions', `names` the hosts' by id. A host that cannot be asked, or whose list is old,
    proves nothing: it is named as unseen instead.
    """
    known = {
        host.node_id: host.inventory for host in hosts if host.inventory is not None and not host.problem
    }
    wanted: dict[NodeId, dict[str, Assignment]] = {}
    for assignment in assignments:
        wanted.setdefault(assignment.node_id, {})[assignment.container_name] = assignment
    running: list[RunningView] = []
    drift: list[DriftView] = []
    for node_id, inventory in sorted(known.items()):
        host = names.get(node_id, node_id)
        here = {
            container.name: container
            for container in inventory.containers
            if container.is_managed and container.service == service_id
        }
        # What was adopted has no label of ours: it is the replica by its id, as long as it is there.
        ids = {each.adopted_id: name for name, each in wanted.get(node_id, {}).items() if each.adopted_id}
        for container in inventory.containers:
            if container.id in ids:
                here.setdefault(ids[container.id], container)
        asked = wanted.get(node_id, {})
        running += (_running(host, here[name], asked.get(name)) for name in sorted(here))
        for name in sorted(here.keys() | asked.keys()):
            found = _drift(host, name, asked.get(name), here.get(name), specs)
            if found is not None:
                drift.append(found)
    unseen = sorted(
        names.get(node_id, node_id)
        for node_id, asked in wanted.items()
        if node_id not in known and any(each.desired is not DesiredState.REMOVED for each in asked.values())
    )
    return Reality(running=tuple(running), drift=tuple(drift), unseen=tuple(unseen))


def as_it_runs(
    assignments: Sequence[Assignment], reality: Reality, names: Mapping[str, str]
) -> list[Assignment]:
    """Return the assignments with those as exited whose container is gone or stopped, though the host has not
    said so yet: what is counted as ready must not contradict what is shown as drift."""
    gone = {
        (each.node_name, each.container_name)
        for each in reality.drift
        if each.kind in (DriftKind.MISSING, DriftKind.STOPPED)
    }
    return [
        replace(each, observed=replace(each.observed, phase=ReplicaPhase.EXITED, reason=""))
        if (names.get(each.node_id, each.node_id), each.container_name) in gone
        else each
        for each in assignments
    ]


def digest_of(image: str) -> str:
    """Return the digest a container's image names, "" when it is named by tag or id alone."""
    _, at, digest = image.partition("@")
    return digest if at else ""


def _drift(
    host: str,
    name: str,
    asked: Assignment | None,
    found: ContainerSummary | None,
    specs: Mapping[int, ServiceSpec],
) -> DriftView | None:
    def of(kind: DriftKind, words: str) -> DriftView:
        return DriftView(kind=kind, node_name=host, container_name=name, words=words)

    if asked is None:
        if found is not None and found.state == "running":
            return of(DriftKind.LEFT_OVER, f"{name} runs on {host}, and nothing asks for it")
        return None
    if asked.desired is DesiredState.REMOVED or asked.observed.phase not in _EXPECTED:
        # On its way; what its host says of that is told with the replica.
        return None
    if found is None:
        return of(DriftKind.MISSING, f"{name} is not on {host} any more: was it removed by hand?")
    if found.state != "running":
        return of(DriftKind.STOPPED, f"{name} on {host} is {found.state}, and should run")
    spec = specs.get(asked.revision)
    digest = digest_of(found.image)
    if spec is not None and spec.digest and digest and digest != spec.digest:
        return of(
            DriftKind.OTHER_IMAGE,
            f"{name} on {host} runs {digest[:19]}…, and revision {asked.revision} is {spec.digest[:19]}…",
        )
    return None


def _running(host: str, container: ContainerSummary, asked: Assignment | None) -> RunningView:
    return RunningView(
        node_name=host,
        container_name=container.name,
        revision=asked.revision if asked is not None and not container.revision else container.revision,
        image=container.image,
        digest=digest_of(container.image),
        state=container.state,
        health=container.health if container.health != "none" else "",
    )
