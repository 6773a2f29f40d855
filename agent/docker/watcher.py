"""What runs on this host, kept current: list, listen, list again.

The loop: negotiate, list everything, then follow the engine's events and list again what they
touch, a short while after the first so that a burst costs one list. An engine (20.10) tells of a
container's end before its lists show it, by as long as cleaning up takes: until they do, they are
asked again. Everything is listed again every minute, should an event have been missed. When the
engine goes away the last lists stay, marked as such, and the loop tries again with growing, jittered
pauses: that is a state, not an error.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn

from agent.clock import Clock
from agent.ports import (
    Container,
    ContainerEngine,
    EngineError,
    EngineEvent,
    EngineInfo,
    EngineUnavailable,
    Image,
    Network,
    Volume,
)

log = logging.getLogger(__name__)

_KINDS = frozenset({"container", "image", "volume", "network"})
# What else may have changed when one kind did. The number of containers is in the engine's facts,
# but those are refreshed with the full list only.
_TOUCHES = {
    "container": frozenset({"container"}),
    "image": frozenset({"image"}),
    "volume": frozenset({"volume"}),
    # A container's addresses change with its networks.
    "network": frozenset({"network", "container"}),
    "daemon": _KINDS,
}

_PAUSE_MAX_S = 2.0
"""The longest time between an event and the list that shows it begins."""
_END_SHOWN_WITHIN_S = 60.0
"""How long a list is doubted that shows a container running whose end was told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Everything on this host's engine at one moment.

    `version` grows with every change of this value. While the engine is away the lists are those
    last seen, `unavailable_reason` says why, and `listed_at_s` (CLOCK_BOOTTIME) how old they are;
    it is None before the first list.
    """

    version: int = 0
    engine: EngineInfo | None = None
    containers: tuple[Container, ...] = ()
    images: tuple[Image, ...] = ()
    volumes: tuple[Volume, ...] = ()
    networks: tuple[Network, ...] = ()
    listed_at_s: float | None = None
    unavailable_reason: str = "not connected yet"

    @property
    def is_available(self) -> bool:
        """Whether the engine answered last."""
        return not self.unavailable_reason

    def age_s(self, now_s: float) -> float | None:
        """Return how long ago the lists were made, given CLOCK_BOOTTIME's `now_s`."""
        return None if self.listed_at_s is None else max(0.0, now_s - self.listed_at_s)

    def container(self, id_or_name: str) -> Container | None:
        """Return the container of that id, name, or unambiguous start (12 digits or more) of an id."""
        for container in self.containers:
            if id_or_name in (container.id, container.name):
                return container
        if len(id_or_name) < 12:
            return None
        matching = [container for container in self.containers if container.id.startswith(id_or_name)]
        return matching[0] if len(matching) == 1 else None


Listener = Callable[[Inventory], None]
EventListener = Callable[[EngineEvent], None]


