"""The history of what is measured."""

from __future__ import annotations

from pydantic import Field

from cluster.metrics.query import POINTS_MAX, SERIES_MAX, Aggregation, Resolution, Statistic
from web.api.endpoint import Ask, Endpoint, Nothing
from web.api.schemas import FilterText, PageQuery, Schema
from web.middleware.routes import needs
from web.tools import metric_history, uptime
from web.tools.current_numbers import HostNumbers, get_current
from web.tools.listing import Page
from web.tools.metric_history import HistoryWish, MeasuredView, MetricsHistoryView, StandingView
from web.tools.uptime import UptimesView


class HistoryQuery(Schema):
    """Which series, of when, in what steps; everything may be left out."""

    subject: FilterText = Field(
        default="",
        description="a host, container, service, project or disk, a subject's number, or 'containers'",
    )
    metric: FilterText = Field(default="", description="names separated by commas, as cpu,memory_bytes")
    kind: FilterText = Field(
        default="", description="host, container, disk, sensor, route, agent or external"
    )
    node: FilterText = Field(default="", description="id or name of a host")
    since: FilterText = Field(default="1h", description="90s, 24h, 7d before until; epoch ms or ISO 8601")
    until: FilterText = Field(default="", description="the same, before now; empty for now")
    step: FilterText = Field(default="", description="of each point, as 5m; empty: what `points` allow")
    points: int = Field(default=300, ge=1, le=POINTS_MAX, description="at most so many, without a step")
    statistic: Statistic | None = Field(default=None, description="what stands for a step's samples")
    aggregation: Aggregation | None = Field(default=None, description="how series become one")
    quantile: float | None = Field(default=None, ge=0, le=1)
    by: FilterText = Field(
        default="", description="labels to group by: host, service, project, container, ..."
    )
    top: int | None = Field(default=None, ge=1, le=SERIES_MAX, description="the series with the largest mean")
    resolution: Resolution | None = None
    band: bool = Field(default=False, description="also the smallest and largest value of each step")


class MeasuredQuery(PageQuery):
    """Which of what is measured."""

    kind: FilterText = ""
    node: FilterText = Field(default="", description="id or name of a host")
    q: FilterText = Field(default="", description="in name, key or labels")


class CurrentQuery(Schema):
    """Of which hosts."""

    node: FilterText = Field(default="", description="id or name of a host")


async def get_numbers(ask: Ask[None, CurrentQuery]) -> list[HostNumbers]:
    return await get_current(ask.context, ask.call, node=ask.query.node)


async def get_history(ask: Ask[None, HistoryQuery]) -> MetricsHistoryView:
    wish = HistoryWish(**ask.query.model_dump())
    return await metric_history.get_metrics_history(ask.context, ask.call, wish)


async def list_measured(ask: Ask[None, MeasuredQuery]) -> Page[MeasuredView]:
    query = ask.query
    return await metric_history.list_measured(
        ask.context,
        ask.call,
        kind=query.kind,
        node=query.node,
        text=query.q,
        cursor=query.cursor,
        limit=query.limit,
    )


async def get_standing(ask: Ask[None, Nothing]) -> StandingView:
    return await metric_history.get_history_standing(ask.context, ask.call)


class UptimeQuery(Schema):
    """Of how long before now, and in how many equal stretches."""

    span: FilterText = Field(default="24h", description="30m, 24h, 7d; from ten minutes to seven days")
    stretches: int = Field(default=48, ge=1, le=60)


async def get_uptime(ask: Ask[None, UptimeQuery]) -> UptimesView:
    query = ask.query
    return await uptime.get_uptime(ask.context, ask.call, span=query.span, stretches=query.stretches)


_METRICS = needs("metrics.read", lambda _: "metrics")

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/metrics",
        also=("/api/metrics",),
        run=get_numbers,
        access=_METRICS,
        summary="The newest numbers of hosts and containers",
        tag="metrics",
        query=CurrentQuery,
        answer=list[HostNumbers],
        problems=("not-found",),
    ),
    Endpoint(
        method="GET",
        path="/metrics/history",
        also=("/api/metrics/history",),
        run=get_history,
        access=_METRICS,
        summary="What was measured, over time",
        tag="metrics",
        query=HistoryQuery,
        answer=MetricsHistoryView,
        problems=("invalid", "not-found"),
    ),
    Endpoint(
        method="GET",
        path="/metrics/subjects",
        run=list_measured,
        access=_METRICS,
        summary="What is measured, by host, kind and name",
        tag="metrics",
        query=MeasuredQuery,
        answer=Page[MeasuredView],
        problems=("invalid",),
    ),
    Endpoint(
        method="GET",
        path="/metrics/standing",
        run=get_standing,
        access=_METRICS,
        summary="How much of the history the answering host has, and what is missing",
        tag="metrics",
        answer=StandingView,
    ),
    Endpoint(
        method="GET",
        path="/uptime",
        run=get_uptime,
        access=_METRICS,
        summary="In which share of the time each project was up",
        tag="metrics",
        query=UptimeQuery,
        answer=UptimesView,
        problems=("invalid",),
    ),
)
