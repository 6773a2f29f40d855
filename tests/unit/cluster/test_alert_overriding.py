"""Of two rules that say the same of one subject only the graver is told, also when that ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

import pytest

from cluster.alerts import (
    BUILT_IN,
    Book,
    Circumstances,
    Finding,
    Look,
    Observation,
    Said,
    Sight,
    overrides,
    take_round,
)
from cluster.model.alerts import Alert, AlertRule, AlertSubject, Comparison, RuleKind, Threshold, Told
from cluster.model.events import Severity

MINUTE_MS = 60_000
FULL = next(rule for rule in BUILT_IN if rule.id == "disk-full")
SOON = next(rule for rule in BUILT_IN if rule.id == "disk-full-soon")
WORDS = dict(zip("b-.", (Finding.BREACHED, Finding.BETWEEN, Finding.CLEAR), strict=True))


def a_disk(name: str = "/") -> AlertSubject:
    return AlertSubject(kind="disk", key=f"disk:n1:{name}", name=name, node_id="n1", node_name="alpha")


@dataclass
class Leader:
    """Looks at disks every ten minutes, and commits what becomes of it."""

    rules: Sequence[AlertRule] = (FULL, SOON)
    now_ms: int = 0
    alerts: list[Alert] = field(default_factory=list)
    book: Book = field(default_factory=Book)
    told: list[tuple[str, str, Told]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def look(self, *, times: int = 1, disk: AlertSubject | None = None, **seen: str) -> None:
        """See a disk as each rule does: `full="b"`, `soon="."`."""
        subject = disk or a_disk()
        for _ in range(times):
            self.now_ms += 10 * MINUTE_MS
            looks = [
                Look(
                    rule=rule,
                    sights=[
                        Sight(
                            subject=subject,
                            observations=[
                                Observation(
                                    at_ms=self.now_ms, finding=WORDS[letter], text=Said("seen", "visto")
                                )
                            ],
                        )
                    ],
                )
                for rule in self.rules
                if (letter := seen.get("full" if rule.id == FULL.id else "soon"))
            ]
            round_ = take_round(
                {rule.id: rule for rule in self.rules},
                looks,
                [alert for alert in self.alerts if alert.is_open],
                self.book,
                Circumstances(),
                now_ms=self.now_ms,
                open_max=10,
            )
            for step in round_.steps:
                self._commit(step.alert, step.told, is_dropped=step.is_dropped)
            self.book.take(round_, is_committed=True)

    def is_replaced(self) -> None:
        self.book = Book.of_log(self.alerts)

    def _commit(self, alert: Alert, told: Told | None, *, is_dropped: bool) -> None:
        self.alerts = [each for each in self.alerts if each.number != alert.number]
        if is_dropped:
            return
        alert = replace(alert, number=alert.number or next(self.numbers))
        if told is Told.FIRING:
            alert = replace(alert, notified_at_ms=self.now_ms)
        if told is not None:
            self.told.append((alert.rule_id, alert.subject.name, told))
        self.alerts.append(replace(alert, version=alert.version + 1))

    def alert_of(self, rule: AlertRule) -> Alert:
        [found] = [each for each in self.alerts if each.rule_id == rule.id and each.is_open]
        return found


FULL_TOLD = (FULL.id, "/", Told.FIRING)
FULL_OVER = (FULL.id, "/", Told.RESOLVED)


def test_a_full_disk_is_told_of_once_and_the_milder_alert_says_why_it_is_quiet() -> None:
    leader = Leader()
    leader.look(full="b", soon="b", times=6)
    assert leader.told == [FULL_TOLD]
    assert leader.alert_of(SOON).muted_by == "alert disk-full is about the same, and graver"
    assert dict(leader.alert_of(SOON).translations)["it.muted_by"].startswith("l'avviso disk-full ")


@pytest.mark.parametrize("is_replaced", [False, True])
def test_the_milder_is_not_told_of_what_was_mended_with_the_graver(is_replaced: bool) -> None:
    leader = Leader()
    leader.look(full="b", soon="b", times=6)
    # The forecast looks less often: it still knows the disk from before it was emptied.
    leader.look(full=".", soon="b")
    leader.look(full=".", soon="-")
    if is_replaced:
        leader.is_replaced()
    leader.look(full=".", soon=".", times=60)
    assert leader.told == [FULL_TOLD, FULL_OVER]
    assert not any(alert.is_open for alert in leader.alerts)


def test_what_the_milder_says_still_hours_after_the_graver_is_told() -> None:
    leader = Leader()
    leader.look(full="b", soon="b", times=6)
    leader.look(full=".", soon="b", times=50)
    assert leader.told == [FULL_TOLD, FULL_OVER, (SOON.id, "/", Told.FIRING)]


def test_what_was_told_before_the_graver_came_is_told_when_it_is_over() -> None:
    leader = Leader()
    leader.look(full=".", soon="b", times=6)
    leader.look(full="b", soon="b", times=6)
    leader.look(full=".", soon=".", times=60)
    soon = (SOON.id, "/", Told.FIRING), (SOON.id, "/", Told.RESOLVED)
    assert leader.told == [soon[0], FULL_TOLD, FULL_OVER, soon[1]]


def test_another_disk_is_another_matter() -> None:
    leader = Leader()
    for _ in range(6):
        leader.look(full="b")
        leader.look(soon="b", disk=a_disk("/var"))
    assert leader.told == [FULL_TOLD, (SOON.id, "/var", Told.FIRING)]


def test_a_rule_that_is_switched_off_or_not_about_it_overrides_nothing() -> None:
    leader = Leader()
    leader.look(full="b", soon="b", times=6)
    leader.rules = (replace(FULL, is_enabled=False), SOON)
    leader.look(soon="b")
    assert leader.told == [FULL_TOLD, FULL_OVER, (SOON.id, "/", Told.FIRING)]


def a_bound(severity: Severity, comparison: Comparison = Comparison.ABOVE, **fields: str) -> AlertRule:
    return AlertRule(
        id="bound",
        kind=RuleKind.THRESHOLD,
        severity=severity,
        metric=fields.get("metric", "disk_used_bytes"),
        threshold=Threshold(comparison=comparison, value=90.0),
    )


def test_a_rule_overrides_a_milder_one_of_the_same_number_and_direction() -> None:
    grave, mild = a_bound(Severity.CRITICAL), a_bound(Severity.WARNING)
    assert overrides(grave, mild)
    assert overrides(grave, SOON)
    assert not overrides(mild, grave)
    assert not overrides(mild, SOON), "equally grave: each says something of its own"
    assert not overrides(replace(SOON, severity=Severity.CRITICAL), mild), "a forecast may be wrong"
    assert not overrides(grave, a_bound(Severity.WARNING, Comparison.BELOW))
    assert not overrides(grave, a_bound(Severity.WARNING, metric="inodes_used"))
    absence = AlertRule(id="gone", kind=RuleKind.ABSENCE, metric="disk_used_bytes")
    assert not overrides(grave, absence)
    assert [(graver.id, rule.id) for graver in BUILT_IN for rule in BUILT_IN if overrides(graver, rule)] == [
        ("disk-full", "disk-full-soon")
    ]
