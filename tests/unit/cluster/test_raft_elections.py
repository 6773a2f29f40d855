"""Candidacies, leases and read queues by themselves."""

from __future__ import annotations

import random

import pytest

from cluster.raft.elections import Candidacy
from cluster.raft.reads import QuorumContact, ReadQueue
from cluster.raft.types import Timing

VOTERS = ["a", "b", "c", "d", "e"]


def a_candidacy() -> Candidacy:
    return Candidacy(Timing(), random.Random(1))


def test_grants_are_counted_once_per_voter_and_round() -> None:
    candidacy = a_candidacy()
    asked = candidacy.begin_pre_vote()
    assert [candidacy.grant(voter, asked) for voter in "aab"] == [1, 1, 2]
    assert candidacy.grant("c", asked - 1) == 0
    candidacy.begin_vote()
    assert candidacy.grant("c", asked) == 0, "the round is over once the vote has begun"


def test_votes_are_counted_once_per_voter_and_term() -> None:
    candidacy = a_candidacy()
    candidacy.begin_vote()
    assert [candidacy.count_vote(voter) for voter in "aba"] == [True, True, False]
    candidacy.begin_vote()
    assert candidacy.count_vote("a")


def test_a_candidate_waits_longer_each_time_up_to_a_bound() -> None:
    timing = Timing()
    candidacy = a_candidacy()
    delays = [candidacy.retry_delay_s() for _ in range(12)]
    assert timing.retry_min_s <= delays[0] <= timing.retry_max_s
    assert max(delays) <= 2 * timing.election_max_s
    assert sum(delays[6:]) > 4 * sum(delays[:3])
    candidacy.settle()
    assert candidacy.retry_delay_s() <= timing.retry_max_s


def a_contact() -> QuorumContact:
    contact = QuorumContact(Timing())
    contact.begin_term()
    return contact


def quorum_seq(contact: QuorumContact) -> int:
    return contact.quorum_seq(VOTERS, "a", 3)


def test_numbers_of_heartbeats_are_their_times_and_never_equal() -> None:
    contact = a_contact()
    assert contact.next_seq(2.5) == 2_500_000
    assert contact.next_seq(2.5) == 2_500_001
    assert contact.next_seq(2.4) == 2_500_002


def test_a_lease_is_as_old_as_the_majority_it_rests_on() -> None:
    contact = a_contact()
    first, second = contact.next_seq(1.0), contact.next_seq(2.0)
    assert contact.lease_until(quorum_seq(contact)) is None
    contact.acked("b", first)
    contact.acked("c", second)
    assert quorum_seq(contact) == first
    assert contact.lease_until(quorum_seq(contact)) == pytest.approx(1.6)
    contact.acked("d", second)
    assert contact.lease_until(quorum_seq(contact)) == pytest.approx(2.6)


def test_an_older_acknowledgement_takes_nothing_back_and_an_invented_one_gives_nothing() -> None:
    contact = a_contact()
    first, second = contact.next_seq(1.0), contact.next_seq(2.0)
    for voter in "bc":
        contact.acked(voter, second)
        contact.acked(voter, first)
        contact.acked(voter, second + 1_000_000)
    assert quorum_seq(contact) == second


def test_a_surrendered_lease_comes_back_in_another_term_only() -> None:
    contact = a_contact()
    seq = contact.next_seq(1.0)
    contact.surrender()
    for voter in "bc":
        contact.acked(voter, seq)
    assert contact.lease_until(quorum_seq(contact)) is None
    contact.begin_term()
    assert contact.lease_until(quorum_seq(contact)) is None, (
        "what was acknowledged in another term is forgotten"
    )
    for voter in "bc":
        contact.acked(voter, seq)
    assert contact.lease_until(quorum_seq(contact)) == pytest.approx(1.6)


def test_a_member_that_left_counts_no_more() -> None:
    contact = a_contact()
    seq = contact.next_seq(1.0)
    for voter in "bc":
        contact.acked(voter, seq)
    contact.forget("b")
    assert quorum_seq(contact) == 0


def test_reads_are_confirmed_in_order_and_each_once() -> None:
    queue, answered = ReadQueue(), []
    queue.request(lambda index: answered.append(("first", index)))
    assert queue.index(commit_index=5, last_seq=100)
    queue.request(lambda index: answered.append(("second", index)))
    assert queue.index(commit_index=6, last_seq=200)
    assert not queue.index(commit_index=7, last_seq=300), "nobody has asked since"
    queue.confirm(100)
    assert answered == []
    queue.confirm(101)
    queue.confirm(500)
    assert answered == [("first", 5), ("second", 6)]
    assert len(queue) == 0


def test_reads_that_were_not_confirmed_are_refused_when_leadership_ends() -> None:
    queue, answered = ReadQueue(), []
    queue.request(answered.append)
    queue.index(5, 100)
    queue.request(answered.append)
    queue.when_applied(9, answered.append)
    queue.refuse_unconfirmed()
    assert answered == [-1, -1]
    queue.applied(8)
    queue.applied(9)
    assert answered == [-1, -1, 9], "what was confirmed is still answered once it is applied"
