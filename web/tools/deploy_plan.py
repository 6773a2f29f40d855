"""What a Compose file changes of the services there are, before anything is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cluster.compose import ComposeProject, ComposeService
from cluster.model.autoscaling import replicas_put
from cluster.model.rollout import Rollout
from cluster.model.service import Fencing, Revision, Service
from cluster.model.strategy import Strategy
from cluster.store import records
from web.auth.problems import FieldError, Problem
from web.ports import Surroundings
from web.tools.attempts import rollout_of_attempt
from web.tools.spec_diff import FieldChange, Wanted, diff_wanted
from web.tools.views import DeployedService
from web.tools.wishes import Wish, under_way, wish_of


@dataclass(frozen=True, slots=True)
class Present:
    """A service as it is now; nothing is there before its first deployment.

    `attempt` is the rollout of the newest attempt, None while that has not begun. `moving` says in words
    what is under way.
    """

    service: Service | None
    revision: Revision | None
    attempt: Rollout | None = None
    moving: str = ""

    @property
    def version(self) -> int:
        return 0 if self.service is None else self.service.version

    @property
    def wish(self) -> Wish | None:
        return wish_of(self.service)

    def differs(self, wanted: ComposeService) -> bool:
        service, revision = self.service, self.revision
        if service is None or revision is None or service.is_removed:
            return True
        return (
            revision.spec,
            service.replicas,
            service.policy,
            service.fencing,
            service.placement,
            service.labels,
            service.autoscale,
            service.scale_held_by,
        ) != (
            wanted.spec,
            replicas_put(wanted.autoscale, wanted.replicas, service.replicas),
            wanted.policy,
            wanted.fencing,
            wanted.placement,
            wanted.labels,
            wanted.autoscale,
            "",
        )

    def is_tried_again(self, wanted: ComposeService) -> bool:
        """Whether the file asks for what was rolled out already and did not last.

        To answer that nothing is to be done would be wrong: something else runs.
        """
        service, revision = self.service, self.revision
        return (
            service is not None
            and revision is not None
            and not service.is_removed
            and revision.spec == wanted.spec
            and service.revision != service.stable_revision
            and self.attempt is not None
            and self.attempt.phase.is_terminal
        )

    def changes(self, wanted: ComposeService, *, shows_values: bool) -> tuple[FieldChange, ...]:
        if self.service is None or self.revision is None:
            # Everything of a new service is new.
            return ()
        before = Wanted(
            spec=self.revision.spec,
            replicas=self.service.replicas,
            policy=self.service.policy,
            placement=self.service.placement,
            autoscale=self.service.autoscale,
        )
        after = Wanted(
            spec=wanted.spec,
            replicas=replicas_put(wanted.autoscale, wanted.replicas, self.service.replicas),
            policy=wanted.policy,
            placement=wanted.placement,
            autoscale=wanted.autoscale,
        )
        return diff_wanted(before, after, shows_values=shows_values)

    def supersedes(self, wanted: ComposeService) -> Rollout | None:
        """The rollout under way that a new revision would take the place of."""
        if self.attempt is None or self.attempt.phase.is_terminal or self.revision is None:
            return None
        return None if self.revision.spec == wanted.spec else self.attempt

    def next_revision(self, wanted: ComposeService) -> int:
        """What the revision's number is going to be, as far as this node knows."""
        if self.service is None:
            return 1
        if self.revision is not None and self.revision.spec == wanted.spec:
            return self.service.revision
        return max(self.service.newest_revision, self.service.revision) + 1


def read_present(surroundings: Surroundings, project: ComposeProject) -> dict[str, Present]:
    """Return the services of a file as they are now, by id."""
    present: dict[str, Present] = {}
    with surroundings.state.read() as txn:
        for wanted in project.services:
            service = records.SERVICES.get(txn, wanted.service_id)
            if service is None:
                present[wanted.service_id] = Present(None, None)
                continue
            present[wanted.service_id] = Present(
                service,
                records.REVISIONS.get(txn, service.id, service.revision),
                rollout_of_attempt(txn, service),
                under_way(txn, service),
            )
    return present


def planned_of(service: ComposeService, present: Present, *, shows_values: bool) -> DeployedService:
    """Return what a deployment does to one service. Without `shows_values` those of the environment are
    hidden."""
    is_retry = present.is_tried_again(service)
    superseded = present.supersedes(service)
    return DeployedService(
        service_id=service.service_id,
        revision=present.next_revision(service),
        version=present.version,
        rollout_id=None,
        changed=is_retry or present.differs(service),
        strategy=service.policy.shift.strategy,
        changes=present.changes(service, shows_values=shows_values),
        supersedes=None if superseded is None else superseded.id,
        is_retry=is_retry,
    )


def with_strategy(
    services: Sequence[ComposeService], strategy: Strategy | None, warnings: list[str]
) -> tuple[ComposeService, ...]:
    """Return the services with `strategy` instead of the file's, those that cannot have it as they are.

    Raises Problem (422) when none can.
    """
    if strategy is None:
        return tuple(services)
    reasons = {service.service_id: why_not_staged(service) for service in services}
    if strategy.is_staged and all(reasons.values()):
        first, reason = next(iter(reasons.items()))
        error = FieldError(field="strategy", rule=f"{first} {reason}", value=strategy.value)
        raise Problem(
            "invalid",
            f"strategy {strategy.value}: {first} {reason}",
            hint="deploy it with strategy rolling",
            errors=(error,),
        )
    chosen = []
    for service in services:
        reason = reasons[service.service_id]
        if strategy.is_staged and reason:
            warnings.append(f"{service.service_id} {reason}; it is deployed as its file says")
            chosen.append(service)
            continue
        shift = replace(service.policy.shift, strategy=strategy)
        chosen.append(replace(service, policy=replace(service.policy, shift=shift)))
    return tuple(chosen)


def why_not_staged(service: ComposeService) -> str:
    """Why two revisions of a service cannot serve side by side, "" when they can."""
    if service.spec.route is None:
        return "has no route, so there are no requests to share"
    if service.fencing is not Fencing.NONE:
        return f"must not run twice (fencing {service.fencing}), so no other revision can run beside it"
    taken = [port.host_port for port in service.spec.ports if port.host_port]
    if taken:
        return f"takes port {taken[0]} of its host, which another revision cannot have at the same time"
    return ""
