"""Logins: from a password to tokens, from a refresh token to its successor, and their end.

The password decides, the log keeps: a login exists once `StartLogin` is committed, so that any node can end
it. Refresh tokens rotate with each use, and an old one that comes back ends the session.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import NoReturn

from cluster.commands import Code, Rejected
from cluster.commands.access import CreateUser, EndLogin, RehashPassword, RotateLogin, StartLogin
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
from cluster.identity.throttle import LoginThrottle, Standing, address_key_of
from cluster.identity.tickets import TicketKind
from cluster.model.access import LoginSession, Principal, Role
from cluster.model.ids import LoginId, PrincipalId
from cluster.rbac import Decision
from cluster.store import records
from cluster.store.records import LOGINS_BY_PRINCIPAL, principal_by_name
from web.auth.authority import Authority, rejection, settled, stamp_of
from web.auth.call import Call, Credential, Identity
from web.auth.catching_up import CatchingUp
from web.auth.credentials import Authenticator
from web.auth.password_work import PasswordWork
from web.auth.problems import Problem, invalid
from web.auth.second_factors import TICKET_MS, Enrolment, Proof, SecondFactors, is_used_up
from web.ports import Surroundings

log = logging.getLogger(__name__)

START_LOGIN = "account.start-login"
REFRESH_LOGIN = "account.refresh-login"
END_LOGIN = "account.end-login"
SET_UP = "cluster.set-up"
ENROL = "account.enrol-second-factor"

_WRONG = "the name or the password is wrong"
WRONG_CODE = "the code is wrong"
_WRONG_CODE_HINT = (
    "enter the code the authenticator shows now, and check that the clock of its device is right; a recovery"
    " code works instead"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a login hands out. Its repr is safe to log."""

    identity: Identity
    session_id: LoginId
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    access_expires_in_s: int = TTL_S
    refresh_expires_at_ms: int = 0
    recovery_codes: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """The password was right, and a code is to follow with the ticket. There is no login yet.

    `enrolment` is there when the account needs an authenticator and has none: a code of that one, then.
    """

    ticket: str = field(repr=False)
    enrolment: Enrolment | None = None
    expires_in_s: int = TICKET_MS // 1000


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
        self.factors = SecondFactors(surroundings)

    async def log_in(self, call: Call, *, name: str, password: str) -> Tokens | Challenge:
        """Return the tokens of a new login, or what to bring a code with first.

        Raises Problem: 401 with the same words for an unknown name and a wrong password, 429 after too many
        failures.
        """
        is_familiar = self._admit(call, name)
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
        if check.needs_rehash:
            await self._rehash(principal, password)
        factor = self.factors.of(principal.id)
        if factor is None and not self.factors.is_required(principal):
            self._succeeded(call, name, is_familiar=is_familiar)
            return await self._start(call, principal, "the password is right")
        self._throttle.half_succeeded(account=name, address=call.ip, is_familiar=is_familiar)
        content: dict[str, str | int] = {"principal": principal.id, "epoch": principal.epoch}
        return Challenge(
            ticket=self.factors.ticket(TicketKind.LOGIN, content),
            enrolment=self.factors.offer(principal) if factor is None else None,
        )

    async def answer(self, call: Call, *, ticket: str, code: str, enrolment: str | None) -> Tokens:
        """Return the tokens of a login whose password was right, for its code.

        `enrolment` is the ticket of a new authenticator, where one was offered. Raises Problem: 401 for a
        wrong or used code, 409 when the account was changed since, 422 for a ticket that is none.
        """
        content = self.factors.open(TicketKind.LOGIN, ticket, field_name="challenge")
        await self._catching_up.catch_up()
        with self._surroundings.state.read() as txn:
            principal = records.PRINCIPALS.get(txn, str(content["principal"]))
        if principal is None or principal.epoch != content["epoch"]:
            raise Problem("conflict", "the account was changed meanwhile", hint="log in again")
        is_familiar = self._admit(call, principal.name)
        factor = self.factors.of(principal.id)
        if factor is not None:
            proof = self.factors.check(factor, code)
            if proof is None:
                self._refuse_code(principal)
            tokens = await self._start(call, principal, _shown(proof), proof)
        else:
            tokens = await self._enrol_and_start(call, principal, enrolment or "", code)
        self._succeeded(call, principal.name, is_familiar=is_familiar)
        return tokens

    async def confirm_code(self, call: Call, principal: Principal, code: str) -> Proof:
        """Return what a code of somebody who is logged in shows; guesses are slowed down as at the login.

        Raises Problem (422) when it is wrong or there is no authenticator.
        """
        factor = self.factors.of(principal.id)
        if factor is None:
            raise Problem("conflict", "the account has no authenticator")
        is_familiar = self._admit(call, principal.name)
        proof = self.factors.check(factor, code)
        if proof is None:
            self._authority.strangers.count(START_LOGIN, f"account:{principal.id}", WRONG_CODE)
            raise invalid("code", WRONG_CODE, hint=_WRONG_CODE_HINT)
        self._succeeded(call, principal.name, is_familiar=is_familiar)
        return proof

    async def sign_in(self, call: Call, principal: Principal, provider_id: str) -> Tokens:
        """Return the tokens of a login that an identity provider vouches for. Raises Problem."""
        reason = f"identity provider {provider_id} says so"
        return await self._start(call, principal, reason, provider_id=provider_id)

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
        is_familiar = self._admit(call, name)
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
        self._succeeded(call, name, is_familiar=is_familiar)
        return identity

    async def hash(self, password: str) -> str:
        """Return the hash to keep of a new password."""
        return await self._passwords.hash(password, salt=self._surroundings.ids.token_bytes(SALT_BYTES))

    async def confirm_password(self, call: Call, password: str) -> bool:
        """Whether `password` is the caller's own; guesses are slowed down as at the login."""
        identity = call.known()
        is_familiar = self._admit(call, identity.name)
        with self._surroundings.state.read() as txn:
            principal = records.PRINCIPALS.get(txn, identity.principal_id)
        check = await self._passwords.verify(password, None if principal is None else principal.password_hash)
        if check.matches:
            self._succeeded(call, identity.name, is_familiar=is_familiar)
        return check.matches

    def throttled(self, name: str) -> Standing:
        """Return how many logins of an account failed here lately, and how long strangers wait for it."""
        return self._throttle.standing(name, self._surroundings.clock.now_ms())

    def forget_failures(self, name: str) -> None:
        """Let an account be tried again at once, at this node."""
        self._throttle.clear(name)

    def _admit(self, call: Call, name: str) -> bool:
        """Count an attempt; returns whether its address is one the account logs in from. Raises Problem."""
        is_familiar = self._is_familiar(name, call.ip)
        throttled = self._throttle.admit(
            account=name,
            address=call.ip,
            now_ms=self._surroundings.clock.now_ms(),
            is_familiar=is_familiar,
        )
        if throttled is not None:
            self._authority.strangers.count(START_LOGIN, "account", "too many failed logins")
            raise Problem(
                "too-many-requests",
                throttled.reason,
                retry_after_s=-(-throttled.retry_after_ms // 1000),
            )
        return is_familiar

    async def _rehash(self, principal: Principal, password: str) -> None:
        """Keep the password at today's cost, now that it is here. The next login tries again if it fails."""
        assert principal.password_hash is not None, "it was compared with one"
        command = RehashPassword(
            principal_id=principal.id,
            replaced=principal.password_hash,
            password_hash=await self.hash(password),
        )
        outcome = await self._surroundings.state.propose(command)
        if isinstance(outcome, Rejected):
            log.info("login.not_rehashed", extra={"principal": principal.id, "reason": outcome.reason})

    def _succeeded(self, call: Call, name: str, *, is_familiar: bool) -> None:
        self._throttle.succeeded(account=name, address=call.ip, is_familiar=is_familiar)

    def _is_familiar(self, name: str, ip: str) -> bool:
        """Whether the account has a login from that address which it did not end."""
        principal = self._find(name)
        if principal is None:
            return False
        key = address_key_of(ip)
        with self._surroundings.state.read() as txn:
            logins = (
                records.LOGINS.get(txn, login_id)
                for _, login_id in LOGINS_BY_PRINCIPAL.scan(txn, principal.id)
            )
            return any(
                login is not None and not login.is_revoked and address_key_of(login.ip) == key
                for login in logins
            )

    def _refuse_code(self, principal: Principal) -> NoReturn:
        self._authority.strangers.count(START_LOGIN, f"account:{principal.id}", WRONG_CODE)
        raise Problem("not-authenticated", WRONG_CODE, hint=_WRONG_CODE_HINT)

    async def _enrol_and_start(self, call: Call, principal: Principal, enrolment: str, code: str) -> Tokens:
        if not self.factors.is_required(principal):
            raise Problem("conflict", "no code is needed any more", hint="log in again")
        shown = self.factors.confirm(principal.id, enrolment, code, is_login=True)
        if shown is None:
            self._refuse_code(principal)
        outcome = await self._propose(call, principal, ENROL, "a code of it was shown", shown.command)
        if isinstance(outcome, Rejected):
            raise rejection(outcome)
        reason = "the password is right, and a code of the new authenticator"
        tokens = await self._start(call, principal, reason, Proof(step=shown.step))
        return replace(tokens, recovery_codes=shown.recovery_codes)

    def _find(self, name: str) -> Principal | None:
        # The rules of names are the index's too: nothing else can be an account's.
        if not name.isascii() or not 0 < len(name) <= 64 or "\x00" in name:
            return None
        with self._surroundings.state.read() as txn:
            return principal_by_name(txn, name)

    async def _start(
        self,
        call: Call,
        principal: Principal,
        reason: str,
        proof: Proof | None = None,
        *,
        provider_id: str = "",
    ) -> Tokens:
        proof = proof or Proof()
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
            step=proof.step,
            recovery_hash=proof.recovery_hash,
            provider_id=provider_id,
        )
        outcome = await self._propose(call, principal, START_LOGIN, reason, command)
        if is_used_up(outcome):
            assert isinstance(outcome, Rejected)
            # An account that got its authenticator a moment ago showed none.
            reason = outcome.reason if proof != Proof() else "a code is needed as well: log in again"
            self._authority.strangers.count(
                START_LOGIN, f"account:{principal.id}", "the code was used before"
            )
            raise Problem("not-authenticated", reason)
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
        if principal.is_suspended:
            self._refuse_refresh("account suspended", "this account's identity provider lets it in no more")
        if session is not None and not session.provider_id and self._lacks_factor(principal):
            self._refuse_refresh(
                "second factor missing", "a second factor is required by now, and this account has none"
            )
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

    def _lacks_factor(self, principal: Principal) -> bool:
        return self.factors.is_required(principal) and self.factors.of(principal.id) is None

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


def _shown(proof: Proof) -> str:
    what = "a recovery code" if proof.recovery_hash else "a code"
    return f"the password and {what} are right"
