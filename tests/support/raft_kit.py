"""One Raft node at a time, fed by hand: a real engine, or an unmodified pysyncobj for comparison.

A test delivers, repeats, reorders and withholds messages as it likes, and looks at what the node answers. The
clock stands still unless it is moved.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from pysyncobj import SyncObj, SyncObjConf, replicated
from pysyncobj.journal import Journal as StockJournal
from pysyncobj.transport import Transport

from cluster.encoding import pack
from cluster.raft import wire
from cluster.raft.binding import RaftNode, Surroundings, bind, inside
from cluster.raft.engine import Engine, found_cluster
from cluster.raft.journal import Journal
from cluster.raft.machine import ReplicatedState
from cluster.raft.types import NO_OP, Entry, Message, ProposalOutcome, ReadOutcome, Rule, Timing
from tests.simulation.crash_log import CrashLog
from tests.simulation.memory_store import MemoryStore

VOTERS = ("n1", "n2", "n3")
FIVE = ("n1", "n2", "n3", "n4", "n5")
STARTED_AT = 1000.0


class HandClock:
    """Moved by the test alone."""

    def __init__(self) -> None:
        self.now = STARTED_AT

    def __call__(self) -> float:
        return self.now


class LowRandom(random.Random):
    """Draws the same every time, so that a test knows when an election timeout is over."""

    def random(self) -> float:
        return 0.5


class Worst(random.Random):
    """Whatever may go wrong does."""

    def random(self) -> float:
        return 0.0


def an_entry(index: int, term: int, text: str = "") -> Entry:
    return b"\0" + (text or f"{index}.{term}").encode(), index, term


def entries(indexes: Iterable[int], term: int) -> list[Entry]:
    return [an_entry(index, term) for index in indexes]


def no_ops(indexes: Iterable[int], term: int) -> list[Entry]:
    """Entries that an unmodified node can apply too."""
    return [(NO_OP, index, term) for index in indexes]


def append_entries(
    term: int, previous: tuple[int, int], new: Sequence[Entry] = (), *, commit: int = 0, seq: int = 1
) -> Message:
    """`previous` is (index, term) of the entry that `new` follows."""
    return {
        "type": "append_entries",
        "term": term,
        "commit_index": commit,
        "seq": seq,
        "digest": None,
        "prevLogIdx": previous[0],
        "prevLogTerm": previous[1],
        "entries": list(new),
    }


def snapshot_chunk(term: int, chunk: list[object] | None, *, commit: int = 0, seq: int = 1) -> Message:
    return {
        "type": "append_entries",
        "term": term,
        "commit_index": commit,
        "seq": seq,
        "digest": None,
        "serialized": chunk,
    }


def ack(term: int, next_index: int, *, success: bool = True, reset: bool = False, seq: int = 0) -> Message:
    return {
        "type": "next_node_idx",
        "term": term,
        "next_node_idx": next_index,
        "reset": reset,
        "success": success,
        "seq": seq,
    }


def request_vote(term: int, last: tuple[int, int], *, transfer: bool = False) -> Message:
    """`last` is (index, term) of the candidate's last entry."""
    return {
        "type": "request_vote",
        "term": term,
        "last_log_index": last[0],
        "last_log_term": last[1],
        "transfer": transfer,
    }


def pre_vote(term: int, last: tuple[int, int], *, round_number: int = 1) -> Message:
    return {
        "type": "pre_vote",
        "term": term,
        "last_log_index": last[0],
        "last_log_term": last[1],
        "round": round_number,
    }


