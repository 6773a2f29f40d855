"""History is asked of a server with Prometheus' API, and brought in pieces that can be repeated."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from agent.cli import metrics_import
from agent.cli.failures import CommandFailed, UsageWrong
from agent.clock import SystemClock
from tests.support.metric_stores import MetricStore, a_victoria

MINUTE_S = 60
MINUTES = 400


class Cluster:
    """Takes what `tower` sends."""

    def __init__(self) -> None:
        self.pieces: list[dict[str, Any]] = []

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        assert path == "/metrics/import"
        self.pieces.append(body)
        return {"samples": sum(len(each["values"]) for each in body["series"]), "is_known": False}

    def samples(self) -> dict[tuple[str, str], dict[int, float]]:
        """By name and instance, then by moment in seconds."""
        found: dict[tuple[str, str], dict[int, float]] = {}
        for piece in self.pieces:
            for series in piece["series"]:
                values = found.setdefault((series["name"], series["labels"]["instance"]), {})
                for place, value in enumerate(series["values"]):
                    if value is not None:
                        at_s = (piece["start_ms"] + place * piece["step_ms"]) // 1000
                        assert at_s not in values, "each moment comes once"
                        values[at_s] = value
        return found


def bring(cluster: Cluster, source: str, **fields: Any) -> int:
    base: dict[str, Any] = {
        "source": source,
        "query": "load1",
        "step": "1m",
        "since": "8h",
        "import_name": "",
        "metric_name": "",
        "token_stdin": False,
    }
    given = argparse.Namespace(**{**base, **fields})
    return metrics_import.run(cluster, given)  # type: ignore[arg-type]  # of a client, it uses the one call


@pytest.fixture
def prometheus(tmp_path: Path) -> MetricStore:
    return a_victoria(tmp_path)


def test_every_sample_is_brought_once_piece_by_piece(prometheus: MetricStore) -> None:
    now_s = SystemClock().now_ms() // 1000 // MINUTE_S * MINUTE_S
    first_s = now_s - MINUTES * MINUTE_S
    given = {
        ("load1", instance): {first_s + n * MINUTE_S: n / 4 + extra for n in range(MINUTES)}
        for instance, extra in (("a", 0), ("b", 100))
    }
    with prometheus.running():
        for (name, instance), values in given.items():
            lines = "".join(
                f'{name}{{instance="{instance}"}} {value} {at * 1000}\n' for at, value in values.items()
            )
            prometheus.send("/api/v1/import/prometheus", lines.encode())
        prometheus.ask("/internal/force_flush")
        cluster, again = Cluster(), Cluster()
        assert bring(cluster, prometheus.url) == 0
        assert bring(again, prometheus.url) == 0
        with pytest.raises(CommandFailed, match="gave nothing"):
            bring(cluster, prometheus.url, query="nothing_of_that_name")
        with pytest.raises(CommandFailed, match="Prometheus refuses"):
            bring(cluster, prometheus.url, query="sum((")
    found = cluster.samples()
    assert found.keys() == given.keys()
    for key, values in given.items():
        assert values.items() <= found[key].items()
        # What comes after the last sample for a few minutes is how PromQL reads gaps.
        assert len(found[key]) <= len(values) + 6
    assert [piece["name"] for piece in again.pieces] == [piece["name"] for piece in cluster.pieces]
    assert [piece["start_ms"] for piece in cluster.pieces] == sorted(
        piece["start_ms"] for piece in cluster.pieces
    )
    with pytest.raises(CommandFailed, match="does not answer"):
        bring(cluster, prometheus.url)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"query": ""}, "--query"),
        ({"step": "15s"}, "--step"),
        ({"source": "prometheus:9090"}, "--from"),
        ({"source": "http://ann:pw@prometheus:9090"}, "--from"),
    ],
)
def test_what_is_called_wrongly_is_said(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageWrong, match=said):
        bring(Cluster(), **{"source": "http://127.0.0.1:1", **fields})
