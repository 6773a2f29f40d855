from __future__ import annotations

import pytest

from cluster.encoding import EncodingError, pack
from cluster.raft.membership import (
    REMOVED_REMEMBERED,
    VOTERS_MAX,
    MemberChange,
    MemberOp,
    Membership,
    decode_change,
    decode_membership,
)


def members(voters: str = "abc", learners: str = "", removed: str = "") -> Membership:
    return Membership({v: f"{v}:1" for v in voters}, {v: f"{v}:1" for v in learners}, tuple(removed))


@pytest.mark.parametrize(
    ("before", "change", "reason"),
    [
        (members("abc"), MemberChange(MemberOp.REMOVE, "a"), "a is the leader: transfer leadership before"),
        (members("abc"), MemberChange(MemberOp.REMOVE, "x"), "x is not a member"),
        (members("b"), MemberChange(MemberOp.REMOVE, "b"), "b is the only voter: a cluster keeps at least"),
        (members("abc", removed="x"), MemberChange(MemberOp.LEARNER, "x"), "x was removed, and an id never"),
        (members("abc", removed="x"), MemberChange(MemberOp.VOTER, "x"), "x was removed, and an id never"),
        (members("abc"), MemberChange(MemberOp.VOTER, "b"), "b votes already"),
        (members("abc"), MemberChange(MemberOp.VOTER, "x"), "x must join as a learner before it may vote"),
        (
            members("abcde", "x"),
            MemberChange(MemberOp.VOTER, "x"),
            f"there are 5 voters and at most {VOTERS_MAX}: x stays a learner",
        ),
    ],
)
def test_a_refused_change_says_why(before: Membership, change: MemberChange, reason: str) -> None:
    refusal = before.refuse(change, leader_id="a")
    assert refusal is not None
    assert refusal.startswith(reason)


@pytest.mark.parametrize(
    "change",
    [
        MemberChange(MemberOp.LEARNER, "x", "x:1"),
        MemberChange(MemberOp.VOTER, "d"),
        MemberChange(MemberOp.REMOVE, "b"),
        MemberChange(MemberOp.REMOVE, "d"),
        MemberChange(MemberOp.LEARNER, "b", "elsewhere:1"),
    ],
)
def test_a_change_that_fits_is_not_refused(change: MemberChange) -> None:
    assert members("abc", "d").refuse(change, leader_id="a") is None


def test_a_node_joins_learns_votes_and_leaves_for_ever() -> None:
    present = members("abc")
    present = present.after(MemberChange(MemberOp.LEARNER, "d", "d:7"))
    assert (dict(present.learners), present.quorum) == ({"d": "d:7"}, 2)
    present = present.after(MemberChange(MemberOp.VOTER, "d"))
    assert (present.voters["d"], dict(present.learners), present.quorum) == ("d:7", {}, 3)
    present = present.after(MemberChange(MemberOp.REMOVE, "d"))
    assert ("d" in present.voters, present.removed, present.quorum) == (False, ("d",), 2)
    assert present.after(MemberChange(MemberOp.LEARNER, "d", "d:7")) == present


def test_a_voter_may_change_its_address() -> None:
    moved = members("abc").after(MemberChange(MemberOp.LEARNER, "b", "elsewhere:1"))
    assert moved.address_of("b") == "elsewhere:1"
    assert set(moved.voters) == {"a", "b", "c"}


def test_removing_a_stranger_changes_nothing() -> None:
    assert members("abc").after(MemberChange(MemberOp.REMOVE, "x")) == members("abc")


def test_the_memory_of_removed_ids_is_bounded() -> None:
    present = members("a")
    for number in range(REMOVED_REMEMBERED + 5):
        present = present.after(MemberChange(MemberOp.LEARNER, f"x{number}", "x:1"))
        present = present.after(MemberChange(MemberOp.REMOVE, f"x{number}"))
    assert len(present.removed) == REMOVED_REMEMBERED
    assert present.removed[-1] == f"x{REMOVED_REMEMBERED + 4}"


@pytest.mark.parametrize(
    "command",
    [b"", b"\x00abc", b"\x02", b"\x02\xff", b"\x02" + pack(["voter"]), b"\x02" + pack(["king", "a", "a:1"])],
)
def test_bytes_that_are_no_change_are_none(command: bytes) -> None:
    assert decode_change(command) is None


@pytest.mark.parametrize("data", [b"\xff", pack([1]), pack([[], []]), pack([[["a"]], [], []])])
def test_bytes_that_are_no_membership_are_refused(data: bytes) -> None:
    with pytest.raises(EncodingError):
        decode_membership(data)


def test_no_bytes_are_the_membership_of_an_empty_log() -> None:
    assert decode_membership(b"") == Membership()


@pytest.mark.parametrize(
    ("count", "quorum", "may_lose"), [(1, 1, 0), (2, 2, 0), (3, 2, 1), (4, 3, 1), (5, 3, 2)]
)
def test_a_quorum_is_a_majority_of_the_voters(count: int, quorum: int, may_lose: int) -> None:
    present = members("abcde"[:count], "x")
    assert present.quorum == quorum
    assert count - quorum == may_lose
