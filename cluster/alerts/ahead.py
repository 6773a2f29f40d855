"""Observations of what is to come, and of what is unusual: words for what statistics have found."""

from __future__ import annotations

from cluster.alerts.machine import Finding, Observation
from cluster.alerts.wording import Said, amount, next_step, phrase, say, span, who
from cluster.model.alerts import DAY_MS, AlertRule, AlertSubject
from cluster.model.metrics import BY_NAME

CONFIDENCE_MIN = 0.4
"""A guess that is less sure begins no alert; it still keeps one from ending."""
RESOLVE_FACTOR = 1.5
"""An alert is over once the time that is left is so much longer than the rule's: guesses waver."""

_NOT_SOON = Said("it does not fill up soon any more", "non si riempie più a breve")
_LOOK_AT_IT = Said(
    "See its history around that time, and what was deployed or changed just before.",
    "Guarda la sua storia in quel momento, e che cosa è stato installato o cambiato poco prima.",
)


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
        return Observation(at_ms=now_ms, finding=Finding.CLEAR, text=_NOT_SOON)
    if days > within_days or (confidence is not None and confidence < CONFIDENCE_MIN):
        return Observation(at_ms=now_ms, finding=Finding.BETWEEN)
    reasons = []
    if share is not None:
        reasons.append(say("{n} % used", "occupato al {n} %", n=f"{100 * share:.0f}"))
    if per_day and per_day > 0:
        growth = amount(per_day, BY_NAME[rule.metric].unit)
        reasons.append(say("growing {n} a day", "cresce di {n} al giorno", n=growth))
    because = Said(", ".join(each.en for each in reasons), ", ".join(each.it for each in reasons))
    when = (
        say("in about {span}", "fra circa {span}", span=span(round(days * DAY_MS)))
        if days > 0
        else Said("now", "adesso")
    )
    return Observation(
        at_ms=now_ms,
        finding=Finding.BREACHED,
        text=say(
            "{who}: {phrase} is at its limit {when}{because}.",
            "{who}: {phrase} arriva al limite {when}{because}.",
            who=who(subject),
            phrase=phrase(rule.metric),
            when=when,
            because=say(" ({all})", " ({all})", all=because) if because else Said(),
        ),
        hint=next_step(rule.metric),
        value=round(days, 2),
    )


def observe_incident(text: Said, *, since_ms: int, now_ms: int) -> Observation:
    """Return that several numbers of one place are unusual at the same time, as `text` says."""
    return Observation(
        at_ms=now_ms,
        finding=Finding.BREACHED,
        text=text,
        hint=_LOOK_AT_IT,
        since_ms=since_ms,
    )
