"""Pure: decide from what is measured how many replicas a service is to have."""

from cluster.autoscale.bounds import bounded_by
from cluster.autoscale.deciding import Decision, Memory, Situation, decide
from cluster.autoscale.recommending import Recommendation, ReplicaLoad, recommend

__all__ = [
    "Decision",
    "Memory",
    "Recommendation",
    "ReplicaLoad",
    "Situation",
    "bounded_by",
    "decide",
    "recommend",
]
