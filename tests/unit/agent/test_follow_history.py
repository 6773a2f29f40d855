"""How a node's history follows the log, and gets from other nodes what it missed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.follow.history_filling import DAY_MS, HistoryFilling, slices, without
from agent.follow.history_keeping import HistoryKeeping
from agent.follow.node_history import READS_WAITING_MAX, HistoryNotOpen, NodeHistory
from agent.peers.protocol import HistoryPage, HistoryQuestion
from cluster.commands.settings import PutSetting
from cluster.history.errors import HistoryFull
from cluster.history.transfer import RecordDamaged
from cluster.metrics.query import RangeQuery, Selector
from cluster.metrics.retention import Retention
from cluster.model.ids import NodeId
from cluster.model.inventory import HostUnavailable
from cluster.model.metrics import CommittedBatch, Subject, SubjectKind
from cluster.state_machine.metrics import RING_MS
from cluster.store.records import METRIC_BATCHES
from tests.support.fake_clock import FakeClock
from tests.support.history_loader import HOUR_MS, Generated, a_history, a_subject, load
from tests.support.web_fakes import FakeState, WebWorld, a_web_world

H1, H2, H3 = NodeId("nd_1"), NodeId("nd_2"), NodeId("nd_3")
EVERYTHING = Selector()
PATIENCE_S = 60.0


@pytest.fixture
def world() -> WebWorld:
    return a_web_world()


def a_series(hours: int, *, node_id: str = H1, level: float = 20.0) -> Generated:
    """The processor of a host, a sample every ten seconds."""
    values = level + np.arange(hours * 360) % 100 / 100
    return Generated(
        subject=a_subject(SubjectKind.HOST, node_id, "alpha"), metric="cpu_percent", values=values
    )


async def record(state: FakeState, history: NodeHistory, *hours: Generated, clock: FakeClock) -> None:
    """Record series that end now, and have this history follow."""
    length_ms = max(len(each.values) for each in hours) * 10_000
    await load(hours, state=state, history=history, start_ms=clock.now_ms() - length_ms)


async def readings(history: NodeHistory, now_ms: int, *, hours: int = 24 * 14) -> dict[int, float]:
    """The mean of each hour that something is known of, by its time."""
    answer = await history.query(
        RangeQuery(
            selector=Selector(metrics=("cpu_percent",)),
            start_ms=now_ms - hours * HOUR_MS,
            end_ms=now_ms,
            step_ms=HOUR_MS,
        )
    )
    found: dict[int, float] = {}
    for series in answer.series:
        for at_ms, value in zip(answer.times_ms.tolist(), series.values.tolist(), strict=True):
            if value == value:
                found[at_ms] = round(value, 4)
    return found


@asynccontextmanager
async def histories(directory: Path, count: int) -> AsyncIterator[list[NodeHistory]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(a_history(directory / f"{number}")) for number in range(count)]


def keeping(history: NodeHistory, state: FakeState) -> HistoryKeeping:
    return HistoryKeeping(history=history, state=state, clock=FakeClock())


async def take_all(following: HistoryKeeping) -> None:
    while await following.take_in():
        pass


def pass_the_ring(world: WebWorld, clock_ms: int) -> None:
    """Have the log's time move on, so that the state lets go of batches."""
    world.clock.set_now_ms(world.clock.now_ms() + clock_ms)


# ---- following --------------------------------------------------------------------------------


async def test_what_is_committed_is_in_the_history_at_once(tmp_path: Path, world: WebWorld) -> None:
    async with a_history(tmp_path) as history:
        await record(world.state, history, a_series(2), clock=world.clock)
        assert len(await readings(history, world.clock.now_ms())) in (2, 3)
        assert (await history.standing()).missing == ()


async def test_a_restarted_node_goes_on_where_its_history_ends(tmp_path: Path, world: WebWorld) -> None:
    async with a_history(tmp_path / "other") as other:
        await record(world.state, other, a_series(1), clock=world.clock)
        async with a_history(tmp_path / "own") as own:
            await run_until_all_is_there(own, other, world)
        pass_the_ring(world, HOUR_MS)
        await record(world.state, other, a_series(1), clock=world.clock)
        async with a_history(tmp_path / "own") as own:
            await run_until_all_is_there(own, other, world)
            assert (await own.standing()).missing == ()


