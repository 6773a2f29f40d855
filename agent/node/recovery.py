"""Going on with this host alone, after a majority of the voters was lost for good.

The log gets a new beginning at the applied state, with this node as its only voter; every other member is
marked as removed, so that a lost host that comes back is told to wipe itself and cannot form a second
cluster.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass

from agent.keys.identity import NodeIdentity
from agent.node.directory import NodeDirectory
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


def recover(directory: NodeDirectory, identity: NodeIdentity, *, context: ssl.SSLContext) -> Recovered:
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
        return _rewrite(journal, identity.node_id, own_address, members)
    finally:
        storage.close()


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
