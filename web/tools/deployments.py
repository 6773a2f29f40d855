"""Deploying: from a Compose file to committed services, and the rollouts the leader makes of them."""

from __future__ import annotations

from web.auth.authority import Permit
from web.auth.call import Call
from web.tools.carrying_out import Order, carry_out, name_rollouts
from web.tools.checking import finding_of, plan_of
from web.tools.context import Context
from web.tools.preparing import SKIP_ANALYSIS, DeployRequest, Prepared, actions_of, prepare
from web.tools.readiness import Readiness, look, refuse_errors
from web.tools.views import DeployedService, DeploymentView, IgnoredKey
from web.tools.watching import change_watches
from web.tools.windows import OVERRIDE

DEPLOY = "service.deploy"


def _actions(request: DeployRequest) -> tuple[str, ...]:
    return actions_of(DEPLOY, is_unjudged=request.is_unjudged, overrides_windows=request.overrides_windows)


async def deploy(context: Context, call: Call, request: DeployRequest) -> DeploymentView:
    """Have the services of a Compose file run as it says.

    Returns once they are committed and their rollouts have begun, which the leader carries on with. A rollout
    of an earlier deployment that is under way is superseded, and that is said. Raises Problem: 422 with
    everything that is wrong with the file, 409 when somebody else changed a service since this began.
    """
    for action in _actions(request):
        await context.authority.admit(call, action, "service")
    prepared = await prepare(context, call, request, actions=_actions(request))
    assert prepared is not None, "what cannot be read is raised"
    warnings = prepared.warnings
    readiness = await look(context, prepared)
    if request.is_dry_run:
        return answer(prepared, prepared.planned, readiness)
    refuse_errors(readiness, prepared.services)
    warnings += map(str, readiness.warnings)
    order = Order(
        project=prepared.project.name,
        environment=prepared.project.environment,
        services=prepared.services,
        inline=prepared.inline,
        is_unjudged=request.is_unjudged,
    )

    async def change(permit: Permit) -> tuple[DeployedService, ...]:
        done = await carry_out(permit, context.surroundings, call, order, prepared.present, prepared.planned)
        await change_watches(context, permit, call, prepared.services)
        return done

    deployed = await context.authority.perform(
        call,
        DEPLOY,
        f"service:{prepared.project.scope}",
        change,
        recorded_as=recorded_as(prepared, is_unjudged=request.is_unjudged),
        on=prepared.targets,
    )
    deployed = await name_rollouts(context, deployed, warnings)
    return answer(prepared, deployed)


def recorded_as(prepared: Prepared, *, is_unjudged: bool) -> str | None:
    """Return the name of the audit's entry: of the strongest thing that was asked for beside it."""
    if prepared.overrides_windows:
        return OVERRIDE
    return SKIP_ANALYSIS if is_unjudged else None


def answer(
    prepared: Prepared, services: tuple[DeployedService, ...], readiness: Readiness | None = None
) -> DeploymentView:
    """Return what a caller is told of a deployment; of one that is only tried, with its `readiness`."""
    return DeploymentView(
        project=prepared.project.name,
        dry_run=readiness is not None,
        services=services,
        ignored=tuple(IgnoredKey(path=each.path, reason=each.reason) for each in prepared.project.ignored),
        warnings=tuple(dict.fromkeys(prepared.warnings)),
        hosts=() if readiness is None else readiness.hosts,
        findings=() if readiness is None else tuple(map(finding_of, readiness.notes)),
        plan=() if readiness is None else plan_of(readiness),
    )
