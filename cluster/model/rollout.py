"""Rollouts as data. What moves them on is `cluster.rollout`; the log only keeps what was decided."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cluster.model import rules
from cluster.model.ids import NodeId, RolloutId, ServiceId
from cluster.model.service import REPLICAS_MAX


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

    `since_ms` and `deadline_ms` belong to `phase`, Unix epoch milliseconds of the deciding leader's clock; a
    new leader may move the deadline out, never in.
    """

    ordinal: int
    phase: StepPhase
    node_id: NodeId | None = None
    old_node_id: NodeId | None = None
    old_revision: int = 0
    attempts: int = 0
    since_ms: int = 0
    deadline_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One attempt to bring every replica of a service to `to_revision`.

    `from_revision` is 0 for a first deployment. `step` counts what was asked for; events carry it, so that a
    late or repeated one is recognised. `deadline_ms` is the progress deadline. `reason` says, for people,
    why the phase is so.
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

    def __post_init__(self) -> None:
        rules.check_id("rollout id", self.id)
        rules.check_range("from revision", self.from_revision, 0, 2**31)
        rules.check_range("to revision", self.to_revision, 1, 2**31)
        rules.check_count("rollout replicas", self.replicas, 2 * REPLICAS_MAX)
        rules.check_text("rollout reason", self.reason, 4096)
