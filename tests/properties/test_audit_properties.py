"""The Merkle tree against its definition, and its proofs against forgery."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.audit.merkle import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)


def by_definition(leaves: Sequence[bytes]) -> bytes:
    """The Merkle tree hash as RFC 6962, section 2.1, defines it."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(by_definition(leaves[:split]), by_definition(leaves[split:]))


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(size)]


def test_the_incremental_root_is_the_defined_one_for_every_small_size() -> None:
    frontier = Frontier()
    for size in range(130):
        assert frontier.size == size
        assert frontier.root == by_definition(leaves_of(size)) == root_of(leaves_of(size))
        frontier = frontier.append(leaf_hash(b"%d" % size))


def test_the_known_answers_of_certificate_transparency() -> None:
    # The test vectors of the reference implementation: eight leaves and the roots after each.
    inputs = [
        b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43",
        bytes(range(0x50, 0x58)), bytes(range(0x60, 0x70)),
    ]  # fmt: skip
    roots = {
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    }
    for size, root in roots.items():
        assert root_of([leaf_hash(data) for data in inputs[:size]]).hex() == root


def test_every_inclusion_and_consistency_proof_of_small_trees_verifies() -> None:
    for size in range(1, 34):
        leaves = leaves_of(size)
        root = root_of(leaves)
        for index in range(size):
            proof = inclusion_proof(lambda a, b, all_=leaves: all_[a:b], index, size)  # type: ignore[misc]  # binds
            assert verify_inclusion(leaf=leaves[index], index=index, size=size, proof=proof, root=root)
        for old in range(size + 1):
            proof = consistency_proof(lambda a, b, all_=leaves: all_[a:b], old, size)  # type: ignore[misc]  # binds
            assert verify_consistency(
                old_size=old, old_root=root_of(leaves[:old]), new_size=size, new_root=root, proof=proof
            )


@given(data=st.data(), size=st.integers(1, 300))
def test_an_inclusion_proof_holds_for_its_leaf_place_and_tree_alone(data: st.DataObject, size: int) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(0, size - 1))
    proof = list(inclusion_proof(lambda a, b: leaves[a:b], index, size))
    root = root_of(leaves)
    assert verify_inclusion(leaf=leaves[index], index=index, size=size, proof=proof, root=root)
    other = data.draw(st.integers(0, size + 2).filter(lambda number: number != index))
    assert not verify_inclusion(leaf=leaves[index], index=other, size=size, proof=proof, root=root)
    assert not verify_inclusion(leaf=leaf_hash(b"x"), index=index, size=size, proof=proof, root=root)
    assert not verify_inclusion(leaf=leaves[index], index=index, size=size, proof=proof, root=leaf_hash(b"x"))
    for broken in broken_proofs(data, proof):
        assert not verify_inclusion(leaf=leaves[index], index=index, size=size, proof=broken, root=root)


@given(data=st.data(), new=st.integers(1, 300))
def test_a_consistency_proof_holds_for_its_two_trees_alone(data: st.DataObject, new: int) -> None:
    leaves = leaves_of(new)
    old = data.draw(st.integers(1, new))
    proof = list(consistency_proof(lambda a, b: leaves[a:b], old, new))
    old_root, new_root = root_of(leaves[:old]), root_of(leaves)

    def holds(**changes: object) -> bool:
        arguments = {
            "old_size": old,
            "old_root": old_root,
            "new_size": new,
            "new_root": new_root,
            "proof": proof,
            **changes,
        }
        return verify_consistency(**arguments)  # type: ignore[arg-type]  # from a mapping

    assert holds()
    assert not holds(new_root=leaf_hash(b"x"))
    assert not holds(old_root=leaf_hash(b"x"))
    for broken in broken_proofs(data, proof):
        assert not holds(proof=broken)
    rewritten = [leaf_hash(b"forged"), *leaves[1:]]
    if old < new:
        forged = consistency_proof(lambda a, b: rewritten[a:b], old, new)
        assert not holds(proof=list(forged), new_root=root_of(rewritten))


def broken_proofs(data: st.DataObject, proof: list[bytes]) -> list[list[bytes]]:
    broken = [[*proof, leaf_hash(b"more")]]
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        broken.append(proof[:place] + proof[place + 1 :])
        broken.append([*proof[:place], leaf_hash(b"other"), *proof[place + 1 :]])
    return broken


@given(size=st.integers(-3, 10), old=st.integers(-3, 10), index=st.integers(-3, 10))
def test_proofs_of_what_is_not_there_are_refused(size: int, old: int, index: int) -> None:
    leaves = leaves_of(max(size, 0))
    if not 0 <= index < size:
        with pytest.raises(ValueError, match="is not in a tree"):
            inclusion_proof(lambda a, b: leaves[a:b], index, size)
        assert not verify_inclusion(
            leaf=leaf_hash(b"0"), index=index, size=size, proof=[], root=root_of(leaves)
        )
    if not 0 <= old <= size:
        with pytest.raises(ValueError, match="is not the beginning"):
            consistency_proof(lambda a, b: leaves[a:b], old, size)
        assert not verify_consistency(old_size=old, old_root=b"", new_size=size, new_root=b"", proof=[])


def test_a_frontier_that_does_not_fit_its_size_is_refused() -> None:
    with pytest.raises(ValueError, match="has not 1 perfect subtrees"):
        Frontier(3, (bytes(32),))
