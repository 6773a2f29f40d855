"""Images, volumes and networks of every host: listing, finding, pulling, removing one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cluster.cleanup import Pin, Verdict, canonical, judge_image, judge_network, judge_volume
from cluster.model.inventory import HostRefused, HostUnavailable
from cluster.model.node import Node
from cluster.model.resources import (
    HostImage,
    HostNetwork,
    HostResources,
    HostVolume,
    PulledImage,
    Removal,
    ResourceKind,
    ResourceUser,
)
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import Problem
from web.tools.context import Context
from web.tools.listing import Key, page_of
from web.tools.nodes import find_node, members
from web.tools.resource_needs import Needs, read_needs
from web.tools.resource_sight import seen_of
from web.tools.resource_views import (
    DiskUsageView,
    ImagePage,
    ImageView,
    NetworkPage,
    NetworkView,
    PulledImages,
    PulledView,
    ResourceRemoved,
    ResourceUserView,
    VolumePage,
    VolumeView,
)
from web.tools.views import HostProblem

CANDIDATES_SHOWN = 10
PULLS_AT_ONCE = 4
_PREFIX_CHARACTERS_MIN = 4

_View = TypeVar("_View", ImageView, VolumeView, NetworkView)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceFilter:
    """Which resources. Empty text: any. `text` is looked for in names and ids; `unused` by any container."""

    node: str = ""
    project: str = ""
    text: str = ""
    unused: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What hosts have of a kind, by host, in order of their names, and those that do not say."""

    hosts: tuple[tuple[Node, HostResources], ...]
    problems: tuple[HostProblem, ...]


async def list_images(
    context: Context, call: Call, wanted: ResourceFilter, *, cursor: str | None, limit: int, with_sizes: bool
) -> ImagePage:
    """Return images by host and name. Raises Problem."""
    await context.authority.admit(call, "image.read", "image")
    found = await read_hosts(context, ResourceKind.IMAGE, node=wanted.node, with_sizes=with_sizes)
    page = page_of(
        [
            view
            for view in await seen_of(context, call, image_views(context, found))
            if _fits(view, wanted, (view.id, *view.tags, *view.digests))
        ],
        key=order_of,
        cursor=cursor,
        limit=limit,
    )
    return ImagePage(items=page.items, next_cursor=page.next_cursor, problems=found.problems)


async def list_volumes(
    context: Context, call: Call, wanted: ResourceFilter, *, cursor: str | None, limit: int, with_sizes: bool
) -> VolumePage:
    """Return volumes by host and name. Raises Problem."""
    await context.authority.admit(call, "volume.read", "volume")
    found = await read_hosts(context, ResourceKind.VOLUME, node=wanted.node, with_sizes=with_sizes)
    page = page_of(
        [
            view
            for view in await seen_of(context, call, volume_views(context, found))
            if _fits(view, wanted, (view.name,), view.project)
        ],
        key=order_of,
        cursor=cursor,
        limit=limit,
    )
    return VolumePage(items=page.items, next_cursor=page.next_cursor, problems=found.problems)


async def list_networks(
    context: Context, call: Call, wanted: ResourceFilter, *, cursor: str | None, limit: int
) -> NetworkPage:
    """Return networks by host and name. Raises Problem."""
    await context.authority.admit(call, "network.read", "network")
    found = await read_hosts(context, ResourceKind.NETWORK, node=wanted.node)
    page = page_of(
        [
            view
            for view in await seen_of(context, call, network_views(context, found))
            if _fits(view, wanted, (view.name, view.id, *view.subnets), view.project)
        ],
        key=order_of,
        cursor=cursor,
        limit=limit,
    )
    return NetworkPage(items=page.items, next_cursor=page.next_cursor, problems=found.problems)


async def get_image(context: Context, call: Call, reference: str, *, node: str) -> ImageView:
    """Return the one image of that id, beginning of an id, tag or digest. Raises Problem."""
    await context.authority.admit(call, "image.read", f"image:{reference}")
    found = await read_hosts(context, ResourceKind.IMAGE, node=node)
    views = await seen_of(context, call, image_views(context, found))
    return _one(reference, views, _names_of_image, found)


async def get_volume(context: Context, call: Call, reference: str, *, node: str) -> VolumeView:
    """Return the one volume of that name. Raises Problem."""
    await context.authority.admit(call, "volume.read", f"volume:{reference}")
    found = await read_hosts(context, ResourceKind.VOLUME, node=node, with_sizes=True)
    views = await seen_of(context, call, volume_views(context, found))
    return _one(reference, views, lambda view: (view.name,), found)


