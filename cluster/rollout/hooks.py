"""The commands before and after a rollout: which comes next, on which host, and what its end means.

A run is ordered from one host at a time. The host has its beginning committed before it begins (see
`agent.follow.hooks`), so an order that is still ORDERED when its host is lost was never begun, and goes to
another host; one that is RUNNING may have done half of its work, and is repeated only where that was allowed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from cluster.model.hooks import HookKind, HookPhase, HookRun
from cluster.model.ids import NodeId
from cluster.model.rollout import Rollout, RolloutPhase
from cluster.model.service import Aim, FailureAction, ServiceSpec
from cluster.rollout.converge import occupying
from cluster.rollout.plan import Plan
from cluster.rollout.record import sentence
from cluster.rollout.slots import find_pin
from cluster.rollout.view import ChooseHost, NoHost, ServiceView, WantedReplica

ATTEMPTS_MAX = 3
"""How often a repeatable hook is begun; hosts that are lost one after the other are no reason to go on."""
BEGIN_MARGIN_MS = 60_000
"""How long a host may take to begin once the image has had its time."""
RETURN_MS = 30_000
"""How long a host that is down while it runs a hook is waited for: its agent alone may have died."""
SILENCE_MS = 60_000
"""How much longer than the hook's own time its host has to say that it ended."""

_COMMAND_CHARS = 80


@dataclass(frozen=True, slots=True)
class Hooked:
    """The rollout after a look at its hooks of one kind. `failure` says for people which failed, and why."""

    rollout: Rollout
    is_over: bool = False
    failure: str = ""


def hooks_of(view: ServiceView) -> tuple[HookRun, ...]:
    """Return the hooks of the newest attempt, all waiting.

    None when it goes back: what ran before needs no preparing, and the way back must not wait. What
    succeeded in the attempt that this one repeats is not run again.
    """
    service = view.service
    if service.attempt.aim is Aim.ROLLBACK:
        return ()
    policy = service.policy
    runs = [
        HookRun(kind=kind, number=number, hook=hook)
        for kind, hooks in ((HookKind.PRE, policy.pre_deploy), (HookKind.POST, policy.post_deploy))
        for number, hook in enumerate(hooks)
    ]
    last = view.last_rollout
    if service.attempt.aim is not Aim.RETRY or last is None or last.to_revision != service.revision:
        return tuple(runs)
    done = {(run.kind, run.hook): run for run in last.hooks if run.phase is HookPhase.SUCCEEDED}
    return tuple(
        replace(done[run.kind, run.hook], number=run.number) if (run.kind, run.hook) in done else run
        for run in runs
    )


def is_waiting_to_begin(rollout: Rollout) -> bool:
    """Whether nothing of the new revision may be started yet."""
    return rollout.phase in (RolloutPhase.RUNNING, RolloutPhase.PAUSED) and any(
        run.kind is HookKind.PRE and not run.phase.is_passed for run in rollout.hooks
    )


def with_time_since_hooks(rollout: Rollout, progress_deadline_ms: int) -> Rollout:
    """Return the rollout with its time to make progress counted from the end of its first hooks."""
    ended_ms = max((run.since_ms for run in rollout.hooks if run.kind is HookKind.PRE), default=0)
    return replace(rollout, deadline_ms=max(rollout.deadline_ms, ended_ms + progress_deadline_ms))


def with_later_deadlines(runs: Iterable[HookRun], least_ms: int) -> tuple[HookRun, ...]:
    """Return the runs, none of which is given up before `least_ms`."""
    return tuple(
        replace(run, deadline_ms=max(run.deadline_ms, least_ms)) if _is_timed(run) else run for run in runs
    )


def waive(rollout: Rollout, by: str) -> Rollout:
    """Return the rollout with what failed after the requests had moved passed over, as `by` wants.

    Not what failed before: the new revision was not prepared for.
    """
    failed = [run for run in rollout.hooks if run.kind is HookKind.POST and run.phase.has_failed]
    if not failed:
        return rollout
    return replace(
        rollout,
        hooks=tuple(replace(run, phase=HookPhase.WAIVED) if run in failed else run for run in rollout.hooks),
        note=sentence(rollout.note, *(f"{run.title} failed, and was passed over by {by}" for run in failed)),
    )


def run_hooks(plan: Plan, rollout: Rollout, kind: HookKind, choose: ChooseHost) -> Hooked:
    """Look at the first hook of `kind` that has not passed, and order what follows for it."""
    for index, run in enumerate(rollout.hooks):
        if run.kind is not kind or run.phase.is_passed:
            continue
        after, words = _Look(plan, rollout, choose).at(run)
        looked = replace(
            rollout,
            hooks=(*rollout.hooks[:index], after, *rollout.hooks[index + 1 :]),
            reason=sentence(rollout.note, words),
        )
        if not after.phase.has_failed:
            return Hooked(looked)
        if kind is HookKind.POST and plan.view.service.policy.failure_action is FailureAction.CONTINUE:
            passed = replace(after, phase=HookPhase.WAIVED)
            rollout = replace(
                rollout,
                hooks=(*rollout.hooks[:index], passed, *rollout.hooks[index + 1 :]),
                note=sentence(rollout.note, words),
            )
            continue
        return Hooked(looked, failure=words)
    return Hooked(rollout, is_over=True)


