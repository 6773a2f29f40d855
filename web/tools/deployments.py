"""Deploying: from a Compose file to committed services, and the rollouts the leader makes of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cluster.commands.secrets import PutFile
from cluster.commands.services import AttemptRevision, PutService
from cluster.compose import ComposeFile, ComposeProject, ComposeService, Finding, parse
from cluster.model.inventory import HostRefused, HostUnavailable
from cluster.model.service import Aim, Service
from cluster.model.strategy import Strategy
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from cluster.store import ReadTxn, records
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import FieldError, Problem
from web.middleware.errors import problem_of
from web.ports import Surroundings
from web.tools.attempts import revision_and_version, rollout_of_attempt
from web.tools.context import Context
from web.tools.deploy_plan import Present, planned_of, read_present, with_strategy
from web.tools.file_pins import pin_files, require_use
from web.tools.host_reach import reach_into_host
from web.tools.placement import plan_deployment
from web.tools.placement_views import PlannedHost
from web.tools.scaling import with_restart_of
from web.tools.secrets import resource_of
from web.tools.soon import soon
from web.tools.views import DeployedService, DeploymentView, IgnoredKey
from web.tools.wishes import propose_on

DEPLOY = "service.deploy"
SKIP_ANALYSIS = "service.skip-analysis"
INSPECT = "service.inspect"
HOST_ACCESS = "service.deploy-host-access"
RESOLVING_AT_ONCE = 4
FINDINGS_SHOWN = 100
# One that is pinned already. Any other "@" is for the host to refuse.
_PINNED = re.compile(r"[^@]+@sha256:[0-9a-f]{64}")
_IMAGE_HINT = "check its name and tag, and that `docker pull` gets it on that host; nothing was changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployRequest:
    """A Compose file. `project` names it over the file's own name; `variables` are for `${NAME}` in it.

    Of secrets and configs, those of `environment` come before those of all environments. `strategy` is used
    instead of the file's. With `is_unjudged` nothing is judged and nobody is asked to approve. `overrides`
    are laid over the file, `files` are the contents of those it names, and findings call it `file`.
    """

    compose: str = field(repr=False)
    project: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_dry_run: bool = False
    environment: str = ""
    strategy: Strategy | None = None
    is_unjudged: bool = False
    file: str = ""
    overrides: tuple[ComposeFile, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict, repr=False)


async def deploy(context: Context, call: Call, request: DeployRequest) -> DeploymentView:
    """Have the services of a Compose file run as it says.

    Returns once they are committed and their rollouts have begun, which the leader carries on with. A rollout
    of an earlier deployment that is under way is superseded, and that is said. Raises Problem: 422 with
    everything that is wrong with the file, 409 when somebody else changed a service since this began.
    """
    await context.authority.require(call, DEPLOY, "service")
    if request.is_unjudged:
        await context.authority.require(call, SKIP_ANALYSIS, "service")
    # A file of a megabyte takes the parser seconds of a core: beside the loop, and one at a time.
    async with context.parsing:
        parsed = await asyncio.to_thread(
            parse,
            request.compose,
            project=request.project,
            variables=dict(request.variables),
            overrides=request.overrides,
            environment=request.environment,
            files=dict(request.files),
            file=request.file,
        )
    if not isinstance(parsed, ComposeProject):
        raise _unreadable(parsed)
    present = read_present(context.surroundings, parsed)
    warnings = [*map(str, parsed.warnings), *_orphans(context.surroundings, parsed)]
    await _check_host_access(context, call, parsed, warnings, is_dry_run=request.is_dry_run)
    with context.surroundings.state.read() as txn:
        pinned = pin_files(txn, parsed, environment=request.environment, by=call.known().name)
    await require_use(context.authority, call, pinned.services)
    wanted = with_strategy(pinned.services, request.strategy, warnings)
    services = await _with_digests(context.surroundings, wanted, present)
    shows_values = context.authority.decide(call, INSPECT, "service").allowed
    planned = tuple(
        planned_of(service, present[service.service_id], shows_values=shows_values) for service in services
    )
    for service in planned:
        if service.supersedes is not None:
            warnings.append(
                f"{service.service_id}: what is under way is superseded: {present[service.service_id].moving}"
            )
    if request.is_dry_run:
        hosts = await plan_deployment(context, parsed.name, services)
        warnings += [
            f"{host.service_id}: replica {host.ordinal} would wait: {host.reason}"
            for host in hosts
            if host.node_name is None
        ]
        return _answer(parsed, planned, warnings, is_dry_run=True, hosts=hosts)
    work = _Putting(context.surroundings, call, parsed, present, is_unjudged=request.is_unjudged)
    deployed = await context.authority.perform(
        call,
        DEPLOY,
        f"service:{parsed.name}",
        lambda permit: work.put(permit, services, planned, pinned.inline),
        recorded_as=SKIP_ANALYSIS if request.is_unjudged else None,
    )
    deployed = await _name_rollouts(context, deployed, warnings)
    return _answer(parsed, deployed, warnings, is_dry_run=False)


@dataclass(frozen=True, slots=True)
class _Putting:
    """Committing the services of one file, one after the other."""

    surroundings: Surroundings
    call: Call
    project: ComposeProject
    present: Mapping[str, Present]
    is_unjudged: bool

    async def put(
        self,
        permit: Permit,
        services: Sequence[ComposeService],
        planned: Sequence[DeployedService],
        inline: Sequence[PutFile],
    ) -> tuple[DeployedService, ...]:
        deployed: list[DeployedService] = []
        permit.nothing_changed()
        for config in inline:
            await permit.propose(config, resource=resource_of(config.kind, config.name, config.environment))
        for service, plan in zip(services, planned, strict=True):
            if not plan.changed:
                deployed.append(plan)
                continue
            try:
                result = await self._put_one(permit, service, is_retry=plan.is_retry)
            except (Problem, NotCommitted, OutcomeUnknown) as error:
                changed = [each.service_id for each in deployed if each.changed]
                raise _after(changed, service.service_id, error, self.call) from error
            revision, version = revision_and_version(result)
            deployed.append(replace(plan, revision=revision, version=version))
        return tuple(deployed)

    async def _put_one(self, permit: Permit, service: ComposeService, *, is_retry: bool) -> object:
        known = self.present[service.service_id]
        by = self.call.known().name

        def put(txn: ReadTxn, _: Service | None, version: int) -> PutService:
            return PutService(
                service_id=service.service_id,
                project=self.project.name,
                name=service.name,
                spec=service.spec,
                replicas=service.replicas,
                policy=service.policy,
                created_by=by,
                expected_version=version,
                fencing=service.fencing,
                is_unjudged=self.is_unjudged,
                placement=service.placement,
                environment=self.project.environment,
                bound=service.bound,
                labels=service.labels,
            )

        def try_again(txn: ReadTxn, present: Service | None, version: int) -> AttemptRevision:
            assert present is not None, "there is a revision of it"
            return AttemptRevision(
                service_id=present.id,
                revision=present.revision,
                aim=Aim.RETRY,
                by=by,
                is_unjudged=self.is_unjudged,
                expected_version=version,
            )

        wish = known.wish
        result: object = None
        if known.differs(service):
            result = await propose_on(permit, self.surroundings, service.service_id, wish, put)
            if is_retry:
                assert wish is not None, "there is a revision of it"
                wish = replace(
                    wish,
                    replicas=service.replicas,
                    policy=service.policy,
                    placement=service.placement,
                    fencing=service.fencing,
                )
        if is_retry:
            result = await propose_on(permit, self.surroundings, service.service_id, wish, try_again)
        return result


async def _name_rollouts(
    context: Context, deployed: tuple[DeployedService, ...], warnings: list[str]
) -> tuple[DeployedService, ...]:
    """Wait a moment for the leader to begin the rollouts, so that the caller can follow them."""

    def look(txn: ReadTxn) -> tuple[DeployedService, ...] | None:
        named = tuple(_with_rollout(txn, service) for service in deployed)
        return None if any(_is_awaited(txn, service) for service in named) else named

    surroundings = context.surroundings
    named = await soon(surroundings, look, patience_s=context.pace.rollout_wait_s)
    if named is not None:
        return named
    with surroundings.state.read() as txn:
        named = tuple(_with_rollout(txn, service) for service in deployed)
        for service in named:
            if _is_awaited(txn, service):
                warnings.append(
                    f"{service.service_id}: the leader has not begun the rollout yet; `tower services` shows"
                    " when it has"
                )
    return named


def _with_rollout(txn: ReadTxn, deployed: DeployedService) -> DeployedService:
    """Name the rollout that is under way to the revision, of this deployment or of an equal one before."""
    service = records.SERVICES.get(txn, deployed.service_id)
    rollout = None if service is None else rollout_of_attempt(txn, service)
    if rollout is None or rollout.to_revision != deployed.revision:
        return deployed
    if rollout.phase.is_terminal and not deployed.changed:
        return deployed
    return replace(deployed, rollout_id=rollout.id)


def _is_awaited(txn: ReadTxn, deployed: DeployedService) -> bool:
    """Whether a rollout is still to come. None is when only the number of replicas or the policy changed."""
    if not deployed.changed or deployed.rollout_id is not None:
        return False
    service = records.SERVICES.get(txn, deployed.service_id)
    return service is not None and service.stable_revision != deployed.revision


def _orphans(surroundings: Surroundings, project: ComposeProject) -> list[str]:
    wanted = {service.service_id for service in project.services}
    with surroundings.state.read() as txn:
        services = records.SERVICES.scan(txn)
    return [
        f"{service.id} is not in the file and goes on running; remove it if it is not needed any more"
        for service in services
        if service.scope == project.scope and service.id not in wanted and not service.is_removed
    ]


async def _check_host_access(
    context: Context, call: Call, project: ComposeProject, warnings: list[str], *, is_dry_run: bool
) -> None:
    for service in project.services:
        reach = reach_into_host(service.spec)
        if reach is None:
            continue
        resource = f"service:{service.service_id}"
        if not is_dry_run:
            await context.authority.require(call, HOST_ACCESS, resource)
        elif not context.authority.decide(call, HOST_ACCESS, resource).allowed:
            warnings.append(f"{service.service_id}: {reach}; only an administrator may deploy that")


async def _with_digests(
    surroundings: Surroundings, services: Sequence[ComposeService], present: Mapping[str, Present]
) -> list[ComposeService]:
    """Pin every image to what its reference means now, so that all hosts run the same."""
    gate = asyncio.Semaphore(RESOLVING_AT_ONCE)
    images = sorted({service.spec.image for service in services})

    async def resolve(image: str) -> str | HostRefused | HostUnavailable:
        if _PINNED.fullmatch(image):
            return image.partition("@")[2]
        async with gate:
            try:
                return await surroundings.hosts.image_digest(image)
            except (HostRefused, HostUnavailable) as error:
                return error

    async with asyncio.TaskGroup() as tasks:
        resolving = {image: tasks.create_task(resolve(image)) for image in images}
    digests = {image: task.result() for image, task in resolving.items()}
    errors = []
    for service in services:
        digest = digests[service.spec.image]
        if isinstance(digest, HostUnavailable):
            raise Problem(
                "host-unavailable",
                f"what {service.spec.image} means now cannot be asked: {digest}",
                retry_after_s=5,
            )
        if isinstance(digest, HostRefused):
            field_name = f"services.{service.name}.image"
            errors.append(
                FieldError(field=field_name, rule=str(digest), value=service.spec.image, hint=_IMAGE_HINT)
            )
    if errors:
        raise Problem("invalid", f"{errors[0].field}: {errors[0].rule}", errors=errors)
    return [_pinned(service, str(digests[service.spec.image]), present) for service in services]


def _pinned(service: ComposeService, digest: str, present: Mapping[str, Present]) -> ComposeService:
    revision = present[service.service_id].revision
    if not digest and revision is not None and revision.spec.image == service.spec.image:
        # Nobody can say whether the reference means something else now, so it means what it meant.
        digest = revision.spec.digest
    spec = replace(service.spec, digest=digest)
    return replace(service, spec=with_restart_of(spec, None if revision is None else revision.spec))


def _answer(
    project: ComposeProject,
    services: tuple[DeployedService, ...],
    warnings: list[str],
    *,
    is_dry_run: bool,
    hosts: tuple[PlannedHost, ...] = (),
) -> DeploymentView:
    return DeploymentView(
        project=project.name,
        dry_run=is_dry_run,
        services=services,
        ignored=tuple(IgnoredKey(path=each.path, reason=each.reason) for each in project.ignored),
        warnings=tuple(warnings),
        hosts=hosts,
    )


def _unreadable(findings: Sequence[Finding]) -> Problem:
    errors = [
        FieldError(
            field=finding.path or "compose",
            rule=finding.rule,
            hint=finding.hint,
            line=finding.line or None,
            column=finding.column or None,
            file=finding.file,
        )
        for finding in findings[:FINDINGS_SHOWN]
    ]
    count = len(findings)
    what = "one thing is" if count == 1 else f"{count} things are"
    return Problem("invalid", f"{what} wrong with the Compose file; nothing was changed", errors=errors)


def _after(changed: list[str], failed: str, error: Exception, call: Call) -> Problem:
    problem = problem_of(error, request_id=call.request_id)
    problem.detail = f"{failed}: {problem.detail}"
    if changed:
        problem.detail += f". Changed before that: {', '.join(changed)}; deploy the file again to go on"
    return problem
