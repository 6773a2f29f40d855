"""Handlers of the commands on identity providers, their accounts, and the use of tokens."""

from __future__ import annotations

from dataclasses import replace

from cluster.commands.outcome import Applied, Code, Outcome, Rejected
from cluster.commands.sign_in import NoteTokenUses, PutProvider, RemoveProvider, SyncAccount
from cluster.model.access import Principal, Role
from cluster.model.ids import PrincipalId
from cluster.model.sign_in import PROVIDERS_MAX
from cluster.state_machine.access import forget_logins, last_admin
from cluster.state_machine.entry import Entry
from cluster.state_machine.permissions import is_last_administrator
from cluster.store.records import (
    API_TOKENS,
    PRINCIPALS,
    PRINCIPALS_BY_SUBJECT,
    PROVIDERS,
    TOKEN_USES,
    principal_by_name,
    put_principal_name,
)

NAMESAKES_MAX = 99
_NAME_CHARS_MAX = 64


def put_provider(entry: Entry, command: PutProvider) -> Outcome:
    present = PROVIDERS.get(entry.txn, command.provider.id)
    version = 0 if present is None else present.version
    if command.expected_version != version:
        return Rejected(
            f"provider {command.provider.id} is at version {version}, not {command.expected_version}: read it"
            " again",
            Code.VERSION_CONFLICT,
        )
    if present is None and len(PROVIDERS.scan(entry.txn)) >= PROVIDERS_MAX:
        return Rejected(
            f"there are {PROVIDERS_MAX} providers, the most there may be: remove one first", Code.FULL
        )
    PROVIDERS.put(entry.txn, replace(command.provider, version=version + 1, changed_at_ms=entry.now_ms))
    return Applied(version + 1)


def remove_provider(entry: Entry, command: RemoveProvider) -> Outcome:
    if PROVIDERS.get(entry.txn, command.provider_id) is None:
        return Rejected(f"there is no provider {command.provider_id}", Code.NOT_FOUND)
    for principal in PRINCIPALS.scan(entry.txn):
        if principal.provider_id == command.provider_id and not principal.is_suspended:
            if is_last_administrator(entry, principal):
                return last_admin(principal)
            _suspend(entry, principal)
    PROVIDERS.delete(entry.txn, command.provider_id)
    return Applied()


def sync_account(entry: Entry, command: SyncAccount) -> Outcome:
    if PROVIDERS.get(entry.txn, command.provider_id) is None:
        return Rejected(f"there is no provider {command.provider_id}", Code.NOT_FOUND)
    found = PRINCIPALS_BY_SUBJECT.scan(entry.txn, command.subject_key, limit=1)
    if not found:
        return _make(entry, command)
    principal = PRINCIPALS.get(entry.txn, found[0][1])
    assert principal is not None, "an account takes its place in the index with it"
    if command.role is None:
        if is_last_administrator(entry, principal):
            return last_admin(principal)
        if not principal.is_suspended:
            _suspend(entry, principal)
        return Applied(principal.id)
    if command.role is not Role.ADMIN and is_last_administrator(entry, principal):
        return last_admin(principal)
    if principal.role is command.role and principal.provider_id == command.provider_id:
        if principal.is_suspended:
            PRINCIPALS.put(entry.txn, replace(principal, is_suspended=False, changed_at_ms=entry.now_ms))
        return Applied(principal.id)
    PRINCIPALS.put(
        entry.txn,
        replace(
            principal,
            role=command.role,
            provider_id=command.provider_id,
            is_suspended=False,
            epoch=principal.epoch + 1,
            changed_at_ms=entry.now_ms,
        ),
    )
    return Applied(principal.id)


def note_token_uses(entry: Entry, command: NoteTokenUses) -> Outcome:
    for use in command.uses:
        known = TOKEN_USES.get(entry.txn, use.prefix)
        if API_TOKENS.get(entry.txn, use.prefix) is None:
            continue
        if known is None or known.used_at_ms < use.used_at_ms:
            TOKEN_USES.put(entry.txn, use)
    return Applied()


def _make(entry: Entry, command: SyncAccount) -> Outcome:
    if command.role is None:
        return Applied("")
    if PRINCIPALS.get(entry.txn, command.principal_id) is not None:
        return Rejected(f"account {command.principal_id} exists already", Code.ALREADY_EXISTS)
    name = _free_name(entry, command.name)
    if name is None:
        return Rejected(f"too many accounts are called {command.name!r}", Code.FULL)
    principal = Principal(
        id=PrincipalId(command.principal_id),
        name=name,
        role=command.role,
        password_hash=None,
        epoch=1,
        created_at_ms=entry.now_ms,
        changed_at_ms=entry.now_ms,
        provider_id=command.provider_id,
        subject_key=command.subject_key,
    )
    PRINCIPALS.put(entry.txn, principal)
    put_principal_name(entry.txn, principal)
    PRINCIPALS_BY_SUBJECT.add(entry.txn, command.subject_key, principal.id)
    return Applied(principal.id)


def _free_name(entry: Entry, wanted: str) -> str | None:
    for number in range(1, NAMESAKES_MAX + 1):
        ending = "" if number == 1 else f"-{number}"
        name = wanted[: _NAME_CHARS_MAX - len(ending)] + ending
        if principal_by_name(entry.txn, name) is None:
            return name
    return None


def _suspend(entry: Entry, principal: Principal) -> None:
    PRINCIPALS.put(
        entry.txn,
        replace(principal, is_suspended=True, epoch=principal.epoch + 1, changed_at_ms=entry.now_ms),
    )
    forget_logins(entry, principal.id)
