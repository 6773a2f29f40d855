"""Where replicas are, why, and where they would go."""

from __future__ import annotations

from http import HTTPStatus

from pydantic import Field

from web.api.endpoint import Ask, Endpoint, Nothing
from web.api.schemas import Reference, Schema
from web.middleware.routes import needs
from web.tools import placement
from web.tools.placement_views import DrainForecastView, PlacementView, RebalanceView
from web.tools.views import NodeView

LABELS_PER_REQUEST_MAX = 128


class LabelsBody(Schema):
    """Labels to give and labels to take; others stay as they are."""

    put: dict[str, str] = Field(default_factory=dict, max_length=LABELS_PER_REQUEST_MAX)
    remove: list[str] = Field(default_factory=list, max_length=LABELS_PER_REQUEST_MAX)


class RebalanceBody(Schema):
    """Which service, none for the first that has something to move; with `dry_run` only say what."""

    service: Reference | None = None
    dry_run: bool = False


async def explain_service(ask: Ask[None, Nothing]) -> PlacementView:
    return await placement.explain_placement(ask.context, ask.call, ask.path["service"])


async def get_drain_forecast(ask: Ask[None, Nothing]) -> DrainForecastView:
    return await placement.get_drain_forecast(ask.context, ask.call, ask.path["node"])


async def set_node_labels(ask: Ask[LabelsBody, Nothing]) -> NodeView:
    return await placement.set_node_labels(
        ask.context, ask.call, ask.path["node"], put=ask.body.put, remove=ask.body.remove
    )


async def rebalance(ask: Ask[RebalanceBody, Nothing]) -> RebalanceView:
    return await placement.rebalance(ask.context, ask.call, ask.body.service, dry_run=ask.body.dry_run)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/services/{service}/placement",
        run=explain_service,
        access=needs("service.read"),
        summary="Why a service's replicas are where they are, and why not elsewhere",
        tag="services",
        answer=PlacementView,
        problems=("not-found", "ambiguous"),
    ),
    Endpoint(
        method="GET",
        path="/nodes/{node}/drain-forecast",
        run=get_drain_forecast,
        access=needs("node.read"),
        summary="What emptying a host would move, and what it could not",
        tag="nodes",
        answer=DrainForecastView,
        problems=("not-found",),
    ),
    Endpoint(
        method="POST",
        path="/nodes/{node}/labels",
        run=set_node_labels,
        access=needs("node.label"),
        summary="Give a host labels, for placement rules, and take some from it",
        tag="nodes",
        body=LabelsBody,
        answer=NodeView,
        problems=("not-found",),
    ),
    Endpoint(
        method="POST",
        path="/rebalance",
        run=rebalance,
        access=needs("service.rebalance"),
        summary="Move replicas to where they would be placed anew (only told with dry_run)",
        tag="services",
        body=RebalanceBody,
        answer=RebalanceView,
        status=HTTPStatus.OK,
        problems=("not-found", "ambiguous", "conflict"),
    ),
)
