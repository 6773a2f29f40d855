"""Handlers of the commands on accounts, logins and tokens."""

from __future__ import annotations

import hmac
from dataclasses import replace

from cluster.commands.access import (
    CreateApiToken,
    CreateUser,
    EndLogin,
    PutSetupToken,
    RehashPassword,
    RemoveUser,
    RevokeApiToken,
    RotateLogin,
    SetPassword,
    SetRole,
    StartLogin,
)
from cluster.commands.outcome import Applied, Code, Outcome, Rejected
from cluster.model.access import ApiToken, LoginSession, Principal, Role, SetupToken
from cluster.model.ids import LoginId, PrincipalId
from cluster.model.permissions import Holder, HolderKind
from cluster.state_machine.assistant import forget_conversations
from cluster.state_machine.entry import Entry
from cluster.state_machine.permissions import forget_bindings, highest_for_tokens, is_last_administrator
from cluster.state_machine.proofs import use_proof
from cluster.store.records import (
    API_TOKENS,
    API_TOKENS_BY_PRINCIPAL,
    LOGINS,
    LOGINS_BY_PRINCIPAL,
    PRINCIPALS,
    PRINCIPALS_BY_SUBJECT,
    SECOND_FACTORS,
    SETUP_TOKEN,
    TOKEN_USES,
    delete_principal_name,
    principal_by_name,
    put_principal_name,
)

LOGINS_MAX = 32
"""Most live logins of one account; the longest unused one makes room for a new one."""


def put_setup_token(entry: Entry, command: PutSetupToken) -> Outcome:
    if any(principal.role is Role.ADMIN for principal in PRINCIPALS.scan(entry.txn)):
        return Rejected(
            "an administrator exists: let them make accounts, or reset a password on a host",
            Code.ALREADY_EXISTS,
        )
    SETUP_TOKEN.put(
        entry.txn, SetupToken(secret_hash=command.secret_hash, expires_at_ms=command.expires_at_ms)
    )
    return Applied()


def create_user(entry: Entry, command: CreateUser) -> Outcome:
    if command.setup_secret_hash is not None:
        refused = _use_setup_token(entry, command.setup_secret_hash)
        if refused is not None:
            return refused
    if PRINCIPALS.get(entry.txn, command.principal_id) is not None:
        return Rejected(f"account {command.principal_id} exists already", Code.ALREADY_EXISTS)
    if principal_by_name(entry.txn, command.name) is not None:
        return Rejected(
            f"a user named {command.name!r} exists already: choose another name", Code.ALREADY_EXISTS
        )
    principal = Principal(
        id=command.principal_id,
        name=command.name,
        role=command.role,
        password_hash=command.password_hash,
        epoch=1,
        created_at_ms=entry.now_ms,
        changed_at_ms=entry.now_ms,
    )
    PRINCIPALS.put(entry.txn, principal)
    put_principal_name(entry.txn, principal)
    return Applied()


def set_password(entry: Entry, command: SetPassword) -> Outcome:
    principal = the_principal(entry, command.principal_id)
    if isinstance(principal, Rejected):
        return principal
    changed = replace(
        principal,
        password_hash=command.password_hash,
        epoch=principal.epoch + 1,
        changed_at_ms=entry.now_ms,
    )
    PRINCIPALS.put(entry.txn, changed)
    forget_logins(entry, principal.id)
    return Applied(changed.epoch)


def rehash_password(entry: Entry, command: RehashPassword) -> Outcome:
    principal = the_principal(entry, command.principal_id)
    if isinstance(principal, Rejected):
        return principal
    if principal.password_hash != command.replaced:
        return Rejected("the password was changed meanwhile", Code.VERSION_CONFLICT)
    PRINCIPALS.put(entry.txn, replace(principal, password_hash=command.password_hash))
    return Applied()


def set_role(entry: Entry, command: SetRole) -> Outcome:
    principal = the_principal(entry, command.principal_id)
    if isinstance(principal, Rejected):
        return principal
    if command.role is not Role.ADMIN and is_last_administrator(entry, principal):
        return last_admin(principal)
    changed = replace(principal, role=command.role, epoch=principal.epoch + 1, changed_at_ms=entry.now_ms)
    PRINCIPALS.put(entry.txn, changed)
    return Applied(changed.epoch)


