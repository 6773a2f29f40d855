"""How one alert moves: an observation comes, and it begins, fires, stays, or is over.

What the log has of it is the `Alert`; what may be lost with a leader is the `Memory`. An observation counts
once, by its moment: late and repeated ones change nothing. Losing the memory makes an alert later or last
longer, and never told twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from cluster.alerts.wording import NOTHING, Said, same
from cluster.model.alerts import DAY_MS, TEXT_CHARS_MAX, Alert, AlertPhase, AlertRule, AlertSubject, Told
from cluster.model.events import clip

FLAPS = 3
"""How often an alert begins within `FLAP_SPAN_MS` before it is called flapping."""
FLAP_SPAN_MS = 3_600_000
FLAP_KEEP_MS = 1_800_000
"""How long one that flaps must be quiet before it is over."""
GIVE_UP_MS = DAY_MS
"""How long an alert is kept of something that nothing is known of any more."""


_GIVEN_UP = Said("nothing was heard of it for a day", "non se ne sa più nulla da un giorno")
_IS_GONE = Said("it is gone", "non c'è più")


class Finding(StrEnum):
    """What was seen. BETWEEN: past the value at which it is over, and not at that at which it begins.

    UNKNOWN: nothing could be seen, which is no good news. GONE: there is no such thing any more.
    """

    BREACHED = "breached"
    BETWEEN = "between"
    CLEAR = "clear"
    UNKNOWN = "unknown"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What was seen of a subject at a moment, and the words for it.

    `waiting` are the words as long as it has not held for its rule's time, where `text` says that it has.
    `since_ms` is when it began, where that is known: a host says when it was declared down.
    """

    at_ms: int
    finding: Finding
    text: Said = NOTHING
    waiting: Said = NOTHING
    hint: Said = NOTHING
    value: float | None = None
    since_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is known of a rule and a subject besides the log: the newest moment that was judged, whether it
    was breached at the last looks, and since when a firing alert could be over."""

    seen_ms: int = 0
    looks: tuple[bool, ...] = ()
    clear_since_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Where an alert is now; None: there is none. `is_dropped`: the pending one came to nothing."""

    alert: Alert | None
    memory: Memory
    is_dropped: bool = False


def advance(
    rule: AlertRule,
    subject: AlertSubject,
    alert: Alert | None,
    memory: Memory,
    observation: Observation,
    *,
    flaps: int = 0,
) -> Moved:
    """Return what becomes of the open alert of `rule` and `subject` by an observation.

    `flaps` is how many alerts of both began within the last hour, without this one.
    """
    assert alert is None or alert.is_open, "what is over does not move"
    if observation.at_ms <= memory.seen_ms:
        return Moved(alert=alert, memory=memory)
    memory = replace(memory, seen_ms=observation.at_ms)
    if observation.finding is Finding.GONE:
        return _gone(alert, observation)
    if observation.finding is Finding.UNKNOWN:
        # What was clear before and after a gap may have been anything in between.
        return Moved(alert=_unknown(alert, observation), memory=replace(memory, clear_since_ms=None))
    is_firing = alert is not None and alert.phase is AlertPhase.FIRING
    is_breached = observation.finding is Finding.BREACHED or (
        observation.finding is Finding.BETWEEN and is_firing
    )
    memory = replace(memory, looks=(*memory.looks, is_breached)[-max(1, rule.looks) :])
    holds = is_breached if not rule.looks else _looks_hold(rule, memory.looks, is_firing=is_firing)
    if is_firing:
        assert alert is not None, "it fires"
        return _keep(rule, alert, memory, observation, holds=holds)
    if not holds:
        return Moved(alert=None, memory=memory, is_dropped=alert is not None)
    if not is_breached:
        # Enough of the last looks were bad; it begins with a bad one, whose words are told.
        return Moved(alert=alert, memory=memory)
    if alert is None:
        alert = _begin(rule, subject, observation)
    if observation.at_ms - alert.since_ms < rule.for_ms:
        return Moved(alert=alert, memory=memory)
    memory = replace(memory, clear_since_ms=None)
    return Moved(alert=_fire(alert, observation, is_flapping=flaps >= FLAPS), memory=memory)


