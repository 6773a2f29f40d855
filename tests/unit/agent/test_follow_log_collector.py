"""Taking in what containers write: where reading goes on, what is told of floods, and what is not lost."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agent.docker.watcher import Inventory
from agent.follow.local_logs import LocalLogs
from agent.follow.log_collector import HOUSEKEEPING_S, LogCollector
from agent.follow.log_tap import HELD_MAX, LogTaps
from agent.logbook.logbook import Logbook
from agent.logbook.searching import Segments
from agent.logbook.store import LogStore, StoreFailed
from agent.logbook.worker import Result, Task, carry_out
from agent.ports.engine import (
    Container,
    ContainerNotFound,
    ContainerState,
    EngineEvent,
    EngineRefused,
    EngineUnavailable,
    Health,
    LogLine,
    LogStream,
)
from cluster.model.inventory import HostUnavailable
from cluster.model.log_history import KeptLine, LineStream, LogFollow, LogLevel, LogSearch
from tests.support.fake_clock import FakeClock

WEB = "aa" * 32
NOW_NS = 1_700_000_000_000_000_000
PATIENCE_S = 10


class ScriptedEngine:
    """Gives each reader what `lines` has of its container, and what is added, until `end`."""

    def __init__(self) -> None:
        self.lines: dict[str, list[LogLine]] = {}
        self.failures: list[Exception] = []
        self.asked: list[tuple[str, int | None, int | None]] = []
        self._changed = asyncio.Event()
        self._ended = False

    def write(
        self, *texts: str, container: str = WEB, at_ns: int | None = None, step_ns: int = 1_000_000
    ) -> None:
        lines = self.lines.setdefault(container, [])
        first_ns = NOW_NS + len(lines) * step_ns if at_ns is None else at_ns
        for number, text in enumerate(texts):
            lines.append(LogLine(stream=LogStream.STDOUT, text=text, at_ns=first_ns + number * step_ns))
        self._changed.set()

    def end(self) -> None:
        self._ended = True
        self._changed.set()

    def begin(self) -> None:
        self._ended = False

    async def logs(
        self,
        container: str,
        *,
        tail: int | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        follow: bool = False,
    ) -> AsyncIterator[LogLine]:
        self.asked.append((container, tail, since_ms))
        if self.failures:
            raise self.failures.pop(0)
        position = 0
        lines = self.lines.setdefault(container, [])
        if tail is not None:
            position = max(0, len(lines) - tail)
        while True:
            while position < len(lines):
                line = lines[position]
                position += 1
                if since_ms is None or (line.at_ns or 0) >= since_ms * 1_000_000:
                    yield line
            if self._ended or not follow:
                return
            self._changed.clear()
            await self._changed.wait()


class ScriptedInventories:
    def __init__(self) -> None:
        self.current = Inventory()
        self._changed = asyncio.Event()

    def show(self, *containers: Container) -> None:
        self.current = Inventory(
            version=self.current.version + 1,
            containers=containers,
            listed_at_s=1.0,
            unavailable_reason="",
        )
        self._changed.set()
        self._changed = asyncio.Event()

    async def newer_than(self, version: int) -> Inventory:
        while self.current.version <= version:
            await self._changed.wait()
        return self.current


class InProcessSearcher:
    """What the worker's process does, here."""

    async def ask(self, task: Task) -> Result:
        segments = Segments()
        try:
            return await asyncio.to_thread(carry_out, task, segments, 1e12)
        finally:
            segments.close()

    async def end_idle(self) -> None:
        return

    async def close(self) -> None:
        return


def a_container(**fields: object) -> Container:
    values = {
        "id": WEB,
        "name": "web-1",
        "image": "web:1",
        "image_id": "sha256:1",
        "command": "web",
        "state": ContainerState.RUNNING,
        "health": Health.NONE,
        "status": "Up",
        "created_at_ms": 0,
        "labels": {},
    }
    return Container(**{**values, **fields})  # type: ignore[arg-type]  # its fields


