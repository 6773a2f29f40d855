"""Sharing a service's requests by hand: for those who watch something no judge knows of."""

from __future__ import annotations

import math

from cluster.commands.services import SetSplit
from cluster.model.rollout import RolloutPhase
from cluster.model.service import Service
from cluster.model.strategy import WHOLE_PERMILLE, Colour
from cluster.store import ReadTxn, records
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import FieldError, Problem, invalid
from web.tools.admission import require_person
from web.tools.context import Context
from web.tools.nodes import lost_in
from web.tools.references import find_service
from web.tools.rollouts import on_live_hosts
from web.tools.soon import soon
from web.tools.splits import available, routers_in, split_in
from web.tools.stages import percent
from web.tools.views import SplitView
from web.tools.wishes import propose_on, wish_of

SWITCH = "service.switch-traffic"


async def get_split(context: Context, call: Call, reference: str) -> SplitView:
    """Return how the requests of a service are shared, and on which hosts. Raises Problem (404, 409)."""
    await context.authority.require(call, "service.read", f"service:{reference}")
    with context.surroundings.state.read() as txn:
        return _split(txn, find_service(txn, reference))


async def switch_traffic(
    context: Context,
    call: Call,
    reference: str,
    *,
    colour: Colour | None = None,
    permille: int | None = None,
    is_forced: bool = False,
) -> SplitView:
    """Give `permille` of the requests to `colour`; without one to the new revision's, or the other one.

    A colour alone gets all of them. A rollout under way is paused by it. Returns the split as it is after a
    moment, with the hosts that have it in force: one that is cut off is never taken for switched. Raises
    Problem: 422 for what makes no sense, 409 when a colour has too few replicas for its share, unless
    `is_forced`; without any replica at all it is refused in any case.
    """
    await context.authority.require(call, SWITCH, f"service:{reference}")
    surroundings = context.surroundings
    with surroundings.state.read() as txn:
        service = find_service(txn, reference)
        require_person(txn, call, service, "to share its requests by hand")
        target, share = share_of(txn, service, colour=colour, permille=permille)
    green_permille = share if target is Colour.GREEN else WHOLE_PERMILLE - share
    seen = wish_of(service)

    def plan(txn: ReadTxn, present: Service | None, version: int) -> SetSplit:
        assert present is not None, "the wish is the same"
        if not is_forced:
            _guard(txn, present, target, green_permille)
        return SetSplit(
            service_id=present.id,
            green_permille=green_permille,
            by=call.known().name,
            expected_version=version,
        )

    async def change(permit: Permit) -> object:
        reason = f"{percent(share)} to {target}" + (", in spite of too few replicas" if is_forced else "")
        return await propose_on(permit, surroundings, service.id, seen, plan, reason=reason)

    token = await context.authority.perform(call, SWITCH, f"service:{service.id}", change)
    assert isinstance(token, int)

    def look(txn: ReadTxn) -> bool | None:
        live = [router for router, is_down in routers_in(txn).values() if not is_down]
        return True if all(router.has_routed(token) for router in live) else None

    await soon(surroundings, look, patience_s=context.pace.split_wait_s)
    with surroundings.state.read() as txn:
        return _split(txn, records.SERVICES.get(txn, service.id) or service)


def share_of(
    txn: ReadTxn, service: Service, *, colour: Colour | None, permille: int | None
) -> tuple[Colour, int]:
    """Return which colour of a service is meant, and its share. Raises Problem as `switch_traffic` does."""
    if colour is None and permille is None:
        raise invalid("permille", "give a share, a colour, or both", hint="permille: 100 is 10 %")
    _split(txn, service)
    return colour or _other(txn, service), WHOLE_PERMILLE if permille is None else permille


def _split(txn: ReadTxn, service: Service) -> SplitView:
    split = split_in(txn, service, on_live_hosts(records.ASSIGNMENTS.scan(txn, service.id), lost_in(txn)))
    if split is None:
        raise Problem(
            "conflict",
            f"{service.id} has no route: no router shares requests for it",
            hint="give it one in its file: x-tower: {route: {host: ..., port: ...}}",
        )
    return split


def _other(txn: ReadTxn, service: Service) -> Colour:
    """The colour that is meant by "the new one"."""
    rollout = None if service.rollout_id is None else records.ROLLOUTS.get(txn, service.rollout_id)
    if rollout is not None and rollout.stage is not None:
        return rollout.stage.colour
    if service.kept is not None:
        return service.kept.colour
    raise Problem(
        "conflict",
        f"{service.id} has one colour alone: there is nothing to share its requests with",
        hint="a blue-green or canary deployment brings up another one: tower deploy --strategy canary",
    )


def _guard(txn: ReadTxn, service: Service, target: Colour, green_permille: int) -> None:
    """Raise Problem when a colour could not carry its share."""
    rollout = None if service.rollout_id is None else records.ROLLOUTS.get(txn, service.rollout_id)
    if rollout is not None and rollout.phase is RolloutPhase.ROLLING_BACK:
        raise Problem(
            "conflict",
            f"rollout {rollout.id} of {service.id} is going back: its requests are not to be had now",
            hint=f"wait for its end: tower rollout status {service.id} --wait",
        )
    live = on_live_hosts(records.ASSIGNMENTS.scan(txn, service.id), lost_in(txn))
    routers = [router for router, is_down in routers_in(txn).values() if not is_down]
    for colour in (target, target.other):
        share = green_permille if colour is Colour.GREEN else WHOLE_PERMILLE - green_permille
        needed = math.ceil(service.replicas * share / WHOLE_PERMILLE)
        ready = len(available(live, colour, routers))
        # Who gets less than before has carried more; a loss of replicas meanwhile is no reason to stay.
        is_less = colour is not target and share <= service.split.permille_of(colour)
        if ready < needed and not is_less:
            rule = f"{percent(share)} needs {needed} replicas that answer, and {colour} has {ready}"
            raise Problem(
                "conflict",
                f"{service.id}: {rule}",
                hint="wait until more are ready, give it less, or say --force",
                errors=(FieldError(field="permille", rule=rule, value=share),),
            )
