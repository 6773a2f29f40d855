"""Bringing events to webhooks: each at least once, whoever leads, and none held up by another."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from agent.leader.delivering import Delivering
from agent.notify.message import Message
from agent.notify.sender import Answer
from cluster.commands.nodes import InitializeCluster, SetNodeDraining
from cluster.commands.webhooks import PingWebhook, PutWebhook, RemoveWebhook, ReplayDeliveries
from cluster.identity.keyring import ClusterKey, Keyring
from cluster.identity.stored_secrets import seal_webhook_secret
from cluster.model.ids import NodeId
from cluster.model.webhooks import (
    ASIDE_MAX,
    HOLD_ATTEMPTS,
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
from cluster.store.records import DELIVERIES, EVENTS, WEBHOOK_STANDINGS, WEBHOOKS
from tests.support.schedule_kit import Cluster, Death
from tests.support.state_builders import a_node

N1 = NodeId("n1")
BUSY = Answer(duration_ms=1, status=503, failure=FailureKind.STATUS, detail="busy")
TAKEN = Answer(duration_ms=1, status=204)
KEYRING = Keyring(current=ClusterKey(secret=b"k" * 32))


class Receivers:
    """Answer by URL. What `hold` names is not answered at all."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[Message], Answer]] = {}
        self.hold: set[str] = set()
        self.got: dict[str, list[str]] = defaultdict(list)
        self.at_once: Counter[str] = Counter()
        self.most_at_once: Counter[str] = Counter()

    async def send(self, message: Message, *, timeout_ms: int) -> Answer:
        url = message.url
        self.at_once[url] += 1
        self.most_at_once[url] = max(self.most_at_once[url], self.at_once[url])
        try:
            await asyncio.sleep(0)
            self.got[url].append(message.headers["webhook-id"])
            if url in self.hold:
                await asyncio.Event().wait()
            return self.answers.get(url, lambda _: TAKEN)(message)
        finally:
            self.at_once[url] -= 1


class Leases:
    """A leader's lease on leading; `until_s` None: it has none."""

    def __init__(self) -> None:
        self.until_s: float | None = 1e12

    def lease_until_s(self) -> float | None:
        return self.until_s


class Kit:
    def __init__(self) -> None:
        self.cluster = Cluster()
        self.receivers = Receivers()
        self.leases = Leases()
        self.is_draining = False
        self.cluster.replica.lead()
        self.cluster.apply(
            InitializeCluster(
                cluster_id="cl_1", name="prod", ca_certificates_pem="ca", sealed_ca_key=b"sealed"
            )
        )
        self.cluster.apply(a_node("n1"))

    def put(self, name: str = "a", **fields: Any) -> str:
        """Make a webhook; returns its URL."""
        url = f"https://{name}.example.com/in"
        base: dict[str, Any] = {
            "events": ("node:*",),
            "auth": WebhookAuth.NONE,
            "retry": RetryPolicy(attempts=4, backoff=Backoff.LINEAR, base_ms=10_000),
        }
        self.cluster.apply(
            PutWebhook(webhook=Webhook(id=name, url=url, **{**base, **fields}), expected_version=0)
        )
        return url

    def happen(self, times: int = 1) -> list[str]:
        """Have so many events of hosts; returns their ids."""
        with self.cluster.read() as txn:
            before = len(EVENTS.scan(txn))
        for _ in range(times):
            self.is_draining = not self.is_draining
            self.cluster.apply(SetNodeDraining(node_id=N1, is_draining=self.is_draining))
        with self.cluster.read() as txn:
            return [event.id for event in EVENTS.scan(txn)[before:]]

    async def lead(self, seconds: float) -> None:
        await self.cluster.lead(
            lambda: Delivering(
                node_id=N1,
                state=self.cluster,
                raft=self.leases,  # type: ignore[arg-type]  # of Raft, the duty asks for the lease only
                clock=self.cluster.clock,
                sender=self.receivers,
                keyring=lambda: KEYRING,
            ),
            seconds,
        )

    def deliveries(self, name: str = "a") -> list[Delivery]:
        with self.cluster.read() as txn:
            return DELIVERIES.scan(txn, name)

    def states(self, name: str = "a") -> list[DeliveryState]:
        return [delivery.state for delivery in self.deliveries(name)]

    def standing(self, name: str = "a") -> WebhookStanding:
        with self.cluster.read() as txn:
            standing = WEBHOOK_STANDINGS.get(txn, name)
        assert standing is not None
        return standing

    def webhook(self, name: str = "a") -> Webhook:
        with self.cluster.read() as txn:
            webhook = WEBHOOKS.get(txn, name)
        assert webhook is not None
        return webhook


