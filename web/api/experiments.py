"""Experiments (A/B tests): a second revision beside the stable one, ended by a person or a date."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from pydantic import Field, StringConstraints

from cluster.model.experiment import DURATION_MS_MAX, MATCHES_MAX, Variant
from cluster.model.service import REPLICAS_MAX
from cluster.model.strategy import WHOLE_PERMILLE
from web.api.deployments import COMPOSE_BODY_BYTES_MAX, request_of
from web.api.endpoint import Ask, Endpoint, Nothing
from web.api.schemas import DeploymentBody, FilterText, PageQuery, Reason, Schema
from web.middleware.routes import needs
from web.tools import experiments
from web.tools.experiment_views import ExperimentView
from web.tools.experiments import ExperimentRequest, NamedValue
from web.tools.listing import Page, page_of

_Text = Annotated[str, StringConstraints(max_length=256)]


class NamedValueBody(Schema):
    """A header or cookie, and what it must be: case counts in the value."""

    name: _Text
    value: _Text


class ExperimentBody(Schema):
    """What is tried as b (`image` or `deployment`), which requests it gets, and how long.

    Any header or cookie leads to b; of all other requests b gets `permille`. Without `for_s` and `until_ms` a
    person ends it.
    """

    image: FilterText = Field(default="", description="the stable revision with this image")
    deployment: DeploymentBody | None = Field(
        default=None, description="the service as it is in this file; the file's others are left alone"
    )
    headers: list[NamedValueBody] = Field(default_factory=list, max_length=MATCHES_MAX)
    cookies: list[NamedValueBody] = Field(default_factory=list, max_length=MATCHES_MAX)
    permille: int = Field(default=0, ge=0, lt=WHOLE_PERMILLE, description="200 is 20 %")
    sticky: bool | None = Field(
        default=None, description="a visitor stays on his side, by a cookie; null: whenever there is a share"
    )
    replicas: int | None = Field(
        default=None, ge=1, le=REPLICAS_MAX, description="of b, at most as many as a"
    )
    for_s: int | None = Field(
        default=None, ge=1, le=DURATION_MS_MAX // 1000, description="from when every router follows it"
    )
    until_ms: int | None = Field(default=None, ge=1, le=2**53)
    keep: Variant = Field(default=Variant.A, description="which one is kept at that date")
    override_window: bool = Field(
        default=False, description="although a change window or a freeze is against it; recorded as such"
    )


class ExperimentsQuery(PageQuery):
    """Of which service."""

    service: FilterText = ""


class EndExperimentBody(Schema):
    """Which variant is kept, and why, for the record."""

    keep: Variant
    reason: Reason = ""


async def start(ask: Ask[ExperimentBody, Nothing]) -> ExperimentView:
    body = ask.body
    request = ExperimentRequest(
        image=body.image,
        file=None if body.deployment is None else request_of(body.deployment),
        headers=_named(body.headers),
        cookies=_named(body.cookies),
        permille=body.permille,
        is_sticky=body.sticky,
        replicas=body.replicas,
        for_ms=1000 * (body.for_s or 0),
        until_ms=body.until_ms or 0,
        keep=body.keep,
        overrides_windows=body.override_window,
    )
    return await experiments.start_experiment(ask.context, ask.call, ask.path["service"], request)


async def get(ask: Ask[None, Nothing]) -> ExperimentView:
    return await experiments.get_experiment(ask.context, ask.call, ask.path["service"])


async def list_all(ask: Ask[None, ExperimentsQuery]) -> Page[ExperimentView]:
    found = await experiments.list_experiments(ask.context, ask.call, service=ask.query.service)
    return page_of(
        found,
        key=lambda view: (view.started_at_ms, view.service_id),
        cursor=ask.query.cursor,
        limit=ask.query.limit,
        reverse=True,
    )


async def end(ask: Ask[EndExperimentBody, Nothing]) -> ExperimentView:
    return await experiments.end_experiment(
        ask.context, ask.call, ask.path["service"], ask.body.keep, reason=ask.body.reason
    )


def _named(bodies: list[NamedValueBody]) -> tuple[NamedValue, ...]:
    return tuple(NamedValue(name=each.name, value=each.value) for each in bodies)


_REFERENCE = ("not-found", "ambiguous")

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/experiments",
        run=list_all,
        access=needs("rollout.read"),
        summary="The experiments that are remembered, newest first",
        tag="experiments",
        query=ExperimentsQuery,
        answer=Page[ExperimentView],
        problems=_REFERENCE,
    ),
    Endpoint(
        method="GET",
        path="/services/{service}/experiment",
        run=get,
        access=needs("rollout.read"),
        summary="A service's newest experiment, with how its variants compare",
        tag="experiments",
        answer=ExperimentView,
        problems=_REFERENCE,
    ),
    Endpoint(
        method="POST",
        path="/services/{service}/experiment",
        run=start,
        access=needs(experiments.START),
        summary="Try a revision beside the stable one, by header, cookie or share",
        tag="experiments",
        body=ExperimentBody,
        answer=ExperimentView,
        status=HTTPStatus.ACCEPTED,
        body_bytes_max=COMPOSE_BODY_BYTES_MAX,
        problems=(*_REFERENCE, "conflict", "host-unavailable"),
    ),
    Endpoint(
        method="POST",
        path="/services/{service}/experiment/end",
        run=end,
        access=needs(experiments.END),
        summary="End an experiment, and say which variant is kept",
        tag="experiments",
        body=EndExperimentBody,
        answer=ExperimentView,
        status=HTTPStatus.ACCEPTED,
        problems=(*_REFERENCE, "conflict"),
    ),
)
