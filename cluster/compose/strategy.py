"""`strategy`, its steps, and what a new revision is judged by."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from cluster.compose import vocabulary
from cluster.compose.document import Value
from cluster.compose.metric_limits import read_metric_limits
from cluster.compose.reader import Keys, Parts, Reader
from cluster.compose.values import parse_duration_ms, parse_permille, parse_rate
from cluster.model.strategy import (
    MINUTE_MS,
    WHOLE_PERMILLE,
    Analysis,
    BlueGreen,
    Canary,
    InconclusiveAction,
    Shift,
    Strategy,
    TrafficStep,
)

SWITCH_HOLD_MS = MINUTE_MS
CANARY_HOLD_MS = 5 * MINUTE_MS
"""How long a step that says no time of its own is held: as the model's own first steps."""


def read_shift(reader: Reader, tower: Keys) -> Shift | None:
    """The way requests move over; None where nothing is said of it."""
    names = ("strategy", "blue_green", "canary", "analysis")
    if all(tower.value(name) is None for name in names):
        return None
    shift = Parts(reader, Shift)
    strategies = {strategy.value: strategy for strategy in Strategy}
    shift.read(
        "strategy",
        tower.value("strategy"),
        partial(reader.choice, choices=strategies, default=Strategy.ROLLING),
    )
    shift.read("blue_green", tower.value("blue_green"), partial(_blue_green, reader))
    shift.read("canary", tower.value("canary"), partial(_canary, reader))
    _analysis(reader, tower, shift)
    made = shift.make(tower.at)
    for name, strategy in (("blue_green", Strategy.BLUE_GREEN), ("canary", Strategy.CANARY)):
        at = tower.value(name)
        if at is not None and made.strategy is not strategy:
            reader.warn(at, f"it has no effect with strategy {made.strategy}", f"add strategy: {strategy}")
    at = tower.value("analysis")
    if at is not None and not made.strategy.is_staged:
        reader.warn(
            at, f"nothing is judged with strategy {made.strategy}", f"add strategy: {Strategy.CANARY}"
        )
    return made


def _blue_green(reader: Reader, value: Value) -> BlueGreen:
    parts = Parts(reader, BlueGreen)
    keys = reader.keys(value, vocabulary.BLUE_GREEN)
    if keys is None:
        return BlueGreen()
    if keys.value("steps") is not None and (other := keys.value("switch_steps")) is not None:
        reader.refuse(other, "steps says it too", "leave one of them out")
    parts.read("steps", keys.first("steps", "switch_steps"), partial(_steps, reader, SWITCH_HOLD_MS))
    parts.read("preview_replicas", keys.value("preview_replicas"), reader.count)
    parts.read("is_promoted_by_itself", keys.value("auto_promote"), reader.flag)
    parts.read("approval_ms", keys.value("approve_timeout"), reader.duration_ms)
    parts.read("monitor_ms", keys.value("monitor"), reader.duration_ms)
    parts.read("keep_ms", keys.value("keep_blue"), reader.duration_ms)
    return parts.make(value)


def _canary(reader: Reader, value: Value) -> Canary:
    parts = Parts(reader, Canary)
    keys = reader.keys(value, vocabulary.CANARY)
    if keys is None:
        return Canary()
    parts.read("steps", keys.value("steps"), partial(_steps, reader, CANARY_HOLD_MS))
    parts.read("approval_ms", keys.value("approve_timeout"), reader.duration_ms)
    parts.read("keep_ms", keys.value("keep"), reader.duration_ms)
    return parts.make(value)


def _steps(reader: Reader, hold_ms: int, value: Value) -> tuple[TrafficStep, ...]:
    """Steps, each a weight or a mapping; the last one, everything, is added where it is left out."""
    steps = reader.each(value, partial(_step, reader, hold_ms))
    if steps and steps[-1].permille != WHOLE_PERMILLE:
        return (*steps, TrafficStep(permille=WHOLE_PERMILLE))
    return steps


