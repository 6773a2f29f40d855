"""A host's own way out of its cluster: emptied first, then removed."""

from __future__ import annotations

import asyncio

from cluster.model.service import DesiredState
from cluster.store import records
from cluster.store.records import assignments_of_node
from web.auth.call import Call
from web.ports import Surroundings
from web.tools.context import Context
from web.tools.nodes import drain_node, remove_node


async def leave(context: Context, call: Call) -> None:
    """Take the answering host out of the cluster, once its replicas run elsewhere or that takes too long.

    Raises Problem; NotCommitted when the cluster cannot let it go now.
    """
    surroundings = context.surroundings
    node_id = surroundings.cluster.node_id
    await context.authority.require(call, "node.remove", f"node:{node_id}")
    if _others_can_take_over(surroundings, node_id):
        await drain_node(context, call, node_id, is_draining=True)
        await _wait_until_empty(surroundings, node_id, context.pace.drain_wait_s)
    await remove_node(context, call, node_id)


def _others_can_take_over(surroundings: Surroundings, node_id: str) -> bool:
    with surroundings.state.read() as txn:
        return any(node.is_schedulable and node.id != node_id for node in records.NODES.scan(txn))


async def _wait_until_empty(surroundings: Surroundings, node_id: str, timeout_s: float) -> None:
    changed = asyncio.Event()
    unsubscribe = surroundings.state.subscribe(lambda _: changed.set())
    try:
        async with asyncio.timeout(timeout_s):
            while _has_replicas(surroundings, node_id):
                changed.clear()
                await changed.wait()
    except TimeoutError:
        # It wants to leave all the same: what is left starts elsewhere once it is gone.
        return
    finally:
        unsubscribe()


def _has_replicas(surroundings: Surroundings, node_id: str) -> bool:
    with surroundings.state.read() as txn:
        return any(
            assignment.desired in (DesiredState.STARTED, DesiredState.SERVING)
            for assignment in assignments_of_node(txn, node_id)
        )
