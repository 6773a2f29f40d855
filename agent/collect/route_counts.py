"""What came to each revision between two looks at the router's counts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.collect.samples import RouteSample
from agent.router.protocol import RevisionTraffic
from cluster.model.traffic import latency_bound_ms

Totals = Mapping[tuple[str, int], RevisionTraffic]
"""The router's counts by (service, revision)."""

ROUTES_MAX = 512
"""How many revisions are told of; of too many, those with the most requests since they came."""


def totals_of(traffic: Sequence[RevisionTraffic]) -> dict[tuple[str, int], RevisionTraffic]:
    """Return the counts by service and revision, at most `ROUTES_MAX`."""
    busiest = sorted(traffic, key=lambda each: (-each.requests, each.service, each.revision))[:ROUTES_MAX]
    return {(each.service, each.revision): each for each in busiest if each.revision}


def route_samples(previous: Totals | None, present: Totals) -> tuple[RouteSample, ...]:
    """Return what came to each revision since `previous`; nothing without that.

    A revision that is new began at zero. One whose counts went back was counted by another router.
    """
    if previous is None:
        return ()
    samples = []
    for key in sorted(present):
        now = present[key]
        before = previous.get(key)
        if before is None or now.requests < before.requests or now.failures < before.failures:
            before = RevisionTraffic(service=now.service, revision=now.revision)
        latencies = {
            bucket: grown
            for bucket, count in now.latencies.items()
            if (grown := count - before.latencies.get(bucket, 0)) > 0
        }
        samples.append(
            RouteSample(
                service=now.service,
                revision=now.revision,
                requests=now.requests - before.requests,
                errors=now.failures - before.failures,
                lost=max(0, now.lost - before.lost),
                latency_p50_ms=quantile_ms(latencies, 0.50),
                latency_p95_ms=quantile_ms(latencies, 0.95),
                latency_p99_ms=quantile_ms(latencies, 0.99),
                requests_total=now.requests,
                errors_total=now.failures,
                lost_total=now.lost,
                latencies_total=now.latencies,
            )
        )
    return tuple(samples)


def quantile_ms(latencies: Mapping[int, int], q: float) -> float | None:
    """Return the latency that the share `q` of requests stayed within, None without any.

    Nearest rank over buckets that are 9 % wide: the bound of the one it falls into.
    """
    rank = q * sum(latencies.values())
    seen = 0
    for bucket in sorted(latencies):
        seen += latencies[bucket]
        if seen >= rank:
            return latency_bound_ms(bucket)
    return None
