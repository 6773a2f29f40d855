"""What containers of all hosts wrote: searched in what is kept, counted, downloaded, followed as it comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aiohttp import web

from cluster.logs.plain import plain_text
from cluster.model.log_history import (
    LEVELS_ALL,
    STREAMS_ALL,
    KeptLine,
    LineStream,
    LogLevel,
    LogPlace,
    LogSearch,
    levels_from,
)
from web.api.endpoint import Ask, Endpoint
from web.api.log_streams import NDJSON, TEXT, begin, ndjson, serve, stream_slot
from web.api.schemas import (
    LogChoiceQuery,
    LogDownloadQuery,
    LogFilterQuery,
    LogFollowQuery,
    LogHistogramQuery,
    LogSearchQuery,
)
from web.auth.problems import invalid
from web.middleware.routes import needs
from web.tools.log_views import (
    LEVEL_NAMES,
    STREAM_NAMES,
    LogHistogramView,
    LogLineView,
    LogPageView,
    LogSourcesView,
    LogSourceView,
    line_view,
)
from web.tools.logs import (
    LogChoice,
    count_lines,
    follow_logs,
    list_log_sources,
    read_all,
    search_logs,
    still_reads,
)
from web.tools.times import moment, parse_since

PAGE_LINES = 2_000
"""Of a download at once."""
SINCE_DEFAULT_MS = 3_600_000


async def get_sources(ask: Ask[None, LogChoiceQuery]) -> LogSourcesView:
    return await list_log_sources(ask.context, ask.call, _choice(ask.query))


async def get_history(ask: Ask[None, LogSearchQuery]) -> LogPageView:
    query = ask.query
    wanted = _search(
        ask, query, limit=query.limit, is_newest_first=query.order == "newest", context=query.context
    )
    return await search_logs(ask.context, ask.call, _choice(query), wanted, cursor=query.cursor)


async def get_histogram(ask: Ask[None, LogHistogramQuery]) -> LogHistogramView:
    query = ask.query
    now_ms = ask.context.surroundings.clock.now_ms()
    start_ms = parse_since(query.since, now_ms=now_ms) or now_ms - SINCE_DEFAULT_MS
    end_ms = parse_since(query.until, now_ms=now_ms, field="until") or now_ms + 1
    if end_ms <= start_ms:
        raise invalid("until", "after since", value=query.until[:80])
    return await count_lines(
        ask.context,
        ask.call,
        _choice(query),
        start_us=start_ms * 1000,
        end_us=end_ms * 1000,
        steps=query.steps,
    )


async def get_download(ask: Ask[None, LogDownloadQuery]) -> web.StreamResponse:
    query = ask.query
    wanted = _search(ask, query, limit=PAGE_LINES, is_newest_first=False)
    async with stream_slot(ask):
        sources, pages = await read_all(ask.context, ask.call, _choice(query), wanted)
        named = {source.container_id: source for source in sources}
        is_text = query.format == "text"
        response = begin(TEXT if is_text else NDJSON)
        response.headers["Content-Disposition"] = (
            f'attachment; filename="logs.{"txt" if is_text else "ndjson"}"'
        )
        await response.prepare(ask.request)

        async def write() -> None:
            async for page in pages:
                lines = (_line_of_file(line, named, is_text=is_text) for line in page.lines)
                await response.write(b"".join(lines))

        return await serve(ask, response, write, is_text=is_text)


async def get_followed(ask: Ask[None, LogFollowQuery]) -> web.StreamResponse:
    query = ask.query
    fits = _followed_filter(query)
    after = LogPlace(at_us=query.after_us) if query.after_us else None
    async with (
        stream_slot(ask),
        follow_logs(ask.context, ask.call, _choice(query), after=after, tail=query.tail) as following,
    ):
        places = {source.container_id: place for place, source in enumerate(following.sources)}
        response = begin(NDJSON)
        await response.prepare(ask.request)

        def still() -> str | None:
            return still_reads(ask.context, ask.call, following.targets)

        async def write() -> None:
            head = {
                "sources": [_plain(source) for source in following.sources],
                "problems": [
                    {"node_id": each.node_id, "node_name": each.node_name, "reason": each.reason}
                    for each in following.problems
                ],
            }
            await response.write(ndjson(head))
            async for each in following.batches:
                if each.lines is None:
                    await response.write(ndjson({"ended": each.ended}))
                    continue
                lines = [_plain(line_view(line, places)) for line in each.lines.lines if fits(line)]
                if lines or each.lines.missed:
                    await response.write(ndjson({"lines": lines, "missed": each.lines.missed}))

        return await serve(ask, response, write, is_text=False, still=still)


def _followed_filter(query: LogFollowQuery) -> Callable[[KeptLine], bool]:
    levels = _mask(query.levels, LEVEL_NAMES, LEVELS_ALL, field="levels")
    streams = _mask(query.streams, STREAM_NAMES, STREAMS_ALL, field="streams")
    text = query.q.lower()
    return lambda line: (
        bool(levels >> line.level & 1)
        and bool(streams >> line.stream & 1)
        and (not text or text in plain_text(line.text).lower())
    )


def _choice(query: LogChoiceQuery) -> LogChoice:
    return LogChoice(
        containers=_listed(query.containers),
        services=_listed(query.services),
        projects=_listed(query.projects),
        hosts=_listed(query.hosts),
    )


def _listed(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def _search(
    ask: Ask[None, LogFilterQuery] | Ask[None, LogSearchQuery] | Ask[None, LogDownloadQuery],
    query: LogFilterQuery,
    *,
    limit: int,
    is_newest_first: bool,
    context: int = 0,
) -> LogSearch:
    now_ms = ask.context.surroundings.clock.now_ms()
    levels = _mask(query.levels, LEVEL_NAMES, LEVELS_ALL, field="levels")
    if query.level:
        levels &= levels_from(LogLevel[query.level.upper()])
    return LogSearch(
        container_ids=(),
        start_us=query.since_us or parse_since(query.since, now_ms=now_ms) * 1000,
        end_us=query.until_us or parse_since(query.until, now_ms=now_ms, field="until") * 1000,
        levels=levels,
        streams=_mask(query.streams, STREAM_NAMES, STREAMS_ALL, field="streams"),
        pattern=query.q,
        is_regex=query.regex,
        is_case_sensitive=query.case,
        context=context,
        is_newest_first=is_newest_first,
        limit=limit,
    )


def _mask(text: str, names: Sequence[str], everything: int, *, field: str) -> int:
    mask = 0
    for name in _listed(text):
        if name not in names:
            raise invalid(field, f"any of {', '.join(names)}, with commas between", value=name[:40])
        mask |= 1 << names.index(name)
    return mask or everything


def _line_of_file(line: KeptLine, named: Mapping[str, LogSourceView], *, is_text: bool) -> bytes:
    view = line_view(line, {})
    source = named[line.container_id]
    if is_text:
        mark = "-- " if line.stream == LineStream.EVENT else ""
        return (
            f"{moment_us(line.at_us)} {source.node_name}/{source.name} {mark}{plain_text(view.text)}\n"
        ).encode("utf-8", "replace")
    return ndjson(
        {
            "node": source.node_name,
            "container": source.name,
            "container_id": line.container_id,
            "at": moment_us(line.at_us),
            "stream": view.stream,
            "level": view.level,
            "text": view.text,
        }
    )


def moment_us(at_us: int) -> str:
    """Return a moment as text: ISO 8601, UTC, to the microsecond."""
    return f"{moment(at_us // 1000)[:-1]}.{at_us % 1_000_000:06d}Z"


def _plain(view: LogLineView | LogSourceView) -> dict[str, object]:
    return {name: getattr(view, name) for name in view.__slots__}


_PROBLEMS = ("not-found", "invalid")

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/logs",
        run=get_history,
        access=needs("container.logs"),
        summary="Search what containers of all hosts wrote, also those that are gone",
        tag="logs",
        query=LogSearchQuery,
        answer=LogPageView,
        problems=_PROBLEMS,
    ),
    Endpoint(
        method="GET",
        path="/logs/sources",
        run=get_sources,
        access=needs("container.logs"),
        summary="Whose output is kept, and how much of it",
        tag="logs",
        query=LogChoiceQuery,
        answer=LogSourcesView,
        problems=_PROBLEMS,
    ),
    Endpoint(
        method="GET",
        path="/logs/histogram",
        run=get_histogram,
        access=needs("container.logs"),
        summary="How many lines of each level there are over time",
        tag="logs",
        query=LogHistogramQuery,
        answer=LogHistogramView,
        problems=_PROBLEMS,
    ),
    Endpoint(
        method="GET",
        path="/logs/download",
        run=get_download,
        access=needs("container.logs"),
        summary="All lines that fit, as a file",
        tag="logs",
        query=LogDownloadQuery,
        media_types=(TEXT, NDJSON),
        problems=_PROBLEMS,
    ),
    Endpoint(
        method="GET",
        path="/logs/follow",
        run=get_followed,
        access=needs("container.logs"),
        summary="Lines of containers of all hosts as they come",
        tag="logs",
        query=LogFollowQuery,
        media_types=(NDJSON,),
        problems=_PROBLEMS,
    ),
)
