"""A command in a container as a person at a terminal, or a script, has it (web/live/terminal.py)."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import ssl
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum

import aiohttp

from agent.cli.failures import CommandFailed

CONNECT_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 2.0
PIECE_BYTES = 32 * 1024
MESSAGE_BYTES_MAX = 1024 * 1024
_STDERR = 2
_REASONS = {
    4401: "the login is over: log in with `tower login`",
    4403: "it is not allowed any more",
    4408: "nothing was said for too long",
    1001: "the agent of the host that was asked is stopping",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be run, and what it gets."""

    url: str
    command: tuple[str, ...] = field(repr=False)
    user: str
    working_dir: str
    has_terminal: bool
    has_input: bool


async def converse(wish: Wish, token: str, tls: ssl.SSLContext) -> int | None:
    """Run it to its end and return its exit code, None where nobody knows it. Raises CommandFailed."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.ws_connect(
                wish.url,
                headers=headers,
                ssl=tls,
                max_msg_size=MESSAGE_BYTES_MAX,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S),
            ) as socket,
        ):
            return await _Conversation(wish, socket).run()
    except aiohttp.WSServerHandshakeError as error:
        raise CommandFailed(
            f"it was refused with status {error.status}",
            hint="`tower access explain container.exec` says why" if error.status == 403 else "",
        ) from error
    except (aiohttp.ClientError, OSError) as error:
        raise CommandFailed(f"the connection broke off: {error}") from error


class _News(Enum):
    """What happens between the bytes of the input."""

    RESIZED = 1
    ENDED = 2


class _Conversation:
    def __init__(self, wish: Wish, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._wish = wish
        self._socket = socket
        self._input: asyncio.Queue[bytes | _News] = asyncio.Queue(maxsize=8)

    async def run(self) -> int | None:
        columns, rows = shutil.get_terminal_size()
        await self._socket.send_json(
            {
                "command": list(self._wish.command),
                "user": self._wish.user,
                "working_dir": self._wish.working_dir,
                "tty": self._wish.has_terminal,
                "columns": columns,
                "rows": rows,
            }
        )
        first = await self._socket.receive()
        if first.type is not aiohttp.WSMsgType.TEXT:
            raise CommandFailed(_REASONS.get(self._socket.close_code or 0, "the connection broke off"))
        _check(json.loads(first.data))
        failure: Exception | None = None
        code: int | None = None
        try:
            with _raw_terminal(self._wish.has_terminal):
                async with asyncio.TaskGroup() as tasks:
                    feeding = tasks.create_task(self._feed())
                    if self._wish.has_terminal:
                        loop = asyncio.get_running_loop()
                        loop.add_signal_handler(signal.SIGWINCH, self._resized)
                    code = await self._listen()
                    feeding.cancel()
        except* (CommandFailed, aiohttp.ClientError, OSError) as group:
            failure = group.exceptions[0]
        if failure is not None:
            raise failure
        return code

    async def _listen(self) -> int | None:
        """Write what comes, and return the exit code."""
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.BINARY and message.data:
                descriptor = 2 if message.data[0] == _STDERR else 1
                # Where nobody reads the output it stands still, and the connection with it.
                await asyncio.to_thread(_write, descriptor, message.data[1:])
            elif message.type is aiohttp.WSMsgType.TEXT:
                told = json.loads(message.data)
                _check(told)
                if "exit_code" in told:
                    code = told["exit_code"]
                    return None if code is None else int(code)
        raise CommandFailed(_REASONS.get(self._socket.close_code or 0, "the connection broke off"))

    async def _feed(self) -> None:
        """Send what is typed or piped in."""
        if not self._wish.has_input:
            await self._socket.send_json({"end_of_input": True})
            return
        loop = asyncio.get_running_loop()
        # A thread that may stand still in a read for ever does not keep the command from ending.
        threading.Thread(target=self._read, args=(loop,), daemon=True).start()
        while True:
            data = await self._input.get()
            if data is _News.RESIZED:
                columns, rows = shutil.get_terminal_size()
                await self._socket.send_json({"columns": columns, "rows": rows})
            elif data is _News.ENDED:
                await self._socket.send_json({"end_of_input": True})
            else:
                await self._socket.send_bytes(data)

    def _resized(self) -> None:
        # While the command reads nothing its size matters to nobody.
        if not self._input.full():
            self._input.put_nowait(_News.RESIZED)

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        with suppress(OSError, RuntimeError):
            while data := os.read(0, PIECE_BYTES):
                asyncio.run_coroutine_threadsafe(self._input.put(data), loop).result()
            asyncio.run_coroutine_threadsafe(self._input.put(_News.ENDED), loop).result()


def _check(told: dict[str, object]) -> None:
    problem = told.get("problem")
    if isinstance(problem, dict):
        raise CommandFailed(
            str(problem.get("detail") or problem.get("title")), hint=str(problem.get("hint") or "")
        )


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


@contextmanager
def _raw_terminal(is_wanted: bool) -> Iterator[None]:
    """Every key goes to the command while it runs."""
    if not is_wanted:
        yield
        return
    sys.stdout.flush()
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
