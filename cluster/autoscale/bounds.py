"""The bounds of a policy within those of an environment."""

from __future__ import annotations

from dataclasses import replace

from cluster.model.autoscaling import AutoscalePolicy
from cluster.model.environments import Environment


def bounded_by(policy: AutoscalePolicy, environment: Environment | None) -> AutoscalePolicy:
    """Return the policy with the bounds that hold where the service is.

    Where both leave nothing, the environment's stand: it is whose hosts they are.
    """
    if environment is None:
        return policy
    low = max(policy.replicas_min, environment.replicas_min)
    high = policy.replicas_max
    if environment.replicas_max:
        high = min(high, environment.replicas_max)
        low = min(low, environment.replicas_max)
    return replace(policy, replicas_min=low, replicas_max=max(low, high))
