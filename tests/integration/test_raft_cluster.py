"""Whole nodes in one process: threads, engine, journal on LMDB, sockets with mTLS on loopback."""

import asyncio
import contextlib
import os
import random
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.raft.engine import Engine, found_cluster
from cluster.raft.journal import Journal
from cluster.raft.log_storage import LmdbLog
from cluster.raft.log_types import LogBatch, LogStorageFailed, LogStorageFull
from cluster.raft.membership import MemberChange, MemberOp
from cluster.raft.ports import SnapshotSink, SnapshotSource
from cluster.raft.raft_thread import PeerPort, RaftParts, RaftThread
from cluster.raft.replicator import (
    CommandId,
    NotCommitted,
    OutcomeUnknown,
    Proposer,
    RaftReplicator,
    ReadLevel,
    ReadUnavailable,
)
from cluster.raft.session import RefusalCode
from cluster.raft.transport import ListenFailed, TransportSettings
from cluster.raft.types import Timing
from cluster.store import Committed, StoreFull
from tests.support.raft_certificates import Authority

NOW_MS = 1_700_000_000_000
TIMING = Timing(
    heartbeat_s=0.05, election_min_s=0.4, election_max_s=0.7, quorum_check_s=0.3, lease_s=0.25, transfer_s=1.0
)
SESSIONS = TransportSettings(dead_peer_s=1.0, keep_alive_s=0.2, handshake_s=1.0, dial_s=1.0, retry_max_s=0.1)


class Disk:
    """How the disk under a node behaves at the moment."""

    def __init__(self) -> None:
        self.is_log_full = False
        self.is_state_full = False
        self.is_broken = False


class FaultyLog(LmdbLog):
    """The real log on a disk that can be full or broken."""

    def __init__(self, path: Path, disk: Disk) -> None:
        super().__init__(path, reserve_bytes=0)
        self._disk = disk

    def write(self, batch: LogBatch) -> None:
        if self._disk.is_broken:
            raise LogStorageFailed("the disk lost a write")
        if self._disk.is_log_full and batch.entries:
            raise LogStorageFull("no space left on device")
        super().write(batch)


class Recorder:
    """A state machine that remembers commands in order and recognises one that comes twice."""

    def __init__(self, disk: Disk) -> None:
        self.applied_index = self.applied_term = 0
        self.commands: dict[bytes, int] = {}
        self.flushed: list[bytes] = []
        self.subscribers: list[Callable[[Committed], None]] = []
        self._disk = disk
        self._members = b""
        self._batch: list[bytes] = []
        self._is_open = False

    def subscribe(self, callback: Callable[[Committed], None]) -> Callable[[], None]:
        self.subscribers.append(callback)
        return lambda: self.subscribers.remove(callback)

    def apply_command(self, index: int, term: int, command: bytes) -> bytes:
        self.advance(index, term)
        if command not in self.commands:
            self.commands[command] = index
            self._batch.append(command)
        return b"%d" % self.commands[command]

    def advance(self, index: int, term: int) -> None:
        assert index == self.applied_index + 1 or self.applied_index == 0
        self.applied_index, self.applied_term = index, term
        self._is_open = True

    def set_members(self, index: int, term: int, members: bytes) -> None:
        self.advance(index, term)
        self._members = members

    def members(self) -> bytes:
        return self._members

    def flush(self) -> None:
        if not self._is_open:
            return
        if self._disk.is_state_full:
            raise StoreFull("no space left on device")
        self.flushed += self._batch
        self._batch, self._is_open = [], False
        for subscriber in self.subscribers:
            subscriber(Committed(self.applied_index, frozenset()))

    def sync(self) -> int:
        return self.applied_index

    def checkpoint(self) -> tuple[int, bytes] | None:
        return None

    def checkpoint_at(self, index: int) -> bytes | None:
        return None

    def prepare_snapshot(self) -> None:
        raise AssertionError("no log is that long here")

    def take_snapshot(self) -> SnapshotSource | None:
        raise AssertionError("no log is that long here")

    def begin_install(self, index: int, term: int, size: int) -> SnapshotSink:
        raise AssertionError("no log is that long here")


