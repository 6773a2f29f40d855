"""Leave for a host to be away, and what a person says of a host that is lost."""

from __future__ import annotations

from cluster.commands.nodes import ConfirmNodeFenced, SetNodeMaintenance
from web.auth.authority import Permit
from web.auth.call import Call
from web.tools.context import Context
from web.tools.nodes import find_node, read_nodes
from web.tools.views import NodeView

MAINTAIN = "node.maintain"
FENCE = "node.fence"


async def give_leave(
    context: Context, call: Call, reference: str, *, duration_ms: int, reason: str
) -> NodeView:
    """Have nothing moved away from a host while it is away for `duration_ms` at most; 0 ends that.

    Its fenced replicas run on meanwhile, and start nowhere else. Raises Problem; 422 when it is down.
    """
    await context.authority.require(call, MAINTAIN, f"node:{reference}")
    node = find_node(context.surroundings, reference)

    async def change(permit: Permit) -> None:
        await permit.propose(SetNodeMaintenance(node_id=node.id, duration_ms=duration_ms, reason=reason))

    recorded_as = None if duration_ms else "node.end-maintenance"
    await context.authority.perform(call, MAINTAIN, f"node:{node.id}", change, recorded_as=recorded_as)
    return next(view for view in await read_nodes(context) if view.id == node.id)


async def confirm_fenced(context: Context, call: Call, reference: str) -> NodeView:
    """Take a person's word for it that a host which is down runs nothing any more.

    What must never run twice starts elsewhere by it. Raises Problem; 422 when the host is not down.
    """
    await context.authority.require(call, FENCE, f"node:{reference}")
    node = find_node(context.surroundings, reference)

    async def change(permit: Permit) -> None:
        await permit.propose(ConfirmNodeFenced(node_id=node.id))

    await context.authority.perform(call, FENCE, f"node:{node.id}", change)
    return next(view for view in await read_nodes(context) if view.id == node.id)
