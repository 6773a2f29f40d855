"""What every `ContainerEngine` promises: the same tests against the fake and a real Docker Engine."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass

import pytest

from agent.docker.engine import DockerEngine
from agent.ports import (
    ContainerEngine,
    ContainerNotFound,
    ContainerSpec,
    ContainerState,
    EngineEvent,
    EngineRefused,
    Health,
    HealthCheck,
    ImageNotFound,
    LogStream,
    Mount,
    NameConflict,
    PortMapping,
    PortTaken,
    PullProgress,
    PullRefused,
    PullRefusedReason,
    RegistryAuth,
)
from tests.support.fake_engine import REGISTRY, FakeEngine
from tests.support.lab import Lab, lab

__all__ = ["lab"]

IMAGE = "demo/busybox:1"
PATIENCE_S = 20.0

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class World:
    """An engine whose host has IMAGE, and whose registry has it too."""

    engine: ContainerEngine
    registry: str
    digest: str

    def spec(self, *script: str, name: str = "", **fields: object) -> ContainerSpec:
        """A container of its own name that runs the statements, then sleeps."""
        command = ("sh", "-c", "; ".join((*script, "sleep 600")))
        return ContainerSpec(
            name=name or f"contract-{next(_numbers)}",
            image=IMAGE,
            command=command,
            **fields,  # type: ignore[arg-type]  # fields of ContainerSpec
        )

    async def started(self, *script: str, **fields: object) -> str:
        container = await self.engine.create(self.spec(*script, **fields))
        await self.engine.start(container)
        return container

    async def until(self, container: str, state: ContainerState) -> None:
        """Wait for the event after which the container is in `state`."""
        async with asyncio.timeout(PATIENCE_S), aclosing(self.engine.events(since_ms=1)) as events:
            if (await self.engine.inspect(container)).state is state:
                return
            async for event in events:
                if event.id == container and (await self.engine.inspect(container)).state is state:
                    return


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.lab)])
def world_of(request: pytest.FixtureRequest) -> Iterator[Callable[[], Awaitable[World]]]:
    if request.param == "fake":

        async def fake() -> World:
            engine = FakeEngine()
            engine.add_image(IMAGE)
            engine.publish(IMAGE)
            return World(engine, REGISTRY, await engine.resolve_digest(IMAGE))

        yield fake
        return
    hosts: Lab = request.getfixturevalue("lab")

    async def docker() -> World:
        engine = DockerEngine(str(hosts.host("h1").docker_socket))
        await engine.pull(IMAGE)
        return World(engine, "registry:5000", hosts.registry.digest_of(IMAGE))

    yield docker


@pytest.fixture
async def world(world_of: Callable[[], Awaitable[World]]) -> AsyncIterator[World]:
    made = await world_of()
    yield made
    for container in await made.engine.containers():
        await made.engine.remove(container.id, force=True, volumes=True)
    await made.engine.close()


async def test_what_a_container_was_made_from_reads_back(world: World) -> None:
    await world.engine.ensure_network("contract-net", labels={})
    asked = world.spec(
        name="contract-made-from",
        environment={"LEVEL": "info"},
        labels={"team": "shop"},
        networks={"contract-net": ("web",)},
        mounts=(Mount(kind="volume", target="/data", source="contract_data"),),
        user="1000",
        working_dir="/data",
        stop_signal="SIGINT",
        stop_grace_s=3,
        restart_policy="unless-stopped",
        memory_limit_bytes=64 * 1024 * 1024,
        cpu_limit=0.5,
        pids_limit=50,
        cap_drop=("NET_RAW",),
        extra_hosts=("db:192.0.2.9",),
        ports=(PortMapping(container_port=8080, host_ip="127.0.0.1", host_port=18099),),
    )
    container = await world.engine.create(asked)
    made = await world.engine.made_from(container)
    assert made.spec == asked
    assert made.lost == ()
    assert made.image_id == (await world.engine.inspect(container)).image_id
    with pytest.raises(ContainerNotFound):
        await world.engine.made_from("contract-nobody")


# ---- what there is ------------------------------------------------------------------------------


async def test_an_engine_says_what_it_is(world: World) -> None:
    info = await world.engine.info()
    assert info.api_version >= "1.41"
    assert info.version
    assert info.root_dir.startswith("/")


async def test_a_container_is_listed_with_what_it_was_made_of(world: World) -> None:
    labels = {
        "com.docker.compose.project": "shop",
        "com.docker.compose.service": "web",
        "com.docker.compose.container-number": "2",
        "tower.service": "web",
    }
    made = await world.started(
        labels=labels,
        ports=(PortMapping(container_port=80, host_port=0),),
        mounts=(Mount(kind="volume", source="contract-data", target="/data"),),
    )
    [listed] = [each for each in await world.engine.containers() if each.id == made]
    assert listed.state is ContainerState.RUNNING
    assert listed.image == IMAGE
    assert labels.items() <= listed.labels.items()
    assert listed.compose is not None
    assert (listed.compose.project, listed.compose.service, listed.compose.number) == ("shop", "web", 2)
    assert [(mount.source, mount.target) for mount in listed.mounts] == [("contract-data", "/data")]
    assert {port.container_port for port in listed.ports} == {80}
    assert all(port.host_port is not None and port.host_port > 1024 for port in listed.ports)
    assert "contract-data" in [volume.name for volume in await world.engine.volumes()]


async def test_a_container_has_what_was_asked_for(world: World) -> None:
    spec = world.spec(
        environment={"MODE": "prod"},
        hostname="h",
        user="0",
        working_dir="/tmp",
        stop_signal="SIGINT",
        stop_grace_s=3,
        restart_policy="no",
        memory_limit_bytes=64 << 20,
        cpu_limit=0.5,
        pids_limit=50,
    )
    detail = await world.engine.inspect(await world.engine.create(spec))
    assert detail.name == spec.name
    assert detail.arguments == spec.command
    assert detail.environment["MODE"] == "prod"
    assert (detail.hostname, detail.user, detail.working_dir) == ("h", "0", "/tmp")
    assert (detail.stop_signal, detail.stop_grace_s, detail.restart_policy) == ("SIGINT", 3, "no")
    assert (detail.memory_limit_bytes, detail.cpu_limit, detail.pids_limit) == (64 << 20, 0.5, 50)


async def test_an_image_is_found_by_its_name_its_id_and_not_otherwise(world: World) -> None:
    image = await world.engine.image(IMAGE)
    assert IMAGE in image.tags
    assert (await world.engine.image(image.id)).id == image.id
    assert image.id in [each.id for each in await world.engine.images()]
    with pytest.raises(ImageNotFound):
        await world.engine.image("demo/nothing:1")


# ---- the life of a container --------------------------------------------------------------------


async def test_a_container_lives_from_creation_to_removal(world: World) -> None:
    engine = world.engine
    container = await engine.create(world.spec())
    assert (await engine.inspect(container)).state is ContainerState.CREATED
    await engine.start(container)
    running = await engine.inspect(container)
    assert running.state is ContainerState.RUNNING
    assert running.pid > 0
    assert running.started_at_ms is not None
    await engine.stop(container, grace_s=0)
    stopped = await engine.inspect(container)
    assert (stopped.state, stopped.exit_code, stopped.pid) == (ContainerState.EXITED, 137, 0)
    await engine.restart(container, grace_s=0)
    assert (await engine.inspect(container)).state is ContainerState.RUNNING
    await engine.remove(container, force=True)
    with pytest.raises(ContainerNotFound):
        await engine.inspect(container)


async def test_asking_for_a_state_twice_is_as_good_as_once(world: World) -> None:
    engine = world.engine
    container = await engine.create(world.spec())
    for step in (
        engine.start,
        engine.pause,
        engine.unpause,
        lambda each: engine.stop(each, grace_s=0),
        engine.remove,
    ):
        await step(container)
        await step(container)
    assert container not in [each.id for each in await engine.containers()]


async def test_a_program_that_ends_leaves_its_exit_code(world: World) -> None:
    container = await world.started("echo bye", "exit 3")
    await world.until(container, ContainerState.EXITED)
    assert (await world.engine.inspect(container)).exit_code == 3


async def test_a_paused_container_says_so(world: World) -> None:
    container = await world.started()
    await world.engine.pause(container)
    assert (await world.engine.inspect(container)).state is ContainerState.PAUSED


async def test_a_killed_container_ends_and_a_stopped_one_cannot_be_killed(world: World) -> None:
    container = await world.started()
    await world.engine.kill(container)
    await world.until(container, ContainerState.EXITED)
    with pytest.raises(EngineRefused) as refused:
        await world.engine.kill(container)
    assert refused.value.status == 409


async def test_a_running_container_is_removed_only_by_force(world: World) -> None:
    container = await world.started()
    with pytest.raises(EngineRefused):
        await world.engine.remove(container)
    await world.engine.remove(container, force=True)
    assert container not in [each.id for each in await world.engine.containers()]


async def test_a_name_in_use_is_refused_with_the_container_that_has_it(world: World) -> None:
    spec = world.spec(labels={"tower.revision": "1"})
    first = await world.engine.create(spec)
    with pytest.raises(NameConflict) as conflict:
        await world.engine.create(spec)
    assert conflict.value.existing.id == first
    assert conflict.value.existing.labels["tower.revision"] == "1"


async def test_a_container_of_an_absent_image_is_refused(world: World) -> None:
    with pytest.raises(ImageNotFound):
        await world.engine.create(ContainerSpec(name="contract-absent", image="demo/absent:1"))


async def test_a_port_in_use_is_named(world: World) -> None:
    ports = (PortMapping(container_port=80, host_port=18_080),)
    await world.started(ports=ports)
    second = await world.engine.create(world.spec(ports=ports))
    with pytest.raises(PortTaken) as taken:
        await world.engine.start(second)
    assert taken.value.port == 18_080
    assert "18080" in str(taken.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda engine, name: engine.inspect(name),
        lambda engine, name: engine.start(name),
        lambda engine, name: engine.stop(name),
        lambda engine, name: engine.restart(name),
        lambda engine, name: engine.pause(name),
        lambda engine, name: engine.unpause(name),
        lambda engine, name: engine.kill(name),
        lambda engine, name: engine.usage(name),
        lambda engine, name: anext(engine.logs(name)),
    ],
    ids=["inspect", "start", "stop", "restart", "pause", "unpause", "kill", "usage", "logs"],
)
@pytest.mark.parametrize("name", ["nobody", "../../version", "a b", ""])
async def test_a_container_that_does_not_exist_is_not_found(
    world: World, call: Callable[[ContainerEngine, str], Awaitable[object]], name: str
) -> None:
    with pytest.raises(ContainerNotFound):
        await call(world.engine, name)


async def test_names_that_cannot_be_names_are_refused(world: World) -> None:
    for name in ("", "../x", "a b", "-x", "x" * 300):
        with pytest.raises(EngineRefused):
            await world.engine.create(ContainerSpec(name=name, image=IMAGE))
        with pytest.raises(EngineRefused):
            await world.engine.ensure_network(name, labels={})


async def test_many_who_need_a_network_at_once_get_the_same_one(world: World) -> None:
    made = await asyncio.gather(*(world.engine.ensure_network("contract-net", labels={}) for _ in range(8)))
    listed = [network.id for network in await world.engine.networks() if network.name == "contract-net"]
    assert set(made) == set(listed)
    assert len(listed) == 1


async def test_a_network_is_made_once_and_containers_are_in_all_of_theirs(world: World) -> None:
    engine = world.engine
    labels = {"com.docker.compose.project": "shop"}
    front = await engine.ensure_network("contract-front", labels=labels)
    assert await engine.ensure_network("contract-front", labels=labels) == front
    await engine.ensure_network("contract-back", labels=labels)
    container = await world.started(networks={"contract-front": ("web",), "contract-back": ()})
    detail = await engine.inspect(container)
    assert [network.name for network in detail.networks] == ["contract-back", "contract-front"]
    assert all(network.ip_address for network in detail.networks)
    [listed] = [network for network in await engine.networks() if network.name == "contract-front"]
    assert listed.compose_project == "shop"


async def test_a_health_check_reports_health(world: World) -> None:
    check = HealthCheck(test=("CMD", "true"), interval_s=0.2, timeout_s=5, retries=1)
    container = await world.engine.create(world.spec(health_check=check))
    async with aclosing(world.engine.events(since_ms=1)) as events, asyncio.timeout(PATIENCE_S):
        await world.engine.start(container)
        event = await _first(events, lambda e: e.id == container and e.action == "health_status")
    assert event.detail == "healthy"
    [listed] = [each for each in await world.engine.containers() if each.id == container]
    assert listed.health is Health.HEALTHY


# ---- logs and events ----------------------------------------------------------------------------


async def test_logs_keep_the_two_streams_apart(world: World) -> None:
    container = await world.started("echo out", "echo err >&2", "exit 0")
    await world.until(container, ContainerState.EXITED)
    lines = [line async for line in world.engine.logs(container)]
    assert {(line.stream, line.text) for line in lines} == {
        (LogStream.STDOUT, "out"),
        (LogStream.STDERR, "err"),
    }
    assert all(line.at_ns is not None for line in lines)


async def test_logs_can_be_cut_to_the_last_lines(world: World) -> None:
    container = await world.started("echo one", "echo two", "echo three", "exit 0")
    await world.until(container, ContainerState.EXITED)
    assert [line.text async for line in world.engine.logs(container, tail=2)] == ["two", "three"]
    assert [line.text async for line in world.engine.logs(container, tail=0)] == []


async def test_logs_can_begin_and_end_at_a_moment(world: World) -> None:
    container = await world.started("echo one", "exit 0")
    await world.until(container, ContainerState.EXITED)
    [line] = [line async for line in world.engine.logs(container)]
    assert line.at_ns is not None
    at_ms = line.at_ns // 1_000_000
    assert [each async for each in world.engine.logs(container, since_ms=at_ms + 1000)] == []
    assert [each async for each in world.engine.logs(container, until_ms=at_ms - 1000)] == []
    assert [each async for each in world.engine.logs(container, since_ms=at_ms)] == [line]


async def test_following_a_log_ends_with_the_container(world: World) -> None:
    container = await world.started("echo ready")
    seen = []
    async with asyncio.timeout(PATIENCE_S):
        async for line in world.engine.logs(container, follow=True):
            seen.append(line.text)
            await world.engine.kill(container)
    assert seen == ["ready"]


async def test_a_followed_log_can_be_let_go(world: World) -> None:
    container = await world.started("echo ready")
    async with asyncio.timeout(PATIENCE_S), aclosing(world.engine.logs(container, follow=True)) as lines:
        assert (await anext(lines)).text == "ready"
    assert (await world.engine.inspect(container)).state is ContainerState.RUNNING


async def test_events_tell_of_a_containers_life(world: World) -> None:
    async with aclosing(world.engine.events(since_ms=1)) as events, asyncio.timeout(PATIENCE_S):
        container = await world.started(labels={"tower.service": "web"})
        await world.engine.remove(container, force=True)
        told = [await _first(events, lambda e: e.id == container)]
        while told[-1].action != "destroy":
            told.append(await _first(events, lambda e: e.id == container))
    actions = [event.action for event in told]
    assert [action for action in actions if action in ("create", "start", "die", "destroy")] == [
        "create",
        "start",
        "die",
        "destroy",
    ]
    assert told[0].kind == "container"
    assert told[0].attributes["tower.service"] == "web"
    assert not any(action.startswith("exec") for action in actions)


async def _first(events: AsyncIterator[EngineEvent], wanted: Callable[[EngineEvent], bool]) -> EngineEvent:
    async for event in events:
        if wanted(event):
            return event
    raise AssertionError("the events ended")


# ---- images from a registry ---------------------------------------------------------------------


async def test_a_pull_says_how_far_it_is_and_returns_the_image(world: World) -> None:
    progress: list[PullProgress] = []
    image = await world.engine.pull(IMAGE, on_progress=progress.append)
    assert IMAGE in image.tags
    assert progress
    assert world.digest in [digest.partition("@")[2] for digest in image.digests]


async def test_an_image_can_be_pulled_by_its_digest(world: World) -> None:
    repository = IMAGE.partition(":")[0]
    image = await world.engine.pull(f"{repository}@{world.digest}")
    assert f"{repository}@{world.digest}" in image.digests


async def test_a_tag_the_registry_does_not_have_is_not_found(world: World) -> None:
    for ask in (world.engine.pull, world.engine.resolve_digest):
        with pytest.raises(ImageNotFound) as missing:
            await ask(f"{world.registry}/demo/busybox:none")
        assert "demo/busybox:none" in str(missing.value)


async def test_a_registry_tells_of_an_image_that_is_not_here(world: World) -> None:
    found = await world.engine.remote_image(f"{world.registry}/{IMAGE}")
    repository = f"{world.registry}/{IMAGE}".rpartition(":")[0]
    pinned = await world.engine.remote_image(f"{repository}@{world.digest}")
    assert found == pinned
    assert found.digest == world.digest
    with pytest.raises(ImageNotFound):
        await world.engine.remote_image(f"{repository}@sha256:{'0' * 64}")


async def test_a_registry_that_is_not_there_is_no_wrong_password(world: World) -> None:
    login = RegistryAuth(username="ci", password="s3cret-word", server="127.0.0.1:9")
    with pytest.raises(PullRefused) as tried:
        await world.engine.check_login(login)
    assert tried.value.reason is PullRefusedReason.UNREACHABLE
    assert "s3cret-word" not in str(tried.value)


async def test_an_image_that_is_here_says_what_its_containers_are_started_with(world: World) -> None:
    image = await world.engine.pull(f"{world.registry}/{IMAGE}")
    found = await world.engine.image(image.id)
    assert found.config is not None
    assert found.config.command or found.config.entrypoint


async def test_the_digest_of_a_reference_is_asked_of_its_registry(world: World) -> None:
    assert await world.engine.resolve_digest(f"{world.registry}/{IMAGE}") == world.digest
    assert await world.engine.resolve_digest(IMAGE) == world.digest
    repository = IMAGE.partition(":")[0]
    assert await world.engine.resolve_digest(f"{repository}@{world.digest}") == world.digest


async def test_a_registry_that_does_not_answer_is_named_as_the_reason(world: World) -> None:
    with pytest.raises(PullRefused) as refused:
        await world.engine.pull("127.0.0.1:5999/demo/busybox:1")
    assert refused.value.reason is PullRefusedReason.UNREACHABLE


async def test_an_image_for_another_platform_is_refused(world: World) -> None:
    with pytest.raises(PullRefused) as refused:
        await world.engine.pull(IMAGE, platform="linux/s390x")
    assert refused.value.reason is PullRefusedReason.PLATFORM


async def test_a_text_that_is_no_reference_is_not_found(world: World) -> None:
    for text in ("", "UPPER/case", "a/../../version", "a b", "x:" + "t" * 200):
        with pytest.raises(ImageNotFound):
            await world.engine.pull(text)


# ---- figures ------------------------------------------------------------------------------------


async def test_a_running_container_has_figures_and_a_stopped_one_has_none(world: World) -> None:
    container = await world.started(memory_limit_bytes=64 << 20)
    usage = await world.engine.usage(container)
    assert usage.cpu_ns is not None
    assert usage.cpu_ns > 0
    assert usage.memory_bytes is not None
    assert usage.memory_limit_bytes == 64 << 20
    await world.engine.stop(container, grace_s=0)
    assert (await world.engine.usage(container)).cpu_ns is None
