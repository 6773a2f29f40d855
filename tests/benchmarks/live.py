"""Five hundred browsers on live metrics of one host."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.benchmarks.api_cluster import Watch, a_leader, ask, bare
from tests.benchmarks.leftovers import scratch
from tests.benchmarks.process_figures import cpu_s, private_mib
from tests.benchmarks.results import Finding, Row

CLIENTS = 500
ACCOUNTS = 20
"""Each may have 32 connections."""
CONTAINERS = 20
SECONDS = 30.0
EVERY_S = 5.0


def run(say: Callable[[str], None]) -> Finding:
    """Measure it on the leader of three hosts. Raises Missing without a lab."""
    orders: dict[str, Any] = {"clients": CLIENTS, "seconds": SECONDS}
    timeout_s = 8 * SECONDS
    with (
        scratch() as directory,
        a_leader("v", directory, containers=CONTAINERS, accounts=ACCOUNTS) as asked,
    ):
        before_mib = private_mib([asked.pid])
        with Watch(asked.agents, asked.follower).watching() as busy:
            used_s = cpu_s([asked.pid])
            ours = ask("live", {**orders, **asked.target}, directory, timeout_s=timeout_s)
            used_s = cpu_s([asked.pid]) - used_s
        after_mib = private_mib([asked.pid])
        text = str(ours.pop("text"))
        say(f"ours: {ours}; Raft: {busy[0]}")
    with scratch() as directory:
        serving = {"content": text or json.dumps({"topic": "metrics:update"}), "every_s": EVERY_S}
        with bare("bare-live", serving, directory) as (bare_pid, target):
            theirs = ask("live", {**orders, **target}, directory, timeout_s=timeout_s)
            bare_s = cpu_s([bare_pid])
        say(f"bare aiohttp: spread {theirs['spread_ms']} ms")
    return Finding(
        title="Live",
        how=(
            f"{CLIENTS} WebSockets of {ACCOUNTS} accounts on the topic metrics:update of the leader of three"
            f" hosts with {CONTAINERS} containers, for {SECONDS:.0f} s. Spread: from the first client that"
            " hears something to the last. A follower proposes ten times a second meanwhile."
        ),
        anchor="bare aiohttp, the same text",
        rows=(
            Row(
                what="messages that reached every client",
                ours=f"{ours['whole']} of {ours['messages']}",
                target="all",
                anchor=f"{theirs['whole']} of {theirs['messages']}",
            ),
            Row(what="messages dropped", ours=str(ours["dropped"]), target="0"),
            Row(
                what="spread, p50",
                ours=_ms(ours["spread_ms"]),
                target="< 1 s",
                anchor=_ms(theirs["spread_ms"]),
            ),
            Row(
                what="spread, max",
                ours=_ms(ours["spread_max_ms"]),
                anchor=_ms(theirs["spread_max_ms"]),
            ),
            Row(
                what="processor time, connecting and listening",
                ours=f"{used_s:.1f} s",
                anchor=f"{bare_s:.1f} s",
            ),
            Row(what="private memory", ours=f"{before_mib:.0f} MiB, then {after_mib:.0f} MiB"),
            Row(what="proposals of a follower meanwhile", ours=str(busy[0]), target="no gap"),
            Row(what="terms meanwhile", ours=str(busy[0].terms), target="1"),
        ),
        notes=(f"Each message has {len(text)} characters. All of it shares this machine.",),
    )


def _ms(value: float | None) -> str:
    return "none" if value is None else f"{value:.0f} ms"
