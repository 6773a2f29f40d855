"""Committing what a deployment decided, service by service, and naming the rollouts it leads to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cluster.commands.secrets import PutFile
from cluster.commands.services import AttemptRevision, PutService
from cluster.compose import ComposeService
from cluster.model.service import Aim, Service
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from cluster.store import ReadTxn, records
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import Problem
from web.middleware.errors import problem_of
from web.ports import Surroundings
from web.tools.attempts import revision_and_version, rollout_of_attempt
from web.tools.context import Context
from web.tools.deploy_plan import Present
from web.tools.secrets import resource_of
from web.tools.soon import soon
from web.tools.views import DeployedService
from web.tools.wishes import propose_on


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Services of one project, ready for the log: images and files are pinned.

    `inline` are versions of configs to be kept first. `promoted_from` names, by service, what it was copied
    from.
    """

    project: str
    environment: str
    services: Sequence[ComposeService]
    inline: Sequence[PutFile] = ()
    aim: Aim = Aim.DEPLOY
    is_unjudged: bool = False
    promoted_from: Mapping[str, str] = field(default_factory=dict)


async def carry_out(
    permit: Permit,
    surroundings: Surroundings,
    call: Call,
    order: Order,
    present: Mapping[str, Present],
    planned: Sequence[DeployedService],
) -> tuple[DeployedService, ...]:
    """Commit the services that change, one after the other, against what was seen of them.

    Raises Problem, NotCommitted or OutcomeUnknown as a Problem that says what was changed before.
    """
    return await _Putting(surroundings, call, order, present).put(permit, planned)


@dataclass(frozen=True, slots=True)
class _Putting:
    surroundings: Surroundings
    call: Call
    order: Order
    present: Mapping[str, Present]

    async def put(self, permit: Permit, planned: Sequence[DeployedService]) -> tuple[DeployedService, ...]:
        deployed: list[DeployedService] = []
        permit.nothing_changed()
        for config in self.order.inline:
            await permit.propose(config, resource=resource_of(config.kind, config.name, config.environment))
        for service, plan in zip(self.order.services, planned, strict=True):
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
                project=self.order.project,
                name=service.name,
                spec=service.spec,
                replicas=service.replicas,
                policy=service.policy,
                created_by=by,
                expected_version=version,
                fencing=service.fencing,
                aim=self.order.aim,
                is_unjudged=self.order.is_unjudged,
                placement=service.placement,
                environment=self.order.environment,
                bound=service.bound,
                promoted_from=self.order.promoted_from.get(service.service_id, ""),
                labels=service.labels,
                autoscale=service.autoscale,
            )

        def try_again(txn: ReadTxn, present: Service | None, version: int) -> AttemptRevision:
            assert present is not None, "there is a revision of it"
            return AttemptRevision(
                service_id=present.id,
                revision=present.revision,
                aim=Aim.RETRY,
                by=by,
                is_unjudged=self.order.is_unjudged,
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
                    replicas=None if service.autoscale is not None else service.replicas,
                    policy=service.policy,
                    autoscale=service.autoscale,
                    placement=service.placement,
                    fencing=service.fencing,
                )
        if is_retry:
            result = await propose_on(permit, self.surroundings, service.service_id, wish, try_again)
        return result


async def name_rollouts(
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


def _after(changed: list[str], failed: str, error: Exception, call: Call) -> Problem:
    problem = problem_of(error, request_id=call.request_id)
    problem.detail = f"{failed}: {problem.detail}"
    if changed:
        problem.detail += f". Changed before that: {', '.join(changed)}; deploy the file again to go on"
    return problem
