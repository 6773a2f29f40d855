"""Observations of what is to come, and of what is unusual: words for what statistics have found."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.alerts.machine import Finding, Observation
from cluster.alerts.wording import amount, next_step, phrase, span, who
from cluster.model.alerts import DAY_MS, AlertRule, AlertSubject
from cluster.model.metrics import BY_NAME

CONFIDENCE_MIN = 0.4
"""A guess that is less sure begins no alert; it still keeps one from ending."""
RESOLVE_FACTOR = 1.5
"""An alert is over once the time that is left is so much longer than the rule's: guesses waver."""


def observe_forecast(
    rule: AlertRule,
    subject: AlertSubject,
    *,
    is_known: bool,
    days: float | None,
    share: float | None,
    per_day: float | None,
    confidence: float | None,
    now_ms: int,
) -> Observation:
    """Return what a forecast says of a rule: full within its time or not.

    `days` until it is full, None: not within a year. `share` of the limit in use now (0 to 1), `per_day` the
    growth in the metric's unit. What is not known for lack of history is no good news.
    """
    if not is_known:
        return Observation(at_ms=now_ms, finding=Finding.UNKNOWN)
    within_days = rule.within_ms / DAY_MS
    if days is None or days > within_days * RESOLVE_FACTOR:
        return Observation(at_ms=now_ms, finding=Finding.CLEAR, text="it does not fill up soon any more")
    if days > within_days or (confidence is not None and confidence < CONFIDENCE_MIN):
        return Observation(at_ms=now_ms, finding=Finding.BETWEEN)
    used = "" if share is None else f"{100 * share:.0f} % used"
    growth = f"growing {amount(per_day, BY_NAME[rule.metric].unit)} a day" if per_day and per_day > 0 else ""
    because = ", ".join(filter(None, (used, growth)))
    because = f" ({because})" if because else ""
    when = f"in about {span(round(days * DAY_MS))}" if days > 0 else "now"
    return Observation(
        at_ms=now_ms,
        finding=Finding.BREACHED,
        text=f"{who(subject)}: {phrase(rule.metric)} is at its limit {when}{because}.",
        hint=next_step(rule.metric),
        value=round(days, 2),
    )


def observe_incident(
    subject: AlertSubject, reason: str, families: Sequence[str], *, since_ms: int, now_ms: int
) -> Observation:
    """Return that several numbers of one place are unusual at the same time."""
    kinds = ", ".join(families)
    why = reason if reason.endswith(".") else f"{reason}."
    return Observation(
        at_ms=now_ms,
        finding=Finding.BREACHED,
        text=f"{who(subject)}: unusual {kinds}. {why}",
        hint="See its history around that time, and what was deployed or changed just before.",
        since_ms=since_ms,
    )
