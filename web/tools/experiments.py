"""A/B tests: trying a revision beside the stable one, looking at how both do, and ending that.

Nothing is taken back by itself: who started it, or its date, says which of the two is kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cluster.commands.secrets import PutFile
from cluster.commands.services import StartExperiment
from cluster.compose import ComposeProject, ComposeService
from cluster.model.experiment import DURATION_MS_MAX, Experiment, Match, MatchKind, Variant
from cluster.model.rollout import Steer
from cluster.model.service import Revision, Service
from cluster.model.strategy import WHOLE_PERMILLE
from cluster.rbac import Resource
from cluster.store import ReadTxn, records
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import FieldError, Problem, invalid
from web.auth.targets import service_target
from web.tools.admission import admission_to, require_person
from web.tools.attempts import rollout_of_attempt
from web.tools.context import Context
from web.tools.deploy_plan import Present, read_present, why_not_staged
from web.tools.experiment_views import ExperimentView, view_of_newest, views_of
from web.tools.file_pins import require_use
from web.tools.preparing import DeployRequest, actions_of, check_host_access, prepare, with_digests
from web.tools.references import find_service
from web.tools.secrets import resource_of
from web.tools.service_rights import require_wanted
from web.tools.soon import soon
from web.tools.steering import ask_of_rollout
from web.tools.windows import OVERRIDE, about, closed_among, problem_of_closed
from web.tools.wishes import propose_on, wish_of

START = "service.start-experiment"
END = "service.end-experiment"
HEADROOM = 1.25
"""More replicas than its share needs, as for every share that a rollout gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedValue:
    """A header or cookie, and what it must be."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentRequest:
    """What is tried as b, either another `image` in the stable revision, or the service as it is in a `file`;
    which requests it gets, how long, and which variant is kept at the end of that.

    With neither `for_ms` nor `until_ms` (epoch milliseconds) a person ends it. `is_sticky` None: whenever
    there is a share. `replicas` None: as many as its share needs, and as many as a has with a header or
    cookie, since nobody knows how many send it.
    """

    image: str = ""
    file: DeployRequest | None = None
    headers: Sequence[NamedValue] = ()
    cookies: Sequence[NamedValue] = ()
    permille: int = 0
    is_sticky: bool | None = None
    replicas: int | None = None
    for_ms: int = 0
    until_ms: int = 0
    keep: Variant = Variant.A
    overrides_windows: bool = False


async def start_experiment(
    context: Context, call: Call, reference: str, request: ExperimentRequest
) -> ExperimentView:
    """Have a second revision of a service run beside the stable one, with its own part of the requests.

    Replicas, strategy and placement of the service stay as they are; only what b's containers are made of is
    taken from the image or file. Raises Problem: 422 for what makes no sense, with its field, 409 while
    something else is under way with the service.
    """
    await context.authority.require(call, START, f"service:{reference}")
    surroundings = context.surroundings
    now_ms = surroundings.clock.now_ms()
    with surroundings.state.read() as txn:
        service = find_service(txn, reference)
        require_person(txn, call, service, "to start an experiment")
        stable = records.REVISIONS.get(txn, service.id, service.stable_revision)
    experiment = _experiment(service, request, now_ms)
    if stable is None:
        raise Problem(
            "conflict",
            f"no revision of {service.id} has run whole yet: there is nothing to compare with",
            hint=f"wait for its rollout: tower rollout status {service.id} --wait",
        )
    seen = wish_of(service)
    if request.file is not None:
        tried = await _from_file(context, call, service, request, request.file)
    else:
        tried = await _with_image(context, call, service, stable, request)
    b = tried.service
    refused = why_not_staged(b)
    if refused:
        raise Problem("conflict", f"{service.id} {refused}")

    def plan(txn: ReadTxn, present: Service | None, version: int) -> StartExperiment:
        assert present is not None, "the wish is the same"
        return StartExperiment(
            service_id=present.id,
            spec=b.spec,
            experiment=experiment,
            by=call.known().name,
            expected_version=version,
            bound=b.bound,
        )

    async def change(permit: Permit) -> object:
        permit.nothing_changed()
        for config in tried.inline:
            await permit.propose(config, resource=resource_of(config.kind, config.name, config.environment))
        return await propose_on(permit, surroundings, service.id, seen, plan)

    await context.authority.perform(
        call,
        START,
        f"service:{service.id}",
        change,
        recorded_as=OVERRIDE if tried.overrides_windows else None,
    )

    def look(txn: ReadTxn) -> bool | None:
        known = records.SERVICES.get(txn, service.id)
        return True if known is None or rollout_of_attempt(txn, known) is not None else None

    await soon(surroundings, look, patience_s=context.pace.rollout_wait_s)
    return _newest(context, service)


async def get_experiment(context: Context, call: Call, reference: str) -> ExperimentView:
    """Return a service's newest experiment, with how its variants compare. Raises Problem (404)."""
    await context.authority.require(call, "rollout.read", f"rollout:{reference}")
    with context.surroundings.state.read() as txn:
        service = find_service(txn, reference)
    return _newest(context, service)


