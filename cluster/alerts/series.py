"""Observations from series of numbers: thresholds, counts within a time, and numbers that stay away."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from cluster.alerts.machine import Finding, Observation
from cluster.alerts.wording import Said, next_step, phrase, say, span, threshold_text, who
from cluster.model.alerts import AlertRule, AlertSubject, Comparison, RuleKind, Threshold

SETTLE_MS = 180_000
"""How long numbers of a moment may still come: hosts send them by the minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """One series: `values[i]` stands for the `step_ms` from `times_ms[i]` on; NaN where nothing was measured.

    Values are in the metric's unit, or in percent of its limit where a rule asks for that.
    """

    subject: AlertSubject
    times_ms: Sequence[int]
    values: Sequence[float]
    step_ms: int


def merged(series: Iterable[Steps], *, is_count: bool) -> list[Steps]:
    """Return one series for each subject: a container that was made anew goes on where the one before ended.

    All are over the same moments, in the order in which they came to be. Counts of one step add up; of levels
    the newest container's holds.
    """
    found: dict[str, Steps] = {}
    for steps in series:
        before = found.get(steps.subject.key)
        if before is None:
            found[steps.subject.key] = steps
            continue
        values = [
            _one_of(old, new, is_count=is_count) for old, new in zip(before.values, steps.values, strict=True)
        ]
        found[steps.subject.key] = replace(steps, values=values)
    return list(found.values())


def _one_of(old: float, new: float, *, is_count: bool) -> float:
    if math.isnan(new) or math.isnan(old):
        return old if math.isnan(new) else new
    return old + new if is_count else new


def observe(rule: AlertRule, steps: Steps, *, after_ms: int, now_ms: int) -> Iterator[Observation]:
    """Yield what a rule of numbers sees of one series after a moment, step by step.

    A step counts from its end on. One without a number is waited for until it has settled, or until there is
    one after it: hosts send in order of time.
    """
    match rule.kind:
        case RuleKind.THRESHOLD:
            see = _threshold
        case RuleKind.ABSENCE:
            see = _absence
        case RuleKind.CRASH_LOOP | RuleKind.OUT_OF_MEMORY:
            see = _count
        case _:
            raise AssertionError(rule.kind)
    known = [place for place, value in enumerate(steps.values) if not math.isnan(value)]
    last = known[-1] if known else -1
    for place, begin_ms in enumerate(steps.times_ms):
        end_ms = begin_ms + steps.step_ms
        if end_ms <= after_ms:
            continue
        if end_ms > now_ms or (place > last and end_ms > now_ms - SETTLE_MS):
            return
        yield see(rule, steps, place, end_ms)


def judge(threshold: Threshold, value: float) -> Finding:
    """Return on which side of a threshold a value is. NaN is UNKNOWN."""
    if math.isnan(value):
        return Finding.UNKNOWN
    over = threshold.value if threshold.resolve_value is None else threshold.resolve_value
    if threshold.comparison is Comparison.ABOVE:
        if value > threshold.value:
            return Finding.BREACHED
        return Finding.BETWEEN if value > over else Finding.CLEAR
    if value < threshold.value:
        return Finding.BREACHED
    return Finding.BETWEEN if value < over else Finding.CLEAR


def _threshold(rule: AlertRule, steps: Steps, place: int, end_ms: int) -> Observation:
    assert rule.threshold is not None, "a threshold rule has one"
    value = steps.values[place]
    finding = judge(rule.threshold, value)
    if finding is Finding.UNKNOWN:
        return Observation(at_ms=end_ms, finding=finding)
    text = waiting = Said()
    if finding is Finding.BREACHED:
        text = threshold_text(steps.subject, rule.metric, rule.threshold, value, for_ms=rule.for_ms)
        waiting = threshold_text(steps.subject, rule.metric, rule.threshold, value, for_ms=0)
    return Observation(
        at_ms=end_ms,
        finding=finding,
        text=text,
        waiting=waiting,
        hint=next_step(rule.metric),
        value=value,
        since_ms=end_ms - steps.step_ms,
    )


def _absence(rule: AlertRule, steps: Steps, place: int, end_ms: int) -> Observation:
    is_there = not math.isnan(steps.values[place])
    return Observation(
        at_ms=end_ms,
        finding=Finding.CLEAR if is_there else Finding.BREACHED,
        text=Said("it is measured again", "si misura di nuovo")
        if is_there
        else say(
            "{who}: {phrase} has not been measured for {span}.",
            "{who}: {phrase} non si misura da {span}.",
            who=who(steps.subject),
            phrase=phrase(rule.metric),
            span=span(rule.for_ms),
        ),
        waiting=Said()
        if is_there
        else say(
            "{who}: {phrase} is not measured.",
            "{who}: {phrase} non si misura.",
            who=who(steps.subject),
            phrase=phrase(rule.metric),
        ),
        hint=_IS_IT_WELL,
        since_ms=end_ms - steps.step_ms,
    )


_IS_IT_WELL = Said(
    "See whether its host and the agent there are well: `tower status`.",
    "Guarda se il suo host e l'agente là stanno bene: `tower status`.",
)
_COUNTED = {
    RuleKind.CRASH_LOOP: (
        Said(
            "{who} was started again {count} times within {span}.",
            "{who} è ripartito {count} volte in {span}.",
        ),
        Said(
            "Read the end of its log (`tower logs`): what it says last is mostly why it ends.",
            "Leggi la fine del suo log (`tower logs`): l'ultima cosa che dice è per lo più il motivo.",
        ),
    ),
    RuleKind.OUT_OF_MEMORY: (
        Said(
            "{who} used up its memory, and the kernel killed {count} of its processes within {span}.",
            "{who} ha esaurito la memoria, e il kernel ha ucciso {count} suoi processi in {span}.",
        ),
        Said(
            "Give it a higher memory limit, or look for a leak in its memory history.",
            "Alza il suo limite di memoria, o cerca una perdita nella storia della sua memoria.",
        ),
    ),
}


def _count(rule: AlertRule, steps: Steps, place: int, end_ms: int) -> Observation:
    """Events within the rule's time up to this step; a step without a number has none."""
    width = max(1, (rule.window_ms or steps.step_ms) // steps.step_ms)
    recent = steps.values[max(0, place + 1 - width) : place + 1]
    known = [value for value in recent if not math.isnan(value)]
    if not known:
        return Observation(at_ms=end_ms, finding=Finding.UNKNOWN)
    count = round(math.fsum(known))
    words, hint = _COUNTED[rule.kind]
    within = span(width * steps.step_ms)
    is_breached = count >= max(1, rule.count)
    return Observation(
        at_ms=end_ms,
        finding=Finding.BREACHED if is_breached else Finding.CLEAR,
        text=say(words.en, words.it, who=who(steps.subject), count=str(count), span=within)
        if is_breached
        else say("not again within {span}", "non più in {span}", span=within),
        hint=hint,
        value=float(count),
        since_ms=end_ms - steps.step_ms,
    )
