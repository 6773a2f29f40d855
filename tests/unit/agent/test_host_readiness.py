"""What a host says before something is deployed to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.docker.watcher import Inventory
from agent.follow.readiness import ReadinessDesk, RouterStanding
from agent.host.sockets import Listener, parse_listeners, read_listeners
from agent.ports import (
    Container,
    ContainerSpec,
    EngineUnavailable,
    ImageNotFound,
    PortMapping,
    PullRefused,
    PullRefusedReason,
)
from cluster.model.ids import NodeId
from cluster.model.readiness import HostQuestion, HostReadiness
from cluster.model.service import PortProtocol, PublishedPort
from tests.support.fake_clock import FakeClock
from tests.support.fake_engine import REGISTRY, FakeEngine

TCP = (
    "  sl  local_address rem_address   st tx_queue\n"
    "   0: 00000000:0050 00000000:0000 0A 00000000:00000000\n"
    "   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n"
    "   2: 0100007F:0035 0100007F:9C40 01 00000000:00000000\n"
)
TCP6 = (
    "  sl  local_address rem_address   st\n"
    "   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 0\n"
    "   1: 00000000000000000000000001000000:0CEA 00000000000000000000000000000000:0000 0A 0\n"
    "   2: 0000000000000000FFFF00000100007F:1F91 00000000000000000000000000000000:0000 0A 0\n"
)
UDP = "  sl  local_address rem_address   st\n   0: 00000000:0035 00000000:0000 07 00000000:00000000\n"


def test_listening_sockets_are_told_from_connections() -> None:
    assert parse_listeners(TCP, PortProtocol.TCP) == [
        Listener(PortProtocol.TCP, "", 80),
        Listener(PortProtocol.TCP, "127.0.0.1", 8080),
    ]


def test_addresses_of_the_sixth_version_are_read() -> None:
    assert parse_listeners(TCP6, PortProtocol.TCP) == [
        Listener(PortProtocol.TCP, "", 443),
        Listener(PortProtocol.TCP, "::1", 3306),
        Listener(PortProtocol.TCP, "127.0.0.1", 8081),
    ]


def test_a_host_without_the_sixth_version_has_fewer_tables(tmp_path: Path) -> None:
    (tmp_path / "tcp").write_text(TCP)
    (tmp_path / "udp").write_text(UDP)
    found = read_listeners(tmp_path)
    assert Listener(PortProtocol.UDP, "", 53) in found
    assert len(found) == 3


async def asked(
    question: HostQuestion,
    *,
    engine: FakeEngine | None = None,
    listeners: Callable[[], frozenset[Listener]] = frozenset,
    router: RouterStanding | None = None,
) -> HostReadiness:
    """What a host with this engine answers."""
    engine = FakeEngine() if engine is None else engine
    containers: tuple[Container, ...] = ()
    with contextlib.suppress(EngineUnavailable):
        containers = await engine.containers()
    desk = ReadinessDesk(
        node_id=NodeId("nd_1"),
        engine=engine,
        inventory=lambda: Inventory(containers=containers),
        clock=FakeClock(),
        router=lambda: router or RouterStanding(kind="haproxy"),
        listeners=listeners,
    )
    return await desk.answer(question)


async def test_an_image_that_is_here_tells_its_size_and_settings() -> None:
    engine = FakeEngine()
    engine.add_image(f"{REGISTRY}/app:1")
    answer = await asked(HostQuestion(images=(f"{REGISTRY}/app:1",)), engine=engine)
    (image,) = answer.images
    assert image.is_here
    assert not image.refusal


async def test_an_image_the_registry_does_not_have_is_refused() -> None:
    (image,) = (await asked(HostQuestion(images=(f"{REGISTRY}/none:1",)))).images
    assert image.refusal
    assert not image.unknown


@pytest.mark.parametrize(
    ("reason", "is_unknown"),
    [
        (PullRefusedReason.AUTH, False),
        (PullRefusedReason.TLS, False),
        (PullRefusedReason.UNREACHABLE, True),
        (PullRefusedReason.RATE_LIMITED, True),
    ],
)
async def test_a_registry_that_cannot_be_asked_is_no_refusal(
    reason: PullRefusedReason, is_unknown: bool
) -> None:
    engine = FakeEngine()
    image = f"{REGISTRY}/app:1"
    engine.pull_failures[image] = PullRefused("no", status=500, reason=reason)
    (answer,) = (await asked(HostQuestion(images=(image,)), engine=engine)).images
    assert (bool(answer.unknown), bool(answer.refusal)) == (is_unknown, not is_unknown)


async def test_a_port_names_the_container_that_has_it() -> None:
    engine = FakeEngine()
    engine.add_image("app:1")
    spec = ContainerSpec(
        name="other",
        image="app:1",
        labels={"tower.service": "shop.api"},
        ports=(PortMapping(container_port=80, host_port=8080),),
    )
    await engine.start(await engine.create(spec))
    ports = (PublishedPort(container_port=80, host_port=8080), PublishedPort(container_port=80, host_port=81))
    (taken,) = (await asked(HostQuestion(ports=ports), engine=engine)).taken
    assert (taken.port.host_port, taken.by, taken.service_id) == (8080, "other", "shop.api")


async def test_a_port_of_another_program_is_taken() -> None:
    listening = frozenset({Listener(PortProtocol.TCP, "", 53), Listener(PortProtocol.TCP, "127.0.0.1", 54)})
    ports = (
        PublishedPort(container_port=1, host_port=53, host_ip="192.0.2.1"),
        PublishedPort(container_port=1, host_port=54, host_ip="192.0.2.1"),
        PublishedPort(container_port=1, host_port=53, protocol=PortProtocol.UDP),
    )
    answer = await asked(HostQuestion(ports=ports), listeners=lambda: listening)
    assert [(each.port.host_port, each.by) for each in answer.taken] == [(53, "")]


async def test_ports_that_cannot_be_looked_at_are_unknown_and_not_free() -> None:
    def unreadable() -> frozenset[Listener]:
        raise PermissionError(13, "Permission denied")

    question = HostQuestion(ports=(PublishedPort(container_port=1, host_port=53),))
    answer = await asked(question, listeners=unreadable)
    assert any("which ports other programs listen on" in each for each in answer.unknown)


async def test_paths_and_addresses_that_are_not_there_are_named(tmp_path: Path) -> None:
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        answer = await asked(
            HostQuestion(
                paths=(str(tmp_path), str(tmp_path / "none")),
                addresses=(f"127.0.0.1:{port}", "127.0.0.1:1", "nonsense"),
            )
        )
    assert answer.missing_paths == (str(tmp_path / "none"),)
    assert answer.unreachable == ("127.0.0.1:1", "nonsense")


async def test_an_engine_that_does_not_answer_is_said() -> None:
    engine = FakeEngine()
    engine.go_away("the engine is down")
    answer = await asked(HostQuestion(images=("app:1",)), engine=engine)
    assert "the engine is down" in answer.engine_problem
    assert "the engine is down" in answer.images[0].unknown


async def test_the_router_s_condition_comes_along() -> None:
    answer = await asked(HostQuestion(), router=RouterStanding(kind="haproxy", problem="it is not installed"))
    assert (answer.router, answer.router_problem) == ("haproxy", "it is not installed")


async def test_an_image_that_nobody_has_is_no_failure_of_the_host() -> None:
    engine = FakeEngine()
    with pytest.raises(ImageNotFound):
        await engine.image("none:1")
    assert (await asked(HostQuestion(images=("none:1",)), engine=engine)).engine_problem == ""
