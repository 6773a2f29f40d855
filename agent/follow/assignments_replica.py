"""One replica of this host: from an order to a container, and from the container to what is reported.

A worker has one aim at a time, to keep the replica running or to take it down. A newer order of the same aim
only renews the permit; another aim ends what is under way (a pull of ten minutes, say) and begins anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from agent.clock import Clock
from agent.execute.creating import ensure_created, find_container
from agent.execute.fence import Fence, Permit, Superseded
from agent.execute.files import ContainerFiles
from agent.execute.health import HealthJudge, Sample, Verdict, printable
from agent.execute.observing import why_it_ended
from agent.execute.probing import Prober
from agent.execute.pulling import ensure_image, may_pass
from agent.execute.removing import remove_adopted, remove_container
from agent.execute.replica import Replica, route_port
from agent.execute.restarting import BACKOFF_MAX_S, BACKOFF_MIN_S, Restarts
from agent.execute.starting import NotLeased, ensure_started
from agent.follow.assignments_reports import HostReports
from agent.ports import (
    ContainerDetail,
    ContainerEngine,
    ContainerNotFound,
    ContainerState,
    EngineRefused,
    EngineUnavailable,
    FilesRefused,
    ImageNotFound,
    PullRefused,
    RegistryAuth,
)
from agent.router.protocol import replica_name
from cluster.model.container import RestartRule
from cluster.model.service import AssignmentKey, Fencing, Observation, ReplicaPhase

log = logging.getLogger(__name__)

PROBE_S = 0.25
STEADY_PROBE_S = 2.0
STEADY_AFTER_S = 30.0
INSPECT_S = 5.0
EXIT_GRACE_S = 0.5
PROGRESS_S = 2.0
REASON_CHARS_MAX = 1024

_WAITING = frozenset({ReplicaPhase.PULLING, ReplicaPhase.EXITED, ReplicaPhase.FAILED})


class FencedStarts(Protocol):
    """Whether what must never run twice may be started here. `agent.follow.lease.HostLease` fits."""

    def expect(self, key: AssignmentKey) -> None: ...
    def release(self, key: AssignmentKey) -> None: ...
    def why_not(self, fencing: Fencing) -> str: ...
    def check(self, key: AssignmentKey, token: int, fencing: Fencing) -> None:
        """Raises NotLeased."""
        ...

    async def until_leave(self, fencing: Fencing) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What the workers of one host share. `address` tells where other hosts reach it."""

    cluster_id: str
    engine: ContainerEngine
    prober: Prober
    reports: HostReports
    files: ContainerFiles
    clock: Clock
    fence: Fence
    fenced: FencedStarts
    address: Callable[[], str]
    until_engine: Callable[[], Awaitable[None]]
    """Returns once the engine answers."""
    until_caught_up: Callable[[], Awaitable[None]]
    """Returns once the state here is no older than the start of this agent."""
    until_led: Callable[[], Awaitable[object]]
    """Returns once a leader is known: without one nothing new is started."""
    until_unrouted: Callable[[str, str], Awaitable[None]]
    """Returns once this host's own router sends nothing to a service's replica any more."""
    login_of: Callable[[str], RegistryAuth | None] = lambda _: None
    """The login for the registry an image is from."""
    bring_up_slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(4))