async def test_events_come_once_each_and_in_their_order() -> None:
    kit = Kit()
    url = kit.put()
    ids = kit.happen(5)
    await kit.lead(30)
    assert kit.receivers.got[url] == ids
    assert kit.receivers.most_at_once[url] == 1
    assert set(kit.states()) == {DeliveryState.DELIVERED}
    assert (kit.standing().delivered, kit.standing().waiting) == (5, 0)


@pytest.mark.parametrize("death", Death)
@pytest.mark.parametrize("die_at", range(1, 7))
async def test_wherever_the_leader_dies_every_event_arrives_and_under_one_id(
    death: Death, die_at: int
) -> None:
    kit = Kit()
    url = kit.put()
    failures = iter([BUSY, BUSY])
    kit.receivers.answers[url] = lambda _: next(failures, TAKEN)
    ids = kit.happen(3)
    kit.cluster.die_at, kit.cluster.death = die_at, death
    await kit.lead(120)
    got = kit.receivers.got[url]
    assert list(dict.fromkeys(got)) == ids
    # Two attempts failed; at most one more was made again because its leader died before it had said so.
    assert len(ids) <= len(got) <= len(ids) + 3
    assert kit.states() == [DeliveryState.DELIVERED] * 3


async def test_what_fails_is_tried_again_after_the_committed_pause_also_by_another_leader() -> None:
    kit = Kit()
    url = kit.put()
    kit.receivers.answers[url] = lambda _: BUSY
    kit.happen()
    await kit.lead(5)
    (delivery,) = kit.deliveries()
    pause_ms = delivery.next_ms - delivery.changed_at_ms
    assert 8_000 <= pause_ms <= 12_000
    assert len(kit.receivers.got[url]) == 1
    kit.receivers.answers.clear()
    await kit.lead(2)
    assert len(kit.receivers.got[url]) == 1, "a new leader does not begin anew"
    await kit.lead(15)
    assert len(kit.receivers.got[url]) == 2
    assert kit.states() == [DeliveryState.DELIVERED]


async def test_after_the_last_attempt_an_event_is_dead_and_the_next_one_goes_on() -> None:
    kit = Kit()
    url = kit.put()
    first, second = kit.happen(2)
    kit.receivers.answers[url] = lambda message: BUSY if message.headers["webhook-id"] == first else TAKEN
    await kit.lead(120)
    assert kit.receivers.got[url] == [first] * 4 + [second]
    assert kit.states() == [DeliveryState.DEAD, DeliveryState.DELIVERED]
    assert [attempt.detail for attempt in kit.deliveries()[0].log] == ["busy"] * 4
    kit.receivers.answers.clear()
    kit.cluster.apply(ReplayDeliveries(webhook_id="a", first=0, last=2**40))
    await kit.lead(10)
    assert kit.receivers.got[url][-1] == first
    assert kit.states() == [DeliveryState.DELIVERED] * 2


async def test_an_event_that_is_never_taken_lets_the_others_pass_after_a_few_attempts() -> None:
    kit = Kit()
    url = kit.put(retry=RetryPolicy(attempts=15, base_ms=1_000))
    bad, *others = kit.happen(4)
    kit.receivers.answers[url] = lambda message: BUSY if message.headers["webhook-id"] == bad else TAKEN
    await kit.lead(60)
    got = kit.receivers.got[url]
    assert got[: HOLD_ATTEMPTS + 3] == [bad] * HOLD_ATTEMPTS + others
    assert kit.states() == [DeliveryState.WAITING] + [DeliveryState.DELIVERED] * 3
    kit.receivers.answers.clear()
    await kit.lead(120)
    assert kit.states() == [DeliveryState.DELIVERED] * 4


async def test_when_nothing_is_taken_only_some_step_aside_and_all_arrive_in_the_end() -> None:
    kit = Kit()
    url = kit.put(retry=RetryPolicy(attempts=30, backoff=Backoff.LINEAR, base_ms=1_000, max_ms=30_000))
    kit.receivers.answers[url] = lambda _: BUSY
    ids = kit.happen(30)
    await kit.lead(300)
    tried = {delivery.event.id for delivery in kit.deliveries() if delivery.attempts}
    assert len(tried) <= ASIDE_MAX + 1 + sum(state is DeliveryState.DEAD for state in kit.states())
    kit.receivers.answers.clear()
    kit.cluster.apply(ReplayDeliveries(webhook_id="a", first=0, last=2**40))
    await kit.lead(60)
    assert set(kit.states()) == {DeliveryState.DELIVERED}
    assert set(kit.receivers.got[url]) == set(ids)


