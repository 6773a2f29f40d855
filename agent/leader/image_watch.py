"""Following what images' tags mean: ask the registries, remember since when, and deploy what is due.

When a digest was first seen is in the log, so that a new leader does not begin to count anew. When to ask
next is this leader's own: it costs no more than one question too many.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable
from dataclasses import dataclass, replace

from agent.clock import Clock
from agent.leader.ports import Admission, AuditedState, Digests
from agent.leader.proposing import propose_as_leader, propose_audited
from agent.leader.words import kept
from cluster.commands import MalformedCommand, Outcome, Rejected
from cluster.commands.watching import NoteDigest, UpdateImage
from cluster.model.audit import AuditStamp
from cluster.model.ids import NodeId, ServiceId
from cluster.model.inventory import HostRefused, HostUnavailable
from cluster.model.schedules import NotAdmitted, ScheduledService
from cluster.model.service import Service
from cluster.model.watching import ImageWatch
from cluster.model.windows import About
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from cluster.schedule import Hold, Update, decide_watch, standing
from cluster.store import Committed
from cluster.store.records import FREEZES, REVISIONS, SERVICES, WATCHES, WINDOWS, rollouts_of_service

log = logging.getLogger(__name__)

CREATED_BY = "image watch"
AT_ONCE = 4
"""Most questions to registries at the same time."""
ASK_TIMEOUT_S = 60.0
FIRST_WITHIN_S = 30.0
"""A new leader spreads its first questions over this time, or over the watch's own if that is shorter."""
JITTER = 0.1
NOTE_EVERY_MS = 60 * 60_000
"""How often it is written down that a registry still gives the same answer."""
REFUSED_RETRY_S = 600.0
PROPOSE_TIMEOUT_S = 5.0
LOOK_S = 30.0
LOOK_MIN_S = 0.5
_TABLES = frozenset({WATCHES.table.name, WINDOWS.table.name, FREEZES.table.name})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watched:
    """A watch with the image to ask for: that of the revision that runs whole."""

    watch: ImageWatch
    image: str


