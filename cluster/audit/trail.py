"""Checking an exported audit trail against a head, with nothing but the export."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cluster.audit.merkle import Frontier, leaf_hash
from cluster.encoding import codec
from cluster.model.audit import AuditEntry, AuditHead

_ENTRIES = codec(AuditEntry)


def encode_entry(entry: AuditEntry) -> bytes:
    """Return the bytes of an entry: what is stored, and what the tree is over."""
    return _ENTRIES.encode(entry)


def decode_entry(data: bytes) -> AuditEntry:
    return _ENTRIES.decode(data)


def append_entry(frontier: Frontier, data: bytes) -> tuple[Frontier, bytes]:
    """Return the tree with the entry's bytes appended, and its leaf hash."""
    leaf = leaf_hash(data)
    return frontier.append(leaf), leaf


def head_of(frontier: Frontier) -> AuditHead:
    return AuditHead(size=frontier.size, root=frontier.root)


@dataclass(frozen=True, slots=True)
class TrailVerdict:
    """Whether an export is whole and unchanged; `reason` names the first thing that is not."""

    is_intact: bool
    reason: str


def verify_trail(entries: Iterable[AuditEntry], head: AuditHead) -> TrailVerdict:
    """Check all entries of a trail, from the first, in order, against its head."""
    frontier = Frontier()
    for entry in entries:
        if entry.sequence != frontier.size:
            return TrailVerdict(
                False, f"entry {frontier.size} is missing: entry {entry.sequence} is in its place"
            )
        frontier, _ = append_entry(frontier, encode_entry(entry))
    if frontier.size != head.size:
        return TrailVerdict(False, f"{frontier.size} entries, but the head is over {head.size}")
    if frontier.root != head.root:
        return TrailVerdict(
            False, f"an entry was changed: the {head.size} entries do not give the head's root"
        )
    return TrailVerdict(True, f"{head.size} entries are whole and unchanged")
