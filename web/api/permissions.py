"""Roles that people make, bindings, and why somebody may or may not."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from pydantic import Field, StringConstraints

from cluster.model.permissions import (
    HOURS_MAX,
    NAMES_MAX,
    PERMISSIONS_MAX,
    AccessScope,
    Hours,
    Permission,
    PermissionEffect,
)
from web.api.endpoint import Ask, Endpoint, Nothing
from web.api.schemas import FilterText, PageQuery, Reference, Schema
from web.auth.problems import FieldError, Problem
from web.middleware.routes import logged_in, needs
from web.tools import explaining, permissions
from web.tools.listing import Page, page_of
from web.tools.permission_views import (
    ActionView,
    BindingView,
    ExplanationView,
    ReachView,
    RoleView,
)

_NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"

ScopeName = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=_NO_CONTROL)]
ScopeNames = Annotated[list[ScopeName], Field(max_length=NAMES_MAX)]
ClockText = Annotated[str, StringConstraints(max_length=5, pattern=_NO_CONTROL)]
Note = Annotated[str, StringConstraints(max_length=256, pattern=_NO_CONTROL)]


class ScopeBody(Schema):
    """Which things are meant: all constraints are to be met, of each any name will do; null is none."""

    projects: ScopeNames | None = None
    services: ScopeNames | None = Field(default=None, description="ids or names")
    nodes: ScopeNames | None = Field(default=None, description="ids or names of hosts")
    names: ScopeNames | None = Field(default=None, description="names of containers: web, or h1/web")
    labels: ScopeNames | None = Field(
        default=None, description="key=value, or key for any value; labels of images do not count"
    )
    without_labels: ScopeNames | None = None
    environments: ScopeNames | None = None

    def parsed(self) -> AccessScope:
        """Return the scope. Raises Problem."""
        lists = {name: getattr(self, name) for name in type(self).model_fields}
        return AccessScope(
            **{name: None if names is None else tuple(dict.fromkeys(names)) for name, names in lists.items()}
        )


class HoursBody(Schema):
    """Times of the week by the wall clock of `tz`; with `end` not after `start` they go over midnight."""

    days: Annotated[list[str], Field(min_length=1, max_length=7)] = Field(
        default_factory=lambda: ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    )
    start: ClockText = "00:00"
    end: ClockText = "24:00"
    tz: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=_NO_CONTROL)] = "UTC"

    def parsed(self) -> Hours:
        """Return the hours. Raises Problem."""
        try:
            return Hours(days=tuple(dict.fromkeys(self.days)), start=self.start, end=self.end, tz=self.tz)
        except ValueError as error:
            raise _wrong("hours", error) from error


HoursList = Annotated[list[HoursBody], Field(max_length=HOURS_MAX)]


class PermissionBody(Schema):
    """Actions (`container.restart`, `container.*`, `*.read`, `*`) that are allowed or denied."""

    effect: PermissionEffect = Field(default=PermissionEffect.ALLOW, strict=False)
    actions: Annotated[
        list[Annotated[str, StringConstraints(max_length=80, pattern=_NO_CONTROL)]],
        Field(min_length=1, max_length=NAMES_MAX),
    ]
    scope: ScopeBody = Field(default_factory=ScopeBody)
    hours: HoursList = Field(default_factory=list)

    def parsed(self) -> Permission:
        """Return the permission. Raises Problem."""
        try:
            return Permission(
                effect=self.effect,
                actions=tuple(dict.fromkeys(self.actions)),
                scope=self.scope.parsed(),
                hours=tuple(each.parsed() for each in self.hours),
            )
        except ValueError as error:
            raise _wrong("permissions.actions", error) from error


class CustomRoleBody(Schema):
    """What the role allows and denies; one that denies wins over all that allow."""

    permissions: Annotated[list[PermissionBody], Field(min_length=1, max_length=PERMISSIONS_MAX)]
    note: Note = ""


class BindingBody(Schema):
    """Whom to bind a role to (one of `user` and `token`), where and when."""

    user: FilterText = Field(default="", description="name or id of an account")
    token: FilterText = Field(default="", description="prefix of an API token")
    role: Reference
    scope: ScopeBody = Field(default_factory=ScopeBody)
    hours: HoursList = Field(default_factory=list)
    note: Note = ""


class PreviewBody(Schema):
    """A binding nobody has made yet."""

    role: Reference
    scope: ScopeBody = Field(default_factory=ScopeBody)


class BindingsQuery(PageQuery):
    """Whose: of one account (`me`: one's own), of one API token, or all."""

    user: FilterText = ""
    token: FilterText = ""


class ExplainQuery(Schema):
    """Who, what and on what."""

    principal: FilterText = Field(default="me", description="me, an account, token:<prefix> or role:<name>")
    action: Reference
    resource: FilterText = Field(
        default="", description="container:web, service:shop.web, ...; a kind alone means all of them"
    )


class ReachQuery(Schema):
    """Who."""

    principal: FilterText = Field(default="me", description="me, an account, token:<prefix> or role:<name>")


def _wrong(field: str, error: ValueError) -> Problem:
    return Problem("invalid", str(error), errors=(FieldError(field=field, rule=str(error)),))


async def list_roles(ask: Ask[None, Nothing]) -> list[RoleView]:
    return await permissions.list_roles(ask.context, ask.call)


async def list_actions(ask: Ask[None, Nothing]) -> list[ActionView]:
    return await permissions.list_actions(ask.context, ask.call)


async def put_role(ask: Ask[CustomRoleBody, Nothing]) -> RoleView:
    return await permissions.put_role(
        ask.context,
        ask.call,
        ask.path["role"],
        permissions=[each.parsed() for each in ask.body.permissions],
        note=ask.body.note,
    )


async def remove_role(ask: Ask[None, Nothing]) -> None:
    await permissions.remove_role(ask.context, ask.call, ask.path["role"])


async def list_bindings(ask: Ask[None, BindingsQuery]) -> Page[BindingView]:
    query = ask.query
    found = await permissions.list_bindings(ask.context, ask.call, user=query.user, token=query.token)
    return page_of(
        found,
        key=lambda view: (view.holder_name.lower(), view.kind, view.holder_id, view.id),
        cursor=query.cursor,
        limit=query.limit,
    )


async def put_binding(ask: Ask[BindingBody, Nothing]) -> BindingView:
    body = ask.body
    return await permissions.put_binding(
        ask.context,
        ask.call,
        user=body.user,
        token=body.token,
        role=body.role,
        scope=body.scope.parsed(),
        hours=[each.parsed() for each in body.hours],
        note=body.note,
    )


async def remove_binding(ask: Ask[None, Nothing]) -> None:
    await permissions.remove_binding(ask.context, ask.call, ask.path["binding"])


async def explain(ask: Ask[None, ExplainQuery]) -> ExplanationView:
    query = ask.query
    return await explaining.explain(
        ask.context, ask.call, principal=query.principal, action=query.action, resource=query.resource
    )


async def reach(ask: Ask[None, ReachQuery]) -> ReachView:
    return await explaining.reach(ask.context, ask.call, principal=ask.query.principal)


async def preview(ask: Ask[PreviewBody, Nothing]) -> ReachView:
    return await explaining.preview(ask.context, ask.call, role=ask.body.role, scope=ask.body.scope.parsed())


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/roles",
        run=list_roles,
        access=needs("role.read"),
        summary="The roles there are: built-in ones, and those that people made",
        tag="access",
        answer=list[RoleView],
    ),
    Endpoint(
        method="GET",
        path="/actions",
        run=list_actions,
        access=needs("role.read"),
        summary="The actions that roles allow and deny",
        tag="access",
        answer=list[ActionView],
    ),
    Endpoint(
        method="PUT",
        path="/roles/{role}",
        run=put_role,
        access=needs("role.put"),
        summary="Make a role, or set everything of one anew",
        tag="access",
        body=CustomRoleBody,
        answer=RoleView,
        problems=("conflict",),
    ),
    Endpoint(
        method="DELETE",
        path="/roles/{role}",
        run=remove_role,
        access=needs("role.remove"),
        summary="Forget a role that is bound to nobody",
        tag="access",
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found", "conflict"),
    ),
    Endpoint(
        method="GET",
        path="/bindings",
        run=list_bindings,
        # Everybody sees their own, and further in it is decided whose these are.
        access=logged_in(),
        summary="Roles bound to accounts and API tokens, by who holds them",
        tag="access",
        query=BindingsQuery,
        answer=Page[BindingView],
        problems=("not-found",),
    ),
    Endpoint(
        method="POST",
        path="/bindings",
        run=put_binding,
        access=needs("binding.put", lambda _: "binding"),
        summary="Bind a role to an account or API token on part of the cluster",
        tag="access",
        body=BindingBody,
        answer=BindingView,
        status=HTTPStatus.CREATED,
        problems=("not-found", "conflict"),
    ),
    Endpoint(
        method="POST",
        path="/bindings/preview",
        run=preview,
        access=needs("binding.read", lambda _: "binding"),
        summary="What a binding would let one see and do",
        tag="access",
        body=PreviewBody,
        answer=ReachView,
        problems=("not-found",),
    ),
    Endpoint(
        method="DELETE",
        path="/bindings/{binding}",
        run=remove_binding,
        access=needs("binding.remove"),
        summary="Take a binding away",
        tag="access",
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found",),
    ),
    Endpoint(
        method="GET",
        path="/authz/explain",
        run=explain,
        access=logged_in(),
        summary="Why somebody may or may not do something; of oneself for everybody",
        tag="access",
        query=ExplainQuery,
        answer=ExplanationView,
        problems=("not-found", "ambiguous"),
    ),
    Endpoint(
        method="GET",
        path="/authz/reach",
        run=reach,
        access=logged_in(),
        summary="What somebody can see and do; of oneself for everybody",
        tag="access",
        query=ReachQuery,
        answer=ReachView,
        problems=("not-found",),
    ),
)