class InventoryWatcher:
    """Keeps `current` up to date while `run` runs, and tells listeners of every change.

    Listeners are called on the loop and must return at once.
    """

    def __init__(
        self,
        engine: ContainerEngine,
        clock: Clock,
        rng: random.Random,
        *,
        relist_interval_s: float = 60.0,
        debounce_s: float = 0.1,
        backoff_min_s: float = 0.5,
        backoff_max_s: float = 15.0,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._rng = rng
        self._relist_interval_s = relist_interval_s
        self._debounce_s = debounce_s
        self._backoff_min_s = backoff_min_s
        self._backoff_max_s = backoff_max_s
        self._current = Inventory()
        self._listeners: list[Listener] = []
        self._event_listeners: list[EventListener] = []
        self._changed = asyncio.Event()
        self._dirty: set[str] = set()
        self._is_dirty = asyncio.Event()
        self._ended_at_s: dict[str, float] = {}
        """When the end of a container was told (monotonic) that no list shows yet, by its id."""

    @property
    def current(self) -> Inventory:
        """The latest inventory; replaced, never changed."""
        return self._current

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each new inventory; call the returned function to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def subscribe_events(self, listener: EventListener) -> Callable[[], None]:
        """Call `listener` with each event of the engine; call the returned function to stop that."""
        self._event_listeners.append(listener)
        return lambda: self._event_listeners.remove(listener)

    async def newer_than(self, version: int) -> Inventory:
        """Return an inventory newer than `version`, waiting for one if need be."""
        while self._current.version <= version:
            await self._changed.wait()
        return self._current

    async def until_available(self) -> None:
        """Return once the engine answers."""
        while not self._current.is_available:
            await self._changed.wait()

    def refresh(self) -> None:
        """List everything soon, as after a change of our own that should be seen without delay."""
        self._mark_dirty(_KINDS)

    async def relisted(self) -> None:
        """Return once everything was listed from now on, so that what was done before is in `current`."""
        asked_at_s = self._clock.boottime_s()
        self.refresh()
        while (self._current.listed_at_s or 0.0) < asked_at_s:
            await self._changed.wait()

    async def run(self) -> NoReturn:
        """Watch for ever. Only a failure that is not the engine's ends it."""
        failures = 0
        while True:
            connected_at_s = self._clock.monotonic_s()
            error = await self._watch_until_failure()
            # An engine that worked for a while starts anew; one that fails at once is waited for.
            if self._clock.monotonic_s() - connected_at_s > self._backoff_max_s:
                failures = 0
            self._publish_unavailable(error)
            ceiling_s = min(self._backoff_max_s, self._backoff_min_s * 2.0 ** min(failures, 16))
            failures += 1
            await self._clock.sleep(ceiling_s * self._rng.uniform(0.5, 1.0))

    async def _watch_until_failure(self) -> EngineError:
        try:
            # The stream starts in the past, so what happens during the list is not lost.
            since_ms = self._clock.now_ms() - 1000
            await self._list(_KINDS)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow_events(since_ms), name="engine-events")
                group.create_task(self._relist(), name="engine-relist")
        except EngineError as error:
            return error
        except BaseExceptionGroup as group_error:
            failures, others = group_error.split(EngineError)
            if others is not None or failures is None:
                raise
            return _first(failures)
        raise AssertionError("the tasks of a watch end only by failing")

    async def _follow_events(self, since_ms: int) -> NoReturn:
        async for event in self._engine.events(since_ms=since_ms):
            for listener in tuple(self._event_listeners):
                listener(event)
            self._note_end(event)
            self._mark_dirty(_TOUCHES.get(event.kind, frozenset()))
        raise EngineUnavailable("Docker ended its event stream")

    async def _relist(self) -> NoReturn:
        pause_s = late_s = self._debounce_s
        while True:
            woken = await self._clock.wait(self._is_dirty, self._relist_interval_s)
            if woken:
                await self._clock.sleep(pause_s)
            kinds = frozenset(self._dirty) if woken else _KINDS
            self._dirty.clear()
            self._is_dirty.clear()
            started_s = self._clock.monotonic_s()
            await self._list(kinds)
            # Listing takes a tenth of the time unless it is slow: what runs is not to be told of too late.
            listing_s = self._clock.monotonic_s() - started_s
            pause_s = max(self._debounce_s, min(9 * listing_s, _PAUSE_MAX_S))
            if self._is_an_end_unseen():
                pause_s = max(pause_s, late_s)
                late_s = min(2 * late_s, _PAUSE_MAX_S)
                self._mark_dirty(_TOUCHES["container"])
            else:
                late_s = self._debounce_s

    def _note_end(self, event: EngineEvent) -> None:
        if event.kind != "container":
            return
        if event.action == "die":
            self._ended_at_s[event.id] = self._clock.monotonic_s()
        elif event.action in ("start", "destroy"):
            self._ended_at_s.pop(event.id, None)

    def _is_an_end_unseen(self) -> bool:
        if not self._ended_at_s:
            return False
        oldest_s = self._clock.monotonic_s() - _END_SHOWN_WITHIN_S
        running = {each.id for each in self._current.containers if each.state.has_processes}
        self._ended_at_s = {
            id_: at_s for id_, at_s in self._ended_at_s.items() if id_ in running and at_s > oldest_s
        }
        return bool(self._ended_at_s)

    async def _list(self, kinds: frozenset[str]) -> None:
        listed_at_s = self._clock.boottime_s()
        fresh = replace(self._current, listed_at_s=listed_at_s, unavailable_reason="")
        if kinds == _KINDS:
            fresh = replace(fresh, engine=await self._engine.info())
        if "container" in kinds:
            fresh = replace(fresh, containers=await self._engine.containers())
        if "image" in kinds:
            fresh = replace(fresh, images=await self._engine.images())
        if "volume" in kinds:
            fresh = replace(fresh, volumes=await self._engine.volumes())
        if "network" in kinds:
            fresh = replace(fresh, networks=await self._engine.networks())
        if not self._current.is_available and fresh.engine is not None:
            log.info(
                "engine.available",
                extra={
                    "engine_version": fresh.engine.version,
                    "api_version": fresh.engine.api_version,
                    "containers": len(fresh.containers),
                },
            )
        self._publish(fresh)

    def _publish_unavailable(self, error: EngineError) -> None:
        reason = str(error)
        if self._current.unavailable_reason == reason:
            return
        if self._current.is_available or self._current.version == 0:
            log.warning("engine.unavailable", extra={"reason": reason})
        self._publish(replace(self._current, unavailable_reason=reason))

    def _publish(self, inventory: Inventory) -> None:
        self._current = replace(inventory, version=self._current.version + 1)
        self._changed.set()
        self._changed = asyncio.Event()
        for listener in tuple(self._listeners):
            listener(self._current)

    def _mark_dirty(self, kinds: frozenset[str]) -> None:
        if kinds:
            self._dirty |= kinds
            self._is_dirty.set()


def _first(group: BaseExceptionGroup[EngineError]) -> EngineError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, EngineError)
    return error
