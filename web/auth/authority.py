"""The one way to do something: decide, act, and leave the record of it.

`require` is for reading: it decides, and records a refusal. `perform` is for changing: what it runs is given
a `Permit`, through which alone it proposes commands and asks hosts, so that no change goes without its entry.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NoReturn, TypeVar

from cluster.commands import Applied, Code, MalformedCommand, Outcome, Rejected
from cluster.model.audit import AuditOutcome, AuditRecord, AuditStamp
from cluster.model.inventory import HostRefused, HostUnavailable
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from cluster.rbac import Decision, authorize
from web.auth.call import Call, printable
from web.auth.problems import Problem
from web.auth.strangers import StrangerCounts
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
    async def acting(self) -> AsyncIterator[None]:
        """Around what changes something outside the log: the entry first, and another if it fails.

        Raises Problem when the entry cannot be written; nothing was done then.
        """
        try:
            await self._record(AuditOutcome.APPLIED, "")
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
            try:
                await self._record(AuditOutcome.FAILED, str(error))
            except (NotCommitted, OutcomeUnknown) as unwritten:
                log.warning(
                    "audit.closing_entry_lost",
                    extra={
                        "action": self._action,
                        "request_id": self._call.request_id,
                        "reason": str(unwritten),
                    },
                )
            raise

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

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self.strangers = StrangerCounts()
        self._backlog: deque[AuditRecord] = deque(maxlen=BACKLOG_MAX)

    def decide(self, call: Call, action: str, resource: str) -> Decision:
        """Return whether the caller may; records nothing. For what is shown or left out."""
        identity = call.identity
        decision = authorize(None if identity is None else identity.role, action, resource)
        if identity is None:
            return decision
        if decision.allowed and identity.scopes and action not in identity.scopes:
            scopes = ", ".join(sorted(identity.scopes))
            return Decision(False, f"API token {identity.token_prefix} is for {scopes}, not for {action}")
        if identity.token_prefix is not None:
            # A token may hold less than its owner, who is the one that is named.
            return Decision(decision.allowed, f"{decision.reason}; API token {identity.token_prefix}")
        return decision

    async def require(self, call: Call, action: str, resource: str) -> Decision:
        """Return the decision when the caller may.

        Raises Problem (401 or 403) when not, once the refusal is recorded.
        """
        decision = self.decide(call, action, resource)
        if decision.allowed:
            return decision
        await self.refuse(call, action, resource, decision.reason)

    async def refuse(self, call: Call, action: str, resource: str, reason: str) -> NoReturn:
        """Record a refusal and raise its Problem."""
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
        raise Problem("forbidden", reason, hint="ask an administrator of the cluster")

    async def perform(
        self,
        call: Call,
        action: str,
        resource: str,
        change: Callable[[Permit], Awaitable[_Result]],
        *,
        recorded_as: str | None = None,
    ) -> _Result:
        """Run `change` when the caller may do `action` to `resource`, and return what it returns.

        `recorded_as` names the entry more closely than the action that was asked for. Raises Problem (401 or
        403) once the refusal is recorded, and whatever `change` raises.
        """
        decision = await self.require(call, action, resource)
        permit = Permit(self._surroundings, call, recorded_as or action, resource, decision)
        result = await change(permit)
        assert permit.is_recorded, f"{action} was done without an entry in the audit"
        return result

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
