"""The judge's part in one look at a staged rollout: what it takes in and says, and when that is committed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cluster.model.metric_limits import ROUTER
from cluster.model.rollout import Rollout
from cluster.model.service import DesiredState, RolloutPolicy
from cluster.model.strategy import SECOND_MS, WHOLE_PERMILLE, Analysis, Strategy, TrafficStep
from cluster.model.traffic import TrafficInterval
from cluster.rollout import judge
from cluster.rollout.judge import Verdict
from cluster.rollout.view import ServiceView

HANDFUL = 5
"""Requests of the new revision without which a step of blue-green is left out."""
COMMIT_MS = 5 * SECOND_MS
"""How often at most what the judge remembers is committed for its own sake."""


def is_judged(rollout: Rollout, policy: RolloutPolicy) -> bool:
    return policy.shift.analysis.is_on and not rollout.is_unjudged


def with_traffic(view: ServiceView, rollout: Rollout, now_ms: int) -> Rollout:
    """Return the rollout after its judge took in what the routers counted.

    `view` has the copies of the new revision's colour. While that gets requests, nothing counts until
    `warmup_ms` after the newest of its replicas was put into service.
    """
    if not is_judged(rollout, view.service.policy) or rollout.stage is None:
        return rollout
    return taken_in(view, rollout, now_ms)


def taken_in(view: ServiceView, rollout: Rollout, now_ms: int) -> Rollout:
    """Return the same whether or not anything is judged by it: an experiment is only counted."""
    analysis = view.service.policy.shift.analysis
    assert rollout.stage is not None
    gets_requests = (
        view.service.split.permille_of(rollout.stage.colour) > 0 or view.service.split.targeting is not None
    )
    state = judge.begin(now_ms=now_ms) if rollout.judge is None else rollout.judge
    began_ms = [
        copy.changed_at_ms
        for copy in view.assignments
        if copy.revision == rollout.to_revision and copy.desired is DesiredState.SERVING and gets_requests
    ]
    state = judge.take_in(
        state,
        view.traffic,
        old_revision=rollout.from_revision,
        new_revision=rollout.to_revision,
        judged_after_ms=max(began_ms, default=0) + analysis.warmup_ms if began_ms else 0,
        now_ms=now_ms,
    )
    state = judge.take_in_samples(
        state,
        analysis,
        view.samples,
        new_revision=rollout.to_revision,
        counted_from_ms=_counted_from_ms(view, rollout, analysis) if gets_requests else {},
    )
    return replace(rollout, judge=state)


def _counted_from_ms(view: ServiceView, rollout: Rollout, analysis: Analysis) -> dict[judge.CopyName, int]:
    """Return from when what is measured of each replica counts: each after its own warm-up.

    A router's figures of a revision are of all its replicas, and count after the newest one's.
    """
    found: dict[judge.CopyName, int] = {}
    latest: dict[int, int] = {}
    for copy in (*view.assignments, *view.beside):
        if copy.desired is DesiredState.SERVING and copy.revision in (
            rollout.from_revision,
            rollout.to_revision,
        ):
            from_ms = copy.changed_at_ms + analysis.warmup_ms
            found[copy.node_id, copy.revision, copy.ordinal] = from_ms
            latest[copy.revision] = max(latest.get(copy.revision, 0), from_ms)
    for node_id in view.routers:
        for revision, from_ms in latest.items():
            found[node_id, revision, ROUTER] = from_ms
    return found


def with_new_step(rollout: Rollout, *, now_ms: int, hold_ms: int) -> Rollout:
    """Return the rollout with a new share of the requests in force."""
    if rollout.judge is None:
        return rollout
    return replace(rollout, judge=judge.begin_step(rollout.judge, now_ms=now_ms, hold_ms=hold_ms))


def verdict_on(rollout: Rollout, policy: RolloutPolicy, now_ms: int, *, is_step_over: bool) -> Verdict | None:
    """Return what the judge says now, None when nothing is judged."""
    stage = rollout.stage
    if stage is None or rollout.judge is None or not is_judged(rollout, policy):
        return None
    following = stage.steps[min(stage.index + 1, len(stage.steps) - 1)]
    return judge.judge(
        rollout.judge,
        policy.shift.analysis,
        steps=max(1, sum(step.permille < WHOLE_PERMILLE for step in stage.steps)),
        now_ms=now_ms,
        is_step_over=is_step_over,
        next_permille=following.permille,
    )


def with_verdict(rollout: Rollout, policy: RolloutPolicy, verdict: Verdict) -> Rollout:
    assert rollout.judge is not None
    figures = judge.evidence(rollout.judge, policy.shift.analysis)
    return replace(rollout, verdict=f"{verdict.kind}: {verdict.reason}", evidence=figures)


def commit_at_ms(before: Rollout | None, after: Rollout) -> int:
    """Return when a rollout of which only the judge's part has changed is to be committed; 0 at once.

    What is not committed is taken in again, from the intervals that hosts repeat. A comparison that is made
    once only must not be made anew.
    """
    if before is None or before.judge is None or after.judge is None:
        return 0
    if before.judge.shift != after.judge.shift:
        return 0
    return before.changed_at_ms + COMMIT_MS


def without_news(before: Rollout, after: Rollout) -> Rollout:
    """Return `after` with the judge's part of `before`."""
    return replace(after, judge=before.judge, verdict=before.verdict, evidence=before.evidence)


