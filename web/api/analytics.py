"""What the metric history means: trends, forecasts, capacity, profiles, reports."""

from __future__ import annotations

from typing import Annotated

from aiohttp.web import Response
from pydantic import Field

from cluster.model.service import REPLICAS_MAX
from web.api.endpoint import Ask, Endpoint
from web.api.languages import LanguageQuery, language_of
from web.api.schemas import FilterText, Reference
from web.middleware.routes import needs
from web.tools.analytics_capacity import WhatIf, get_capacity_plan
from web.tools.analytics_needs import predict_needs
from web.tools.analytics_profile import HOURS_DEFAULT, HOURS_MAX, compare_baseline, get_profile
from web.tools.analytics_report import MEDIA_TYPES, ReportFormat, export_report
from web.tools.analytics_trend import READ, get_trend
from web.tools.analytics_views import BaselineView, NeedsView, ProfileView, TrendView
from web.tools.capacity_views import CapacityView

Percent = Annotated[float, Field(gt=0, le=100)]


class SubjectQuery(LanguageQuery):
    """Of what."""

    subject: Reference = Field(description="a host, service, container, file system: h1, shop.web, h1:/var")


class MetricQuery(SubjectQuery):
    """Of what, and which of its metrics."""

    metric: FilterText = Field(default="", description="as cpu or memory_bytes; empty: what matters most")


class TrendQuery(MetricQuery):
    """A trend of what."""

    at_percent: Percent | None = Field(default=None, description="of its limit: so much counts as used up")


class ProfileQuery(SubjectQuery):
    """A profile of what, over how long."""

    hours: int = Field(default=HOURS_DEFAULT, ge=1, le=HOURS_MAX, description="the last so many")


class BaselineQuery(MetricQuery):
    """What to hold beside the usual, over how long."""

    hours: int = Field(default=HOURS_DEFAULT, ge=1, le=HOURS_MAX, description="the last so many")


class CapacityQuery(LanguageQuery):
    """What if there were more replicas of a service, or a host were lost."""

    service: FilterText = Field(default="", description="id or name of the service with more replicas")
    replicas: int = Field(default=0, ge=0, le=REPLICAS_MAX, description="how many more")
    lost: FilterText = Field(default="", description="id or name of the host that is lost")


class ReportQuery(LanguageQuery):
    """A report as what."""

    format: ReportFormat = ReportFormat.HTML


async def trend(ask: Ask[None, TrendQuery]) -> TrendView:
    query = ask.query
    return await get_trend(
        ask.context,
        ask.call,
        query.subject,
        metric=query.metric,
        at_percent=query.at_percent,
        language=language_of(ask.request, query),
    )


async def forecast(ask: Ask[None, MetricQuery]) -> NeedsView:
    query = ask.query
    return await predict_needs(
        ask.context,
        ask.call,
        query.subject,
        metric=query.metric,
        language=language_of(ask.request, query),
    )


async def capacity(ask: Ask[None, CapacityQuery]) -> CapacityView:
    query = ask.query
    what_if = WhatIf(service=query.service, replicas=query.replicas, lost=query.lost)
    language = language_of(ask.request, query)
    return await get_capacity_plan(ask.context, ask.call, what_if=what_if, language=language)


async def profile(ask: Ask[None, ProfileQuery]) -> ProfileView:
    query = ask.query
    return await get_profile(
        ask.context,
        ask.call,
        query.subject,
        hours=query.hours,
        language=language_of(ask.request, query),
    )


async def baseline(ask: Ask[None, BaselineQuery]) -> BaselineView:
    query = ask.query
    return await compare_baseline(
        ask.context,
        ask.call,
        query.subject,
        metric=query.metric,
        hours=query.hours,
        language=language_of(ask.request, query),
    )


async def report(ask: Ask[None, ReportQuery]) -> Response:
    query = ask.query
    made = await export_report(
        ask.context, ask.call, file_format=query.format, language=language_of(ask.request, query)
    )
    response = Response(
        text=made.content,
        content_type=made.media_type,
        headers={"Content-Disposition": f'inline; filename="{made.file_name}"'},
    )
    response.enable_compression()
    return response


_REFERENCE = ("not-found", "ambiguous")

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/analytics/trend",
        run=trend,
        access=needs(READ),
        summary="Whether a metric rises or falls, where it will be, and when it is used up",
        tag="analytics",
        query=TrendQuery,
        answer=TrendView,
        problems=_REFERENCE,
    ),
    Endpoint(
        method="GET",
        path="/analytics/forecast",
        run=forecast,
        access=needs(READ),
        summary="What something will need in the next day, in a week and in a month",
        tag="analytics",
        query=MetricQuery,
        answer=NeedsView,
        problems=_REFERENCE,
    ),
    Endpoint(
        method="GET",
        path="/analytics/capacity",
        run=capacity,
        access=needs(READ),
        summary="The room there is, when it is used up, and what more replicas or a lost host would do",
        tag="analytics",
        query=CapacityQuery,
        answer=CapacityView,
        problems=_REFERENCE,
    ),
    Endpoint(
        method="GET",
        path="/analytics/profile",
        run=profile,
        access=needs(READ),
        summary="How something did lately, beside what is usual, and what held it up",
        tag="analytics",
        query=ProfileQuery,
        answer=ProfileView,
        problems=_REFERENCE,
    ),
    Endpoint(
        method="GET",
        path="/analytics/baseline",
        run=baseline,
        access=needs(READ),
        summary="The last hours beside the same hours of the days before",
        tag="analytics",
        query=BaselineQuery,
        answer=BaselineView,
        problems=_REFERENCE,
    ),
    Endpoint(
        method="GET",
        path="/analytics/report",
        run=report,
        access=needs(READ),
        summary="A report on hosts, file systems, services and containers, to print or to calculate with",
        tag="analytics",
        query=ReportQuery,
        media_types=tuple(MEDIA_TYPES.values()),
    ),
)
