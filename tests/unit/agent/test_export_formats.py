"""What other programs are sent, read back by readers of our own for the published formats."""

from __future__ import annotations

import gzip
import struct
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agent.export.line_protocol import line_requests, with_precision
from agent.export.remote_write import SAMPLES_MAX, remote_write_requests
from agent.export.series import ExportSeries, labels_of, series_of
from agent.export.snappy import SnappyWriter
from cluster.metrics.block import BlockBuilder, decode_block, encode_block
from cluster.model.ids import NodeId
from cluster.model.metrics import BY_NAME, Subject, SubjectDefinition, SubjectKind

N1 = NodeId("n1")
NAMES = {"n1": "alpha"}


def unsnappy(data: bytes) -> bytes:
    """A reader of snappy blocks, from the format's description."""
    length, at = unvarint(data, 0)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        if tag & 3 == 0:
            count = tag >> 2
            if count >= 60:
                size = count - 59
                count = int.from_bytes(data[at : at + size], "little")
                at += size
            out += data[at : at + count + 1]
            at += count + 1
        else:
            assert tag & 3 == 2, "only copies with 2-byte offsets are written"
            offset = int.from_bytes(data[at : at + 2], "little")
            at += 2
            assert 0 < offset <= len(out)
            for _ in range((tag >> 2) + 1):
                out.append(out[-offset])
    assert len(out) == length
    return bytes(out)


def unvarint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, at


def fields(data: bytes) -> list[tuple[int, Any]]:
    """A reader of protobuf messages: field numbers with their bytes, doubles and integers."""
    found: list[tuple[int, Any]] = []
    at = 0
    while at < len(data):
        tag, at = unvarint(data, at)
        match tag & 7:
            case 0:
                value, at = unvarint(data, at)
                found.append((tag >> 3, value))
            case 1:
                found.append((tag >> 3, struct.unpack("<d", data[at : at + 8])[0]))
                at += 8
            case 2:
                length, at = unvarint(data, at)
                found.append((tag >> 3, data[at : at + length]))
                at += length
    return found


def read_write_request(body: bytes) -> dict[tuple[tuple[str, str], ...], list[tuple[int, float]]]:
    series = {}
    for number, content in fields(unsnappy(body)):
        assert number == 1
        labels, samples = [], []
        for inner, value in fields(content):
            parts = dict(fields(value))
            if inner == 1:
                labels.append((parts[1].decode(), parts[2].decode()))
            else:
                samples.append((parts[2], parts[1]))
        assert labels == sorted(labels)
        series[tuple(labels)] = samples
    return series


def a_subject(number: int = 1, kind: SubjectKind = SubjectKind.CONTAINER, **fields: Any) -> Subject:
    base: dict[str, Any] = {"kind": kind, "node_id": N1, "key": f"k{number}", "name": f"web-{number}"}
    definition = SubjectDefinition(**{**base, **fields})
    return Subject(number=number, definition=definition, created_ms=0, seen_ms=0)


def a_series(subject: Subject, metric: str = "cpu_percent", count: int = 3) -> ExportSeries:
    return ExportSeries(
        subject=subject,
        metric=BY_NAME[metric],
        times_ms=np.arange(count, dtype=np.int64) * 10_000 + 1_700_000_000_000,
        values=np.arange(count, dtype=np.float64) / 4,
    )


@given(st.lists(st.tuples(st.booleans(), st.binary(min_size=0, max_size=300)), max_size=40))
def test_a_snappy_block_comes_back_as_it_was(parts: list[tuple[bool, bytes]]) -> None:
    writer = SnappyWriter()
    for is_repeated, data in parts + parts:
        (writer.write_repeated if is_repeated else writer.write)(data)
    assert unsnappy(writer.finish()) == b"".join(data for _, data in parts + parts)


def test_what_repeats_is_written_once_also_across_the_longest_way_back() -> None:
    writer = SnappyWriter()
    chunk = bytes(range(200))
    for _ in range(100):
        writer.write_repeated(chunk)
    assert len(writer.finish()) < 2_000
    writer = SnappyWriter()
    writer.write_repeated(chunk)
    writer.write(b"x" * 70_000)
    writer.write_repeated(chunk)
    assert unsnappy(writer.finish()) == chunk + b"x" * 70_000 + chunk


