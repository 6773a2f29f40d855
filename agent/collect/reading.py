"""Reads the figures of containers that run: from files kept open, or from the engine where there are none."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from agent.clock import Clock
from agent.collect.cgroup import Figure
from agent.collect.container_files import ContainerFileOpener, ContainerFiles, ContainerGone
from agent.collect.standings import Standings
from agent.docker.watcher import Inventory
from agent.ports import ContainerEngine, ContainerNotFound, ContainerUsage, EngineError

log = logging.getLogger(__name__)

# The engine takes a second for one answer on Docker 20.10, however few ask, so all are asked at once.
_FALLBACK_CONCURRENCY = 64
_FALLBACK_TIMEOUT_S = 5.0
_INSPECT_CONCURRENCY = 8

Readings = Mapping[str, tuple[ContainerUsage, float]]
"""By container: its figures, and when (monotonic seconds) they were read."""

_OFF = {
    Figure.MEMORY: (
        "memory accounting is off on this host, so containers show no memory: start the kernel with"
        " cgroup_enable=memory"
    ),
    Figure.PIDS: "the control group of processes is off on this host, so containers show none",
    Figure.DISK: "the control group of block devices is off on this host, so containers show no disk figures",
}


@dataclass(slots=True, kw_only=True)
class _Tracked:
    """A running container: its open files (None: ask the engine).

    `shares_network`: its network bytes are shown elsewhere. By what the engine says, until namespaces tell.
    """

    files: ContainerFiles | None
    shares_network: bool = False


class ContainerReader:
    """Keeps the files of running containers open, and tells `standings` what it learns of them."""

    def __init__(
        self, *, engine: ContainerEngine, opener: ContainerFileOpener, clock: Clock, standings: Standings
    ) -> None:
        self._engine = engine
        self._opener = opener
        self._clock = clock
        self._standings = standings
        self._tracked: dict[str, _Tracked] = {}
        self._own_namespace: int | None = None

    def __contains__(self, container_id: str) -> bool:
        return container_id in self._tracked

    # ---- which containers ---------------------------------------------------------------------

    async def follow(self, inventory: Inventory) -> None:
        """Open the files of containers that began to run, close those of containers that ended."""
        running = {container.id for container in inventory.containers if container.state.has_processes}
        for container_id in self._tracked.keys() - running:
            self.drop(container_id)
        if not inventory.is_available:
            return
        self._standings.on_listed(inventory.containers)
        new = sorted(running - self._tracked.keys())
        if not new:
            return
        gate = asyncio.Semaphore(_INSPECT_CONCURRENCY)
        async with asyncio.TaskGroup() as group:
            for container_id in new:
                group.create_task(self._track(container_id, gate))
        if self._own_namespace is None:
            self._own_namespace = await asyncio.to_thread(self._opener.own_network_namespace)
        self._mark_shared_networks()

    async def _track(self, container_id: str, gate: asyncio.Semaphore) -> None:
        async with gate:
            try:
                detail = await self._engine.inspect(container_id)
            except EngineError:
                # Gone, or the engine is: the next sample tries again if it still runs.
                return
        self._standings.on_inspected(
            container_id, restart_count=detail.restart_count, started_at_ms=detail.started_at_ms
        )
        if not detail.pid:
            return
        try:
            files = await asyncio.to_thread(self._opener.open, container_id, detail.pid)
        except ContainerGone:
            return
        if files is None:
            log.debug("collect.files_unreachable", extra={"container": container_id, "pid": detail.pid})
        shares_network = detail.network_mode == "host" or detail.network_mode.startswith("container:")
        self._tracked[container_id] = _Tracked(files=files, shares_network=shares_network)

    def _mark_shared_networks(self) -> None:
        """Give each network namespace's bytes to one container, and the host's own to none.

        Figures are of the namespace, not of the process: with the host's network a container
        would show all of the host's traffic.
        """
        seen = {self._own_namespace}
        for _, tracked in sorted(self._tracked.items()):
            if tracked.files is not None and tracked.files.network_namespace is not None:
                tracked.shares_network = tracked.files.network_namespace in seen
                seen.add(tracked.files.network_namespace)

    def drop(self, container_id: str) -> None:
        """Close the files of a container."""
        tracked = self._tracked.pop(container_id)
        if tracked.files is not None:
            tracked.files.close()

    def close(self) -> None:
        """Close every file."""
        for container_id in list(self._tracked):
            self.drop(container_id)

    def notes(self) -> tuple[str, ...]:
        """Return what containers here do not show, and why."""
        opened = [each.files.figures for each in self._tracked.values() if each.files is not None]
        return tuple(
            note
            for figure, note in _OFF.items()
            if opened and not any(figure in figures for figures in opened)
        )

    # ---- reading ------------------------------------------------------------------------------

    def read_files(self) -> dict[str, tuple[ContainerUsage, float]]:
        """Return the figures that files have. Blocks for some 50 microseconds a container."""
        readings = {}
        for container_id, tracked in list(self._tracked.items()):
            if tracked.files is None:
                continue
            try:
                usage = tracked.files.read(self._opener.is_stacked, with_network=not tracked.shares_network)
            except ContainerGone:
                # Ended or restarted; when it still runs, the next sample opens its new files.
                self.drop(container_id)
                continue
            readings[container_id] = (usage, self._clock.monotonic_s())
        return readings

    async def ask_engine(self) -> dict[str, tuple[ContainerUsage, float]]:
        """Return the figures of the containers whose files cannot be reached, as far as the engine tells."""
        readings: dict[str, tuple[ContainerUsage, float]] = {}
        gate = asyncio.Semaphore(_FALLBACK_CONCURRENCY)

        async def ask(container_id: str, *, is_shared: bool) -> None:
            async with gate:
                try:
                    async with asyncio.timeout(_FALLBACK_TIMEOUT_S):
                        usage = await self._engine.usage(container_id)
                except ContainerNotFound:
                    self.drop(container_id)
                except (EngineError, TimeoutError):
                    return
                else:
                    if is_shared:
                        usage = replace(usage, rx_bytes=None, tx_bytes=None)
                    readings[container_id] = (usage, self._clock.monotonic_s())

        async with asyncio.TaskGroup() as group:
            for container_id, tracked in list(self._tracked.items()):
                if tracked.files is None:
                    group.create_task(ask(container_id, is_shared=tracked.shares_network))
        return readings
