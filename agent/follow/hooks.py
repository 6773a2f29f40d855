"""The commands around a deployment that this host is to run, each at most once.

The order of things is what makes it once: the container is made, that it begins is committed, and only then
it is started. So whoever finds a container that was never started may start it, and whoever finds none after
its beginning was committed knows that it may have run. An agent that died in between looks at both and goes
on; a host that was lost cannot begin any more, for its word would be refused.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from agent.execute.fence import Fence
from agent.execute.health import exit_words, printable
from agent.execute.hooks import (
    HookJob,
    create_hook,
    find_hook,
    is_hook_of,
    read_tail,
    remove_hook,
    secrets_of,
)
from agent.execute.pulling import ensure_image, may_pass
from agent.execute.replica import Replica
from agent.follow.assignments import Watcher
from agent.follow.assignments_replica import Host
from agent.follow.assignments_reports import SharedState
from agent.ports import (
    ContainerDetail,
    ContainerNotFound,
    ContainerState,
    EngineEvent,
    EngineRefused,
    EngineUnavailable,
    FilesRefused,
    PullRefused,
)
from cluster.commands import Applied
from cluster.commands.services import ReportHook
from cluster.model.hooks import HookKind, HookPhase, HookRun, hook_container_name
from cluster.model.ids import NodeId, RolloutId
from cluster.model.rollout import Rollout, is_hook_wanted
from cluster.model.service import AssignmentKey
from cluster.raft.replicator import NotCommitted, OutcomeUnknown, ReadLevel, ReadUnavailable
from cluster.store import Committed, ReadTxn
from cluster.store.records import REVISIONS, ROLLOUTS, SERVICES

log = logging.getLogger(__name__)

LOOK_S = 1.0
RETRY_S = 1.0
SWEEP_RETRY_S = 5.0
GOOD_TAIL_CHARS_MAX = 512
"""What is kept of the words of a hook that went well: they are in every later change of the rollout."""


@dataclass(frozen=True, slots=True)
class RunId:
    """One attempt to run one hook of one rollout."""

    rollout_id: RolloutId
    kind: HookKind
    number: int
    attempt: int


@dataclass(frozen=True, slots=True)
class _End:
    """How a run ended."""

    phase: HookPhase
    reason: str = ""
    exit_code: int | None = None
    tail: str = ""


class HookRuns:
    """Runs this host's hooks, for one event loop."""

    def __init__(self, *, node_id: NodeId, state: SharedState, host: Host, watcher: Watcher) -> None:
        self._node_id = node_id
        self._state = state
        self._host = host
        self._watcher = watcher
        self._under_way: dict[RunId, tuple[str, asyncio.Task[None]]] = {}
        self._woken: dict[str, asyncio.Event] = {}
        self._is_look_due = asyncio.Event()
        self._is_sweep_due = asyncio.Event()

    def names(self) -> frozenset[str]:
        """The containers of what is under way, also those that are not made yet."""
        return frozenset(name for name, _ in self._under_way.values())

    async def run(self) -> NoReturn:
        """Run what is ordered, for ever."""
        ends = (
            self._state.subscribe(self._on_committed),
            self._watcher.subscribe(lambda _: self._is_sweep_due.set()),
            self._watcher.subscribe_events(self._on_event),
        )
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._sweep(), name="sweep-hooks")
                self._is_look_due.set()
                while True:
                    await self._is_look_due.wait()
                    self._is_look_due.clear()
                    self._look(group)
        finally:
            for end in ends:
                end()
        raise AssertionError("unreachable")

    def _on_committed(self, committed: Committed) -> None:
        if committed.is_everything or any(table == ROLLOUTS.table.name for table, _ in committed.changed):
            self._is_look_due.set()

    def _on_event(self, event: EngineEvent) -> None:
        if event.kind == "container" and (woken := self._woken.get(event.name)) is not None:
            woken.set()

    def _look(self, group: asyncio.TaskGroup) -> None:
        with self._state.read() as txn:
            wanted = {_id_of(rollout, run): job for rollout, run, job in self._jobs(txn)}
        for run_id, (_, task) in self._under_way.items():
            if run_id not in wanted:
                task.cancel()
        for run_id, job in wanted.items():
            if run_id not in self._under_way:
                task = group.create_task(self._carry_out(run_id, job), name=f"hook-{job.name}")
                self._under_way[run_id] = (job.name, task)
                task.add_done_callback(partial(self._forget, run_id))
        self._is_sweep_due.set()

    def _forget(self, run_id: RunId, _task: asyncio.Task[None]) -> None:
        del self._under_way[run_id]
        # One that was cancelled may have been asked for again meanwhile.
        self._is_look_due.set()

    def _jobs(self, txn: ReadTxn) -> Iterator[tuple[Rollout, HookRun, HookJob]]:
        """What the state wants this host to run."""
        for service in SERVICES.scan(txn):
            rollout = None if service.rollout_id is None else ROLLOUTS.get(txn, service.rollout_id)
            if rollout is None:
                continue
            for run in rollout.hooks:
                if run.node_id != self._node_id or not is_hook_wanted(rollout, run):
                    continue
                revision = REVISIONS.get(txn, service.id, rollout.to_revision)
                assert revision is not None, f"{rollout.id} outlived its revision"
                name = hook_container_name(service.id, rollout.to_revision, run.kind, run.number)
                replica = Replica(
                    key=AssignmentKey(
                        service_id=service.id,
                        revision=rollout.to_revision,
                        ordinal=0,
                        node_id=self._node_id,
                    ),
                    cluster_id=self._host.cluster_id,
                    project=service.scope,
                    name=service.name,
                    spec=revision.spec,
                    rollout_id=rollout.id,
                    pull_timeout_s=service.policy.pull_deadline_ms / 1000,
                    named=name,
                )
                yield rollout, run, HookJob(replica=replica, rollout_id=rollout.id, run=run)

    # ---- one run ----

    async def _carry_out(self, run_id: RunId, job: HookJob) -> None:
        """Bring one run to its end and have that committed. Cancelled when nobody asks for it any more."""
        woken = self._woken[job.name] = asyncio.Event()
        try:
            # What is committed may be known here only in part; a decision on that would be one on old news.
            await self._host.until_caught_up()
            while True:
                woken.clear()
                try:
                    await self._host.until_engine()
                    end = await self._step(run_id, job, woken)
                except EngineUnavailable as error:
                    log.info("hook.waits_for_engine", extra={"container": job.name, "reason": str(error)})
                    end = None
                    await self._host.clock.sleep(RETRY_S)
                except PullRefused as error:
                    end = None if may_pass(error) else _End(HookPhase.FAILED, f"was not begun: {error}")
                    if end is None:
                        await self._host.clock.sleep(SWEEP_RETRY_S)
                except (EngineRefused, FilesRefused) as error:
                    end = _End(HookPhase.FAILED, f"could not be run: {error}")
                if end is not None and await self._tell(run_id, end):
                    return
        finally:
            if self._woken.get(job.name) is woken:
                del self._woken[job.name]

    async def _step(self, run_id: RunId, job: HookJob, woken: asyncio.Event) -> _End | None:
        """Do what comes next; returns how it ended once it has."""
        run = self._committed(run_id)
        if run is None:
            # Nobody asks for it: this task is about to be cancelled.
            await self._host.clock.wait(woken, LOOK_S)
            return None
        if run.phase is HookPhase.ORDERED:
            await self._make(job)
            if not await self._tell(run_id, _End(HookPhase.RUNNING)):
                await self._host.clock.sleep(RETRY_S)
            return None
        found = await find_hook(self._host.engine, job)
        if found is None:
            why = "its container was removed by someone else, so nobody knows how far it came"
            return _End(HookPhase.FAILED, why)
        if found.state is ContainerState.CREATED and not found.started_at_ms:
            log.info("hook.started", extra={"container": job.name, "rollout_id": run_id.rollout_id})
            await self._host.engine.start(found.id)
            return None
        if found.state.has_processes:
            return await self._wait_for_end(job, found, woken)
        return await self._ended(job, found)

    async def _make(self, job: HookJob) -> None:
        host = self._host
        permit = Fence().permit(job.name, 0)
        await ensure_image(
            host.engine, job.replica, permit, on_progress=lambda _: None, login_of=host.login_of
        )
        await host.files.place(job.replica)
        await create_hook(host.engine, job, host.files.mounts(job.replica))

    async def _wait_for_end(self, job: HookJob, found: ContainerDetail, woken: asyncio.Event) -> _End | None:
        left_s = job.run.hook.timeout_ms / 1000 - self._ran_s(found)
        if left_s > 0:
            await self._host.clock.wait(woken, min(LOOK_S, left_s))
            return None
        log.warning("hook.timed_out", extra={"container": job.name})
        try:
            await self._host.engine.kill(found.id)
        except ContainerNotFound:
            pass
        except EngineRefused:
            pass  # it has just ended by itself
        return None

    def _ran_s(self, found: ContainerDetail) -> float:
        until_ms = self._host.clock.now_ms()
        if not found.state.has_processes and found.finished_at_ms is not None:
            until_ms = found.finished_at_ms
        return (until_ms - (found.started_at_ms or until_ms)) / 1000

    async def _ended(self, job: HookJob, found: ContainerDetail) -> _End:
        host, spec = self._host, job.replica.spec
        secrets = secrets_of(spec, host.files.secret_texts(spec))
        tail = await read_tail(host.engine, found.id, secrets)
        if found.exit_code == 0 and not found.error:
            return _End(HookPhase.SUCCEEDED, "", 0, tail[-GOOD_TAIL_CHARS_MAX:])
        timeout_s = job.run.hook.timeout_ms / 1000
        if self._ran_s(found) >= timeout_s:
            words = f"did not end within {timeout_s:g} s, and was killed"
        else:
            words = exit_words(found, "")
        return _End(HookPhase.FAILED, words, found.exit_code, tail)

    # ---- the state ----

    def _committed(self, run_id: RunId) -> HookRun | None:
        with self._state.read() as txn:
            rollout = ROLLOUTS.get(txn, run_id.rollout_id)
        if rollout is None:
            return None
        for run in rollout.hooks:
            if _id_of(rollout, run) == run_id and run.node_id == self._node_id:
                return run if is_hook_wanted(rollout, run) else None
        return None

    async def _tell(self, run_id: RunId, said: _End) -> bool:
        """Propose what became of it; whether that is committed. A refusal means that nobody asks any more."""
        command = ReportHook(
            node_id=self._node_id,
            rollout_id=run_id.rollout_id,
            kind=run_id.kind,
            number=run_id.number,
            attempt=run_id.attempt,
            phase=said.phase,
            exit_code=said.exit_code,
            reason=printable(said.reason)[:1024],
            tail=said.tail,
        )
        try:
            outcome = await self._state.propose(command)
        except (NotCommitted, OutcomeUnknown) as error:
            log.debug("hook.not_committed", extra={"reason": str(error)})
            await self._host.clock.sleep(RETRY_S)
            return False
        if isinstance(outcome, Applied):
            log.info("hook.told", extra={"rollout_id": run_id.rollout_id, "phase": said.phase.value})
            return True
        log.info("hook.refused", extra={"rollout_id": run_id.rollout_id, "reason": outcome.reason})
        return False

    # ---- what is left ----

    async def _sweep(self) -> NoReturn:
        """Remove the containers of hooks that nobody asks this host for any more, whatever they are at."""
        while True:
            await self._is_sweep_due.wait()
            self._is_sweep_due.clear()
            if self._strays() and not await self._sweep_once():
                await self._host.clock.sleep(SWEEP_RETRY_S)
                self._is_sweep_due.set()

    async def _sweep_once(self) -> bool:
        try:
            # What is known here may be old, and a container newer than it.
            await self._state.point(ReadLevel.LINEARIZABLE)
        except ReadUnavailable as error:
            log.debug("hook.not_certain", extra={"reason": str(error)})
            return False
        is_clean = True
        for name in self._strays():
            try:
                await remove_hook(self._host.engine, name, self._host.cluster_id)
                await self._host.files.remove(name)
            except (EngineRefused, EngineUnavailable, FilesRefused) as error:
                log.warning("hook.not_removed", extra={"container": name, "reason": str(error)})
                is_clean = False
            else:
                log.info("hook.removed", extra={"container": name})
        return is_clean

    def _strays(self) -> list[str]:
        inventory = self._watcher.current
        if not inventory.is_available:
            return []
        with self._state.read() as txn:
            wanted = [job for _, _, job in self._jobs(txn)]
        under_way = self.names()
        return [
            container.name
            for container in inventory.containers
            if is_hook_of(container.labels, self._host.cluster_id)
            and container.name not in under_way
            and not any(job.is_of(container.labels) for job in wanted)
        ]


def _id_of(rollout: Rollout, run: HookRun) -> RunId:
    return RunId(rollout.id, run.kind, run.number, run.attempts)
