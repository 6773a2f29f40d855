"""Logins: from a password to tokens, from a refresh token to its successor, and their end.

The password decides, the log keeps: a login exists once `StartLogin` is committed, so that any node can end
it. Refresh tokens rotate with each use, and an old one that comes back ends the session.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import NoReturn

from cluster.commands import Code, Rejected
from cluster.commands.access import CreateUser, EndLogin, RotateLogin, StartLogin
from cluster.commands.outcome import Outcome
from cluster.identity.access_tokens import TTL_S
from cluster.identity.passwords import SALT_BYTES, check_new_password
from cluster.identity.refresh_tokens import (
    RefreshToken,
    Reused,
    Rotated,
    format_refresh_token,
    parse_refresh_token,
    rotate_refresh_token,
    start_session,
)
from cluster.identity.refusal import Refused
from cluster.identity.setup_tokens import check_setup_token
from cluster.identity.throttle import LoginThrottle
from cluster.model.access import LoginSession, Principal, Role
from cluster.model.ids import LoginId, PrincipalId
from cluster.rbac import Decision
from cluster.store import records
from cluster.store.records import principal_by_name
from web.auth.authority import Authority, rejection, settled, stamp_of
from web.auth.call import Call, Credential, Identity
from web.auth.catching_up import CatchingUp
from web.auth.credentials import Authenticator
from web.auth.password_work import PasswordWork
from web.auth.problems import Problem, invalid
from web.ports import Surroundings

log = logging.getLogger(__name__)

START_LOGIN = "account.start-login"
REFRESH_LOGIN = "account.refresh-login"
END_LOGIN = "account.end-login"
SET_UP = "cluster.set-up"

_WRONG = "the name or the password is wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a login hands out. Its repr is safe to log."""

    identity: Identity
    session_id: LoginId
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    access_expires_in_s: int = TTL_S
    refresh_expires_at_ms: int = 0


