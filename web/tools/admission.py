"""What an environment asks of the services that are deployed to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cluster.compose import ComposeService
from cluster.model.environments import Environment, image_from
from cluster.model.ids import service_id_of
from cluster.model.rollout import Rollout, RolloutPhase
from cluster.model.service import Service, ServiceSpec
from cluster.model.strategy import Strategy
from cluster.placement import amounts
from cluster.store import ReadTxn, records
from cluster.store.records import rollouts_of_service
from cluster.survey import quota_of, used_in
from web.auth.call import Call
from web.auth.problems import FieldError, Problem, invalid
from web.tools.deploy_plan import Present
from web.tools.environments import known_environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """One environment's demands, and what the services to be deployed to it have to do with them.

    `project` is without the environment. Everything that is refused is told at once.
    """

    environment: Environment
    project: str

    def from_its_registry(self, services: Sequence[ComposeService]) -> tuple[ComposeService, ...]:
        """Return the services with the images as the environment's registry has them."""
        registry = self.environment.registry
        return tuple(
            replace(each, spec=replace(each.spec, image=image_from(registry, each.spec.image)))
            for each in services
        )

    def check_size(self, txn: ReadTxn, services: Sequence[ComposeService]) -> None:
        """Raises Problem (422) when there are too few or too many replicas, or more than the quota is
        reserved."""
        errors = [
            FieldError(
                field=f"services.{each.name}.deploy.replicas",
                rule=refused,
                value=each.replicas,
                hint=f"set it in x-tower-environments.{self.environment.name}, or change the environment",
            )
            for each in services
            if (refused := self.environment.refuse_replicas(each.replicas))
        ]
        quota = quota_of(self.environment)
        if quota is not None:
            others = used_in(
                txn, self.environment.name, besides=frozenset(each.service_id for each in services)
            )
            asked = others.and_also(amounts((each.spec, each.replicas) for each in services))
            over = quota.refuse(asked, others=others)
            if over is not None:
                hint = "ask for less, remove what is not needed, or raise the quota"
                errors.append(FieldError(field="environment", rule=over, hint=hint))
        _raise(errors)

    def check_scale(self, txn: ReadTxn, service: Service, replicas: int) -> None:
        """Raises Problem (422) when a service may not have so many replicas here."""
        refused = self.environment.refuse_replicas(replicas)
        quota = quota_of(self.environment)
        revision = records.REVISIONS.get(txn, service.id, service.revision)
        if not refused and quota is not None and revision is not None and replicas > service.replicas:
            others = used_in(txn, self.environment.name, besides=frozenset({service.id}))
            refused = quota.refuse(others.plus(revision.spec, replicas), others=others) or ""
        if refused:
            raise invalid("replicas", refused, value=replicas)

    def with_approval(
        self,
        call: Call,
        services: Sequence[ComposeService],
        present: Mapping[str, Present],
        *,
        is_unjudged: bool,
    ) -> tuple[ComposeService, ...]:
        """Return the services with a step that waits for a person, where no person deploys them.

        Raises Problem (403) for what nobody could be asked about.
        """
        if not self.environment.is_protected or is_person(call):
            return tuple(services)
        if is_unjudged:
            raise needs_person(self.environment, "to skip the approval of a rollout")
        gated = []
        for each in services:
            known = present.get(each.service_id)
            strategy = each.policy.shift.strategy
            if not strategy.is_staged and (known is None or known.differs(each)):
                raise needs_person(
                    self.environment,
                    f"to deploy {each.service_id}, whose {strategy} rollout has no step to approve",
                )
            gated.append(_gated(each) if strategy.is_staged else each)
        return tuple(gated)

    def check_proven(
        self,
        txn: ReadTxn,
        services: Sequence[ComposeService],
        present: Mapping[str, Present],
        now_ms: int,
        warnings: list[str],
        *,
        is_unjudged: bool,
    ) -> None:
        """Refuse images that have not been stable in the required environment for long enough.

        What runs here already has been. Unjudged, it is only warned of. Raises Problem (422).
        """
        required = self.environment.requires
        if not required:
            return
        errors = []
        for each in services:
            known = present.get(each.service_id)
            running = None if known is None or known.revision is None else known.revision.spec
            if running is not None and is_same_image(running, each.spec):
                continue
            before = records.SERVICES.get(txn, service_id_of(self.project, each.name, required))
            longest = longest_stable_ms(txn, before, each.spec, now_ms)
            if longest is not None and longest >= self.environment.soak_ms:
                continue
            rule = self._unproven(each, longest)
            if is_unjudged:
                warnings.append(f"{each.service_id}: {rule}")
                continue
            hint = f"deploy it to {required} first, then `tower promote {each.name} --to"
            errors.append(
                FieldError(
                    field=f"services.{each.name}.image",
                    rule=rule,
                    value=each.spec.image,
                    hint=f"{hint} {self.environment.name}`",
                )
            )
        _raise(errors)

    def _unproven(self, service: ComposeService, longest_ms: int | None) -> str:
        asked = f"{self.environment.name} asks for {in_words(self.environment.soak_ms)}"
        if longest_ms is None:
            return f"this image was not stable in {self.environment.requires} yet, and {asked} of that"
        return f"this image was stable in {self.environment.requires} for {in_words(longest_ms)}, and {asked}"


