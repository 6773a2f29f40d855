"""Measures on a grid: every ten seconds, every second while somebody watches.

Each reading falls on a multiple of the interval, so that samples of all hosts share their
timestamps. The numbers are read off the event loop in one go; rates, the live window and the
subscribers follow on it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, NoReturn, TypeVar

from agent.clock import Clock
from agent.collect.container_files import ContainerFileOpener, ContainerFiles, ContainerGone
from agent.collect.live_window import HOST, LiveWindow, Metric, SeriesKey
from agent.collect.rates import container_sample, host_sample
from agent.collect.samples import ContainerStanding, SampleBatch
from agent.docker.watcher import Inventory
from agent.ports import (
    ContainerEngine,
    ContainerNotFound,
    ContainerUsage,
    EngineError,
    HostProbe,
    HostReading,
)

log = logging.getLogger(__name__)

WINDOW_S = 600

# The engine takes a second for one answer on Docker 20.10, however few ask, so all are asked at once.
_FALLBACK_CONCURRENCY = 64
_FALLBACK_TIMEOUT_S = 5.0
_INSPECT_CONCURRENCY = 8


_Figures = TypeVar("_Figures")


class _Baselines(Generic[_Figures]):
    """The last figures of either grid, and when (monotonic seconds) they were read."""

    def __init__(self) -> None:
        self._last: dict[bool, tuple[_Figures, float]] = {}

    def exchange(self, figures: _Figures, at_s: float, *, is_base: bool) -> tuple[_Figures | None, float]:
        """Return the figures to compare `figures` with and the seconds since; keep `figures`."""
        candidates = [self._last[grid] for grid in self._last if grid or not is_base]
        self._last[is_base] = (figures, at_s)
        if not candidates:
            return None, 0.0
        # The finer grid begins, or begins again, from whatever was read last.
        previous, previous_at_s = max(candidates, key=lambda candidate: candidate[1])
        return previous, at_s - previous_at_s


@dataclass(slots=True, kw_only=True)
class _Tracked:
    """A running container: its open files (None: ask the engine), and the last figures per grid."""

    files: ContainerFiles | None
    shares_network: bool = False
    baselines: _Baselines[ContainerUsage] = field(default_factory=lambda: _Baselines())


Listener = Callable[[SampleBatch], None]


class Collector:
    """Samples this host while `run` runs. Subscribers are called on the loop and must return at once."""

    def __init__(
        self,
        *,
        inventory: Callable[[], Inventory],
        engine: ContainerEngine,
        probe: HostProbe,
        opener: ContainerFileOpener,
        clock: Clock,
        interval_s: int = 10,
        watched_interval_s: int = 1,
    ) -> None:
        self._inventory = inventory
        self._engine = engine
        self._probe = probe
        self._opener = opener
        self._clock = clock
        self._interval_s = interval_s
        self._watched_interval_s = watched_interval_s
        self._window = LiveWindow(slot_s=interval_s, n_slots=WINDOW_S // interval_s)
        self._watched_window: LiveWindow | None = None
        self._watchers = 0
        self._watchers_changed = asyncio.Event()
        self._listeners: list[Listener] = []
        self._tracked: dict[str, _Tracked] = {}
        self._host_baselines: _Baselines[HostReading] = _Baselines()
        self._own_namespace: int | None = None
        # Closing must not take a descriptor away from a reading that a cancelled task left behind.
        self._reading = threading.Lock()
        self._is_closed = False

    @property
    def window(self) -> LiveWindow:
        """The last ten minutes on the base grid."""
        return self._window

    @property
    def watched_window(self) -> LiveWindow | None:
        """The last ten minutes on the finer grid, as far as somebody watched; None when nobody did."""
        return self._watched_window

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each batch; call the returned function to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Sample on the finer grid while inside."""
        self._watchers += 1
        self._watchers_changed.set()
        try:
            yield
        finally:
            self._watchers -= 1

    async def run(self) -> NoReturn:
        """Sample for ever; closes the files when cancelled."""
        try:
            while True:
                await self.sample(await self._next_moment())
        finally:
            self.close()

    def close(self) -> None:
        """Close every file kept open."""
        with self._reading:
            self._is_closed = True
            for container_id in list(self._tracked):
                self._drop(container_id)
            self._probe.close()

    async def _next_moment(self) -> int:
        while True:
            step_ms = 1000 * (self._watched_interval_s if self._watchers else self._interval_s)
            now_ms = self._clock.now_ms()
            at_ms = (now_ms // step_ms + 1) * step_ms
            self._watchers_changed.clear()
            if not await self._clock.wait(self._watchers_changed, (at_ms - now_ms) / 1000):
                return at_ms

    async def sample(self, at_ms: int) -> None:
        """Take one sample of everything for the moment `at_ms`, store it and tell the subscribers."""
        await self._follow_inventory(self._inventory())
        # Memory figures can wait for the kernel to gather its per-processor counts.
        reading, host_at_s, readings = await asyncio.to_thread(self._read_files)
        if self._watchers:
            self._publish(self._batch(at_ms, reading, host_at_s, readings, is_base=False))
        if at_ms % (1000 * self._interval_s) == 0:
            readings.update(await self._ask_engine())
            self._publish(self._batch(at_ms, reading, host_at_s, readings, is_base=True))
        self._forget_old_watch(at_ms)

    # ---- which containers ---------------------------------------------------------------------

    async def _follow_inventory(self, inventory: Inventory) -> None:
        running = {container.id for container in inventory.containers if container.state.has_processes}
        for container_id in self._tracked.keys() - running:
            self._drop(container_id)
        if not inventory.is_available:
            return
        new = sorted(running - self._tracked.keys())
        if new:
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
        if not detail.pid:
            return
        try:
            files = await asyncio.to_thread(self._opener.open, container_id, detail.pid)
        except ContainerGone:
            return
        if files is None:
            log.debug("collect.files_unreachable", extra={"container": container_id, "pid": detail.pid})
        self._tracked[container_id] = _Tracked(files=files)

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

    def _drop(self, container_id: str) -> None:
        tracked = self._tracked.pop(container_id)
        if tracked.files is not None:
            tracked.files.close()

    # ---- reading ------------------------------------------------------------------------------

    def _read_files(self) -> tuple[HostReading, float, dict[str, tuple[ContainerUsage, float]]]:
        readings = {}
        with self._reading:
            if self._is_closed:
                raise asyncio.CancelledError
            for container_id, tracked in list(self._tracked.items()):
                if tracked.files is None:
                    continue
                try:
                    usage = tracked.files.read(
                        self._opener.is_stacked, with_network=not tracked.shares_network
                    )
                except ContainerGone:
                    # Ended or restarted; when it still runs, the next sample opens its new files.
                    self._drop(container_id)
                    continue
                readings[container_id] = (usage, self._clock.monotonic_s())
            return self._probe.read(), self._clock.monotonic_s(), readings

    async def _ask_engine(self) -> dict[str, tuple[ContainerUsage, float]]:
        """Ask the engine for the containers whose files cannot be reached."""
        readings: dict[str, tuple[ContainerUsage, float]] = {}
        gate = asyncio.Semaphore(_FALLBACK_CONCURRENCY)

        async def ask(container_id: str) -> None:
            async with gate:
                try:
                    async with asyncio.timeout(_FALLBACK_TIMEOUT_S):
                        usage = await self._engine.usage(container_id)
                except ContainerNotFound:
                    self._drop(container_id)
                except (EngineError, TimeoutError):
                    return
                else:
                    readings[container_id] = (usage, self._clock.monotonic_s())

        async with asyncio.TaskGroup() as group:
            for container_id, tracked in list(self._tracked.items()):
                if tracked.files is None:
                    group.create_task(ask(container_id))
        return readings

    # ---- samples ------------------------------------------------------------------------------

    def _batch(
        self,
        at_ms: int,
        reading: HostReading,
        host_at_s: float,
        readings: Mapping[str, tuple[ContainerUsage, float]],
        *,
        is_base: bool,
    ) -> SampleBatch:
        previous_reading, elapsed_s = self._host_baselines.exchange(reading, host_at_s, is_base=is_base)
        containers = {}
        for container_id, (usage, at_s) in sorted(readings.items()):
            baselines = self._tracked[container_id].baselines
            previous, since_s = baselines.exchange(usage, at_s, is_base=is_base)
            containers[container_id] = container_sample(previous, usage, since_s, cpu_count=reading.cpu_count)
        return SampleBatch(
            at_ms=at_ms,
            interval_s=self._interval_s if is_base else self._watched_interval_s,
            is_base=is_base,
            host=host_sample(previous_reading, reading, elapsed_s),
            containers=containers,
            standings=self._standings() if is_base else (),
        )

    def _standings(self) -> tuple[ContainerStanding, ...]:
        return tuple(
            ContainerStanding(
                id=container.id,
                name=container.name,
                image=container.image,
                labels=container.labels,
                state=container.state,
                health=container.health,
            )
            for container in self._inventory().containers
        )

    def _publish(self, batch: SampleBatch) -> None:
        if batch.is_base:
            window = self._window
        else:
            if self._watched_window is None:
                step_s = self._watched_interval_s
                self._watched_window = LiveWindow(slot_s=step_s, n_slots=WINDOW_S // step_s)
            window = self._watched_window
        window.put(batch.at_ms, window_samples(batch))
        for listener in tuple(self._listeners):
            listener(batch)

    def _forget_old_watch(self, at_ms: int) -> None:
        window = self._watched_window
        if window is not None and (window.newest_ms is None or at_ms - window.newest_ms > window.span_ms):
            self._watched_window = None


def window_samples(batch: SampleBatch) -> dict[SeriesKey, float]:
    """Return the batch as samples of a live window; what was not measured is left out."""
    reading = batch.host.reading
    samples: dict[SeriesKey, float | None] = {
        SeriesKey(HOST, Metric.CPU_PERCENT): batch.host.cpu_percent,
        SeriesKey(HOST, Metric.MEMORY_BYTES): batch.host.memory_used_bytes,
        SeriesKey(HOST, Metric.MEMORY_LIMIT_BYTES): reading.memory_total_bytes,
        SeriesKey(HOST, Metric.RX_BYTES_PER_S): batch.host.rx_bytes_per_s,
        SeriesKey(HOST, Metric.TX_BYTES_PER_S): batch.host.tx_bytes_per_s,
        SeriesKey(HOST, Metric.LOAD_1): reading.load_1,
    }
    for container_id, sample in batch.containers.items():
        usage = sample.usage
        for metric, value in (
            (Metric.CPU_PERCENT, sample.cpu_percent),
            (Metric.THROTTLED_PERCENT, sample.throttled_percent),
            (Metric.MEMORY_BYTES, usage.memory_bytes),
            (Metric.MEMORY_LIMIT_BYTES, usage.memory_limit_bytes),
            (Metric.RX_BYTES_PER_S, sample.rx_bytes_per_s),
            (Metric.TX_BYTES_PER_S, sample.tx_bytes_per_s),
            (Metric.READ_BYTES_PER_S, sample.read_bytes_per_s),
            (Metric.WRITE_BYTES_PER_S, sample.write_bytes_per_s),
            (Metric.PIDS, usage.pids),
        ):
            samples[SeriesKey(container_id, metric)] = value
    return {key: float(value) for key, value in samples.items() if value is not None}
