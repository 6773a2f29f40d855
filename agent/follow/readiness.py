"""What this host says before something is deployed to it. It looks, and changes nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.clock import Clock
from agent.docker.watcher import Inventory
from agent.host.sockets import Listener, read_listeners
from agent.ports import (
    Container,
    ContainerEngine,
    EngineError,
    EngineUnavailable,
    Image,
    ImageNotFound,
    PullRefused,
    PullRefusedReason,
    RegistryAuth,
)
from cluster.model.ids import NodeId
from cluster.model.readiness import HostQuestion, HostReadiness, ImageAnswer, TakenPort
from cluster.model.service import PublishedPort

ENGINE_TIMEOUT_S = 3.0
IMAGE_TIMEOUT_S = 6.0
CONNECT_TIMEOUT_S = 1.5
AT_ONCE = 4
SERVICE_LABEL = "tower.service"
_EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 (what a port is published on, not a listener)
_PROCESSORS = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm/v7", "i686": "386"}
# The registry's answer is about the image; these are about the way to it.
_PASSING = frozenset(
    {PullRefusedReason.UNREACHABLE, PullRefusedReason.RATE_LIMITED, PullRefusedReason.STALLED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterStanding:
    """Which router this host has ("" for none), and why it serves nobody, if so."""

    kind: str = ""
    problem: str = ""


class ReadinessDesk:
    """Answers `HostQuestion`s for this host. Each part has a timeout, and what fails is unknown."""

    def __init__(
        self,
        *,
        node_id: NodeId,
        engine: ContainerEngine,
        inventory: Callable[[], Inventory],
        clock: Clock,
        router: Callable[[], RouterStanding],
        login_of: Callable[[str], RegistryAuth | None] = lambda _: None,
        listeners: Callable[[], frozenset[Listener]] = read_listeners,
    ) -> None:
        self._node_id = node_id
        self._engine = engine
        self._inventory = inventory
        self._clock = clock
        self._router = router
        self._login_of = login_of
        self._listeners = listeners

    async def answer(self, question: HostQuestion) -> HostReadiness:
        """Look at everything that is asked about."""
        gate = asyncio.Semaphore(AT_ONCE)
        unknown: list[str] = []
        async with asyncio.TaskGroup() as tasks:
            images = [tasks.create_task(self._image(gate, image)) for image in question.images]
            probes = [tasks.create_task(_is_reachable(gate, address)) for address in question.addresses]
            about = tasks.create_task(self._about(unknown))
        platform, free_bytes, problem = about.result()
        standing = self._router()
        return HostReadiness(
            node_id=self._node_id,
            at_ms=self._clock.now_ms(),
            engine_problem=problem,
            platform=platform,
            free_bytes=free_bytes,
            images=tuple(task.result() for task in images),
            taken=await self._taken(question.ports, unknown),
            missing_paths=await asyncio.to_thread(_missing, question.paths),
            volumes=self._volumes(question.volumes),
            unreachable=tuple(
                address
                for address, probe in zip(question.addresses, probes, strict=True)
                if not probe.result()
            ),
            router=standing.kind,
            router_problem=standing.problem,
            unknown=tuple(unknown),
        )

    async def _about(self, unknown: list[str]) -> tuple[str, int | None, str]:
        """The engine's platform, the room for its images, and why it does not answer."""
        try:
            async with asyncio.timeout(ENGINE_TIMEOUT_S):
                info = await self._engine.info()
        except (EngineError, TimeoutError) as error:
            return "", None, str(error) or f"the engine did not answer within {ENGINE_TIMEOUT_S:g} s"
        try:
            status = await asyncio.to_thread(os.statvfs, info.root_dir)
        except OSError as error:
            unknown.append(f"how much room there is for images: {info.root_dir}: {error.strerror}")
            return _platform(info.arch), None, ""
        return _platform(info.arch), status.f_bavail * status.f_frsize, ""

    async def _image(self, gate: asyncio.Semaphore, image: str) -> ImageAnswer:
        async with gate:
            try:
                async with asyncio.timeout(IMAGE_TIMEOUT_S):
                    return await self._look_at(image)
            except TimeoutError:
                return ImageAnswer(
                    image=image, unknown=f"neither engine nor registry answered in {IMAGE_TIMEOUT_S:g} s"
                )

    async def _look_at(self, image: str) -> ImageAnswer:
        try:
            here = await self._engine.image(image)
        except ImageNotFound:
            pass
        except EngineError as error:
            return ImageAnswer(image=image, unknown=str(error))
        else:
            return _here(image, here)
        try:
            found = await self._engine.remote_image(image, auth=self._login_of(image))
        except PullRefused as error:
            if error.reason in _PASSING:
                return ImageAnswer(image=image, unknown=str(error))
            return ImageAnswer(image=image, refusal=str(error))
        except EngineUnavailable as error:
            return ImageAnswer(image=image, unknown=str(error))
        except EngineError as error:
            return ImageAnswer(image=image, refusal=str(error))
        return ImageAnswer(image=image, platforms=found.platforms)

    async def _taken(self, ports: tuple[PublishedPort, ...], unknown: list[str]) -> tuple[TakenPort, ...]:
        if not ports:
            return ()
        try:
            listeners = await asyncio.to_thread(self._listeners)
        except (OSError, ValueError) as error:
            unknown.append(f"which ports other programs listen on: {error}")
            listeners = frozenset()
        found = []
        for port in ports:
            holder = next((each for each in self._inventory().containers if _holds(each, port)), None)
            if holder is not None:
                service_id = holder.labels.get(SERVICE_LABEL, "")
                found.append(TakenPort(port=port, by=holder.name, service_id=service_id))
            elif any(_listens(each, port) for each in listeners):
                found.append(TakenPort(port=port))
        return tuple(found)

    def _volumes(self, names: tuple[str, ...]) -> tuple[str, ...]:
        there = {volume.name for volume in self._inventory().volumes}
        return tuple(name for name in names if name in there)


def _here(image: str, found: Image) -> ImageAnswer:
    return ImageAnswer(
        image=image,
        is_here=True,
        platforms=(found.platform,) if found.platform else (),
        size_bytes=found.size_bytes,
        config=found.config,
    )


def _platform(arch: str) -> str:
    """The engine's processor by the name that images have for it."""
    return f"linux/{_PROCESSORS.get(arch, arch)}" if arch else ""


def _holds(container: Container, port: PublishedPort) -> bool:
    return container.state.has_processes and any(
        mapping.host_port == port.host_port
        and mapping.protocol == port.protocol.value
        and _meet(mapping.host_ip, port.host_ip)
        for mapping in container.ports
    )


def _listens(listener: Listener, port: PublishedPort) -> bool:
    return (
        listener.port == port.host_port
        and listener.protocol is port.protocol
        and _meet(listener.address, port.host_ip)
    )


def _meet(one: str, other: str) -> bool:
    return one == other or bool(_EVERY_ADDRESS & {one, other})


def _missing(paths: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(path for path in paths if not Path(path).exists())


async def _is_reachable(gate: asyncio.Semaphore, address: str) -> bool:
    host, _, port = address.rpartition(":")
    async with gate:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except (OSError, TimeoutError, ValueError):
            return False
    writer.close()
    return True
