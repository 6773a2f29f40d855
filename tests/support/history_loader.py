"""Generated series of days or weeks, loaded as an agent that was away for so long would send them.

In memory, for use cases and REST over `WebWorld`:

    async with a_history(tmp_path) as history:
        world = a_web_world(history=history)
        await load(series, state=world.state, history=history, start_ms=world.clock.now_ms() - 14 * DAY_MS)

For real agents: `spool(agent.directory / "samples", series, start_ms=...)` between init and the first start.
What the agent then sends is what it found on its disk, in hours instead of minutes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.follow.history_keeping import HistoryKeeping
from agent.follow.node_history import NodeHistory
from agent.follow.sample_blocks import fitting
from agent.follow.sample_spool import SampleSpool, SpooledBlock
from cluster.commands import Applied
from cluster.commands.metrics import DEFINITIONS_MAX, DefineSubjects, RecordSamples
from cluster.metrics.block import SampleBlock
from cluster.metrics.retention import Retention
from cluster.model.ids import NodeId
from cluster.model.metrics import BY_NAME, STEP_MS, SubjectDefinition, SubjectKind, SubjectRef
from cluster.store.records import find_subject
from tests.support.fake_clock import FakeClock
from tests.support.web_fakes import FakeState

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
BLOCK_TICKS = 360


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Generated:
    """One series: `values` in the metric's unit, NaN where nothing was measured, one a step."""

    subject: SubjectDefinition
    metric: str
    values: NDArray[np.float64]


def a_subject(
    kind: SubjectKind, node_id: str, name: str, *, key: str | None = None, **labels: str
) -> SubjectDefinition:
    """Return a subject; its key is its name, or "" for hosts and agents."""
    own = "" if kind in (SubjectKind.HOST, SubjectKind.AGENT) else name
    return SubjectDefinition(
        kind=kind,
        node_id=NodeId(node_id),
        key=own if key is None else key,
        name=name,
        labels=tuple(sorted(labels.items())),
    )


def blocks_of(
    series: Sequence[Generated], *, start_ms: int, step_ms: int = STEP_MS
) -> Iterator[tuple[NodeId, SpooledBlock]]:
    """Yield blocks of an hour's moments of each host, in order of time; `start_ms` goes down to the grid."""
    by_node: dict[NodeId, list[Generated]] = defaultdict(list)
    for each in series:
        by_node[each.subject.node_id].append(each)
    length = max(len(each.values) for each in series)
    start_ms -= start_ms % step_ms
    for first in range(0, length, BLOCK_TICKS):
        for node_id, own in by_node.items():
            for block in _blocks(own, first, start_ms=start_ms + first * step_ms, step_ms=step_ms):
                yield node_id, block


def _blocks(own: Sequence[Generated], first: int, *, start_ms: int, step_ms: int) -> Sequence[SpooledBlock]:
    definitions = {each.subject.place: each.subject for each in own}
    positions = {place: position for position, place in enumerate(definitions)}
    ticks = min(BLOCK_TICKS, max(len(each.values) for each in own) - first)
    if ticks <= 0:
        return ()
    values = np.full((len(own), ticks), np.nan)
    for row, each in enumerate(own):
        part = each.values[first : first + ticks]
        values[row, : len(part)] = part
    present = ~np.isnan(values)
    kept = present.any(axis=1)
    scales = np.array([BY_NAME[each.metric].scale for each in own])
    whole = np.where(present, np.rint(np.nan_to_num(values) * scales[:, None]), 0).astype(np.int64)
    block = SampleBlock(
        start_ms=start_ms,
        step_ms=step_ms,
        ticks=ticks,
        positions=np.array([positions[each.subject.place] for each in own], dtype=np.uint16)[kept],
        metrics=np.array([BY_NAME[each.metric].number for each in own], dtype=np.uint16)[kept],
        values=whole[kept],
        present=present[kept],
    )
    return fitting(block, tuple(definitions.values())) if kept.any() else ()


def spool(directory: Path, series: Sequence[Generated], *, start_ms: int, step_ms: int = STEP_MS) -> int:
    """Put the series of one host where its agent keeps what is not committed yet; how many blocks it is.

    They must end before the agent measures anything itself.
    """
    waiting = SampleSpool(directory)
    waiting.open()
    for _, block in blocks_of(series, start_ms=start_ms, step_ms=step_ms):
        waiting.put(block)
    return waiting.count


@asynccontextmanager
async def a_history(directory: Path) -> AsyncIterator[NodeHistory]:
    """A node's history in `directory`, open and empty."""
    history = NodeHistory(directory, stagger="nd_test")
    try:
        await history.open()
        yield history
    finally:
        await history.close()


async def load(
    series: Sequence[Generated],
    *,
    state: FakeState,
    history: NodeHistory,
    start_ms: int,
    step_ms: int = STEP_MS,
    is_sealed: bool = True,
) -> None:
    """Have the series recorded by commands, taken into the history, and, with `is_sealed`, sealed and rolled
    up as far as the state's time goes. They must end no later than that, and begin after what was loaded
    before."""
    keeping = HistoryKeeping(history=history, state=state, clock=FakeClock())
    for count, (node_id, block) in enumerate(blocks_of(series, start_ms=start_ms, step_ms=step_ms)):
        _record(state, node_id, block)
        if count % 32 == 31:
            await _take_all(keeping)
    await _take_all(keeping)
    with state.read() as txn:
        now_ms = txn.log_time_ms
    while is_sealed and await history.maintain(now_ms, Retention()):
        pass


async def _take_all(keeping: HistoryKeeping) -> None:
    while await keeping.take_in():
        pass


def _record(state: FakeState, node_id: NodeId, block: SpooledBlock) -> None:
    with state.read() as txn:
        known = {each: find_subject(txn, each) for each in block.definitions}
    new = [each for each, subject in known.items() if subject is None or subject.definition != each]
    for first in range(0, len(new), DEFINITIONS_MAX):
        part = tuple(new[first : first + DEFINITIONS_MAX])
        outcome = state.apply(DefineSubjects(node_id=node_id, definitions=part))
        assert isinstance(outcome, Applied), outcome
    with state.read() as txn:
        found = [find_subject(txn, each) for each in block.definitions]
    outcome = state.apply(
        RecordSamples(
            source=node_id,
            node_id=node_id,
            start_ms=block.start_ms,
            step_ms=block.step_ms,
            ticks=block.ticks,
            subjects=tuple(SubjectRef(number=each.number) for each in found if each is not None),
            payload=block.payload,
        )
    )
    assert isinstance(outcome, Applied), outcome
    # Proposed commands are kept for tests to look at; these would be most of the memory.
    state.proposed.pop()
