"""What holds for rollouts while hosts die and return, reports get lost and leaders change."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.leader.views import command_of
from cluster.commands.nodes import SetNodeLabels
from cluster.commands.services import AssignmentRef, AttemptRevision, MoveReplicas, SetSplit, SteerRollout
from cluster.model.hooks import Hook, HookKind, HookPhase, HookRun
from cluster.model.ids import NodeId, RolloutId, ServiceId
from cluster.model.node import Node, NodeFacts, NodeRole, NodeStatus
from cluster.model.placing import PlacementRules, parse_attribute, parse_constraint
from cluster.model.rollout import (
    ReplicaProgress,
    Rollout,
    RolloutPhase,
    Stage,
    StagePhase,
    Steer,
    Steering,
    StepPhase,
)
from cluster.model.service import (
    Aim,
    Assignment,
    Attempt,
    DesiredState,
    FailureAction,
    Kept,
    Observation,
    PublishedPort,
    ReplicaPhase,
    Revision,
    RolloutPolicy,
    RouterState,
    Service,
    Split,
    VolumeKind,
    VolumeMount,
)
from cluster.model.strategy import (
    Analysis,
    BlueGreen,
    Canary,
    Colour,
    InconclusiveAction,
    Shift,
    Strategy,
    TrafficStep,
)
from cluster.placement import Landscape
from cluster.rollout import Decision, ServiceView, decide, resume
from cluster.survey import chooser
from tests.simulation.orchestration import Behaviour, Faults, World
from tests.simulation.orchestration_promises import BrokenPromise, check_promises
from tests.simulation.orchestration_traffic import Answers
from tests.support.state_builders import START_MS, a_spec

WEB = ServiceId("shop.web")
HOSTS = ("h0", "h1", "h2", "h3", "h4")
GOOD = ("good-1", "good-2", "good-3", "slow")
BAD = ("bad-exited", "bad-unhealthy", "bad-failed", "brief")
SHAPES: dict[str, dict[str, object]] = {
    "plain": {},
    "unrouted": {"route": None},
    "port": {"ports": (PublishedPort(container_port=80, host_port=8080),)},
    "volume": {"volumes": (VolumeMount(kind=VolumeKind.VOLUME, target="/data", source="data"),)},
}

steps = st.sampled_from(
    [
        (TrafficStep(permille=1000),),
        (TrafficStep(permille=100, hold_ms=5_000), TrafficStep(permille=1000)),
        (
            TrafficStep(permille=250, hold_ms=1_000, needs_approval=True),
            TrafficStep(permille=500, hold_ms=10_000),
            TrafficStep(permille=1000, hold_ms=2_000),
        ),
    ]
)
shifts = st.builds(
    lambda strategy, steps, keep_ms, approval_ms, analysis, **fields: Shift(
        strategy=strategy,
        blue_green=BlueGreen(steps=steps, keep_ms=keep_ms, approval_ms=approval_ms, **fields),
        canary=Canary(steps=steps, keep_ms=keep_ms, approval_ms=approval_ms),
        analysis=analysis,
    ),
    strategy=st.sampled_from(Strategy),
    steps=steps,
    keep_ms=st.sampled_from([0, 20_000]),
    approval_ms=st.just(20_000),
    monitor_ms=st.sampled_from([0, 3_000]),
    preview_replicas=st.sampled_from([0, 1]),
    is_promoted_by_itself=st.booleans(),
    analysis=st.builds(
        Analysis,
        is_on=st.booleans(),
        warmup_ms=st.just(1_000),
        requests_min=st.just(10),
        silence_ms=st.just(30_000),
        on_inconclusive=st.sampled_from(InconclusiveAction),
    ),
)
hooks = st.lists(
    st.builds(
        Hook,
        command=st.sampled_from([("good",), ("good",), ("good",), ("bad",), ("hang",), ("mute",)]),
        timeout_ms=st.just(4_000),
        is_repeatable=st.booleans(),
    ),
    max_size=2,
).map(tuple)
policies = st.builds(
    lambda limits, **fields: RolloutPolicy(max_surge=limits[0], max_unavailable=limits[1], **fields),
    st.sampled_from([(1, 0), (2, 0), (0, 1), (1, 1), (0, 2)]),
    monitor_ms=st.sampled_from([0, 500, 3_000]),
    drain_timeout_ms=st.sampled_from([0, 1_000, 5_000]),
    start_deadline_ms=st.sampled_from([2_000, 10_000]),
    pull_deadline_ms=st.just(10_000),
    progress_deadline_ms=st.sampled_from([30_000, 120_000]),
    retries=st.integers(0, 2),
    failure_action=st.sampled_from(FailureAction),
    shift=shifts,
    delay_ms=st.sampled_from([0, 2_000]),
    failures_max_permille=st.sampled_from([0, 0, 400]),
    rollback_surge=st.sampled_from([0, 1]),
    pre_deploy=st.just(()) | hooks,
    post_deploy=st.just(()) | hooks,
)
RULES = (
    PlacementRules(constraints=(parse_constraint("node.labels.zone==a"),)),
    PlacementRules(spread=(parse_attribute("node.labels.zone"),), replicas_per_host_max=2),
)
images = st.sampled_from([*GOOD, *BAD])
hosts = st.sampled_from(HOSTS)
actions = st.one_of(
    st.tuples(st.just("deploy"), images, st.integers(0, 5)),
    st.tuples(st.just("policy"), policies),
    st.tuples(st.just("cut"), hosts),
    st.tuples(st.just("heal"), hosts),
    st.tuples(st.just("reboot"), hosts),
    st.tuples(st.just("drain"), hosts),
    st.tuples(st.just("undrain"), hosts),
    st.tuples(st.just("label"), hosts),
    st.tuples(st.just("unlabel"), hosts),
    st.tuples(st.just("rules"), st.sampled_from([PlacementRules(), *RULES])),
    st.tuples(st.just("move"), hosts),
    st.tuples(st.just("elect"), hosts),
    st.tuples(st.just("lose sight"), hosts),
    st.tuples(st.just("see again"), hosts),
    st.tuples(st.just("remove")),
    st.tuples(st.just("steer"), st.sampled_from(Steer)),
    st.tuples(st.just("share"), st.sampled_from([0, 300, 1000])),
    st.tuples(
        st.just("attempt"),
        st.integers(1, 4),
        # An experiment is begun by a command of its own.
        st.sampled_from([aim for aim in Aim if aim is not Aim.EXPERIMENT]),
        st.booleans(),
    ),
)
scripts = st.lists(st.tuples(st.sampled_from([50, 300, 1_000, 4_000, 15_000]), actions), max_size=12)
faults = st.builds(
    Faults,
    lost=st.sampled_from([0.0, 0.1, 0.3]),
    repeated=st.sampled_from([0.0, 0.3]),
    late=st.sampled_from([0.0, 0.3]),
)


@dataclass
class Play:
    """A script as it is carried out."""

    world: World
    shape: dict[str, object]
    policy: RolloutPolicy
    service_id: ServiceId = WEB
    replicas: int = 3
    rules: PlacementRules = field(default_factory=PlacementRules)

    def deploy(self, image: str) -> None:
        view = self.world.view(self.service_id)
        if view is None or not view.service.is_removed:
            spec = a_spec(image, **self.shape)
            self.world.deploy(spec, replicas=self.replicas, policy=self.policy, placement=self.rules)

    def ask(self, command: object) -> None:
        """What people ask for may be refused."""
        self.world.apply(command, client="person", leader_term=0)

    def carry_out(self, action: tuple[object, ...]) -> None:
        world = self.world
        match action:
            case ("deploy", str(image), int(replicas)):
                self.replicas = replicas
                self.deploy(image)
            case ("policy", RolloutPolicy() as policy):
                self.policy = policy
            case ("rules", PlacementRules() as rules):
                self.rules = rules
                view = world.view(self.service_id)
                spec = None if view is None else view.spec(view.service.revision)
                if spec is not None:
                    self.deploy(spec.image)
            case ("steer", Steer() as steer):
                rollouts = world.rollouts(self.service_id)
                if rollouts:
                    self.ask(SteerRollout(rollout_id=rollouts[0].id, steer=steer, by="ann"))
            case ("share", int(permille)):
                self.ask(SetSplit(service_id=self.service_id, green_permille=permille, by="ann"))
            case ("attempt", int(revision), Aim() as aim, bool(is_unjudged)):
                self.ask(
                    AttemptRevision(
                        service_id=self.service_id,
                        revision=revision,
                        aim=aim,
                        by="ann",
                        is_unjudged=is_unjudged,
                    )
                )
            case ("remove",):
                if world.view(self.service_id) is not None:
                    world.remove(self.service_id)
            case (str(verb), str(host)) if NodeId(host) in world.hosts:
                verbs: dict[str, Callable[[str], None]] = {
                    "cut": world.cut,
                    "heal": world.heal,
                    "reboot": world.reboot,
                    "drain": world.drain,
                    "undrain": lambda host: world.drain(host, False),
                    "label": lambda host: self.label(host, (("zone", "a"),), ()),
                    "unlabel": lambda host: self.label(host, (), ("zone",)),
                    "move": self.move,
                    "elect": world.elect,
                    "lose sight": lambda host: world.hosts[NodeId(host)].unreached.add(self.service_id),
                    "see again": lambda host: world.hosts[NodeId(host)].unreached.clear(),
                }
                verbs[verb](host)
            case _:
                pass  # of a host this cluster does not have

    def label(self, host: str, put: tuple[tuple[str, str], ...], remove: tuple[str, ...]) -> None:
        command = SetNodeLabels(node_id=NodeId(host), put=put, remove=remove)
        self.world.must(command, client="person", leader_term=0)

    def move(self, host: str) -> None:
        """Ask for everything of the service to leave a host; refused while a rollout is under way."""
        view = self.world.view(self.service_id)
        if view is None:
            return
        copies = tuple(
            AssignmentRef(revision=copy.revision, ordinal=copy.ordinal, node_id=copy.node_id)
            for copy in view.assignments
            if copy.node_id == host and copy.desired is not DesiredState.REMOVED
        )
        command = MoveReplicas(service_id=self.service_id, copies=copies, within_ms=30_000)
        self.world.apply(command, client="person", leader_term=0)

    def calm_down(self) -> None:
        """From here on nothing goes wrong any more, and every host may be used."""
        self.world.faults = Faults()
        for name in sorted(self.world.hosts):
            self.label(name, (("zone", "a"),), ())
        self.carry_out(("rules", PlacementRules()))
        for host in self.world.hosts.values():
            self.world.heal(host.node_id)
            self.world.drain(host.node_id, False)
            host.unreached.clear()
        self.world.run(5_000)
        view = self.world.view(self.service_id)
        if view is not None and view.service.kept is not None:
            # What is kept stays for as long as somebody has it answer requests.
            whole = 1000 if view.service.kept.colour.other is Colour.GREEN else 0
            self.ask(SetSplit(service_id=self.service_id, green_permille=whole, by="ann"))


@given(
    seed=st.integers(0, 2**32),
    host_count=st.integers(1, 5),
    shape=st.sampled_from(sorted(SHAPES)),
    policy=policies,
    fault=faults,
    has_routers=st.booleans(),
    has_traffic=st.booleans(),
    script=scripts,
)
def test_a_rollout_keeps_its_promises_and_ends_whatever_happens(
    seed: int,
    host_count: int,
    shape: str,
    policy: RolloutPolicy,
    fault: Faults,
    has_routers: bool,
    has_traffic: bool,
    script: list[tuple[int, tuple[object, ...]]],
) -> None:
    """The world checks availability, room, drains and repeated decisions after every change."""
    world = World(HOSTS[:host_count], rng=random.Random(seed), faults=fault, has_routers=has_routers)
    play_out(world, SHAPES[shape], policy, script, has_traffic=has_traffic)


@given(
    seed=st.integers(0, 2**32),
    policy=st.builds(
        lambda policy, strategy: replace(policy, shift=replace(policy.shift, strategy=strategy)),
        policies,
        st.sampled_from([Strategy.BLUE_GREEN, Strategy.CANARY]),
    ),
    fault=faults,
    has_traffic=st.booleans(),
    script=st.lists(
        st.tuples(
            st.sampled_from([20, 300, 1_000, 4_000]),
            st.one_of(
                st.tuples(st.just("deploy"), st.sampled_from(GOOD), st.integers(1, 4)),
                st.tuples(st.just("steer"), st.sampled_from(Steer)),
                st.tuples(st.just("share"), st.sampled_from([0, 300, 1000])),
                actions,
            ),
        ),
        min_size=2,
        max_size=12,
    ),
)
def test_a_staged_rollout_keeps_its_promises_and_ends_whatever_people_ask(
    seed: int,
    policy: RolloutPolicy,
    fault: Faults,
    has_traffic: bool,
    script: list[tuple[int, tuple[object, ...]]],
) -> None:
    """The same, where there are always stages: on three hosts, with what people do more often."""
    world = World(HOSTS[:3], rng=random.Random(seed), faults=fault)
    play_out(world, SHAPES["plain"], policy, script, has_traffic=has_traffic)


def play_out(
    world: World,
    shape: dict[str, object],
    policy: RolloutPolicy,
    script: list[tuple[int, tuple[object, ...]]],
    *,
    has_traffic: bool,
) -> None:
    world.behaviours |= {f"bad-{phase}": Behaviour(is_good=False, phase=phase) for phase in ReplicaPhase}
    world.behaviours |= {"brief": Behaviour(lasts_ms=800), "slow": Behaviour(start_ms=1_500)}
    world.traffic.answers |= {"good-3": Answers(failure_rate=0.3)}
    if has_traffic:
        world.traffic.requests_per_s[WEB] = 2
    play = Play(world, shape, policy)
    play.deploy("good-1")
    for pause_ms, action in script:
        world.run(pause_ms)
        play.carry_out(action)
    play.calm_down()
    world.settle_rollouts()
    view = world.view(play.service_id)
    if view is None or view.service.is_removed:
        world.run(60_000)
        assert world.view(play.service_id) is None
        assert not any(host.containers for host in world.hosts.values())
        return
    rollout = view.rollout or view.last_rollout
    assert rollout is not None
    assert rollout.phase.is_terminal or rollout.phase is RolloutPhase.PAUSED
    stable = view.spec(view.service.stable_revision)
    # Ports and volumes may leave no host for a replica, and a bad image never comes to rest.
    if (
        stable is not None
        and stable.image in GOOD
        and not {"ports", "volumes"} & set(shape)
        and not view.rollout
    ):
        world.settle(600_000)
        world.check_final()


# ---- any state at all ------------------------------------------------------------------------------------

revision_numbers = st.integers(1, 3)
times = st.integers(START_MS - 700_000, START_MS)


def node_of(name: str, status: NodeStatus, is_draining: bool) -> Node:
    return Node(
        id=NodeId(name),
        name=f"host-{name}",
        address=f"{name}.example:7444",
        api_address=f"{name}.example:7443",
        role=NodeRole.VOTER,
        status=status,
        status_at_ms=START_MS,
        joined_at_ms=START_MS,
        is_draining=is_draining,
        facts=NodeFacts(),
    )


def indexes() -> st.SearchStrategy[tuple[int, tuple[int, ...]]]:
    """How far a router has come, and its exceptions."""
    tokens = st.sets(st.integers(1, 100), max_size=5)
    return st.tuples(st.integers(0, 100), tokens).map(
        lambda pair: (pair[0], tuple(sorted(token for token in pair[1] if token <= pair[0])))
    )


@st.composite
def router_states(draw: st.DrawFn, node_id: NodeId) -> RouterState:
    (routed_index, unrouted), (drained_index, undrained) = draw(indexes()), draw(indexes())
    return RouterState(
        node_id=node_id,
        routed_index=routed_index,
        drained_index=drained_index,
        reported_at_ms=START_MS,
        unrouted=unrouted,
        undrained=undrained,
    )


@st.composite
def views(draw: st.DrawFn) -> ServiceView:
    names = HOSTS[: draw(st.integers(1, 4))]
    nodes = {
        NodeId(name): node_of(name, draw(st.sampled_from(NodeStatus)), draw(st.booleans())) for name in names
    }
    service_id = ServiceId("shop.web")
    keys = st.tuples(revision_numbers, st.integers(0, 3), st.sampled_from([*names, "gone"]))
    assignments = tuple(
        Assignment(
            service_id=service_id,
            revision=revision,
            ordinal=ordinal,
            node_id=NodeId(name),
            desired=draw(st.sampled_from(DesiredState)),
            token=draw(st.integers(1, 100)),
            leader_term=1,
            changed_at_ms=draw(times),
            observed=Observation(phase=draw(st.sampled_from(ReplicaPhase)), restarts=draw(st.integers(0, 4))),
            colour=draw(st.sampled_from(Colour)),
        )
        for revision, ordinal, name in sorted(draw(st.sets(keys, max_size=8)))
    )
    stable = draw(st.integers(0, 3))
    newest = draw(st.integers(max(1, stable), 3))
    under_way = draw(st.none() | rollouts(service_id, newest, stable, names, is_terminal=False))
    ended = draw(st.none() | rollouts(service_id, newest, stable, names, is_terminal=True))
    return ServiceView(
        service=Service(
            id=service_id,
            project="shop",
            name="web",
            replicas=draw(st.integers(0, 4)),
            policy=draw(policies),
            revision=newest,
            stable_revision=stable,
            rollout_id=None if under_way is None else under_way.id,
            version=7,
            created_at_ms=START_MS,
            changed_at_ms=START_MS,
            is_removed=draw(st.sampled_from([False, False, False, True])),
            attempt=Attempt(number=draw(st.sampled_from([0, 0, 0, 1])), aim=draw(st.sampled_from(Aim))),
            split=Split(
                green_permille=draw(st.sampled_from([0, 0, 300, 1000])),
                token=draw(st.integers(0, 100)),
                by=draw(st.sampled_from(["", "ann"])),
            ),
            kept=None
            if under_way is not None
            else draw(
                st.none()
                | st.builds(
                    Kept,
                    revision=revision_numbers,
                    colour=st.sampled_from(Colour),
                    until_ms=st.integers(START_MS - 100_000, START_MS + 100_000),
                )
            ),
        ),
        revisions={
            number: Revision(
                service_id=service_id,
                number=number,
                spec=a_spec(f"v{number}", **SHAPES[draw(st.sampled_from(sorted(SHAPES)))]),
                created_at_ms=START_MS,
                created_by="u1",
            )
            for number in sorted(draw(st.sets(revision_numbers)) | {newest})
        },
        assignments=assignments,
        nodes=nodes,
        routers={NodeId(name): draw(router_states(NodeId(name))) for name in names},
        rollout=under_way,
        last_rollout=ended,
        home=draw(st.none() | st.sampled_from([NodeId(name) for name in names])),
        to_leave=frozenset(copy.key for copy in assignments if draw(st.sampled_from([False, False, True]))),
    )


@st.composite
def rollouts(
    draw: st.DrawFn,
    service_id: ServiceId,
    newest: int,
    stable: int,
    names: tuple[str, ...],
    *,
    is_terminal: bool,
) -> Rollout:
    ordinals = draw(st.sets(st.integers(0, 4)))
    return Rollout(
        id=RolloutId("ro_ended" if is_terminal else "ro_open"),
        service_id=service_id,
        from_revision=draw(st.sampled_from([0, stable])),
        to_revision=draw(st.integers(1, newest)),
        phase=draw(st.sampled_from([phase for phase in RolloutPhase if phase.is_terminal is is_terminal])),
        step=draw(st.integers(0, 9)),
        started_at_ms=draw(times),
        changed_at_ms=draw(times),
        deadline_ms=START_MS + draw(st.integers(-100_000, 100_000)),
        failures=draw(st.integers(0, 2)),
        replicas=tuple(
            ReplicaProgress(
                ordinal=ordinal,
                phase=draw(st.sampled_from(StepPhase)),
                node_id=draw(st.none() | st.sampled_from([NodeId(name) for name in names])),
                attempts=draw(st.integers(0, 2)),
                since_ms=draw(times),
                deadline_ms=START_MS + draw(st.integers(-100_000, 100_000)),
            )
            for ordinal in sorted(ordinals)
        ),
        reason=draw(st.sampled_from(["", "replica 0 failed"])),
        strategy=draw(st.sampled_from(Strategy)),
        stage=draw(st.none() | stages()),
        steering=draw(
            st.none()
            | st.builds(Steering, steer=st.sampled_from(Steer), by=st.just("ann"), at_ms=st.just(START_MS))
        ),
        is_unjudged=draw(st.booleans()),
        paused_ms=draw(st.sampled_from([0, START_MS - 5_000])),
        hooks=tuple(
            HookRun(
                kind=kind,
                number=0,
                hook=Hook(command=("good",), is_repeatable=draw(st.booleans())),
                phase=phase,
                node_id=NodeId(draw(st.sampled_from(names))) if phase.is_at_host else None,
                attempts=draw(st.integers(1, 3)),
                since_ms=draw(times),
                deadline_ms=START_MS + draw(st.integers(-100_000, 100_000)),
            )
            for kind in HookKind
            if (phase := draw(st.none() | st.sampled_from(HookPhase))) is not None
        ),
    )


@st.composite
def stages(draw: st.DrawFn) -> Stage:
    chosen = draw(steps)
    return Stage(
        steps=chosen,
        colour=draw(st.sampled_from(Colour)),
        index=draw(st.integers(0, len(chosen) - 1)),
        phase=draw(st.sampled_from(StagePhase)),
        since_ms=draw(times),
        deadline_ms=draw(st.sampled_from([0, START_MS - 1, START_MS + 5_000])),
        approved_by=draw(st.sampled_from(["", "ann"])),
        approved_ahead_by=draw(st.sampled_from(["", "ann"])),
        is_old_reduced=draw(st.booleans()),
    )


def decision_on(view: ServiceView) -> Decision:
    landscape = Landscape(view.nodes, {})
    return decide(view, START_MS, rollout_id=RolloutId("ro_new"), choose=chooser(view.service, landscape))


@given(view=views())
def test_any_state_has_one_decision_that_the_state_machine_can_take(view: ServiceView) -> None:
    decision = decision_on(view)
    assert decision == decision_on(view)
    assert decision.wake_at_ms is None or decision.wake_at_ms > START_MS
    if decision.transition is None:
        return
    command = command_of(decision.transition)  # its own rules hold, or this raises
    present = {copy.key: copy for copy in view.assignments}
    ordered = {order.key: order.desired for order in decision.transition.orders}
    assert len(ordered) == len(command.orders)
    for key, desired in ordered.items():
        if key in present:
            assert present[key].desired not in (DesiredState.REMOVED, desired)
        else:
            assert desired is DesiredState.STARTED
            assert view.is_schedulable(key.node_id) or view.is_pinned(key.revision)
            assert key.revision in view.revisions
    for key in decision.transition.forget:
        assert ordered.get(key, present[key].desired) is DesiredState.REMOVED
    if decision.transition.is_service_forgotten:
        assert view.service.is_removed
        assert set(decision.transition.forget) == set(present)


@given(view=views())
def test_resuming_moves_deadlines_out_and_never_in(view: ServiceView) -> None:
    transition = resume(view, START_MS)
    if transition is None:
        return
    before, after = view.rollout, transition.rollout
    assert before is not None
    assert after is not None
    assert after.deadline_ms >= max(before.deadline_ms, START_MS + 60_000)
    for old, new in zip(before.replicas, after.replicas, strict=True):
        assert new.deadline_ms >= old.deadline_ms
    assert transition.orders == transition.forget == ()


@given(view=views())
def test_a_host_that_left_or_is_down_is_given_nothing_new(view: ServiceView) -> None:
    transition = decision_on(view).transition
    present = {copy.key for copy in view.assignments}
    for order in () if transition is None else transition.orders:
        if view.is_gone(order.key.node_id):
            assert order.desired is DesiredState.REMOVED
        if not view.is_alive(order.key.node_id):
            assert order.key in present


def test_a_promise_that_is_broken_is_noticed() -> None:
    """The checks themselves: a drain cut short is reported."""
    world = World()
    service_id = world.deploy(a_spec("good-1"), replicas=1)
    world.settle()
    before = world.view(service_id)
    assert before is not None
    removed = tuple(replace(copy, desired=DesiredState.REMOVED) for copy in before.assignments)
    with pytest.raises(BrokenPromise, match="in flight"):
        check_promises(before, replace(before, assignments=removed), world.now_ms)
