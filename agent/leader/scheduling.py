"""Scheduled deployments: each moment is dealt with once, whoever leads then.

What is due is told from the log alone, and what is decided is committed against the moment that was due. So a
leader may die anywhere: the next one looks again, and finds the moment dealt with, or still due.
"""

from __future__ import annotations

import asyncio
import logging

from agent.clock import Clock
from agent.leader.ports import Admission, AuditedState
from agent.leader.proposing import propose_audited
from agent.leader.words import kept
from cluster.commands import Code, MalformedCommand, Outcome, Rejected
from cluster.commands.schedules import FireSchedule, PassMoment
from cluster.model.audit import AuditStamp
from cluster.model.ids import NodeId
from cluster.model.schedules import Admitted, DeploySchedule, RunOutcome
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from cluster.schedule import GRACE_MS, Due, decide_due, next_due_ms
from cluster.store import Committed
from cluster.store.records import SCHEDULES

log = logging.getLogger(__name__)

AT_ONCE = 4
"""Most schedules that are dealt with at the same time: each may ask registries."""
PROPOSE_TIMEOUT_S = 5.0
RETRY_S = 5.0
IDLE_S = 30.0
"""Longest time between two looks: the wall clock may be set meanwhile."""


class Scheduling:
    """The duty of one node; a term's loop ends with it."""

    def __init__(self, *, node_id: NodeId, state: AuditedState, clock: Clock, admission: Admission) -> None:
        self._node_id = node_id
        self._state = state
        self._clock = clock
        self._admission = admission
        self._wake = asyncio.Event()

    async def run(self, term: int) -> None:
        """Fire what is due until cancelled. Raises LeadershipOver."""
        unsubscribe = self._state.subscribe(self._on_committed)
        try:
            while True:
                self._wake.clear()
                pause_s = await self._look(term)
                await self._clock.wait(self._wake, pause_s)
        finally:
            unsubscribe()

    def _on_committed(self, committed: Committed) -> None:
        if committed.is_everything or any(table == SCHEDULES.table.name for table, _ in committed.changed):
            self._wake.set()

    async def _look(self, term: int) -> float:
        """Deal with what is due; returns how long there is nothing to do."""
        now_ms = self._clock.now_ms()
        due = [found for schedule in self._schedules() if (found := _due_of(schedule, now_ms)) is not None]
        gate = asyncio.Semaphore(AT_ONCE)

        async def deal_with(each: Due) -> bool:
            async with gate:
                return await self._deal_with(each, term)

        async with asyncio.TaskGroup() as group:
            dealing = [group.create_task(deal_with(each)) for each in due]
        if not all(task.result() for task in dealing):
            return RETRY_S
        next_ms = next_due_ms(self._schedules())
        if next_ms is None:
            return IDLE_S
        # What is due and cannot be read here must not be looked at without a pause.
        left_s = (next_ms - self._clock.now_ms()) / 1000
        return min(left_s, IDLE_S) if left_s > 0 else RETRY_S

    def _schedules(self) -> list[DeploySchedule]:
        with self._state.read() as txn:
            return SCHEDULES.scan(txn)

    async def _deal_with(self, due: Due, term: int) -> bool:
        """Whether nothing is left to do about this moment."""
        if due.reason:
            return await self._pass(due, RunOutcome.MISSED, due.reason, term)
        admitted = await self._admission.admit_schedule(due.schedule)
        if not isinstance(admitted, Admitted):
            if admitted.is_passing and self._clock.now_ms() - due.moment_ms < GRACE_MS:
                log.info("schedule.put_off", extra={"schedule": due.schedule.id, "reason": admitted.reason})
                return False
            return await self._pass(due, RunOutcome.REFUSED, admitted.reason, term)
        late_s = (self._clock.now_ms() - due.moment_ms) // 1000
        reason = f"{late_s} s late" if late_s >= GRACE_MS // 1000 else ""
        command = FireSchedule(
            schedule_id=due.schedule.id,
            due_ms=due.due_ms,
            next_ms=due.next_ms,
            services=admitted.services,
            reason=reason,
        )
        outcome = await self._propose(command, due, term, action="schedule.fired", reason=reason)
        if outcome is None:
            return False
        if isinstance(outcome, Rejected):
            if outcome.code in (Code.VERSION_CONFLICT, Code.NOT_FOUND):
                # Dealt with by a leader before this one, or removed. A service it needs may also be gone.
                return self._is_over(due) or await self._pass(due, RunOutcome.REFUSED, outcome.reason, term)
            return await self._pass(due, RunOutcome.REFUSED, outcome.reason, term)
        log.info("schedule.fired", extra={"schedule": due.schedule.id, "due_ms": due.due_ms})
        return True

    def _is_over(self, due: Due) -> bool:
        with self._state.read() as txn:
            schedule = SCHEDULES.get(txn, due.schedule.id)
        return schedule is None or schedule.next_fire_ms != due.due_ms

    async def _pass(self, due: Due, outcome: RunOutcome, reason: str, term: int) -> bool:
        reason = kept(reason)
        command = PassMoment(
            schedule_id=due.schedule.id,
            due_ms=due.due_ms,
            outcome=outcome,
            reason=reason,
            next_ms=due.next_ms,
        )
        log.warning(
            "schedule.passed",
            extra={"schedule": due.schedule.id, "outcome": outcome.value, "reason": reason},
        )
        answer = await self._propose(command, due, term, action=f"schedule.{outcome}", reason=reason)
        return answer is not None

    async def _propose(
        self, command: object, due: Due, term: int, *, action: str, reason: str
    ) -> Outcome | None:
        """What became of a command, in the name of who scheduled it; None when that is not known."""
        asker = due.schedule.asker
        token = f"; API token {asker.token_prefix}" if asker.token_prefix else ""
        if asker.issuer:
            token = f"; token of {asker.issuer}"
        stamp = AuditStamp(
            principal=asker.principal_id,
            principal_name=asker.name,
            action=action,
            resource=f"schedule:{due.schedule.id}",
            is_allowed=action == "schedule.fired",
            reason=kept(f"{reason or 'scheduled'}{token}"),
            ip="",
            user_agent="",
            duration_ms=0,
            # The same for whoever deals with this moment.
            request_id=f"{due.schedule.id}@{due.due_ms}",
            node=self._node_id,
        )
        try:
            return await propose_audited(
                self._state, command, term=term, timeout_s=PROPOSE_TIMEOUT_S, stamp=stamp
            )
        except MalformedCommand as error:
            # It has grown since, by a step that waits for a person: refused like anything else.
            return Rejected(str(error), Code.MALFORMED)
        except (NotCommitted, OutcomeUnknown) as error:
            log.warning("schedule.not_committed", extra={"schedule": due.schedule.id, "error": str(error)})
            return None


def _due_of(schedule: DeploySchedule, now_ms: int) -> Due | None:
    try:
        return decide_due(schedule, now_ms)
    except ValueError as error:
        log.warning("schedule.unreadable", extra={"schedule": schedule.id, "error": str(error)})
        return None
