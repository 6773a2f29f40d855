"""What was unusual."""

from __future__ import annotations

from pydantic import Field

from cluster.analytics.anomalies import Method
from cluster.analytics.sentences import Language, choose_language
from web.api.endpoint import Ask, Endpoint
from web.api.schemas import FilterText, Schema
from web.middleware.routes import needs
from web.tools.anomalies import READ, AnomaliesView, detect_anomalies


class AnomaliesQuery(Schema):
    """Of what, since when, and how it is looked for."""

    subject: FilterText = Field(
        default="", description="a host, service, container: h1, shop.web; empty: all"
    )
    metric: FilterText = Field(default="", description="as cpu,memory; empty: all that are watched")
    method: Method = Field(default=Method.CALIBRATED, description="how rows are told from the usual ones")
    since: FilterText = Field(default="", description="as 24h (which it is if not given), 7d, or a moment")
    language: Language | None = Field(default=None, description="of sentences; else as Accept-Language")


async def anomalies(ask: Ask[None, AnomaliesQuery]) -> AnomaliesView:
    query = ask.query
    return await detect_anomalies(
        ask.context,
        ask.call,
        query.subject,
        metric=query.metric,
        method=query.method,
        since=query.since,
        language=query.language or choose_language(ask.request.headers.get("Accept-Language", "")),
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/analytics/anomalies",
        run=anomalies,
        access=needs(READ),
        summary="What was unusual, by incident of a container or a host",
        tag="analytics",
        query=AnomaliesQuery,
        answer=AnomaliesView,
        problems=("not-found", "ambiguous"),
    ),
)
