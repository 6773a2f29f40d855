"""Rollouts as data. What moves them on is `cluster.rollout`; the log only keeps what was decided."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cluster.model import rules
from cluster.model.experiment import ExperimentRun
from cluster.model.hooks import HOOKS_MAX, HookRun
from cluster.model.ids import NodeId, RolloutId, ServiceId
from cluster.model.judging import Evidence, JudgeState
from cluster.model.service import REPLICAS_MAX, Aim
from cluster.model.strategy import STEPS_MAX, Colour, Strategy, TrafficStep


class RolloutPhase(StrEnum):
    """Where a rollout stands. Terminal phases never change again."""

    RUNNING = "running"
    PAUSED = "paused"
    ROLLING_BACK = "rolling-back"
    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled-back"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        return self in _TERMINAL


_TERMINAL = frozenset(
    {RolloutPhase.SUCCEEDED, RolloutPhase.ROLLED_BACK, RolloutPhase.FAILED, RolloutPhase.CANCELLED}
)


class StagePhase(StrEnum):
    """Where a staged rollout stands at its present share of the requests.

    DEPLOYING: replicas of the new revision are brought up, as many as the share needs. SWITCHING: the share
    was ordered, and not every router has it in force. WATCHING: held and judged. APPROVAL: a person is asked.
    RETURNING: everything goes back to the old revision. RETIRING: the colour without requests is taken down.
    """

    DEPLOYING = "deploying"
    SWITCHING = "switching"
    WATCHING = "watching"
    APPROVAL = "approval"
    RETURNING = "returning"
    RETIRING = "retiring"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A staged rollout's place: step `index` of its `steps`, and since when it is in `phase`.

    `steps` are those of the policy when the rollout began, merged where there is too little traffic to judge
    each. `colour` is the new revision's. `extended_ms` is how much longer than planned this step is held.
    `is_old_reduced`: the old revision's replicas were being taken down when the rollout turned back.
    `approved_ahead_by` let the step go on before its time was over; it is judged to its end all the same.
    """

    steps: tuple[TrafficStep, ...]
    colour: Colour
    index: int = 0
    phase: StagePhase = StagePhase.DEPLOYING
    since_ms: int = 0
    deadline_ms: int = 0
    extended_ms: int = 0
    approved_by: str = ""
    is_old_reduced: bool = False
    approved_ahead_by: str = ""

    @property
    def may_be_approved_ahead(self) -> bool:
        """Whether a person may let the step go on already that is still being watched."""
        return (
            self.phase is StagePhase.WATCHING
            and self.index < len(self.steps) - 1
            and self.steps[self.index].needs_approval
            and not self.approved_ahead_by
        )

    def __post_init__(self) -> None:
        rules.check_count("stage steps", self.steps, STEPS_MAX)
        rules.check_range("stage index", self.index, 0, STEPS_MAX)


class Steer(StrEnum):
    """What a person asks of a rollout under way.

    APPROVE: go on from here. PROMOTE: to the end at once, without judging. ABORT: back to the old revision.
    """

    APPROVE = "approve"
    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    ABORT = "abort"


@dataclass(frozen=True, slots=True, kw_only=True)
class Steering:
    """The newest request of a person that the leader has not carried out yet."""

    steer: Steer
    by: str
    at_ms: int
    reason: str = ""


