"""What a tool call takes over each transport of MCP, how long the list of tools is, and what memory it costs.

Beside it mcp-server-docker, another MCP server, asked by the same client for the same containers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from mcp_types.version import LATEST_MODERN_VERSION

from tests.benchmarks.labs import a_benchmark_lab
from tests.benchmarks.leftovers import scratch
from tests.benchmarks.mcp_sessions import (
    ANCHOR,
    ANCHOR_PROGRAM,
    LEGACY,
    Session,
    Size,
    over_sse,
    over_streamable_http,
    with_anchor,
    with_tower,
)
from tests.benchmarks.process_figures import private_mib
from tests.benchmarks.results import Finding, Row, percentile
from tests.support.lab import Host, LabAgents

CONTAINERS = 20
ROUNDS = 250
"""Of one call over each of the agent's four transports: a thousand calls of it."""
SETTLE_S = 10.0
"""What the starts of agents and containers leave to do is done by then, and not measured."""
IMAGE = "demo/web:1"
STDIO = "stdio"
CALL_TARGET = "< 10 ms"
LIST_TARGET = "<= 9,000 tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What a server lists and answers, and what calls of it took over each transport.

    `program_mib` is the private memory of the program that a client starts to speak with it.
    """

    version: str
    listed: Size
    answered: Size
    times_ms: Mapping[str, Sequence[float]]
    program_mib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The agent's private memory. `unasked_mib` is what an agent grew by that nobody asked meanwhile."""

    before_mib: float
    first_mib: float
    after_mib: float
    unasked_mib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All that was measured. `first_ms` is how long the agent's first session took to list and call."""

    first_ms: float
    memory: Memory
    ours: Server
    anchor: Server | None


def run(say: Callable[[str], None], *, rounds: int = ROUNDS) -> Finding:
    """Measure it on a follower of three hosts. Raises Missing without a lab."""
    with scratch() as directory, a_benchmark_lab("m") as lab:
        agents = LabAgents(lab, directory)
        agents.form()
        leader = agents.leader()
        asked, unasked = (host for host in lab.hosts if host is not leader)
        _start_containers(agents, asked)
        say(f"{CONTAINERS} containers started; measuring in {SETTLE_S:.0f} s")
        time.sleep(SETTLE_S)
        found = asyncio.run(_measure(agents, asked, unasked, directory, rounds))
    say(f"first session: {found.first_ms:.0f} ms; {found.memory}")
    return finding(found, rounds=rounds)


def _start_containers(agents: LabAgents, host: Host) -> None:
    host.engine.pull(IMAGE)
    for number in range(CONTAINERS):
        host.engine.run(f"bench-{number:03d}", IMAGE)
    client = agents.client(host)
    agents.wait(
        "the agent lists the containers", lambda: len(client.get("/containers")["items"]) == CONTAINERS
    )


async def _measure(agents: LabAgents, asked: Host, unasked: Host, directory: Path, rounds: int) -> Found:
    agent, other = agents.process(asked).pid, agents.process(unasked).pid
    before_mib, other_mib = private_mib([agent]), private_mib([other])
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        began_s = time.perf_counter()
        modern = await enter(over_streamable_http(agents, asked, mode=LATEST_MODERN_VERSION))
        await _sizes(modern)
        first_ms, first_mib = _since_ms(began_s), private_mib([agent])
        legacy = await enter(over_streamable_http(agents, asked, mode=LEGACY))
        ours = {
            f"/mcp, {modern.client.protocol_version}": modern,
            f"/mcp, {legacy.client.protocol_version}": legacy,
            "/sse": await enter(over_sse(agents, asked)),
            STDIO: await enter(with_tower(agents, asked, directory)),
        }
        anchor = {STDIO: await enter(with_anchor(asked, directory))} if ANCHOR_PROGRAM.is_file() else {}
        sessions = (*ours.values(), *anchor.values())
        sizes = [await _sizes(session) for session in sessions]
        times_ms = await _calls(sessions, rounds)
        after_mib, unasked_mib = private_mib([agent]), private_mib([other]) - other_mib
        return Found(
            first_ms=first_ms,
            memory=Memory(
                before_mib=before_mib, first_mib=first_mib, after_mib=after_mib, unasked_mib=unasked_mib
            ),
            ours=_server(ours, sizes[: len(ours)], times_ms[: len(ours)]),
            anchor=_server(anchor, sizes[len(ours) :], times_ms[len(ours) :]) if anchor else None,
        )


