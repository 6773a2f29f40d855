"""One's own account, the second factor, and logins that live."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from pydantic import Field, StringConstraints

from web.api.endpoint import Ask, Endpoint, Nothing
from web.api.schemas import FilterText, PageQuery, Password, Schema
from web.middleware.routes import logged_in, needs
from web.tools import login_sessions, own_account
from web.tools.account_views import AccountView, EndedView, EnrolmentView, RecoveryCodesView, SessionView
from web.tools.listing import Page, page_of

Code = Annotated[str, StringConstraints(min_length=1, max_length=64)]
TicketText = Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class BeginEnrolmentBody(Schema):
    """The present password, once more."""

    password: Password = Field(repr=False)


class ConfirmEnrolmentBody(Schema):
    """The ticket of the authenticator to be, and a code it shows."""

    ticket: TicketText = Field(repr=False)
    code: Code = Field(repr=False)


class CodeBody(Schema):
    """A code of the authenticator; where it says so, a recovery code."""

    code: Code = Field(repr=False)


class SessionsQuery(PageQuery):
    """Whose: one's own without it."""

    user: FilterText = Field(default="", description="id or name of an account, or all; administrators only")


class EndSessionsQuery(Schema):
    """Whose: one's own without it."""

    user: FilterText = Field(default="", description="id or name of an account; administrators only")


async def get_account(ask: Ask[None, Nothing]) -> AccountView:
    return await own_account.get_account(ask.context, ask.call)


async def begin_enrolment(ask: Ask[BeginEnrolmentBody, Nothing]) -> EnrolmentView:
    return await own_account.begin_enrolment(ask.context, ask.call, password=ask.body.password)


async def confirm_enrolment(ask: Ask[ConfirmEnrolmentBody, Nothing]) -> RecoveryCodesView:
    return await own_account.confirm_enrolment(
        ask.context, ask.call, ticket=ask.body.ticket, code=ask.body.code
    )


async def remove_second_factor(ask: Ask[CodeBody, Nothing]) -> None:
    await own_account.remove_own(ask.context, ask.call, code=ask.body.code)


async def renew_recovery_codes(ask: Ask[CodeBody, Nothing]) -> RecoveryCodesView:
    return await own_account.renew_recovery_codes(ask.context, ask.call, code=ask.body.code)


async def reset_second_factor(ask: Ask[None, Nothing]) -> None:
    await own_account.reset_other(ask.context, ask.call, ask.path["user"])


async def forget_failures(ask: Ask[None, Nothing]) -> None:
    await own_account.forget_failures(ask.context, ask.call, ask.path["user"])


async def list_sessions(ask: Ask[None, SessionsQuery]) -> Page[SessionView]:
    found = await login_sessions.list_sessions(ask.context, ask.call, user=ask.query.user)
    return page_of(
        found,
        key=lambda view: (view.last_used_at_ms, view.id),
        cursor=ask.query.cursor,
        limit=ask.query.limit,
        reverse=True,
    )


async def end_session(ask: Ask[None, Nothing]) -> None:
    await login_sessions.end_session(ask.context, ask.call, ask.path["session"])


async def end_sessions(ask: Ask[None, EndSessionsQuery]) -> EndedView:
    return await login_sessions.end_sessions(ask.context, ask.call, user=ask.query.user)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/account",
        run=get_account,
        access=logged_in(),
        summary="One's own account and its second factor",
        tag="account",
        answer=AccountView,
    ),
    Endpoint(
        method="POST",
        path="/account/second-factor",
        run=begin_enrolment,
        access=logged_in(),
        summary="Begin with an authenticator: its secret and QR code, shown once",
        tag="account",
        body=BeginEnrolmentBody,
        answer=EnrolmentView,
        problems=("conflict", "too-many-requests"),
    ),
    Endpoint(
        method="PUT",
        path="/account/second-factor",
        run=confirm_enrolment,
        access=logged_in(),
        summary="Keep the authenticator, for a code it shows; the answer holds the recovery codes, once",
        tag="account",
        body=ConfirmEnrolmentBody,
        answer=RecoveryCodesView,
        problems=("conflict",),
    ),
    Endpoint(
        method="POST",
        path="/account/second-factor/remove",
        run=remove_second_factor,
        access=logged_in(),
        summary="Turn the authenticator off, for a code of it or a recovery code",
        tag="account",
        body=CodeBody,
        status=HTTPStatus.NO_CONTENT,
        problems=("conflict", "too-many-requests"),
    ),
    Endpoint(
        method="POST",
        path="/account/recovery-codes",
        run=renew_recovery_codes,
        access=logged_in(),
        summary="Make new recovery codes in place of all earlier ones, for a code of the authenticator",
        tag="account",
        body=CodeBody,
        answer=RecoveryCodesView,
        problems=("conflict", "too-many-requests"),
    ),
    Endpoint(
        method="DELETE",
        path="/users/{user}/second-factor",
        run=reset_second_factor,
        access=needs("user.reset-second-factor"),
        summary="Forget the authenticator of somebody who lost it",
        tag="accounts",
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found",),
    ),
    Endpoint(
        method="DELETE",
        path="/users/{user}/failures",
        run=forget_failures,
        access=needs("user.forget-failures"),
        summary="Let somebody log in at this host at once who was made to wait",
        tag="accounts",
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found",),
    ),
    Endpoint(
        method="GET",
        path="/sessions",
        run=list_sessions,
        access=logged_in(),
        summary="Logins that live, the last used first: one's own, or others' for administrators",
        tag="account",
        query=SessionsQuery,
        answer=Page[SessionView],
        problems=("not-found",),
    ),
    Endpoint(
        method="DELETE",
        path="/sessions",
        run=end_sessions,
        access=logged_in(),
        summary="End every login of an account but this one",
        tag="account",
        query=EndSessionsQuery,
        answer=EndedView,
        problems=("not-found",),
    ),
    Endpoint(
        method="DELETE",
        path="/sessions/{session}",
        run=end_session,
        access=logged_in(),
        summary="End one login",
        tag="account",
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found",),
    ),
)
