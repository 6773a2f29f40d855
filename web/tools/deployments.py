"""Deploying: from a Compose file to committed services, and the rollouts the leader makes of them."""

from __future__ import annotations

from dataclasses import dataclass

from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import Problem
from web.tools.carrying_out import Order, carry_out, name_rollouts
from web.tools.checking import finding_of, plan_of
from web.tools.context import Context
from web.tools.preparing import SKIP_ANALYSIS, DeployRequest, Prepared, actions_of, prepare
from web.tools.readiness import Readiness, look, refuse_errors
from web.tools.views import DeployedService, DeploymentView, IgnoredKey
from web.tools.watching import change_watches
from web.tools.windows import OVERRIDE

DEPLOY = "service.deploy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """A deployment that was only tried. `against` is all it was told from, and what it is going to be."""

    view: DeploymentView
    against: tuple[object, ...]


async def foresee(context: Context, call: Call, request: DeployRequest) -> Foreseen:
    """Return what a deployment would do. Raises Problem for all that it would be refused for."""
    await _require(context, call, request)
    prepared = await prepare(context, call, request, actions=_actions(request))
    assert prepared is not None, "what cannot be read is raised"
    return await foreseen(context, prepared)


async def foreseen(context: Context, prepared: Prepared) -> Foreseen:
    """Return what comes of what is prepared. Raises Problem for what would go wrong."""
    readiness = await look(context, prepared)
    refuse_errors(readiness, prepared.services)
    return Foreseen(view=answer(prepared, prepared.planned, readiness), against=seen_of(prepared))


def seen_of(prepared: Prepared) -> tuple[object, ...]:
    """Return what makes a deployment that one: services with their digests and pinned files, and what they
    follow on."""
    return (
        *(each for each in prepared.services),
        *(prepared.present[each.service_id].wish for each in prepared.services),
        *((each.kind.value, each.environment, each.name, each.content) for each in prepared.inline),
    )


def refuse_other(prepared: Prepared, expected: tuple[object, ...] | None) -> None:
    """Raise Problem (409) when it is not what somebody looked at. None: nobody has."""
    if expected is not None and seen_of(prepared) != expected:
        raise Problem(
            "conflict",
            "what would be deployed is not what was approved any more",
            hint="ask for it anew: an image's tag, a secret or a service has changed",
        )


def _actions(request: DeployRequest) -> tuple[str, ...]:
    return actions_of(DEPLOY, is_unjudged=request.is_unjudged, overrides_windows=request.overrides_windows)


async def _require(context: Context, call: Call, request: DeployRequest) -> None:
    for action in _actions(request):
        await context.authority.admit(call, action, "service")


async def deploy(
    context: Context, call: Call, request: DeployRequest, *, expected: tuple[object, ...] | None = None
) -> DeploymentView:
    """Have the services of a Compose file run as it says; with `expected`, if they are still to be that.

    Returns once they are committed and their rollouts have begun, which the leader carries on with. A rollout
    of an earlier deployment that is under way is superseded, and that is said. Raises Problem: 422 with
    everything that is wrong with the file, 409 when somebody else changed a service since this began.
    """
    await _require(context, call, request)
    prepared = await prepare(context, call, request, actions=_actions(request))
    assert prepared is not None, "what cannot be read is raised"
    refuse_other(prepared, expected)
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
