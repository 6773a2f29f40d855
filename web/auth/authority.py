"""The one way to do something: decide, act, and leave the record of it.

`require` is for reading: it decides, and records a refusal. `perform` is for changing: what it runs is given
a `Permit`, through which alone it proposes commands and asks hosts, so that no change goes without its entry.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import NoReturn, TypeVar

from cluster.commands import Applied, Code, MalformedCommand, Outcome, Rejected
from cluster.model.audit import AuditOutcome, AuditRecord, AuditStamp
from cluster.model.inventory import HostRefused, HostUnavailable
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from cluster.rbac import Decision, Resource, Target
from cluster.rbac.hours import are_known, read_zones
from web.auth.call import Call, printable
from web.auth.kept_records import KeptRecords
from web.auth.missing import missing
from web.auth.powers import ActionSight, Powers, powers_of
from web.auth.problems import Problem
from web.auth.strangers import StrangerCounts
from web.auth.targets import target_of
from web.ports import Surroundings

log = logging.getLogger(__name__)

REFUSAL_TIMEOUT_S = 3.0
BACKLOG_MAX = 1000
_REASON_CHARACTERS_MAX = 1024
_RESOURCE_CHARACTERS_MAX = 512

_Result = TypeVar("_Result")

_KIND_OF_REJECTION = {
    Code.NOT_FOUND: "not-found",
    Code.ALREADY_EXISTS: "conflict",
    Code.VERSION_CONFLICT: "conflict",
    Code.IN_USE: "conflict",
    Code.FULL: "conflict",
    Code.EXPIRED: "conflict",
    Code.INVALID: "invalid",
    Code.MALFORMED: "invalid",
    Code.FENCED: "unavailable",
    Code.TOO_OLD: "unavailable",
    Code.AUDIT_UNAVAILABLE: "audit-unavailable",
}


def rejection(rejected: Rejected) -> Problem:
    """Return the problem that tells of a command the state machine rejected."""
    kind = _KIND_OF_REJECTION.get(rejected.code, "internal")
    return Problem(kind, rejected.reason, extra={"code": rejected.code.value})


class Permit:
    """Leave to do one thing, with the record of it. Made by `Authority.perform`."""

    def __init__(
        self, surroundings: Surroundings, call: Call, action: str, resource: str, decision: Decision
    ) -> None:
        self._surroundings = surroundings
        self._call = call
        self._action = action
        self._resource = resource
        self._decision = decision
        self.is_recorded = False

    def stamp(self, *, resource: str | None = None, reason: str = "") -> AuditStamp:
        """Return the stamp for a command of this request, for what proposes by itself."""
        self.is_recorded = True
        return stamp_of(
            self._surroundings,
            self._call,
            self._action,
            resource or self._resource,
            Decision(True, f"{self._decision.reason}; {reason}" if reason else self._decision.reason),
        )

    async def propose(self, command: object, *, resource: str | None = None, reason: str = "") -> object:
        """Have a command applied together with its entry, and return its result.

        `reason` is what the caller said why, for the entry.
        Raises Problem when the state machine rejects it; NotCommitted or OutcomeUnknown.
        """
        stamp = self.stamp(resource=resource, reason=reason)
        try:
            outcome = await self._surroundings.state.propose(command, audit=stamp)
        except MalformedCommand as error:
            raise Problem("invalid", str(error)) from error
        return settled(outcome)

    @asynccontextmanager
    async def acting(self, reason: str = "") -> AsyncIterator[None]:
        """Around what changes something outside the log: the entry first, and another if it fails.

        `reason` says more closely what, for the entry.
        Raises Problem when the entry cannot be written; nothing was done then.
        """
        try:
            await self._record(AuditOutcome.APPLIED, reason)
        except (NotCommitted, OutcomeUnknown) as error:
            raise Problem(
                "audit-unavailable",
                f"nothing was done, because the audit cannot be written now: {error}",
                hint="try again in a moment; `tower status` shows whether the cluster has a quorum",
                retry_after_s=2,
            ) from error
        try:
            yield
        except (HostUnavailable, HostRefused, NotCommitted, OutcomeUnknown) as error:
            await self._close(AuditOutcome.FAILED, str(error))
            raise

    async def ended(self, reason: str) -> None:
        """Record how something ended that lasted; its entry's duration is how long."""
        await self._close(AuditOutcome.APPLIED, reason)

    async def _close(self, outcome: AuditOutcome, reason: str) -> None:
        try:
            await self._record(outcome, reason)
        except (NotCommitted, OutcomeUnknown) as error:
            log.warning(
                "audit.closing_entry_lost",
                extra={
                    "action": self._action,
                    "request_id": self._call.request_id,
                    "reason": str(error),
                },
            )

    def nothing_changed(self) -> None:
        """Say that the request was fulfilled without changing anything: there is nothing to record."""
        self.is_recorded = True

    async def _record(self, outcome: AuditOutcome, reason: str) -> None:
        record = AuditRecord(
            stamp=self.stamp(reason=reason),
            outcome=outcome,
            happened_at_ms=self._surroundings.clock.now_ms(),
        )
        await self._surroundings.state.record_audit(record)


