"""What is seen of containers, hosts, certificates and numbers, who is told, and in which words."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from cluster.alerts import (
    BUILT_IN,
    SETTLE_MS,
    Circumstances,
    Finding,
    HostContainers,
    Memory,
    Observation,
    Said,
    Steps,
    advance,
    attend,
    merged,
    muted_by,
    observe,
    observe_certificates,
    observe_containers,
    observe_forecast,
    observe_hosts,
    observe_quorum,
    observe_replicas,
    of_series,
    rehearse,
    rules_in_force,
    same_hours,
    usual,
)
from cluster.alerts.subjects import of_certificate
from cluster.model.alerts import (
    DAY_MS,
    Alert,
    AlertMatcher,
    AlertPhase,
    AlertRule,
    AlertSubject,
    Comparison,
    RuleKind,
    RuleScope,
    Silence,
    StepStatistic,
    Threshold,
    Told,
)
from cluster.model.events import Severity
from cluster.model.ids import NodeId, ServiceId
from cluster.model.inventory import ContainerSummary
from cluster.model.metrics import Subject, SubjectDefinition, SubjectKind
from cluster.model.node import Certificate, Maintenance, Node, NodeRole, NodeStatus
from cluster.model.route_certificates import RouteCertificate
from cluster.model.service import (
    Assignment,
    DesiredState,
    ReplicaPhase,
    RolloutPolicy,
    Service,
)
from cluster.model.service import Observation as Seen
from cluster.model.web_certificates import WebCertificate

NOW_MS = 1_800_000_000_000
MINUTE_MS = 60_000
WEB = ServiceId("shop.web")
SUBJECT = AlertSubject(kind="host", key="host:n1", name="alpha", node_id="n1", node_name="alpha")


def a_rule(kind: RuleKind = RuleKind.HOST_DOWN, **fields: Any) -> AlertRule:
    return AlertRule(**{"id": "rule", "kind": kind, **fields})


def a_threshold(value: float = 100.0, **fields: Any) -> AlertRule:
    bound = {name: fields.pop(name) for name in ("resolve_value", "comparison") if name in fields}
    threshold = Threshold(value=value, **bound)
    return a_rule(RuleKind.THRESHOLD, metric="memory_bytes", threshold=threshold, **fields)


def a_node(name: str = "n1", **fields: Any) -> Node:
    base: dict[str, Any] = {
        "id": NodeId(name),
        "name": f"host-{name}",
        "address": f"{name}:1",
        "api_address": f"{name}:2",
        "role": NodeRole.VOTER,
        "status": NodeStatus.UP,
        "status_at_ms": NOW_MS - MINUTE_MS,
        "joined_at_ms": 0,
    }
    return Node(**{**base, **fields})


def a_container(state: str, status: str = "", **fields: Any) -> ContainerSummary:
    base: dict[str, Any] = {
        "id": "c1",
        "name": "web-1",
        "image": "web:1",
        "state": state,
        "status": status,
        "health": "none",
        "created_at_ms": 0,
    }
    return ContainerSummary(**{**base, **fields})


def an_alert(**fields: Any) -> Alert:
    base: dict[str, Any] = {
        "number": 1,
        "version": 1,
        "rule_id": "rule",
        "kind": RuleKind.HOST_DOWN,
        "subject": SUBJECT,
        "severity": Severity.WARNING,
        "phase": AlertPhase.FIRING,
        "since_ms": NOW_MS,
        "judged_ms": NOW_MS,
        "fired_at_ms": NOW_MS,
    }
    return Alert(**{**base, **fields})


def run(rule: AlertRule, findings: str, *, flaps: int = 0, step_ms: int = MINUTE_MS) -> list[Alert | None]:
    """What an alert is after each finding: b(reached), - (between), . (clear), ? (unknown), x (gone)."""
    words = dict(zip("b-.?x", Finding, strict=True))
    alert: Alert | None = None
    memory = Memory()
    after = []
    for number, letter in enumerate(findings):
        at_ms = NOW_MS + number * step_ms
        observation = Observation(at_ms=at_ms, finding=words[letter], text=Said("seen", "visto"))
        moved = advance(rule, SUBJECT, alert, memory, observation, flaps=flaps)
        after.append(moved.alert)
        alert, memory = moved.alert, moved.memory
        if alert is not None and not alert.is_open:
            alert = None
    return after


def phases(rule: AlertRule, findings: str, **options: Any) -> str:
    """As letters: p(ending), f(iring), r(esolved), . (none)."""
    return "".join("." if each is None else each.phase.value[0] for each in run(rule, findings, **options))


# ---- how an alert moves


@pytest.mark.parametrize(
    ("rule", "findings", "expected"),
    [
        (a_rule(), "b.b", "frf"),
        (a_rule(for_ms=2 * MINUTE_MS), "bbb.", "ppfr"),
        (a_rule(for_ms=2 * MINUTE_MS), "bb.bb", "pp.pp"),
        # Between the two bounds nothing begins, and nothing ends.
        (a_rule(), "--b--.", "..fffr"),
        (a_rule(keep_firing_ms=2 * MINUTE_MS), "b.b...", "fffffr"),
        # No news is no good news, and does not count as quiet time either.
        (a_rule(keep_firing_ms=2 * MINUTE_MS), "b.?...", "fffffr"),
        (a_rule(for_ms=2 * MINUTE_MS), "b?b", "ppf"),
        (a_rule(), "b?x", "ffr"),
        (a_rule(for_ms=2 * MINUTE_MS), "bx", "p."),
        # Of the last five looks three are bad, then two.
        (a_rule(looks=5, looks_min=3), "b.b.b.", "....fr"),
        (a_rule(looks=5, looks_min=3), "b.b.-", "....."),
    ],
)
def test_an_alert_begins_fires_stays_and_ends_as_its_rule_says(
    rule: AlertRule, findings: str, expected: str
) -> None:
    assert phases(rule, findings) == expected


def test_an_alert_that_comes_and_goes_is_kept_open_until_it_was_quiet_for_half_an_hour() -> None:
    assert phases(a_rule(), "b" + 30 * "." + ".", flaps=3) == 31 * "f" + "r"
    (first, *_) = run(a_rule(), "b", flaps=3)
    assert first is not None
    assert first.is_flapping


def test_what_nothing_is_known_of_for_a_day_is_given_up() -> None:
    hours = run(a_rule(), "b" + 26 * "?", step_ms=3_600_000)
    assert [alert.phase for alert in hours[:25] if alert] == 25 * [AlertPhase.FIRING]
    assert hours[25] is not None
    assert hours[25].resolution == "nothing was heard of it for a day"


def test_an_observation_counts_once() -> None:
    observation = Observation(at_ms=NOW_MS, finding=Finding.BREACHED)
    moved = advance(a_rule(), SUBJECT, None, Memory(seen_ms=NOW_MS), observation)
    assert moved.alert is None


def test_people_are_told_when_it_fires_again_while_nobody_looks_after_it_and_when_it_is_over() -> None:
    rule = a_rule(remind_ms=MINUTE_MS)
    assert attend(rule, an_alert(), muted_by=Said(), now_ms=NOW_MS)[1] is Told.FIRING
    told = an_alert(notified_at_ms=NOW_MS)
    assert attend(rule, told, muted_by=Said(), now_ms=NOW_MS + MINUTE_MS)[1] is Told.REMINDER
    taken = replace(told, acknowledged_at_ms=NOW_MS)
    assert attend(rule, taken, muted_by=Said(), now_ms=NOW_MS + MINUTE_MS)[1] is None
    assert attend(rule, an_alert(), muted_by=Said("silence", "silenzio"), now_ms=NOW_MS)[1] is None
    over = replace(told, phase=AlertPhase.RESOLVED)
    assert attend(rule, over, muted_by=Said("silence", "silenzio"), now_ms=NOW_MS)[1] is Told.RESOLVED
    never_told = an_alert(phase=AlertPhase.RESOLVED)
    assert attend(rule, never_told, muted_by=Said(), now_ms=NOW_MS)[1] is None


# ---- who is not told


def test_what_is_done_on_purpose_is_told_to_nobody() -> None:
    container = replace(SUBJECT, kind="container", service_id=WEB, environment="staging", key="c")
    alert = an_alert(kind=RuleKind.CONTAINER_DOWN, subject=container)
    maintained = a_node(
        maintenance=Maintenance(until_ms=NOW_MS + MINUTE_MS, longest_ms=DAY_MS, reason="new disks")
    )
    silence = Silence(
        id="si_1", matcher=AlertMatcher(rules=("rule",)), comment="racks", from_ms=0, until_ms=1, by="ann"
    )
    cases = [
        (Circumstances(), ""),
        (Circumstances(nodes={"n1": a_node()}), ""),
        (Circumstances(silences=[silence]), "silence si_1 by ann: racks"),
        (Circumstances(nodes={"n1": maintained}), "host host-n1 is in maintenance: new disks"),
        (Circumstances(nodes={"n1": a_node(is_draining=True)}), "host host-n1 is being drained"),
        (Circumstances(rollouts={WEB: "ro_1"}), "rollout ro_1 of shop.web"),
        (Circumstances(rollouts={"shop.db": "ro_1"}), ""),
        (Circumstances(quiet_environments={"staging"}), "alerting is off in environment staging"),
    ]
    for around, expected in cases:
        assert muted_by(alert, around, NOW_MS).en == expected
    full = an_alert(kind=RuleKind.OUT_OF_MEMORY, subject=container)
    assert muted_by(full, Circumstances(rollouts={WEB: "ro_1"}), NOW_MS) == Said()


# ---- containers


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        (a_container("running", "Up 3 hours"), Finding.CLEAR),
        (a_container("exited", "Exited (1) 3 seconds ago"), Finding.BREACHED),
        (a_container("exited", "Exited (0) 3 seconds ago"), Finding.CLEAR),
        (a_container("exited", "Exited (143) 3 seconds ago"), Finding.CLEAR),
        (a_container("exited", "Exited (1) About an hour ago"), Finding.BETWEEN),
        (a_container("exited", "Exited (1) 3 weeks ago"), Finding.BETWEEN),
        (a_container("restarting", "Restarting (1) 3 seconds ago"), Finding.BETWEEN),
        (a_container("created", "Created"), Finding.CLEAR),
        (a_container("dead", "Dead"), Finding.BREACHED),
        (a_container("paused", "Up 3 hours (Paused)"), Finding.CLEAR),
    ],
)
def test_a_container_is_down_when_it_ended_by_itself_just_now(
    container: ContainerSummary, expected: Finding
) -> None:
    host = HostContainers(node_id="n1", node_name="alpha", containers=(container,))
    ((subject, seen),) = observe_containers(a_rule(RuleKind.CONTAINER_DOWN), [host], NOW_MS)
    assert (subject.name, seen.finding) == ("web-1", expected)


def test_a_container_is_unhealthy_when_it_runs_and_its_check_fails() -> None:
    rule = a_rule(RuleKind.CONTAINER_UNHEALTHY)
    for health, expected in (
        ("unhealthy", Finding.BREACHED),
        ("starting", Finding.BETWEEN),
        ("healthy", Finding.CLEAR),
        ("none", Finding.CLEAR),
    ):
        host = HostContainers(
            node_id="n1", node_name="alpha", containers=(a_container("running", "Up", health=health),)
        )
        ((_, seen),) = observe_containers(rule, [host], NOW_MS)
        assert seen.finding is expected


def test_nothing_is_seen_of_hosts_that_do_not_say_and_of_containers_that_are_replicas() -> None:
    rule = a_rule(RuleKind.CONTAINER_DOWN)
    silent = HostContainers(node_id="n1", node_name="alpha", containers=None)
    managed = HostContainers(
        node_id="n2",
        node_name="beta",
        containers=(a_container("exited", "Exited (1) 1 second ago", is_managed=True),),
    )
    assert list(observe_containers(rule, [silent, managed], NOW_MS)) == []


def a_service(**fields: Any) -> Service:
    base: dict[str, Any] = {
        "id": WEB,
        "project": "shop",
        "name": "web",
        "revision": 2,
        "replicas": 1,
        "version": 1,
        "stable_revision": 1,
        "policy": RolloutPolicy(),
        "rollout_id": None,
        "created_at_ms": 0,
        "changed_at_ms": 0,
    }
    return Service(**{**base, **fields})


def a_copy(phase: ReplicaPhase, *, node: str = "n1", revision: int = 1, **fields: Any) -> Assignment:
    base: dict[str, Any] = {
        "service_id": WEB,
        "revision": revision,
        "ordinal": 0,
        "node_id": NodeId(node),
        "desired": DesiredState.SERVING,
        "token": 1,
        "leader_term": 1,
        "changed_at_ms": 0,
        "observed": Seen(phase=phase, reason="ended with status 1"),
    }
    return Assignment(**{**base, **fields})


def see_replica(
    kind: RuleKind, *copies: Assignment, up: tuple[str, ...] = ("n1", "n2"), **service: Any
) -> Any:
    found = list(
        observe_replicas(
            a_rule(kind),
            {WEB: a_service(**service)},
            copies,
            node_names={NodeId("n1"): "alpha"},
            reachable={NodeId(node) for node in up},
            now_ms=NOW_MS,
        )
    )
    return [seen.finding for _, seen in found]


def test_a_replica_is_well_as_soon_as_one_copy_of_it_is() -> None:
    down = RuleKind.CONTAINER_DOWN
    ended = a_copy(ReplicaPhase.FAILED)
    assert see_replica(down, ended) == [Finding.BREACHED]
    assert see_replica(down, ended, a_copy(ReplicaPhase.HEALTHY, node="n2")) == [Finding.CLEAR]
    assert see_replica(down, a_copy(ReplicaPhase.STARTING)) == [Finding.BETWEEN]
    assert see_replica(RuleKind.CONTAINER_UNHEALTHY, ended) == [Finding.BETWEEN]
    assert see_replica(RuleKind.CONTAINER_UNHEALTHY, a_copy(ReplicaPhase.UNHEALTHY)) == [Finding.BREACHED]


def test_a_replica_that_ended_well_and_may_is_done_and_what_it_printed_is_told_to_nobody() -> None:
    def see(reason: str, may_end: set[tuple[str, int]]) -> Observation:
        copy = a_copy(ReplicaPhase.EXITED, observed=Seen(phase=ReplicaPhase.EXITED, reason=reason))
        ((_, seen),) = observe_replicas(
            a_rule(RuleKind.CONTAINER_DOWN),
            {WEB: a_service()},
            [copy],
            node_names={NodeId("n1"): "alpha"},
            reachable={NodeId("n1")},
            may_end=may_end,
            now_ms=NOW_MS,
        )
        return seen

    done = "its restart policy is none; ended with exit code 0:\nbye"
    assert see(done, {(WEB, 1)}).finding is Finding.CLEAR
    assert see(done, set()).finding is Finding.BREACHED
    failed = see("ended with exit code 1:\npassword=hunter2", {(WEB, 1)})
    assert failed.finding is Finding.BREACHED
    assert failed.text.en == "shop.web replica 0 on alpha is not running: ended with exit code 1."


def test_of_a_replica_on_a_host_that_is_away_nothing_is_known_since_the_host_is_what_is_wrong() -> None:
    assert see_replica(RuleKind.CONTAINER_DOWN, a_copy(ReplicaPhase.FAILED), up=("n2",)) == [Finding.UNKNOWN]


def test_a_replica_that_is_not_wanted_any_more_is_not_seen() -> None:
    ended = a_copy(ReplicaPhase.FAILED)
    assert see_replica(RuleKind.CONTAINER_DOWN, replace(ended, desired=DesiredState.REMOVED)) == []
    assert see_replica(RuleKind.CONTAINER_DOWN, ended, replicas=0) == []


# ---- hosts and dates


def test_a_host_that_is_suspect_neither_begins_an_alert_nor_ends_one() -> None:
    found = {
        status: [seen.finding for _, seen in observe_hosts([a_node(status=status)], NOW_MS)]
        for status in NodeStatus
    }
    assert found == {
        NodeStatus.UP: [Finding.CLEAR],
        NodeStatus.SUSPECT: [Finding.BETWEEN],
        NodeStatus.DOWN: [Finding.BREACHED],
        NodeStatus.LEFT: [Finding.GONE],
    }


@pytest.mark.parametrize(
    ("voters", "down", "expected"),
    [(1, 0, "clear"), (3, 0, "clear"), (3, 1, "breached"), (5, 1, "clear"), (5, 2, "breached")],
)
def test_the_quorum_is_at_risk_when_one_more_loss_would_stop_it(
    voters: int, down: int, expected: str
) -> None:
    nodes = [
        a_node(f"n{number}", status=NodeStatus.DOWN if number < down else NodeStatus.UP)
        for number in range(voters)
    ]
    rule = a_rule(RuleKind.QUORUM, count=1)
    assert [seen.finding for _, seen in observe_quorum(rule, nodes, NOW_MS)] == [Finding(expected)]


def test_certificates_are_told_of_in_time_and_those_of_hosts_only_when_they_do_not_renew() -> None:
    def route(days: float) -> RouteCertificate:
        return RouteCertificate(
            name="shop",
            chain_pem="",
            sealed_key=b"",
            hosts=("shop.example",),
            not_after_ms=NOW_MS + round(days * DAY_MS),
            fingerprint="",
            changed_at_ms=0,
            changed_by="ann",
        )

    def node(left_days: float, life_days: float = 30) -> Certificate:
        end_ms = NOW_MS + round(left_days * DAY_MS)
        return Certificate(
            serial="1",
            node_id=NodeId("n1"),
            not_after_ms=end_ms,
            recorded_at_ms=end_ms - round(life_days * DAY_MS),
        )

    rule = a_rule(RuleKind.CERTIFICATE, within_ms=14 * DAY_MS)

    def see(nodes: list[Certificate], routes: list[RouteCertificate]) -> list[Observation]:
        found = observe_certificates(rule, nodes, routes, [], node_names={"n1": "alpha"}, now_ms=NOW_MS)
        return [seen for _, seen in found]

    assert see([], [route(20)])[0].finding is Finding.CLEAR
    assert see([], [route(10)])[0].text.en == "Certificate shop (shop.example) ends in 10 days."
    assert "has ended" in see([], [route(-1)])[0].text.en
    # Ten days of thirty are left when a host renews its own; five, and it has not.
    assert see([node(9)], [])[0].finding is Finding.CLEAR
    assert see([node(4)], [])[0].finding is Finding.BREACHED
    # Only the newest counts.
    assert [each.finding for each in see([node(4), node(29)], [])] == [Finding.CLEAR]


def test_certificates_of_the_dashboard_are_told_of_until_one_that_ends_later_has_all_their_names() -> None:
    def certificate(name: str, days: float, *hosts: str) -> WebCertificate:
        return WebCertificate(
            name=name,
            chain_pem="",
            sealed_key=b"",
            hosts=hosts,
            not_before_ms=0,
            not_after_ms=NOW_MS + round(days * DAY_MS),
            fingerprint="",
            changed_at_ms=0,
            changed_by="ann",
        )

    rule = a_rule(RuleKind.CERTIFICATE, within_ms=14 * DAY_MS)

    def see(*web: WebCertificate) -> dict[str, tuple[Finding, str]]:
        found = observe_certificates(rule, [], [], web, node_names={}, now_ms=NOW_MS)
        return {subject.key: (seen.finding, seen.text.en) for subject, seen in found}

    old = certificate("front", 10, "tower.example", "t.example")
    [(key, (finding, text))] = see(old).items()
    # A certificate of routes may have the same name.
    assert key != of_certificate("front").key
    assert (finding, text) == (
        Finding.BREACHED,
        "Certificate front of the dashboard (tower.example, t.example) ends in 10 days.",
    )
    assert [each for each, _ in see(certificate("front", 20, "tower.example")).values()] == [Finding.CLEAR]
    assert "has ended" in see(certificate("front", -1, "tower.example"))[key][1]
    half = certificate("newer", 80, "tower.example")
    assert [each for each, _ in see(old, half).values()] == [Finding.BREACHED, Finding.CLEAR]
    whole = certificate("newer", 80, "tower.example", "t.example")
    assert [each for each, _ in see(old, whole).values()] == [Finding.CLEAR]


# ---- numbers


def steps(values: list[float], *, subject: AlertSubject = SUBJECT) -> Steps:
    begin_ms = NOW_MS - len(values) * MINUTE_MS
    return Steps(
        subject=subject,
        times_ms=[begin_ms + place * MINUTE_MS for place in range(len(values))],
        values=values,
        step_ms=MINUTE_MS,
    )


def findings(rule: AlertRule, values: list[float], *, now_ms: int = NOW_MS) -> str:
    letters = dict(zip(Finding, "b-.?x", strict=True))
    return "".join(letters[seen.finding] for seen in observe(rule, steps(values), after_ms=0, now_ms=now_ms))


def test_a_value_breaches_its_bound_and_is_over_on_the_other_side_of_the_quiet_one() -> None:
    assert findings(a_threshold(100, resolve_value=80.0), [50, 101, 90, 79]) == ".b-."
    below = a_threshold(10, resolve_value=20.0, comparison=Comparison.BELOW)
    assert findings(below, [50, 9, 15, 21]) == ".b-."


def test_a_step_without_a_number_is_waited_for_until_it_has_settled_or_one_came_after_it() -> None:
    nothing = math.nan
    assert findings(a_threshold(), [50, nothing, 101]) == ".?b"
    assert findings(a_threshold(), [50, 101, nothing]) == ".b"
    assert findings(a_threshold(), [50, 101, nothing], now_ms=NOW_MS + SETTLE_MS) == ".b?"


def test_what_is_not_measured_any_more_is_absent() -> None:
    rule = a_rule(RuleKind.ABSENCE, metric="cpu_percent", for_ms=5 * MINUTE_MS)
    assert findings(rule, [1, 1, math.nan, math.nan], now_ms=NOW_MS + SETTLE_MS) == "..bb"


def test_events_are_counted_over_the_rules_window() -> None:
    rule = a_rule(RuleKind.CRASH_LOOP, count=3, window_ms=4 * MINUTE_MS)
    assert findings(rule, [1, 0, 1, 1, 0, 0, 0]) == "...b..."
    assert findings(a_rule(RuleKind.OUT_OF_MEMORY, count=1, window_ms=MINUTE_MS), [0, 2, 0]) == ".b."


def test_a_container_that_is_made_anew_is_the_same_to_a_rule() -> None:
    def subject(number: int, key: str) -> Subject:
        definition = SubjectDefinition(
            kind=SubjectKind.CONTAINER, node_id=NodeId("n1"), key=key, name="web-1"
        )
        return Subject(number=number, definition=definition, created_ms=0, seen_ms=0)

    one, two = (of_series(subject(number, key), node_name="alpha") for number, key in ((1, "a"), (2, "b")))
    assert one == two
    nothing = math.nan
    joined = merged([steps([1, 1, nothing], subject=one), steps([nothing, 2, 2], subject=two)], is_count=True)
    assert [each.values for each in joined] == [[1, 3, 2]]
    (level,) = merged([steps([1, 1], subject=one), steps([nothing, 2], subject=two)], is_count=False)
    assert level.values == [1, 2]


def test_a_replica_is_the_same_on_another_host_and_in_another_revision() -> None:
    def replica(node: str, revision: str) -> AlertSubject:
        labels = tuple(sorted({"service": "prod.shop.web", "replica": "1", "revision": revision}.items()))
        definition = SubjectDefinition(
            kind=SubjectKind.CONTAINER, node_id=NodeId(node), key=f"{node}{revision}", name="x", labels=labels
        )
        return of_series(Subject(number=1, definition=definition, created_ms=0, seen_ms=0), node_name=node)

    assert replica("n1", "1").key == replica("n2", "2").key
    assert (replica("n1", "1").service_id, replica("n1", "1").environment) == ("prod.shop.web", "prod")


def test_a_rehearsal_does_what_a_leader_would_have_done() -> None:
    rule = a_threshold(100, for_ms=2 * MINUTE_MS)
    found = rehearse(rule, [steps([50, 101, 50, 101, 101, 101, 50, 101, 101, 101])], now_ms=NOW_MS)
    assert (found.firings, found.came_to_nothing, found.waiting, found.series) == (2, 1, 0, 1)
    assert [firing.resolved_ms is None for firing in found.newest] == [True, False]


def test_a_rehearsal_counts_what_holds_at_its_end_and_has_not_for_long_enough() -> None:
    rule = a_threshold(100, for_ms=5 * MINUTE_MS)
    found = rehearse(rule, [steps([50, 50, 101, 101]), steps([50, 101, 101, 50])], now_ms=NOW_MS)
    assert (found.firings, found.came_to_nothing, found.waiting) == (0, 1, 1)


def test_an_alert_does_not_say_that_it_held_for_its_time_before_it_did() -> None:
    def texts(rule: AlertRule, values: list[float]) -> list[tuple[str, str]]:
        alert, memory, found = None, Memory(), []
        for observation in observe(rule, steps(values), after_ms=0, now_ms=NOW_MS):
            moved = advance(rule, SUBJECT, alert, memory, observation)
            alert, memory = moved.alert, moved.memory
            if alert is not None and (not found or found[-1][0] != alert.text):
                found.append((alert.text, dict(alert.translations).get("it.text", "")))
        return found

    held = texts(a_threshold(100, for_ms=2 * MINUTE_MS), [50, 101, 102])
    assert held == [
        (
            "Host alpha: memory use is 101 B, above 100 B.",
            "L'host alpha: l'uso della memoria è 101 B, sopra 100 B.",
        ),
        (
            "Host alpha: memory use is 102 B, above 100 B for 2 min.",
            "L'host alpha: l'uso della memoria è 102 B, sopra 100 B per 2 min.",
        ),
    ]
    absent = a_rule(RuleKind.ABSENCE, metric="memory_bytes", for_ms=2 * MINUTE_MS)
    gap = texts(absent, [50, math.nan, math.nan, math.nan, 50])
    assert [en for en, _ in gap[:2]] == [
        "Host alpha: memory use is not measured.",
        "Host alpha: memory use has not been measured for 2 min.",
    ]


def test_a_disk_that_is_full_within_the_rules_time_is_told_of_with_what_makes_it_so() -> None:
    rule = a_rule(RuleKind.FORECAST, metric="disk_used_bytes", within_ms=3 * DAY_MS)
    disk = AlertSubject(kind="disk", key="disk:n1:/", name="/", node_id="n1", node_name="alpha")

    def see(days: float | None, confidence: float = 0.9, *, is_known: bool = True) -> Observation:
        return observe_forecast(
            rule,
            disk,
            is_known=is_known,
            days=days,
            share=0.87,
            per_day=4.0 * 2**30,
            confidence=confidence,
            now_ms=NOW_MS,
        )

    assert see(2.5).text.en == (
        "File system / on alpha: disk use is at its limit in about 2.5 days"
        " (87 % used, growing 4.0 GiB a day)."
    )
    assert see(2.5).text.it == (
        "Il file system / su alpha: lo spazio occupato arriva al limite fra circa 2,5 giorni"
        " (occupato al 87 %, cresce di 4,0 GiB al giorno)."
    )
    assert see(None).finding is Finding.CLEAR
    assert see(4).finding is Finding.BETWEEN
    assert see(2.5, confidence=0.2).finding is Finding.BETWEEN
    assert see(None, is_known=False).finding is Finding.UNKNOWN


def test_a_value_is_compared_with_other_days_at_the_same_hour_once_enough_are_known() -> None:
    hourly = [float(hour % 24) for hour in range(24 * 8)]
    same = same_hours(hourly)
    assert same == [23.0] * 7
    assert usual(40.0, same, "percent").en == (
        "At this hour it is mostly 23 %; this is higher than on any of the last 7 days."
    )
    assert usual(40.0, same[:4], "percent") == Said()


# ---- the rules that are there


def test_rules_that_are_there_without_being_made_wait_before_they_speak_and_none_is_of_one_busy_moment() -> (
    None
):
    by_id = {rule.id: rule for rule in BUILT_IN}
    assert len(by_id) == len(BUILT_IN)
    on = [rule for rule in BUILT_IN if rule.is_enabled]
    for rule in on:
        is_slow = rule.for_ms >= 30_000 or rule.window_ms or rule.kind is RuleKind.CERTIFICATE
        assert is_slow, rule.id
        assert rule.metric != "cpu_percent", rule.id
        assert rule.summary, rule.id
    assert by_id["memory-limit"].threshold is not None
    # One short spike within a step is not what memory near its limit means.
    assert by_id["memory-limit"].threshold.statistic is StepStatistic.MIN


def test_a_rule_that_was_put_stands_for_the_built_in_one_of_its_name() -> None:
    put = AlertRule(id="host-down", kind=RuleKind.HOST_DOWN, is_enabled=False)
    found = {rule.id: rule for rule in rules_in_force([put])}
    assert found["host-down"] == put
    assert len(found) == len(BUILT_IN)


def test_a_scope_covers_what_fits_every_field_it_has() -> None:
    scope = RuleScope(kinds=("host",), hosts=("alpha",), names=("al*",))
    assert scope.covers(SUBJECT)
    assert not replace(scope, hosts=("beta",)).covers(SUBJECT)
    assert not replace(scope, labels=(("tier", "db"),)).covers(SUBJECT)
