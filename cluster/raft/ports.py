"""What the engine needs from the replicated state: apply, flush, snapshots."""

from __future__ import annotations

from typing import Protocol


class SnapshotSource(Protocol):
    """A finished snapshot of this node's state, made off the Raft thread, read in pieces."""

    @property
    def index(self) -> int: ...
    @property
    def term(self) -> int: ...
    @property
    def size(self) -> int:
        """Bytes in all; at least one."""
        ...

    @property
    def sha256(self) -> bytes: ...

    def read(self, offset: int, length: int) -> bytes: ...
    def close(self) -> None: ...


class SnapshotSink(Protocol):
    """A snapshot on its way in. Nothing of the present state changes before `finish` returns."""

    def write(self, offset: int, data: bytes) -> None: ...

    def finish(self, sha256: bytes) -> None:
        """Verify, make durable, and take the place of the present state, all or nothing.

        Raises:
            SnapshotCorrupt: the bytes are not what was sent; the present state is untouched.
        """
        ...

    def abort(self) -> None: ...


class Machine(Protocol):
    """The replicated state, driven by the Raft thread alone."""

    @property
    def applied_index(self) -> int: ...
    @property
    def applied_term(self) -> int: ...

    def apply_command(self, index: int, term: int, command: bytes) -> bytes:
        """Apply into the open batch and return the encoded outcome. Total for any bytes."""
        ...

    def advance(self, index: int, term: int) -> None:
        """Pass an entry that changes nothing."""
        ...

    def set_members(self, index: int, term: int, members: bytes) -> None:
        """Pass a membership entry; `members` is the whole membership after it."""
        ...

    def members(self) -> bytes:
        """The membership as of the applied index; empty before the first change."""
        ...

    def flush(self) -> None:
        """Commit the open batch: from here on readers see it. No-op without one."""
        ...

    def sync(self) -> int:
        """Make everything flushed durable and return the index it reaches."""
        ...

    def checkpoint(self) -> tuple[int, bytes] | None:
        """The newest state hash that is kept, with its index."""
        ...

    def checkpoint_at(self, index: int) -> bytes | None: ...
    def prepare_snapshot(self) -> None:
        """Start making a snapshot, unless one is in the making. Returns at once."""
        ...

    def take_snapshot(self) -> SnapshotSource | None:
        """The snapshot asked for, once it is ready; the caller closes it."""
        ...

    def begin_install(self, index: int, term: int, size: int) -> SnapshotSink: ...
