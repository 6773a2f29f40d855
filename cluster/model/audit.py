"""What the audit keeps: who did what to what, whether it was allowed and why, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cluster.model import rules


class AuditOutcome(StrEnum):
    """What became of the request."""

    APPLIED = "applied"
    REJECTED = "rejected"
    DENIED = "denied"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditStamp:
    """The request behind a command.

    `principal` is the stable id (empty: a stranger), `principal_name` what people called it then, `node`
    where the request was served, `duration_ms` the time from the request to the proposal. Secrets never go
    in here.
    """

    principal: str
    principal_name: str
    action: str
    resource: str
    is_allowed: bool
    reason: str
    ip: str
    user_agent: str
    duration_ms: int
    request_id: str
    node: str = ""

    def __post_init__(self) -> None:
        rules.check_text("audit: principal", self.principal, 128)
        rules.check_text("audit: principal name", self.principal_name, 256)
        rules.check_text("audit: action", self.action, 128, chars_min=1)
        rules.check_text("audit: resource", self.resource, 512)
        rules.check_text("audit: reason", self.reason, 1024)
        rules.check_text("audit: ip", self.ip, 64)
        rules.check_text("audit: user agent", self.user_agent, 512)
        rules.check_range("audit: duration_ms", self.duration_ms, 0, 2**53)
        rules.check_text("audit: request id", self.request_id, 128)
        rules.check_text("audit: node", self.node, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """Something that happened without changing the state: a refusal, or the end of long work.

    `happened_at_ms` is the serving node's clock. `count` above 1 sums up alike events (strangers, per
    minute).
    """

    stamp: AuditStamp
    outcome: AuditOutcome
    happened_at_ms: int
    count: int = 1

    def __post_init__(self) -> None:
        rules.check_range("audit: count", self.count, 1, 2**53)
        rules.check_range("audit: happened_at_ms", self.happened_at_ms, 0, 2**53)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One leaf of the audit tree, number `sequence` (from 0). `time_ms` is log time, `log_index` the entry's.

    `command` is the name of the command behind it, empty for what changed nothing. `outcome_code` says why
    the state machine rejected it: a code, since entries are equal on nodes of all versions and wording is
    not.
    """

    sequence: int
    time_ms: int
    log_index: int
    stamp: AuditStamp
    command: str
    outcome: AuditOutcome
    outcome_code: str = ""
    happened_at_ms: int = 0
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditHead:
    """The audit tree at one moment: number of entries, and the root over all of them (RFC 6962, section
    2.1)."""

    size: int
    root: bytes
