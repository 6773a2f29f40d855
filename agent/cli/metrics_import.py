"""`tower metrics import --from URL`: history that Prometheus has, brought to the cluster.

This machine asks, so the cluster needs no way to it, and no login there.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import sys
import time
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

from agent.cli.client import ApiRefused, Client
from agent.cli.failures import DONE, CommandFailed, UsageWrong
from agent.cli.moments import span_s
from agent.cli.output import print_json

STEP_S = 10
"""Of the cluster's history: an import's step is a multiple of it."""
SERIES_AT_ONCE = 100
MOMENTS_AT_ONCE = 180
SERIES_MAX = 5_000
_LOOK_POINTS = 500
_TIMEOUT_S = 60.0
_ANSWER_BYTES_MAX = 256 * 1024 * 1024
_BUSY = 429


def run(client: Client, args: argparse.Namespace) -> int:
    """Import what an expression of PromQL gives over a range of time, piece by piece, oldest first."""
    if not args.query:
        raise UsageWrong("--query is needed", hint="""such as --query 'node_load1{job="node"}'""")
    step_s = span_s("--step", args.step or "1m")
    if step_s < STEP_S or step_s % STEP_S:
        raise UsageWrong(f"--step {args.step}: a multiple of {STEP_S} s")
    span = span_s("--since", args.since or "7d")
    prometheus = _Prometheus(args.source, token=_token(args))
    from agent.clock import SystemClock

    end_s = SystemClock().now_ms() // 1000 // step_s * step_s
    start_s = (end_s - span) // step_s * step_s
    name = args.import_name or f"p{zlib.crc32(f'{args.source} {args.query}'.encode()):08x}"
    known = prometheus.series(
        args.query, start_s, end_s, max(step_s, span // _LOOK_POINTS // step_s * step_s)
    )
    if not known:
        raise CommandFailed(
            "that expression gave nothing", hint="try it in Prometheus, over the same range of time"
        )
    if len(known) > SERIES_MAX:
        raise CommandFailed(f"that expression gives {len(known)} series, and {SERIES_MAX} are the most")
    # The same series in the same group each time, so that an import that broke off goes on.
    places = {series: number // SERIES_AT_ONCE for number, series in enumerate(sorted(known))}
    samples = skipped = left_out = 0
    for piece_s in range(start_s, end_s, step_s * MOMENTS_AT_ONCE):
        until_s = min(end_s, piece_s + step_s * MOMENTS_AT_ONCE)
        groups, unknown = _pieces(prometheus.range(args.query, piece_s, until_s - step_s, step_s), places)
        left_out += unknown
        for group, matrix in sorted(groups.items()):
            body = _body(f"{name}.{group}", matrix, args.metric_name, piece_s, until_s, step_s)
            answer = _post(client, body)
            samples += answer["samples"]
            skipped += answer["is_known"]
        print(f"\r{100 * (until_s - start_s) // (end_s - start_s)} %", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    if getattr(args, "json", False):
        print_json({"import": name, "series": len(known), "samples": samples, "skipped": skipped})
        return DONE
    print(f"{samples} samples of {len(known)} series are imported as {name}: tower metrics external value")
    if skipped:
        print(f"{skipped} pieces were there already")
    if left_out:
        print(f"{left_out} short pieces of series that came up only in between were left out")
    return DONE


class _Prometheus:
    """The query API of one."""

    def __init__(self, url: str, *, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise UsageWrong(f"--from {url[:80]}: use http://HOST:PORT or https://HOST:PORT")
        self._parts = parts
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def series(self, query: str, start_s: int, end_s: int, step_s: int) -> set[str]:
        """Return the series there are, each as the text of its labels."""
        return {_key(each) for each in self.range(query, start_s, end_s, step_s)}

    def range(self, query: str, start_s: int, end_s: int, step_s: int) -> list[dict[str, Any]]:
        """Return what the expression gives from `start_s` to `end_s`, both included. Raises CommandFailed."""
        parts = self._parts
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        assert parts.hostname is not None
        connection = kind(parts.hostname, parts.port, timeout=_TIMEOUT_S)
        words = urlencode({"query": query, "start": start_s, "end": end_s, "step": step_s})
        try:
            # In the body: an expression may be longer than a line of a request.
            connection.request(
                "POST",
                f"{parts.path.rstrip('/')}/api/v1/query_range",
                body=words,
                headers={**self._headers, "Content-Type": "application/x-www-form-urlencoded"},
            )
            response = connection.getresponse()
            content = response.read(_ANSWER_BYTES_MAX)
        except (OSError, http.client.HTTPException) as error:
            raise CommandFailed(f"{parts.hostname} does not answer: {error}") from error
        finally:
            connection.close()
        try:
            answer = json.loads(content)
            if response.status != http.client.OK:
                raise CommandFailed(f"Prometheus refuses: {answer.get('error', response.status)}")
            if answer["data"]["resultType"] != "matrix":
                raise CommandFailed(f"the expression gives a {answer['data']['resultType']}, not series")
            return list(answer["data"]["result"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CommandFailed(
                f"{parts.hostname} answers {response.status} with something else than Prometheus' API gives"
            ) from error


def _pieces(
    matrix: list[dict[str, Any]], places: dict[str, int]
) -> tuple[dict[int, list[dict[str, Any]]], int]:
    """Return series by group, and how many of them are in none."""
    groups: dict[int, list[dict[str, Any]]] = {}
    unknown = 0
    for each in matrix:
        place = places.get(_key(each))
        if place is None:
            unknown += 1
        else:
            groups.setdefault(place, []).append(each)
    return groups, unknown


def _key(series: dict[str, Any]) -> str:
    return json.dumps(series["metric"], sort_keys=True)


def _body(
    name: str, matrix: list[dict[str, Any]], metric: str, start_s: int, end_s: int, step_s: int
) -> dict[str, Any]:
    moments = (end_s - start_s) // step_s
    series = []
    for each in matrix:
        labels = dict(each["metric"])
        called = metric or labels.pop("__name__", "") or "value"
        labels.pop("__name__", None)
        values: list[float | None] = [None] * moments
        for at_s, text in each["values"]:
            place = round((float(at_s) - start_s) / step_s)
            value = float(text)
            if 0 <= place < moments and math.isfinite(value):
                values[place] = value
        series.append({"name": called, "labels": labels, "values": values})
    return {"name": name, "start_ms": start_s * 1000, "step_ms": step_s * 1000, "series": series}


def _post(client: Client, body: dict[str, Any]) -> dict[str, Any]:
    for pause_s in _pauses():
        try:
            answer: dict[str, Any] = client.post("/metrics/import", body)
        except ApiRefused as refused:
            if refused.status != _BUSY or pause_s is None:
                raise
            time.sleep(pause_s)
        else:
            return answer
    raise AssertionError("the last pause is none")


def _pauses() -> Iterator[float | None]:
    yield from (1.0, 5.0, 20.0, 60.0)
    yield None


def _token(args: argparse.Namespace) -> str:
    if not args.token_stdin:
        return ""
    token = sys.stdin.read(4098).rstrip("\r\n")
    if not token or not token.isprintable():
        raise CommandFailed("no token was given", hint="pipe it to standard input")
    return token
