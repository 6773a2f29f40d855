"""Images, volumes and networks of every host, and Compose projects over them."""

from __future__ import annotations

from functools import partial

from cluster.model.inventory import ContainerAction
from web.api.endpoint import Ask, Endpoint, Nothing
from web.api.resource_schemas import (
    PLAN_CHARACTERS_MAX,
    ImagesCleanupBody,
    NetworksCleanupBody,
    ProjectsQuery,
    PullBody,
    RemoveResourceQuery,
    ResourceQuery,
    ResourcesQuery,
    SizedResourcesQuery,
    VolumesCleanupBody,
)
from web.middleware.routes import needs
from web.tools import clearing, projects, resources
from web.tools.clearing import ImageRule, VolumeRef
from web.tools.containers import ACTION_OF
from web.tools.resource_views import (
    CleanupView,
    DiskUsageView,
    ImagePage,
    ImageView,
    NetworkPage,
    NetworkView,
    ProjectActed,
    ProjectPage,
    ProjectView,
    PulledImages,
    ResourceRemoved,
    VolumePage,
    VolumeView,
)
from web.tools.resources import ResourceFilter


def _filter(query: ResourcesQuery) -> ResourceFilter:
    return ResourceFilter(node=query.node, project=query.project, text=query.q, unused=query.unused)


async def list_images(ask: Ask[None, SizedResourcesQuery]) -> ImagePage:
    query = ask.query
    return await resources.list_images(
        ask.context,
        ask.call,
        _filter(query),
        cursor=query.cursor,
        limit=query.limit,
        with_sizes=query.sizes,
    )


async def list_volumes(ask: Ask[None, SizedResourcesQuery]) -> VolumePage:
    query = ask.query
    return await resources.list_volumes(
        ask.context,
        ask.call,
        _filter(query),
        cursor=query.cursor,
        limit=query.limit,
        with_sizes=query.sizes,
    )


async def list_networks(ask: Ask[None, ResourcesQuery]) -> NetworkPage:
    query = ask.query
    return await resources.list_networks(
        ask.context, ask.call, _filter(query), cursor=query.cursor, limit=query.limit
    )


async def get_image(ask: Ask[None, ResourceQuery]) -> ImageView:
    return await resources.get_image(ask.context, ask.call, ask.path["image"], node=ask.query.node)


async def get_volume(ask: Ask[None, ResourceQuery]) -> VolumeView:
    return await resources.get_volume(ask.context, ask.call, ask.path["volume"], node=ask.query.node)


async def get_network(ask: Ask[None, ResourceQuery]) -> NetworkView:
    return await resources.get_network(ask.context, ask.call, ask.path["network"], node=ask.query.node)


async def remove_image(ask: Ask[None, RemoveResourceQuery]) -> ResourceRemoved:
    query = ask.query
    return await resources.remove_image(
        ask.context, ask.call, ask.path["image"], node=query.node, force=query.force
    )


async def remove_volume(ask: Ask[None, RemoveResourceQuery]) -> ResourceRemoved:
    query = ask.query
    return await resources.remove_volume(
        ask.context, ask.call, ask.path["volume"], node=query.node, force=query.force
    )


async def remove_network(ask: Ask[None, RemoveResourceQuery]) -> ResourceRemoved:
    query = ask.query
    return await resources.remove_network(
        ask.context, ask.call, ask.path["network"], node=query.node, force=query.force
    )


async def clear_images(ask: Ask[ImagesCleanupBody, Nothing]) -> CleanupView:
    body = ask.body
    rule = ImageRule(
        keep_revisions=body.keep_revisions,
        older_than_s=body.older_than_s,
        only_untagged=body.only_untagged,
    )
    return await clearing.clear_images(ask.context, ask.call, rule, nodes=body.nodes, plan=body.plan)


async def clear_volumes(ask: Ask[VolumesCleanupBody, Nothing]) -> CleanupView:
    body = ask.body
    named = [VolumeRef(node=each.node, name=each.name) for each in body.volumes]
    return await clearing.clear_volumes(ask.context, ask.call, named, nodes=body.nodes, plan=body.plan)


async def clear_networks(ask: Ask[NetworksCleanupBody, Nothing]) -> CleanupView:
    return await clearing.clear_networks(ask.context, ask.call, nodes=ask.body.nodes, plan=ask.body.plan)


async def pull_image(ask: Ask[PullBody, Nothing]) -> PulledImages:
    return await resources.pull_image(ask.context, ask.call, ask.body.image, nodes=ask.body.nodes)


async def get_disk_usage(ask: Ask[None, Nothing]) -> DiskUsageView:
    return await resources.disk_usage(ask.context, ask.call, ask.path["node"])


async def list_projects(ask: Ask[None, ProjectsQuery]) -> ProjectPage:
    query = ask.query
    return await projects.list_projects(
        ask.context,
        ask.call,
        node=query.node,
        text=query.q,
        state=query.state,
        cursor=query.cursor,
        limit=query.limit,
    )


async def get_project(ask: Ask[None, Nothing]) -> ProjectView:
    return await projects.get_project(ask.context, ask.call, ask.path["project"])


async def act_on_project(action: ContainerAction, ask: Ask[None, ResourceQuery]) -> ProjectActed:
    return await projects.act_on_project(
        ask.context, ask.call, ask.path["project"], action, node=ask.query.node
    )


