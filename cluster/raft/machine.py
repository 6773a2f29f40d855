"""The replicated state as the Raft engine drives it: a store, and the function that applies commands to
it."""

from __future__ import annotations

from cluster.commands.outcome import hashed_outcome
from cluster.raft.ports import SnapshotSink, SnapshotSource
from cluster.state_machine import apply_encoded
from cluster.store import Store


class ReplicatedState:
    """A `cluster.raft.ports.Machine` over any store. Used by the Raft thread alone."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @property
    def applied_index(self) -> int:
        return self.store.applied_index

    @property
    def applied_term(self) -> int:
        return self.store.applied_term

    def apply_command(self, index: int, term: int, command: bytes) -> bytes:
        """Apply `command` (without its type byte) into the open batch; returns the encoded outcome.

        Raises NewerCommand or StoreError with nothing of the entry kept.
        """
        store = self.store
        txn = store.begin()
        outcome = apply_encoded(txn, index, term, command)
        store.commit(txn, index, term, hashed_outcome(outcome))
        return outcome

    def advance(self, index: int, term: int) -> None:
        self.store.commit(self.store.begin(), index, term, b"")

    def set_members(self, index: int, term: int, members: bytes) -> None:
        self.store.set_members(index, term, members)

    def members(self) -> bytes:
        return self.store.members()

    def flush(self) -> None:
        self.store.flush()

    def sync(self) -> int:
        return self.store.sync()

    def checkpoint(self) -> tuple[int, bytes] | None:
        return self.store.checkpoint()

    def checkpoint_at(self, index: int) -> bytes | None:
        return self.store.checkpoint_at(index)

    def prepare_snapshot(self) -> None:
        self.store.prepare_snapshot()

    def take_snapshot(self) -> SnapshotSource | None:
        return self.store.take_snapshot()

    def begin_install(self, index: int, term: int, size: int) -> SnapshotSink:
        return self.store.begin_install(index, term, size)
