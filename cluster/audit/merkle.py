"""Merkle trees of RFC 6962, section 2.1 (the proofs are checked as in RFC 9162, sections 2.1.3.2 and
2.1.4.2).

Appending needs only the frontier: the roots of the perfect subtrees that the leaves so far make up, largest
first, one per set bit of the size. Proofs need the leaf hashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

HASH_BYTES = 32

EMPTY_ROOT = hashlib.sha256(b"").digest()

LeafHashes = Callable[[int, int], Sequence[bytes]]
"""Returns the leaf hashes of [start, stop)."""


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """A tree of `size` leaves, as far as appending needs it. `hashes[i]` belongs to the i-th highest set bit
    of `size`."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise ValueError(f"a tree of {self.size} leaves has not {len(self.hashes)} perfect subtrees")

    def append(self, leaf: bytes) -> Frontier:
        """Return the tree with one more leaf, given its leaf hash."""
        hashes = list(self.hashes)
        carried, size = leaf, self.size
        while size & 1:
            carried = node_hash(hashes.pop(), carried)
            size >>= 1
        return Frontier(self.size + 1, (*hashes, carried))

    @property
    def root(self) -> bytes:
        """The hash over all leaves."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier = frontier.append(leaf)
    return frontier.root


def inclusion_proof(leaves: LeafHashes, index: int, size: int) -> tuple[bytes, ...]:
    """Return the proof that leaf `index` is in the tree of the first `size` leaves. Reads all of them."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size} leaves")
    return tuple(_path(leaves, index, 0, size))


def consistency_proof(leaves: LeafHashes, old_size: int, new_size: int) -> tuple[bytes, ...]:
    """Return the proof that the tree of `old_size` leaves is the beginning of the one of `new_size`."""
    if not 0 <= old_size <= new_size:
        raise ValueError(f"a tree of {old_size} leaves is not the beginning of one of {new_size}")
    if old_size in (0, new_size):
        return ()
    return tuple(_subproof(leaves, old_size, 0, new_size, is_whole=True))


def verify_inclusion(*, leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` shows that the leaf hash `leaf` is number `index` in the tree of `size` leaves with
    `root`."""
    if not 0 <= index < size:
        return False
    position, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            computed = node_hash(sibling, computed)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            computed = node_hash(computed, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and computed == root


def verify_consistency(
    *, old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether `proof` shows that the tree of `old_size` leaves with `old_root` is the beginning of the new
    one."""
    if not 0 <= old_size <= new_size:
        return False
    if old_size == new_size:
        return not proof and old_root == new_root
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old_computed = new_computed = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old_computed = node_hash(sibling, old_computed)
            new_computed = node_hash(sibling, new_computed)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new_computed = node_hash(new_computed, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and old_computed == old_root and new_computed == new_root


def _largest_power_below(count: int) -> int:
    return 1 << ((count - 1).bit_length() - 1)


def _path(leaves: LeafHashes, index: int, start: int, stop: int) -> list[bytes]:
    if stop - start == 1:
        return []
    split = start + _largest_power_below(stop - start)
    if index < split:
        return [*_path(leaves, index, start, split), root_of(leaves(split, stop))]
    return [*_path(leaves, index, split, stop), root_of(leaves(start, split))]


def _subproof(leaves: LeafHashes, size: int, start: int, stop: int, *, is_whole: bool) -> list[bytes]:
    if size == stop - start:
        return [] if is_whole else [root_of(leaves(start, stop))]
    split = start + _largest_power_below(stop - start)
    left_count = split - start
    if size <= left_count:
        return [
            *_subproof(leaves, size, start, split, is_whole=is_whole),
            root_of(leaves(split, stop)),
        ]
    return [
        *_subproof(leaves, size - left_count, split, stop, is_whole=False),
        root_of(leaves(start, split)),
    ]