async def get_network(context: Context, call: Call, reference: str, *, node: str) -> NetworkView:
    """Return the one network of that id, beginning of an id, or name. Raises Problem."""
    await context.authority.admit(call, "network.read", f"network:{reference}")
    found = await read_hosts(context, ResourceKind.NETWORK, node=node)
    views = await seen_of(context, call, network_views(context, found))
    return _one(reference, views, lambda view: (view.id, view.name), found)


async def remove_image(
    context: Context, call: Call, reference: str, *, node: str, force: bool = False
) -> ResourceRemoved:
    """Remove an image with all of its names. Raises Problem, HostUnavailable or HostRefused."""
    await context.authority.require(call, "image.remove", f"image:{reference}")
    found = await read_hosts(context, ResourceKind.IMAGE, node=node)
    view = _one(reference, image_views(context, found), _names_of_image, found)
    return await _remove(context, call, ResourceKind.IMAGE, view, view.id, view.name, view.own_bytes, force)


async def remove_volume(
    context: Context, call: Call, reference: str, *, node: str, force: bool = False
) -> ResourceRemoved:
    """Remove a volume and what is in it. Raises Problem, HostUnavailable or HostRefused."""
    await context.authority.require(call, "volume.remove", f"volume:{reference}")
    found = await read_hosts(context, ResourceKind.VOLUME, node=node)
    # Naming it is what was asked for.
    views = volume_views(context, found, named=lambda _: True)
    view = _one(reference, views, lambda each: (each.name,), found)
    return await _remove(
        context, call, ResourceKind.VOLUME, view, view.name, view.name, view.size_bytes, force
    )


async def remove_network(
    context: Context, call: Call, reference: str, *, node: str, force: bool = False
) -> ResourceRemoved:
    """Remove a network. Raises Problem, HostUnavailable or HostRefused."""
    await context.authority.require(call, "network.remove", f"network:{reference}")
    found = await read_hosts(context, ResourceKind.NETWORK, node=node)
    view = _one(reference, network_views(context, found), lambda each: (each.id, each.name), found)
    return await _remove(context, call, ResourceKind.NETWORK, view, view.id, view.name, None, force)


async def pull_image(context: Context, call: Call, image: str, *, nodes: Sequence[str]) -> PulledImages:
    """Have hosts (none named: all) get an image; what one cannot, others may. Raises Problem."""
    await context.authority.require(call, "image.pull", f"image:{image}")
    chosen = _chosen(context, nodes)
    slots = asyncio.Semaphore(PULLS_AT_ONCE)

    async def pull(node: Node) -> PulledView:
        async def change(permit: Permit) -> PulledImage:
            async with permit.acting():
                return await context.surroundings.resources.pull(node.id, image, caller=call.on_behalf())

        try:
            async with slots:
                pulled = await context.authority.perform(
                    call, "image.pull", f"image:{node.name}/{image}", change
                )
        except (HostUnavailable, HostRefused, Problem) as error:
            words = error.detail if isinstance(error, Problem) else str(error)
            return PulledView(
                node_id=node.id, node_name=node.name, is_pulled=False, reason=words, id="", size_bytes=0
            )
        return PulledView(
            node_id=node.id,
            node_name=node.name,
            is_pulled=True,
            reason="",
            id=pulled.id,
            size_bytes=pulled.size_bytes,
        )

    return PulledImages(image=image, items=tuple(await asyncio.gather(*(pull(node) for node in chosen))))


async def disk_usage(context: Context, call: Call, reference: str) -> DiskUsageView:
    """Return what a host's engine keeps on disk. Raises Problem, HostUnavailable or HostRefused."""
    await context.authority.require(call, "node.read", f"node:{reference}")
    node = find_node(context.surroundings, reference)
    usage = await context.surroundings.resources.disk_usage(node.id)
    return DiskUsageView(
        node_id=node.id,
        node_name=node.name,
        age_ms=usage.age_ms,
        images_bytes=usage.images_bytes,
        reclaimable_bytes=usage.reclaimable_bytes,
        containers_bytes=usage.containers_bytes,
        volumes_bytes=usage.volumes_bytes,
        build_cache_bytes=usage.build_cache_bytes,
    )


