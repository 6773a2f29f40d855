"""Roles that people make, and bindings to part of the cluster. Nobody gives what they do not hold."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from cluster.commands.permissions import PutBinding, PutCustomRole, RemoveBinding, RemoveCustomRole
from cluster.model.access import Role
from cluster.model.permissions import (
    AccessScope,
    Binding,
    CustomRole,
    Holder,
    HolderKind,
    Hours,
    Permission,
    PermissionEffect,
)
from cluster.rbac.grants import matching, permissions_of_built_in
from cluster.rbac.hours import check_zone, is_within, read_zones
from cluster.store import ReadTxn, records
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import FieldError, Problem, invalid
from web.tools.accounts import find_user
from web.tools.context import Context
from web.tools.permission_views import (
    ActionView,
    BindingView,
    RoleView,
    action_views,
    binding_view,
    custom_role_view,
)
from web.tools.references import is_key

ROLE_READ, ROLE_PUT, ROLE_REMOVE = "role.read", "role.put", "role.remove"
READ, PUT, REMOVE = "binding.read", "binding.put", "binding.remove"
_BUILT_IN = tuple(role for role in Role if role is not Role.NONE)


async def list_roles(context: Context, call: Call) -> list[RoleView]:
    """Return the built-in roles, least first, and then the others by name."""
    await context.authority.require(call, ROLE_READ, "role")
    with context.surroundings.state.read() as txn:
        bound = Counter(binding.role for binding in records.BINDINGS.scan(txn))
        made = records.CUSTOM_ROLES.scan(txn)
    built_in = [
        RoleView(
            name=role.value,
            is_built_in=True,
            permissions=(),
            actions=permissions_of_built_in(role),
            note="",
            by="",
            changed_at_ms=0,
            bindings=bound[role.value],
        )
        for role in _BUILT_IN
    ]
    return [*built_in, *(custom_role_view(role, _allowed_by(role), bound[role.name]) for role in made)]


async def list_actions(context: Context, call: Call) -> list[ActionView]:
    """Return what there is to allow and deny."""
    await context.authority.require(call, ROLE_READ, "role")
    return action_views()


async def put_role(
    context: Context, call: Call, name: str, *, permissions: Sequence[Permission], note: str
) -> RoleView:
    """Make a role, or set everything of one anew. Raises Problem.

    Who does needs to hold all that it allows, and all that it denied before.
    """
    await context.authority.require(call, ROLE_PUT, f"role:{name}")
    for permission in permissions:
        _check_actions(permission)
        await _check_hours(permission.hours)
    try:
        role = CustomRole(name=name, permissions=tuple(permissions), note=note, by=call.known().name)
        command = PutCustomRole(role=role)
    except ValueError as error:
        raise _wrong(error) from error
    with context.surroundings.state.read() as txn:
        before = records.CUSTOM_ROLES.get(txn, name) if is_key(name) else None
    holder = Holder(kind=HolderKind.USER, id=call.known().principal_id)
    trial = Binding(id="trial", holder=holder, role=name)
    await _check_held(context, call, ROLE_PUT, f"role:{name}", trial, role)
    if before is not None:
        await _check_undenied(context, call, ROLE_PUT, f"role:{name}", trial, before)
    await context.authority.perform(call, ROLE_PUT, f"role:{name}", lambda permit: permit.propose(command))
    return next(view for view in await list_roles(context, call) if view.name == name)


async def remove_role(context: Context, call: Call, name: str) -> None:
    """Forget a role that is bound to nobody. Raises Problem (404, 409)."""
    await context.authority.require(call, ROLE_REMOVE, f"role:{name}")
    try:
        command = RemoveCustomRole(name=name)
    except ValueError as error:
        raise _wrong(error) from error
    if name in tuple(Role):
        raise invalid("role", "is built in and stays as it is", value=name)
    await context.authority.perform(call, ROLE_REMOVE, f"role:{name}", lambda permit: permit.propose(command))


async def list_bindings(context: Context, call: Call, *, user: str, token: str) -> list[BindingView]:
    """Return bindings by who holds them: of one account ("me": one's own), of one API token, or all."""
    identity = call.known()
    if user in ("me", identity.principal_id):
        await context.authority.require(call, "account.read", f"account:{identity.principal_id}")
        user = identity.principal_id
    else:
        await context.authority.require(call, READ, "binding")
    holder = _holder(context, user=user, token=token) if user or token else None
    now_ms = context.surroundings.clock.now_ms()
    prefix = () if holder is None else (str(holder),)
    with context.surroundings.state.read() as txn:
        found = records.BINDINGS.scan(txn, *prefix)
    await asyncio.to_thread(read_zones, [hours for binding in found for hours in binding.hours])
    with context.surroundings.state.read() as txn:
        return [_view(txn, binding, now_ms) for binding in found]


async def put_binding(
    context: Context,
    call: Call,
    *,
    user: str,
    token: str,
    role: str,
    scope: AccessScope,
    hours: Sequence[Hours],
    note: str,
) -> BindingView:
    """Bind a role to an account or API token, for what is in `scope`. Raises Problem.

    Who does needs to hold there all that the role allows.
    """
    await context.authority.require(call, PUT, "binding")
    identity = call.known()
    if identity.is_program:
        raise Problem("forbidden", "an API token cannot bind roles", hint="log in with the password")
    if bool(user) == bool(token):
        raise invalid("user", "name one account or one API token")
    holder = _holder(context, user=user, token=token)
    await _check_hours(tuple(hours))
    try:
        binding = Binding(
            id=context.surroundings.ids.new_id("bd"),
            holder=holder,
            role=role,
            scope=scope,
            hours=tuple(hours),
            note=note,
            by=identity.name,
        )
    except ValueError as error:
        raise _wrong(error) from error
    resource = f"binding:{holder}/{binding.id}"
    with context.surroundings.state.read() as txn:
        custom = records.CUSTOM_ROLES.get(txn, role)
    if custom is None and role not in _BUILT_IN:
        raise Problem(
            "not-found",
            f"there is no role {role[:80]!r}",
            hint="`tower role list` lists them",
            errors=(FieldError(field="role", rule="a role that is there", value=role[:80]),),
        )
    await _check_held(context, call, PUT, resource, binding, custom)

    async def change(permit: Permit) -> None:
        await permit.propose(PutBinding(binding=binding), resource=resource, reason=f"{role} on {scope}")

    await context.authority.perform(call, PUT, "binding", change)
    now_ms = context.surroundings.clock.now_ms()
    with context.surroundings.state.read() as txn:
        return _view(txn, records.BINDINGS.get(txn, str(holder), binding.id) or binding, now_ms)


async def remove_binding(context: Context, call: Call, binding_id: str) -> None:
    """Take a binding away. Raises Problem (404).

    Taking away what denies needs all that it denies to be held, for it gives as much.
    """
    await context.authority.require(call, REMOVE, f"binding:{binding_id}")
    with context.surroundings.state.read() as txn:
        binding = next((each for each in records.BINDINGS.scan(txn) if each.id == binding_id), None)
        custom = None if binding is None else records.CUSTOM_ROLES.get(txn, binding.role)
    if binding is None:
        raise Problem(
            "not-found", f"there is no binding {binding_id[:80]!r}", hint="`tower binding list` lists them"
        )
    if custom is not None:
        await _check_undenied(context, call, REMOVE, f"binding:{binding_id}", binding, custom)
    command = RemoveBinding(holder=binding.holder, binding_id=binding.id)
    await context.authority.perform(
        call,
        REMOVE,
        f"binding:{binding_id}",
        lambda permit: permit.propose(command, resource=f"binding:{binding.holder}/{binding.id}"),
    )


async def _check_held(
    context: Context, call: Call, action: str, resource: str, binding: Binding, role: CustomRole | None
) -> None:
    lacked = context.authority.powers(call).lacks_of(binding, () if role is None else (role,))
    if lacked is not None:
        await context.authority.refuse(
            call,
            action,
            resource,
            f"role {binding.role} gives {lacked}, which you do not hold there yourself",
        )


async def _check_undenied(
    context: Context, call: Call, action: str, resource: str, binding: Binding, role: CustomRole
) -> None:
    lacked = context.authority.powers(call).lacks_of(binding, (role,), undenied=True)
    if lacked is not None:
        await context.authority.refuse(
            call, action, resource, f"role {role.name} denies {lacked}, which you do not hold there yourself"
        )


def _allowed_by(role: CustomRole) -> tuple[str, ...]:
    patterns = [
        pattern
        for permission in role.permissions
        if permission.effect is PermissionEffect.ALLOW
        for pattern in permission.actions
    ]
    return tuple(sorted(action.name for action in matching(patterns)))


def _check_actions(permission: Permission) -> None:
    for pattern in permission.actions:
        if not matching((pattern,)):
            raise invalid(
                "permissions.actions",
                "names no action there is",
                value=pattern,
                hint="`tower role actions` lists them",
            )


async def _check_hours(hours: Sequence[Hours]) -> None:
    for each in hours:
        try:
            # A zone is a file, and this one is named by a stranger to this process.
            await asyncio.to_thread(check_zone, each.tz)
        except ValueError as error:
            raise invalid("hours.tz", str(error), value=each.tz) from error


def _holder(context: Context, *, user: str, token: str) -> Holder:
    if user:
        return Holder(kind=HolderKind.USER, id=find_user(context.surroundings, user).id)
    with context.surroundings.state.read() as txn:
        found = records.API_TOKENS.get(txn, token) if is_key(token) else None
    if found is None or found.is_revoked:
        raise Problem("not-found", f"there is no API token {token[:80]!r}")
    return Holder(kind=HolderKind.TOKEN, id=found.prefix)


def _view(txn: ReadTxn, binding: Binding, now_ms: int) -> BindingView:
    if binding.holder.kind is HolderKind.USER:
        principal = records.PRINCIPALS.get(txn, binding.holder.id)
        name = "" if principal is None else principal.name
    else:
        token = records.API_TOKENS.get(txn, binding.holder.id)
        name = "" if token is None else token.name
    in_force = not binding.hours or is_within(binding.hours, now_ms) is True
    return binding_view(binding, name, is_in_force=in_force)


def _wrong(error: ValueError) -> Problem:
    field, _, rule = str(error).partition(":")
    return Problem("invalid", str(error), errors=(FieldError(field=field.split()[0], rule=rule.strip()),))
