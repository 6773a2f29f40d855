"""Proposing in the name of a term's leader."""

from __future__ import annotations

from agent.leader.ports import AuditedState, State
from cluster.commands import Code, Outcome, Rejected
from cluster.model.audit import AuditStamp


class LeadershipOver(Exception):
    """The log has a newer leader: nothing this one does counts any more."""


async def propose_as_leader(state: State, command: object, *, term: int, timeout_s: float) -> Outcome:
    """Have a command applied as the leader of `term`.

    Raises:
        LeadershipOver: a newer leader has taken up its duties.
        NotCommitted, OutcomeUnknown: as the state does.
    """
    return _unless_over(await state.propose(command, leader_term=term, timeout_s=timeout_s))


async def propose_audited(
    state: AuditedState, command: object, *, term: int, timeout_s: float, stamp: AuditStamp
) -> Outcome:
    """As `propose_as_leader`, with an entry in the audit: for what nobody has asked for just now."""
    return _unless_over(await state.propose(command, leader_term=term, timeout_s=timeout_s, audit=stamp))


def _unless_over(outcome: Outcome) -> Outcome:
    if isinstance(outcome, Rejected) and outcome.code is Code.FENCED:
        raise LeadershipOver(outcome.reason)
    return outcome
