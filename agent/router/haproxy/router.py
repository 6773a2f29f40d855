"""HAProxy behind `Router`: the flow of a replica into and out of traffic, reloads, restarts.

The book of slots is the truth about what HAProxy was told. HAProxy starts from it (file of server states),
and after every start and reload what HAProxy says is compared with it and mended.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn, Protocol

from agent.clock import Clock
from agent.ports import Endpoint, ServerStatus, SwitchError
from agent.router.haproxy.configuration import Configuration
from agent.router.haproxy.counting import TrafficCounter
from agent.router.haproxy.files import HaproxyFiles
from agent.router.haproxy.maps import (
    Shares,
    host_of,
    render_map,
    service_of_targeting,
    split_entries,
    targeting_entries,
    targeting_of,
)
from agent.router.haproxy.process import HaproxyProcess, HaproxyUnusable, service_account
from agent.router.haproxy.ramp import Ramp, Ramps, weight_at
from agent.router.haproxy.render import (
    COLOURS,
    GREEN,
    ConfigOptions,
    backend_name,
    render_server_states,
    slot_count,
    slot_name,
    split_backend_name,
)
from agent.router.haproxy.request_log import RequestLog
from agent.router.haproxy.runtime import RuntimeSocket
from agent.router.haproxy.slots import BackendSlots, Slot, SlotState
from agent.router.haproxy.stats import ServerState, ServerStats, Workers
from agent.router.haproxy.switching import SlotSwitch, server_name
from agent.router.protocol import (
    RevisionTraffic,
    RouterCondition,
    ServerCertificate,
    ServiceRoute,
    replica_name,
)
from cluster.model.experiment import MatchKind, Targeting
from cluster.model.service import Sticky

log = logging.getLogger(__name__)

ADMIT_TIMEOUT_S = 10.0
CONFIGURE_TIMEOUT_S = 15.0
RELOAD_TIMEOUT_S = 10.0
POLL_S = 0.05
IDLE_READINGS = 2
ANSWER_EVERY_S = 2.0
MISSED_MAX = 3
"""So many times in a row it did not answer, and is taken for hanging."""
LEAVE_S = 60.0
"""How long a replica that was removed has to end what it still serves: its container is asked to stop."""
BACKOFF_MIN_S = 0.5
BACKOFF_MAX_S = 30.0
STEADY_S = 60.0
LOG_BYTES_MAX = 1024 * 1024


class Prober(Protocol):
    """Asks a replica itself whether it can serve."""

    async def probe(self, address: str, port: int, *, path: str, host: str) -> str:
        """Return "" when it answers as it should, else why not. `path` "" is a TCP connect."""
        ...


class HaproxyRouter:
    """A `Router` that owns one HAProxy. `directory` holds its configuration, sockets and log.

    Nothing starts before `configure` was called once, so that HAProxy never answers for services it does
    not know yet. Cancelling `run` ends HAProxy once requests are done, after at most `drain_on_stop_s`; with
    `outlives_agent` it goes on, and the next run takes it over. A replica is admitted as soon as `prober`
    finds it fit, and without one by HAProxy's own check, the first of which may take half a second to come.
    """

    def __init__(
        self,
        *,
        directory: Path,
        program: str,
        http_port: int,
        clock: Clock,
        rng: random.Random,
        https_port: int | None = None,
        bind_address: str = "*",
        prober: Prober | None = None,
        reload_interval_s: float = 5.0,
        drain_on_stop_s: float = 5.0,
        outlives_agent: bool = False,
    ) -> None:
        self._files = HaproxyFiles(directory)
        account = service_account()
        self._configuration = Configuration(
            self._files,
            ConfigOptions(
                http_port=http_port, bind_address=bind_address, account=account, https_port=https_port
            ),
        )
        self._prober = prober
        self._clock = clock
        self._rng = rng
        self._reload_interval_s = reload_interval_s
        self._drain_on_stop_s = drain_on_stop_s
        self._outlives_agent = outlives_agent
        self._runtime = RuntimeSocket(self._files.socket, self._files.master_socket)
        self._process = HaproxyProcess(
            files=self._files,
            program=program,
            http_port=http_port,
            https_port=https_port,
            runtime=self._runtime,
            clock=clock,
        )
        self._condition = RouterCondition(
            is_serving=False, since_s=clock.monotonic_s(), problem="HAProxy was not started yet"
        )
        self._is_loaded_changed = asyncio.Event()
        self._slots: dict[str, BackendSlots] = {}
        self._shares: dict[str, Shares] = {}
        self._reloaded_at_s: float | None = None
        self._switch = SlotSwitch(self._runtime)
        self._counter = TrafficCounter(
            runtime=self._runtime, slots=self._slots, old_workers=self._switch.old_workers, clock=clock
        )
        self._ramps = Ramps(clock)
        self._leaving: dict[str, float] = {}
        """When what is left in a slot that was freed is cut off, by server."""
        self._request_log = RequestLog(
            name=self._files.request_log,
            accounts={os.geteuid(), os.geteuid() if account is None else account[0]},
            clock=clock,
            on_answer=self._counter.note,
        )
        # One at a time: a change made while a reload copies states would be lost with the old worker.
        self._lock = asyncio.Lock()

    # ---- what others ask ----------------------------------------------------------------------

    @property
    def condition(self) -> RouterCondition:
        return self._condition

    @property
    def services(self) -> frozenset[str]:
        """The services of the configuration in force."""
        return self._configuration.services

    async def workers(self) -> Workers:
        """The processes of this HAProxy. Raises SwitchError while it does not run."""
        return await self._runtime.workers()

    def configure(
        self, routes: Sequence[ServiceRoute], certificates: Sequence[ServerCertificate] = ()
    ) -> None:
        self._configuration.want(routes, certificates)

    def replicas(self) -> frozenset[tuple[str, str, str]]:
        found = set()
        for backend, slots in self._slots.items():
            names = split_backend_name(backend)
            assert names is not None
            for slot in slots.occupied():
                assert slot.endpoint is not None
                found.add((*names, slot.endpoint.replica))
        return frozenset(found)

    async def admit(self, service: str, colour: str, endpoint: Endpoint) -> None:
        backend = backend_name(service, colour)
        slots = await self._slots_of(service, backend)
        async with self._lock:
            slot = slots.find(endpoint.replica)
            if slot is not None and not _is_same_place(slot.endpoint, endpoint):
                await self._take_out(backend, slots, slot)
                slot = None
            if slot is None:
                slot = await self._place(backend, slots, endpoint)
            else:
                await self._correct(backend, slot, endpoint)
            if slot.state is SlotState.READY:
                return
            if slot.state is SlotState.DRAINING and self._is_by_cookie(service):
                await self._switch.enter(server_name(backend, slot), endpoint)
                slot.state = SlotState.ADMITTED
        deadline_s = self._clock.monotonic_s() + ADMIT_TIMEOUT_S
        while True:
            if await self._is_fit(service, endpoint):
                return
            server = await self._server(backend, slot)
            if server.is_settled_drain and server.address == _shown(endpoint):
                return
            if self._clock.monotonic_s() >= deadline_s:
                raise SwitchError(
                    f"{endpoint.replica} of {service} does not pass HAProxy's check from this host "
                    f"({server.check_status or 'not checked yet'}): can this host reach it?"
                )
            await self._clock.sleep(POLL_S)

    async def _is_fit(self, service: str, endpoint: Endpoint) -> bool:
        """Whether it passes here and now what HAProxy will check. One that does not after all is taken out of
        traffic by HAProxy's first check, for a server that was never checked has no check to lose."""
        route = self._configuration.routes.get(service)
        if self._prober is None or route is None:
            return False
        host = host_of(route.hosts[0]) if route.hosts else endpoint.address
        return not await self._prober.probe(
            endpoint.address, endpoint.port, path=route.health_path, host=host
        )

    async def open(self, service: str, colour: str, replica: str) -> None:
        backend = backend_name(service, colour)
        async with self._lock:
            slot = self._find(backend, replica)
            if slot is None or slot.endpoint is None:
                raise SwitchError(f"{replica} of {service} was not admitted: admit it first")
            if slot.state is SlotState.READY:
                return
            server = server_name(backend, slot)
            route = self._configuration.routes.get(service)
            slow_start_s = 0.0 if route is None else route.slow_start_s
            weight = slot.endpoint.weight
            if slow_start_s > 0:
                weight = weight_at(weight, 0.0, slow_start_s)
                self._ramps.begin(server, self._ramp(server, slot, slot.endpoint, slow_start_s))
            await self._runtime.set_weight(server, weight)
            await self._switch.open(server, slot.endpoint)
            slot.state, slot.is_idle = SlotState.READY, False

    def _ramp(self, server: str, slot: Slot, endpoint: Endpoint, duration_s: float) -> Ramp:
        async def set_weight(weight: int) -> bool:
            async with self._lock:
                if not _is_same_place(slot.endpoint, endpoint) or slot.state is not SlotState.READY:
                    return False
                await self._runtime.set_weight(server, weight)
                return True

        return Ramp(
            weight=endpoint.weight,
            began_s=self._clock.monotonic_s(),
            duration_s=duration_s,
            set_weight=set_weight,
        )

    async def drain(self, service: str, colour: str, replica: str, *, timeout_s: float) -> bool:
        backend = backend_name(service, colour)
        began_s = self._clock.monotonic_s()
        route = self._configuration.routes.get(service)
        tunnel_timeout_s = 0.0 if route is None else route.websocket_drain_s
        async with self._lock:
            slot = self._find(backend, replica)
            if slot is None:
                return True
            endpoint, server = slot.endpoint, server_name(backend, slot)
            slot.state, slot.is_idle = SlotState.DRAINING, False
            await self._switch.close(server, is_by_cookie=self._is_by_cookie(service))
        idle_readings = 0
        while True:
            in_flight = (await self._switch.in_flight(backend)).get(slot_name(slot.number), 0)
            idle_readings = 0 if in_flight else idle_readings + 1
            # A thread of HAProxy may have chosen the server just before, and not counted its request yet.
            if idle_readings == IDLE_READINGS:
                slot.is_idle = True
                return True
            if slot.endpoint is not endpoint or slot.state is not SlotState.DRAINING:
                raise SwitchError(f"{replica} of {service} was given another part while it drained")
            waited_s = self._clock.monotonic_s() - began_s
            if (
                in_flight
                and waited_s >= timeout_s
                and (waited_s >= tunnel_timeout_s or in_flight > await self._switch.tunnels(server))
            ):
                return False
            await self._clock.sleep(POLL_S)

    async def remove(self, service: str, colour: str, replica: str) -> None:
        backend = backend_name(service, colour)
        async with self._lock:
            slots = self._slots.get(backend)
            slot = None if slots is None else slots.find(replica)
            if slots is not None and slot is not None:
                await self._take_out(backend, slots, slot)

    async def split(
        self,
        service: str,
        shares_permille: Mapping[str, int],
        *,
        revision: int,
        targeting: Targeting | None = None,
    ) -> int:
        if set(shares_permille) - set(COLOURS) or sum(shares_permille.values()) != 1000:
            raise SwitchError(
                f"the shares of {service} must be of {' and '.join(COLOURS)} and add up to 1000: "
                f"{dict(shares_permille)}"
            )
        async with self._lock:
            present = self._shares.get(service)
            if present is not None and revision < present.revision:
                return present.revision
            self._check_looked_for(service, targeting)
            wanted = Shares(
                revision=revision,
                green_permille=shares_permille.get(GREEN, 0),
                targeting=tuple(targeting_of(service, targeting)),
            )
            shares = {**self._shares, service: wanted}
            for path, entries in (
                (self._files.split_map, split_entries(shares)),
                (self._files.targeting_map, targeting_entries(shares)),
            ):
                # In the file first: a reload reads it again.
                await self._configuration.write_file(path, render_map(entries))
                await self._runtime.change_map(path, entries)
                if sorted(await self._runtime.map_entries(path)) != entries:
                    raise SwitchError(f"HAProxy did not take over the shares of {service}")
            self._shares = shares
            return revision

    def _check_looked_for(self, service: str, targeting: Targeting | None) -> None:
        """Raises SwitchError while HAProxy does not look for what requests are told apart by."""
        if targeting is None:
            return
        route = self._configuration.routes.get(service)
        headers, cookies, visitors = (
            ((), (), ()) if route is None else (route.headers, route.cookies, route.visitor_cookies)
        )
        for match in targeting.matches:
            is_header = match.kind is MatchKind.HEADER
            if match.name.lower() not in headers if is_header else match.name not in cookies:
                raise SwitchError(f"HAProxy does not look for the {match.kind} {match.name} yet")
        if targeting.cookie and targeting.cookie not in visitors:
            raise SwitchError(f"HAProxy does not look for the cookie {targeting.cookie} yet")

    async def status(self, service: str) -> Mapping[str, ServerStatus]:
        found = {}
        for colour in COLOURS:
            backend = backend_name(service, colour)
            if backend not in self._slots or not any(True for _ in self._slots[backend].occupied()):
                continue
            servers = await self._runtime.servers(backend)
            for slot in self._slots[backend].occupied():
                assert slot.endpoint is not None
                found[slot.endpoint.replica] = _status(slot, servers.get(slot_name(slot.number)))
        return found

    async def traffic(self) -> tuple[RevisionTraffic, ...]:
        # Not while a reload replaces the worker: what is counted in between would be missed.
        async with self._lock:
            return await self._counter.totals()

    # ---- the life of the process --------------------------------------------------------------

    async def run(self) -> NoReturn:
        """Keep HAProxy running with what was configured, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._request_log.run(), name="router-request-log")
            await self._keep_running()
        raise AssertionError("a task group lets nothing end that does not")

    async def _keep_running(self) -> NoReturn:
        failures = 0
        is_first = True
        try:
            while True:
                began_s = self._clock.monotonic_s()
                try:
                    if is_first:
                        is_first = False
                        await self._adopt()
                    if not self._process.is_running:
                        await self._start()
                    await self._serve()
                    problem = await self._process.why_it_ended()
                except (HaproxyUnusable, SwitchError, OSError) as error:
                    problem = str(error)
                if self._clock.monotonic_s() - began_s > STEADY_S:
                    failures = 0
                self._note(problem)
                # One that served before is started again at once; one that does not come up is waited for.
                if failures:
                    ceiling_s = min(BACKOFF_MAX_S, BACKOFF_MIN_S * 2.0 ** min(failures, 16))
                    await self._clock.sleep(ceiling_s * self._rng.uniform(0.5, 1.0))
                failures += 1
        finally:
            if self._outlives_agent:
                await self._process.release()
            else:
                await self._process.stop(drain_timeout_s=self._drain_on_stop_s)

    def end_with_agent(self) -> None:
        """Have cancelling `run` end HAProxy after all."""
        self._outlives_agent = False

    async def _adopt(self) -> None:
        """Take over a HAProxy that an earlier run of the agent left, and learn from it what it was told."""
        if self._files.problem:
            raise HaproxyUnusable(self._files.problem)
        await asyncio.to_thread(_prepare, self._files.directory)
        if not await self._process.find():
            return
        states, _ = await self._runtime.server_states()
        self._slots.update(_slots_of(states))
        await self._configuration.adopt(frozenset(self._slots))
        for service, permille in await self._runtime.map_entries(self._files.split_map):
            if permille.isdecimal():
                self._shares[service] = Shares(revision=0, green_permille=int(permille))
        for entry in await self._runtime.map_entries(self._files.targeting_map):
            service = service_of_targeting(entry[0])
            shares = self._shares.get(service, Shares(revision=0, green_permille=0))
            self._shares[service] = replace(shares, targeting=(*shares.targeting, entry))
        await self._counter.begin()
        self._is_loaded_changed.set()
        self._configuration.is_changed.set()

    async def _start(self) -> None:
        if self._files.problem:
            raise HaproxyUnusable(self._files.problem)
        await self._process.check_version()
        configuration = self._configuration
        while configuration.wanted is None:
            await configuration.is_changed.wait()
        async with self._lock:
            text, routes = await self._write_candidate()
            await configuration.write_file(
                self._files.server_states, render_server_states(self._by_backend())
            )
            await self._process.start()
            await self._loaded_now(text, routes)

    async def _serve(self) -> None:
        self._note("")
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(self._keep_configured(), name="router-configuration")
            ramping = tasks.create_task(self._ramps.run(), name="router-slow-starts")
            ending = tasks.create_task(self._end_leavers(), name="router-leavers")
            watching = tasks.create_task(self._end_when_hanging(), name="router-answers")
            await self._process.ended()
            self._leaving.clear()
            for task in (keeping, ramping, ending, watching):
                task.cancel()

    async def _end_when_hanging(self) -> None:
        """End a HAProxy that runs and does not answer: whoever asks it waits for ever."""
        missed, problem = 0, ""
        while missed < MISSED_MAX:
            await self._clock.sleep(ANSWER_EVERY_S)
            try:
                await self._runtime.present_pid()
                missed = 0
            except SwitchError as error:
                missed, problem = missed + 1, str(error)
                log.warning("router.no_answer", extra={"reason": problem, "missed": missed})
        self._process.kill(f"{problem}, {missed} times in a row: it was ended")

    async def _keep_configured(self) -> NoReturn:
        is_changed = self._configuration.is_changed
        failures = 0
        while True:
            if not failures:
                await is_changed.wait()
            is_changed.clear()
            try:
                if self._configuration.wanted is not None:
                    await self._bring_in_force()
                failures = 0
            except (HaproxyUnusable, SwitchError, OSError) as error:
                log.warning("router.configuration_refused", extra={"reason": str(error)})
                failures += 1
                pause_s = min(BACKOFF_MAX_S, BACKOFF_MIN_S * 2.0 ** min(failures, 16))
                await self._clock.wait(is_changed, pause_s)

    async def _bring_in_force(self) -> None:
        async with self._lock:
            await self._configuration.install_certificates()
            if not self._configuration.needs_load(self._slot_counts(self._configuration.wanted or ())):
                await self._bring_maps_in_force()
                return
        await self._wait_for_reload_slot()
        async with self._lock:
            await self._reload()

    async def _wait_for_reload_slot(self) -> None:
        """The first reload comes at once, the next ones together."""
        now_s = self._clock.monotonic_s()
        if self._reloaded_at_s is not None:
            await self._clock.sleep(self._reloaded_at_s + self._reload_interval_s - now_s)
        self._reloaded_at_s = self._clock.monotonic_s()

    async def _reload(self) -> None:
        """Replace the worker by one with the new configuration. With the lock held."""
        text, routes = await self._write_candidate()
        before = await self._runtime.workers()
        _, states = await self._runtime.server_states()
        await self._configuration.write_file(self._files.server_states, states)
        with self._switch.reloading():
            async with asyncio.TaskGroup() as tasks:
                reloading = tasks.create_task(self._replace_worker(before), name="router-reload")
                # What the old worker counts is gone when it ends, soon after the new one takes over.
                while not reloading.done():
                    await self._counter.record()
                    await self._clock.sleep(POLL_S)
            problem = reloading.result()
            if problem is not None:
                raise problem
            await self._counter.record()
        await self._loaded_now(text, routes)
        await self._process.trim_log(LOG_BYTES_MAX)
        log.info("router.reloaded", extra={"services": len(routes)})

    async def _replace_worker(self, before: Workers) -> SwitchError | HaproxyUnusable | None:
        """Have the master start a worker with the configuration in place; return what went wrong."""
        try:
            await self._runtime.reload()
            await self._until_reloaded(before)
        except (SwitchError, HaproxyUnusable) as error:
            return error
        return None

    async def _until_reloaded(self, before: Workers) -> None:
        known = {*before.present, *before.old}
        deadline_s = self._clock.monotonic_s() + RELOAD_TIMEOUT_S
        while True:
            problem = "no new worker has come up"
            try:
                now = await self._runtime.workers()
                if now.failed_reloads > before.failed_reloads:
                    raise HaproxyUnusable(await self._process.why_it_ended())
                fresh = set(now.present) - known
                if fresh and await self._runtime.present_pid() in fresh:
                    return
            except SwitchError as error:
                # The master replaces itself, and its socket is away for a moment.
                problem = str(error)
            if self._clock.monotonic_s() >= deadline_s:
                raise SwitchError(f"HAProxy did not reload within {RELOAD_TIMEOUT_S:g} s: {problem}")
            await self._clock.sleep(POLL_S)

    async def _loaded_now(self, text: str, routes: Sequence[ServiceRoute]) -> None:
        """The configuration is in force: have HAProxy agree with the book of slots, and let waiters go on."""
        self._configuration.note_loaded(text, routes)
        states, _ = await self._runtime.server_states()
        for state in states:
            names = split_backend_name(state.backend)
            slots = self._slots.get(state.backend)
            if names is not None and slots is not None and state.number <= len(slots):
                slot = slots.at(state.number)
                await self._switch.mend(
                    server_name(state.backend, slot), slot, state, is_by_cookie=self._is_by_cookie(names[0])
                )
        self._is_loaded_changed.set()
        self._is_loaded_changed = asyncio.Event()

    async def _bring_maps_in_force(self) -> None:
        """Change which requests lead where, without a reload. With the lock held."""
        maps = await self._configuration.write_maps(self._shares)
        for path, entries in maps.items():
            if path != self._files.wildcard_map:
                await self._runtime.change_map(path, entries)
            elif await self._runtime.map_entries(path) != entries:
                await self._runtime.replace_map(path, entries)

    async def _write_candidate(self) -> tuple[str, tuple[ServiceRoute, ...]]:
        """Put a configuration that HAProxy accepts in its place, and grow the book of slots to it."""
        self._configuration.is_changed.clear()
        await self._configuration.install_certificates()
        routes = self._configuration.wanted or ()
        for route in routes:
            for colour in COLOURS:
                slots = self._slots.setdefault(backend_name(route.service, colour), BackendSlots(0))
                slots.grow(slot_count(route.replicas_max))
        declared = {backend_name(route.service, colour) for route in routes for colour in COLOURS}
        for backend in self._slots.keys() - declared:
            # Its backend goes with this load; old workers finish what is under way.
            del self._slots[backend]
        text = await self._configuration.write(routes, self._slot_counts(routes), self._shares)
        await self._process.validate(self._configuration.candidate)
        await self._configuration.accept_candidate()
        return text, routes

    def _slot_counts(self, routes: Sequence[ServiceRoute]) -> dict[str, int]:
        counts = {}
        for route in routes:
            present = self._slots.get(backend_name(route.service, COLOURS[0]), ())
            counts[route.service] = max(slot_count(route.replicas_max), len(present))
        return counts

    def _note(self, problem: str) -> None:
        present = self._condition
        if present.is_serving is not bool(problem) and present.problem == problem:
            return
        if problem:
            log.error("router.not_serving", extra={"reason": problem})
        else:
            log.info("router.serving", extra={"http_port": self._configuration.options.http_port})
        since_s = self._clock.monotonic_s() if present.is_serving == bool(problem) else present.since_s
        self._condition = RouterCondition(is_serving=not problem, since_s=since_s, problem=problem)

    # ---- one slot -----------------------------------------------------------------------------

    async def _slots_of(self, service: str, backend: str) -> BackendSlots:
        deadline_s = self._clock.monotonic_s() + CONFIGURE_TIMEOUT_S
        while True:
            self._check_serving()
            if backend in self._configuration.backends:
                return self._slots[backend]
            changed = self._is_loaded_changed
            if not await self._clock.wait(changed, deadline_s - self._clock.monotonic_s()):
                raise SwitchError(f"{service} is not in HAProxy's configuration yet")

    def _check_serving(self) -> None:
        if not self._condition.is_serving:
            raise SwitchError(f"HAProxy does not run: {self._condition.problem}")

    def _find(self, backend: str, replica: str) -> Slot | None:
        slots = self._slots.get(backend)
        return None if slots is None else slots.find(replica)

    async def _place(self, backend: str, slots: BackendSlots, endpoint: Endpoint) -> Slot:
        """Put a replica into a free slot, checked but without traffic. With the lock held."""
        # Also because from now on what this slot counts is another revision's.
        await self._counter.record(backend)
        in_flight = await self._switch.in_flight(backend)
        slot = next((s for s in slots.free() if not in_flight.get(slot_name(s.number))), None)
        if slot is None:
            await self._cut_off([each for each in self._leaving if each.startswith(f"{backend}/")])
            raise SwitchError(f"all {len(slots)} slots of {backend} are in use or still serve requests")
        await self._switch.enter(server_name(backend, slot), endpoint)
        slots.take(slot, endpoint, SlotState.ADMITTED)
        return slot

    async def _correct(self, backend: str, slot: Slot, endpoint: Endpoint) -> None:
        """Note what is known better of a replica that is there already. With the lock held."""
        before = slot.endpoint
        assert before is not None
        if before.weight != endpoint.weight:
            await self._runtime.set_weight(server_name(backend, slot), endpoint.weight)
        if before.revision not in (0, endpoint.revision):
            await self._counter.record(backend)
        if before != endpoint:
            slot.endpoint, slot.revision = endpoint, endpoint.revision

    async def _take_out(self, backend: str, slots: BackendSlots, slot: Slot) -> None:
        """Nothing new reaches the slot any more. With the lock held."""
        server = server_name(backend, slot)
        is_there = not (await self._server(backend, slot)).is_check_failed
        await self._switch.take_out(server)
        if not slot.is_idle and is_there:
            self._leaving[server] = self._clock.monotonic_s() + LEAVE_S
        elif not slot.is_idle:
            # Nobody is there to end anything: what waits for an answer is better asked of another replica.
            await self._switch.cut_off(server)
        slots.release(slot)

    async def _end_leavers(self) -> NoReturn:
        """Cut off what replicas that were removed still serve, once they had the time to end it."""
        while True:
            await self._clock.sleep(1.0)
            now_s = self._clock.monotonic_s()
            due = [server for server, at_s in self._leaving.items() if at_s <= now_s]
            if due:
                async with self._lock:
                    await self._cut_off(due)

    async def _cut_off(self, servers: Iterable[str]) -> None:
        for server in servers:
            del self._leaving[server]
            backend, _, name = server.rpartition("/")
            slots = self._slots.get(backend, BackendSlots(0))
            # One that was given to another replica had nothing in flight.
            if any(slot.endpoint is None and slot_name(slot.number) == name for slot in slots):
                try:
                    await self._switch.cut_off(server)
                except SwitchError as error:
                    log.warning("router.not_cut_off", extra={"server": server, "reason": str(error)})

    def _is_by_cookie(self, service: str) -> bool:
        route = self._configuration.routes.get(service)
        return route is not None and route.sticky is Sticky.COOKIE

    async def _server(self, backend: str, slot: Slot) -> ServerStats:
        server = (await self._runtime.servers(backend)).get(slot_name(slot.number))
        if server is None:
            raise SwitchError(f"HAProxy has no slot {slot.number} in {backend}")
        return server

    def _by_backend(self) -> dict[str, list[Slot]]:
        return {backend: list(slots) for backend, slots in self._slots.items()}


def _slots_of(states: Sequence[ServerState]) -> dict[str, BackendSlots]:
    """The book of slots as a running HAProxy has it."""
    found: dict[str, BackendSlots] = {}
    for state in states:
        if split_backend_name(state.backend) is None:
            continue
        slots = found.setdefault(state.backend, BackendSlots(0))
        slots.grow(state.number)
        if state.is_maintenance:
            continue
        endpoint = Endpoint(
            replica=replica_name(state.address, state.port),
            address=state.address,
            port=state.port,
            weight=state.weight,
        )
        slot = slots.at(state.number)
        slots.take(slot, endpoint, SlotState.DRAINING if state.is_drained else SlotState.READY)
    return found


def _status(slot: Slot, server: ServerStats | None) -> ServerStatus:
    if server is None:
        return ServerStatus.DOWN
    match slot.state:
        case SlotState.DRAINING:
            return ServerStatus.DRAINING
        case SlotState.READY:
            return ServerStatus.READY if server.status.startswith("UP") else ServerStatus.DOWN
        case SlotState.ADMITTED | SlotState.FREE:
            return ServerStatus.STARTING


def _is_same_place(one: Endpoint | None, other: Endpoint) -> bool:
    return one is not None and (one.address, one.port) == (other.address, other.port)


def _shown(endpoint: Endpoint) -> str:
    """An endpoint as HAProxy's statistics show it."""
    host = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    return f"{host}:{endpoint.port}"


def _prepare(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
