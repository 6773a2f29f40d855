"""What holds for the failure detector, whatever beats come."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cluster.failover import LifeSigns, Listening, heard, listen, observe
from cluster.model.ids import NodeId
from cluster.model.node import Node, NodeFacts, NodeRole, NodeStatus
from cluster.model.settings import ClusterSettings

SETTINGS = ClusterSettings()
HOSTS = [NodeId(f"n{number}") for number in range(5)]
LOOK_MS = 200

# Per look: does the leader have its lease, does it stand still before, and who is heard.
looks = st.lists(
    st.tuples(
        st.sampled_from([True, True, True, True, False]),
        st.sampled_from([0, 0, 0, 0, 5_000]),
        st.sets(st.sampled_from(HOSTS[1:])),
    ),
    max_size=80,
)


@given(looks=looks)
def test_a_host_is_called_down_only_after_its_whole_silence_was_listened_to(
    looks: list[tuple[bool, int, set[NodeId]]],
) -> None:
    nodes = {
        node_id: Node(
            id=node_id,
            name=f"host-{node_id}",
            address=f"{node_id}.example:7444",
            api_address=f"{node_id}.example:7443",
            role=NodeRole.VOTER,
            status=NodeStatus.UP,
            status_at_ms=0,
            joined_at_ms=0,
            facts=NodeFacts(hostname=node_id),
        )
        for node_id in HOSTS
    }
    beats: dict[NodeId, LifeSigns] = {}
    listening: Listening | None = None
    silent_ms = dict.fromkeys(HOSTS, 0)
    row = dict.fromkeys(HOSTS, 0)
    now_ms = 0
    for has_lease, stall_ms, sounding in looks:
        step_ms = LOOK_MS + stall_ms
        now_ms += step_ms
        for node_id in HOSTS:
            silent_ms[node_id] = 0 if stall_ms or not has_lease else silent_ms[node_id] + step_ms
            if node_id in sounding:
                gap_ms = now_ms - beats[node_id].last_ms if node_id in beats else None
                is_in_row = gap_ms is not None and gap_ms < SETTINGS.node_suspect_after_ms
                row[node_id] = row[node_id] + 1 if is_in_row else 1
                silent_ms[node_id] = 0
                beats[node_id] = heard(beats.get(node_id), now_ms, SETTINGS)
        listening = listen(listening, now_ms, has_lease=has_lease)
        verdict = observe(nodes, beats, now_ms, leader_id=HOSTS[0], listening=listening, settings=SETTINGS)
        if not has_lease:
            assert verdict.changes == ()
        for change in verdict.changes:
            if change.status is NodeStatus.DOWN:
                assert silent_ms[change.node_id] >= SETTINGS.node_down_after_ms - LOOK_MS
            if change.status is NodeStatus.UP:
                assert row[change.node_id] >= 3
            assert change.status is not nodes[change.node_id].status
            nodes[change.node_id] = replace(nodes[change.node_id], status=change.status)
        again = observe(nodes, beats, now_ms, leader_id=HOSTS[0], listening=listening, settings=SETTINGS)
        assert again.changes == ()
        assert nodes[HOSTS[0]].status is NodeStatus.UP
