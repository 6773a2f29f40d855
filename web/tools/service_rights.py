"""Whether somebody may have services become what is wanted of them. The one place that says so.

A service is held against permissions twice: as it is, and as it is going to be. Neither may be out of the
caller's reach, so nothing is taken over and nothing is moved out. Beside its attributes a service has hold of
what it shares with others: a volume, a host name, the network of its project. Whoever may do the same to all
services has none of that looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cluster.compose import ComposeProject, ComposeService, InlineConfig
from cluster.model.ids import ServiceId, scope_in
from cluster.model.node import Node
from cluster.model.resources import HostVolume, ResourceKind
from cluster.model.secrets import FileKind
from cluster.model.service import Service, ServiceSpec, VolumeKind
from cluster.placement import apart_of
from cluster.rbac import ACTIONS, Resource, Target
from cluster.readiness.deploying import engine_volume
from cluster.store import ReadTxn, records
from web.auth.call import Call
from web.auth.powers import Powers
from web.auth.targets import service_target, wanted_target
from web.tools.containers import read_containers
from web.tools.context import Context
from web.tools.resources import Found, read_hosts
from web.tools.targets import container_target

_ASK = "have somebody do it who may deploy there, too"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """A service as it is to be, and what is there of it: nothing before its first deployment.

    `runs` are the specifications that are wanted of it now, and that were stable last; `apart` is what it is
    kept apart from.
    """

    wanted: ComposeService
    future: Target
    present: Target | None = None
    runs: tuple[ServiceSpec, ...] = ()
    apart: frozenset[ServiceId] = frozenset()

    @property
    def targets(self) -> tuple[Target, ...]:
        return (self.future,) if self.present is None else (self.present, self.future)

    def refused(self, why: str) -> _Refused:
        service_id = self.wanted.service_id
        return _Refused(service_id=service_id, reason=f"{service_id}: {why}; {_ASK}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refused:
    service_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reach:
    """To what somebody may do `action`, whatever kind of thing stands for the service."""

    powers: Powers
    action: str

    def has(self, target: Target) -> bool:
        return self.powers.decide(self.action, replace(target, kind=ACTIONS[self.action].resource)).allowed


async def require_wanted(
    context: Context, call: Call, actions: Sequence[str], project: ComposeProject
) -> tuple[Target, ...]:
    """Return the services as they are and as they are to be, on each of which the caller may do all actions.

    The first of the actions is what is being done. Raises Problem (403), recorded.
    """
    authority = context.authority
    with context.surroundings.state.read() as txn:
        wishes = [_wish(txn, each, ACTIONS[actions[0]].resource) for each in project.services]
    targets = tuple(target for wish in wishes for target in wish.targets)
    for action in actions:
        for target in targets:
            await authority.require(call, action, target)
    powers = authority.powers(call)
    refused = next(_relabelled(wishes, powers.label_keys), None)
    if refused is None and not powers.is_unlimited(actions[0]):
        reach = _Reach(powers=powers, action=actions[0])
        with context.surroundings.state.read() as txn:
            refused = next(_Sharing(txn, reach, project, wishes).refusals(), None)
        refused = refused or await _on_hosts(context, reach, project, wishes)
    if refused is not None:
        await authority.refuse(call, actions[0], f"service:{refused.service_id}", refused.reason)
    return targets


async def require_revision(
    context: Context, call: Call, action: str, service: Service, number: int
) -> tuple[Target, ...]:
    """As `require_wanted`, of a service that is to have another of its revisions."""
    with context.surroundings.state.read() as txn:
        revision = records.REVISIONS.get(txn, service.id, number)
    if revision is None:
        return (await _require_present(context, call, action, service),)
    wanted = ComposeService(
        service_id=service.id,
        name=service.name,
        spec=revision.spec,
        replicas=service.replicas,
        policy=service.policy,
        fencing=service.fencing,
        placement=service.placement,
        labels=service.labels,
    )
    project = ComposeProject(name=service.project, services=(wanted,), environment=service.environment)
    return await require_wanted(context, call, (action,), project)


def of_service(targets: Iterable[Target], service_id: str) -> list[Target]:
    """Return those of one service, of what `require_wanted` returned."""
    return [target for target in targets if target.id == service_id]


async def _require_present(context: Context, call: Call, action: str, service: Service) -> Target:
    with context.surroundings.state.read() as txn:
        target = service_target(txn, service, kind=ACTIONS[action].resource)
    await context.authority.require(call, action, target)
    return target


def _wish(txn: ReadTxn, wanted: ComposeService, kind: Resource) -> _Wish:
    future = wanted_target(
        txn,
        wanted.service_id,
        labels=(*wanted.spec.labels, *wanted.labels),
        placement=wanted.placement,
        kind=kind,
    )
    service = records.SERVICES.get(txn, wanted.service_id)
    if service is None:
        return _Wish(wanted=wanted, future=future)
    return _Wish(
        wanted=wanted,
        # A record may be of another project than its id says: it stays there.
        future=replace(future, project=service.project, service=service.name),
        present=service_target(txn, service, kind=kind),
        runs=_specs(txn, service),
        apart=apart_of(service.scope, service.placement),
    )


def _specs(txn: ReadTxn, service: Service) -> tuple[ServiceSpec, ...]:
    numbers = sorted({service.revision, service.stable_revision})
    found = (records.REVISIONS.get(txn, service.id, number) for number in numbers)
    return tuple(revision.spec for revision in found if revision is not None)


def _relabelled(wishes: Iterable[_Wish], keys: frozenset[str]) -> Iterator[_Refused]:
    """Services that are there and would be given, or lose, a label that decides who may what."""
    for wish in wishes:
        if wish.present is None:
            continue
        before, after = wish.present.labels or {}, wish.future.labels or {}
        for key in sorted(keys):
            if before.get(key) != after.get(key):
                was, is_to_be = (repr(each[key]) if key in each else "absent" for each in (before, after))
                yield wish.refused(f"label {key} decides who may what; it is {was} and would be {is_to_be}")


@dataclass(frozen=True, slots=True)
class _Sharing:
    """What services would share with others that are out of the caller's reach, by the records."""

    txn: ReadTxn
    reach: _Reach
    project: ComposeProject
    wishes: Sequence[_Wish]

    def refusals(self) -> Iterator[_Refused]:
        others = [
            each
            for each in records.SERVICES.scan(self.txn)
            if not self.reach.has(service_target(self.txn, each))
        ]
        for wish in self.wishes:
            yield from self._of_network(wish, others)
            yield from self._of_route(wish, others)
            yield from self._of_apart(wish)
            yield from self._of_mounts(wish, others)
            yield from self._of_configs(wish)

    def _of_network(self, wish: _Wish, others: Sequence[Service]) -> Iterator[_Refused]:
        if _is_claimed(wish, self.reach) and any(each.scope == self.project.scope for each in others):
            yield wish.refused(f"it would be in project {self.project.scope} with what others have there")

    def _of_route(self, wish: _Wish, others: Sequence[Service]) -> Iterator[_Refused]:
        route = wish.wanted.spec.route
        if route is None or any(spec.route and spec.route.host == route.host for spec in wish.runs):
            return
        for service in others:
            for spec in _specs(self.txn, service):
                if spec.route is not None and _overlap(spec.route.host, route.host):
                    yield wish.refused(f"requests for {route.host} are those of another service")

    def _of_apart(self, wish: _Wish) -> Iterator[_Refused]:
        """What it is kept apart from is kept apart from it, too."""
        named = apart_of(self.project.scope, wish.wanted.placement)
        for service_id in sorted(named - wish.apart):
            service = records.SERVICES.get(self.txn, service_id)
            there = (
                wanted_target(self.txn, service_id) if service is None else service_target(self.txn, service)
            )
            if not self.reach.has(there):
                yield wish.refused(f"placement.apart_from keeps {service_id} off hosts")

    def _of_mounts(self, wish: _Wish, others: Sequence[Service]) -> Iterator[_Refused]:
        new = _new_volumes(wish, self.project.scope)
        for service in others if new else ():
            taken = new & {
                name for spec in _specs(self.txn, service) for name in _volumes(spec, service.scope)
            }
            if taken:
                yield wish.refused(f"volume {min(taken)} is another service's")

    def _of_configs(self, wish: _Wish) -> Iterator[_Refused]:
        """A config that stands in a file is kept under a name that all projects share."""
        used = {reference.source for reference in wish.wanted.spec.configs}
        for config in self.project.configs:
            if config.name in used and not self._is_own(config):
                yield wish.refused(
                    f"config {config.name} is not the project's own: leave out its name, or begin it with"
                    f" {self.project.name}_"
                )

    def _is_own(self, config: InlineConfig) -> bool:
        stored = records.FILES.get(self.txn, FileKind.CONFIG.value, "", config.name)
        return config.name.startswith(f"{self.project.name}_") and (
            stored is None or stored.project == self.project.name
        )


