"""How the store fails. Each names what the process above it may do next."""

from __future__ import annotations


class StoreError(Exception):
    """Base of the store's operating failures."""


class StoreFull(StoreError):
    """No room for the open batch. Nothing of it was written; the batch is kept and `flush` may be tried
    again."""


class StoreFailed(StoreError):
    """The disk refused a write or lost one. What is on it is unknown: the process must end, not retry."""


class StoreUnusable(StoreError):
    """The store cannot be opened. The message names the path and the next step."""


class SnapshotCorrupt(StoreError):
    """A snapshot is not what its sender made. The present state is untouched."""


class ReaderExpired(StoreError):
    """A read transaction was held open longer than allowed and has been ended; start it again."""
