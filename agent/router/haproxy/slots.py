"""Which replica is in which slot of a backend, and what it may do there. Pure book-keeping."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from agent.ports import Endpoint


class SlotState(StrEnum):
    """What was last asked of HAProxy for a slot."""

    FREE = "free"
    ADMITTED = "admitted"
    READY = "ready"
    DRAINING = "draining"


@dataclass(slots=True)
class Slot:
    """One server of a backend. `endpoint` is None while it is free; `is_idle` once it was drained empty.

    `revision` is the one that requests of this server count for: of its endpoint, or the last that it had.
    """

    number: int
    endpoint: Endpoint | None = None
    state: SlotState = SlotState.FREE
    is_idle: bool = False
    revision: int = 0


class BackendSlots:
    """The slots of one backend. The lowest free one is taken next, so that equal histories are equal."""

    def __init__(self, count: int) -> None:
        self._slots = [Slot(number) for number in range(1, count + 1)]

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots)

    def __len__(self) -> int:
        return len(self._slots)

    def at(self, number: int) -> Slot:
        return self._slots[number - 1]

    def grow(self, count: int) -> None:
        """Have at least `count` slots; those in use stay."""
        self._slots += [Slot(number) for number in range(len(self._slots) + 1, count + 1)]

    def find(self, replica: str) -> Slot | None:
        for slot in self._slots:
            if slot.endpoint is not None and slot.endpoint.replica == replica:
                return slot
        return None

    def free(self) -> Iterator[Slot]:
        return (slot for slot in self._slots if slot.endpoint is None)

    def occupied(self) -> Iterator[Slot]:
        return (slot for slot in self._slots if slot.endpoint is not None)

    def take(self, slot: Slot, endpoint: Endpoint, state: SlotState) -> None:
        assert slot.endpoint is None
        slot.endpoint = endpoint
        slot.state = state
        slot.revision = endpoint.revision

    def release(self, slot: Slot) -> None:
        slot.endpoint = None
        slot.state = SlotState.FREE
        slot.is_idle = False
