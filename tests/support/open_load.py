"""Requests at a fixed rate whether or not answers come, beside WebSockets: what clients see of a rollout.

Open loop, because clients that wait for an answer before they ask again stop asking exactly when something
is wrong.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import aiohttp

TIMEOUT_S = 10.0
OUTSTANDING_MAX = 2000
TALK_EVERY_S = 0.1
NORMAL = 1000
GOING_AWAY = 1001
ABNORMAL = 1006


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that came to nothing good.

    `version` is that of the replica that answered, "" when none did; `colour` is the one the router had
    chosen when it answered itself.
    """

    at_s: float
    address: str
    what: str
    version: str = ""
    colour: str = ""


@dataclass
class Seen:
    """What came back so far."""

    answers: Counter[str] = field(default_factory=Counter)
    """Good answers by version."""
    failures: list[Failure] = field(default_factory=list)
    echoes: int = 0
    closes: Counter[int] = field(default_factory=Counter)
    """Ends of WebSockets by code (RFC 6455 7.4.1); ABNORMAL is an end without a word."""

    @property
    def count(self) -> int:
        return self.answers.total() + len(self.failures)

    def lost(self, bad_version: str = "", bad_colour: str = "") -> list[Failure]:
        """The failures that are not those of a version that is meant to be bad, which is in a colour of its
        own."""
        return [
            failure
            for failure in self.failures
            if not (bad_version and failure.version == bad_version)
            and not (bad_colour and failure.colour == bad_colour)
        ]


class OpenLoad:
    """`rate_per_s` requests over all addresses, every `fresh_every`th on a connection of its own."""

    def __init__(
        self,
        addresses: Sequence[str],
        host: str,
        *,
        rate_per_s: float,
        fresh_every: int = 4,
        websockets: int = 0,
    ) -> None:
        self.seen = Seen()
        self._addresses = addresses
        self._host = host
        self._rate_per_s = rate_per_s
        self._fresh_every = fresh_every
        self._websockets = websockets
        self._is_over = threading.Event()
        self._began_s = 0.0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="open-load")

    def wait_for(self, count: int, timeout_s: float) -> None:
        """Go on until so many requests have ended."""
        deadline_s = time.monotonic() + timeout_s
        while self.seen.count < count:
            assert time.monotonic() < deadline_s, f"{self.seen.count} of {count} answers in {timeout_s:g} s"
            time.sleep(0.05)

    def wait_more(self, count: int, timeout_s: float = 30.0) -> None:
        self.wait_for(self.seen.count + count, timeout_s)

    @contextmanager
    def running(self) -> Iterator[OpenLoad]:
        self._thread.start()
        try:
            yield self
        finally:
            self._is_over.set()
            self._thread.join(3 * TIMEOUT_S)
            assert not self._thread.is_alive(), "the load did not end"

    async def _run(self) -> None:
        self._began_s = time.monotonic()
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        kept = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        fresh = aiohttp.TCPConnector(limit=0, force_close=True)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=kept) as keeping,
            aiohttp.ClientSession(timeout=timeout, connector=fresh) as opening,
            asyncio.TaskGroup() as group,
        ):
            for number in range(self._websockets):
                group.create_task(self._talk(keeping, self._addresses[number % len(self._addresses)]))
            outstanding: set[asyncio.Task[None]] = set()
            for number in itertools.count():
                if self._is_over.is_set():
                    return
                pause_s = self._began_s + number / self._rate_per_s - time.monotonic()
                # Also when it is late, as after this machine stood still: what was asked has to be sent.
                await asyncio.sleep(max(0.0, pause_s))
                if len(outstanding) >= OUTSTANDING_MAX:
                    # What gets no answer fails by its own timeout.
                    await asyncio.wait(outstanding, return_when=asyncio.FIRST_COMPLETED)
                session = opening if number % self._fresh_every == 0 else keeping
                task = group.create_task(self._ask(session, self._addresses[number % len(self._addresses)]))
                outstanding.add(task)
                task.add_done_callback(outstanding.discard)

    async def _ask(self, session: aiohttp.ClientSession, address: str) -> None:
        version = colour = ""
        try:
            async with session.get(f"http://{address}/", headers={"Host": self._host}) as response:
                version = response.headers.get("X-Version", "")
                colour = response.headers.get("X-Tower-Colour", "")
                text = await response.text()
                problem = "" if response.status == 200 else f"{response.status} {text[:80].strip()}"
        except (aiohttp.ClientError, TimeoutError) as error:
            problem = repr(error)
        if problem:
            self.seen.failures.append(
                Failure(time.monotonic() - self._began_s, address, problem, version, colour)
            )
        else:
            self.seen.answers[version] += 1

    async def _talk(self, session: aiohttp.ClientSession, address: str) -> None:
        """Hold a WebSocket and say something now and then; open it anew when it was closed."""
        while not self._is_over.is_set():
            try:
                headers = {"Host": self._host}
                async with (
                    session.ws_connect(f"http://{address}/ws", headers=headers) as ws,
                    asyncio.TaskGroup() as group,
                ):
                    saying = group.create_task(self._say(ws))
                    code = await self._listen(ws)
                    saying.cancel()
                self.seen.closes[code] += 1
            except (aiohttp.ClientError, TimeoutError) as error:
                self.seen.failures.append(
                    Failure(time.monotonic() - self._began_s, address, f"WebSocket: {error!r}")
                )
                await asyncio.sleep(TALK_EVERY_S)

    async def _say(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        while not self._is_over.is_set():
            try:
                await ws.send_str("hello")
            except ConnectionError:
                return  # the listener hears how it ended
            await asyncio.sleep(TALK_EVERY_S)
        await ws.close()

    async def _listen(self, ws: aiohttp.ClientWebSocketResponse) -> int:
        """Count echoes until the end, and return its code: that of the peer's close frame, 1006 without
        one."""
        while True:
            message = await ws.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                self.seen.echoes += 1
            elif message.type is aiohttp.WSMsgType.CLOSE:
                return int(message.data)
            else:
                return NORMAL if self._is_over.is_set() else ABNORMAL
