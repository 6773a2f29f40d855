"""What the judge of a rollout remembers. It is in the log, so a new leader judges on, not anew."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.model.ids import NodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenInterval:
    """The newest interval of a host that was taken in."""

    node_id: NodeId
    epoch: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmTotals:
    """One revision's requests so far; `latencies` are (bucket, count) as in `ArmTraffic`."""

    requests: int = 0
    failures: int = 0
    lost: int = 0
    retried: int = 0
    slow: int = 0
    timed: int = 0
    latencies: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeState:
    """All the judge knows of one rollout.

    `seen` keeps a repeated interval from counting twice. `old` and `new` are the totals since judging began,
    `step_old` and `step_new` those of the present step. `judged_at_ms` is when something was last taken in.
    """

    seen: tuple[SeenInterval, ...] = ()
    old: ArmTotals = field(default_factory=ArmTotals)
    new: ArmTotals = field(default_factory=ArmTotals)
    step_old: ArmTotals = field(default_factory=ArmTotals)
    step_new: ArmTotals = field(default_factory=ArmTotals)
    judged_at_ms: int = 0
