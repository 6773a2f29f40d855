"""From the copies there are to the copies there should be, a bounded number at a time.

What becomes of each slot's candidate was decided before (`cluster.rollout.steps` during a rollout,
`cluster.rollout.upkeep` otherwise); here the others make room for it, and slots without one get one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from cluster.model.ids import NodeId
from cluster.model.service import Assignment, AssignmentKey, DesiredState
from cluster.model.strategy import Colour
from cluster.rollout.limits import Limits
from cluster.rollout.plan import Plan
from cluster.rollout.slots import Slot
from cluster.rollout.view import (
    ChooseHost,
    NoHost,
    Occupying,
    ServiceView,
    WantedReplica,
    is_healthy,
    is_removal_confirmed,
)

STARTS_MAX = 64
"""Most replicas one decision starts: a command has a size limit, and placing takes time."""


@dataclass(slots=True)
class Judged:
    """A slot after its candidate was judged; one that was given up is among `slot.removed` now.

    `is_proven`: the candidate may take over, because it serves, every router knows it, and it lasted.
    `is_given_up`: without a candidate it stays as it is, none is started. `started_on` is where a new
    candidate was ordered in this decision.
    """

    slot: Slot
    is_proven: bool = False
    is_given_up: bool = False
    started_on: NodeId | None = None

    @property
    def node_id(self) -> NodeId | None:
        """The candidate's host."""
        return self.started_on if self.slot.candidate is None else self.slot.candidate.node_id


RetryAt: TypeAlias = Callable[[Slot, bool], int]
"""When a slot without a candidate may get one (epoch ms), on a fresh host (True) or one that tried it."""

_NO_KEYS: frozenset[AssignmentKey] = frozenset()
_NO_HOSTS: frozenset[NodeId] = frozenset()


