"""One look at a staged rollout: both colours, and how many replicas the present step needs."""

from __future__ import annotations

import math
from dataclasses import replace

from cluster.model.rollout import Rollout
from cluster.model.strategy import WHOLE_PERMILLE, Strategy
from cluster.rollout.colours import has_available, leave_dead_colour, tend
from cluster.rollout.decision import Decision
from cluster.rollout.plan import Plan
from cluster.rollout.record import go_on, sentence
from cluster.rollout.view import ChooseHost, ServiceView

HEADROOM = 1.25
"""How many replicas more than its share of the requests needs a new revision has: it is cold, and shares are
never exact."""


class StagedLook:
    """One look at a staged rollout: what there is of both colours, and what is to be ordered."""

    def __init__(self, view: ServiceView, rollout: Rollout, now_ms: int, choose: ChooseHost) -> None:
        assert rollout.stage is not None
        self.view = view
        self.rollout = rollout
        self.stage = rollout.stage
        self.now_ms = now_ms
        self.choose = choose
        self.policy = view.service.policy
        self.replicas = view.service.replicas
        self.old = view.of_colour(self.stage.colour.other)
        self.new = view.of_colour(self.stage.colour)
        self.share = view.service.split.permille_of(self.stage.colour)
        self.plan = Plan(view, now_ms)
        self.plan.is_kept_ended = view.service.kept is not None

    def tend_old(self) -> None:
        targets = dict.fromkeys(range(self.replicas), self.rollout.from_revision)
        tend(self.plan, self.stage.colour.other, targets, self.choose)

    def tend_new(self, count: int) -> None:
        tend(self.plan, self.stage.colour, dict.fromkeys(range(count), self.rollout.to_revision), self.choose)

    def gets_requests(self) -> bool:
        """Whether some requests are the new revision's, be it by chance or by what they are."""
        return self.share > 0 or self.view.service.split.targeting is not None

    def give_back(self) -> None:
        """Give the old revision all requests."""
        self.plan.share(self.stage.colour.other, WHOLE_PERMILLE)

    def is_new_available(self) -> bool:
        return has_available(self.new, self.rollout.to_revision)

    def is_old_available(self) -> bool:
        return has_available(self.old)

    def hold_still(self) -> Decision:
        """Keep both revisions, and the shares, as they are, for as long as a person wants."""
        rollout = self.rollout
        went_to = leave_dead_colour(self.plan)
        if went_to is not None:
            revision = rollout.to_revision if went_to is self.stage.colour else rollout.from_revision
            why = f"revision {revision} has all requests meanwhile, because the other has no healthy replica"
            rollout = replace(rollout, reason=sentence(rollout.reason, why))
        self.tend_old()
        self.tend_new(wanted(self))
        return go_on(self.plan, rollout)


def wanted(look: StagedLook) -> int:
    """Return how many replicas of the new revision the present step needs."""
    if look.rollout.experiment is not None and not look.rollout.experiment.is_over:
        return min(look.rollout.experiment.plan.replicas, look.replicas)
    step = look.stage.steps[min(look.stage.index, len(look.stage.steps) - 1)]
    if look.rollout.strategy is Strategy.CANARY:
        return canary_replicas(look.replicas, step.permille)
    preview = look.policy.shift.blue_green.preview_replicas
    if preview and not look.share and is_approval_due(look):
        return min(preview, look.replicas)
    return look.replicas


def canary_replicas(replicas: int, permille: int) -> int:
    """Return how many of `replicas` a share needs: at least one, with some headroom, never more than all."""
    return min(replicas, max(1, math.ceil(replicas * permille * HEADROOM / WHOLE_PERMILLE)))


def is_approval_due(look: StagedLook) -> bool:
    """Whether a person is to be asked before the new revision gets its first requests."""
    return (
        look.rollout.strategy is Strategy.BLUE_GREEN
        and not look.policy.shift.blue_green.is_promoted_by_itself
        and not look.rollout.is_unjudged
        and not look.stage.approved_by
        and not look.share
    )
