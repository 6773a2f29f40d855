"""Measures on a grid: every ten seconds, every second while somebody watches.

Each reading falls on a multiple of the interval, so that samples of all hosts share their
timestamps. The numbers are read off the event loop in one go; rates, the live window and the
subscribers follow on it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, NoReturn, TypeVar

from agent.clock import Clock
from agent.collect.container_files import ContainerFileOpener
from agent.collect.live_window import LiveWindow, window_samples
from agent.collect.rates import agent_sample, container_sample, disk_samples, host_sample
from agent.collect.reading import ContainerReader, Readings
from agent.collect.route_counts import Totals, route_samples, totals_of
from agent.collect.samples import AgentReading, ContainerSample, SampleBatch
from agent.collect.standings import Standings
from agent.docker.watcher import Inventory
from agent.ports import (
    ContainerEngine,
    ContainerUsage,
    DiskUsage,
    EngineEvent,
    HostLevels,
    HostProbe,
    HostReading,
    SwitchError,
)
from agent.router.protocol import RevisionTraffic

log = logging.getLogger(__name__)

WINDOW_S = 600
WATCH_S = 5.0
"""How long the finer grid goes on after somebody looked at it."""
LEVELS_TIMEOUT_S = 2.0
ROUTES_TIMEOUT_S = 2.0

_Figures = TypeVar("_Figures")


class _Baselines(Generic[_Figures]):
    """The last figures of either grid, and when (monotonic seconds) they were read."""

    def __init__(self) -> None:
        self._last: dict[bool, tuple[_Figures, float]] = {}

    def exchange(
        self, figures: _Figures, at_s: float, *, is_base: bool = True
    ) -> tuple[_Figures | None, float]:
        """Return the figures to compare `figures` with and the seconds since; keep `figures`."""
        candidates = [self._last[grid] for grid in self._last if grid or not is_base]
        self._last[is_base] = (figures, at_s)
        if not candidates:
            return None, 0.0
        # The finer grid begins, or begins again, from whatever was read last.
        previous, previous_at_s = max(candidates, key=lambda candidate: candidate[1])
        return previous, at_s - previous_at_s


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    """Everything that was read for one moment, and when (monotonic seconds)."""

    at_ms: int
    read_at_s: float
    host: HostReading
    containers: Readings
    agent: AgentReading | None = None
    is_late: bool = False


async def _no_routes() -> tuple[RevisionTraffic, ...]:
    return ()


Listener = Callable[[SampleBatch], None]


class Collector:
    """Samples this host while `run` runs. Subscribers are called on the loop and must return at once.

    `routes` are the router's counts since it was made, `own_figures` what the agent knows of itself.
    """

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
        routes: Callable[[], Awaitable[Sequence[RevisionTraffic]]] = _no_routes,
        own_figures: Callable[[], AgentReading] = AgentReading,
    ) -> None:
        self._inventory = inventory
        self._probe = probe
        self._clock = clock
        self._interval_s = interval_s
        self._watched_interval_s = watched_interval_s
        self._routes = routes
        self._own_figures = own_figures
        self._window = LiveWindow(slot_s=interval_s, n_slots=WINDOW_S // interval_s)
        self._watched_window: LiveWindow | None = None
        self._watched_until_s = float("-inf")
        self._is_watched_anew = asyncio.Event()
        self._listeners: list[Listener] = []
        self._standings = Standings()
        self._reader = ContainerReader(engine=engine, opener=opener, clock=clock, standings=self._standings)
        self._host_baselines: _Baselines[HostReading] = _Baselines()
        self._baselines: dict[str, _Baselines[ContainerUsage]] = {}
        self._disk_baselines: _Baselines[Sequence[DiskUsage]] = _Baselines()
        self._levels: asyncio.Future[HostLevels] | None = None
        self._route_totals: Totals | None = None
        self._own_baselines: _Baselines[AgentReading] = _Baselines()
        self._base_ms = 0
        self._late = 0
        self._late_taken = 0
        self._is_behind = False
        self._notes: tuple[str, ...] = ()
        # Closing must not take a descriptor away from a reading that a cancelled task left behind.
        self._reading = threading.Lock()
        self._is_closed = False

    @property
    def window(self) -> LiveWindow:
        """The last ten minutes on the base grid."""
        return self._window

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each batch; call the returned function to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def on_event(self, event: EngineEvent) -> None:
        """Take an event of the engine in: starts and kills between two moments are counted by them."""
        self._standings.on_event(event)

    def watch(self) -> LiveWindow | None:
        """Sample on the finer grid for the next `WATCH_S`, and return what is known on it.

        That is the last ten minutes as far as somebody watched; None at first. Whoever looks again and again
        need not say when they stop, nor can a crash of theirs keep it going.
        """
        if not self._is_watched:
            self._is_watched_anew.set()
        self._watched_until_s = self._clock.monotonic_s() + WATCH_S
        return self._watched_window

    @property
    def _is_watched(self) -> bool:
        return self._clock.monotonic_s() < self._watched_until_s

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
            self._reader.close()
            self._probe.close()

    async def _next_moment(self) -> int:
        while True:
            step_ms = 1000 * (self._watched_interval_s if self._is_watched else self._interval_s)
            now_ms = self._clock.now_ms()
            at_ms = (now_ms // step_ms + 1) * step_ms
            self._is_watched_anew.clear()
            # Woken before its time where the clock was set back meanwhile: that moment is still to come.
            if (
                not await self._clock.wait(self._is_watched_anew, (at_ms - now_ms) / 1000)
                and self._clock.now_ms() > at_ms - step_ms // 2
            ):
                return at_ms

    async def sample(self, at_ms: int) -> None:
        """Take one sample of everything for the moment `at_ms`, store it and tell the subscribers."""
        await self._reader.follow(self._inventory())
        is_base = at_ms % (1000 * self._interval_s) == 0
        # Memory figures can wait for the kernel to gather its per-processor counts.
        moment = await asyncio.to_thread(self._read, at_ms, is_base=is_base)
        if self._is_watched:
            self._publish(self._fine_batch(moment))
        if is_base:
            self._publish(await self._base_batch(moment))
        self._forget_old_watch(at_ms)

    def _read(self, at_ms: int, *, is_base: bool) -> _Moment:
        with self._reading:
            if self._is_closed:
                raise asyncio.CancelledError
            containers = self._reader.read_files()
            host = self._probe.read()
            return _Moment(
                at_ms=at_ms,
                read_at_s=self._clock.monotonic_s(),
                host=host,
                containers=containers,
                agent=self._own_figures() if is_base else None,
                is_late=is_base and self._is_late(at_ms),
            )

    def _is_late(self, at_ms: int) -> bool:
        # The loop was held up, the host slept, or the clock was set: these figures are of another time.
        off_ms = abs(self._clock.now_ms() - at_ms)
        return 2 * off_ms > 1000 * self._interval_s or at_ms <= self._base_ms

    # ---- samples ------------------------------------------------------------------------------

    def _fine_batch(self, moment: _Moment) -> SampleBatch:
        previous, elapsed_s = self._host_baselines.exchange(moment.host, moment.read_at_s, is_base=False)
        return SampleBatch(
            at_ms=moment.at_ms,
            interval_s=self._watched_interval_s,
            is_base=False,
            host=host_sample(previous, moment.host, elapsed_s),
            containers=self._container_samples(moment, is_base=False),
        )

    async def _base_batch(self, moment: _Moment) -> SampleBatch:
        moment = replace(moment, containers={**moment.containers, **await self._reader.ask_engine()})
        for container_id, (usage, _) in moment.containers.items():
            self._standings.on_read(container_id, usage.oom_kills)
        levels = await self._read_levels()
        routes = await self._read_routes()
        previous, elapsed_s = self._host_baselines.exchange(moment.host, moment.read_at_s, is_base=True)
        batch = SampleBatch(
            at_ms=moment.at_ms,
            interval_s=self._interval_s,
            is_base=True,
            host=host_sample(previous, moment.host, elapsed_s),
            containers=self._container_samples(moment, is_base=True),
            is_late=moment.is_late,
            notes=self._reader.notes(),
        )
        self._tell_notes(batch.notes)
        if moment.is_late:
            # What is counted between two moments waits for the next that is kept.
            self._late += 1
            if not self._is_behind:
                # Once: after a clock was set back by an hour it goes on for an hour.
                self._is_behind = True
                log.warning("samples.late", extra={"at_ms": moment.at_ms, "late_total": self._late})
            return batch
        self._is_behind = False
        self._base_ms = moment.at_ms
        assert moment.agent is not None
        disks, disks_s = self._disk_baselines.exchange(levels.disks, moment.read_at_s)
        own, own_s = self._own_baselines.exchange(moment.agent, moment.read_at_s)
        totals = self._route_totals
        if routes is not None:
            self._route_totals = routes
        late_before, self._late_taken = self._late_taken, self._late
        return replace(
            batch,
            standings=self._standings.take(self._inventory().containers),
            disks=disk_samples(disks or (), levels.disks, disks_s),
            sensors=levels.sensors,
            routes=() if routes is None else route_samples(totals, routes),
            agent=agent_sample(
                own,
                moment.agent,
                own_s,
                samples_late=self._late - late_before,
                samples_late_total=self._late,
            ),
        )

    def _container_samples(self, moment: _Moment, *, is_base: bool) -> dict[str, ContainerSample]:
        for container_id in [each for each in self._baselines if each not in self._reader]:
            # Its next control group begins at zero.
            del self._baselines[container_id]
        samples = {}
        for container_id, (usage, at_s) in sorted(moment.containers.items()):
            baselines = self._baselines.setdefault(container_id, _Baselines())
            previous, since_s = baselines.exchange(usage, at_s, is_base=is_base)
            samples[container_id] = container_sample(
                previous, usage, since_s, cpu_count=moment.host.cpu_count
            )
        return samples

    async def _read_levels(self) -> HostLevels:
        """Return file systems and temperatures; nothing while a disk does not answer, maybe for ever."""
        if self._levels is None:
            self._levels = asyncio.get_running_loop().run_in_executor(None, self._probe.levels)
        await asyncio.wait({self._levels}, timeout=LEVELS_TIMEOUT_S)
        if not self._levels.done():
            log.warning("samples.disk_hangs", extra={"next_step": "look for a disk that does not answer"})
            return HostLevels()
        reading, self._levels = self._levels, None
        return reading.result()

    async def _read_routes(self) -> Totals | None:
        try:
            async with asyncio.timeout(ROUTES_TIMEOUT_S):
                return totals_of(await self._routes())
        except (SwitchError, TimeoutError) as error:
            log.debug("samples.routes_not_counted", extra={"reason": str(error)})
            return None

    def _tell_notes(self, notes: tuple[str, ...]) -> None:
        for note in notes:
            if note not in self._notes:
                log.warning("samples.not_measured", extra={"reason": note})
        self._notes = notes

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
