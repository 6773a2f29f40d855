"""Environments, promoting from one to another, and checking a deployment before it is made."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import Field, StringConstraints, TypeAdapter

from cluster.model.environments import SOAK_MS
from web.api.deployments import COMPOSE_BODY_BYTES_MAX, request_of
from web.api.endpoint import Ask, Endpoint, Nothing, json_response
from web.api.schemas import DeploymentBody, FilterText, PageQuery, Reference, Schema
from web.middleware.routes import needs
from web.tools import checking, environments, promoting
from web.tools.checking import ValidationView
from web.tools.environments import EnvironmentSettings, EnvironmentView
from web.tools.listing import Page, page_of
from web.tools.promoting import PromoteRequest
from web.tools.views import DeploymentView

_DEPLOYMENT: TypeAdapter[DeploymentView] = TypeAdapter(DeploymentView)
Constraint = Annotated[str, StringConstraints(min_length=1, max_length=512)]


class EnvironmentBody(Schema):
    """Everything of an environment; what is left out is as in a new one."""

    hosts: list[Reference] = Field(
        default_factory=list, max_length=64, description="names or ids; none: every host"
    )
    constraints: list[Constraint] = Field(
        default_factory=list, max_length=32, description="node.labels.tier==prod"
    )
    registry: FilterText = Field(default="", description="where images come from instead, host[:port][/path]")
    replicas_min: int = Field(default=0, ge=0)
    replicas_max: int = Field(default=0, ge=0, description="0: no bound")
    quota_cpu_millis: int | None = Field(default=None, ge=0, description="of all reservations together")
    quota_memory_bytes: int | None = Field(default=None, ge=0)
    quota_replicas: int | None = Field(default=None, ge=0)
    requires: FilterText = Field(default="", description="where an image was stable before it comes here")
    soak_s: int = Field(default=SOAK_MS // 1000, ge=0, description="for how long")
    protected: bool = Field(default=False, description="a person approves what a program deploys")
    alerting: bool = True
    alert_channel: FilterText = ""
    sample_interval_s: int = Field(default=0, ge=0)


class PromotionBody(Schema):
    """What goes where. Without a file its specification is copied."""

    what: Reference = Field(description="a service or a project, by name or id")
    to: Reference
    from_environment: FilterText = Field(default="", description="left out: what the other one requires")
    file: DeploymentBody | None = Field(
        default=None, description="rendered for the environment it goes to; the image stays the proven one"
    )
    copy_values: bool = Field(
        default=False, description="take values along that were the environment's own, such as variables"
    )
    dry_run: bool = False
    override_window: bool = Field(default=False, description="although a change window is against it")
    skip_analysis: bool = Field(default=False, description="an emergency: no soak, no judging, no approval")


async def list_environments(ask: Ask[None, PageQuery]) -> Page[EnvironmentView]:
    found = await environments.list_environments(ask.context, ask.call)
    return page_of(found, key=lambda view: (view.name,), cursor=ask.query.cursor, limit=ask.query.limit)


async def get_environment(ask: Ask[None, Nothing]) -> EnvironmentView:
    return await environments.get_environment(ask.context, ask.call, ask.path["environment"])


async def put_environment(ask: Ask[EnvironmentBody, Nothing]) -> EnvironmentView:
    body = ask.body
    settings = EnvironmentSettings(
        hosts=tuple(body.hosts),
        constraints=tuple(body.constraints),
        registry=body.registry,
        replicas_min=body.replicas_min,
        replicas_max=body.replicas_max,
        quota_cpu_millis=body.quota_cpu_millis,
        quota_memory_bytes=body.quota_memory_bytes,
        quota_replicas=body.quota_replicas,
        requires=body.requires,
        soak_s=body.soak_s,
        protected=body.protected,
        alerting=body.alerting,
        alert_channel=body.alert_channel,
        sample_interval_s=body.sample_interval_s,
    )
    return await environments.put_environment(ask.context, ask.call, ask.path["environment"], settings)


async def remove_environment(ask: Ask[None, Nothing]) -> None:
    await environments.remove_environment(ask.context, ask.call, ask.path["environment"])


async def promote(ask: Ask[PromotionBody, Nothing]) -> web.Response:
    body = ask.body
    view = await promoting.promote(
        ask.context,
        ask.call,
        PromoteRequest(
            what=body.what,
            target=body.to,
            source=body.from_environment,
            file=None if body.file is None else request_of(body.file),
            copies_values=body.copy_values,
            is_unjudged=body.skip_analysis,
            overrides_windows=body.override_window,
            is_dry_run=body.dry_run,
        ),
    )
    status = HTTPStatus.OK if body.dry_run else HTTPStatus.ACCEPTED
    return json_response(_DEPLOYMENT.dump_json(view), status=status)


async def validate(ask: Ask[DeploymentBody, Nothing]) -> ValidationView:
    return await checking.validate(ask.context, ask.call, replace(request_of(ask.body), is_dry_run=True))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/environments",
        run=list_environments,
        access=needs("environment.read"),
        summary="The environments, with what is in them",
        tag="environments",
        query=PageQuery,
        answer=Page[EnvironmentView],
    ),
    Endpoint(
        method="GET",
        path="/environments/{environment}",
        run=get_environment,
        access=needs("environment.read"),
        summary="One environment",
        tag="environments",
        answer=EnvironmentView,
        problems=("not-found",),
    ),
    Endpoint(
        method="PUT",
        path="/environments/{environment}",
        run=put_environment,
        access=needs("environment.put"),
        summary="Make an environment, or set everything of one",
        tag="environments",
        body=EnvironmentBody,
        answer=EnvironmentView,
        problems=("not-found", "conflict"),
    ),
    Endpoint(
        method="DELETE",
        path="/environments/{environment}",
        run=remove_environment,
        access=needs("environment.remove"),
        summary="Forget an environment without services",
        tag="environments",
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found", "conflict"),
    ),
    Endpoint(
        method="POST",
        path="/promotions",
        run=promote,
        access=needs("service.promote"),
        summary="Promote what is stable in one environment to another (200 with dry_run)",
        tag="environments",
        body=PromotionBody,
        answer=DeploymentView,
        status=HTTPStatus.ACCEPTED,
        body_bytes_max=COMPOSE_BODY_BYTES_MAX,
        problems=("not-found", "ambiguous", "conflict", "host-unavailable"),
    ),
    Endpoint(
        method="POST",
        path="/validations",
        run=validate,
        access=needs("service.validate"),
        summary="What would go wrong with a deployment, and its plan; nothing is changed",
        tag="services",
        body=DeploymentBody,
        answer=ValidationView,
        status=HTTPStatus.OK,
        body_bytes_max=COMPOSE_BODY_BYTES_MAX,
    ),
)
