"""The router of a host that runs none: it serves nobody, and says so.

A host may have had one before. The cluster waits for the routers that ever reported, so one that was switched
off still has to say that no request passes through it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from agent.clock import Clock
from agent.ports import Endpoint, ServerStatus, SwitchError
from agent.router.protocol import RevisionTraffic, RouterCondition, ServerCertificate, ServiceRoute
from cluster.model.experiment import Targeting

_WHY = "haproxy.enabled is false on this host"


class AbsentRouter:
    """A `Router` through which no request passes, nor ever did in the life of this agent."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._condition = RouterCondition(is_serving=False, since_s=float("-inf"), problem=_WHY)

    @property
    def condition(self) -> RouterCondition:
        return self._condition

    def configure(
        self, routes: Sequence[ServiceRoute], certificates: Sequence[ServerCertificate] = ()
    ) -> None:
        """There is nothing to configure."""

    async def traffic(self) -> tuple[RevisionTraffic, ...]:
        return ()

    def replicas(self) -> frozenset[tuple[str, str, str]]:
        return frozenset()

    async def run(self) -> NoReturn:
        while True:
            await self._clock.sleep(3600.0)

    async def admit(self, service: str, colour: str, endpoint: Endpoint) -> None:
        raise SwitchError(_WHY)

    async def open(self, service: str, colour: str, replica: str) -> None:
        raise SwitchError(_WHY)

    async def drain(self, service: str, colour: str, replica: str, *, timeout_s: float) -> bool:
        raise SwitchError(_WHY)

    async def remove(self, service: str, colour: str, replica: str) -> None:
        raise SwitchError(_WHY)

    async def split(
        self,
        service: str,
        shares_permille: Mapping[str, int],
        *,
        revision: int,
        targeting: Targeting | None = None,
    ) -> int:
        raise SwitchError(_WHY)

    async def status(self, service: str) -> Mapping[str, ServerStatus]:
        return {}
