"""Containers of every host, whoever made them: listing, finding, acting, reading what they wrote."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

from cluster.model.inventory import ContainerAction, ContainerSummary, HostView, LogLine, LogQuery
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.missing import missing
from web.auth.problems import Problem
from web.tools.context import Context
from web.tools.listing import Key, page_of
from web.tools.nodes import find_node, node_names, problem_of
from web.tools.row_rights import CONTAINER_ACTIONS, row_rights
from web.tools.targets import container_target
from web.tools.views import (
    ContainerActed,
    ContainerDetail,
    ContainerPage,
    ContainerView,
    HostProblem,
    PortView,
    shallow,
)

CANDIDATES_SHOWN = 10
_PREFIX_CHARACTERS_MIN = 4

ACTION_OF = {
    ContainerAction.START: "container.start",
    ContainerAction.STOP: "container.stop",
    ContainerAction.RESTART: "container.restart",
    # Who may stop a container may also freeze or kill it, and let it go on who may start one.
    ContainerAction.PAUSE: "container.stop",
    ContainerAction.UNPAUSE: "container.start",
    ContainerAction.KILL: "container.stop",
    ContainerAction.REMOVE: "container.remove",
}
"""What one has to be allowed for each thing that can be done to a container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerFilter:
    """Which containers. Empty text: any. `text` is looked for in name, image, id, project and service."""

    node: str = ""
    project: str = ""
    service: str = ""
    state: str = ""
    text: str = ""


async def list_containers(
    context: Context, call: Call, wanted: ContainerFilter, *, cursor: str | None, limit: int
) -> ContainerPage:
    """Return containers by host and name. Raises Problem."""
    await context.authority.admit(call, "container.read", "container")
    found, problems = await read_seen(context, call, node=wanted.node)
    page = page_of([view for view in found if fits(view, wanted)], key=_order, cursor=cursor, limit=limit)
    rights = row_rights(context.authority.powers(call), CONTAINER_ACTIONS)
    items = page.items
    if rights is not None:
        items = tuple(replace(view, can=rights.of(container_target(view))) for view in items)
    return ContainerPage(items=items, next_cursor=page.next_cursor, problems=problems)


async def get_container(context: Context, call: Call, reference: str, *, node: str) -> ContainerDetail:
    """Return one container, with what its engine says for those who may inspect. Raises Problem."""
    await context.authority.admit(call, "container.read", f"container:{reference}")
    container = await find_container(context, call, reference, node=node)
    powers, target = context.authority.powers(call), container_target(container)
    can = tuple(name for name in CONTAINER_ACTIONS if powers.decide(name, target).allowed)
    container = replace(container, can=can)
    if "container.inspect" not in can:
        return ContainerDetail(**shallow(container), detail=None)
    detail = await context.surroundings.hosts.inspect(
        container.node_id, container.id, caller=call.on_behalf()
    )
    return ContainerDetail(**shallow(container), detail=dict(detail))


async def act_on_container(
    context: Context,
    call: Call,
    reference: str,
    action: ContainerAction,
    *,
    node: str,
    force: bool = False,
) -> ContainerActed:
    """Start, stop, ... or remove a container. Raises Problem, HostUnavailable or HostRefused."""
    needed = ACTION_OF[action]
    await context.authority.admit(call, needed, f"container:{reference}")
    container = await find_container(context, call, reference, node=node)

    async def change(permit: Permit) -> None:
        async with permit.acting():
            await context.surroundings.hosts.act(
                container.node_id, container.id, action, caller=call.on_behalf(), force=force
            )

    await context.authority.perform(
        call,
        needed,
        container_target(container),
        change,
        recorded_as=f"container.{action.value}",
    )
    note = ""
    if container.is_managed and action not in (ContainerAction.START, ContainerAction.UNPAUSE):
        note = f"it belongs to service {container.service}, which brings its replicas back by itself"
    return ContainerActed(
        id=container.id,
        name=container.name,
        node_id=container.node_id,
        node_name=container.node_name,
        action=action.value,
        note=note,
    )


async def open_logs(
    context: Context, call: Call, reference: str, query: LogQuery, *, node: str
) -> tuple[ContainerView, AbstractAsyncContextManager[AsyncIterator[LogLine]]]:
    """Return the container and its lines, to be entered. Raises Problem; entering raises HostUnavailable or
    HostRefused."""
    await context.authority.admit(call, "container.logs", f"container:{reference}")
    container = await find_container(context, call, reference, node=node)
    await context.authority.require(call, "container.logs", container_target(container))
    lines = context.surroundings.hosts.logs(container.node_id, container.id, query, caller=call.on_behalf())
    return container, lines


async def read_containers(
    context: Context, *, node: str = ""
) -> tuple[list[ContainerView], tuple[HostProblem, ...]]:
    """Return every container known, and the hosts that cannot be asked, for callers who may see them.

    Raises Problem when there is no host `node`.
    """
    only = find_node(context.surroundings, node).id if node else None
    names = node_names(context.surroundings)
    containers: list[ContainerView] = []
    problems: list[HostProblem] = []
    for host in await context.views.read(patience_s=context.pace.list_patience_s):
        if only is not None and host.node_id != only:
            continue
        name = names.get(host.node_id, host.node_id)
        if host.problem:
            problems.append(HostProblem(node_id=host.node_id, node_name=name, reason=problem_of(host, name)))
        containers.extend(_view(container, host, name) for container in _containers_of(host))
    return containers, tuple(problems)


