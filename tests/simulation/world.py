"""A cluster of real engines in one process: nodes that crash, disks that forget, links that lie."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from cluster.raft import wire
from cluster.raft.engine import Engine, found_cluster
from cluster.raft.journal import Journal
from cluster.raft.log_types import LogStorageFull
from cluster.raft.machine import ReplicatedState
from cluster.raft.membership import Membership, decode_membership
from cluster.raft.ports import SnapshotSink
from cluster.raft.types import Message, Role, Rule
from cluster.store import StoreFull
from tests.simulation.checker import Checker, Violation
from tests.simulation.crash_log import CrashLog, PowerLost
from tests.simulation.events import Events
from tests.simulation.memory_store import MemoryStore
from tests.simulation.network import Network
from tests.simulation.profiles import Profile

TURN_DELAY_S = 0.0002
FULL_RETRY_S = 0.1
NEVER = float("-inf")


class RecordingState(ReplicatedState):
    """The replicated state, telling the checker all it applies."""

    def __init__(self, store: MemoryStore, node_id: str, world: World) -> None:
        super().__init__(store)
        self._node_id = node_id
        self._world = world
        self._checker = world.checker

    def apply_command(self, index: int, term: int, command: bytes) -> bytes:
        outcome = super().apply_command(index, term, command)
        self._checker.first_index.setdefault(command, index)
        self._note(index, term, command, outcome)
        return outcome

    def advance(self, index: int, term: int) -> None:
        super().advance(index, term)
        self._note(index, term, b"", b"")

    def set_members(self, index: int, term: int, members: bytes) -> None:
        super().set_members(index, term, members)
        self._note(index, term, members, b"")
        self._world.counts["membership entries applied"] += 1

    def begin_install(self, index: int, term: int, size: int) -> SnapshotSink:
        return _CountingSink(super().begin_install(index, term, size), self._world)

    def _note(self, index: int, term: int, command: bytes, outcome: bytes) -> None:
        self._checker.applies(self._node_id, index, term, command, outcome)
        self._checker.hashes_to(self._node_id, index, self.store.applied.state_hash)


class _CountingSink:
    def __init__(self, sink: SnapshotSink, world: World) -> None:
        self._sink = sink
        self._world = world
        self.write = sink.write
        self.abort = sink.abort

    def finish(self, sha256: bytes) -> None:
        self._sink.finish(sha256)
        self._world.counts["snapshots installed"] += 1


class CountingJournal(Journal):
    """The real journal, counting what a seed may or may not exercise."""

    def __init__(self, log: CrashLog, world: World) -> None:
        super().__init__(log, tail_entries=32, tail_bytes=16 * 1024, block_bytes=4096)
        self._world = world

    def deleteEntriesFrom(self, entryFrom: int) -> None:
        self._world.counts["entries truncated"] += len(self) - entryFrom
        super().deleteEntriesFrom(entryFrom)

    def compact(self, upto: int, base_members: bytes) -> None:
        self._world.counts["logs compacted"] += 1
        super().compact(upto, base_members)

    def reset(self, index: int, term: int, base_members: bytes) -> None:
        self._world.counts["logs begun anew"] += 1
        super().reset(index, term, base_members)


class SimNode:
    """One host: its disk outlives the process that runs on it."""

    def __init__(self, world: World, node_id: str) -> None:
        self.world = world
        self.node_id = node_id
        self.log = CrashLog()
        self.store = MemoryStore()
        self.engine: Engine | None = None
        self.journal: Journal | None = None
        self.incarnation = 0
        self.is_retired = False
        self.is_paused = False
        self.is_full = False
        self._is_offline = False
        self._full_until = NEVER
        self._paused_work: list[Callable[[], None]] = []
        self._turn_at: float | None = None
        self._offset_s = world.rng.uniform(-1000, 1000)
        self._rate = 1 + world.rng.uniform(-1, 1) * world.profile.clock_drift
        self._seen = (0, 0, 0)
        self.lease_end = NEVER
        """When the lease this node believes in ends, in the world's time."""

    @property
    def is_up(self) -> bool:
        return self.engine is not None

    def clock(self) -> float:
        return 5000 + self._offset_s + self.world.events.now * self._rate

    def begin_cluster(self, voters: dict[str, str]) -> None:
        """Give the empty disk its first membership, as `tower init` and the test's other founders do."""
        found_cluster(Journal(self.log), voters)

    def start(self) -> None:
        world = self.world
        self.incarnation += 1
        try:
            self._start_engine()
        except (PowerLost, LogStorageFull):
            # Starting over a snapshot that the log did not note yet writes the log.
            self.log.crash(world.rng)
            world.on_crash(self)
            return
        assert self.engine is not None
        status = self.engine.status()
        self._seen = (status.term, status.commit_index, status.applied_index)
        world.network.start(self.node_id)
        self.turn_soon()

    def _start_engine(self) -> None:
        world = self.world
        journal = CountingJournal(self.log, world)
        self.engine = Engine(
            node_id=self.node_id,
            timing=world.profile.timing(),
            journal=journal,
            machine=world.machine_class(self.store, self.node_id, world),
            send=self._send,
            clock=self.clock,
            rng=random.Random(f"{world.seed}-{self.node_id}-{self.incarnation}"),
            incarnation=f"{self.node_id}.{self.incarnation}",
            switched_off=world.switched_off,
        )
        self.journal = journal

    def crash(self, *, is_power_cut: bool) -> None:
        """kill -9, or the whole host without power: what was not synced is gone, and perhaps the last
        flush.
        """
        if self.engine is None:
            return
        self.world.counts["power cuts" if is_power_cut else "kills"] += 1
        self.engine = self.journal = None
        self.lease_end = NEVER
        self.is_full = self._is_offline = False
        self._turn_at = None
        self._paused_work.clear()
        self.is_paused = False
        self.log.crash(self.world.rng)
        if is_power_cut:
            self.store.crash(self.world.rng)
        else:
            self.store.crash(_NeverLose())
        self.world.network.stop(self.node_id)
        self.world.on_crash(self)

    def pause(self, duration_s: float) -> None:
        """SIGSTOP: sockets fill, time goes on."""
        if self.engine is None or self.is_paused:
            return
        self.world.counts["pauses"] += 1
        self.is_paused = True
        incarnation = self.incarnation

        def resume() -> None:
            if self.incarnation == incarnation:
                self.resume()

        self.world.events.after(duration_s, resume)

    def resume(self) -> None:
        """SIGCONT: what waited in the sockets and the timer that ran out, either of them first."""
        if self.engine is None or not self.is_paused:
            return
        self.is_paused = False
        work, self._paused_work = self._paused_work, []
        if self.world.rng.random() < 0.5:
            self.turn()
        for item in work:
            if self.engine is not None:
                self._guarded(item)
        self.turn()

    def do(self, work: Callable[[], None]) -> None:
        """Run `work` in the node's process, or when it runs again."""
        if self.engine is None:
            return
        if self.is_paused:
            self._paused_work.append(work)
            return
        self._guarded(work)
        self.turn_soon()

    def turn_soon(self) -> None:
        self._schedule_turn_by(self.world.events.now + TURN_DELAY_S)

    def _schedule_turn_by(self, at: float) -> None:
        if self._turn_at is None or self._turn_at > at:
            self._schedule_turn(at)

    def turn(self) -> None:
        self._turn_at = None
        if self.engine is None or self.is_paused:
            return
        if self.is_full and self.world.events.now < self._full_until:
            self._schedule_turn(self._full_until)
            return
        self._full_until = NEVER
        self._guarded(self.engine.turn)
        engine = self._running_engine()
        if engine is None:
            return
        if self.is_full and self._full_until == NEVER:
            self._have_room()
        self._check()
        # A node whose turns do not complete publishes no lease. `status` would cost as much again.
        self._check_lease(None if self.is_full else engine._leading.lease_until())
        if engine._is_removed:
            self.world.counts["removed nodes told"] += 1
            self.world.retire(self)
            return
        wakeup = self.world.events.now + max(0.0, engine.next_wakeup() - self.clock()) / self._rate
        self._schedule_turn_by(max(wakeup + 1e-6, self.world.events.now + TURN_DELAY_S))

    def _running_engine(self) -> Engine | None:
        """The engine, unless a crash has just ended it."""
        return self.engine

    def _schedule_turn(self, at: float) -> None:
        self._turn_at = at

        def run() -> None:
            if self._turn_at == at:
                self.turn()

        self.world.events.at(at, run)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except PowerLost:
            self.world.counts["writes interrupted"] += 1
            self.crash(is_power_cut=True)
        except (LogStorageFull, StoreFull) as error:
            assert self.engine is not None
            self.world.counts["full logs" if isinstance(error, LogStorageFull) else "full states"] += 1
            try:
                self._stay_full(self.engine)
            except PowerLost:
                self.crash(is_power_cut=True)

    def _stay_full(self, engine: Engine) -> None:
        """Let another lead, take no part (or still some, for the engine may not rely on that), try again."""
        if not self.is_full:
            self.is_full = True
            if engine.transfer_leadership(None):
                with suppress(LogStorageFull, StoreFull):
                    engine.turn()
            if self.world.rng.random() < 0.5:
                # Closing a session lets what was sent before arrive.
                self.world.events.after(2 * self.world.profile.latency_max_s, self._go_offline)
        self._full_until = self.world.events.now + FULL_RETRY_S
        self._turn_at = None
        self._schedule_turn(self._full_until)

    def _go_offline(self) -> None:
        if self.is_full and not self._is_offline:
            self._is_offline = True
            self.world.network.leave(self.node_id)

    def _have_room(self) -> None:
        self.is_full = False
        if self._is_offline:
            self._is_offline = False
            self.world.network.start(self.node_id)

    def _send(self, peer: str, message: Message) -> None:
        self.world.network.send(self.node_id, peer, wire.encode(message))

    def _check(self) -> None:
        assert self.engine is not None
        assert self.journal is not None
        checker = self.world.checker
        node = self.engine._core.node
        seen = (node.raftCurrentTerm, node.raftCommitIndex, node.raftLastApplied)
        if seen == self._seen:
            return
        for what, before, after in zip(
            ("term", "commit index", "applied index"), self._seen, seen, strict=True
        ):
            checker.moves(self.node_id, what, before, after)
        if self.engine.members != self.engine._members_in_log():
            raise Violation(f"membership: {self.node_id} counts with another than that of its log")
        is_leader = self.engine._core.is_leader
        if is_leader:
            checker.leads(self.node_id, seen[0])
        first_new = max(self._seen[1], self.journal.first_index) + 1
        if seen[1] >= first_new:
            checker.commits(self.node_id, self.journal.entries(first_new, seen[1] + 1))
            if is_leader:
                self._check_durability(seen[1])
        self._seen = seen

    def _check_lease(self, until: float | None) -> None:
        """Each node reads its lease on its own clock; that clock's error is what the lease must allow for."""
        now = self.world.events.now
        self.lease_end = NEVER if until is None else now + (until - self.clock()) / self._rate
        if self.lease_end > now:
            self.world.counts["turns under a lease"] += 1
            others = [
                node.node_id
                for node in self.world.nodes.values()
                if node is not self and node.lease_end > now
            ]
            if others:
                raise Violation(f"leases overlap: {self.node_id} holds one, and so does {', '.join(others)}")

    def _check_durability(self, index: int) -> None:
        assert self.engine is not None
        assert self.journal is not None
        term = self.journal.term_at(index)
        assert term is not None
        members = self.engine.members
        holders = [voter for voter in members.voters if self.world.holds_durably(voter, index, term)]
        self.world.checker.durably_commits(index, term, holders, members.quorum)


