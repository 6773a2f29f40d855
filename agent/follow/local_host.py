"""This host's containers, as its peers and its own surfaces see them."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

from agent.clock import Clock
from agent.collect.live_window import LiveWindow, Metric, SeriesKey
from agent.docker.inspect import COMPOSE_ONE_OFF
from agent.docker.status_text import aged
from agent.docker.watcher import Inventory, InventoryWatcher
from agent.execute.adopting import found_container, is_meant
from agent.follow.engine_failures import engine_failures
from agent.follow.readiness import ReadinessDesk, RouterStanding
from agent.keeper.policy import LABEL_CLUSTER
from agent.ports.engine import (
    Container,
    ContainerEngine,
    ContainerNotFound,
    EngineRefused,
    EngineUnavailable,
    PullRefused,
    PullRefusedReason,
    RegistryAuth,
)
from cluster.model.adoption import FOUND_MAX, AdoptionQuestion, FoundContainer, HostFound
from cluster.model.ids import NodeId
from cluster.model.inventory import (
    Caller,
    ContainerAction,
    ContainerPort,
    ContainerSummary,
    HostInventory,
    HostLive,
    HostRefused,
    HostUnavailable,
    LiveSeries,
    LogLine,
    LogQuery,
)
from cluster.model.readiness import HostQuestion, HostReadiness

log = logging.getLogger(__name__)

SERVICE_LABEL = "tower.service"
REVISION_LABEL = "tower.revision"
PROJECT_LABEL = "tower.project"
ACTION_TIMEOUT_S = 60.0
LOGIN_TIMEOUT_S = 10.0
SEEN_WITHIN_S = 1.0
"""How long an action waits for the list that shows what it did."""


class LocalHost:
    """Answers for this host alone. Engine failures become HostUnavailable and HostRefused."""

    def __init__(
        self,
        *,
        node_id: NodeId,
        engine: ContainerEngine,
        watcher: InventoryWatcher,
        window: LiveWindow,
        watch: Callable[[], LiveWindow | None] = lambda: None,
        applied_index: Callable[[], int],
        router_problem: Callable[[], str],
        clock: Clock,
        login_of: Callable[[str], RegistryAuth | None] = lambda _: None,
        router: Callable[[], RouterStanding] = RouterStanding,
    ) -> None:
        self.node_id = node_id
        self._applied_index = applied_index
        self._router_problem = router_problem
        self._summarised: tuple[ContainerSummary, ...] = ()
        self._summarised_of: tuple[int, int, int] | None = None
        self._engine = engine
        self._watcher = watcher
        self._window = window
        self._watch = watch
        self._clock = clock
        self._login_of = login_of
        self._desk = ReadinessDesk(
            node_id=node_id,
            engine=engine,
            inventory=lambda: watcher.current,
            clock=clock,
            router=router,
            login_of=login_of,
        )

    def inventory(self) -> HostInventory:
        current = self._watcher.current
        listed_ago_s = current.age_s(self._clock.boottime_s()) or 0.0
        # While the engine tells of its events, what was listed is how it is now.
        age_s = 0.0 if current.is_available else listed_ago_s
        return HostInventory(
            node_id=self.node_id,
            age_ms=int(age_s * 1000),
            applied_index=self._applied_index(),
            problem=current.unavailable_reason,
            containers=self._summaries(current, listed_ago_s - age_s),
            image_count=len(current.images),
            volume_count=len(current.volumes),
            network_count=len(current.networks),
            router_problem=self._router_problem(),
        )

    def live(self) -> HostLive:
        return self._live(self._window)

    def watch(self, moments: int) -> HostLive:
        """Return the newest moments of every second, and have there be more of them for a while."""
        window = self._watch()
        return HostLive(node_id=self.node_id) if window is None else self._live(window, newest=moments)

    def _live(self, window: LiveWindow, *, newest: int | None = None) -> HostLive:
        series = window.read(newest=newest)
        return HostLive(
            node_id=self.node_id,
            times_ms=tuple(int(at) for at in series.times_ms),
            series=tuple(
                LiveSeries(
                    subject=key.subject,
                    metric=key.metric.value,
                    values=tuple(None if math.isnan(value) else round(float(value), 3) for value in row),
                )
                for key, row in zip(series.keys, series.values, strict=True)
            ),
        )

    async def act(self, container: str, action: ContainerAction, *, caller: Caller, force: bool) -> None:
        engine = self._engine
        with engine_failures(within_s=ACTION_TIMEOUT_S):
            async with asyncio.timeout(ACTION_TIMEOUT_S):
                match action:
                    case ContainerAction.START:
                        await engine.start(container)
                    case ContainerAction.STOP:
                        await engine.stop(container)
                    case ContainerAction.RESTART:
                        await engine.restart(container)
                    case ContainerAction.PAUSE:
                        await engine.pause(container)
                    case ContainerAction.UNPAUSE:
                        await engine.unpause(container)
                    case ContainerAction.KILL:
                        await engine.kill(container)
                    case ContainerAction.REMOVE:
                        await engine.remove(container, force=force)
        log.info(
            "container.acted_on",
            extra={
                "container": container,
                "action": action.value,
                "principal": caller.name,
                "request_id": caller.request_id,
            },
        )
        # Whoever asked looks at the list next, and should find there what was done.
        with suppress(TimeoutError):
            async with asyncio.timeout(SEEN_WITHIN_S):
                await self._watcher.relisted()

    async def inspect(self, container: str) -> Mapping[str, object]:
        """The engine's view as plain values, without the values of environment variables, which hold
        secrets.
        """
        with engine_failures():
            detail = await self._engine.inspect(container)
        return {
            "id": detail.id,
            "name": detail.name,
            "image": detail.image,
            "image_id": detail.image_id,
            "command": detail.command,
            "state": detail.state.value,
            "health": detail.health.value,
            "exit_code": detail.exit_code,
            "oom_killed": detail.oom_killed,
            "error": detail.error,
            "created_at_ms": detail.created_at_ms,
            "started_at_ms": detail.started_at_ms,
            "finished_at_ms": detail.finished_at_ms,
            "restart_count": detail.restart_count,
            "restart_policy": detail.restart_policy,
            "privileged": detail.privileged,
            "user": detail.user,
            "working_dir": detail.working_dir,
            "entrypoint": list(detail.entrypoint),
            "arguments": list(detail.arguments),
            "environment": sorted(detail.environment),
            "labels": dict(sorted(detail.labels.items())),
            "memory_limit_bytes": detail.memory_limit_bytes,
            "cpu_limit": detail.cpu_limit,
            "network_mode": detail.network_mode,
            "networks": [{"name": net.name, "ip_address": net.ip_address} for net in detail.networks],
            "mounts": [
                {
                    "kind": mount.kind,
                    "source": mount.source,
                    "target": mount.target,
                    "read_only": mount.read_only,
                }
                for mount in detail.mounts
            ],
            "ports": [
                {
                    "container_port": port.container_port,
                    "protocol": port.protocol,
                    "host_ip": port.host_ip,
                    "host_port": port.host_port,
                }
                for port in detail.ports
            ],
        }

    @asynccontextmanager
    async def logs(self, container: str, query: LogQuery) -> AsyncIterator[AsyncIterator[LogLine]]:
        with engine_failures():
            await self._engine.inspect(container)
        lines = self._engine.logs(
            container, tail=query.tail, since_ms=query.since_ms or None, follow=query.is_following
        )

        async def read() -> AsyncIterator[LogLine]:
            with engine_failures():
                async for line in lines:
                    yield LogLine(
                        stream=line.stream.value, at_ms=(line.at_ns or 0) // 1_000_000, text=line.text
                    )

        reading = read()
        try:
            yield reading
        finally:
            for stream in (reading, lines):
                close = getattr(stream, "aclose", None)
                if close is not None:
                    with suppress(RuntimeError):
                        await close()

    async def adoptable(self, question: AdoptionQuestion) -> HostFound:
        """What this host has of projects and containers that are to become services.

        Values of environment variables are among it, so it is for the cluster alone and shown to nobody.
        """
        found: list[FoundContainer] = []
        with engine_failures():
            for listed in await self._engine.containers():
                is_extra = listed.labels.get(COMPOSE_ONE_OFF, "").lower() == "true"
                if is_extra or LABEL_CLUSTER in listed.labels or not is_meant(listed, question.names):
                    continue
                if len(found) >= FOUND_MAX:
                    raise HostRefused(
                        f"more than {FOUND_MAX} containers are meant: name fewer", code="refused"
                    )
                try:
                    detail = await self._engine.inspect(listed.id)
                    found.append(found_container(detail, await self._engine.made_from(listed.id)))
                except ContainerNotFound:
                    continue  # it has just gone
        return HostFound(containers=tuple(found))

    async def image_digest(self, image: str) -> str:
        with engine_failures():
            return await self._engine.resolve_digest(image, auth=self._login_of(image))

    async def check_login(self, registry: str, username: str, password: str) -> str:
        """Return what the registry says to a login. Raises HostRefused when it lets nobody in with it,
        HostUnavailable when it could not be asked within LOGIN_TIMEOUT_S."""
        login = RegistryAuth(username=username, password=password, server=registry)
        try:
            async with asyncio.timeout(LOGIN_TIMEOUT_S):
                return await self._engine.check_login(login)
        except PullRefused as error:
            if error.reason is PullRefusedReason.AUTH:
                raise HostRefused(str(error), code="refused") from error
            raise HostUnavailable(str(error)) from error
        except (EngineRefused, EngineUnavailable) as error:
            raise HostUnavailable(str(error)) from error
        except TimeoutError as error:
            raise HostUnavailable(f"{registry} did not answer within {LOGIN_TIMEOUT_S:g} s") from error

    async def readiness(self, question: HostQuestion) -> HostReadiness:
        """Return how this host stands to what is about to be deployed. Bounded in time; raises nothing."""
        return await self._desk.answer(question)

    def _summaries(self, current: Inventory, listed_ago_s: float) -> tuple[ContainerSummary, ...]:
        """Return the containers, made once for all who ask within a second: a hundred take milliseconds."""
        # What they are made of: the list, the figures, and the words for whole seconds.
        of = (current.version, self._window.version, int(listed_ago_s))
        if self._summarised_of != of:
            images = {image.id: image.labels for image in current.images}
            self._summarised = tuple(
                self._summary(container, listed_ago_s, images.get(container.image_id))
                for container in current.containers
            )
            self._summarised_of = of
        return self._summarised

    def _summary(
        self, container: Container, listed_ago_s: float, image_labels: Mapping[str, str] | None
    ) -> ContainerSummary:
        labels = container.labels
        compose = container.compose
        service = labels.get(SERVICE_LABEL, "")
        revision = labels.get(REVISION_LABEL, "0")
        cpu = self._window.latest(SeriesKey(container.id, Metric.CPU_PERCENT))
        memory = self._window.latest(SeriesKey(container.id, Metric.MEMORY_BYTES))
        limit = self._window.latest(SeriesKey(container.id, Metric.MEMORY_LIMIT_BYTES))
        return ContainerSummary(
            id=container.id,
            name=container.name,
            image=container.image,
            state=container.state.value,
            status=aged(container.status, listed_ago_s),
            health=container.health.value,
            created_at_ms=container.created_at_ms,
            project=labels.get(PROJECT_LABEL, compose.project if compose else ""),
            service=service or (compose.service if compose else ""),
            revision=int(revision) if revision.isdigit() else 0,
            is_managed=bool(service),
            ports=tuple(
                ContainerPort(
                    container_port=port.container_port,
                    protocol=port.protocol,
                    host_ip=port.host_ip,
                    host_port=port.host_port or 0,
                )
                for port in container.ports
            ),
            labels=tuple(sorted(labels.items())),
            cpu_percent=None if cpu is None else round(cpu, 2),
            memory_bytes=None if memory is None else int(memory),
            memory_limit_bytes=None if not limit else int(limit),
            image_labels=labels_of_image(labels, image_labels),
        )


def labels_of_image(labels: Mapping[str, str], image: Mapping[str, str] | None) -> tuple[str, ...] | None:
    """Return which of a container's labels its image has too, by name; None while the image is not known.

    A label that was set at creation to what the image says cannot be told apart, and is among them.
    """
    if image is None:
        return None
    return tuple(sorted(key for key, value in labels.items() if image.get(key) == value))
