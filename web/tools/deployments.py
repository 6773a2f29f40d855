"""Deploying: from a Compose file to committed services, and the rollouts the leader makes of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cluster.commands.secrets import PutFile
from cluster.commands.services import PutService
from cluster.compose import ComposeProject, ComposeService, Finding, parse
from cluster.model.inventory import HostRefused, HostUnavailable
from cluster.model.service import Revision, Service, ServiceSpec, VolumeKind
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from cluster.store import records
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import FieldError, Problem
from web.middleware.errors import problem_of
from web.ports import Surroundings
from web.tools.context import Context
from web.tools.file_pins import pin_files, require_use
from web.tools.secrets import resource_of
from web.tools.views import DeployedService, DeploymentView, IgnoredKey

DEPLOY = "service.deploy"
HOST_ACCESS = "service.deploy-host-access"
RESOLVING_AT_ONCE = 4
FINDINGS_SHOWN = 100
# One that is pinned already. Any other "@" is for the host to refuse.
_PINNED = re.compile(r"[^@]+@sha256:[0-9a-f]{64}")
_IMAGE_HINT = "check its name and tag, and that `docker pull` gets it on that host; nothing was changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployRequest:
    """A Compose file. `project` names it over the file's own name; `variables` are for `${NAME}` in it.

    Of secrets and configs, those of `environment` come before those of all environments.
    """

    compose: str = field(repr=False)
    project: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_dry_run: bool = False
    environment: str = ""


@dataclass(frozen=True, slots=True)
class _Present:
    """A service as it is now; neither is there before its first deployment."""

    service: Service | None
    revision: Revision | None

    @property
    def version(self) -> int:
        return 0 if self.service is None else self.service.version

    def differs(self, wanted: ComposeService) -> bool:
        service, revision = self.service, self.revision
        if service is None or revision is None or service.is_removed:
            return True
        return (revision.spec, service.replicas, service.policy) != (
            wanted.spec,
            wanted.replicas,
            wanted.policy,
        )

    def next_revision(self, wanted: ComposeService) -> int:
        """What the revision's number is going to be, as far as this node knows."""
        if self.service is None:
            return 1
        is_new = self.revision is None or self.revision.spec != wanted.spec
        return self.service.revision + (1 if is_new else 0)


async def deploy(context: Context, call: Call, request: DeployRequest) -> DeploymentView:
    """Have the services of a Compose file run as it says.

    Returns once they are committed and their rollouts have begun, which the leader carries on with. Raises
    Problem: 422 with everything that is wrong with the file.
    """
    await context.authority.require(call, DEPLOY, "service")
    # A file of a megabyte takes the parser seconds of a core: beside the loop, and one at a time.
    async with context.parsing:
        parsed = await asyncio.to_thread(
            parse, request.compose, project=request.project, variables=dict(request.variables)
        )
    if not isinstance(parsed, ComposeProject):
        raise _unreadable(parsed)
    present = _read_present(context.surroundings, parsed)
    warnings = _orphans(context.surroundings, parsed)
    await _check_host_access(context, call, parsed, warnings, is_dry_run=request.is_dry_run)
    with context.surroundings.state.read() as txn:
        pinned = pin_files(txn, parsed, environment=request.environment, by=call.known().name)
    await require_use(context.authority, call, pinned.services)
    services = await _with_digests(context.surroundings, pinned.services, present)
    if request.is_dry_run:
        planned = tuple(_planned(service, present[service.service_id]) for service in services)
        return _answer(parsed, planned, warnings, is_dry_run=True)
    deployed = await context.authority.perform(
        call,
        DEPLOY,
        f"service:{parsed.name}",
        lambda permit: _put(permit, call, parsed, services, pinned.inline, present),
    )
    deployed = await _name_rollouts(context, deployed, warnings)
    return _answer(parsed, deployed, warnings, is_dry_run=False)


async def _put(
    permit: Permit,
    call: Call,
    project: ComposeProject,
    services: Sequence[ComposeService],
    inline: Sequence[PutFile],
    present: Mapping[str, _Present],
) -> tuple[DeployedService, ...]:
    deployed: list[DeployedService] = []
    permit.nothing_changed()
    for config in inline:
        await permit.propose(config, resource=resource_of(config.kind, config.name, config.environment))
    for service in services:
        known = present[service.service_id]
        if not known.differs(service):
            deployed.append(_planned(service, known))
            continue
        command = PutService(
            service_id=service.service_id,
            project=project.name,
            name=service.name,
            spec=service.spec,
            replicas=service.replicas,
            policy=service.policy,
            created_by=call.known().name,
            expected_version=known.version,
        )
        try:
            result = await permit.propose(command, resource=f"service:{service.service_id}")
        except (Problem, NotCommitted, OutcomeUnknown) as error:
            changed = [each.service_id for each in deployed if each.changed]
            raise _after(changed, service.service_id, error, call) from error
        revision, version = _pair(result)
        deployed.append(
            DeployedService(
                service_id=service.service_id,
                revision=revision,
                version=version,
                rollout_id=None,
                changed=True,
            )
        )
    return tuple(deployed)


