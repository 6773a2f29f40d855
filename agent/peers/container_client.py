"""Asking another host about one of its containers from near."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

import aiohttp

from agent.peers import container_protocol as protocol
from agent.peers.client import PeerClient
from agent.peers.container_protocol import ExecMessage
from agent.peers.protocol import REFUSALS
from agent.ports.sending import Sending
from cluster.encoding import Codec, EncodingError
from cluster.model.container_access import (
    ContainerSettings,
    ExecOutput,
    ExecRequest,
    ExecSession,
    ExecStream,
    FileEntry,
    FileListing,
    FileReading,
    FileWrite,
    LimitChanges,
    ProcessTable,
    ReplacementChanges,
    ReplacementPlan,
    ReplacementStep,
)
from cluster.model.inventory import Caller, HostRefused, HostUnavailable

ANSWER_TIMEOUT_S = 30.0
TRANSFER_TIMEOUT_S = 3600.0
REPLACEMENT_SILENCE_S = 900.0
"""Pulling an image and waiting for health are steps of minutes."""
_PIECE_BYTES = 128 * 1024

_Answer = TypeVar("_Answer")


class ContainerPeers:
    """Every call raises HostUnavailable when the host cannot be reached in time, or HostRefused."""

    def __init__(self, client: PeerClient) -> None:
        self._client = client

    @asynccontextmanager
    async def exec(
        self, node_id: str, container: str, request: ExecRequest, *, caller: Caller
    ) -> AsyncIterator[ExecSession]:
        path = protocol.EXEC.format(container=container)
        async with self._client.connect(node_id, path, caller=caller) as socket:
            session = _PeerExec(socket, node_id)
            await session.begin(request)
            yield session

    async def top(self, node_id: str, container: str, *, caller: Caller) -> ProcessTable:
        return await self._ask(
            node_id, "GET", protocol.TOP.format(container=container), protocol.PROCESS_TABLES, caller=caller
        )

    async def document(
        self, node_id: str, container: str, *, reveal: bool, caller: Caller
    ) -> Mapping[str, object]:
        path = protocol.DOCUMENT.format(container=container)
        body = await self._read(node_id, "GET", path, caller=caller, query={"reveal": "1" if reveal else "0"})
        found = json.loads(body)
        assert isinstance(found, dict)
        return found

    async def files(self, node_id: str, container: str, path: str, *, caller: Caller) -> FileListing:
        return await self._ask(
            node_id,
            "GET",
            protocol.FILES.format(container=container),
            protocol.LISTINGS,
            caller=caller,
            query={"path": path},
        )

    @asynccontextmanager
    async def read_file(
        self, node_id: str, container: str, path: str, *, caller: Caller
    ) -> AsyncIterator[FileReading]:
        async with self._client.open(
            node_id,
            "GET",
            protocol.FILE.format(container=container),
            caller=caller,
            query={"path": path},
            idle_s=protocol.STREAM_SILENCE_S,
        ) as response:
            try:
                header = protocol.read_header(response.headers.get(protocol.ENTRY_HEADER, ""))
                entry = protocol.ENTRIES.decode(header)
            except EncodingError as error:
                raise _other_version(node_id, error) from error
            yield _PeerReading(entry, response, node_id)

    async def write_file(
        self,
        node_id: str,
        container: str,
        write: FileWrite,
        chunks: AsyncIterator[bytes],
        *,
        caller: Caller,
    ) -> None:
        sending = Sending(chunks)
        try:
            async with self._client.open(
                node_id,
                "PUT",
                protocol.FILE.format(container=container),
                caller=caller,
                query={"write": protocol.header_of(protocol.WRITES.encode(write))},
                data=sending.pieces(),
                total_s=TRANSFER_TIMEOUT_S,
            ):
                return
        except (HostUnavailable, HostRefused):
            if sending.failure is not None:
                raise sending.failure from None
            raise

    async def settings(self, node_id: str, container: str, *, caller: Caller) -> ContainerSettings:
        path = protocol.SETTINGS.format(container=container)
        return await self._ask(node_id, "GET", path, protocol.SETTINGS_OF, caller=caller)

    async def update(
        self, node_id: str, container: str, changes: LimitChanges, *, caller: Caller
    ) -> tuple[str, ...]:
        path = protocol.SETTINGS.format(container=container)
        data = protocol.LIMIT_CHANGES.encode(changes)
        warnings = json.loads(await self._read(node_id, "POST", path, caller=caller, data=data))
        return tuple(str(warning) for warning in warnings)

    async def plan(
        self, node_id: str, container: str, changes: ReplacementChanges, *, caller: Caller
    ) -> ReplacementPlan:
        return await self._ask(
            node_id,
            "POST",
            protocol.PLAN.format(container=container),
            protocol.PLANS,
            caller=caller,
            data=protocol.CHANGES.encode(changes),
        )

    @asynccontextmanager
    async def replace(
        self, node_id: str, container: str, changes: ReplacementChanges, *, caller: Caller
    ) -> AsyncIterator[AsyncIterator[ReplacementStep]]:
        async with self._client.open(
            node_id,
            "POST",
            protocol.REPLACE.format(container=container),
            caller=caller,
            data=protocol.CHANGES.encode(changes),
            idle_s=REPLACEMENT_SILENCE_S,
        ) as response:
            yield protocol.read_frames(response, protocol.STEPS, node_id)

    async def _ask(
        self,
        node_id: str,
        method: str,
        path: str,
        answers: Codec[_Answer],
        *,
        caller: Caller,
        query: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> _Answer:
        body = await self._read(node_id, method, path, caller=caller, query=query, data=data)
        try:
            return answers.decode(body)
        except EncodingError as error:
            raise _other_version(node_id, error) from error

    async def _read(
        self,
        node_id: str,
        method: str,
        path: str,
        *,
        caller: Caller,
        query: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> bytes:
        try:
            async with self._client.open(
                node_id, method, path, caller=caller, query=query, data=data, total_s=ANSWER_TIMEOUT_S
            ) as response:
                return await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise HostUnavailable(f"{node_id} did not answer: {str(error) or 'it took too long'}") from error


class _PeerReading:
    """`FileReading` of another host's file."""

    def __init__(self, entry: FileEntry, response: aiohttp.ClientResponse, node_id: str) -> None:
        self.entry = entry
        self._response = response
        self._node_id = node_id

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for data in self._response.content.iter_chunked(_PIECE_BYTES):
                yield data
        except (aiohttp.ClientError, TimeoutError) as error:
            raise HostUnavailable(f"{self._node_id} stopped sending the file") from error