async def read_hosts(
    context: Context,
    kind: ResourceKind,
    *,
    node: str = "",
    nodes: Sequence[str] = (),
    with_sizes: bool = False,
) -> Found:
    """Return what hosts (none named: all) have of a kind. Raises Problem when there is no such host."""
    chosen = _chosen(context, (node,) if node else nodes)
    answers = await context.surroundings.resources.of_hosts(
        kind, [each.id for each in chosen], with_sizes=with_sizes
    )
    hosts: list[tuple[Node, HostResources]] = []
    problems: list[HostProblem] = []
    for each in chosen:
        answer = answers[each.id]
        reason = str(answer) if isinstance(answer, HostUnavailable) else answer.problem
        if reason:
            reason = reason.replace(each.id, each.name)
            problems.append(HostProblem(node_id=each.id, node_name=each.name, reason=reason))
        if not isinstance(answer, HostUnavailable):
            hosts.append((each, answer))
    return Found(hosts=tuple(hosts), problems=tuple(problems))


def image_views(
    context: Context, found: Found, judge: Callable[[HostImage], Verdict] | None = None
) -> list[ImageView]:
    """Return every image that was found, with what `judge` (None: the rule of a clean-up) says of it."""
    pins = Pins(read_needs(context.surroundings.state).images)
    now_ms = context.surroundings.clock.now_ms()
    decide = judge or (lambda image: judge_image(image, pins.of(image), now_ms=now_ms))
    return [
        _image(image, decide(image), node, host.age_ms) for node, host in found.hosts for image in host.images
    ]


def volume_views(
    context: Context, found: Found, *, named: Callable[[tuple[str, str]], bool] = lambda _: False
) -> list[VolumeView]:
    """Return every volume that was found; `named` says of (host's id, name) whether somebody named it."""
    services = read_needs(context.surroundings.state).volumes
    return [
        _volume(
            volume,
            judge_volume(volume, services, is_named=named((node.id, volume.name))),
            services,
            node,
            host.age_ms,
        )
        for node, host in found.hosts
        for volume in host.volumes
    ]


def network_views(context: Context, found: Found) -> list[NetworkView]:
    """Return every network that was found."""
    scopes = read_needs(context.surroundings.state).networks
    return [
        _network(network, judge_network(network, scopes), node, host.age_ms)
        for node, host in found.hosts
        for network in host.networks
    ]


class Pins:
    """Pins by what they name, so that a thousand images are not each compared with a thousand revisions."""

    def __init__(self, pins: Iterable[Pin]) -> None:
        self._by_name: dict[str, list[Pin]] = {}
        for pin in pins:
            self._by_name.setdefault(canonical(pin.reference), []).append(pin)

    def of(self, image: HostImage) -> list[Pin]:
        names = {canonical(name) for name in (*image.tags, *image.digests)}
        return [pin for name in names for pin in self._by_name.get(name, ())]


def order_of(view: ImageView | VolumeView | NetworkView) -> Key:
    """Return where a resource is in its list."""
    return (view.node_name, view.name, view.name if isinstance(view, VolumeView) else view.id)


def needs_of(context: Context, *, keep_revisions: int) -> Needs:
    """Return what services need, with so many of their newest revisions."""
    return read_needs(context.surroundings.state, keep_revisions=keep_revisions)


async def _remove(
    context: Context,
    call: Call,
    kind: ResourceKind,
    view: ImageView | VolumeView | NetworkView,
    resource_id: str,
    name: str,
    size_bytes: int | None,
    force: bool,
) -> ResourceRemoved:
    # What a service may need again goes by force, what is in use and the engine's own by nothing.
    is_forcible = not view.users and not (isinstance(view, NetworkView) and view.is_built_in)
    if not view.may_go and not (force and is_forcible):
        raise Problem(
            "conflict",
            f"{kind} {name} on {view.node_name} stays: {view.why}",
            hint="remove it with ?force=true (--force) if that may be lost" if is_forcible else "",
        )
    names = (*view.tags, *view.digests) if isinstance(view, ImageView) else ()
    await carry_out(
        context, call, Removal(kind=kind, id=resource_id, names=names), view.node_id, view.node_name, name
    )
    return ResourceRemoved(
        kind=kind,
        id=resource_id,
        name=name,
        node_id=view.node_id,
        node_name=view.node_name,
        bytes=size_bytes,
    )


async def carry_out(
    context: Context, call: Call, removal: Removal, node_id: str, node_name: str, name: str
) -> None:
    """Remove one resource with its entry in the audit. Raises Problem, HostUnavailable or HostRefused."""

    async def change(permit: Permit) -> None:
        async with permit.acting():
            await context.surroundings.resources.remove(node_id, removal, caller=call.on_behalf())

    await context.authority.perform(
        call, f"{removal.kind}.remove", f"{removal.kind}:{node_name}/{name}", change
    )


