"""From what the targets ask for now to what is done: bounds, windows, steps, and reasons to wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cluster.autoscale.recommending import Recommendation, ReplicaLoad, recommend
from cluster.model.autoscaling import AutoscalePolicy, ScaleMetric

LOOKS_MAX = 1024
"""Most remembered looks: an hour's window at one look in five seconds."""
LESSON_MS = 3_600_000
LESSON_RATE_SHARE = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One look at a service. `now_ms` is any clock that only goes forward.

    `current` replicas are wanted now, `changed_ago_ms` ago for the last time (None: not known). `replicas`
    are those that are to serve. `busy` is why the number must not change now, "" when it may. Of routed
    requests None says that nobody has told lately; `is_rate_complete` that every router has.
    """

    now_ms: int
    current: int
    replicas: Sequence[ReplicaLoad]
    changed_ago_ms: int | None = None
    busy: str = ""
    requests_per_s: float | None = None
    latency_p95_ms: float | None = None
    is_rate_complete: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """With `replicas` it was too slow at `requests_per_s`."""

    at_ms: int
    replicas: int
    requests_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What earlier looks asked for: (when, how many), oldest first. Without a break since `since_ms`; None:
    there was none yet. `lesson` is what latency has taught."""

    since_ms: int | None = None
    looks: tuple[tuple[int, int], ...] = ()
    lesson: Lesson | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How many replicas there are to be, None to leave it, and why. `wanted` is what the targets ask for
    together within the bounds, None without numbers."""

    replicas: int | None
    reason: str
    wanted: int | None
    recommendations: tuple[Recommendation, ...]


def decide(policy: AutoscalePolicy, situation: Situation, memory: Memory) -> tuple[Decision, Memory]:
    """Return the decision of this look, and what the next one is to remember.

    A `Memory` that is new makes this wait a whole window before it takes a replica away, and add at once:
    so begins a leader that does not know what the one before it saw.
    """
    current = situation.current
    recommendations = tuple(
        recommend(
            target,
            current=max(1, current),
            tolerance_percent=policy.tolerance_percent,
            replicas=situation.replicas,
            requests_per_s=situation.requests_per_s,
            latency_p95_ms=situation.latency_p95_ms,
        )
        for target in policy.targets
    )

    def keep(reason: str, wanted: int | None = None) -> Decision:
        return Decision(replicas=None, reason=reason, wanted=wanted, recommendations=recommendations)

    if current == 0:
        return keep("it is scaled to no replica at all: a person has to bring it back"), Memory()
    if situation.busy:
        # What is seen meanwhile is of two revisions, or of too few replicas.
        return keep(situation.busy), Memory(lesson=memory.lesson)
    bounded = policy.clamped(current)
    if bounded != current:
        bounds = f"{policy.replicas_min} to {policy.replicas_max}"
        decision = replace(keep(f"{bounds} replicas are allowed", bounded), replicas=bounded)
        return decision, _remember(policy, memory, situation.now_ms, bounded)

    memory = _learn(memory, situation, recommendations)
    wanted = _together(recommendations, situation, memory)
    if wanted is None:
        return keep("there are no fresh numbers"), memory
    wanted = policy.clamped(wanted)
    memory = _remember(policy, memory, situation.now_ms, wanted)
    why = _in_words(recommendations, wanted, current)
    up, down = _stabilised(policy, memory, situation.now_ms)
    if up <= current <= down:
        return keep(_waiting(policy, wanted, current, why), wanted), memory
    changed_ago_ms = situation.changed_ago_ms
    if changed_ago_ms is not None and changed_ago_ms < policy.cooldown_ms:
        return keep(f"the last change is {changed_ago_ms // 1000} s ago; {why}", wanted), memory
    chosen = _stepped(policy, current, up if up > current else down)
    return replace(keep(why, wanted), replicas=chosen), memory


def _together(recommendations: Sequence[Recommendation], situation: Situation, memory: Memory) -> int | None:
    """The most that is asked for. No fewer than there are while anything is not known."""
    current = situation.current
    known = [each.wanted for each in recommendations if each.wanted is not None]
    if not known:
        return None
    wanted = max(known)
    is_routed = any(each.target.metric.is_routed for each in recommendations)
    if len(known) < len(recommendations) or (is_routed and not situation.is_rate_complete):
        wanted = max(wanted, current)
    lesson, rate = memory.lesson, situation.requests_per_s
    if lesson is not None and rate is not None and rate >= LESSON_RATE_SHARE * lesson.requests_per_s:
        wanted = max(wanted, min(current, lesson.replicas + 1))
    return wanted


def _learn(memory: Memory, situation: Situation, recommendations: Sequence[Recommendation]) -> Memory:
    """Note with how many replicas it was too slow, or so few would be tried again and again."""
    lesson = memory.lesson
    if lesson is not None and situation.now_ms - lesson.at_ms > LESSON_MS:
        lesson = None
    for each in recommendations:
        is_slow = each.target.metric is ScaleMetric.LATENCY and (each.wanted or 0) > situation.current
        if is_slow and situation.requests_per_s is not None:
            lesson = Lesson(
                at_ms=situation.now_ms,
                replicas=sum(1 for replica in situation.replicas if replica.is_ready),
                requests_per_s=situation.requests_per_s,
            )
    return replace(memory, lesson=lesson)


def _remember(policy: AutoscalePolicy, memory: Memory, now_ms: int, wanted: int) -> Memory:
    window_ms = max(policy.up_stabilisation_ms, policy.down_stabilisation_ms)
    kept = [look for look in memory.looks if now_ms - look[0] <= window_ms]
    return replace(
        memory,
        since_ms=now_ms if memory.since_ms is None else memory.since_ms,
        looks=(*kept, (now_ms, wanted))[-LOOKS_MAX:],
    )


def _stabilised(policy: AutoscalePolicy, memory: Memory, now_ms: int) -> tuple[int, int]:
    """The fewest that was asked for in the window for more, and the most in the one for fewer.

    A window for fewer that is not over yet may have missed anything: the most that is allowed, say.
    """
    up = min(wanted for at_ms, wanted in memory.looks if now_ms - at_ms <= policy.up_stabilisation_ms)
    down = max(wanted for at_ms, wanted in memory.looks if now_ms - at_ms <= policy.down_stabilisation_ms)
    assert memory.since_ms is not None, "this look is remembered"
    if now_ms - memory.since_ms < policy.down_stabilisation_ms:
        down = max(down, policy.replicas_max)
    return up, down


def _stepped(policy: AutoscalePolicy, current: int, wanted: int) -> int:
    if wanted > current:
        step = max(1, current * policy.step_up_percent // 100)
        return min(wanted, current + step)
    step = max(1, current * policy.step_down_percent // 100)
    return max(wanted, current - step)


def _in_words(recommendations: Sequence[Recommendation], wanted: int, current: int) -> str:
    """The numbers behind what is wanted: those that ask for the most, or all where fewer are wanted."""
    told = [each for each in recommendations if each.observed is not None]
    if wanted >= current:
        most = max((each.wanted or 0 for each in told), default=0)
        told = [each for each in told if each.wanted == most]
    return ", ".join(_number(each) for each in told) or "there are no fresh numbers"


def _number(each: Recommendation) -> str:
    assert each.observed is not None
    unit = each.target.metric.unit
    observed = f"{each.observed:.0f}" if each.observed >= 10 else f"{each.observed:.1f}"
    return f"{each.target.metric} {observed} of {each.target.value}{unit}"


def _waiting(policy: AutoscalePolicy, wanted: int, current: int, why: str) -> str:
    if wanted < current:
        window_s = policy.down_stabilisation_ms // 1000
        return f"{wanted} would do, and have to for {window_s} s; {why}"
    if wanted > current:
        return f"{wanted} are needed, and have to be for {policy.up_stabilisation_ms // 1000} s; {why}"
    return why
