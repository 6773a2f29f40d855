"""Answers that last: written as lines come, ended when nobody reads any more or the reader may not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import web

from cluster.model.inventory import HostRefused, HostUnavailable
from web.api.endpoint import Ask
from web.auth.problems import Problem
from web.middleware.keys import AUTHENTICATOR, STOPPING, STREAMS

NDJSON = "application/x-ndjson"
TEXT = "text/plain"


class StreamEnded(Exception):
    """The caller may read no further; the text says why."""


@asynccontextmanager
async def stream_slot(ask: Ask[Any, Any]) -> AsyncIterator[None]:
    """Around one answer that lasts. Raises Problem when there are as many as this host allows."""
    streams = ask.request.app[STREAMS]
    if streams.locked():
        raise Problem(
            "unavailable",
            "as many logs are followed here as this host allows",
            hint="ask another host, or raise api.log_followers_max",
            retry_after_s=10,
        )
    async with streams:
        yield


def begin(content_type: str) -> web.StreamResponse:
    """Return the answer, not yet prepared."""
    response = web.StreamResponse()
    response.content_type = content_type
    response.charset = "utf-8"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def ndjson(record: object) -> bytes:
    """Return one line of JSON."""
    return json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


async def serve(
    ask: Ask[Any, Any],
    response: web.StreamResponse,
    write: Callable[[], Awaitable[None]],
    *,
    is_text: bool,
    still: Callable[[], str | None] = lambda: None,
) -> web.StreamResponse:
    """Write until `write` is done, and say in the stream why when it breaks.

    `still` says why the caller may not read on, None when it may.
    """
    reason: str | None = None
    is_gone = False
    try:
        async with asyncio.TaskGroup() as tasks:
            pulse = tasks.create_task(
                _keep_alive(ask, response, is_text=is_text, still=still), name="log-pulse"
            )
            await write()
            pulse.cancel()
    except* (HostUnavailable, HostRefused, StreamEnded) as broken:
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


async def _keep_alive(
    ask: Ask[Any, Any], response: web.StreamResponse, *, is_text: bool, still: Callable[[], str | None]
) -> None:
    """While it is quiet, show that the stream lives, and notice a reader who is gone or may read no longer.

    Raises StreamEnded or ConnectionError.
    """
    stopping = ask.request.app[STOPPING]
    while True:
        try:
            async with asyncio.timeout(ask.context.pace.stream_heartbeat_s):
                await stopping.wait()
            raise StreamEnded("this host's agent is stopping; ask another host")
        except TimeoutError:
            pass
        refused = ask.request.app[AUTHENTICATOR].recheck(ask.call.known()) or still()
        if refused is not None:
            raise StreamEnded(refused)
        transport = ask.request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the reader is gone")
        if not is_text:
            await response.write(b"\n")


def _last_words(reason: str, *, is_text: bool) -> bytes:
    if is_text:
        return f"[the stream ended: {reason}]\n".encode("utf-8", "replace")
    return ndjson({"error": reason})
