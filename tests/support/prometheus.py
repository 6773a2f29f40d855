"""Debian's Prometheus on a lab's host, reading the agents as an installation's would."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.lab import Host
from tests.support.requirements import require_program

PORT = 9090
API_PORT = 7443

_CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: tower
    scheme: https
    authorization: {{credentials_file: {directory}/token}}
    tls_config: {{ca_file: {directory}/ca.pem}}
    static_configs: [{{targets: {targets}}}]
"""


class Prometheus:
    """A running Prometheus; `value` asks it."""

    def __init__(self, address: str) -> None:
        self._address = address

    def get(self, path: str, **parameters: str) -> Any:
        """Return what its API answers. Raises OSError while it does not."""
        query = urllib.parse.urlencode(parameters)
        url = f"http://{self._address}/api/v1/{path}?{query}"
        with urllib.request.urlopen(url, timeout=5) as response:  # http to a program of the test's own
            return json.load(response)["data"]

    def value(self, expression: str) -> float | None:
        """Return the value of an expression of one series now; None without one."""
        result = self.get("query", query=expression)["result"]
        return float(result[0]["value"][1]) if result else None

    def wait_for(
        self, what: str, holds: Callable[[], bool], *, tell: Callable[[], str], timeout_s: float
    ) -> None:
        """Wait until `holds`; AssertionError has what `tell` and Prometheus say of it otherwise."""
        end_s = time.monotonic() + timeout_s
        seen: object = "it does not answer"
        while time.monotonic() < end_s:
            try:
                if holds():
                    return
                seen = [
                    (each["scrapeUrl"], each["health"], each["lastError"])
                    for each in self.get("targets")["activeTargets"]
                ]
            except OSError as error:
                seen = error
            # Another program: it tells nobody of what it has read.
            time.sleep(0.2)
        raise AssertionError(f"not within {timeout_s:g} s: {what}; {tell()}; {seen}")


@contextmanager
def a_prometheus(
    host: Host, directory: Path, *, targets: list[str], token: str, ca_pem: str
) -> Iterator[Prometheus]:
    """Run one on a host for as long as the block lasts, reading the agents at the addresses `targets`."""
    program = require_program("prometheus")
    directory.mkdir()
    (directory / "token").touch(mode=0o600)
    (directory / "token").write_text(token)
    (directory / "ca.pem").write_text(ca_pem)
    addresses = json.dumps([f"{target}:{API_PORT}" for target in targets])
    (directory / "prometheus.yml").write_text(_CONFIG.format(directory=directory, targets=addresses))
    process = host.spawn(
        [
            program,
            f"--config.file={directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address={host.ip}:{PORT}",
        ],
        log_path=directory / "prometheus.log",
    )
    try:
        yield Prometheus(f"{host.ip}:{PORT}")
    finally:
        process.stop()
