"""Pure: choose a host for every replica."""

from cluster.placement.landscape import Landscape, direct_groups
from cluster.placement.request import Choice, Occupant, Placed, Request, Unplaceable

__all__ = [
    "Choice",
    "Landscape",
    "Occupant",
    "Placed",
    "Request",
    "Unplaceable",
    "direct_groups",
]