class _NeverLose(random.Random):
    def random(self) -> float:
        return 1.0


class World:
    """Everything of one seed."""

    machine_class: type[RecordingState] = RecordingState
    network_class: type[Network] = Network

    def __init__(self, seed: int, profile: Profile, switched_off: frozenset[Rule] = frozenset()) -> None:
        self.seed = seed
        self.profile = profile
        self.switched_off = switched_off
        self.rng = random.Random(f"world-{seed}")
        self.events = Events()
        self.checker = Checker()
        self.counts: Counter[str] = Counter()
        """What happened how often; a batch of seeds in which something never happens proves nothing of it."""
        self.crash_listeners: list[Callable[[SimNode], None]] = []
        self.network = self.network_class(
            self.events,
            random.Random(f"network-{seed}"),
            (profile.latency_min_s, profile.latency_max_s),
            self._deliver,
            self._connected,
            self._disconnected,
        )
        self.nodes: dict[str, SimNode] = {}
        self.founders = founders = [f"n{number}" for number in range(1, profile.nodes + 1)]
        self._next_id = profile.nodes + 1
        for node_id in founders:
            node = self.nodes[node_id] = SimNode(self, node_id)
            node.begin_cluster({founder: f"{founder}:7444" for founder in founders})
        for node_id in founders:
            self.nodes[node_id].start()

    def new_node(self) -> SimNode:
        """A host with an empty disk and an id that was never used."""
        node_id = f"n{self._next_id}"
        self._next_id += 1
        node = self.nodes[node_id] = SimNode(self, node_id)
        node.start()
        return node

    def retire(self, node: SimNode) -> None:
        """A removed node wipes itself and never returns."""
        node.is_retired = True
        node.crash(is_power_cut=False)

    def up(self) -> list[SimNode]:
        return [node for node in self.nodes.values() if node.is_up]

    def leader(self) -> SimNode | None:
        leaders = [node for node in self.up() if node.engine is not None and node.engine._core.is_leader]
        return max(
            leaders,
            key=lambda node: node.engine._core.node.raftCurrentTerm if node.engine else 0,
            default=None,
        )

    def members(self) -> Membership:
        """The newest membership that is committed anywhere."""
        newest = max(self.nodes.values(), key=lambda node: node.store.applied.index)
        return decode_membership(newest.store.members())

    def holds_durably(self, node_id: str, index: int, term: int) -> bool:
        node = self.nodes.get(node_id)
        if node is None:
            return False
        if index < node.log.first_index:
            return True
        held = node.log.read(index, index + 1, 1 << 30)
        return bool(held) and held[0][2] == term

    def on_crash(self, node: SimNode) -> None:
        for listener in self.crash_listeners:
            listener(node)

    def _deliver(self, sender: str, receiver: str, frame: bytes) -> None:
        node = self.nodes[receiver]
        message = wire.decode(frame)

        def receive() -> None:
            assert node.engine is not None
            node.engine.receive(sender, message)

        node.do(receive)

    def _connected(self, node_id: str, peer: str) -> None:
        node = self.nodes[node_id]
        node.do(lambda: node.engine.peer_connected(peer) if node.engine else None)

    def _disconnected(self, node_id: str, peer: str) -> None:
        node = self.nodes[node_id]
        node.do(lambda: node.engine.peer_disconnected(peer) if node.engine else None)


def is_leading(node: SimNode) -> bool:
    return node.engine is not None and node.engine.status().role is Role.LEADER
