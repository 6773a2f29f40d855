"""Cleaning up: a plan that says what would go, what stays and why, and then that plan, carried out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from cluster.cleanup import ITEMS_MAX, PlanToken, Verdict, fingerprint, judge_image
from cluster.model.inventory import HostRefused, HostUnavailable
from cluster.model.resources import HostImage, Removal, ResourceKind
from web.auth.call import Call
from web.auth.problems import Problem, invalid
from web.tools.context import Context
from web.tools.nodes import find_node
from web.tools.resource_needs import KEEP_REVISIONS_DEFAULT
from web.tools.resource_views import (
    CleanupItem,
    CleanupOutcome,
    CleanupView,
    ImageView,
    NetworkView,
    VolumeView,
)
from web.tools.resources import (
    Found,
    Pins,
    carry_out,
    image_views,
    needs_of,
    network_views,
    order_of,
    read_hosts,
    volume_views,
)

REMOVALS_AT_ONCE = 4
KEPT_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRule:
    """Which images may go: those no container uses, no service goes back to within `keep_revisions`, and that
    are older than asked for."""

    keep_revisions: int = KEEP_REVISIONS_DEFAULT
    older_than_s: int = 0
    only_untagged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeRef:
    """One volume of one host, by name; the host by id or name."""

    node: str
    name: str


async def clear_images(
    context: Context, call: Call, rule: ImageRule, *, nodes: Sequence[str], plan: str | None
) -> CleanupView:
    """Return what would go, or with a `plan` remove what is in it. Raises Problem."""
    await context.authority.require(call, "image.remove", "image")
    token = _read(plan)
    found = await read_hosts(context, ResourceKind.IMAGE, nodes=nodes, with_sizes=plan is None)
    pins = Pins(needs_of(context, keep_revisions=rule.keep_revisions).images)
    now_ms = context.surroundings.clock.now_ms()

    def judge(image: HostImage) -> Verdict:
        return judge_image(
            image,
            pins.of(image),
            now_ms=now_ms,
            older_than_ms=rule.older_than_s * 1000,
            only_untagged=rule.only_untagged,
        )

    views = image_views(context, found, judge)
    return await _clear(context, call, ResourceKind.IMAGE, views, found, token)


async def clear_volumes(
    context: Context, call: Call, volumes: Sequence[VolumeRef], *, nodes: Sequence[str], plan: str | None
) -> CleanupView:
    """The same for `volumes`, each named; the others are told as kept. Raises Problem."""
    await context.authority.require(call, "volume.remove", "volume")
    token = _read(plan)
    named = {(find_node(context.surroundings, each.node).id, each.name) for each in volumes}
    found = await read_hosts(context, ResourceKind.VOLUME, nodes=nodes, with_sizes=plan is None)
    # A plan holds named volumes only: its token names them.
    views = volume_views(context, found, named=lambda key: token is not None or key in named)
    missing = named - {(view.node_id, view.name) for view in views}
    if missing and token is None:
        raise Problem("not-found", f"there is no volume {min(missing)[1][:80]!r} on that host")
    return await _clear(context, call, ResourceKind.VOLUME, views, found, token)


async def clear_networks(
    context: Context, call: Call, *, nodes: Sequence[str], plan: str | None
) -> CleanupView:
    """The same for networks. Raises Problem."""
    await context.authority.require(call, "network.remove", "network")
    token = _read(plan)
    found = await read_hosts(context, ResourceKind.NETWORK, nodes=nodes)
    views = network_views(context, found)
    return await _clear(context, call, ResourceKind.NETWORK, views, found, token)


def _read(plan: str | None) -> PlanToken | None:
    if plan is None:
        return None
    try:
        return PlanToken.read(plan)
    except ValueError as error:
        raise invalid("plan", str(error), hint="send `plan` as the request without it answered") from error


async def _clear(
    context: Context,
    call: Call,
    kind: ResourceKind,
    views: Sequence[ImageView] | Sequence[VolumeView] | Sequence[NetworkView],
    found: Found,
    token: PlanToken | None,
) -> CleanupView:
    ordered = sorted(views, key=order_of)
    if token is None:
        return _planned(kind, ordered, found)
    agreed = [view for view in ordered if _print(kind, view) in token.prints]
    slots = asyncio.Semaphore(REMOVALS_AT_ONCE)

    async def remove(view: ImageView | VolumeView | NetworkView) -> CleanupItem:
        if not view.may_go:
            return _item(kind, view, CleanupOutcome.KEPT)
        names = (*view.tags, *view.digests) if isinstance(view, ImageView) else ()
        removal = Removal(kind=kind, id=_id(view), names=names)
        try:
            async with slots:
                await carry_out(context, call, removal, view.node_id, view.node_name, view.name)
        except (HostUnavailable, HostRefused, Problem) as error:
            words = error.detail if isinstance(error, Problem) else str(error)
            return _item(kind, view, CleanupOutcome.FAILED, words.replace(view.node_id, view.node_name))
        return _item(kind, view, CleanupOutcome.REMOVED)

    items = await asyncio.gather(*(remove(view) for view in agreed))
    return CleanupView(
        is_done=True,
        plan=None,
        items=tuple(items),
        kept=(),
        bytes=sum(item.bytes or 0 for item in items if item.outcome is CleanupOutcome.REMOVED),
        gone=len(token.prints) - len(agreed),
        left_over=0,
        problems=found.problems,
    )


def _planned(
    kind: ResourceKind, views: Sequence[ImageView | VolumeView | NetworkView], found: Found
) -> CleanupView:
    # What a host said before its engine went away may not be so any more.
    silent = {problem.node_id for problem in found.problems}
    going = [view for view in views if view.may_go and view.node_id not in silent]
    shown = going[:ITEMS_MAX]
    items = tuple(_item(kind, view, CleanupOutcome.PLANNED) for view in shown)
    kept = [view for view in views if not view.may_go and not view.users and not _is_built_in(view)]
    return CleanupView(
        is_done=False,
        plan=PlanToken.of(_print(kind, view) for view in shown).text(),
        items=items,
        kept=tuple(_item(kind, view, CleanupOutcome.KEPT) for view in kept[:KEPT_SHOWN]),
        bytes=sum(item.bytes or 0 for item in items),
        gone=0,
        left_over=len(going) - len(shown),
        problems=found.problems,
    )


def _is_built_in(view: ImageView | VolumeView | NetworkView) -> bool:
    return isinstance(view, NetworkView) and view.is_built_in


def _id(view: ImageView | VolumeView | NetworkView) -> str:
    return view.name if isinstance(view, VolumeView) else view.id


def _print(kind: ResourceKind, view: ImageView | VolumeView | NetworkView) -> bytes:
    return fingerprint(kind, view.node_id, _id(view), _shown_as(view))


def _shown_as(view: ImageView | VolumeView | NetworkView) -> tuple[str, ...]:
    match view:
        case ImageView():
            return (*view.tags, *view.digests)
        case VolumeView():
            # One of the same name that was made anew holds other data.
            return (str(view.created_at_ms),)
        case NetworkView():
            return (view.name,)


def _bytes(view: ImageView | VolumeView | NetworkView) -> int | None:
    match view:
        case ImageView():
            return view.size_bytes if view.own_bytes is None else view.own_bytes
        case VolumeView():
            return view.size_bytes
        case NetworkView():
            return 0


def _item(
    kind: ResourceKind,
    view: ImageView | VolumeView | NetworkView,
    outcome: CleanupOutcome,
    why: str = "",
) -> CleanupItem:
    return CleanupItem(
        kind=kind,
        id=_id(view),
        name=view.name,
        node_id=view.node_id,
        node_name=view.node_name,
        bytes=_bytes(view),
        outcome=outcome,
        why=why or view.why,
        translations={} if why else view.translations,
    )
