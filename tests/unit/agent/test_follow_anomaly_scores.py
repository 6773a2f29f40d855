"""What every node finds unusual, from its own history, over restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from agent.follow.anomaly_scores import EMPTY_GRACE_MS, AnomalyScores
from cluster.analytics.grouping import Place
from cluster.history.errors import HistoryError
from cluster.model.metrics import SubjectKind
from tests.support.fake_clock import FakeClock
from tests.support.row_history import ROW_MS, RowHistory, rows_of

NOW_MS = 1_767_571_200_000 + 50_000
ROW_S = ROW_MS / 1000
DAYS = 4


class World:
    """A history of four days of a container and its host, and a clock just after its last row."""

    def __init__(self, tmp_path: Path) -> None:
        self.clock = FakeClock(now_ms=NOW_MS)
        self.history = RowHistory(NOW_MS)
        self.file = tmp_path / "anomalies"
        self.web = self.history.add(
            SubjectKind.CONTAINER,
            "web-1",
            cpu_percent=rows_of(1, level=25, days=DAYS),
            tx_bytes_per_s=rows_of(2, level=1e6, days=DAYS),
        )
        self.scores = self.new_scores()

    def new_scores(self) -> AnomalyScores:
        return AnomalyScores(history=self.history, clock=self.clock, file=self.file)

    @asynccontextmanager
    async def running(self, scores: AnomalyScores | None = None) -> AsyncIterator[AnomalyScores]:
        scores = scores or self.scores
        async with asyncio.TaskGroup() as group:
            task = group.create_task(scores.run())
            await self.settle(scores)
            try:
                yield scores
            finally:
                task.cancel()

    async def settle(self, scores: AnomalyScores) -> None:
        """Let it catch up: work in threads takes its time, whatever the clock says."""
        async with asyncio.timeout(20):
            while not self.clock.sleepers or not self.is_done(scores):
                await self.turn(0.2)

    async def turn(self, seconds: float) -> None:
        """Let time pass once everything waits for it; work in threads takes none of it."""
        if self.clock.sleepers:
            await self.clock.advance(seconds)
        else:
            await asyncio.sleep(0)

    def is_done(self, scores: AnomalyScores) -> bool:
        return scores.note is None or "hours are known" in scores.note.en

    def web_at(self, *, cpu: float, tx: float) -> dict[str, dict[int, float]]:
        return {"cpu_percent": {self.web: cpu}, "tx_bytes_per_s": {self.web: tx}}

    async def rows(self, scores: AnomalyScores, count: int, values: dict[str, dict[int, float]]) -> None:
        for _ in range(count):
            self.history.advance(**values)
            before = len(self.history.questions)
            await self.clock.advance(ROW_S)
            async with asyncio.timeout(20):
                while len(self.history.questions) == before or not self.clock.sleepers:
                    await self.turn(0)


async def test_an_incident_is_found_while_it_goes_on_and_ends(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.running() as scores:
        assert scores.series == 2
        assert scores.incidents() == ()
        await world.rows(scores, 2, world.web_at(cpu=95, tx=0))
        [incident] = scores.incidents()
        assert incident.place == Place("nd_1", "web-1")
        assert incident.is_alertable
        assert incident.families == ("cpu", "network")
        await world.rows(scores, 3, world.web_at(cpu=95, tx=0))
        [later] = scores.incidents()
        assert later.key == incident.key
        await world.rows(scores, 6, world.web_at(cpu=25, tx=1e6))
        assert scores.incidents() == ()
        assert scores.findings(0)


async def test_a_restart_carries_on_from_its_file_with_the_same_incident(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.running() as scores:
        await world.rows(scores, 2, world.web_at(cpu=95, tx=0))
        [before] = scores.incidents()
    assert world.file.stat().st_mode & 0o777 == 0o600
    world.history.questions.clear()
    async with world.running(world.new_scores()) as again:
        [after] = again.incidents()
        assert after.key == before.key
        assert again.findings(0) == scores.findings(0)
    # Nothing of what the file has was read again.
    assert all(query.start_ms >= world.history.end_ms - ROW_MS for query in world.history.questions)


async def test_a_file_that_cannot_be_read_costs_a_longer_start_alone(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.running() as scores:
        known = scores.series
    world.file.write_bytes(world.file.read_bytes()[:-1])
    async with world.running(world.new_scores()) as again:
        assert again.series == known


async def test_a_row_without_anything_is_waited_for_since_hosts_keep_what_they_could_not_record(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    async with world.running() as scores:
        end_ms = world.history.end_ms
        await world.clock.advance(3 * ROW_S)
        for _ in range(3):
            world.history.advance(**world.web_at(cpu=95, tx=0))
        await world.clock.advance(60)
        async with asyncio.timeout(20):
            while not scores.incidents():
                await world.turn(1)
        assert scores.incidents()[0].started_ms == end_ms


async def test_a_history_that_is_filled_by_others_is_read_anew(tmp_path: Path) -> None:
    world = World(tmp_path)
    past = rows_of(5, level=20, days=DAYS)
    late = past.copy()
    late[:-10] = np.nan
    number = world.history.add(SubjectKind.HOST, "h1", cpu_percent=late)
    web = world.history.series.pop((world.web, "cpu_percent"))
    del world.history.series[world.web, "tx_bytes_per_s"]
    async with world.running() as scores:
        assert scores.note is not None
        assert "0 of 48 hours" in scores.note.en
        assert "0 ore di 48" in scores.note.it
        world.history.series[number, "cpu_percent"] = past
        world.history.series[world.web, "cpu_percent"] = web
        await world.rows(scores, 1, {"cpu_percent": {number: 20.0, world.web: 25.0}})
        await world.settle(scores)
        async with asyncio.timeout(20):
            while scores.note is not None:
                await world.turn(1)
        assert scores.series == 2


async def test_what_was_judged_long_ago_says_nothing_of_now(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.running() as scores:
        await world.rows(scores, 2, world.web_at(cpu=95, tx=0))
        assert scores.incidents()
        world.clock.set_now_ms(world.clock.now_ms() + 2 * EMPTY_GRACE_MS)
        assert scores.incidents() == ()
        assert scores.note is not None
        assert "not looked at yet" in scores.note.en


async def test_a_history_that_does_not_answer_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    subjects = world.history.subjects
    asked = []

    async def fails(selector: object) -> list[object]:
        asked.append(selector)
        if len(asked) == 1:
            raise HistoryError("it is being opened")
        return list(await subjects(selector))  # type: ignore[arg-type]  # the fake's own

    monkeypatch.setattr(world.history, "subjects", fails)
    async with world.running() as scores:
        assert scores.series == 2
    assert len(asked) >= 2


async def test_a_pressed_resource_makes_one_unusual_kind_of_metric_worth_an_alert(tmp_path: Path) -> None:
    world = World(tmp_path)
    number = world.history.add(
        SubjectKind.CONTAINER,
        "db-1",
        cpu_percent=rows_of(4, level=25, days=DAYS),
        throttled_percent=np.zeros(DAYS * 288),
    )
    async with world.running() as scores:
        await world.rows(scores, 1, {"cpu_percent": {number: 99.0}, "throttled_percent": {number: 0.0}})
        [incident] = scores.incidents()
        assert not incident.is_alertable
        assert scores.pressures() == {Place("nd_1", "db-1"): []}
        await world.rows(scores, 1, {"cpu_percent": {number: 99.0}, "throttled_percent": {number: 60.0}})
        [incident] = scores.incidents()
        assert incident.is_alertable
        assert incident.families == ("cpu",)
        assert [pressure.metric for pressure in incident.pressures] == ["throttled_percent"]
