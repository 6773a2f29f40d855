"""What every `ContainerAccess` promises: the same tests against the fake and a real Docker Engine."""

from __future__ import annotations

import io
import itertools
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

import pytest

from agent.docker.access import DockerAccess
from agent.docker.engine import DockerEngine
from agent.ports import (
    ContainerEngine,
    ContainerNotFound,
    ContainerSpec,
    ContainerState,
    EngineRefused,
    Mount,
)
from agent.ports.access import ContainerAccess, PathNotFound
from cluster.model.container_access import (
    ExecRequest,
    ExecSession,
    ExecStream,
    FileKind,
    FileWrite,
    LimitChanges,
    PublishedOn,
    ReplacementChanges,
)
from tests.support.fake_access import FakeAccess
from tests.support.fake_engine import FakeEngine
from tests.support.lab import Lab, lab

__all__ = ["lab"]

IMAGE = "demo/busybox:1"
NOW_MS = 1_700_000_000_000

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class World:
    """An engine whose host has IMAGE."""

    engine: ContainerEngine
    access: ContainerAccess

    async def started(self, **fields: object) -> str:
        container = await self.created(**fields)
        await self.engine.start(container)
        return container

    async def created(self, **fields: object) -> str:
        return await self.engine.create(
            ContainerSpec(
                name=f"access-{next(_numbers)}",
                image=IMAGE,
                command=("sleep", "600"),
                **fields,  # type: ignore[arg-type]  # fields of ContainerSpec
            )
        )

    async def put(self, container: str, path: str, content: bytes) -> None:
        write = FileWrite(path=path, size_bytes=len(content))
        await self.access.write(container, write, pieces(content), now_ms=NOW_MS)

    async def read(self, container: str, path: str) -> bytes:
        async with self.access.read(container, path) as reading:
            return b"".join([chunk async for chunk in reading.chunks()])


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.lab)])
def world_of(request: pytest.FixtureRequest) -> Iterator[Callable[[], Awaitable[World]]]:
    if request.param == "fake":

        async def fake() -> World:
            engine = FakeEngine()
            engine.add_image(IMAGE)
            return World(engine, FakeAccess(engine))

        yield fake
        return
    hosts: Lab = request.getfixturevalue("lab")

    async def docker() -> World:
        engine = DockerEngine(str(hosts.host("h1").docker_socket))
        await engine.pull(IMAGE)
        return World(engine, DockerAccess(engine))

    yield docker


@pytest.fixture
async def world(world_of: Callable[[], Awaitable[World]]) -> AsyncIterator[World]:
    made = await world_of()
    yield made
    for container in await made.engine.containers():
        await made.engine.remove(container.id, force=True, volumes=True)
    await made.engine.close()


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


async def said(session: ExecSession) -> dict[ExecStream, bytes]:
    written = dict.fromkeys(ExecStream, b"")
    async for piece in session.output():
        written[piece.stream] += piece.data
    return written


# ---- a command inside ---------------------------------------------------------------------------


async def test_a_command_tells_its_two_outputs_apart_and_its_exit_code(world: World) -> None:
    container = await world.started()
    request = ExecRequest(command=("sh", "-c", "echo out; echo err >&2; exit 7"))
    async with world.access.exec(container, request) as session:
        assert await said(session) == {ExecStream.STDOUT: b"out\n", ExecStream.STDERR: b"err\n"}
        assert await session.exit_code() == 7


async def test_a_command_reads_its_input_to_its_end(world: World) -> None:
    container = await world.started()
    async with world.access.exec(container, ExecRequest(command=("cat",))) as session:
        await session.write(b"one ")
        await session.write(b"two")
        await session.close_input()
        assert (await said(session))[ExecStream.STDOUT] == b"one two"
        assert await session.exit_code() == 0


async def test_a_command_that_is_not_there_ends_with_126_or_127(world: World) -> None:
    container = await world.started()
    async with world.access.exec(container, ExecRequest(command=("no-such-program",))) as session:
        assert b"not found" in (await said(session))[ExecStream.STDOUT]
        assert await session.exit_code() in (126, 127)


