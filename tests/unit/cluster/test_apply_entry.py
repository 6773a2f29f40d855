"""Entries that are no commands, come from other versions, or meet a mistake of ours."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from cluster.commands import Applied, Code, Envelope, NewerCommand, Rejected, decode, encode, registry
from cluster.commands.envelope import ENVELOPE_VERSION, MalformedCommand, SkippedCommand
from cluster.commands.registry import IGNORABLE_FROM, CommandKind
from cluster.commands.settings import PutSetting
from cluster.encoding import pack, unpack
from cluster.state_machine.apply import HANDLERS
from cluster.state_machine.entry import Entry
from cluster.state_machine.settings import put_setting
from cluster.store import StoreFailed
from cluster.store.records import SETTINGS
from tests.support.state_builders import Replica, a_stamp

PUT = PutSetting(key="k", value="v")


def changed(data: bytes, position: int, value: object) -> bytes:
    array = list(unpack(data))
    array[position] = value
    return pack(array)


def test_bytes_that_are_no_command_are_rejected_and_the_index_advances() -> None:
    replica = Replica()
    outcome = replica.apply_bytes(b"\x00garbage")
    assert isinstance(outcome, Rejected)
    assert outcome.code is Code.MALFORMED
    assert replica.index == 1


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (0, 0),
        (0, "1"),
        (1, ""),
        (1, "has space"),
        (1, "x" * 65),
        (2, 0),
        (2, 2**63),
        (3, -1),
        (3, 2**60),
        (4, -1),
        (5, ["too", "short"]),
        (6, 0),
        (7, "1"),
        (8, ["only-key"]),
        (8, ["BAD KEY", "v"]),
        (8, 7),
    ],
)
def test_an_envelope_with_a_wrong_field_is_malformed(position: int, value: object) -> None:
    replica = Replica()
    outcome = replica.apply_bytes(changed(replica.envelope(PUT), position, value))
    assert isinstance(outcome, Rejected)
    assert outcome.code is Code.MALFORMED
    assert replica.txn.log_time_ms == 0


def test_what_no_node_would_accept_is_not_encoded() -> None:
    with pytest.raises(MalformedCommand, match="client id"):
        encode(Envelope(client_id="", sequence=1, time_ms=0, command=PUT))
    too_long = PutSetting(key="k", value="\U0001f600" * 64 * 1024)
    with pytest.raises(MalformedCommand, match="at most 262144"):
        encode(Envelope(client_id="c", sequence=1, time_ms=0, command=too_long))


def test_a_command_of_a_newer_version_stops_the_node_before_anything_changes() -> None:
    replica = Replica()
    replica.must(PUT)
    before = replica.store.applied
    data = replica.envelope(PUT)
    for position, value in ((6, 999), (7, 2), (0, ENVELOPE_VERSION + 1)):
        with pytest.raises(NewerCommand, match="upgrade this node"):
            replica.apply_bytes(changed(data, position, value))
        assert replica.store.applied == before
    assert replica.must(PUT) == 2


def test_an_unknown_ignorable_command_is_skipped() -> None:
    replica = Replica()
    data = changed(replica.envelope(PUT), 6, IGNORABLE_FROM + 7)
    assert decode(data).command == SkippedCommand(IGNORABLE_FROM + 7, 1)
    outcome = replica.apply_bytes(data)
    assert isinstance(outcome, Rejected)
    assert outcome.code is Code.UNKNOWN_COMMAND
    assert replica.index == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    text: str


def _keep_hint(entry: Entry, command: Hint) -> Applied:
    SETTINGS.delete(entry.txn, command.text)
    return Applied(command.text)


def test_nodes_that_know_an_ignorable_command_and_nodes_that_skip_it_keep_equal_hashes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old, new = Replica(), Replica()
    kind = CommandKind(IGNORABLE_FROM + 1, "hint", Hint)
    with monkeypatch.context() as patch:
        patch.setitem(registry.BY_NUMBER, kind.number, kind)
        patch.setitem(registry.BY_CLASS, Hint, kind)
        patch.setitem(HANDLERS, Hint, _keep_hint)
        data = new.envelope(Hint(text="x"), audit=a_stamp())
        assert new.apply_bytes(data) == Applied("x")
    assert isinstance(old.apply_bytes(data), Rejected)
    assert old.store.applied == new.store.applied
    old.must(PUT)
    new.must(PUT, sequence=1)
    assert old.store.applied.state_hash == new.store.applied.state_hash


def test_a_mistake_in_a_handler_rejects_the_command_and_keeps_none_of_its_writes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(entry: Entry, command: PutSetting) -> Applied:
        put_setting(entry, command)
        raise KeyError("oops")

    replica = Replica()
    with monkeypatch.context() as patch:
        patch.setitem(HANDLERS, PutSetting, broken)
        data = replica.envelope(PUT)
        outcome = replica.apply_bytes(data)
    assert outcome == Rejected("internal error in put-setting: KeyError", Code.INTERNAL)
    assert SETTINGS.get(replica.txn, "k") is None
    assert replica.apply_bytes(data) == outcome
    assert [record.message for record in caplog.records] == ["apply.handler_failed"]


@pytest.mark.parametrize("error", [StoreFailed("disk"), MemoryError()])
def test_a_failure_of_this_node_alone_is_not_an_outcome(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def failing(entry: Entry, command: PutSetting) -> Applied:
        entry.txn.put(SETTINGS.table, b"x", b"y")
        raise error

    replica = Replica()
    before = replica.store.applied
    with monkeypatch.context() as patch:
        patch.setitem(HANDLERS, PutSetting, failing)
        with pytest.raises(type(error)):
            replica.apply(PUT)
    assert replica.store.applied == before
    assert replica.txn.get(SETTINGS.table, b"x") is None


def test_a_result_without_an_encoding_is_an_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def odd(entry: Entry, command: PutSetting) -> Applied:
        return Applied(object())

    replica = Replica()
    monkeypatch.setitem(HANDLERS, PutSetting, odd)
    assert replica.refusal(PUT).code is Code.INTERNAL


def test_appended_fields_are_written_as_the_old_version_until_they_are_used() -> None:
    kind = CommandKind(500, "later", PutSetting, earlier_field_counts=(2,))
    assert kind.version == 2
    assert kind.version_of(len(kind.codec.to_array(PUT))) == 1
    assert kind.version_of(len(kind.codec.to_array(PutSetting(key="k", value="v", expected_version=1)))) == 2


def test_nodes_that_word_a_rejection_differently_keep_equal_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    def reworded(entry: Entry, command: PutSetting) -> Rejected:
        return Rejected("said better", Code.VERSION_CONFLICT)

    old, new = Replica(), Replica()
    conflict = PutSetting(key="k", value="v", expected_version=7)
    data = old.envelope(conflict, audit=a_stamp())
    first = old.apply_bytes(data)
    with monkeypatch.context() as patch:
        patch.setitem(HANDLERS, PutSetting, reworded)
        assert new.apply_bytes(data) == Rejected("said better", Code.VERSION_CONFLICT)
    assert old.store.applied == new.store.applied
    assert (old.apply_bytes(data), new.apply_bytes(data)) == (
        first,
        Rejected("said better", Code.VERSION_CONFLICT),
    )
    malformed = replica_bytes_of_two_libraries()
    for replica, one in zip((old, new), malformed, strict=True):
        assert isinstance(replica.apply_bytes(one), Rejected)
    assert old.store.applied.state_hash == new.store.applied.state_hash


def replica_bytes_of_two_libraries() -> tuple[bytes, bytes]:
    """Two malformed commands, for which the codec gives two reasons."""
    return b"\xc1", b""