def admission_to(txn: ReadTxn, environment: str, project: str) -> Admission | None:
    """Return what an environment asks for; None without one. Raises Problem (404)."""
    if not environment:
        return None
    return Admission(environment=known_environment(txn, environment), project=project)


def is_person(call: Call) -> bool:
    """Whether somebody logged in asks, and not a program with a token of its own."""
    return not call.known().is_program


def needs_person(environment: Environment, what: str) -> Problem:
    """Return the problem of a program that asks for what only people may in a protected environment."""
    return Problem(
        "forbidden",
        f"{environment.name} is protected: a person has to be logged in {what}",
        hint="log in with `tower login` and do it again; a program may deploy with strategy blue-green or"
        " canary, which then waits for a person",
    )


def require_person(txn: ReadTxn, call: Call, service: Service, what: str) -> None:
    """Refuse a program that would let something through to a protected environment. Raises Problem (403).

    Where a person has approved just this, a person lets it through.
    """
    if service.environment and not is_person(call) and not call.approved_by:
        environment = known_environment(txn, service.environment)
        if environment.is_protected:
            raise needs_person(environment, what)


def is_same_image(one: ServiceSpec, other: ServiceSpec) -> bool:
    """Whether both are the same bytes: by digest, and by name where a registry gave none."""
    if one.digest or other.digest:
        return one.digest == other.digest
    return one.image == other.image


def longest_stable_ms(txn: ReadTxn, service: Service | None, spec: ServiceSpec, now_ms: int) -> int | None:
    """Return how long an image ran stably as this service at a stretch; None when it never did.

    As far as revisions and rollouts are remembered.
    """
    if service is None:
        return None
    rollouts = rollouts_of_service(txn, service.id)
    found = [
        stable_ms
        for revision in records.REVISIONS.scan(txn, service.id)
        if is_same_image(revision.spec, spec)
        and (stable_ms := stable_for_ms(service, rollouts, revision.number, now_ms)) is not None
    ]
    return max(found, default=None)


def stable_for_ms(service: Service, rollouts: Sequence[Rollout], number: int, now_ms: int) -> int | None:
    """Return how long a revision was what every replica was on, at a stretch; None when it never was.

    `rollouts` are those of the service, newest first. A stretch begins when a rollout to the revision
    succeeds and ends when one to another does. That of the oldest rollout known may have begun earlier.
    """
    since_ms: int | None = None
    longest: int | None = None
    for rollout in reversed(rollouts):
        if rollout.from_revision == number and since_ms is None and longest is None:
            since_ms = rollout.started_at_ms
        if rollout.phase is not RolloutPhase.SUCCEEDED:
            continue
        if rollout.to_revision == number:
            since_ms = rollout.changed_at_ms if since_ms is None else since_ms
        elif since_ms is not None:
            longest = max(longest or 0, rollout.changed_at_ms - since_ms)
            since_ms = None
    if service.stable_revision == number:
        since_ms = service.changed_at_ms if since_ms is None else since_ms
        return max(longest or 0, now_ms - since_ms)
    return longest


def in_words(span_ms: int) -> str:
    """Return a time span for people: `45 s`, `30 min`, `3 h`."""
    for unit_ms, unit in ((3_600_000, "h"), (60_000, "min")):
        if span_ms >= unit_ms:
            return f"{span_ms / unit_ms:.3g} {unit}"
    return f"{max(0, span_ms) // 1000} s"


def _gated(service: ComposeService) -> ComposeService:
    shift = service.policy.shift
    if shift.strategy is Strategy.BLUE_GREEN:
        shift = replace(shift, blue_green=replace(shift.blue_green, is_promoted_by_itself=False))
    elif not any(step.needs_approval for step in shift.canary.steps):
        first, *others = shift.canary.steps
        steps = (replace(first, needs_approval=True), *others)
        shift = replace(shift, canary=replace(shift.canary, steps=steps))
    return replace(service, policy=replace(service.policy, shift=shift))


def _raise(errors: Sequence[FieldError]) -> None:
    if errors:
        more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
        raise Problem("invalid", f"{errors[0].field}: {errors[0].rule}{more}", errors=errors)
