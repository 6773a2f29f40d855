"""Compose projects over all hosts, told from their containers' labels: listing, starting, stopping."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from cluster.model.inventory import ContainerAction, HostRefused, HostUnavailable
from web.auth.call import Call
from web.auth.problems import Problem
from web.tools.containers import ACTION_OF, act_on_container, read_seen
from web.tools.context import Context
from web.tools.listing import page_of
from web.tools.resource_views import (
    ProjectActed,
    ProjectHost,
    ProjectOutcome,
    ProjectPage,
    ProjectState,
    ProjectStep,
    ProjectView,
)
from web.tools.row_rights import CONTAINER_ACTIONS, RowRights, row_rights
from web.tools.targets import container_target
from web.tools.views import ContainerView

ACTIONS = (ContainerAction.START, ContainerAction.STOP, ContainerAction.RESTART)
AT_ONCE = 8
_CONFIG_FILES = "com.docker.compose.project.config_files"
_DEPENDS_ON = "com.docker.compose.depends_on"
_ONE_OFF = "com.docker.compose.oneoff"


async def list_projects(
    context: Context, call: Call, *, node: str, text: str, state: str, cursor: str | None, limit: int
) -> ProjectPage:
    """Return projects by name, as far as the caller sees their containers. Raises Problem."""
    await context.authority.admit(call, "container.read", "container")
    containers, problems = await read_seen(context, call, node=node)
    rights = row_rights(context.authority.powers(call), CONTAINER_ACTIONS)
    found = [
        view
        for view in projects_of(containers, rights)
        if (not state or view.state == state)
        and (not text or any(text.lower() in name.lower() for name in (view.name, *view.services)))
    ]
    page = page_of(found, key=lambda view: (view.name,), cursor=cursor, limit=limit)
    return ProjectPage(items=page.items, next_cursor=page.next_cursor, problems=problems)


async def get_project(context: Context, call: Call, name: str) -> ProjectView:
    """Return one project. Raises Problem."""
    await context.authority.admit(call, "container.read", f"container:{name}")
    containers, _ = await read_seen(context, call)
    rights = row_rights(context.authority.powers(call), CONTAINER_ACTIONS)
    for view in projects_of(containers, rights):
        if view.name == name:
            return view
    raise _none(name)


async def act_on_project(
    context: Context, call: Call, name: str, action: ContainerAction, *, node: str
) -> ProjectActed:
    """Start, stop or restart what a project has on all hosts, or on one; what depends on what in that order.

    Replicas are left to their services, which would bring them back. Raises Problem.
    """
    await context.authority.admit(call, ACTION_OF[action], f"container:{name}")
    containers, _ = await read_seen(context, call, node=node)
    mine = [each for each in containers if each.project == name]
    if not mine:
        raise _none(name)
    slots = asyncio.Semaphore(AT_ONCE)

    async def act(container: ContainerView) -> ProjectStep:
        reason = _nothing_to_do(container, action)
        if reason:
            return _step(container, ProjectOutcome.SKIPPED, reason)
        try:
            async with slots:
                await act_on_container(context, call, container.id, action, node=container.node_id)
        except (HostUnavailable, HostRefused, Problem) as error:
            words = error.detail if isinstance(error, Problem) else str(error)
            return _step(container, ProjectOutcome.FAILED, words)
        return _step(container, ProjectOutcome.DONE, "")

    steps: list[ProjectStep] = []
    waves = by_dependency(mine)
    for wave in reversed(waves) if action is ContainerAction.STOP else waves:
        steps += await asyncio.gather(*(act(container) for container in wave))
    return ProjectActed(project=name, action=action.value, items=tuple(steps))


def projects_of(containers: Iterable[ContainerView], rights: RowRights | None = None) -> list[ProjectView]:
    """Return the projects that containers belong to, by name; by `rights` with what may be done to each."""
    grouped: dict[str, list[ContainerView]] = {}
    for container in containers:
        if container.project:
            grouped.setdefault(container.project, []).append(container)
    return [_view(name, grouped[name], rights) for name in sorted(grouped)]


def by_dependency(containers: Sequence[ContainerView]) -> list[list[ContainerView]]:
    """Return containers in waves: what depends on a service is in a later one than it. Of a circle the rest
    goes together."""
    needs = {
        container.service: _depends_on(container.labels) & {each.service for each in containers}
        for container in containers
    }
    waves: list[list[ContainerView]] = []
    done: set[str] = set()
    left = sorted(containers, key=lambda each: (each.service, each.node_name, each.name))
    while left:
        ready = {each.service for each in left if needs[each.service] - {each.service} <= done}
        ready = ready or {each.service for each in left}
        waves.append([each for each in left if each.service in ready])
        left = [each for each in left if each.service not in ready]
        done |= ready
    return waves


def _depends_on(labels: Mapping[str, str]) -> set[str]:
    # Compose writes "db:service_healthy:true,cache:service_started:false".
    return {each.partition(":")[0] for each in labels.get(_DEPENDS_ON, "").split(",")} - {""}


def _nothing_to_do(container: ContainerView, action: ContainerAction) -> str:
    if container.is_managed:
        return f"it is a replica of service {container.service}, which looks after it"
    if container.labels.get(_ONE_OFF, "").lower() == "true":
        return "it was run once, beside the project's services"
    is_up = container.state in ("running", "restarting", "paused")
    if action is ContainerAction.START and is_up:
        return "it runs"
    if action is ContainerAction.STOP and not is_up:
        return "it does not run"
    return ""


def _may_all(containers: Sequence[ContainerView], rights: RowRights | None) -> tuple[str, ...] | None:
    """What may be done to all containers but replicas, which their services look after."""
    if rights is None:
        return None
    may = [rights.of(container_target(each)) for each in containers if not each.is_managed]
    return tuple(name for name in CONTAINER_ACTIONS if may and all(name in some for some in may))


def _view(name: str, containers: Sequence[ContainerView], rights: RowRights | None) -> ProjectView:
    running = [each for each in containers if each.state == "running"]
    if len(running) == len(containers):
        state = ProjectState.RUNNING
    else:
        state = ProjectState.PARTIAL if running else ProjectState.STOPPED
    hosts: dict[tuple[str, str], list[ContainerView]] = {}
    for each in containers:
        hosts.setdefault((each.node_name, each.node_id), []).append(each)
    return ProjectView(
        name=name,
        state=state,
        running=len(running),
        total=len(containers),
        unhealthy=sum(each.health == "unhealthy" for each in containers),
        managed=sum(each.is_managed for each in containers),
        services=tuple(sorted({each.service for each in containers if each.service})),
        hosts=tuple(
            ProjectHost(
                node_id=node_id,
                node_name=node_name,
                running=sum(each.state == "running" for each in there),
                total=len(there),
            )
            for (node_name, node_id), there in sorted(hosts.items())
        ),
        config_files=next(filter(None, (each.labels.get(_CONFIG_FILES, "") for each in containers)), ""),
        created_at_ms=min(each.created_at_ms for each in containers),
        can=_may_all(containers, rights),
    )


def _step(container: ContainerView, outcome: ProjectOutcome, reason: str) -> ProjectStep:
    return ProjectStep(
        id=container.id,
        name=container.name,
        service=container.service,
        node_id=container.node_id,
        node_name=container.node_name,
        outcome=outcome,
        reason=reason,
    )


def _none(name: str) -> Problem:
    return Problem(
        "not-found", f"no container belongs to a project {name[:80]!r}", hint="`tower project ls` lists them"
    )
