"""What other hosts ask of this host's images, volumes and networks."""

from __future__ import annotations

from aiohttp import web

from agent.follow.local_resources import LocalResources
from agent.peers import protocol
from agent.peers.protocol import DISK_USAGES, PULLED, REMOVALS, RESOURCE_LISTS
from cluster.model.inventory import Caller, HostRefused
from cluster.model.resources import ResourceKind


def add_resource_routes(app: web.Application, resources: LocalResources) -> None:
    """Serve the routes of `agent.peers.protocol` on the peer port."""

    async def listed(request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        if kind not in [each.value for each in ResourceKind]:
            raise HostRefused(f"{kind!r} is nothing that a host can list", code="refused")
        with_sizes = request.query.get("sizes") == "1"
        found = await resources.of_kind(ResourceKind(kind), with_sizes=with_sizes)
        return web.Response(body=RESOURCE_LISTS.encode(found))

    async def disk_usage(_request: web.Request) -> web.Response:
        return web.Response(body=DISK_USAGES.encode(await resources.disk_usage()))

    async def remove(request: web.Request) -> web.Response:
        caller = caller_of(request)
        await resources.remove(REMOVALS.decode(await request.read()), caller=caller)
        return web.Response(status=204)

    async def pull(request: web.Request) -> web.Response:
        pulled = await resources.pull(request.query.get("image", ""), caller=caller_of(request))
        return web.Response(body=PULLED.encode(pulled))

    app.router.add_get(protocol.RESOURCES, listed)
    app.router.add_get(protocol.DISK_USAGE, disk_usage)
    app.router.add_post(protocol.REMOVE_RESOURCE, remove)
    app.router.add_post(protocol.PULL, pull)


def caller_of(request: web.Request) -> Caller:
    """Return on whose behalf another host asks. Raises HostRefused, or EncodingError."""
    header = request.headers.get(protocol.CALLER_HEADER)
    if header is None:
        raise HostRefused("a request that changes something names the person behind it", code="refused")
    return protocol.decode_caller(header)