class ClusterNode:
    """One node that can be started, killed and started again on its data."""

    def __init__(self, cluster: "Cluster", node_id: str, port: int) -> None:
        self.cluster = cluster
        self.node_id = node_id
        self.address = f"127.0.0.1:{port}"
        self.starts = 0
        self.disk = Disk()
        self.barred: set[str] = set()
        self.machine: Recorder
        self.thread: RaftThread
        self.replicator: RaftReplicator
        self.proposer: Proposer
        self.fatal: list[BaseException] = []
        self.conflicts: list[tuple[str, str]] = []

    def make(self) -> RaftThread:
        self.starts += 1
        incarnation = str(self.starts)
        self.fatal, self.conflicts = [], []

        def build(send: Any, clock: Callable[[], float]) -> RaftParts:
            log = FaultyLog(self.cluster.path / self.node_id, self.disk)
            journal = Journal(log)
            if len(journal) == 0 and self.node_id in self.cluster.founders:
                found_cluster(journal, self.cluster.founders)
            self.machine = Recorder(self.disk)
            engine = Engine(
                node_id=self.node_id,
                timing=TIMING,
                journal=journal,
                machine=self.machine,
                send=send,
                clock=clock,
                rng=random.Random(f"{self.node_id}-{incarnation}"),
                incarnation=incarnation,
            )
            return RaftParts(engine=engine, close=log.close, subscribe=self.machine.subscribe)

        self.thread = RaftThread(
            node_id=self.node_id,
            incarnation=incarnation,
            build=build,
            port=PeerPort(
                cluster_id="c1",
                listen=self.address,
                tls=self.cluster.contexts(self.node_id),
                may_connect=lambda peer: peer not in self.barred,
                settings=SESSIONS,
            ),
            timing=TIMING,
            data_path=f"/var/lib/{self.node_id}",
            on_fatal=self.fatal.append,
            on_identity_conflict=lambda node_id, reason: self.conflicts.append((node_id, reason)),
            rng=random.Random(f"{self.node_id}-{incarnation}-port"),
            now_ms=lambda: NOW_MS,
            use_uvloop=self.cluster.use_uvloop,
        )
        self.replicator = RaftReplicator(self.thread)
        self.proposer = Proposer(
            self.replicator, node_id=self.node_id, incarnation=incarnation, rng=random.Random(self.starts)
        )
        return self.thread

    async def start(self) -> None:
        await asyncio.to_thread(self.make().start, 10.0)

    async def stop(self) -> None:
        await asyncio.to_thread(self.thread.stop)

    async def kill(self) -> None:
        """End at once: no hand-over, nothing sent, nothing written."""

        def die(engine: object) -> None:
            raise SystemError("killed by the test")

        self.thread.submit(die)
        await asyncio.to_thread(self.thread._thread.join, 10.0)
        assert self.fatal

    @property
    def is_leader(self) -> bool:
        return self.thread.is_running and self.replicator.leadership.is_leader


class Cluster:
    def __init__(self, path: Path, use_uvloop: bool = True) -> None:
        self.path = path
        self.authority = Authority(path / "certificates")
        self.use_uvloop = use_uvloop
        self.nodes: dict[str, ClusterNode] = {}
        self._contexts: dict[str, Any] = {}
        for name in ("n1", "n2", "n3"):
            self.add(name)
        self.founders = {name: node.address for name, node in self.nodes.items()}

    def add(self, node_id: str) -> ClusterNode:
        node = self.nodes[node_id] = ClusterNode(self, node_id, free_port())
        return node

    def contexts(self, node_id: str) -> Any:
        if node_id not in self._contexts:
            self._contexts[node_id] = self.authority.contexts(node_id)
        return self._contexts[node_id]

    def running(self) -> list[ClusterNode]:
        return [node for node in self.nodes.values() if node.starts and node.thread.is_running]

    def others(self, *apart: ClusterNode) -> list[ClusterNode]:
        return [node for node in self.running() if node not in apart]

    async def leader(self, *, not_: ClusterNode | None = None, timeout_s: float = 10.0) -> ClusterNode:
        def found() -> list[ClusterNode]:
            return [node for node in self.running() if node.is_leader and node is not not_]

        await until(found, timeout_s)
        return found()[0]

    async def converged(self) -> list[bytes]:
        """The commands, once all running nodes have the same, newest ones applied."""

        def same() -> bool:
            statuses = [node.thread.engine_status() for node in self.running()]
            return len({(status.applied_index, status.last_index) for status in statuses}) == 1 and all(
                status.applied_index == status.last_index for status in statuses
            )

        await until(same)
        first, *rest = [list(node.machine.flushed) for node in self.running()]
        assert all(commands == first for commands in rest)
        return first


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Wait for something other threads bring about."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  what is awaited happens in other threads
            await asyncio.sleep(0.005)


Form = Callable[..., Awaitable[Cluster]]


