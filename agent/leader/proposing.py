"""Proposing in the name of a term's leader."""

from __future__ import annotations

from agent.leader.ports import State
from cluster.commands import Code, Outcome, Rejected


class LeadershipOver(Exception):
    """The log has a newer leader: nothing this one does counts any more."""


async def propose_as_leader(state: State, command: object, *, term: int, timeout_s: float) -> Outcome:
    """Have a command applied as the leader of `term`.

    Raises:
        LeadershipOver: a newer leader has taken up its duties.
        NotCommitted, OutcomeUnknown: as the state does.
    """
    outcome = await state.propose(command, leader_term=term, timeout_s=timeout_s)
    if isinstance(outcome, Rejected) and outcome.code is Code.FENCED:
        raise LeadershipOver(outcome.reason)
    return outcome
