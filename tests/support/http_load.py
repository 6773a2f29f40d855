"""Requests without a pause, each answer counted: what clients of a service see while it changes."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import aiohttp

TIMEOUT_S = 10.0


@dataclass
class Answers:
    """What came back. `failures` are (seconds since the beginning, address, what happened)."""

    by_version: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[float, str, str]] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.by_version.total() + len(self.failures)


class HttpLoad:
    """Clients with kept-open connections that ask `host` of every address, one request after the other."""

    def __init__(self, addresses: Sequence[str], host: str, *, clients: int, pause_s: float = 0.0) -> None:
        self.answers = Answers()
        self._addresses = addresses
        self._host = host
        self._clients = clients
        self._pause_s = pause_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="http-load")

    def wait_for(self, count: int, timeout_s: float) -> None:
        """Go on until so many answers are there."""
        deadline_s = time.monotonic() + timeout_s
        while self.answers.count < count:
            assert time.monotonic() < deadline_s, (
                f"{self.answers.count} of {count} answers in {timeout_s:g} s"
            )
            time.sleep(0.05)

    @contextmanager
    def running(self) -> Iterator[HttpLoad]:
        self._thread.start()
        try:
            yield self
        finally:
            self._is_over.set()
            self._thread.join(2 * TIMEOUT_S)
            assert not self._thread.is_alive(), "the load did not end"

    async def _run(self) -> None:
        began_s = time.monotonic()
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session,
            asyncio.TaskGroup() as group,
        ):
            for address in self._addresses:
                for _ in range(self._clients):
                    group.create_task(self._ask(session, address, began_s))

    async def _ask(self, session: aiohttp.ClientSession, address: str, began_s: float) -> None:
        while not self._is_over.is_set():
            try:
                async with session.get(f"http://{address}/", headers={"Host": self._host}) as response:
                    text = await response.text()
                    problem = "" if response.status == 200 else f"{response.status} {text[:80]}"
            except (aiohttp.ClientError, TimeoutError) as error:
                problem = repr(error)
            if problem:
                self.answers.failures.append((time.monotonic() - began_s, address, problem))
            else:
                self.answers.by_version[json.loads(text)["version"]] += 1
            await asyncio.sleep(self._pause_s)
