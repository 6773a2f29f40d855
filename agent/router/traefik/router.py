"""Traefik behind `Router`: it fetches its configuration from this agent, and is believed once it has it.

In force is a state when Traefik's API shows its mark, or, without the API, when every Traefik that polls here
has fetched it and has had the time to apply it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NoReturn

import aiohttp

from agent.clock import Clock
from agent.ports import SwitchError
from agent.router.declared import Declared, DeclaredSwitch, Keeper
from agent.router.protocol import RevisionTraffic, RouterCondition, ServerCertificate, ServiceRoute
from agent.router.traefik.document import MARK_PREFIX, EntryPoints, render
from agent.router.traefik.metrics import RevisionCounts

log = logging.getLogger(__name__)

SILENT_S = 15.0
"""A Traefik that has not asked for so long is not one of this host's any more."""
APPLY_TIMEOUT_S = 20.0
POLL_S = 0.1
API_TIMEOUT_S = 2.0
THROTTLE_S = 2.0
"""`providers.providersThrottleDuration`, unless it was set otherwise."""
MARGIN_S = 1.0
POLLERS_MAX = 16
METRICS_BYTES_MAX = 8 * 1024 * 1024


class TraefikRouter(DeclaredSwitch):
    """A `Router` over a Traefik that somebody else runs. `api_url` and `metrics_url` "": it is not asked."""

    def __init__(
        self,
        *,
        keeper: Keeper,
        epoch: str,
        clock: Clock,
        entry_points: EntryPoints,
        api_url: str = "",
        metrics_url: str = "",
        throttle_s: float = THROTTLE_S,
    ) -> None:
        self._entry_points = entry_points
        self._api_url = api_url.rstrip("/")
        self._metrics_url = metrics_url
        self._throttle_s = throttle_s
        self._polls: dict[str, tuple[float, int, float]] = {}
        """By poller: when it last asked, the newest revision it has fetched, and when it first did."""
        self._counts = RevisionCounts()
        self._condition = RouterCondition(
            is_serving=False,
            since_s=clock.monotonic_s(),
            problem="no Traefik has asked for its configuration",
        )
        super().__init__(keeper=keeper, epoch=epoch, applier=self, clock=clock)

    # ---- what Traefik asks ----

    def traefik_document(self, version: str, poller: str) -> bytes | None:
        """Return what Traefik at `poller` is to do; None while that is not known: it keeps what it has."""
        declared = self.declared
        if declared is None:
            return None
        now_s = self._clock.monotonic_s()
        _, fetched, since_s = self._polls.get(poller, (now_s, -1, now_s))
        if fetched != declared.revision:
            since_s = now_s
        if poller in self._polls or len(self._polls) < POLLERS_MAX:
            self._polls[poller] = (now_s, declared.revision, since_s)
        self._look()
        return render(declared, "v2" if version == "v2" else "v3", self._entry_points)

    def acknowledge(self, mark: str) -> bool:
        """Nobody needs to: Traefik is seen to have it."""
        return False

    # ---- Router ----

    @property
    def condition(self) -> RouterCondition:
        self._look()
        return self._condition

    def configure(
        self, routes: Sequence[ServiceRoute], certificates: Sequence[ServerCertificate] = ()
    ) -> None:
        """Declare the services. Certificates are Traefik's own matter."""
        super().configure(routes)

    @property
    def is_counting(self) -> bool:
        """Whether it is told where Traefik's metrics are."""
        return bool(self._metrics_url)

    async def traffic(self) -> tuple[RevisionTraffic, ...]:
        declared = self.declared
        if not self._metrics_url or declared is None:
            return ()
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=API_TIMEOUT_S)) as session,
                session.get(self._metrics_url) as response,
            ):
                text = (await response.content.read(METRICS_BYTES_MAX)).decode(errors="replace")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SwitchError(
                f"Traefik's metrics at {self._metrics_url} cannot be read: {error!r}"
            ) from error
        return self._counts.take(text, declared)

    async def run(self) -> NoReturn:
        """Note when Traefik falls silent, for ever."""
        await self.load()
        while True:
            self._look()
            await self._clock.sleep(1.0)

    async def applied(self, declared: Declared) -> None:
        deadline_s = self._clock.monotonic_s() + APPLY_TIMEOUT_S
        while not await self._is_in_force(declared):
            if self._clock.monotonic_s() >= deadline_s:
                raise SwitchError(
                    f"Traefik did not take over the configuration within {APPLY_TIMEOUT_S:g} s:"
                    f" {self._condition.problem or 'it asks, and applies something else'}"
                )
            await self._clock.sleep(POLL_S)

    # ---- what is in force ----

    async def _is_in_force(self, declared: Declared) -> bool:
        self._look()
        if not self._polls:
            return False
        if self._api_url:
            return await self._shows(MARK_PREFIX + declared.mark)
        now_s = self._clock.monotonic_s()
        return all(
            fetched >= declared.revision and now_s - since_s >= self._throttle_s + MARGIN_S
            for _, fetched, since_s in self._polls.values()
        )

    async def _shows(self, mark: str) -> bool:
        url = f"{self._api_url}/api/http/middlewares/{mark}@http"
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=API_TIMEOUT_S)) as session,
                session.get(url) as response,
            ):
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError) as error:
            log.debug("traefik.api_unavailable", extra={"reason": repr(error)})
            return False

    def _look(self) -> None:
        now_s = self._clock.monotonic_s()
        for poller in [each for each, (asked_s, _, _) in self._polls.items() if now_s - asked_s > SILENT_S]:
            del self._polls[poller]
        if bool(self._polls) is not self._condition.is_serving:
            problem = "" if self._polls else f"no Traefik has asked for its configuration for {SILENT_S:g} s"
            self._condition = RouterCondition(is_serving=bool(self._polls), since_s=now_s, problem=problem)
            log.log(
                logging.INFO if self._polls else logging.WARNING,
                "traefik.condition",
                extra={"pollers": sorted(self._polls), "problem": problem},
            )