async def test_a_terminal_has_the_size_it_is_given(world: World) -> None:
    container = await world.started()
    request = ExecRequest(
        command=("sh", "-c", "read line; stty size"), has_terminal=True, columns=91, rows=33
    )
    async with world.access.exec(container, request) as session:
        await session.write(b"go\n")
        assert (await said(session))[ExecStream.STDOUT].split()[-2:] == [b"33", b"91"]


async def test_a_command_ends_with_who_asked_for_it(world: World) -> None:
    container = await world.started()
    async with world.access.exec(container, ExecRequest(command=("sleep", "4321"), has_terminal=True)):
        pass
    processes = await world.access.top(container)
    assert not any("4321" in cell for row in processes.rows for cell in row)


async def test_nothing_runs_in_a_container_that_does_not(world: World) -> None:
    container = await world.created()
    with pytest.raises(EngineRefused, match="is not running"):
        async with world.access.exec(container, ExecRequest(command=("echo",))):
            raise AssertionError("it was let in")
    with pytest.raises(EngineRefused, match="is not running"):
        await world.access.top(container)
    with pytest.raises(ContainerNotFound):
        async with world.access.exec("access-nobody", ExecRequest(command=("echo",))):
            raise AssertionError("it was let in")


async def test_processes_are_a_table(world: World) -> None:
    container = await world.started()
    table = await world.access.top(container)
    assert "PID" in table.titles
    assert table.rows
    assert all(len(row) == len(table.titles) for row in table.rows)


# ---- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_running", [True, False])
async def test_a_directory_is_listed_whether_or_not_the_container_runs(
    world: World, is_running: bool
) -> None:
    container = await (world.started() if is_running else world.created())
    await world.put(container, "/tmp/note", b"12345")
    listing = await world.access.files(container, "/tmp")
    (note,) = [entry for entry in listing.entries if entry.name == "note"]
    assert (note.kind, note.size_bytes, note.mode, note.modified_at_ms) == (FileKind.FILE, 5, 0o644, NOW_MS)
    assert listing.incomplete == ""
    root = {entry.name: entry.kind for entry in (await world.access.files(container, "/")).entries}
    assert root["tmp"] is FileKind.DIRECTORY
    with pytest.raises(PathNotFound):
        await world.access.files(container, "/nowhere")
    with pytest.raises(EngineRefused, match="not a directory"):
        await world.access.files(container, "/tmp/note")


async def test_what_was_written_is_read(world: World) -> None:
    container = await world.started()
    content = bytes(range(256)) * 1000
    await world.put(container, "/tmp/file", content)
    assert await world.read(container, "/tmp/file") == content
    async with world.access.read(container, "/tmp/file") as reading:
        assert (reading.entry.kind, reading.entry.size_bytes) == (FileKind.FILE, len(content))


async def test_a_directory_is_read_as_an_archive(world: World) -> None:
    container = await world.started()
    await world.put(container, "/tmp/inner", b"hello")
    with tarfile.open(fileobj=io.BytesIO(await world.read(container, "/tmp"))) as archive:
        (member,) = [each for each in archive if each.name.endswith("inner")]
        data = archive.extractfile(member)
        assert data is not None
        assert data.read() == b"hello"


async def test_an_archive_is_unpacked(world: World) -> None:
    container = await world.started()
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        info = tarfile.TarInfo("unpacked")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    write = FileWrite(path="/tmp", size_bytes=len(output.getvalue()), is_archive=True)
    await world.access.write(container, write, pieces(output.getvalue()), now_ms=NOW_MS)
    assert await world.read(container, "/tmp/unpacked") == b"abc"


async def test_a_file_keeps_its_mode_unless_another_is_given(world: World) -> None:
    container = await world.started()
    write = FileWrite(path="/tmp/program", size_bytes=1, mode=0o755)
    await world.access.write(container, write, pieces(b"a"), now_ms=NOW_MS)
    await world.put(container, "/tmp/program", b"b")
    assert (await world.access.stat(container, "/tmp/program")).mode == 0o755


