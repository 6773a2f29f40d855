"""Prometheus, VictoriaMetrics and InfluxDB as they come with Debian, each in a directory and on a port of its
own: loaded with series, asked for a range, and weighed."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.machine import Missing, program, version_of

START_TIMEOUT_S = 60.0
REQUEST_TIMEOUT_S = 120.0
SETTLE_TIMEOUT_S = 120.0
BLOCK_MS = 7_200_000
LINES_A_REQUEST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """One series for the databases, in the metric's unit. `decimals` is how many its values have."""

    container: str
    metric: str
    times_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    decimals: int

    def texts(self, first: int = 0, last: int | None = None) -> list[str]:
        return [f"{value:.{self.decimals}f}" for value in self.values[first:last].tolist()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What one database took: bytes on disk, CPU seconds to load, and milliseconds of each question."""

    version: str
    bytes_on_disk: int
    load_cpu_s: float
    questions_ms: Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A metric of containers over a range, as the mean of each step; `is_sum` adds the containers up."""

    name: str
    metric: str
    containers: Sequence[str]
    start_s: int
    end_s: int
    step_s: int
    is_sum: bool = False


def prometheus(
    directory: Path, series: Sequence[Series], questions: Sequence[Question], repeats: int
) -> Weighed:
    """Blocks made by promtool, merged by the server. Raises Missing."""
    tool, server = _needed("promtool", "prometheus"), _needed("prometheus", "prometheus")
    data = directory / "prometheus"
    text = directory / "openmetrics.txt"
    cpu_s = 0.0
    first_ms, last_ms = int(series[0].times_ms[0]), int(series[0].times_ms[-1])
    # It reads its whole input once for each block, so it is given one block's at a time.
    for start_ms in range(first_ms - first_ms % BLOCK_MS, last_ms + 1, BLOCK_MS):
        _write_openmetrics(text, series, start_ms, start_ms + BLOCK_MS)
        cpu_s += _run([tool, "tsdb", "create-blocks-from", "openmetrics", "--quiet", str(text), str(data)])
    text.unlink()
    # Blocks are merged up to a tenth of what is kept.
    arguments = [f"--storage.tsdb.path={data}", "--storage.tsdb.retention.time=3y", "--log.level=error"]
    config = directory / "prometheus.yml"
    config.write_text("global: {}\n")
    port = free_port()
    command = [server, f"--config.file={config}", *arguments, f"--web.listen-address=127.0.0.1:{port}"]
    with _server(command, port, "/-/ready") as connection:
        _settled(lambda: _blocks_bytes(data), connection)
        asked = {
            each.name: _timed(connection, f"/api/v1/query_range?{_promql(each)}", repeats)
            for each in questions
        }
        size = _blocks_bytes(data)
    return Weighed(
        version=version_of("prometheus", "--version", word=2, name="Prometheus"),
        bytes_on_disk=size,
        load_cpu_s=cpu_s,
        questions_ms=asked,
    )


def _write_openmetrics(path: Path, series: Sequence[Series], start_ms: int, end_ms: int) -> None:
    with path.open("w") as file:
        for metric in sorted({one.metric for one in series}):
            file.write(f"# TYPE {metric} gauge\n")
            for one in (each for each in series if each.metric == metric):
                first, last = (int(at) for at in np.searchsorted(one.times_ms, [start_ms, end_ms]))
                label = f'{metric}{{container="{one.container}"}}'
                stamps = (one.times_ms[first:last] // 1000).tolist()
                file.writelines(
                    f"{label} {value} {stamp}\n"
                    for value, stamp in zip(one.texts(first, last), stamps, strict=True)
                )
        file.write("# EOF\n")


def victoria_metrics(
    directory: Path, series: Sequence[Series], questions: Sequence[Question], repeats: int
) -> Weighed:
    """Imported as JSON lines, merged by force. Raises Missing."""
    server = _needed("victoria-metrics", "victoria-metrics")
    data = directory / "victoria"
    port = free_port()
    command = [
        server,
        f"-storageDataPath={data}",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=10y",
        "-loggerLevel=ERROR",
    ]
    with _server(command, port, "/health") as connection:
        before_s = _children_cpu_s(connection.pid)
        for one in series:
            line = {
                "metric": {"__name__": one.metric, "container": one.container},
                "values": one.values.tolist(),
                "timestamps": one.times_ms.tolist(),
            }
            connection.ask("POST", "/api/v1/import", json.dumps(line).encode())
        cpu_s = _children_cpu_s(connection.pid) - before_s
        connection.ask("GET", "/internal/force_flush")
        connection.ask("GET", "/internal/force_merge")
        _settled(lambda: _bytes_of(data), connection)
        asked = {
            each.name: _timed(connection, f"/api/v1/query_range?nocache=1&{_promql(each)}", repeats)
            for each in questions
        }
        size = _bytes_of(data)
    return Weighed(
        version=_package_version("victoria-metrics", "VictoriaMetrics"),
        bytes_on_disk=size,
        load_cpu_s=cpu_s,
        questions_ms=asked,
    )


def influxdb(
    directory: Path, series: Sequence[Series], questions: Sequence[Question], repeats: int
) -> Weighed:
    """Written as lines with all metrics of a container as fields, compacted fully. Raises Missing."""
    server = _needed("influxd", "influxdb")
    data = directory / "influx"
    port, rpc = free_port(), free_port()
    environment = {
        "INFLUXDB_REPORTING_DISABLED": "true",
        "INFLUXDB_BIND_ADDRESS": f"127.0.0.1:{rpc}",
        "INFLUXDB_HTTP_BIND_ADDRESS": f"127.0.0.1:{port}",
        "INFLUXDB_HTTP_LOG_ENABLED": "false",
        "INFLUXDB_META_DIR": str(data / "meta"),
        "INFLUXDB_DATA_DIR": str(data / "data"),
        "INFLUXDB_DATA_WAL_DIR": str(data / "wal"),
        "INFLUXDB_COORDINATOR_WRITE_TIMEOUT": "100s",
        "INFLUXDB_DATA_CACHE_SNAPSHOT_WRITE_COLD_DURATION": "2s",
        "INFLUXDB_DATA_COMPACT_FULL_WRITE_COLD_DURATION": "4s",
    }
    config = directory / "influx.conf"
    config.write_text("")
    with _server([server, "-config", str(config)], port, "/ping", environment) as connection:
        connection.ask("POST", "/query?q=" + urllib.parse.quote("CREATE DATABASE b"))
        before_s = _children_cpu_s(connection.pid)
        for container in sorted({one.container for one in series}):
            fields = [one for one in series if one.container == container]
            columns = [
                [f"{one.metric}={text}{'' if one.decimals else 'i'}" for text in one.texts()]
                for one in fields
            ]
            stamps = (fields[0].times_ms // 1000).tolist()
            lines = [
                f"c,container={container} {','.join(row)} {stamp}"
                for *row, stamp in zip(*columns, stamps, strict=True)
            ]
            for first in range(0, len(lines), LINES_A_REQUEST):
                body = "\n".join(lines[first : first + LINES_A_REQUEST]).encode()
                connection.ask("POST", "/write?db=b&precision=s", body)
        cpu_s = _children_cpu_s(connection.pid) - before_s
        _settled(lambda: _bytes_of(data), connection, quiet_s=20.0)
        asked = {
            each.name: _timed(connection, f"/query?db=b&epoch=ms&q={_influxql(each)}", repeats)
            for each in questions
        }
        size = _bytes_of(data)
    return Weighed(
        version=_package_version("influxdb", "InfluxDB"),
        bytes_on_disk=size,
        load_cpu_s=cpu_s,
        questions_ms=asked,
    )


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def _promql(question: Question) -> str:
    names = "|".join(question.containers)
    text = f'avg_over_time({question.metric}{{container=~"{names}"}}[{question.step_s}s])'
    if question.is_sum:
        text = f"sum({text})"
    return urllib.parse.urlencode(
        # The window of a moment ends at it.
        {
            "query": text,
            "start": question.start_s + question.step_s,
            "end": question.end_s,
            "step": question.step_s,
        }
    )


def _influxql(question: Question) -> str:
    names = "|".join(question.containers)
    between = f"time >= {question.start_s}s AND time < {question.end_s}s"
    wanted = f"container =~ /^({names})$/ AND {between}"
    steps = f"GROUP BY time({question.step_s}s)"
    each = " ".join(
        ("SELECT", f'mean("{question.metric}") AS v', "FROM c WHERE", wanted, steps, ", container")
    )
    if question.is_sum:
        each = " ".join(("SELECT", "sum(v)", f"FROM ({each}) WHERE {between} {steps}"))
    return urllib.parse.quote(each)


class _Connection:
    """One kept-open connection to a server, whose process is `pid`."""

    def __init__(self, port: int, pid: int) -> None:
        self.pid = pid
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_TIMEOUT_S)

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        self._http.request(method, path, body)
        response = self._http.getresponse()
        text = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{path.partition('?')[0]} answered {response.status}: {text[:300]!r}")
        return text


@contextmanager
def _server(
    command: Sequence[str], port: int, ready_path: str, environment: Mapping[str, str] | None = None
) -> Iterator[_Connection]:
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
    )
    try:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                _Connection(port, process.pid).ask("GET", ready_path)
                break
            except (OSError, RuntimeError, http.client.HTTPException):
                if process.poll() is not None or time.monotonic() > deadline_s:
                    raise RuntimeError(f"{Path(command[0]).name} did not come up") from None
                # Another program: it says in no other way that it answers.
                time.sleep(0.2)
        yield _Connection(port, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _timed(connection: _Connection, path: str, repeats: int) -> list[float]:
    """Milliseconds of each of `repeats` requests, after two that warm up; all of the body is received."""
    took = []
    for turn in range(repeats + 2):
        began = time.perf_counter()
        body = connection.ask("GET", path)
        took.append((time.perf_counter() - began) * 1e3)
        if turn == 0 and body.count(b"[") < 10:
            raise RuntimeError(f"an empty answer to {path[:200]}: {body[:200]!r}")
    return took[2:]


def _settled(size: Callable[[], int], connection: _Connection, *, quiet_s: float = 8.0) -> None:
    """Wait until the size on disk has not changed for `quiet_s`."""
    deadline_s = time.monotonic() + SETTLE_TIMEOUT_S
    last, since_s = size(), time.monotonic()
    while time.monotonic() < deadline_s and time.monotonic() - since_s < quiet_s:
        # Another program's files: nothing tells that it is done with them.
        time.sleep(0.5)
        now = size()
        if now != last:
            last, since_s = now, time.monotonic()


def _blocks_bytes(data: Path) -> int:
    """Blocks alone: the write-ahead log of a server nothing is written to says nothing."""
    return sum(_bytes_of(block) for block in data.iterdir() if (block / "meta.json").exists())


def _bytes_of(directory: Path) -> int:
    total = 0
    for path in directory.rglob("*"):
        try:
            if path.is_file():
                total += path.stat().st_blocks * 512
        except FileNotFoundError:
            continue  # merged away meanwhile
    return total


def _run(command: Sequence[str]) -> float:
    """Run to the end; return the CPU seconds it took."""
    before = os.times()
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def _children_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _needed(name: str, package: str) -> str:
    path = program(name)
    if path is None:
        raise Missing(f"no {package}; run: packaging/bootstrap.sh bench")
    return path


def _package_version(package: str, name: str) -> str:
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", package],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    return f"{name} {done.stdout.partition('+')[0] or '?'}"
