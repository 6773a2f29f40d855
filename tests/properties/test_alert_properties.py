"""Whatever is seen, and however often leaders die, an incident is told once and its end once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.alerts import Book, Circumstances, Finding, Look, Observation, Said, Sight, Step, take_round
from cluster.model.alerts import Alert, AlertPhase, AlertRule, AlertSubject, RuleKind, Told

SUBJECT = AlertSubject(kind="host", key="host:n1", name="alpha", node_id="n1", node_name="alpha")
STEP_MS = 10_000


@dataclass
class Log:
    """What is committed, with the refusals of the state machine as assertions."""

    alerts: list[Alert] = field(default_factory=list)
    told: dict[int, list[Told]] = field(default_factory=dict)

    @property
    def open(self) -> list[Alert]:
        return [alert for alert in self.alerts if alert.is_open]

    def commit(self, step: Step, now_ms: int) -> None:
        alert, told = step.alert, step.told
        known = next((each for each in self.open if each.number == alert.number), None)
        assert step.expected_version == (0 if known is None else known.version)
        assert known is not None or not self.open, "one open alert of a rule and a subject"
        self.alerts = [each for each in self.alerts if each is not known]
        if step.is_dropped:
            assert known is not None
            assert known.phase is AlertPhase.PENDING
            return
        number = alert.number or len(self.told) + 1
        alert = replace(alert, number=number, version=alert.version + 1)
        if told is Told.FIRING:
            assert not alert.notified_at_ms
            alert = replace(alert, notified_at_ms=now_ms)
        if told is Told.RESOLVED:
            assert alert.notified_at_ms
        self.told.setdefault(number, [])
        if told is not None:
            self.told[number].append(told)
        self.alerts.append(alert)


rules = st.builds(
    lambda for_steps, keep_steps, looks: AlertRule(
        id="rule",
        kind=RuleKind.HOST_DOWN,
        for_ms=for_steps * STEP_MS,
        keep_firing_ms=keep_steps * STEP_MS,
        looks=looks[1],
        looks_min=looks[0],
    ),
    st.integers(0, 4),
    st.integers(0, 4),
    st.sampled_from([(0, 0), (1, 1), (2, 3), (3, 5)]),
)
seen = st.lists(st.sampled_from([*Finding, None]), min_size=1, max_size=40)
fates = st.lists(st.sampled_from(["commits", "commits", "commits", "dies before", "dies after"]), min_size=40)


def run(rule: AlertRule, findings: list[Finding | None], fates: list[str]) -> Log:
    log, book = Log(), Book()
    for number, (finding, fate) in enumerate(zip(findings, fates, strict=False), start=1):
        now_ms = number * STEP_MS
        sights = [] if finding is None else [_sight(finding, now_ms)]
        round_ = take_round(
            {rule.id: rule},
            [Look(rule=rule, sights=sights)],
            log.open,
            book,
            Circumstances(),
            now_ms=now_ms,
            open_max=10,
        )
        if fate != "dies before":
            for step in round_.steps:
                log.commit(step, now_ms)
            book.take(round_, is_committed=True)
        if fate != "commits":
            book = Book.of_log(log.alerts)
    return log


def _sight(finding: Finding, at_ms: int) -> Sight:
    return Sight(
        subject=SUBJECT,
        observations=(Observation(at_ms=at_ms, finding=finding, text=Said("it is bad", "va male")),),
    )


@settings(max_examples=150, deadline=None)
@given(rules, seen, fates)
def test_each_incident_is_told_at_most_once_and_its_end_only_after_that(
    rule: AlertRule, findings: list[Finding | None], fates: list[str]
) -> None:
    log = run(rule, findings, fates)
    for told in log.told.values():
        assert told in ([], [Told.FIRING], [Told.FIRING, Told.RESOLVED])
    for alert in log.alerts:
        assert (Told.FIRING in log.told[alert.number]) == (alert.phase is not AlertPhase.PENDING)
        assert (Told.RESOLVED in log.told[alert.number]) == (alert.phase is AlertPhase.RESOLVED)


@settings(max_examples=100, deadline=None)
@given(rules, seen, fates)
def test_nothing_fires_before_it_held_for_as_long_as_the_rule_says(
    rule: AlertRule, findings: list[Finding | None], fates: list[str]
) -> None:
    rule = replace(rule, looks=0, looks_min=0)
    for alert in run(rule, findings, fates).alerts:
        if not alert.fired_at_ms:
            continue
        assert alert.fired_at_ms - alert.since_ms >= rule.for_ms
        assert findings[alert.fired_at_ms // STEP_MS - 1] is Finding.BREACHED


@settings(max_examples=100, deadline=None)
@given(rules, st.integers(1, 30), fates)
def test_what_goes_on_being_bad_fires_and_does_not_end_however_often_leaders_die(
    rule: AlertRule, length: int, fates: list[str]
) -> None:
    log = run(rule, [Finding.BREACHED] * length, fates)
    assert all(alert.phase is not AlertPhase.RESOLVED for alert in log.alerts)
    calm = run(rule, [Finding.BREACHED] * 10, ["commits"] * 10)
    assert [alert.phase for alert in calm.alerts] == [AlertPhase.FIRING]


@settings(max_examples=100, deadline=None)
@given(
    rules, st.lists(st.sampled_from([Finding.CLEAR, Finding.BETWEEN, Finding.UNKNOWN]), max_size=40), fates
)
def test_what_is_never_bad_is_never_told(
    rule: AlertRule, findings: list[Finding | None], fates: list[str]
) -> None:
    log = run(rule, findings, fates)
    assert log.alerts == []
    assert log.told == {}
