"""How every container of the host stands, and what happened to it since it was asked before. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

from agent.collect.lives import LifeCounts, Lives
from agent.collect.samples import ContainerStanding
from agent.ports import Container, ContainerState, EngineEvent, Health

SHORT_LIVED_MAX = 256
"""How many containers that came and went between two moments are told of."""
# What the engine adds to a container's labels in an event.
_NO_LABELS = frozenset({"name", "image", "exitCode", "signal", "execDuration", "oldName"})


class Standings:
    """Restarts and kills of containers, from the engine's lists and events and the kernel's counters.

    A container that came and went between two moments is told of when it was killed for its memory: it never
    was in a list, and everything else about it would be a new series of zeros for every short job.
    """

    def __init__(self) -> None:
        self._lives = Lives()
        self._heard_of: set[str] = set()
        self._killed: dict[str, EngineEvent] = {}

    def on_event(self, event: EngineEvent) -> None:
        """Take an event of the engine in."""
        if event.kind != "container":
            return
        match event.action:
            case "start":
                self._lives.on_start(event.id, event.at_ns // 1_000_000)
            case "oom":
                self._lives.on_oom(event.id, event.at_ns)
                if event.id in self._killed or len(self._killed) < SHORT_LIVED_MAX:
                    self._killed[event.id] = event
            case _:
                return
        self._heard_of.add(event.id)

    def on_listed(self, containers: Sequence[Container]) -> None:
        """Take the containers that exist in, and forget the others."""
        listed = {container.id for container in containers}
        # The list may be older than what was heard.
        self._lives.retain(listed | self._heard_of)
        for container in containers:
            self._lives.on_seen(container.id, has_run=container.state is not ContainerState.CREATED)

    def on_inspected(self, container_id: str, *, restart_count: int, started_at_ms: int | None) -> None:
        """Take in what the engine tells of one container."""
        self._lives.on_inspected(container_id, restart_count=restart_count, started_at_ms=started_at_ms)

    def on_read(self, container_id: str, oom_kills: int | None) -> None:
        """Take in the kernel's counter."""
        self._lives.on_read(container_id, oom_kills)

    def take(self, containers: Sequence[Container]) -> tuple[ContainerStanding, ...]:
        """Return how each container stands; what happened meanwhile begins anew."""
        standings = [
            _standing(
                self._lives.take(container.id),
                container_id=container.id,
                name=container.name,
                image=container.image,
                labels=container.labels,
                state=container.state,
                health=container.health,
            )
            for container in containers
        ]
        listed = {container.id for container in containers}
        for container_id, event in self._killed.items():
            if container_id not in listed:
                labels = {key: value for key, value in event.attributes.items() if key not in _NO_LABELS}
                standings.append(
                    _standing(
                        self._lives.take(container_id),
                        container_id=container_id,
                        name=event.name,
                        image=event.attributes.get("image", ""),
                        labels=labels,
                        state=ContainerState.EXITED,
                        health=Health.NONE,
                    )
                )
        self._killed.clear()
        self._heard_of.clear()
        return tuple(standings)


def _standing(counts: LifeCounts, *, container_id: str, **fields: object) -> ContainerStanding:
    return ContainerStanding(
        id=container_id,
        restarts=counts.restarts,
        oom_kills=counts.oom_kills,
        restarts_total=counts.restarts_total,
        oom_kills_total=counts.oom_kills_total,
        **fields,  # type: ignore[arg-type]  # the other fields
    )
