"""Deploying: from a Compose file to committed services, and the rollouts the leader makes of them."""

from __future__ import annotations

from web.auth.call import Call
from web.tools.carrying_out import Order, carry_out, name_rollouts
from web.tools.context import Context
from web.tools.placement import plan_deployment
from web.tools.placement_views import PlannedHost
from web.tools.preparing import DeployRequest, Prepared, prepare
from web.tools.views import DeployedService, DeploymentView, IgnoredKey

DEPLOY = "service.deploy"
SKIP_ANALYSIS = "service.skip-analysis"


async def deploy(context: Context, call: Call, request: DeployRequest) -> DeploymentView:
    """Have the services of a Compose file run as it says.

    Returns once they are committed and their rollouts have begun, which the leader carries on with. A rollout
    of an earlier deployment that is under way is superseded, and that is said. Raises Problem: 422 with
    everything that is wrong with the file, 409 when somebody else changed a service since this began.
    """
    await context.authority.require(call, DEPLOY, "service")
    if request.is_unjudged:
        await context.authority.require(call, SKIP_ANALYSIS, "service")
    prepared = await prepare(context, call, request)
    assert prepared is not None, "what cannot be read is raised"
    warnings = prepared.warnings
    if request.is_dry_run:
        hosts = await plan_deployment(context, prepared.project.scope, prepared.services)
        warnings += [
            f"{host.service_id}: replica {host.ordinal} would wait: {host.reason}"
            for host in hosts
            if host.node_name is None
        ]
        return answer(prepared, prepared.planned, is_dry_run=True, hosts=hosts)
    order = Order(
        project=prepared.project.name,
        environment=prepared.project.environment,
        services=prepared.services,
        inline=prepared.inline,
        is_unjudged=request.is_unjudged,
    )
    deployed = await context.authority.perform(
        call,
        DEPLOY,
        f"service:{prepared.project.scope}",
        lambda permit: carry_out(
            permit, context.surroundings, call, order, prepared.present, prepared.planned
        ),
        recorded_as=SKIP_ANALYSIS if request.is_unjudged else None,
    )
    deployed = await name_rollouts(context, deployed, warnings)
    return answer(prepared, deployed, is_dry_run=False)


def answer(
    prepared: Prepared,
    services: tuple[DeployedService, ...],
    *,
    is_dry_run: bool,
    hosts: tuple[PlannedHost, ...] = (),
) -> DeploymentView:
    """Return what a caller is told of a deployment."""
    return DeploymentView(
        project=prepared.project.name,
        dry_run=is_dry_run,
        services=services,
        ignored=tuple(IgnoredKey(path=each.path, reason=each.reason) for each in prepared.project.ignored),
        warnings=tuple(prepared.warnings),
        hosts=hosts,
    )
