"""The process that searches: it answers, it is used again, and a pattern without end is ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.logbook import searcher as searching
from agent.logbook.searcher import Searcher
from agent.logbook.store import LogStore
from agent.logbook.worker import Task
from cluster.model.log_history import LogSearch, LogSource, PatternRefused

WEB = LogSource(container_id="aa" * 32, name="web", image="web:1")
EXPLOSIVE = r"(a+)+$"


@asynccontextmanager
async def a_searcher(**options: float) -> AsyncIterator[Searcher]:
    made = Searcher(**options)
    try:
        yield made
    finally:
        await made.close()


async def a_task(directory: Path, pattern: str) -> Task:
    store = LogStore(directory / "logbook", reserve_bytes=0)

    def fill() -> None:
        store.open()
        store.append(WEB, 0, [1, 2], b"\0\0", ["plain", "a" * 40 + "!"], now_us=1)
        store.close()

    await asyncio.to_thread(fill)
    query = LogSearch(container_ids=(WEB.container_id,), pattern=pattern, is_regex=True)
    return Task(segments=store.refs(), extra=(), budget_ms=1000, search=query)


async def test_a_search_is_answered_and_its_process_used_again(tmp_path: Path) -> None:
    task = await a_task(tmp_path, "^pl.in$")
    async with a_searcher() as searcher:
        pages = [(await searcher.ask(task)).page for _ in range(2)]
        (process,) = [process for _, process in searcher._idle]
    assert [[line.text for line in page.lines] for page in pages if page] == [["plain"], ["plain"]]
    assert process.returncode is not None


async def test_a_pattern_that_would_never_end_is_ended_and_the_next_search_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "START_S", 3.0)
    task = await a_task(tmp_path, EXPLOSIVE)
    async with a_searcher(grace_s=0.1) as searcher:
        with pytest.raises(PatternRefused, match="takes too long"):
            await searcher.ask(task)
        assert searcher._idle == []
        monkeypatch.undo()
        page = (await searcher.ask(await a_task(tmp_path, "plain"))).page
    assert page is not None
    assert {line.text for line in page.lines} == {"plain"}


async def test_a_process_that_nobody_needs_is_ended(tmp_path: Path) -> None:
    async with a_searcher(idle_s=0) as searcher:
        await searcher.ask(await a_task(tmp_path, "plain"))
        await searcher.end_idle()
        assert searcher._idle == []
