"""Which alert says the same as another of its subject, only worse: then people are told of that one alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cluster.alerts.wording import Said, say
from cluster.model.alerts import AlertRule, AlertSubject, Comparison, RuleKind


def overrides(graver: AlertRule, rule: AlertRule) -> bool:
    """Whether an alert of `graver` says all that one of `rule` does: the same number is too far in the same
    direction, and that is more severe. A forecast overrides nothing, since it may be wrong."""
    return (
        graver.kind is RuleKind.THRESHOLD
        and graver.severity.rank > rule.severity.rank
        and graver.metric == rule.metric
        and _direction(graver) is _direction(rule)
    )


def overridden_by(
    rule: AlertRule,
    subject: AlertSubject,
    rules: Mapping[str, AlertRule],
    open_keys: Collection[tuple[str, str]],
    ended_ms: Mapping[tuple[str, str], int],
    *,
    now_ms: int,
) -> Said:
    """Return why a rule's alert of a subject need not be told now; nothing is said when it is told.

    `open_keys` and `ended_ms` are by rule id and the subject's key: what is open, and when others ended.
    After the graver one the milder is given the time to end that its rule has (`keep_firing_ms`): it is not
    to be told just because what both were about was mended.
    """
    for graver in rules.values():
        if not graver.is_enabled or not overrides(graver, rule) or not graver.scope.covers(subject):
            continue
        key = graver.id, subject.key
        has_just_ended = key in ended_ms and now_ms - ended_ms[key] < rule.keep_firing_ms
        if key in open_keys or has_just_ended:
            return say(
                "alert {id} is about the same, and graver",
                "l'avviso {id} riguarda la stessa cosa, ed è più grave",
                id=graver.id,
            )
    return Said()


def _direction(rule: AlertRule) -> Comparison | None:
    """On which side a rule's number is too far; None: it is not about how high a number is."""
    if rule.kind is RuleKind.FORECAST:
        return Comparison.ABOVE
    return rule.threshold.comparison if rule.threshold is not None else None
