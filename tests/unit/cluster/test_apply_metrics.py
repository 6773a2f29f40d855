"""Samples in the log: numbered, in order of time, once, and gone from the state after an hour."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.commands import Applied, Code, Outcome, Rejected
from cluster.commands.metrics import DEFINITIONS_MAX, DefineSubjects, RecordSamples
from cluster.commands.settings import PutSetting
from cluster.metrics.block import SampleBlock, encode_block
from cluster.model.ids import NodeId
from cluster.model.metrics import PAYLOAD_BYTES_MAX, STEP_MS, SubjectDefinition, SubjectKind, SubjectRef
from cluster.state_machine import metrics
from cluster.state_machine.metrics import DAY_MS, FUTURE_MS, HOUR_MS, RING_BYTES_MAX, RING_MS
from cluster.store.records import (
    METRIC_BATCHES,
    METRIC_BOOKS,
    METRIC_HOURS,
    METRIC_SOURCES,
    METRIC_SUBJECTS,
    find_subject,
)
from tests.support.state_builders import Replica

H1, H2 = NodeId("nd_1"), NodeId("nd_2")
NOW_MS = 1_800_000_000_000
MINUTE_MS = 60_000


def a_replica() -> Replica:
    replica = Replica()
    replica.now_ms = NOW_MS
    return replica


def a_definition(key: str = "a", *, node_id: NodeId = H1, **fields: Any) -> SubjectDefinition:
    return SubjectDefinition(kind=SubjectKind.CONTAINER, node_id=node_id, key=key, **{"name": key, **fields})


def new(*keys: str, node_id: NodeId = H1) -> tuple[SubjectRef, ...]:
    return tuple(SubjectRef(definition=a_definition(key, node_id=node_id)) for key in keys)


def samples(
    start_ms: int = NOW_MS,
    *,
    node_id: NodeId = H1,
    subjects: tuple[SubjectRef, ...] | None = None,
    **fields: Any,
) -> RecordSamples:
    given: dict[str, Any] = {
        "source": node_id,
        "node_id": node_id,
        "start_ms": start_ms,
        "step_ms": STEP_MS,
        "ticks": 6,
        "subjects": subjects or new("a", node_id=node_id),
        "payload": b"samples",
        **fields,
    }
    return RecordSamples(**given)


def refusal(outcome: Outcome) -> tuple[Code, str]:
    assert isinstance(outcome, Rejected), outcome
    return outcome.code, outcome.reason


def numbers(replica: Replica) -> list[tuple[int, ...]]:
    return [batch.subjects for batch in METRIC_BATCHES.scan(replica.txn)]


# ---- once, and in order of time ---------------------------------------------------------------


def test_the_same_batch_counts_once_however_often_it_is_sent() -> None:
    replica = a_replica()
    replica.must(samples())
    code, reason = refusal(replica.apply(samples()))
    assert code is Code.ALREADY_EXISTS
    assert "recorded up to" in reason
    assert len(METRIC_BATCHES.scan(replica.txn)) == 1


def test_what_overlaps_is_refused_and_what_follows_is_taken() -> None:
    replica = a_replica()
    replica.must(samples(NOW_MS - 10 * MINUTE_MS))
    assert isinstance(replica.apply(samples(NOW_MS - 10 * MINUTE_MS + STEP_MS)), Rejected)
    replica.must(samples(NOW_MS - 9 * MINUTE_MS))
    mark = METRIC_SOURCES.get(replica.txn, H1)
    assert mark is not None
    assert mark.end_ms == NOW_MS - 8 * MINUTE_MS


def test_hosts_and_imports_have_each_their_own_order_of_time() -> None:
    replica = a_replica()
    replica.must(samples())
    replica.must(samples(NOW_MS - DAY_MS, node_id=H2))
    replica.must(samples(NOW_MS - 30 * DAY_MS, source="import.prometheus"))
    assert len(METRIC_BATCHES.scan(replica.txn)) == 3


def test_weeks_of_the_past_are_taken_in_order() -> None:
    replica = a_replica()
    for hour in range(14 * 24):
        replica.must(samples(NOW_MS - 14 * DAY_MS + hour * HOUR_MS, ticks=360))
    assert isinstance(replica.apply(samples(NOW_MS - 3 * DAY_MS)), Rejected)


def test_a_host_whose_clock_runs_ahead_may_not_claim_tomorrow() -> None:
    replica = a_replica()
    last_ms = (NOW_MS + FUTURE_MS) // STEP_MS * STEP_MS
    replica.must(samples(last_ms, ticks=1))
    code, reason = refusal(replica.apply(samples(last_ms + STEP_MS, ticks=1)))
    assert (code, "set the host's clock" in reason) == (Code.INVALID, True)


def test_what_is_older_than_anything_that_is_kept_is_refused_unless_the_settings_keep_it() -> None:
    replica = a_replica()
    old = samples(NOW_MS - 400 * DAY_MS)
    assert refusal(replica.apply(old))[0] is Code.EXPIRED
    replica.must(PutSetting(key="metrics.retention.container.daily", value="500"))
    replica.must(old)


# ---- numbers ----------------------------------------------------------------------------------


def test_a_subject_has_one_number_for_ever_whatever_it_is_called() -> None:
    replica = a_replica()
    replica.must(samples(NOW_MS - 3 * MINUTE_MS, subjects=new("a", "b")))
    renamed = SubjectRef(definition=a_definition("a", name="renamed", labels=(("service", "web"),)))
    replica.must(samples(NOW_MS - 2 * MINUTE_MS, subjects=(SubjectRef(number=2), renamed)))
    assert numbers(replica) == [(1, 2), (2, 1)]
    subject = METRIC_SUBJECTS.get(replica.txn, 1)
    assert subject is not None
    assert subject.definition.name == "renamed"


def test_the_same_key_on_another_host_is_another_subject() -> None:
    replica = a_replica()
    replica.must(samples(subjects=new("a")))
    replica.must(samples(node_id=H2, subjects=new("a", node_id=H2)))
    assert numbers(replica) == [(1,), (2,)]


def test_a_number_of_another_host_or_of_nothing_is_not_taken() -> None:
    replica = a_replica()
    replica.must(samples(subjects=new("a")))
    for number in (1, 99):
        code, reason = refusal(replica.apply(samples(node_id=H2, subjects=(SubjectRef(number=number),))))
        assert (code, "define it" in reason) == (Code.NOT_FOUND, True)


def test_a_batch_that_names_a_subject_twice_is_refused_whole() -> None:
    replica = a_replica()
    twice = (*new("a"), *new("a"))
    assert refusal(replica.apply(samples(subjects=twice)))[0] is Code.INVALID
    assert not METRIC_SUBJECTS.scan(replica.txn)


def test_definitions_may_come_before_their_samples() -> None:
    replica = a_replica()
    definitions = tuple(a_definition(f"{each}") for each in range(DEFINITIONS_MAX))
    replica.must(DefineSubjects(node_id=H1, definitions=definitions))
    replica.must(DefineSubjects(node_id=H1, definitions=definitions))
    assert len(METRIC_SUBJECTS.scan(replica.txn)) == DEFINITIONS_MAX


def test_subjects_outlive_their_container_and_are_forgotten_when_nothing_of_them_is_kept() -> None:
    replica = a_replica()
    replica.must(samples(subjects=new("gone")))
    for day in (30, 390):
        replica.now_ms = NOW_MS + day * DAY_MS
        replica.must(samples(replica.now_ms, subjects=new("there")))
    assert find_subject(replica.txn, a_definition("gone")) is not None
    for minute in range(3):
        replica.now_ms = NOW_MS + 400 * DAY_MS + minute * MINUTE_MS
        replica.must(samples(replica.now_ms, subjects=new("there")))
    assert find_subject(replica.txn, a_definition("gone")) is None
    replica.now_ms += MINUTE_MS
    replica.must(samples(replica.now_ms, subjects=new("gone")))
    assert numbers(replica)[-1] == (3,), "no number is given twice"


def test_with_as_many_subjects_as_there_may_be_new_ones_are_refused_and_known_ones_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics, "SUBJECTS_TOTAL_MAX", 2)
    replica = a_replica()
    replica.must(samples(NOW_MS - 5 * MINUTE_MS, subjects=new("a", "b")))
    code, reason = refusal(replica.apply(samples(subjects=new("c"))))
    assert (code, "the most there may be" in reason) == (Code.FULL, True)
    replica.must(samples(subjects=new("a")))


# ---- the ring ---------------------------------------------------------------------------------


def test_batches_leave_the_state_after_an_hour_and_their_times_stay() -> None:
    replica = a_replica()
    replica.must(samples())
    replica.now_ms = NOW_MS + RING_MS + MINUTE_MS
    replica.must(samples(replica.now_ms))
    (left,) = METRIC_BATCHES.scan(replica.txn)
    books = METRIC_BOOKS.get(replica.txn)
    assert books is not None
    assert (left.start_ms, books.passed_index, books.ring_bytes) == (replica.now_ms, 1, left.ring_bytes)
    hours = METRIC_HOURS.scan(replica.txn)
    assert [(hour.start_ms, hour.end_ms) for hour in hours] == [
        (NOW_MS, NOW_MS + MINUTE_MS),
        (replica.now_ms, replica.now_ms + MINUTE_MS),
    ]


def test_the_state_holds_a_bounded_number_of_bytes_of_samples() -> None:
    replica = a_replica()
    size = PAYLOAD_BYTES_MAX
    count = RING_BYTES_MAX // size + 20
    for hour in range(count):
        replica.must(samples(NOW_MS - (count - hour) * HOUR_MS, ticks=360, payload=bytes(size)))
    held = METRIC_BATCHES.scan(replica.txn)
    assert sum(batch.ring_bytes for batch in held) <= RING_BYTES_MAX
    assert len(held) > RING_BYTES_MAX // size - 3


@given(st.lists(st.tuples(st.sampled_from([H1, H2]), st.integers(-5, 40), st.integers(0, 4)), max_size=40))
def test_every_moment_of_a_source_is_recorded_at_most_once(sent: list[tuple[NodeId, int, int]]) -> None:
    """Also the books of the ring are right, whatever is sent in whatever order."""
    replica = a_replica()
    for node_id, minutes, length in sent:
        replica.now_ms += 20 * MINUTE_MS
        start_ms = replica.now_ms - minutes * MINUTE_MS
        outcome = replica.apply(samples(start_ms, node_id=node_id, ticks=1 + length * 6))
        seen: dict[NodeId, int] = {}
        batches = METRIC_BATCHES.scan(replica.txn)
        for batch in batches:
            assert batch.start_ms >= seen.get(batch.node_id, 0)
            # The ring turns with what is taken, and with nothing else.
            assert isinstance(outcome, Rejected) or replica.now_ms - batch.committed_ms <= RING_MS
            seen[batch.node_id] = batch.end_ms
        books = METRIC_BOOKS.get(replica.txn)
        assert (books.ring_bytes if books else 0) == sum(batch.ring_bytes for batch in batches)
        for node_id, end_ms in seen.items():
            mark = METRIC_SOURCES.get(replica.txn, node_id)
            assert mark is not None
            assert mark.end_ms == end_ms


# ---- what is no command -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"source": "nd_9"}, "source"),
        ({"start_ms": NOW_MS + 1}, "a multiple of the step"),
        ({"ticks": 0}, "moments"),
        ({"ticks": 361}, "moments"),
        ({"step_ms": 1}, "step"),
        ({"payload": b""}, "samples, bytes"),
        ({"payload": bytes(PAYLOAD_BYTES_MAX + 1)}, "samples, bytes"),
        ({"subjects": new("a", node_id=H2)}, "a batch speaks of one host"),
        ({"subjects": new(*(f"{each}" for each in range(DEFINITIONS_MAX + 1)))}, "definitions"),
    ],
)
def test_a_batch_with_a_wrong_field_is_refused_by_name(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(samples(), **fields)


def test_a_batch_is_applied_alike_whatever_its_bytes() -> None:
    replica = a_replica()
    assert isinstance(replica.apply(samples(payload=b"\x00\xffno block")), Applied)


# ---- what it costs ----------------------------------------------------------------------------


def a_busy_minute(containers: int) -> tuple[bytes, int]:
    """A minute of containers none of whose figures stands still: the block, and how many samples it holds."""
    rng = np.random.default_rng(containers)
    rates = (500_000, 2_000_000, 40_000, 80_000)
    columns = [
        rng.normal(3000, 300, 6),
        3e8 + np.cumsum(rng.normal(0, 1e5, 6)) // 4096 * 4096,
        *(rng.normal(rate, rate / 5, 6) for rate in rates),
        rng.normal(40, 2, 6),
    ] * containers
    per_container = len(columns) // containers
    block = SampleBlock(
        start_ms=NOW_MS,
        step_ms=STEP_MS,
        ticks=6,
        positions=np.repeat(np.arange(containers, dtype=np.uint16), per_container),
        metrics=np.tile(np.arange(1, per_container + 1, dtype=np.uint16), containers),
        values=np.array([rng.permutation(column) for column in columns]).astype(np.int64),
        present=np.ones((len(columns), 6), dtype=np.bool_),
    )
    return encode_block(block), block.samples


def test_a_sample_of_a_busy_container_takes_no_more_than_two_and_a_half_bytes_in_the_log() -> None:
    payload, count = a_busy_minute(20)
    known = tuple(SubjectRef(number=1000 + each) for each in range(20))
    command = Replica().envelope(samples(subjects=known, payload=payload))
    assert len(command) <= 2.5 * count