def test_a_write_request_has_sorted_labels_and_milliseconds() -> None:
    subject = a_subject(labels=(("project", "shop"), ("service", "shop.web")))
    (request,) = remote_write_requests([a_series(subject), a_series(subject, "pids")], NAMES)
    assert request.samples == 6
    read = read_write_request(request.body)
    labels = (
        ("job", "tower"),
        ("kind", "container"),
        ("node", "alpha"),
        ("project", "shop"),
        ("service", "shop.web"),
        ("subject", "web-1"),
    )
    assert read[("__name__", "tower_cpu_percent"), *labels] == [
        (1_700_000_000_000, 0.0),
        (1_700_000_010_000, 0.25),
        (1_700_000_020_000, 0.5),
    ]
    assert ("__name__", "tower_pids") in {pair for key in read for pair in key}


def test_requests_are_bounded_and_hold_everything_once() -> None:
    series = [a_series(a_subject(number), count=300) for number in range(1, 60)]
    requests = list(remote_write_requests(series, NAMES))
    assert max(request.samples for request in requests) <= SAMPLES_MAX
    assert sum(request.samples for request in requests) == 59 * 300
    read = [key for request in requests for key in read_write_request(request.body)]
    assert len(read) == len(set(read)) == 59
    assert list(remote_write_requests([], NAMES)) == []


def test_labels_that_others_do_not_allow_or_that_are_ours_are_renamed() -> None:
    subject = a_subject(labels=(("9lives", "a"), ("a.b-c", "b"), ("empty", ""), ("node", "theirs")))
    labels = dict(labels_of(subject, ""))
    assert labels["node"] == "n1"
    assert (labels["label_9lives"], labels["a_b_c"], labels["label_node"]) == ("a", "b", "theirs")
    assert "empty" not in labels


def test_a_disk_is_told_from_another_of_its_name_and_a_container_made_anew_is_not() -> None:
    route = a_subject(kind=SubjectKind.ROUTE, key="shop.web@2", name="shop.web")
    assert dict(labels_of(route, "alpha"))["id"] == "shop.web@2"
    assert "id" not in dict(labels_of(a_subject(), "alpha"))


def test_lines_have_a_moment_of_a_subject_with_its_fields_and_are_escaped() -> None:
    subject = a_subject(name="web 1,a=b\\", labels=(("image", "web:1"),))
    (request,) = line_requests([a_series(subject, count=1), a_series(subject, "pids", count=2)], NAMES)
    assert (request.samples, request.headers["Content-Encoding"]) == (3, "gzip")
    head = "tower_container,image=web:1,job=tower,kind=container,node=alpha,subject=web\\ 1\\,a\\=b/"
    assert gzip.decompress(request.body).decode().splitlines() == [
        f"{head} cpu_percent=0.0,pids=0.0 1700000000000",
        f"{head} pids=0.25 1700000010000",
    ]


def test_the_url_says_milliseconds_whatever_it_said() -> None:
    assert with_precision("http://i/write?db=t&precision=s") == "http://i/write?db=t&precision=ms"
    assert with_precision("http://i/api/v2/write") == "http://i/api/v2/write?precision=ms"


def test_series_of_a_batch_are_in_their_unit_without_what_was_not_measured() -> None:
    builder = BlockBuilder(start_ms=1_700_000_000_000, step_ms=10_000, ticks=3)
    builder.put(0, BY_NAME["cpu_percent"].number, 0, 1250)
    builder.put(0, BY_NAME["cpu_percent"].number, 2, 50)
    builder.put(1, BY_NAME["pids"].number, 1, 7)
    payload = encode_block(builder.build())
    block = decode_block(payload, start_ms=1_700_000_000_000, step_ms=10_000, ticks=3)
    found = list(series_of(block, (11, 12), {11: a_subject(11)}))
    assert [each.subject.number for each in found] == [11], "what is not known any more is left out"
    assert found[0].values.tolist() == [12.5, 0.5]
    assert found[0].times_ms.tolist() == [1_700_000_000_000, 1_700_000_020_000]
