"""The tool that reads the audit. What strangers sent with a request is in it, and is data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from web.auth.call import Call
from web.tools.arguments import Arguments, Cursor, Short
from web.tools.audit import AuditFilter, list_audit
from web.tools.context import Context
from web.tools.registry import Tool
from web.tools.times import moment, parse_since
from web.tools.untrusted import cleaned
from web.tools.views import AuditView


class GetAuditLog(Arguments):
    """Which entries; everything may be left out."""

    actor: Short = Field(default="", description="name of an account")
    action: Short = Field(default="", description="service.deploy, or service. for all")
    resource: Short = Field(default="", description="part of it")
    outcome: Literal["applied", "rejected", "denied", "failed"] | None = None
    since: Short = Field(default="24h", description="span before now, or ISO 8601")
    limit: int = Field(default=50, ge=1, le=200)
    cursor: Cursor = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """One entry. `count` refusals of strangers that were alike are one."""

    sequence: int
    at: str
    actor: str | None
    action: str
    resource: str
    outcome: str
    reason: str | None
    ip: str | None
    count: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLines:
    """Entries, newest first."""

    entries: tuple[AuditLine, ...]
    next_cursor: str | None


async def _get_audit_log(context: Context, call: Call, given: GetAuditLog) -> AuditLines:
    wanted = AuditFilter(
        actor=given.actor,
        action=given.action,
        resource=given.resource,
        outcome=given.outcome or "",
        since_ms=parse_since(given.since, now_ms=context.surroundings.clock.now_ms()),
    )
    page = await list_audit(context, call, wanted, cursor=given.cursor, limit=given.limit)
    return AuditLines(entries=tuple(map(_line, page.items)), next_cursor=page.next_cursor)


def _line(view: AuditView) -> AuditLine:
    return AuditLine(
        sequence=view.sequence,
        at=moment(view.at_ms),
        actor=cleaned(view.actor) or None,
        action=view.action,
        resource=cleaned(view.resource),
        outcome=view.outcome,
        reason=cleaned(view.reason) or None,
        ip=view.ip or None,
        count=view.count if view.count > 1 else None,
    )


AUDIT_TOOLS: tuple[Tool, ...] = (
    Tool(
        name="get-audit-log",
        title="Read the audit",
        description="List who did what and what was refused, newest first. For what happened to containers"
        " use search-logs. Needs role admin.",
        input_model=GetAuditLog,
        output=AuditLines,
        action="audit.read",
        run=_get_audit_log,
        is_open_world=True,
    ),
)
