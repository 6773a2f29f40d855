"""The end of an experiment, as its rollout keeps it."""

from __future__ import annotations

from dataclasses import replace

from cluster.model.experiment import Variant
from cluster.model.rollout import Rollout


def ended(rollout: Rollout, keep: Variant, now_ms: int, *, by: str = "") -> Rollout:
    """Return the rollout with its experiment, if it has one, ended in favour of `keep`.

    Who ended it first did; that b was to be kept and could not be changes only what was kept.
    """
    run = rollout.experiment
    if run is None:
        return rollout
    if run.is_over:
        return replace(rollout, experiment=replace(run, keep=keep))
    return replace(rollout, experiment=replace(run, keep=keep, ended_at_ms=now_ms, ended_by=by))
