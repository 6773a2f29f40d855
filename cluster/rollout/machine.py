"""Decide what to do about one service: start, advance and end rollouts, and keep what is rolled out.

Everything is told from what is committed and from the time: the same view gives the same decision, on
whichever node and however often, and a decision that was committed is not made again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cluster.model.ids import RolloutId
from cluster.model.rollout import ReplicaProgress, Rollout, RolloutPhase, StepPhase
from cluster.model.service import Assignment, DesiredState, FailureAction
from cluster.rollout.converge import Convergence, Judged
from cluster.rollout.decision import Decision, Transition
from cluster.rollout.limits import Limits, limits
from cluster.rollout.plan import Plan
from cluster.rollout.slots import Slot, build_slots
from cluster.rollout.steps import Advanced, Stepper
from cluster.rollout.upkeep import judge, retry_at
from cluster.rollout.view import ChooseHost, ServiceView, is_healthy, is_removal_confirmed

REASON_CHARS_MAX = 4096
RESUME_GRACE_MS = 60_000
"""What a new leader gives every step at least: it knows nothing of the time between the leaders."""


def decide(view: ServiceView, now_ms: int, *, rollout_id: RolloutId, choose: ChooseHost) -> Decision:
    """Return what to commit for the service now, and when to decide again.

    `now_ms` is the leader's clock, never behind the log's time. `rollout_id` is the id of the rollout if one
    starts. Some changes take several commits (a rollout is ended before the next one starts): decide again
    after each, until there is no transition.
    """
    service = view.service
    if service.is_removed:
        return _remove(view, now_ms)
    if view.rollout is not None:
        if view.rollout.attempt != service.attempt.number:
            return _supersede(view, view.rollout, now_ms)
        if view.rollout.phase is RolloutPhase.PAUSED:
            return _keep(view, now_ms, choose, _targets_while_paused(view, view.rollout))
        return _roll(view, view.rollout, now_ms, choose)
    if _is_to_be_rolled_out(view):
        return _roll(view, _start(view, now_ms, rollout_id), now_ms, choose)
    return _keep(view, now_ms, choose, _targets_at_rest(view))


def resume(view: ServiceView, now_ms: int) -> Transition | None:
    """Return what a new leader commits before it decides: no step of a rollout ends sooner than a minute on.

    Deadlines were written by another clock, and the time without a leader was no one's fault.
    """
    rollout = view.rollout
    if rollout is None or rollout.phase not in (RolloutPhase.RUNNING, RolloutPhase.ROLLING_BACK):
        return None
    least_ms = now_ms + RESUME_GRACE_MS
    resumed = replace(
        rollout,
        deadline_ms=max(rollout.deadline_ms, least_ms),
        replicas=tuple(
            replace(step, deadline_ms=max(step.deadline_ms, least_ms))
            if step.phase in (StepPhase.WAITING, StepPhase.STARTING) and step.deadline_ms
            else step
            for step in rollout.replicas
        ),
    )
    if resumed == rollout:
        return None
    return _transition(view, rollout=replace(resumed, changed_at_ms=now_ms))


# ---- what is wanted --------------------------------------------------------------------------------------


def _is_to_be_rolled_out(view: ServiceView) -> bool:
    service = view.service
    if service.revision == service.stable_revision or service.revision not in view.revisions:
        return False
    # An attempt is rolled out once, however it ends.
    return view.last_rollout is None or view.last_rollout.attempt != service.attempt.number


def _targets_at_rest(view: ServiceView) -> dict[int, int]:
    """Ordinal -> revision, without a rollout under way."""
    stable = view.service.stable_revision
    if stable in view.revisions:
        return dict.fromkeys(range(view.service.replicas), stable)
    # The first rollout failed: what it brought that far is kept, the rest is not tried again.
    return _targets_of_copies(view, preferred=0)


def _targets_while_paused(view: ServiceView, rollout: Rollout) -> dict[int, int]:
    """Each replica stays with the revision that serves it, the old one where both do."""
    targets = _targets_of_copies(view, preferred=rollout.from_revision)
    if rollout.from_revision in view.revisions:
        for ordinal in range(view.service.replicas):
            targets.setdefault(ordinal, rollout.from_revision)
    return targets


def _targets_of_copies(view: ServiceView, *, preferred: int) -> dict[int, int]:
    best: dict[int, Assignment] = {}
    for copy in sorted(view.assignments, key=lambda copy: _standing(view, copy, preferred)):
        if (
            copy.ordinal < view.service.replicas
            and copy.desired is not DesiredState.REMOVED
            and copy.revision in view.revisions
        ):
            best.setdefault(copy.ordinal, copy)
    return {ordinal: copy.revision for ordinal, copy in sorted(best.items())}


def _standing(view: ServiceView, copy: Assignment, preferred: int) -> tuple[bool, bool, bool, int, int, str]:
    return (
        not view.is_available(copy),
        copy.desired is not DesiredState.SERVING,
        copy.revision != preferred,
        -copy.revision,
        copy.token,
        copy.node_id,
    )


# ---- removal, and being at rest --------------------------------------------------------------------------


def _remove(view: ServiceView, now_ms: int) -> Decision:
    plan = Plan(view, now_ms)
    for copy in view.assignments:
        if copy.desired is not DesiredState.REMOVED:
            plan.retire(copy)
        if view.is_alive(copy.node_id):
            if copy.desired is DesiredState.REMOVED and plan.can_forget(copy):
                plan.forget.append(copy.key)
        elif copy.key not in plan.forget and not plan.lingers(copy):
            # A host that is away removes what nobody asks it for any more when it is back.
            plan.forget.append(copy.key)
    rollout = view.rollout
    if rollout is not None:
        rollout = _end(rollout, RolloutPhase.CANCELLED, "the service is being removed", now_ms)
    is_forgotten = set(plan.forget) == {copy.key for copy in view.assignments}
    return _decision(plan, _transition(view, plan, rollout=rollout, is_service_forgotten=is_forgotten))


def _supersede(view: ServiceView, rollout: Rollout, now_ms: int) -> Decision:
    reason = f"revision {view.service.revision} took its place"
    ended = _end(rollout, RolloutPhase.CANCELLED, reason, now_ms)
    return Decision(transition=_transition(view, rollout=ended))


def _keep(view: ServiceView, now_ms: int, choose: ChooseHost, targets: Mapping[int, int]) -> Decision:
    plan = Plan(view, now_ms)
    judged = [judge(plan, slot) for slot in build_slots(view, targets)]
    Convergence(
        plan=plan,
        judged=judged,
        limits=_limits_of(view, judged),
        choose=choose,
        retry_at=lambda slot, is_fresh: retry_at(slot, is_fresh, plan),
    ).run()
    return _decision(plan, _transition(view, plan))


def _limits_of(view: ServiceView, judged: Sequence[Judged]) -> Limits:
    target = max((each.slot.target for each in judged), default=0)
    return limits(view, target, is_update=any(_meets_another_revision(view, each.slot) for each in judged))


def _meets_another_revision(view: ServiceView, slot: Slot) -> bool:
    """Whether something made from another revision is there, or is not known to be gone."""
    return any(
        copy.revision != slot.target and view.is_alive(copy.node_id) and not is_removal_confirmed(copy)
        for copy in (*slot.olds, *slot.removed)
    )


# ---- rollouts --------------------------------------------------------------------------------------------


def _start(view: ServiceView, now_ms: int, rollout_id: RolloutId) -> Rollout:
    service = view.service
    return Rollout(
        id=rollout_id,
        service_id=service.id,
        from_revision=service.stable_revision,
        to_revision=service.revision,
        phase=RolloutPhase.RUNNING,
        step=0,
        started_at_ms=now_ms,
        changed_at_ms=now_ms,
        deadline_ms=now_ms + service.policy.progress_deadline_ms,
        aim=service.attempt.aim,
        attempt=service.attempt.number,
        is_unjudged=service.attempt.is_unjudged,
        by=service.attempt.by,
    )


def _roll(view: ServiceView, rollout: Rollout, now_ms: int, choose: ChooseHost) -> Decision:
    is_rolling_back = rollout.phase is RolloutPhase.ROLLING_BACK
    target = rollout.from_revision if is_rolling_back else rollout.to_revision
    if target not in view.revisions:
        reason = f"{rollout.reason}; revision {target} is not known any more".removeprefix("; ")
        ended = _end(rollout, RolloutPhase.FAILED, reason, now_ms)
        return Decision(transition=_transition(view, rollout=ended))
    policy = view.service.policy
    plan = Plan(view, now_ms)
    stepper = Stepper(
        plan, monitor_ms=0 if is_rolling_back else policy.monitor_ms, is_rolling_back=is_rolling_back
    )
    before = {step.ordinal: step for step in rollout.replicas}
    slots = build_slots(view, dict.fromkeys(range(view.service.replicas), target))
    is_update = rollout.from_revision > 0 or any(_meets_another_revision(view, slot) for slot in slots)
    bounds = limits(view, target, is_update=is_update)
    advanced = [stepper.advance(slot, before.get(slot.ordinal)) for slot in slots]
    failures = [each.failure for each in advanced if each.failure]
    rollout = replace(rollout, failures=rollout.failures + len(failures))
    fatal = [each.failure for each in advanced if each.failure and each.progress.attempts > policy.retries]
    if fatal:
        return _fail(view, rollout, fatal[0], now_ms, choose)
    Convergence(
        plan=plan,
        judged=[each.judged for each in advanced],
        limits=bounds,
        choose=choose,
        retry_at=lambda _slot, _is_fresh: now_ms,
    ).run()
    steps = tuple(stepper.settle(each) for each in advanced)
    is_everywhere = all(each.judged.is_proven or _is_done(each) for each in advanced)
    if is_everywhere and not _leftovers(plan, slots):
        return _succeed(view, rollout, plan, steps, "", now_ms)
    if not plan.is_due(_progress_deadline_ms(rollout, steps, now_ms, policy.progress_deadline_ms)):
        return _progress(view, rollout, plan, steps, _reason(rollout, bounds, plan, failures), now_ms)
    if is_everywhere:
        late = f"; {len(_leftovers(plan, slots))} old replicas are not removed yet"
        return _succeed(view, rollout, plan, steps, late, now_ms)
    stuck = (
        f"no progress for {policy.progress_deadline_ms / 1000:g} s: {_what_is_waited_for(view, plan, steps)}"
    )
    return _fail(view, rollout, stuck, now_ms, choose)


def _is_done(advanced: Advanced) -> bool:
    return advanced.progress.phase is StepPhase.DONE


def _leftovers(plan: Plan, slots: Sequence[Slot]) -> list[Assignment]:
    """What still runs and should not."""
    staying = {slot.candidate.key for slot in slots if slot.candidate is not None}
    return [copy for copy in plan.view.assignments if copy.key not in staying and plan.takes_room(copy)]


def _progress_deadline_ms(
    rollout: Rollout, steps: Sequence[ReplicaProgress], now_ms: int, progress_deadline_ms: int
) -> int:
    def places(of: Sequence[ReplicaProgress]) -> list[tuple[int, StepPhase, str | None, int]]:
        return [(step.ordinal, step.phase, step.node_id, step.attempts) for step in of]

    if places(steps) == places(rollout.replicas):
        return rollout.deadline_ms
    return max(rollout.deadline_ms, now_ms + progress_deadline_ms)


def _progress(
    view: ServiceView,
    rollout: Rollout,
    plan: Plan,
    steps: tuple[ReplicaProgress, ...],
    reason: str,
    now_ms: int,
) -> Decision:
    is_new = rollout.id != view.service.rollout_id
    moved = replace(
        rollout,
        step=rollout.step + bool(plan.orders),
        replicas=steps,
        reason=reason,
        deadline_ms=_progress_deadline_ms(rollout, steps, now_ms, view.service.policy.progress_deadline_ms),
    )
    if moved == view.rollout and not is_new:
        return _decision(plan, _transition(view, plan))
    return _decision(plan, _transition(view, plan, rollout=replace(moved, changed_at_ms=now_ms)))


def _succeed(
    view: ServiceView,
    rollout: Rollout,
    plan: Plan,
    steps: tuple[ReplicaProgress, ...],
    note: str,
    now_ms: int,
) -> Decision:
    count = view.service.replicas
    if rollout.phase is RolloutPhase.ROLLING_BACK:
        phase, stable = RolloutPhase.ROLLED_BACK, None
        reason = f"back on revision {rollout.from_revision}{note}: {rollout.reason}"
    else:
        phase, stable = RolloutPhase.SUCCEEDED, rollout.to_revision
        reason = f"{count} of {count} replicas run revision {rollout.to_revision}{note}"
    ended = replace(
        _end(rollout, phase, reason, now_ms), replicas=steps, step=rollout.step + bool(plan.orders)
    )
    return _decision(plan, _transition(view, plan, rollout=ended, stable_revision=stable))


def _fail(view: ServiceView, rollout: Rollout, why: str, now_ms: int, choose: ChooseHost) -> Decision:
    """End the way forward: back to the stable revision, or stop here. A roll-back is never rolled back."""
    if rollout.phase is RolloutPhase.ROLLING_BACK:
        reason = f"{rollout.reason}; the roll-back to revision {rollout.from_revision} failed: {why}"
        return _stop(view, rollout, RolloutPhase.FAILED, reason, now_ms)
    if view.service.policy.failure_action is FailureAction.PAUSE:
        return _stop(view, rollout, RolloutPhase.PAUSED, why, now_ms)
    if rollout.from_revision not in view.revisions:
        reason = f"{why}; there is no earlier revision to go back to"
        return _stop(view, rollout, RolloutPhase.FAILED, reason, now_ms)
    turned = replace(
        rollout,
        phase=RolloutPhase.ROLLING_BACK,
        replicas=(),
        reason=_clip(why),
        deadline_ms=now_ms + view.service.policy.progress_deadline_ms,
    )
    return _roll(view, turned, now_ms, choose)


def _stop(view: ServiceView, rollout: Rollout, phase: RolloutPhase, reason: str, now_ms: int) -> Decision:
    """Leave what serves as it is, and give up what was on its way."""
    plan = Plan(view, now_ms)
    for copy in view.assignments:
        if copy.revision == rollout.to_revision and not is_healthy(copy):
            if copy.desired is DesiredState.STARTED:
                plan.order(copy, DesiredState.REMOVED)
            elif copy.desired is DesiredState.SERVING:
                plan.order(copy, DesiredState.STARTED)
    ended = _end(rollout, phase, reason, now_ms)
    return _decision(plan, _transition(view, plan, rollout=ended))


def _end(rollout: Rollout, phase: RolloutPhase, reason: str, now_ms: int) -> Rollout:
    return replace(rollout, phase=phase, reason=_clip(reason), changed_at_ms=now_ms)


def _reason(rollout: Rollout, bounds: Limits, plan: Plan, failures: Sequence[str]) -> str:
    """Why the rollout stands where it does."""
    if rollout.phase is RolloutPhase.ROLLING_BACK:
        return rollout.reason
    if failures:
        return _clip("; ".join([*failures, "it is tried on another host if there is one"]))
    if rollout.failures:
        return rollout.reason
    return _clip("; ".join([*([bounds.reason] if bounds.reason else []), *plan.blocked]))


def _what_is_waited_for(view: ServiceView, plan: Plan, steps: Sequence[ReplicaProgress]) -> str:
    if plan.blocked:
        return "; ".join(plan.blocked)
    open_steps = [step for step in steps if step.phase is not StepPhase.DONE]
    if not open_steps:
        return "replicas that are not wanted any more are not removed"
    return "; ".join(
        f"replica {step.ordinal} is {step.phase}"
        + (f" on {view.name_of(step.node_id)}" if step.node_id is not None else "")
        for step in open_steps[:8]
    )


def _clip(reason: str) -> str:
    return reason if len(reason) <= REASON_CHARS_MAX else reason[: REASON_CHARS_MAX - 1] + "…"


def _transition(
    view: ServiceView,
    plan: Plan | None = None,
    *,
    rollout: Rollout | None = None,
    stable_revision: int | None = None,
    is_service_forgotten: bool = False,
) -> Transition | None:
    orders = () if plan is None else plan.orders
    forget = () if plan is None else tuple(plan.forget)
    if not orders and not forget and rollout is None and not is_service_forgotten:
        return None
    return Transition(
        service_id=view.service.id,
        expected_version=view.service.version,
        rollout=rollout,
        orders=orders,
        forget=forget,
        stable_revision=stable_revision,
        is_service_forgotten=is_service_forgotten,
    )


def _decision(plan: Plan, transition: Transition | None) -> Decision:
    return Decision(
        transition=transition,
        wake_at_ms=plan.wake_at_ms,
        awaits_routers=plan.awaits_routers,
        blocked=plan.blocked,
    )
