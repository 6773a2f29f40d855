"""A request of whoever asked for something earlier, as they could make it now."""

from __future__ import annotations

from cluster.model.ids import PrincipalId
from cluster.model.schedules import Asker, NotAdmitted
from cluster.rbac import narrowest
from cluster.store import records
from web.auth.call import Call, Credential, Identity
from web.auth.tool_bounds import EVERY_TOOL, ToolBounds
from web.ports import Surroundings


def asker_of(call: Call) -> Asker:
    """Return who asks, to be asked for again later."""
    identity = call.known()
    return Asker(
        name=identity.name,
        principal_id=identity.principal_id,
        token_prefix=identity.token_prefix or "",
        issuer=identity.issuer,
    )


def call_of(surroundings: Surroundings, asker: Asker, *, via: str) -> Call | NotAdmitted:
    """Return the request as its asker could make it now: with the role and token as they are today.

    Whose account is gone or suspended, or whose token is gone, asks for nothing any more.
    """
    with surroundings.state.read() as txn:
        principal = records.PRINCIPALS.get(txn, asker.principal_id)
        token = records.API_TOKENS.get(txn, asker.token_prefix) if asker.token_prefix else None
        is_taken = any(
            each.token_audience and each.issuer == asker.issuer for each in records.PROVIDERS.scan(txn)
        )
    if principal is None:
        return NotAdmitted(reason=f"{asker.name}, who asked for it, has no account any more")
    if principal.is_suspended:
        return NotAdmitted(
            reason=f"{asker.name}, who asked for it, is let in no more by their identity provider"
        )
    if asker.issuer and not is_taken:
        return NotAdmitted(
            reason=f"tokens of {asker.issuer}, with one of which {asker.name} asked for it, are not taken any"
            " more"
        )
    role, scopes, tools = principal.role, frozenset[str](), EVERY_TOOL
    if asker.token_prefix:
        now_ms = surroundings.clock.now_ms()
        is_over = token is not None and token.expires_at_ms is not None and token.expires_at_ms <= now_ms
        if token is None or token.is_revoked or is_over:
            return NotAdmitted(
                reason=f"API token {asker.token_prefix}, with which {asker.name} asked for it, is not"
                " valid any more"
            )
        role, scopes = narrowest(token.role, principal.role), token.scopes
        tools = ToolBounds(is_read_only=token.is_read_only, toolsets=token.toolsets)
    return Call(
        identity=Identity(
            principal_id=PrincipalId(principal.id),
            name=principal.name,
            role=role,
            credential=_credential_of(asker),
            epoch=principal.epoch,
            token_prefix=None if token is None else token.prefix,
            scopes=scopes,
            tools=tools,
            issuer=asker.issuer,
        ),
        request_id=surroundings.ids.new_id("rq"),
        ip="",
        user_agent="",
        started_s=surroundings.clock.monotonic_s(),
        via=via,
    )


def _credential_of(asker: Asker) -> Credential:
    """What a program asked for stays a program's."""
    if asker.issuer:
        return Credential.PROVIDER_TOKEN
    return Credential.API_TOKEN if asker.token_prefix else Credential.ACCESS_TOKEN
