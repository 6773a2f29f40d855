"""What this host measures, brought into the log: a minute at a time, each sample once.

Samples become a block, the block waits on disk, and the oldest one is proposed until its fate is known. The
log takes nothing that begins before the end of what it has of this host, so a block that is sent again after
a lost answer, a crash or a restart is refused there and forgotten here.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from agent.clock import Clock
from agent.collect.recording import Row, rows_of
from agent.collect.samples import SampleBatch
from agent.follow.assignments_reports import SharedState
from agent.follow.sample_blocks import fitting, joined, only_known, portions_of, size_of
from agent.follow.sample_spool import SampleSpool, SpooledBlock, SpoolFailed
from cluster.commands import Applied, Code, Outcome, Rejected
from cluster.commands.metrics import DEFINITIONS_MAX, DefineSubjects, RecordSamples
from cluster.metrics.block import BlockBuilder
from cluster.model.ids import NodeId
from cluster.model.metrics import SubjectDefinition, SubjectRef
from cluster.raft.replicator import NotCommitted, OutcomeUnknown, ReadLevel, ReadUnavailable
from cluster.store.records import METRIC_SOURCES, METRIC_SUBJECTS, find_subject

log = logging.getLogger(__name__)

BLOCK_MS = 60_000
UNSTORED_MAX = 10
"""How many blocks wait in memory while the disk takes none."""
JOINED_MAX = 60
PAUSE_MIN_S = 0.02
PAUSE_MAX_S = 1.0
PAUSE_SHARE = 4
"""After a command with samples of the past, so many times as long as it took: where many hosts come back at
once commands take longer, and all of them slow down. A host that was cut off for three days sends seventy."""
RETRY_MIN_S = 1.0
RETRY_MAX_S = 30.0
DEFINITIONS_BYTES_MAX = 48 * 1024
"""What the definitions in one command with samples may take; more of them are sent before it."""


@dataclass(slots=True, kw_only=True)
class _Open:
    """The block that is being filled: rows of each tick, and the newest definition of each subject."""

    start_ms: int
    end_ms: int
    step_ms: int
    ticks: dict[int, Sequence[Row]] = field(default_factory=dict)

    def spooled(self) -> list[SpooledBlock]:
        """Return it as blocks that each fit into a command: one, unless this host has thousands of series."""
        definitions: dict[tuple[str, int, str], SubjectDefinition] = {}
        for rows in self.ticks.values():
            for definition, _, _ in rows:
                definitions[definition.place] = definition
        positions = {place: position for position, place in enumerate(definitions)}
        count = (max(self.ticks) + 1) if self.ticks else 1
        builder = BlockBuilder(start_ms=self.start_ms, step_ms=self.step_ms, ticks=count)
        for tick, rows in self.ticks.items():
            builder.extend(
                tick, ((positions[subject.place], metric, value) for subject, metric, value in rows)
            )
        return fitting(builder.build(), tuple(definitions.values()))


class Recorder:
    """Gathers this host's samples and has them recorded, while `run` runs."""

    def __init__(
        self,
        *,
        node_id: NodeId,
        node_name: Callable[[], str],
        state: SharedState,
        spool: SampleSpool,
        clock: Clock,
    ) -> None:
        self._node_id = node_id
        self._node_name = node_name
        self._state = state
        self._spool = spool
        self._clock = clock
        self._open: _Open | None = None
        self._floor_ms = 0
        self._closed: deque[_Open] = deque(maxlen=UNSTORED_MAX)
        self._has_closed = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._finishing = asyncio.Event()
        self._skipped = 0
        self._is_set_back = False
        self._is_ahead = False
        self._took_s = 0.0
        self._joined_max = JOINED_MAX
        self._numbers: dict[SubjectDefinition, int] = {}
        # Hosts that all proposed at the full minute would make the log's minutes of one burst each.
        self._phase = zlib.crc32(node_id.encode())

    @property
    def waiting(self) -> int:
        """How many blocks the cluster has not got yet."""
        return self._spool.count + len(self._closed)

    @property
    def lost(self) -> int:
        """How many blocks, or moments of a clock that was set back, will not be in the record."""
        return self._spool.dropped + self._skipped

    # ---- gathering ----------------------------------------------------------------------------

    def take(self, batch: SampleBatch) -> None:
        """Take a batch of the collector in; what is not for the record is passed over."""
        rows = rows_of(batch, node_id=self._node_id, node_name=self._node_name())
        if not rows:
            return
        at_ms, step_ms = batch.at_ms, batch.interval_s * 1000
        if at_ms < self._floor_ms and self._is_ahead:
            # Those samples were of a clock that ran ahead, and are recorded nowhere.
            self._open, self._floor_ms, self._is_ahead = None, self._recorded_to(), False
        if at_ms < self._floor_ms:
            self._skip(at_ms)
            return
        self._is_set_back = False
        if self._open is not None and (at_ms >= self._open.end_ms or step_ms != self._open.step_ms):
            self._close()
        if self._open is None:
            self._open = _Open(start_ms=at_ms, end_ms=self._end_of_block(at_ms, step_ms), step_ms=step_ms)
        self._open.ticks[(at_ms - self._open.start_ms) // step_ms] = rows
        self._floor_ms = at_ms + step_ms
        if self._floor_ms >= self._open.end_ms:
            self._close()

    def _end_of_block(self, at_ms: int, step_ms: int) -> int:
        ticks = max(1, BLOCK_MS // step_ms)
        length_ms, offset_ms = ticks * step_ms, self._phase % ticks * step_ms
        return ((at_ms - offset_ms) // length_ms + 1) * length_ms + offset_ms

    def _skip(self, at_ms: int) -> None:
        """Time that was recorded once is not recorded again: a clock that was set back has to catch up."""
        self._skipped += 1
        if not self._is_set_back:
            self._is_set_back = True
            log.warning(
                "samples.clock_set_back",
                extra={
                    "at_ms": at_ms,
                    "recorded_to_ms": self._floor_ms,
                    "next_step": "check the time server",
                },
            )

    def _close(self) -> None:
        assert self._open is not None
        if len(self._closed) == UNSTORED_MAX:
            self._skipped += 1
        self._closed.append(self._open)
        self._open = None
        self._has_closed.set()
        self._is_idle.clear()

    # ---- storing and sending ------------------------------------------------------------------

    async def run(self) -> NoReturn:
        """Store and send for ever; what is gathered is on disk when it is cancelled."""
        pause_s = RETRY_MIN_S
        is_opened = False
        try:
            while True:
                try:
                    if not is_opened:
                        await asyncio.to_thread(self._spool.open)
                        self._floor_ms = max(self._floor_ms, self._recorded_to(), self._spool.newest_ms + 1)
                        is_opened = True
                    is_done = await self._step()
                except SpoolFailed as error:
                    log.warning("samples.spool_failed", extra={"reason": str(error)})
                    is_done = False
                if is_done:
                    pause_s = RETRY_MIN_S
                    await self._rest()
                else:
                    await self._clock.sleep(pause_s)
                    pause_s = min(RETRY_MAX_S, 2 * pause_s)
        finally:
            if self._open is not None:
                self._close()
            await asyncio.to_thread(self._store_all)

    async def finish(self, *, timeout_s: float) -> None:
        """Close the block that is being filled, and wait until the cluster has all, or the time is up."""
        self._finishing.set()
        if self._open is not None:
            self._close()
        if self.waiting:
            await self._clock.wait(self._is_idle, timeout_s)

    async def _step(self) -> bool:
        """Store what was closed and send the oldest block; whether that went well."""
        while self._closed:
            closed = self._closed[0]
            await asyncio.to_thread(self._store, closed)
            if self._closed and self._closed[0] is closed:
                self._closed.popleft()
        blocks = await asyncio.to_thread(self._spool.oldest, self._joined_max)
        recorded_to_ms = self._recorded_to()
        known = [block for block in blocks if block.start_ms < recorded_to_ms]
        if known:
            # Sent before a crash, or before an answer that was lost.
            await asyncio.to_thread(self._spool.remove, known)
            return True
        if not blocks:
            return True
        block, count = await asyncio.to_thread(joined, blocks)
        began_s = self._clock.monotonic_s()
        outcome = await self._send(block)
        if outcome is None:
            return False
        if isinstance(outcome, Rejected):
            if count > 1:
                # What is wrong with a part of it should not cost the rest.
                self._joined_max = 1
                return True
            self._note_refusal(block, outcome)
        else:
            self._joined_max = JOINED_MAX
        self._took_s = self._clock.monotonic_s() - began_s
        await asyncio.to_thread(self._spool.remove, blocks[:count])
        return True

    async def _rest(self) -> None:
        if self._closed:
            return
        if self._spool.count:
            await self._clock.sleep(min(PAUSE_MAX_S, max(PAUSE_MIN_S, PAUSE_SHARE * self._took_s)))
            return
        self._is_idle.set()
        self._has_closed.clear()
        await self._has_closed.wait()
        await self._clock.wait(self._finishing, self._phase % 4096 / 1000)

    def _recorded_to(self) -> int:
        with self._state.read() as txn:
            mark = METRIC_SOURCES.get(txn, self._node_id)
        return 0 if mark is None else mark.end_ms

    def _store(self, closed: _Open) -> None:
        for block in closed.spooled():
            self._spool.put(block)

    def _store_all(self) -> None:
        try:
            while self._closed:
                self._store(self._closed[0])
                self._closed.popleft()
        except SpoolFailed as error:
            log.warning("samples.lost_at_stop", extra={"blocks": len(self._closed), "reason": str(error)})

    async def _send(self, block: SpooledBlock) -> Outcome | None:
        """Have a block recorded; None when that should be tried again later."""
        try:
            outcome = await self._propose(block)
        except (NotCommitted, OutcomeUnknown, ReadUnavailable) as error:
            log.debug("samples.not_committed", extra={"waiting": self.waiting, "reason": str(error)})
            return None
        # The first says that the state here is behind: which blocks are known is seen there. The second is
        # said of the command and not of what it holds: the next one is another.
        is_later = isinstance(outcome, Rejected) and outcome.code in (Code.ALREADY_EXISTS, Code.TOO_OLD)
        return None if is_later else outcome

    def _note_refusal(self, block: SpooledBlock, outcome: Rejected) -> None:
        self._is_ahead = outcome.code is Code.INVALID
        self._skipped += 1
        log.warning("samples.refused", extra={"start_ms": block.start_ms, "reason": outcome.reason})

    async def _propose(self, block: SpooledBlock) -> Outcome:
        refs = self._refs(block.definitions)
        new = [ref.definition for ref in refs if ref.definition is not None]
        if len(new) > DEFINITIONS_MAX or sum(map(size_of, new)) > DEFINITIONS_BYTES_MAX:
            outcome = await self._define(new)
            if outcome is not None:
                return outcome
            refs = self._refs(block.definitions)
        outcome = await self._record(block, refs)
        if isinstance(outcome, Rejected) and outcome.code is Code.NOT_FOUND:
            # Forgotten in a state that is newer than the one looked at here.
            await self._state.point(ReadLevel.LINEARIZABLE)
            return await self._record(block, self._refs(block.definitions))
        if isinstance(outcome, Rejected) and outcome.code is Code.FULL:
            log.warning("samples.too_many_subjects", extra={"reason": outcome.reason})
            known = only_known(block, self._refs(block.definitions))
            return Applied() if known is None else await self._record(*known)
        return outcome

    async def _define(self, new: Sequence[SubjectDefinition]) -> Outcome | None:
        """Have subjects numbered before samples of them are sent; None when all are."""
        for part in portions_of(new):
            outcome = await self._state.propose(DefineSubjects(node_id=self._node_id, definitions=part))
            if isinstance(outcome, Rejected) and outcome.code is not Code.FULL:
                return outcome
        await self._state.point(ReadLevel.LINEARIZABLE)
        return None

    async def _record(self, block: SpooledBlock, refs: Sequence[SubjectRef]) -> Outcome:
        if sum(ref.definition is not None for ref in refs) > DEFINITIONS_MAX:
            known = only_known(block, refs)
            if known is None:
                return Applied()
            block, refs = known
        return await self._state.propose(
            RecordSamples(
                source=self._node_id,
                node_id=self._node_id,
                start_ms=block.start_ms,
                step_ms=block.step_ms,
                ticks=block.ticks,
                subjects=tuple(refs),
                payload=block.payload,
            )
        )

    def _refs(self, definitions: Sequence[SubjectDefinition]) -> list[SubjectRef]:
        """Return a reference to each: by number where the state has it as it is."""
        numbers: dict[SubjectDefinition, int] = {}
        refs = []
        with self._state.read() as txn:
            for definition in definitions:
                number = self._numbers.get(definition, 0)
                subject = METRIC_SUBJECTS.get(txn, number) if number else find_subject(txn, definition)
                if subject is None or subject.definition != definition:
                    refs.append(SubjectRef(definition=definition))
                else:
                    numbers[definition] = subject.number
                    refs.append(SubjectRef(number=subject.number))
        self._numbers = numbers
        return refs
