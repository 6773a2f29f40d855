"""Bringing events to webhooks: at least once each, by whoever leads.

What is to be sent, how often it was tried and when it is due again are in the log. What is on its way is this
leader's own: the next one sends it once more, under the same id, which its receiver tells repeats by.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from agent.clock import Clock
from agent.leader.ports import Raft, State
from agent.leader.proposing import propose_as_leader
from agent.notify.message import Message, message_of
from agent.notify.sender import Answer
from cluster.commands import MalformedCommand, Rejected
from cluster.commands.webhooks import RESULTS_MAX, AttemptResult, RecordAttempts
from cluster.identity.errors import SealBroken
from cluster.identity.keyring import Keyring
from cluster.identity.stored_secrets import open_webhook_secret
from cluster.model.events import clip
from cluster.model.ids import NodeId
from cluster.model.webhooks import (
    ASIDE_MAX,
    DETAIL_CHARS_MAX,
    HOLD_ATTEMPTS,
    Attempt,
    Delivery,
    FailureKind,
    Webhook,
)
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from cluster.store import Committed, ReadTxn
from cluster.store.records import CLUSTER, DELIVERIES, WEBHOOKS, waiting_deliveries

log = logging.getLogger(__name__)

AT_ONCE = 4
"""Most requests to one webhook at the same time. There is no bound for all together but that of webhooks
times this: with one, receivers that hang would hold the others up."""
LOOK_AHEAD = 100
"""How many of those that wait for one webhook are looked at: behind so many, nothing is due."""
TESTS_AHEAD = 10
GATHER_S = 0.1
"""Results of so long are committed together."""
PROPOSE_TIMEOUT_S = 5.0
RETRY_S = 0.5
REFUSED_RETRY_S = 5.0
IDLE_S = 30.0
PAUSE_MIN_S = 0.02
_TABLES = frozenset({WEBHOOKS.table.name, DELIVERIES.table.name})

Place = tuple[str, int]
"""A delivery: its webhook and its event's sequence."""


class Sender(Protocol):
    """`agent.notify.sender.HttpSender` fits."""

    async def send(self, message: Message, *, timeout_ms: int) -> Answer: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    webhook: Webhook
    delivery: Delivery

    @property
    def place(self) -> Place:
        return self.webhook.id, self.delivery.event.sequence


