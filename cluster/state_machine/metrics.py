"""Handlers of the commands on the metric history.

Samples pass through the state: what is numbered and marked here stays, the samples themselves only as long as
it takes every node to take them into its own history.
"""

from __future__ import annotations

from dataclasses import replace

from cluster.commands.metrics import DefineSubjects, RecordSamples
from cluster.commands.outcome import Applied, Code, Outcome, Rejected
from cluster.model.metrics import (
    CommittedBatch,
    CommittedHour,
    MetricBooks,
    SourceMark,
    Subject,
    SubjectDefinition,
    SubjectRef,
)
from cluster.model.metrics_retention import RETENTION_PREFIX, subjects_kept_ms
from cluster.state_machine.entry import Entry
from cluster.store.records import (
    METRIC_BATCHES,
    METRIC_BOOKS,
    METRIC_HOURS,
    METRIC_SOURCES,
    METRIC_SUBJECTS,
    METRIC_SUBJECTS_BY_KEY,
    find_subject,
    setting_values,
)

FUTURE_MS = 120_000
"""How far ahead of the log's time a sample may be: hosts' clocks differ, and none may claim tomorrow."""
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
RING_MS = HOUR_MS
RING_BYTES_MAX = 16 * 1024 * 1024
RING_EVICTIONS_MAX = 16
"""Most batches one entry lets go. The largest one makes room of what the smallest need many of, so the bound
on bytes may be passed for some entries, and by no more than they bring."""
SUBJECTS_TOTAL_MAX = 100_000
SUBJECT_LOOKS = 4
"""How many subjects each batch looks at, to forget what is gone for long."""
SEEN_EVERY_MS = DAY_MS
"""How exact it is known when a subject was last measured: a record is written that often."""
SOURCES_MAX = 4096
HOURS_KEPT_MS = 396 * DAY_MS
_CROWDED = ((7 / 8, 30 * DAY_MS), (3 / 4, 90 * DAY_MS))
"""From which share of the most subjects on what is gone is forgotten earlier, and how early."""


def record_samples(entry: Entry, command: RecordSamples) -> Outcome:
    txn = entry.txn
    mark = METRIC_SOURCES.get(txn, command.source)
    if mark is not None and command.start_ms < mark.end_ms:
        return Rejected(
            f"samples of {command.source} from {command.start_ms} on: recorded up to {mark.end_ms} already",
            Code.ALREADY_EXISTS,
        )
    if command.end_ms - command.step_ms > entry.now_ms + FUTURE_MS:
        return Rejected(
            f"samples of {command.source} up to {command.end_ms}: more than {FUTURE_MS // 1000} s ahead of"
            f" the cluster's time, {entry.now_ms}; set the host's clock",
            Code.INVALID,
        )
    kept_ms = subjects_kept_ms(setting_values(txn, RETENTION_PREFIX))
    if command.end_ms <= entry.now_ms - kept_ms:
        return Rejected(
            f"samples of {command.source} up to {command.end_ms}: older than anything that is kept"
            f" ({kept_ms // DAY_MS} days)",
            Code.EXPIRED,
        )
    if mark is None and not _make_room_for_source(entry, kept_ms):
        return Rejected(
            f"samples of {command.source}: there are {SOURCES_MAX} sources, the most there may be; use the"
            " name of an earlier import",
            Code.FULL,
        )
    books = METRIC_BOOKS.get(txn) or MetricBooks()
    numbered = _number(entry, command.node_id, command.subjects, books, command.start_ms)
    if isinstance(numbered, Rejected):
        return numbered
    numbers, books = numbered
    batch = CommittedBatch(
        index=entry.index,
        source=command.source,
        node_id=command.node_id,
        start_ms=command.start_ms,
        step_ms=command.step_ms,
        ticks=command.ticks,
        subjects=numbers,
        payload=command.payload,
        committed_ms=entry.now_ms,
    )
    METRIC_BATCHES.put(txn, batch)
    METRIC_SOURCES.put(txn, SourceMark(source=command.source, end_ms=command.end_ms, index=entry.index))
    _note_hour(entry, batch)
    books = _turn_ring(entry, replace(books, ring_bytes=books.ring_bytes + batch.ring_bytes))
    METRIC_BOOKS.put(txn, _forget_gone(entry, books, kept_ms))
    return Applied()


def define_subjects(entry: Entry, command: DefineSubjects) -> Outcome:
    books = METRIC_BOOKS.get(entry.txn) or MetricBooks()
    refs = tuple(SubjectRef(definition=definition) for definition in command.definitions)
    numbered = _number(entry, command.node_id, refs, books, entry.now_ms)
    if isinstance(numbered, Rejected):
        return numbered
    METRIC_BOOKS.put(entry.txn, numbered[1])
    return Applied()


