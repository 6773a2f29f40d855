"""Having a service follow what its image's tag means."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cluster.commands.watching import PutWatch, RemoveWatch
from cluster.compose import ComposeService
from cluster.model.ids import ServiceId
from cluster.model.strategy import Strategy
from cluster.model.watching import EVERY_MS, MIN_AGE_MS, WatchRules
from cluster.schedule import check_cron
from cluster.store import ReadTxn
from cluster.store.records import REVISIONS, WATCHES
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import Problem, invalid
from web.tools.context import Context
from web.tools.references import find_service
from web.tools.watch_views import WatchView, watch_view
from web.tools.windows import span_of, wrong

WATCH = "service.watch"
_PINNED = re.compile(r"[^@]+@sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """A watch as people write it. Without `cron` it may act at any time that change windows allow."""

    every_s: int = EVERY_MS // 1000
    min_age_s: int = MIN_AGE_MS // 1000
    cron: str = ""
    duration_s: int = 3600
    time_zone: str = "UTC"
    strategy: Strategy | None = None


async def put_watch(context: Context, call: Call, reference: str, settings: WatchSettings) -> WatchView:
    """Have a service's image followed, or in another way. Raises Problem (404, 409, 422)."""
    await context.authority.require(call, WATCH, f"service:{reference}")
    with context.surroundings.state.read() as txn:
        service = find_service(txn, reference)
        revision = REVISIONS.get(txn, service.id, service.revision)
    if revision is not None:
        refuse_pinned(service.id, revision.spec.image)
    try:
        rules = WatchRules(
            every_ms=settings.every_s * 1000,
            min_age_ms=settings.min_age_s * 1000,
            window=await span_of(settings.cron, settings.duration_s, settings.time_zone)
            if settings.cron
            else None,
            strategy=settings.strategy,
        )
    except ValueError as error:
        raise wrong(error) from error

    async def change(permit: Permit) -> None:
        await permit.propose(_command(service.id, rules, call, is_from_file=False))

    await context.authority.perform(call, WATCH, f"service:{service.id}", change)
    with context.surroundings.state.read() as txn:
        view = watch_view(txn, service.id)
        assert view is not None, "it was just put"
        return view


async def remove_watch(context: Context, call: Call, reference: str) -> None:
    """Have a service's image followed no more. Raises Problem (404)."""
    await context.authority.require(call, WATCH, f"service:{reference}")
    with context.surroundings.state.read() as txn:
        service = find_service(txn, reference)
        if WATCHES.get(txn, service.id) is None:
            raise Problem("not-found", f"the image of {service.id} is not watched")

    async def change(permit: Permit) -> None:
        await permit.propose(RemoveWatch(service_id=service.id))

    await context.authority.perform(call, WATCH, f"service:{service.id}", change)


def refuse_pinned(service_id: str, image: str) -> None:
    """A digest means the same for ever. Raises Problem (422)."""
    if _PINNED.fullmatch(image):
        raise invalid(
            "image",
            f"{service_id} names its image by digest, which never means another one",
            value=image,
            hint="name it by a tag to have it followed",
        )


def check_watches(services: Sequence[ComposeService]) -> None:
    """Refuse what a file says of watches and cannot be. Raises Problem (422)."""
    for each in services:
        if each.watch is None:
            continue
        refuse_pinned(each.service_id, each.spec.image)
        window = each.watch.window
        if window is None:
            continue
        try:
            check_cron(window.cron, window.time_zone)
        except ValueError as error:
            raise invalid(f"services.{each.name}.x-tower.watch.window", str(error)) from error


def watch_changes(
    txn: ReadTxn, services: Sequence[ComposeService], call: Call
) -> Mapping[ServiceId, PutWatch | RemoveWatch]:
    """Return what a file's services change about watches. One that was set by hand stays, unless the file
    says how.
    """
    commands: dict[ServiceId, PutWatch | RemoveWatch] = {}
    for each in services:
        present = WATCHES.get(txn, each.service_id)
        if each.watch is not None:
            if present is None or not present.is_from_file or present.rules != each.watch:
                commands[each.service_id] = _command(each.service_id, each.watch, call, is_from_file=True)
        elif present is not None and present.is_from_file:
            commands[each.service_id] = RemoveWatch(service_id=each.service_id)
    return commands


async def change_watches(
    context: Context, permit: Permit, call: Call, services: Sequence[ComposeService]
) -> None:
    """Have the images of a file's services followed as it says, once they are there. Raises Problem."""
    with context.surroundings.state.read() as txn:
        commands = watch_changes(txn, services, call)
    for service_id, command in commands.items():
        await permit.propose(command, resource=f"service:{service_id}")


def _command(service_id: ServiceId, rules: WatchRules, call: Call, *, is_from_file: bool) -> PutWatch:
    identity = call.known()
    return PutWatch(
        service_id=service_id,
        watch=rules,
        by=identity.name,
        by_principal=identity.principal_id,
        is_from_file=is_from_file,
    )
