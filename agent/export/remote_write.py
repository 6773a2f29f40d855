"""Prometheus remote-write 1.0: a protobuf `WriteRequest` in a snappy block.

    WriteRequest { repeated TimeSeries timeseries = 1; }
    TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2; }
    Label        { string name = 1; string value = 2; }
    Sample       { double value = 1; int64 timestamp = 2; }   // milliseconds

Labels are sorted by name. Source: https://prometheus.io/docs/specs/prw/remote_write_spec/
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence

from agent.export.request import ExportRequest
from agent.export.series import ExportSeries, labels_of, metric_name
from agent.export.snappy import SnappyWriter, varint

SAMPLES_MAX = 5000
"""Of one request; Prometheus itself sends 2000 by default."""

HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
_DOUBLE = struct.Struct("<d")


def remote_write_requests(
    series: Iterable[ExportSeries], node_names: dict[str, str]
) -> Iterator[ExportRequest]:
    """Yield requests of at most `SAMPLES_MAX` samples, and one series at least, with all of `series`."""
    some: list[ExportSeries] = []
    samples = 0
    for each in series:
        if samples and samples + each.samples > SAMPLES_MAX:
            yield _request(some, samples, node_names)
            some, samples = [], 0
        some.append(each)
        samples += each.samples
    if samples:
        yield _request(some, samples, node_names)


def _request(series: Sequence[ExportSeries], samples: int, node_names: dict[str, str]) -> ExportRequest:
    writer = SnappyWriter()
    for each in series:
        _write(writer, each, node_names.get(each.subject.definition.node_id, ""))
    return ExportRequest(headers=HEADERS, body=writer.finish(), samples=samples, series=series)


def _write(writer: SnappyWriter, series: ExportSeries, node_name: str) -> None:
    # "__name__" sorts before every name that begins with a letter.
    name = _label("__name__", metric_name(series.metric))
    labels = b"".join(_label(*pair) for pair in labels_of(series.subject, node_name))
    samples = b"".join(
        _field(2, b"\x09" + _DOUBLE.pack(value) + b"\x10" + varint(at_ms))
        for at_ms, value in zip(series.times_ms.tolist(), series.values.tolist(), strict=True)
    )
    writer.write(b"\x0a" + varint(len(name) + len(labels) + len(samples)))
    writer.write(name)
    # The same for every metric of a subject.
    writer.write_repeated(labels)
    writer.write(samples)


def _label(name: str, value: str) -> bytes:
    return _field(1, _field(1, name.encode()) + _field(2, value.encode()))


def _field(number: int, content: bytes) -> bytes:
    """A field with a length: tag, length, content."""
    return bytes((number << 3 | 2,)) + varint(len(content)) + content
