"""A container's lines, as a stream: one JSON object per line, or plain text."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import web

from cluster.model.inventory import HostRefused, HostUnavailable, LogLine, LogQuery
from web.api.endpoint import Ask, Endpoint
from web.api.schemas import LogsQuery
from web.auth.problems import Problem, invalid
from web.middleware.keys import AUTHENTICATOR, STOPPING, STREAMS
from web.middleware.routes import needs
from web.tools.containers import open_logs
from web.tools.times import moment, parse_since

TAIL_MAX = 1_000_000
NDJSON = "application/x-ndjson"


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
    streams = ask.request.app[STREAMS]
    if streams.locked():
        raise Problem(
            "unavailable",
            "as many logs are followed here as this host allows",
            hint="ask another host, or raise api.log_followers_max",
            retry_after_s=10,
        )
    async with streams:
        _, opening = await open_logs(ask.context, ask.call, ask.path["container"], wanted, node=query.node)
        async with opening as lines:
            return await _stream(ask, lines)


async def _stream(ask: Ask[None, LogsQuery], lines: AsyncIterator[LogLine]) -> web.StreamResponse:
    is_text = "text/plain" in ask.request.headers.get("Accept", "")
    response = web.StreamResponse()
    response.content_type = "text/plain" if is_text else NDJSON
    response.charset = "utf-8"
    response.headers["X-Accel-Buffering"] = "no"
    await response.prepare(ask.request)
    reason: str | None = None
    is_gone = False
    try:
        async with asyncio.TaskGroup() as tasks:
            pulse = tasks.create_task(_keep_alive(ask, response, is_text=is_text), name="log-pulse")
            async for line in lines:
                await response.write(_text(ask, line) if is_text else _json(line))
            pulse.cancel()
    except* (HostUnavailable, HostRefused, _Ended) as broken:
        reason = str(broken.exceptions[0])
    except* ConnectionError:
        is_gone = True
    if is_gone:
        return response
    with suppress(ConnectionError):
        if reason is not None:
            # The status is sent already: all that is left is to say it in the stream.
            await response.write(_last_words(reason, is_text=is_text))
        await response.write_eof()
    return response


class _Ended(Exception):
    """The caller may read no further; the text says why."""


async def _keep_alive(ask: Ask[None, LogsQuery], response: web.StreamResponse, *, is_text: bool) -> None:
    """While it is quiet, show that the stream lives, and notice a reader who is gone or may read no longer.

    Raises _Ended or ConnectionError.
    """
    stopping = ask.request.app[STOPPING]
    while True:
        try:
            async with asyncio.timeout(ask.context.pace.stream_heartbeat_s):
                await stopping.wait()
            raise _Ended("this host's agent is stopping; ask another host")
        except TimeoutError:
            pass
        refused = ask.request.app[AUTHENTICATOR].recheck(ask.call.known())
        if refused is not None:
            raise _Ended(refused)
        transport = ask.request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the reader is gone")
        if not is_text:
            await response.write(b"\n")


def _json(line: LogLine) -> bytes:
    record = {"stream": line.stream, "at_ms": line.at_ms, "text": line.text}
    return json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def _text(ask: Ask[None, LogsQuery], line: LogLine) -> bytes:
    stamp = f"{moment(line.at_ms)} " if ask.query.timestamps else ""
    return f"{stamp}{line.text}\n".encode("utf-8", "replace")


def _last_words(reason: str, *, is_text: bool) -> bytes:
    if is_text:
        return f"[the stream ended: {reason}]\n".encode("utf-8", "replace")
    return json.dumps({"error": reason}).encode() + b"\n"


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/logs/{container}",
        also=("/api/logs/{container}",),
        run=get_logs,
        access=needs("container.logs"),
        summary="What a container wrote, and with follow what it writes",
        tag="containers",
        query=LogsQuery,
        media_types=(NDJSON, "text/plain"),
        problems=("not-found", "ambiguous", "refused", "host-unavailable"),
    ),
)
