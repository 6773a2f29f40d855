"""Letting hosts in: the tokens they join with, and joining itself."""

from __future__ import annotations

from cluster.commands.nodes import CreateJoinToken, RevokeJoinToken
from cluster.identity.certificates import fingerprint, split_pems
from cluster.identity.join_tokens import SECRET_BYTES, TOKEN_ID_BYTES, format_join_token, new_join_token
from cluster.identity.joining import JoinAnswer, JoinRequest
from cluster.model.audit import AuditOutcome, AuditRecord
from cluster.model.ids import JoinTokenId
from cluster.model.node import ClusterIdentity, JoinToken
from cluster.rbac import Decision
from cluster.store import records
from web.auth.authority import Permit, stamp_of
from web.auth.call import Call
from web.auth.problems import Problem
from web.ports import Surroundings
from web.tools.context import Context
from web.tools.references import is_key
from web.tools.views import JoinTokenMade, JoinTokenView

JOIN = "node.join"


def get_ca(surroundings: Surroundings) -> str:
    """Return the certificates (PEM) the cluster trusts, for anybody. Raises Problem while there are none."""
    return _identity(surroundings).ca_certificates_pem


async def list_join_tokens(context: Context, call: Call) -> list[JoinTokenView]:
    """Return the join tokens, newest first, without their secrets."""
    await context.authority.require(call, "join-token.read", "join-token")
    now_ms = context.surroundings.clock.now_ms()
    with context.surroundings.state.read() as txn:
        tokens = records.JOIN_TOKENS.scan(txn)
    tokens.sort(key=lambda token: (token.created_at_ms, token.id), reverse=True)
    return [
        JoinTokenView(
            id=token.id,
            state=_state(token, now_ms),
            learner=token.is_learner,
            uses_left=token.uses_left,
            expires_at_ms=token.expires_at_ms,
            created_at_ms=token.created_at_ms,
            created_by=token.created_by,
            redeemed_by=token.redeemed_by,
        )
        for token in tokens
    ]


async def create_join_token(
    context: Context, call: Call, *, ttl_s: int, uses: int, is_learner: bool
) -> JoinTokenMade:
    """Make a join token; its text is nowhere but in the answer. Raises Problem."""
    await context.authority.require(call, "join-token.create", "join-token")
    surroundings = context.surroundings
    ca_pem = split_pems(_identity(surroundings).ca_certificates_pem)[0]
    plain, token = new_join_token(
        ca_fingerprint=fingerprint(ca_pem),
        token_id_seed=surroundings.ids.token_bytes(TOKEN_ID_BYTES),
        secret=surroundings.ids.token_bytes(SECRET_BYTES),
        created_by=call.known().name,
        now_ms=surroundings.clock.now_ms(),
        ttl_ms=ttl_s * 1000,
        uses=uses,
        is_learner=is_learner,
    )

    async def change(permit: Permit) -> None:
        await permit.propose(
            CreateJoinToken(
                token_id=token.id,
                secret_hash=token.secret_hash,
                is_learner=token.is_learner,
                expires_at_ms=token.expires_at_ms,
                uses=uses,
                created_by=token.created_by,
            )
        )

    await context.authority.perform(call, "join-token.create", f"join-token:{token.id}", change)
    return JoinTokenMade(
        id=token.id,
        token=format_join_token(plain),
        expires_at_ms=token.expires_at_ms,
        uses=uses,
        learner=is_learner,
    )


async def revoke_join_token(context: Context, call: Call, token_id: str) -> None:
    """Make a join token useless. Raises Problem (404)."""
    resource = f"join-token:{token_id}"
    await context.authority.require(call, "join-token.revoke", resource)
    with context.surroundings.state.read() as txn:
        token = records.JOIN_TOKENS.get(txn, token_id) if is_key(token_id) else None
    if token is None:
        raise Problem(
            "not-found", f"there is no join token {token_id[:80]!r}", hint="`tower token list` lists them"
        )
    command = RevokeJoinToken(token_id=JoinTokenId(token.id))
    await context.authority.perform(
        call, "join-token.revoke", resource, lambda permit: permit.propose(command)
    )


async def join(context: Context, call: Call, request: JoinRequest) -> JoinAnswer:
    """Let a host in that proves a join token.

    Raises Problem (403) with the cluster's reason. The host asks again when the answer is lost, or when the
    record could not be written.
    """
    surroundings = context.surroundings
    answer = await surroundings.cluster.join(request, ip=call.ip)
    if isinstance(answer, str):
        context.authority.strangers.count(JOIN, "node", "the join request was refused")
        raise Problem("forbidden", answer)
    decision = Decision(True, f"join token {request.token_id}, which its host proved to hold")
    await surroundings.state.record_audit(
        AuditRecord(
            stamp=stamp_of(surroundings, call, JOIN, f"node:{request.node_name}", decision),
            outcome=AuditOutcome.APPLIED,
            happened_at_ms=surroundings.clock.now_ms(),
        )
    )
    return answer


def _identity(surroundings: Surroundings) -> ClusterIdentity:
    with surroundings.state.read() as txn:
        identity = records.CLUSTER.get(txn)
    if identity is None:
        raise Problem("unavailable", "this cluster is still being made", retry_after_s=2)
    return identity


def _state(token: JoinToken, now_ms: int) -> str:
    if token.is_revoked:
        return "revoked"
    if now_ms >= token.expires_at_ms:
        return "expired"
    return "active" if token.uses_left > 0 else "used-up"