class EngineNode:
    """A founder of a cluster of `voters`, with sessions to all the others.

    Its log begins with the members (entries 2 to 1 + voters, term 0), so with three voters the first entry of
    a test has index 5.
    """

    def __init__(
        self,
        node_id: str = "n1",
        voters: Sequence[str] = VOTERS,
        *,
        off: Iterable[Rule] = (),
        timing: Timing | None = None,
        is_empty: bool = False,
        machine: Callable[[MemoryStore], ReplicatedState] = ReplicatedState,
        **timings: Any,
    ) -> None:
        self.node_id = node_id
        self.clock = HandClock()
        self.log, self.store = CrashLog(), MemoryStore()
        self.sent: list[tuple[str, Message]] = []
        self._off = frozenset(off)
        self._timing = replace(timing or Timing(), **timings)
        self._machine = machine
        self._starts = 0
        if not is_empty:
            found_cluster(Journal(self.log), {voter: f"{voter}:7444" for voter in voters})
        self.start()
        self.connect(*(voter for voter in voters if voter != node_id))

    def start(self) -> None:
        """Start the process anew on the same disk, without sessions."""
        self._starts += 1
        self.journal = Journal(self.log)
        self.machine = self._machine(self.store)
        self.engine = Engine(
            node_id=self.node_id,
            timing=self._timing,
            journal=self.journal,
            machine=self.machine,
            send=lambda peer, message: self.sent.append((peer, wire.decode(wire.encode(message)))),
            clock=self.clock,
            rng=LowRandom(),
            incarnation=f"{self.node_id}.{self._starts}",
            switched_off=self._off,
        )

    def crash(self) -> None:
        """Cut the power, which takes all it can, the state's last flush included, and start again."""
        self.log.crash()
        self.store.crash(Worst())
        self.sent.clear()
        self.start()

    # What happens to it

    def connect(self, *peers: str) -> None:
        for peer in peers:
            self.engine.peer_connected(peer)

    def disconnect(self, *peers: str) -> None:
        for peer in peers:
            self.engine.peer_disconnected(peer)

    def receive(self, peer: str, message: Message) -> None:
        self.engine.receive(peer, wire.decode(wire.encode(message)))

    def turn(self) -> None:
        self.engine.turn()

    def hear(self, peer: str, message: Message) -> list[Message]:
        """Receive `message` and make a turn. Returns what was answered to `peer`."""
        self.sent.clear()
        self.receive(peer, message)
        self.turn()
        return self.to(peer)

    def wait(self, seconds: float, step_s: float = 0.01) -> None:
        """Let time pass, with turns."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.clock.now = min(end, self.clock.now + step_s)
            self.turn()

    def stand(self) -> int:
        """Let it miss its leader until it asks for pre-votes. Returns the round."""
        self.sent.clear()
        for _ in range(500):
            self.wait(0.01)
            if self.of_type("pre_vote"):
                return int(self.of_type("pre_vote")[-1]["round"])
        raise AssertionError(f"{self.node_id} does not stand for election")

    def campaign(self) -> int:
        """Stand, be granted the pre-votes, ask for votes. Returns the term."""
        round_number = self.stand()
        for peer in self._other_voters():
            self.receive(
                peer, {"type": "pre_vote_reply", "term": self.term, "round": round_number, "granted": True}
            )
        self.turn()
        assert self.of_type("request_vote"), "no campaign follows the pre-votes"
        return self.term

    def lead(self) -> int:
        """Be elected by all others and have them take everything. Returns the term."""
        term = self.campaign()
        for peer in self._other_voters():
            self.receive(peer, {"type": "response_vote", "term": term})
        self.turn()
        assert self.engine.status().role == "leader"
        self.acknowledge(*self._other_voters())
        assert self.engine.status().is_ready
        return term

    def acknowledge(self, *peers: str) -> None:
        """Have `peers` take all that is in the log and all that was sent, at once."""
        for peer in peers:
            seq = max((message["seq"] for message in self.to(peer, "append_entries")), default=0)
            self.receive(peer, ack(self.term, self.journal.last_index + 1, seq=seq))
        self.turn()

    def propose(self, text: str = "x") -> list[ProposalOutcome]:
        """The returned list has the outcome once there is one."""
        outcomes: list[ProposalOutcome] = []
        self.engine.propose(text.encode(), outcomes.append)
        return outcomes

    def read_index(self) -> list[ReadOutcome]:
        outcomes: list[ReadOutcome] = []
        self.engine.read_index(outcomes.append)
        return outcomes

    # What it did

    def to(self, peer: str, kind: str | None = None) -> list[Message]:
        return [message for to, message in self.sent if to == peer and kind in (None, message["type"])]

    def of_type(self, kind: str) -> list[Message]:
        return [message for _, message in self.sent if message["type"] == kind]

    @property
    def term(self) -> int:
        return self.engine.status().term

    @property
    def role(self) -> str:
        return self.engine.status().role.value

    @property
    def commit_index(self) -> int:
        return self.engine.status().commit_index

    def held(self, start: int = 1) -> list[tuple[int, int]]:
        """(index, term) of the log's entries from `start` on."""
        return [(index, term) for _, index, term in self.journal.entries(start, self.journal.last_index + 1)]

    def durable(self, start: int = 1) -> list[tuple[int, int]]:
        """The same of what a power cut leaves."""
        found = self.log.read(max(start, self.log.first_index), 1 << 40, 1 << 40)
        return [(index, term) for _, index, term in found]

    def _other_voters(self) -> list[str]:
        return sorted(voter for voter in self.engine.members.voters if voter != self.node_id)


