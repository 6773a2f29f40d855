"""Every request that reaches the log leaves its entry, with what became of it."""

from __future__ import annotations

import pytest

from cluster.audit.merkle import Frontier, inclusion_proof, leaf_hash, root_of, verify_inclusion
from cluster.audit.trail import encode_entry, verify_trail
from cluster.commands import Applied, Code
from cluster.commands.audit import RecordAudit
from cluster.commands.settings import PutSetting
from cluster.model.audit import AuditEntry, AuditOutcome, AuditRecord
from cluster.state_machine import audit_trail
from cluster.store.records import AUDIT, SETTINGS, audit_head, audit_leaves
from tests.support.state_builders import START_MS, Replica, a_stamp

PUT = PutSetting(key="k", value="v")


def entries(replica: Replica) -> list[AuditEntry]:
    return AUDIT.scan(replica.txn)


def test_an_applied_request_is_recorded_with_who_what_and_when() -> None:
    replica = Replica()
    replica.must(PUT, audit=a_stamp())
    assert entries(replica) == [
        AuditEntry(
            sequence=0,
            time_ms=START_MS,
            log_index=1,
            stamp=a_stamp(),
            command="put-setting",
            outcome=AuditOutcome.APPLIED,
        )
    ]


def test_a_rejected_request_is_recorded_with_the_code() -> None:
    replica = Replica()
    refused = replica.refusal(PutSetting(key="k", value="v", expected_version=3), audit=a_stamp())
    [entry] = entries(replica)
    assert (entry.outcome, entry.outcome_code) == (AuditOutcome.REJECTED, refused.code)


def test_a_fenced_request_is_recorded() -> None:
    replica = Replica()
    replica.term = 9
    replica.refusal(PUT, audit=a_stamp(), leader_term=9)
    assert [entry.outcome for entry in entries(replica)] == [AuditOutcome.REJECTED]


def test_a_request_that_is_too_old_to_tell_is_recorded() -> None:
    replica = Replica()
    replica.must(PUT, sequence=5000)
    assert replica.refusal(PUT, sequence=1, audit=a_stamp()).code is Code.TOO_OLD
    assert [entry.outcome for entry in entries(replica)] == [AuditOutcome.REJECTED]


def test_a_repeated_request_is_recorded_once() -> None:
    replica = Replica()
    data = replica.envelope(PUT, audit=a_stamp())
    assert replica.apply_bytes(data) == replica.apply_bytes(data) == Applied(1)
    assert len(entries(replica)) == 1


def test_a_command_without_a_stamp_leaves_no_entry() -> None:
    replica = Replica()
    replica.must(PUT)
    assert entries(replica) == []
    assert audit_head(replica.txn).size == 0


def test_when_the_entry_cannot_be_written_the_request_fails_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("no")

    replica = Replica()
    with monkeypatch.context() as patch:
        patch.setattr(audit_trail, "_append", broken)
        data = replica.envelope(PUT, audit=a_stamp())
        refused = replica.apply_bytes(data)
    assert getattr(refused, "code", None) is Code.AUDIT_UNAVAILABLE
    assert SETTINGS.get(replica.txn, "k") is None
    assert replica.apply_bytes(data) == refused


def test_refusals_are_appended_in_one_batch() -> None:
    replica = Replica()
    record = AuditRecord(
        stamp=a_stamp(is_allowed=False), outcome=AuditOutcome.DENIED, happened_at_ms=77, count=3
    )
    replica.must(PUT, audit=a_stamp())
    assert replica.must(RecordAudit(records=(record, record))) == 1
    assert [(entry.sequence, entry.outcome, entry.count) for entry in entries(replica)][1:] == [
        (1, AuditOutcome.DENIED, 3),
        (2, AuditOutcome.DENIED, 3),
    ]


def test_the_tree_is_over_the_entries_bytes() -> None:
    replica = Replica()
    for number in range(11):
        replica.must(PutSetting(key="k", value=str(number)), audit=a_stamp())
    recorded, head = entries(replica), audit_head(replica.txn)
    leaves = [leaf_hash(encode_entry(entry)) for entry in recorded]
    assert audit_leaves(replica.txn, 0, 11) == leaves
    assert audit_leaves(replica.txn, 4, 6) == leaves[4:6]
    assert audit_leaves(replica.txn, 3, 3) == []
    assert (head.size, head.root) == (11, root_of(leaves))
    proof = inclusion_proof(lambda start, stop: audit_leaves(replica.txn, start, stop), 4, 11)
    assert verify_inclusion(leaf=leaves[4], index=4, size=11, proof=proof, root=head.root)
    assert verify_trail(recorded, head).is_intact


def test_an_export_with_an_entry_changed_missing_or_cut_off_is_found_out() -> None:
    replica = Replica()
    for number in range(5):
        replica.must(PutSetting(key="k", value=str(number)), audit=a_stamp(request_id=f"rq{number}"))
    recorded, head = entries(replica), audit_head(replica.txn)
    swapped = [*recorded[:3], recorded[4], recorded[3]]
    assert "entry 3 is missing" in verify_trail(swapped, head).reason
    assert "entry 2 is missing" in verify_trail([*recorded[:2], *recorded[3:]], head).reason
    assert "4 entries, but the head is over 5" in verify_trail(recorded[:4], head).reason
    forged = AuditEntry(
        sequence=1,
        time_ms=recorded[1].time_ms,
        log_index=recorded[1].log_index,
        stamp=a_stamp(principal="u2", request_id="rq1"),
        command="put-setting",
        outcome=AuditOutcome.APPLIED,
    )
    assert "was changed" in verify_trail([recorded[0], forged, *recorded[2:]], head).reason


def test_the_empty_trail_is_intact() -> None:
    assert verify_trail([], audit_head(Replica().txn)).is_intact
    assert Frontier().root == root_of([])
