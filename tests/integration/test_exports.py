"""Exports to three stores of Debian: every sample is there, whatever died on the way."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest

from agent.clock import SystemClock
from agent.notify.sender import HttpSender
from cluster.model.exports import ExportKind
from tests.support.export_kit import MINUTE_MS, TICKS, ExportKit
from tests.support.metric_stores import MetricStore, a_receiving_prometheus, a_victoria, an_influx

HOURS_BACK = 2


@pytest.fixture
def victoria(tmp_path: Path) -> MetricStore:
    return a_victoria(tmp_path)


@pytest.fixture
def influx(tmp_path: Path) -> MetricStore:
    return an_influx(tmp_path)


@pytest.fixture
async def sender() -> Any:
    loopback = (ipaddress.ip_network("127.0.0.0/8"),)
    made = HttpSender(clock=SystemClock(), version="test", allowed=lambda: loopback)
    yield made
    await made.close()


def a_kit() -> tuple[ExportKit, int]:
    """Two hosts that measure, from some hours ago on. VictoriaMetrics takes nothing that is yet to come."""
    now_ms = SystemClock().now_ms()
    start_ms = now_ms - now_ms % MINUTE_MS - HOURS_BACK * 60 * MINUTE_MS
    return ExportKit(start_ms), start_ms


def victoria_has(program: MetricStore) -> dict[str, dict[int, float]]:
    """The samples of each host."""
    program.ask("/internal/force_flush")
    lines = program.ask("/api/v1/export", **{"match[]": "tower_cpu_percent", "start": "1"}).splitlines()
    found: dict[str, dict[int, float]] = {}
    for line in map(json.loads, lines):
        assert line["metric"]["kind"] == "host"
        pairs = zip(line["timestamps"], line["values"], strict=True)
        found.setdefault(line["metric"]["node"], {}).update(pairs)
    return found


def wanted(kit: ExportKit) -> dict[str, dict[int, float]]:
    return {
        f"host-{node}": {at_ms: value / 100 for at_ms, value in pairs}
        for (node, _), pairs in kit.past.held.items()
    }


async def test_victoria_metrics_has_every_sample_across_a_new_leader_and_its_own_restart(
    victoria: MetricStore, sender: HttpSender
) -> None:
    kit, _ = a_kit()
    clock = SystemClock()
    kit.measure("n1", 60)
    kit.export(f"{victoria.url}/api/v1/write", back_ms=HOURS_BACK * 60 * MINUTE_MS)
    kit.measure("n1", 5)
    # It is not there yet.
    await kit.lead_until(sender, clock, lambda: kit.standing.failures_in_a_row > 0, 20)
    with victoria.running():
        await kit.lead_until(sender, clock, lambda: kit.standing.sent > 0, 20)
        # That leader ended in the middle; the next one goes on.
        kit.measure("n2", 3)
        await kit.lead_until(sender, clock, lambda: kit.is_done, 20)
        assert victoria_has(victoria) == wanted(kit)
    kit.measure("n1", 2)
    await kit.lead_until(sender, clock, lambda: kit.standing.failures_in_a_row > 0, 20)
    with victoria.running():
        await kit.lead_until(sender, clock, lambda: kit.is_done, 20)
        assert victoria_has(victoria) == wanted(kit)
    assert kit.standing.refused == 0


async def test_prometheus_has_every_sample_although_it_takes_none_that_is_older_than_its_newest(
    sender: HttpSender, tmp_path: Path
) -> None:
    prometheus = a_receiving_prometheus(tmp_path)
    kit, _ = a_kit()
    kit.measure("n1", 30)
    kit.export(f"{prometheus.url}/api/v1/write", back_ms=HOURS_BACK * 60 * MINUTE_MS)
    # What the other host brings late is partly in the past that is sent before.
    kit.measure("n1", 10)
    kit.measure("n2", 40)
    with prometheus.running():
        await kit.lead_until(sender, SystemClock(), lambda: kit.is_done, 30)
        query = f"count_over_time(tower_cpu_percent[{HOURS_BACK * 60 + 1}m])"
        answer = json.loads(prometheus.ask("/api/v1/query", query=query))
    counts = {each["metric"]["node"]: int(each["value"][1]) for each in answer["data"]["result"]}
    assert counts == {"host-n1": 40 * TICKS, "host-n2": 40 * TICKS}


async def test_influxdb_has_every_sample_once_its_database_is_there(
    influx: MetricStore, sender: HttpSender
) -> None:
    kit, _ = a_kit()
    clock = SystemClock()
    kit.export(f"{influx.url}/write?db=tower", ExportKind.INFLUXDB)
    kit.measure("n1", 10)
    kit.measure("n2", 10)
    with influx.running():
        await kit.lead_until(sender, clock, lambda: "404" in kit.standing.detail, 20)
        influx.ask("/query", post=True, q="CREATE DATABASE tower")
        await kit.lead_until(sender, clock, lambda: kit.standing.sent >= 20 * TICKS, 20)
        query = 'SELECT cpu_percent FROM tower_host GROUP BY "node"'
        answer = json.loads(influx.ask("/query", db="tower", epoch="ms", q=query))
    series = answer["results"][0]["series"]
    found = {each["tags"]["node"]: {at: value for at, value in each["values"]} for each in series}
    assert found == wanted(kit)