@pytest.fixture
async def form(tmp_path: Path) -> AsyncIterator[Form]:
    made: list[Cluster] = []

    async def start(*, use_uvloop: bool = True) -> Cluster:
        cluster = Cluster(tmp_path, use_uvloop)
        made.append(cluster)
        for node in cluster.nodes.values():
            await node.start()
        await cluster.leader()
        return cluster

    yield start
    for cluster in made:
        await asyncio.gather(*(node.stop() for node in cluster.running()))


def command(n: int) -> Callable[[CommandId], bytes]:
    return lambda command_id: f"{command_id.client_id}/{command_id.sequence}/{n}".encode()


@pytest.mark.parametrize("use_uvloop", [True, False], ids=["uvloop", "asyncio"])
async def test_three_nodes_elect_one_leader_and_take_commands_on_every_node(
    form: Form, use_uvloop: bool
) -> None:
    cluster = await form(use_uvloop=use_uvloop)
    await asyncio.gather(
        *(node.proposer.propose(command(n), timeout_s=5) for n in range(50) for node in cluster.running())
    )
    assert len(await cluster.converged()) == 150
    leader = await cluster.leader()
    assert [node.is_leader for node in cluster.running()].count(True) == 1
    for node in cluster.running():
        assert await node.replicator.leadership.wait_for_leader() == leader.node_id
    status = leader.replicator.status()
    assert {session.peer for session in status.sessions} <= set(cluster.nodes)
    assert sum(status.turn_times.counts) > 0
    assert leader.replicator.lease_until_s() is not None


async def test_a_linearizable_read_anywhere_sees_what_was_acknowledged_before(form: Form) -> None:
    cluster = await form()
    leader = await cluster.leader()
    for n in range(10):
        index = int(await leader.proposer.propose(command(n), timeout_s=5))
        points = await asyncio.gather(
            *(node.replicator.read(ReadLevel.LINEARIZABLE, timeout_s=5) for node in cluster.running())
        )
        assert all(point.applied_index >= index for point in points)
        assert all(len(node.machine.flushed) == n + 1 for node in cluster.running())


async def test_a_killed_leader_is_replaced_and_returns_on_its_data(form: Form) -> None:
    cluster = await form()
    leader = await cluster.leader()
    for n in range(20):
        await leader.proposer.propose(command(n), timeout_s=5)
    before = time.monotonic()
    await leader.kill()
    successor = await cluster.leader(not_=leader)
    assert time.monotonic() - before < 5
    for n in range(20):
        await successor.proposer.propose(command(n), timeout_s=5)
    await leader.start()
    assert len(await cluster.converged()) == 40
    assert not leader.fatal


async def test_a_command_under_way_while_the_leader_dies_is_applied_exactly_once(form: Form) -> None:
    cluster = await form()
    leader = await cluster.leader()
    follower = cluster.others(leader)[0]
    proposing = [
        asyncio.get_running_loop().create_task(follower.proposer.propose(command(n), timeout_s=15))
        for n in range(300)
    ]
    await until(lambda: any(task.done() for task in proposing))
    await leader.kill()
    await asyncio.gather(*proposing)
    await leader.start()
    commands = await cluster.converged()
    assert len(commands) == len(set(commands)) == 300


async def test_a_leader_that_is_cut_off_is_replaced_and_answers_honestly(form: Form) -> None:
    cluster = await form()
    leader = await cluster.leader()
    await leader.proposer.propose(command(0), timeout_s=5)
    followers = cluster.others(leader)
    leader.barred = {node.node_id for node in followers}
    for node in followers:
        node.barred = {leader.node_id}
    await until(lambda: not leader.thread.engine_status().connected)
    alone = asyncio.get_running_loop().create_task(leader.proposer.propose(command(1), timeout_s=2))
    successor = await cluster.leader(not_=leader)
    await successor.proposer.propose(command(2), timeout_s=5)
    await leader.replicator.leadership.wait_until_lost(leader.replicator.leadership.term)
    with pytest.raises((NotCommitted, OutcomeUnknown)):
        await alone
    with pytest.raises(ReadUnavailable):
        await leader.replicator.read(ReadLevel.LINEARIZABLE, timeout_s=0.3)
    stale = await leader.replicator.read(ReadLevel.LOCAL, timeout_s=1)
    assert stale.age_ms is not None
    assert stale.age_ms > 300
    assert leader.replicator.lease_until_s() is None
    for node in cluster.running():
        node.barred = set()
    commands = await cluster.converged()
    assert len([entry for entry in commands if entry.endswith((b"/0", b"/2"))]) == 2


