"""GET /metrics: this host, its containers and the agent for Prometheus, as OpenMetrics or as its older text.

Formats: the OpenMetrics 1.0.0 specification, and Prometheus' "Exposition formats" (text, version 0.0.4).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Iterator, Sequence

from aiohttp import web

from cluster.model.exposition import Distribution, Family, FamilyType, Point
from web.middleware.keys import CALL, SURROUNDINGS
from web.middleware.routes import Route, needs
from web.tools.context import CONTEXT

OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"


def routes() -> tuple[Route, ...]:
    """Return the one route."""
    return (
        Route(
            method="GET",
            path="/metrics",
            handler=_serve,
            access=needs("metrics.read"),
            body_bytes_max=0,
        ),
    )


async def _serve(request: web.Request) -> web.Response:
    await request.app[CONTEXT].authority.require(request[CALL], "metrics.read", "metrics")
    exposition = request.app[SURROUNDINGS].exposition
    is_open = wants_open_metrics(request.headers.getall("Accept", []))

    def make() -> bytes:
        return render(exposition.families(), is_open=is_open).encode()

    # With a thousand containers it takes tens of milliseconds.
    body = await asyncio.to_thread(make)
    response = web.Response(body=body, headers={"Content-Type": OPEN_METRICS if is_open else PLAIN})
    response.enable_compression()
    return response


def wants_open_metrics(accept: Iterable[str]) -> bool:
    """Whether a reader's Accept header prefers OpenMetrics; whoever does not say gets the older text."""
    best = {True: 0.0, False: 0.0}
    for entry in ",".join(accept).split(","):
        media, *parameters = (part.strip().lower() for part in entry.split(";"))
        given = dict(parameter.partition("=")[::2] for parameter in parameters)
        try:
            quality = float(given.get("q", "1"))
        except ValueError:
            continue
        if media == "application/openmetrics-text":
            if given.get("version", "1.0.0") in ("1.0.0", "0.0.1"):
                best[True] = max(best[True], quality)
        elif media in ("text/plain", "text/*", "*/*"):
            best[False] = max(best[False], quality)
    return best[True] > 0 and best[True] >= best[False]


def render(families: Sequence[Family], *, is_open: bool) -> str:
    """Return the document. Families without points are left out."""
    lines = [line for family in families if family.points for line in _family(family, is_open=is_open)]
    if is_open:
        lines.append("# EOF")
    return "\n".join(lines) + "\n" if lines else ""


def _family(family: Family, *, is_open: bool) -> Iterator[str]:
    sampled = family.name + _SUFFIXES.get(family.type, "")
    # The older text knows no families: a name is a series' own.
    name = family.name if is_open else sampled
    kind = family.type
    if not is_open and kind is FamilyType.INFO:
        kind = FamilyType.GAUGE
    yield f"# HELP {name} {_escaped(family.help, quotes=is_open)}"
    yield f"# TYPE {name} {kind}"
    if is_open and family.unit:
        yield f"# UNIT {name} {family.unit}"
    for point in family.points:
        if isinstance(point.value, Distribution):
            yield from _histogram(family.name, point, point.value)
        else:
            yield f"{sampled}{_labels(point.labels)} {_number(point.value)}"


_SUFFIXES = {FamilyType.COUNTER: "_total", FamilyType.INFO: "_info"}


def _histogram(name: str, point: Point, value: Distribution) -> Iterator[str]:
    for bound, count in value.buckets:
        yield f"{name}_bucket{_labels((*point.labels, ('le', _number(bound))))} {count}"
    yield f"{name}_bucket{_labels((*point.labels, ('le', '+Inf')))} {value.count}"
    yield f"{name}_sum{_labels(point.labels)} {_number(value.total)}"
    yield f"{name}_count{_labels(point.labels)} {value.count}"


def _labels(labels: Iterable[tuple[str, str]]) -> str:
    written = ",".join(f'{key}="{_escaped(value, quotes=True)}"' for key, value in labels if value)
    return f"{{{written}}}" if written else ""


def _escaped(text: str, *, quotes: bool) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    # OpenMetrics wants bounds of buckets as floats: 1.0, not 1.
    return repr(value)
