"""Commands on alert rules, alerts and silences."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model import rules
from cluster.model.alerts import CHANGES_MAX, TEXT_CHARS_MAX, Alert, AlertRule, Silence, Told


@dataclass(frozen=True, slots=True, kw_only=True)
class PutAlertRule:
    """Make a rule, or another one of the same id in its place; one that is built in is overridden."""

    rule: AlertRule


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveAlertRule:
    """Forget a rule; one that is built in is as it was. Its alerts are resolved at the next look."""

    rule_id: str

    def __post_init__(self) -> None:
        rules.check_id("rule id", self.rule_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertChange:
    """What an alert is from now on, and what people are told of that.

    `expected_version` is that of the open alert of this rule and subject, 0: there is none. `is_dropped`: a
    pending one came to nothing.
    """

    alert: Alert
    expected_version: int
    told: Told | None = None
    is_dropped: bool = False

    def __post_init__(self) -> None:
        rules.check_range("expected version", self.expected_version, 0, 2**63 - 1)
        if self.is_dropped and (self.told is not None or not self.expected_version):
            raise ValueError("an alert is dropped in silence, once it is there")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitAlerts:
    """Move alerts on, all of these or none (leader only). Result: the alerts' numbers.

    What people are told is an event of the same entry: so it is told once, whoever leads.
    """

    changes: tuple[AlertChange, ...]

    def __post_init__(self) -> None:
        rules.check_count("changes", self.changes, CHANGES_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgeAlert:
    """Say that somebody looks after an alert, or with `is_withdrawn` that nobody does any more."""

    number: int
    by: str
    comment: str = ""
    is_withdrawn: bool = False

    def __post_init__(self) -> None:
        rules.check_range("alert", self.number, 1, 2**63 - 1)
        rules.check_text("by", self.by, 128)
        rules.check_text("comment", self.comment, TEXT_CHARS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class PutSilence:
    """Keep alerts quiet, at once or later."""

    silence: Silence


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSilence:
    """Forget a silence, whether it has begun or not. What fires then is told."""

    silence_id: str

    def __post_init__(self) -> None:
        rules.check_id("silence id", self.silence_id)
