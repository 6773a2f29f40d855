"""Starting this node's part in Raft: log, state, engine and peer port, in their thread."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agent.clock import Clock
from agent.config import Settings
from agent.keys.identity import NodeIdentity
from agent.keys.tls import TlsIdentity
from agent.node.directory import NodeDirectory
from cluster.raft.engine import Engine
from cluster.raft.journal import Journal
from cluster.raft.log_storage import LmdbLog
from cluster.raft.machine import ReplicatedState
from cluster.raft.raft_thread import PeerPort, RaftParts, RaftThread
from cluster.raft.replicator import RaftReplicator
from cluster.raft.tls import TlsContexts
from cluster.raft.transport import ListenFailed
from cluster.raft.types import Message, Timing
from cluster.store import Store
from cluster.store.lmdb_store import LmdbStore


@dataclass(frozen=True, slots=True)
class RunningRaft:
    """The thread and what other threads use of it."""

    thread: RaftThread
    replicator: RaftReplicator
    store: Store


def timing_of(settings: Settings) -> Timing:
    """The engine's timing from this host's settings."""
    raft = settings.raft
    return Timing(
        heartbeat_s=raft.heartbeat_ms / 1000,
        election_min_s=raft.election_min_ms / 1000,
        election_max_s=raft.election_max_ms / 1000,
        quorum_check_s=raft.quorum_check_ms / 1000,
        lease_s=raft.lease_ms / 1000,
        log_entries_max=raft.log_entries_max,
        log_trailing=raft.log_trailing,
        log_bytes_max=raft.log_bytes_max,
    )


def start_raft(
    *,
    settings: Settings,
    directory: NodeDirectory,
    identity: NodeIdentity,
    tls: TlsIdentity,
    seeds: Mapping[str, str],
    incarnation: str,
    clock: Clock,
    rng: random.Random,
    on_fatal: Callable[[BaseException], None],
    on_identity_conflict: Callable[[str, str], None],
) -> RunningRaft:
    """Open log and state, and start the node. Blocking: not on an event loop.

    Raises whatever opening raises (LogStorageFailed, StoreUnusable, ListenFailed, LogUnusable, WrongLibrary);
    each names the path or port and the next step.
    """
    timing = timing_of(settings)
    opened: list[LmdbStore] = []

    def wake() -> None:
        thread.submit(lambda _engine: None)

    def build(send: Callable[[str, Message], None], now: Callable[[], float]) -> RaftParts:
        storage = LmdbLog(directory.log)
        try:
            store = LmdbStore(
                directory.state,
                bytes_max=settings.limits.state_bytes_max,
                reserve_bytes=settings.limits.disk_free_bytes_min,
                # A turn at once, so that a waiting member gets the snapshot's first chunk.
                on_snapshot_ready=wake,
            )
        except BaseException:
            storage.close()
            raise
        opened.append(store)
        journal = Journal(storage)
        engine = Engine(
            node_id=identity.node_id,
            timing=timing,
            journal=journal,
            machine=ReplicatedState(store),
            send=send,
            clock=now,
            rng=rng,
            incarnation=incarnation,
        )

        def close() -> None:
            engine.destroy()
            journal._destroy()
            store.close()

        return RaftParts(engine=engine, close=close, subscribe=store.subscribe)

    def contexts() -> TlsContexts:
        return TlsContexts(server=tls.peer_server, client=tls.peer_client, not_after_ms=tls.not_after_ms)

    thread = RaftThread(
        node_id=identity.node_id,
        incarnation=incarnation,
        build=build,
        port=PeerPort(cluster_id=identity.cluster_id, listen=settings.listen.raft, tls=contexts, seeds=seeds),
        timing=timing,
        data_path=str(directory.path),
        on_fatal=on_fatal,
        on_identity_conflict=on_identity_conflict,
        rng=random.Random(rng.random()),
        now_ms=clock.now_ms,
    )
    replicator = RaftReplicator(thread)
    try:
        thread.start()
    except ListenFailed as error:
        raise ListenFailed(f"listen.raft = {settings.listen.raft}: {error}") from error
    return RunningRaft(thread=thread, replicator=replicator, store=opened[0])