class World:
    def __init__(self, directory: Path, *, lines_per_s_max: int = 100_000) -> None:
        self.clock = FakeClock(now_ms=NOW_NS // 1_000_000)
        self.engine = ScriptedEngine()
        self.inventories = ScriptedInventories()
        self.taps = LogTaps()
        self.store = LogStore(directory / "logbook", reserve_bytes=0)
        self.logbook = Logbook(
            self.store,
            searcher=InProcessSearcher(),  # type: ignore[arg-type]  # has what is asked of it
            now_us=lambda: self.clock.now_ms() * 1000,
        )
        self.collector = LogCollector(
            engine=self.engine,
            watcher=self.inventories,
            logbook=self.logbook,
            taps=self.taps,
            clock=self.clock,
            rng=random.Random(1),
            lines_per_s_max=lines_per_s_max,
        )
        self.local = LocalLogs(
            engine=self.engine, taps=self.taps, logbook=self.logbook, collector=self.collector
        )

    async def lines(self, container: str = WEB) -> list[KeptLine]:
        try:
            page = await self.local.search(
                LogSearch(container_ids=(container,), is_newest_first=False, limit=5000)
            )
        except HostUnavailable:
            return []
        return list(page.lines)

    async def texts(self, container: str = WEB) -> list[str]:
        return [line.text for line in await self.lines(container) if line.stream != LineStream.EVENT]

    async def until_texts(self, wanted: list[str]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while await self.texts() != wanted:
                await self.clock.settle()

    async def until_later(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Let seconds pass until it holds: what waits may begin to only now."""
        async with asyncio.timeout(PATIENCE_S):
            while not await condition():
                await self.clock.advance(1)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await self.clock.settle()


@asynccontextmanager
async def running(directory: Path, **options: int) -> AsyncIterator[World]:
    world = World(directory, **options)
    task = asyncio.get_running_loop().create_task(world.collector.run())
    try:
        yield world
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await world.logbook.close()


async def test_lines_are_found_as_soon_as_they_are_written(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.inventories.show(a_container())
        world.engine.write("one", "ERROR two")
        await world.until_texts(["one", "ERROR two"])
        world.engine.write("three")
        await world.until_texts(["one", "ERROR two", "three"])
        assert [line.level for line in await world.lines()] == [
            LogLevel.UNKNOWN,
            LogLevel.ERROR,
            LogLevel.UNKNOWN,
        ]


async def test_after_a_restart_reading_goes_on_without_a_line_twice_or_missing(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.inventories.show(a_container())
        world.engine.write("one", "two")
        await world.until_texts(["one", "two"])
    lines = world.engine.lines
    async with running(tmp_path) as again:
        again.engine.lines = lines
        # Written while nobody read, and one that was stamped before the last that was read.
        again.engine.write("three", at_ns=NOW_NS + 500_000)
        again.engine.write("four")
        again.inventories.show(a_container())
        async with asyncio.timeout(PATIENCE_S):
            while sorted(await again.texts()) != ["four", "one", "three", "two"]:
                await again.clock.settle()
        assert [line.ordinal for line in await again.lines()] == [0, 2, 1, 3]
        assert again.engine.asked[0][1] is None


async def test_of_a_container_that_was_here_before_the_last_lines_are_taken(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.inventories.show(a_container())
        await world.until(lambda: world.engine.asked == [(WEB, 10_000, None)])


async def test_a_container_that_is_restarted_is_read_on(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.inventories.show(a_container())
        world.engine.write("one")
        await world.until_texts(["one"])
        world.engine.end()
        await world.until(lambda: world.clock.sleepers > 1)
        world.engine.begin()
        world.engine.write("two")

        async def is_read() -> bool:
            return await world.texts() == ["one", "two"]

        await world.until_later(is_read)


async def test_what_a_removed_container_wrote_stays(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.inventories.show(a_container())
        world.engine.write("one")
        await world.until_texts(["one"])
        world.engine.end()
        world.engine.failures.append(ContainerNotFound("gone", status=404))
        world.inventories.show()

        async def is_let_go() -> bool:
            return not world.collector.reading

        await world.until_later(is_let_go)
        assert await world.texts() == ["one"]
        (kept,) = (await world.local.standing()).sources
        assert (kept.source.name, kept.lines, kept.is_live) == ("web-1", 1, False)


async def test_a_flood_is_held_to_a_rate_and_what_is_left_out_is_counted(tmp_path: Path) -> None:
    async with running(tmp_path, lines_per_s_max=100) as world:
        world.inventories.show(a_container())
        world.engine.write(*(f"line {number}" for number in range(3000)), step_ns=1000)
        world.engine.write("later", at_ns=NOW_NS + 60_000_000_000)

        async def dropped() -> list[int]:
            return [
                json.loads(line.text)["lines"]
                for line in await world.lines()
                if line.stream == LineStream.EVENT
            ]

        async with asyncio.timeout(PATIENCE_S):
            while not await dropped():
                await world.clock.settle()
        kept = await world.texts()
        assert kept[-1] == "later"
        assert len(kept) - 1 + sum(await dropped()) == 3000
        assert len(kept) <= 1002


async def test_a_driver_that_cannot_be_read_is_said_and_not_tried_again(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.engine.failures.append(
            EngineRefused("configured logging driver does not support reading", status=501)
        )
        world.inventories.show(a_container())
        await world.until(lambda: bool(world.collector.problems))
        await world.clock.advance(60)
        assert world.collector.problems == {WEB: "configured logging driver does not support reading"}
        assert len(world.engine.asked) == 1


async def test_an_engine_that_goes_away_is_tried_again(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.engine.failures += [EngineUnavailable("Docker is not running")] * 3
        world.engine.write("one")
        world.inventories.show(a_container())
        await world.until(lambda: bool(world.collector.problems))

        async def is_read() -> bool:
            return await world.texts() == ["one"]

        await world.until_later(is_read)
        assert world.collector.problems == {}


async def test_a_container_that_wants_no_log_kept_is_left_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.inventories.show(a_container(labels={"tower.logs": "off"}))
        await world.until(lambda: WEB in world.collector.problems)
        assert world.engine.asked == []
        world.inventories.show()
        await world.until(lambda: not world.collector.problems)


async def test_a_disk_that_is_full_at_the_start_is_tried_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as world:
        world.inventories.show(a_container())
        world.engine.write("one")
        await world.until_texts(["one"])
    shortages = ["too little is free"] * 3
    monkeypatch.setattr(LogStore, "shortage", lambda _: shortages.pop() if shortages else "")
    async with running(tmp_path) as world:

        async def has_room() -> bool:
            return not world.logbook.problem

        await world.until_later(has_room)
        assert shortages == []
        (kept,) = (await world.local.standing()).sources
        assert (await world.texts(), kept.lines) == (["one"], 1)


async def test_lines_are_numbered_on_after_the_store_was_looked_after(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.inventories.show(a_container())
        world.engine.write("one")
        await world.until_texts(["one"])
        await world.logbook.flush()
        await world.logbook.maintain()
        world.engine.write("two")
        await world.until_texts(["one", "two"])
        assert [line.ordinal for line in await world.lines()] == [0, 1]


async def test_a_full_disk_stops_reading_in_words_and_it_goes_on_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as world:
        world.inventories.show(a_container())
        world.engine.write("one")
        await world.until_texts(["one"])
        await world.logbook.flush()

        def full(*_: object, **__: object) -> None:
            raise StoreFailed("/logbook: No space left on device")

        monkeypatch.setattr(world.store, "append", full)
        world.engine.write("two")
        await world.until_texts(["one", "two"])
        await world.logbook.flush()
        assert (await world.local.standing()).problem == "/logbook: No space left on device"
        world.engine.write("three")
        monkeypatch.undo()
        async with asyncio.timeout(PATIENCE_S):
            while await world.texts() != ["one", "two", "three"]:
                # The store is tried again by a thread, which the clock of tests does not move.
                await world.clock.advance(HOUSEKEEPING_S)
        assert (await world.local.standing()).problem == ""


async def test_what_happens_to_a_container_is_a_line_among_its_lines(tmp_path: Path) -> None:
    died = EngineEvent(
        kind="container",
        action="die",
        id=WEB,
        name="web-1",
        at_ns=NOW_NS + 500_000,
        attributes={"exitCode": "137"},
    )
    async with running(tmp_path) as world:
        # Before it is listed, as of a container that was just made; and twice, as after a lost connection.
        world.collector.on_event(died)
        world.collector.on_event(died)
        world.collector.on_event(replace(died, action="exec_start", at_ns=NOW_NS + 600_000))
        world.engine.write("one", "two")
        world.inventories.show(a_container())
        await world.until_texts(["one", "two"])
        lines = await world.lines()
    assert [line.text for line in lines] == ["one", '{"event":"die","exit_code":137}', "two"]
    assert (lines[1].stream, lines[1].level) == (LineStream.EVENT, LogLevel.ERROR)


async def test_who_follows_gets_what_is_kept_and_is_told_what_was_missed(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.inventories.show(a_container())
        # Lines that were there before it is read are caught up with by their newest alone.
        await world.until(lambda: bool(world.engine.asked))
        async with world.local.follow(LogFollow(container_ids=(WEB,))) as batches:
            world.engine.write(*(f"line {number}" for number in range(HELD_MAX + 5)), step_ns=1000)

            async def is_taken() -> bool:
                sources = (await world.local.standing()).sources
                return sum(each.lines for each in sources) == HELD_MAX + 5

            await world.until_later(is_taken)
            first = await anext(batches)
    assert (first.missed, first.lines[0].text, first.lines[0].ordinal) == (5, "line 5", 5)


async def test_without_a_history_lines_are_followed_straight_from_the_engine() -> None:
    engine = ScriptedEngine()
    engine.write("one", "WARN two")
    local = LocalLogs(engine=engine, taps=LogTaps())
    assert "switched off" in (await local.standing()).problem
    with pytest.raises(HostUnavailable, match="switched off"):
        await local.search(LogSearch(container_ids=(WEB,)))
    async with local.follow(LogFollow(container_ids=(WEB,), tail=1)) as batches:
        batch = await anext(batches)
    assert [(line.text, line.level) for line in batch.lines] == [("WARN two", LogLevel.WARN)]
