"""What is deployed later, or by itself, is held against all that a deployment is held against, at that time.

Accounts are removed, roles taken, quotas lowered and windows closed between the asking and the doing. What
was allowed when it was asked for is not allowed for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cluster.compose import ComposeProject, ComposeService
from cluster.model.schedules import (
    Admitted,
    Asker,
    DeploySchedule,
    NotAdmitted,
    ScheduledService,
)
from cluster.model.watching import ImageWatch
from web.auth.call import Call, Credential
from web.auth.problems import Problem
from web.tools.admission import admission_to
from web.tools.askers import call_of
from web.tools.context import Context
from web.tools.deploy_plan import read_present
from web.tools.file_pins import require_use
from web.tools.preparing import actions_of, check_host_access, with_digests
from web.tools.scaling import with_restart_of, without_restart
from web.tools.service_rights import require_wanted
from web.tools.windows import closed_among, problem_of_closed

DEPLOY = "service.deploy"
TIMEOUT_S = 90.0
_PASSING = frozenset({"host-unavailable", "unavailable", "not-committed", "outcome-unknown", "internal"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """Services of one project that are to be deployed now, as they were decided on before."""

    project: str
    services: tuple[ScheduledService, ...]
    environment: str = ""
    is_pinned_now: bool = False
    overrides_windows: bool = False


class Admitting:
    """For the leader's duties: whether what they are about to deploy may be. Raises nothing."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def admit_schedule(self, schedule: DeploySchedule) -> Admitted | NotAdmitted:
        call = call_of(self._context.surroundings, schedule.asker, via="schedule")
        if isinstance(call, NotAdmitted):
            return call
        return await self._admit(call, later_of(schedule))

    async def admit_image(self, watch: ImageWatch, service: ScheduledService) -> Admitted | NotAdmitted:
        asker = Asker(name=watch.by, principal_id=watch.by_principal)
        call = call_of(self._context.surroundings, asker, via="image watch")
        if isinstance(call, NotAdmitted):
            return call
        # Nobody has looked at this image: where a person has to approve, one is waited for.
        call = replace(call, identity=replace(call.known(), credential=Credential.API_TOKEN))
        return await self._admit(
            call, Later(project=service.project, services=(service,), environment=service.environment)
        )

    async def _admit(self, call: Call, later: Later) -> Admitted | NotAdmitted:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return Admitted(services=await admit(self._context, call, later))
        except TimeoutError:
            return NotAdmitted(reason=f"it could not be checked within {TIMEOUT_S:.0f} s", is_passing=True)
        except Problem as problem:
            reason = problem.detail + (f"; {problem.hint}" if problem.hint else "")
            return NotAdmitted(reason=reason, is_passing=problem.kind in _PASSING)


def later_of(schedule: DeploySchedule) -> Later:
    """Return what a schedule deploys."""
    return Later(
        project=schedule.project,
        services=schedule.services,
        environment=schedule.environment,
        is_pinned_now=schedule.is_pinned_at_fire,
        overrides_windows=schedule.overrides_windows,
    )


async def admit(context: Context, call: Call, later: Later) -> tuple[ScheduledService, ...]:
    """Return the services as they may be deployed now. Raises Problem as `deploy` does."""
    authority, surroundings = context.authority, context.surroundings
    is_unjudged = any(each.is_unjudged for each in later.services)
    services: Sequence[ComposeService] = tuple(map(_compose_of, later.services))
    project = ComposeProject(name=later.project, services=tuple(services), environment=later.environment)
    # The right to override a window was asked for when it was scheduled, and stays with the schedule.
    await require_wanted(context, call, actions_of(DEPLOY, is_unjudged=is_unjudged), project)
    if not later.overrides_windows:
        with surroundings.state.read() as txn:
            closed = closed_among(txn, [each.about for each in later.services], surroundings.clock.now_ms())
        if closed:
            raise problem_of_closed(closed)
    await check_host_access(context, call, project, [], is_dry_run=False)
    await require_use(authority, call, services)
    present = read_present(surroundings, project)
    if later.is_pinned_now:
        services = await with_digests(surroundings, services, present)
    with surroundings.state.read() as txn:
        admission = admission_to(txn, later.environment, later.project)
        if admission is not None:
            now_ms = surroundings.clock.now_ms()
            admission.check_size(txn, services)
            admission.check_proven(txn, services, present, now_ms, [], is_unjudged=is_unjudged)
            services = admission.with_approval(call, services, present, is_unjudged=is_unjudged)
    admitted = []
    for asked, each in zip(later.services, services, strict=True):
        revision = present[each.service_id].revision
        spec = with_restart_of(without_restart(each.spec), None if revision is None else revision.spec)
        admitted.append(replace(asked, spec=spec, policy=each.policy))
    return tuple(admitted)


def _compose_of(each: ScheduledService) -> ComposeService:
    return ComposeService(
        service_id=each.service_id,
        name=each.name,
        spec=each.spec,
        replicas=each.replicas,
        policy=each.policy,
        fencing=each.fencing,
        placement=each.placement,
        labels=each.labels,
        bound=each.bound,
        autoscale=each.autoscale,
        watch=each.watch,
    )
