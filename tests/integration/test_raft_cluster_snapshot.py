"""A node that joins after the log was compacted gets a snapshot over the real port, while writes go on."""

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from cluster.commands.envelope import Envelope, encode
from cluster.commands.settings import PutSetting
from cluster.raft.engine import Engine, found_cluster
from cluster.raft.journal import Journal
from cluster.raft.log_storage import LmdbLog
from cluster.raft.machine import ReplicatedState
from cluster.raft.membership import MemberChange, MemberOp
from cluster.raft.raft_thread import Clock, PeerPort, RaftParts, RaftThread, Send
from cluster.raft.replicator import CommandId, Proposer, RaftReplicator
from cluster.raft.types import Timing
from cluster.store.lmdb_store import LmdbStore
from cluster.store.records import SETTINGS
from tests.support.raft_certificates import Authority

NOW_MS = 1_700_000_000_000
VALUE = "x" * 4000
TIMING = Timing(
    heartbeat_s=0.05,
    election_min_s=0.4,
    election_max_s=0.7,
    quorum_check_s=0.3,
    lease_s=0.25,
    log_entries_max=300,
    log_trailing=100,
    snapshot_chunk_bytes=64 * 1024,
)


class StoredNode:
    """One node with log and state on disk."""

    def __init__(
        self, path: Path, authority: Authority, node_id: str, address: str, founders: dict[str, str]
    ) -> None:
        self.node_id = node_id
        self.address = address
        self.fatal: list[BaseException] = []
        self.store: LmdbStore

        def build(send: Send, clock: Clock) -> RaftParts:
            log = LmdbLog(path / node_id / "log", reserve_bytes=0)
            journal = Journal(log)
            if node_id in founders:
                found_cluster(journal, founders)
            self.store = LmdbStore(
                path / node_id / "state", reserve_bytes=0, on_snapshot_ready=lambda: self._wake()
            )
            engine = Engine(
                node_id=node_id,
                timing=TIMING,
                journal=journal,
                machine=ReplicatedState(self.store),
                send=send,
                clock=clock,
                rng=random.Random(node_id),
                incarnation="1",
            )

            def close() -> None:
                engine.destroy()
                self.store.close()
                log.close()

            return RaftParts(engine=engine, close=close, subscribe=self.store.subscribe)

        self.thread = RaftThread(
            node_id=node_id,
            incarnation="1",
            build=build,
            port=PeerPort(cluster_id="c1", listen=address, tls=authority.contexts(node_id)),
            timing=TIMING,
            data_path=str(path),
            on_fatal=self.fatal.append,
            on_identity_conflict=lambda node, reason: None,
            rng=random.Random(node_id),
            now_ms=lambda: NOW_MS,
        )
        self.replicator = RaftReplicator(self.thread)
        self.proposer = Proposer(
            self.replicator, node_id=node_id, incarnation="1", rng=random.Random(node_id)
        )

    def _wake(self) -> None:
        self.thread.submit(lambda engine: None)

    async def put(self, n: int) -> None:
        def build(command_id: CommandId) -> bytes:
            command = PutSetting(key=f"test.key-{n % 500}", value=f"{n} {VALUE}")
            return encode(
                Envelope(
                    client_id=command_id.client_id,
                    sequence=command_id.sequence,
                    time_ms=NOW_MS,
                    command=command,
                )
            )

        await self.proposer.propose(build, timeout_s=10)


async def until(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  what is awaited happens in other threads
            await asyncio.sleep(0.005)


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [int(sock.getsockname()[1]) for sock in sockets]


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[list[StoredNode]]:
    """Three that run, and a fourth that knows nobody yet."""
    authority = Authority(tmp_path / "certificates")
    addresses = {f"n{n}": f"127.0.0.1:{port}" for n, port in enumerate(free_ports(4), start=1)}
    founders = {name: address for name, address in addresses.items() if name != "n4"}
    made = [StoredNode(tmp_path, authority, name, address, founders) for name, address in addresses.items()]
    for node in made:
        await asyncio.to_thread(node.thread.start)
    yield made
    await asyncio.gather(*(asyncio.to_thread(node.thread.stop) for node in made))


async def test_an_empty_node_joins_from_a_snapshot_while_writes_go_on(nodes: list[StoredNode]) -> None:
    await until(lambda: any(node.replicator.leadership.is_leader for node in nodes))
    leader = next(node for node in nodes if node.replicator.leadership.is_leader)
    empty = nodes[3]
    for start in range(0, 1000, 100):
        await asyncio.gather(*(leader.put(n) for n in range(start, start + 100)))
    assert leader.thread.engine_status().first_index > 4, "the log no longer begins at its beginning"
    is_joined = asyncio.Event()

    async def write_on() -> int:
        n = 1000
        while not is_joined.is_set():
            await asyncio.gather(*(leader.put(n + offset) for offset in range(20)))
            n += 20
        return n

    writer = asyncio.get_running_loop().create_task(write_on())
    change = MemberChange(MemberOp.LEARNER, empty.node_id, empty.address)
    await leader.replicator.change_members(change, timeout_s=10)
    await until(lambda: empty.thread.is_running and empty.thread.engine_status().applied_index > 1000)
    is_joined.set()
    written = await writer
    await until(lambda: empty.thread.engine_status().applied_index > written)
    await leader.replicator.change_members(MemberChange(MemberOp.VOTER, "n4"), timeout_s=10)
    await until(lambda: len({node.thread.engine_status().applied_index for node in nodes}) == 1)
    with empty.store.read() as txn:
        newest = SETTINGS.get(txn, f"test.key-{(written - 1) % 500}")
    assert newest is not None
    assert newest.value == f"{written - 1} {VALUE}"
    assert empty.thread.engine_status().first_index > 4
    assert len({node.store.applied.state_hash for node in nodes}) == 1
    assert not any(node.fatal for node in nodes)
