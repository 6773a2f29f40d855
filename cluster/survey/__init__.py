"""What runs where: the stored records as what decisions are made from, on the leader and for who asks."""

from cluster.survey.census import Census, Intent, household_of, take_census
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
    "read_nodes",
    "read_routers",
    "read_view",
    "take_census",
]