class PerfectJournal(StockJournal):  # type: ignore[misc]  # pysyncobj ships no types
    """A journal that forgets nothing and needs no disk: no fault of a stock node can be blamed on it."""

    def __init__(self, first: Iterable[Entry] = ()) -> None:
        self.held: list[Entry] = list(first)
        self.term, self.vote, self.commit = 0, None, 1

    def add(self, command: bytes, idx: int, term: int) -> None:
        self.held.append((command, idx, term))

    def clear(self) -> None:
        self.held = []

    def deleteEntriesFrom(self, entryFrom: int) -> None:
        del self.held[entryFrom:]

    def deleteEntriesTo(self, entryTo: int) -> None:
        del self.held[:entryTo]

    def __getitem__(self, item: Any) -> Any:
        return self.held[item]

    def __len__(self) -> int:
        return len(self.held)

    def _destroy(self) -> None:
        return

    def setRaftCommitIndex(self, raftCommitIndex: int) -> None:
        self.commit = raftCommitIndex

    def getRaftCommitIndex(self) -> int:
        return self.commit

    def onOneSecondTimer(self) -> None:
        return

    def setCurrentTerm(self, term: int, votedForNodeId: Any) -> None:
        self.term, self.vote = term, votedForNodeId

    def getCurrentTerm(self) -> int:
        return self.term

    def getVotedForNodeId(self) -> Any:
        return self.vote


class _Outlet(Transport):  # type: ignore[misc]  # pysyncobj ships no types
    def __init__(self, send: Callable[[str, Message], None]) -> None:
        super().__init__(None, None, [])
        self._send = send

    @property
    def ready(self) -> bool:
        return True

    def send(self, node: RaftNode, message: Message) -> bool:
        self._send(node.id, message)
        return True

    def addNode(self, node: RaftNode) -> None:
        return

    def dropNode(self, node: RaftNode) -> None:
        return

    def destroy(self) -> None:
        return


class NoDump:
    """In place of pysyncobj's serializer: no compaction, and a snapshot only when the test gives one."""

    def __init__(self) -> None:
        self.received: list[object] = []
        self.to_load: tuple[object, ...] | None = None
        self.to_send: tuple[bytes, bool, bool] | None = None

    def checkSerializing(self) -> tuple[int, None]:
        return 0, None

    def cancelTransmisstion(self, _node: object) -> None:
        return

    def getTransmissionData(self, _node: object) -> tuple[bytes, bool, bool] | None:
        return self.to_send

    def setTransmissionData(self, data: object) -> bool:
        self.received.append(data)
        return self.to_load is not None

    def deserialize(self) -> tuple[object, ...]:
        assert self.to_load is not None
        return self.to_load


class _Appended(SyncObj):  # type: ignore[misc]  # pysyncobj ships no types
    """An unmodified node whose state is the list of what was applied."""

    applied: list[str]

    @replicated  # type: ignore[misc]  # pysyncobj ships no types
    def append(self, value: str) -> int:
        self.applied.append(value)
        if value == "raises":
            raise ValueError("the state machine does not like this command")
        return len(self.applied)


