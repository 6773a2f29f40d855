"""Scheduled deployments, change windows, freezes, and following images."""

from __future__ import annotations

from http import HTTPStatus

from pydantic import Field

from cluster.model.schedules import CatchUp
from cluster.model.strategy import Strategy
from cluster.model.watching import EVERY_MS, MIN_AGE_MS
from cluster.model.windows import ScopeKind, WindowKind
from web.api.deployments import COMPOSE_BODY_BYTES_MAX, request_of
from web.api.endpoint import Ask, Endpoint, Nothing
from web.api.schemas import DeploymentBody, FilterText, PageQuery, Reference, Schema
from web.middleware.routes import needs
from web.tools import scheduling, watching, windows
from web.tools.listing import Page, page_of
from web.tools.scheduling import ScheduleRequest, ScheduleView
from web.tools.watch_views import WatchView
from web.tools.watching import WatchSettings
from web.tools.windows import FreezeSettings, FreezeView, WindowSettings, WindowView

_TIME_ZONE = "name of the time zone, such as Europe/Berlin"
_CRON = "minute, hour, day of the month, month, day of the week: 30 3 * * MON-FRI"


class ScheduleBody(Schema):
    """A deployment, and when. Its `dry_run` has no meaning here."""

    deployment: DeploymentBody
    at_ms: int | None = Field(default=None, ge=0, description="once, at this moment")
    cron: FilterText = Field(default="", description=_CRON)
    time_zone: FilterText = Field(default="UTC", description=_TIME_ZONE)
    catch_up: CatchUp = Field(
        default=CatchUp.SKIP, description="once: a missed moment is made up for within an hour"
    )
    pin_at_fire: bool = Field(
        default=False, description="images are what their tags mean at that time, and not now"
    )


class RunBody(Schema):
    """How a schedule is run now."""

    override_window: bool = Field(default=False, description="although a window or freeze is against it")


class WindowBody(Schema):
    """When services may be changed (allow), or may not (deny). A window that denies wins."""

    kind: WindowKind
    cron: Reference = Field(description=f"when it opens: {_CRON}")
    duration_s: int = Field(ge=60, description="how long it is open")
    time_zone: FilterText = Field(default="UTC", description=_TIME_ZONE)
    scope: ScopeKind = Field(default=ScopeKind.CLUSTER, description="which services it is about")
    scope_name: FilterText = Field(default="", description="of the environment, project or service")
    note: FilterText = ""


class FreezeBody(Schema):
    """No changes for a while. Going back is always possible."""

    reason: Reference
    from_ms: int | None = Field(default=None, ge=0, description="left out: now")
    until_ms: int | None = Field(default=None, ge=0, description="left out: until it is ended")
    scope: ScopeKind = ScopeKind.CLUSTER
    scope_name: FilterText = ""


