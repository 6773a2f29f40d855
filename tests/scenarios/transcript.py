"""Plays a transcript: lines of what happens, `----`, and what the leader then committed.

What happens:

    hosts h1 h2 h3                       the cluster
    deploy image=v1 replicas=2 ...       surge= unavailable= monitor= drain= start= progress= retries= action=
                                         port= volume= cpu= route=no service= delay= budget=
                                         strategy= steps=10:60s,50:60s,100 approve=yes keep= analysis=no
                                         only=zone==a spread=zone most=1 apart=cache pin=host-h1
    report 1/0@h1 healthy why it is so   revision/ordinal@host, and the phase its host saw
    routed [h1 ...], drained [h1 ...]    these routers (all that are up) have everything in force, or drained
    tick 10s                             time passes
    down h1, suspect h1, up h1, leave h1, drain h1, undrain h1
    label h1 zone=a [disk- ...]          labels are given and taken
    move 1/0@h1 [...]                    somebody asks for replicas to be moved
    leader                               another leader takes over
    approve, pause, resume, promote, abort   what ann asks of the rollout
    share 30                             ann gives GREEN 30 % of the requests
    back 1                               ann asks for revision 1 again
    remove                               of the service

What is committed: the rollout's phase, its stage and reason when they change, each replica's wish (a * marks
those of GREEN), shares of the requests, records that go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from agent.leader.views import command_of
from cluster.commands.nodes import RemoveNode, SetNodeLabels
from cluster.commands.services import (
    AssignmentRef,
    AssignmentReport,
    AttemptRevision,
    MoveReplicas,
    ReportAssignments,
    RouterReport,
    SetSplit,
    SteerRollout,
)
from cluster.model.ids import NodeId, ServiceId
from cluster.model.node import NodeStatus
from cluster.model.placing import PlacementRules, parse_attribute, parse_constraint
from cluster.model.rollout import Steer
from cluster.model.service import (
    Aim,
    FailureAction,
    Observation,
    PublishedPort,
    ReplicaPhase,
    Resources,
    RolloutPolicy,
    Route,
    ServiceSpec,
    VolumeKind,
    VolumeMount,
)
from cluster.model.strategy import Colour, Shift, Strategy, TrafficStep
from cluster.rollout import Decision, ServiceView, resume
from tests.simulation.orchestration import World

RULE = "----"
CHAIN_MAX = 20


@dataclass(frozen=True, slots=True)
class Block:
    """What happens, and what was committed then. `comment` is the lines above it."""

    comment: tuple[str, ...]
    happens: tuple[str, ...]
    committed: tuple[str, ...]


def parse(text: str) -> Iterator[Block]:
    """The blocks of a transcript, which blank lines part."""
    for part in text.strip().split("\n\n"):
        lines = part.splitlines()
        comment = tuple(line for line in lines if line.startswith("#"))
        lines = lines[len(comment) :]
        rule = lines.index(RULE) if RULE in lines else len(lines)
        yield Block(comment, tuple(lines[:rule]), tuple(lines[rule + 1 :]))


def render(blocks: list[Block]) -> str:
    return "\n".join(
        "\n".join([*block.comment, *block.happens, RULE, *block.committed]) + "\n" for block in blocks
    )


def play(text: str) -> str:
    """The transcript as it is played now."""
    stage = Stage()
    played = []
    for block in parse(text):
        for line in block.happens:
            stage.perform(line)
        played.append(replace(block, committed=tuple(stage.take())))
    return render(played)


class Stage:
    """A world in which only that happens that a line says."""

    def __init__(self) -> None:
        self._world = World((), is_led=False, founder="h1")
        self._service = ServiceId("shop.web")
        self._specs: dict[ServiceId, tuple[ServiceSpec, int, RolloutPolicy]] = {}
        self._rules: dict[ServiceId, PlacementRules] = {}
        self._shown: dict[ServiceId, str] = {}
        self._lines: list[str] = []
        self._leads = 0

    def perform(self, line: str) -> None:
        verb, *words = line.split()
        verbs: dict[str, Callable[..., None]] = {
            "hosts": self._hosts,
            "deploy": self._deploy,
            "report": self._report,
            "routed": lambda *names: self._route(names, is_drained=False),
            "drained": lambda *names: self._route(names, is_drained=True),
            "tick": self._tick,
            "down": lambda name: self._world.set_status(NodeId(name), NodeStatus.DOWN),
            "suspect": lambda name: self._world.set_status(NodeId(name), NodeStatus.SUSPECT),
            "up": lambda name: self._world.set_status(NodeId(name), NodeStatus.UP),
            "leave": self._leave,
            "drain": lambda name: self._world.drain(name),
            "undrain": lambda name: self._world.drain(name, False),
            "label": self._label,
            "move": self._move,
            "leader": self._elect,
            "share": self._share,
            "back": self._back,
            **{steer.value: partial(self._steer, steer) for steer in Steer},
            "remove": lambda: self._world.remove(self._service),
        }
        verbs[verb](*words)
        self._decide()

    def take(self) -> list[str]:
        lines, self._lines = self._lines, []
        return lines or ["nothing"]

    def _hosts(self, *names: str) -> None:
        for name in names:
            self._world.add_host(name, is_polling=False)

    def _deploy(self, *words: str) -> None:
        given = dict(word.split("=", 1) for word in words)
        self._service = ServiceId(given.pop("service", self._service))
        spec, replicas, policy = self._specs.get(
            self._service,
            (ServiceSpec(image="v1", route=Route(host="shop.example", port=80)), 1, RolloutPolicy()),
        )
        rules = self._rules.get(self._service, PlacementRules())
        for name, value in given.items():
            match name:
                case "only":
                    rules = replace(rules, constraints=(parse_constraint(f"node.labels.{value}"),))
                case "spread":
                    rules = replace(rules, spread=(parse_attribute(f"node.labels.{value}"),))
                case "most":
                    rules = replace(rules, replicas_per_host_max=int(value))
                case "apart":
                    rules = replace(rules, apart_from=(value,))
                case "pin":
                    rules = replace(rules, pin_host=value)
                case "image":
                    spec = replace(spec, image=value)
                case "replicas":
                    replicas = int(value)
                case "route":
                    spec = replace(spec, route=None)
                case "port":
                    spec = replace(spec, ports=(PublishedPort(container_port=80, host_port=int(value)),))
                case "volume":
                    mount = VolumeMount(kind=VolumeKind.VOLUME, target="/data", source=value)
                    spec = replace(spec, volumes=(mount,))
                case "cpu":
                    spec = replace(spec, resources=Resources(cpu_reservation_millis=int(value)))
                case "surge":
                    policy = replace(policy, max_surge=int(value))
                case "unavailable":
                    policy = replace(policy, max_unavailable=int(value))
                case "retries":
                    policy = replace(policy, retries=int(value))
                case "action":
                    policy = replace(policy, failure_action=FailureAction(value))
                case "monitor":
                    policy = replace(policy, monitor_ms=_ms(value))
                case "drain":
                    policy = replace(policy, drain_timeout_ms=_ms(value))
                case "start":
                    policy = replace(policy, start_deadline_ms=_ms(value))
                case "delay":
                    policy = replace(policy, delay_ms=_ms(value))
                case "budget":
                    policy = replace(policy, failures_max_permille=10 * int(value))
                case "strategy" | "steps" | "approve" | "keep" | "analysis":
                    policy = replace(policy, shift=_shift(policy.shift, name, value))
                case "progress":
                    policy = replace(policy, progress_deadline_ms=_ms(value))
                case _:
                    raise ValueError(f"deploy {name}: not known")
        self._specs[self._service] = (spec, replicas, policy)
        self._rules[self._service] = rules
        self._world.deploy(spec, service=self._service, replicas=replicas, policy=policy, placement=rules)

    def _report(self, replica: str, phase: str, *why: str) -> None:
        place, _, host = replica.partition("@")
        revision, _, ordinal = place.partition("/")
        [copy] = [
            copy
            for copy in self._world.assignments()
            if (copy.service_id, copy.revision, copy.ordinal, copy.node_id)
            == (self._service, int(revision), int(ordinal), host)
        ]
        report = AssignmentReport(
            service_id=self._service,
            revision=copy.revision,
            ordinal=copy.ordinal,
            token=copy.token,
            observed=Observation(phase=ReplicaPhase(phase), reason=" ".join(why)),
        )
        self._world.must(
            ReportAssignments(node_id=NodeId(host), reports=(report,)), client=host, leader_term=0
        )

    def _route(self, names: tuple[str, ...], *, is_drained: bool) -> None:
        for name in names or self._live():
            host = self._world.hosts[NodeId(name)]
            host.routed_index = self._world.replica.index
            host.drained_index = host.routed_index if is_drained else host.drained_index
            router = RouterReport(routed_index=host.routed_index, drained_index=host.drained_index)
            self._world.must(
                ReportAssignments(node_id=NodeId(name), reports=(), router=router),
                client=name,
                leader_term=0,
            )

    def _live(self) -> list[str]:
        view = self._world.view(self._service)
        assert view is not None
        return [node_id for node_id in sorted(view.nodes) if view.is_alive(node_id)]

    def _tick(self, duration: str) -> None:
        self._world.replica.now_ms += _ms(duration)

    def _label(self, name: str, *changes: str) -> None:
        put = dict(change.split("=", 1) for change in changes if not change.endswith("-"))
        remove = sorted(change.removesuffix("-") for change in changes if change.endswith("-"))
        command = SetNodeLabels(node_id=NodeId(name), put=tuple(sorted(put.items())), remove=tuple(remove))
        self._world.must(command, client="person", leader_term=0)

    def _move(self, *replicas: str) -> None:
        copies = []
        for replica in replicas:
            place, _, host = replica.partition("@")
            revision, _, ordinal = place.partition("/")
            copies.append(AssignmentRef(revision=int(revision), ordinal=int(ordinal), node_id=NodeId(host)))
        command = MoveReplicas(service_id=self._service, copies=tuple(copies))
        self._world.must(command, client="person", leader_term=0)

    def _steer(self, steer: Steer) -> None:
        view = self._world.view(self._service)
        assert view is not None
        assert view.rollout is not None
        self._ask(SteerRollout(rollout_id=view.rollout.id, steer=steer, by="ann"))

    def _share(self, percent: str) -> None:
        self._ask(SetSplit(service_id=self._service, green_permille=10 * int(percent), by="ann"))

    def _back(self, revision: str) -> None:
        self._ask(
            AttemptRevision(service_id=self._service, revision=int(revision), aim=Aim.ROLLBACK, by="ann")
        )

    def _ask(self, command: object) -> None:
        self._world.must(command, client="person", leader_term=0)

    def _leave(self, name: str) -> None:
        self._world.must(RemoveNode(node_id=NodeId(name), reason="test"), client="person", leader_term=0)

    def _elect(self) -> None:
        self._world.elect("h2")
        for view in self._world.views():
            resumed = resume(view, self._world.now_ms)
            if resumed is not None:
                self._world.must(command_of(resumed), client="leader")
                self._lines.append(f"resumed {view.service.id}")

    def _decide(self) -> None:
        for service_id in [view.service.id for view in self._world.views()]:
            for _ in range(CHAIN_MAX):
                view = self._world.view(service_id)
                if view is None:
                    break
                decision = self._world.decide(view)
                if decision.transition is None:
                    self._note_blocked(view, decision)
                    break
                self._show(view, decision)
                self._world.commit(view, command_of(decision.transition))
            else:
                raise AssertionError("no end of transitions")

    def _show(self, view: ServiceView, decision: Decision) -> None:
        transition = decision.transition
        assert transition is not None
        rollout = transition.rollout
        if rollout is not None:
            text = f"rollout {rollout.from_revision}->{rollout.to_revision} {rollout.phase}"
            stage = rollout.stage
            if stage is not None and not rollout.phase.is_terminal:
                text += f" {stage.phase} {stage.steps[stage.index].permille / 10:g} %"
            text += f": {rollout.reason}" if rollout.reason else ""
            if self._shown.get(view.service.id) != text:
                self._shown[view.service.id] = text
                self._say(view, text)
        for order in transition.orders:
            key = order.key
            mark = "*" if order.colour is Colour.GREEN else ""
            self._say(view, f"  {key.revision}/{key.ordinal}@{key.node_id}{mark} {order.desired}")
        for key in transition.forget:
            self._say(view, f"  {key.revision}/{key.ordinal}@{key.node_id} forgotten")
        if transition.green_permille is not None:
            self._say(view, f"  green gets {transition.green_permille / 10:g} %")
        if transition.kept is not None:
            kept_s = (transition.kept.until_ms - self._world.now_ms) / 1000
            self._say(view, f"revision {transition.kept.revision} kept for {kept_s:g} s")
        if transition.is_kept_ended:
            self._say(view, "nothing kept any more")
        if transition.stable_revision is not None:
            self._say(view, f"stable revision {transition.stable_revision}")
        if transition.is_service_forgotten:
            self._say(view, "service forgotten")

    def _note_blocked(self, view: ServiceView, decision: Decision) -> None:
        if view.rollout is None:
            text = "; ".join(decision.blocked)
            if self._shown.get(f"blocked {view.service.id}", "") != text:
                self._shown[ServiceId(f"blocked {view.service.id}")] = text
                self._say(view, f"blocked: {text}" if text else "not blocked any more")

    def _say(self, view: ServiceView, text: str) -> None:
        prefix = "" if len(self._specs) < 2 else f"{view.service.id}: "
        self._lines.append(prefix + text)


def _shift(shift: Shift, name: str, value: str) -> Shift:
    blue_green, canary = shift.blue_green, shift.canary
    match name:
        case "strategy":
            return replace(shift, strategy=Strategy(value))
        case "analysis":
            return replace(shift, analysis=replace(shift.analysis, is_on=value != "no"))
        case "keep":
            return replace(shift, blue_green=replace(blue_green, keep_ms=_ms(value)))
        case "approve":
            return replace(shift, blue_green=replace(blue_green, is_promoted_by_itself=value != "yes"))
        case _:
            steps = tuple(_step(part) for part in value.split(","))
            return replace(
                shift, blue_green=replace(blue_green, steps=steps), canary=replace(canary, steps=steps)
            )


def _step(text: str) -> TrafficStep:
    percent, _, hold = text.partition(":")
    return TrafficStep(permille=10 * int(percent), hold_ms=_ms(hold) if hold else 0)


def _ms(text: str) -> int:
    for unit, factor in (("ms", 1), ("s", 1_000), ("m", 60_000)):
        if text.endswith(unit) and text.removesuffix(unit).isdigit():
            return int(text.removesuffix(unit)) * factor
    raise ValueError(f"{text!r}: 500ms, 10s or 2m")