async def list_experiments(context: Context, call: Call, *, service: str = "") -> list[ExperimentView]:
    """Return the experiments that are remembered, newest first; of one service if it is given."""
    resource = f"rollout:{service}" if service else "rollout"
    await context.authority.admit(call, "rollout.read", resource)
    reading = context.authority.sight(call, "rollout.read")
    with context.surroundings.state.read() as txn:
        services = [find_service(txn, service)] if service else records.SERVICES.scan(txn)
        found = [
            view
            for each in services
            if reading.sees(service_target(txn, each, kind=Resource.ROLLOUT))
            for view in views_of(txn, each)
        ]
    return sorted(found, key=lambda view: (view.started_at_ms, view.service_id), reverse=True)


async def end_experiment(
    context: Context, call: Call, reference: str, keep: Variant, *, reason: str = ""
) -> ExperimentView:
    """End a service's experiment: with `keep` a it goes on as before it, with b all replicas become b's.

    Returns it as it is after a moment. Raises Problem: 404 without one, 409 when it is over already.
    """
    await context.authority.require(call, END, f"service:{reference}")
    surroundings = context.surroundings
    with surroundings.state.read() as txn:
        service = find_service(txn, reference)
        if keep is Variant.B:
            require_person(txn, call, service, "to keep b of an experiment")
        view = view_of_newest(txn, service)
        rollout = rollout_of_attempt(txn, service)
    if view is None:
        raise _no_experiment(service)
    if rollout is None or rollout.experiment is None:
        if view.kept is not None or view.rollout_id is not None:
            raise _is_over(view)
        raise Problem(
            "conflict",
            f"the leader has not begun the experiment of {service.id} yet",
            hint="try again in a moment; `tower status` says whether there is a leader",
            retry_after_s=1,
        )
    if not rollout.is_experiment:
        raise _is_over(view)
    steer = Steer.ABORT if keep is Variant.A else Steer.PROMOTE

    async def change(permit: Permit) -> None:
        await ask_of_rollout(permit, rollout.id, steer, by=call.known().name, reason=reason)

    await context.authority.perform(call, END, f"service:{service.id}", change)

    def look(txn: ReadTxn) -> bool | None:
        known = records.ROLLOUTS.get(txn, rollout.id)
        return True if known is None or known.steering is None else None

    await soon(surroundings, look, patience_s=context.pace.rollout_wait_s)
    return _newest(context, service)


# ---- what is asked for


def _experiment(service: Service, request: ExperimentRequest, now_ms: int) -> Experiment:
    """Raises Problem (422) naming the field."""
    if bool(request.image) is (request.file is not None):
        raise invalid(
            "image",
            "say what b is: another image, or a Compose file, and not both",
            value=request.image[:200],
        )
    matches = (
        *_matches("headers", MatchKind.HEADER, request.headers),
        *_matches("cookies", MatchKind.COOKIE, request.cookies),
    )
    if not (matches or request.permille):
        raise invalid(
            "permille",
            "b would get no requests",
            value=request.permille,
            hint="give a header, a cookie or a share: --header X-Beta=yes, --cookie beta=yes, --share 20%",
        )
    if not 0 <= request.permille < WHOLE_PERMILLE:
        raise invalid(
            "permille",
            "from 0 to 999: a needs requests to compare with",
            value=request.permille,
            hint="to give all requests to a new revision, deploy it",
        )
    if request.is_sticky and not request.permille:
        raise invalid("sticky", "says nothing without a share: who sends the header or cookie is always b's")
    if request.for_ms and request.until_ms:
        raise invalid("until", "give either how long it lasts or when it ends", value=request.until_ms)
    if request.until_ms and request.until_ms <= now_ms:
        raise invalid("until", "lies in the past", value=request.until_ms, hint="name a later moment")
    longest = max(request.for_ms, request.until_ms - now_ms)
    if longest > DURATION_MS_MAX:
        raise invalid("for" if request.for_ms else "until", "an experiment lasts 365 days at most")
    replicas = request.replicas
    if replicas is None:
        share = 1.0 if matches else HEADROOM * request.permille / WHOLE_PERMILLE
        replicas = max(1, min(service.replicas, math.ceil(service.replicas * share)))
    elif not 1 <= replicas <= service.replicas:
        raise invalid(
            "replicas", f"from 1 to {service.replicas}, as many as a has", value=replicas, hint="or scale it"
        )
    return Experiment(
        replicas=replicas,
        matches=matches,
        permille=request.permille,
        is_sticky=bool(request.permille) if request.is_sticky is None else request.is_sticky,
        for_ms=request.for_ms,
        until_ms=request.until_ms,
        keep=request.keep,
    )


