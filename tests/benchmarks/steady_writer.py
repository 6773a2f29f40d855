"""A light, steady load of writes on every node, which also tells when writes are served again.

An open loop: each write begins at its time, whatever became of those before it. A write that began before a
node was killed does not count as served after it.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

import aiohttp

EVERY_S = 0.05
WRITE_TIMEOUT_S = 10.0
OPEN_MAX = 256
KEYS = 100
JOIN_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One write that was acknowledged; times are time.monotonic."""

    node: str
    began_s: float
    ended_s: float


class SteadyWriter:
    """A thread that writes a setting through each node every 50 ms, as a context manager."""

    def __init__(self, urls: dict[str, str], ca_file: str, token: str) -> None:
        """`urls` are the nodes' addresses by name. Nothing is sent before the context is entered."""
        self._urls = urls
        self._ca_file = ca_file
        self._token = token
        self._changed = threading.Condition()
        self._acknowledged: list[Acknowledged] = []
        self._sent = 0
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="steady-writer", daemon=True)

    def __enter__(self) -> SteadyWriter:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(JOIN_TIMEOUT_S)

    @property
    def counts(self) -> tuple[int, int]:
        """How many writes were sent, and how many of them acknowledged."""
        with self._changed:
            return self._sent, len(self._acknowledged)

    def wait_for(self, nodes: Sequence[str], *, begun_after_s: float, timeout_s: float) -> Acknowledged:
        """The first acknowledged write through one of `nodes` that began after that moment.

        Raises:
            TimeoutError: there was none within `timeout_s` of now.
        """
        deadline_s = time.monotonic() + timeout_s
        looked_at = 0
        with self._changed:
            # Appended in the order of answers, so the first that fits is the earliest.
            while True:
                for write in self._acknowledged[looked_at:]:
                    if write.node in nodes and write.began_s >= begun_after_s:
                        return write
                looked_at = len(self._acknowledged)
                if self._failure is not None:
                    raise self._failure
                left_s = deadline_s - time.monotonic()
                if left_s <= 0 or not self._changed.wait(left_s):
                    raise TimeoutError(f"no write was acknowledged within {timeout_s:g} s")

    def _run(self) -> None:
        try:
            asyncio.run(self._write_until_stopped())
        except BaseException as error:  # the thread's owner is told, whatever it is
            with self._changed:
                self._failure = error
                self._changed.notify_all()

    async def _write_until_stopped(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        context = ssl.create_default_context(cafile=self._ca_file)
        connector = aiohttp.TCPConnector(ssl=context, limit=0)
        timeout = aiohttp.ClientTimeout(total=WRITE_TIMEOUT_S)
        headers = {"Authorization": f"Bearer {self._token}"}
        room = asyncio.Semaphore(OPEN_MAX)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session,
            asyncio.TaskGroup() as writes,
        ):
            number = 0
            while not self._stop.is_set():
                for name, url in self._urls.items():
                    # Beyond the bound a write is left out: queued, it would say a wrong time.
                    if not room.locked():
                        await room.acquire()
                        writes.create_task(self._write(session, room, name, url, number))
                    number += 1
                    try:
                        async with asyncio.timeout(EVERY_S / len(self._urls)):
                            await self._stop.wait()
                    except TimeoutError:
                        continue

    async def _write(
        self, session: aiohttp.ClientSession, room: asyncio.Semaphore, name: str, url: str, number: int
    ) -> None:
        began_s = time.monotonic()
        try:
            body = {"value": str(number)}
            async with session.put(f"{url}/api/v1/settings/bench.{number % KEYS}", json=body) as response:
                is_acknowledged = response.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            is_acknowledged = False
        finally:
            room.release()
        with self._changed:
            self._sent += 1
            if is_acknowledged:
                self._acknowledged.append(Acknowledged(name, began_s, time.monotonic()))
                self._changed.notify_all()
