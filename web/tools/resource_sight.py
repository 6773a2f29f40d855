"""What of images, volumes and networks somebody sees who may see those of part of the cluster.

A thing is seen with a container that uses it, or, while none does, with its project. What else uses it is
left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from cluster.model.ids import ServiceId
from cluster.rbac import Resource, Target
from cluster.store import records
from web.auth.call import Call
from web.auth.powers import ActionSight
from web.auth.targets import service_target
from web.tools.containers import read_containers
from web.tools.context import Context
from web.tools.resource_needs import read_needs
from web.tools.resource_views import ImageView, NetworkView, VolumeView
from web.tools.targets import container_target

_View = TypeVar("_View", ImageView, VolumeView, NetworkView)

_KIND_OF = {ImageView: Resource.IMAGE, VolumeView: Resource.VOLUME, NetworkView: Resource.NETWORK}


async def seen_of(context: Context, call: Call, views: Sequence[_View]) -> Sequence[_View]:
    """Return those of some images, volumes or networks that the caller may read."""
    if not views:
        return views
    kind = _KIND_OF[type(views[0])]
    sight = context.authority.sight(call, f"{kind}.read")
    if sight.is_everything:
        return views
    containers, _ = await read_containers(context)
    users = {(view.node_id, view.id) for view in containers if sight.sees(container_target(view, kind=kind))}
    scopes = read_needs(context.surroundings.state).networks
    found = []
    for view in views:
        own = tuple(user for user in view.users if (view.node_id, user.id) in users)
        if own or (not view.users and _is_left_by_own(context, sight, kind, view, scopes)):
            # With others' containers beside one's own it stays, and why is about them.
            is_whole = len(own) == len(view.users)
            found.append(
                view if is_whole else replace(view, users=own, may_go=False, why="", translations={})
            )
    return found


def _is_left_by_own(
    context: Context,
    sight: ActionSight,
    kind: Resource,
    view: ImageView | VolumeView | NetworkView,
    scopes: Mapping[str, str],
) -> bool:
    """Whether something that no container uses is of a service or project that is seen."""
    if isinstance(view, ImageView):
        return False
    if isinstance(view, VolumeView) and view.service:
        with context.surroundings.state.read() as txn:
            service = records.SERVICES.get(txn, ServiceId(view.service))
            if service is not None:
                target = service_target(txn, service, kind=kind)
                return sight.sees(replace(target, node_id=view.node_id, node_name=view.node_name))
    claim = view.project or (scopes.get(view.name, "") if isinstance(view, NetworkView) else "")
    if not claim:
        return False
    environment, _, project = claim.rpartition(".")
    return sight.sees(
        Target(
            kind=kind,
            id=view.name,
            project=project,
            service="",
            service_id="",
            environment=environment,
            node_id=view.node_id,
            node_name=view.node_name,
            labels={},
        )
    )
