"""What is unusual in the whole cluster, as it happens, seen by every node in its own history.

Every node watches everything, so that whoever leads next knows what the last leader knew without being told.
The state is a file of this node: the record of every sample is kept for a week, and how often a series does
what it does takes longer than that to know. Without the file, or with one that cannot be read, the watch
begins anew with the week that is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn, Protocol

import numpy as np

from agent.clock import Clock
from agent.follow.node_history import HistoryNotOpen
from cluster.analytics import notes
from cluster.analytics.anomalies import Finding
from cluster.analytics.grouping import (
    GAP_MS,
    PRESSURE_METRICS,
    Incident,
    Place,
    Pressure,
    group,
    place_of_subject,
    pressures,
)
from cluster.analytics.lineage import Line, joined
from cluster.analytics.rows import ROW_MS
from cluster.analytics.sentences import Text
from cluster.analytics.series import Values
from cluster.analytics.watch import BYTES_MAX, KEPT_ROWS, SeriesWatch, WatchDamaged
from cluster.analytics.watched import WATCHED, is_count
from cluster.history.errors import HistoryError
from cluster.metrics.query import RangeAnswer, RangeQuery, Resolution, Selector, Statistic
from cluster.model.metrics import Subject, SubjectKind

log = logging.getLogger(__name__)

GRACE_MS = 45_000
"""A row is looked at so long after its end: by then every host's last minute is in the log."""
EMPTY_GRACE_MS = 30 * 60_000
"""A row in which nothing at all was measured is waited for so long: the cluster may have had no quorum, and
hosts keep what they could not record."""
RETRY_S = 30.0
OPENING_S = 2.0
PAUSE_S = 0.2
"""Between pieces of the past, so that catching up takes a part of a processor."""
SAVE_EVERY_ROWS = 12
"""An hour: what is lost with a machine is judged again from the history."""
CELLS_MAX = 40_000
"""Series times rows judged at once: some 8 MiB."""
QUERY_SERIES = 400
SUBJECTS_MAX = 4_000
SERIES_PER_SUBJECT = 8
"""About, as long as it is not known."""
HOSTS_ASKED = 8
MORE_ROWS = 144
"""Half a day that is new to the watch is worth beginning anew for."""
CURRENT_MS = GAP_MS + ROW_MS
"""An incident goes on until nothing of it was unusual for so long after the row that was judged last."""


class History(Protocol):
    """The metric history of this node. `agent.follow.node_history.NodeHistory` fits."""

    async def query(self, query: RangeQuery) -> RangeAnswer: ...
    async def subjects(self, selector: Selector) -> Sequence[Subject]: ...


