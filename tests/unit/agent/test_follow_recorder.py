"""How a host's samples come into the log: each once, in order, whatever is lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.collect.samples import ContainerSample, ContainerStanding, HostSample, SampleBatch
from agent.follow.recorder import RETRY_MAX_S, Recorder
from agent.follow.sample_blocks import fitting, joined
from agent.follow.sample_spool import SampleSpool, SpooledBlock
from agent.ports import ContainerState, ContainerUsage, Health, HostReading
from cluster.commands import Outcome
from cluster.commands.metrics import DefineSubjects, RecordSamples
from cluster.metrics.block import BlockBuilder, SampleBlock, decode_block, encode_block
from cluster.model.ids import NodeId
from cluster.model.metrics import (
    BY_NAME,
    PAYLOAD_BYTES_MAX,
    CommittedBatch,
    SubjectDefinition,
    SubjectKind,
)
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from cluster.store.records import METRIC_BATCHES, METRIC_SUBJECTS
from tests.support.fake_clock import FakeClock
from tests.support.web_fakes import FakeState

NODE = NodeId("nd_1")
MINUTE_MS = 60_000
# A moment at which a minute of this host's begins.
START_MS = 1_800_000_000_000
CONTAINER = "c" * 64
READING = HostReading(
    cpu_count=2,
    **dict.fromkeys(  # type: ignore[arg-type]  # what is not known of a host
        (
            *("cpu_busy_ticks", "cpu_total_ticks", "memory_total_bytes", "memory_available_bytes"),
            *("swap_total_bytes", "swap_free_bytes", "load_1", "load_5", "load_15", "rx_bytes", "tx_bytes"),
            "uptime_s",
        )
    ),
)


class World:
    """One host, its spool's directory and the cluster's state."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = FakeClock(now_ms=START_MS)
        self.state = LossyState(self.clock)
        self.spool = SampleSpool(directory)
        self.recorder = self._a_recorder()

    def _a_recorder(self) -> Recorder:
        return Recorder(
            node_id=NODE,
            node_name=lambda: "alpha",
            state=self.state,
            spool=self.spool,
            clock=self.clock,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """An agent's life; at its end it has no time to send anything."""
        # One thread: what is handed to it later is done when all before it is.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.recorder.run())
            yield
            running.cancel()

    def restart(self) -> None:
        self.spool = SampleSpool(self.directory)
        self.recorder = self._a_recorder()

    async def measure(
        self, minutes: int, *, cpu: float = 5.0, names: Mapping[str, str] | None = None
    ) -> None:
        """Take samples every ten seconds for some minutes."""
        for _ in range(6 * minutes):
            self.recorder.take(a_batch(self.clock.now_ms(), cpu=cpu, names=names))
            await self.pass_time(10)

    async def pass_time(self, seconds: float) -> None:
        """Let tasks and their work in threads come to rest, then pass time."""
        for _ in range(6):
            await self.clock.settle()
            await asyncio.to_thread(int)
        await self.clock.advance(seconds)

    async def until_sent(self) -> None:
        for _ in range(1000):
            if not self.recorder.waiting:
                return
            await self.pass_time(RETRY_MAX_S)
        pytest.fail(f"{self.recorder.waiting} blocks still wait")

    def batches(self) -> list[CommittedBatch]:
        with self.state.read() as txn:
            return METRIC_BATCHES.scan(txn)

    def recorded(self, metric: str) -> dict[int, int]:
        """Values by moment; fails when a moment was recorded twice."""
        found: dict[int, int] = {}
        for batch in self.batches():
            block = decode_block(
                batch.payload, start_ms=batch.start_ms, step_ms=batch.step_ms, ticks=batch.ticks
            )
            for row in np.flatnonzero(block.metrics == BY_NAME[metric].number):
                for tick in np.flatnonzero(block.present[row]):
                    at_ms = batch.start_ms + int(tick) * batch.step_ms
                    assert at_ms not in found
                    found[at_ms] = int(block.values[row, tick])
        return found


class LossyState(FakeState):
    """A state that may apply a command and lose the answer."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.answers_lost = 0
        self.has_quorum = True

    async def propose(self, command: object, **kwargs: object) -> Outcome:  # type: ignore[override]  # no audit here
        if not self.has_quorum:
            raise NotCommitted("no quorum")
        outcome = await super().propose(command)
        if self.answers_lost:
            self.answers_lost -= 1
            raise OutcomeUnknown("the leader went away")
        return outcome


def a_batch(at_ms: int, *, cpu: float = 5.0, names: Mapping[str, str] | None = None) -> SampleBatch:
    usage = ContainerUsage(cpu_ns=1, memory_bytes=1000, memory_limit_bytes=None)
    standings = tuple(
        ContainerStanding(
            id=key, name=name, image="i", labels={}, state=ContainerState.RUNNING, health=Health.NONE
        )
        for key, name in (names or {}).items()
    )
    return SampleBatch(
        at_ms=at_ms,
        interval_s=10,
        is_base=True,
        host=HostSample(reading=READING, cpu_percent=cpu),
        containers={each.id: ContainerSample(usage=usage) for each in standings},
        standings=standings,
    )


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "samples")


async def test_a_minute_of_samples_is_one_command(world: World) -> None:
    async with world.running():
        await world.measure(3)
        await world.pass_time(5)
    assert 2 <= len(world.batches()) <= 3
    assert all(batch.ticks <= 6 for batch in world.batches())
    assert set(world.recorded("cpu_percent").values()) == {500}


async def test_what_has_no_quorum_waits_and_is_sent_in_larger_pieces_later(world: World) -> None:
    world.state.has_quorum = False
    async with world.running():
        await world.measure(30)
        assert not world.batches()
        assert world.recorder.waiting >= 29
        world.state.has_quorum = True
        await world.until_sent()
    assert len(world.recorded("cpu_percent")) >= 29 * 6
    assert len(world.batches()) < 5


async def test_a_block_whose_answer_was_lost_is_recorded_once(world: World) -> None:
    world.state.answers_lost = 2
    async with world.running():
        await world.measure(2)
        await world.recorder.finish(timeout_s=0)
        await world.until_sent()
    assert len(world.recorded("cpu_percent")) == 12
    assert world.recorder.lost == 0


async def test_what_a_killed_agent_had_on_disk_is_sent_by_the_next_one_before_its_own(world: World) -> None:
    world.state.has_quorum = False
    async with world.running():
        await world.measure(3)
    world.restart()
    world.state.has_quorum = True
    async with world.running():
        await world.measure(2, cpu=7.0)
        await world.until_sent()
    batches = world.batches()
    assert [batch.start_ms for batch in batches] == sorted(batch.start_ms for batch in batches)
    values = list(world.recorded("cpu_percent").values())
    assert values[:18] == [500] * 18
    assert set(values[18:]) == {700}


async def test_a_block_that_was_committed_before_the_crash_is_not_sent_again(world: World) -> None:
    async with world.running():
        await world.measure(2)
        await world.recorder.finish(timeout_s=0)
        await world.until_sent()
    sent = len(world.state.proposed)
    (batch, *_) = world.batches()
    world.restart()
    await asyncio.to_thread(world.spool.open)
    await asyncio.to_thread(world.spool.put, a_spooled(a_block(1, start_ms=batch.start_ms)))
    async with world.running():
        await world.until_sent()
    assert len(world.state.proposed) == sent


async def test_a_clock_that_is_set_back_records_nothing_twice(world: World) -> None:
    async with world.running():
        await world.measure(2)
        world.clock.set_now_ms(START_MS)
        await world.measure(1, cpu=90.0)
        await world.recorder.finish(timeout_s=0)
        await world.until_sent()
    assert 9000 not in world.recorded("cpu_percent").values()
    assert world.recorder.lost == 6


async def test_samples_of_a_clock_that_runs_ahead_are_refused_and_the_present_is_recorded(
    world: World,
) -> None:
    hour_ms = 60 * MINUTE_MS
    async with world.running():
        for moment in range(8):
            world.recorder.take(a_batch(START_MS + hour_ms + moment * 10_000, cpu=90.0))
        for _ in range(4):
            await world.pass_time(5)
        await world.measure(3)
        await world.recorder.finish(timeout_s=0)
        await world.until_sent()
    assert set(world.recorded("cpu_percent").values()) == {500}
    assert len(world.recorded("cpu_percent")) >= 12
    assert world.recorder.lost >= 1


async def test_a_renamed_container_keeps_its_number(world: World) -> None:
    async with world.running():
        await world.measure(2, names={CONTAINER: "before"})
        await world.measure(2, names={CONTAINER: "after"})
        await world.recorder.finish(timeout_s=0)
        await world.until_sent()
    with world.state.read() as txn:
        named = [each for each in METRIC_SUBJECTS.scan(txn) if each.definition.key == CONTAINER]
    assert [each.definition.name for each in named] == ["after"]


async def test_more_new_containers_than_a_command_may_define_are_defined_first(world: World) -> None:
    names = {f"{number:064x}": f"web-{number}" for number in range(300)}
    async with world.running():
        await world.measure(1, names=names)
        await world.recorder.finish(timeout_s=0)
        await world.until_sent()
    assert any(isinstance(command, DefineSubjects) for command in world.state.proposed)
    with world.state.read() as txn:
        assert len(METRIC_SUBJECTS.scan(txn)) >= 300
    assert world.recorder.lost == 0


async def test_subjects_that_are_known_are_named_by_their_numbers(world: World) -> None:
    async with world.running():
        await world.measure(4, names={CONTAINER: "web"})
    last = [command for command in world.state.proposed if isinstance(command, RecordSamples)][-1]
    assert all(ref.definition is None for ref in last.subjects)


async def test_a_stop_waits_until_the_last_samples_are_committed(world: World) -> None:
    async with world.running():
        world.recorder.take(a_batch(START_MS))
        async with asyncio.TaskGroup() as tasks:
            stopping = tasks.create_task(world.recorder.finish(timeout_s=60))
            for _ in range(20):
                await world.pass_time(0.1)
            assert stopping.done()
    assert list(world.recorded("cpu_percent")) == [START_MS]


async def test_a_disk_that_takes_nothing_delays_samples_and_loses_none_of_the_first_minutes(
    world: World,
) -> None:
    world.directory.write_text("a file where the directory should be")
    async with world.running():
        await world.measure(3)
        world.directory.unlink()
        await world.pass_time(RETRY_MAX_S)
        await world.recorder.finish(timeout_s=0)
        await world.until_sent()
    assert len(world.recorded("cpu_percent")) == 18


# ---- the spool --------------------------------------------------------------------------------


def a_definition(key: str = "", kind: SubjectKind = SubjectKind.HOST) -> SubjectDefinition:
    return SubjectDefinition(kind=kind, node_id=NODE, key=key, name=key or "alpha")


def a_block(value: int, *, start_ms: int = START_MS, ticks: int = 6) -> SampleBlock:
    builder = BlockBuilder(start_ms=start_ms, step_ms=10_000, ticks=ticks)
    for tick in range(ticks):
        builder.put(0, 1, tick, value + tick)
    return builder.build()


def a_spooled(block: SampleBlock, *definitions: SubjectDefinition) -> SpooledBlock:
    return SpooledBlock(
        start_ms=block.start_ms,
        step_ms=block.step_ms,
        ticks=block.ticks,
        definitions=definitions or (a_definition(),),
        payload=encode_block(block),
    )


def a_spool(directory: Path, **bounds: int) -> SampleSpool:
    spool = SampleSpool(directory, **bounds)
    spool.open()
    return spool


def starts(spool: SampleSpool) -> list[int]:
    return [block.start_ms for block in spool.oldest(100)]


def test_a_full_spool_gives_up_the_oldest_and_counts_it(tmp_path: Path) -> None:
    spool = a_spool(tmp_path, blocks_max=3)
    for minute in range(5):
        spool.put(a_spooled(a_block(1, start_ms=START_MS + minute * MINUTE_MS)))
    assert starts(spool) == [START_MS + minute * MINUTE_MS for minute in (2, 3, 4)]
    assert (spool.count, spool.dropped) == (3, 2)


def test_a_spool_is_bounded_in_bytes(tmp_path: Path) -> None:
    spool = a_spool(tmp_path, bytes_max=1000)
    for minute in range(50):
        spool.put(a_spooled(a_block(minute, start_ms=START_MS + minute * MINUTE_MS)))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1000
    assert starts(spool)[-1] == START_MS + 49 * MINUTE_MS


def test_damaged_and_half_written_blocks_cost_only_themselves(tmp_path: Path) -> None:
    spool = a_spool(tmp_path)
    for minute in range(3):
        spool.put(a_spooled(a_block(1, start_ms=START_MS + minute * MINUTE_MS)))
    damaged = sorted(tmp_path.iterdir())[1]
    damaged.write_bytes(damaged.read_bytes()[:-3] + b"xyz")
    (tmp_path / "0000000000000001.new").write_bytes(b"half")
    spool = a_spool(tmp_path)
    assert starts(spool) == [START_MS, START_MS + 2 * MINUTE_MS]
    assert spool.dropped == 1
    assert len(list(tmp_path.iterdir())) == 2


# ---- blocks -----------------------------------------------------------------------------------


def cells(block: SpooledBlock) -> dict[tuple[tuple[str, int, str], int, int], int]:
    """What a block holds: (place, metric, moment) -> value."""
    whole = decode_block(block.payload, start_ms=block.start_ms, step_ms=block.step_ms, ticks=block.ticks)
    return {
        (
            block.definitions[whole.positions[row]].place,
            int(whole.metrics[row]),
            block.start_ms + int(tick) * block.step_ms,
        ): int(whole.values[row, tick])
        for row in range(whole.rows)
        for tick in np.flatnonzero(whole.present[row])
    }


@st.composite
def outages(draw: st.DrawFn) -> list[SpooledBlock]:
    """Blocks in order of time, with gaps, of hosts whose containers come and go."""
    blocks, start_ms = [], START_MS
    for _ in range(draw(st.integers(1, 8))):
        keys = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True))
        ticks = draw(st.integers(1, 6))
        builder = BlockBuilder(start_ms=start_ms, step_ms=10_000, ticks=ticks)
        for position in range(len(keys)):
            for tick in draw(st.sets(st.integers(0, ticks - 1), min_size=1)):
                builder.put(position, draw(st.integers(1, 3)), tick, draw(st.integers(-(2**62), 2**62)))
        definitions = [a_definition(key, SubjectKind.CONTAINER) for key in keys]
        blocks.append(a_spooled(builder.build(), *definitions))
        start_ms += (ticks + draw(st.integers(0, 120))) * 10_000
    return blocks


@given(outages())
def test_joined_blocks_say_what_they_said_apart(blocks: list[SpooledBlock]) -> None:
    whole, count = joined(blocks)
    expected: dict[object, int] = {}
    for block in blocks[:count]:
        expected.update(cells(block))
    assert cells(whole) == expected
    assert whole.ticks <= 360
    assert count == len(blocks) or blocks[count].end_ms - whole.start_ms > 360 * whole.step_ms


def test_blocks_of_another_step_are_not_joined() -> None:
    first = a_spooled(a_block(1))
    other = a_spooled(replace(a_block(1, start_ms=START_MS + MINUTE_MS), step_ms=30_000))
    assert joined([first, other]) == (first, 1)


def test_a_block_too_large_for_a_command_becomes_several_that_hold_the_same() -> None:
    rng = np.random.default_rng(7)
    rows, ticks = 3000, 12
    whole = SampleBlock(
        start_ms=START_MS,
        step_ms=10_000,
        ticks=ticks,
        positions=np.arange(rows, dtype=np.uint16),
        metrics=np.ones(rows, dtype=np.uint16),
        values=rng.integers(-(2**62), 2**62, (rows, ticks)),
        present=np.ones((rows, ticks), dtype=np.bool_),
    )
    definitions = tuple(a_definition(f"{each}", SubjectKind.CONTAINER) for each in range(rows))
    parts = fitting(whole, definitions)
    assert all(len(part.payload) <= PAYLOAD_BYTES_MAX for part in parts)
    assert sum(len(cells(part)) for part in parts) == rows * ticks