async def _name_rollouts(
    context: Context, deployed: tuple[DeployedService, ...], warnings: list[str]
) -> tuple[DeployedService, ...]:
    """Wait a moment for the leader to begin the rollouts, so that the caller can follow them."""
    surroundings = context.surroundings
    changed = asyncio.Event()
    unsubscribe = surroundings.state.subscribe(lambda _: changed.set())
    try:
        async with asyncio.timeout(context.pace.rollout_wait_s):
            while True:
                changed.clear()
                named = tuple(_with_rollout(surroundings, service) for service in deployed)
                if not any(_is_awaited(surroundings, service) for service in named):
                    return named
                await changed.wait()
    except TimeoutError:
        named = tuple(_with_rollout(surroundings, service) for service in deployed)
    finally:
        unsubscribe()
    for service in named:
        if _is_awaited(surroundings, service):
            warnings.append(
                f"{service.service_id}: the leader has not begun the rollout yet; `tower services` shows when"
                " it has"
            )
    return named


def _with_rollout(surroundings: Surroundings, deployed: DeployedService) -> DeployedService:
    if not deployed.changed:
        return deployed
    with surroundings.state.read() as txn:
        service = records.SERVICES.get(txn, deployed.service_id)
        rollout_id = None if service is None else service.rollout_id
        rollout = None if rollout_id is None else records.ROLLOUTS.get(txn, rollout_id)
    if rollout is None or rollout.to_revision != deployed.revision:
        return deployed
    return replace(deployed, rollout_id=rollout.id)


def _is_awaited(surroundings: Surroundings, deployed: DeployedService) -> bool:
    """Whether a rollout is still to come. None is when only the number of replicas or the policy changed."""
    if not deployed.changed or deployed.rollout_id is not None:
        return False
    with surroundings.state.read() as txn:
        service = records.SERVICES.get(txn, deployed.service_id)
    return service is not None and service.stable_revision != deployed.revision


def _read_present(surroundings: Surroundings, project: ComposeProject) -> dict[str, _Present]:
    present: dict[str, _Present] = {}
    with surroundings.state.read() as txn:
        for wanted in project.services:
            service = records.SERVICES.get(txn, wanted.service_id)
            revision = None if service is None else records.REVISIONS.get(txn, service.id, service.revision)
            present[wanted.service_id] = _Present(service, revision)
    return present


def _orphans(surroundings: Surroundings, project: ComposeProject) -> list[str]:
    wanted = {service.service_id for service in project.services}
    with surroundings.state.read() as txn:
        services = records.SERVICES.scan(txn)
    return [
        f"{service.id} is not in the file and goes on running; remove it if it is not needed any more"
        for service in services
        if service.project == project.name and service.id not in wanted and not service.is_removed
    ]


async def _check_host_access(
    context: Context, call: Call, project: ComposeProject, warnings: list[str], *, is_dry_run: bool
) -> None:
    for service in project.services:
        reach = _reach_into_host(service.spec)
        if reach is None:
            continue
        resource = f"service:{service.service_id}"
        if not is_dry_run:
            await context.authority.require(call, HOST_ACCESS, resource)
        elif not context.authority.decide(call, HOST_ACCESS, resource).allowed:
            warnings.append(f"{service.service_id}: {reach}; only an administrator may deploy that")


def _reach_into_host(spec: ServiceSpec) -> str | None:
    """Return what of the host a container would get hold of, or None.

    A port the engine chooses is what every routed replica has; a fixed one takes it from the others.
    """
    for volume in spec.volumes:
        if volume.kind is VolumeKind.BIND:
            return f"it mounts {volume.source} of the host"
    for port in spec.ports:
        if port.host_port:
            return f"it takes port {port.host_port} of the host"
    return None


async def _with_digests(
    surroundings: Surroundings, services: Sequence[ComposeService], present: Mapping[str, _Present]
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


def _pinned(service: ComposeService, digest: str, present: Mapping[str, _Present]) -> ComposeService:
    revision = present[service.service_id].revision
    if not digest and revision is not None and revision.spec.image == service.spec.image:
        # Nobody can say whether the reference means something else now, so it means what it meant.
        digest = revision.spec.digest
    return replace(service, spec=replace(service.spec, digest=digest))


def _planned(service: ComposeService, present: _Present) -> DeployedService:
    changed = present.differs(service)
    return DeployedService(
        service_id=service.service_id,
        revision=present.next_revision(service),
        version=present.version,
        rollout_id=None,
        changed=changed,
    )


def _answer(
    project: ComposeProject,
    services: tuple[DeployedService, ...],
    warnings: list[str],
    *,
    is_dry_run: bool,
) -> DeploymentView:
    return DeploymentView(
        project=project.name,
        dry_run=is_dry_run,
        services=services,
        ignored=tuple(IgnoredKey(path=each.path, reason=each.reason) for each in project.ignored),
        warnings=tuple(warnings),
    )


def _unreadable(findings: Sequence[Finding]) -> Problem:
    errors = [
        FieldError(
            field=finding.path or "compose",
            rule=finding.rule,
            hint=finding.hint,
            line=finding.line or None,
            column=finding.column or None,
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


def _pair(result: object) -> tuple[int, int]:
    match result:
        case (int(revision), int(version)) | [int(revision), int(version)]:
            return revision, version
        case _:
            raise AssertionError(f"PutService answered {result!r}")