class ImageWatching:
    """The duty of one node; what it keeps of a term is of no use to the next."""

    def __init__(
        self,
        *,
        node_id: NodeId,
        state: AuditedState,
        clock: Clock,
        rng: random.Random,
        digests: Digests,
        admission: Admission,
    ) -> None:
        self._node_id = node_id
        self._state = state
        self._clock = clock
        self._rng = rng
        self._digests = digests
        self._admission = admission
        self._wake = asyncio.Event()
        self._known: set[ServiceId] = set()
        self._ask_at_s: dict[ServiceId, float] = {}
        self._not_before_s: dict[ServiceId, float] = {}
        self._refused: dict[ServiceId, tuple[str, str]] = {}

    async def run(self, term: int) -> None:
        """Ask, note and deploy until cancelled. Raises LeadershipOver."""
        self._ask_at_s.clear()
        self._not_before_s.clear()
        self._refused.clear()
        unsubscribe = self._state.subscribe(self._on_committed)
        try:
            while True:
                self._wake.clear()
                watched = self._watched()
                await self._ask_due(watched, term)
                pauses_s = [await self._decide(each.watch.service_id, term) for each in watched]
                now_s = self._clock.monotonic_s()
                pauses_s += [due_s - now_s for due_s in self._ask_at_s.values()]
                await self._clock.wait(self._wake, max(LOOK_MIN_S, min(pauses_s, default=LOOK_S)))
        finally:
            unsubscribe()

    def _on_committed(self, committed: Committed) -> None:
        if committed.is_everything or any(self._matters(table, key) for table, key in committed.changed):
            self._wake.set()

    def _matters(self, table: str, key: bytes) -> bool:
        if table == SERVICES.table.name:
            # One that runs whole now, or has come to rest, can be asked for, or given what was waited with.
            return SERVICES.parts_of(key)[0] in self._known
        return table in _TABLES

    # ---- asking

    def _watched(self) -> list[_Watched]:
        """What there is to watch now; what is not there any more is forgotten."""
        found = []
        with self._state.read() as txn:
            watches = WATCHES.scan(txn)
            for watch in watches:
                service = SERVICES.get(txn, watch.service_id)
                base = None if service is None else REVISIONS.get(txn, service.id, service.stable_revision)
                if base is not None and service is not None and not service.is_removed:
                    found.append(_Watched(watch=watch, image=base.spec.image))
        self._known = {watch.service_id for watch in watches}
        present = {each.watch.service_id for each in found}
        for service_id in [each for each in self._ask_at_s if each not in present]:
            del self._ask_at_s[service_id]
            self._not_before_s.pop(service_id, None)
            self._refused.pop(service_id, None)
        return found

    async def _ask_due(self, watched: list[_Watched], term: int) -> None:
        now_s = self._clock.monotonic_s()
        due = []
        for each in watched:
            every_s = each.watch.rules.every_ms / 1000
            at_s = self._ask_at_s.get(each.watch.service_id)
            if at_s is None:
                at_s = now_s + self._rng.random() * min(every_s, FIRST_WITHIN_S)
            # A watch that is asked more often from now on does not wait for the old time.
            at_s = min(at_s, now_s + every_s * (1 + JITTER))
            if at_s <= now_s:
                due.append(each)
                at_s = now_s + every_s * (1 + JITTER * (2 * self._rng.random() - 1))
            self._ask_at_s[each.watch.service_id] = at_s
        gate = asyncio.Semaphore(AT_ONCE)

        async def ask(each: _Watched) -> None:
            async with gate:
                await self._ask(each, term)

        async with asyncio.TaskGroup() as group:
            for each in due:
                group.create_task(ask(each))

    async def _ask(self, each: _Watched, term: int) -> None:
        digest, problem = "", ""
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                digest = await self._digests.image_digest(each.image)
        except (HostRefused, HostUnavailable) as error:
            problem = f"what {each.image} means cannot be asked: {error}"
        except TimeoutError:
            problem = f"what {each.image} means was not answered within {ASK_TIMEOUT_S:.0f} s"
        if not digest and not problem:
            problem = f"its registry gives no digest of {each.image}"
        refused = self._refused.get(each.watch.service_id)
        if refused is not None and refused[0] == digest:
            problem = refused[1]
        await self._note(each.watch, each.image, digest, problem, term)

    async def _note(self, watch: ImageWatch, image: str, digest: str, problem: str, term: int) -> None:
        problem = kept(problem)
        is_same = (watch.image, watch.problem) == (image, problem) and digest in ("", watch.digest)
        if is_same and self._clock.now_ms() - watch.checked_at_ms < NOTE_EVERY_MS:
            return
        command = NoteDigest(service_id=watch.service_id, image=image, digest=digest, problem=problem)
        await self._commit(
            watch.service_id,
            propose_as_leader(self._state, command, term=term, timeout_s=PROPOSE_TIMEOUT_S),
        )

    # ---- deciding

    async def _decide(self, service_id: ServiceId, term: int) -> float:
        """Deploy the new image if it is time; returns how long there is nothing to decide."""
        now_ms = self._clock.now_ms()
        with self._state.read() as txn:
            watch = WATCHES.get(txn, service_id)
            service = SERVICES.get(txn, service_id)
            if watch is None or service is None:
                return LOOK_S
            newest = rollouts_of_service(txn, service_id, limit=1)
            verdict = decide_watch(
                watch,
                service,
                REVISIONS.scan(txn, service_id),
                newest[0] if newest else None,
                standing(
                    _about(service), WINDOWS.scan(txn), FREEZES.scan(txn), now_ms, own=watch.rules.window
                ),
                now_ms,
            )
        if isinstance(verdict, Hold):
            if verdict.until_ms is None:
                return LOOK_S
            return min(LOOK_S, max(0, verdict.until_ms - now_ms) / 1000)
        left_s = self._not_before_s.get(service_id, 0.0) - self._clock.monotonic_s()
        if left_s > 0:
            return min(left_s, LOOK_S)
        await self._update(watch, service, verdict, term)
        return LOOK_S

    async def _update(self, watch: ImageWatch, service: Service, update: Update, term: int) -> None:
        wanted = _with_digest(watch, service, update)
        admitted = await self._admission.admit_image(watch, wanted)
        if isinstance(admitted, NotAdmitted):
            self._not_before_s[service.id] = self._clock.monotonic_s() + REFUSED_RETRY_S
            problem = f"{update.digest} is not rolled out: {admitted.reason}"
            # Kept, or the registry's next answer would take its place.
            self._refused[service.id] = (update.digest, problem)
            log.warning("image_watch.refused", extra={"service": service.id, "reason": admitted.reason})
            await self._note(watch, watch.image, watch.digest, problem, term)
            return
        (wanted,) = admitted.services
        command = UpdateImage(service=wanted, created_by=CREATED_BY, expected_version=service.version)
        stamp = AuditStamp(
            principal=watch.by_principal,
            principal_name=f"{CREATED_BY} of {watch.by}"[:256],
            action="service.deploy",
            resource=f"service:{service.id}",
            is_allowed=True,
            reason=f"{watch.image} means {update.digest} since {watch.first_seen_ms}",
            ip="",
            user_agent="",
            duration_ms=0,
            request_id=f"{service.id}@{update.digest}"[:128],
            node=self._node_id,
        )
        outcome = await self._commit(
            service.id,
            propose_audited(self._state, command, term=term, timeout_s=PROPOSE_TIMEOUT_S, stamp=stamp),
        )
        if outcome is not None:
            self._refused.pop(service.id, None)
            log.info("image_watch.updated", extra={"service": service.id, "digest": update.digest})

    async def _commit(self, service_id: ServiceId, proposing: Awaitable[Outcome]) -> Outcome | None:
        """What was applied; None when it was not, or that is not known: the next look tells."""
        try:
            outcome = await proposing
        except (MalformedCommand, NotCommitted, OutcomeUnknown) as error:
            log.warning("image_watch.not_committed", extra={"service": service_id, "error": str(error)})
            return None
        if isinstance(outcome, Rejected):
            log.info("image_watch.rejected", extra={"service": service_id, "reason": outcome.reason})
            return None
        return outcome


def _about(service: Service) -> About:
    return About(service_id=service.id, project=service.project, environment=service.environment)


def _with_digest(watch: ImageWatch, service: Service, update: Update) -> ScheduledService:
    """The service as it is wanted now, made from the revision that runs, with the new image."""
    policy = service.policy
    if watch.rules.strategy is not None:
        policy = replace(policy, shift=replace(policy.shift, strategy=watch.rules.strategy))
    return ScheduledService(
        service_id=service.id,
        project=service.project,
        name=service.name,
        spec=replace(update.base.spec, digest=update.digest),
        replicas=service.replicas,
        policy=policy,
        fencing=service.fencing,
        placement=service.placement,
        environment=service.environment,
        bound=update.base.bound,
        labels=service.labels,
        autoscale=service.autoscale,
    )
