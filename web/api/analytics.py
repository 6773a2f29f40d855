"""What the metric history means: trends, forecasts, capacity, profiles, reports."""

from __future__ import annotations

from typing import Annotated

from aiohttp.web import Request
from pydantic import Field

from cluster.analytics.sentences import Language, choose_language
from web.api.endpoint import Ask, Endpoint
from web.api.schemas import FilterText, Reference, Schema
from web.middleware.routes import needs
from web.tools.analytics_trend import READ, get_trend
from web.tools.analytics_views import TrendView

Percent = Annotated[float, Field(gt=0, le=100)]


class LanguageQuery(Schema):
    """In which language sentences are; without one as Accept-Language has it."""

    language: Language | None = None


class TrendQuery(LanguageQuery):
    """A trend of what."""

    subject: Reference = Field(description="a host, service, container, file system: h1, shop.web, h1:/var")
    metric: FilterText = Field(default="", description="as cpu or memory_bytes; empty: memory, or disk space")
    at_percent: Percent | None = Field(default=None, description="of its limit: so much counts as used up")


async def trend(ask: Ask[None, TrendQuery]) -> TrendView:
    query = ask.query
    return await get_trend(
        ask.context,
        ask.call,
        query.subject,
        metric=query.metric,
        at_percent=query.at_percent,
        language=_language(ask.request, query),
    )


def _language(request: Request, query: LanguageQuery) -> Language:
    return query.language or choose_language(request.headers.get("Accept-Language", ""))


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
)
