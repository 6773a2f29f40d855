"""What a handler is given."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.store import WriteTxn


@dataclass(slots=True)
class Entry:
    """The log entry being applied. `now_ms` is log time: the same on every node, never going back.

    Not frozen, which would triple the time it takes to make: one is made for every entry on every node.
    """

    txn: WriteTxn
    index: int
    term: int
    now_ms: int
    leader_term: int