class WatchBody(Schema):
    """How a service follows what its image's tag means."""

    every_s: int = Field(default=EVERY_MS // 1000, ge=1, description="how often the registry is asked")
    min_age_s: int = Field(
        default=MIN_AGE_MS // 1000, ge=0, description="how long a tag has to mean the same before"
    )
    cron: FilterText = Field(default="", description=f"when its own window opens: {_CRON}")
    duration_s: int = Field(default=3600, ge=60, description="how long that is open")
    time_zone: FilterText = Field(default="UTC", description=_TIME_ZONE)
    strategy: Strategy | None = Field(default=None, description="left out: the service's own")


async def list_schedules(ask: Ask[None, PageQuery]) -> Page[ScheduleView]:
    found = await scheduling.list_schedules(ask.context, ask.call)
    return page_of(found, key=lambda view: (view.id,), cursor=ask.query.cursor, limit=ask.query.limit)


async def add_schedule(ask: Ask[ScheduleBody, Nothing]) -> ScheduleView:
    body = ask.body
    return await scheduling.schedule_deployment(
        ask.context,
        ask.call,
        ScheduleRequest(
            deployment=request_of(body.deployment),
            at_ms=body.at_ms,
            cron=body.cron,
            time_zone=body.time_zone,
            catch_up=body.catch_up,
            pins_at_fire=body.pin_at_fire,
        ),
    )


async def get_schedule(ask: Ask[None, Nothing]) -> ScheduleView:
    return await scheduling.get_schedule(ask.context, ask.call, ask.path["schedule"])


async def remove_schedule(ask: Ask[None, Nothing]) -> None:
    await scheduling.remove_schedule(ask.context, ask.call, ask.path["schedule"])


async def run_schedule(ask: Ask[RunBody, Nothing]) -> ScheduleView:
    return await scheduling.run_schedule(
        ask.context, ask.call, ask.path["schedule"], overrides_windows=ask.body.override_window
    )


async def list_windows(ask: Ask[None, PageQuery]) -> Page[WindowView]:
    found = await windows.list_windows(ask.context, ask.call)
    return page_of(found, key=lambda view: (view.id,), cursor=ask.query.cursor, limit=ask.query.limit)


async def put_window(ask: Ask[WindowBody, Nothing]) -> WindowView:
    body = ask.body
    return await windows.put_window(
        ask.context,
        ask.call,
        ask.path["window"],
        WindowSettings(
            kind=body.kind,
            cron=body.cron,
            duration_s=body.duration_s,
            time_zone=body.time_zone,
            scope_kind=body.scope,
            scope_name=body.scope_name,
            note=body.note,
        ),
    )


async def remove_window(ask: Ask[None, Nothing]) -> None:
    await windows.remove_window(ask.context, ask.call, ask.path["window"])


async def list_freezes(ask: Ask[None, PageQuery]) -> Page[FreezeView]:
    found = await windows.list_freezes(ask.context, ask.call)
    return page_of(found, key=lambda view: (view.id,), cursor=ask.query.cursor, limit=ask.query.limit)


async def begin_freeze(ask: Ask[FreezeBody, Nothing]) -> FreezeView:
    body = ask.body
    return await windows.begin_freeze(
        ask.context,
        ask.call,
        FreezeSettings(
            reason=body.reason,
            from_ms=body.from_ms,
            until_ms=body.until_ms,
            scope_kind=body.scope,
            scope_name=body.scope_name,
        ),
    )


async def end_freeze(ask: Ask[None, Nothing]) -> None:
    await windows.end_freeze(ask.context, ask.call, ask.path["freeze"])


async def put_watch(ask: Ask[WatchBody, Nothing]) -> WatchView:
    body = ask.body
    return await watching.put_watch(
        ask.context,
        ask.call,
        ask.path["service"],
        WatchSettings(
            every_s=body.every_s,
            min_age_s=body.min_age_s,
            cron=body.cron,
            duration_s=body.duration_s,
            time_zone=body.time_zone,
            strategy=body.strategy,
        ),
    )


async def remove_watch(ask: Ask[None, Nothing]) -> None:
    await watching.remove_watch(ask.context, ask.call, ask.path["service"])


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/schedules",
        run=list_schedules,
        access=needs("service.read"),
        summary="Scheduled deployments, with what became of their moments",
        tag="schedules",
        query=PageQuery,
        answer=Page[ScheduleView],
    ),
    Endpoint(
        method="POST",
        path="/schedules",
        run=add_schedule,
        access=needs("service.schedule"),
        summary="Schedule a deployment, once or again and again",
        tag="schedules",
        body=ScheduleBody,
        answer=ScheduleView,
        status=HTTPStatus.CREATED,
        body_bytes_max=COMPOSE_BODY_BYTES_MAX,
        problems=("conflict", "host-unavailable"),
    ),
    Endpoint(
        method="GET",
        path="/schedules/{schedule}",
        run=get_schedule,
        access=needs("service.read"),
        summary="One schedule",
        tag="schedules",
        answer=ScheduleView,
        problems=("not-found",),
    ),
    Endpoint(
        method="DELETE",
        path="/schedules/{schedule}",
        run=remove_schedule,
        access=needs("service.schedule"),
        summary="Forget a schedule; what it deployed stays",
        tag="schedules",
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found",),
    ),
    Endpoint(
        method="POST",
        path="/schedules/{schedule}/run",
        run=run_schedule,
        access=needs("service.schedule"),
        summary="Deploy what a schedule deploys now",
        tag="schedules",
        body=RunBody,
        answer=ScheduleView,
        status=HTTPStatus.ACCEPTED,
        problems=("not-found", "conflict", "host-unavailable"),
    ),
    Endpoint(
        method="GET",
        path="/windows",
        run=list_windows,
        access=needs("window.read"),
        summary="The change windows",
        tag="schedules",
        query=PageQuery,
        answer=Page[WindowView],
    ),
    Endpoint(
        method="PUT",
        path="/windows/{window}",
        run=put_window,
        access=needs("window.put"),
        summary="Make a change window, or set everything of one",
        tag="schedules",
        body=WindowBody,
        answer=WindowView,
    ),
    Endpoint(
        method="DELETE",
        path="/windows/{window}",
        run=remove_window,
        access=needs("window.remove"),
        summary="Forget a change window",
        tag="schedules",
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found",),
    ),
    Endpoint(
        method="GET",
        path="/freezes",
        run=list_freezes,
        access=needs("window.read"),
        summary="The freezes in force and to come",
        tag="schedules",
        query=PageQuery,
        answer=Page[FreezeView],
    ),
    Endpoint(
        method="POST",
        path="/freezes",
        run=begin_freeze,
        access=needs("window.freeze"),
        summary="Have nothing changed for a while",
        tag="schedules",
        body=FreezeBody,
        answer=FreezeView,
        status=HTTPStatus.CREATED,
    ),
    Endpoint(
        method="DELETE",
        path="/freezes/{freeze}",
        run=end_freeze,
        access=needs("window.freeze"),
        summary="End a freeze; one of somebody else needs role admin",
        tag="schedules",
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found",),
    ),
    Endpoint(
        method="PUT",
        path="/services/{service}/watch",
        run=put_watch,
        access=needs("service.watch"),
        summary="Have a service follow what its image's tag means",
        tag="schedules",
        body=WatchBody,
        answer=WatchView,
        problems=("not-found", "ambiguous"),
    ),
    Endpoint(
        method="DELETE",
        path="/services/{service}/watch",
        run=remove_watch,
        access=needs("service.watch"),
        summary="Have its image followed no more",
        tag="schedules",
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found", "ambiguous"),
    ),
)
