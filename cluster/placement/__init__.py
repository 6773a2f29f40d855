"""Pure: choose a host for every replica, say why, and tell what a change would move."""

from cluster.placement.adding import forecast_more
from cluster.placement.attributes import violations
from cluster.placement.draining import DrainForecast, Fate, Moves, Stays, forecast_drain
from cluster.placement.explaining import Explanation, HostExplained, ReplicaExplained, explain
from cluster.placement.landscape import Landscape, apart_of, direct_groups
from cluster.placement.planning import PlannedReplica, Wanted, plan_placement
from cluster.placement.quota import Amounts, Quota, amounts
from cluster.placement.rebalancing import Move, RebalancePlan, plan_rebalance
from cluster.placement.request import (
    Choice,
    Objection,
    ObjectionKind,
    Occupant,
    Placed,
    Rank,
    Request,
    Unplaceable,
    Verdict,
)
from cluster.placement.residents import Household, Resident

__all__ = [
    "Amounts",
    "Choice",
    "DrainForecast",
    "Explanation",
    "Fate",
    "HostExplained",
    "Household",
    "Landscape",
    "Move",
    "Moves",
    "Objection",
    "ObjectionKind",
    "Occupant",
    "Placed",
    "PlannedReplica",
    "Quota",
    "Rank",
    "RebalancePlan",
    "ReplicaExplained",
    "Request",
    "Resident",
    "Stays",
    "Unplaceable",
    "Verdict",
    "Wanted",
    "amounts",
    "apart_of",
    "direct_groups",
    "explain",
    "forecast_drain",
    "forecast_more",
    "plan_placement",
    "plan_rebalance",
    "violations",
]