async def test_a_leader_that_hands_over_knows_how_fresh_it_is(form: Form) -> None:
    cluster = await form()
    leader = await cluster.leader()
    await leader.proposer.propose(command(0), timeout_s=5)
    await cluster.converged()
    leads_since = leader.thread.clock()
    await until(lambda: leader.thread.clock() - leads_since > 2)
    await leader.replicator.transfer_leadership(timeout_s=5)
    read = await leader.replicator.read(ReadLevel.LOCAL, timeout_s=1)
    assert read.age_ms is not None
    assert read.age_ms < 2000


async def test_a_stopped_leader_hands_over_without_an_election_timeout(form: Form) -> None:
    cluster = await form()
    leader = await cluster.leader()
    await leader.proposer.propose(command(0), timeout_s=5)
    await cluster.converged()
    term = leader.replicator.leadership.term
    before = time.monotonic()
    stopping = asyncio.get_running_loop().create_task(leader.stop())
    successor = await cluster.leader(not_=leader)
    assert time.monotonic() - before < TIMING.election_min_s
    assert successor.replicator.leadership.term == term + 1
    await stopping
    with pytest.raises(NotCommitted, match="stopping"):
        await leader.replicator.propose(b"late", timeout_s=1)


async def test_leadership_is_transferred_to_the_member_asked_for(form: Form) -> None:
    cluster = await form()
    leader = await cluster.leader()
    target = cluster.others(leader)[0]
    await cluster.converged()
    await until(lambda: target.node_id in leader.thread.engine_status().connected)
    await leader.replicator.transfer_leadership(target.node_id, timeout_s=5)
    assert await cluster.leader() is target
    with pytest.raises(NotCommitted, match="n9 cannot lead"):
        await target.replicator.transfer_leadership("n9", timeout_s=5)


@pytest.mark.parametrize("what", ["is_log_full", "is_state_full"])
async def test_a_leader_with_a_full_disk_hands_over_refuses_writes_and_works_again_with_room(
    form: Form, what: str
) -> None:
    cluster = await form()
    leader = await cluster.leader()
    acknowledged = [int(await leader.proposer.propose(command(n), timeout_s=5)) for n in range(5)]
    setattr(leader.disk, what, True)
    with contextlib.suppress(NotCommitted, OutcomeUnknown):
        await leader.replicator.propose(b"one too many", timeout_s=2)
    successor = await cluster.leader(not_=leader)
    assert not leader.is_leader
    await until(lambda: leader.thread.disk_full)
    with pytest.raises(NotCommitted, match=rf"disk full on {leader.node_id}: free space in /var/lib/"):
        await leader.proposer.propose(command(5), timeout_s=5)
    point = await leader.replicator.read(ReadLevel.LOCAL, timeout_s=1)
    assert point.applied_index >= max(acknowledged[:-1])
    assert "disk full" in (leader.replicator.status().disk_full or "")
    for n in range(6, 10):
        await successor.proposer.propose(command(n), timeout_s=5)
    await until(lambda: leader.node_id in successor.thread.status().refusals)
    assert successor.thread.status().refusals[leader.node_id].code is RefusalCode.PAUSED
    setattr(leader.disk, what, False)
    await until(lambda: leader.thread.disk_full is None)
    await leader.proposer.propose(command(10), timeout_s=10)
    commands = [entry for entry in await cluster.converged() if entry != b"one too many"]
    assert len(commands) == 10
    assert not leader.fatal


async def test_a_broken_disk_ends_the_node_loudly_and_the_others_go_on(form: Form) -> None:
    cluster = await form()
    leader = await cluster.leader()
    leader.disk.is_broken = True
    with pytest.raises(OutcomeUnknown, match="stopped"):
        await leader.replicator.propose(b"lost", timeout_s=5)
    await asyncio.to_thread(leader.thread._thread.join, 5.0)
    assert isinstance(leader.fatal[0], LogStorageFailed)
    assert not leader.thread.is_running
    with pytest.raises(NotCommitted, match="stopping"):
        await leader.replicator.propose(b"late", timeout_s=1)
    successor = await cluster.leader(not_=leader)
    await successor.proposer.propose(command(0), timeout_s=5)


