"""`analysis.metrics`: limits on what is measured, each in the unit that its metric has in the catalogue."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import partial

from cluster.compose import vocabulary
from cluster.compose.document import Value
from cluster.compose.reader import Reader
from cluster.compose.values import parse_duration_ms, parse_size_bytes
from cluster.model.metric_limits import LIMITED_METRICS, MetricLimit
from cluster.model.metrics import BY_NAME, MetricType
from cluster.model.strategy import MINUTE_MS


def read_metric_limits(reader: Reader, value: Value) -> tuple[MetricLimit, ...]:
    """The limits; what is wrong with one is a finding where it stands."""
    return reader.each(value, partial(_limit, reader))


def _limit(reader: Reader, value: Value) -> MetricLimit | None:
    findings = len(reader.findings)
    keys = reader.keys(value, vocabulary.METRIC_LIMIT)
    if keys is None:
        return None
    at = keys.value("metric")
    if at is None:
        reader.refuse(value, "metric is missing", "such as metric: memory_bytes")
        return None
    name = reader.text(at)
    if name not in LIMITED_METRICS:
        reader.refuse(at, _why_not(name), _instead(name))
        return None
    is_count = BY_NAME[name].type is MetricType.COUNT
    if is_count and (span := keys.value("for")) is not None:
        reader.refuse(span, f"{name} counts events: max is how many there may be in all", "leave for out")
    read = partial(_measured, reader, partial(_quantity, BY_NAME[name].unit))
    max_value, min_value = keys.find("max", read), keys.find("min", read)
    ratio_max = keys.find("ratio_max", partial(_measured, reader, _number))
    for_ms = keys.get("for", reader.duration_ms, 0 if is_count else MINUTE_MS)
    if len(reader.findings) > findings:
        return None
    return reader.built(
        value,
        lambda: MetricLimit(
            metric=name, max_value=max_value, min_value=min_value, ratio_max=ratio_max, for_ms=for_ms
        ),
    )


def _why_not(name: str) -> str:
    metric = BY_NAME.get(name)
    if metric is None:
        return f"{name[:64]!r} is no metric"
    if metric.type is MetricType.STATE:
        return f"{name!r} is a state, and has no limits: the health check says what is healthy"
    return f"{name!r} is not measured of each revision"


def _instead(name: str) -> str:
    close = difflib.get_close_matches(name.replace(".", "_"), LIMITED_METRICS, 1, 0.4)
    if close and name not in BY_NAME:
        return f"did you mean {close[0]}?"
    return f"there are {', '.join(LIMITED_METRICS)}"


def _measured(reader: Reader, measure: Callable[[str], float], value: Value) -> float | None:
    def measured(text: str) -> float | None:
        return measure(text)

    return reader.measured(value, measured, None)


def _quantity(unit: str, text: str) -> float:
    """A value in `unit`. Raises ValueError with the rule."""
    match unit:
        case "bytes":
            return float(parse_size_bytes(text))
        case "bytes/s":
            return float(parse_size_bytes(text.removesuffix("/s")))
        case "ms":
            return _number(text) if text.replace(".", "", 1).isdigit() else float(parse_duration_ms(text))
        case "percent":
            return _number(text.removesuffix("%").rstrip())
        case _:
            return _number(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f"{text[:64]!r} is no number: write it as 80 or 1.25") from error
