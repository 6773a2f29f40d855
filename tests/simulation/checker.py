"""What must hold in every run, checked as it happens. A violation names the rule and stops the seed."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from cluster.raft.types import Entry


class Violation(AssertionError):
    """The cluster broke a promise."""


class Checker:
    """Global knowledge no node has: who led when, what was committed where, what was applied."""

    def __init__(self) -> None:
        self.leaders: dict[int, str] = {}
        self.committed: dict[int, tuple[int, int]] = {}
        self.applied: dict[int, tuple[int, int, bytes]] = {}
        self.state_hashes: dict[int, bytes] = {}
        self.first_index: dict[bytes, int] = {}
        """Where a command (envelope bytes; a retry has the same) was first applied."""
        self.highest_applied = 0

    def leads(self, node_id: str, term: int) -> None:
        other = self.leaders.setdefault(term, node_id)
        if other != node_id:
            raise Violation(f"election safety: {other} and {node_id} both lead in term {term}")

    def moves(self, node_id: str, what: str, before: int, after: int) -> None:
        if after < before:
            raise Violation(f"monotonicity: {what} of {node_id} went back from {before} to {after}")

    def commits(self, node_id: str, entries: Iterable[Entry]) -> None:
        """Log matching and leader completeness, as seen at commit: one entry per index, for ever."""
        for command, index, term in entries:
            entry = (term, zlib.crc32(command))
            known = self.committed.setdefault(index, entry)
            if known != entry:
                raise Violation(
                    f"state machine safety: {node_id} commits another entry at {index}: {entry} != {known}"
                )

    def durably_commits(self, index: int, term: int, holders: list[str], quorum: int) -> None:
        if len(holders) < quorum:
            raise Violation(
                f"durability: entry {index} of term {term} committed with {holders} durable, "
                f"quorum is {quorum}"
            )

    def applies(self, node_id: str, index: int, term: int, command: bytes, outcome: bytes) -> None:
        entry = (term, zlib.crc32(command), outcome)
        known = self.applied.setdefault(index, entry)
        if known != entry:
            raise Violation(f"determinism: {node_id} applied {entry} at {index}, others {known}")
        self.highest_applied = max(self.highest_applied, index)

    def hashes_to(self, node_id: str, index: int, state_hash: bytes) -> None:
        known = self.state_hashes.setdefault(index, state_hash)
        if known != state_hash:
            raise Violation(f"state equality: {node_id} differs at index {index}")
