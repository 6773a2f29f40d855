"""Starts and kills of containers, counted so that none is lost between two readings. Pure.

The engine's events tell of every start and every kill as it happens, but some may be missed while the engine
or the agent is away; the engine's restart count and the kernel's counter of kills tell of what was missed,
but begin anew with a start by hand, and with every control group. Each total here is the larger of what both
say of one life, summed over lives, so it never falls and counts nothing twice.

Of kills the kernel's counter is the truth as long as it can be read: with control groups v1 the engine tells
that memory was used up, which may be several times for one kill.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

_SAME_START_MS = 2000
"""The event of a start comes this soon after the time the engine says it was at."""
_REPLAY_MS = 2000
"""How far back the engine tells of again when its events are followed anew."""


@dataclass(slots=True)
class _Life:
    """What is known of one container.

    `is_whole`: its present life was seen from its beginning. `is_read`: the kernel's counter was read since
    the counts were taken.
    """

    has_run: bool = False
    restarts: int = 0
    restart_count: int | None = None
    restarts_when_inspected: int = 0
    started_at_ms: int | None = None
    kills_before: int = 0
    kills_told: int = 0
    kills_read: int | None = None
    kills_read_first: int = 0
    is_read: bool = False
    is_whole: bool = False
    inferred_start_ms: int | None = None
    told_start_ms: int | None = None
    told_kill_ns: int | None = None
    restarts_taken: int = 0
    kills_taken: int = 0

    @property
    def kills_of_the_kernel(self) -> int:
        return 0 if self.kills_read is None else self.kills_read - self.kills_read_first

    @property
    def kills(self) -> int:
        if self.is_read:
            return self.kills_before + self.kills_of_the_kernel
        return self.kills_before + max(self.kills_told, self.kills_of_the_kernel)

    def begin(self) -> None:
        """Close the life up to now: its control group, and the kernel's counter, are gone."""
        self.is_read = False
        self.kills_before, self.kills_told = self.kills, 0
        self.kills_read, self.kills_read_first = None, 0
        self.is_whole = True

    def read(self, kills: int) -> None:
        """Take the kernel's counter of this life in; what was told beyond it was told twice."""
        if self.kills_read is None and not self.is_whole:
            # When those of a container that ran before this agent were is not known.
            self.kills_read_first = kills
            self.kills_before, self.kills_told = self.kills_before + self.kills_told, 0
        self.kills_read = kills
        self.kills_told = min(self.kills_told, self.kills_of_the_kernel)
        self.is_read = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeCounts:
    """Restarts and kills: since `take` was called before, and since the container was first seen."""

    restarts: int = 0
    oom_kills: int = 0
    restarts_total: int = 0
    oom_kills_total: int = 0


class Lives:
    """The restarts and out-of-memory kills of every container of the host."""

    def __init__(self) -> None:
        self._lives: dict[str, _Life] = {}

    def on_seen(self, container_id: str, *, has_run: bool) -> None:
        """A list shows the container; `has_run`: it runs, or did."""
        life = self._lives.setdefault(container_id, _Life())
        life.has_run = life.has_run or has_run

    def on_start(self, container_id: str, at_ms: int) -> None:
        """The engine tells that it was started."""
        life = self._lives.setdefault(container_id, _Life())
        told_ms = life.told_start_ms
        if told_ms is not None and 0 <= told_ms - at_ms <= _REPLAY_MS:
            return
        life.told_start_ms = at_ms
        inferred_ms, life.inferred_start_ms = life.inferred_start_ms, None
        if _is_same(inferred_ms, at_ms):
            return
        if life.has_run:
            life.restarts += 1
        life.has_run = True
        life.begin()

    def on_oom(self, container_id: str, at_ns: int) -> None:
        """The engine tells that memory was used up."""
        life = self._lives.setdefault(container_id, _Life())
        told_ns = life.told_kill_ns
        if told_ns is not None and 0 <= told_ns - at_ns <= _REPLAY_MS * 1_000_000:
            return
        life.told_kill_ns = at_ns
        life.kills_told += 1

    def on_inspected(self, container_id: str, *, restart_count: int, started_at_ms: int | None) -> None:
        """The engine tells how often it has started the container again by itself, and when it did last."""
        life = self._lives.setdefault(container_id, _Life())
        if life.restart_count is not None:
            is_known = started_at_ms is None or started_at_ms == life.started_at_ms
            if is_known and restart_count > life.restart_count:
                # The engine counts a restart before it makes it: this one is still to be told of.
                restart_count -= 1
            told = life.restarts - life.restarts_when_inspected
            missed = max(0, restart_count - life.restart_count) - told
            is_told = life.told_start_ms is not None and _is_same(started_at_ms, life.told_start_ms)
            if missed > 0 or not (is_known or is_told):
                life.restarts += max(1, missed)
                life.inferred_start_ms = started_at_ms
                life.begin()
        elif life.restarts == 0:
            # Before this agent: they are in the total, but not news.
            life.restarts = life.restarts_taken = restart_count
        life.has_run = True
        life.restart_count, life.restarts_when_inspected = restart_count, life.restarts
        life.started_at_ms = started_at_ms

    def on_read(self, container_id: str, kills: int | None) -> None:
        """The kernel's counter of the present control group; None where it keeps none."""
        life = self._lives.setdefault(container_id, _Life())
        if kills is None:
            return
        if life.kills_read is not None and kills < life.kills_read:
            life.begin()
        life.read(kills)

    def take(self, container_id: str) -> LifeCounts:
        """Return the counts, and begin anew what is since the last time."""
        life = self._lives.get(container_id)
        if life is None:
            return LifeCounts()
        kills = life.kills
        counts = LifeCounts(
            restarts=life.restarts - life.restarts_taken,
            oom_kills=max(0, kills - life.kills_taken),
            restarts_total=life.restarts,
            oom_kills_total=max(kills, life.kills_taken),
        )
        life.is_read = False
        life.restarts_taken = life.restarts
        life.kills_taken = max(kills, life.kills_taken)
        return counts

    def retain(self, existing: Collection[str]) -> None:
        """Forget containers that are gone."""
        for container_id in self._lives.keys() - set(existing):
            del self._lives[container_id]


def _is_same(started_at_ms: int | None, told_ms: int) -> bool:
    return started_at_ms is not None and abs(told_ms - started_at_ms) <= _SAME_START_MS
