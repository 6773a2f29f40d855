"""Taking in what this host's containers write: a reader each, that goes on where the history ended.

Standard output and error come from the engine; what happened to the container comes from its events and is
a line among them. A container that floods is held to a rate, and the lines that are not kept are counted in
a line of their own. While the history cannot be written nothing is read: the engine still has it, and
reading goes on from there.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import NoReturn, Protocol, cast

from agent.clock import Clock
from agent.docker.watcher import Inventory
from agent.follow.log_tap import LogTaps
from agent.logbook.logbook import Logbook
from agent.logbook.store import StoreFailed
from agent.ports.engine import (
    Container,
    ContainerNotFound,
    ContainerState,
    EngineError,
    EngineEvent,
    EngineRefused,
    LogLine,
    LogStream,
)
from cluster.logs.events import DROPPED, KEPT, event_text, level_of_event
from cluster.logs.flood import FloodGate
from cluster.logs.levels import Levels
from cluster.logs.resuming import Resumption
from cluster.model.log_history import LineStream, LogSource

log = logging.getLogger(__name__)

OFF_LABEL = "tower.logs"
"""A container with this label at `off` is not read."""

SERVICE_LABEL = "tower.service"
REVISION_LABEL = "tower.revision"
PROJECT_LABEL = "tower.project"

FOLLOWED_MAX = 400
FIRST_TAIL = 10_000
"""Of a container that was here before its output was kept: so many of its last lines."""
EVENTS_WAITING_MAX = 1_000
ENDED_PAUSE_S = 1.0
HOUSEKEEPING_S = 5.0
MAINTENANCE_ROUNDS = 6
RETRY_MIN_S, RETRY_MAX_S = 1.0, 30.0

_RUNNING = frozenset({ContainerState.RUNNING, ContainerState.PAUSED, ContainerState.RESTARTING})


class LogEngine(Protocol):
    """What is needed of the engine."""

    def logs(
        self,
        container: str,
        *,
        tail: int | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        follow: bool = False,
    ) -> AsyncIterator[LogLine]: ...


class Inventories(Protocol):
    """What is needed of the watcher."""

    @property
    def current(self) -> Inventory: ...
    async def newer_than(self, version: int) -> Inventory: ...


class LogCollector:
    """Readers of every container, while `run` runs."""

    def __init__(
        self,
        *,
        engine: LogEngine,
        watcher: Inventories,
        logbook: Logbook,
        taps: LogTaps,
        clock: Clock,
        rng: random.Random,
        lines_per_s_max: int,
    ) -> None:
        self._engine = engine
        self._watcher = watcher
        self._logbook = logbook
        self._taps = taps
        self._clock = clock
        self._rng = rng
        self._lines_per_s_max = lines_per_s_max
        self._reading: set[str] = set()
        self._seen: set[str] = set()
        self._sources: dict[str, LogSource] = {}
        self._problems: dict[str, str] = {}
        self._last_event_ns: OrderedDict[str, int] = OrderedDict()
        self._events: OrderedDict[str, list[EngineEvent]] = OrderedDict()

    @property
    def reading(self) -> frozenset[str]:
        """Ids of the containers that are read now."""
        return frozenset(self._reading)

    @property
    def problems(self) -> dict[str, str]:
        """Why a container is not read, for people, by its id."""
        return dict(self._problems)

    async def run(self) -> NoReturn:
        """Read for ever. Only programmer errors end it."""
        pause_s = RETRY_MIN_S
        while not await self._logbook.open():
            await self._clock.sleep(pause_s)
            pause_s = min(RETRY_MAX_S, pause_s * 2)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_house(), name="logbook-housekeeping")
            version = -1
            while True:
                inventory = await self._watcher.newer_than(version)
                version = inventory.version
                for container_id in self._take_in(inventory):
                    self._reading.add(container_id)
                    tasks.create_task(self._read(container_id), name=f"logs-{container_id[:12]}")
        raise AssertionError("readers are started for ever")

    def on_event(self, event: EngineEvent) -> None:
        """Keep what happened to a container, once it is known which one that is."""
        if event.kind != "container" or event.action not in KEPT:
            return
        if event.at_ns <= self._last_event_ns.get(event.id, 0):
            return  # the engine repeats its last second when it is listened to again
        self._last_event_ns[event.id] = event.at_ns
        self._last_event_ns.move_to_end(event.id)
        while len(self._last_event_ns) > EVENTS_WAITING_MAX:
            self._last_event_ns.popitem(last=False)
        source = self._sources.get(event.id)
        if source is not None:
            self._add_event(source, event)
            return
        self._events.setdefault(event.id, []).append(event)
        while sum(map(len, self._events.values())) > EVENTS_WAITING_MAX:
            self._events.popitem(last=False)

    # ---- which containers ---------------------------------------------------------------------

    def _take_in(self, inventory: Inventory) -> list[str]:
        """Learn what there is, and return the containers that are to be read from now on."""
        if inventory.listed_at_s is None:
            return []
        present = {container.id for container in inventory.containers}
        if inventory.is_available:
            for known in (self._sources, self._problems):
                for gone in known.keys() - present:
                    del known[gone]
            self._seen &= present
        images = {image.id: image.labels for image in inventory.images}
        begin: list[str] = []
        for container in inventory.containers:
            if container.labels.get(OFF_LABEL, "").lower() == "off":
                self._problems[container.id] = f"it has the label {OFF_LABEL}=off"
                continue
            source = self._sources[container.id] = source_of(container, images.get(container.image_id))
            for event in self._events.pop(container.id, ()):
                self._add_event(source, event)
            is_first = container.id not in self._seen
            if container.id in self._reading or not (is_first or container.state in _RUNNING):
                continue
            if len(self._reading) + len(begin) >= FOLLOWED_MAX:
                self._problems[container.id] = f"{FOLLOWED_MAX} containers are read on this host already"
                continue
            self._seen.add(container.id)
            begin.append(container.id)
        return begin

    def _is_running(self, container_id: str) -> bool:
        container = self._watcher.current.container(container_id)
        return container is not None and container.state in _RUNNING

    def _may_write(self) -> bool:
        return not self._logbook.problem

    # ---- one container ------------------------------------------------------------------------

    async def _read(self, container_id: str) -> None:
        pause_s = RETRY_MIN_S
        try:
            while container_id in self._sources:
                if not self._may_write():
                    await self._clock.sleep(HOUSEKEEPING_S)
                    continue
                try:
                    self._problems.pop(container_id, None)
                    await self._read_once(container_id)
                    pause_s = RETRY_MIN_S
                except ContainerNotFound:
                    return
                except EngineRefused as error:
                    # Such as a log driver that cannot be read. It stays so for the life of the container.
                    self._problems[container_id] = str(error)
                    log.info("logs.not_readable", extra={"container": container_id, "reason": str(error)})
                    return
                except (EngineError, StoreFailed) as error:
                    self._problems[container_id] = str(error)
                    await self._clock.sleep(pause_s * self._rng.uniform(0.5, 1.0))
                    pause_s = min(RETRY_MAX_S, pause_s * 2)
                    continue
                if not self._may_write():
                    continue
                await self._logbook.flush(container_id)
                # What is listed may be a moment old: a restart ends the stream before or after it is seen.
                await self._clock.sleep(ENDED_PAUSE_S)
                if not self._is_running(container_id):
                    return
        finally:
            self._reading.discard(container_id)

    async def _read_once(self, container_id: str) -> None:
        """Read until the container ends, or the history cannot be written."""
        resumption = Resumption(await self._logbook.last_of(container_id))
        from_us = resumption.from_us
        gate = FloodGate(lines_per_s=self._lines_per_s_max)
        levels = Levels()
        lines = self._engine.logs(
            container_id,
            tail=None if from_us else FIRST_TAIL,
            since_ms=from_us // 1000 or None,
            follow=True,
        )
        async with aclosing(cast("Closable", lines)):
            async for line in lines:
                if not self._may_write():
                    return
                source = self._sources.get(container_id)
                if source is None:
                    return
                self._take(source, line, resumption, gate, levels)
                if self._logbook.is_full(container_id):
                    await self._logbook.flush(container_id)
        self._tell_dropped(container_id, gate)

    def _take(
        self, source: LogSource, line: LogLine, resumption: Resumption, gate: FloodGate, levels: Levels
    ) -> None:
        at_us = line.at_ns // 1000 if line.at_ns is not None else self._clock.now_ms() * 1000
        stream = LineStream.STDERR if line.stream is LogStream.STDERR else LineStream.STDOUT
        if not resumption.is_over and not resumption.is_new((at_us, int(stream), line.text)):
            return
        if not gate.lets_in(at_us):
            return
        if gate.dropped:
            self._tell_dropped(source.container_id, gate)
        level = levels.of(at_us, stream, line.text)
        kept = self._logbook.add(source, at_us, stream, level, line.text, is_partial=line.is_partial)
        self._taps.put(kept)

    def _tell_dropped(self, container_id: str, gate: FloodGate) -> None:
        source = self._sources.get(container_id)
        lines, from_us = gate.take_dropped()
        if lines and source is not None:
            self._put_event(source, from_us, DROPPED, {"lines": lines})

    # ---- events -------------------------------------------------------------------------------

    def _add_event(self, source: LogSource, event: EngineEvent) -> None:
        facts: dict[str, str | int] = {}
        match event.action:
            case "start":
                facts = {"image": source.image, "revision": source.revision}
            case "die":
                code = event.attributes.get("exitCode", "")
                facts = {"exit_code": int(code)} if code.isdecimal() else {}
            case "health_status":
                facts = {"health": event.detail}
            case _:
                pass
        self._put_event(source, event.at_ns // 1000, event.action, facts)

    def _put_event(self, source: LogSource, at_us: int, event: str, facts: dict[str, str | int]) -> None:
        if not self._may_write():
            return
        text = event_text(event, **facts)
        kept = self._logbook.add(source, at_us, LineStream.EVENT, level_of_event(event, facts), text)
        self._taps.put(kept)

    # ---- the store ----------------------------------------------------------------------------

    async def _keep_house(self) -> NoReturn:
        rounds = 0
        while True:
            await self._clock.sleep(HOUSEKEEPING_S)
            await self._logbook.end_idle()
            await self._logbook.flush_old()
            rounds += 1
            if rounds >= MAINTENANCE_ROUNDS or self._logbook.problem:
                rounds = 0
                try:
                    await self._logbook.maintain()
                except StoreFailed as error:
                    log.warning("logs.not_maintained", extra={"reason": str(error)})


class Closable(Protocol):
    async def aclose(self) -> None: ...


_MEMBERSHIP = (SERVICE_LABEL, PROJECT_LABEL, "com.docker.compose.project", "com.docker.compose.service")


def source_of(container: Container, image_labels: Mapping[str, str] | None) -> LogSource:
    """Return who writes, as the history remembers it; `image_labels` None: they are not known."""
    labels, compose = container.labels, container.compose
    service = labels.get(SERVICE_LABEL, "")
    revision = labels.get(REVISION_LABEL, "0")
    return LogSource(
        container_id=container.id,
        name=container.name,
        image=container.image,
        project=labels.get(PROJECT_LABEL, compose.project if compose else ""),
        service=service or (compose.service if compose else ""),
        revision=int(revision) if revision.isdigit() else 0,
        is_managed=bool(service),
        is_own_word=image_labels is not None and not any(label in image_labels for label in _MEMBERSHIP),
    )
