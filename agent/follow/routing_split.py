"""The shares of requests on this host's router, as the state wants them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import NoReturn

from agent.clock import Clock
from agent.ports import SwitchError
from agent.router.protocol import Router
from cluster.model.service import Split
from cluster.model.strategy import Colour

log = logging.getLogger(__name__)

RETRY_S = 0.5


class Splits:
    """Brings each service's newest split in force, and sets `on_change` at each one that is."""

    def __init__(self, router: Router, clock: Clock, on_change: asyncio.Event) -> None:
        self._router = router
        self._clock = clock
        self._on_change = on_change
        self._wanted: Mapping[str, Split] = {}
        self._in_force: dict[str, int] = {}
        self._problems: dict[str, str] = {}
        self._has_news = asyncio.Event()

    def want(self, splits: Mapping[str, Split]) -> None:
        """Replace what is wanted, by service."""
        self._wanted = splits
        for service in self._in_force.keys() - splits.keys():
            # A service of the same name that comes again begins with the shares of a new one.
            del self._in_force[service]
        if self.lagging():
            self._has_news.set()

    def retry(self) -> None:
        """Tell the router everything again: it was started anew."""
        self._in_force.clear()
        self._has_news.set()

    def lagging(self) -> set[int]:
        """The tokens of the splits that are not in force here."""
        return {
            split.token
            for service, split in self._wanted.items()
            if self._in_force.get(service) != split.token
        }

    async def run(self) -> NoReturn:
        """Follow what is wanted for ever."""
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            for service, split in list(self._wanted.items()):
                if self._in_force.get(service) != split.token:
                    await self._apply(service, split)
            if self._problems:
                await self._clock.wait(self._has_news, RETRY_S)
                self._has_news.set()

    async def _apply(self, service: str, split: Split) -> None:
        shares = {colour.value: split.permille_of(colour) for colour in Colour}
        try:
            in_force = await self._router.split(
                service, shares, revision=split.token, targeting=split.targeting
            )
        except SwitchError as error:
            if self._problems.get(service) != str(error):
                log.warning("router.split_not_in_force", extra={"service": service, "reason": str(error)})
            self._problems[service] = str(error)
            return
        self._problems.pop(service, None)
        self._in_force[service] = in_force
        self._on_change.set()
