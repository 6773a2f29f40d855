"""The audit: reading it, taking it away, and whether it is unchanged."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, fields
from typing import Literal

from aiohttp import web
from pydantic import Field

from web.api.endpoint import Ask, Endpoint, Nothing
from web.api.schemas import FilterText, PageQuery, Schema
from web.middleware.routes import needs
from web.tools import audit
from web.tools.audit import AuditFilter, AuditStanding
from web.tools.listing import Page
from web.tools.views import AuditView

_TIME_MS_MAX = 253_402_300_799_999  # the end of the year 9999
_COLUMNS = tuple(column.name for column in fields(AuditView))
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class AuditQuery(PageQuery):
    """Which entries: by whom, what, on what, with what result, from where, and when."""

    actor: FilterText = Field(default="", description="name or id of an account")
    action: FilterText = Field(default="", description="such as service.deploy, or its beginning with a dot")
    resource: FilterText = Field(default="", description="part of what it was done to")
    outcome: FilterText = Field(default="", description="applied, rejected, denied or failed")
    ip: FilterText = ""
    since_ms: int | None = Field(default=None, ge=0, le=_TIME_MS_MAX)
    until_ms: int | None = Field(default=None, ge=0, le=_TIME_MS_MAX)


class AuditExportBody(Schema):
    """Which entries, and as what: JSON lines, or a table for spreadsheets."""

    format: Literal["jsonl", "csv"] = "jsonl"
    actor: FilterText = ""
    action: FilterText = ""
    resource: FilterText = ""
    outcome: FilterText = ""
    ip: FilterText = ""
    since_ms: int | None = Field(default=None, ge=0, le=_TIME_MS_MAX)
    until_ms: int | None = Field(default=None, ge=0, le=_TIME_MS_MAX)


def _filter(asked: AuditQuery | AuditExportBody) -> AuditFilter:
    return AuditFilter(
        actor=asked.actor,
        action=asked.action,
        resource=asked.resource,
        outcome=asked.outcome,
        ip=asked.ip,
        since_ms=asked.since_ms,
        until_ms=asked.until_ms,
    )


async def list_audit(ask: Ask[None, AuditQuery]) -> Page[AuditView]:
    query = ask.query
    return await audit.list_audit(
        ask.context,
        ask.call,
        _filter(query),
        cursor=query.cursor,
        limit=min(query.limit, audit.PAGE_MAX),
    )


async def verify(ask: Ask[None, Nothing]) -> AuditStanding:
    return await audit.verify_audit(ask.context, ask.call)


async def export(ask: Ask[AuditExportBody, Nothing]) -> web.StreamResponse:
    body = ask.body
    is_table = body.format == "csv"
    async with audit.exporting(ask.context, ask.call, _filter(body)) as entries:
        response = web.StreamResponse()
        response.content_type = "text/csv" if is_table else "application/x-ndjson"
        response.charset = "utf-8"
        response.headers["Content-Disposition"] = f'attachment; filename="audit.{body.format}"'
        await response.prepare(ask.request)
        if is_table:
            await response.write(_row(_COLUMNS))
        async for entry in entries:
            values = asdict(entry)
            if is_table:
                await response.write(_row(tuple(str(values[name]) for name in _COLUMNS)))
            else:
                await response.write(json.dumps(values, separators=(",", ":")).encode() + b"\n")
        await response.write_eof()
        return response


def _row(values: tuple[str, ...]) -> bytes:
    """Return one line of the table. What a spreadsheet would take for a formula is made text: some of it was
    chosen by strangers."""
    line = io.StringIO()
    safe = (f"'{value}" if value.startswith(_FORMULA) else value for value in values)
    csv.writer(line, lineterminator="\r\n").writerow(safe)
    return line.getvalue().encode()


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/audit",
        run=list_audit,
        access=needs("audit.read"),
        summary="Who did what, newest first",
        tag="audit",
        query=AuditQuery,
        answer=Page[AuditView],
    ),
    Endpoint(
        method="GET",
        path="/audit/verification",
        run=verify,
        access=needs("audit.read", lambda _: "audit"),
        summary="Whether the entries are whole and unchanged",
        tag="audit",
        answer=AuditStanding,
    ),
    Endpoint(
        method="POST",
        path="/audit/export",
        run=export,
        access=needs("audit.export", lambda _: "audit"),
        summary="Entries from the first on, as JSON lines or CSV; that it was done is an entry itself",
        tag="audit",
        body=AuditExportBody,
        media_types=("application/x-ndjson", "text/csv"),
    ),
)