@dataclass(slots=True)
class Convergence:
    """One pass over all slots of one colour, which is what `view` has; the orders go into `plan`.

    `keeps_others`: copies of another revision stand in until a candidate is proven. Without it they go at
    once, for they get no requests.
    """

    plan: Plan
    view: ServiceView
    colour: Colour
    judged: Sequence[Judged]
    limits: Limits
    choose: ChooseHost
    retry_at: RetryAt
    keeps_others: bool = True

    def run(self) -> None:
        self._retire_extras()
        for judged in self.judged:
            self._release_olds(judged)
        if not self.limits.is_start_first:
            self._take_down()
        self._start_missing()
        self._forget()

    def _retire_extras(self) -> None:
        wanted = {judged.slot.ordinal for judged in self.judged}
        for copy in self.view.assignments:
            if copy.ordinal not in wanted and copy.desired is not DesiredState.REMOVED:
                self.plan.retire(copy)

    def _release_olds(self, judged: Judged) -> None:
        """Let go of what the candidate replaces, of what serves nobody, and of what is lost.

        One of the others stands in until the candidate is proven; the rest is superfluous.
        """
        slot = judged.slot
        present = [
            copy
            for copy in slot.olds
            if not self._is_lost(copy, slot) and (self.keeps_others or copy.revision == slot.target)
        ]
        stand_in = min(present, key=self._standing, default=None)
        is_served = stand_in is not None and self._is_standing_in(stand_in)
        for copy in slot.olds:
            is_superfluous = copy is not stand_in and (is_served or not self.view.is_available(copy))
            is_useless = copy not in present or copy.desired is DesiredState.STARTED
            if judged.is_proven or is_useless or is_superfluous:
                self.plan.retire(copy)
            elif copy.desired is DesiredState.DRAINING:
                if self.limits.is_start_first and is_healthy(copy):
                    # Its successor did not last: it is needed again.
                    self.plan.order(copy, DesiredState.SERVING)
                else:
                    self.plan.retire(copy)

    def _standing(self, copy: Assignment) -> tuple[bool, bool, bool, int, NodeId]:
        return (
            not self._is_standing_in(copy),
            not self.view.is_available(copy),
            copy.revision != self.view.service.stable_revision,
            copy.token,
            copy.node_id,
        )

    def _is_standing_in(self, copy: Assignment) -> bool:
        return self.view.is_available(copy) and self.plan.is_routed(copy)

    def _is_lost(self, copy: Assignment, slot: Slot) -> bool:
        """On a host that is down, unless only that host has its volume: then it is waited for."""
        if self.view.is_gone(copy.node_id):
            return True
        return not self.view.is_alive(copy.node_id) and slot.pinned_to != copy.node_id

    # ---- stop-first ----

    def _take_down(self) -> None:
        """Make room for successors, as many as may be away at a time."""
        up = 0
        waiting: list[tuple[bool, Slot]] = []
        for judged in self.judged:
            is_served = self._is_served_by_old(judged.slot)
            # One that failed for good counts as done, and answers nobody.
            up += (judged.is_proven and judged.node_id is not None) or is_served
            if self._is_missing(judged) and any(self._is_untouched(copy) for copy in judged.slot.olds):
                waiting.append((is_served, judged.slot))
        # Replicas that answer nobody anyway go first and cost nothing.
        waiting.sort(key=lambda item: (item[0], item[1].ordinal))
        for is_served, slot in waiting:
            if is_served and up - 1 < len(self.judged) - self.limits.unavailable:
                return
            if not self._is_time(slot, is_fresh=True):
                continue
            making_room = frozenset(copy.key for copy in (*slot.olds, *slot.removed))
            choice = self.choose(self._wanted(slot, without=making_room))
            if isinstance(choice, NoHost):
                self.plan.block(slot.ordinal, choice.reason)
                continue
            for copy in slot.olds:
                if self._is_untouched(copy):
                    self.plan.retire(copy)
            up -= is_served

    def _is_served_by_old(self, slot: Slot) -> bool:
        return any(self._is_standing_in(copy) and self._is_untouched(copy) for copy in slot.olds)

    def _is_untouched(self, copy: Assignment) -> bool:
        return copy.desired is DesiredState.SERVING and not self.plan.is_ordered(copy)

    # ---- starting ----

    def _start_missing(self) -> None:
        room = self._room()
        missing = [
            judged for judged in self.judged if self._is_missing(judged) and self._may_start(judged.slot)
        ]
        # Replicas nobody stands in for come first.
        missing.sort(key=lambda judged: (self._is_served_by_old(judged.slot), judged.slot.ordinal))
        for judged in missing[:STARTS_MAX]:
            if room <= 0:
                return
            room -= self._start(judged)

    def _room(self) -> int:
        taken = sum(self.plan.takes_room(copy) for copy in self.view.assignments)
        return len(self.judged) + self.limits.surge - taken

    def _is_missing(self, judged: Judged) -> bool:
        return judged.node_id is None and not judged.is_given_up

    def _may_start(self, slot: Slot) -> bool:
        if self.limits.is_start_first:
            return True
        # The one before must be gone, not only told to go: the two may not share a port or a volume.
        return not any(self.plan.takes_room(copy) for copy in (*slot.olds, *slot.removed))

    def _start(self, judged: Judged) -> bool:
        slot = judged.slot
        refused: NoHost | None = None
        if self._is_time(slot, is_fresh=True):
            choice = self.choose(self._wanted(slot))
            if not isinstance(choice, NoHost):
                self._start_on(judged, choice)
                return True
            refused = choice
        again = self._find_host_again(slot)
        if again is not None:
            # The record of the first try goes before there can be another; the next decision makes it.
            self.plan.forget += [copy.key for copy in self._tombs(slot) if copy.node_id == again]
        elif refused is not None:
            self.plan.block(slot.ordinal, refused.reason)
        return False

    def _start_on(self, judged: Judged, node_id: NodeId) -> None:
        slot = judged.slot
        self.plan.start(
            AssignmentKey(
                service_id=self.view.service.id,
                revision=slot.target,
                ordinal=slot.ordinal,
                node_id=node_id,
            ),
            self.colour,
            Occupying(
                node_id=node_id,
                spec=self.view.revisions[slot.target].spec,
                is_pinned=self.view.is_pinned(slot.target),
            ),
        )
        judged.started_on = node_id

    def _find_host_again(self, slot: Slot) -> NodeId | None:
        """A host that gave the replica up before, where nothing of it is left, when there is no other."""
        usable = frozenset(
            copy.node_id
            for copy in self._tombs(slot)
            if self.plan.can_forget(copy) and self.view.is_alive(copy.node_id)
        )
        if not usable or not self._is_time(slot, is_fresh=False):
            return None
        choice = self.choose(self._wanted(slot, allowed=usable))
        return None if isinstance(choice, NoHost) else choice

    def _tombs(self, slot: Slot) -> list[Assignment]:
        """Records that keep another try from their hosts: a key is used once, whatever its colour."""
        return [
            *slot.tombs,
            *(copy for copy in self._namesakes(slot) if copy.desired is DesiredState.REMOVED),
        ]

    def _namesakes(self, slot: Slot) -> list[Assignment]:
        return [
            copy for copy in self.view.beside if copy.ordinal == slot.ordinal and copy.revision == slot.target
        ]

    def _is_time(self, slot: Slot, *, is_fresh: bool) -> bool:
        return self.plan.is_due(self.retry_at(slot, is_fresh))

    def _wanted(
        self,
        slot: Slot,
        *,
        without: frozenset[AssignmentKey] = _NO_KEYS,
        allowed: frozenset[NodeId] = _NO_HOSTS,
    ) -> WantedReplica:
        known = [copy for copy in (*slot.removed, *slot.olds) if copy.revision == slot.target]
        known += self._namesakes(slot)
        return WantedReplica(
            spec=self.view.revisions[slot.target].spec,
            occupying=(*self._occupying(without), *self.plan.started),
            siblings=tuple(judged.node_id for judged in self.judged if judged.node_id is not None),
            avoid={
                copy.node_id: "is to be left" if copy.key in self.view.to_leave else "has tried it already"
                for copy in known
                if copy.node_id not in allowed
            },
            pinned_to=slot.pinned_to,
        )

    def _occupying(self, without: frozenset[AssignmentKey]) -> list[Occupying]:
        copies = (*self.view.assignments, *self.view.beside)
        return occupying(self.view, [copy for copy in copies if copy.key not in without])

    # ---- forgetting ----

    def _forget(self) -> None:
        """Drop the records of what is removed and gone, but those that still tell something."""
        slots = {judged.slot.ordinal: judged.slot for judged in self.judged}
        memories = self._volume_memories()
        for copy in self.view.assignments:
            if copy.desired is not DesiredState.REMOVED or copy.key in self.plan.forget:
                continue
            if self.view.is_gone(copy.node_id) and not self.plan.lingers(copy):
                self.plan.forget.append(copy.key)
            elif self.plan.can_forget(copy) and copy.key not in memories:
                slot = slots.get(copy.ordinal)
                if slot is None or copy.revision != slot.target or self._is_served(slot):
                    self.plan.forget.append(copy.key)

    def _is_served(self, slot: Slot) -> bool:
        return slot.candidate is not None and self.view.is_available(slot.candidate)

    def _volume_memories(self) -> frozenset[AssignmentKey]:
        """The newest removed copy of each ordinal that is nowhere now: it tells where its volume is."""
        newest: dict[int, Assignment] = {}
        for copy in sorted(self.view.assignments, key=lambda copy: (copy.token, copy.revision, copy.node_id)):
            if copy.desired is DesiredState.REMOVED and self.view.is_pinned(copy.revision):
                newest[copy.ordinal] = copy
        present = {
            copy.ordinal
            for copy in (*self.view.assignments, *self.view.beside)
            if copy.desired is not DesiredState.REMOVED
        }
        return frozenset(copy.key for ordinal, copy in newest.items() if ordinal not in present)


def occupying(view: ServiceView, copies: Sequence[Assignment]) -> list[Occupying]:
    """Return what takes up room on hosts, for placement; on hosts that are down, what cannot leave."""
    found = []
    for copy in copies:
        spec = view.spec(copy.revision)
        if spec is None or view.is_gone(copy.node_id):
            continue
        if not view.is_alive(copy.node_id) and not view.is_waited_for(copy):
            continue
        if copy.desired is DesiredState.REMOVED and is_removal_confirmed(copy):
            continue
        found.append(
            Occupying(
                node_id=copy.node_id,
                spec=spec,
                is_leaving=copy.desired in (DesiredState.DRAINING, DesiredState.REMOVED),
                is_pinned=view.is_pinned(copy.revision),
            )
        )
    return found