async def _on_hosts(
    context: Context, reach: _Reach, project: ComposeProject, wishes: Sequence[_Wish]
) -> _Refused | None:
    """What services would share with containers that are out of the caller's reach, and with their data."""
    claimed = [wish for wish in wishes if _is_claimed(wish, reach)]
    mounted = {name: wish for wish in wishes for name in sorted(_new_volumes(wish, project.scope))}
    if not claimed and not mounted:
        return None
    containers, silent = await read_containers(context)
    targets = {(view.node_id, view.id): container_target(view, kind=Resource.SERVICE) for view in containers}
    for view in containers if claimed else ():
        if view.project == project.scope and not reach.has(targets[view.node_id, view.id]):
            return claimed[0].refused(f"it would be in project {project.scope} with what others have there")
    if not mounted:
        return None
    found = await read_hosts(context, ResourceKind.VOLUME)
    for problem in (*silent, *found.problems):
        name, wish = next(iter(mounted.items()))
        return wish.refused(f"whether volume {name} is yours cannot be asked of {problem.node_name} now")
    projects = {project.scope, *(view.project for view in containers), *_projects(context, found)} - {""}
    for name, wish in mounted.items():
        claims = sorted(each for each in projects if name.startswith(f"{each}_"))
        for node, host in found.hosts:
            for volume in host.volumes:
                owners = _owners(volume, node, targets, claims) if volume.name == name else ()
                if not all(map(reach.has, owners)):
                    return wish.refused(f"volume {name} is there already, and not yours")
    return None


