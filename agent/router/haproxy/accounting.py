"""Requests that a service's replicas lost, which HAProxy itself does not report. Pure.

A request lost on a reused connection leaves no error, no response and no log line (`abort_keep_alive` in
HAProxy's src/http_ana.c, 2.6 to 3.4). It is what was counted as begun but neither answered nor still under
way: requests - responses - in flight - aborted by the client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent.router.haproxy.stats import BackendCounters


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What passed through one backend since the agent began to count. `lost` includes client aborts at most
    once."""

    requests: int = 0
    server_errors: int = 0
    lost: int = 0
    in_flight: int = 0


class TrafficLedger:
    """Adds up the counters of workers that come and go; a worker's begin at 0."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, str], BackendCounters] = {}
        self._ended: dict[str, Traffic] = {}

    def record(self, readings: Mapping[int, Mapping[str, BackendCounters]]) -> dict[str, Traffic]:
        """Take in the counters of every worker by pid, and return the totals by backend.

        What a worker counted after it was last read is not known once it has ended.
        """
        for (pid, backend), counters in list(self._seen.items()):
            if pid not in readings:
                ended = _traffic(counters)
                # What was under way when it ended was finished or cut off: it is not told which.
                self._ended[backend] = _sum(
                    self._ended.get(backend, Traffic()),
                    Traffic(requests=ended.requests, server_errors=ended.server_errors, lost=ended.lost),
                )
                del self._seen[pid, backend]
        for pid, backends in readings.items():
            for backend, counters in backends.items():
                self._seen[pid, backend] = counters
        totals = dict(self._ended)
        for (_, backend), counters in self._seen.items():
            totals[backend] = _sum(totals.get(backend, Traffic()), _traffic(counters))
        return totals


def _traffic(counters: BackendCounters) -> Traffic:
    lost = counters.requests - counters.responses - counters.in_flight - counters.client_aborts
    return Traffic(
        requests=counters.requests,
        server_errors=counters.server_errors,
        lost=max(0, lost),
        in_flight=counters.in_flight,
    )


def _sum(one: Traffic, other: Traffic) -> Traffic:
    return Traffic(
        requests=one.requests + other.requests,
        server_errors=one.server_errors + other.server_errors,
        lost=one.lost + other.lost,
        in_flight=one.in_flight + other.in_flight,
    )
