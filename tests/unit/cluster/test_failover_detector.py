"""The failure detector, look by look."""

from __future__ import annotations

from dataclasses import replace

from cluster.failover import LifeSigns, Listening, StatusChange, Verdict, heard, listen, observe
from cluster.model.ids import NodeId
from cluster.model.node import Node, NodeFacts, NodeRole, NodeStatus
from cluster.model.settings import ClusterSettings

SETTINGS = ClusterSettings()
LEADER = NodeId("n1")
OTHER = NodeId("n2")


def a_node(node_id: NodeId = OTHER, status: NodeStatus = NodeStatus.UP) -> Node:
    return Node(
        id=node_id,
        name=f"host-{node_id}",
        address=f"{node_id}.example:7444",
        api_address=f"{node_id}.example:7443",
        role=NodeRole.VOTER,
        status=status,
        status_at_ms=0,
        joined_at_ms=0,
        facts=NodeFacts(hostname=node_id),
    )


def a_joining_node() -> Node:
    return replace(a_node(), facts=NodeFacts())


def look(
    node: Node,
    signs: LifeSigns | None,
    now_ms: int,
    *,
    since_ms: int = 0,
    known_since_ms: int = 0,
    is_listening: bool = True,
) -> Verdict:
    listening = Listening(since_ms=since_ms, looked_at_ms=now_ms) if is_listening else None
    return observe(
        {node.id: node},
        {} if signs is None else {node.id: signs},
        now_ms,
        leader_id=LEADER,
        listening=listening,
        settings=SETTINGS,
        known_since_ms={node.id: known_since_ms},
    )


def beats(*times_ms: int) -> LifeSigns:
    signs: LifeSigns | None = None
    for at_ms in times_ms:
        signs = heard(signs, at_ms, SETTINGS)
    assert signs is not None
    return signs


def test_a_host_that_beats_is_left_alone_until_it_could_be_suspect() -> None:
    assert look(a_node(), beats(0, 500, 1000), 2499) == Verdict((), 2500)


def test_silence_makes_suspect_then_down() -> None:
    suspect = look(a_node(), beats(0, 500, 1000), 2500)
    assert suspect == Verdict(
        (StatusChange(node_id=OTHER, status=NodeStatus.SUSPECT, reason="no heartbeat for 1.5 s"),), 4000
    )
    down = look(a_node(status=NodeStatus.SUSPECT), beats(0, 500, 1000), 4000)
    assert down == Verdict(
        (StatusChange(node_id=OTHER, status=NodeStatus.DOWN, reason="no heartbeat for 3.0 s"),), None
    )


def test_a_host_that_is_down_needs_nothing_more() -> None:
    assert look(a_node(status=NodeStatus.DOWN), beats(0), 60_000) == Verdict()


def test_a_long_silence_is_seen_at_once() -> None:
    [change] = look(a_node(), beats(0), 3000).changes
    assert change.status is NodeStatus.DOWN


def test_three_beats_in_a_row_make_a_host_up_again() -> None:
    down = a_node(status=NodeStatus.DOWN)
    assert look(down, beats(10_000), 10_001).changes == ()
    assert look(down, beats(10_000, 10_500), 10_501).changes == ()
    assert look(down, beats(10_000, 10_500, 11_000), 11_001).changes == (
        StatusChange(node_id=OTHER, status=NodeStatus.UP, reason="3 heartbeats in a row"),
    )


def test_a_gap_begins_the_row_anew() -> None:
    signs = beats(10_000, 10_500, 12_000, 12_500)
    assert signs.streak == 2
    assert look(a_node(status=NodeStatus.SUSPECT), signs, 12_600).changes == ()


def test_a_beat_from_the_past_changes_nothing() -> None:
    assert heard(beats(500, 1000), 900, SETTINGS) == beats(500, 1000)


def test_a_new_leader_gives_everyone_the_whole_time() -> None:
    assert look(a_node(), None, 52_999, since_ms=50_000).changes[0].status is NodeStatus.SUSPECT
    assert look(a_node(), None, 51_499, since_ms=50_000) == Verdict((), 51_500)
    assert look(a_node(), None, 53_000, since_ms=50_000).changes[0].status is NodeStatus.DOWN


def test_a_host_that_has_joined_and_was_never_heard_is_not_lost() -> None:
    assert look(a_joining_node(), None, 60_000, known_since_ms=50_000) == Verdict((), 350_000)
    assert look(a_joining_node(), None, 60_000, since_ms=55_000, known_since_ms=50_000) == Verdict(
        (), 355_000
    )


def test_a_host_that_has_joined_and_does_not_come_up_is_told_after_minutes() -> None:
    [change] = look(a_joining_node(), None, 350_000, known_since_ms=50_000).changes
    assert change.status is NodeStatus.DOWN
    assert change.reason == "it joined, and its agent was not heard of in 5 minutes since"
    never = replace(a_joining_node(), status=NodeStatus.DOWN)
    assert look(never, None, 400_000, known_since_ms=50_000) == Verdict()
    [change] = look(never, beats(400_000, 400_500, 401_000), 401_100, known_since_ms=50_000).changes
    assert change.status is NodeStatus.UP


def test_a_host_that_was_heard_once_is_missed_at_once() -> None:
    [change] = look(a_joining_node(), beats(50_000), 53_000, known_since_ms=49_000).changes
    assert change.status is NodeStatus.DOWN


def test_a_host_that_has_just_come_up_has_the_whole_time_for_its_first_beat() -> None:
    assert look(a_node(), None, 51_000, known_since_ms=50_000) == Verdict((), 51_500)


def test_without_the_lease_nothing_is_decided() -> None:
    assert look(a_node(), beats(0), 60_000, is_listening=False) == Verdict()
    down = a_node(status=NodeStatus.DOWN)
    assert look(down, beats(59_000, 59_500, 60_000), 60_000, is_listening=False) == Verdict()


def test_silence_counts_only_while_the_leader_could_hear() -> None:
    first = listen(None, 1_000, has_lease=True)
    assert first == Listening(since_ms=1_000, looked_at_ms=1_000)
    assert listen(first, 1_200, has_lease=True) == Listening(since_ms=1_000, looked_at_ms=1_200)
    assert listen(first, 1_200, has_lease=False) is None
    assert listen(None, 9_000, has_lease=True) == Listening(since_ms=9_000, looked_at_ms=9_000)


def test_a_leader_that_stood_still_begins_to_listen_anew() -> None:
    first = listen(None, 1_000, has_lease=True)
    assert listen(first, 2_001, has_lease=True) == Listening(since_ms=2_001, looked_at_ms=2_001)


def test_the_leader_is_alive_whatever_was_committed_of_it() -> None:
    [change] = look(a_node(LEADER, NodeStatus.DOWN), None, 60_000).changes
    assert (change.node_id, change.status) == (LEADER, NodeStatus.UP)
    assert look(a_node(LEADER), None, 60_000) == Verdict()


def test_a_host_that_left_is_not_looked_for() -> None:
    assert look(a_node(status=NodeStatus.LEFT), None, 60_000) == Verdict()


def test_the_thresholds_are_settings() -> None:
    slow = replace(SETTINGS, node_suspect_after_ms=10_000, node_down_after_ms=20_000)
    verdict = observe(
        {OTHER: a_node()},
        {},
        9_999,
        leader_id=LEADER,
        listening=Listening(since_ms=0, looked_at_ms=0),
        settings=slow,
    )
    assert verdict == Verdict((), 10_000)
