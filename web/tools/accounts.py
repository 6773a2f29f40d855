"""Accounts and their API tokens. Nobody gives more than they hold."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.commands.access import (
    CreateApiToken,
    CreateUser,
    RemoveUser,
    RevokeApiToken,
    SetPassword,
    SetRole,
)
from cluster.identity.api_tokens import PREFIX_BYTES, format_api_token, new_api_token
from cluster.identity.opaque_tokens import SECRET_BYTES
from cluster.identity.passwords import check_new_password
from cluster.model.access import ApiToken, Principal, Role
from cluster.model.ids import PrincipalId, TokenPrefix
from cluster.model.permissions import Holder, HolderKind
from cluster.rbac import may_grant
from cluster.store import ReadTxn, records
from cluster.store.records import API_TOKENS_BY_PRINCIPAL, LOGINS_BY_PRINCIPAL
from web.auth.authority import Permit
from web.auth.call import Call, Identity
from web.auth.problems import FieldError, Problem, invalid
from web.ports import Surroundings
from web.tools.context import Context
from web.tools.recorded_changes import changed
from web.tools.references import is_key
from web.tools.views import ApiTokenMade, ApiTokenView, UserView


async def list_users(context: Context, call: Call) -> list[UserView]:
    """Return the accounts by name."""
    await context.authority.require(call, "user.read", "user")
    now_ms = context.surroundings.clock.now_ms()
    with context.surroundings.state.read() as txn:
        views = [_user(context, txn, principal, now_ms) for principal in records.PRINCIPALS.scan(txn)]
    return sorted(views, key=lambda view: (view.name.lower(), view.id))


async def create_user(context: Context, call: Call, *, name: str, role: Role, password: str) -> UserView:
    """Make an account. Raises Problem."""
    await context.authority.require(call, "user.create", "user")
    await _check_grant(context, call, "user.create", f"user:{name}", role)
    _check_password(password, name)
    principal_id = PrincipalId(context.surroundings.ids.new_id("us"))
    password_hash = await context.sessions.hash(password)
    try:
        command = CreateUser(principal_id=principal_id, name=name, role=role, password_hash=password_hash)
    except ValueError as error:
        raise Problem(
            "invalid", str(error), errors=(FieldError(field="name", rule=str(error), value=name),)
        ) from error
    await context.authority.perform(
        call, "user.create", f"user:{name}", lambda permit: permit.propose(command)
    )
    return _read_user(context, principal_id)


async def set_password(
    context: Context, call: Call, reference: str, *, password: str, current_password: str | None
) -> None:
    """Change a password and end the account's logins.

    One's own needs the present one; an administrator sets others'. Raises Problem.
    """
    identity = call.known()
    is_own = reference in (identity.principal_id, "me")
    action = "account.set-password" if is_own else "user.set-password"
    resource = f"account:{identity.principal_id}" if is_own else f"user:{reference}"
    await context.authority.require(call, action, resource)
    principal = find_user(context.surroundings, identity.principal_id if is_own else reference)
    if not is_own:
        await check_not_above(context, call, action, principal)
    if is_own:
        _check_is_login(identity, "change a password")
        if current_password is None:
            raise invalid("current_password", "is needed to change one's own password")
        if not await context.sessions.confirm_password(call, current_password):
            context.authority.strangers.count(action, resource, "the present password is wrong")
            raise invalid("current_password", "is not the present password")
    _check_password(password, principal.name)
    password_hash = await context.sessions.hash(password)
    command = SetPassword(principal_id=principal.id, password_hash=password_hash)
    await context.authority.perform(call, action, resource, lambda permit: permit.propose(command))


async def set_role(context: Context, call: Call, reference: str, *, role: Role) -> UserView:
    """Change an account's role. What it logged in for ends at once. Raises Problem."""
    await context.authority.require(call, "user.set-role", f"user:{reference}")
    principal = find_user(context.surroundings, reference)
    await check_not_above(context, call, "user.set-role", principal)
    await _check_grant(context, call, "user.set-role", f"user:{principal.id}", role)
    command = SetRole(principal_id=principal.id, role=role)
    difference = changed({"role": principal.role}, {"role": role})
    await context.authority.perform(
        call,
        "user.set-role",
        f"user:{principal.id}",
        lambda permit: permit.propose(command, reason=difference),
    )
    return _read_user(context, principal.id)


