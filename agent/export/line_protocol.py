"""InfluxDB's line protocol, as versions 1 and 2 take it: one line for each moment of a subject.

    tower_container,kind=container,node=alpha,subject=web-1 cpu_percent=12.5,pids=3.0 1700000000000

Every value is a float, so that a field never changes its type. Times are milliseconds, which the URL has to
say (`precision=ms`). Source: https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from agent.export.request import ExportRequest
from agent.export.series import PREFIX, ExportSeries, labels_of
from cluster.model.metrics import Subject

SAMPLES_MAX = 10_000
"""Fields of one request; InfluxDB advises 5,000 lines."""

HEADERS = {"Content-Type": "text/plain; charset=utf-8", "Content-Encoding": "gzip"}


def line_requests(series: Iterable[ExportSeries], node_names: dict[str, str]) -> Iterator[ExportRequest]:
    """Yield requests of about `SAMPLES_MAX` samples with all of `series`; those of one subject stay together
    when they come after each other.
    """
    lines: list[str] = []
    samples = 0
    for subject, fields, count in _moments(series):
        head = _head(subject, node_names.get(subject.definition.node_id, ""))
        lines += [f"{head} {','.join(values)} {at_ms}" for at_ms, values in sorted(fields.items())]
        samples += count
        if samples >= SAMPLES_MAX:
            yield _request(lines, samples)
            lines, samples = [], 0
    if samples:
        yield _request(lines, samples)


def with_precision(url: str) -> str:
    """Return the URL with `precision=ms`, whatever it said of that before."""
    parts = urlsplit(url)
    query = [(key, value) for key, value in parse_qsl(parts.query) if key != "precision"]
    return urlunsplit(parts._replace(query=urlencode([*query, ("precision", "ms")])))


def _moments(series: Iterable[ExportSeries]) -> Iterator[tuple[Subject, dict[int, list[str]], int]]:
    """Yield each run of series of one subject as its fields by moment, with how many samples they are."""
    subject: Subject | None = None
    fields: dict[int, list[str]] = {}
    count = 0
    for each in series:
        if subject is not None and (each.subject is not subject or count >= SAMPLES_MAX):
            yield subject, fields, count
            fields, count = {}, 0
        subject = each.subject
        for at_ms, value in zip(each.times_ms.tolist(), each.values.tolist(), strict=True):
            fields.setdefault(at_ms, []).append(f"{each.metric.name}={value!r}")
        count += each.samples
    if subject is not None and fields:
        yield subject, fields, count


def _head(subject: Subject, node_name: str) -> str:
    tags = "".join(f",{_escape(name)}={_escape(value)}" for name, value in labels_of(subject, node_name))
    return f"{PREFIX}{subject.definition.kind.word}{tags}"


def _escape(text: str) -> str:
    # A backslash before a separator, or at the end, would escape that.
    safe = text.replace("\n", " ").replace("\r", " ").replace("\\", "/")
    return safe.replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")


def _request(lines: list[str], samples: int) -> ExportRequest:
    body = gzip.compress("\n".join(lines).encode(), compresslevel=1, mtime=0)
    return ExportRequest(headers=HEADERS, body=body, samples=samples)