async def run_until_all_is_there(own: NodeHistory, other: NodeHistory, world: WebWorld) -> None:
    """Follow as the agent does, until one history has what the other has."""
    expected = await readings(other, world.clock.now_ms())
    following = HistoryKeeping(history=own, state=world.state, clock=world.clock)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(following.run())
        found: dict[int, float] = {}
        for _ in range(1000):
            await world.clock.advance(0.1)
            with contextlib.suppress(HistoryNotOpen):
                found = await readings(own, world.clock.now_ms())
            if found == expected:
                break
        running.cancel()
    assert found == expected


async def test_a_node_that_was_away_for_longer_than_the_state_keeps_batches_knows_what_it_missed(
    tmp_path: Path, world: WebWorld
) -> None:
    async with histories(tmp_path, 2) as (here, away):
        start_ms = world.clock.now_ms()
        await record(world.state, here, a_series(1), clock=world.clock)
        following = keeping(away, world.state)
        await take_all(following)
        for _ in range(4):
            pass_the_ring(world, RING_MS)
            await record(world.state, here, a_series(1), clock=world.clock)
        await take_all(following)
        ((missed_from_ms, missed_to_ms),) = (await away.standing()).missing
    assert missed_from_ms <= start_ms
    assert start_ms + 2 * HOUR_MS <= missed_to_ms <= start_ms + 4 * HOUR_MS


async def test_a_full_disk_stops_nothing_but_the_writing_and_goes_on_when_there_is_room(
    tmp_path: Path, world: WebWorld
) -> None:
    async with a_history(tmp_path / "other") as other:
        await record(world.state, other, a_series(1), clock=world.clock)
    history = FullHistory(tmp_path / "own", stagger=H1)
    try:
        following = HistoryKeeping(history=history, state=world.state, clock=world.clock)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(following.run())
            await until(world, lambda: history.refused > 2)
            assert not await readings(history, world.clock.now_ms())
            history.is_full = False
            await until(world, lambda: history.taken > 0)
            assert await readings(history, world.clock.now_ms())
            running.cancel()
    finally:
        await history.close()


class FullHistory(NodeHistory):
    """A history on a disk without room."""

    is_full = True
    refused = taken = 0

    async def ingest(self, batches: Sequence[CommittedBatch], subjects: Sequence[Subject]) -> None:
        if self.is_full:
            self.refused += 1
            raise HistoryFull("no room")
        await super().ingest(batches, subjects)
        self.taken += 1


async def until(world: WebWorld, condition: Callable[[], bool]) -> None:
    """Pass time until it holds."""
    for _ in range(10_000):
        if condition():
            return
        await world.clock.advance(1)
        await asyncio.to_thread(int)
    pytest.fail("it never came")


async def test_questions_before_it_is_open_and_too_many_at_once_are_refused_in_words(tmp_path: Path) -> None:
    history = NodeHistory(tmp_path, stagger=H1)
    try:
        with pytest.raises(HistoryNotOpen, match="being opened"):
            await history.standing()
        await history.open()
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(_ask(history)) for _ in range(3 * READS_WAITING_MAX)]
        refused = [task.result() for task in asked if task.result()]
        assert len(refused) >= READS_WAITING_MAX
        assert "try again" in refused[0]
    finally:
        await history.close()


async def _ask(history: NodeHistory) -> str:
    try:
        await history.standing()
    except HistoryNotOpen as error:
        return str(error)
    return ""


# ---- filling ----------------------------------------------------------------------------------


class Peers:
    """Other nodes' histories, some of which do not answer."""

    def __init__(self, **others: NodeHistory) -> None:
        self.others = others
        self.silent: set[str] = set()
        self.asked: list[str] = []
        self.breaks_after: int | None = None
        self.damages = False

    async def history(self, node_id: str, start_ms: int, end_ms: int, *, after: bytes) -> HistoryPage:
        self.asked.append(node_id)
        if self.breaks_after is not None:
            if not self.breaks_after:
                raise HostUnavailable(f"{node_id} went away")
            self.breaks_after -= 1
        if node_id in self.silent:
            raise HostUnavailable(f"{node_id} does not answer")
        page = await self.others[node_id].page(HistoryQuestion(start_ms=start_ms, end_ms=end_ms, after=after))
        if self.damages:
            raise RecordDamaged("not what was sent")
        return page


