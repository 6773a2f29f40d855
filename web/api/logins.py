"""Logins: getting one, keeping it, ending it."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web
from pydantic import TypeAdapter

from cluster.identity.csrf import NONCE_BYTES, check_csrf_token, make_csrf_token
from cluster.rbac import ACTIONS
from web.api.endpoint import Ask, Endpoint, Nothing, json_response
from web.api.schemas import LoginBody, LoginCodeBody, RefreshBody, SetupBody
from web.auth import cookies
from web.auth.call import Credential
from web.auth.problems import Problem
from web.auth.sessions import Challenge, Tokens
from web.middleware.authentication import require_own_page
from web.middleware.errors import problem_response
from web.middleware.routes import everybody, logged_in
from web.tools.account_views import ChallengeView
from web.tools.context import Context
from web.tools.own_account import enrolment_view
from web.tools.views import LoginView, MeView, SetupView, UserRef

_LOGIN_VIEW: TypeAdapter[LoginView] = TypeAdapter(LoginView)
_CHALLENGE_VIEW: TypeAdapter[ChallengeView] = TypeAdapter(ChallengeView)
_ME_VIEW: TypeAdapter[MeView] = TypeAdapter(MeView)
_CSRF_MAX_AGE_S = 30 * 86_400


async def get_setup(ask: Ask[None, Nothing]) -> SetupView:
    return SetupView(is_needed=ask.context.sessions.needs_setup())


async def set_up(ask: Ask[SetupBody, Nothing]) -> UserRef:
    identity = await ask.context.sessions.set_up(
        ask.call, token=ask.body.token, name=ask.body.name, password=ask.body.password
    )
    return UserRef(id=identity.principal_id, name=identity.name, role=identity.role)


async def log_in(ask: Ask[LoginBody, Nothing]) -> web.Response:
    if ask.body.mode == "cookie":
        # Or another site's page could log a browser in as somebody else.
        require_own_page(ask.request)
    outcome = await ask.context.sessions.log_in(ask.call, name=ask.body.name, password=ask.body.password)
    if isinstance(outcome, Challenge):
        enrolment = outcome.enrolment
        view = ChallengeView(
            challenge=outcome.ticket,
            expires_in_s=outcome.expires_in_s,
            enrolment=None if enrolment is None else enrolment_view(enrolment),
        )
        return json_response(_CHALLENGE_VIEW.dump_json(view))
    return login_response(ask.context, outcome, ask.request, has_cookies=ask.body.mode == "cookie")


async def give_code(ask: Ask[LoginCodeBody, Nothing]) -> web.Response:
    if ask.body.mode == "cookie":
        require_own_page(ask.request)
    tokens = await ask.context.sessions.answer(
        ask.call, ticket=ask.body.challenge, code=ask.body.code, enrolment=ask.body.enrolment
    )
    return login_response(ask.context, tokens, ask.request, has_cookies=ask.body.mode == "cookie")


async def refresh(ask: Ask[RefreshBody, Nothing]) -> web.Response:
    given = ask.body.refresh_token
    kept = ask.request.cookies.get(cookies.REFRESH)
    if given is None:
        if kept is None:
            raise Problem("not-authenticated", "there is no refresh token", hint="log in")
        require_own_page(ask.request)
    try:
        tokens = await ask.context.sessions.refresh(ask.call, given or kept or "")
    except Problem as problem:
        if given is not None or problem.status != HTTPStatus.UNAUTHORIZED:
            raise
        response = problem_response(ask.request, problem)
        cookies.clear_login(response)
        return response
    return login_response(ask.context, tokens, ask.request, has_cookies=given is None)


async def log_out(ask: Ask[None, Nothing]) -> web.Response:
    await ask.context.sessions.log_out(ask.call)
    response = web.Response(status=HTTPStatus.NO_CONTENT)
    cookies.clear_login(response)
    return response


async def get_me(ask: Ask[None, Nothing]) -> web.Response:
    identity = ask.call.known()
    powers = ask.context.authority.powers(ask.call)
    # What may be done to something; of one thing it is told where that is shown.
    allowed = tuple(name for name in sorted(ACTIONS) if powers.could(name).allowed)
    csrf = None
    if identity.credential is Credential.COOKIE:
        csrf = csrf_token(ask.context, ask.request, identity.session_id or "")
    view = MeView(
        principal_id=identity.principal_id,
        name=identity.name,
        role=identity.role,
        permissions=allowed,
        csrf_token=csrf,
    )
    response = json_response(_ME_VIEW.dump_json(view))
    if csrf is not None:
        cookies.set_csrf(response, csrf, max_age_s=_CSRF_MAX_AGE_S)
    return response


def login_response(
    context: Context, tokens: Tokens, request: web.Request, *, has_cookies: bool
) -> web.Response:
    """Return the answer that gives a login: as cookies, or as tokens in its body."""
    identity = tokens.identity
    if not has_cookies:
        view = LoginView(
            principal_id=identity.principal_id,
            name=identity.name,
            role=identity.role,
            expires_in_s=tokens.access_expires_in_s,
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            recovery_codes=tokens.recovery_codes or None,
        )
        return json_response(_LOGIN_VIEW.dump_json(view))
    csrf = csrf_token(context, request, tokens.session_id)
    view = LoginView(
        principal_id=identity.principal_id,
        name=identity.name,
        role=identity.role,
        expires_in_s=tokens.access_expires_in_s,
        csrf_token=csrf,
        recovery_codes=tokens.recovery_codes or None,
    )
    response = json_response(_LOGIN_VIEW.dump_json(view))
    give_cookies(context, response, tokens, csrf)
    return response


def give_cookies(context: Context, response: web.Response, tokens: Tokens, csrf: str) -> None:
    """Give a browser the cookies of a login."""
    left_ms = tokens.refresh_expires_at_ms - context.surroundings.clock.now_ms()
    cookies.set_login(
        response,
        access=tokens.access_token,
        access_s=tokens.access_expires_in_s,
        refresh=tokens.refresh_token,
        refresh_s=max(0, left_ms // 1000),
        csrf=csrf,
    )


def csrf_token(context: Context, request: web.Request, session_id: str) -> str:
    """Return the token this browser has, when it is this session's: other tabs hold it too. Or a new one."""
    surroundings = context.surroundings
    keyring = surroundings.cluster.keyring()
    present = request.cookies.get(cookies.CSRF)
    if present and check_csrf_token(keyring, session_id=session_id, cookie=present, header=present) is None:
        return present
    nonce = surroundings.ids.token_bytes(NONCE_BYTES)
    return make_csrf_token(keyring, session_id=session_id, nonce=nonce)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/setup",
        run=get_setup,
        access=everybody(),
        summary="Whether the first administrator is still to be made",
        tag="login",
        answer=SetupView,
    ),
    Endpoint(
        method="POST",
        path="/setup",
        run=set_up,
        access=everybody(),
        summary="Make the first administrator with the one-time token",
        tag="login",
        body=SetupBody,
        answer=UserRef,
        status=HTTPStatus.CREATED,
        problems=("forbidden", "conflict"),
    ),
    Endpoint(
        method="POST",
        path="/auth/login",
        run=log_in,
        access=everybody(),
        summary="Log in, or learn that a code is needed as well",
        tag="login",
        body=LoginBody,
        answer=LoginView | ChallengeView,
        problems=("not-authenticated", "too-many-requests"),
    ),
    Endpoint(
        method="POST",
        path="/auth/login/code",
        run=give_code,
        access=everybody(),
        summary="Log in with a code, after the password was right",
        tag="login",
        body=LoginCodeBody,
        answer=LoginView,
        problems=("not-authenticated", "conflict", "too-many-requests"),
    ),
    Endpoint(
        method="POST",
        path="/auth/refresh",
        run=refresh,
        access=everybody(),
        summary="Exchange the refresh token for new tokens",
        tag="login",
        body=RefreshBody,
        answer=LoginView,
        problems=("not-authenticated",),
    ),
    Endpoint(
        method="POST",
        path="/auth/logout",
        run=log_out,
        access=logged_in(),
        summary="End this login",
        tag="login",
        status=HTTPStatus.NO_CONTENT,
        problems=("conflict",),
    ),
    Endpoint(
        method="GET",
        path="/auth/me",
        run=get_me,
        access=logged_in(),
        summary="Who is logged in, and what they may do",
        tag="login",
        answer=MeView,
    ),
)
