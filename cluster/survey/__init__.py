"""What runs where: the stored records as what decisions are made from, on the leader and for who asks."""

from cluster.survey.census import Census, Intent, household_of, take_census
from cluster.survey.environments import quota_of, rules_in, used_in
from cluster.survey.views import (
    chooser,
    occupants_of,
    ordered_occupants,
    oriented,
    read_nodes,
    read_routers,
    read_view,
)

__all__ = [
    "Census",
    "Intent",
    "chooser",
    "household_of",
    "occupants_of",
    "ordered_occupants",
    "oriented",
    "quota_of",
    "read_nodes",
    "read_routers",
    "read_view",
    "rules_in",
    "take_census",
    "used_in",
]
