"""A command inside a container, over a connection of its own that Docker hands over after the request.

Spoken to by hand and not through aiodocker: what is needed of HTTP is one request head, and afterwards the
connection's own flow control holds whoever is too quick, in both directions, and its half can be closed to
end the command's input (Docker Engine API 1.41, ExecStart and "Stream format").
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from agent.docker.exec_processes import end_process
from agent.docker.failures import refusal, tidy
from agent.ports import EngineRefused, EngineUnavailable
from cluster.model.container_access import ExecOutput, ExecStream

PIECE_BYTES = 32 * 1024
_HEAD_BYTES_MAX = 16 * 1024
_FRAME_BYTES_MAX = 4 * 1024 * 1024
_CLOSE_TIMEOUT_S = 2.0


class DockerExec:
    """One running command, as `cluster.model.container_access.ExecSession`."""

    def __init__(
        self,
        *,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        has_terminal: bool,
        resize: Callable[[int, int], Awaitable[None]],
        state: Callable[[], Awaitable[tuple[bool, int | None, int]]],
        end: Callable[[], Awaitable[None]],
    ) -> None:
        """`state` returns whether it runs, its exit code, and the process on this host (0: none). `end` ends
        it from inside the container, where that can be."""
        self._reader = reader
        self._writer = writer
        self._has_terminal = has_terminal
        self._resize = resize
        self._state = state
        self._end = end

    async def output(self) -> AsyncIterator[ExecOutput]:
        try:
            if self._has_terminal:
                while data := await self._reader.read(PIECE_BYTES):
                    yield ExecOutput(ExecStream.STDOUT, data)
                return
            while True:
                try:
                    header = await self._reader.readexactly(8)
                except asyncio.IncompleteReadError as error:
                    if error.partial:
                        raise EngineUnavailable("Docker broke off in the middle of an output") from error
                    return
                kind, left = struct.unpack(">BxxxI", header)
                if left > _FRAME_BYTES_MAX:
                    raise EngineUnavailable(f"Docker announced an output of {left} bytes")
                stream = ExecStream.STDERR if kind == 2 else ExecStream.STDOUT
                while left:
                    data = await self._reader.read(min(left, PIECE_BYTES))
                    if not data:
                        raise EngineUnavailable("Docker broke off in the middle of an output")
                    left -= len(data)
                    yield ExecOutput(stream, data)
        except OSError as error:
            raise EngineUnavailable(f"the connection to Docker broke off: {tidy(str(error))}") from error

    async def write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError:
            # The command has ended, or reads no more; that its output ends says so.
            return

    async def close_input(self) -> None:
        with suppress(OSError):
            if self._writer.can_write_eof() and not self._writer.is_closing():
                self._writer.write_eof()

    async def resize(self, *, columns: int, rows: int) -> None:
        with suppress(EngineRefused):
            # One that has ended has no size.
            await self._resize(columns, rows)

    async def exit_code(self) -> int | None:
        _, code, _ = await self._state()
        return code

    async def close(self, container: str) -> None:
        """Close the connection, and end the command if it still runs."""
        self._writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._writer.wait_closed()

        async def running_pid() -> int:
            is_running, _, pid = await self._state()
            return pid if is_running else 0

        with suppress(EngineRefused, EngineUnavailable, TimeoutError):
            if await running_pid():
                await self._end()
                await end_process(running_pid, container)


async def hand_over(
    socket: str, path: str, body: dict[str, object], *, timeout_s: float
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """POST `body` to `path` and return the connection once Docker has handed it over.

    Raises EngineUnavailable or EngineRefused.
    """
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_unix_connection(socket, limit=_FRAME_BYTES_MAX // 64)
            writer.write(head.encode("ascii") + content)
            await writer.drain()
            await _read_head(reader)
            return reader, writer
    except TimeoutError as error:
        _drop(writer)
        raise EngineUnavailable(f"Docker did not begin the command within {timeout_s:g} s") from error
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        _drop(writer)
        raise EngineUnavailable(f"the connection to Docker broke off: {tidy(str(error))}") from error
    except BaseException:
        _drop(writer)
        raise


def _drop(writer: asyncio.StreamWriter | None) -> None:
    if writer is not None:
        writer.transport.abort()


async def _read_head(reader: asyncio.StreamReader) -> None:
    """Read the head of the answer. Raises EngineRefused with what it says when it is no hand-over."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) < 2 or not words[1].isdigit():
        raise EngineRefused(f"what answers is not Docker: {tidy(lines[0])}", status=0)
    length = next(
        (line.partition(":")[2].strip() for line in lines[1:] if line.lower().startswith("content-length:")),
        "0",
    )
    if words[1] not in ("101", "200"):
        answer = await reader.readexactly(min(int(length), _HEAD_BYTES_MAX) if length.isdigit() else 0)
        raise refusal(int(words[1]), _message(answer))


def _message(answer: bytes) -> str:
    try:
        value = json.loads(answer)
    except ValueError:
        return answer.decode(errors="replace")
    return str(value.get("message", "")) if isinstance(value, dict) else ""
