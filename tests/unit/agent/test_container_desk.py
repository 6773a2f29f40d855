"""Commands, files and successors of this host's containers, over the engine in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.execute.replacement_intents import ReplacementIntents
from agent.follow.container_desk import COMMANDS_MAX, LocalDesk
from agent.ports import ContainerSpec, EngineRefused, Health
from cluster.model.container_access import (
    ExecRequest,
    FileWrite,
    ReplacementChanges,
    ReplacementStage,
    ReplacementStep,
)
from cluster.model.inventory import Caller, HostRefused, HostUnavailable
from tests.support.fake_access import FakeAccess
from tests.support.fake_clock import FakeClock
from tests.support.fake_engine import FakeEngine

CALLER = Caller(principal_id="us_1", name="ada", role="admin", request_id="rq_1", ip="192.0.2.1")
IMAGE = "shop/web:1"


@dataclass(slots=True)
class World:
    clock: FakeClock
    engine: FakeEngine
    access: FakeAccess
    desk: LocalDesk

    async def started(self, name: str = "web", *, command: tuple[str, ...] = ("sleep", "600")) -> str:
        container = await self.engine.create(ContainerSpec(name=name, image=IMAGE, command=command))
        await self.engine.start(container)
        return container

    async def steps(self, container: str, changes: ReplacementChanges) -> list[ReplacementStep]:
        """Replace a container, letting time pass as it waits."""

        async def tell() -> list[ReplacementStep]:
            async with self.desk.replace(container, changes, caller=CALLER) as steps:
                return [step async for step in steps]

        async with asyncio.TaskGroup() as tasks:
            telling = tasks.create_task(tell())
            while not telling.done():
                await self.clock.advance(1)
        return telling.result()

    async def names(self) -> dict[str, str]:
        return {each.name: each.id for each in await self.engine.containers()}


@pytest.fixture
def world(tmp_path: Path) -> World:
    clock = FakeClock()
    engine = FakeEngine(clock)
    for image in (IMAGE, "shop/web:2"):
        engine.add_image(image)
        engine.publish(image)
    access = FakeAccess(engine)
    intents = ReplacementIntents(tmp_path / "replacements")
    desk = LocalDesk(engine=engine, access=access, intents=intents, clock=clock)
    return World(clock, engine, access, desk)


async def test_the_best_shell_is_found_where_no_command_is_given(world: World) -> None:
    container = await world.started()
    async with world.desk.exec(container, ExecRequest(has_terminal=True), caller=CALLER):
        pass
    request = world.access.sessions[-1].request
    assert request.command == ("sh",)
    assert "TERM=xterm-256color" in request.environment


async def test_a_container_without_a_shell_says_so(world: World) -> None:
    container = await world.started()
    world.access.has_shell = False
    with pytest.raises(HostRefused, match="has no shell"):
        async with world.desk.exec(container, ExecRequest(), caller=CALLER):
            raise AssertionError("it was let in")


async def test_only_so_many_commands_run_at_a_time(world: World) -> None:
    container = await world.started()
    request = ExecRequest(command=("cat",))
    async with asyncio.TaskGroup() as tasks:
        release = asyncio.Event()
        entered = asyncio.Semaphore(0)

        async def hold() -> None:
            async with world.desk.exec(container, request, caller=CALLER):
                entered.release()
                await release.wait()

        for _ in range(COMMANDS_MAX):
            tasks.create_task(hold())
        for _ in range(COMMANDS_MAX):
            await entered.acquire()
        with pytest.raises(HostUnavailable, match="as many as may"):
            async with world.desk.exec(container, request, caller=CALLER):
                raise AssertionError("it was let in")
        release.set()


async def test_a_path_is_checked_where_the_files_are(world: World) -> None:
    container = await world.started()

    async def nothing() -> AsyncIterator[bytes]:
        return
        yield b""

    with pytest.raises(HostRefused, match=r"'\.\.'"):
        await world.desk.files(container, "/a/../b")
    write = FileWrite(path="etc/passwd", size_bytes=0)
    with pytest.raises(HostRefused, match="not absolute"):
        await world.desk.write_file(container, write, nothing(), caller=CALLER)
    with pytest.raises(HostRefused) as missing:
        await world.desk.files(container, "/nowhere")
    assert missing.value.code == "not-found"


async def test_a_container_made_anew_takes_the_place_of_the_old_one(world: World) -> None:
    old = await world.started()
    steps = await world.steps(old, ReplacementChanges(image="shop/web:2", environment=(("A", "1"),)))
    assert [step.stage for step in steps] == [
        ReplacementStage.PULLING,
        ReplacementStage.CREATING,
        ReplacementStage.STOPPING,
        ReplacementStage.STARTING,
        ReplacementStage.CHECKING,
        ReplacementStage.REMOVING,
        ReplacementStage.DONE,
    ]
    names = await world.names()
    assert names == {"web": steps[-1].container_id}
    made = await world.engine.inspect("web")
    assert (made.id != old, made.image, made.environment) == (True, "shop/web:2", {"A": "1"})
    assert made.state.value == "running"


async def test_one_that_does_not_run_is_made_anew_and_not_started(world: World) -> None:
    old = await world.engine.create(ContainerSpec(name="web", image=IMAGE))
    steps = await world.steps(old, ReplacementChanges())
    assert ReplacementStage.STARTING not in [step.stage for step in steps]
    assert (await world.engine.inspect("web")).state.value == "created"


@pytest.mark.parametrize("failure", ["refused", "ends", "unhealthy"])
async def test_the_old_one_is_put_back_when_the_new_one_fails(world: World, failure: str) -> None:
    old = await world.started()
    changes = ReplacementChanges(environment=(("A", "1"),))
    match failure:
        case "refused":
            world.access.refuse_successors = "no such mount"
        case "ends":
            changes = ReplacementChanges(command=("sh", "-c", "echo broken; exit 9"))
        case _:
            start = world.engine.start

            async def start_ill(container: str) -> None:
                await start(container)
                if container != old:
                    world.engine.set_health(container, Health.UNHEALTHY)

            world.engine.start = start_ill  # type: ignore[method-assign]  # a container that falls ill
    steps = await world.steps(old, changes)
    assert steps[-1].stage is ReplacementStage.RESTORED
    assert steps[-1].container_id == old
    assert await world.names() == {"web": old}
    assert (await world.engine.inspect(old)).state.value == "running"
    if failure == "ends":
        assert steps[-1].text == "it ended with exit code 9: broken"
    if failure == "refused":
        assert f"stop {'web'}" not in world.engine.calls, "it was stopped before that was known"


async def test_an_image_that_cannot_be_had_costs_nothing(world: World) -> None:
    old = await world.started()
    changes = ReplacementChanges(image="shop/web:nothing")
    with pytest.raises(HostRefused, match="no image"):
        async with world.desk.replace(old, changes, caller=CALLER) as steps:
            assert [step.stage async for step in steps] == [ReplacementStage.PULLING]
    assert await world.names() == {"web": old}
    assert (await world.engine.inspect(old)).state.value == "running"


async def test_an_engine_that_refuses_is_said_in_the_words_of_a_host(world: World) -> None:
    container = await world.engine.create(ContainerSpec(name="web", image=IMAGE))
    with pytest.raises(HostRefused) as refused:
        await world.desk.top(container)
    assert (refused.value.code, isinstance(refused.value.__cause__, EngineRefused)) == ("conflict", True)
