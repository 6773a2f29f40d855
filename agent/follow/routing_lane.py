"""One replica's way through this host's router, wish by wish."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent.clock import Clock
from agent.follow.routing_wishes import Place, Wish, WishKind
from agent.ports import Endpoint, ServerStatus, SwitchError
from agent.router.protocol import Router

log = logging.getLogger(__name__)

LEAVE_TIMEOUT_S = 10.0
"""How long requests may take of a replica of which nothing but its place in the router is known."""
RETRY_MIN_S = 0.25
RETRY_MAX_S = 5.0


class Lane:
    """Brings the newest wish in force, and sets `on_change` at each step.

    `routed` is the wish that is in force for new requests, `drained` the one whose requests are done or out
    of time.
    """

    def __init__(self, place: Place, router: Router, clock: Clock, on_change: asyncio.Event) -> None:
        self._place = place
        self._router = router
        self._clock = clock
        self._on_change = on_change
        self._woken = asyncio.Event()
        self._waiting: asyncio.Timeout | None = None
        self._problem = ""
        self.wish: Wish | None = None
        self.routed: Wish | None = None
        self.drained: Wish | None = None
        self._drain_timeout_s = LEAVE_TIMEOUT_S

    @property
    def serves(self) -> bool:
        """Whether requests reach the replica."""
        return self.routed is not None and self.routed.kind is WishKind.OPEN

    def want(self, wish: Wish | None) -> None:
        """Replace the wish; None takes the replica out of the router.

        One that answers finishes its requests first; what one that does not, or was drained before, still has
        is cut off.
        """
        if wish == self.wish:
            return
        if wish is not None:
            self._drain_timeout_s = wish.drain_timeout_s
        self.wish = wish
        self._woken.set()
        if self._waiting is not None:
            self._waiting.reschedule(0.0)
            self._waiting = None

    def retry(self) -> None:
        """Try again at once what the router refused."""
        if self._problem:
            self._woken.set()

    async def run(self) -> None:
        """Return once the replica is out of the router and nothing is wished of it."""
        pause_s = RETRY_MIN_S
        while True:
            self._woken.clear()
            wish = self.wish
            try:
                is_whole = await self._advance(wish)
            except SwitchError as error:
                self._note(str(error))
                await self._clock.wait(self._woken, pause_s)
                pause_s = min(RETRY_MAX_S, 2 * pause_s)
                continue
            self._note("")
            pause_s = RETRY_MIN_S
            self._on_change.set()
            if is_whole and self.wish is wish:
                if wish is None:
                    return
                await self._woken.wait()

    async def _advance(self, wish: Wish | None) -> bool:
        """Do the next thing for `wish`; whether that was all there is to do."""
        service, colour, replica = self._place.service, self._place.colour, self._place.replica
        if wish is None:
            await self._leave()
            return True
        if wish.kind is WishKind.OPEN:
            endpoint = Endpoint(replica=replica, address=wish.address, port=wish.port, revision=wish.revision)
            async with self._unless_overtaken():
                await self._router.admit(service, colour, endpoint)
            if self.wish is wish:
                await self._router.open(service, colour, replica)
                self.routed = wish
            return True
        if self.routed != wish:
            # Without waiting: from here on no new request goes there, which is what most wait for.
            is_idle = await self._router.drain(service, colour, replica, timeout_s=0.0)
            self.routed = wish
            self.drained = wish if is_idle else None
            return is_idle or wish.kind is WishKind.CLOSE
        async with self._unless_overtaken():
            await self._router.drain(service, colour, replica, timeout_s=wish.drain_timeout_s)
            self.drained = wish
        return True

    async def _leave(self) -> None:
        service, colour, replica = self._place.service, self._place.colour, self._place.replica
        if (await self._router.status(service)).get(replica) is ServerStatus.READY:
            async with self._unless_overtaken():
                await self._router.drain(service, colour, replica, timeout_s=self._drain_timeout_s)
        if self.wish is None:
            await self._router.remove(service, colour, replica)

    @asynccontextmanager
    async def _unless_overtaken(self) -> AsyncIterator[None]:
        """Cut what may take long short when another wish comes."""
        try:
            async with asyncio.timeout(None) as self._waiting:
                yield
        except TimeoutError:
            if not self._woken.is_set():
                raise
        finally:
            self._waiting = None

    def _note(self, problem: str) -> None:
        if problem and problem != self._problem:
            log.warning(
                "router.wish_not_in_force",
                extra={
                    "service": self._place.service,
                    "replica": self._place.replica,
                    "wish": "gone" if self.wish is None else self.wish.kind.value,
                    "reason": problem,
                },
            )
        self._problem = problem
