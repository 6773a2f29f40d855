"""Keeping what is rolled out as it should be: lost, failed, missing and superfluous replicas.

There is no rollout that could keep timers, so everything is told from the assignments: when a wish was
committed, and which hosts gave a replica up since it last served (their records stay until it serves again).
"""

from __future__ import annotations

from cluster.model.container import RestartCondition, RestartRule
from cluster.model.service import Assignment, DesiredState, ReplicaPhase
from cluster.rollout.converge import Judged
from cluster.rollout.plan import Plan
from cluster.rollout.slots import Slot
from cluster.rollout.view import is_healthy

EXITED_PATIENCE_MS = 10_000
"""How long a container that ended may take to run again on its own host."""
UNHEALTHY_PATIENCE_MS = 30_000
"""How long a running one may fail its check before another takes its place."""

RETRY_MIN_MS = 1_000
RETRY_MAX_MS = 60_000
RETRY_SAME_HOST_MS = 15_000

_NOT_WELL = frozenset(
    {ReplicaPhase.PENDING, ReplicaPhase.PULLING, ReplicaPhase.STARTING, ReplicaPhase.UNHEALTHY}
)


def retry_at(slot: Slot, is_fresh: bool, plan: Plan) -> int:
    """Return when a replica that failed may be tried again: at once unless a live host gave it up.

    1, 4, 16 and then 60 s after the newest failure, for as many hosts; the same host again after 15 s.
    """
    failed = [copy for copy in slot.tombs if plan.view.is_alive(copy.node_id)]
    if not failed:
        return plan.now_ms
    newest_ms = max(
        copy.changed_at_ms if copy.desired is DesiredState.REMOVED else plan.now_ms for copy in failed
    )
    delay_ms = min(RETRY_MAX_MS, RETRY_MIN_MS << 2 * (min(len(failed), 8) - 1))
    return newest_ms + (delay_ms if is_fresh else max(delay_ms, RETRY_SAME_HOST_MS))


def judge(plan: Plan, slot: Slot) -> Judged:
    """Decide about a slot's candidate, and order it."""
    copy = slot.candidate
    if copy is None:
        return Judged(slot)
    host = plan.view.name_of(copy.node_id)
    if not plan.view.is_alive(copy.node_id):
        plan.block_stranded(copy)
        return Judged(slot)
    if plan.view.is_draining(copy.node_id):
        plan.block(slot.ordinal, f"stays on {host}, which is being drained: its volume is there")
    if copy.desired is DesiredState.SERVING:
        if not is_healthy(copy):
            # Out of the router, with the time of this wish as the beginning of its time to recover.
            plan.order(copy, DesiredState.STARTED)
            return Judged(slot)
        return Judged(slot, is_proven=plan.is_routed(copy))
    if is_healthy(copy):
        plan.order(copy, DesiredState.SERVING)
    elif copy.is_adopted and copy.observed.phase in _NOT_WELL:
        # It did its work before anybody here asked how it is: a wrong question must not be its end.
        why = f": {copy.observed.reason}" if copy.observed.reason else ""
        plan.block(slot.ordinal, f"was adopted and is not healthy, and is left as it is{why}")
    elif (given_up_at_ms := _given_up_at_ms(plan, copy)) is not None and plan.is_due(given_up_at_ms):
        plan.order(copy, DesiredState.REMOVED)
        slot.candidate = None
        slot.removed.append(copy)
    return Judged(slot)


def _given_up_at_ms(plan: Plan, copy: Assignment) -> int | None:
    """When another takes its place; None for one whose end is for its own restart policy to deal with."""
    policy = plan.view.service.policy
    match copy.observed.phase:
        case ReplicaPhase.FAILED | ReplicaPhase.REMOVED:
            return copy.changed_at_ms
        case ReplicaPhase.EXITED:
            spec = plan.view.spec(copy.revision)
            rule = RestartRule() if spec is None else spec.options.restart
            if rule.condition is not RestartCondition.ANY or rule.attempts_max:
                # To replace it on another host would be one more start than its rule may allow.
                return None
            return copy.changed_at_ms + EXITED_PATIENCE_MS + rule.delay_ms
        case ReplicaPhase.UNHEALTHY:
            return copy.changed_at_ms + UNHEALTHY_PATIENCE_MS
        case _:
            return copy.changed_at_ms + policy.pull_deadline_ms + policy.start_deadline_ms