class Authority:
    """Decisions and records of one node."""

    def __init__(self, surroundings: Surroundings, kept: KeptRecords | None = None) -> None:
        self._surroundings = surroundings
        self._kept = kept or KeptRecords(surroundings.state)
        self.strangers = StrangerCounts()
        self._backlog: deque[AuditRecord] = deque(maxlen=BACKLOG_MAX)

    def powers(self, call: Call) -> Powers:
        """Return all that the caller may at this moment, for asking about many things."""
        identity = call.identity
        kept = self._kept.get(("powers", identity), lambda txn: powers_of(txn, identity, now_ms=0))
        return replace(kept, now_ms=self._surroundings.clock.now_ms())

    def decide(self, call: Call, action: str, resource: str | Target) -> Decision:
        """Return whether the caller may; records nothing. For what is shown or left out."""
        with self._surroundings.state.read() as txn:
            powers = powers_of(txn, call.identity, now_ms=self._surroundings.clock.now_ms())
            target = target_of(txn, resource) if isinstance(resource, str) else resource
        return powers.decide(action, target)

    def could(self, call: Call, action: str) -> Decision:
        """Return whether the caller may do that to anything at all; records nothing."""
        return self.powers(call).could(action)

    def sight(self, call: Call, action: str) -> ActionSight:
        """Return what to filter a list with: to what the caller may do `action`."""
        return ActionSight(self.powers(call), action)

    def still(self, call: Call, action: str, resource: str | Target) -> str | None:
        """Return why what the caller began may not go on, or None. For what lasts."""
        decision = self.decide(call, action, resource)
        return None if decision.allowed else decision.reason

    async def admit(self, call: Call, action: str, resource: str) -> Decision:
        """Return the decision when the caller may do `action` to something, before it is known to what.

        Never enough: what is found is asked about with `require` or `perform`, a list filtered by `sight`.
        Raises Problem (401 or 403) when not, once the refusal is recorded.
        """
        await self._read_zones(call)
        decision = self.could(call, action)
        if decision.allowed:
            return decision
        await self.refuse(call, action, resource, decision.reason)

    async def _read_zones(self, call: Call) -> None:
        """Have the time zones of the caller's permissions read, beside the loop."""
        timed = [hours for part in self.powers(call).parts for rule in part.timed for hours in rule.hours]
        if not all(map(are_known, timed)):
            await asyncio.to_thread(read_zones, [each for hours in timed for each in hours])

    async def require(self, call: Call, action: str, resource: str | Target) -> Decision:
        """Return the decision when the caller may do `action` to this.

        Of a service, rollout or host named in text the attributes are looked up; of anything else in text
        they are not known. Raises Problem, once the refusal is recorded: 401 or 403, and 404 as if there were
        no such thing, for one that the caller may not even read.
        """
        await self._read_zones(call)
        with self._surroundings.state.read() as txn:
            powers = powers_of(txn, call.identity, now_ms=self._surroundings.clock.now_ms())
            target = target_of(txn, resource) if isinstance(resource, str) else resource
        decision = powers.decide(action, target)
        if decision.allowed:
            return decision
        await self.record_refusal(call, action, str(resource), decision.reason)
        if isinstance(resource, str) and self._is_hidden(powers, action, target):
            raise missing(target.kind, resource.partition(":")[2])
        raise _forbidden(decision.reason)

    @staticmethod
    def _is_hidden(powers: Powers, action: str, target: Target) -> bool:
        """Whether the caller may reach things of this kind, and is not to know that there is this one."""
        reading = f"{target.kind}.read"
        return (
            target.kind in (Resource.SERVICE, Resource.ROLLOUT)
            and target.id != ""
            and powers.could(action).allowed
            and powers.could(reading).allowed
            and not powers.decide(reading, target).allowed
        )

    async def refuse(self, call: Call, action: str, resource: str, reason: str) -> NoReturn:
        """Record a refusal and raise its Problem."""
        await self.record_refusal(call, action, resource, reason)
        raise _forbidden(reason)

    async def record_refusal(self, call: Call, action: str, resource: str, reason: str) -> None:
        """Record a refusal. Raises Problem (401) when nobody is known."""
        if call.identity is None:
            self.strangers.count(action, resource.partition(":")[0], "not logged in")
            call.known()
        record = AuditRecord(
            stamp=stamp_of(self._surroundings, call, action, resource, Decision(False, reason)),
            outcome=AuditOutcome.DENIED,
            happened_at_ms=self._surroundings.clock.now_ms(),
        )
        try:
            async with asyncio.timeout(REFUSAL_TIMEOUT_S):
                await self._surroundings.state.record_audit(record)
        except (NotCommitted, OutcomeUnknown, TimeoutError) as error:
            # The answer stays no; the record follows when it can be written.
            self._backlog.append(record)
            log.warning("audit.refusal_delayed", extra={"request_id": call.request_id, "reason": str(error)})

    async def perform(
        self,
        call: Call,
        action: str,
        resource: str | Target,
        change: Callable[[Permit], Awaitable[_Result]],
        *,
        recorded_as: str | None = None,
        on: Sequence[Target] = (),
    ) -> _Result:
        """Run `change` when the caller may do `action` to `resource`, and return what it returns.

        `on` are the things that `resource` is a name for; all of them are asked about, in its place.
        `recorded_as` names the entry more closely than the action that was asked for. Raises Problem (401 or
        403) once the refusal is recorded, and whatever `change` raises.
        """
        decisions = [await self.require(call, action, each) for each in on or (resource,)]
        decision = decisions[0]
        permit = Permit(self._surroundings, call, recorded_as or action, str(resource), decision)
        result = await change(permit)
        assert permit.is_recorded, f"{action} was done without an entry in the audit"
        return result

    @asynccontextmanager
    async def performing(self, call: Call, action: str, resource: str | Target) -> AsyncIterator[Permit]:
        """As `perform`, for what lasts: within, the caller may, and has to leave an entry."""
        decision = await self.require(call, action, resource)
        permit = Permit(self._surroundings, call, action, str(resource), decision)
        yield permit
        assert permit.is_recorded, f"{action} was done without an entry in the audit"

    async def flush(self) -> None:
        """Write what is still to be recorded: strangers' counts, and refusals that could not be written.

        Raises NotCommitted or OutcomeUnknown with everything kept that is not surely written.
        """
        self._backlog.extend(
            self.strangers.take(
                node_id=self._surroundings.cluster.node_id,
                request_id=self._surroundings.ids.new_id("rq"),
                now_ms=self._surroundings.clock.now_ms(),
            )
        )
        while self._backlog:
            await self._surroundings.state.record_audit(self._backlog[0])
            self._backlog.popleft()


def _forbidden(reason: str) -> Problem:
    return Problem("forbidden", reason, hint="ask an administrator of the cluster")


def settled(outcome: Outcome) -> object:
    """Return the result of an applied command. Raises Problem for a rejected one."""
    match outcome:
        case Applied(result):
            return result
        case Rejected():
            raise rejection(outcome)


def stamp_of(
    surroundings: Surroundings, call: Call, action: str, resource: str, decision: Decision
) -> AuditStamp:
    """Return the stamp of a request: who, what, on what, decided how, from where, after how long."""
    identity = call.identity
    via = "" if call.via == "rest" else f"; through {call.via}"
    elapsed_s = surroundings.clock.monotonic_s() - call.started_s
    return AuditStamp(
        principal="" if identity is None else identity.principal_id,
        principal_name="" if identity is None else identity.name,
        action=action,
        resource=printable(resource, _RESOURCE_CHARACTERS_MAX),
        is_allowed=decision.allowed,
        reason=printable(f"{decision.reason}{via}", _REASON_CHARACTERS_MAX),
        ip=call.ip,
        user_agent=call.user_agent,
        duration_ms=max(0, round(elapsed_s * 1000)),
        request_id=call.request_id,
        node=surroundings.cluster.node_id,
    )
