"""One node of the measured cluster: the Raft thread as the agent runs it, and a TLS endpoint that proposes.

Every request becomes a `PutSetting` command, is numbered, replicated, applied to the state on disk and
answered.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import ssl
import sys
import time
from pathlib import Path

import uvloop

from cluster.commands.envelope import Envelope, encode
from cluster.commands.settings import PutSetting
from cluster.encoding import unpack
from cluster.raft.engine import Engine, found_cluster
from cluster.raft.journal import Journal
from cluster.raft.log_storage import LmdbLog
from cluster.raft.machine import ReplicatedState
from cluster.raft.ports import Machine, SnapshotSink, SnapshotSource
from cluster.raft.raft_thread import Clock, PeerPort, RaftParts, RaftThread, Send
from cluster.raft.replicator import CommandId, Proposer, RaftReplicator, ReplicationError
from cluster.raft.tls import FileContexts
from cluster.raft.types import Timing
from cluster.store.lmdb_store import LmdbStore

NOW_MS = 1_700_000_000_000


class BareState:
    """A state machine that does next to nothing, to tell what replication alone costs."""

    def __init__(self) -> None:
        self.applied_index = self.applied_term = 0
        self._members = b""

    def apply_command(self, index: int, term: int, command: bytes) -> bytes:
        self.applied_index, self.applied_term = index, term
        return b"\x00"

    def advance(self, index: int, term: int) -> None:
        self.applied_index, self.applied_term = index, term

    def set_members(self, index: int, term: int, members: bytes) -> None:
        self.applied_index, self.applied_term, self._members = index, term, members

    def members(self) -> bytes:
        return self._members

    def flush(self) -> None:
        return

    def sync(self) -> int:
        return self.applied_index

    def checkpoint(self) -> tuple[int, bytes] | None:
        return None

    def checkpoint_at(self, index: int) -> bytes | None:
        return None

    def prepare_snapshot(self) -> None:
        return

    def take_snapshot(self) -> SnapshotSource | None:
        return None

    def begin_install(self, index: int, term: int, size: int) -> SnapshotSink:
        raise NotImplementedError("no node is that far behind here")


class Endpoint(asyncio.Protocol):
    """The server side of `TowerWire`."""

    def __init__(self, proposer: Proposer, tasks: set[asyncio.Task[None]]) -> None:
        self._proposer = proposer
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._answers: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]  # a stream's transport

    def data_received(self, data: bytes) -> None:
        buffer, position = self._buffer + data, 0
        while len(buffer) - position >= 4:
            end = position + 4 + int.from_bytes(buffer[position : position + 4], "big")
            if end > len(buffer):
                break
            n, key, value = unpack(buffer[position + 4 : end])
            task = self._loop.create_task(self._propose(n, key, value))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            position = end
        self._buffer = buffer[position:]

    async def _propose(self, n: int, key: str, value: str) -> None:
        def build(command_id: CommandId) -> bytes:
            return encode(
                Envelope(
                    client_id=command_id.client_id,
                    sequence=command_id.sequence,
                    time_ms=NOW_MS,
                    command=PutSetting(key=key, value=value),
                )
            )

        try:
            result = await self._proposer.propose(build, timeout_s=10)
        except ReplicationError:
            result = b""
        body = n.to_bytes(8, "big") + result
        if not self._answers:
            self._loop.call_soon(self._flush)
        self._answers.append(len(body).to_bytes(4, "big") + body)

    def _flush(self) -> None:
        answers, self._answers = self._answers, []
        if not self._transport.is_closing():
            self._transport.write(b"".join(answers))


async def serve(config: dict[str, str], peers: dict[str, str]) -> None:
    node_id, data = config["node_id"], Path(config["data"])
    certificates = {"certificate": Path(config["certificate"]), "key": Path(config["key"])}
    incarnation = str(os.getpid())
    timing = Timing()

    def build(send: Send, clock: Clock) -> RaftParts:
        log = LmdbLog(data / "log")
        journal = Journal(log)
        if len(journal) == 0:
            found_cluster(journal, peers)
        store = LmdbStore(data / "state")
        machine: Machine = BareState() if config["state"] == "bare" else ReplicatedState(store)
        engine = Engine(
            node_id=node_id,
            timing=timing,
            journal=journal,
            machine=machine,
            send=send,
            clock=clock,
            rng=random.Random(node_id),
            incarnation=incarnation,
        )

        def close() -> None:
            engine.destroy()
            store.close()
            log.close()

        return RaftParts(engine=engine, close=close, subscribe=store.subscribe)

    thread = RaftThread(
        node_id=node_id,
        incarnation=incarnation,
        build=build,
        port=PeerPort(
            cluster_id="c1",
            listen=peers[node_id],
            tls=FileContexts(**certificates, ca=Path(config["ca"])),
        ),
        timing=timing,
        data_path=str(data),
        on_fatal=lambda error: os._exit(1),
        on_identity_conflict=lambda node, reason: None,
        rng=random.Random(node_id),
        now_ms=lambda: NOW_MS,
    )
    replicator = RaftReplicator(thread)
    proposer = Proposer(replicator, node_id=node_id, incarnation=incarnation, rng=random.Random(node_id))
    await asyncio.to_thread(thread.start)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificates["certificate"], certificates["key"])
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_signal_handler(signal.SIGUSR1, lambda: report(thread))
    tasks: set[asyncio.Task[None]] = set()
    server = await loop.create_server(
        lambda: Endpoint(proposer, tasks), "127.0.0.1", int(config["port"]), ssl=context
    )
    leader_id = await replicator.leadership.wait_for_leader()
    sys.stdout.write(json.dumps({"leader": leader_id}) + "\n")
    sys.stdout.flush()
    await stopping.wait()
    server.close()
    if tasks:
        await asyncio.wait(tasks)
    await asyncio.to_thread(thread.stop)


def report(thread: RaftThread) -> None:
    """Say on standard error what the node did since it started."""
    times = thread.status().turn_times
    status = thread.engine_status()
    count = sum(times.counts)
    sys.stderr.write(
        f"{thread.node_id}: {status.role}, {status.applied_index} applied, {count} turns, "
        f"{times.sum_s / max(count, 1) * 1e6:.0f} us each, longest {times.longest_s * 1e3:.1f} ms, "
        f"{time.process_time():.1f} s of processor\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True)
    parser.add_argument("--peers", required=True)
    arguments = parser.parse_args()
    sys.setswitchinterval(0.0005)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(json.loads(arguments.config), json.loads(arguments.peers)))


if __name__ == "__main__":
    main()