class Sessions:
    """Starts, continues and ends logins on one node."""

    def __init__(
        self,
        surroundings: Surroundings,
        *,
        authority: Authority,
        authenticator: Authenticator,
        catching_up: CatchingUp,
        passwords: PasswordWork,
        throttle: LoginThrottle,
    ) -> None:
        self._surroundings = surroundings
        self._authority = authority
        self._authenticator = authenticator
        self._catching_up = catching_up
        self._passwords = passwords
        self._throttle = throttle

    async def log_in(self, call: Call, *, name: str, password: str) -> Tokens:
        """Return the tokens of a new login.

        Raises Problem: 401 with the same words for an unknown name and a wrong password, 429 after too many
        failures.
        """
        self._admit(call, name)
        # For every name, known or not: how long it takes must not tell them apart.
        await self._catching_up.catch_up()
        if self.needs_setup():
            raise Problem(
                "unavailable",
                "there is no account yet: the cluster is still being made, or is to be set up",
                hint="try again in a moment; with a setup token, make the first administrator",
                retry_after_s=2,
            )
        principal = self._find(name)
        check = await self._passwords.verify(password, None if principal is None else principal.password_hash)
        if principal is None or not check.matches:
            resource = "account" if principal is None else f"account:{principal.id}"
            self._authority.strangers.count(START_LOGIN, resource, _WRONG)
            raise Problem("not-authenticated", _WRONG, hint="check both, and whether Caps Lock is on")
        self._throttle.succeeded(account=name, address=call.ip)
        return await self._start(call, principal)

    async def refresh(self, call: Call, text: str) -> Tokens:
        """Exchange a refresh token for its successor and a new access token.

        Raises Problem (401) when the session is over; an old token ends it.
        """
        presented = parse_refresh_token(text)
        if isinstance(presented, Refused):
            self._refuse_refresh(presented.code, presented.reason)
        if not await self._catching_up.catch_up():
            raise Problem(
                "unavailable",
                "the session cannot be continued now: no leader is known",
                hint="try another host of the cluster, or again in a moment",
                retry_after_s=2,
            )
        for _ in range(2):
            tokens = await self._rotate(call, presented)
            if tokens is not None:
                return tokens
            # Another node exchanged the token at the same moment: its successor is ours too.
            await self._catching_up.catch_up()
        raise Problem("conflict", "the session was continued elsewhere at the same moment; try again")

    async def log_out(self, call: Call) -> None:
        """End the login the call was made with. Raises Problem (409) for an API token."""
        identity = call.known()
        session_id = identity.session_id
        if session_id is None:
            raise Problem(
                "conflict", "an API token has no session to end", hint="revoke the token if it is to end"
            )
        await self._authority.perform(
            call,
            END_LOGIN,
            f"account:{identity.principal_id}",
            lambda permit: permit.propose(EndLogin(login_id=session_id)),
        )

    def needs_setup(self) -> bool:
        """Whether there is no account yet."""
        with self._surroundings.state.read() as txn:
            return not records.PRINCIPALS.scan(txn, limit=1)

    async def set_up(self, call: Call, *, token: str, name: str, password: str) -> Identity:
        """Make the first administrator with the one-time token. Raises Problem."""
        self._admit(call, name)
        with self._surroundings.state.read() as txn:
            record = records.SETUP_TOKEN.get(txn)
        checked = check_setup_token(record, token, now_ms=self._surroundings.clock.now_ms())
        if isinstance(checked, Refused):
            self._authority.strangers.count(SET_UP, "cluster", f"setup token {checked.code}")
            raise Problem("forbidden", checked.reason)
        refused = check_new_password(password, account=name)
        if refused is not None:
            raise invalid("password", refused.reason)
        password_hash = await self.hash(password)
        principal_id = PrincipalId(self._surroundings.ids.new_id("us"))
        try:
            command = CreateUser(
                principal_id=principal_id,
                name=name,
                role=Role.ADMIN,
                password_hash=password_hash,
                setup_secret_hash=checked.secret_hash,
            )
        except ValueError as error:
            raise Problem("invalid", str(error)) from error
        identity = Identity(
            principal_id=principal_id, name=name, role=Role.ADMIN, credential=Credential.COOKIE, epoch=1
        )
        decision = Decision(True, "the setup token was shown")
        stamp = stamp_of(
            self._surroundings, replace(call, identity=identity), SET_UP, f"user:{principal_id}", decision
        )
        settled(await self._surroundings.state.propose(command, audit=stamp))
        self._throttle.succeeded(account=name, address=call.ip)
        return identity

    async def hash(self, password: str) -> str:
        """Return the hash to keep of a new password."""
        return await self._passwords.hash(password, salt=self._surroundings.ids.token_bytes(SALT_BYTES))

    async def confirm_password(self, call: Call, password: str) -> bool:
        """Whether `password` is the caller's own; guesses are slowed down as at the login."""
        identity = call.known()
        self._admit(call, identity.name)
        with self._surroundings.state.read() as txn:
            principal = records.PRINCIPALS.get(txn, identity.principal_id)
        check = await self._passwords.verify(password, None if principal is None else principal.password_hash)
        if check.matches:
            self._throttle.succeeded(account=identity.name, address=call.ip)
        return check.matches

    def _admit(self, call: Call, name: str) -> None:
        throttled = self._throttle.admit(
            account=name, address=call.ip, now_ms=self._surroundings.clock.now_ms()
        )
        if throttled is not None:
            self._authority.strangers.count(START_LOGIN, "account", "too many failed logins")
            raise Problem(
                "too-many-requests",
                throttled.reason,
                retry_after_s=-(-throttled.retry_after_ms // 1000),
            )

    def _find(self, name: str) -> Principal | None:
        # The rules of names are the index's too: nothing else can be an account's.
        if not name.isascii() or not 0 < len(name) <= 64 or "\x00" in name:
            return None
        with self._surroundings.state.read() as txn:
            return principal_by_name(txn, name)

    async def _start(self, call: Call, principal: Principal) -> Tokens:
        surroundings = self._surroundings
        started = start_session(
            session_id=LoginId(surroundings.ids.new_id("lo")),
            principal_id=principal.id,
            keyring=surroundings.cluster.keyring(),
            now_ms=surroundings.clock.now_ms(),
            ip=call.ip,
            user_agent=call.user_agent,
        )
        session = started.session
        command = StartLogin(
            login_id=session.id,
            principal_id=principal.id,
            secret_hash=session.secret_hash,
            idle_expires_at_ms=session.idle_expires_at_ms,
            expires_at_ms=session.expires_at_ms,
            ip=session.ip,
            user_agent=session.user_agent,
        )
        outcome = await self._propose(call, principal, START_LOGIN, "the password is right", command)
        if isinstance(outcome, Rejected):
            raise rejection(outcome)
        return self._tokens(principal, session, started.token)

    async def _rotate(self, call: Call, presented: RefreshToken) -> Tokens | None:
        """Return None when another node was quicker."""
        surroundings = self._surroundings
        with surroundings.state.read() as txn:
            session = records.LOGINS.get(txn, presented.session_id)
            principal = None if session is None else records.PRINCIPALS.get(txn, session.principal_id)
        rotated = rotate_refresh_token(
            session,
            presented,
            keyring=surroundings.cluster.keyring(),
            now_ms=surroundings.clock.now_ms(),
        )
        if isinstance(rotated, Refused):
            self._refuse_refresh(rotated.code, rotated.reason)
        if principal is None:
            self._refuse_refresh("account removed", "this account does not exist any more")
        if isinstance(rotated, Reused):
            await self._end_reused(call, principal, rotated)
        assert session is not None, "a token without a session is refused"
        assert isinstance(rotated, Rotated)
        if rotated.session == session:
            return self._tokens(principal, session, rotated.token)
        command = RotateLogin(
            login_id=session.id,
            expected_generation=session.generation,
            secret_hash=rotated.session.secret_hash,
            rotated_at_ms=rotated.session.rotated_at_ms,
            idle_expires_at_ms=rotated.session.idle_expires_at_ms,
        )
        outcome = await self._propose(call, principal, REFRESH_LOGIN, "the refresh token is right", command)
        if isinstance(outcome, Rejected):
            if outcome.code is Code.VERSION_CONFLICT:
                return None
            self._refuse_refresh("session ended", outcome.reason)
        return self._tokens(principal, rotated.session, rotated.token)

    async def _end_reused(self, call: Call, principal: Principal, reused: Reused) -> NoReturn:
        log.warning(
            "login.refresh_token_reused",
            extra={"login_id": reused.session.id, "principal": principal.id, "ip": call.ip},
        )
        command = EndLogin(login_id=reused.session.id)
        await self._propose(call, principal, END_LOGIN, reused.reason, command)
        self._refuse_refresh("reused", "this session was ended: an old token of it came back; log in again")

    def _refuse_refresh(self, code: str, reason: str) -> NoReturn:
        self._authority.strangers.count(REFRESH_LOGIN, "account", f"refresh token {code.replace('_', ' ')}")
        raise Problem("not-authenticated", reason, hint="log in again")

    async def _propose(
        self, call: Call, principal: Principal, action: str, reason: str, command: object
    ) -> Outcome:
        identity = Identity(
            principal_id=principal.id,
            name=principal.name,
            role=principal.role,
            credential=Credential.ACCESS_TOKEN,
            epoch=principal.epoch,
        )
        stamp = stamp_of(
            self._surroundings,
            replace(call, identity=identity),
            action,
            f"account:{principal.id}",
            Decision(True, reason),
        )
        return await self._surroundings.state.propose(command, audit=stamp)

    def _tokens(self, principal: Principal, session: LoginSession, refresh: RefreshToken) -> Tokens:
        access = self._authenticator.access_tokens.issue(
            principal_id=principal.id,
            role=principal.role,
            session_id=session.id,
            epoch=principal.epoch,
            token_id=self._surroundings.ids.new_id("at"),
            now_ms=self._surroundings.clock.now_ms(),
        )
        identity = Identity(
            principal_id=principal.id,
            name=principal.name,
            role=principal.role,
            credential=Credential.ACCESS_TOKEN,
            epoch=principal.epoch,
            session_id=session.id,
        )
        return Tokens(
            identity=identity,
            session_id=session.id,
            access_token=access,
            refresh_token=format_refresh_token(refresh),
            refresh_expires_at_ms=min(session.idle_expires_at_ms, session.expires_at_ms),
        )
