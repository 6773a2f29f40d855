"""The composition root: every object of the agent is made here, and only here web is imported.

`run` is the agent's life; `init`, `join` and `recover` work on this host's directory while no agent runs.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import ssl
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from aiohttp import web

from agent.clock import Clock, SystemClock
from agent.collect.collector import Collector
from agent.collect.container_files import ContainerFileOpener
from agent.collect.exposition import ExposedNode, LatestSamples
from agent.collect.loop_lag import LoopLag
from agent.collect.own_figures import OwnFigures
from agent.config import LoadedSettings, Network, Settings, label_pairs, networks_of, split_address
from agent.docker.access import DockerAccess
from agent.docker.engine import DockerEngine
from agent.docker.watcher import InventoryWatcher
from agent.execute.fence import Fence
from agent.execute.files import ContainerFiles
from agent.execute.probing import NetworkProber
from agent.execute.replacement_intents import ReplacementIntents
from agent.follow.anomaly_scores import AnomalyScores
from agent.follow.assignments import Assignments
from agent.follow.assignments_replica import Host
from agent.follow.assignments_reports import HostReports
from agent.follow.caught_up import CaughtUp
from agent.follow.certificate import CertificateRenewal
from agent.follow.container_desk import LocalDesk
from agent.follow.container_peer import add_container_routes
from agent.follow.every_desk import EveryDesk
from agent.follow.every_host import EveryHost
from agent.follow.every_log import EveryLog
from agent.follow.every_resources import EveryResources
from agent.follow.facts import FactsReporter
from agent.follow.fenced_host import build_fenced_host
from agent.follow.first_steps import take_first_steps
from agent.follow.heartbeat import Heartbeat
from agent.follow.history_filling import HistoryFilling
from agent.follow.history_keeping import HistoryKeeping
from agent.follow.hooks import HookRuns
from agent.follow.judged_samples import JudgedSamples
from agent.follow.local_host import LocalHost
from agent.follow.local_logs import LocalLogs
from agent.follow.local_resources import LocalResources
from agent.follow.log_collector import LogCollector
from agent.follow.log_tap import LogTaps
from agent.follow.node_history import NodeHistory
from agent.follow.peer_server import PeerDuties, build_peer_app
from agent.follow.readiness import RouterStanding
from agent.follow.recorder import Recorder
from agent.follow.removal import take_down_replicas, wait_until_removed
from agent.follow.replica_usage import ReplicaUsages
from agent.follow.route_certificates import RouteCertificates
from agent.follow.routing import Routing
from agent.follow.sample_spool import SampleSpool
from agent.follow.scaling import LeaderScaling
from agent.follow.stored_files import RegistryLogins, StoredFiles
from agent.follow.traffic_reports import TrafficReports
from agent.follow.web_certificates import WebCertificates
from agent.host.addresses import choose_advertise_address
from agent.host.listening import HEAD_TIMEOUT_S, listen
from agent.host.memory_files import MemoryFiles
from agent.host.native_memory import return_freed_memory
from agent.host.probe import ProcHostProbe
from agent.host.service_manager import ServiceManager
from agent.host.standing_objects import set_aside_standing_objects
from agent.ids import IdSource
from agent.keys.errors import KeysError
from agent.keys.identity import NodeIdentity
from agent.keys.tls import TlsIdentity
from agent.leader.alerting import Alerting
from agent.leader.autoscaling import Autoscaling
from agent.leader.delivering import Delivering
from agent.leader.duties import LeaderDuties, run_duties_while_leader
from agent.leader.exporting import Exporting
from agent.leader.image_watch import ImageWatching
from agent.leader.ports import Duty
from agent.leader.scheduling import Scheduling
from agent.logbook.logbook import Logbook
from agent.logbook.searcher import Searcher
from agent.logbook.store import LogStore
from agent.logs.setup import configure_logging
from agent.node.account_reset import AccountReset
from agent.node.admission import Admission
from agent.node.cluster import NodeCluster
from agent.node.directory import DirectoryUnusable, NodeDirectory
from agent.node.founding import Founded, FoundingRefused, found
from agent.node.issuing import Renewal, certificate_addresses
from agent.node.joining import JoinFailed, Membership, seeds_of
from agent.node.joining import join as join_cluster
from agent.node.raft import RunningRaft, start_raft
from agent.node.recovery import Recovered, RecoveryRefused
from agent.node.recovery import recover as recover_cluster
from agent.node.state import NodeState
from agent.notify.allowed import AllowedNetworks
from agent.notify.identity_providers import ProviderClient
from agent.notify.sender import HttpSender
from agent.peers.addresses import peer_address
from agent.peers.client import PeerClient
from agent.peers.container_client import ContainerPeers
from agent.peers.protocol import Beat, TrafficReport
from agent.ports import FilesRefused, FileStore
from agent.router.absent import AbsentRouter
from agent.router.choosing import choose_router, run_router
from agent.router.haproxy.router import HaproxyRouter
from agent.router.manual import ManualRouter
from agent.router.protocol import Router
from agent.router.traefik.router import TraefikRouter
from cluster.identity.keyring import Keyring
from cluster.model.ids import NodeId
from cluster.model.inventory import HostRefused, HostUnavailable
from cluster.model.node import NodeFacts
from cluster.raft.log_types import LogStorageFailed
from cluster.raft.replicator import Proposer, Replicator
from cluster.raft.transport import ListenFailed
from cluster.raft.types import RaftError
from cluster.store import StoreError, records
from web.live.hub import HUB
from web.middleware.rate_limit import Limits
from web.ports import NoExternalRouter, ProviderUnreachable, Surroundings
from web.server import build_app
from web.tools.admitting import Admitting
from web.tools.context import CONTEXT

log = logging.getLogger(__name__)

SWITCH_INTERVAL_S = 0.0005
"""With CPython's 5 ms, busy JSON work delays the Raft thread's wake-ups by 5 ms (p50)."""

STOP_TIMEOUT_S = 10.0
TAKE_DOWN_TIMEOUT_S = 30.0
ROUTER_START_S = 5.0
SAMPLES_TIMEOUT_S = 2.0
"""How long a stop waits for its last samples to be committed; what is not then is sent after the start."""


class StartRefused(Exception):
    """The agent cannot start, or a command on this host cannot be done; the text says why and what to do."""


def run(loaded: LoadedSettings) -> int:
    """Run the agent until SIGTERM or SIGINT; returns the exit status.

    Raises:
        StartRefused: before anything is served.
    """
    settings = loaded.settings
    configure_logging(settings.log.level, settings.log.format)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    return_freed_memory()
    directory = NodeDirectory(settings.node.data_dir)
    if not directory.identity.exists() and settings.bootstrap.join_address:
        token = settings.bootstrap.join_token
        assert token is not None, "settings require both or neither"
        join(loaded, host=settings.bootstrap.join_address, token=token.get_secret_value())
    try:
        identity = directory.identity.load()
        directory.require_log()
        set_aside_standing_objects()
        return asyncio.run(_Agent(settings, directory, identity).live())
    except (KeysError, LogStorageFailed, StoreError, ListenFailed, RaftError, DirectoryUnusable) as error:
        raise StartRefused(str(error)) from error


def init(loaded: LoadedSettings, *, cluster_name: str) -> Founded:
    """Make this host the first of a new cluster. Raises StartRefused with nothing half done."""
    settings = loaded.settings
    clock = SystemClock()
    password = settings.bootstrap.admin_password
    raft_address, api_address = _addresses_of(settings)
    try:
        return found(
            NodeDirectory(settings.node.data_dir),
            cluster_name=cluster_name,
            node_name=settings.node.name,
            addresses=certificate_addresses(settings.node.name, raft_address, api_address),
            raft_address=raft_address,
            api_address=api_address,
            admin_password=None if password is None else password.get_secret_value(),
            clock=clock,
            entropy=os.urandom,
        )
    except (FoundingRefused, KeysError, DirectoryUnusable, LogStorageFailed) as error:
        raise StartRefused(str(error)) from error


def join(loaded: LoadedSettings, *, host: str, token: str) -> Membership:
    """Make this host a member of the cluster of `host`. Raises StartRefused with nothing kept."""
    settings = loaded.settings
    raft_address, api_address = _addresses_of(settings)
    try:
        return join_cluster(
            NodeDirectory(settings.node.data_dir),
            host=host,
            token_text=token,
            node_name=settings.node.name,
            addresses=(),
            raft_address=raft_address,
            api_address=api_address,
            clock=SystemClock(),
            entropy=os.urandom,
        )
    except (JoinFailed, KeysError, DirectoryUnusable, LogStorageFailed) as error:
        raise StartRefused(str(error)) from error


def recover(loaded: LoadedSettings) -> Recovered:
    """Go on with this host alone. Raises StartRefused while a majority answers or the agent runs."""
    directory = NodeDirectory(loaded.settings.node.data_dir)
    try:
        identity = directory.identity.load()
        directory.require_log()
        context = TlsIdentity(directory.identity, identity).peer_client
        return recover_cluster(directory, identity, context=context, clock=SystemClock(), entropy=os.urandom)
    except (RecoveryRefused, KeysError, LogStorageFailed, DirectoryUnusable) as error:
        raise StartRefused(str(error)) from error


def reset_account(loaded: LoadedSettings, *, name: str) -> str:
    """Return the new password of an account, set by the agent of this host.

    Raises StartRefused: the agent does not run, the cluster has no quorum, there is no such account, or this
    host's key may not be read.
    """
    settings = loaded.settings
    directory = NodeDirectory(settings.node.data_dir).identity
    host, port = split_address(settings.listen.peers)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  (asked, not bound)
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def ask(identity: NodeIdentity, tls: TlsIdentity) -> str:
        client = PeerClient(
            contexts=lambda: tls.peer_client, address_of=lambda _: address, cluster_id=identity.cluster_id
        )
        async with client:
            return await client.reset_account(identity.node_id, name)

    try:
        identity = directory.load()
        return asyncio.run(ask(identity, TlsIdentity(directory, identity)))
    except PermissionError as error:
        raise StartRefused(
            f"{settings.node.data_dir} may not be read: this is for who owns the host; run it as root"
        ) from error
    except (HostUnavailable, HostRefused, KeysError) as error:
        raise StartRefused(str(error)) from error


def _addresses_of(settings: Settings) -> tuple[str, str]:
    """Where peers and people reach this host: its Raft and its api address, as "host:port"."""
    _check_ports(settings)
    advertise = settings.node.advertise_address
    if not advertise:
        chosen = choose_advertise_address(ProcHostProbe().facts().addresses)
        if chosen is None:
            raise StartRefused(
                "this host has no single address to be known by: set node.advertise_address to the one other "
                "hosts reach it at"
            )
        advertise = chosen
    host = f"[{advertise}]" if ":" in advertise else advertise
    raft, api = (split_address(address)[1] for address in (settings.listen.raft, settings.listen.api))
    return f"{host}:{raft}", f"{host}:{api}"


def _check_ports(settings: Settings) -> None:
    raft, peers = (split_address(address)[1] for address in (settings.listen.raft, settings.listen.peers))
    if peers != raft + 1:
        raise StartRefused(
            f"listen.peers has port {peers}: it must be {raft + 1}, the one after listen.raft's, where the "
            "other hosts look for it"
        )


def _version() -> str:
    try:
        return version("control-tower")
    except PackageNotFoundError:
        return "0+unknown"


@dataclass(frozen=True, slots=True)
class _Port:
    """One TLS listener of the main loop."""

    name: str
    address: str
    app: web.Application
    context: ssl.SSLContext
    announced_by: tuple[Network, ...] = ()


class _Agent:
    """One run of the agent on this host."""

    def __init__(self, settings: Settings, directory: NodeDirectory, identity: NodeIdentity) -> None:
        _check_ports(settings)
        self._settings = settings
        self._directory = directory
        self._identity = identity
        self._node_id = NodeId(identity.node_id)
        self._clock = SystemClock()
        self._ids = IdSource(self._clock)
        self._manager = ServiceManager()
        self._stopping = asyncio.Event()
        self._fatal: BaseException | None = None
        self._is_removed = False
        self._is_interrupted = False

    async def live(self) -> int:
        """Start everything, serve until told to stop, hand over, stop. Returns the exit status."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stopping.set)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        tls = TlsIdentity(self._directory.identity, self._identity)
        raft = await asyncio.to_thread(self._start_raft, tls, loop)
        try:
            async with AsyncExitStack() as stack:
                await self._serve(stack, raft, tls)
        finally:
            self._manager.stopping()
            await asyncio.to_thread(raft.thread.stop, STOP_TIMEOUT_S)
        if self._fatal is not None:
            log.critical("agent.failed", extra={"error": str(self._fatal)})
            return 1
        if self._is_removed:
            await asyncio.to_thread(self._directory.wipe)
            log.warning(
                "agent.left_cluster",
                extra={
                    "node_id": self._node_id,
                    "cluster_id": self._identity.cluster_id,
                    "next_step": "keys and state are erased; `tower join` makes this host a member again",
                },
            )
            return 0
        log.info("agent.stopped")
        return 0

    def _start_raft(self, tls: TlsIdentity, loop: asyncio.AbstractEventLoop) -> RunningRaft:
        def fatal(error: BaseException) -> None:
            self._fatal = error
            loop.call_soon_threadsafe(self._stopping.set)

        def conflict(node_id: str, reason: str) -> None:
            log.critical("agent.identity_conflict", extra={"node_id": node_id, "reason": reason})
            if node_id == self._node_id:
                fatal(StartRefused(reason))

        return start_raft(
            settings=self._settings,
            directory=self._directory,
            identity=self._identity,
            tls=tls,
            seeds=seeds_of(self._directory),
            incarnation=self._ids.new_id("in").removeprefix("in_"),
            clock=self._clock,
            rng=self._ids.new_random(),
            on_fatal=fatal,
            on_identity_conflict=conflict,
        )

    async def _serve(self, stack: AsyncExitStack, raft: RunningRaft, tls: TlsIdentity) -> None:
        settings, clock = self._settings, self._clock
        replicator = raft.replicator
        proposer = Proposer(
            replicator,
            node_id=self._node_id,
            incarnation=raft.thread.incarnation,
            rng=self._ids.new_random(),
        )
        state = NodeState(raft.store, replicator, proposer, clock)
        engine = DockerEngine(
            str(settings.docker.socket),
            request_timeout_s=settings.docker.request_timeout_s,
            pull_timeout_s=settings.docker.pull_timeout_s,
            pull_stall_timeout_s=settings.docker.pull_stall_timeout_s,
        )
        stack.push_async_callback(engine.close)
        watcher = InventoryWatcher(
            engine, clock, self._ids.new_random(), relist_interval_s=settings.docker.relist_interval_s
        )

        def disk_paths() -> list[Path]:
            docker = watcher.current.engine
            return [self._directory.path, *([] if docker is None else [Path(docker.root_dir)])]

        probe = ProcHostProbe(settings.metrics.proc_root, disk_paths=disk_paths)
        loop_lag = LoopLag(clock)
        own_figures = OwnFigures(
            status=lambda: replicator.status().engine,
            loop_lag=loop_lag,
            queues={
                "proposals": lambda: proposer.depth,
                "samples": lambda: recorder.waiting,
                "live": lambda: app[HUB].depth,
            },
            state_directory=self._directory.state,
            history_directory=self._directory.history,
        )
        collector = Collector(
            inventory=lambda: watcher.current,
            engine=engine,
            probe=probe,
            opener=ContainerFileOpener(settings.metrics.proc_root, settings.metrics.cgroup_root),
            clock=clock,
            interval_s=settings.metrics.interval_s,
            watched_interval_s=settings.metrics.watched_interval_s,
            routes=lambda: router.traffic(),
            own_figures=own_figures,
        )
        watcher.subscribe_events(collector.on_event)
        history = NodeHistory(
            self._directory.history,
            stagger=self._node_id,
            own_samples=lambda: (recorder.waiting, recorder.lost),
        )
        stack.push_async_callback(history.close)
        router = choose_router(
            settings,
            directory=self._directory.path,
            epoch=f"in-{raft.thread.incarnation}",
            clock=clock,
            rng=self._ids.new_random(),
            prober=NetworkProber(),
        )
        local_logs, log_collector = self._logs(stack, watcher)
        logins = RegistryLogins(state, self._keyring)
        files = MemoryFiles(settings.docker.files_dir, self._identity.cluster_id)
        local = LocalHost(
            node_id=self._node_id,
            engine=engine,
            watcher=watcher,
            window=collector.window,
            watch=collector.watch,
            applied_index=lambda: replicator.status().engine.applied_index,
            router_problem=lambda: _router_problem(router, clock),
            clock=clock,
            login_of=logins.of_image,
            router=lambda: _router_standing(router, clock),
        )
        local_resources = LocalResources(
            node_id=self._node_id, engine=engine, watcher=watcher, clock=clock, login_of=logins.of_image
        )
        local_desk = LocalDesk(
            engine=engine,
            access=DockerAccess(engine),
            intents=ReplacementIntents(self._directory.replacements),
            clock=clock,
            login_of=logins.of_image,
            on_changed=watcher.refresh,
        )
        members = _Members(state)
        recorder = Recorder(
            node_id=self._node_id,
            node_name=lambda: members.name_of(self._node_id) or settings.node.name,
            state=state,
            spool=SampleSpool(self._directory.samples),
            clock=clock,
        )
        collector.subscribe(recorder.take)
        exposed = LatestSamples(
            node=lambda: ExposedNode(
                node_id=self._node_id,
                name=members.name_of(self._node_id) or settings.node.name,
                version=_version(),
            ),
            clock=clock,
        )
        collector.subscribe(exposed.take)
        keeping = HistoryKeeping(history=history, state=state, clock=clock)
        client = await stack.enter_async_context(
            PeerClient(
                contexts=lambda: tls.peer_client,
                address_of=members.peer_address_of,
                cluster_id=self._identity.cluster_id,
            )
        )
        hosts = EveryHost(
            local=local,
            client=client,
            node_ids=members.node_ids,
            commit_index=lambda: replicator.status().engine.commit_index,
            clock=clock,
        )
        every_log = EveryLog(
            node_id=self._node_id, local=local_logs, client=client, node_ids=members.node_ids
        )
        admission = Admission(
            state=state, replicator=replicator, keyring=self._keyring, clock=clock, entropy=os.urandom
        )
        renewal = Renewal(state=state, keyring=self._keyring, clock=clock, entropy=os.urandom)
        cluster = NodeCluster(
            cluster_id=self._identity.cluster_id,
            node_id=self._node_id,
            version=_version(),
            replicator=replicator,
            state=state,
            admission=admission,
            keyring=self._keyring,
            clock=clock,
        )

        autoscaling = Autoscaling(node_id=self._node_id, state=state, clock=clock, new_id=self._ids.new_id)
        anomalies = AnomalyScores(history=history, clock=clock, file=self._directory.anomalies)
        alerting = Alerting(
            state=state, clock=clock, inventories=hosts, history=history, incidents=anomalies.incidents
        )
        sender = HttpSender(clock=clock, version=_version(), allowed=AllowedNetworks(state).read)
        stack.push_async_callback(sender.close)
        providers = ProviderClient(
            version=_version(), allowed=AllowedNetworks(state).read, unreachable=ProviderUnreachable
        )
        stack.push_async_callback(providers.close)
        delivering = Delivering(
            node_id=self._node_id,
            state=state,
            raft=replicator,
            clock=clock,
            sender=sender,
            keyring=self._keyring,
        )
        exporting = Exporting(
            state=state,
            raft=replicator,
            clock=clock,
            sender=sender,
            history=history,
            keyring=self._keyring,
        )
        # Those that hold what they deploy against what the surfaces do are made once those are.
        deploying: list[Duty] = []
        leading = LeaderDuties(
            node_id=self._node_id,
            state=state,
            raft=replicator,
            clock=clock,
            ids=self._ids,
            more=lambda: (autoscaling, alerting, delivering, exporting, *deploying),
        )

        def take_report(report: TrafficReport) -> bool:
            is_leading = leading.on_traffic(report)
            if is_leading:
                autoscaling.on_report(report)
            return is_leading

        fenced = build_fenced_host(
            node_id=self._node_id,
            cluster_id=self._identity.cluster_id,
            directory=self._directory,
            docker_socket=settings.docker.socket,
            engine=engine,
            inventory=lambda: watcher.current,
            state=state,
            clock=clock,
            environment=os.environ,
        )

        def make_beat(sent_s: float) -> Beat:
            asked = fenced.lease.ask(sent_s)
            return Beat(
                node_id=self._node_id,
                applied_index=raft.store.flushed_index,
                is_engine_available=watcher.current.is_available,
                sent_ms=asked.sent_ms,
                held_ms=asked.held_ms,
                answered_term=asked.answered_term,
            )

        heartbeat = Heartbeat(
            node_id=self._node_id,
            leader_id=lambda: replicator.leadership.leader_id,
            make_beat=make_beat,
            answer_own=leading.on_beat,
            on_answer=fenced.lease.take,
            client=client,
            clock=clock,
        )
        facts = FactsReporter(
            node_id=self._node_id,
            read=lambda: _facts(probe, watcher, label_pairs(settings.node.labels)),
            committed=lambda: members.facts_of(self._node_id),
            state=state,
            clock=clock,
        )

        async def renew(member: str, request: str) -> str:
            if member == self._node_id:
                return await renewal.renew(member, request)
            return await client.renew(member, request)

        certificate = CertificateRenewal(
            directory=self._directory.identity,
            identity=self._identity,
            tls=tls,
            members=lambda: [self._node_id, *(m for m in members.node_ids() if m != self._node_id)],
            renew=renew,
            clock=clock,
            entropy=os.urandom,
        )
        duties = PeerDuties(
            on_beat=leading.on_beat,
            on_traffic=take_report,
            is_removed=members.is_removed,
            renew=renewal.renew,
            scaling=autoscaling.standing,
            history=history.page,
            reset=AccountReset(
                node_id=self._node_id,
                node_name=self._identity.node_name,
                state=state,
                clock=clock,
                entropy=os.urandom,
            ).reset,
            logs=local_logs,
        )
        filling = HistoryFilling(
            node_id=self._node_id,
            history=history,
            client=client,
            node_ids=members.node_ids,
            passed_index=keeping.passed_index,
            missed=keeping.missed,
            clock=clock,
        )

        async def send_traffic(report: TrafficReport) -> None:
            leader = replicator.leadership.leader_id
            if leader == self._node_id:
                take_report(report)
            elif leader is not None:
                await client.report_traffic(leader, report)

        judged_samples = JudgedSamples(node_id=self._node_id, state=state)
        collector.subscribe(judged_samples.take)
        traffic_reports = TrafficReports(
            node_id=self._node_id,
            epoch=f"in-{raft.thread.incarnation}",
            state=state,
            router=router,
            send=send_traffic,
            clock=clock,
            usages=ReplicaUsages(
                node_id=self._node_id, state=state, window=collector.window, clock=clock
            ).read,
            samples=judged_samples.read,
            is_counting=_is_counting(router),
        )
        reports = HostReports(node_id=self._node_id, state=state, clock=clock)
        caught_up = CaughtUp(state, clock)
        certificates = RouteCertificates(
            state=state,
            keyring=self._keyring,
            directory=Path(settings.haproxy.certificates_dir) if settings.haproxy.certificates_dir else None,
            clock=clock,
        )
        web_certificates = WebCertificates(state=state, keyring=self._keyring, tls=tls, clock=clock)
        routing = Routing(state=state, router=router, reports=reports, clock=clock, certificates=certificates)
        host = Host(
            cluster_id=self._identity.cluster_id,
            engine=engine,
            prober=NetworkProber(),
            reports=reports,
            files=ContainerFiles(files, StoredFiles(state, self._keyring).open),
            clock=clock,
            fence=Fence(),
            fenced=fenced.lease,
            address=lambda: members.address_of(self._node_id),
            until_engine=watcher.until_available,
            until_caught_up=caught_up.wait,
            until_led=replicator.leadership.wait_for_leader,
            until_unrouted=routing.until_gone,
            login_of=logins.of_image,
        )
        hooks = HookRuns(node_id=self._node_id, state=state, host=host, watcher=watcher)
        assignments = Assignments(
            node_id=self._node_id, state=state, host=host, watcher=watcher, other_names=hooks.names
        )
        work: list[tuple[str, Callable[[], Coroutine[None, None, None]]]] = [
            ("watch-engine", watcher.run),
            ("collect", collector.run),
            ("count-sizes", local_resources.sizes.run),
            ("loop-lag", loop_lag.run),
            ("record-samples", recorder.run),
            ("keep-history", keeping.run),
            ("fill-history", filling.run),
            ("anomalies", anomalies.run),
            ("leader-duties", lambda: run_duties_while_leader(replicator.leadership, leading)),
            ("heartbeat", heartbeat.run),
            ("self-stop", fenced.self_stop.run),
            ("leave", fenced.leave.run),
            ("facts", facts.run),
            ("certificate", certificate.run),
            ("watchdog", self._keep_alive),
            ("first-steps", lambda: take_first_steps(self._directory, state, clock)),
            ("caught-up", caught_up.run),
            ("settle-replacements", lambda: local_desk.settle(watcher.until_available)),
            ("reports", reports.run),
            ("assignments", assignments.run),
            ("hooks", hooks.run),
            ("router", lambda: run_router(router, directory=self._directory.path, clock=clock)),
            ("route-certificates", certificates.run),
            ("routing", routing.run),
            ("web-certificates", web_certificates.run),
            ("traffic-reports", traffic_reports.run),
            ("removal", lambda: self._stop_when_removed(replicator)),
        ]
        if log_collector is not None:
            work.append(("container-logs", log_collector.run))
        surroundings = Surroundings(
            clock=clock,
            ids=_WebIds(self._ids),
            state=state,
            hosts=hosts,
            resources=EveryResources(local=local_resources, client=client),
            desk=EveryDesk(node_id=self._node_id, local=local_desk, peers=ContainerPeers(client)),
            cluster=cluster,
            public_origins=tuple(filter(None, (settings.api.public_url,))),
            trusted_proxies=networks_of(settings.api.trusted_proxies),
            request_body_bytes_max=settings.api.request_body_bytes_max,
            router=router if isinstance(router, TraefikRouter | ManualRouter) else NoExternalRouter(),
            history=history,
            anomalies=anomalies,
            exposition=exposed,
            providers=providers,
            logs=every_log,
            scaling=LeaderScaling(
                node_id=self._node_id,
                leader_id=lambda: replicator.leadership.leader_id,
                own=autoscaling.standing,
                client=client,
            ),
        )
        peer_app = build_peer_app(local, self._identity.cluster_id, duties, resources=local_resources)
        add_container_routes(peer_app, local_desk)
        await self._listen(stack, _Port("peers", settings.listen.peers, peer_app, tls.peer_server))
        limits = Limits(
            live_clients=settings.api.live_clients_max, log_streams=settings.api.log_followers_max
        )
        app = build_app(surroundings, limits=limits)
        admitting = Admitting(app[CONTEXT])
        deploying += (
            Scheduling(node_id=self._node_id, state=state, clock=clock, admission=admitting),
            ImageWatching(
                node_id=self._node_id,
                state=state,
                clock=clock,
                rng=self._ids.new_random(),
                digests=hosts,
                admission=admitting,
            ),
        )
        announced_by = networks_of(settings.api.trusted_proxies) if settings.api.proxy_protocol else ()
        await self._listen(stack, _Port("api", settings.listen.api, app, tls.web_server, announced_by))
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(begin(), name=name) for name, begin in work]
            self._manager.ready(f"serving on {settings.listen.api}")
            log.info(
                "agent.started",
                extra={"node_id": self._node_id, "api": settings.listen.api, "version": _version()},
            )
            await self._stopping.wait()
            if not self._is_removed and self._fatal is None and not await self._manager.is_host_stopping():
                # The cluster expects this host back; what ends a whole host is told from it.
                await fenced.leave.ask()
            if not self._is_removed and self._fatal is None:
                await recorder.finish(timeout_s=SAMPLES_TIMEOUT_S)
            if isinstance(router, HaproxyRouter) and (self._is_removed or self._is_interrupted):
                router.end_with_agent()
            for task in running:
                task.cancel()
        if self._is_removed:
            await self._take_down(engine, files)
            fenced.lease.end()

    def _logs(
        self, stack: AsyncExitStack, watcher: InventoryWatcher
    ) -> tuple[LocalLogs, LogCollector | None]:
        """What this host keeps of its containers' output, and what takes it in."""
        settings, clock = self._settings, self._clock
        # With connections of its own: hundreds of streams must not hold up what is asked of the engine.
        engine = DockerEngine(
            str(settings.docker.socket), request_timeout_s=settings.docker.request_timeout_s
        )
        stack.push_async_callback(engine.close)
        taps = LogTaps()
        if not settings.logs.history:
            return LocalLogs(engine=engine, taps=taps), None
        logbook = Logbook(
            LogStore(
                self._directory.logbook,
                bytes_max=settings.logs.history_bytes_max,
                age_max_d=settings.logs.history_age_max_d,
            ),
            searcher=Searcher(),
            now_us=lambda: clock.now_ms() * 1000,
        )
        stack.push_async_callback(logbook.close)
        collector = LogCollector(
            engine=engine,
            watcher=watcher,
            logbook=logbook,
            taps=taps,
            clock=clock,
            rng=self._ids.new_random(),
            lines_per_s_max=settings.logs.lines_per_second_max,
        )
        watcher.subscribe_events(collector.on_event)
        return LocalLogs(engine=engine, taps=taps, logbook=logbook, collector=collector), collector

    def _interrupt(self) -> None:
        """Someone at the terminal ends all of it; a service manager's SIGTERM leaves the router serving."""
        self._is_interrupted = True
        self._stopping.set()

    async def _stop_when_removed(self, replicator: Replicator) -> None:
        await wait_until_removed(lambda: replicator.status().engine.is_removed, self._clock)
        self._is_removed = True
        self._stopping.set()

    async def _take_down(self, engine: DockerEngine, files: FileStore) -> None:
        try:
            async with asyncio.timeout(TAKE_DOWN_TIMEOUT_S):
                await take_down_replicas(engine, cluster_id=self._identity.cluster_id)
                await files.remove_all()
        except FilesRefused as error:
            log.warning("removal.files_left", extra={"reason": str(error)})
        except TimeoutError:
            log.warning("removal.replicas_left", extra={"reason": f"not done in {TAKE_DOWN_TIMEOUT_S:g} s"})

    async def _listen(self, stack: AsyncExitStack, port: _Port) -> None:
        runner = web.AppRunner(
            port.app,
            access_log=None,
            handle_signals=False,
            keepalive_timeout=HEAD_TIMEOUT_S,
            shutdown_timeout=5.0,
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        host, number = split_address(port.address)
        try:
            await listen(
                stack,
                runner,
                host,
                number,
                context=port.context,
                connections_max=self._settings.api.connections_max,
                announced_by=port.announced_by,
            )
        except OSError as error:
            raise StartRefused(
                f"listen.{port.name} = {port.address} cannot be used: {error.strerror}: is another agent or "
                "program using the port?"
            ) from error

    async def _keep_alive(self) -> None:
        """Tell the service manager that the loop turns, as often as it wants to hear it."""
        interval_s = self._manager.watchdog_interval_s
        while interval_s is not None:
            self._manager.alive()
            await self._clock.sleep(interval_s)

    def _keyring(self) -> Keyring:
        return self._identity.keyring


class _Members:
    """Who is in the cluster, from the replicated state."""

    def __init__(self, state: NodeState) -> None:
        self._state = state

    def node_ids(self) -> list[NodeId]:
        with self._state.read() as txn:
            return [node.id for node in records.NODES.scan(txn) if node.is_member]

    def address_of(self, node_id: str) -> str:
        """Where other hosts reach this one's containers: the host it advertises."""
        with self._state.read() as txn:
            node = records.NODES.get(txn, node_id)
        return "" if node is None else split_address(node.address)[0]

    def peer_address_of(self, node_id: str) -> str | None:
        with self._state.read() as txn:
            node = records.NODES.get(txn, node_id)
        return None if node is None else peer_address(node.address)

    def facts_of(self, node_id: str) -> NodeFacts | None:
        with self._state.read() as txn:
            node = records.NODES.get(txn, node_id)
        return None if node is None else node.facts

    def name_of(self, node_id: str) -> str:
        with self._state.read() as txn:
            node = records.NODES.get(txn, node_id)
        return "" if node is None else node.name

    def is_removed(self, node_id: str) -> bool:
        with self._state.read() as txn:
            node = records.NODES.get(txn, node_id)
        return node is not None and not node.is_member


class _WebIds:
    """Ids and secrets for the surfaces."""

    def __init__(self, ids: IdSource) -> None:
        self._ids = ids

    def new_id(self, prefix: str) -> str:
        return self._ids.new_id(prefix)

    def token_bytes(self, count: int) -> bytes:
        return os.urandom(count)


def _router_standing(router: Router, clock: Clock) -> RouterStanding:
    if isinstance(router, AbsentRouter):
        return RouterStanding()
    kinds = {HaproxyRouter: "haproxy", TraefikRouter: "traefik", ManualRouter: "manual"}
    return RouterStanding(kind=kinds[type(router)], problem=_router_problem(router, clock))


def _is_counting(router: Router) -> bool:
    """Whether it knows what goes through the balancer of this host."""
    return router.is_counting if isinstance(router, TraefikRouter) else not isinstance(router, ManualRouter)


def _router_problem(router: Router, clock: Clock) -> str:
    """Why it serves nobody, once that is no mere start any more. A host may do without one."""
    if isinstance(router, AbsentRouter):
        return ""
    condition = router.condition
    is_lasting = clock.monotonic_s() - condition.since_s >= ROUTER_START_S
    return condition.problem if is_lasting and not condition.is_serving else ""


def _facts(probe: ProcHostProbe, watcher: InventoryWatcher, labels: tuple[tuple[str, str], ...]) -> NodeFacts:
    host = probe.facts()
    engine = watcher.current.engine
    return NodeFacts(
        hostname=host.hostname,
        os_name=host.os_name,
        os_version=host.os_version,
        kernel=host.kernel,
        arch=host.arch,
        cpu_count=host.cpu_count,
        memory_bytes=host.memory_bytes,
        disk_bytes=sum(disk.total_bytes for disk in host.disks),
        boot_id=host.boot_id,
        machine_id=host.machine_id,
        docker_version="" if engine is None else engine.version,
        agent_version=_version(),
        labels=labels,
    )
