"""What runs where: the stored records as what decisions are made from, on the leader and for who asks."""

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
    "chooser",
    "occupants_of",
    "ordered_occupants",
    "oriented",
    "read_nodes",
    "read_routers",
    "read_view",
]