async def remove_user(context: Context, call: Call, reference: str) -> None:
    """Remove an account with its logins and tokens. Raises Problem."""
    await context.authority.require(call, "user.remove", f"user:{reference}")
    principal = find_user(context.surroundings, reference)
    await check_not_above(context, call, "user.remove", principal)
    command = RemoveUser(principal_id=principal.id)
    await context.authority.perform(
        call, "user.remove", f"user:{principal.id}", lambda permit: permit.propose(command)
    )


async def list_api_tokens(context: Context, call: Call) -> list[ApiTokenView]:
    """Return one's own API tokens, or everybody's for those who may see them, newest first."""
    identity = call.known()
    await context.authority.require(call, "account.read", f"account:{identity.principal_id}")
    sees_all = context.authority.decide(call, "api-token.read", "api-token").allowed
    now_ms = context.surroundings.clock.now_ms()
    with context.surroundings.state.read() as txn:
        names = {principal.id: principal.name for principal in records.PRINCIPALS.scan(txn)}
        uses = {use.prefix: use for use in records.TOKEN_USES.scan(txn)}
        tokens = [
            token
            for token in records.API_TOKENS.scan(txn)
            if sees_all or token.principal_id == identity.principal_id
        ]
    tokens.sort(key=lambda token: (token.created_at_ms, token.prefix), reverse=True)
    return [
        ApiTokenView(
            prefix=token.prefix,
            name=token.name,
            role=token.role,
            state=_token_state(token, now_ms),
            owner_id=token.principal_id,
            owner_name=names.get(token.principal_id, ""),
            created_at_ms=token.created_at_ms,
            expires_at_ms=token.expires_at_ms,
            scopes=tuple(sorted(token.scopes)),
            read_only=token.is_read_only,
            toolsets=tuple(sorted(token.toolsets)),
            last_used_at_ms=uses[token.prefix].used_at_ms if token.prefix in uses else None,
            last_used_ip=uses[token.prefix].ip if token.prefix in uses else "",
        )
        for token in tokens
    ]


async def create_api_token(
    context: Context,
    call: Call,
    *,
    name: str,
    role: Role,
    ttl_s: int | None,
    read_only: bool = False,
    toolsets: Sequence[str] = (),
) -> ApiTokenMade:
    """Make an API token of one's own; its text is nowhere but in the answer.

    `toolsets` are those whose tools it is for, none: all. Raises Problem.
    """
    identity = call.known()
    resource = f"account:{identity.principal_id}"
    await context.authority.require(call, "account.create-token", resource)
    _check_is_login(identity, "make tokens")
    highest = _highest_for_tokens(context.surroundings, identity)
    if not highest.includes(role):
        raise invalid("role", may_grant(highest, role).reason, value=role.value)
    surroundings = context.surroundings
    now_ms = surroundings.clock.now_ms()
    plain, record = new_api_token(
        prefix_seed=surroundings.ids.token_bytes(PREFIX_BYTES),
        secret=surroundings.ids.token_bytes(SECRET_BYTES),
        name=name,
        principal_id=identity.principal_id,
        role=role,
        scopes=frozenset(),
        now_ms=now_ms,
        expires_at_ms=None if ttl_s is None else now_ms + ttl_s * 1000,
    )

    async def change(permit: Permit) -> None:
        try:
            command = CreateApiToken(
                prefix=record.prefix,
                name=record.name,
                secret_hash=record.secret_hash,
                principal_id=record.principal_id,
                role=record.role,
                scopes=record.scopes,
                expires_at_ms=record.expires_at_ms,
                is_read_only=read_only,
                toolsets=frozenset(toolsets),
            )
        except ValueError as error:
            raise invalid("name", str(error)) from error
        await permit.propose(command, resource=f"api-token:{record.prefix}")

    await context.authority.perform(call, "account.create-token", resource, change)
    return ApiTokenMade(
        prefix=record.prefix,
        token=format_api_token(plain),
        name=record.name,
        role=record.role,
        expires_at_ms=record.expires_at_ms,
        read_only=read_only,
        toolsets=tuple(sorted(set(toolsets))),
    )


async def revoke_api_token(context: Context, call: Call, prefix: str) -> None:
    """Make an API token useless: one's own, or anybody's for those who may. Raises Problem."""
    identity = call.known()
    with context.surroundings.state.read() as txn:
        token = records.API_TOKENS.get(txn, prefix) if is_key(prefix) else None
    is_own = token is not None and token.principal_id == identity.principal_id
    action = "account.revoke-token" if is_own else "api-token.revoke"
    resource = f"account:{identity.principal_id}" if is_own else f"api-token:{prefix}"
    await context.authority.require(call, action, resource)
    if token is None:
        raise Problem("not-found", f"there is no API token {prefix[:80]!r}")
    command = RevokeApiToken(prefix=TokenPrefix(token.prefix))
    await context.authority.perform(
        call,
        action,
        resource,
        lambda permit: permit.propose(command, resource=f"api-token:{command.prefix}"),
    )


