"""What the agent knows of itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agent.collect.loop_lag import PROBE_S, LoopLag
from agent.collect.own_figures import OwnFigures, stored_bytes
from cluster.raft.types import EngineStatus, Role
from tests.support.fake_clock import FakeClock


class HeldUpClock(FakeClock):
    """A clock whose sleepers are woken late, as those of a loop that was held up."""

    late_s = 0.0

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds + self.late_s)


async def test_the_worst_delay_since_the_last_question_is_told() -> None:
    clock = HeldUpClock()
    lag = LoopLag(clock)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(lag.run())
        await clock.advance(PROBE_S)
        assert lag.take_worst_ms() == 0.0
        clock.late_s = 0.2
        await clock.advance(2 * PROBE_S + 0.2)
        clock.late_s = 0.0
        await clock.advance(5 * PROBE_S)
        assert round(lag.take_worst_ms()) == 200
        assert lag.take_worst_ms() == 0.0
        running.cancel()


def a_status() -> EngineStatus:
    return EngineStatus(
        node_id="n1",
        role=Role.LEADER,
        term=3,
        leader_id="n1",
        commit_index=50,
        applied_index=48,
        last_index=51,
        first_index=1,
        log_bytes=4096,
    )


def test_own_figures_are_of_this_process_and_this_node(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/data").write_bytes(b"x" * 100_000)
    figures = OwnFigures(
        status=a_status,
        loop_lag=LoopLag(FakeClock()),
        queues={"proposals": lambda: 3, "samples": lambda: 1},
        state_directory=tmp_path / "state",
        history_directory=tmp_path / "history",
    )()
    assert (figures.raft_term, figures.is_leader, figures.has_leader, figures.log_bytes) == (
        3,
        True,
        True,
        4096,
    )
    assert (figures.apply_lag_entries, figures.queue_depth) == (2, 4)
    assert figures.cpu_s is not None
    assert figures.cpu_s > 0
    assert figures.memory_bytes is not None
    assert 5 << 20 < figures.memory_bytes < 4 << 30
    assert figures.state_bytes is not None
    assert figures.state_bytes >= 100_000
    assert figures.history_bytes is None


def test_a_file_takes_what_is_written_and_not_its_length(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    assert stored_bytes(tmp_path) == 0