class _Look:
    """One look at one run."""

    def __init__(self, plan: Plan, rollout: Rollout, choose: ChooseHost) -> None:
        self._plan = plan
        self._view = plan.view
        self._policy = plan.view.service.policy
        self._rollout = rollout
        self._choose = choose

    def at(self, run: HookRun) -> tuple[HookRun, str]:
        """Return the run as it is to be, and in words what is with it."""
        match run.phase:
            case HookPhase.ORDERED:
                return self._ordered(run)
            case HookPhase.RUNNING:
                return self._running(run)
            case HookPhase.FAILED | HookPhase.LOST:
                return run, _failure(self._view, run)
            case _:
                return self._order(run)

    def _ordered(self, run: HookRun) -> tuple[HookRun, str]:
        assert run.node_id is not None
        if not self._view.is_alive(run.node_id):
            # It was not begun, and cannot be any more: its host would have to say so first.
            return self._order(replace(run, phase=HookPhase.WAITING))
        if self._plan.is_due(run.deadline_ms):
            return self._fail(run, HookPhase.FAILED, "its host did not begin it in time")
        return run, f"{run.title} is to begin on {self._view.name_of(run.node_id)}"

    def _running(self, run: HookRun) -> tuple[HookRun, str]:
        assert run.node_id is not None
        if not self._view.is_alive(run.node_id):
            if self._is_lost(run.node_id):
                return self._lost(run)
            return (
                run,
                f"{run.title} runs on {self._view.name_of(run.node_id)}, which is down: it is waited for",
            )
        whole_ms = run.hook.timeout_ms + SILENCE_MS
        if self._plan.is_due(max(run.deadline_ms, run.since_ms + whole_ms)):
            why = f"nothing was heard of its end within {whole_ms / 1000:g} s"
            return self._fail(run, HookPhase.LOST, why)
        return run, f"{run.title} runs on {self._view.name_of(run.node_id)}"

    def _is_lost(self, node_id: NodeId) -> bool:
        """Whether it has been down for longer than an agent takes to come back to what it began."""
        node = self._view.nodes.get(node_id)
        return node is None or not node.is_member or self._plan.is_due(node.status_at_ms + RETURN_MS)

    def _lost(self, run: HookRun) -> tuple[HookRun, str]:
        if run.hook.is_repeatable and run.attempts < ATTEMPTS_MAX:
            return self._order(run)
        why = "its host was lost while it ran, so nobody knows how far it came; "
        if run.hook.is_repeatable:
            why += f"it was begun {run.attempts} times"
        else:
            why += "it is not run twice unless it says retry: true"
        return self._fail(run, HookPhase.LOST, why)

    def _order(self, run: HookRun) -> tuple[HookRun, str]:
        now_ms = self._plan.now_ms
        choice = self._find_host()
        if not isinstance(choice, NoHost):
            deadline_ms = now_ms + self._policy.pull_deadline_ms + BEGIN_MARGIN_MS
            self._plan.wake_at(deadline_ms)
            ordered = HookRun(
                kind=run.kind,
                number=run.number,
                hook=run.hook,
                phase=HookPhase.ORDERED,
                node_id=choice,
                attempts=run.attempts + 1,
                since_ms=now_ms,
                deadline_ms=deadline_ms,
            )
            return ordered, f"{run.title} is to begin on {self._view.name_of(choice)}"
        waiting = run
        if run.phase is not HookPhase.WAITING or not run.deadline_ms:
            waiting = replace(
                run,
                phase=HookPhase.WAITING,
                node_id=None,
                since_ms=now_ms,
                deadline_ms=now_ms + self._policy.progress_deadline_ms,
            )
        if self._plan.is_due(waiting.deadline_ms):
            return self._fail(waiting, HookPhase.FAILED, f"there is no host for it: {choice.reason}")
        return waiting, f"{run.title} waits for a host: {choice.reason}"

    def _find_host(self) -> NodeId | NoHost:
        revision = self._rollout.to_revision
        spec = self._view.revisions[revision].spec
        copies = list(self._view.assignments)
        return self._choose(
            WantedReplica(
                spec=_without_ports(spec),
                occupying=(*occupying(self._view, copies), *self._plan.started),
                pinned_to=find_pin(self._view, 0, revision, [copy for copy in copies if copy.ordinal == 0]),
            )
        )

    def _fail(self, run: HookRun, phase: HookPhase, why: str) -> tuple[HookRun, str]:
        failed = replace(run, phase=phase, reason=why[:1024], since_ms=self._plan.now_ms)
        return failed, _failure(self._view, failed)


def _is_timed(run: HookRun) -> bool:
    return run.phase.is_at_host or (run.phase is HookPhase.WAITING and run.deadline_ms > 0)


def _without_ports(spec: ServiceSpec) -> ServiceSpec:
    """It publishes none, so a port that is taken on a host is nothing to it."""
    return replace(spec, ports=(), route=None)


def _failure(view: ServiceView, run: HookRun) -> str:
    command = " ".join(run.hook.command)
    if len(command) > _COMMAND_CHARS:
        command = command[: _COMMAND_CHARS - 1] + "…"
    host = f" on {view.name_of(run.node_id)}" if run.node_id is not None else ""
    lines = f"\n{run.tail}" if run.tail else ""
    return f"{run.title} `{command}` failed{host}: {run.reason}{lines}"