async def test_a_receiver_that_asks_to_wait_longer_is_given_the_time() -> None:
    kit = Kit()
    url = kit.put()
    kit.receivers.answers[url] = lambda _: Answer(
        duration_ms=1, status=429, failure=FailureKind.STATUS, retry_after_ms=60_000
    )
    kit.happen()
    await kit.lead(50)
    assert len(kit.receivers.got[url]) == 1
    await kit.lead(20)
    assert len(kit.receivers.got[url]) == 2


async def test_a_receiver_that_hangs_holds_no_other_up() -> None:
    kit = Kit()
    hanging, other = kit.put("a"), kit.put("b")
    kit.receivers.hold.add(hanging)
    ids = kit.happen(3)
    await kit.lead(10)
    assert kit.receivers.got[other] == ids
    assert kit.receivers.got[hanging] == ids[:1]


async def test_without_order_a_bad_event_holds_no_other_up_and_few_are_on_their_way_at_once() -> None:
    kit = Kit()
    url = kit.put(is_ordered=False)
    ids = kit.happen(9)
    kit.receivers.answers[url] = lambda message: BUSY if message.headers["webhook-id"] == ids[0] else TAKEN
    await kit.lead(5)
    assert set(kit.receivers.got[url]) == set(ids)
    assert kit.receivers.most_at_once[url] == 4
    assert kit.states().count(DeliveryState.DELIVERED) == 8


async def test_who_cannot_be_sure_to_lead_sends_nothing() -> None:
    kit = Kit()
    url = kit.put()
    ids = kit.happen()
    kit.leases.until_s = None
    await kit.lead(10)
    assert kit.receivers.got[url] == []
    kit.leases.until_s = 1e12
    await kit.lead(5)
    assert kit.receivers.got[url] == ids


async def test_a_receiver_that_is_gone_turns_its_webhook_off_and_the_others_are_told() -> None:
    kit = Kit()
    url, other = kit.put("a"), kit.put("b", events=("webhook:*",))
    kit.receivers.answers[url] = lambda _: Answer(duration_ms=1, status=410, failure=FailureKind.STATUS)
    kit.happen()
    await kit.lead(10)
    assert not kit.webhook().is_enabled
    assert "410" in kit.webhook().disabled_because
    assert len(kit.receivers.got[other]) == 1
    kit.happen()
    await kit.lead(10)
    assert len(kit.receivers.got[url]) == 1


async def test_a_test_is_sent_at_once_past_what_waits_and_not_tried_again() -> None:
    kit = Kit()
    url = kit.put()
    kit.receivers.answers[url] = lambda _: BUSY
    kit.happen(3)
    await kit.lead(5)
    kit.cluster.apply(PingWebhook(webhook_id="a", by="ann"))
    await kit.lead(5)
    test = kit.deliveries()[-1]
    assert (test.is_test, test.state, test.attempts) == (True, DeliveryState.DEAD, 1)
    assert kit.receivers.got[url][-1] == test.event.id


async def test_what_waits_for_a_webhook_that_is_removed_is_not_sent() -> None:
    kit = Kit()
    url = kit.put()
    kit.happen()
    kit.cluster.apply(RemoveWebhook(webhook_id="a"))
    await kit.lead(10)
    assert kit.receivers.got[url] == []
    assert kit.deliveries() == []


async def test_a_secret_is_sent_only_where_it_was_sealed_for() -> None:
    kit = Kit()
    url = "https://a.example.com/in"
    sealed = seal_webhook_secret(b"t0ken", KEYRING, webhook_id="a", url=url, nonce=bytes(12))
    kit.put(auth=WebhookAuth.BEARER, secrets=(SealedSecret(sealed=sealed),))
    stolen = kit.put("b", auth=WebhookAuth.BEARER, secrets=(SealedSecret(sealed=sealed),))
    kit.happen()
    await kit.lead(5)
    assert kit.states("a") == [DeliveryState.DELIVERED]
    assert kit.receivers.got[stolen] == []
    assert kit.deliveries("b")[0].log[0].failure is FailureKind.SECRET
