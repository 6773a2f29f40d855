"""Debian's VictoriaMetrics, Prometheus and InfluxDB, started and stopped as tests need them."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.requirements import require_program

START_TIMEOUT_S = 20.0


class MetricStore:
    """A server at an address of this machine; it can be started again on its data."""

    def __init__(self, argv: Callable[[int], list[str]], *, address: str, log: Path, ready: str) -> None:
        self.address = address
        self.port = _free_port(address)
        self._argv = argv(self.port)
        self._log = log
        self._ready = ready

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

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
            # Another program: it says in no other way that it answers.
            time.sleep(0.05)
        raise AssertionError(self._log.read_text(errors="replace")[-2000:])

    def send(self, path: str, body: bytes) -> None:
        """Give it something. Raises OSError where it is not taken."""
        self._request("POST", path, body)

    def ask(self, path: str, *, post: bool = False, **query: str) -> bytes:
        """Return what it answers. Raises OSError where it refuses, or nobody listens."""
        return self._request("POST" if post else "GET", f"{path}?{urllib.parse.urlencode(query)}", None)

    def _request(self, method: str, path: str, body: bytes | None) -> bytes:
        connection = http.client.HTTPConnection(self.address, self.port, timeout=5)
        try:
            connection.request(method, path, body=body)
            response = connection.getresponse()
            content = response.read()
            if response.status >= 300:
                raise OSError(f"{path} answers {response.status}: {content[:300]!r}")
            return content
        finally:
            connection.close()

    def count(self, expression: str) -> float:
        """Return the value of a PromQL expression over the last hour, 0 where it has none."""
        answer = json.loads(self.ask("/api/v1/query", query=expression, step="1h"))
        result = answer["data"]["result"]
        return float(result[0]["value"][1]) if result else 0.0


def a_victoria(directory: Path, address: str = "127.0.0.1") -> MetricStore:
    """VictoriaMetrics, which takes remote-write."""
    program = require_program("victoria-metrics")
    return MetricStore(
        lambda port: [
            program,
            f"-storageDataPath={directory / 'vm'}",
            f"-httpListenAddr={address}:{port}",
            "-memory.allowedBytes=64MB",
            "-search.latencyOffset=0s",
        ],
        address=address,
        log=directory / "vm.log",
        ready="/health",
    )


def a_receiving_prometheus(directory: Path, address: str = "127.0.0.1") -> MetricStore:
    """Prometheus as a receiver, which takes nothing that is older than what it has of a series."""
    program = require_program("prometheus")
    config = directory / "prometheus.yml"
    config.write_text("global: {}\n")
    return MetricStore(
        lambda port: [
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={directory / 'prometheus'}",
            f"--web.listen-address={address}:{port}",
            "--web.enable-remote-write-receiver",
        ],
        address=address,
        log=directory / "prometheus.log",
        ready="/-/ready",
    )


def an_influx(directory: Path, address: str = "127.0.0.1") -> MetricStore:
    """InfluxDB 1, which takes lines."""
    program = require_program("influxd", package="influxdb")

    def argv(port: int) -> list[str]:
        config = directory / "influx.conf"
        config.write_text(
            f'reporting-disabled = true\nbind-address = "{address}:{_free_port(address)}"\n'
            f'[meta]\ndir = "{directory}/meta"\n'
            f'[data]\ndir = "{directory}/data"\nwal-dir = "{directory}/wal"\n'
            f'[http]\nbind-address = "{address}:{port}"\n'
        )
        return [program, "-config", str(config)]

    return MetricStore(argv, address=address, log=directory / "influx.log", ready="/ping")


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
