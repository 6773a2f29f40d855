"""The tests are tested: with a rule of the guard off, or a promise broken elsewhere, something fails.

etcd's robustness suite calls it reproducing old bugs.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable

import pytest

from cluster.commands import decode, encode
from cluster.commands.envelope import MalformedCommand
from cluster.raft import machine
from cluster.raft.core import Core
from cluster.raft.journal import Journal
from cluster.raft.reads import QuorumContact
from cluster.raft.types import Message, RaftError, Rule
from cluster.store import WriteTxn
from cluster.store.batched import APPLIED_KEY
from tests.simulation import memory_store, world
from tests.simulation.crash_log import CrashLog
from tests.simulation.memory_store import MemoryStore
from tests.simulation.network import Network
from tests.simulation.profiles import PROFILES, Profile
from tests.simulation.rule_scenarios import SCENARIOS, write_settings
from tests.simulation.run import run_seed
from tests.simulation.scenario import Scenario
from tests.simulation.world import World
from tests.support.raft_kit import EngineNode, ack, append_entries, entries, request_vote


def test_every_rule_has_a_scenario() -> None:
    assert SCENARIOS.keys() == set(Rule)


@pytest.mark.parametrize("rule", Rule)
def test_a_rule_stands_its_scenario(rule: Rule) -> None:
    check_scenario, _ = SCENARIOS[rule]
    check_scenario(frozenset())


@pytest.mark.parametrize("rule", Rule)
def test_without_the_rule_its_scenario_fails(rule: Rule) -> None:
    play, failure = SCENARIOS[rule]
    with pytest.raises((AssertionError, RaftError), match=failure):
        play(frozenset({rule}))


def first_violation(seeds: range, profile: Profile | None = None, *, off: Rule | None = None) -> str:
    """What the first failing seed says; empty when all are good."""
    switched_off = frozenset() if off is None else frozenset({off})
    for seed in seeds:
        violation = run_seed(seed, profile=profile, switched_off=switched_off).violation
        if violation:
            return violation
    return ""


@pytest.mark.parametrize(
    ("rule", "profile"),
    [(Rule.KEEP_MATCHING_ENTRIES, "slow-small-batches"), (Rule.SYNC_BEFORE_SEND, "crashes")],
)
def test_chance_alone_finds_what_is_easily_found(rule: Rule, profile: str) -> None:
    assert first_violation(range(1, 7), PROFILES[profile], off=rule)


# Promises that are kept outside the guard's rules. Each mutation breaks one in the real code or in a fake.


def commands_of_one_client_are_all_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry is applied a second time (H30)."""
    apply = machine.apply_encoded

    def as_if_new(txn: WriteTxn, index: int, term: int, data: bytes) -> bytes:
        try:
            envelope = decode(data)
        except MalformedCommand:
            return apply(txn, index, term, data)
        return apply(txn, index, term, encode(envelope._replace(client_id=f"{envelope.client_id}.{index}")))

    monkeypatch.setattr(machine, "apply_encoded", as_if_new)


def applied_index_is_stored_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a power cut the state has what the index says it has not (etcd 3.5.0)."""

    class Torn(MemoryStore):
        def crash(self, rng: random.Random) -> None:
            self._undo = [(key, value) for key, value in self._undo if key == APPLIED_KEY]
            super().crash(rng)

    monkeypatch.setattr(world, "MemoryStore", Torn)


def leases_are_longer_than_elections(monkeypatch: pytest.MonkeyPatch) -> None:
    """A leader counts on its lease when others have long been free to vote."""

    def lease_until(self: QuorumContact, quorum_seq: int) -> float | None:
        return None if quorum_seq == 0 else quorum_seq / 1e6 + 2.5

    monkeypatch.setattr(QuorumContact, "lease_until", lease_until)


def the_disk_forgets_what_it_flushed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flush returns before the entry is on disk."""

    class Lying(CrashLog):
        def crash(self, rng: random.Random | None = None) -> None:
            super().crash(rng)
            if len(self._entries) > 10:
                del self._entries[-1:]

    monkeypatch.setattr(world, "CrashLog", Lying)


def sessions_have_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message in a hundred is lost without its session noticing."""

    class Leaky(Network):
        def _dispatch(self, sender: str, receiver: str, frame: bytes, epoch: int) -> None:
            if self._rng.random() > 0.01:
                super()._dispatch(sender, receiver, frame, epoch)

    monkeypatch.setattr(World, "network_class", Leaky)


def committed_entries_are_truncated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal obeys when it is told to drop what is committed."""
    delete = Journal.deleteEntriesFrom

    def obey(self: Journal, entryFrom: int) -> None:
        self._commit_index = min(self._commit_index, self.first_index + entryFrom - 1)
        delete(self, entryFrom)

    monkeypatch.setattr(Journal, "deleteEntriesFrom", obey)


@pytest.mark.parametrize(
    ("mutate", "profile", "off", "failure"),
    [
        (commands_of_one_client_are_all_new, "churn", None, "wrong answer|exactly once|consecutive"),
        (applied_index_is_stored_apart, "lan", None, "state equality|determinism"),
        (leases_are_longer_than_elections, "lan", None, "leases overlap"),
        (the_disk_forgets_what_it_flushed, "crashes", None, "determinism|CommittedEntryTruncated|durability"),
        (sessions_have_gaps, "lan", None, "never answered"),
        (
            committed_entries_are_truncated,
            "slow-small-batches",
            Rule.KEEP_MATCHING_ENTRIES,
            "Violation: (state machine safety|determinism|durability)",
        ),
    ],
)
def test_a_promise_broken_elsewhere_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
    mutate: Callable[[pytest.MonkeyPatch], None],
    profile: str,
    off: Rule | None,
    failure: str,
) -> None:
    mutate(monkeypatch)
    assert re.search(failure, first_violation(range(1, 13), PROFILES[profile], off=off))


