"""Letting a host in, on whichever member it asks.

The order: check the request against the token; commit the token's use; commit the node; make it a learner in
Raft; sign its certificate. Each step may be repeated: a host whose answer was lost asks again with the same
request.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from agent.clock import Clock
from agent.ids import Entropy
from agent.node.issuing import authority_of, new_serial, record_certificate
from agent.node.state import NodeState
from cluster.commands import Rejected
from cluster.commands.nodes import RedeemJoinToken, RegisterNode
from cluster.identity.joining import (
    JoinAccepted,
    JoinAnswer,
    JoinMember,
    JoinRequest,
    answer_join,
    check_join_request,
)
from cluster.identity.keyring import Keyring
from cluster.identity.refusal import Refused
from cluster.model.ids import JoinTokenId, NodeId
from cluster.model.node import ClusterIdentity, JoinToken, Node, NodeRole
from cluster.raft.membership import MemberChange, MemberOp, Membership
from cluster.raft.replicator import NotCommitted, OutcomeUnknown, ReadLevel, ReadUnavailable, Replicator
from cluster.store import records

log = logging.getLogger(__name__)

MEMBER_CHANGE_TIMEOUT_S = 10.0
ATTEMPTS = 20


class Admission:
    """The cluster's side of joining."""

    def __init__(
        self,
        *,
        state: NodeState,
        replicator: Replicator,
        keyring: Callable[[], Keyring],
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._state = state
        self._replicator = replicator
        self._keyring = keyring
        self._clock = clock
        self._entropy = entropy

    async def admit(self, request: JoinRequest, *, ip: str) -> JoinAnswer | str:
        """Let the host in, or return why not, in words that are safe to tell a stranger."""
        try:
            await self._state.point(ReadLevel.LINEARIZABLE)
        except ReadUnavailable as error:
            return f"the cluster cannot let a host in now: {error}"
        identity, record, nodes = self._read(request.token_id)
        if identity is None:
            return "this cluster is still being made: try again in a moment"
        accepted = check_join_request(
            request,
            record=record,
            ca_pem=identity.ca_certificates_pem,
            now_ms=self._clock.now_ms(),
        )
        if isinstance(accepted, Refused):
            log.warning("join.refused", extra={"ip": ip, "code": accepted.code, "node": request.node_name})
            return accepted.reason
        taken = self._find_conflict(request, nodes)
        if taken is not None:
            return taken
        try:
            is_repeat = record is not None and NodeId(request.node_id) in record.redeemed_by
            refusal = await self._commit(request, is_known=is_repeat and _has(nodes, request.node_id))
            if refusal is not None:
                return refusal
            await self._add_learner(request)
            answer = await self._answer(accepted, identity)
        except (NotCommitted, OutcomeUnknown) as error:
            return f"the cluster cannot let a host in now: {error}; try again with the same token"
        log.info("join.admitted", extra={"ip": ip, "node_id": request.node_id, "node": request.node_name})
        return answer

    def _read(self, token_id: JoinTokenId) -> tuple[ClusterIdentity | None, JoinToken | None, list[Node]]:
        with self._state.read() as txn:
            return (
                records.CLUSTER.get(txn),
                records.JOIN_TOKENS.get(txn, token_id),
                [node for node in records.NODES.scan(txn) if node.is_member],
            )

    def _find_conflict(self, request: JoinRequest, nodes: list[Node]) -> str | None:
        for node in nodes:
            if node.id == request.node_id:
                continue
            if node.name == request.node_name:
                return f"the name {request.node_name!r} is another host's: set node.name to a different one"
            if node.address == request.peer_address:
                return f"the address {request.peer_address} is another host's ({node.name})"
        return None

    async def _commit(self, request: JoinRequest, *, is_known: bool) -> str | None:
        node_id = NodeId(request.node_id)
        if is_known:
            # The answer was lost: the token's use and the node are committed already.
            return None
        redeemed = await self._state.propose(RedeemJoinToken(token_id=request.token_id, node_id=node_id))
        if isinstance(redeemed, Rejected):
            return redeemed.reason
        registered = await self._state.propose(
            RegisterNode(
                node_id=node_id,
                name=request.node_name,
                address=request.peer_address,
                api_address=request.api_address,
                role=NodeRole.LEARNER,
            )
        )
        return registered.reason if isinstance(registered, Rejected) else None

    async def _add_learner(self, request: JoinRequest) -> None:
        change = MemberChange(MemberOp.LEARNER, request.node_id, request.peer_address)
        for attempt in range(1, ATTEMPTS + 1):
            if self._is_member(request.node_id):
                return
            try:
                await self._replicator.change_members(change, timeout_s=MEMBER_CHANGE_TIMEOUT_S)
                return
            except (NotCommitted, OutcomeUnknown):
                # Most often another host joins at the same moment: one change at a time.
                if attempt == ATTEMPTS:
                    raise
                await self._clock.sleep(0.25)

    def _is_member(self, node_id: str) -> bool:
        engine = self._replicator.status().engine
        members = Membership(engine.voters, engine.learners)
        return members.address_of(node_id) is not None

    async def _answer(self, accepted: JoinAccepted, identity: ClusterIdentity) -> JoinAnswer:
        node_id = accepted.request.node_id
        serial = new_serial(self._entropy)
        answer = answer_join(
            accepted,
            ca=authority_of(identity, self._keyring()),
            trusted_ca_pem=identity.ca_certificates_pem,
            cluster_id=identity.cluster_id,
            cluster_name=identity.name,
            keyring=self._keyring(),
            members=self._members(but=node_id),
            now_ms=self._clock.now_ms(),
            serial=serial,
        )
        await record_certificate(self._state, node_id, serial, answer.certificate_pem)
        return answer

    def _members(self, *, but: str) -> tuple[JoinMember, ...]:
        engine = self._replicator.status().engine
        voters = [(node_id, address, True) for node_id, address in engine.voters.items()]
        learners = [(node_id, address, False) for node_id, address in engine.learners.items()]
        return tuple(
            JoinMember(node_id=node_id, peer_address=address, is_voter=is_voter)
            for node_id, address, is_voter in sorted(voters + learners)
            if node_id != but
        )


def _has(nodes: list[Node], node_id: str) -> bool:
    return any(node.id == node_id for node in nodes)
