"""Who somebody is and what they may, as read last, until any record of it changes.

Every request asks for the same few records, and each reading costs more than what is decided with them. What
is kept here is dropped with the commit that changes it: the state tells of changes on the loop that serves
requests, as soon as they can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

from cluster.store import Committed, ReadTxn
from web.ports import State

KEPT_MAX = 4096
TABLES = frozenset(
    {
        "principals",
        "logins",
        "api_tokens",
        "bindings",
        "custom_roles",
    }
)
"""What access is decided by."""

_Value = TypeVar("_Value")


class KeptRecords:
    """Values made of records of `TABLES`. Outside `watching` nothing is kept."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._is_watching = False
        self._kept: dict[Hashable, object] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Keep what is read for as long as the context lasts."""
        unsubscribe = self._state.subscribe(self._committed)
        self._is_watching = True
        try:
            yield
        finally:
            self._is_watching = False
            self._kept.clear()
            unsubscribe()

    def get(self, key: Hashable, read: Callable[[ReadTxn], _Value]) -> _Value:
        """Return what `read` makes of the records; the same `key` always comes with the same `read`.

        `read` looks at nothing but records of `TABLES`.
        """
        if key in self._kept:
            return cast(_Value, self._kept[key])
        with self._state.read() as txn:
            value = read(txn)
        if self._is_watching:
            if len(self._kept) >= KEPT_MAX:
                self._kept.clear()
            self._kept[key] = value
        return value

    def drop(self, key: Hashable) -> None:
        """Have a value read again: this node has just caught up, and may not have been told of it yet."""
        self._kept.pop(key, None)

    def _committed(self, committed: Committed) -> None:
        if committed.is_everything or any(table in TABLES for table, _ in committed.changed):
            self._kept.clear()
