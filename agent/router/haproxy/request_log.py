"""HAProxy's lines about requests: how long answers took, of a sample.

The socket is read in turns and not for each line, and HAProxy sends no more lines than are of use: at a
thousand requests a second the agent would be busy with little else. A line that finds no reader or no room is
dropped by HAProxy, which waits for nobody.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NoReturn

from agent.clock import Clock
from agent.router.haproxy.render import LOG_MARK

log = logging.getLogger(__name__)

TURN_S = 0.1
LINES_PER_TURN_MAX = 1000
BIND_RETRY_S = 5.0
_LINE_BYTES_MAX = 512
_SUN_PATH_BYTES = 108
_CREDENTIALS = struct.Struct("3i")
_LINE = re.compile(rb"%b (\S+) (\S+) (\d+) (\d+) (\d+)\s*" % LOG_MARK.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A request that a replica answered, and the time to the first byte of the answer."""

    backend: str
    address: str
    port: int
    latency_ms: int


def parse_line(line: bytes) -> Answered | None:
    """Parse one line; None for one about anything else (no replica, no answer, a check's result)."""
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    backend, address, port, _, latency_ms = match.groups()
    return Answered(
        backend=backend.decode("ascii", "replace"),
        address=address.decode("ascii", "replace"),
        port=int(port),
        latency_ms=int(latency_ms),
    )


class RequestLog:
    """Reads the lines that processes of `accounts` (user ids) send to the abstract socket `name`."""

    def __init__(
        self, *, name: str, accounts: Collection[int], clock: Clock, on_answer: Callable[[Answered], None]
    ) -> None:
        # HAProxy sends to the whole of sun_path, zeros and all.
        self._address = b"\0" + name.encode().ljust(_SUN_PATH_BYTES - 1, b"\0")
        self._accounts = frozenset(accounts)
        self._clock = clock
        self._on_answer = on_answer

    async def run(self) -> NoReturn:
        """Read until cancelled."""
        is_said = False
        while True:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as receiver:
                # Anybody on this host may write to an abstract socket.
                receiver.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
                try:
                    receiver.bind(self._address)
                except OSError as error:
                    if not is_said:
                        log.warning("router.request_log_not_read", extra={"reason": error.strerror})
                        is_said = True
                else:
                    await self._read(receiver)
            await self._clock.sleep(BIND_RETRY_S)

    async def _read(self, receiver: socket.socket) -> NoReturn:
        has_lines = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.remove_reader(receiver)
            has_lines.set()

        while True:
            has_lines.clear()
            loop.add_reader(receiver, wake)
            try:
                await has_lines.wait()
            finally:
                loop.remove_reader(receiver)
            await self._clock.sleep(TURN_S)
            self._read_turn(receiver)

    def _read_turn(self, receiver: socket.socket) -> None:
        for _ in range(LINES_PER_TURN_MAX):
            try:
                line, ancillary, _, _ = receiver.recvmsg(
                    _LINE_BYTES_MAX, socket.CMSG_SPACE(_CREDENTIALS.size)
                )
            except BlockingIOError:
                return
            senders = [
                _CREDENTIALS.unpack(data)[1]
                for level, kind, data in ancillary
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS)
            ]
            if senders and self._accounts.issuperset(senders):
                answered = parse_line(line)
                if answered is not None:
                    self._on_answer(answered)