async def test_a_file_of_another_length_than_was_said_is_refused(world: World) -> None:
    container = await world.started()
    with pytest.raises(EngineRefused, match="did not come"):
        await world.access.write(
            container, FileWrite(path="/tmp/short", size_bytes=9), pieces(b"abc"), now_ms=NOW_MS
        )
    with pytest.raises(EngineRefused, match="more than the 2 bytes"):
        await world.access.write(
            container, FileWrite(path="/tmp/long", size_bytes=2), pieces(b"abc"), now_ms=NOW_MS
        )


async def test_a_file_is_written_only_where_there_is_a_directory(world: World) -> None:
    container = await world.started()
    with pytest.raises(PathNotFound, match="no directory /nowhere"):
        await world.put(container, "/nowhere/file", b"x")
    with pytest.raises(EngineRefused, match="is a directory"):
        await world.put(container, "/tmp", b"x")
    with pytest.raises(PathNotFound):
        await world.read(container, "/tmp/nothing")


# ---- settings -----------------------------------------------------------------------------------


async def test_limits_change_at_once(world: World) -> None:
    container = await world.started()
    await world.access.update(
        container,
        LimitChanges(
            memory_bytes=64 << 20,
            memory_reservation_bytes=32 << 20,
            cpus=0.5,
            cpu_shares=512,
            pids=50,
            restart_policy="on-failure",
            restarts_max=3,
        ),
    )
    first = (await world.access.settings(container)).limits
    assert (first.memory_bytes, first.memory_reservation_bytes) == (64 << 20, 32 << 20)
    assert (first.cpus, first.cpu_shares, first.pids) == (0.5, 512, 50)
    assert (first.restart_policy, first.restarts_max) == ("on-failure", 3)
    await world.access.update(container, LimitChanges(memory_bytes=128 << 20, pids=0))
    second = (await world.access.settings(container)).limits
    assert (second.memory_bytes, second.pids, second.cpus) == (128 << 20, None, 0.5)


async def test_a_successor_differs_in_what_was_asked_for_and_in_nothing_else(world: World) -> None:
    container = await world.created(
        environment={"KEPT": "1", "CHANGED": "old", "REMOVED": "x"},
        labels={"team": "shop"},
        user="1000",
        mounts=(Mount(kind="volume", target="/data", source="access_data"),),
    )
    before = await world.access.settings(container)
    changes = ReplacementChanges(
        environment=(("CHANGED", "new"), ("REMOVED", None)),
        labels=(("tier", "web"),),
        ports=(PublishedOn(container_port=80, host_ip="127.0.0.1", host_port=18123),),
    )
    plan = await world.access.plan(container, changes)
    assert plan.refusal == ""
    assert any(each.field == "environment CHANGED" for each in plan.differences)
    assert not any("new" in each.after for each in plan.differences), "a value was told"
    await world.access.rename(container, f"{before.name}-old")
    made = await world.access.create_successor(container, changes, name=before.name)
    after = await world.access.settings(made)
    environment = (await world.engine.inspect(made)).environment
    assert (environment["KEPT"], environment["CHANGED"], "REMOVED" in environment) == ("1", "new", False)
    assert dict(after.labels) == {"team": "shop", "tier": "web"}
    assert after.ports == changes.ports
    assert (after.name, after.image, after.command) == (before.name, before.image, before.command)
    assert after.mounts == before.mounts
    assert (await world.engine.inspect(made)).user == "1000"
    assert (await world.engine.inspect(made)).state is ContainerState.CREATED


async def test_a_name_that_is_taken_is_refused(world: World) -> None:
    first, second = await world.created(), await world.created()
    with pytest.raises(EngineRefused, match="in use"):
        await world.access.rename(first, (await world.engine.inspect(second)).name)


async def test_names_that_would_mislead_are_listed_as_they_are(world: World) -> None:
    container = await world.started()
    for name in ("-n", "sp ace", "quo'te", "dollar$(id)", "ünï"):
        await world.put(container, f"/tmp/{name}", b"x")
    names = {entry.name for entry in (await world.access.files(container, "/tmp")).entries}
    assert {"-n", "sp ace", "quo'te", "dollar$(id)", "ünï"} <= names
    assert await world.read(container, "/tmp/dollar$(id)") == b"x"
