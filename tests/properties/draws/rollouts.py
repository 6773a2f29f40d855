"""What leaders decide of services, what hosts say of it, and how people steer it."""

from __future__ import annotations

from cluster.commands import services
from cluster.model.experiment import ExperimentRun
from cluster.model.hooks import Hook, HookKind, HookPhase, HookRun
from cluster.model.ids import RolloutId
from cluster.model.rollout import Rollout, RolloutPhase, Stage, StagePhase, Steer
from cluster.model.service import DesiredState, Kept, Observation, ReplicaPhase
from cluster.model.strategy import Colour, TrafficStep
from cluster.store.records import ASSIGNMENTS, ROLLOUTS, SERVICES
from tests.properties.draws.context import Choices, Draw, Named
from tests.properties.draws.services import EXPERIMENT, revisions

STEPS = (TrafficStep(permille=100, needs_approval=True), TrafficStep(permille=1000))
PHASES = [*RolloutPhase, *([RolloutPhase.RUNNING] * 4)]


def rollout_commands(draw: Draw) -> Choices:
    transition = lambda: _transition(draw, draw.named())  # noqa: E731 (one of a list of choices)
    return [
        *(transition for _ in range(6)),
        lambda: _reports(draw),
        lambda: _reports(draw),
        lambda: _hook_report(draw),
        lambda: services.SteerRollout(
            rollout_id=_some_rollout(draw).id, steer=draw.rng.choice(list(Steer)), by="u1"
        ),
    ]


def _transition(draw: Draw, named: Named) -> services.CommitTransition:
    rng = draw.rng
    numbers = revisions(draw, named)
    assigned = ASSIGNMENTS.scan(draw.txn, named.id)
    service = SERVICES.get(draw.txn, named.id)
    is_going = service is not None and service.is_removed
    desired = [DesiredState.SERVING, DesiredState.SERVING, DesiredState.DRAINING, DesiredState.REMOVED]
    orders = [
        services.AssignmentOrder(
            revision=rng.choice(numbers),
            ordinal=rng.randint(0, 1),
            node_id=draw.node(),
            desired=rng.choice([DesiredState.STARTED, DesiredState.SERVING, DesiredState.SERVING]),
            colour=rng.choice(list(Colour)),
        )
        for _ in range(0 if is_going else rng.choice([0, 1, 2]))
    ]
    for copy in assigned:
        if rng.random() < 0.4 and copy.desired is not DesiredState.REMOVED:
            orders.append(
                services.AssignmentOrder(
                    revision=copy.revision,
                    ordinal=copy.ordinal,
                    node_id=copy.node_id,
                    desired=DesiredState.REMOVED if is_going else rng.choice(desired),
                )
            )
    forget = [
        services.AssignmentRef(revision=copy.revision, ordinal=copy.ordinal, node_id=copy.node_id)
        for copy in assigned
        if copy.desired is DesiredState.REMOVED and rng.random() < 0.7
    ]
    kept = Kept(revision=rng.choice(numbers), colour=rng.choice(list(Colour)), until_ms=draw.now_ms + 60_000)
    return services.CommitTransition(
        service_id=named.id,
        expected_version=draw.present_version(named.id) - rng.choice([0, 0, 0, 0, 1]),
        rollout=_rollout(draw, named, numbers) if rng.random() < 0.5 else None,
        orders=tuple(orders),
        forget=tuple(forget),
        stable_revision=rng.choice([None, rng.choice(numbers)]),
        is_service_forgotten=rng.random() < (0.6 if is_going and not assigned else 0.05),
        green_permille=rng.choice([None, None, 0, 100, 1000]),
        kept=rng.choice([None, None, None, kept]),
        is_kept_ended=rng.random() < 0.2,
        targeting=rng.choice([None, EXPERIMENT.targeting(Colour.GREEN, 1)]),
    )


def _rollout(draw: Draw, named: Named, numbers: list[int]) -> Rollout:
    rng = draw.rng
    present = SERVICES.get(draw.txn, named.id)
    under_way = None if present is None else present.rollout_id
    new = RolloutId(f"r{rng.randint(1, 40)}")
    stage = Stage(steps=STEPS, colour=rng.choice(list(Colour)), phase=rng.choice(list(StagePhase)))
    return Rollout(
        id=rng.choice([under_way or new, under_way or new, new]),
        service_id=named.id,
        from_revision=rng.choice([0, *numbers]),
        to_revision=rng.choice(numbers),
        phase=rng.choice(PHASES),
        step=1,
        started_at_ms=draw.now_ms,
        changed_at_ms=draw.now_ms,
        deadline_ms=draw.now_ms,
        stage=rng.choice([None, stage]),
        attempt=0 if present is None else present.attempt.number,
        experiment=rng.choice([None, None, ExperimentRun(plan=EXPERIMENT)]),
        hooks=tuple(
            HookRun(
                kind=kind,
                number=0,
                hook=Hook(command=("migrate",)),
                phase=rng.choice([HookPhase.WAITING, HookPhase.ORDERED, HookPhase.RUNNING]),
                node_id=draw.node(),
                attempts=1,
            )
            for kind in HookKind
        ),
    )


def _some_rollout(draw: Draw) -> Rollout:
    """Mostly one under way."""
    rollouts = ROLLOUTS.scan(draw.txn)
    under_way = [rollout for rollout in rollouts if not rollout.phase.is_terminal]
    if rollouts and (not under_way or draw.rng.random() < 0.1):
        return draw.rng.choice(rollouts)
    return draw.rng.choice(under_way or [_rollout(draw, draw.named(), [1])])


def _hook_report(draw: Draw) -> services.ReportHook:
    rng = draw.rng
    run = rng.choice(_some_rollout(draw).hooks)
    return services.ReportHook(
        node_id=run.node_id or draw.node(),
        rollout_id=_some_rollout(draw).id,
        kind=run.kind,
        number=run.number,
        attempt=run.attempts + rng.choice([0, 0, 0, 1]),
        phase=rng.choice([HookPhase.RUNNING, HookPhase.SUCCEEDED, HookPhase.FAILED]),
        exit_code=rng.choice([None, 0, 1]),
    )


def _reports(draw: Draw) -> services.ReportAssignments:
    rng = draw.rng
    reports = [
        services.AssignmentReport(
            service_id=copy.service_id,
            revision=copy.revision,
            ordinal=copy.ordinal,
            token=copy.token - rng.choice([0, 0, 1]),
            observed=Observation(
                phase=ReplicaPhase.REMOVED
                if copy.desired is DesiredState.REMOVED
                else rng.choice(list(ReplicaPhase)),
                container_id=rng.choice(["", "a" * 64, "e" * 64]),
                port=rng.randint(0, 9),
            ),
        )
        for copy in ASSIGNMENTS.scan(draw.txn)
    ]
    routed, drained = rng.randint(0, 99), rng.randint(0, 99)
    router = services.RouterReport(
        routed_index=routed,
        drained_index=drained,
        # Up to two of the newest, by numbers that are drawn already.
        unrouted=tuple(range(routed - routed % 3 + 1, routed + 1)),
        undrained=tuple(range(drained - drained % 3 + 1, drained + 1)),
    )
    return services.ReportAssignments(
        node_id=draw.node(), reports=tuple(reports), router=rng.choice([None, router])
    )
