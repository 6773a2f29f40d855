"""Running containers as services: which belong together, and what speaks against it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from cluster.model.adoption import FoundContainer
from cluster.model.ids import NodeId, ServiceId, service_id_of
from cluster.model.service import PortProtocol, PublishedPort, Route, ServiceSpec

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_NOT_IN_NAMES = re.compile(r"[^a-z0-9_-]+")
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104  compared, not bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """One service that running containers make up; the nth is its nth replica.

    `losses` are what the next deployment takes away, in words.
    """

    project: str
    name: str
    spec: ServiceSpec
    containers: tuple[tuple[NodeId, FoundContainer], ...]
    losses: tuple[str, ...]

    @property
    def service_id(self) -> ServiceId:
        return service_id_of(self.project, self.name, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptionPlan:
    """What would be adopted, and what keeps all of it from being: then nothing is."""

    adoptions: tuple[Adoption, ...]
    problems: tuple[str, ...]


def plan_adoption(
    found: Mapping[NodeId, Sequence[FoundContainer]],
    names: Sequence[str],
    *,
    hosts: Mapping[NodeId, str],
    routes: Mapping[str, Route] | None = None,
) -> AdoptionPlan:
    """Group what hosts found for `names` into services, over all hosts.

    `hosts` are the hosts' names. `routes` are the routes of services by their name; the one of "" is the
    only service's.
    """
    problems: list[str] = []
    groups: dict[tuple[str, str], list[tuple[NodeId, FoundContainer]]] = {}
    for node_id in sorted(found, key=lambda node_id: (hosts.get(node_id, ""), node_id)):
        for container in sorted(found[node_id], key=lambda each: (each.number, each.name)):
            if container.refusal or container.spec is None:
                why = container.refusal or "nothing is known of what it was made from"
                problems.append(f"{container.name} on {hosts.get(node_id, node_id)}: {why}")
                continue
            groups.setdefault(_group_of(container), []).append((node_id, container))
    everything = [container for containers in found.values() for container in containers]
    problems += [
        f"{name}: no host has a container, or a Compose project, of that name"
        for name in names
        if not any(is_named(each, name) for each in everything)
    ]
    given = dict(routes or {})
    if "" in given and len(groups) == 1:
        given[next(iter(groups))[1]] = given.pop("")
    adoptions = []
    for (project, name), members in sorted(groups.items()):
        bad = [part for part in (project, name) if not _NAME.fullmatch(part)]
        if bad:
            problems.append(f"{project}/{name}: {bad[0]!r} is no name of a project or service here")
            continue
        adoption, why_not = _adoption(project, name, members, hosts, given.pop(name, None))
        problems += why_not
        adoptions.append(adoption)
    problems += [
        f"a route for {name}: there is no such service among them"
        if name
        else "a route without a service: there are several, write SERVICE=HOST:PORT"
        for name in given
        if groups
    ]
    return AdoptionPlan(adoptions=tuple(adoptions), problems=tuple(problems))


def is_named(container: FoundContainer, name: str) -> bool:
    """Whether somebody who says `name` means this container, or its project."""
    is_id = len(name) >= 12 and container.container_id.startswith(name)
    return name in (container.project, container.name) or is_id


def _group_of(container: FoundContainer) -> tuple[str, str]:
    if container.project and container.service:
        return container.project, container.service
    own = _NOT_IN_NAMES.sub("-", container.name.lower()).strip("-_")
    return container.project or own, own


def _adoption(
    project: str,
    name: str,
    members: list[tuple[NodeId, FoundContainer]],
    hosts: Mapping[NodeId, str],
    route: Route | None,
) -> tuple[Adoption, list[str]]:
    problems: list[str] = []
    losses = list(dict.fromkeys(loss for _, each in members for loss in each.losses))
    images = {each.image_id for _, each in members}
    if len(images) > 1:
        where = ", ".join(
            f"{each.name} on {hosts[node_id]}: {each.image_id[7:19]}" for node_id, each in members
        )
        problems.append(f"{name} runs {len(images)} different images ({where}): which one is meant?")
    first = members[0][1].spec
    assert first is not None, "those without were left out"
    spec = first
    different: set[str] = set()
    for _, each in members[1:]:
        assert each.spec is not None
        different |= _differences(first, each.spec)
    if "ports" in different:
        different.discard("ports")
        spec = replace(spec, ports=_with_any_host_port(members))
        losses.append("its host ports, which differ between its containers: the engine chooses them then")
    if different and len(images) == 1:
        problems.append(
            f"the containers of {name} differ in {', '.join(sorted(different))}: one service is made from one"
            " specification"
        )
    if not spec.digest:
        losses.append(f"where its image {spec.image} comes from: no registry is known to have it")
    if route is not None:
        problems += [
            f"{each.name} on {hosts[node_id]} does not publish port {route.port} where other hosts reach it:"
            " a route needs that"
            for node_id, each in members
            if not _publishes(each.spec, route.port)
        ]
        spec = replace(spec, route=route)
    adoption = Adoption(
        project=project, name=name, spec=spec, containers=tuple(members), losses=tuple(losses)
    )
    return adoption, problems


def _differences(one: ServiceSpec, other: ServiceSpec) -> set[str]:
    return {field.name for field in fields(one) if getattr(one, field.name) != getattr(other, field.name)}


def _with_any_host_port(members: Iterable[tuple[NodeId, FoundContainer]]) -> tuple[PublishedPort, ...]:
    """Every port one of them publishes, at whichever port of the host is free."""
    found: dict[tuple[int, PortProtocol], PublishedPort] = {}
    for _, each in members:
        for port in () if each.spec is None else each.spec.ports:
            found[port.container_port, port.protocol] = replace(port, host_port=0, host_ip=port.host_ip)
    return tuple(found[key] for key in sorted(found))


def _publishes(spec: ServiceSpec | None, port: int) -> bool:
    return spec is not None and any(
        each.container_port == port
        and each.protocol is PortProtocol.TCP
        and each.host_port is not None
        and each.host_ip in _EVERYWHERE
        for each in spec.ports
    )