class AnomalyScores:
    """The watch of one node, while `run` runs. Fits `web.ports.AnomalyWatch`."""

    def __init__(self, *, history: History, clock: Clock, file: Path) -> None:
        self._history = history
        self._clock = clock
        self._file = file
        self._watch: SeriesWatch | None = None
        # A copy: the watch's own changes in another thread.
        self._findings: tuple[Finding, ...] = ()
        self._short: Mapping[Place, Sequence[Pressure]] = {}
        self._saved_row = -1
        self._compared_row = -1
        self._is_pushing = False
        self._refused = ""

    # ---- what is known ------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        return self._watch is not None and self._watch.next_row >= 0

    @property
    def series(self) -> int:
        return 0 if self._watch is None else self._watch.series

    @property
    def note(self) -> Text | None:
        """What is not known yet, in one sentence; None: all is known that can be."""
        if self._watch is None or self._watch.next_row < 0:
            return notes.BEING_READ
        behind = (self._clock.now_ms() - GRACE_MS) // ROW_MS - self._watch.next_row
        if behind > EMPTY_GRACE_MS // ROW_MS + 1:
            return notes.BEHIND.fill(minutes=behind * ROW_MS // 60_000)
        if self._watch.is_learning:
            return notes.LEARNING.fill(hours=self._watch.rows_known * ROW_MS // 3_600_000)
        if self._watch.left_out:
            return notes.NOT_WATCHED.fill(count=self._watch.left_out)
        return None

    def findings(self, since_ms: int) -> tuple[Finding, ...]:
        """Return what began or went on since then, of the last seven days, by time."""
        return tuple(each for each in self._findings if each.anomaly.until_ms > since_ms)

    def pressures(self) -> Mapping[Place, Sequence[Pressure]]:
        """Return what places were short of in the row that was judged last."""
        return self._short

    def incidents(self) -> tuple[Incident, ...]:
        """Return those that go on, newest first. Cheap: it looks at the findings of a day alone."""
        if self._watch is None or self._watch.next_row < 0:
            return ()
        judged_ms = self._watch.next_row * ROW_MS
        # What was judged long ago says nothing of now.
        if self._clock.now_ms() - judged_ms > EMPTY_GRACE_MS + CURRENT_MS:
            return ()
        # From a day back, so that an incident keeps its beginning, and with it its key, while it goes on.
        found = group(self.findings(judged_ms - 24 * 3_600_000), self._short)
        return tuple(each for each in found if each.last_ms > judged_ms - CURRENT_MS)

    # ---- its life -----------------------------------------------------------------------------

    async def run(self) -> NoReturn:
        """Judge each row when it is over, for ever. Whatever fails is tried again."""
        try:
            if self._watch is None:
                self._watch = await asyncio.to_thread(self._load)
                self._saved_row = self._watch.next_row
                self._findings = self._watch.findings(0)
            while True:
                try:
                    pause_s = await self._step(self._watch)
                    self._refused = ""
                except HistoryNotOpen:
                    # Whoever opens it says what is wrong with it.
                    pause_s = OPENING_S
                except (HistoryError, ValueError) as error:
                    if self._refused != str(error):
                        self._refused = str(error)
                        log.warning("anomalies.not_looked", extra={"reason": str(error)})
                    pause_s = RETRY_S
                await self._clock.sleep(pause_s)
        finally:
            if self._watch is not None and self._watch.next_row > self._saved_row and not self._is_pushing:
                await asyncio.to_thread(self._save, self._watch)

    async def _step(self, watch: SeriesWatch) -> float:
        """Judge what is over, or a piece of it; return in how many seconds to look again."""
        now_ms = self._clock.now_ms()
        end_row = (now_ms - GRACE_MS) // ROW_MS
        first = max(watch.next_row, end_row - KEPT_ROWS)
        if watch.next_row >= 0 and watch.is_learning and self._compared_row != end_row:
            self._compared_row = end_row
            if await self._is_more_known(watch, end_row):
                log.info("anomalies.begin", extra={"reason": "the history was filled: it is read anew"})
                self._watch, self._saved_row = SeriesWatch(), -1
                return PAUSE_S
        if first >= end_row:
            return max(1.0, ((end_row + 1) * ROW_MS + GRACE_MS - now_ms) / 1000)
        subjects = await self._subjects(first)
        series = max(1, watch.series, SERIES_PER_SUBJECT * len(subjects))
        rows = min(end_row - first, max(1, CELLS_MAX // series))
        lines = await self._read(subjects, tuple(WATCHED), first, rows)
        is_empty = not any(np.isfinite(line.values).any() for line in lines)
        if is_empty and watch.next_row >= 0 and now_ms < (first + rows) * ROW_MS + EMPTY_GRACE_MS:
            return RETRY_S
        if is_empty and watch.next_row < 0:
            # What was before the first sample is no gap; one row is left to begin with.
            if first + rows >= end_row:
                return RETRY_S
            watch.begin_at(first + rows)
            return 0.0
        self._is_pushing = True
        new = await asyncio.to_thread(watch.push, first, lines, rows)
        self._is_pushing = False
        self._findings = watch.findings(0)
        for finding in new[-50:]:
            log.info("anomalies.found", extra=_words(finding))
        is_current = first + rows >= end_row
        if is_current:
            self._short = await self._pressures(subjects, end_row)
        if watch.next_row - self._saved_row >= SAVE_EVERY_ROWS and is_current:
            await asyncio.to_thread(self._save, watch)
        return 0.0 if is_current else PAUSE_S

    async def _is_more_known(self, watch: SeriesWatch, end_row: int) -> bool:
        """Whether the history got a past that the watch did not see: from other nodes, or from hosts that
        could not record for long. Asked while the watch has little to go by."""
        found = await self._history.subjects(Selector(kinds=(SubjectKind.HOST,)))
        hosts = sorted(found, key=lambda each: -each.seen_ms)[:HOSTS_ASKED]
        lines = await self._read(hosts, ("cpu_percent",), end_row - KEPT_ROWS, KEPT_ROWS)
        known = max((int(np.count_nonzero(~np.isnan(line.values))) for line in lines), default=0)
        return known > watch.rows_known + MORE_ROWS

    async def _subjects(self, first_row: int) -> list[Subject]:
        found = await self._history.subjects(Selector())
        # Seen is known to within a day.
        recent = [each for each in found if each.seen_ms >= (first_row - 288) * ROW_MS]
        recent.sort(key=lambda each: (each.definition.kind, -each.number))
        return recent[:SUBJECTS_MAX]

    async def _read(
        self, subjects: Sequence[Subject], metrics: Sequence[str], first: int, rows: int
    ) -> list[Line]:
        """Return these metrics' rows: means of gauges, sums of counts, the last of states."""
        by_number = {each.number: each for each in subjects}
        series: list[tuple[Subject, str, Values]] = []
        for is_counting in (False, True):
            names = tuple(name for name in metrics if is_count(name) is is_counting)
            size = max(1, QUERY_SERIES // max(1, len(names)))
            numbers = list(by_number)
            for begin in range(0, len(numbers) if names else 0, size):
                answer = await self._history.query(
                    RangeQuery(
                        selector=Selector(metrics=names, subjects=tuple(numbers[begin : begin + size])),
                        start_ms=first * ROW_MS,
                        end_ms=(first + rows) * ROW_MS,
                        step_ms=ROW_MS,
                        points_max=rows,
                        resolution=Resolution.RAW,
                        statistic=Statistic.SUM if is_counting else None,
                    )
                )
                at = (answer.times_ms - first * ROW_MS) // ROW_MS
                inside = (at >= 0) & (at < rows)
                for one in answer.series:
                    if one.subject in by_number:
                        values = np.full(rows, np.nan)
                        values[at[inside]] = one.values[inside]
                        series.append((by_number[one.subject], one.metric, values))
        return joined(series)

    async def _pressures(self, subjects: Sequence[Subject], end_row: int) -> dict[Place, list[Pressure]]:
        """What the places of incidents that may go on are short of. Nobody else is asked about."""
        recent = self.findings(end_row * ROW_MS - CURRENT_MS)
        places = {(finding.node_id, finding.service or finding.name) for finding in recent}
        nodes = {finding.node_id for finding in recent}
        near = [
            each
            for each in subjects
            if each.definition.node_id in nodes
            and (
                (place := place_of_subject(each.definition)).name == ""
                or (place.node_id, place.name) in places
            )
        ]
        if not near:
            return {}
        found: dict[Place, list[Pressure]] = defaultdict(list)
        values: dict[int, dict[str, float]] = defaultdict(dict)
        for line in await self._read(near, PRESSURE_METRICS, end_row - 1, 1):
            values[line.subject.number][line.metric] = float(line.values[-1])
        by_number = {each.number: each for each in near}
        for number, current in values.items():
            found[place_of_subject(by_number[number].definition)] += pressures(current)
        return dict(found)

    # ---- its file -----------------------------------------------------------------------------

    def _load(self) -> SeriesWatch:
        try:
            with self._file.open("rb") as file:
                return SeriesWatch.from_bytes(file.read(BYTES_MAX))
        except FileNotFoundError:
            log.info("anomalies.begin", extra={"reason": "there is no state yet: the history is read"})
        except (OSError, WatchDamaged) as error:
            log.warning("anomalies.begin", extra={"reason": f"{self._file}: {error}: the history is read"})
        return SeriesWatch()

    def _save(self, watch: SeriesWatch) -> None:
        """Replace the file whole or not at all. A disk that takes none costs a longer start, no more."""
        temporary = self._file.with_name(f".{self._file.name}.new")
        try:
            with open(temporary, "wb", opener=_private) as file:
                file.write(watch.to_bytes())
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._file)
            self._saved_row = watch.next_row
        except OSError as error:
            log.warning("anomalies.not_saved", extra={"reason": f"{self._file}: {error.strerror}"})
            with contextlib.suppress(OSError):
                temporary.unlink()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _words(finding: Finding) -> dict[str, object]:
    found = finding.anomaly
    return {
        "node_id": finding.node_id,
        "name_of": finding.name,
        "metric": finding.metric,
        "kind": found.kind.value,
        "severity": found.severity.word,
        "current": round(found.current, 3),
        "expected": round(found.expected, 3),
    }
