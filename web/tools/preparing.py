"""From a Compose file to services ready for the log: whatever can be refused is refused before that."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from cluster.commands.secrets import PutFile
from cluster.compose import ComposeFile, ComposeProject, ComposeService, Finding, parse
from cluster.model.inventory import HostRefused, HostUnavailable
from cluster.model.strategy import Strategy
from cluster.model.windows import About
from cluster.rbac import Target
from cluster.store import records
from web.auth.call import Call
from web.auth.problems import FieldError, Problem
from web.auth.targets import service_target
from web.ports import Surroundings
from web.tools.admission import Admission, admission_to
from web.tools.context import Context
from web.tools.deploy_plan import Present, planned_of, read_present, with_strategy
from web.tools.file_pins import pin_files, require_use
from web.tools.host_reach import reach_into_host
from web.tools.scaling import with_restart_of
from web.tools.service_rights import of_service, require_wanted
from web.tools.views import DeployedService
from web.tools.watching import check_watches
from web.tools.windows import OVERRIDE, closed_among, problem_of_closed

INSPECT = "service.inspect"
HOST_ACCESS = "service.deploy-host-access"
SKIP_ANALYSIS = "service.skip-analysis"
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
    are laid over the file, `files` are the contents of those it names, and findings call it `file`. `at_ms`
    is when it is going to be deployed, None for now, and `overrides_windows` does so whatever change windows
    and freezes say then.
    """

    compose: str = field(repr=False)
    project: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_dry_run: bool = False
    environment: str = ""
    strategy: Strategy | None = None
    is_unjudged: bool = False
    file: str = ""
    at_ms: int | None = None
    overrides_windows: bool = False
    overrides: tuple[ComposeFile, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a deployment is going to be, and what was seen of the services before it.

    `services` have their images and files pinned, `inline` are versions of configs to be kept first.
    `targets` are what the services are, and are going to be, to permissions. `warnings` grow with what is
    found later. With `overrides_windows` it is made although a window or a freeze is against it.
    """

    project: ComposeProject
    services: Sequence[ComposeService]
    inline: Sequence[PutFile]
    present: Mapping[str, Present]
    targets: tuple[Target, ...]
    planned: tuple[DeployedService, ...]
    admission: Admission | None
    warnings: list[str]
    overrides_windows: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The image that a promoted service has, whatever the file says: reference and digest."""

    image: str
    digest: str


def actions_of(action: str, *, is_unjudged: bool = False, overrides_windows: bool = False) -> tuple[str, ...]:
    """Return all that a caller has to be allowed to do with each service to have `action` done so."""
    return (
        action,
        *((SKIP_ANALYSIS,) if is_unjudged else ()),
        *((OVERRIDE,) if overrides_windows else ()),
    )


def _raised(problem: Problem) -> None:
    raise problem


async def prepare(
    context: Context,
    call: Call,
    request: DeployRequest,
    *,
    actions: Sequence[str],
    refuse: Callable[[Problem], None] = _raised,
    releases: Mapping[str, Release] | None = None,
) -> Prepared | None:
    """Read the file, hold it against the environment, and pin what it names.

    Each refusal is handed to `refuse`, which raises it, or notes it: then the rest is looked at, too, and
    None is returned only for a file that cannot be read. `actions` are what the caller has to be allowed to
    do with each service: that is never only noted. With `releases`, by service name, only those services are
    prepared, with these images, which are known to be proven.
    """
    parsed = await read_project(context, request)
    if not isinstance(parsed, ComposeProject):
        refuse(unreadable(parsed))
        return None
    return await _Preparing(context, call, request, tuple(actions), refuse, releases).run(parsed)


async def prepare_copies(
    context: Context, call: Call, request: DeployRequest, project: ComposeProject, *, actions: Sequence[str]
) -> Prepared:
    """As `prepare`, of services that are there elsewhere: their images are pinned and proven already.

    Images are as the environment's registry has them, files are to be pinned anew.
    """
    releases = {
        each.name: Release(image=each.spec.image, digest=each.spec.digest) for each in project.services
    }
    return await _Preparing(context, call, request, tuple(actions), _raised, releases).run(project)


async def read_project(context: Context, request: DeployRequest) -> ComposeProject | tuple[Finding, ...]:
    """Return the project in the request's files, or all that is wrong with them."""
    # A file of a megabyte takes the parser seconds of a core: beside the loop, and one at a time.
    async with context.parsing:
        return await asyncio.to_thread(
            parse,
            request.compose,
            project=request.project,
            variables=dict(request.variables),
            overrides=request.overrides,
            environment=request.environment,
            files=dict(request.files),
            file=request.file,
        )


@dataclass(frozen=True, slots=True)
class _Preparing:
    context: Context
    call: Call
    request: DeployRequest
    actions: tuple[str, ...]
    refuse: Callable[[Problem], None]
    releases: Mapping[str, Release] | None

    async def run(self, parsed: ComposeProject) -> Prepared:
        surroundings, call = self.context.surroundings, self.call
        warnings = [*map(str, parsed.warnings)]
        if self.releases is not None:
            parsed = _only(parsed, self.releases)
        targets = await require_wanted(self.context, call, self.actions, parsed)
        if self.releases is None:
            warnings += _orphans(self.context, call, parsed)
        present = read_present(surroundings, parsed)
        is_overriding = await self._check_windows(parsed, warnings)
        with self._refusing():
            await asyncio.to_thread(check_watches, parsed.services)
        parsed, admission = self._admit(parsed)
        await self._check_host_access(parsed, warnings)
        services: Sequence[ComposeService] = parsed.services
        inline: Sequence[PutFile] = ()
        with self._refusing(), surroundings.state.read() as txn:
            pinned = pin_files(txn, parsed, environment=self.request.environment, by=call.known().name)
            services, inline = pinned.services, pinned.inline
        await require_use(self.context.authority, call, services, inline=parsed.configs)
        with self._refusing():
            services = with_strategy(services, self.request.strategy, warnings)
        with self._refusing():
            services = await self._with_images(services, present)
        if admission is not None:
            services = self._let_in(admission, services, present, warnings)
        inspecting = self.context.authority.sight(call, INSPECT)
        planned = tuple(
            planned_of(
                each,
                present[each.service_id],
                shows_values=all(map(inspecting.sees, of_service(targets, each.service_id))),
            )
            for each in services
        )
        warnings += (
            f"{each.service_id}: what is under way is superseded: {present[each.service_id].moving}"
            for each in planned
            if each.supersedes is not None
        )
        return Prepared(
            project=parsed,
            services=services,
            inline=inline,
            present=present,
            targets=targets,
            planned=planned,
            admission=admission,
            warnings=warnings,
            overrides_windows=is_overriding,
        )

    async def _check_windows(self, parsed: ComposeProject, warnings: list[str]) -> bool:
        """Whether a window or a freeze is against it, and is overridden."""
        request, surroundings = self.request, self.context.surroundings
        at_ms = surroundings.clock.now_ms() if request.at_ms is None else request.at_ms
        services = [
            About(service_id=each.service_id, project=parsed.name, environment=parsed.environment)
            for each in parsed.services
        ]
        with surroundings.state.read() as txn:
            closed = closed_among(txn, services, at_ms)
        # Who only tries it wants to see the rest, too; who collects refusals is told of this one as well.
        is_tried = request.is_dry_run and self.refuse is _raised
        if closed and (request.overrides_windows or is_tried):
            warnings += [each.words for each in closed]
        elif closed:
            self.refuse(problem_of_closed(closed))
        return bool(closed) and request.overrides_windows

    async def _check_host_access(self, parsed: ComposeProject, warnings: list[str]) -> None:
        check = check_host_access(
            self.context, self.call, parsed, warnings, is_dry_run=self.request.is_dry_run
        )
        if not self.context.authority.powers(self.call).is_unlimited(self.actions[0]):
            # What stands against it on a host tells of what others have there: it is not looked at.
            await check
            return
        with self._refusing():
            await check

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except Problem as problem:
            self.refuse(problem)

    def _admit(self, parsed: ComposeProject) -> tuple[ComposeProject, Admission | None]:
        admission = None
        with self._refusing(), self.context.surroundings.state.read() as txn:
            admission = admission_to(txn, parsed.environment, parsed.name)
            if admission is not None:
                if self.releases is None:
                    parsed = replace(parsed, services=admission.from_its_registry(parsed.services))
                admission.check_size(txn, parsed.services)
        return parsed, admission

    async def _with_images(
        self, services: Sequence[ComposeService], present: Mapping[str, Present]
    ) -> Sequence[ComposeService]:
        if self.releases is None:
            return await with_digests(self.context.surroundings, services, present)
        released = []
        for each in services:
            release = self.releases[each.name]
            spec = replace(each.spec, image=release.image)
            released.append(_pinned(replace(each, spec=spec), release.digest, present))
        return released

    def _let_in(
        self,
        admission: Admission,
        services: Sequence[ComposeService],
        present: Mapping[str, Present],
        warnings: list[str],
    ) -> Sequence[ComposeService]:
        is_unjudged = self.request.is_unjudged
        surroundings = self.context.surroundings
        if self.releases is None:
            with self._refusing(), surroundings.state.read() as txn:
                now_ms = surroundings.clock.now_ms()
                admission.check_proven(txn, services, present, now_ms, warnings, is_unjudged=is_unjudged)
        with self._refusing():
            services = admission.with_approval(self.call, services, present, is_unjudged=is_unjudged)
        return services


def _only(parsed: ComposeProject, releases: Mapping[str, Release]) -> ComposeProject:
    """The project with these services alone, and the inline configs they use."""
    services = tuple(each for each in parsed.services if each.name in releases)
    used = {file.source for each in services for file in each.spec.configs}
    return replace(
        parsed,
        services=services,
        configs=tuple(config for config in parsed.configs if config.name in used),
    )


def _orphans(context: Context, call: Call, project: ComposeProject) -> list[str]:
    wanted = {service.service_id for service in project.services}
    reading = context.authority.sight(call, "service.read")
    with context.surroundings.state.read() as txn:
        return [
            f"{service.id} is not in the file and goes on running; remove it if it is not needed any more"
            for service in records.SERVICES.scan(txn)
            if service.scope == project.scope
            and service.id not in wanted
            and not service.is_removed
            and reading.sees(service_target(txn, service))
        ]


async def check_host_access(
    context: Context, call: Call, project: ComposeProject, warnings: list[str], *, is_dry_run: bool
) -> None:
    for service in project.services:
        reach = reach_into_host(service.spec)
        if reach is None:
            continue
        resource = f"service:{service.service_id}"
        if not is_dry_run or not context.authority.powers(call).is_unlimited("service.deploy"):
            await context.authority.require(call, HOST_ACCESS, resource)
        elif not context.authority.decide(call, HOST_ACCESS, resource).allowed:
            warnings.append(f"{service.service_id}: {reach}; only an administrator may deploy that")


async def with_digests(
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


def unreadable(findings: Sequence[Finding]) -> Problem:
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
