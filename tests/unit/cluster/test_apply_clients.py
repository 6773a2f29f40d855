"""Commands that come again, late or from clients that were forgotten."""

from __future__ import annotations

import pytest

from cluster.commands import Applied, Code, Rejected
from cluster.commands.settings import PutSetting
from cluster.state_machine import clients
from cluster.store.records import SETTINGS
from cluster.store.tables import CLIENT_OUTCOMES, CLIENT_TIMES, CLIENTS
from tests.support.state_builders import START_MS, Replica

HOUR_MS = 3_600_000


def put(value: str = "v", key: str = "k", expected: int | None = None) -> PutSetting:
    return PutSetting(key=key, value=value, expected_version=expected)


def version(replica: Replica, key: str = "k") -> int:
    setting = SETTINGS.get(replica.txn, key)
    return 0 if setting is None else setting.version


def test_a_repeated_command_is_answered_with_the_first_result_and_changes_nothing() -> None:
    replica = Replica()
    first = replica.envelope(put("a"))
    assert replica.apply_bytes(first) == Applied(1)
    replica.must(put("b"))
    assert replica.apply_bytes(first) == Applied(1)
    setting = SETTINGS.get(replica.txn, "k")
    assert setting is not None
    assert (setting.value, setting.version) == ("b", 2)


def test_a_repeated_rejection_is_the_same_rejection() -> None:
    replica = Replica()
    data = replica.envelope(put(expected=5))
    first = replica.apply_bytes(data)
    assert isinstance(first, Rejected)
    replica.must(put())
    assert replica.apply_bytes(data) == first


def test_commands_may_arrive_out_of_order_within_the_window() -> None:
    replica = Replica()
    replica.must(put("late"), sequence=1000)
    assert replica.must(put("early"), sequence=1) == 2
    assert replica.apply(put("early"), sequence=1) == Applied(2)


def test_a_command_behind_the_window_is_rejected_with_its_outcome_unknown() -> None:
    replica = Replica()
    replica.must(put(), sequence=clients.WINDOW + 5)
    refused = replica.refusal(put(), sequence=5)
    assert refused.code is Code.TOO_OLD
    assert "not known" in refused.reason
    assert replica.must(put(), sequence=6) == 2


def test_the_state_keeps_one_window_of_outcomes_per_client() -> None:
    replica = Replica()
    for _ in range(clients.WINDOW + 50):
        replica.must(put())
    assert len(replica.txn.scan(CLIENT_OUTCOMES)) == clients.WINDOW
    replica.must(put(), sequence=10**9)
    assert len(replica.txn.scan(CLIENT_OUTCOMES)) == clients.WINDOW


def test_a_jump_in_the_sequence_forgets_only_what_left_the_window() -> None:
    replica = Replica()
    versions = {sequence: replica.must(put(), sequence=sequence) for sequence in (1, 2, 600)}
    versions[clients.WINDOW + 1] = replica.must(put(), sequence=clients.WINDOW + 1)
    assert replica.refusal(put(), sequence=1).code is Code.TOO_OLD
    for sequence in (2, 600, clients.WINDOW + 1):
        assert replica.apply(put(), sequence=sequence) == Applied(versions[sequence])


def test_an_outcome_that_left_the_window_is_not_taken_for_that_of_the_number_in_its_place() -> None:
    replica = Replica()
    replica.must(put("first"), sequence=5)
    replica.must(put("ahead"), sequence=clients.WINDOW + 50)
    assert replica.must(put("new"), sequence=clients.WINDOW + 5) == 3
    assert replica.apply(put("new"), sequence=clients.WINDOW + 5) == Applied(3)
    assert version(replica) == 3


def test_clients_do_not_share_sequences() -> None:
    replica = Replica()
    assert replica.must(put(), client="a", sequence=1) == 1
    assert replica.must(put(), client="b", sequence=1) == 2


def test_a_client_silent_for_an_hour_of_log_time_is_forgotten_with_its_outcomes() -> None:
    replica = Replica()
    replica.must(put(), client="silent")
    replica.now_ms = START_MS + HOUR_MS + clients.REINDEX_MS
    replica.must(put(), client="other")
    assert [key for key, _ in replica.txn.scan(CLIENTS)] == [b"other"]
    assert len(replica.txn.scan(CLIENT_OUTCOMES)) == 1
    assert len(replica.txn.scan(CLIENT_TIMES)) == 1


