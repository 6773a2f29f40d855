"""`tower metrics` and `tower setting`: what they send, and what they say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.cli.metrics import figure
from agent.cli.sparkline import sparkline, squeezed
from tests.support.cli_kit import Tower
from tests.support.stub_api import Answer, StubApi


def an_answer(**fields: Any) -> dict[str, Any]:
    series = {
        "title": "web-1 on h1",
        "metric": "memory_bytes",
        "unit": "bytes",
        "subject": 3,
        "labels": {"node": "h1"},
        "least": 1024.0,
        "mean": 2048.0,
        "most": 4096.0,
        "last": 4096.0,
        "values": [1024.0, None, 4096.0],
        "low": None,
        "high": None,
    }
    return {
        "start_ms": 0,
        "end_ms": 180_000,
        "step_ms": 60_000,
        "resolution": "raw",
        "aggregation": None,
        "times_ms": [0, 60_000, 120_000],
        "series": [series],
        "series_left_out": 0,
        "notes": [],
        **fields,
    }


def test_series_are_drawn_with_their_figures(api: StubApi, tower: Tower) -> None:
    api.answers["GET /metrics/history"] = Answer(body=an_answer(series_left_out=3, notes=["kept for 7 days"]))
    status, out, err = tower("metrics", "shop.web", "memory", "--since", "24h", "--top", "1", "--by", "host")
    assert status == 0
    assert api.requests[-1].query == {
        "subject": "shop.web",
        "metric": "memory",
        "since": "24h",
        "top": "1",
        "by": "host",
        "points": "40",
    }
    assert "web-1 on h1  memory_bytes  4.0 KiB  2.0 KiB  1.0 KiB  4.0 KiB" in out
    assert "3m up to" in out
    assert "3 more series" in err
    assert "kept for 7 days" in err


def test_points_are_rows_of_a_table(api: StubApi, tower: Tower) -> None:
    api.answers["GET /metrics/history"] = Answer(body=an_answer())
    status, out, _ = tower("metrics", "web-1", "memory", "--table")
    assert status == 0
    rows = [line.split("  ")[-1] for line in out.splitlines()]
    assert [row.strip() for row in rows] == ["WEB-1 ON H1 MEMORY_BYTES", "1.0 KiB", "-", "4.0 KiB"]


def test_programs_get_the_answer_as_it_is(api: StubApi, tower: Tower) -> None:
    api.answers["GET /metrics/history"] = Answer(body=an_answer())
    _, out, _ = tower("metrics", "web-1", "--json")
    assert json.loads(out) == an_answer()
    assert "points" not in api.requests[-1].query


def test_nothing_measured_is_said(api: StubApi, tower: Tower) -> None:
    api.answers["GET /metrics/history"] = Answer(body=an_answer(series=[]))
    _, out, _ = tower("metrics", "web-1", "cpu")
    assert out.startswith("nothing was measured in the 3m up to")


def test_without_a_subject_what_is_measured_is_listed(api: StubApi, tower: Tower) -> None:
    item = {
        "subject": 7,
        "kind": "disk",
        "name": "/var",
        "key": "/var",
        "node": "h1",
        "node_id": "nd_1",
        "labels": {},
        "created_at_ms": 0,
        "seen_at_ms": 0,
        "metrics": [],
    }
    api.answers["GET /metrics/subjects"] = Answer(body={"items": [item], "next_cursor": None})
    _, out, _ = tower("metrics", "--kind", "disk")
    assert api.requests[-1].query["kind"] == "disk"
    assert out.splitlines()[1].split()[:3] == ["h1", "disk", "/var"]


def test_the_standing_names_what_is_missing(api: StubApi, tower: Tower) -> None:
    api.answers["GET /metrics/standing"] = Answer(
        body={
            "node": "h1",
            "bytes_used": 1024,
            "bytes_max": 2048,
            "subjects": 3,
            "oldest_ms": {"raw": 0, "hourly": None},
            "missing": [{"start_ms": 0, "end_ms": 60_000}],
            "damaged": 2,
            "shortened_to_ms": {"raw": 0},
            "waiting": 4,
            "lost": 1,
        }
    )
    _, out, _ = tower("metrics", "--standing")
    assert "1.0 KiB of 2.0 KiB" in out
    assert "hourly    nothing yet" in out
    assert "asked of other hosts" in out
    assert "2 pieces" in out
    assert "for want of room" in out
    assert "4 blocks" in out
    assert "1 blocks since its start" in out


def test_settings_are_listed_with_their_defaults_set_and_reset(api: StubApi, tower: Tower) -> None:
    key = "metrics.retention.disk.raw"
    view = {"key": key, "value": "14", "default": "7", "version": 1, "changed_at_ms": 0}
    api.answers["GET /settings"] = Answer(body={"items": [view, {**view, "key": "cluster.x"}]})
    api.answers[f"PUT /settings/{key}"] = Answer(body=view)
    _, out, _ = tower("setting", "list", "metrics.")
    assert [line.split()[:3] for line in out.splitlines()[1:]] == [[key, "14", "7"]]
    assert tower("setting", "put", key, "14")[1:] == (f"{key} is 14\n", "")
    assert api.requests[-1].body == {"value": "14"}
    api.answers[f"PUT /settings/{key}"] = Answer(body={**view, "value": None})
    assert tower("setting", "reset", key)[1] == f"{key} is 7, the default\n"
    assert api.requests[-1].body == {"value": None}
    api.answers["PUT /settings/metric.x"] = Answer(body={**view, "key": "metric.x", "default": None})
    assert "no host goes by a setting of this name" in tower("setting", "put", "metric.x", "14")[2]


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (None, "bytes", ""),
        (1536.0, "bytes", "1.5 KiB"),
        (1536.0, "bytes/s", "1.5 KiB/s"),
        (12.34, "percent", "12.3 %"),
        (999.0, "ms", "999.0 ms"),
        (2500.0, "ms", "2.50 s"),
        (41.25, "celsius", "41.2 °C"),
        (3.0, "count", "3"),
        (0.123456, "", "0.1235"),
    ],
)
def test_figures_have_their_unit(value: float | None, unit: str, words: str) -> None:
    assert figure(value, unit) == words


def test_a_line_is_as_high_as_its_values_and_empty_where_nothing_was_measured() -> None:
    assert sparkline([0, 50, None, 100], width=10, top=None) == "▁▅ █"
    assert sparkline([0, 50, None, 100], width=10, top=None, can_draw=False) == "_= #"
    assert sparkline([5, 5], width=10, top=100) == "▁▁"
    assert sparkline([-10, 0], width=10, top=None) == "▁█"
    assert sparkline([], width=10, top=None) == ""


def test_more_values_than_columns_become_means_of_neighbours() -> None:
    assert squeezed([1, 3, None, None, 5, None], 3) == [2, None, 5]
    assert len(squeezed(list(range(1000)), 37)) == 37