class Delivering:
    """The duty of one node; what it keeps of a term is of no use to the next."""

    def __init__(
        self,
        *,
        node_id: NodeId,
        state: State,
        raft: Raft,
        clock: Clock,
        sender: Sender,
        keyring: Callable[[], Keyring],
    ) -> None:
        self._node_id = node_id
        self._state = state
        self._raft = raft
        self._clock = clock
        self._sender = sender
        self._keyring = keyring
        self._wake = asyncio.Event()
        self._has_results = asyncio.Event()
        self._in_flight: set[Place] = set()
        self._results: deque[AttemptResult] = deque()

    async def run(self, term: int) -> None:
        """Send what is due until cancelled. Raises LeadershipOver."""
        self._in_flight.clear()
        self._results.clear()
        self._has_results.clear()
        unsubscribe = self._state.subscribe(self._on_committed)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._commit(term), name="webhook-results")
                while True:
                    self._wake.clear()
                    pause_s = self._start_due(group)
                    await self._clock.wait(self._wake, pause_s)
        finally:
            unsubscribe()

    def _on_committed(self, committed: Committed) -> None:
        if committed.is_everything or any(table in _TABLES for table, _ in committed.changed):
            self._wake.set()

    # ---- sending

    def _start_due(self, group: asyncio.TaskGroup) -> float:
        """Begin what is due and not on its way; returns how long nothing else is."""
        if not self._is_leading:
            # Another node may lead by now, and send the same.
            return RETRY_S
        now_ms = self._clock.now_ms()
        next_ms: list[int] = []
        with self._state.read() as txn:
            for webhook in WEBHOOKS.scan(txn):
                room = AT_ONCE - sum(1 for webhook_id, _ in self._in_flight if webhook_id == webhook.id)
                for delivery in self._waiting(txn, webhook):
                    if (webhook.id, delivery.event.sequence) in self._in_flight:
                        continue
                    # The first attempt is due at once, also when the log's time is ahead of this clock.
                    if delivery.attempts and delivery.next_ms > now_ms:
                        next_ms.append(delivery.next_ms)
                    elif room > 0:
                        room -= 1
                        task = _Task(webhook=webhook, delivery=delivery)
                        self._in_flight.add(task.place)
                        group.create_task(self._deliver(task), name=f"webhook-{webhook.id}")
        left_s = (min(next_ms) - now_ms) / 1000 if next_ms else IDLE_S
        return min(IDLE_S, max(PAUSE_MIN_S, left_s))

    @property
    def _is_leading(self) -> bool:
        until_s = self._raft.lease_until_s()
        return until_s is not None and until_s > self._clock.boottime_s()

    def _waiting(self, txn: ReadTxn, webhook: Webhook) -> list[Delivery]:
        """What of a webhook may be on its way now: tests, and of an ordered one its oldest, with those that
        have stepped aside.
        """
        # Tests are the newest: somebody waits for the answer.
        newest = waiting_deliveries(txn, webhook.id, limit=TESTS_AHEAD, newest_first=True)
        tests = [delivery for delivery in newest if delivery.is_test]
        if not webhook.is_enabled:
            return tests
        rows = [row for row in waiting_deliveries(txn, webhook.id, limit=LOOK_AHEAD) if not row.is_test]
        if not webhook.is_ordered:
            return tests + rows
        aside = [row for row in rows if row.attempts >= HOLD_ATTEMPTS][:ASIDE_MAX]
        first = [row for row in rows if row not in aside][:1]
        return tests + first + aside

    async def _deliver(self, task: _Task) -> None:
        webhook, delivery = task.webhook, task.delivery
        at_ms = self._clock.now_ms()
        try:
            message = self._message(task, at_ms)
        except SealBroken as error:
            answer = Answer(
                duration_ms=0, failure=FailureKind.SECRET, detail=clip(str(error), DETAIL_CHARS_MAX)
            )
        else:
            answer = await self._sender.send(message, timeout_ms=webhook.timeout_ms)
        attempt = Attempt(
            number=delivery.attempts + 1,
            at_ms=at_ms,
            duration_ms=answer.duration_ms,
            status=answer.status,
            failure=answer.failure,
            detail=answer.detail,
            node_id=self._node_id,
        )
        if not attempt.is_success:
            log.warning(
                "webhook.not_delivered",
                extra={
                    "webhook": webhook.id,
                    "event": delivery.event.id,
                    "attempt": attempt.number,
                    "failure": attempt.failure.value,
                    "status": attempt.status,
                },
            )
        self._results.append(
            AttemptResult(
                webhook_id=webhook.id,
                sequence=delivery.event.sequence,
                attempt=attempt,
                retry_after_ms=answer.retry_after_ms,
                is_gone=answer.is_gone,
            )
        )
        self._has_results.set()

    def _message(self, task: _Task, at_ms: int) -> Message:
        webhook = task.webhook
        keyring = self._keyring()
        secrets = [
            open_webhook_secret(secret.sealed, keyring, webhook_id=webhook.id, url=webhook.url)
            for secret in webhook.secrets
            if not secret.until_ms or secret.until_ms > at_ms
        ]
        with self._state.read() as txn:
            identity = CLUSTER.get(txn)
        assert identity is not None, "a cluster has an identity from its first entry on"
        cluster = {"id": identity.cluster_id, "name": identity.name}
        return message_of(webhook, task.delivery.event, secrets, cluster=cluster, now_ms=at_ms)

    # ---- what came of it

    async def _commit(self, term: int) -> None:
        """Write down what came of attempts, as often as that takes: what is not known is sent again."""
        while True:
            await self._has_results.wait()
            await self._clock.sleep(GATHER_S)
            self._has_results.clear()
            while self._results:
                some = [self._results[number] for number in range(min(len(self._results), RESULTS_MAX))]
                await self._propose(tuple(some), term)
                for result in some:
                    self._results.popleft()
                    self._in_flight.discard((result.webhook_id, result.sequence))
            self._wake.set()

    async def _propose(self, results: tuple[AttemptResult, ...], term: int) -> None:
        while True:
            try:
                outcome = await propose_as_leader(
                    self._state, RecordAttempts(results=results), term=term, timeout_s=PROPOSE_TIMEOUT_S
                )
            except (NotCommitted, OutcomeUnknown) as error:
                # An attempt that is known already does not count twice.
                log.info("webhook.results_not_committed", extra={"error": str(error)})
                await self._clock.sleep(RETRY_S)
                continue
            except MalformedCommand as error:
                log.exception("webhook.results_malformed", extra={"error": str(error)})
                await self._clock.sleep(REFUSED_RETRY_S)
                return
            if isinstance(outcome, Rejected):
                log.error("webhook.results_rejected", extra={"reason": outcome.reason})
                await self._clock.sleep(REFUSED_RETRY_S)
            return
