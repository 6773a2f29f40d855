"""How long steps are held, and which have too few requests to be worth it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from cluster.model.strategy import (
    MINUTE_MS,
    SECOND_MS,
    WHOLE_PERMILLE,
    Analysis,
    InconclusiveAction,
    TrafficStep,
)
from cluster.rollout.judge.verdict import Verdict, VerdictKind

EXTENSION_MIN_MS = MINUTE_MS


class StepEnd(StrEnum):
    """What follows when a step's time is over."""

    PASS = "pass"  # noqa: S105 - not a password
    EXTEND = "extend"
    PAUSE = "pause"
    ROLL_BACK = "roll-back"


def plan_extend(verdict: Verdict, *, hold_ms: int, held_ms: int, analysis: Analysis) -> StepEnd:
    """Return what follows a verdict that was given with `is_step_over`.

    A step that cannot be decided is held up to twice its time, at least a minute more; then the user's
    `on_inconclusive` decides. Silence is never passed by: nobody knows what happens.
    """
    if verdict.kind is VerdictKind.GOOD:
        return StepEnd.PASS
    if verdict.kind is VerdictKind.WORSE:
        return StepEnd.ROLL_BACK
    if verdict.kind is VerdictKind.UNDECIDED or held_ms < hold_ms + max(hold_ms, EXTENSION_MIN_MS):
        return StepEnd.EXTEND
    if analysis.on_inconclusive is InconclusiveAction.ROLLBACK:
        return StepEnd.ROLL_BACK
    if analysis.on_inconclusive is InconclusiveAction.PROMOTE and verdict.kind is not VerdictKind.SILENT:
        return StepEnd.PASS
    return StepEnd.PAUSE


def merge_steps(
    steps: Sequence[TrafficStep], *, requests_per_s: float | None, requests_min: int
) -> tuple[tuple[TrafficStep, ...], str]:
    """Return the steps without those that would end with too few requests, and a note for the plan.

    A step that gives the new revision fewer than `requests_min` requests in its time is left out, so that
    the next greater share comes first. Kept are the last step, steps that wait for a person, and of the
    others at least the greatest: a rollout never goes from nothing to everything unjudged. The note is ""
    when nothing is left out; with unknown `requests_per_s` nothing is.
    """
    if requests_per_s is None:
        return tuple(steps), ""
    judged = [step for step in steps if step.permille < WHOLE_PERMILLE]
    kept = [
        step
        for step in steps
        if step.permille == WHOLE_PERMILLE
        or step.needs_approval
        or step is judged[-1]
        or _expected_requests(step, requests_per_s) >= requests_min
    ]
    left_out = [step for step in steps if step not in kept]
    if not left_out:
        return tuple(steps), ""
    listed = ", ".join(
        f"{step.permille / 10:g} % ({_expected_requests(step, requests_per_s):.0f})" for step in left_out
    )
    return tuple(kept), (
        f"at {requests_per_s:.3g} requests per second these steps would end with fewer than {requests_min}"
        f" requests of the new revision and are left out: {listed}; the first step is"
        f" {kept[0].permille / 10:g} %"
    )


def _expected_requests(step: TrafficStep, requests_per_s: float) -> float:
    return requests_per_s * step.permille / WHOLE_PERMILLE * step.hold_ms / SECOND_MS