async def _sizes(session: Session) -> tuple[Size, Size]:
    """The list of tools and that of containers; a client knows the tools before it calls one."""
    listed, answered = await session.list_tools(), await session.list_containers()
    if answered.count != CONTAINERS:
        raise RuntimeError(f"{session.tool} lists {answered.count} containers, not {CONTAINERS}")
    return listed, answered


async def _calls(sessions: Sequence[Session], rounds: int) -> list[list[float]]:
    """Milliseconds of calls of each session: one of each in turn, so that all meet the same moments."""
    times_ms: list[list[float]] = [[] for _ in sessions]
    for _ in range(rounds):
        for session, taken_ms in zip(sessions, times_ms, strict=True):
            began_s = time.perf_counter()
            await session.call()
            taken_ms.append(_since_ms(began_s))
    return times_ms


def _since_ms(began_s: float) -> float:
    return (time.perf_counter() - began_s) * 1000


def _server(
    sessions: Mapping[str, Session],
    sizes: Sequence[tuple[Size, Size]],
    times_ms: Sequence[Sequence[float]],
) -> Server:
    started = sessions[STDIO]
    about = started.client.server_info
    listed, answered = sizes[-1]
    return Server(
        version=about.version if about is not None else "",
        listed=listed,
        answered=answered,
        times_ms=dict(zip(sessions, times_ms, strict=True)),
        program_mib=started.program_mib,
    )


def finding(found: Found, *, rounds: int) -> Finding:
    """What was measured in so many calls over each transport."""
    ours, anchor = found.ours, found.anchor
    grown_mib = found.memory.unasked_mib
    notes = [f"Another follower, whose endpoint nobody asked, grew by {grown_mib:.1f} MiB meanwhile."]
    if anchor is None:
        notes.append(f"{ANCHOR} was not measured: packaging/bootstrap.sh python bench.")
    else:
        notes.append(
            f"Anchor: {ANCHOR} {anchor.version}, which asks its Docker for the containers and then for each"
            " of them. Ours tells what the agents of all hosts have seen, which each of them knows."
        )
    return Finding(
        title="MCP",
        how=(
            f"A follower of three hosts, whose Docker has {CONTAINERS} containers, is asked to list them:"
            f" {rounds} calls over each transport, in turn and one at a time, by the official SDK's client"
            " with an administrator's token. The anchor is asked in the same turns. A token is taken for four"
            " characters. Memory is private memory (smaps_rollup)."
        ),
        anchor=ANCHOR,
        rows=(
            *_call_rows(ours, anchor),
            _row("tools", lambda server: str(server.listed.count), ours, anchor),
            _row("list of tools", lambda server: _told(server.listed), ours, anchor, LIST_TARGET),
            _row("answer of a call", lambda server: _told(server.answered), ours, anchor),
            _row(
                "program that a client starts", lambda server: f"{server.program_mib:.0f} MiB", ours, anchor
            ),
            *_memory_rows(found.memory, calls=len(ours.times_ms) * rounds),
            Row(what="first session, which has the SDK loaded", ours=f"{found.first_ms:.0f} ms"),
        ),
        notes=tuple(notes),
    )


def _call_rows(ours: Server, anchor: Server | None) -> Iterator[Row]:
    theirs_ms = {} if anchor is None else anchor.times_ms
    for name, times_ms in ours.times_ms.items():
        for percent, target in ((50, CALL_TARGET), (95, "")):
            yield Row(
                what=f"call over {name}, p{percent}",
                ours=f"{percentile(times_ms, percent):.1f} ms",
                target=target,
                anchor=f"{percentile(theirs_ms[name], percent):.1f} ms" if name in theirs_ms else "",
            )


def _memory_rows(memory: Memory, *, calls: int) -> Iterator[Row]:
    yield Row(what="agent before the first request", ours=f"{memory.before_mib:.0f} MiB")
    for after_mib, when in ((memory.first_mib, "the first session"), (memory.after_mib, f"{calls:,} calls")):
        yield Row(what=f"added to it after {when}", ours=f"{after_mib - memory.before_mib:.1f} MiB")


def _row(
    what: str, figure: Callable[[Server], str], ours: Server, anchor: Server | None, target: str = ""
) -> Row:
    return Row(what=what, ours=figure(ours), target=target, anchor="" if anchor is None else figure(anchor))


def _told(size: Size) -> str:
    return f"{size.tokens:,.0f} tokens, {size.bytes:,} bytes"