class ReplicaWorker:
    """Keeps one replica as it was ordered. Run `keep_running` or `take_down`, one at a time."""

    def __init__(self, host: Host, replica: Replica, permit: Permit, *, observed: Observation) -> None:
        """`observed` is what is committed of it: after a restart of the agent, what an earlier run saw."""
        self._host = host
        self._replica = replica
        self._permit = permit
        self._woken = asyncio.Event()
        self._observation = observed
        self._judge: HealthJudge | None = None
        self._judged: tuple[str, int | None] = ("", None)
        """The container, and when it was started."""
        self._healthy_since_s: float | None = None
        self._starts = 0
        self._restarts = Restarts()
        self._progress_at_s: float | None = None

    @property
    def replica(self) -> Replica:
        return self._replica

    def begin(self, replica: Replica, permit: Permit) -> None:
        """Another aim begins, with a leave of its own: what was under way must not go on by it."""
        self._replica = replica
        self._permit = permit
        if self._observation.phase is ReplicaPhase.REMOVED:
            # That was said of an order before.
            self._observation = Observation()

    def renew(self, replica: Replica, permit: Permit) -> None:
        """Go on for a newer order of the same aim."""
        self._replica = replica
        if permit.token != self._permit.token:
            self._permit.token = permit.token
            if self._observation != Observation():
                self._host.reports.note(self._key, permit.token, self._observation)
            # One that was refused for being too old may go on.
            self._woken.set()

    def wake(self) -> None:
        """Something happened to the container: look at once."""
        self._woken.set()

    @property
    def _key(self) -> AssignmentKey:
        return self._replica.key

    # ---- to have it run -----------------------------------------------------------------------

    async def keep_running(self) -> None:
        """Bring the replica up, watch it, bring it up again, until cancelled."""
        failures = 0
        while True:
            self._woken.clear()
            try:
                if await self._stays_ended():
                    # Until somebody starts it, or enough time has passed to try again.
                    await self._wait(BACKOFF_MAX_S)
                    continue
                container = await self._bring_up()
                await self._watch(container)
                failures = 0
            except EngineUnavailable as error:
                # A state of the host, not of the replica: nothing is reported, and nothing forgotten.
                log.info("replica.waits_for_engine", extra={**self._names, "reason": str(error)})
                await self._pause(BACKOFF_MIN_S)
                await self._host.until_engine()
            except Superseded as error:
                log.info("replica.superseded", extra={**self._names, "reason": str(error)})
                await self._wait(BACKOFF_MAX_S)
            except NotLeased as error:
                log.info("replica.waits_for_lease", extra={**self._names, "reason": str(error)})
                await self._pause(BACKOFF_MIN_S)
            except ContainerNotFound as error:
                # Somebody removed it between two steps: it is made again.
                log.info("replica.container_gone", extra={**self._names, "reason": str(error)})
                await self._pause(BACKOFF_MIN_S)
            except (EngineRefused, FilesRefused) as error:
                self._note_failure(error)
                pause_s = min(BACKOFF_MAX_S, BACKOFF_MIN_S * 2.0 ** min(failures, 16))
                failures += 1
                await self._pause(pause_s)

    def _note_failure(self, error: EngineRefused | FilesRefused) -> None:
        log.warning("replica.failed", extra={**self._names, "reason": str(error)})
        if isinstance(error, PullRefused) and may_pass(error):
            self._note(ReplicaPhase.PULLING, f"{error}; trying again")
        else:
            self._note(ReplicaPhase.FAILED, str(error))

    async def _bring_up(self) -> str:
        """Return the id of the replica's container, which runs. What runs already needs no leave."""
        host = self._host
        await host.until_engine()
        found = await find_container(host.engine, self._replica, self._permit)
        if found is not None and found.state in (ContainerState.RUNNING, ContainerState.PAUSED):
            return found.id
        if found is not None and found.state is ContainerState.RESTARTING:
            return found.id
        if not self._tells_why_it_waits():
            self._note(ReplicaPhase.PENDING, "waits for its turn to pull and start")
        await host.until_caught_up()
        await host.until_led()
        await self._until_leave()
        async with host.bring_up_slots:
            if found is None:
                self._progress_at_s = None
                await ensure_image(
                    host.engine,
                    self._replica,
                    self._permit,
                    on_progress=self._note_progress,
                    login_of=host.login_of,
                )
            # The wait for a turn and the pull may have taken minutes, and the host may be cut off by now.
            await host.until_led()
            if self._observation.phase not in (ReplicaPhase.EXITED, ReplicaPhase.FAILED):
                self._note(ReplicaPhase.STARTING, "creating the container")
            self._permit.check()
            # Also for one that is there: the files are in memory, and a start of the host forgets them.
            await host.files.place(self._replica)
            try:
                container = await ensure_created(
                    host.engine,
                    self._replica,
                    self._permit,
                    address=host.address(),
                    files=host.files.mounts(self._replica),
                )
            except ImageNotFound as error:
                # It was removed between the pull and here.
                raise EngineUnavailable(str(error)) from error
            await ensure_started(host.engine, container, self._permit, check_leave=self._check_leave)
        log.info("replica.started", extra={**self._names, "container_id": container})
        return container

    async def _until_leave(self) -> None:
        """Wait until this host may start the replica, if that may never run twice."""
        fencing = self._replica.spec.fencing
        if fencing is Fencing.NONE:
            return
        if fencing is Fencing.STRICT:
            self._host.fenced.expect(self._key)
        problem = self._host.fenced.why_not(fencing)
        if problem:
            self._note(ReplicaPhase.PENDING, problem)
            await self._host.fenced.until_leave(fencing)

    def _check_leave(self) -> None:
        fencing = self._replica.spec.fencing
        if fencing is not Fencing.NONE:
            self._host.fenced.check(self._key, self._permit.token, fencing)

    def _tells_why_it_waits(self) -> bool:
        phase = self._observation.phase
        return bool(self._observation.reason) if phase is ReplicaPhase.PENDING else phase in _WAITING

    def _note_progress(self, words: str) -> None:
        now_s = self._host.clock.monotonic_s()
        if self._progress_at_s is None or now_s - self._progress_at_s >= PROGRESS_S:
            self._progress_at_s = now_s
            self._note(ReplicaPhase.PULLING, words)

    # ---- to see how it is ---------------------------------------------------------------------

    async def _watch(self, container: str) -> None:
        """Report how the container is, until it has to be brought up again."""
        clock = self._host.clock
        detail: ContainerDetail | None = None
        inspected_at_s = 0.0
        while True:
            self._woken.clear()
            if detail is None or clock.monotonic_s() - inspected_at_s >= INSPECT_S:
                detail = await self._inspect(container)
                inspected_at_s = clock.monotonic_s()
            if detail is None:
                self._note_gone()
                return
            if not detail.state.has_processes:
                if await self._has_ended(container):
                    return
                detail = None
                continue
            judge = self._judge_of(detail)
            self._note_verdict(judge.judge(await self._sample(detail)), detail)
            is_steady = self._is_steady()
            if is_steady:
                self._restarts.note_steady()
            if await self._wait(STEADY_PROBE_S if is_steady else PROBE_S):
                inspected_at_s = float("-inf")

    def _judge_of(self, detail: ContainerDetail) -> HealthJudge:
        """The judge of this start of the container."""
        start = (detail.id, detail.started_at_ms)
        if self._judge is None or start != self._judged:
            # What an earlier run of the agent saw healthy gets time before this one says otherwise.
            seen = self._observation
            was_healthy = (
                self._judge is None and seen.phase is ReplicaPhase.HEALTHY and seen.container_id == detail.id
            )
            self._judge = HealthJudge(self._replica.spec, was_healthy=was_healthy)
            self._judged = start
            self._healthy_since_s = None
        return self._judge

    def _is_steady(self) -> bool:
        now_s = self._host.clock.monotonic_s()
        if self._observation.phase is not ReplicaPhase.HEALTHY:
            self._healthy_since_s = None
        elif self._healthy_since_s is None:
            self._healthy_since_s = now_s
        return self._healthy_since_s is not None and now_s - self._healthy_since_s >= STEADY_AFTER_S

    def _note_gone(self) -> None:
        """At once, as its turn to be made again may be minutes away, and so that no router sends there."""
        log.warning("replica.container_gone", extra=self._names)
        self._observation = Observation()
        self._note(ReplicaPhase.PENDING, "its container was removed by someone else: it is made again")

    async def _inspect(self, container: str) -> ContainerDetail | None:
        try:
            return await self._host.engine.inspect(container)
        except ContainerNotFound:
            return None

    async def _sample(self, detail: ContainerDetail) -> Sample:
        route = self._replica.spec.route
        probe: str | None = None
        if route is not None and detail.state is not ContainerState.PAUSED:
            port = route_port(detail.ports, route, self._host.address())
            probe = f"port {route.port} is not published yet"
            if port:
                host = route.host.removeprefix("*.")
                probe = await self._host.prober.probe(
                    self._host.address(), port, path=route.health_path, host=host
                )
        running_for_ms = self._host.clock.now_ms() - (detail.started_at_ms or 0)
        return Sample(
            health=detail.health,
            is_paused=detail.state is ContainerState.PAUSED,
            running_for_s=max(0, running_for_ms) / 1000,
            probe=probe,
        )

    def _note_verdict(self, verdict: Verdict, detail: ContainerDetail) -> None:
        is_after_exit = self._observation.phase is ReplicaPhase.EXITED
        if verdict.phase is ReplicaPhase.STARTING and is_after_exit:
            # One that keeps ending would otherwise be "starting" half of the time.
            self._note(ReplicaPhase.EXITED, self._observation.reason, detail)
        else:
            self._note(verdict.phase, verdict.reason, detail)

    async def _has_ended(self, container: str) -> bool:
        """Report the end of a container; whether the engine leaves restarting it to us."""
        # An engine that is stopping ends its containers first: then it is the engine that goes.
        await self._pause(EXIT_GRACE_S)
        detail = await self._inspect(container)
        if detail is None:
            self._note_gone()
            return True
        if detail.state.has_processes:
            present = self._observation
            # Why it ended the last time is worth more than that it runs again.
            is_told = present.phase is ReplicaPhase.EXITED and present.reason
            words = present.reason if is_told else "it ended, and was started again"
            self._note(ReplicaPhase.EXITED, words, detail)
            return False
        words = await why_it_ended(self._host.engine, detail)
        if self._replica.spec.fencing is Fencing.STRICT and self._host.fenced.why_not(Fencing.STRICT):
            words = f"stopped, as this host has lost the cluster and must not run it twice; {words}"
        self._note(ReplicaPhase.EXITED, words, detail)
        if detail.state is ContainerState.RESTARTING:
            await self._wait(INSPECT_S)
            return False
        # Stopped by hand, or the engine gave up: it is wanted, so it is started again, less and less often.
        rule = self._replica.spec.options.restart
        if self._restarts.why_not(rule, exit_code=detail.exit_code, now_s=self._host.clock.monotonic_s()):
            return True
        await self._pause(self._restarts.pause_s(rule))
        self._restarts.note_end()
        self._starts += 1
        return True

    async def _stays_ended(self) -> bool:
        """Report a container that ended and is not to be started again; of one that is, note the attempt."""
        rule = self._replica.spec.options.restart
        if rule == RestartRule():
            return False
        found = await find_container(self._host.engine, self._replica, self._permit)
        if found is None or found.state is not ContainerState.EXITED:
            return False
        now_s = self._host.clock.monotonic_s()
        reason = self._restarts.why_not(rule, exit_code=found.exit_code, now_s=now_s)
        if not reason:
            self._restarts.note_attempt(now_s)
            return False
        words = await why_it_ended(self._host.engine, found)
        self._note(ReplicaPhase.EXITED, f"{reason}; {words}", found)
        return True

    # ---- to have it gone ----------------------------------------------------------------------

    async def take_down(self) -> None:
        """Stop and remove the container, report that, and do so again should it return."""
        failures = 0
        while True:
            self._woken.clear()
            try:
                # An older state might want gone what a newer one wants back.
                await self._host.until_caught_up()
                seen = self._observation
                if seen.port:
                    replica = replica_name(seen.address, seen.port)
                    await self._host.until_unrouted(self._key.service_id, replica)
                await self._host.until_engine()
                if self._replica.adopted_id:
                    await remove_adopted(self._host.engine, self._replica.adopted_id, self._permit)
                await remove_container(
                    self._host.engine,
                    self._replica.container_name,
                    self._permit,
                    cluster_id=self._host.cluster_id,
                )
                await self._host.files.remove(self._replica.container_name)
                self._host.fenced.release(self._key)
                self._observation = Observation()
                self._note(ReplicaPhase.REMOVED, "")
                log.info("replica.removed", extra=self._names)
                failures = 0
                await self._woken.wait()
            except EngineUnavailable as error:
                log.info("replica.waits_for_engine", extra={**self._names, "reason": str(error)})
                await self._pause(BACKOFF_MIN_S)
            except Superseded as error:
                log.info("replica.superseded", extra={**self._names, "reason": str(error)})
                await self._woken.wait()
            except (EngineRefused, FilesRefused) as error:
                log.warning("replica.not_removed", extra={**self._names, "reason": str(error)})
                pause_s = min(BACKOFF_MAX_S, BACKOFF_MIN_S * 2.0 ** min(failures, 16))
                failures += 1
                await self._pause(pause_s)

    # ---- inside -------------------------------------------------------------------------------

    @property
    def _names(self) -> dict[str, str]:
        return {"container": self._replica.container_name, "service_id": self._key.service_id}

    def _note(self, phase: ReplicaPhase, reason: str, detail: ContainerDetail | None = None) -> None:
        """Remember and report a phase; `detail` tells where the replica answers while it runs."""
        port = restarts = 0
        if detail is not None:
            restarts = detail.restart_count + self._starts
            route = self._replica.spec.route
            if route is not None and detail.state is ContainerState.RUNNING:
                port = route_port(detail.ports, route, self._host.address())
        present = self._observation
        observation = Observation(
            phase=phase,
            container_id=present.container_id if detail is None else detail.id,
            address=self._host.address() if port else "",
            port=port,
            restarts=present.restarts if detail is None else restarts,
            reason=printable(reason)[:REASON_CHARS_MAX],
            observed_at_ms=present.observed_at_ms,
        )
        if observation != present:
            observation = replace(observation, observed_at_ms=self._host.clock.now_ms())
            if observation.phase is not present.phase:
                log.info("replica.phase", extra={**self._names, "phase": phase.value, "reason": reason[:200]})
            self._observation = observation
        self._host.reports.note(self._key, self._permit.token, observation)

    async def _pause(self, seconds: float) -> None:
        await self._host.clock.sleep(seconds)

    async def _wait(self, seconds: float) -> bool:
        return await self._host.clock.wait(self._woken, seconds)
