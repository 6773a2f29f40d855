"""The replicas a service should have, each with its copies: the one that is to stay, and the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cluster.model.ids import NodeId
from cluster.model.placing import Failover
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
    own, beside = _by_ordinal(view.assignments), _by_ordinal(view.beside)
    return [
        _build_slot(view, ordinal, targets[ordinal], own.get(ordinal, []), beside.get(ordinal, []))
        for ordinal in sorted(targets)
    ]


def _by_ordinal(copies: Iterable[Assignment]) -> dict[int, list[Assignment]]:
    by_ordinal: dict[int, list[Assignment]] = {}
    for copy in copies:
        by_ordinal.setdefault(copy.ordinal, []).append(copy)
    return by_ordinal


def _build_slot(
    view: ServiceView, ordinal: int, target: int, copies: list[Assignment], beside: list[Assignment]
) -> Slot:
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
    """Return the host that has the named volumes of this replica, or that it waits for; None when it has
    none or none yet.

    Volumes are not in the replicated state: they are where the replica is, was (a removed copy is kept for
    that), or was brought by the last rollout. Of a service that may leave them behind, those on lost hosts
    are as good as gone.
    """
    failover = view.service.placement.failover
    if failover is Failover.NONE:
        lost = [
            copy
            for copy in copies
            if copy.desired is not DesiredState.REMOVED
            and not view.is_alive(copy.node_id)
            and not view.is_gone(copy.node_id)
        ]
        if lost:
            return min(lost, key=_nearness).node_id
    spec = view.spec(target)
    names = frozenset() if spec is None else volume_names(spec)
    if not names:
        return None
    holders = []
    for copy in copies:
        own = view.spec(copy.revision)
        is_left = failover is Failover.RESTART and not view.is_alive(copy.node_id)
        if own is None or not names & volume_names(own) or view.is_gone(copy.node_id):
            continue
        if not is_left or view.is_waited_for(copy):
            holders.append(copy)
    if holders:
        return min(holders, key=_nearness).node_id
    for rollout in (view.rollout, view.last_rollout):
        brought = None if rollout is None else view.spec(rollout.to_revision)
        if rollout is None or brought is None or not names & volume_names(brought):
            continue
        for progress in rollout.replicas:
            node_id = progress.node_id or progress.old_node_id
            if progress.ordinal != ordinal or node_id is None or view.is_gone(node_id):
                continue
            if failover is not Failover.RESTART or view.is_alive(node_id):
                return node_id
    return None


def _nearness(copy: Assignment) -> tuple[int, int, NodeId]:
    return (_NEARNESS.get(copy.desired, 3), -copy.token, copy.node_id)


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