def find_user(surroundings: Surroundings, reference: str) -> Principal:
    """Return the account of that id or name. Raises Problem (404)."""
    with surroundings.state.read() as txn:
        principal = records.PRINCIPALS.get(txn, reference) if is_key(reference) else None
        if principal is None and is_key(reference):
            principal = records.principal_by_name(txn, reference)
    if principal is None:
        raise Problem("not-found", f"there is no account {reference[:80]!r}")
    return principal


async def check_not_above(context: Context, call: Call, action: str, principal: Principal) -> None:
    """Refuse to change an account that may what the caller may not: its password would open the way there.

    Raises Problem (403), recorded.
    """
    powers = context.authority.powers(call)
    lacked = powers.lacks(principal.role)
    with context.surroundings.state.read() as txn:
        for binding in records.BINDINGS.scan(txn, str(Holder(kind=HolderKind.USER, id=principal.id))):
            custom = records.CUSTOM_ROLES.get(txn, binding.role)
            lacked = lacked or powers.lacks_of(binding, () if custom is None else (custom,))
    if lacked is not None:
        reason = f"{principal.name!r} may {lacked}, which you may not everywhere yourself"
        await context.authority.refuse(call, action, f"user:{principal.id}", reason)


async def _check_grant(context: Context, call: Call, action: str, resource: str, granted: Role) -> None:
    decision = may_grant(call.known().role, granted)
    if not decision.allowed:
        await context.authority.record_refusal(call, action, resource, decision.reason)
        raise invalid("role", decision.reason, value=granted.value)
    lacked = context.authority.powers(call).lacks(granted)
    if lacked is not None:
        await context.authority.refuse(
            call, action, resource, f"role {granted} includes {lacked}, which you do not hold everywhere"
        )


def _highest_for_tokens(surroundings: Surroundings, identity: Identity) -> Role:
    """As the state machine has it: what a token may is bounded by its owner at every request."""
    with surroundings.state.read() as txn:
        bindings = records.BINDINGS.scan(txn, str(Holder(kind=HolderKind.USER, id=identity.principal_id)))
    built_in = frozenset(role.value for role in Role)
    bound = [Role(each.role) if each.role in built_in else Role.OPERATOR for each in bindings]
    return max([identity.role, *bound], key=lambda role: role.rank)


def _check_password(password: str, name: str) -> None:
    refused = check_new_password(password, account=name)
    if refused is not None:
        raise invalid("password", refused.reason)


def _check_is_login(identity: Identity, what: str) -> None:
    # Otherwise a token that leaked could make others that outlive it.
    if identity.is_program:
        raise Problem("forbidden", f"an API token cannot {what}", hint="log in with the password")


def _read_user(context: Context, principal_id: str) -> UserView:
    with context.surroundings.state.read() as txn:
        principal = records.PRINCIPALS.get(txn, principal_id)
        assert principal is not None, "it was just applied here"
        return _user(context, txn, principal, context.surroundings.clock.now_ms())


def _user(context: Context, txn: ReadTxn, principal: Principal, now_ms: int) -> UserView:
    logins = [
        records.LOGINS.get(txn, login_id) for _, login_id in LOGINS_BY_PRINCIPAL.scan(txn, principal.id)
    ]
    tokens = [
        records.API_TOKENS.get(txn, prefix) for _, prefix in API_TOKENS_BY_PRINCIPAL.scan(txn, principal.id)
    ]
    throttled = context.sessions.throttled(principal.name)
    return UserView(
        id=principal.id,
        name=principal.name,
        role=principal.role,
        has_password=principal.password_hash is not None,
        created_at_ms=principal.created_at_ms,
        changed_at_ms=principal.changed_at_ms,
        logins=sum(login is not None and login.is_live(now_ms) for login in logins),
        api_tokens=sum(token is not None and _token_state(token, now_ms) == "active" for token in tokens),
        has_second_factor=records.SECOND_FACTORS.get(txn, principal.id) is not None,
        failed_logins=throttled.failures,
        login_wait_s=-(-throttled.wait_ms // 1000),
        provider=principal.provider_id,
        is_suspended=principal.is_suspended,
    )


def _token_state(token: ApiToken, now_ms: int) -> str:
    if token.is_revoked:
        return "revoked"
    if token.expires_at_ms is not None and now_ms >= token.expires_at_ms:
        return "expired"
    return "active"
