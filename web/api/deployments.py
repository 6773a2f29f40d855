"""Services and deployments."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web
from pydantic import TypeAdapter

from cluster.compose import ComposeFile
from web.api.endpoint import Ask, Endpoint, Nothing, json_response
from web.api.schemas import DeploymentBody, PageQuery
from web.middleware.routes import needs
from web.tools import deployments, services
from web.tools.listing import Page, page_of
from web.tools.preparing import DeployRequest
from web.tools.service_drift import ServiceDriftView, drift_key, list_drift
from web.tools.views import DeploymentView, ServiceDetail, ServiceView

COMPOSE_BODY_BYTES_MAX = 4 * 1024 * 1024
_DEPLOYMENT: TypeAdapter[DeploymentView] = TypeAdapter(DeploymentView)


async def list_services(ask: Ask[None, PageQuery]) -> Page[ServiceView]:
    found = await services.list_services(ask.context, ask.call)
    return page_of(found, key=lambda view: (view.id,), cursor=ask.query.cursor, limit=ask.query.limit)


async def get_drift(ask: Ask[None, PageQuery]) -> Page[ServiceDriftView]:
    found = await list_drift(ask.context, ask.call)
    return page_of(found, key=drift_key, cursor=ask.query.cursor, limit=ask.query.limit)


async def get_service(ask: Ask[None, Nothing]) -> ServiceDetail:
    return await services.get_service(ask.context, ask.call, ask.path["service"])


async def remove_service(ask: Ask[None, Nothing]) -> ServiceView:
    return await services.remove_service(ask.context, ask.call, ask.path["service"])


def request_of(body: DeploymentBody) -> DeployRequest:
    """Return what a body asks for."""
    return DeployRequest(
        compose=body.compose,
        project=body.project or None,
        variables=body.variables,
        is_dry_run=body.dry_run,
        file=body.file,
        overrides=tuple(ComposeFile(text=each.compose, name=each.file) for each in body.overrides),
        files=body.files,
        environment=body.environment,
        strategy=body.strategy,
        is_unjudged=body.skip_analysis,
        overrides_windows=body.override_window,
    )


async def deploy(ask: Ask[DeploymentBody, Nothing]) -> web.Response:
    body = ask.body
    view = await deployments.deploy(ask.context, ask.call, request_of(body))
    status = HTTPStatus.OK if body.dry_run else HTTPStatus.ACCEPTED
    return json_response(_DEPLOYMENT.dump_json(view), status=status)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/services",
        run=list_services,
        access=needs("service.read"),
        summary="The services, by id",
        tag="services",
        query=PageQuery,
        answer=Page[ServiceView],
    ),
    Endpoint(
        method="GET",
        path="/drift",
        run=get_drift,
        access=needs("service.read"),
        summary="What runs on the hosts that know of it, where it differs from what was asked for",
        tag="services",
        query=PageQuery,
        answer=Page[ServiceDriftView],
    ),
    Endpoint(
        method="GET",
        path="/services/{service}",
        run=get_service,
        access=needs("service.read"),
        summary="One service, by id or name: revisions, replicas, newest rollout, and what its hosts run",
        tag="services",
        answer=ServiceDetail,
        problems=("not-found", "ambiguous"),
    ),
    Endpoint(
        method="DELETE",
        path="/services/{service}",
        run=remove_service,
        access=needs("service.remove"),
        summary="Take a service down",
        tag="services",
        answer=ServiceView,
        status=HTTPStatus.ACCEPTED,
        problems=("not-found", "ambiguous", "conflict"),
    ),
    Endpoint(
        method="POST",
        path="/deployments",
        run=deploy,
        access=needs("service.deploy"),
        summary="Deploy a Compose file (200 with dry_run)",
        tag="services",
        body=DeploymentBody,
        answer=DeploymentView,
        status=HTTPStatus.ACCEPTED,
        body_bytes_max=COMPOSE_BODY_BYTES_MAX,
        problems=("not-found", "conflict", "host-unavailable"),
    ),
)
