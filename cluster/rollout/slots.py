"""The replicas a service should have, each with its copies: the one that is to stay, and the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster.model.ids import NodeId
from cluster.model.service import Assignment, DesiredState
from cluster.rollout.view import ServiceView, is_healthy, is_removal_confirmed, volume_names

REMOVE_PATIENCE_MS = 60_000
"""How much longer than its grace period a removal may take before it is not waited for."""

_NEARNESS = {
    DesiredState.SERVING: 0,
    DesiredState.DRAINING: 1,
    DesiredState.STARTED: 2,
}


@dataclass(slots=True)
class Slot:
    """One wanted replica. `candidate` is the copy of the target revision that is to stay, if there is one.

    `olds` are its other copies that are not ordered removed, `removed` all that are. `pinned_to` is the host
    with its volume.
    """

    ordinal: int
    target: int
    candidate: Assignment | None = None
    olds: list[Assignment] = field(default_factory=list)
    removed: list[Assignment] = field(default_factory=list)
    pinned_to: NodeId | None = None

    @property
    def tombs(self) -> list[Assignment]:
        """Copies of the target revision that were given up. Each keeps a retry away from its host."""
        return [copy for copy in self.removed if copy.revision == self.target]


def build_slots(view: ServiceView, targets: Mapping[int, int]) -> list[Slot]:
    """Return a slot per ordinal of `targets` (ordinal -> revision), by ordinal."""
    by_ordinal: dict[int, list[Assignment]] = {}
    for assignment in view.assignments:
        by_ordinal.setdefault(assignment.ordinal, []).append(assignment)
    return [_build_slot(view, ordinal, targets[ordinal], by_ordinal) for ordinal in sorted(targets)]


def _build_slot(
    view: ServiceView, ordinal: int, target: int, by_ordinal: Mapping[int, list[Assignment]]
) -> Slot:
    copies = by_ordinal.get(ordinal, [])
    beside = [copy for copy in view.beside if copy.ordinal == ordinal]
    pinned_to = find_pin(view, ordinal, target, [*copies, *beside])
    slot = Slot(ordinal=ordinal, target=target, pinned_to=pinned_to)
    stays: list[Assignment] = []
    for copy in copies:
        if copy.desired is DesiredState.REMOVED:
            slot.removed.append(copy)
        elif copy.revision == target and _may_stay(view, copy, pinned_to):
            stays.append(copy)
        else:
            slot.olds.append(copy)
    stays.sort(key=lambda copy: (_NEARNESS[copy.desired], not is_healthy(copy), copy.token, copy.node_id))
    if stays:
        slot.candidate = stays[0]
        slot.olds += stays[1:]
    slot.olds.sort(key=lambda copy: (_NEARNESS[copy.desired], copy.revision, copy.node_id))
    slot.removed.sort(key=lambda copy: (copy.token, copy.revision, copy.node_id))
    return slot


def _may_stay(view: ServiceView, copy: Assignment, pinned_to: NodeId | None) -> bool:
    if view.is_gone(copy.node_id):
        return False
    if pinned_to is not None:
        return copy.node_id == pinned_to
    if view.may_linger(copy):
        # It may run where it is, and so nowhere else: it is waited for, and stays if its host returns.
        return True
    if not view.is_alive(copy.node_id) or view.is_draining(copy.node_id) or copy.key in view.to_leave:
        return False
    # Moving towards the project's host is worth it only while that host takes replicas.
    return view.home in (None, copy.node_id) or not view.is_schedulable(view.home)


def find_pin(view: ServiceView, ordinal: int, target: int, copies: list[Assignment]) -> NodeId | None:
    """Return the host that has the named volumes of this replica; None when it has none or none yet.

    Volumes are not in the replicated state: they are where the replica is, was (a removed copy is kept for
    that), or was brought by the last rollout.
    """
    spec = view.spec(target)
    names = frozenset() if spec is None else volume_names(spec)
    if not names:
        return None
    holders = []
    for copy in copies:
        own = view.spec(copy.revision)
        if own is not None and names & volume_names(own) and not view.is_gone(copy.node_id):
            holders.append(copy)
    if holders:
        nearest = min(holders, key=lambda copy: (_NEARNESS.get(copy.desired, 3), -copy.token, copy.node_id))
        return nearest.node_id
    for rollout in (view.rollout, view.last_rollout):
        brought = None if rollout is None else view.spec(rollout.to_revision)
        if rollout is None or brought is None or not names & volume_names(brought):
            continue
        for progress in rollout.replicas:
            node_id = progress.node_id or progress.old_node_id
            if progress.ordinal == ordinal and node_id is not None and not view.is_gone(node_id):
                return node_id
    return None


def takes_room(view: ServiceView, copy: Assignment, now_ms: int) -> bool:
    """Whether the copy runs, or may still, on a host that is not known to be down.

    A fenced one counts until it is known to be gone, however long that takes.
    """
    if is_removal_confirmed(copy):
        return False
    if not view.is_alive(copy.node_id):
        return view.may_linger(copy)
    return view.is_fenced or copy.desired is not DesiredState.REMOVED or now_ms < gives_room_at_ms(view, copy)


def gives_room_at_ms(view: ServiceView, copy: Assignment) -> int:
    """When a copy that is ordered removed is not counted any more although its host has not removed it.

    Without an end, a host whose engine hangs would keep replacements from starting elsewhere.
    """
    spec = view.spec(copy.revision)
    grace_ms = 0 if spec is None else spec.stop_grace_period_ms
    return copy.changed_at_ms + grace_ms + REMOVE_PATIENCE_MS
