"""What an agent that was killed while it made a container anew leaves, and what the next one makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest

from agent.execute.replacement_intents import ReplacementIntent, ReplacementIntents
from agent.execute.replacing import Replacing
from agent.ports import ContainerSpec, EngineError, EngineRefused, EngineUnavailable
from cluster.model.container_access import ReplacementChanges
from tests.support.fake_access import FakeAccess
from tests.support.fake_clock import FakeClock
from tests.support.fake_engine import FakeEngine
from tests.support.mortal import Killed, Mortal

IMAGE = "shop/web:1"
ENDS = ReplacementChanges(image=IMAGE, command=("sh", "-c", "echo broken; exit 9"))
LIVES = ReplacementChanges(image=IMAGE, environment=(("A", "1"),))


class World:
    """A host, and agents on it that come and go."""

    def __init__(self, directory: Path) -> None:
        self.clock = FakeClock()
        self.engine = FakeEngine(self.clock)
        self.access = FakeAccess(self.engine)
        self.intents = ReplacementIntents(directory / "replacements")
        self.engine.add_image(IMAGE)
        self.engine.publish(IMAGE)

    async def container(self, name: str = "web", *, is_running: bool = True) -> str:
        spec = ContainerSpec(name=name, image=IMAGE, command=("sleep", "600"))
        made = await self.engine.create(spec)
        if is_running:
            await self.engine.start(made)
        return made

    def agent(self, *, last: str = "", error: Exception | Killed | None = None) -> Replacing:
        shared, failure = {"is_dead": False}, error or Killed()
        return Replacing(
            engine=Mortal(self.engine, shared, last, failure),  # type: ignore[arg-type]  # has its calls
            access=Mortal(self.access, shared, last, failure),  # type: ignore[arg-type]  # has its calls
            intents=self.intents,
            clock=self.clock,
        )

    async def kill(self, agent: Replacing, container: str, changes: ReplacementChanges = LIVES) -> None:
        """Have it make the container anew, and die of that."""
        with pytest.raises(Killed):
            await self.passing(agent.replace(container, changes, lambda _: None))
        assert len(await self.intents.all()) == 1

    async def settled(self) -> dict[str, str]:
        """What there is, by name, once another agent has settled."""
        await self.passing(self.agent().settle())
        assert await self.intents.all() == []
        return await self.names()

    async def passing(self, doing: Awaitable[None]) -> None:
        """Let time pass until it is done. Raises what it raises, and not in a group."""
        failures: list[EngineError | Killed] = []

        async def noted() -> None:
            try:
                await doing
            except (EngineError, Killed) as error:
                failures.append(error)

        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(noted())
            while not task.done():
                await self.clock.advance(1)
        for failure in failures:
            raise failure

    async def names(self) -> dict[str, str]:
        return {each.name: each.id for each in await self.engine.containers()}

    async def state(self, container: str) -> str:
        return (await self.engine.inspect(container)).state.value


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("last", ["rename", "create_successor", "stop", "start"])
async def test_before_the_successor_was_started_everything_is_put_back(world: World, last: str) -> None:
    old = await world.container()
    await world.kill(world.agent(last=last), old)
    assert await world.settled() == {"web": old}
    assert await world.state(old) == "running"


@pytest.mark.parametrize("last", ["inspect", "remove"])
async def test_a_successor_that_was_started_and_is_well_stays(world: World, last: str) -> None:
    old = await world.container()
    await world.kill(world.agent(last=last), old)
    names = await world.settled()
    assert names.keys() == {"web"}
    assert names["web"] != old
    assert (await world.engine.inspect("web")).environment == {"A": "1"}


async def test_a_successor_that_was_started_and_ended_makes_room_for_the_old_one(world: World) -> None:
    old = await world.container()
    await world.kill(world.agent(last="inspect"), old, ENDS)
    assert await world.settled() == {"web": old}
    assert await world.state(old) == "running"


@pytest.mark.parametrize(("last", "is_undone"), [("create_successor", True), ("remove", False)])
async def test_a_container_that_did_not_run_is_not_started(world: World, last: str, is_undone: bool) -> None:
    old = await world.container(is_running=False)
    await world.kill(world.agent(last=last), old)
    names = await world.settled()
    assert names.keys() == {"web"}
    assert (names["web"] == old) is is_undone
    assert await world.state("web") == "created"


async def test_putting_back_that_was_broken_off_is_done_to_its_end(world: World) -> None:
    old = await world.container()
    gone = EngineUnavailable("the engine does not answer")
    failing = world.agent(last="start", error=gone)
    with pytest.raises(EngineUnavailable):
        await world.passing(failing.replace(old, LIVES, lambda _: None))
    assert await world.state(old) == "exited"
    assert await world.settled() == {"web": old}
    assert await world.state(old) == "running"


async def test_what_somebody_made_meanwhile_under_the_name_is_left_alone(world: World) -> None:
    old = await world.container()
    await world.kill(world.agent(last="create_successor"), old)
    theirs = await world.container()
    assert await world.settled() == {"web.replaced": old, "web": theirs}
    assert await world.state(theirs) == "running"


async def test_a_container_of_somebody_s_own_with_such_a_name_is_none_of_ours(world: World) -> None:
    theirs = await world.container("web.replaced", is_running=False)
    assert await world.settled() == {"web.replaced": theirs}


async def test_what_cannot_be_settled_yet_is_tried_again(world: World) -> None:
    old = await world.container()
    await world.kill(world.agent(last="stop"), old)
    silent = world.agent(last="inspect", error=EngineUnavailable("the engine does not answer"))
    with pytest.raises(EngineUnavailable):
        await silent.settle()
    assert await world.settled() == {"web": old}


async def test_a_container_is_not_touched_when_that_cannot_be_written_down(
    world: World, tmp_path: Path
) -> None:
    old = await world.container()
    (tmp_path / "replacements").write_text("a file where a directory is needed")
    with pytest.raises(EngineRefused, match="web is not made anew, as that could not be noted"):
        await world.agent().replace(old, LIVES, lambda _: None)
    assert await world.names() == {"web": old}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"container_id": "x"}', '{"surprise": 1}'])
async def test_a_note_that_cannot_be_read_is_dropped(world: World, tmp_path: Path, content: str) -> None:
    await world.intents.keep(ReplacementIntent(container_id="a", name="a", is_running=True, begun_at_ms=2))
    (tmp_path / "replacements" / "b.json").write_text(content)
    (tmp_path / "replacements" / "b.json").chmod(0o600)
    assert [each.container_id for each in await world.intents.all()] == ["a"]
    assert not (tmp_path / "replacements" / "b.json").exists()
