"""What a rule would have done in the past: the same machine over what is recorded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cluster.alerts.machine import FLAP_SPAN_MS, Memory, advance
from cluster.alerts.series import Steps, observe
from cluster.model.alerts import Alert, AlertPhase, AlertRule, AlertSubject

FIRINGS_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One time a rule would have fired; `resolved_ms` None: it would fire still."""

    subject: AlertSubject
    fired_ms: int
    resolved_ms: int | None
    text: str
    value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """How often a rule would have fired, the newest firings, and of how many series.

    `came_to_nothing` is how often it held and ended before its time; of `waiting` series it holds at the end
    and has not for long enough yet.
    """

    firings: int
    newest: tuple[Firing, ...]
    series: int
    came_to_nothing: int
    waiting: int


def rehearse(rule: AlertRule, series: Iterable[Steps], *, now_ms: int) -> Rehearsal:
    """Run a rule of numbers over recorded series, as a leader would have that led all the time."""
    found: list[Firing] = []
    count = came_to_nothing = waiting = 0
    for steps in series:
        count += 1
        firings, dropped, is_waiting = _of_one(rule, steps, now_ms)
        found.extend(firings)
        came_to_nothing += dropped
        waiting += is_waiting
    found.sort(key=lambda firing: (-firing.fired_ms, firing.subject.key))
    return Rehearsal(
        firings=len(found),
        newest=tuple(found[:FIRINGS_MAX]),
        series=count,
        came_to_nothing=came_to_nothing,
        waiting=waiting,
    )


def _of_one(rule: AlertRule, steps: Steps, now_ms: int) -> tuple[list[Firing], int, bool]:
    """The firings of one series, how often it waited and came to nothing, and whether it waits at the end."""
    found: list[Firing] = []
    alert: Alert | None = None
    memory = Memory()
    dropped = 0
    for observation in observe(rule, steps, after_ms=0, now_ms=now_ms):
        flaps = sum(1 for each in found if observation.at_ms - each.fired_ms <= FLAP_SPAN_MS)
        moved = advance(rule, steps.subject, alert, memory, observation, flaps=flaps)
        alert, memory = moved.alert, moved.memory
        dropped += moved.is_dropped
        if alert is not None and alert.phase is AlertPhase.RESOLVED:
            found.append(_firing(alert))
            alert = None
    if alert is not None and alert.phase is AlertPhase.FIRING:
        found.append(_firing(alert))
    return found, dropped, alert is not None and alert.phase is AlertPhase.PENDING


def _firing(alert: Alert) -> Firing:
    return Firing(
        subject=alert.subject,
        fired_ms=alert.fired_at_ms,
        resolved_ms=alert.resolved_at_ms or None,
        text=alert.text,
        value=alert.value,
    )
