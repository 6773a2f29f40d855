"""A server that speaks Anthropic's Messages API from a script: what a model says, step by step."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

PIECE_CHARACTERS = 5
"""Text and arguments come in pieces of so many characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One message of the model.

    `hold` stops it after its first piece until it is set. `cut`: what happens instead of its end: the
    connection is aborted ("drop"), closed as if all were well ("close"), or an error event comes ("error").
    """

    blocks: Sequence[Mapping[str, Any]]
    stop_reason: str = "end_turn"
    read: int = 100
    written: int = 10
    cached: int = 0
    hold: asyncio.Event | None = None
    cut: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An HTTP error instead of a message; `body` instead of one of the API's errors, `location` for who is
    sent elsewhere."""

    status: int
    kind: str = "api_error"
    message: str = "no"
    body: str | None = None
    location: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """An answer of another program, with status 200."""

    body: str
    media_type: str = "text/event-stream"


Step = Reply | Refusal | Raw


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def thought(words: str, signature: str = "c2ln") -> dict[str, Any]:
    return {"type": "thinking", "thinking": words, "signature": signature}


def tool_use(call_id: str, tool: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": tool, "input": arguments}


def says(words: str, **fields: Any) -> Reply:
    return Reply(blocks=(text(words),), **fields)


def calls(*blocks: Mapping[str, Any], **fields: Any) -> Reply:
    """A message that ends in calls of tools."""
    return Reply(blocks=blocks, **{"stop_reason": "tool_use", **fields})


@dataclass(slots=True)
class MessagesApi:
    """The running server: what it says next, and what it was asked.

    The last step repeats. `is_holding` is set once an answer is held, `gone` when a client leaves before its
    answer has ended.
    """

    steps: list[Step]
    base_url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    is_holding: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def results(self, request: int = -1) -> list[dict[str, Any]]:
        """The results of tools in the last message of a request."""
        message = self.asked[request]["messages"][-1]
        assert message["role"] == "user"
        return [{key: block[key] for key in sorted(block)} for block in message["content"]]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        assert request.path == "/v1/messages"
        self.asked.append(await request.json())
        self.headers.append(dict(request.headers))
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        match step:
            case Refusal():
                body = {"type": "error", "error": {"type": step.kind, "message": step.message}}
                return web.Response(
                    status=step.status,
                    text=json.dumps(body) if step.body is None else step.body,
                    content_type="application/json",
                    headers={"retry-after-ms": "1", "request-id": "req_1", "location": step.location},
                )
            case Raw():
                return web.Response(text=step.body, content_type=step.media_type)
            case Reply():
                return await self._stream(request, step)

    async def _stream(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        try:
            for number, event in enumerate(_events_of(reply)):
                if number == 3 and reply.hold is not None:
                    self.is_holding.set()
                    await reply.hold.wait()
                if event["type"] == "message_delta" and reply.cut:
                    break
                await response.write(_line(event))
        except (asyncio.CancelledError, ConnectionError):
            self.gone.set()
            raise
        if reply.cut == "drop":
            assert request.transport is not None
            request.transport.abort()
        if reply.cut == "error":
            error = {"type": "overloaded_error", "message": "Overloaded"}
            await response.write(_line({"type": "error", "error": error}))
        return response


@asynccontextmanager
async def a_messages_api(*steps: Step) -> AsyncIterator[MessagesApi]:
    """Serve these steps on a local port."""
    api = MessagesApi(list(steps))
    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", api.handle)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    api.base_url = str(server.make_url("")).rstrip("/")
    try:
        yield api
    finally:
        await server.close()


def _line(event: Mapping[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def _events_of(reply: Reply) -> Iterator[dict[str, Any]]:
    usage = {"input_tokens": reply.read, "output_tokens": 1, "cache_read_input_tokens": reply.cached}
    message = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-test", "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    yield {"type": "message_start", "message": message}
    for index, block in enumerate(reply.blocks):
        empty, deltas = _in_pieces(block)
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": reply.stop_reason, "stop_sequence": None},
        "usage": {"output_tokens": reply.written},
    }
    yield {"type": "message_stop"}


def _in_pieces(block: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block as it begins, and what is added to it."""
    match block["type"]:
        case "text":
            pieces = [{"type": "text_delta", "text": piece} for piece in _pieces(block["text"])]
            return {"type": "text", "text": ""}, pieces
        case "thinking":
            pieces = [{"type": "thinking_delta", "thinking": piece} for piece in _pieces(block["thinking"])]
            signature = {"type": "signature_delta", "signature": block["signature"]}
            return {"type": "thinking", "thinking": "", "signature": ""}, [*pieces, signature]
        case _:
            given = block["input"] if isinstance(block["input"], str) else json.dumps(block["input"])
            pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in _pieces(given)]
            return {**block, "input": {}}, pieces


def _pieces(words: str) -> list[str]:
    return [words[at : at + PIECE_CHARACTERS] for at in range(0, len(words), PIECE_CHARACTERS)]
