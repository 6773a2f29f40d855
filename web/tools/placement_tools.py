"""The tools about placement."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from web.auth.call import Call
from web.tools.arguments import Arguments, Named, Short
from web.tools.context import Context
from web.tools.drain_preview import preview_drain
from web.tools.nodes import drain_node
from web.tools.placement import explain_placement, get_drain_forecast, rebalance
from web.tools.placement_views import HostVerdict, ServiceMoves
from web.tools.registry import Tool

HOSTS_SHOWN = 50


class ExplainService(Arguments):
    """Which service."""

    service: Named = Field(description="a service's id such as shop.web, or its name")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedReplica:
    """One replica, in short."""

    ordinal: int
    node: str
    why: tuple[str, ...]
    would_not_be_placed_here_today: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsideredHost:
    """One host, for one more replica."""

    node: str
    verdict: HostVerdict
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePlacement:
    """Why its replicas are where they are, and what each host is for one more."""

    service: str
    rules: tuple[str, ...] | None
    replicas: tuple[PlacedReplica, ...]
    hosts: tuple[ConsideredHost, ...]
    no_host_because: str | None


async def _explain_service(context: Context, call: Call, given: ExplainService) -> ServicePlacement:
    view = await explain_placement(context, call, given.service)
    return ServicePlacement(
        service=view.service_id,
        rules=view.rules or None,
        replicas=tuple(
            PlacedReplica(
                ordinal=replica.ordinal,
                node=replica.node_name,
                why=replica.reasons,
                would_not_be_placed_here_today=replica.objections or None,
            )
            for replica in view.replicas
        ),
        hosts=tuple(
            ConsideredHost(node=host.node_name, verdict=host.verdict, reasons=host.reasons)
            for host in view.hosts[:HOSTS_SHOWN]
        ),
        no_host_because=view.refusal or None,
    )


class DrainNode(Arguments):
    """Which host, and whether to do it."""

    node: Named = Field(description="name or id")
    dry_run: bool = Field(default=False, description="only say what would move and what would not")


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedReplica:
    """One replica and where it goes."""

    service: str
    ordinal: int
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StayingReplica:
    """One replica that cannot move, and why."""

    service: str
    ordinal: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What a drain moves. `draining`: whether it has begun."""

    node: str
    draining: bool
    summary: str
    moves: tuple[MovedReplica, ...]
    stays: tuple[StayingReplica, ...] | None


async def _drain_node(context: Context, call: Call, given: DrainNode) -> Drained:
    # Told before it begins: afterwards what moved first is not there to be told of.
    forecast = await get_drain_forecast(context, call, given.node)
    if not given.dry_run:
        await drain_node(context, call, given.node, is_draining=True)
    return Drained(
        node=forecast.node_name,
        draining=not given.dry_run,
        summary=forecast.summary,
        moves=tuple(
            MovedReplica(service=move.service_id, ordinal=move.ordinal, to=move.to_node)
            for move in forecast.moves
        ),
        stays=tuple(
            StayingReplica(service=stay.service_id, ordinal=stay.ordinal, reason=stay.reason)
            for stay in forecast.stays
        )
        or None,
    )


class RebalanceService(Arguments):
    """Which service, and whether to do it."""

    service: Short = Field(default="", description="a service's id or name; none: the first that needs it")
    dry_run: bool = Field(default=False, description="only say what would move")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebalanced:
    """The moves, and of which service they were asked for."""

    services: tuple[ServiceMoves, ...]
    started: str | None


async def _rebalance_service(context: Context, call: Call, given: RebalanceService) -> Rebalanced:
    view = await rebalance(context, call, given.service or None, dry_run=given.dry_run)
    return Rebalanced(services=view.services, started=view.started)


PLACEMENT_TOOLS: tuple[Tool, ...] = (
    Tool(
        name="explain-service",
        title="Explain a service's placement",
        description="Say why each replica of a service is on its host, and for every host whether it would"
        " take one more or what speaks against it: rules, room, ports, volumes, drains.",
        input_model=ExplainService,
        output=ServicePlacement,
        action="service.read",
        run=_explain_service,
        resource_of=lambda given: f"service:{given.service}",
    ),
    Tool(
        name="drain-node",
        title="Empty a host",
        description="Move a host's replicas to other hosts and place none on it. Says what moves and what"
        " cannot (such as replicas with a local volume); use dry_run first.",
        input_model=DrainNode,
        output=Drained,
        action="node.drain",
        run=_drain_node,
        preview=lambda context, call, given: preview_drain(context, call, given.node),
        resource_of=lambda given: f"node:{given.node}",
        is_read_only=False,
        is_destructive=True,
    ),
    Tool(
        name="rebalance-service",
        title="Rebalance a service",
        description="Move replicas of a routed service without volumes so that they keep its rules and are"
        " spread evenly, each successor first. Use dry_run first. Needs role operator.",
        input_model=RebalanceService,
        output=Rebalanced,
        action="service.rebalance",
        run=_rebalance_service,
        resource_of=lambda given: f"service:{given.service or '*'}",
        is_read_only=False,
    ),
)
