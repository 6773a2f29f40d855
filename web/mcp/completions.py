"""Names that fit what somebody has begun to write, of what they may see."""

from __future__ import annotations

from cluster.model.environments import KNOWN_ENVIRONMENTS
from cluster.store import records
from web.auth.call import Call
from web.mcp.references import FORMATS
from web.tools.containers import read_seen
from web.tools.context import Context
from web.tools.nodes import list_nodes
from web.tools.rollouts import list_rollouts
from web.tools.services import list_services

VALUES_MAX = 100


async def complete(context: Context, call: Call, argument: str, begun: str) -> tuple[list[str], int]:
    """Return the names that begin so, or else have it in them, and how many there are in all."""
    wanted = begun.lower()
    found = [name for name in await _names(context, call, argument) if wanted in name.lower()]
    found.sort(key=lambda name: (not name.lower().startswith(wanted), name))
    return found[:VALUES_MAX], len(found)


async def _names(context: Context, call: Call, argument: str) -> set[str]:
    def may(action: str) -> bool:
        return context.authority.could(call, action).allowed

    names: set[str] = set()
    if argument in ("service", "subject") and may("service.read"):
        names |= {view.id for view in await list_services(context, call)}
    if argument in ("node", "subject") and may("node.read"):
        names |= {view.name for view in await list_nodes(context, call)}
    if argument in ("container", "subject") and may("container.read"):
        names |= {view.name for view in (await read_seen(context, call))[0]}
    if argument == "rollout_id" and may("rollout.read"):
        names |= {view.id for view in await list_rollouts(context, call)}
    if argument == "environment" and may("environment.read"):
        with context.surroundings.state.read() as txn:
            names |= {*KNOWN_ENVIRONMENTS, *(each.name for each in records.ENVIRONMENTS.scan(txn))}
    if argument == "format":
        names |= set(FORMATS)
    return names
