"""A cluster whose leader runs one duty, and dies at a proposal when told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from enum import StrEnum
from typing import Any, Protocol

from cluster.commands import Outcome
from cluster.commands.services import CommitTransition
from cluster.model.audit import AuditStamp
from cluster.model.ids import RolloutId, ServiceId
from cluster.model.rollout import Rollout, RolloutPhase
from cluster.model.schedules import Admitted, Asker, DeploySchedule, NotAdmitted, ScheduledService
from cluster.model.service import Service, ServiceSpec
from cluster.model.watching import ImageWatch
from cluster.store import Committed, ReadTxn
from cluster.store.records import AUDIT, SCHEDULES, SERVICES, WATCHES
from tests.support.fake_clock import FakeClock
from tests.support.state_builders import START_MS, Replica

STEP_S = 5.0
WEB = ServiceId("shop.web")
IMAGE = "registry.example/web:1"
OLD, NEW, NEWER = ("sha256:" + digit * 64 for digit in "123")


class Death(StrEnum):
    """How a leader dies at one of its proposals."""

    BEFORE = "before"
    """The proposal is lost with it."""
    AFTER = "after"
    """It is applied, and the leader never learns of it."""
    LATE = "late"
    """It arrives when the next leader has taken up its duties."""


class TermDuty(Protocol):
    async def run(self, term: int) -> None: ...


def scheduled(digest: str = NEW, **fields: Any) -> ScheduledService:
    base = {
        "service_id": WEB,
        "project": "shop",
        "name": "web",
        "spec": ServiceSpec(image=IMAGE, digest=digest),
        "replicas": 1,
    }
    return ScheduledService(**{**base, **fields})


def a_schedule(**fields: Any) -> DeploySchedule:
    base: dict[str, Any] = {
        "id": "sc_1",
        "project": "shop",
        "services": (scheduled(),),
        "asker": Asker(name="ann", principal_id="us_ann"),
    }
    return DeploySchedule(**{**base, **fields})


class FakeAdmission:
    """Admits everything as it is, unless `refusal` says otherwise."""

    def __init__(self) -> None:
        self.refusal: NotAdmitted | None = None
        self.asked: list[str] = []
        self.change: Callable[[ScheduledService], ScheduledService] = lambda service: service

    async def admit_schedule(self, schedule: DeploySchedule) -> Admitted | NotAdmitted:
        await asyncio.sleep(0)
        self.asked.append(schedule.id)
        return self.refusal or Admitted(services=tuple(map(self.change, schedule.services)))

    async def admit_image(self, watch: ImageWatch, service: ScheduledService) -> Admitted | NotAdmitted:
        await asyncio.sleep(0)
        self.asked.append(watch.service_id)
        return self.refusal or Admitted(services=(self.change(service),))


class Cluster:
    """The state as leaders have it. `die_at` is the number of the proposal at which one dies."""

    def __init__(self) -> None:
        self.replica = Replica()
        self.clock = FakeClock(now_ms=START_MS)
        self.admission = FakeAdmission()
        self.die_at = 0
        self.death = Death.BEFORE
        self.proposals = 0
        self._late: list[Callable[[], Outcome]] = []
        self._has_died = asyncio.Event()

    def read(self) -> AbstractContextManager[ReadTxn]:
        return self.replica.store.read()

    def subscribe(self, callback: Callable[[Committed], None]) -> Callable[[], None]:
        return self.replica.store.subscribe(callback)

    async def propose(
        self, command: object, *, leader_term: int, timeout_s: float, audit: AuditStamp | None = None
    ) -> Outcome:
        await asyncio.sleep(0)
        self.proposals += 1

        def apply() -> Outcome:
            return self.apply(command, leader_term=leader_term, audit=audit)

        if self.proposals == self.die_at:
            if self.death is Death.AFTER:
                apply()
            elif self.death is Death.LATE:
                self._late.append(apply)
            self._has_died.set()
            await asyncio.Event().wait()
        return apply()

    def apply(self, command: object, **fields: Any) -> Outcome:
        self.replica.now_ms = max(self.replica.now_ms, self.clock.now_ms())
        outcome = self.replica.apply(command, **fields)
        self.replica.machine.flush()
        return outcome

    async def lead(self, make: Callable[[], TermDuty], seconds: float) -> None:
        """Have a leader run the duty for so long, and another one when it dies."""
        end_ms = self.clock.now_ms() + round(seconds * 1000)
        while self.clock.now_ms() < end_ms:
            self._has_died.clear()
            self.replica.lead()
            self.replica.machine.flush()
            for arrive in self._late:
                arrive()
            self._late.clear()
            async with asyncio.TaskGroup() as group:
                running = group.create_task(make().run(self.replica.leader_term))
                while self.clock.now_ms() < end_ms and not self._has_died.is_set():
                    await self.clock.advance(min(STEP_S, (end_ms - self.clock.now_ms()) / 1000))
                running.cancel()

    # ---- what there is

    @property
    def service(self) -> Service:
        with self.read() as txn:
            service = SERVICES.get(txn, WEB)
        assert service is not None
        return service

    @property
    def schedule(self) -> DeploySchedule:
        with self.read() as txn:
            schedule = SCHEDULES.get(txn, "sc_1")
        assert schedule is not None
        return schedule

    @property
    def watch(self) -> ImageWatch:
        with self.read() as txn:
            watch = WATCHES.get(txn, WEB)
        assert watch is not None
        return watch

    def audited(self, action: str) -> list[str]:
        """The request ids of the entries on an action."""
        with self.read() as txn:
            return [entry.stamp.request_id for entry in AUDIT.scan(txn) if entry.stamp.action == action]

    def finish_rollout(self, phase: RolloutPhase = RolloutPhase.SUCCEEDED) -> None:
        """Have the newest attempt's rollout begin and end."""
        service = self.service
        rollout = Rollout(
            id=RolloutId(f"ro_{service.attempt.number}"),
            service_id=WEB,
            from_revision=service.stable_revision,
            to_revision=service.revision,
            phase=RolloutPhase.RUNNING,
            step=0,
            started_at_ms=self.clock.now_ms(),
            changed_at_ms=self.clock.now_ms(),
            deadline_ms=self.clock.now_ms() + 60_000,
            attempt=service.attempt.number,
        )
        self._commit(rollout=rollout)
        is_good = phase is RolloutPhase.SUCCEEDED
        self._commit(
            rollout=replace(rollout, phase=phase), stable_revision=service.revision if is_good else None
        )

    def _commit(self, **fields: Any) -> None:
        command = CommitTransition(service_id=WEB, expected_version=self.service.version, **fields)
        outcome = self.apply(command, leader_term=self.replica.leader_term)
        assert "Applied" in type(outcome).__name__, outcome
