"""The tables, their numbers and what each key is made of.

All tables share one B-tree; a key is the table's number (one byte) and then the table's own key. The numbers
are on disk and in the state hash: append only, never reused.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SCHEMA_VERSION = 1
"""Written into every store. A higher number on disk was written by a newer version and is not opened."""

KEY_BYTES_MAX = 480
"""Longest key of a table. LMDB's own limit is 511 with the table's byte."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One table. Watched tables appear in the feed of committed changes."""

    number: int
    name: str
    is_watched: bool = True
    prefix: bytes = field(init=False)

    def __post_init__(self) -> None:
        assert 0 < self.number < 255
        object.__setattr__(self, "prefix", bytes((self.number,)))

    def __repr__(self) -> str:
        return f"Table({self.name})"


# The store's own.
META = Table(1, "meta", is_watched=False)
CHECKPOINTS = Table(2, "checkpoints", is_watched=False)

# The state machine's book-keeping.
CONTROL = Table(3, "control")
SESSIONS = Table(4, "sessions", is_watched=False)
RESULTS = Table(5, "results", is_watched=False)
SESSION_TIMES = Table(6, "session_times", is_watched=False)

SETTINGS = Table(10, "settings")

ALL_TABLES: tuple[Table, ...] = (META, CHECKPOINTS, CONTROL, SESSIONS, RESULTS, SESSION_TIMES, SETTINGS)

BY_NUMBER: dict[int, Table] = {table.number: table for table in ALL_TABLES}
BY_NAME: dict[str, Table] = {table.name: table for table in ALL_TABLES}
assert len(BY_NUMBER) == len(BY_NAME) == len(ALL_TABLES)
