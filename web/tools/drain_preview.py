"""What emptying a host would move, and what it could not, as a plan shows it."""

from __future__ import annotations

from cluster.model.plans import PlanChange
from web.auth.call import Call
from web.tools.context import Context
from web.tools.placement import get_drain_forecast
from web.tools.previewing import Preview, bounded, radius_of_services

DRAIN = "node.drain"


async def preview_drain(context: Context, call: Call, reference: str) -> Preview:
    await context.authority.require(call, DRAIN, f"node:{reference}")
    forecast = await get_drain_forecast(context, call, reference)
    moved = sorted({move.service_id for move in forecast.moves})
    with context.surroundings.state.read() as txn:
        touches = radius_of_services(
            txn, moved, hosts=(forecast.node_name, *(move.to_node for move in forecast.moves))
        )
    changes, notes = bounded(
        tuple(
            PlanChange(
                subject=move.service_id,
                field=f"replica {move.ordinal}",
                before=forecast.node_name,
                after=move.to_node,
                effect="recreate",
            )
            for move in forecast.moves
        ),
        (f"{stay.service_id} replica {stay.ordinal} stays: {stay.reason}" for stay in forecast.stays),
    )
    return Preview(
        action=DRAIN,
        resource=f"node:{forecast.node_id}",
        summary=f"empty {forecast.node_name}: {forecast.summary}",
        changes=changes,
        touches=touches,
        notes=notes,
        look_at="list-nodes",
        # Where each replica goes is found anew when its turn comes; which ones have to is what was asked.
        against=(
            forecast.node_id,
            tuple((move.service_id, move.ordinal) for move in forecast.moves),
            tuple((stay.service_id, stay.ordinal) for stay in forecast.stays),
        ),
    )
