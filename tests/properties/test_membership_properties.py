from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from cluster.raft.membership import MemberChange, MemberOp, Membership, decode_change, decode_membership
from cluster.raft.types import Entry

ids = st.sampled_from([f"n{number}" for number in range(8)])
changes = st.builds(MemberChange, st.sampled_from(MemberOp), ids, st.sampled_from(["", "h:1", "h:2"]))
histories = st.lists(changes, max_size=30)


def allowed(history: list[MemberChange]) -> list[Membership]:
    """The memberships that a leader n0 of one voter gets to by the changes it does not refuse."""
    reached = [Membership({"n0": "h:0"})]
    for change in history:
        if reached[-1].refuse(change, leader_id="n0") is None:
            reached.append(reached[-1].after(change))
    return reached


@given(changes)
def test_a_change_comes_back_from_its_bytes(change: MemberChange) -> None:
    assert decode_change(change.encode()) == change


@given(histories)
def test_a_membership_comes_back_from_its_bytes(history: list[MemberChange]) -> None:
    for members in allowed(history):
        assert decode_membership(members.encode()) == members


@given(histories)
def test_equal_memberships_have_equal_bytes_however_they_came_about(history: list[MemberChange]) -> None:
    members = allowed(history)[-1]
    shuffled = Membership(
        dict(reversed(list(members.voters.items()))),
        dict(reversed(list(members.learners.items()))),
        members.removed,
    )
    assert shuffled.encode() == members.encode()


@given(histories)
def test_an_id_has_one_part_in_the_cluster_at_most(history: list[MemberChange]) -> None:
    members = Membership()
    for change in history:
        members = members.after(change)
        voters, learners, removed = set(members.voters), set(members.learners), set(members.removed)
        assert not voters & learners
        assert not (voters | learners) & removed


@given(histories)
def test_majorities_before_and_after_a_change_have_a_voter_in_common(history: list[MemberChange]) -> None:
    """What makes one change at a time safe (Ongaro 2014, section 4.1)."""
    reached = allowed(history)
    for before, after in pairwise(reached):
        for old in combinations(before.voters, before.quorum):
            for new in combinations(after.voters, after.quorum):
                assert set(old) & set(new), (before, after)


@given(histories)
def test_a_cluster_keeps_a_voter_and_never_gets_back_a_removed_id(history: list[MemberChange]) -> None:
    gone: set[str] = set()
    for members in allowed(history):
        assert members.voters
        assert not gone & (set(members.voters) | set(members.learners))
        gone |= set(members.removed)


@given(histories)
def test_the_fold_of_entries_is_the_fold_of_changes(history: list[MemberChange]) -> None:
    entries: list[Entry] = [(change.encode(), index, 1) for index, change in enumerate(history, start=2)]
    folded = Membership()
    for change in history:
        folded = folded.after(change)
    assert Membership().after_entries([(b"\x01", 1, 0), *entries]) == folded


@given(st.binary(max_size=40))
def test_any_bytes_are_a_change_or_none(data: bytes) -> None:
    change = decode_change(b"\x02" + data)
    assert change is None or decode_change(change.encode()) == change
