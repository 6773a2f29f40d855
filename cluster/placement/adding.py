"""Where more replicas of a service would go, told before there are any."""

from __future__ import annotations

from dataclasses import replace

from cluster.placement.landscape import Landscape
from cluster.placement.request import Choice, Placed
from cluster.placement.residents import Household, Resident


def forecast_more(landscape: Landscape, household: Household, replicas: int) -> tuple[Choice, ...]:
    """Return a host, or why there is none, for so many more replicas, one after the other.

    Each that finds a host takes up room for those after it; after the first that finds none there is none for
    the others either.
    """
    choices: list[Choice] = []
    household = replace(household, replicas=household.replicas + replicas)
    for _ in range(replicas):
        request = household.one_more()
        choice = landscape.choose(request)
        choices.append(choice)
        if not isinstance(choice, Placed):
            return (*choices, *(choice,) * (replicas - len(choices)))
        present = {resident.ordinal for resident in household.residents}
        resident = Resident(
            ordinal=next(ordinal for ordinal in range(household.replicas + 1) if ordinal not in present),
            node_id=choice.node_id,
            revision=0,
            spec=household.spec,
            pinned_to=request.pinned_to,
        )
        household = replace(
            household,
            residents=(*household.residents, resident),
            occupants=(*household.occupants, household.occupant(resident)),
        )
        landscape = landscape.changed(occupants={household.service_id: household.occupants})
    return tuple(choices)
