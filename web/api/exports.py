"""Where the metric history is sent to as well, and what comes to it from elsewhere."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from pydantic import Field, StringConstraints

from cluster.model.exports import BACK_MAX_MS, ExportAuth, ExportKind
from cluster.model.metrics import STEP_MS, TICKS_MAX
from cluster.model.webhooks import SECRET_BYTES_MAX, URL_CHARS_MAX
from web.api.endpoint import Ask, Endpoint, Nothing
from web.api.schemas import FilterText, PageQuery, Schema
from web.middleware.routes import needs
from web.tools import exports, metric_import
from web.tools.exports import ExportView, ExportWish
from web.tools.listing import Page, page_of
from web.tools.metric_import import SERIES_MAX, ImportedSeries, ImportView

IMPORT_BODY_BYTES_MAX = 2 * 1024 * 1024


class ExportBody(Schema):
    """An export: Prometheus' remote-write 1.0, or InfluxDB's line protocol."""

    kind: ExportKind
    url: Annotated[str, StringConstraints(min_length=1, max_length=URL_CHARS_MAX)] = Field(
        repr=False, description="such as http://vm:8428/api/v1/write or http://influx:8086/write?db=tower"
    )
    auth: ExportAuth = ExportAuth.NONE
    username: FilterText = Field(default="", description="of auth basic")
    secret: Annotated[str, StringConstraints(min_length=1, max_length=SECRET_BYTES_MAX)] | None = Field(
        default=None, repr=False, description="token or password; left out, the one it has stays"
    )
    back_s: int = Field(
        default=0, ge=0, le=BACK_MAX_MS // 1000, description="how much of the past a new one gets first"
    )
    is_enabled: bool = True


class ImportedBody(Schema):
    """One series: a value for each moment, null without one."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    labels: dict[str, Annotated[str, StringConstraints(max_length=4096)]] = Field(
        default_factory=dict, max_length=64
    )
    values: list[float | None] = Field(min_length=1, max_length=TICKS_MAX)


class ImportBody(Schema):
    """A piece of an import. Pieces of one name come in order of time, each with its series once."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=48)]
    start_ms: int = Field(ge=0, le=2**53, description="a multiple of the step")
    step_ms: int = Field(ge=STEP_MS, le=86_400_000, description=f"a multiple of {STEP_MS}")
    series: list[ImportedBody] = Field(min_length=1, max_length=SERIES_MAX)


async def import_samples(ask: Ask[ImportBody, Nothing]) -> ImportView:
    body = ask.body
    return await metric_import.import_samples(
        ask.context,
        ask.call,
        body.name,
        start_ms=body.start_ms,
        step_ms=body.step_ms,
        series=[
            ImportedSeries(name=each.name, labels=each.labels, values=each.values) for each in body.series
        ],
    )


async def list_exports(ask: Ask[None, PageQuery]) -> Page[ExportView]:
    found = await exports.list_exports(ask.context, ask.call)
    return page_of(found, key=lambda view: (view.id,), cursor=ask.query.cursor, limit=ask.query.limit)


async def get_export(ask: Ask[None, Nothing]) -> ExportView:
    return await exports.get_export(ask.context, ask.call, ask.path["export"])


async def put_export(ask: Ask[ExportBody, Nothing]) -> ExportView:
    body = ask.body
    wish = ExportWish(
        kind=body.kind,
        url=body.url,
        auth=body.auth,
        username=body.username,
        secret=body.secret,
        back_ms=body.back_s * 1000,
        is_enabled=body.is_enabled,
    )
    return await exports.put_export(
        ask.context, ask.call, ask.path["export"], wish, expected_version=ask.expected_version
    )


async def remove_export(ask: Ask[None, Nothing]) -> None:
    await exports.remove_export(ask.context, ask.call, ask.path["export"])


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/metrics/import",
        run=import_samples,
        access=needs("metrics.import", lambda _: "metrics"),
        summary="Record history from elsewhere",
        tag="metrics",
        body=ImportBody,
        answer=ImportView,
        body_bytes_max=IMPORT_BODY_BYTES_MAX,
    ),
    Endpoint(
        method="GET",
        path="/exports",
        run=list_exports,
        access=needs("export.read", lambda _: "export"),
        summary="Where the metric history is sent to, and how far each has come",
        tag="metrics",
        query=PageQuery,
        answer=Page[ExportView],
    ),
    Endpoint(
        method="GET",
        path="/exports/{export}",
        run=get_export,
        version=lambda view: view.version,
        access=needs("export.read"),
        summary="One export",
        tag="metrics",
        answer=ExportView,
        problems=("not-found",),
    ),
    Endpoint(
        method="PUT",
        path="/exports/{export}",
        run=put_export,
        version=lambda view: view.version,
        access=needs("export.put"),
        summary="Send the metric history somewhere as well, or set everything of an export",
        tag="metrics",
        body=ExportBody,
        answer=ExportView,
        problems=("conflict",),
    ),
    Endpoint(
        method="DELETE",
        path="/exports/{export}",
        run=remove_export,
        access=needs("export.remove"),
        summary="Forget an export; what was sent stays where it is",
        tag="metrics",
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found",),
    ),
)
