"""What hosts say of the hooks of a rollout."""

from __future__ import annotations

from dataclasses import replace

from cluster.commands.outcome import Applied, Code, Outcome, Rejected
from cluster.commands.services import ReportHook
from cluster.model.hooks import HookPhase, HookRun
from cluster.model.rollout import Rollout, is_hook_wanted
from cluster.state_machine.entry import Entry
from cluster.state_machine.services import touch
from cluster.store.records import ROLLOUTS, SERVICES


def report_hook(entry: Entry, command: ReportHook) -> Outcome:
    """The service gets a new version: the leader has not decided on a rollout without knowing this."""
    rollout = ROLLOUTS.get(entry.txn, command.rollout_id)
    service = None if rollout is None else SERVICES.get(entry.txn, rollout.service_id)
    if rollout is None or service is None:
        return Rejected(f"rollout {command.rollout_id} is not known", Code.NOT_FOUND)
    run = _run_at(rollout, command)
    if run is None:
        return Rejected(
            f"rollout {rollout.id} does not ask {command.node_id} for {command.kind.key} hook"
            f" {command.number + 1} (any more)",
            Code.INVALID,
        )
    if command.phase is HookPhase.SUCCEEDED and run.phase is not HookPhase.RUNNING:
        return Rejected(f"{run.title} of rollout {rollout.id} has not begun", Code.INVALID)
    if command.phase is run.phase:
        return Applied(service.version)
    after = replace(
        run,
        phase=command.phase,
        since_ms=entry.now_ms,
        exit_code=command.exit_code,
        reason=command.reason,
        tail=command.tail,
    )
    hooks = tuple(after if each is run else each for each in rollout.hooks)
    ROLLOUTS.put(entry.txn, replace(rollout, hooks=hooks, changed_at_ms=entry.now_ms))
    return Applied(touch(entry, service))


def _run_at(rollout: Rollout, command: ReportHook) -> HookRun | None:
    """The run the host speaks of, if it is still to carry that out."""
    place = (command.kind, command.number, command.node_id, command.attempt)
    for run in rollout.hooks:
        if (run.kind, run.number, run.node_id, run.attempts) == place and is_hook_wanted(rollout, run):
            return run
    return None