def _number(
    entry: Entry, node_id: str, refs: tuple[SubjectRef, ...], books: MetricBooks, start_ms: int
) -> tuple[tuple[int, ...], MetricBooks] | Rejected:
    """Return the subjects' numbers, new ones counted in the books; what is defined anew is kept."""
    numbers = []
    for ref in refs:
        if ref.definition is None:
            subject = METRIC_SUBJECTS.get(entry.txn, ref.number)
            if subject is None or subject.definition.node_id != node_id:
                return Rejected(f"subject {ref.number} of {node_id} is not known: define it", Code.NOT_FOUND)
        else:
            known = find_subject(entry.txn, ref.definition)
            if known is None:
                if books.subjects >= SUBJECTS_TOTAL_MAX:
                    return Rejected(
                        f"{ref.definition.kind.word} {ref.definition.name or ref.definition.key!r} of"
                        f" {node_id} cannot be measured: there are {SUBJECTS_TOTAL_MAX} subjects with a"
                        " history, the most there may be; those gone for 30 days are being forgotten",
                        Code.FULL,
                    )
                subject, books = _create(entry, ref.definition, books, start_ms)
            elif known.definition != ref.definition:
                subject = replace(known, definition=ref.definition, seen_ms=entry.now_ms)
                METRIC_SUBJECTS.put(entry.txn, subject)
            else:
                subject = known
        if entry.now_ms - subject.seen_ms >= SEEN_EVERY_MS:
            METRIC_SUBJECTS.put(entry.txn, replace(subject, seen_ms=entry.now_ms))
        numbers.append(subject.number)
    if len(set(numbers)) < len(numbers):
        return Rejected(f"a batch of {node_id} names one subject twice", Code.INVALID)
    return tuple(numbers), books


def _create(
    entry: Entry, definition: SubjectDefinition, books: MetricBooks, start_ms: int
) -> tuple[Subject, MetricBooks]:
    number = books.last_number + 1
    subject = Subject(
        number=number,
        definition=definition,
        created_ms=min(start_ms, entry.now_ms),
        seen_ms=entry.now_ms,
    )
    METRIC_SUBJECTS.put(entry.txn, subject)
    METRIC_SUBJECTS_BY_KEY.add(entry.txn, *definition.place, number)
    return subject, replace(books, last_number=number, subjects=books.subjects + 1)


def _turn_ring(entry: Entry, books: MetricBooks) -> MetricBooks:
    """Let go of batches older than an hour of the log's time, or of the oldest where they are too many."""
    for _ in range(RING_EVICTIONS_MAX):
        (oldest,) = METRIC_BATCHES.scan(entry.txn, limit=1)
        is_old = entry.now_ms - oldest.committed_ms > RING_MS
        if oldest.index == entry.index or not (is_old or books.ring_bytes > RING_BYTES_MAX):
            break
        METRIC_BATCHES.delete(entry.txn, oldest.index)
        books = replace(books, ring_bytes=books.ring_bytes - oldest.ring_bytes, passed_index=oldest.index)
    return books


def _note_hour(entry: Entry, batch: CommittedBatch) -> None:
    """Keep of what times batches are, by hours of the log, for a node that will have missed them.

    One record for each hour, and no more of them than hours of which anything is kept by default.
    """
    hour_ms = entry.now_ms - entry.now_ms % HOUR_MS
    known = METRIC_HOURS.get(entry.txn, hour_ms)
    METRIC_HOURS.put(
        entry.txn,
        CommittedHour(
            hour_ms=hour_ms,
            first_index=batch.index if known is None else known.first_index,
            last_index=batch.index,
            start_ms=batch.start_ms if known is None else min(known.start_ms, batch.start_ms),
            end_ms=batch.end_ms if known is None else max(known.end_ms, batch.end_ms),
        ),
    )
    if known is None:
        for oldest in METRIC_HOURS.scan(entry.txn, limit=2):
            if oldest.hour_ms < hour_ms - HOURS_KEPT_MS:
                METRIC_HOURS.delete(entry.txn, oldest.hour_ms)


def _forget_gone(entry: Entry, books: MetricBooks, kept_ms: int) -> MetricBooks:
    """Look at the next few subjects, and forget those not measured for longer than anything of them is kept.

    Where there are too many, what is gone is forgotten earlier: a new container is worth more than one that
    ended months ago.
    """
    for share, early_ms in _CROWDED:
        if books.subjects >= share * SUBJECTS_TOTAL_MAX:
            kept_ms = min(kept_ms, early_ms)
            break
    looked_at = METRIC_SUBJECTS.scan(entry.txn, after=(books.looked_at,), limit=SUBJECT_LOOKS)
    count = books.subjects
    for subject in looked_at:
        if subject.seen_ms < entry.now_ms - kept_ms:
            METRIC_SUBJECTS.delete(entry.txn, subject.number)
            METRIC_SUBJECTS_BY_KEY.remove(entry.txn, *subject.definition.place, subject.number)
            count -= 1
    is_round = len(looked_at) < SUBJECT_LOOKS
    return replace(books, subjects=count, looked_at=0 if is_round else looked_at[-1].number)


def _make_room_for_source(entry: Entry, kept_ms: int) -> bool:
    """Whether one more source fits, after those went whose marks refuse nothing that age does not."""
    marks = METRIC_SOURCES.scan(entry.txn)
    gone = [mark for mark in marks if mark.end_ms <= entry.now_ms - kept_ms]
    for mark in gone:
        METRIC_SOURCES.delete(entry.txn, mark.source)
    return len(marks) - len(gone) < SOURCES_MAX