def remove_user(entry: Entry, command: RemoveUser) -> Outcome:
    principal = the_principal(entry, command.principal_id)
    if isinstance(principal, Rejected):
        return principal
    if is_last_administrator(entry, principal):
        return last_admin(principal)
    forget_logins(entry, principal.id)
    forget_bindings(entry, Holder(kind=HolderKind.USER, id=principal.id))
    for _, prefix in API_TOKENS_BY_PRINCIPAL.scan(entry.txn, principal.id):
        forget_bindings(entry, Holder(kind=HolderKind.TOKEN, id=str(prefix)))
        API_TOKENS.delete(entry.txn, prefix)
        TOKEN_USES.delete(entry.txn, prefix)
        API_TOKENS_BY_PRINCIPAL.remove(entry.txn, principal.id, prefix)
    delete_principal_name(entry.txn, principal)
    SECOND_FACTORS.delete(entry.txn, principal.id)
    forget_conversations(entry, principal.id)
    if principal.subject_key:
        PRINCIPALS_BY_SUBJECT.remove(entry.txn, principal.subject_key, principal.id)
    PRINCIPALS.delete(entry.txn, principal.id)
    return Applied()


def create_api_token(entry: Entry, command: CreateApiToken) -> Outcome:
    principal = the_principal(entry, command.principal_id)
    if isinstance(principal, Rejected):
        return principal
    if not highest_for_tokens(entry, principal).includes(command.role):
        return Rejected(
            f"role {command.role}: {principal.name!r} is {principal.role} and can give a token no more than"
            " that",
            Code.INVALID,
        )
    if API_TOKENS.get(entry.txn, command.prefix) is not None:
        return Rejected(f"API token {command.prefix} exists already", Code.ALREADY_EXISTS)
    API_TOKENS.put(
        entry.txn,
        ApiToken(
            prefix=command.prefix,
            name=command.name,
            secret_hash=command.secret_hash,
            principal_id=command.principal_id,
            role=command.role,
            scopes=command.scopes,
            created_at_ms=entry.now_ms,
            expires_at_ms=command.expires_at_ms,
            is_read_only=command.is_read_only,
            toolsets=command.toolsets,
        ),
    )
    API_TOKENS_BY_PRINCIPAL.add(entry.txn, command.principal_id, command.prefix)
    return Applied()


def revoke_api_token(entry: Entry, command: RevokeApiToken) -> Outcome:
    token = API_TOKENS.get(entry.txn, command.prefix)
    if token is None:
        return Rejected(f"API token {command.prefix} is not known", Code.NOT_FOUND)
    API_TOKENS.put(entry.txn, replace(token, is_revoked=True))
    forget_bindings(entry, Holder(kind=HolderKind.TOKEN, id=command.prefix))
    return Applied()


def start_login(entry: Entry, command: StartLogin) -> Outcome:
    principal = the_principal(entry, command.principal_id)
    if isinstance(principal, Rejected):
        return principal
    if LOGINS.get(entry.txn, command.login_id) is not None:
        return Rejected(f"login {command.login_id} exists already", Code.ALREADY_EXISTS)
    if principal.is_suspended:
        return Rejected(f"account {principal.name!r} is suspended", Code.INVALID)
    refused = _use_second_factor(entry, command)
    if refused is not None:
        return refused
    _make_room_for_login(entry, principal.id)
    LOGINS.put(
        entry.txn,
        LoginSession(
            id=command.login_id,
            principal_id=principal.id,
            generation=0,
            secret_hash=command.secret_hash,
            started_at_ms=entry.now_ms,
            rotated_at_ms=entry.now_ms,
            idle_expires_at_ms=command.idle_expires_at_ms,
            expires_at_ms=command.expires_at_ms,
            ip=command.ip,
            user_agent=command.user_agent,
            provider_id=command.provider_id,
        ),
    )
    LOGINS_BY_PRINCIPAL.add(entry.txn, principal.id, command.login_id)
    return Applied()


