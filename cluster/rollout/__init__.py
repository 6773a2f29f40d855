"""Pure: decide, from what is committed, what to commit next for one service."""

from cluster.rollout.converge import occupying
from cluster.rollout.decision import Decision, Order, Transition
from cluster.rollout.machine import RESUME_GRACE_MS, decide, resume
from cluster.rollout.view import ChooseHost, NoHost, Occupying, ServiceView, WantedReplica

__all__ = [
    "RESUME_GRACE_MS",
    "ChooseHost",
    "Decision",
    "NoHost",
    "Occupying",
    "Order",
    "ServiceView",
    "Transition",
    "WantedReplica",
    "decide",
    "occupying",
    "resume",
]