def _step(reader: Reader, hold_ms: int, value: Value) -> TrafficStep | None:
    if not isinstance(value.content, dict):
        permille = reader.measured(value, parse_permille, 0)
        held_ms = 0 if permille == WHOLE_PERMILLE else hold_ms
        return TrafficStep(permille=permille, hold_ms=held_ms) if permille else None
    keys = reader.keys(value, vocabulary.STEP)
    if keys is None:
        return None
    at = keys.value("weight")
    if at is None:
        reader.refuse(value, "weight is missing", "such as weight: 10, in percent")
        return None
    permille = reader.measured(at, parse_permille, 0)
    if not permille:
        return None
    default_ms = 0 if permille == WHOLE_PERMILLE else hold_ms
    held_ms = keys.get("for", reader.duration_ms, default_ms)
    needs_approval = keys.get(
        "pause", partial(reader.choice, choices={"approve": True}, default=False), default=False
    )
    return reader.built(
        value, lambda: TrafficStep(permille=permille, hold_ms=held_ms, needs_approval=needs_approval)
    )


def _analysis(reader: Reader, tower: Keys, shift: Parts[Shift]) -> None:
    """Put into `shift` what `analysis` says, at its own place or within `canary`."""
    parts = Parts(reader, Analysis)
    canary = tower.value("canary")
    within = None if canary is None or not isinstance(canary.content, dict) else canary.content
    at = tower.value("analysis")
    if within is not None and (inner := within.get("analysis")) is not None and inner.content is not None:
        if at is not None:
            reader.refuse(inner, "x-tower.analysis is there too", "leave one of them out")
        at = inner
    if at is not None:
        _judge(reader, at, parts)
    for key in ("min_requests", "warmup", "on_inconclusive"):
        value = None if within is None else within.get(key)
        name, read = _judged(reader)[key]
        if value is not None and value.content is not None and parts.has(name):
            reader.refuse(value, "analysis has it too", "leave one of them out")
        elif value is not None and value.content is not None:
            parts.read(name, value, read)
    if parts.is_touched:
        shift.set("analysis", parts.make(at or tower.at), at or tower.at)


def _judged(reader: Reader) -> dict[str, tuple[str, Callable[[Value], Any]]]:
    """The field and the form of the keys that have one each."""
    rate = partial(_rate, reader)
    actions = {action.value: action for action in InconclusiveAction}
    return {
        "budget": ("budget", rate),
        "warmup": ("warmup_ms", reader.duration_ms),
        "min_requests": ("requests_min", reader.count),
        "on_inconclusive": (
            "on_inconclusive",
            partial(reader.choice, choices=actions, default=InconclusiveAction.PAUSE),
        ),
        "silence": ("silence_ms", reader.duration_ms),
        "min_effect": ("failure_rate_effect", rate),
        "margin": ("failure_rate_margin", rate),
        "error_rate": ("error_rate_max", rate),
        "success_rate": ("success_rate_min", rate),
    }


def _judge(reader: Reader, value: Value, parts: Parts[Analysis]) -> None:
    if value.content is False:
        parts.set("is_on", content=False, value=value)
        return
    keys = reader.keys(value, vocabulary.ANALYSIS)
    if keys is None:
        return
    for key, (name, read) in _judged(reader).items():
        parts.read(name, keys.value(key), read)
    parts.read("metrics", keys.value("metrics"), partial(read_metric_limits, reader))
    at = keys.value("errors")
    if at is not None and (errors := reader.keys(at, vocabulary.ERRORS)) is not None:
        if (rate := errors.value("max_rate")) is not None and parts.has("error_rate_max"):
            reader.refuse(rate, "error_rate says it too", "leave one of them out")
        else:
            parts.read("error_rate_max", rate, partial(_rate, reader))
    at = keys.value("latency")
    if at is None or (latency := reader.keys(at, vocabulary.LATENCY)) is None:
        return
    for key in ("p50", "p95", "p99"):
        parts.read(f"latency_{key}_ms_max", latency.value(key), partial(_milliseconds, reader))
    if latency.value("ratio") is not None and (other := latency.value("max_p95_ratio")) is not None:
        reader.refuse(other, "ratio says it too", "leave one of them out")
    parts.read("latency_ratio_max", latency.first("ratio", "max_p95_ratio"), partial(_number, reader))


def _rate(reader: Reader, value: Value) -> float:
    return reader.measured(value, parse_rate, 0.0)


def _milliseconds(reader: Reader, value: Value) -> float:
    return float(reader.measured(value, parse_duration_ms, 0))


def _number(reader: Reader, value: Value) -> float:
    def measure(text: str) -> float:
        try:
            return float(text)
        except ValueError as error:
            raise ValueError(f"{text!r} is no number: write it as 1.25") from error

    return reader.measured(value, measure, 0.0)
