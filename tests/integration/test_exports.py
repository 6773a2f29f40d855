"""Exports to Debian's VictoriaMetrics and InfluxDB: every sample is there, whatever died on the way."""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from agent.clock import SystemClock
from agent.notify.sender import HttpSender
from cluster.model.exports import ExportKind
from tests.support.export_kit import MINUTE_MS, TICKS, ExportKit
from tests.support.requirements import require_program

START_TIMEOUT_S = 20.0
HOURS_BACK = 2


class Program:
    """A server on the loop-back that is started, stopped and started again on its data."""

    def __init__(self, argv: Callable[[int], list[str]], log: Path, ready: str) -> None:
        self.port = _free_port()
        self._argv = argv(self.port)
        self._log = log
        self._ready = ready

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[None]:
        with self._log.open("ab") as log, subprocess.Popen(self._argv, stdout=log, stderr=log) as process:
            try:
                self._wait_until_ready(process)
                yield
            finally:
                process.terminate()

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        end_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < end_s and process.poll() is None:
            with suppress(OSError):
                self.ask(self._ready)
                return
            time.sleep(0.05)
        raise AssertionError(self._log.read_text(errors="replace")[-2000:])

    def ask(self, path: str, *, post: bool = False, **query: str) -> bytes:
        """Return what it answers. Raises OSError where nobody listens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("POST" if post else "GET", f"{path}?{urllib.parse.urlencode(query)}")
            response = connection.getresponse()
            assert response.status < 300, response.read()
            return response.read()
        finally:
            connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def victoria(tmp_path: Path) -> Program:
    program = require_program("victoria-metrics")
    return Program(
        lambda port: [
            program,
            f"-storageDataPath={tmp_path / 'vm'}",
            f"-httpListenAddr=127.0.0.1:{port}",
            "-memory.allowedBytes=64MB",
        ],
        tmp_path / "vm.log",
        "/health",
    )


@pytest.fixture
def influx(tmp_path: Path) -> Program:
    program = require_program("influxd", package="influxdb")

    def argv(port: int) -> list[str]:
        config = tmp_path / "influx.conf"
        config.write_text(
            f'reporting-disabled = true\nbind-address = "127.0.0.1:{_free_port()}"\n'
            f'[meta]\ndir = "{tmp_path}/meta"\n[data]\ndir = "{tmp_path}/data"\nwal-dir = "{tmp_path}/wal"\n'
            f'[http]\nbind-address = "127.0.0.1:{port}"\n'
        )
        return [program, "-config", str(config)]

    return Program(argv, tmp_path / "influx.log", "/ping")


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


def victoria_has(program: Program) -> dict[str, dict[int, float]]:
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
    victoria: Program, sender: HttpSender
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
        await kit.lead_until(sender, clock, lambda: kit.standing.index >= kit.cluster.replica.index - 9, 20)
        everything = (60 + 5 + 3) * TICKS
        await kit.lead_until(sender, clock, lambda: kit.standing.sent >= everything, 20)
        assert victoria_has(victoria) == wanted(kit)
    kit.measure("n1", 2)
    await kit.lead_until(sender, clock, lambda: kit.standing.failures_in_a_row > 0, 20)
    with victoria.running():
        everything = (60 + 5 + 3 + 2) * TICKS
        await kit.lead_until(sender, clock, lambda: kit.standing.sent >= everything, 20)
        assert victoria_has(victoria) == wanted(kit)
    assert kit.standing.refused == 0


async def test_influxdb_has_every_sample_once_its_database_is_there(
    influx: Program, sender: HttpSender
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
