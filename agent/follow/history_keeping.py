"""Brings what the log carries of samples into this node's history, and keeps the history tidy.

The state holds committed batches for an hour of the log's time. Whoever follows misses none; whoever was away
for longer notes which times are missing, and they are asked of other nodes (`history_filling`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import NoReturn

from agent.clock import Clock
from agent.follow.assignments_reports import SharedState
from agent.follow.node_history import NodeHistory
from cluster.history.errors import HistoryError, HistoryFull
from cluster.metrics.retention import Keep, Retention
from cluster.model.metrics import CommittedBatch, Subject
from cluster.model.metrics_retention import METRICS_PREFIX, MetricRetention, metric_retention
from cluster.store import Committed, ReadTxn
from cluster.store.records import METRIC_BATCHES, METRIC_BOOKS, METRIC_HOURS, METRIC_SUBJECTS, setting_values

log = logging.getLogger(__name__)

SLICE_BATCHES = 32
SLICE_SUBJECTS = 256
TIDY_EVERY_S = 10.0
TIDY_PAUSE_S = 0.05
"""Between pieces of one tidying, so that it takes a small part of a processor however much there is to do."""
RETRY_MIN_S = 1.0
RETRY_MAX_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _News:
    """What the state has that the history has not: the next batches, and the times of those it missed."""

    batches: Sequence[CommittedBatch] = ()
    subjects: Sequence[Subject] = ()
    missed: Sequence[tuple[int, int]] = ()


class HistoryKeeping:
    """Follows the state's batches while `run` runs."""

    def __init__(self, *, history: NodeHistory, state: SharedState, clock: Clock) -> None:
        self._history = history
        self._state = state
        self._clock = clock
        self._has_news = asyncio.Event()
        self.missed = asyncio.Event()
        """Set when times were noted as missing; whoever fetches them clears it."""
        self._applied_index = 0
        # Subjects as the history has them, and which of them may be others now: decoding the subjects of
        # every batch would be most of the work where there are thousands.
        self._told: set[int] = set()
        self._changed: set[int] = set()
        self._tidy_at_s = 0.0
        self._refused: dict[str, str] = {}

    async def run(self) -> NoReturn:
        """Follow for ever. Whatever fails is tried again, more and more seldom."""
        unsubscribe = self._state.subscribe(self._notice)
        pause_s = RETRY_MIN_S
        is_open = False
        try:
            while True:
                try:
                    if not is_open:
                        self._applied_index = await self._history.open()
                        self._told = set()
                        is_open = True
                    await self._follow()
                    pause_s = RETRY_MIN_S
                except HistoryError as error:
                    # A full disk is waited for; whatever else ails a file is seen to when it is opened.
                    is_open = isinstance(error, HistoryFull)
                    log.warning("history.failed", extra={"reason": str(error), "retry_s": pause_s})
                    await self._clock.sleep(pause_s)
                    pause_s = min(RETRY_MAX_S, 2 * pause_s)
        finally:
            unsubscribe()

    def _notice(self, committed: Committed) -> None:
        if committed.is_everything:
            self._told = set()
            self._has_news.set()
        for table, key in committed.changed:
            if table == METRIC_BATCHES.table.name:
                self._has_news.set()
            elif table == METRIC_SUBJECTS.table.name:
                (number,) = METRIC_SUBJECTS.parts_of(key)
                self._changed.add(int(number))

    async def _follow(self) -> None:
        """Take in what there is, tidy when it is time, and wait for more."""
        self._has_news.clear()
        if await self.take_in():
            return
        if self._clock.monotonic_s() >= self._tidy_at_s:
            with self._state.read() as txn:
                log_time_ms, values = txn.log_time_ms, setting_values(txn, METRICS_PREFIX)
            # Any one clock that is a year ahead, this host's or one that moved the log's time, must not
            # throw a year away.
            now_ms = min(log_time_ms, self._clock.now_ms())
            has_more = await self._history.maintain(now_ms, self._retention(values))
            self._tidy_at_s = self._clock.monotonic_s() + (TIDY_PAUSE_S if has_more else TIDY_EVERY_S)
        await self._clock.wait(self._has_news, self._tidy_at_s - self._clock.monotonic_s())

    async def take_in(self) -> bool:
        """Take the next batches in; whether there were any."""
        told, changed = self._told, self._changed
        self._changed = set()
        told -= changed
        with self._state.read() as txn:
            news = self._news(txn, told)
        for start_ms, end_ms in news.missed:
            log.info("history.missed", extra={"start_ms": start_ms, "end_ms": end_ms})
            await self._history.mark_missing(start_ms, end_ms)
            self.missed.set()
        if not news.batches:
            return False
        await self._history.ingest(news.batches, news.subjects)
        self._applied_index = news.batches[-1].index
        told.update(subject.number for subject in news.subjects)
        return True

    def _news(self, txn: ReadTxn, told: Set[int]) -> _News:
        """Return what follows, with subjects that were not told: a piece the loop can wait for."""
        batches = METRIC_BATCHES.scan(txn, after=(self._applied_index,), limit=SLICE_BATCHES)
        if not batches:
            return _News()
        unknown: set[int] = set()
        taken = 0
        for batch in batches:
            unknown.update(number for number in batch.subjects if number not in told)
            taken += 1
            if len(unknown) >= SLICE_SUBJECTS:
                break
        found = (METRIC_SUBJECTS.get(txn, number) for number in sorted(unknown))
        # One that the state has forgotten already is not named any more.
        subjects = [subject for subject in found if subject is not None]
        return _News(batches=batches[:taken], subjects=subjects, missed=self._missed(txn))

    def passed_index(self) -> int:
        """Return the newest entry with samples that the state has let go of, 0 for none."""
        with self._state.read() as txn:
            books = METRIC_BOOKS.get(txn)
        return 0 if books is None else books.passed_index

    def _missed(self, txn: ReadTxn) -> list[tuple[int, int]]:
        """Return of what times batches are that the state has let go of since the newest one that is here."""
        books = METRIC_BOOKS.get(txn)
        if books is None or books.passed_index <= self._applied_index:
            return []
        return merged(
            (hour.start_ms, hour.end_ms)
            for hour in METRIC_HOURS.scan(txn)
            if hour.last_index > self._applied_index and hour.first_index <= books.passed_index
        )

    def _retention(self, values: dict[str, str]) -> Retention:
        try:
            wanted = metric_retention(values)
        except ValueError as error:
            # Written by another version: what is kept longer by mistake can be forgotten later.
            if self._refused != values:
                self._refused = values
                log.warning("history.settings_refused", extra={"reason": str(error)})
            wanted = MetricRetention()
        return Retention(
            by_kind=tuple(
                (kind, Keep(raw_days=days.raw, hourly_days=days.hourly, daily_days=days.daily))
                for kind, days in wanted.by_kind.items()
            ),
            bytes_max=wanted.bytes_max,
        )


def merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the same times as ranges in order that do not touch."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found
