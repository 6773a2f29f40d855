"""Looking through segments: newest or oldest first, only the records that can have what is wanted.

The records are taken in the order of their ends (or beginnings), so that what is behind the next one is not
read once there are enough lines before it. Whoever asks says when time is up; the answer then says how far
it came.
"""

from __future__ import annotations

import heapq
import os
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from agent.logbook.segment import Entry, SegmentIndex, read_index
from agent.logbook.store import SegmentRef
from cluster.encoding import EncodingError
from cluster.logs.block import (
    HEADER_BYTES,
    Columns,
    Header,
    RecordKind,
    check,
    decode_columns,
    decode_source,
    decode_texts,
    line_at,
    split_texts,
)
from cluster.logs.pattern import Literal, literal_of, matcher
from cluster.model.log_history import (
    LEVELS_ALL,
    STREAMS_ALL,
    KeptLine,
    LogCountQuery,
    LogCounts,
    LogLevel,
    LogPage,
    LogPlace,
    LogSearch,
)

PAGE_BYTES_MAX = 3 * 1024 * 1024
"""Characters of text in a page: the rest is on the next."""
DECODED_KEPT = 4
STEPS_MAX = 2000

OutOfTime = Callable[[], bool]


class Segments:
    """Open segments with their indexes, for many searches. Segments that are gone are forgotten."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[int, SegmentIndex]] = {}

    def read(self, refs: Sequence[SegmentRef]) -> Iterator[tuple[int, SegmentIndex]]:
        """Yield descriptor and index of each; one that is gone meanwhile, or damaged, is left out."""
        wanted = {ref.path for ref in refs}
        for path in [path for path in self._open if path not in wanted and not os.path.exists(path)]:
            os.close(self._open.pop(path)[0])
        for ref in refs:
            try:
                yield self._one(ref)
            except (OSError, EncodingError):
                continue

    def _one(self, ref: SegmentRef) -> tuple[int, SegmentIndex]:
        found = self._open.get(ref.path)
        if found is None:
            index = read_index(Path(ref.path)) if ref.is_closed else SegmentIndex()
            found = self._open[ref.path] = (os.open(ref.path, os.O_RDONLY), index)
        found[1].extend(found[0], ref.size)
        return found

    def close(self) -> None:
        for descriptor, _ in self._open.values():
            os.close(descriptor)
        self._open.clear()


@dataclass(slots=True)
class _Record:
    """A record of lines, wherever it is."""

    container_id: str
    header: Header
    read: Callable[[int, int], bytes]
    """Offset within the body, and length."""

    def columns(self) -> Columns:
        return decode_columns(self.header, self.read(0, self.header.columns_bytes))

    def text(self) -> str:
        return decode_texts(self.header, self.read(self.header.columns_bytes, self.header.texts_bytes))


@dataclass(slots=True)
class _Found:
    """The best matches so far, at most `limit`: a heap with the worst of them first."""

    limit: int
    is_newest_first: bool
    heap: list[tuple[tuple[int, ...], int, KeptLine, tuple[KeptLine, ...]]] = field(default_factory=list)
    places: set[LogPlace] = field(default_factory=set)
    is_cut: bool = False

    def is_full(self) -> bool:
        return len(self.heap) >= self.limit

    def worst_us(self) -> int:
        return self.heap[0][2].at_us

    def may_have(self, at_us: int) -> bool:
        if not self.is_full():
            return True
        return at_us >= self.worst_us() if self.is_newest_first else at_us <= self.worst_us()

    def add(self, line: KeptLine, around: Callable[[], tuple[KeptLine, ...]]) -> None:
        place = line.place
        if place in self.places:
            return
        sign = 1 if self.is_newest_first else -1
        # Containers' ids are compared too where moments are the same, in the order of a page.
        key = (sign * line.at_us, sign * int(line.container_id or "0", 16), sign * line.ordinal)
        if self.is_full():
            self.is_cut = True
            if key <= self.heap[0][0]:
                return
            worst = heapq.heapreplace(self.heap, (key, line.ordinal, line, around()))
            self.places.discard(worst[2].place)
        else:
            heapq.heappush(self.heap, (key, line.ordinal, line, around()))
        self.places.add(place)

    def lines(self) -> list[tuple[KeptLine, tuple[KeptLine, ...]]]:
        """In the order asked for."""
        return [
            (line, around) for _, _, line, around in sorted(self.heap, key=lambda item: item[0], reverse=True)
        ]


def search(
    segments: Segments,
    refs: Sequence[SegmentRef],
    extra: Sequence[bytes],
    query: LogSearch,
    is_out_of_time: OutOfTime,
) -> LogPage:
    """Return the next lines of those asked for. `extra` are records that are in no segment yet.

    Raises PatternRefused.
    """
    fits = matcher(query.pattern, is_regex=query.is_regex, is_case_sensitive=query.is_case_sensitive)
    literal = literal_of(query.pattern, is_regex=query.is_regex, is_case_sensitive=query.is_case_sensitive)
    every = list(_records(segments, refs, extra, query.container_ids))
    candidates = _in_order([each for each in every if _may_have(each.header, query)], query.is_newest_first)
    surroundings = _Surroundings(every, query.context)
    found = _Found(query.limit, query.is_newest_first)
    horizon: LogPlace | None = None
    scanned = 0
    for position, record in enumerate(candidates):
        edge_us = _edge_us(record.header, query.is_newest_first)
        if found.is_full() and not found.may_have(edge_us):
            found.is_cut = True
            break
        reached = LogPlace(at_us=edge_us + 1 if query.is_newest_first else edge_us)
        # Records overlap: an answer that came no further than the last one would be asked for again for ever.
        if position > 0 and _is_further(reached, query) and is_out_of_time():
            horizon = reached
            break
        scanned += record.header.lines
        try:
            _look(record, query, fits, literal, found, surroundings)
        except (OSError, EncodingError):
            continue
    return _page(found, horizon, scanned, query)


def _is_further(reached: LogPlace, query: LogSearch) -> bool:
    if query.after is None:
        return True
    return reached < query.after if query.is_newest_first else reached > query.after


def _records(
    segments: Segments, refs: Sequence[SegmentRef], extra: Sequence[bytes], container_ids: Sequence[str]
) -> Iterator[_Record]:
    wanted = set(container_ids)
    for descriptor, index in segments.read(refs):
        named = {
            number: source.container_id
            for number, source in index.sources.items()
            if source.container_id in wanted
        }
        for entry in index.entries:
            container_id = named.get(entry.header.source)
            if container_id is not None:
                yield _Record(container_id, entry.header, _reader(descriptor, entry))
    names: dict[int, str] = {}
    for data in extra:
        header = check(data)
        if header.kind is RecordKind.SOURCE:
            names[header.source] = decode_source(header, data[HEADER_BYTES:]).container_id
        elif names.get(header.source) in wanted:
            yield _Record(names[header.source], header, _slicer(data))


def _reader(descriptor: int, entry: Entry) -> Callable[[int, int], bytes]:
    return lambda offset, length: os.pread(descriptor, length, entry.offset + HEADER_BYTES + offset)


def _slicer(data: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, length: data[HEADER_BYTES + offset : HEADER_BYTES + offset + length]


def _may_have(header: Header, query: LogSearch) -> bool:
    if not header.levels & query.levels or not header.streams & query.streams:
        return False
    if header.end_us < query.start_us or (query.end_us and header.start_us >= query.end_us):
        return False
    if query.after is None:
        return True
    if query.is_newest_first:
        return header.start_us <= query.after.at_us
    return header.end_us >= query.after.at_us


def _in_order(records: list[_Record], is_newest_first: bool) -> list[_Record]:
    return sorted(records, key=lambda each: _edge_us(each.header, is_newest_first), reverse=is_newest_first)


def _edge_us(header: Header, is_newest_first: bool) -> int:
    return header.end_us if is_newest_first else header.start_us


def _look(
    record: _Record,
    query: LogSearch,
    fits: Callable[[str], bool] | None,
    literal: Literal | None,
    found: _Found,
    surroundings: _Surroundings,
) -> None:
    columns = record.columns()
    positions: Sequence[int] = list(_positions(record, columns, query))
    if not positions:
        return
    text = record.text()
    if literal is not None and "\x1b" not in text:
        hits = set(literal.lines_of(text))
        positions = [index for index in positions if index in hits]
        fits = None
        if not positions:
            return
    texts = split_texts(record.header, text)
    # From the best on: what comes behind the worst of enough is not looked at.
    for index in reversed(positions) if query.is_newest_first else positions:
        if not found.may_have(columns.moments_us[index]):
            found.is_cut = True
            continue
        if fits is not None and not fits(texts[index]):
            continue
        line = line_at(record.header, columns, texts, index, container_id=record.container_id)
        found.add(line, partial(surroundings.around, record, columns, texts, index))


def _positions(record: _Record, columns: Columns, query: LogSearch) -> Iterable[int]:
    header = record.header
    is_every_kind = query.levels == LEVELS_ALL and query.streams == STREAMS_ALL
    is_within = header.start_us >= query.start_us and (not query.end_us or header.end_us < query.end_us)
    after = query.after
    if after is not None and (
        header.end_us < after.at_us if query.is_newest_first else header.start_us > after.at_us
    ):
        after = None
    if is_every_kind and is_within and after is None:
        return range(header.lines)
    allowed = {
        kind
        for kind in set(columns.kinds)
        if query.levels >> ((kind >> 2) & 7) & 1 and query.streams >> (kind & 3) & 1
    }
    return (
        index
        for index, (at_us, kind) in enumerate(zip(columns.moments_us, columns.kinds, strict=True))
        if kind in allowed
        and at_us >= query.start_us
        and (not query.end_us or at_us < query.end_us)
        and (after is None or _is_behind(record, at_us, index, after, query.is_newest_first))
    )


def _is_behind(record: _Record, at_us: int, index: int, after: LogPlace, is_newest_first: bool) -> bool:
    place = (at_us, record.container_id, record.header.first_ordinal + index)
    mark = (after.at_us, after.container_id, after.ordinal)
    return place < mark if is_newest_first else place > mark


class _Surroundings:
    """The lines before and after a line of the same container, over the ends of its record."""

    def __init__(self, records: Sequence[_Record], count: int) -> None:
        self._count = count
        self._of: dict[str, list[_Record]] = defaultdict(list)
        self._decoded: OrderedDict[int, tuple[Columns, list[str]]] = OrderedDict()
        if count:
            for record in records:
                self._of[record.container_id].append(record)
            for of_container in self._of.values():
                of_container.sort(key=lambda each: each.header.first_ordinal)

    def around(
        self, record: _Record, columns: Columns, texts: Sequence[str], index: int
    ) -> tuple[KeptLine, ...]:
        if not self._count:
            return ()
        first, last = index - self._count, index + self._count
        lines = [
            line_at(record.header, columns, texts, each, container_id=record.container_id, is_match=False)
            for each in range(max(0, first), min(record.header.lines, last + 1))
            if each != index
        ]
        if first < 0:
            lines += self._from_neighbour(record, -1, -first)
        if last >= record.header.lines:
            lines += self._from_neighbour(record, 1, last + 1 - record.header.lines)
        return tuple(lines)

    def _from_neighbour(self, record: _Record, step: int, count: int) -> list[KeptLine]:
        of_container = self._of[record.container_id]
        position = next((at for at, each in enumerate(of_container) if each is record), 0) + step
        if not 0 <= position < len(of_container):
            return []
        neighbour = of_container[position]
        columns, texts = self._decode(neighbour)
        total = neighbour.header.lines
        wanted = range(max(0, total - count), total) if step < 0 else range(min(count, total))
        return [
            line_at(
                neighbour.header, columns, texts, each, container_id=neighbour.container_id, is_match=False
            )
            for each in wanted
        ]

    def _decode(self, record: _Record) -> tuple[Columns, list[str]]:
        kept = self._decoded.get(id(record))
        if kept is None:
            kept = self._decoded[id(record)] = (
                record.columns(),
                split_texts(record.header, record.text()),
            )
            while len(self._decoded) > DECODED_KEPT:
                self._decoded.popitem(last=False)
        return kept


def _page(found: _Found, horizon: LogPlace | None, scanned: int, query: LogSearch) -> LogPage:
    chosen: dict[LogPlace, KeptLine] = {}
    contexts: dict[LogPlace, KeptLine] = {}
    text_bytes = 0
    is_whole = True
    last: LogPlace | None = None
    for line, around in found.lines():
        place = line.place
        if horizon is not None and (place < horizon if query.is_newest_first else place > horizon):
            break
        text_bytes += len(line.text) + sum(len(each.text) for each in around)
        if text_bytes > PAGE_BYTES_MAX and chosen:
            is_whole = False
            break
        chosen[place] = last_line = line
        last = last_line.place
        contexts.update((each.place, each) for each in around)
    if last is not None and (not is_whole or (horizon is None and found.is_cut)):
        horizon = last
    merged = {**contexts, **chosen}
    lines = sorted(merged.values(), key=lambda each: each.place, reverse=query.is_newest_first)
    return LogPage(lines=tuple(lines), horizon=horizon, scanned=scanned)


def count(
    segments: Segments,
    refs: Sequence[SegmentRef],
    extra: Sequence[bytes],
    query: LogCountQuery,
    is_out_of_time: OutOfTime,
) -> LogCounts:
    """Return how many lines of each level each step has; at most STEPS_MAX steps, the last ones first."""
    steps = min(STEPS_MAX, max(0, -(-(query.end_us - query.start_us) // query.step_us)))
    counts = np.zeros((steps, len(LogLevel)), dtype=np.int64)
    window = LogSearch(
        container_ids=query.container_ids,
        start_us=query.start_us,
        end_us=query.start_us + steps * query.step_us,
    )
    records = _in_order(
        [
            each
            for each in _records(segments, refs, extra, query.container_ids)
            if _may_have(each.header, window)
        ],
        is_newest_first=True,
    )
    is_partial = False
    for record in records:
        if is_out_of_time():
            is_partial = True
            break
        try:
            _count_record(record, query, counts)
        except (OSError, EncodingError):
            continue
    return LogCounts(counts=tuple(tuple(int(each) for each in row) for row in counts), is_partial=is_partial)


def _count_record(record: _Record, query: LogCountQuery, counts: np.ndarray) -> None:
    header = record.header
    first = (header.start_us - query.start_us) // query.step_us
    last = (header.end_us - query.start_us) // query.step_us
    if first == last and header.levels.bit_count() == 1:
        counts[first, header.levels.bit_length() - 1] += header.lines
        return
    columns = record.columns()
    steps = (np.frombuffer(columns.moments_us, dtype=np.int64) - query.start_us) // query.step_us
    levels = (np.frombuffer(columns.kinds, dtype=np.uint8) >> 2) & 7
    inside = (steps >= 0) & (steps < len(counts)) & (levels < len(LogLevel))
    flat = steps[inside] * len(LogLevel) + levels[inside]
    counts += np.bincount(flat, minlength=counts.size).reshape(counts.shape)
