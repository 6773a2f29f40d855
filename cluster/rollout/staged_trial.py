"""An experiment: both revisions side by side, each with its requests, until it is ended.

Nothing is judged and nothing taken back. It is brought up like any staged rollout, and fails like one while
no request was ever given to it. From then on each colour is kept up as at rest.
"""

from __future__ import annotations

from dataclasses import replace

from cluster.model.experiment import ExperimentRun, Targeting, Variant
from cluster.model.rollout import StagePhase
from cluster.model.strategy import WHOLE_PERMILLE
from cluster.rollout import judge
from cluster.rollout.decision import Decision
from cluster.rollout.evidence import taken_in
from cluster.rollout.experiments import ended
from cluster.rollout.staged_forward import TAKE_OVER_MS, Forward
from cluster.rollout.staged_look import wanted
from cluster.rollout.staged_return import turn_back
from cluster.rollout.steering import promote


class Trial(Forward):
    """A look at one that goes on."""

    def decide(self) -> Decision:
        over = self._at_its_date()
        if over is not None:
            return over
        if self._has_foreign_requests():
            return self._clear_colour()
        return self._go_on_trying() if self._run.began_at_ms else self._bring_up()

    @property
    def _run(self) -> ExperimentRun:
        assert self.rollout.experiment is not None
        return self.rollout.experiment

    @property
    def _targeting(self) -> Targeting | None:
        return self._run.plan.targeting(self.stage.colour, self.rollout.attempt)

    def _at_its_date(self) -> Decision | None:
        ends_at_ms = self._run.plan.ends_at_ms(self._run.began_at_ms)
        if ends_at_ms is None or not self.plan.is_due(ends_at_ms):
            return None
        if self._run.plan.keep is Variant.A or not self._run.began_at_ms:
            why = "the experiment's time was over" + ("" if self._run.began_at_ms else " before it began")
            return turn_back(self.view, self.rollout, why, self.now_ms, self.choose)
        promoted = promote(self.view, replace(self.rollout, is_unjudged=True), self.now_ms)
        promoted = ended(promoted, Variant.B, self.now_ms)
        return Forward(self.view, promoted, self.now_ms, self.choose).decide()

    # ---- before the first request of b ----

    def _bring_up(self) -> Decision:
        readiness = self.advance_both()
        if readiness.why_failed:
            return self._fail(readiness.why_failed)
        if self.stage.phase is not StagePhase.SWITCHING:
            if not readiness.is_ready:
                return self.await_replicas(readiness.failures)
            self._share_as_planned()
            return self._go_on()
        if self.plan.green_permille is not None or not self.plan.is_split_everywhere():
            return self._within_deadline("not every router shares the requests as ordered", self.rollout.note)
        if not self._is_as_planned():
            self._share_as_planned()
            return self._go_on()
        self._enter(StagePhase.WATCHING, self.stage)
        self.rollout = replace(
            self.rollout,
            experiment=replace(self._run, began_at_ms=self.now_ms),
            judge=judge.begin(now_ms=self.now_ms),
            # From here on replicas are kept up, not brought up.
            replicas=(),
        )
        ends_at_ms = self._run.plan.ends_at_ms(self.now_ms)
        if ends_at_ms is not None:
            self.plan.is_due(ends_at_ms)
        return self._go_on()

    def _fail(self, why: str) -> Decision:
        # No request was given to b yet, so there is nothing a person would have to decide about.
        return turn_back(self.view, self.rollout, why, self.now_ms, self.choose)

    # ---- from then on ----

    def _go_on_trying(self) -> Decision:
        if self.stage.phase is StagePhase.WATCHING:
            self.rollout = taken_in(self.new, self.rollout, self.now_ms)
        self.tend_old()
        self.tend_new(wanted(self))
        if not self.is_old_available() or not self.is_new_available():
            self._lend()
        elif self._is_as_planned():
            self._follow_routers()
        elif self._may_return():
            self._share_as_planned()
        return self._go_on()

    def _lend(self) -> None:
        """One of the two has nobody who answers: the other, if it has, gets all requests meanwhile."""
        if self.is_new_available():
            self.plan.share(self.stage.colour, WHOLE_PERMILLE)
            who = f"a (revision {self.rollout.from_revision})"
        elif self.is_old_available():
            self.give_back()
            who = f"b (revision {self.rollout.to_revision})"
        else:
            return
        if self.plan.green_permille is not None:
            self._enter(StagePhase.DEPLOYING, self.stage)
            other = "b" if who.startswith("a") else "a"
            reason = f"{who} has no healthy replica: {other} has all requests meanwhile"
            self.rollout = replace(self.rollout, reason=reason)

    def _may_return(self) -> bool:
        """Whether what had nobody is whole again, or at least answered for a while: it must not flap."""
        old = sum(self.view.is_available(copy) for copy in self.old.assignments)
        new = sum(self.view.is_available(copy) for copy in self.new.assignments)
        if old >= self.replicas and new >= wanted(self):
            return True
        return self.plan.is_due(self.view.service.split.changed_at_ms + TAKE_OVER_MS)

    def _follow_routers(self) -> None:
        """Count while every router does as planned, and only then."""
        if not self.plan.is_split_everywhere():
            if self.stage.phase is StagePhase.WATCHING:
                self._enter(StagePhase.SWITCHING, self.stage)
        elif self.stage.phase is not StagePhase.WATCHING:
            self._enter(StagePhase.WATCHING, self.stage)
            if self.rollout.judge is not None:
                begun = judge.begin_step(self.rollout.judge, now_ms=self.now_ms)
                self.rollout = replace(self.rollout, judge=begun)

    # ---- shares ----

    def _share_as_planned(self) -> None:
        self._enter(StagePhase.SWITCHING, self.stage)
        self.plan.share(self.stage.colour, self._run.plan.permille, self._targeting)

    def _is_as_planned(self) -> bool:
        split = self.view.service.split
        return (self.share, split.targeting) == (self._run.plan.permille, self._targeting)
