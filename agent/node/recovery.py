"""Going on with this host alone, after a majority of the voters was lost for good.

The log goes on with this node as its only voter; every other member is marked as removed, so that a lost
host that comes back is told to wipe itself. What the state says of the lost hosts follows with the first
steps, once this node leads.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass

from agent.clock import Clock
from agent.ids import Entropy, new_id
from agent.keys.identity import NodeIdentity
from agent.node.directory import NodeDirectory
from agent.node.founding import read_first_steps, write_first_steps
from cluster.commands.audit import RecordAudit
from cluster.commands.nodes import RemoveNode
from cluster.model.audit import AuditOutcome, AuditRecord, AuditStamp
from cluster.model.ids import NodeId
from cluster.raft.journal import Journal
from cluster.raft.log_storage import LmdbLog
from cluster.raft.membership import MemberChange, MemberOp, Membership, decode_membership
from cluster.raft.transport import parse_address

PROBE_TIMEOUT_S = 3.0


class RecoveryRefused(Exception):
    """The cluster can still decide for itself, or there is nothing to recover; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was done: who is gone, and how many log entries nobody knows to be committed were kept."""

    removed: tuple[str, ...]
    kept_entries: int


def recover(
    directory: NodeDirectory,
    identity: NodeIdentity,
    *,
    context: ssl.SSLContext,
    clock: Clock,
    entropy: Entropy,
) -> Recovered:
    """Make this node the only voter. The agent must not run (the log's lock says so). Blocking.

    Raises:
        RecoveryRefused: a majority of the voters answers, or this node has no membership to change.
    """
    storage = LmdbLog(directory.log)
    try:
        journal = Journal(storage)
        members = decode_membership(journal.base_members).after_entries(journal.membership_entries())
        own_address = members.address_of(identity.node_id)
        if own_address is None:
            raise RecoveryRefused("this node is in no membership it knows of: there is nothing to go on with")
        answering = [
            node_id
            for node_id, address in members.voters.items()
            if node_id != identity.node_id and _answers(address, context)
        ]
        if len(answering) + (identity.node_id in members.voters) >= members.quorum:
            raise RecoveryRefused(
                f"{len(answering)} other voters answer ({', '.join(sorted(answering))}): a majority is "
                "there, so nothing is lost; use `tower node rm` for the hosts that are gone"
            )
        recovered = _rewrite(journal, identity.node_id, own_address, members)
    finally:
        storage.close()
    # After the log: a crash in between leaves lost hosts in the lists, from where `tower node rm` takes them.
    now_ms = clock.now_ms()
    request_id = new_id("rq", now_ms=now_ms, entropy=entropy)
    lost = [RemoveNode(node_id=NodeId(node_id), reason="lost") for node_id in recovered.removed]
    steps = [*read_first_steps(directory), *lost, _record(identity.node_id, recovered, request_id, now_ms)]
    write_first_steps(directory, steps, now_ms=now_ms)
    return recovered


def _record(node_id: str, recovered: Recovered, request_id: str, now_ms: int) -> RecordAudit:
    """What the audit keeps of it. Whoever may read this host's directory may recover; nobody logs in."""
    reason = (
        f"`tower recover` on this host: {len(recovered.removed)} lost hosts removed, "
        f"{recovered.kept_entries} entries kept that nobody knew to be committed"
    )
    stamp = AuditStamp(
        principal="",
        principal_name="",
        action="cluster.recover",
        resource=f"node:{node_id}",
        is_allowed=True,
        reason=reason,
        ip="",
        user_agent="",
        duration_ms=0,
        request_id=request_id,
        node=node_id,
    )
    return RecordAudit(
        records=(AuditRecord(stamp=stamp, outcome=AuditOutcome.APPLIED, happened_at_ms=now_ms),)
    )


def _rewrite(journal: Journal, node_id: str, address: str, members: Membership) -> Recovered:
    """Append the changes that leave this node alone, in a term of their own."""
    term = max(journal.getCurrentTerm(), journal.last_term) + 1
    others = sorted([other for other in (*members.voters, *members.learners) if other != node_id])
    changes = [MemberChange(MemberOp.VOTER, node_id, address)]
    changes += [MemberChange(MemberOp.REMOVE, other) for other in others]
    first = journal.last_index + 1
    journal.setCurrentTerm(term, node_id)
    for index, change in enumerate(changes, start=first):
        journal.add(change.encode(), index, term)
    kept = journal.last_index - journal.getRaftCommitIndex()
    # All of the log counts from here on: this node alone is the quorum.
    journal.setRaftCommitIndex(journal.last_index)
    journal.sync()
    return Recovered(removed=tuple(others), kept_entries=kept - len(changes))


def _answers(address: str, context: ssl.SSLContext) -> bool:
    host, port = parse_address(address)
    try:
        with (
            socket.create_connection((host, port), timeout=PROBE_TIMEOUT_S) as connection,
            context.wrap_socket(connection, server_hostname=host),
        ):
            return True
    except OSError:
        return False