def filling(history: NodeHistory, peers: Peers, **fields: Any) -> HistoryFilling:
    given: dict[str, Any] = {
        "node_id": H1,
        "history": history,
        "client": peers,
        "node_ids": lambda: [H1, *map(NodeId, peers.others)],
        "passed_index": lambda: 0,
        "missed": asyncio.Event(),
        "clock": ImmediateClock(),
        **fields,
    }
    return HistoryFilling(**given)


class ImmediateClock(FakeClock):
    """Whose sleepers do not wait."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


async def joined(world: WebWorld, giver: NodeHistory, joiner: NodeHistory, *, days: int = 2) -> None:
    """A cluster with some days of history, and a node that joins it now."""
    await record(world.state, giver, a_series(24 * days), clock=world.clock)
    pass_the_ring(world, 2 * RING_MS)
    await record(world.state, giver, a_series(1), clock=world.clock)
    await take_all(keeping(joiner, world.state))


async def test_a_node_that_joins_gets_what_was_measured_before(tmp_path: Path, world: WebWorld) -> None:
    async with histories(tmp_path, 2) as (giver, joiner):
        await joined(world, giver, joiner)
        now_ms = world.clock.now_ms()
        assert await readings(joiner, now_ms) != await readings(giver, now_ms)
        assert await filling(joiner, Peers(nd_2=giver)).fill()
        assert await readings(joiner, now_ms) == await readings(giver, now_ms)
        assert (await joiner.standing()).missing == ()
        assert await joiner.subjects(EVERYTHING) == await giver.subjects(EVERYTHING)


async def test_a_transfer_that_breaks_off_goes_on_at_another_node(tmp_path: Path, world: WebWorld) -> None:
    async with histories(tmp_path, 2) as (giver, joiner):
        await joined(world, giver, joiner, days=3)
        peers = Peers(nd_2=giver, nd_3=giver)
        fetching = filling(joiner, peers)
        peers.breaks_after = 3
        assert not await fetching.fill()
        left = (await joiner.standing()).missing
        assert left
        peers.breaks_after = None
        assert await fetching.fill()
        now_ms = world.clock.now_ms()
        assert await readings(joiner, now_ms) == await readings(giver, now_ms)


async def test_what_one_node_misses_too_is_asked_of_the_next(tmp_path: Path, world: WebWorld) -> None:
    async with histories(tmp_path, 3) as (giver, joiner, other):
        await joined(world, giver, joiner)
        await take_all(keeping(other, world.state))
        peers = Peers(nd_2=other, nd_3=giver)
        assert await filling(joiner, peers).fill()
        now_ms = world.clock.now_ms()
        assert await readings(joiner, now_ms) == await readings(giver, now_ms)


async def test_what_nobody_has_is_not_asked_for_for_ever(tmp_path: Path, world: WebWorld) -> None:
    async with histories(tmp_path, 3) as (giver, joiner, other):
        await joined(world, giver, joiner)
        await take_all(keeping(other, world.state))
        assert await filling(joiner, Peers(nd_2=other)).fill()
        assert (await joiner.standing()).missing == ()


async def test_while_a_node_that_may_have_it_is_silent_it_stays_missing(
    tmp_path: Path, world: WebWorld
) -> None:
    async with histories(tmp_path, 3) as (giver, joiner, other):
        await joined(world, giver, joiner)
        await take_all(keeping(other, world.state))
        peers = Peers(nd_2=other, nd_3=giver)
        peers.silent = {"nd_3"}
        fetching = filling(joiner, peers)
        assert not await fetching.fill()
        assert (await joiner.standing()).missing
        asked = peers.asked.count("nd_2")
        assert not await fetching.fill()
        assert peers.asked.count("nd_2") == asked, "who gave all it has is not asked for it again"


@pytest.mark.parametrize("trouble", ["has not caught up", "sends what is damaged"])
async def test_a_node_whose_answer_cannot_be_used_is_passed_over(
    tmp_path: Path, world: WebWorld, trouble: str
) -> None:
    async with histories(tmp_path, 2) as (giver, joiner):
        await joined(world, giver, joiner)
        peers = Peers(nd_2=giver)
        peers.damages = trouble == "sends what is damaged"
        passed_index = 0 if peers.damages else 10**9
        assert not await filling(joiner, peers, passed_index=lambda: passed_index).fill()
        assert (await joiner.standing()).missing


def test_slices_cover_a_range_once_from_its_newest_end() -> None:
    start_ms, end_ms = 5 * DAY_MS + 7, 100 * DAY_MS + 3
    found = list(slices(start_ms, end_ms, end_ms))
    assert found[0] == (100 * DAY_MS, end_ms)
    assert found[-1][0] == start_ms
    assert all(later[0] == earlier[1] for later, earlier in itertools.pairwise(found))
    assert len(found) < 15


def test_what_is_left_of_a_slice() -> None:
    assert without((0, 10), []) == [(0, 10)]
    assert without((0, 10), [(2, 4), (8, 20)]) == [(0, 2), (4, 8)]
    assert without((0, 10), [(-5, 30)]) == []


async def test_batches_of_the_state_stay_for_an_hour_of_its_time(tmp_path: Path, world: WebWorld) -> None:
    async with a_history(tmp_path) as history:
        await record(world.state, history, a_series(1), clock=world.clock)
        pass_the_ring(world, RING_MS + 60_000)
        await record(world.state, history, a_series(1), clock=world.clock)
    with world.state.read() as txn:
        batches = METRIC_BATCHES.scan(txn)
    assert [world.clock.now_ms() - each.committed_ms < RING_MS for each in batches] == [True] * len(batches)


async def test_tidying_seals_what_is_over(tmp_path: Path, world: WebWorld) -> None:
    async with a_history(tmp_path) as history:
        await record(world.state, history, a_series(30), clock=world.clock)
        while await history.maintain(world.clock.now_ms(), Retention()):
            pass
        assert len(await readings(history, world.clock.now_ms())) >= 30


async def test_a_new_name_reaches_the_history_with_the_next_samples(tmp_path: Path, world: WebWorld) -> None:
    async with histories(tmp_path, 2) as (other, own):
        following = HistoryKeeping(history=own, state=world.state, clock=world.clock)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(following.run())
            names: list[str] = []
            for name in ("alpha", "beta"):
                pass_the_ring(world, HOUR_MS)
                named = Generated(
                    subject=a_subject(SubjectKind.HOST, H1, name),
                    metric="cpu_percent",
                    values=np.full(360, 5.0),
                )
                await record(world.state, other, named, clock=world.clock)
                names.append(await the_name_after(own, names, world))
            running.cancel()
    assert names == ["alpha", "beta"]


async def the_name_after(history: NodeHistory, known: Sequence[str], world: WebWorld) -> str:
    """What the one thing with a history is called once it has none of the known names."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await world.clock.advance(0.1)
            with contextlib.suppress(HistoryNotOpen):
                for each in await history.subjects(EVERYTHING):
                    if each.definition.name not in known:
                        return each.definition.name


@pytest.mark.parametrize("ahead", ["the log's time", "this host's clock"])
async def test_one_clock_that_is_a_year_ahead_throws_nothing_away(
    tmp_path: Path, world: WebWorld, ahead: str
) -> None:
    now_ms, year_ms = world.clock.now_ms(), 400 * DAY_MS
    async with a_history(tmp_path) as own:
        await record(world.state, own, a_series(24), clock=world.clock)
        expected = await readings(own, now_ms)
        clock = FakeClock(now_ms=now_ms + year_ms)
        if ahead == "the log's time":
            world.clock.set_now_ms(now_ms + year_ms)
            world.state.must(PutSetting(key="a", value="b"))
            clock.set_now_ms(now_ms)
        following = HistoryKeeping(history=own, state=world.state, clock=clock)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(following.run())
            for _ in range(200):
                await clock.advance(1)
                await asyncio.to_thread(int)
            running.cancel()
        assert await readings(own, now_ms) == expected
