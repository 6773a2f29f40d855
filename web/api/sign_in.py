"""Logging in by way of an identity provider, and what providers there are."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from aiohttp import web
from pydantic import ConfigDict, Field, StringConstraints

from cluster.model.access import Role
from cluster.model.sign_in import (
    AUDIENCE_CHARS_MAX,
    CA_CHARS_MAX,
    GROUP_ROLES_MAX,
    SCOPES_MAX,
    GroupRole,
    SignInProvider,
)
from web.api.endpoint import Ask, Endpoint, Nothing
from web.api.logins import csrf_token, give_cookies
from web.api.schemas import FilterText, PageQuery, Schema
from web.auth import cookies
from web.auth.problems import Problem
from web.auth.sign_in import FLOW_MS, SignInFailed, local_path
from web.middleware.routes import everybody, needs
from web.tools import providers
from web.tools.listing import Page, page_of
from web.tools.providers import LoginProviderView, ProviderCheckView, ProviderView, ProviderWish

_DEFAULTS = SignInProvider(id="default", label="", issuer="", client_id="")
Text = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class NextQuery(Schema):
    """Which page of ours to go to afterwards."""

    next: str = Field(default="/", max_length=2048)


class CallbackQuery(Schema):
    """What a provider sends a browser back with."""

    model_config = ConfigDict(extra="ignore")

    code: str = Field(default="", max_length=8192)
    state: str = Field(default="", max_length=1024)
    iss: str | None = Field(default=None, max_length=2048)
    error: str | None = Field(default=None, max_length=1024)


class GroupRoleBody(Schema):
    """Members of the group get the role."""

    group: Text
    role: Role


class ProviderBody(Schema):
    """An identity provider as a whole. A `client_secret` left out stays as it was; "" is none.

    `groups_claim` is a path into the ID token, such as realm_access.roles. Who is in no group of `roles` is
    not let in. With `token_audience` the MCP endpoint takes its access tokens for that audience, of accounts
    that have logged in by way of it before; "": it takes none. With `expected_version` only if nobody was
    quicker; 0: only if there is none.
    """

    label: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    issuer: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    client_id: Text
    client_secret: str | None = Field(default=None, max_length=providers.SECRET_BYTES_MAX // 4, repr=False)
    scopes: list[FilterText] = Field(default=list(_DEFAULTS.scopes), max_length=SCOPES_MAX)
    groups_claim: Text = _DEFAULTS.groups_claim
    name_claim: Text = _DEFAULTS.name_claim
    roles: list[GroupRoleBody] = Field(default_factory=list, max_length=GROUP_ROLES_MAX)
    ca_pem: str = Field(default="", max_length=CA_CHARS_MAX, repr=False)
    token_audience: str = Field(default="", max_length=AUDIENCE_CHARS_MAX)
    expected_version: int | None = Field(default=None, ge=0, le=2**53)


async def login_providers(ask: Ask[None, Nothing]) -> list[LoginProviderView]:
    return providers.login_providers(ask.context)


async def begin(ask: Ask[None, NextQuery]) -> web.Response:
    next_path = local_path(ask.query.next)
    redirect_uri = providers.redirect_url(_origin(ask.request), ask.path["provider"])
    try:
        begun = await ask.context.sign_in.begin(
            ask.path["provider"], redirect_uri=redirect_uri, next_path=next_path
        )
    except SignInFailed as error:
        return _back_to_login(refused=error.code, provider=ask.path["provider"], next=next_path)
    response = _redirect(begun.url)
    cookies.set_sign_in(response, begun.cookie, max_age_s=FLOW_MS // 1000)
    return response


async def finish(ask: Ask[None, CallbackQuery]) -> web.Response:
    query = {name: value for name, value in ask.query.model_dump().items() if value is not None}
    cookie = ask.request.cookies.get(cookies.SIGN_IN, "")
    try:
        signed_in = await ask.context.sign_in.finish(
            ask.call, ask.path["provider"], query=query, cookie=cookie
        )
    except SignInFailed as error:
        response = _back_to_login(refused=error.code, provider=ask.path["provider"])
    except Problem:
        # A browser is shown a page, not a document: the cluster could not decide, and can be tried again.
        response = _back_to_login(refused="unavailable", provider=ask.path["provider"])
    else:
        # By way of the page, which remembers that somebody logged in; Strict cookies are not sent yet with
        # what another site leads to, but with what that page asks for.
        response = _back_to_login(signed_in="yes", next=signed_in.next)
        tokens = signed_in.tokens
        csrf = csrf_token(ask.context, ask.request, tokens.session_id)
        give_cookies(ask.context, response, tokens, csrf)
    cookies.set_sign_in(response, "", max_age_s=0)
    return response


async def log_out_there(ask: Ask[None, Nothing]) -> web.Response:
    back_to = f"{_origin(ask.request)}/login"
    try:
        url = await ask.context.sign_in.logout_url(ask.path["provider"], back_to=back_to)
    except SignInFailed:
        url = None
    return _redirect(url or "/login")


async def list_providers(ask: Ask[None, PageQuery]) -> Page[ProviderView]:
    found = await providers.list_providers(ask.context, ask.call)
    return page_of(found, key=lambda view: (view.id,), cursor=ask.query.cursor, limit=ask.query.limit)


async def get_provider(ask: Ask[None, Nothing]) -> ProviderView:
    return await providers.get_provider(ask.context, ask.call, ask.path["provider"])


async def put_provider(ask: Ask[ProviderBody, Nothing]) -> ProviderView:
    body = ask.body
    wish = ProviderWish(
        label=body.label,
        issuer=body.issuer,
        client_id=body.client_id,
        client_secret=body.client_secret,
        scopes=tuple(body.scopes),
        groups_claim=body.groups_claim,
        name_claim=body.name_claim,
        roles=tuple(GroupRole(group=each.group, role=each.role) for each in body.roles),
        ca_pem=body.ca_pem,
        token_audience=body.token_audience,
        expected_version=body.expected_version,
    )
    return await providers.put_provider(ask.context, ask.call, ask.path["provider"], wish)


async def remove_provider(ask: Ask[None, Nothing]) -> None:
    await providers.remove_provider(ask.context, ask.call, ask.path["provider"])


async def check_provider(ask: Ask[None, Nothing]) -> ProviderCheckView:
    return await providers.check(ask.context, ask.call, ask.path["provider"])


def _origin(request: web.Request) -> str:
    # The name the browser asked for: it has to come back to that one, where its cookie is.
    return f"https://{request.host}"


def _redirect(url: str) -> web.Response:
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": url, "Cache-Control": "no-store"})


def _back_to_login(**query: str) -> web.Response:
    return _redirect(f"/login?{urlencode(query)}")


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/auth/providers",
        run=login_providers,
        access=everybody(),
        summary="The identity providers one can log in with",
        tag="login",
        answer=list[LoginProviderView],
    ),
    Endpoint(
        method="GET",
        path="/auth/providers/{provider}/start",
        run=begin,
        access=everybody(),
        summary="Send the browser to an identity provider to log in",
        tag="login",
        query=NextQuery,
        media_types=("text/html",),
    ),
    Endpoint(
        method="GET",
        path="/auth/providers/{provider}/callback",
        run=finish,
        access=everybody(),
        summary="Where an identity provider sends the browser back to",
        tag="login",
        query=CallbackQuery,
        media_types=("text/html",),
    ),
    Endpoint(
        method="GET",
        path="/auth/providers/{provider}/logout",
        run=log_out_there,
        access=everybody(),
        summary="Send the browser to where the login at the identity provider itself is ended",
        tag="login",
        media_types=("text/html",),
    ),
    Endpoint(
        method="GET",
        path="/providers",
        run=list_providers,
        access=needs("provider.read"),
        summary="Identity providers, without their secrets",
        tag="login",
        query=PageQuery,
        answer=Page[ProviderView],
    ),
    Endpoint(
        method="GET",
        path="/providers/{provider}",
        run=get_provider,
        access=needs("provider.read"),
        summary="One identity provider",
        tag="login",
        answer=ProviderView,
        problems=("not-found",),
    ),
    Endpoint(
        method="PUT",
        path="/providers/{provider}",
        run=put_provider,
        access=needs("provider.put"),
        summary="Keep an identity provider, or change one as a whole",
        tag="login",
        body=ProviderBody,
        answer=ProviderView,
        body_bytes_max=4 * CA_CHARS_MAX,
        problems=("conflict",),
    ),
    Endpoint(
        method="DELETE",
        path="/providers/{provider}",
        run=remove_provider,
        access=needs("provider.remove"),
        summary="Forget an identity provider: its accounts get in no more",
        tag="login",
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found", "conflict"),
    ),
    Endpoint(
        method="GET",
        path="/providers/{provider}/published",
        run=check_provider,
        access=needs("provider.read"),
        summary="What an identity provider publishes, asked for now",
        tag="login",
        answer=ProviderCheckView,
        problems=("not-found", "unavailable"),
    ),
)