class StepPhase(StrEnum):
    """Where the replacement of one replica stands."""

    WAITING = "waiting"
    STARTING = "starting"
    ROUTING = "routing"
    MONITORING = "monitoring"
    DRAINING = "draining"
    REMOVING = "removing"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaProgress:
    """One replica's way to the target: the host chosen for the new copy, and the host of the old one, if any.

    `restarts` is how often its container had been started again when it was first to serve, -1 while that
    does not matter. `since_ms` and `deadline_ms` belong to `phase`, Unix epoch milliseconds of the deciding
    leader's clock; a new leader may move the deadline out, never in.
    """

    ordinal: int
    phase: StepPhase
    node_id: NodeId | None = None
    old_node_id: NodeId | None = None
    old_revision: int = 0
    attempts: int = 0
    since_ms: int = 0
    deadline_ms: int = 0
    restarts: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One attempt to bring every replica of a service to `to_revision`.

    `from_revision` is 0 for a first deployment. `step` counts what was asked for; events carry it, so that a
    late or repeated one is recognised. `deadline_ms` is the progress deadline. `reason` says, for people,
    why the phase is so. `stage` is there for staged rollouts only; `paused_ms` is when it was paused, 0 when
    it is not; `verdict` is the judge's last word, and
    `evidence` its figures. `by` names who asked for it. `note`
    says for people what is done otherwise than the policy says, and why. `hooks` are all commands around it,
    also those whose turn has not come. `experiment` is there while `to_revision` is only tried beside the
    other one, and stays as the record of that.
    """

    id: RolloutId
    service_id: ServiceId
    from_revision: int
    to_revision: int
    phase: RolloutPhase
    step: int
    started_at_ms: int
    changed_at_ms: int
    deadline_ms: int
    failures: int = 0
    replicas: tuple[ReplicaProgress, ...] = ()
    reason: str = ""
    strategy: Strategy = Strategy.ROLLING
    aim: Aim = Aim.DEPLOY
    attempt: int = 0
    is_unjudged: bool = False
    stage: Stage | None = None
    judge: JudgeState | None = None
    steering: Steering | None = None
    verdict: str = ""
    paused_ms: int = 0
    by: str = ""
    note: str = ""
    evidence: Evidence | None = None
    hooks: tuple[HookRun, ...] = ()
    experiment: ExperimentRun | None = None

    def __post_init__(self) -> None:
        rules.check_id("rollout id", self.id)
        rules.check_range("from revision", self.from_revision, 0, 2**31)
        rules.check_range("to revision", self.to_revision, 1, 2**31)
        rules.check_count("rollout replicas", self.replicas, 2 * REPLICAS_MAX)
        rules.check_text("rollout reason", self.reason, 4096)
        rules.check_text("rollout verdict", self.verdict, 4096)
        rules.check_text("rollout note", self.note, 4096)
        rules.check_text("rollout by", self.by, 128)
        rules.check_count("rollout hooks", self.hooks, 2 * HOOKS_MAX)

    @property
    def is_experiment(self) -> bool:
        """Whether it is an experiment that goes on: nothing is rolled out, and nothing taken back."""
        return self.experiment is not None and not self.experiment.is_over and not self.phase.is_terminal


def why_not(rollout: Rollout, steer: Steer) -> str:
    """Why this cannot be asked of a rollout now, "" when it can."""
    phase = rollout.phase
    if phase.is_terminal:
        return f"it has ended ({phase}); it cannot be changed any more"
    if phase is RolloutPhase.ROLLING_BACK:
        return "it is going back already; that cannot be changed"
    match steer:
        case Steer.APPROVE:
            stage = rollout.stage
            if stage is not None and stage.phase is StagePhase.APPROVAL:
                return ""
            is_ahead = stage is not None and stage.may_be_approved_ahead and not rollout.is_unjudged
            return "" if is_ahead and phase is RolloutPhase.RUNNING else "no approval is waited for"
        case Steer.PAUSE:
            if rollout.is_experiment:
                return "an experiment goes on until it is ended; it has nothing to pause"
            if rollout.stage is not None and rollout.stage.phase is StagePhase.RETIRING:
                return "the old replicas are being taken down; to go back, abort it"
            return "it is paused already" if phase is RolloutPhase.PAUSED else ""
        case Steer.RESUME:
            return "" if phase is RolloutPhase.PAUSED else "it is not paused"
        case Steer.PROMOTE:
            return "" if rollout.stage is not None else "a rolling update has no steps to skip"
        case Steer.ABORT:
            return ""


def is_hook_wanted(rollout: Rollout, run: HookRun) -> bool:
    """Whether a host that was ordered a hook is still to run it, or to let it run."""
    return run.phase.is_at_host and rollout.phase in (RolloutPhase.RUNNING, RolloutPhase.PAUSED)