def _chosen(context: Context, references: Sequence[str]) -> list[Node]:
    if not references:
        return members(context.surroundings)
    named = {node.id: node for node in (find_node(context.surroundings, each) for each in references)}
    return sorted(named.values(), key=lambda node: (node.name, node.id))


def _fits(
    view: ImageView | VolumeView | NetworkView,
    wanted: ResourceFilter,
    texts: Sequence[str],
    project: str = "",
) -> bool:
    if wanted.project and wanted.project not in (project, *(user.project for user in view.users)):
        return False
    if wanted.unused is not None and wanted.unused == bool(view.users):
        return False
    text = wanted.text.lower()
    return not text or any(text in each.lower() for each in texts)


def _names_of_image(view: ImageView) -> tuple[str, ...]:
    return (view.id, view.id.removeprefix("sha256:"), *view.tags, *view.digests)


def _one(
    reference: str, views: Sequence[_View], names: Callable[[_View], Sequence[str]], found: Found
) -> _View:
    exact = [view for view in views if reference in names(view)]
    fitting = exact or [
        view
        for view in views
        if len(reference) >= _PREFIX_CHARACTERS_MIN
        and any(name.startswith(reference.lower().removeprefix("sha256:")) for name in names(view)[:2])
        and not isinstance(view, VolumeView)
    ]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        ordered = sorted(fitting, key=order_of)[:CANDIDATES_SHOWN]
        listed = ", ".join(f"{view.name} on {view.node_name}" for view in ordered)
        raise Problem(
            "ambiguous",
            f"{len(fitting)} fit {reference[:80]!r}: {listed}",
            hint="name the host with ?node= (--node), or give more of the id",
            extra={
                "candidates": [
                    {
                        "id": names(view)[0],
                        "name": view.name,
                        "node_id": view.node_id,
                        "node_name": view.node_name,
                    }
                    for view in ordered
                ]
            },
        )
    hint = ""
    if found.problems:
        hosts = ", ".join(problem.node_name for problem in found.problems)
        hint = f"it may be on a host that cannot be asked now: {hosts}"
    raise Problem("not-found", f"no host has {reference[:80]!r}", hint=hint)


def _users(users: Sequence[ResourceUser]) -> tuple[ResourceUserView, ...]:
    return tuple(
        ResourceUserView(id=user.id, name=user.name, state=user.state, project=user.project) for user in users
    )


def _image(image: HostImage, verdict: Verdict, node: Node, age_ms: int) -> ImageView:
    shared = image.shared_bytes
    return ImageView(
        id=image.id,
        tags=image.tags,
        digests=image.digests,
        size_bytes=image.size_bytes,
        own_bytes=None if shared is None else max(0, image.size_bytes - shared),
        created_at_ms=image.created_at_ms,
        labels=dict(image.labels),
        users=_users(image.users),
        may_go=verdict.may_go,
        why=verdict.why,
        translations={"it": verdict.italian},
        node_id=node.id,
        node_name=node.name,
        age_ms=age_ms,
    )


def _volume(
    volume: HostVolume, verdict: Verdict, services: Mapping[str, str], node: Node, age_ms: int
) -> VolumeView:
    return VolumeView(
        name=volume.name,
        driver=volume.driver,
        mountpoint=volume.mountpoint,
        project=volume.project,
        service=services.get(volume.name, ""),
        size_bytes=volume.size_bytes,
        created_at_ms=volume.created_at_ms,
        labels=dict(volume.labels),
        users=_users(volume.users),
        may_go=verdict.may_go,
        why=verdict.why,
        translations={"it": verdict.italian},
        node_id=node.id,
        node_name=node.name,
        age_ms=age_ms,
    )


def _network(network: HostNetwork, verdict: Verdict, node: Node, age_ms: int) -> NetworkView:
    return NetworkView(
        id=network.id,
        name=network.name,
        driver=network.driver,
        scope=network.scope,
        is_internal=network.is_internal,
        is_built_in=network.is_built_in,
        subnets=network.subnets,
        project=network.project,
        created_at_ms=network.created_at_ms,
        labels=dict(network.labels),
        users=_users(network.users),
        may_go=verdict.may_go,
        why=verdict.why,
        translations={"it": verdict.italian},
        node_id=node.id,
        node_name=node.name,
        age_ms=age_ms,
    )