class ContainerLookup:
    """Containers by host and id, each made into a view when it is first asked for.

    For what asks about few of them or none, and often.
    """

    def __init__(self, hosts: Sequence[HostView], names: Mapping[str, str]) -> None:
        self._hosts = hosts
        self._names = names
        self._places: dict[tuple[str, str], tuple[ContainerSummary, HostView]] | None = None
        self._views: dict[tuple[str, str], ContainerView] = {}

    def get(self, key: tuple[str, str]) -> ContainerView | None:
        """Return the container of that host and id, None where it is not known."""
        if self._places is None:
            self._places = {
                (host.node_id, container.id): (container, host)
                for host in self._hosts
                for container in _containers_of(host)
            }
        view, place = self._views.get(key), self._places.get(key)
        if view is None and place is not None:
            container, host = place
            name = self._names.get(host.node_id, host.node_id)
            view = self._views[key] = _view(container, host, name)
        return view


async def look_up_containers(context: Context) -> ContainerLookup:
    """Return what finds every container known now, for callers who may see them."""
    hosts = await context.views.read(patience_s=context.pace.list_patience_s)
    return ContainerLookup(hosts, node_names(context.surroundings))


async def read_seen(
    context: Context, call: Call, *, node: str = ""
) -> tuple[list[ContainerView], tuple[HostProblem, ...]]:
    """Return every container that the caller may read, and the hosts that cannot be asked.

    Raises Problem when there is no host `node`.
    """
    found, problems = await read_containers(context, node=node)
    sight = context.authority.sight(call, "container.read")
    if not sight.is_everything:
        found = [view for view in found if sight.sees(container_target(view))]
    return found, problems


async def find_container(context: Context, call: Call, reference: str, *, node: str = "") -> ContainerView:
    """Return the one container of that id, beginning of an id, or name, among those the caller may read.

    Raises Problem: 409 with the candidates when several fit, 404 when none does.
    """
    containers, problems = await read_seen(context, call, node=node)
    exact = [view for view in containers if reference in (view.id, view.name)]
    found = exact or [
        view
        for view in containers
        if len(reference) >= _PREFIX_CHARACTERS_MIN and view.id.startswith(reference.lower())
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise _ambiguous(reference, found)
    hint = ""
    if problems:
        hosts = ", ".join(problem.node_name for problem in problems)
        hint = f"it may be on a host that cannot be asked now: {hosts}"
    raise missing("container", reference, hint=hint)


def _ambiguous(reference: str, found: Sequence[ContainerView]) -> Problem:
    ordered = sorted(found, key=_order)[:CANDIDATES_SHOWN]
    listed = ", ".join(f"{view.name} ({view.id[:12]}) on {view.node_name}" for view in ordered)
    return Problem(
        "ambiguous",
        f"{len(found)} containers fit {reference[:80]!r}: {listed}",
        hint="give more of the id, or the host with ?node= (--node)",
        extra={
            "candidates": [
                {"id": view.id, "name": view.name, "node_id": view.node_id, "node_name": view.node_name}
                for view in ordered
            ]
        },
    )


def _containers_of(host: HostView) -> Sequence[ContainerSummary]:
    return () if host.inventory is None else host.inventory.containers


def _order(view: ContainerView) -> Key:
    return (view.node_name, view.name, view.id)


def fits(view: ContainerView, wanted: ContainerFilter) -> bool:
    """Whether a container is wanted; `wanted.node` is not looked at."""
    if wanted.project and view.project != wanted.project:
        return False
    if wanted.service and wanted.service not in (view.service, f"{view.project}.{view.service}"):
        return False
    if wanted.state and view.state != wanted.state:
        return False
    text = wanted.text.lower()
    return not text or any(
        text in value.lower() for value in (view.name, view.image, view.id, view.project, view.service)
    )


def _view(container: ContainerSummary, host: HostView, node_name: str) -> ContainerView:
    return ContainerView(
        id=container.id,
        name=container.name,
        image=container.image,
        state=container.state,
        status=container.status,
        health=container.health,
        created_at_ms=container.created_at_ms,
        project=container.project,
        service=container.service,
        revision=container.revision,
        is_managed=container.is_managed,
        ports=tuple(
            PortView(
                container_port=port.container_port,
                protocol=port.protocol,
                host_ip=port.host_ip,
                host_port=port.host_port,
            )
            for port in container.ports
        ),
        labels=dict(container.labels),
        cpu_percent=container.cpu_percent,
        memory_bytes=container.memory_bytes,
        memory_limit_bytes=container.memory_limit_bytes,
        node_id=host.node_id,
        node_name=node_name,
        age_ms=host.age_ms,
        image_labels=container.image_labels,
    )