async def test_a_mistake_in_a_callback_ends_the_node_as_loudly_as_one_in_a_turn(form: Form) -> None:
    cluster = await form()
    follower = cluster.others(await cluster.leader())[0]

    def mistake() -> None:
        raise LookupError("nobody awaits this")

    def plant(engine: object) -> None:
        asyncio.get_running_loop().call_soon(mistake)

    follower.thread.submit(plant)
    await until(lambda: follower.fatal)
    assert isinstance(follower.fatal[0], LookupError)


async def test_a_fourth_node_joins_as_a_learner_then_votes_and_leaves_again(form: Form) -> None:
    cluster = await form()
    leader = await cluster.leader()
    for n in range(30):
        await leader.proposer.propose(command(n), timeout_s=5)
    fourth = cluster.add("n4")
    await fourth.start()
    follower = cluster.others(leader, fourth)[0]
    await follower.replicator.change_members(
        MemberChange(MemberOp.LEARNER, "n4", fourth.address), timeout_s=5
    )
    await until(lambda: len(fourth.machine.flushed) == 30)
    await leader.replicator.change_members(MemberChange(MemberOp.VOTER, "n4"), timeout_s=5)
    await until(lambda: "n4" in fourth.thread.engine_status().voters)
    await fourth.proposer.propose(command(30), timeout_s=5)
    with pytest.raises(NotCommitted, match="votes already"):
        await leader.replicator.change_members(MemberChange(MemberOp.VOTER, "n4"), timeout_s=5)
    await leader.replicator.change_members(MemberChange(MemberOp.REMOVE, "n4"), timeout_s=5)
    await until(lambda: fourth.thread.engine_status().is_removed)


async def test_subscribers_of_every_node_hear_of_commits(form: Form) -> None:
    cluster = await form()
    heard: dict[str, list[Committed]] = {node_id: [] for node_id in cluster.nodes}
    for node_id, node in cluster.nodes.items():
        node.replicator.subscribe(heard[node_id].append)
    leader = await cluster.leader()
    index = int(await leader.proposer.propose(command(0), timeout_s=5))
    await until(lambda: all(events and events[-1].index >= index for events in heard.values()))
    assert all(node.machine.flushed for node in cluster.running())


async def test_a_second_process_with_a_members_identity_is_refused_and_both_sides_know(form: Form) -> None:
    cluster = await form()
    leader = await cluster.leader()
    original = cluster.others(leader)[0]
    await until(lambda: len(leader.thread.engine_status().connected) == 2)
    double = ClusterNode(cluster, original.node_id, free_port())
    double.starts = 100
    cluster_path, cluster.path = cluster.path, cluster.path / "double"
    cluster.path.mkdir()
    await double.start()
    cluster.path = cluster_path
    try:
        await until(lambda: double.conflicts and leader.conflicts)
        assert double.conflicts[0][0] == original.node_id
        assert "another process is using this node's identity" in leader.conflicts[0][1]
        await original.proposer.propose(command(0), timeout_s=5)
    finally:
        await double.stop()


async def test_garbage_at_the_port_changes_nothing(form: Form) -> None:
    cluster = await form()
    leader = await cluster.leader()
    term = leader.replicator.leadership.term
    host, _, port = leader.address.rpartition(":")
    for size in (0, 1, 7, 5000):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(os.urandom(size))
        writer.write_eof()
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 5)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    await leader.proposer.propose(command(0), timeout_s=5)
    assert leader.is_leader
    assert leader.replicator.leadership.term == term


async def test_a_node_that_cannot_start_says_why(form: Form, tmp_path: Path) -> None:
    cluster = await form()
    taken = ClusterNode(cluster, "n9", 0)
    taken.address = cluster.nodes["n1"].address
    with pytest.raises(ListenFailed, match="is taken"):
        await taken.start()
    unusable = ClusterNode(cluster, "n8", free_port())
    (tmp_path / "n8").write_text("not a directory")
    with pytest.raises(LogStorageFailed):
        await unusable.start()
    assert not unusable.thread.is_running


async def test_a_cluster_of_one_works_and_stops(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.nodes = {"n1": cluster.nodes["n1"]}
    cluster.founders = {"n1": cluster.nodes["n1"].address}
    node = cluster.nodes["n1"]
    await node.start()
    await cluster.leader()
    await node.proposer.propose(command(0), timeout_s=5)
    assert (await node.replicator.read(ReadLevel.LINEARIZABLE, timeout_s=5)).applied_index > 0
    with pytest.raises(NotCommitted, match="no other voter"):
        await node.replicator.transfer_leadership(timeout_s=1)
    await node.stop()
    await node.start()
    await cluster.leader()
    assert len(node.machine.flushed) == 1
    await node.stop()
