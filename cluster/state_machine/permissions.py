"""Handlers of the commands on roles and bindings. An administrator whom nothing is denied always remains."""

from __future__ import annotations

from dataclasses import replace

from cluster.commands.outcome import Applied, Code, Outcome, Rejected
from cluster.commands.permissions import PutBinding, PutCustomRole, RemoveBinding, RemoveCustomRole
from cluster.model.access import Principal, Role
from cluster.model.ids import PrincipalId, TokenPrefix
from cluster.model.permissions import (
    BINDINGS_OF_HOLDER_MAX,
    CUSTOM_ROLES_MAX,
    CustomRole,
    Holder,
    HolderKind,
)
from cluster.state_machine.entry import Entry
from cluster.store.records import API_TOKENS, BINDINGS, CUSTOM_ROLES, PRINCIPALS

_BUILT_IN = frozenset(role.value for role in Role)


def put_custom_role(entry: Entry, command: PutCustomRole) -> Outcome:
    wanted = command.role
    is_new = CUSTOM_ROLES.get(entry.txn, wanted.name) is None
    if is_new and len(CUSTOM_ROLES.scan(entry.txn)) >= CUSTOM_ROLES_MAX:
        return Rejected(
            f"there are {CUSTOM_ROLES_MAX} roles, the most there may be: remove one first", Code.INVALID
        )
    had = _full_administrators(entry, denying=frozenset())
    if wanted.denies and had and not _full_administrators(entry, denying=frozenset({wanted.name})):
        return _nobody_left(f"role {wanted.name}")
    CUSTOM_ROLES.put(entry.txn, replace(wanted, changed_at_ms=entry.now_ms))
    return Applied()


def remove_custom_role(entry: Entry, command: RemoveCustomRole) -> Outcome:
    if CUSTOM_ROLES.get(entry.txn, command.name) is None:
        return Rejected(f"there is no role {command.name} that somebody made", Code.NOT_FOUND)
    bound = sorted({str(each.holder) for each in BINDINGS.scan(entry.txn) if each.role == command.name})
    if bound:
        shown = ", ".join(bound[:5]) + (f" and {len(bound) - 5} more" if len(bound) > 5 else "")
        return Rejected(f"role {command.name} is bound to {shown}: remove those bindings first", Code.IN_USE)
    CUSTOM_ROLES.delete(entry.txn, command.name)
    return Applied()


def put_binding(entry: Entry, command: PutBinding) -> Outcome:
    wanted = command.binding
    refused = _check_holder(entry, wanted.holder)
    if refused is not None:
        return refused
    role: CustomRole | None = None
    if wanted.role not in _BUILT_IN:
        role = CUSTOM_ROLES.get(entry.txn, wanted.role)
        if role is None:
            return Rejected(f"there is no role {wanted.role}: put that first", Code.NOT_FOUND)
    known = BINDINGS.scan(entry.txn, str(wanted.holder))
    if len(known) >= BINDINGS_OF_HOLDER_MAX and all(each.id != wanted.id for each in known):
        return Rejected(
            f"{wanted.holder} has {BINDINGS_OF_HOLDER_MAX} bindings, the most there may be", Code.INVALID
        )
    if role is not None and role.denies and wanted.holder.kind is HolderKind.USER:
        full = _full_administrators(entry, denying=frozenset())
        if full and not full - {PrincipalId(wanted.holder.id)}:
            return _nobody_left(f"role {role.name} for {wanted.holder}")
    BINDINGS.put(entry.txn, replace(wanted, created_at_ms=entry.now_ms))
    return Applied()


def remove_binding(entry: Entry, command: RemoveBinding) -> Outcome:
    if BINDINGS.get(entry.txn, str(command.holder), command.binding_id) is None:
        return Rejected(f"{command.holder} has no binding {command.binding_id}", Code.NOT_FOUND)
    BINDINGS.delete(entry.txn, str(command.holder), command.binding_id)
    return Applied()


def forget_bindings(entry: Entry, holder: Holder) -> None:
    """Remove what is bound to a holder that is gone."""
    for binding in BINDINGS.scan(entry.txn, str(holder)):
        BINDINGS.delete(entry.txn, str(holder), binding.id)


def is_last_administrator(entry: Entry, principal: Principal) -> bool:
    """Whether nobody would be left who may do everything, if it were not for this account."""
    # The role first: whoever comes through an identity provider is asked about at each login.
    if principal.role is not Role.ADMIN:
        return False
    return not _full_administrators(entry, denying=frozenset()) - {principal.id}


def highest_for_tokens(entry: Entry, principal: Principal) -> Role:
    """Return the highest role a token of this account may have: what it may is its owner's anyway.

    A role somebody made counts as an operator's.
    """
    bound = (
        Role(each.role) if each.role in _BUILT_IN else Role.OPERATOR
        for each in BINDINGS.scan(entry.txn, str(Holder(kind=HolderKind.USER, id=principal.id)))
    )
    return max((principal.role, *bound), key=lambda role: role.rank)


def _check_holder(entry: Entry, holder: Holder) -> Rejected | None:
    if holder.kind is HolderKind.USER:
        if PRINCIPALS.get(entry.txn, PrincipalId(holder.id)) is None:
            return Rejected(f"account {holder.id} is not known", Code.NOT_FOUND)
        return None
    token = API_TOKENS.get(entry.txn, TokenPrefix(holder.id))
    if token is None or token.is_revoked:
        return Rejected(f"API token {holder.id} is not known, or was revoked", Code.NOT_FOUND)
    return None


def _full_administrators(entry: Entry, *, denying: frozenset[str]) -> set[PrincipalId]:
    """Return the administrators whom no role denies anything; `denying` are roles that are about to."""
    deny = denying | {role.name for role in CUSTOM_ROLES.scan(entry.txn) if role.denies}
    denied = {
        each.holder.id
        for each in BINDINGS.scan(entry.txn)
        if each.role in deny and each.holder.kind is HolderKind.USER
    }
    return {
        principal.id
        for principal in PRINCIPALS.scan(entry.txn)
        if principal.role is Role.ADMIN and principal.id not in denied and not principal.is_suspended
    }


def _nobody_left(what: str) -> Rejected:
    return Rejected(
        f"{what} would deny something to the last administrator: make another one first", Code.IN_USE
    )