class _PeerExec:
    """`ExecSession` of another host's container."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, node_id: str) -> None:
        self._socket = socket
        self._node_id = node_id
        self._exit_code: int | None = None

    async def begin(self, request: ExecRequest) -> None:
        """Have the command begun. Raises HostRefused or HostUnavailable."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self._socket.send_bytes(protocol.EXEC_REQUESTS.encode(request))
                message = await self._next()
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            raise HostUnavailable(f"{self._node_id} did not begin the command") from error
        if message is None or message[0] != ExecMessage.BEGUN:
            raise HostUnavailable(f"{self._node_id} did not begin the command")

    async def output(self) -> AsyncIterator[ExecOutput]:
        while (message := await self._next()) is not None:
            kind, content = message
            if kind == ExecMessage.ENDED:
                try:
                    self._exit_code = protocol.read_end(content)
                except EncodingError as error:
                    raise _other_version(self._node_id, error) from error
                return
            if kind in (ExecMessage.STDOUT, ExecMessage.STDERR):
                yield ExecOutput(
                    ExecStream.STDERR if kind == ExecMessage.STDERR else ExecStream.STDOUT, content
                )
        raise HostUnavailable(f"{self._node_id} is gone")

    async def write(self, data: bytes) -> None:
        await self._send(bytes((ExecMessage.INPUT,)) + data)

    async def close_input(self) -> None:
        await self._send(bytes((ExecMessage.INPUT_END,)))

    async def resize(self, *, columns: int, rows: int) -> None:
        await self._send(protocol.size_message(columns=columns, rows=rows))

    async def exit_code(self) -> int | None:
        return self._exit_code

    async def _send(self, message: bytes) -> None:
        if self._socket.closed:
            return
        try:
            await self._socket.send_bytes(message)
        except (aiohttp.ClientError, ConnectionError) as error:
            raise HostUnavailable(f"{self._node_id} is gone") from error

    async def _next(self) -> tuple[int, bytes] | None:
        """The next message; None when the connection is closed. Raises what a refusal says."""
        message = await self._socket.receive()
        if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
            return None
        kind, content = message.data[0], bytes(message.data[1:])
        if kind != ExecMessage.REFUSED:
            return kind, content
        try:
            refusal = REFUSALS.decode(content)
        except EncodingError as error:
            raise _other_version(self._node_id, error) from error
        if refusal.code == "unavailable":
            raise HostUnavailable(refusal.reason)
        raise HostRefused(refusal.reason, code=refusal.code)


def _other_version(node_id: str, error: Exception) -> HostUnavailable:
    return HostUnavailable(f"{node_id} answers in words of another version: {error}")
