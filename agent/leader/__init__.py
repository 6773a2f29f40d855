"""Duties that run only while this node leads, one task group per term."""

from agent.leader.duties import Duties, LeaderDuties, run_duties_while_leader
from agent.leader.ports import Duty, Ids, Leadership, Raft, State

__all__ = [
    "Duties",
    "Duty",
    "Ids",
    "LeaderDuties",
    "Leadership",
    "Raft",
    "State",
    "run_duties_while_leader",
]