def _matches(field: str, kind: MatchKind, wanted: Sequence[NamedValue]) -> list[Match]:
    found, errors = [], []
    for index, each in enumerate(wanted):
        try:
            found.append(Match(kind=kind, name=each.name, value=each.value))
        except ValueError as error:
            shown = f"{each.name}={each.value}"[:200]
            errors.append(FieldError(field=f"{field}.{index}", rule=str(error), value=shown))
    if errors:
        raise Problem("invalid", f"{errors[0].field}: {errors[0].rule}", errors=errors)
    return found


# ---- what b is


def _actions(request: ExperimentRequest) -> tuple[str, ...]:
    return actions_of(START, overrides_windows=request.overrides_windows)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """What b is: its image and files are pinned, `inline` are versions of configs to be kept first."""

    service: ComposeService
    inline: Sequence[PutFile] = ()
    overrides_windows: bool = False


async def _from_file(
    context: Context, call: Call, service: Service, request: ExperimentRequest, file: DeployRequest
) -> _Tried:
    wanted = replace(
        file,
        project=file.project or service.project,
        environment=file.environment or service.environment,
        overrides_windows=request.overrides_windows,
    )
    prepared = await prepare(context, call, wanted, actions=_actions(request))
    assert prepared is not None, "what cannot be read is raised"
    for each in prepared.services:
        if each.service_id == service.id:
            used = {reference.source for reference in each.spec.configs}
            return _Tried(
                service=each,
                inline=tuple(config for config in prepared.inline if config.name in used),
                overrides_windows=prepared.overrides_windows,
            )
    there = ", ".join(each.service_id for each in prepared.services)
    raise invalid("compose", f"the file has no service {service.id}; it has {there}")


async def _with_image(
    context: Context, call: Call, service: Service, stable: Revision, request: ExperimentRequest
) -> _Tried:
    """The stable revision with another image, and everything that is asked of a deployed one asked of it."""
    surroundings = context.surroundings
    spec = replace(stable.spec, image=request.image, digest="")
    wanted = ComposeService(
        service_id=service.id,
        name=service.name,
        spec=spec,
        replicas=service.replicas,
        policy=service.policy,
        fencing=service.fencing,
        placement=service.placement,
        labels=service.labels,
        bound=stable.bound,
    )
    project = ComposeProject(name=service.project, services=(wanted,), environment=service.environment)
    await require_wanted(context, call, _actions(request), project)
    with surroundings.state.read() as txn:
        closed = closed_among(txn, [about(service)], surroundings.clock.now_ms())
        admission = admission_to(txn, service.environment, service.project)
    if closed and not request.overrides_windows:
        raise problem_of_closed(closed)
    if admission is not None:
        [wanted] = admission.from_its_registry([wanted])
    project = ComposeProject(name=service.project, services=(wanted,), environment=service.environment)
    await check_host_access(context, call, project, [], is_dry_run=False)
    await require_use(context.authority, call, [wanted])
    present: dict[str, Present] = read_present(surroundings, project)
    [wanted] = await with_digests(surroundings, [wanted], present)
    if admission is not None:
        with surroundings.state.read() as txn:
            now_ms = surroundings.clock.now_ms()
            admission.check_proven(txn, [wanted], present, now_ms, [], is_unjudged=False)
    return _Tried(service=wanted, overrides_windows=bool(closed))


# ---- answers


def _newest(context: Context, service: Service) -> ExperimentView:
    with context.surroundings.state.read() as txn:
        view = view_of_newest(txn, records.SERVICES.get(txn, service.id) or service)
    if view is None:
        raise _no_experiment(service)
    return view


def _no_experiment(service: Service) -> Problem:
    return Problem(
        "not-found",
        f"{service.id} has no experiment",
        hint=f"start one: tower experiment start {service.id} --image IMAGE --share 20%",
    )


def _is_over(view: ExperimentView) -> Problem:
    return Problem(
        "conflict",
        f"the experiment of {view.service_id} is over: {view.progress}",
        hint=f"see `tower experiment status {view.service_id}`",
    )
