"""What happened in a time, what else moved in it, and what services should be given."""

from __future__ import annotations

from pydantic import Field

from web.api.endpoint import Ask, Endpoint, Nothing
from web.api.languages import LanguageQuery, language_of
from web.api.schemas import FilterText, Schema
from web.middleware.routes import needs
from web.tools.correlations import READ, SHOWN, CorrelationsView, find_correlations
from web.tools.markers import MarkersView, list_markers
from web.tools.sizing import SizingsView, advise_sizes

_SHOWN_MAX = 200


class CorrelationsQuery(Schema):
    """Of which stretch; and of what, to say how closely the rest follows it."""

    since: FilterText = Field(description="its beginning: epoch ms, ISO 8601, or a span before until")
    until: FilterText = Field(default="", description="its end; empty for now")
    subject: FilterText = Field(default="", description="a host, container, service: what is asked about")
    metric: FilterText = Field(default="", description="and which of its metrics, as cpu; empty: none")
    limit: int = Field(default=SHOWN, ge=1, le=_SHOWN_MAX)


class MarkersQuery(LanguageQuery):
    """When, and of what."""

    since: FilterText = Field(default="24h", description="90s, 24h, 7d before until; epoch ms or ISO 8601")
    until: FilterText = Field(default="", description="the same, before now; empty for now")
    node: FilterText = Field(default="", description="id or name of a host")
    service: FilterText = ""
    name: FilterText = Field(default="", description="of a container")


async def correlations(ask: Ask[None, CorrelationsQuery]) -> CorrelationsView:
    return await find_correlations(ask.context, ask.call, **ask.query.model_dump())


async def markers(ask: Ask[None, MarkersQuery]) -> MarkersView:
    query = ask.query
    return await list_markers(
        ask.context,
        ask.call,
        **query.model_dump(exclude={"language"}),
        language=language_of(ask.request, query),
    )


async def sizing(ask: Ask[None, Nothing]) -> SizingsView:
    return await advise_sizes(ask.context, ask.call)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/analytics/correlations",
        run=correlations,
        access=needs(READ),
        summary="What else moved in a stretch of time, the surest first",
        tag="analytics",
        query=CorrelationsQuery,
        answer=CorrelationsView,
        problems=("invalid", "not-found"),
    ),
    Endpoint(
        method="GET",
        path="/metrics/markers",
        run=markers,
        access=needs("metrics.read", lambda _: "metrics"),
        summary="What happened in a time: deployments, alerts, restarts, hosts that failed",
        tag="metrics",
        query=MarkersQuery,
        answer=MarkersView,
        problems=("invalid",),
    ),
    Endpoint(
        method="GET",
        path="/analytics/sizing",
        run=sizing,
        access=needs(READ),
        summary="Which services have a limit or a reservation of memory that does not fit what they use",
        tag="analytics",
        answer=SizingsView,
    ),
)
