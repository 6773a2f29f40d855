"""Logins that live: one's own, and others' for administrators."""

from __future__ import annotations

from cluster.commands.access import EndLogin
from cluster.commands.second_factors import EndLogins
from cluster.identity.devices import device_of
from cluster.model.access import LoginSession, Principal
from cluster.store import ReadTxn, records
from cluster.store.records import LOGINS_BY_PRINCIPAL
from web.auth.call import Call
from web.auth.problems import Problem
from web.tools.account_views import EndedView, SessionView
from web.tools.accounts import check_not_above, find_user
from web.tools.context import Context
from web.tools.references import is_key

EVERYBODY = "all"


async def list_sessions(context: Context, call: Call, *, user: str) -> list[SessionView]:
    """Return the logins of one account, the last used first: one's own unless `user` names another.

    "all" is everybody's. Raises Problem.
    """
    identity = call.known()
    surroundings = context.surroundings
    now_ms = surroundings.clock.now_ms()
    if user in ("", "me", identity.principal_id):
        await context.authority.require(call, "account.read", f"account:{identity.principal_id}")
        accounts = [find_user(surroundings, identity.principal_id)]
    else:
        await context.authority.require(call, "user.read", "user")
        accounts = [] if user == EVERYBODY else [find_user(surroundings, user)]
    with surroundings.state.read() as txn:
        accounts = accounts or records.PRINCIPALS.scan(txn)
        labels = {provider.id: provider.label for provider in records.PROVIDERS.scan(txn)}
        found = [
            _view(login, principal, labels, identity.session_id)
            for principal in accounts
            for login in _logins(txn, principal)
            if login.is_live(now_ms)
        ]
    return sorted(found, key=lambda view: (view.last_used_at_ms, view.id), reverse=True)


async def end_session(context: Context, call: Call, session_id: str) -> None:
    """End one login: one's own, or another's for those who may. Raises Problem."""
    identity = call.known()
    surroundings = context.surroundings
    with surroundings.state.read() as txn:
        login = records.LOGINS.get(txn, session_id) if is_key(session_id) else None
    is_own = login is not None and login.principal_id == identity.principal_id
    action = "account.end-login" if is_own else "user.end-logins"
    resource = f"account:{identity.principal_id}" if is_own else "user"
    await context.authority.require(call, action, resource)
    if login is None or not login.is_live(surroundings.clock.now_ms()):
        raise Problem("not-found", f"there is no login {session_id[:80]!r} that lives")
    if not is_own:
        await check_not_above(context, call, action, find_user(surroundings, login.principal_id))
    command = EndLogin(login_id=login.id)
    target = resource if is_own else f"user:{login.principal_id}"
    await context.authority.perform(call, action, target, lambda permit: permit.propose(command))


async def end_sessions(context: Context, call: Call, *, user: str) -> EndedView:
    """End every login of an account but the one that asks. Raises Problem."""
    identity = call.known()
    if user in ("", "me", identity.principal_id):
        action, resource = "account.end-login", f"account:{identity.principal_id}"
        await context.authority.require(call, action, resource)
        command = EndLogins(principal_id=identity.principal_id, but=identity.session_id)
    else:
        action = "user.end-logins"
        await context.authority.require(call, action, f"user:{user}")
        principal = find_user(context.surroundings, user)
        await check_not_above(context, call, action, principal)
        resource = f"user:{principal.id}"
        command = EndLogins(principal_id=principal.id)
    ended = await context.authority.perform(call, action, resource, lambda permit: permit.propose(command))
    assert isinstance(ended, int), "the command says how many"
    return EndedView(ended=ended)


def _logins(txn: ReadTxn, principal: Principal) -> list[LoginSession]:
    found = (records.LOGINS.get(txn, login_id) for _, login_id in LOGINS_BY_PRINCIPAL.scan(txn, principal.id))
    return [login for login in found if login is not None]


def _view(
    login: LoginSession, principal: Principal, labels: dict[str, str], current: str | None
) -> SessionView:
    device = device_of(login.user_agent)
    return SessionView(
        id=login.id,
        user_id=principal.id,
        user_name=principal.name,
        browser=device.browser,
        system=device.system,
        kind=device.kind,
        user_agent=login.user_agent,
        ip=login.ip,
        started_at_ms=login.started_at_ms,
        last_used_at_ms=login.rotated_at_ms,
        expires_at_ms=min(login.idle_expires_at_ms, login.expires_at_ms),
        is_current=login.id == current,
        provider=labels.get(login.provider_id, login.provider_id),
    )