# ---- which steps there is enough traffic for -------------------------------------------------------------


def requests_per_s(traffic: Sequence[TrafficInterval], revision: int) -> float | None:
    """Return how many requests a revision gets on all routers together; None while no host has told."""
    by_host: dict[str, tuple[int, int]] = {}
    for interval in traffic:
        requests, duration_ms = by_host.get(interval.node_id, (0, 0))
        requests += sum(arm.requests for arm in interval.arms if arm.revision == revision)
        by_host[interval.node_id] = requests, duration_ms + interval.duration_ms
    if not by_host:
        return None
    return sum(requests * SECOND_MS / duration_ms for requests, duration_ms in by_host.values())


def affordable_steps(view: ServiceView, rollout: Rollout) -> tuple[tuple[TrafficStep, ...], str]:
    """Return the steps that will have enough requests to be judged by, and what is said of the others.

    A canary keeps at least one. Blue-green keeps those with a handful, which shows a revision that answers
    nothing; without any it is the plain switch, and is watched after.
    """
    stage, policy = rollout.stage, view.service.policy
    assert stage is not None
    if not is_judged(rollout, policy):
        return stage.steps, ""
    rate = requests_per_s(view.traffic, rollout.from_revision)
    if rollout.strategy is Strategy.CANARY:
        needed = policy.shift.analysis.requests_min
        return judge.merge_steps(stage.steps, requests_per_s=rate, requests_min=needed)
    if rate is None:
        return stage.steps, ""
    steps = tuple(
        step
        for step in stage.steps
        if step is stage.steps[-1]
        or step.needs_approval
        or rate * step.permille / WHOLE_PERMILLE * step.hold_ms / SECOND_MS >= HANDFUL
    )
    if steps == stage.steps:
        return steps, ""
    first = f"the first step is {steps[0].permille / 10:g} %"
    return steps, f"at {rate:.3g} requests per second a smaller part of them tells nothing: {first}"


def may_pass_unproven(rollout: Rollout) -> bool:
    """Whether a step that nothing speaks against may be passed without the proof that a canary asks for.

    Blue-green looks at a part of the requests first to see a bad revision early, not to measure how good one
    is; hardly any service has enough requests for that within a minute.
    """
    figures = rollout.evidence
    return rollout.strategy is Strategy.BLUE_GREEN and figures is not None and figures.difference <= 0
