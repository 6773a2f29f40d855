"""Hooks on the pretended hosts, and what is promised of them.

The first word of a hook's command says what becomes of it: "good" and "bad" end after a second, "hang" is
killed at its timeout, "mute" ends without anybody hearing of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.commands import Applied
from cluster.commands.services import ReportHook
from cluster.model.hooks import HookKind, HookPhase, HookRun
from cluster.model.ids import NodeId, RolloutId
from cluster.model.rollout import Rollout, is_hook_wanted
from cluster.rollout import ServiceView
from tests.simulation.orchestration_promises import BrokenPromise, describe

HookId = tuple[RolloutId, HookKind, int]


@dataclass(slots=True)
class Hooks:
    """What every host runs, and everything that was ever begun, with how often."""

    due_ms: dict[tuple[NodeId, HookId, int], int] = field(default_factory=dict)
    begun: dict[HookId, int] = field(default_factory=dict)

    def look(self, host: NodeId, rollouts: list[Rollout], now_ms: int) -> list[ReportHook]:
        """One turn of a host: what it has to say of the hooks it was ordered."""
        said = []
        for rollout in rollouts:
            for run in rollout.hooks:
                if run.node_id != host or not is_hook_wanted(rollout, run):
                    continue
                due_ms = self.due_ms.get((host, (rollout.id, run.kind, run.number), run.attempts))
                if run.phase is HookPhase.ORDERED:
                    said.append(report(rollout, run, HookPhase.RUNNING))
                elif due_ms is not None and due_ms <= now_ms and run.hook.command[0] != "mute":
                    is_good = run.hook.command[0] == "good"
                    said.append(report(rollout, run, HookPhase.SUCCEEDED if is_good else HookPhase.FAILED))
        return said

    def note(self, command: ReportHook, outcome: object, rollout: Rollout, now_ms: int) -> None:
        """A host begins a hook once that was applied, and not before."""
        if command.phase is not HookPhase.RUNNING or not isinstance(outcome, Applied):
            return
        hook_id = (command.rollout_id, command.kind, command.number)
        key = (command.node_id, hook_id, command.attempt)
        if key in self.due_ms:
            return  # heard twice
        run = next(each for each in rollout.hooks if (each.kind, each.number) == hook_id[1:])
        takes_ms = run.hook.timeout_ms if run.hook.command[0] == "hang" else 1_000
        self.due_ms[key] = now_ms + takes_ms
        self.begun[hook_id] = self.begun.get(hook_id, 0) + 1
        if self.begun[hook_id] > 1 and not run.hook.is_repeatable:
            raise BrokenPromise(f"{run.title} of {rollout.id} was begun twice")


def report(rollout: Rollout, run: HookRun, phase: HookPhase) -> ReportHook:
    assert run.node_id is not None
    return ReportHook(
        node_id=run.node_id,
        rollout_id=rollout.id,
        kind=run.kind,
        number=run.number,
        attempt=run.attempts,
        phase=phase,
        exit_code={HookPhase.SUCCEEDED: 0, HookPhase.FAILED: 1}.get(phase),
        reason="ended with exit code 1" if phase is HookPhase.FAILED else "",
    )


def check_hooks(before: ServiceView, after: ServiceView) -> None:
    """Nothing of a revision is started before its first hooks have passed, and none is said to have succeeded
    before its last ones have.
    """
    rollout = after.rollout
    if rollout is not None and any(
        run.kind is HookKind.PRE and not run.phase.is_passed for run in rollout.hooks
    ):
        # An earlier attempt may have left some, which are kept.
        was_there = any(copy.revision == rollout.to_revision for copy in before.assignments)
        if not was_there and any(copy.revision == rollout.to_revision for copy in after.assignments):
            raise BrokenPromise(f"started before its hooks: {describe(after)}")
    ended = after.last_rollout
    if ended is not None and ended.phase.value == "succeeded":
        open_hooks = [run.title for run in ended.hooks if not run.phase.is_passed]
        if open_hooks:
            raise BrokenPromise(f"said to have succeeded without {open_hooks}: {describe(after)}")
