"""What a rollout promises, told from what is committed before and after each change, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

from cluster.model.node import NodeStatus
from cluster.model.rollout import RolloutPhase
from cluster.model.service import Aim, Assignment, DesiredState, ReplicaPhase, RouterState
from cluster.model.strategy import Colour
from cluster.rollout import ServiceView
from cluster.rollout.limits import limits


class BrokenPromise(AssertionError):
    """Something a rollout promises did not hold."""


def describe(view: ServiceView) -> str:
    """One line on a service, for failures."""
    copies = ", ".join(
        f"{copy.revision}/{copy.ordinal}@{copy.node_id} {copy.desired} {copy.observed.phase}"
        for copy in view.assignments
    )
    service = view.service
    rollout = view.rollout or view.last_rollout
    phase = "no rollout" if rollout is None else f"rollout {rollout.phase}: {rollout.reason}"
    return (
        f"{service.id} x{service.replicas} rev {service.revision} stable {service.stable_revision}: {phase};"
        f" {copies}"
    )


def check_promises(before: ServiceView, after: ServiceView, now_ms: int) -> None:
    """What may not get worse through a change that the leader commits."""
    _check_drain(before, after, now_ms)
    if after.service.is_removed:
        return
    _check_shares(before, after)
    # While requests are shared, both colours keep what they have; one without requests keeps nobody waiting.
    for colour in Colour:
        if before.service.split.permille_of(colour) and after.service.split.permille_of(colour):
            _check_availability(before.of_colour(colour), after.of_colour(colour))


def _check_shares(before: ServiceView, after: ServiceView) -> None:
    """Nobody is sent to a colour without a replica that answers while the other one has some.

    Where no replica is wanted any more both have their last ones taken down, and nobody is to answer.
    """
    for colour in Colour if after.service.replicas else ():
        has_some = any(map(after.is_available, after.of_colour(colour).assignments))
        others_have = any(
            before.is_available(copy) and after.is_available(copy)
            for copy in before.of_colour(colour.other).assignments
        )
        if after.service.split.permille_of(colour) and others_have and not has_some:
            raise BrokenPromise(f"{colour} gets requests and has no replica: {describe(after)}")
    rollout = after.rollout
    if rollout is None or rollout.stage is None or rollout.phase is RolloutPhase.PAUSED:
        return
    colour = rollout.stage.colour
    new = {
        copy.revision
        for copy in after.of_colour(colour).assignments
        if copy.desired is DesiredState.SERVING and after.service.split.permille_of(colour)
    }
    if len(new) > 1:
        raise BrokenPromise(f"more than one new revision gets requests: {describe(after)}")


def _check_availability(before: ServiceView, after: ServiceView) -> None:
    service = after.service
    policy = service.policy
    answering = answering_ordinals(before)
    left = answering_ordinals(after) | {
        # The wish was changed just now: routers cannot have it yet, and until they do, requests go there.
        copy.ordinal
        for copy in after.assignments
        if after.is_available(copy) and copy.ordinal in answering
    }
    stop_first = limits(after, service.revision, is_update=True).unavailable
    unavailable = max(policy.max_unavailable, stop_first)
    if not stop_first and policy.max_surge > policy.max_unavailable:
        unavailable = 0
    least = min(len(answering), service.replicas - unavailable)
    if len(left) < least:
        raise BrokenPromise(
            f"{len(left)} of {service.replicas} answer, {len(answering)} did:"
            f" {describe(before)} -> {describe(after)}"
        )


def check_room(before: ServiceView, after: ServiceView, is_there: Callable[[Assignment], bool]) -> None:
    """Nothing is started while the hosts that are up run all that may run."""
    started = {copy.key for copy in after.assignments} - {copy.key for copy in before.assignments}
    room = [
        copy
        for copy in after.assignments
        if after.is_alive(copy.node_id) and (is_there(copy) or copy.desired is not DesiredState.REMOVED)
    ]
    service = after.service
    if after.rollout is not None and after.rollout.stage is not None:
        # What a smaller number of replicas leaves over goes while the other colour comes up.
        room = [copy for copy in room if copy.ordinal < service.replicas]
    if started and len(room) > service.replicas + surge(after):
        raise BrokenPromise(f"{len(room)} replicas of {service.replicas} are there: {describe(after)}")


def surge(view: ServiceView) -> int:
    """How many replicas more than wanted there may be: a whole second set for a staged rollout, and one more
    of each colour while a host is left.
    """
    service = view.service
    policy = service.policy
    most = policy.max_surge
    rollout = view.rollout
    if rollout is not None and (rollout.phase is RolloutPhase.ROLLING_BACK or rollout.aim is Aim.ROLLBACK):
        most = max(most, policy.rollback_surge or service.replicas)
    if {copy.colour for copy in view.assignments} == set(Colour):
        most = max(most, service.replicas + 1 + policy.max_surge)
    return most


def check_end(after: ServiceView, now_ms: int, is_there: Callable[[Assignment], bool]) -> None:
    """A rollout that says it ended well has left nothing of the replicas it replaced."""
    rollout = after.last_rollout
    if rollout is None or rollout.changed_at_ms != now_ms or "not removed yet" in rollout.reason:
        return
    if rollout.phase not in (RolloutPhase.SUCCEEDED, RolloutPhase.ROLLED_BACK):
        return
    there = [copy for copy in after.assignments if after.is_alive(copy.node_id) and is_there(copy)]
    if rollout.stage is None:
        ordinals = [copy.ordinal for copy in there]
        is_left = len(ordinals) > len(set(ordinals)) or any(
            each >= after.service.replicas for each in ordinals
        )
    elif rollout.phase is RolloutPhase.ROLLED_BACK:
        is_left = any(copy.colour is rollout.stage.colour for copy in there)
    else:
        is_left = after.service.kept is None and any(
            copy.colour is not rollout.stage.colour for copy in there
        )
    if is_left:
        raise BrokenPromise(f"something is left: {describe(after)}")


def _check_drain(before: ServiceView, after: ServiceView, now_ms: int) -> None:
    """No replica that gets requests is removed before they had their time."""
    wishes = {copy.key: copy.desired for copy in after.assignments}
    for copy in before.assignments:
        if (
            wishes.get(copy.key) is not DesiredState.REMOVED
            or not before.is_alive(copy.node_id)
            or not before.is_routed(copy.revision)
            or not copy.observed.phase.is_running
        ):
            continue
        is_over = now_ms >= copy.changed_at_ms + before.service.policy.drain_timeout_ms
        is_lapsed = copy.desired is DesiredState.SERVING and copy.observed.phase is not ReplicaPhase.HEALTHY
        is_drained = copy.desired is DesiredState.DRAINING and all(
            router.drained_index >= copy.token and copy.token not in router.undrained
            for router in _live_routers(before)
        )
        is_out = copy.desired in (DesiredState.STARTED, DesiredState.REMOVED)
        if not (is_out or is_drained or is_lapsed or (is_over and copy.desired is DesiredState.DRAINING)):
            raise BrokenPromise(f"{copy.key} is removed with requests in flight")


def answering_ordinals(view: ServiceView) -> set[int]:
    """The wanted replicas that get requests through every live router and answer them."""
    return {
        copy.ordinal
        for copy in view.assignments
        if copy.ordinal < view.service.replicas
        and copy.desired is DesiredState.SERVING
        and copy.observed.phase is ReplicaPhase.HEALTHY
        and view.nodes[copy.node_id].status in (NodeStatus.UP, NodeStatus.SUSPECT)
        and (
            not view.is_routed(copy.revision)
            or all(
                router.routed_index >= copy.token and copy.token not in router.unrouted
                for router in _live_routers(view)
            )
        )
    }


def _live_routers(view: ServiceView) -> list[RouterState]:
    return [
        router
        for node_id, router in view.routers.items()
        if view.nodes[node_id].status in (NodeStatus.UP, NodeStatus.SUSPECT)
    ]


def check_quiet(view: ServiceView) -> None:
    """What holds whenever the leader has nothing more to decide: nobody is sent to a host that is down."""
    for copy in view.assignments:
        is_down = view.nodes[copy.node_id].status is NodeStatus.DOWN
        if is_down and copy.desired is not DesiredState.REMOVED and not view.is_pinned(copy.revision):
            raise BrokenPromise(f"{copy.key} is wanted {copy.desired} on a host that is down")