def _is_claimed(wish: _Wish, reach: _Reach) -> bool:
    """Whether it is new and within reach by nothing but its labels, which whoever writes a file chooses."""
    return wish.present is None and not reach.has(replace(wish.future, labels={}))


def _owners(
    volume: HostVolume, node: Node, containers: Mapping[tuple[str, str], Target], claims: Sequence[str]
) -> Iterator[Target]:
    """Whose a volume is: of the containers that use it; of its project, when none does.

    By its name it may be of several: `a_b_c` is c of a_b, or b_c of a.
    """
    for user in volume.users:
        yield containers.get((node.id, user.id), Target(kind=Resource.SERVICE))
    if volume.users:
        return
    for claim in (volume.project,) if volume.project else claims:
        environment, _, project = claim.rpartition(".")
        yield Target(
            kind=Resource.SERVICE,
            project=project,
            service="",
            service_id="",
            environment=environment,
            node_id=node.id,
            node_name=node.name,
            labels={},
        )


def _projects(context: Context, found: Found) -> set[str]:
    with context.surroundings.state.read() as txn:
        of_services = {scope_in(each.id) for each in records.SERVICES.scan(txn)}
    return of_services | {volume.project for _, host in found.hosts for volume in host.volumes}


def _new_volumes(wish: _Wish, scope: str) -> set[str]:
    """The engine's names of volumes that the service does not have now."""
    had = {name for spec in wish.runs for name in _volumes(spec, scope)}
    return set(_volumes(wish.wanted.spec, scope)) - had


def _volumes(spec: ServiceSpec, scope: str) -> Iterator[str]:
    for mount in spec.volumes:
        if mount.kind is VolumeKind.VOLUME and mount.source:
            yield engine_volume(scope, mount.source)


def _overlap(one: str, other: str) -> bool:
    """Whether both mean some host name; `*.` is every name below."""
    one, other = one.lower(), other.lower()
    return one == other or _is_below(one, other) or _is_below(other, one)


def _is_below(name: str, wildcard: str) -> bool:
    return wildcard.startswith("*.") and name.removeprefix("*.").endswith(wildcard[1:])
