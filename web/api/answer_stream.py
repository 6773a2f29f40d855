"""An answer of the assistant as server-sent events, each an event's JSON as `data`.

Whoever closes the connection stops the answer: that is looked for several times a second, since a model goes
on costing something while nobody reads.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, suppress
from functools import cache
from typing import Any

from aiohttp import web
from pydantic import TypeAdapter

from web.api.endpoint import Ask
from web.assistant.answer import Answer
from web.assistant.answering import Ended
from web.assistant.views import AnswerEvent, Began
from web.middleware.keys import AUTHENTICATOR, STOPPING

EVENT_STREAM = "text/event-stream"
_WRITE_TIMEOUT_S = 30.0
"""Who takes nothing for so long is gone."""
_HEARTBEAT = b": an answer is being made\n\n"


async def stream_answer(
    ask: Ask[Any, Any], asking: AbstractAsyncContextManager[tuple[Began, Answer]]
) -> web.StreamResponse:
    """Answer with the events of an answer, to its end. Raises Problem before anything is sent."""
    async with asking as (began, answer):
        response = web.StreamResponse(
            headers={
                "Content-Type": f"{EVENT_STREAM}; charset=utf-8",
                "Cache-Control": "no-store",
                # Or a proxy keeps what is to be heard at once.
                "X-Accel-Buffering": "no",
            }
        )
        # The reader is gone, or takes nothing any more: leaving stops the answer.
        with suppress(ConnectionError, TimeoutError):
            await response.prepare(ask.request)
            await _write(response, event_of(began))
            await _tell(ask, response, answer)
            await response.write_eof()
    return response


async def _tell(ask: Ask[Any, Any], response: web.StreamResponse, answer: Answer) -> None:
    pace = ask.context.pace
    clock = ask.context.surroundings.clock
    quiet_since_s = clock.monotonic_s()
    while True:
        try:
            async with asyncio.timeout(pace.answer_look_s):
                part = await answer.next()
        except TimeoutError:
            _look(ask, answer)
            if clock.monotonic_s() - quiet_since_s < pace.answer_heartbeat_s:
                continue
            await _write(response, _HEARTBEAT)
        else:
            await _write(response, event_of(part))
            if isinstance(part, Ended):
                return
        quiet_since_s = clock.monotonic_s()


def _look(ask: Ask[Any, Any], answer: Answer) -> None:
    """Stop an answer that may not go on. Raises ConnectionError when its reader is gone."""
    transport = ask.request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the reader is gone")
    if ask.request.app[STOPPING].is_set():
        answer.stop("this host's agent is stopping; ask another host")
        return
    refused = ask.request.app[AUTHENTICATOR].recheck(ask.call.known())
    if refused is not None:
        answer.stop(refused)


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(_WRITE_TIMEOUT_S):
        await response.write(data)


@cache
def _events() -> TypeAdapter[AnswerEvent]:
    # Made for the first answer: a start should not wait for it.
    return TypeAdapter(AnswerEvent)


def event_of(event: AnswerEvent) -> bytes:
    """Return one event. JSON holds no line breaks, so it is one line."""
    return b"data: " + _events().dump_json(event) + b"\n\n"