_PROBLEMS = ("not-found", "ambiguous", "conflict", "refused", "host-unavailable")
_CLEANUP_BODY_BYTES_MAX = PLAN_CHARACTERS_MAX + 128 * 1024

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/images",
        run=list_images,
        access=needs("image.read"),
        summary="The images of every host, who uses them, and which may go",
        tag="resources",
        query=SizedResourcesQuery,
        answer=ImagePage,
        problems=("not-found",),
    ),
    Endpoint(
        method="POST",
        path="/images/pull",
        run=pull_image,
        access=needs("image.pull"),
        summary="Have hosts get an image",
        tag="resources",
        body=PullBody,
        answer=PulledImages,
        problems=("not-found",),
    ),
    Endpoint(
        method="POST",
        path="/images/prune",
        run=clear_images,
        access=needs("image.remove"),
        summary="Plan a clean-up of images, or carry out the plan",
        tag="resources",
        body=ImagesCleanupBody,
        body_bytes_max=_CLEANUP_BODY_BYTES_MAX,
        answer=CleanupView,
        problems=("not-found",),
    ),
    Endpoint(
        method="GET",
        path="/images/{image}",
        run=get_image,
        access=needs("image.read"),
        summary="One image, by id, beginning of an id, tag or digest",
        tag="resources",
        query=ResourceQuery,
        answer=ImageView,
        problems=("not-found", "ambiguous"),
    ),
    Endpoint(
        method="DELETE",
        path="/images/{image}",
        run=remove_image,
        access=needs("image.remove"),
        summary="Remove an image with all of its names from a host",
        tag="resources",
        query=RemoveResourceQuery,
        answer=ResourceRemoved,
        problems=_PROBLEMS,
    ),
    Endpoint(
        method="GET",
        path="/volumes",
        run=list_volumes,
        access=needs("volume.read"),
        summary="The volumes of every host, and who uses them",
        tag="resources",
        query=SizedResourcesQuery,
        answer=VolumePage,
        problems=("not-found",),
    ),
    Endpoint(
        method="POST",
        path="/volumes/prune",
        run=clear_volumes,
        access=needs("volume.remove"),
        summary="Plan the removal of the named volumes, or carry out the plan",
        tag="resources",
        body=VolumesCleanupBody,
        body_bytes_max=2 * _CLEANUP_BODY_BYTES_MAX,
        answer=CleanupView,
        problems=("not-found",),
    ),
    Endpoint(
        method="GET",
        path="/volumes/{volume}",
        run=get_volume,
        access=needs("volume.read"),
        summary="One volume, by name",
        tag="resources",
        query=ResourceQuery,
        answer=VolumeView,
        problems=("not-found", "ambiguous"),
    ),
    Endpoint(
        method="DELETE",
        path="/volumes/{volume}",
        run=remove_volume,
        access=needs("volume.remove"),
        summary="Remove a volume, and what is in it, from a host",
        tag="resources",
        query=RemoveResourceQuery,
        answer=ResourceRemoved,
        problems=_PROBLEMS,
    ),
    Endpoint(
        method="GET",
        path="/networks",
        run=list_networks,
        access=needs("network.read"),
        summary="The networks of every host, and who is in them",
        tag="resources",
        query=ResourcesQuery,
        answer=NetworkPage,
        problems=("not-found",),
    ),
    Endpoint(
        method="POST",
        path="/networks/prune",
        run=clear_networks,
        access=needs("network.remove"),
        summary="Plan a clean-up of networks, or carry out the plan",
        tag="resources",
        body=NetworksCleanupBody,
        body_bytes_max=_CLEANUP_BODY_BYTES_MAX,
        answer=CleanupView,
        problems=("not-found",),
    ),
    Endpoint(
        method="GET",
        path="/networks/{network}",
        run=get_network,
        access=needs("network.read"),
        summary="One network, by id, beginning of an id, or name",
        tag="resources",
        query=ResourceQuery,
        answer=NetworkView,
        problems=("not-found", "ambiguous"),
    ),
    Endpoint(
        method="DELETE",
        path="/networks/{network}",
        run=remove_network,
        access=needs("network.remove"),
        summary="Remove a network from a host",
        tag="resources",
        query=RemoveResourceQuery,
        answer=ResourceRemoved,
        problems=_PROBLEMS,
    ),
    Endpoint(
        method="GET",
        path="/nodes/{node}/disk-usage",
        run=get_disk_usage,
        access=needs("node.read"),
        summary="What a host's engine keeps on disk",
        tag="resources",
        answer=DiskUsageView,
        problems=("not-found", "refused", "host-unavailable"),
    ),
    Endpoint(
        method="GET",
        path="/projects",
        run=list_projects,
        access=needs("container.read"),
        summary="Compose projects over all hosts",
        tag="resources",
        query=ProjectsQuery,
        answer=ProjectPage,
        problems=("not-found",),
    ),
    Endpoint(
        method="GET",
        path="/projects/{project}",
        run=get_project,
        access=needs("container.read"),
        summary="One Compose project",
        tag="resources",
        answer=ProjectView,
        problems=("not-found",),
    ),
    *(
        Endpoint(
            method="POST",
            path=f"/projects/{{project}}/{action.value}",
            run=partial(act_on_project, action),
            access=needs(ACTION_OF[action]),
            summary=f"{action.value.capitalize()} what a project has on all hosts, or on one",
            tag="resources",
            query=ResourceQuery,
            answer=ProjectActed,
            problems=("not-found",),
        )
        for action in projects.ACTIONS
    ),
)
