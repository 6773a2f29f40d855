"""One container from near: a command inside it, its processes, its engine's description, its numbers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cluster.model.container_access import ExecRequest, ExecSession
from web.auth.authority import Permit
from web.auth.call import Call
from web.tools.containers import find_container
from web.tools.context import Context
from web.tools.targets import container_target
from web.tools.views import ContainerView


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessesView:
    """The processes of a container as the host's `ps` shows them; each row has a cell for every title."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentView:
    """The engine's own description. `is_masked`: the values that may be secrets are hidden."""

    document: dict[str, object]
    is_masked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NumbersView:
    """What a container uses now; null is what is not measured. Rates are per second, `cpu_percent` is of one
    core."""

    at_ms: int | None
    cpu_percent: float | None
    memory_bytes: float | None
    memory_limit_bytes: float | None
    others: dict[str, float]


class Terminal:
    """A command that runs in a container, and what is said of it in the end."""

    def __init__(self, container: ContainerView, session: ExecSession) -> None:
        self.container = container
        self.session = session
        self.ended = "its caller left"


@asynccontextmanager
async def open_terminal(
    context: Context, call: Call, reference: str, request: ExecRequest, *, node: str
) -> AsyncIterator[Terminal]:
    """Run a command in a container. The audit has an entry of its begin, and one of its end.

    Raises Problem; HostUnavailable or HostRefused on entering and inside.
    """
    await context.authority.admit(call, "container.exec", f"container:{reference}")
    container = await find_container(context, call, reference, node=node)
    async with (
        context.authority.performing(call, "container.exec", container_target(container)) as permit,
        permit.acting(),
        context.surroundings.desk.exec(
            container.node_id, container.id, request, caller=call.on_behalf()
        ) as session,
    ):
        terminal = Terminal(container, session)
        clock = context.surroundings.clock
        began_s = clock.monotonic_s()
        try:
            yield terminal
        finally:
            lasted_s = clock.monotonic_s() - began_s
            await permit.ended(f"ended after {lasted_s:.0f} s: {terminal.ended}")


async def get_processes(context: Context, call: Call, reference: str, *, node: str) -> ProcessesView:
    """Return the processes of a running container. Raises Problem, HostUnavailable or HostRefused."""
    # Arguments of programs are as secret as variables of the environment.
    container = await _found(context, call, "container.inspect", reference, node)
    table = await context.surroundings.desk.top(container.node_id, container.id, caller=call.on_behalf())
    return ProcessesView(titles=table.titles, rows=table.rows)


async def get_document(
    context: Context, call: Call, reference: str, *, node: str, reveal: bool
) -> DocumentView:
    """Return the engine's description of a container; with `reveal` its secrets too, which is recorded.

    Raises Problem, HostUnavailable or HostRefused.
    """
    container = await _found(context, call, "container.inspect", reference, node)
    desk = context.surroundings.desk
    if not reveal:
        found = await desk.document(container.node_id, container.id, reveal=False, caller=call.on_behalf())
        return DocumentView(document=dict(found), is_masked=True)

    async def tell(permit: Permit) -> DocumentView:
        async with permit.acting():
            found = await desk.document(container.node_id, container.id, reveal=True, caller=call.on_behalf())
        return DocumentView(document=dict(found), is_masked=False)

    return await context.authority.perform(call, "container.reveal", container_target(container), tell)


async def get_numbers(context: Context, call: Call, reference: str, *, node: str) -> NumbersView:
    """Return the newest numbers of a container. Raises Problem."""
    container = await _found(context, call, "container.read", reference, node)
    newest: dict[str, float] = {}
    at_ms: int | None = None
    for host in await context.live.read(patience_s=context.pace.list_patience_s):
        if host.node_id != container.node_id:
            continue
        for series in host.series:
            if series.subject == container.id and series.values and series.values[-1] is not None:
                newest[series.metric] = series.values[-1]
                at_ms = host.times_ms[-1]
    return NumbersView(
        at_ms=at_ms,
        cpu_percent=newest.pop("cpu_percent", None),
        memory_bytes=newest.pop("memory_bytes", None),
        memory_limit_bytes=newest.pop("memory_limit_bytes", None),
        others=dict(sorted(newest.items())),
    )


async def _found(context: Context, call: Call, action: str, reference: str, node: str) -> ContainerView:
    await context.authority.admit(call, action, f"container:{reference}")
    container = await find_container(context, call, reference, node=node)
    await context.authority.require(call, action, container_target(container))
    return container