def test_a_vote_forgotten_in_a_crash_elects_two_leaders() -> None:
    """pysyncobj issue 84. By hand, since by chance a restarted voter's silence and the pre-votes hide it."""

    def votes_of_a_node_that_crashes(*, forgets: bool) -> list[str]:
        node = EngineNode("n3")
        node.wait(1.0)
        voted = [peer for peer in ("n1",) if node.hear(peer, request_vote(1, (4, 0)))]
        node.crash()
        if forgets:
            node.log._voted_for = None
            node.start()
        node.connect("n1", "n2")
        node.wait(0.81)
        return voted + [peer for peer in ("n2",) if node.hear(peer, request_vote(1, (4, 0)))]

    assert votes_of_a_node_that_crashes(forgets=False) == ["n1"]
    assert votes_of_a_node_that_crashes(forgets=True) == ["n1", "n2"]


def test_a_leader_that_answers_reads_before_it_is_ready_answers_stale_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its commit index may be older than what its predecessor has acknowledged (Ongaro 2014, 6.4)."""

    def read_at_a_new_leader() -> list[int]:
        node = EngineNode("n1")
        # Entry 8 is committed and was acknowledged to a client; this node has it, but knows of 5 only.
        node.hear("n2", append_entries(1, (4, 0), entries(range(5, 9), 1), commit=5))
        node.campaign()
        node.receive("n3", {"type": "response_vote", "term": 2})
        node.turn()
        answered = node.read_index()
        node.turn()
        newest = max(message["seq"] for message in node.to("n3", "append_entries"))
        # A heartbeat is answered before the entries are on the follower's disk.
        node.receive("n3", ack(2, 9, success=False, seq=newest))
        node.turn()
        return [outcome.index for outcome in answered]

    assert read_at_a_new_leader() == []
    monkeypatch.setattr(Core, "is_ready", property(lambda self: True))
    assert read_at_a_new_leader() == [5]


def test_a_snapshot_damaged_on_its_way_is_refused_and_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """And without the checksum it is not: the node then differs from the others (H8)."""

    def state_after_a_damaged_chunk() -> tuple[bool, bool]:
        scenario = Scenario(log_entries_max=30, log_trailing=5, snapshot_chunk_bytes=1024)
        scenario.elect()
        write_settings(scenario, 60, 200)
        damage = scenario.tamper(_flip_a_byte_of_a_value)
        node = scenario.join(as_voter=False)
        scenario.converge(5)
        leader = scenario.leader()
        is_equal = _settings(node.store) == _settings(leader.store)
        return bool(damage), is_equal

    assert state_after_a_damaged_chunk() == (True, True)
    finish = memory_store._Sink.finish

    def trust(self: memory_store._Sink, sha256: bytes) -> None:
        finish(self, hashlib.sha256(bytes(self._data)).digest())

    monkeypatch.setattr(memory_store._Sink, "finish", trust)
    assert state_after_a_damaged_chunk() == (True, False)


def _flip_a_byte_of_a_value(message: Message) -> Message | None:
    """A chunk from the middle, damaged inside the value; None for every other message."""
    chunk = message.get("serialized")
    if chunk is None or chunk[2] < 8192 or b"xxxxxxxx" not in chunk[4]:
        return None
    return {**message, "serialized": [*chunk[:4], chunk[4].replace(b"xxxxxxxx", b"xxxxYxxx", 1), chunk[5]]}


def _settings(store: MemoryStore) -> list[tuple[bytes, bytes]]:
    return [(key, value) for key, value in sorted(store._data.items()) if b"xxxx" in value]


class Disorderly(Network):
    """A message may overtake another of its session."""

    def _dispatch(self, sender: str, receiver: str, frame: bytes, epoch: int) -> None:
        self._direction(sender, receiver).free_at = 0.0
        super()._dispatch(sender, receiver, frame, epoch)


class Repeating(Network):
    """One message in ten arrives twice."""

    def _dispatch(self, sender: str, receiver: str, frame: bytes, epoch: int) -> None:
        for _ in range(2 if self._rng.random() < 0.1 else 1):
            super()._dispatch(sender, receiver, frame, epoch)


class Late(Network):
    """One message in twenty arrives again seconds later, in whatever session there is then."""

    def _dispatch(self, sender: str, receiver: str, frame: bytes, epoch: int) -> None:
        super()._dispatch(sender, receiver, frame, epoch)
        if self._rng.random() < 0.05:
            self._events.after(
                self._rng.uniform(0.1, 6),
                lambda: (
                    self._deliver(sender, receiver, frame) if self._pair(sender, receiver).is_up else None
                ),
            )


@pytest.mark.parametrize("network", [Disorderly, Repeating, Late])
@pytest.mark.parametrize("profile", ["lan", "slow-small-batches", "five-nodes"])
def test_safety_does_not_depend_on_what_the_transport_promises(
    monkeypatch: pytest.MonkeyPatch, network: type[Network], profile: str
) -> None:
    """Progress may: a session keeps its order and has no gaps, and no message outlives it."""
    monkeypatch.setattr(World, "network_class", network)
    violations = [run_seed(seed, profile=PROFILES[profile]).violation for seed in (1, 2)]
    assert not [violation for violation in violations if violation and "liveness" not in violation]
