"""What other hosts ask of this one's containers from near, on the peer port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import WSMsgType, web

from agent.follow.container_desk import LocalDesk
from agent.peers import container_protocol as protocol
from agent.peers.container_protocol import ExecMessage
from agent.peers.liveness import watch_peer
from agent.peers.protocol import (
    CALLER_HEADER,
    MESSAGE_BYTES_MAX,
    REFUSALS,
    Refusal,
    decode_caller,
)
from cluster.encoding import EncodingError
from cluster.model.container_access import ExecRequest, ExecSession
from cluster.model.inventory import Caller, HostRefused, HostUnavailable

REQUEST_TIMEOUT_S = 10.0
_PIECE_BYTES = 128 * 1024


def add_container_routes(app: web.Application, desk: LocalDesk) -> None:
    """Add the routes to the application of the peer port, behind what checks its callers."""
    requests = _Requests(desk)
    app.router.add_get(protocol.EXEC, requests.exec)
    app.router.add_get(protocol.TOP, requests.top)
    app.router.add_get(protocol.DOCUMENT, requests.document)
    app.router.add_get(protocol.FILES, requests.files)
    app.router.add_get(protocol.FILE, requests.read_file)
    app.router.add_put(protocol.FILE, requests.write_file)
    app.router.add_get(protocol.SETTINGS, requests.settings)
    app.router.add_post(protocol.SETTINGS, requests.update)
    app.router.add_post(protocol.PLAN, requests.plan)
    app.router.add_post(protocol.REPLACE, requests.replace)


class _Requests:
    def __init__(self, desk: LocalDesk) -> None:
        self._desk = desk

    async def exec(self, request: web.Request) -> web.StreamResponse:
        caller = _caller(request)
        socket = web.WebSocketResponse(max_msg_size=MESSAGE_BYTES_MAX)
        await socket.prepare(request)
        if request.transport is not None:
            watch_peer(request.transport.get_extra_info("socket"))
        try:
            wanted = await _request_of(socket)
            async with self._desk.exec(request.match_info["container"], wanted, caller=caller) as session:
                await socket.send_bytes(bytes((ExecMessage.BEGUN,)))
                await _pass_on(socket, session)
        except (HostRefused, HostUnavailable, EncodingError) as error:
            await _refuse(socket, error)
        except ConnectionError:
            # Whoever asked is gone; leaving the context has ended the command.
            pass
        await socket.close()
        return socket

    async def top(self, request: web.Request) -> web.Response:
        table = await self._desk.top(request.match_info["container"])
        return web.Response(body=protocol.PROCESS_TABLES.encode(table))

    async def document(self, request: web.Request) -> web.Response:
        found = await self._desk.document(
            request.match_info["container"], reveal=request.query.get("reveal") == "1"
        )
        return web.Response(text=json.dumps(found), content_type="application/json")

    async def files(self, request: web.Request) -> web.Response:
        listing = await self._desk.files(request.match_info["container"], request.query.get("path", ""))
        return web.Response(body=protocol.LISTINGS.encode(listing))

    async def read_file(self, request: web.Request) -> web.StreamResponse:
        async with self._desk.read_file(
            request.match_info["container"], request.query.get("path", ""), caller=_caller(request)
        ) as reading:
            header = protocol.header_of(protocol.ENTRIES.encode(reading.entry))
            response = web.StreamResponse(headers={protocol.ENTRY_HEADER: header})
            await response.prepare(request)
            return await _whole(request, response, self._write(response, reading.chunks()))

    @staticmethod
    async def _write(response: web.StreamResponse, chunks: AsyncIterator[bytes]) -> None:
        async for data in chunks:
            await response.write(data)

    async def write_file(self, request: web.Request) -> web.Response:
        write = protocol.WRITES.decode(protocol.read_header(request.query.get("write", "")))
        chunks = request.content.iter_chunked(_PIECE_BYTES)
        await self._desk.write_file(
            request.match_info["container"], write, aiter(chunks), caller=_caller(request)
        )
        return web.Response(status=204)

    async def settings(self, request: web.Request) -> web.Response:
        found = await self._desk.settings(request.match_info["container"])
        return web.Response(body=protocol.SETTINGS_OF.encode(found))

    async def update(self, request: web.Request) -> web.Response:
        changes = protocol.LIMIT_CHANGES.decode(await request.read())
        warnings = await self._desk.update(request.match_info["container"], changes, caller=_caller(request))
        return web.Response(text=json.dumps(warnings), content_type="application/json")

    async def plan(self, request: web.Request) -> web.Response:
        changes = protocol.CHANGES.decode(await request.read())
        plan = await self._desk.plan(request.match_info["container"], changes)
        return web.Response(body=protocol.PLANS.encode(plan))

    async def replace(self, request: web.Request) -> web.StreamResponse:
        changes = protocol.CHANGES.decode(await request.read())
        async with self._desk.replace(
            request.match_info["container"], changes, caller=_caller(request)
        ) as steps:
            first = await anext(steps, None)
            response = web.StreamResponse()
            await response.prepare(request)

            async def tell() -> None:
                step = first
                while step is not None:
                    await response.write(protocol.frame(protocol.STEPS.encode(step)))
                    step = await anext(steps, None)

            return await _whole(request, response, tell())


async def _whole(
    request: web.Request, response: web.StreamResponse, writing: Awaitable[None]
) -> web.StreamResponse:
    """End a stream; one that broke is cut, so that nobody takes it for whole."""
    try:
        await writing
        await response.write_eof()
    except (HostRefused, HostUnavailable):
        if request.transport is not None:
            request.transport.abort()
    except ConnectionError:
        pass
    return response


async def _request_of(socket: web.WebSocketResponse) -> ExecRequest:
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            message = await socket.receive()
    except TimeoutError as error:
        raise HostRefused("no command was said in time", code="refused") from error
    if message.type is not WSMsgType.BINARY:
        raise HostRefused("the first message is the command", code="refused")
    return protocol.EXEC_REQUESTS.decode(message.data)


class _CallerGone(Exception):
    """Nobody is there any more to tell."""


async def _pass_on(socket: web.WebSocketResponse, session: ExecSession) -> None:
    """Pass bytes on in both directions until the command ends or its caller is gone.

    Raises HostRefused or HostUnavailable when it broke off.
    """
    broken: Exception | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(_listen(socket, session), name="exec-input")
            async for piece in session.output():
                kind = ExecMessage.STDERR if piece.stream == "stderr" else ExecMessage.STDOUT
                await socket.send_bytes(bytes((kind,)) + piece.data)
            await socket.send_bytes(protocol.end_message(await session.exit_code()))
            listening.cancel()
    except* (_CallerGone, ConnectionError):
        pass
    except* (HostRefused, HostUnavailable, EncodingError) as group:
        broken = group.exceptions[0]
    if broken is not None:
        raise broken


async def _listen(socket: web.WebSocketResponse, session: ExecSession) -> None:
    obey: dict[int, Callable[[bytes], Awaitable[None]]] = {
        ExecMessage.INPUT: session.write,
        ExecMessage.INPUT_END: lambda _: session.close_input(),
    }
    async for message in socket:
        if message.type is not WSMsgType.BINARY or not message.data:
            break
        kind, content = message.data[0], bytes(message.data[1:])
        if kind == ExecMessage.SIZE:
            columns, rows = protocol.read_size(content)
            await session.resize(columns=columns, rows=rows)
        elif kind in obey:
            await obey[kind](content)
    raise _CallerGone


async def _refuse(socket: web.WebSocketResponse, error: Exception) -> None:
    match error:
        case HostRefused():
            refusal = Refusal(code=error.code, reason=str(error))
        case HostUnavailable():
            refusal = Refusal(code="unavailable", reason=str(error))
        case _:
            refusal = Refusal(code="refused", reason=f"malformed request: {error}")
    if not socket.closed:
        await socket.send_bytes(bytes((ExecMessage.REFUSED,)) + REFUSALS.encode(refusal))


def _caller(request: web.Request) -> Caller:
    header = request.headers.get(CALLER_HEADER)
    if header is None:
        raise HostRefused("a request for a container names the person behind it", code="refused")
    return decode_caller(header)
