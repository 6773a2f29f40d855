"""Accounts, tokens, the audit, settings, live numbers."""

from __future__ import annotations

from http import HTTPStatus

from web.api.endpoint import Ask, Endpoint, Nothing
from web.api.schemas import (
    ApiTokenBody,
    PageQuery,
    PasswordBody,
    RoleBody,
    SettingBody,
    UserBody,
)
from web.middleware.routes import logged_in, needs
from web.tools import accounts, metrics, settings
from web.tools.listing import Page, page_of
from web.tools.views import (
    ApiTokenMade,
    ApiTokenView,
    HostLiveView,
    SettingView,
    UserView,
)


async def list_users(ask: Ask[None, PageQuery]) -> Page[UserView]:
    found = await accounts.list_users(ask.context, ask.call)
    return page_of(
        found, key=lambda view: (view.name.lower(), view.id), cursor=ask.query.cursor, limit=ask.query.limit
    )


async def create_user(ask: Ask[UserBody, Nothing]) -> UserView:
    body = ask.body
    return await accounts.create_user(
        ask.context, ask.call, name=body.name, role=body.role, password=body.password
    )


async def set_password(ask: Ask[PasswordBody, Nothing]) -> None:
    await accounts.set_password(
        ask.context,
        ask.call,
        ask.path["user"],
        password=ask.body.password,
        current_password=ask.body.current_password,
    )


async def set_role(ask: Ask[RoleBody, Nothing]) -> UserView:
    return await accounts.set_role(ask.context, ask.call, ask.path["user"], role=ask.body.role)


async def remove_user(ask: Ask[None, Nothing]) -> None:
    await accounts.remove_user(ask.context, ask.call, ask.path["user"])


async def list_api_tokens(ask: Ask[None, PageQuery]) -> Page[ApiTokenView]:
    found = await accounts.list_api_tokens(ask.context, ask.call)
    return page_of(
        found,
        key=lambda view: (view.created_at_ms, view.prefix),
        cursor=ask.query.cursor,
        limit=ask.query.limit,
        reverse=True,
    )


async def create_api_token(ask: Ask[ApiTokenBody, Nothing]) -> ApiTokenMade:
    body = ask.body
    return await accounts.create_api_token(
        ask.context,
        ask.call,
        name=body.name,
        role=body.role,
        ttl_s=body.ttl_s,
        read_only=body.read_only,
        toolsets=[each.value for each in body.toolsets],
    )


async def revoke_api_token(ask: Ask[None, Nothing]) -> None:
    await accounts.revoke_api_token(ask.context, ask.call, ask.path["prefix"])


async def list_settings(ask: Ask[None, PageQuery]) -> Page[SettingView]:
    found = await settings.list_settings(ask.context, ask.call)
    return page_of(found, key=lambda view: (view.key,), cursor=ask.query.cursor, limit=ask.query.limit)


async def get_setting(ask: Ask[None, Nothing]) -> SettingView:
    return await settings.get_setting(ask.context, ask.call, ask.path["key"])


async def put_setting(ask: Ask[SettingBody, Nothing]) -> SettingView:
    return await settings.put_setting(
        ask.context,
        ask.call,
        ask.path["key"],
        value=ask.body.value,
        expected_version=ask.expected_version
        if ask.body.expected_version is None
        else ask.body.expected_version,
    )


async def get_live(ask: Ask[None, Nothing]) -> list[HostLiveView]:
    return await metrics.get_live(ask.context, ask.call)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/users",
        run=list_users,
        access=needs("user.read"),
        summary="The accounts, by name",
        tag="accounts",
        query=PageQuery,
        answer=Page[UserView],
    ),
    Endpoint(
        method="POST",
        path="/users",
        run=create_user,
        access=needs("user.create"),
        summary="Make an account",
        tag="accounts",
        body=UserBody,
        answer=UserView,
        status=HTTPStatus.CREATED,
        problems=("conflict",),
    ),
    Endpoint(
        method="POST",
        path="/users/{user}/password",
        run=set_password,
        # Everybody changes their own, and further in it is decided whose it is.
        access=logged_in(),
        summary='Change a password; "me" is one\'s own',
        tag="accounts",
        body=PasswordBody,
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found",),
    ),
    Endpoint(
        method="POST",
        path="/users/{user}/role",
        run=set_role,
        access=needs("user.set-role"),
        summary="Change an account's role",
        tag="accounts",
        body=RoleBody,
        answer=UserView,
        problems=("not-found", "conflict"),
    ),
    Endpoint(
        method="DELETE",
        path="/users/{user}",
        run=remove_user,
        access=needs("user.remove"),
        summary="Remove an account with its logins and tokens",
        tag="accounts",
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found", "conflict"),
    ),
    Endpoint(
        method="GET",
        path="/tokens",
        run=list_api_tokens,
        access=needs("account.read", lambda _: "account"),
        summary="API tokens: one's own, or everybody's for administrators",
        tag="accounts",
        query=PageQuery,
        answer=Page[ApiTokenView],
    ),
    Endpoint(
        method="POST",
        path="/tokens",
        run=create_api_token,
        access=needs("account.create-token", lambda _: "account"),
        summary="Make an API token of one's own",
        tag="accounts",
        body=ApiTokenBody,
        answer=ApiTokenMade,
        status=HTTPStatus.CREATED,
    ),
    Endpoint(
        method="DELETE",
        path="/tokens/{prefix}",
        run=revoke_api_token,
        access=logged_in(),
        summary="Revoke an API token",
        tag="accounts",
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found",),
    ),
    Endpoint(
        method="GET",
        path="/settings",
        run=list_settings,
        access=needs("setting.read"),
        summary="The cluster's settings",
        tag="settings",
        query=PageQuery,
        answer=Page[SettingView],
    ),
    Endpoint(
        method="GET",
        path="/settings/{key}",
        run=get_setting,
        access=needs("setting.read"),
        summary="One setting",
        tag="settings",
        answer=SettingView,
        problems=("not-found",),
        version=lambda view: view.version,
    ),
    Endpoint(
        method="PUT",
        path="/settings/{key}",
        run=put_setting,
        access=needs("setting.write"),
        summary="Set a setting",
        tag="settings",
        body=SettingBody,
        answer=SettingView,
        body_bytes_max=512 * 1024,
        problems=("conflict",),
        version=lambda view: view.version,
    ),
    Endpoint(
        method="GET",
        path="/metrics/live",
        run=get_live,
        access=needs("metrics.read"),
        summary="The last ten minutes of every host and container",
        tag="metrics",
        answer=list[HostLiveView],
    ),
)