def rotate_login(entry: Entry, command: RotateLogin) -> Outcome:
    login = LOGINS.get(entry.txn, command.login_id)
    if login is None or not login.is_live(entry.now_ms):
        return Rejected("this login is over: log in again", Code.EXPIRED)
    if login.generation != command.expected_generation:
        return Rejected(
            f"the login's token is number {login.generation}, not {command.expected_generation}:"
            " another node exchanged it first",
            Code.VERSION_CONFLICT,
        )
    LOGINS.put(
        entry.txn,
        replace(
            login,
            generation=login.generation + 1,
            secret_hash=command.secret_hash,
            rotated_at_ms=command.rotated_at_ms,
            idle_expires_at_ms=min(command.idle_expires_at_ms, login.expires_at_ms),
        ),
    )
    return Applied(login.generation + 1)


def end_login(entry: Entry, command: EndLogin) -> Outcome:
    login = LOGINS.get(entry.txn, command.login_id)
    if login is None:
        return Rejected(f"login {command.login_id} is not known", Code.NOT_FOUND)
    LOGINS.put(entry.txn, replace(login, is_revoked=True))
    return Applied()


def _use_second_factor(entry: Entry, command: StartLogin) -> Rejected | None:
    factor = SECOND_FACTORS.get(entry.txn, command.principal_id)
    if factor is None or command.provider_id:
        return None
    used = use_proof(factor, command.step, command.recovery_hash)
    if isinstance(used, Rejected):
        return used
    SECOND_FACTORS.put(entry.txn, used)
    return None


def the_principal(entry: Entry, principal_id: PrincipalId) -> Principal | Rejected:
    """Return an account, or that there is none."""
    principal = PRINCIPALS.get(entry.txn, principal_id)
    if principal is None:
        return Rejected(f"account {principal_id} is not known", Code.NOT_FOUND)
    return principal


def _use_setup_token(entry: Entry, secret_hash: bytes) -> Rejected | None:
    token = SETUP_TOKEN.get(entry.txn)
    if token is None or not hmac.compare_digest(token.secret_hash, secret_hash):
        return Rejected(
            "this setup token is not this cluster's; `tower setup-token` on any of its hosts prints a new"
            " one",
            Code.NOT_FOUND,
        )
    if token.is_used:
        return Rejected("this setup token was used: an administrator exists", Code.EXPIRED)
    if token.expires_at_ms is not None and token.expires_at_ms <= entry.now_ms:
        return Rejected("this setup token has expired; `tower setup-token` prints a new one", Code.EXPIRED)
    SETUP_TOKEN.put(entry.txn, replace(token, is_used=True))
    return None


def last_admin(principal: Principal) -> Rejected:
    """Why the last one stays."""
    return Rejected(f"{principal.name!r} is the last administrator: make another one first", Code.IN_USE)


def _make_room_for_login(entry: Entry, principal_id: PrincipalId) -> None:
    logins = [
        login
        for _, login_id in LOGINS_BY_PRINCIPAL.scan(entry.txn, principal_id)
        if (login := LOGINS.get(entry.txn, login_id)) is not None
    ]
    # A revoked login is kept until its time is over: its tokens are still known to be copies.
    live = [login for login in logins if entry.now_ms < min(login.idle_expires_at_ms, login.expires_at_ms)]
    live.sort(key=lambda login: (login.rotated_at_ms, login.id), reverse=True)
    kept = {login.id for login in live[: LOGINS_MAX - 1]}
    for login in logins:
        if login.id not in kept:
            _forget_login(entry, principal_id, login.id)


def forget_logins(entry: Entry, principal_id: PrincipalId) -> None:
    """End every login of an account."""
    for _, login_id in LOGINS_BY_PRINCIPAL.scan(entry.txn, principal_id):
        _forget_login(entry, principal_id, LoginId(str(login_id)))


def _forget_login(entry: Entry, principal_id: PrincipalId, login_id: LoginId) -> None:
    LOGINS.delete(entry.txn, login_id)
    LOGINS_BY_PRINCIPAL.remove(entry.txn, principal_id, login_id)
