"""What programs asked for, and people approve or turn down."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from pydantic import Field, StringConstraints

from cluster.model.plans import TEXT_CHARS_MAX
from web.api.endpoint import Ask, Endpoint, Nothing
from web.api.schemas import FilterText, PageQuery, Schema
from web.middleware.routes import needs
from web.tools import plans
from web.tools.listing import Page
from web.tools.plan_views import PlanView


class PlanQuery(PageQuery):
    """Which plans, newest first."""

    state: FilterText = Field(
        default=plans.OPEN,
        description="open, all, or one of waiting, running, done, failed, unknown, refused, withdrawn, stale,"
        " expired",
    )


class VerdictBody(Schema):
    """Why, for whoever asked and for the record."""

    comment: Annotated[str, StringConstraints(max_length=TEXT_CHARS_MAX)] = ""


async def list_plans(ask: Ask[None, PlanQuery]) -> Page[PlanView]:
    query = ask.query
    return await plans.list_plans(
        ask.context, ask.call, state=query.state, cursor=query.cursor, limit=query.limit
    )


async def get_plan(ask: Ask[None, Nothing]) -> PlanView:
    return await plans.get_plan(ask.context, ask.call, ask.path["plan"])


async def approve_plan(ask: Ask[VerdictBody, Nothing]) -> PlanView:
    # Here, because making all tools takes a tenth of a second that a start should not wait for.
    from web.tools.approving import approve_plan

    return await approve_plan(ask.context, ask.call, ask.path["plan"], comment=ask.body.comment)


async def refuse_plan(ask: Ask[VerdictBody, Nothing]) -> PlanView:
    return await plans.refuse_plan(ask.context, ask.call, ask.path["plan"], comment=ask.body.comment)


async def withdraw_plan(ask: Ask[VerdictBody, Nothing]) -> PlanView:
    return await plans.withdraw_plan(ask.context, ask.call, ask.path["plan"], comment=ask.body.comment)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/plans",
        run=list_plans,
        access=needs("plan.read"),
        summary="What programs asked for and a person has to approve, newest first",
        tag="plans",
        query=PlanQuery,
        answer=Page[PlanView],
    ),
    Endpoint(
        method="GET",
        path="/plans/{plan}",
        run=get_plan,
        access=needs("plan.read"),
        summary="One plan: what it changes, what it touches, what became of it",
        tag="plans",
        answer=PlanView,
        version=lambda view: view.version,
        problems=("not-found",),
    ),
    Endpoint(
        method="POST",
        path="/plans/{plan}/approve",
        run=approve_plan,
        access=needs("plan.approve"),
        summary="Approve a plan, which is then carried out, once",
        tag="plans",
        body=VerdictBody,
        answer=PlanView,
        status=HTTPStatus.ACCEPTED,
        version=lambda view: view.version,
        problems=("not-found", "conflict", "host-unavailable"),
    ),
    Endpoint(
        method="POST",
        path="/plans/{plan}/refuse",
        run=refuse_plan,
        access=needs("plan.refuse"),
        summary="Turn a plan down",
        tag="plans",
        body=VerdictBody,
        answer=PlanView,
        version=lambda view: view.version,
        problems=("not-found", "conflict"),
    ),
    Endpoint(
        method="POST",
        path="/plans/{plan}/withdraw",
        run=withdraw_plan,
        access=needs("plan.withdraw"),
        summary="Take back a plan that was asked for in your name",
        tag="plans",
        body=VerdictBody,
        answer=PlanView,
        version=lambda view: view.version,
        problems=("not-found", "conflict"),
    ),
)
