"""Checks on the hosts that replicas go to: ports, volumes, room, networks, routers."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.model.ids import NodeId
from cluster.model.node import NodeStatus
from cluster.model.service import Fencing, VolumeKind
from cluster.readiness.deploying import Deploying, Setting, engine_volume
from cluster.readiness.notes import Check, Note, error, warning


def check_hosts(service: Deploying, setting: Setting) -> Iterator[Note]:
    """Yield what is in the way on hosts."""
    yield from _check_room(service)
    yield from _check_homes(service)
    yield from _check_ports(service, setting)
    yield from _check_paths(service, setting)
    yield from _check_volumes(service, setting)
    yield from _check_reach(service, setting)
    yield from _check_routers(service, setting)


def _check_room(service: Deploying) -> Iterator[Note]:
    nowhere = sum(node_id is None for node_id in service.planned)
    if not nowhere:
        return
    check = Check.CAPACITY
    reason = service.reasons[0] if service.reasons else "no host can take it"
    if "does not have its volume" in reason:
        check = Check.VOLUMES
    elif " in use by " in reason:
        check = Check.HOST_PORTS
    what = "a replica has" if nowhere == 1 else f"{nowhere} replicas have"
    yield error(
        check,
        service.service_id,
        f"{what} nowhere to go: {reason}",
        "`tower service explain` says it host by host; ask for less, or make room",
    )


def _check_ports(service: Deploying, setting: Setting) -> Iterator[Note]:
    for node_id in sorted(service.candidates | set(service.targets)):
        answer = setting.answer(node_id)
        for taken in () if answer is None else answer.taken:
            if taken.port not in service.spec.ports or taken.service_id == service.service_id:
                continue
            by = taken.by or "a program that is no container"
            port = f"{taken.port.host_port}/{taken.port.protocol}"
            if node_id in service.targets:
                yield error(
                    Check.HOST_PORTS,
                    service.service_id,
                    f"port {port} of {setting.name(node_id)} is in use by {by}",
                    "give it another port; a service with a route needs none of the host",
                )
            else:
                yield warning(
                    Check.HOST_PORTS,
                    service.service_id,
                    f"no replica could move to {setting.name(node_id)}, where port {port} is in use by {by}",
                )


def _check_homes(service: Deploying) -> Iterator[Note]:
    """Replicas that the wanted placement would move, and that their volumes hold."""
    for words in service.broken:
        yield error(
            Check.VOLUMES,
            service.service_id,
            f"its volume is on {words}",
            "give it a placement that this host meets, or remove the volume there once its data is elsewhere",
        )


def _check_paths(service: Deploying, setting: Setting) -> Iterator[Note]:
    paths = {volume.source for volume in service.spec.volumes if volume.kind is VolumeKind.BIND}
    for node_id in sorted(service.candidates | set(service.targets)):
        answer = setting.answer(node_id)
        for path in () if answer is None else answer.missing_paths:
            if path not in paths:
                continue
            say = error if node_id in service.targets else warning
            yield say(
                Check.VOLUMES,
                service.service_id,
                f"{setting.name(node_id)} has no {path}, which is to be mounted",
                "make it there, or use a named volume",
            )


def _check_volumes(service: Deploying, setting: Setting) -> Iterator[Note]:
    """A named volume that is on other hosts than the ones its replicas go to, as Compose left it there."""
    if service.before is not None:
        # Where it is by now, placement knows.
        return
    for volume in service.spec.volumes:
        if volume.kind is not VolumeKind.VOLUME or not volume.source or volume.is_read_only:
            continue
        name = engine_volume(service.scope, volume.source)
        holders = [
            node_id
            for node_id in sorted(setting.hosts)
            if (answer := setting.answer(node_id)) is not None and name in answer.volumes
        ]
        strangers = [node_id for node_id in service.targets if node_id not in holders]
        if not holders or not strangers:
            continue
        there = ", ".join(setting.name(node_id) for node_id in holders)
        say = warning if service.fencing is Fencing.NONE else error
        yield say(
            Check.VOLUMES,
            service.service_id,
            f"there is a volume {name} on {there}, and the replica goes to {setting.name(strangers[0])},"
            " where it begins with an empty one",
            f"set x-tower.pin_host: {setting.name(holders[0])}, or remove the volume if it is not needed",
        )


def _check_reach(service: Deploying, setting: Setting) -> Iterator[Note]:
    """Whether routers reach the replicas there are on other hosts: they will have to reach new ones so."""
    if service.spec.route is None:
        return
    owners = {address: node_id for node_id, found in service.addresses.items() for address in found}
    for node_id in sorted(setting.hosts):
        answer = setting.answer(node_id)
        lost = [] if answer is None else [each for each in answer.unreachable if each in owners]
        if lost:
            names = sorted({setting.name(owners[address]) for address in lost})
            yield warning(
                Check.NETWORK,
                service.service_id,
                f"{setting.name(node_id)} does not reach its replicas on {', '.join(names)} ({lost[0]}), so"
                " requests that come in there may fail",
                "let the hosts of the cluster reach each other's published ports",
            )


def _check_routers(service: Deploying, setting: Setting) -> Iterator[Note]:
    if service.spec.route is None:
        return
    broken: dict[NodeId, str] = {}
    known = 0
    for node_id in sorted(setting.hosts):
        answer = setting.answer(node_id)
        if answer is None:
            continue
        known += 1
        if answer.router_problem:
            broken[node_id] = answer.router_problem
        elif not answer.router:
            broken[node_id] = "no router is set up there"
    for node_id, reason in broken.items():
        # Somebody may enter through any other host; with none of them, nobody ever gets an answer.
        say = error if len(broken) == known else warning
        yield say(
            Check.ROUTER,
            service.service_id,
            f"no request gets in through {setting.name(node_id)}: {reason}",
            "its agent's log and `tower status` say more",
        )


def check_silence(setting: Setting) -> Iterator[Note]:
    """Yield what hosts could not or would not say: that is no yes."""
    for node_id in sorted(setting.hosts):
        host = setting.hosts[node_id]
        if host.answer is None:
            if host.status is not NodeStatus.UP:
                # It was not asked; how it is is said already.
                continue
            yield warning(
                Check.CLUSTER,
                "",
                f"{host.name} could not be asked, so nothing is checked there: {host.silence}",
            )
            continue
        if host.answer.engine_problem:
            yield warning(
                Check.CLUSTER,
                "",
                f"the container engine of {host.name} does not answer: {host.answer.engine_problem}",
            )
        for unknown in host.answer.unknown:
            yield warning(Check.CLUSTER, "", f"of {host.name} it is not known {unknown}")