def test_a_client_that_keeps_talking_is_not_forgotten() -> None:
    replica = Replica()
    for minute in range(0, 180, 30):
        replica.now_ms = START_MS + minute * 60_000
        replica.must(put(), client="busy")
        replica.must(put(), client=f"passing-{minute}")
    assert b"busy" in [key for key, _ in replica.txn.scan(CLIENTS)]


def test_a_late_retry_of_a_forgotten_client_is_not_taken_for_new() -> None:
    replica = Replica()
    data = replica.envelope(put("once"), client="silent")
    replica.apply_bytes(data)
    replica.now_ms = START_MS + 2 * HOUR_MS
    replica.must(put("other"), client="other")
    refused = replica.apply_bytes(data)
    assert isinstance(refused, Rejected)
    assert refused.code is Code.TOO_OLD
    assert version(replica) == 2


def test_a_late_retry_is_not_taken_for_new_when_its_forgotten_client_has_come_back() -> None:
    replica = Replica()
    data = replica.envelope(put("once"), client="silent")
    replica.apply_bytes(data)
    replica.now_ms = START_MS + 2 * HOUR_MS
    replica.must(put("other"), client="other")
    replica.must(put("back"), client="silent")
    refused = replica.apply_bytes(data)
    assert isinstance(refused, Rejected)
    assert refused.code is Code.TOO_OLD
    assert version(replica) == 3


def test_a_new_client_is_welcome_after_others_were_forgotten() -> None:
    replica = Replica()
    replica.must(put(), client="silent")
    replica.now_ms = START_MS + 2 * HOUR_MS
    replica.must(put(), client="other")
    assert replica.must(put(), client="new") == 3


def test_too_many_clients_make_the_longest_silent_ones_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "CLIENTS_MAX", 20)
    replica = Replica()
    for number in range(clients.CLIENTS_MAX + 10):
        replica.now_ms += 1
        replica.must(put(), client=f"c{number}")
    known = [key for key, _ in replica.txn.scan(CLIENTS)]
    assert len(known) == clients.CLIENTS_MAX
    assert b"c9" not in known
    assert b"c10" in known
    assert len(replica.txn.scan(CLIENT_TIMES)) == clients.CLIENTS_MAX


def test_the_newest_client_is_never_the_one_that_has_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "CLIENTS_MAX", 20)
    replica = Replica()
    for number in range(clients.CLIENTS_MAX):
        replica.must(put(), client=f"c{number}")
    # Its name sorts before all others in the order of silence, was its time the same.
    data = replica.envelope(put("last"), client="a")
    assert isinstance(replica.apply_bytes(data), Applied)
    before = version(replica)
    assert replica.apply_bytes(data) == Applied(before)


def test_a_client_as_old_as_one_that_had_to_go_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "CLIENTS_MAX", 20)
    replica = Replica()
    for number in range(clients.CLIENTS_MAX + 1):
        replica.must(put(), client=f"c{number}")
    assert replica.refusal(put(), client="late").code is Code.TOO_OLD
    assert replica.must(put(), client="late", sequence=2, time_ms=replica.now_ms + 1)


def test_log_time_never_goes_back() -> None:
    replica = Replica()
    replica.must(put(), time_ms=5000)
    replica.must(put(), time_ms=4000)
    assert replica.txn.log_time_ms == 5000
    setting = SETTINGS.get(replica.txn, "k")
    assert setting is not None
    assert setting.changed_at_ms == 5000


def test_a_setting_is_changed_only_against_the_version_that_was_read() -> None:
    replica = Replica()
    assert replica.must(put("a", expected=0)) == 1
    refused = replica.refusal(put("b", expected=0))
    assert refused.code is Code.VERSION_CONFLICT
    assert "at version 1, not 0" in refused.reason
    assert replica.must(put("b", expected=1)) == 2


def test_a_removed_setting_goes_on_counting_versions() -> None:
    replica = Replica()
    replica.must(put("a"))
    assert replica.must(PutSetting(key="k", value=None)) == 2
    assert replica.must(put("b", expected=2)) == 3
