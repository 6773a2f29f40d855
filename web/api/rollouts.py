"""Rollouts, and what is asked of services that run: going back, sharing requests, scaling, their history."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus

from cluster.model.rollout import Steer
from web.api.endpoint import Ask, Endpoint, Nothing
from web.api.schemas import (
    ComparisonQuery,
    RollbackBody,
    RolloutsQuery,
    ScaleBody,
    SteerBody,
    TrafficBody,
)
from web.middleware.routes import needs
from web.tools import history, rollouts, scaling, steering, traffic
from web.tools.listing import Page, page_of
from web.tools.rolling_back import ROLLBACK, rollback_service
from web.tools.views import ComparisonView, HistoryView, RolloutView, ServiceChanged, SplitView


async def list_rollouts(ask: Ask[None, RolloutsQuery]) -> Page[RolloutView]:
    found = await rollouts.list_rollouts(ask.context, ask.call, service=ask.query.service)
    return page_of(
        found,
        key=lambda view: (view.started_at_ms, view.id),
        cursor=ask.query.cursor,
        limit=ask.query.limit,
        reverse=True,
    )


async def get_rollout(ask: Ask[None, Nothing]) -> RolloutView:
    return await rollouts.get_rollout(ask.context, ask.call, ask.path["rollout"])


async def steer(asked: Steer, ask: Ask[SteerBody, Nothing]) -> RolloutView:
    return await steering.steer_rollout(
        ask.context, ask.call, ask.path["rollout"], asked, reason=ask.body.reason
    )


async def retry(ask: Ask[None, Nothing]) -> ServiceChanged:
    return await steering.retry_rollout(ask.context, ask.call, ask.path["rollout"])


async def roll_back(ask: Ask[RollbackBody, Nothing]) -> ServiceChanged:
    return await rollback_service(
        ask.context, ask.call, ask.path["service"], to=ask.body.to, reason=ask.body.reason
    )


async def scale(ask: Ask[ScaleBody, Nothing]) -> ServiceChanged:
    return await scaling.scale_service(
        ask.context, ask.call, ask.path["service"], ask.body.replicas, is_override=ask.body.override
    )


async def restart(ask: Ask[None, Nothing]) -> ServiceChanged:
    return await scaling.restart_service(ask.context, ask.call, ask.path["service"])


async def get_traffic(ask: Ask[None, Nothing]) -> SplitView:
    return await traffic.get_split(ask.context, ask.call, ask.path["service"])


async def switch_traffic(ask: Ask[TrafficBody, Nothing]) -> SplitView:
    return await traffic.switch_traffic(
        ask.context,
        ask.call,
        ask.path["service"],
        colour=ask.body.colour,
        permille=ask.body.permille,
        is_forced=ask.body.force,
    )


async def get_history(ask: Ask[None, Nothing]) -> HistoryView:
    return await history.get_history(ask.context, ask.call, ask.path["service"])


async def compare(ask: Ask[None, ComparisonQuery]) -> ComparisonView:
    return await history.compare_revisions(
        ask.context, ask.call, ask.path["service"], ask.query.before, ask.query.after
    )


_REFERENCE = ("not-found", "ambiguous")
_CHANGE = (*_REFERENCE, "conflict")
_STEERS = {
    Steer.APPROVE: "Let a rollout that waits for approval go on",
    Steer.PAUSE: "Hold a rollout where it is",
    Steer.RESUME: "Let a paused rollout go on",
    Steer.PROMOTE: "Take a rollout to its end at once, unjudged",
    Steer.ABORT: "Take a rollout back",
}

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/rollouts",
        run=list_rollouts,
        access=needs("rollout.read"),
        summary="The rollouts, newest first",
        tag="rollouts",
        query=RolloutsQuery,
        answer=Page[RolloutView],
    ),
    Endpoint(
        method="GET",
        path="/rollouts/{rollout}",
        run=get_rollout,
        access=needs("rollout.read"),
        summary="One rollout, by its id, or the newest of a service by that one's id or name",
        tag="rollouts",
        answer=RolloutView,
        problems=_REFERENCE,
    ),
    *(
        Endpoint(
            method="POST",
            path=f"/rollouts/{{rollout}}/{asked.value}",
            run=partial(steer, asked),
            access=needs(steering.ACTION_OF[asked]),
            summary=summary,
            tag="rollouts",
            body=SteerBody,
            answer=RolloutView,
            status=HTTPStatus.ACCEPTED,
            problems=_CHANGE,
        )
        for asked, summary in _STEERS.items()
    ),
    Endpoint(
        method="POST",
        path="/rollouts/{rollout}/retry",
        run=retry,
        access=needs(steering.RETRY),
        summary="Try the revision of a rollout that failed again",
        tag="rollouts",
        answer=ServiceChanged,
        status=HTTPStatus.ACCEPTED,
        problems=_CHANGE,
    ),
    Endpoint(
        method="POST",
        path="/services/{service}/rollback",
        run=roll_back,
        access=needs(ROLLBACK),
        summary="Have an earlier revision run again; during a rollout, abort it",
        tag="services",
        body=RollbackBody,
        answer=ServiceChanged,
        status=HTTPStatus.ACCEPTED,
        problems=_CHANGE,
    ),
    Endpoint(
        method="POST",
        path="/services/{service}/scale",
        run=scale,
        access=needs(scaling.SCALE),
        summary="Change how many replicas a service has",
        tag="services",
        body=ScaleBody,
        answer=ServiceChanged,
        status=HTTPStatus.ACCEPTED,
        problems=_CHANGE,
    ),
    Endpoint(
        method="POST",
        path="/services/{service}/restart",
        run=restart,
        access=needs(scaling.RESTART),
        summary="Replace the replicas of a service by new ones of the same make",
        tag="services",
        answer=ServiceChanged,
        status=HTTPStatus.ACCEPTED,
        problems=_CHANGE,
    ),
    Endpoint(
        method="GET",
        path="/services/{service}/traffic",
        run=get_traffic,
        access=needs("service.read"),
        summary="How a service's requests are shared, and where that is in force",
        tag="services",
        answer=SplitView,
        problems=_CHANGE,
    ),
    Endpoint(
        method="POST",
        path="/services/{service}/traffic",
        run=switch_traffic,
        access=needs(traffic.SWITCH),
        summary="Share a service's requests by hand; a rollout under way is paused by it",
        tag="services",
        body=TrafficBody,
        answer=SplitView,
        status=HTTPStatus.ACCEPTED,
        problems=_CHANGE,
    ),
    Endpoint(
        method="GET",
        path="/services/{service}/history",
        run=get_history,
        access=needs("service.read"),
        summary="The revisions of a service that are remembered, newest first",
        tag="services",
        answer=HistoryView,
        problems=_REFERENCE,
    ),
    Endpoint(
        method="GET",
        path="/services/{service}/comparison",
        run=compare,
        access=needs("service.read"),
        summary="What differs between two revisions, and how they answered side by side",
        tag="services",
        query=ComparisonQuery,
        answer=ComparisonView,
        problems=_CHANGE,
    ),
)
