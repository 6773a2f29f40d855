"""Placement, asked about and changed: why here, what a drain moves, labels, moving replicas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cluster.commands.nodes import SetNodeLabels
from cluster.commands.services import AssignmentRef, MoveReplicas
from cluster.compose import ComposeService
from cluster.model.ids import NodeId, ServiceId, environment_of, name_in
from cluster.model.inventory import HostView
from cluster.placement import (
    Household,
    PlannedReplica,
    RebalancePlan,
    explain,
    forecast_drain,
    plan_rebalance,
)
from cluster.store import ReadTxn
from cluster.survey import Census, Intent, rules_in, take_census
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import FieldError, Problem
from web.ports import Surroundings
from web.tools.context import Context
from web.tools.nodes import find_node, node_names, read_nodes
from web.tools.placement_views import (
    DrainForecastView,
    PlacementView,
    RebalanceView,
    drain_forecast_view,
    placement_view,
    service_moves,
)
from web.tools.views import NodeView

LABEL = "node.label"
REBALANCE = "service.rebalance"


async def explain_placement(context: Context, call: Call, reference: str) -> PlacementView:
    """Return why a service's replicas are where they are, and what speaks against every other host.

    Raises Problem (404).
    """
    await context.authority.require(call, "service.read", f"service:{reference}")
    census = await read_census(context)
    household = find_household(census, reference)
    explanation = explain(census.landscape, household)
    return placement_view(explanation, household.rules, node_names(context.surroundings))


async def get_drain_forecast(context: Context, call: Call, reference: str) -> DrainForecastView:
    """Return what emptying a host would move, and what it could not. Raises Problem (404)."""
    await context.authority.require(call, "node.read", f"node:{reference}")
    node = find_node(context.surroundings, reference)
    views = await _views(context)
    census = _take(context.surroundings, views)
    unmanaged = _unmanaged(views, node.id)
    forecast = forecast_drain(census.landscape, node.id, census.households.values(), unmanaged=unmanaged or 0)
    return drain_forecast_view(forecast, node_names(context.surroundings), unmanaged)


async def rebalance(context: Context, call: Call, reference: str | None, *, dry_run: bool) -> RebalanceView:
    """Have replicas moved to where they would be placed anew, or only say which.

    Of one service, or of the first in order that has something to move: one service at a time. Raises
    Problem.
    """
    resource = f"service:{reference or '*'}"
    await context.authority.require(call, REBALANCE, resource)
    census = await read_census(context)
    named = [find_household(census, reference)] if reference else list(census.households.values())
    plans = [plan_rebalance(census.landscape, household) for household in named]
    shown = plans if reference else [plan for plan in plans if plan.moves]
    first = next((plan for plan in plans if plan.moves), None)
    if first is not None and not dry_run:
        await _move(context, call, census, first)
    names = node_names(context.surroundings)
    return RebalanceView(
        dry_run=dry_run,
        services=tuple(service_moves(plan, names) for plan in shown),
        started=first.service_id if first is not None and not dry_run else None,
    )


async def set_node_labels(
    context: Context, call: Call, reference: str, *, put: Mapping[str, str], remove: Sequence[str]
) -> NodeView:
    """Give labels to a host and take some from it. Raises Problem (404, 422)."""
    await context.authority.require(call, LABEL, f"node:{reference}")
    node = find_node(context.surroundings, reference)
    try:
        command = SetNodeLabels(
            node_id=node.id, put=tuple(sorted(put.items())), remove=tuple(sorted(set(remove)))
        )
    except ValueError as error:
        raise Problem("invalid", str(error), errors=[FieldError(field="labels", rule=str(error))]) from error

    async def change(permit: Permit) -> None:
        await permit.propose(command)

    await context.authority.perform(call, LABEL, f"node:{node.id}", change)
    return next(view for view in await read_nodes(context) if view.id == node.id)


async def plan_hosts(context: Context, intents: Sequence[Intent]) -> tuple[PlannedReplica, ...]:
    """Return where a deployment's replicas would be, for callers whose right to ask was decided."""
    return (await read_census(context)).plan(intents)


def intent_of(txn: ReadTxn, scope: str, service: ComposeService) -> Intent:
    """Return what placement is asked for a service, which is to be in a project's `scope`."""
    return Intent(
        service_id=service.service_id,
        project=scope,
        spec=service.spec,
        replicas=service.replicas,
        policy=service.policy,
        rules=rules_in(txn, environment_of(service.service_id), service.placement),
    )


async def _move(context: Context, call: Call, census: Census, plan: RebalancePlan) -> None:
    service = census.views[plan.service_id].service
    command = MoveReplicas(
        service_id=service.id,
        copies=tuple(
            AssignmentRef(revision=move.revision, ordinal=move.ordinal, node_id=move.from_node)
            for move in plan.moves
        ),
        expected_version=service.version,
    )

    async def change(permit: Permit) -> None:
        await permit.propose(command)

    await context.authority.perform(call, REBALANCE, f"service:{service.id}", change)


async def read_census(context: Context) -> Census:
    """Return what is where, for callers whose right to ask was decided."""
    return _take(context.surroundings, await _views(context))


async def _views(context: Context) -> Sequence[HostView]:
    return await context.views.read(patience_s=context.pace.overview_patience_s)


def _take(surroundings: Surroundings, views: Sequence[HostView]) -> Census:
    """What is committed, and which hosts' engines do not answer: the leader places nothing there."""
    troubled = {
        view.node_id: "has no container engine that answers"
        for view in views
        if view.inventory is not None and view.inventory.problem
    }
    with surroundings.state.read() as txn:
        return take_census(txn, troubled=troubled)


def _unmanaged(views: Sequence[HostView], node_id: NodeId) -> int | None:
    for view in views:
        if view.node_id == node_id and view.inventory is not None:
            containers = view.inventory.containers
            return sum(each.state == "running" and not each.is_managed for each in containers)
    return None


def find_household(census: Census, reference: str) -> Household:
    """Return the service of that id, or of that name where only one project has it. Raises Problem."""
    found = census.households.get(ServiceId(reference))
    if found is not None:
        return found
    named = [
        household for service_id, household in census.households.items() if name_in(service_id) == reference
    ]
    if len(named) == 1:
        return named[0]
    if named:
        ids = ", ".join(household.service_id for household in named)
        raise Problem("ambiguous", f"several services are called {reference[:80]!r}", hint=f"name one: {ids}")
    raise Problem(
        "not-found",
        f"there is no service {reference[:80]!r}",
        hint="`tower services` lists them; an id is <project>.<service>",
    )
