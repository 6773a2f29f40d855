"""The routes there are, each with who may use it. One that does not say so cannot be registered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web

from cluster.rbac import ACTIONS

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

API = "/api/v1"
"""Where the interface begins."""
KIB = 1024
BODY_BYTES_MAX = 64 * KIB
"""Of a route that does not say otherwise."""


class Audience(StrEnum):
    """Whom a route is for."""

    EVERYBODY = "everybody"
    LOGGED_IN = "logged-in"
    ALLOWED = "allowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may use a route. Made by `everybody`, `logged_in` and `needs`.

    `resource` makes the resource of the action from the path's parameters. `takes_cookies` false: a browser's
    login is not accepted, only a token that was sent of somebody's own accord. `protected_resource` is
    the path of the one (RFC 9728) that the route belongs to: there, tokens of identity providers are accepted
    as well.
    """

    audience: Audience
    action: str = ""
    resource: Callable[[Mapping[str, str]], str] | None = None
    takes_cookies: bool = True
    protected_resource: str = ""

    def resource_of(self, parameters: Mapping[str, str]) -> str:
        """Return what the action is done to, for the decision and the record."""
        if self.resource is not None:
            return self.resource(parameters)
        kind = ACTIONS[self.action].resource.value
        identifier = next(iter(parameters.values()), "")
        return f"{kind}:{identifier}" if identifier else kind


def everybody() -> Access:
    """For strangers too. Whatever credentials come with the request are not looked at."""
    return Access(audience=Audience.EVERYBODY)


def logged_in(*, takes_cookies: bool = True, protected_resource: str = "") -> Access:
    """For every account, whatever its role; what it may do there is decided further in."""
    return Access(
        audience=Audience.LOGGED_IN, takes_cookies=takes_cookies, protected_resource=protected_resource
    )


def needs(
    action: str,
    resource: Callable[[Mapping[str, str]], str] | None = None,
    *,
    takes_cookies: bool = True,
) -> Access:
    """For those who may do `action`, one of `cluster.rbac.ACTIONS`."""
    assert action in ACTIONS, f"{action} is no action: add it to cluster/rbac/actions.py"
    return Access(audience=Audience.ALLOWED, action=action, resource=resource, takes_cookies=takes_cookies)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route. `body_bytes_max` 0: it takes no body. `takes_head`: it answers HEAD as it answers GET."""

    method: str
    path: str
    handler: Handler
    access: Access
    body_bytes_max: int = BODY_BYTES_MAX
    takes_head: bool = False
    is_streamed: bool = False
    """The body is read as it comes and held nowhere, so the server's own bound is not for it."""
    is_file: bool = False
    """It answers from memory with a part of a page, and is not counted with what costs more."""


ROUTES: web.AppKey[dict[web.AbstractRoute, Route]] = web.AppKey("routes", dict)


def register(app: web.Application, routes: Iterable[Route]) -> None:
    """Add routes to an application that was made by `web.server`."""
    for route in routes:
        for method in (route.method, "HEAD") if route.takes_head else (route.method,):
            added = app.router.add_route(method, route.path, route.handler)
            app[ROUTES][added] = route


def route_of(request: web.Request) -> Route | None:
    """Return the declaration of the route a request matched; None when it matched none."""
    return request.app[ROUTES].get(request.match_info.route)


async def refuse_undeclared(app: web.Application) -> None:
    """At start: every route was registered with its access, or the server does not start."""
    for route in app.router.routes():
        assert route in app[ROUTES], (
            f"{route.method} {route.resource} does not say who may use it: "
            "add it with web.middleware.routes.register"
        )
