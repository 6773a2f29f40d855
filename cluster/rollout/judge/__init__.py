"""Pure: is the new revision worse than the old one that serves beside it?"""

from cluster.rollout.judge.comparison import (
    Conclusion,
    Measured,
    MetricComparison,
    VariantComparison,
    compare,
)
from cluster.rollout.judge.deciding import judge
from cluster.rollout.judge.folding import begin, begin_step, take_in
from cluster.rollout.judge.metric_limits import CopyName, take_in_samples
from cluster.rollout.judge.pacing import StepEnd, merge_steps, plan_extend
from cluster.rollout.judge.reporting import evidence
from cluster.rollout.judge.verdict import Cause, Verdict, VerdictKind

__all__ = [
    "Cause",
    "Conclusion",
    "CopyName",
    "Measured",
    "MetricComparison",
    "StepEnd",
    "VariantComparison",
    "Verdict",
    "VerdictKind",
    "begin",
    "begin_step",
    "compare",
    "evidence",
    "judge",
    "merge_steps",
    "plan_extend",
    "take_in",
    "take_in_samples",
]
