"""How long the eight analytics verbs take over REST, two weeks at 10 s of three hosts having been sent."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from agent.cli.client import API, tls_context
from tests.benchmarks.labs import a_benchmark_lab
from tests.benchmarks.leftovers import scratch
from tests.benchmarks.results import Finding, Row, percentile
from tests.support.lab import Host, url_of
from tests.support.two_weeks import DAYS, VERBS, LoadedAgents

ROUNDS = 20
STEP_MS = 10_000
TARGET_MS = 300.0
SENDING_S = 600.0


def run(say: Callable[[str], None], *, step_ms: int = STEP_MS) -> Finding:
    """Measure all of them on the first of three hosts. Raises Missing without a lab."""
    with scratch() as directory, a_benchmark_lab("v") as lab:
        agents = LoadedAgents(lab, directory, step_ms=step_ms)
        agents.form()
        began_s = time.monotonic()
        agents.wait_until_sent(SENDING_S)
        sent_s = time.monotonic() - began_s
        say(f"{agents.samples:,} samples are there after {sent_s:.0f} s")
        rows = []
        for verb, (path, query) in VERBS.items():
            took_ms, size = _ask(agents, agents.hosts[0], path, query)
            say(f"{verb}: {max(took_ms):.0f} ms at most")
            first, *others = took_ms
            rows.append(
                Row(
                    what=verb,
                    ours=f"first {first:.0f} ms; p50 {percentile(others, 50):.0f} ms,"
                    f" p95 {percentile(others, 95):.0f} ms, max {max(others):.0f} ms; {size / 1024:.0f} KiB",
                    target=f"< {TARGET_MS:.0f} ms",
                )
            )
    return Finding(
        title="Analytics over REST",
        how=f"Three Docker hosts with an agent each, which found {DAYS} days of samples at"
        f" {step_ms // 1000} s on their disks ({agents.samples:,} in all) and sent them through the log. One"
        f" host is asked over one TLS connection, {ROUNDS} times each; the first question stands by itself.",
        rows=tuple(rows),
        notes=(f"The history was sent, committed, sealed and rolled up within {sent_s:.0f} s.",),
    )


def _ask(agents: LoadedAgents, host: Host, path: str, query: dict[str, object]) -> tuple[list[float], int]:
    """Return how long each answer took in ms, and how many bytes the last had."""
    address = urlsplit(url_of(host))
    connection = http.client.HTTPSConnection(
        str(address.hostname), address.port, timeout=60, context=tls_context(agents.ca_pem)
    )
    try:
        connection.connect()
        took, size = [], 0
        for _ in range(ROUNDS):
            began_s = time.perf_counter()
            connection.request(
                "GET", f"{API}{path}?{urlencode(query)}", headers={"Authorization": f"Bearer {agents.token}"}
            )
            response = connection.getresponse()
            content = response.read()
            took.append((time.perf_counter() - began_s) * 1000)
            assert response.status == 200, content
            size = len(content)
        return took, size
    finally:
        connection.close()
