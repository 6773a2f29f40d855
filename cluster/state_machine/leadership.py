"""Fencing: only the leader of the newest term that took up its duties may command as leader."""

from __future__ import annotations

from cluster.commands.leadership import TakeLeadership
from cluster.commands.outcome import Applied, Code, Outcome, Rejected
from cluster.model.node import LeaderTerm
from cluster.state_machine.entry import Entry
from cluster.state_machine.node_events import note_leader
from cluster.store.records import LEADER_TERM


def fence(entry: Entry, *, is_leader_only: bool) -> Rejected | None:
    """Return why a command may not be applied in the leader's name, or None."""
    if entry.leader_term == 0:
        if is_leader_only:
            return Rejected("only the leader may do this: the command names no leader's term", Code.FENCED)
        return None
    if entry.leader_term > entry.term:
        return Rejected(
            f"the command names leader term {entry.leader_term}, but was proposed in term {entry.term}",
            Code.FENCED,
        )
    newest = LEADER_TERM.get(entry.txn)
    if newest is None or newest.term < entry.leader_term:
        return Rejected(
            f"the leader of term {entry.leader_term} has not taken up its duties: TakeLeadership comes first",
            Code.FENCED,
        )
    if newest.term > entry.leader_term:
        return Rejected(
            f"the leader of term {entry.leader_term} was replaced: {newest.node_id} leads since term"
            f" {newest.term}",
            Code.FENCED,
        )
    return None


def take_leadership(entry: Entry, command: TakeLeadership) -> Outcome:
    if command.term != entry.leader_term or command.term > entry.term:
        return Rejected(
            f"term {command.term} cannot be taken up by a command of leader term {entry.leader_term},"
            f" proposed in term {entry.term}",
            Code.FENCED,
        )
    newest = LEADER_TERM.get(entry.txn)
    if newest is not None:
        if (newest.term, newest.node_id) == (command.term, command.node_id):
            return Applied()
        if newest.term >= command.term:
            return Rejected(
                f"term {command.term} is over: {newest.node_id} leads since term {newest.term}", Code.FENCED
            )
    note_leader(entry, command.node_id, command.term, None if newest is None else newest.node_id)
    LEADER_TERM.put(entry.txn, LeaderTerm(term=command.term, node_id=command.node_id, since_ms=entry.now_ms))
    return Applied()
