"""What is queued for webhooks, how it ends, and what is told of rollouts and replicas."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cluster.commands import Code
from cluster.commands.alerts import AlertChange, CommitAlerts
from cluster.commands.nodes import SetNodeDraining
from cluster.commands.services import (
    AssignmentOrder,
    AssignmentReport,
    CommitTransition,
    ReportAssignments,
    SetSplit,
)
from cluster.commands.webhooks import (
    AttemptResult,
    PingWebhook,
    PutWebhook,
    RecordAttempts,
    RemoveWebhook,
    ReplayDeliveries,
    RotateWebhookSecret,
)
from cluster.model.alerts import Alert, AlertPhase, AlertSubject, RuleKind, Told
from cluster.model.events import Event, EventKind, Severity
from cluster.model.ids import NodeId, RolloutId, ServiceId
from cluster.model.rollout import Rollout, RolloutPhase, Stage, StagePhase
from cluster.model.service import DesiredState, Observation, ReplicaPhase
from cluster.model.strategy import Colour, TrafficStep
from cluster.model.webhooks import (
    DELIVERIES_KEPT,
    FAILING_MAX_MS,
    WEBHOOKS_MAX,
    Attempt,
    Backoff,
    Delivery,
    DeliveryState,
    FailureKind,
    RetryPolicy,
    SealedSecret,
    Webhook,
    WebhookAuth,
    WebhookStanding,
)
from cluster.store.records import (
    DELIVERIES,
    EVENTS,
    SERVICES,
    WEBHOOK_STANDINGS,
    WEBHOOKS,
    waiting_deliveries,
)
from tests.support.state_builders import Replica, a_node, a_service

WEB = ServiceId("shop.web")
N1 = NodeId("n1")
WAITING, DELIVERED, DEAD = DeliveryState


def a_webhook(name: str = "a", **fields: Any) -> Webhook:
    base: dict[str, Any] = {
        "url": "https://hooks.example.com/",
        "events": ("*",),
        "auth": WebhookAuth.NONE,
        "retry": RetryPolicy(attempts=3, backoff=Backoff.LINEAR, base_ms=1000),
    }
    return Webhook(id=name, **{**base, **fields})


class Kit:
    def __init__(self, *webhooks: Webhook) -> None:
        self.replica = Replica()
        self.replica.must(a_node("n1"))
        self.replica.lead()
        self.is_draining = False
        for webhook in webhooks or (a_webhook(),):
            self.replica.must(PutWebhook(webhook=webhook, expected_version=0))

    def happen(self) -> int:
        """Have an event; returns its sequence."""
        self.is_draining = not self.is_draining
        self.replica.must(SetNodeDraining(node_id=N1, is_draining=self.is_draining))
        return self.events[-1].sequence

    def attempt(self, sequence: int, *, number: int = 1, status: int = 500, **fields: Any) -> Any:
        failure = FailureKind.NONE if status < 300 else FailureKind.STATUS
        attempt = Attempt(number=number, at_ms=1, duration_ms=1, status=status, failure=failure)
        result = AttemptResult(webhook_id="a", sequence=sequence, attempt=attempt, **fields)
        return self.replica.must(RecordAttempts(results=(result,)))

    @property
    def events(self) -> list[Event]:
        return EVENTS.scan(self.replica.txn)

    def kinds_since(self, count: int) -> list[EventKind]:
        return [event.kind for event in self.events[count:]]

    def delivery(self, sequence: int) -> Delivery:
        found = DELIVERIES.get(self.replica.txn, "a", sequence)
        assert found is not None
        return found

    @property
    def standing(self) -> WebhookStanding:
        found = WEBHOOK_STANDINGS.get(self.replica.txn, "a")
        assert found is not None
        return found

    @property
    def webhook(self) -> Webhook:
        found = WEBHOOKS.get(self.replica.txn, "a")
        assert found is not None
        return found


def test_an_event_is_queued_for_who_wants_it_in_the_entry_that_makes_it() -> None:
    kit = Kit(
        a_webhook("all"),
        a_webhook("family", events=("node:*",)),
        a_webhook("kind", events=("node:draining",)),
        a_webhook("other", events=("rollout:*", "node:down")),
        a_webhook("off", is_enabled=False),
        a_webhook("grave", min_severity=Severity.WARNING),
    )
    sequence = kit.happen()
    queued = [row.webhook_id for row in DELIVERIES.scan(kit.replica.txn)]
    assert queued == ["all", "family", "kind"]
    event = kit.events[-1]
    assert DELIVERIES.scan(kit.replica.txn)[0].event == event
    assert event.sequence == sequence


def test_a_command_that_is_rejected_queues_nothing() -> None:
    kit = Kit()
    kit.replica.refusal(SetNodeDraining(node_id=NodeId("nobody"), is_draining=True))
    assert DELIVERIES.scan(kit.replica.txn) == []


def test_an_attempt_counts_once_and_only_while_the_delivery_waits() -> None:
    kit = Kit()
    sequence = kit.happen()
    assert kit.attempt(sequence, number=2) == 0
    assert kit.attempt(sequence, number=1) == 1
    assert kit.attempt(sequence, number=1) == 0
    assert kit.attempt(sequence, number=2, status=200) == 1
    assert kit.attempt(sequence, number=3) == 0
    assert kit.delivery(sequence).state is DELIVERED
    assert (kit.standing.delivered, kit.standing.waiting, kit.standing.failures_in_a_row) == (1, 0, 0)


def test_pauses_grow_as_the_policy_says_and_are_the_same_for_every_leader() -> None:
    linear = RetryPolicy(backoff=Backoff.LINEAR, base_ms=1000, max_ms=60_000)
    exponential = RetryPolicy(backoff=Backoff.EXPONENTIAL, base_ms=1000, max_ms=60_000)
    for failures in range(1, 30):
        for policy, wanted_ms in (
            (linear, 1000 * failures),
            (exponential, min(60_000, 1000 * 2 ** (failures - 1))),
        ):
            pause_ms = policy.delay_ms(failures, "a/evt_1")
            assert 0.8 * wanted_ms <= pause_ms <= 1.2 * wanted_ms
            assert pause_ms == policy.delay_ms(failures, "a/evt_1")
    spread = {exponential.delay_ms(3, f"a/evt_{number}") for number in range(50)}
    assert len(spread) > 20


def test_what_is_given_up_is_dead_until_it_is_replayed() -> None:
    kit = Kit()
    sequence = kit.happen()
    for number in (1, 2, 3):
        kit.attempt(sequence, number=number)
    assert kit.delivery(sequence).state is DEAD
    assert waiting_deliveries(kit.replica.txn, "a", limit=10) == []
    assert kit.replica.must(ReplayDeliveries(webhook_id="a", first=0, last=sequence - 1)) == 0
    assert kit.replica.must(ReplayDeliveries(webhook_id="a", first=sequence, last=sequence)) == 1
    again = kit.delivery(sequence)
    assert (again.state, again.attempts, len(again.log)) == (WAITING, 0, 3)
    kit.attempt(sequence, status=200)
    assert kit.replica.must(ReplayDeliveries(webhook_id="a", first=0, last=sequence)) == 0
    everything = ReplayDeliveries(webhook_id="a", first=0, last=sequence, is_dead_only=False)
    assert kit.replica.must(everything) == 1
    assert kit.standing.waiting == 1


def test_rows_are_bounded_and_what_waits_goes_last() -> None:
    kit = Kit()
    stuck = kit.happen()
    ended = [kit.happen() for _ in range(3)]
    for sequence in ended:
        kit.attempt(sequence, status=200)
    for _ in range(DELIVERIES_KEPT - 4):
        kit.happen()
    assert kit.standing.kept == DELIVERIES_KEPT
    for _ in range(3):
        kit.happen()
    assert kit.delivery(stuck).state is WAITING
    assert [DELIVERIES.get(kit.replica.txn, "a", sequence) for sequence in ended] == [None] * 3
    assert kit.standing.dropped == 0
    kit.happen()
    assert DELIVERIES.get(kit.replica.txn, "a", stuck) is None
    assert (kit.standing.dropped, kit.standing.kept) == (1, DELIVERIES_KEPT)
    waiting = waiting_deliveries(kit.replica.txn, "a", limit=2 * DELIVERIES_KEPT)
    assert kit.standing.waiting == len(waiting) == DELIVERIES_KEPT


def test_a_webhook_that_fails_for_days_is_turned_off_and_one_that_fails_for_hours_is_not() -> None:
    kit = Kit(a_webhook(retry=RetryPolicy(attempts=30, base_ms=1000)))
    sequence = kit.happen()
    for number in range(1, 22):
        kit.attempt(sequence, number=number)
    assert kit.webhook.is_enabled
    kit.replica.now_ms += FAILING_MAX_MS
    kit.attempt(sequence, number=22)
    assert not kit.webhook.is_enabled
    assert kit.events[-1].kind is EventKind.WEBHOOK_DISABLED
    on_again = replace(kit.webhook, is_enabled=True)
    kit.replica.must(PutWebhook(webhook=on_again, expected_version=kit.webhook.version))
    assert (kit.webhook.disabled_because, kit.standing.failing_since_ms) == ("", 0)
    kit.attempt(sequence, number=23)
    assert kit.webhook.is_enabled


def test_a_rotated_secret_leaves_the_one_before_for_a_time() -> None:
    kit = Kit(a_webhook(auth=WebhookAuth.HMAC, secrets=(SealedSecret(sealed=b"one" * 20),)))
    new = SealedSecret(sealed=b"two" * 20)
    rotate = RotateWebhookSecret(
        webhook_id="a", secret=new, keep_ms=1000, expected_version=1, changed_by="ann"
    )
    assert kit.replica.must(rotate) == 2
    first, second = kit.webhook.secrets
    assert (first.sealed, first.until_ms) == (new.sealed, 0)
    assert (second.sealed, second.until_ms) == (b"one" * 20, kit.replica.now_ms + 1000)
    assert kit.replica.refusal(rotate).code is Code.VERSION_CONFLICT
    kit.replica.must(replace(rotate, expected_version=2))
    assert len(kit.webhook.secrets) == 2


def test_a_webhook_is_changed_only_by_who_saw_it_as_it_is_and_there_are_not_too_many() -> None:
    kit = Kit(*(a_webhook(f"w{number}") for number in range(WEBHOOKS_MAX)))
    assert kit.replica.refusal(PutWebhook(webhook=a_webhook(), expected_version=0)).code is Code.INVALID
    taken = PutWebhook(webhook=a_webhook("w1"), expected_version=0)
    assert kit.replica.refusal(taken).code is Code.VERSION_CONFLICT
    kit.replica.must(replace(taken, expected_version=1))
    assert kit.replica.refusal(RemoveWebhook(webhook_id="nothing")).code is Code.NOT_FOUND
    assert kit.replica.refusal(PingWebhook(webhook_id="nothing", by="")).code is Code.NOT_FOUND


def test_results_count_only_from_the_leader() -> None:
    kit = Kit()
    sequence = kit.happen()
    attempt = Attempt(number=1, at_ms=1, duration_ms=1)
    command = RecordAttempts(results=(AttemptResult(webhook_id="a", sequence=sequence, attempt=attempt),))
    refused = kit.replica.refusal(command, leader_term=kit.replica.leader_term - 1)
    assert refused.code is Code.FENCED


# ---- rollouts and replicas


def a_rollout(**fields: Any) -> Rollout:
    base: dict[str, Any] = {
        "id": RolloutId("ro_1"),
        "service_id": WEB,
        "from_revision": 0,
        "to_revision": 1,
        "phase": RolloutPhase.RUNNING,
        "step": 0,
        "started_at_ms": 1,
        "changed_at_ms": 1,
        "deadline_ms": 2,
        "by": "ann",
    }
    return Rollout(**{**base, **fields})


def transition(kit: Kit, **fields: Any) -> None:
    service = SERVICES.get(kit.replica.txn, WEB)
    assert service is not None
    kit.replica.must(CommitTransition(service_id=WEB, expected_version=service.version, **fields))


def stage(phase: StagePhase) -> Stage:
    steps = (TrafficStep(permille=100), TrafficStep(permille=1000))
    return Stage(steps=steps, colour=Colour.GREEN, phase=phase)


def test_a_rollout_is_told_of_when_it_begins_moves_and_ends_and_not_at_every_step() -> None:
    kit = Kit()
    kit.replica.must(a_service())
    before = len(kit.events)
    phases = (StagePhase.DEPLOYING, StagePhase.SWITCHING, StagePhase.WATCHING, StagePhase.APPROVAL)
    for number, phase in enumerate(phases):
        transition(kit, rollout=a_rollout(step=number, stage=stage(phase)))
    transition(kit, rollout=a_rollout(phase=RolloutPhase.ROLLING_BACK, reason="too slow"))
    transition(kit, rollout=a_rollout(phase=RolloutPhase.ROLLING_BACK, step=9))
    transition(kit, rollout=a_rollout(phase=RolloutPhase.ROLLED_BACK, reason="too slow"))
    assert kit.kinds_since(before) == [
        EventKind.ROLLOUT_STARTED,
        EventKind.ROLLOUT_STEP,
        EventKind.ROLLOUT_WAITING,
        EventKind.ROLLOUT_ROLLING_BACK,
        EventKind.ROLLOUT_ROLLED_BACK,
    ]
    last = kit.events[-1]
    assert last.summary == "Rollout of shop.web to revision 1 was rolled back: too slow"
    assert (last.subject.rollout_id, dict(last.details)["by"]) == ("ro_1", "ann")
    assert "has 10 % of the requests" in kit.events[before + 1].summary


def test_a_rollout_that_a_person_halts_by_sharing_requests_is_told_of() -> None:
    kit = Kit()
    kit.replica.must(a_service())
    order = AssignmentOrder(revision=1, ordinal=0, node_id=N1, desired=DesiredState.SERVING)
    transition(kit, rollout=a_rollout(), orders=(order,))
    before = len(kit.events)
    service = SERVICES.get(kit.replica.txn, WEB)
    assert service is not None
    kit.replica.must(SetSplit(service_id=WEB, expected_version=service.version, green_permille=0, by="ann"))
    assert kit.kinds_since(before) == [EventKind.ROLLOUT_PAUSED]


@pytest.fixture
def serving() -> Kit:
    """A replica in service."""
    kit = Kit()
    kit.replica.must(a_service())
    transition(
        kit,
        orders=(AssignmentOrder(revision=1, ordinal=0, node_id=N1, desired=DesiredState.SERVING),),
    )
    return kit


def report(kit: Kit, phase: ReplicaPhase, *, token: int, reason: str = "") -> None:
    observed = Observation(phase=phase, reason=reason)
    reports = (AssignmentReport(service_id=WEB, revision=1, ordinal=0, token=token, observed=observed),)
    kit.replica.must(ReportAssignments(node_id=N1, reports=reports, router=None, reported_at_ms=1))


def test_a_replica_that_crashes_again_and_again_is_told_of_once_until_it_is_well(serving: Kit) -> None:
    token, before = serving.replica.index, len(serving.events)
    for phase in (
        ReplicaPhase.STARTING,
        ReplicaPhase.HEALTHY,
        ReplicaPhase.EXITED,
        ReplicaPhase.STARTING,
        ReplicaPhase.EXITED,
        ReplicaPhase.UNHEALTHY,
        ReplicaPhase.HEALTHY,
        ReplicaPhase.HEALTHY,
        ReplicaPhase.UNHEALTHY,
        ReplicaPhase.FAILED,
    ):
        report(serving, phase, token=token, reason="status 1" if phase is ReplicaPhase.EXITED else "")
    assert serving.kinds_since(before) == [
        EventKind.CONTAINER_DOWN,
        EventKind.CONTAINER_UP,
        EventKind.CONTAINER_UNHEALTHY,
        EventKind.CONTAINER_DOWN,
    ]
    assert serving.events[before].summary == "tower-shop.web-1-0 on host-n1 is down: status 1"


def test_nobody_outside_is_told_what_a_program_printed(serving: Kit) -> None:
    token, before = serving.replica.index, len(serving.events)
    report(serving, ReplicaPhase.HEALTHY, token=token)
    report(serving, ReplicaPhase.EXITED, token=token, reason="status 1, its last lines:\npassword=tiger\n")
    told = serving.events[before]
    assert told.summary == "tower-shop.web-1-0 on host-n1 is down: status 1, its last lines"
    assert "tiger" not in repr(told)


@pytest.mark.parametrize(
    ("kind", "service", "told"),
    [
        (RuleKind.CONTAINER_DOWN, "", [EventKind.CONTAINER_DOWN, EventKind.CONTAINER_UP]),
        (RuleKind.CONTAINER_UNHEALTHY, "", [EventKind.CONTAINER_UNHEALTHY, EventKind.CONTAINER_UP]),
        (RuleKind.OUT_OF_MEMORY, "", [EventKind.CONTAINER_OOM]),
        (RuleKind.OUT_OF_MEMORY, WEB, [EventKind.CONTAINER_OOM]),
        # Its host has reported it already.
        (RuleKind.CONTAINER_DOWN, WEB, []),
        (RuleKind.CRASH_LOOP, "", []),
    ],
)
def test_a_container_nobody_manages_is_told_of_with_its_alert(
    kind: RuleKind, service: str, told: list[EventKind]
) -> None:
    kit = Kit()
    before = len(kit.events)
    subject = AlertSubject(
        kind="container", key="c", name="db", node_id="n1", node_name="alpha", service_id=service
    )
    alert = Alert(
        rule_id="r",
        kind=kind,
        subject=subject,
        severity=Severity.CRITICAL,
        phase=AlertPhase.FIRING,
        since_ms=1,
        judged_ms=1,
        text="db on alpha is down.",
    )
    kit.replica.must(CommitAlerts(changes=(AlertChange(alert=alert, expected_version=0, told=Told.FIRING),)))
    over = replace(alert, number=1, phase=AlertPhase.RESOLVED)
    kit.replica.must(CommitAlerts(changes=(AlertChange(alert=over, expected_version=1, told=Told.RESOLVED),)))
    events = [event for event in kit.events[before:] if event.kind.family == "container"]
    assert [event.kind for event in events] == told
    assert [event.subject.container for event in events] == ["db"] * len(told)


def test_a_replica_that_is_only_tried_is_left_to_its_rollout() -> None:
    kit = Kit()
    kit.replica.must(a_service())
    order = AssignmentOrder(revision=1, ordinal=0, node_id=N1, desired=DesiredState.STARTED)
    transition(kit, orders=(order,))
    token, before = kit.replica.index, len(kit.events)
    report(kit, ReplicaPhase.UNHEALTHY, token=token)
    report(kit, ReplicaPhase.EXITED, token=token)
    assert kit.kinds_since(before) == []
