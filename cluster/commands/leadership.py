"""The command that fences leaders of older terms."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model import rules
from cluster.model.ids import NodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeLeadership:
    """Take up the leader's duties in `term`: from here on, leader commands of every other term are rejected.

    A new leader commits this first, in an envelope whose `leader_term` is `term`. Result: nothing.
    """

    term: int
    node_id: NodeId

    def __post_init__(self) -> None:
        rules.check_range("term", self.term, 1, 2**62)
        rules.check_id("node id", self.node_id)
