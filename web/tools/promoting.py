"""Promoting: what has proven itself in one environment, to the next.

The digest is what is promoted, never a tag. Without a file its specification is copied, with the secrets and
configs of the environment it goes to; with one, that is rendered anew and only the image is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cluster.compose import ComposeProject, ComposeService
from cluster.model.environments import Environment, image_from
from cluster.model.ids import service_id_of
from cluster.model.service import Aim, FileReference, Revision, Service, ServiceSpec
from cluster.store import ReadTxn, records
from cluster.store.records import rollouts_of_service
from web.auth.call import Call
from web.auth.powers import ActionSight
from web.auth.problems import FieldError, Problem, invalid
from web.auth.targets import service_target
from web.tools.admission import in_words, longest_stable_ms, stable_for_ms
from web.tools.bound_values import with_own_values
from web.tools.carrying_out import Order, carry_out, name_rollouts
from web.tools.context import Context
from web.tools.deployments import Foreseen, answer, foreseen, recorded_as, refuse_other
from web.tools.environments import known_environment
from web.tools.nodes import lost_in
from web.tools.preparing import (
    DeployRequest,
    Prepared,
    Release,
    actions_of,
    prepare,
    prepare_copies,
    read_project,
)
from web.tools.readiness import look, refuse_errors
from web.tools.rollouts import on_live_hosts, ready_replicas
from web.tools.scaling import without_restart
from web.tools.spec_diff import diff_specs
from web.tools.views import DeploymentView

PROMOTE = "service.promote"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteRequest:
    """What to promote: a service or a project, by name or id.

    `source` "" is the environment that `target` requires. With `file` the services are rendered from it for
    `target`. `copies_values` takes along also what was the source environment's own. `is_unjudged` skips the
    soak, analysis and approval; `overrides_windows` does it whatever change windows and freezes say.
    """

    what: str
    target: str
    source: str = ""
    file: DeployRequest | None = field(default=None, repr=False)
    copies_values: bool = False
    is_unjudged: bool = False
    is_dry_run: bool = False
    overrides_windows: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proven:
    """A service of the source environment, and the revision that is promoted."""

    service: Service
    revision: Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class _Promotion:
    """What is ready to be promoted, and from what each service comes."""

    prepared: Prepared
    target: Environment
    origins: Mapping[str, str]


async def foresee_promotion(context: Context, call: Call, request: PromoteRequest) -> Foreseen:
    """Return what promoting would do. Raises Problem for all that it would be refused for."""
    return await foreseen(context, (await _prepare(context, call, request)).prepared)


async def promote(
    context: Context, call: Call, request: PromoteRequest, *, expected: tuple[object, ...] | None = None
) -> DeploymentView:
    """Have what is stable in one environment run in another; with `expected`, if it is still to be that.

    Raises Problem: 404 for what is not there, 409 for what has not proven itself, 422 for what the other
    environment lacks (a secret, the values that are each environment's own), with everything at once.
    """
    promotion = await _prepare(context, call, request)
    prepared = promotion.prepared
    refuse_other(prepared, expected)
    readiness = await look(context, prepared)
    if request.is_dry_run:
        return answer(prepared, prepared.planned, readiness)
    refuse_errors(readiness, prepared.services)
    prepared.warnings.extend(map(str, readiness.warnings))
    order = Order(
        project=prepared.project.name,
        environment=promotion.target.name,
        services=prepared.services,
        inline=prepared.inline,
        aim=Aim.PROMOTE,
        is_unjudged=request.is_unjudged,
        promoted_from=promotion.origins,
    )
    deployed = await context.authority.perform(
        call,
        PROMOTE,
        f"service:{prepared.project.scope}",
        lambda permit: carry_out(
            permit, context.surroundings, call, order, prepared.present, prepared.planned
        ),
        recorded_as=recorded_as(prepared, is_unjudged=request.is_unjudged),
        on=prepared.targets,
    )
    deployed = await name_rollouts(context, deployed, prepared.warnings)
    return answer(prepared, deployed)


async def _prepare(context: Context, call: Call, request: PromoteRequest) -> _Promotion:
    for action in _actions(request):
        await context.authority.admit(call, action, "service")
    notes: list[str] = []
    with context.surroundings.state.read() as txn:
        target = known_environment(txn, request.target, field="to")
        source = request.source or target.requires
        if not source:
            raise invalid(
                "from",
                f"{target.name} requires no environment, so it has to be said where from",
                hint="such as --from staging; `tower environment put` sets what one requires",
            )
        if source == target.name:
            raise invalid("from", "it is the environment that is promoted to", value=source)
        known_environment(txn, source, field="from")
        sources = _find(txn, request.what, source, context.authority.sight(call, "service.read"))
    for each in sources:
        # What runs elsewhere is not to be had for one's own by promoting it.
        await context.authority.require(call, PROMOTE, f"service:{each.id}")
    with context.surroundings.state.read() as txn:
        found = [records.SERVICES.get(txn, each.id) or each for each in sources]
        now_ms = context.surroundings.clock.now_ms()
        proven = [_prove(txn, each, target, now_ms, notes, request) for each in found]
    if request.file is None:
        prepared = await _copied(context, call, request, target, proven, notes)
    else:
        prepared = await _rendered(context, call, request, target, source, proven)
    prepared.warnings.extend(notes)
    origins: dict[str, str] = {
        service_id_of(each.service.project, each.service.name, target.name): (
            f"{each.service.id} revision {each.revision.number}"
        )
        for each in proven
    }
    return _Promotion(prepared=prepared, target=target, origins=origins)


def _actions(request: PromoteRequest) -> tuple[str, ...]:
    return actions_of(PROMOTE, is_unjudged=request.is_unjudged, overrides_windows=request.overrides_windows)


def _find(txn: ReadTxn, what: str, source: str, reading: ActionSight) -> list[Service]:
    """The services of the source environment that are meant, of those that are seen. Raises Problem (404,
    409)."""
    inside = [
        each
        for each in records.SERVICES.scan(txn)
        if each.environment == source and not each.is_removed and reading.sees(service_target(txn, each))
    ]
    named = [each for each in inside if what in (each.id, f"{each.project}.{each.name}")]
    found = named or [each for each in inside if each.project == what]
    if not found:
        found = [each for each in inside if each.name == what]
        if len(found) > 1:
            ids = ", ".join(each.id for each in found)
            raise Problem("ambiguous", f"several services of {source} are called {what[:80]!r}: {ids}")
    if not found:
        there = ", ".join(each.id for each in inside[:10]) or "nothing"
        raise Problem(
            "not-found",
            f"there is no service or project {what[:80]!r} in {source}",
            hint=f"in {source} there is {there}",
        )
    return found


def _prove(
    txn: ReadTxn,
    service: Service,
    target: Environment,
    now_ms: int,
    notes: list[str],
    request: PromoteRequest,
) -> _Proven:
    """The revision of a service that is wanted there, is whole, and has been stable for long enough."""
    if service.rollout_id is not None or service.revision != service.stable_revision:
        moving = (
            f"rollout {service.rollout_id} is under way"
            if service.rollout_id is not None
            else f"revision {service.revision} is wanted and does not run whole"
        )
        raise Problem(
            "conflict",
            f"{service.id} is not stable: {moving}",
            hint=f"see `tower rollout status {service.id}`",
        )
    ready = ready_replicas(on_live_hosts(records.ASSIGNMENTS.scan(txn, service.id), lost_in(txn)))
    if ready < service.replicas:
        raise Problem(
            "conflict",
            f"{service.id} is not whole: {ready} of {service.replicas} replicas are ready",
            hint=f"see `tower services {service.id}`",
        )
    revision = records.REVISIONS.get(txn, service.id, service.stable_revision)
    assert revision is not None, "the stable revision is kept"
    stable_ms = stable_for_ms(service, rollouts_of_service(txn, service.id), revision.number, now_ms) or 0
    if stable_ms < target.soak_ms:
        words = (
            f"{service.id}: revision {revision.number} has been stable for {in_words(stable_ms)}, and"
            f" {target.name} asks for {in_words(target.soak_ms)}"
        )
        if not request.is_unjudged:
            left = in_words(target.soak_ms - stable_ms)
            raise Problem("conflict", words, hint=f"promote it in {left}; --skip-analysis is for emergencies")
        notes.append(words)
    if target.requires and target.requires != service.environment:
        _require(txn, service, revision, target, now_ms, notes, request)
    return _Proven(service=service, revision=revision)


def _require(
    txn: ReadTxn,
    service: Service,
    revision: Revision,
    target: Environment,
    now_ms: int,
    notes: list[str],
    request: PromoteRequest,
) -> None:
    """Whether it was stable also where `target` requires it, when it comes from elsewhere."""
    before = records.SERVICES.get(txn, service_id_of(service.project, service.name, target.requires))
    longest = longest_stable_ms(txn, before, revision.spec, now_ms)
    if longest is not None and longest >= target.soak_ms:
        return
    words = f"{service.id}: {target.name} requires {target.requires}, where this image was not stable"
    words += "" if longest is None else f" for longer than {in_words(longest)}"
    if not request.is_unjudged:
        raise Problem("conflict", words, hint=f"promote it to {target.requires} first")
    notes.append(words)


async def _copied(
    context: Context,
    call: Call,
    request: PromoteRequest,
    target: Environment,
    proven: Sequence[_Proven],
    notes: list[str],
) -> Prepared:
    """The specifications as they are, with what is the target environment's own."""
    services: list[ComposeService] = []
    errors: list[FieldError] = []
    with context.surroundings.state.read() as txn:
        for each in proven:
            copied, unknown = _copy(txn, each, target, notes, copies_values=request.copies_values)
            services.append(copied)
            errors += (
                FieldError(
                    field=f"services.{each.service.name}.{place}",
                    rule=f"its value is {each.service.environment}'s own, and nothing says what it is in"
                    f" {target.name}",
                    hint="give the file with -f, or take the value along with --copy-values",
                )
                for place in unknown
            )
    if errors:
        count = len(errors)
        what = "one value is" if count == 1 else f"{count} values are"
        raise Problem("invalid", f"{what} not known in {target.name}; nothing was changed", errors=errors)
    first = proven[0].service
    project = ComposeProject(name=first.project, services=tuple(services), environment=target.name)
    wanted = DeployRequest(
        compose="",
        environment=target.name,
        is_dry_run=request.is_dry_run,
        is_unjudged=request.is_unjudged,
        overrides_windows=request.overrides_windows,
    )
    return await prepare_copies(context, call, wanted, project, actions=_actions(request))


def _copy(
    txn: ReadTxn, proven: _Proven, target: Environment, notes: list[str], *, copies_values: bool
) -> tuple[ComposeService, tuple[str, ...]]:
    service, revision = proven.service, proven.revision
    service_id = service_id_of(service.project, service.name, target.name)
    there = records.SERVICES.get(txn, service_id)
    there = None if there is None or there.is_removed else there
    now = None if there is None else records.REVISIONS.get(txn, service_id, there.revision)
    spec, unknown = with_own_values(revision.spec, revision.bound, None if now is None else now.spec)
    if copies_values:
        notes += (f"{service_id}: {place} has the value of {service.environment}" for place in unknown)
        unknown = ()
    spec = without_restart(spec)
    spec = replace(
        spec,
        image=image_from(target.registry, spec.image),
        secrets=tuple(map(_unpinned, spec.secrets)),
        configs=tuple(each if _came_with_a_file(txn, each) else _unpinned(each) for each in spec.configs),
    )
    settings = service if there is None else there
    replicas = settings.replicas
    if there is None:
        bounded = max(replicas, target.replicas_min)
        bounded = min(bounded, target.replicas_max) if target.replicas_max else bounded
        if bounded != replicas:
            notes.append(
                f"{service_id}: {bounded} replicas instead of {replicas}, as {target.name} bounds them"
            )
            replicas = bounded
    return (
        ComposeService(
            service_id=service_id,
            name=service.name,
            spec=spec,
            replicas=replicas,
            policy=settings.policy,
            fencing=service.fencing,
            placement=settings.placement,
            labels=settings.labels,
            bound=revision.bound,
            autoscale=settings.autoscale,
        ),
        unknown,
    )


def _unpinned(reference: FileReference) -> FileReference:
    return replace(reference, version=0, environment="")


def _came_with_a_file(txn: ReadTxn, reference: FileReference) -> bool:
    """Whether a config is a part of the Compose file: that version is what has proven itself."""
    stored = records.FILES.get(txn, "config", reference.environment, reference.source)
    return stored is not None and bool(stored.project)


async def _rendered(
    context: Context,
    call: Call,
    request: PromoteRequest,
    target: Environment,
    source: str,
    proven: Sequence[_Proven],
) -> Prepared:
    """The services as the file has them for the target environment, with the image that has proven itself."""
    assert request.file is not None
    given = replace(
        request.file,
        environment=target.name,
        project=proven[0].service.project,
        is_dry_run=request.is_dry_run,
        is_unjudged=request.is_unjudged,
        overrides_windows=request.overrides_windows,
    )
    releases = {
        each.service.name: Release(
            image=image_from(target.registry, each.revision.spec.image), digest=each.revision.spec.digest
        )
        for each in proven
    }
    before = await read_project(context, replace(given, environment=source))
    rendered = {each.name: each for each in before.services} if isinstance(before, ComposeProject) else None
    _check_same_images(rendered, proven)
    prepared = await prepare(context, call, given, actions=_actions(request), releases=releases)
    assert prepared is not None, "what cannot be read is raised"
    missing = sorted(set(releases) - {each.name for each in prepared.services})
    if missing:
        raise invalid("services", f"the file has no service {', '.join(missing)}")
    if rendered is None:
        prepared.warnings.append(
            f"whether the file is what {source} runs is not known: it cannot be read for {source} with these"
            " variables"
        )
    else:
        prepared.warnings.extend(_differences(rendered, proven))
    return prepared


def _check_same_images(rendered: Mapping[str, ComposeService] | None, proven: Sequence[_Proven]) -> None:
    """The file may name another tag meanwhile, and not another image."""
    errors = []
    for each in proven:
        in_file = None if rendered is None else rendered.get(each.service.name)
        if in_file is None:
            continue
        wanted, ran = _repository(in_file.spec.image), _repository(each.revision.spec.image)
        # The environment's registry is in the one and not in the other.
        if wanted.rpartition("/")[2] != ran.rpartition("/")[2]:
            errors.append(
                FieldError(
                    field=f"services.{each.service.name}.image",
                    rule=f"the file has another image than {each.service.id}, which runs {ran}",
                    value=wanted,
                    hint="is it the file you meant?",
                )
            )
    if errors:
        raise Problem("invalid", f"{errors[0].field}: {errors[0].rule}", errors=errors)


def _repository(image: str) -> str:
    """An image's name without its tag and digest."""
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def _differences(rendered: Mapping[str, ComposeService], proven: Sequence[_Proven]) -> list[str]:
    """Where the file is not what the source environment runs, but for the image and what is pinned."""
    found = []
    for each in proven:
        in_file = rendered.get(each.service.name)
        if in_file is None:
            continue
        changes = diff_specs(_comparable(each.revision.spec), _comparable(in_file.spec), shows_values=False)
        if changes:
            fields = ", ".join(change.field for change in changes[:10])
            found.append(
                f"the file is not what {each.service.id} runs, so this was not tried there: {fields}"
                + (" and more" if len(changes) > 10 else "")
            )
    return found


def _comparable(spec: ServiceSpec) -> ServiceSpec:
    return replace(
        without_restart(spec),
        image="-",
        digest="",
        secrets=tuple(map(_unpinned, spec.secrets)),
        configs=tuple(map(_unpinned, spec.configs)),
        environment=tuple((name, "") for name, _ in spec.environment),
    )