class StockNode:
    """pysyncobj 0.3.17 as it is, with a journal that never fails and messages handed in and out."""

    def __init__(
        self,
        node_id: str = "n1",
        voters: Sequence[str] = VOTERS,
        *,
        journal: PerfectJournal | None = None,
        send: Callable[[str, Message], None] | None = None,
        clock: Callable[[], float] | None = None,
        rng: random.Random | None = None,
        **conf: Any,
    ) -> None:
        bind()
        self.node_id = node_id
        self.hand_clock = HandClock()
        self._around = Surroundings(clock or self.hand_clock, rng or LowRandom())
        self.sent: list[tuple[str, Message]] = []
        self.journal = journal or PerfectJournal([(NO_OP, 1, 0)])
        settings = {
            "autoTick": False,
            "appendEntriesUseBatch": False,
            "commandsWaitLeader": False,
            "raftMinTimeout": 0.8,
            "raftMaxTimeout": 1.4,
            "appendEntriesPeriod": 0.15,
            "logCompactionMinEntries": 1_000_000,
            "logCompactionMinTime": 1_000_000,
            "journalFile": self.journal,
            **conf,
        }
        with inside(self._around):
            self.node = _Appended(
                RaftNode(node_id),
                [RaftNode(voter) for voter in voters if voter != node_id],
                SyncObjConf(**settings),
                nodeClass=RaftNode,
                transport=_Outlet(send or (lambda peer, message: self.sent.append((peer, message)))),
            )
            self.node.applied = []
            self.dump = self.node._SyncObj__serializer = NoDump()
        for voter in voters:
            if voter != node_id:
                self.connect(voter)

    def connect(self, peer: str) -> None:
        with inside(self._around):
            self.node._SyncObj__onNodeConnected(RaftNode(peer))

    def disconnect(self, peer: str) -> None:
        with inside(self._around):
            self.node._SyncObj__onNodeDisconnected(RaftNode(peer))

    def receive(self, peer: str, message: Message) -> None:
        with inside(self._around):
            self.node._SyncObj__onMessageReceived(RaftNode(peer), dict(message))

    def hear(self, peer: str, message: Message) -> list[Message]:
        self.sent.clear()
        self.receive(peer, message)
        return [sent for to, sent in self.sent if to == peer]

    def tick(self) -> None:
        with inside(self._around):
            self.node.doTick(0.0)

    def wait(self, seconds: float, step_s: float = 0.01) -> None:
        end = self.hand_clock.now + seconds
        while self.hand_clock.now < end:
            self.hand_clock.now = min(end, self.hand_clock.now + step_s)
            self.tick()

    def campaign(self) -> int:
        while self.state != 1:
            self.wait(0.01)
        return self.term

    def lead(self) -> int:
        """Be elected and have every other voter take the no-op of the term."""
        term = self.campaign()
        others = sorted(node.id for node in self.node.otherNodes)
        for peer in others:
            self.receive(peer, {"type": "response_vote", "term": term})
        for peer in others:
            self.receive(peer, ack(term, self.journal[-1][1] + 1))
        self.tick()
        assert self.node._isLeader()
        return term

    def propose(self, value: str) -> list[tuple[object, int]]:
        """The returned list has (result, fail reason) once pysyncobj calls back."""
        outcomes: list[tuple[object, int]] = []
        with inside(self._around):
            self.node.append(value, callback=lambda result, reason: outcomes.append((result, reason)))
        return outcomes

    def propose_bytes(self, command: bytes) -> None:
        with inside(self._around):
            self.node._applyCommand(command, None, 0)

    def change_members(self, operation: str, node_id: str) -> list[tuple[object, int]]:
        outcomes: list[tuple[object, int]] = []
        with inside(self._around):
            self.node._applyCommand(
                pack([operation, node_id]), lambda result, reason: outcomes.append((result, reason)), 2
            )
        return outcomes

    @property
    def term(self) -> int:
        return int(self.node.raftCurrentTerm)

    @property
    def state(self) -> int:
        return int(self.node._SyncObj__raftState)

    @property
    def commit_index(self) -> int:
        return int(self.node.raftCommitIndex)

    def held(self, start: int = 1) -> list[tuple[int, int]]:
        return [(index, term) for _, index, term in self.journal.held if index >= start]

    def of_type(self, kind: str) -> list[Message]:
        return [message for _, message in self.sent if message["type"] == kind]