def attend(
    rule: AlertRule, alert: Alert, *, muted_by: Said, now_ms: int, is_ending: bool = False
) -> tuple[Alert, Told | None]:
    """Return the alert with whether it is kept quiet, and what people are to be told of it now.

    What was kept quiet and still fires is told once that ends, unless it `is_ending`: was clear at the last
    look, and only kept in case it comes back. What was told and is over is told even then.
    """
    if alert.phase is AlertPhase.RESOLVED:
        return alert, Told.RESOLVED if alert.notified_at_ms else None
    if alert.muted_by != clip(muted_by.en, TEXT_CHARS_MAX):
        alert = saying(alert, muted_by=muted_by)
    if alert.phase is not AlertPhase.FIRING or muted_by:
        return alert, None
    if not alert.notified_at_ms:
        return alert, None if is_ending else Told.FIRING
    last_ms = max(alert.notified_at_ms, alert.reminded_at_ms)
    if rule.remind_ms and not alert.acknowledged_at_ms and now_ms - last_ms >= rule.remind_ms:
        return alert, Told.REMINDER
    return alert, None


def close(alert: Alert, *, at_ms: int, resolution: Said) -> Alert:
    """Return a firing alert as one that is over."""
    return saying(
        replace(
            alert,
            phase=AlertPhase.RESOLVED,
            resolved_at_ms=at_ms,
            judged_ms=at_ms,
            quiet_since_ms=0,
        ),
        resolution=resolution,
        muted_by=NOTHING,
    )


def saying(alert: Alert, **fields: Said) -> Alert:
    """Return the alert with these of its fields saying so, in every language."""
    texts = {name: clip(said.en, TEXT_CHARS_MAX) for name, said in fields.items()}
    translations = dict(alert.translations)
    for name, said in fields.items():
        translations.pop(f"it.{name}", None)
        if said.it and said.it != said.en:
            translations[f"it.{name}"] = clip(said.it, TEXT_CHARS_MAX)
    changes: dict[str, Any] = {**texts, "translations": tuple(sorted(translations.items()))}
    return replace(alert, **changes)


def _looks_hold(rule: AlertRule, looks: tuple[bool, ...], *, is_firing: bool) -> bool:
    # A new leader has seen few looks: what it has not seen does not end what fires, nor begin anything.
    unseen = rule.looks - len(looks) if is_firing else 0
    return sum(looks) + unseen >= rule.looks_min


def _begin(rule: AlertRule, subject: AlertSubject, observation: Observation) -> Alert:
    began_ms = observation.at_ms if observation.since_ms is None else observation.since_ms
    alert = Alert(
        rule_id=rule.id,
        kind=rule.kind,
        subject=subject,
        severity=rule.severity,
        phase=AlertPhase.PENDING,
        since_ms=min(began_ms, observation.at_ms),
        judged_ms=observation.at_ms,
        value=observation.value,
        labels=rule.labels,
    )
    hint = same(rule.hint) if rule.hint else observation.hint
    return saying(alert, text=observation.waiting or observation.text, hint=hint)


def _fire(alert: Alert, observation: Observation, *, is_flapping: bool) -> Alert:
    alert = replace(
        alert,
        phase=AlertPhase.FIRING,
        judged_ms=observation.at_ms,
        fired_at_ms=observation.at_ms,
        value=observation.value,
        is_flapping=is_flapping,
    )
    return saying(alert, text=observation.text) if observation.text else alert


def _keep(rule: AlertRule, alert: Alert, memory: Memory, observation: Observation, *, holds: bool) -> Moved:
    if alert.quiet_since_ms:
        alert = replace(alert, quiet_since_ms=0)
    if holds:
        return Moved(alert=alert, memory=replace(memory, clear_since_ms=None))
    since_ms = observation.at_ms if memory.clear_since_ms is None else memory.clear_since_ms
    keep_ms = max(rule.keep_firing_ms, FLAP_KEEP_MS if alert.is_flapping else 0)
    if observation.at_ms - since_ms < keep_ms:
        return Moved(alert=alert, memory=replace(memory, clear_since_ms=since_ms))
    over = close(alert, at_ms=observation.at_ms, resolution=observation.text)
    return Moved(alert=over, memory=replace(memory, looks=(), clear_since_ms=None))


def _unknown(alert: Alert | None, observation: Observation) -> Alert | None:
    if alert is None or alert.phase is not AlertPhase.FIRING:
        return alert
    if not alert.quiet_since_ms:
        return replace(alert, quiet_since_ms=observation.at_ms)
    if observation.at_ms - alert.quiet_since_ms < GIVE_UP_MS:
        return alert
    return close(alert, at_ms=observation.at_ms, resolution=_GIVEN_UP)


def _gone(alert: Alert | None, observation: Observation) -> Moved:
    memory = Memory(seen_ms=observation.at_ms)
    if alert is None or alert.phase is AlertPhase.PENDING:
        return Moved(alert=None, memory=memory, is_dropped=alert is not None)
    return Moved(
        alert=close(alert, at_ms=observation.at_ms, resolution=observation.text or _IS_GONE),
        memory=memory,
    )
