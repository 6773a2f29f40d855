"""The agent's own stop of fenced containers when the lease runs out unanswered; the keeper's is the other.

Both, because either may be what fails. What they do is decided in one place (`agent.keeper.policy`).
"""

from __future__ import annotations

import logging
from typing import NoReturn

from agent.clock import Clock
from agent.follow.lease import HostLease
from agent.keeper.policy import LABEL_CLUSTER, LABEL_FENCED, STRICT, Due, what_is_due
from agent.ports import ContainerEngine, EngineError

log = logging.getLogger(__name__)

LOOK_S = 0.25
LAPSED_LOOK_S = 1.0


class SelfStop:
    """Stops this host's fenced containers by its lease, for ever."""

    def __init__(self, *, lease: HostLease, engine: ContainerEngine, clock: Clock) -> None:
        self._lease = lease
        self._engine = engine
        self._clock = clock

    async def run(self) -> NoReturn:
        asked_to_stop = False
        while True:
            lease = self._lease.lease
            due = what_is_due(lease, int(self._clock.boottime_s() * 1000), lease.boot_id)
            pause_s = LOOK_S
            try:
                if due is Due.KILL:
                    await self._kill()
                    pause_s = LAPSED_LOOK_S
                elif due is Due.STOP and not asked_to_stop:
                    await self._ask_to_stop()
                asked_to_stop = due is Due.STOP
            except EngineError as error:
                log.warning("self_stop.engine_away", extra={"reason": str(error)})
            await self._clock.sleep(pause_s)

    async def _kill(self) -> None:
        for name, container in (await self._running()).items():
            log.warning("self_stop.killed", extra={"container": name})
            await self._engine.kill(container)

    async def _ask_to_stop(self) -> None:
        for name, container in (await self._running()).items():
            detail = await self._engine.inspect(container)
            log.warning("self_stop.asked_to_stop", extra={"container": name})
            await self._engine.kill(container, signal=detail.stop_signal or "SIGTERM")

    async def _running(self) -> dict[str, str]:
        cluster_id = self._lease.lease.cluster_id
        return {
            container.name: container.id
            for container in await self._engine.containers()
            if container.state.has_processes
            and container.labels.get(LABEL_FENCED) == STRICT
            and container.labels.get(LABEL_CLUSTER) == cluster_id
        }
