"""A list of a hundred containers, asked for two thousand times a second, and what Raft notices of it."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.benchmarks.api_cluster import Watch, a_leader, ask, bare
from tests.benchmarks.leftovers import scratch
from tests.benchmarks.process_figures import cpu_s
from tests.benchmarks.results import Finding, Row

CONTAINERS = 100
PATH = f"/api/v1/containers?limit={CONTAINERS}"
RATE = 2000
SECONDS = 20.0
CONNECTIONS = 32
ACCOUNTS = 24
"""Each may ask a hundred times a second."""


def run(say: Callable[[str], None]) -> Finding:
    """Measure it on the leader of three hosts. Raises Missing without a lab."""
    orders = {"path": PATH, "rate": RATE, "seconds": SECONDS, "connections": CONNECTIONS}
    timeout_s = 8 * SECONDS
    with (
        scratch() as directory,
        a_leader("r", directory, containers=CONTAINERS, accounts=ACCOUNTS) as asked,
    ):
        with Watch(asked.agents, asked.follower).watching() as idle:
            say(f"watching Raft for {SECONDS:.0f} s")
            time.sleep(SECONDS)
        with Watch(asked.agents, asked.follower).watching() as busy:
            used_s = cpu_s([asked.pid])
            ours = ask("rest", {**orders, **asked.target}, directory, timeout_s=timeout_s)
            used_s = cpu_s([asked.pid]) - used_s
        say(f"ours: {ours}; Raft idle: {idle[0]}; busy: {busy[0]}")
    with scratch() as directory:
        serving = {"content": "x" * int(ours["bytes"]), "path": PATH.partition("?")[0]}
        with bare("bare-rest", serving, directory) as (bare_pid, target):
            theirs = ask("rest", {**orders, **target}, directory, timeout_s=timeout_s)
            bare_s = cpu_s([bare_pid])
        say(f"bare aiohttp: {theirs}")
    return Finding(
        title="REST",
        how=(
            f"`GET {PATH}` of the leader of three hosts, whose Docker has {CONTAINERS} containers: {RATE}"
            f" requests a second for {SECONDS:.0f} s over {CONNECTIONS} kept-open TLS connections of"
            f" {ACCOUNTS} accounts, timed from when each was due. Meanwhile a follower proposes ten times a"
            " second: what that takes is what Raft notices."
        ),
        anchor="bare aiohttp, the same bytes",
        rows=(
            _row("p50", "p50_ms", ours, theirs, "< 5 ms", "ms"),
            _row("p95", "p95_ms", ours, theirs, "", "ms"),
            _row("p99", "p99_ms", ours, theirs, "", "ms"),
            _row("requests/s", "per_s", ours, theirs, f">= {RATE * 0.99:.0f}", ""),
            Row(
                what="processor time per request",
                ours=f"{used_s / (RATE * SECONDS) * 1e6:.0f} µs",
                anchor=f"{bare_s / (RATE * SECONDS) * 1e6:.0f} µs",
            ),
            Row(what="proposals of a follower meanwhile", ours=str(busy[0]), target="no gap"),
            Row(what="proposals of a follower before", ours=str(idle[0])),
            Row(what="terms meanwhile", ours=str(busy[0].terms), target="1"),
        ),
        notes=(f"Each answer has {ours['bytes']} bytes, uncompressed. All of it shares this machine.",),
    )


def _row(
    what: str, key: str, ours: dict[str, float], theirs: dict[str, float], target: str, unit: str
) -> Row:
    return Row(
        what=what,
        ours=f"{ours[key]:.1f} {unit}".strip(),
        target=target,
        anchor=f"{theirs[key]:.1f} {unit}".strip(),
    )
