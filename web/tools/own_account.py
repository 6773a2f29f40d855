"""One's own account: what it is, its authenticator and recovery codes; and another's that was lost."""

from __future__ import annotations

from cluster.commands.second_factors import EndLogins, RemoveSecondFactor
from cluster.model.access import Principal
from cluster.store import records
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import Problem, invalid
from web.auth.second_factors import Enrolment
from web.tools.account_views import (
    AccountView,
    EnrolmentView,
    QrView,
    RecoveryCodesView,
    SecondFactorView,
)
from web.tools.accounts import check_not_above, find_user
from web.tools.context import Context


async def get_account(context: Context, call: Call) -> AccountView:
    """Return who one is here."""
    principal = _own(context, call)
    await context.authority.require(call, "account.read", f"account:{principal.id}")
    with context.surroundings.state.read() as txn:
        provider = records.PROVIDERS.get(txn, principal.provider_id) if principal.provider_id else None
    return AccountView(
        id=principal.id,
        name=principal.name,
        role=principal.role,
        has_password=principal.password_hash is not None,
        provider=principal.provider_id if provider is None else provider.label,
        provider_id=principal.provider_id,
        created_at_ms=principal.created_at_ms,
        second_factor=_factor_view(context, principal),
    )


async def begin_enrolment(context: Context, call: Call, *, password: str) -> EnrolmentView:
    """Return a new authenticator to be. The password is asked for: a login left open must not lock its owner
    out. Raises Problem.
    """
    principal = _own_login(context, call, "enrol an authenticator")
    action, resource = "account.enrol-second-factor", f"account:{principal.id}"
    await context.authority.require(call, action, resource)
    if principal.password_hash is None:
        raise Problem(
            "conflict",
            "this account has no password: its identity provider asks for a second factor itself",
            hint="turn it on there",
        )
    if context.sessions.factors.of(principal.id) is not None:
        raise Problem(
            "conflict", "there is an authenticator already", hint="turn it off first, with a code of it"
        )
    if not await context.sessions.confirm_password(call, password):
        context.authority.strangers.count(action, resource, "the present password is wrong")
        raise invalid("password", "is not the present password")
    return enrolment_view(context.sessions.factors.offer(principal))


async def confirm_enrolment(context: Context, call: Call, *, ticket: str, code: str) -> RecoveryCodesView:
    """Keep the authenticator the ticket holds, now that a code of it is here. Raises Problem."""
    principal = _own_login(context, call, "enrol an authenticator")
    action, resource = "account.enrol-second-factor", f"account:{principal.id}"
    await context.authority.require(call, action, resource)
    shown = context.sessions.factors.confirm(principal.id, ticket, code, is_login=False)
    if shown is None:
        raise invalid(
            "code", "is not the authenticator's", hint="check that the clock of its device is right"
        )
    await context.authority.perform(call, action, resource, lambda permit: permit.propose(shown.command))
    return RecoveryCodesView(recovery_codes=shown.recovery_codes)


async def remove_own(context: Context, call: Call, *, code: str) -> None:
    """Turn one's own authenticator off, with a code of it or a recovery code. Raises Problem."""
    principal = _own_login(context, call, "turn an authenticator off")
    action, resource = "account.remove-second-factor", f"account:{principal.id}"
    await context.authority.require(call, action, resource)
    if context.sessions.factors.is_required(principal):
        raise Problem(
            "conflict",
            "the cluster's settings require a second factor of this account",
            hint="an administrator may reset it; it is enrolled anew at the next login then",
        )
    proof = await context.sessions.confirm_code(call, principal, code)
    factor = context.sessions.factors.of(principal.id)
    if factor is None:
        raise Problem("conflict", "the authenticator was turned off at the same moment")
    command = context.sessions.factors.removal(factor, proof)
    await context.authority.perform(call, action, resource, lambda permit: permit.propose(command))


async def renew_recovery_codes(context: Context, call: Call, *, code: str) -> RecoveryCodesView:
    """Return new recovery codes in place of all earlier ones, for a code of the authenticator."""
    principal = _own_login(context, call, "make recovery codes")
    action, resource = "account.renew-recovery-codes", f"account:{principal.id}"
    await context.authority.require(call, action, resource)
    proof = await context.sessions.confirm_code(call, principal, code)
    if proof.recovery_hash:
        raise invalid("code", "is a recovery code: a code of the authenticator is needed here")
    factor = context.sessions.factors.of(principal.id)
    if factor is None:
        raise Problem("conflict", "the authenticator was turned off at the same moment")
    command, codes = context.sessions.factors.renewal(factor, proof)
    await context.authority.perform(call, action, resource, lambda permit: permit.propose(command))
    return RecoveryCodesView(recovery_codes=codes)


async def reset_other(context: Context, call: Call, reference: str) -> None:
    """Forget the authenticator of somebody who lost it, and end their logins. Raises Problem."""
    await context.authority.require(call, "user.reset-second-factor", f"user:{reference}")
    principal = find_user(context.surroundings, reference)
    if context.sessions.factors.of(principal.id) is None:
        raise Problem("not-found", f"{principal.name} has no authenticator")
    await check_not_above(context, call, "user.reset-second-factor", principal)

    async def change(permit: Permit) -> None:
        await permit.propose(RemoveSecondFactor(principal_id=principal.id))
        # Whoever has it now may be logged in with it.
        await permit.propose(EndLogins(principal_id=principal.id))

    await context.authority.perform(call, "user.reset-second-factor", f"user:{principal.id}", change)


async def forget_failures(context: Context, call: Call, reference: str) -> None:
    """Let somebody log in at this host at once who was made to wait. Raises Problem."""
    await context.authority.require(call, "user.forget-failures", f"user:{reference}")
    principal = find_user(context.surroundings, reference)

    async def change(permit: Permit) -> None:
        async with permit.acting():
            context.sessions.forget_failures(principal.name)

    await context.authority.perform(call, "user.forget-failures", f"user:{principal.id}", change)


def enrolment_view(enrolment: Enrolment) -> EnrolmentView:
    """Return what is shown of an authenticator to be."""
    return EnrolmentView(
        secret=enrolment.secret,
        uri=enrolment.uri,
        qr=QrView(size=enrolment.qr.size, path=enrolment.qr.path),
        ticket=enrolment.ticket,
        expires_in_s=enrolment.expires_in_s,
    )


def _factor_view(context: Context, principal: Principal) -> SecondFactorView:
    factor = context.sessions.factors.of(principal.id)
    return SecondFactorView(
        is_enrolled=factor is not None,
        is_required=context.sessions.factors.is_required(principal),
        enrolled_at_ms=None if factor is None else factor.enrolled_at_ms,
        recovery_codes_left=0 if factor is None else len(factor.recovery_hashes),
    )


def _own(context: Context, call: Call) -> Principal:
    return find_user(context.surroundings, call.known().principal_id)


def _own_login(context: Context, call: Call, what: str) -> Principal:
    # A leaked token must not be able to make itself outlive its owner's measures.
    if call.known().is_program:
        raise Problem("forbidden", f"an API token cannot {what}", hint="log in with the password")
    return _own(context, call)
