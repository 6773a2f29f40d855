"""A container's lines, as a stream: one JSON object per line, or plain text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web

from cluster.logs.levels import level_of
from cluster.logs.plain import plain_text
from cluster.model.inventory import LogLine, LogQuery
from cluster.model.log_history import KeptLine, LineStream, LogLevel, LogSearch
from web.api.endpoint import Ask, Endpoint
from web.api.log_streams import NDJSON, TEXT, begin, ndjson, serve, stream_slot
from web.api.schemas import LogsQuery
from web.auth.problems import Problem, invalid
from web.middleware.routes import needs
from web.tools.containers import open_logs
from web.tools.logs import LogChoice, read_all
from web.tools.times import moment, parse_since

TAIL_MAX = 1_000_000
PAGE_LINES = 2_000


async def get_logs(ask: Ask[None, LogsQuery]) -> web.StreamResponse:
    query = ask.query
    now_ms = ask.context.surroundings.clock.now_ms()
    if query.tail != "all" and not 0 <= query.tail <= TAIL_MAX:
        raise invalid("tail", f"from 0 to {TAIL_MAX}, or all", value=query.tail)
    wanted = LogQuery(
        tail=None if query.tail == "all" else query.tail,
        since_ms=parse_since(query.since, now_ms=now_ms),
        is_following=query.follow,
    )
    async with stream_slot(ask):
        try:
            container, opening = await open_logs(
                ask.context, ask.call, ask.path["container"], wanted, node=query.node
            )
        except Problem as problem:
            if problem.kind != "not-found":
                raise
            return await _stream_of_history(ask, wanted, problem)
        async with opening as lines:
            if wanted.is_following or wanted.tail is not None:
                return await _stream(ask, lines)
            async with _history(ask, wanted, container=container.id, node=container.node_id) as kept:
                return await _stream(ask, _joined(kept, lines))


async def _stream_of_history(
    ask: Ask[None, LogsQuery], wanted: LogQuery, problem: Problem
) -> web.StreamResponse:
    """Give what is kept of a container that is gone. Raises `problem` when nothing is."""
    async with AsyncExitStack() as stack:
        try:
            kept = await stack.enter_async_context(
                _history(ask, wanted, container=ask.path["container"], node=ask.query.node)
            )
        except Problem as error:
            raise (problem if error.kind == "not-found" else error) from error
        return await _stream(ask, kept)


@asynccontextmanager
async def _history(
    ask: Ask[None, LogsQuery], wanted: LogQuery, *, container: str, node: str
) -> AsyncIterator[AsyncIterator[LogLine]]:
    """What is kept of a container, the oldest line first. Raises Problem when nothing is."""
    query = LogSearch(
        container_ids=(),
        start_us=wanted.since_ms * 1000,
        streams=1 << LineStream.STDOUT | 1 << LineStream.STDERR,
        is_newest_first=wanted.tail is not None,
        limit=min(PAGE_LINES, wanted.tail or PAGE_LINES),
    )
    choice = LogChoice(containers=(container,), hosts=(node,) if node else ())
    sources, pages = await read_all(ask.context, ask.call, choice, query)
    if len({source.container_id for source in sources}) > 1:
        raise Problem(
            "ambiguous",
            f"{len(sources)} containers that fit {container[:80]!r} are in the history",
            hint="give the id as /api/v1/logs/sources has it",
        )

    async def read() -> AsyncIterator[LogLine]:
        if wanted.tail is not None:
            newest: list[LogLine] = []
            async for page in pages:
                newest += map(_line, page.lines)
                if len(newest) >= wanted.tail:
                    break
            for line in reversed(newest[: wanted.tail]):
                yield line
            return
        async for page in pages:
            for kept in page.lines:
                yield _line(kept)

    yield read()


def _line(kept: KeptLine) -> LogLine:
    stream = LineStream(kept.stream).name.lower()
    return LogLine(stream=stream, at_ms=kept.at_us // 1000, text=kept.text)


async def _joined(kept: AsyncIterator[LogLine], lines: AsyncIterator[LogLine]) -> AsyncIterator[LogLine]:
    """What is kept from before the engine's first line, then what the engine has."""
    first = await anext(lines, None)
    async for line in kept:
        if first is not None and line.at_ms >= first.at_ms:
            break
        yield line
    if first is None:
        return
    yield first
    async for line in lines:
        yield line


async def _stream(ask: Ask[None, LogsQuery], lines: AsyncIterator[LogLine]) -> web.StreamResponse:
    is_text = "text/plain" in ask.request.headers.get("Accept", "")
    fits = _filter(ask.query)
    response = begin(TEXT if is_text else NDJSON)
    await response.prepare(ask.request)

    async def write() -> None:
        async for line in lines:
            if fits(line):
                await response.write(_text(ask, line) if is_text else _json(line))

    return await serve(ask, response, write, is_text=is_text)


def _filter(query: LogsQuery) -> Callable[[LogLine], bool]:
    lowest = LogLevel[query.level.upper()] if query.level else LogLevel.UNKNOWN
    text = query.q.lower()
    return lambda line: (
        (not query.stream or line.stream == query.stream)
        and (lowest is LogLevel.UNKNOWN or level_of(line.text) >= lowest)
        and (not text or text in plain_text(line.text).lower())
    )


def _json(line: LogLine) -> bytes:
    return ndjson({"stream": line.stream, "at_ms": line.at_ms, "text": line.text})


def _text(ask: Ask[None, LogsQuery], line: LogLine) -> bytes:
    stamp = f"{moment(line.at_ms)} " if ask.query.timestamps else ""
    return f"{stamp}{line.text}\n".encode("utf-8", "replace")


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/logs/{container}",
        also=("/api/logs/{container}",),
        run=get_logs,
        access=needs("container.logs"),
        summary="What a container wrote, and with follow what it writes",
        tag="logs",
        query=LogsQuery,
        media_types=(NDJSON, "text/plain"),
        problems=("not-found", "ambiguous", "refused", "host-unavailable"),
    ),
)
