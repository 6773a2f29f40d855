"""Handlers of the commands on second factors, and on several logins at once."""

from __future__ import annotations

from dataclasses import replace

from cluster.commands.outcome import Applied, Code, Outcome, Rejected
from cluster.commands.second_factors import EndLogins, PutRecoveryCodes, PutSecondFactor, RemoveSecondFactor
from cluster.model.second_factors import SecondFactor
from cluster.state_machine.access import the_principal
from cluster.state_machine.entry import Entry
from cluster.state_machine.proofs import use_proof
from cluster.store.records import LOGINS, LOGINS_BY_PRINCIPAL, SECOND_FACTORS


def put_second_factor(entry: Entry, command: PutSecondFactor) -> Outcome:
    principal = the_principal(entry, command.principal_id)
    if isinstance(principal, Rejected):
        return principal
    if principal.password_hash is None:
        return Rejected(
            f"{principal.name!r} has no password: whoever says who it is asks for the second factor too",
            Code.INVALID,
        )
    if SECOND_FACTORS.get(entry.txn, principal.id) is not None:
        return Rejected(
            f"{principal.name!r} has an authenticator already: turn that one off first", Code.ALREADY_EXISTS
        )
    SECOND_FACTORS.put(
        entry.txn,
        SecondFactor(
            principal_id=principal.id,
            sealed_secret=command.sealed_secret,
            last_step=command.step,
            recovery_hashes=command.recovery_hashes,
            enrolled_at_ms=entry.now_ms,
        ),
    )
    return Applied()


def remove_second_factor(entry: Entry, command: RemoveSecondFactor) -> Outcome:
    factor = SECOND_FACTORS.get(entry.txn, command.principal_id)
    if factor is None:
        return _no_factor(command.principal_id)
    if command.step or command.recovery_hash:
        used = use_proof(factor, command.step, command.recovery_hash)
        if isinstance(used, Rejected):
            return used
    SECOND_FACTORS.delete(entry.txn, command.principal_id)
    return Applied()


def put_recovery_codes(entry: Entry, command: PutRecoveryCodes) -> Outcome:
    factor = SECOND_FACTORS.get(entry.txn, command.principal_id)
    if factor is None:
        return _no_factor(command.principal_id)
    used = use_proof(factor, command.step, b"")
    if isinstance(used, Rejected):
        return used
    SECOND_FACTORS.put(entry.txn, replace(used, recovery_hashes=command.recovery_hashes))
    return Applied()


def end_logins(entry: Entry, command: EndLogins) -> Outcome:
    principal = the_principal(entry, command.principal_id)
    if isinstance(principal, Rejected):
        return principal
    ended = 0
    for _, login_id in LOGINS_BY_PRINCIPAL.scan(entry.txn, principal.id):
        login = LOGINS.get(entry.txn, login_id)
        if login is not None and login.id != command.but and login.is_live(entry.now_ms):
            LOGINS.put(entry.txn, replace(login, is_revoked=True))
            ended += 1
    return Applied(ended)


def _no_factor(principal_id: str) -> Rejected:
    return Rejected(f"account {principal_id} has no authenticator", Code.NOT_FOUND)
