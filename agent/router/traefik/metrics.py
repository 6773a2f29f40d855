"""Traefik's Prometheus text as counts of revisions. Its counters begin anew with each of its starts."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from agent.router.declared import Declared
from agent.router.protocol import RevisionTraffic
from cluster.model.strategy import Colour
from cluster.model.traffic import latency_bucket

_LINE = re.compile(r"^(traefik_service_[a-z_]+)\{([^}]*)\} ([0-9.eE+]+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(slots=True)
class _Totals:
    requests: int = 0
    failures: int = 0
    latencies: Counter[int] = field(default_factory=Counter)


class RevisionCounts:
    """Adds up what a Traefik counted, over its restarts."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, ...], float] = {}
        self._totals: dict[tuple[str, int], _Totals] = {}

    def take(self, text: str, declared: Declared) -> tuple[RevisionTraffic, ...]:
        """Take in the metrics as they are now; what a colour counted is of the revision it has."""
        revisions = {
            f"{service}-{colour.value}": (service, endpoints[0].revision)
            for (service, colour), endpoints in declared.servers.items()
            if isinstance(colour, Colour) and len({each.revision for each in endpoints}) == 1
        }
        below: dict[tuple[str, ...], int] = {}
        for metric, labels, value in _LINE.findall(text):
            named = dict(_LABEL.findall(labels))
            service, _, provider = named.get("service", "").rpartition("@")
            where = revisions.get(service)
            if where is None or provider != "http" or not where[1]:
                continue
            key = (metric, service, named.get("code", ""), named.get("method", ""), named.get("le", ""))
            grown = self._grown(key, float(value))
            totals = self._totals.setdefault(where, _Totals())
            if metric == "traefik_service_requests_total":
                totals.requests += grown
                totals.failures += grown if key[2].startswith("5") else 0
            elif metric == "traefik_service_request_duration_seconds_bucket":
                # Buckets count everything up to their bound; what is new in each is told by the one before.
                series = (service, key[2], key[3])
                bound_ms = 1000.0 * float(key[4]) if key[4] != "+Inf" else 60_000.0
                new = max(0, grown - below.get(series, 0))
                below[series] = grown
                if new:
                    totals.latencies[latency_bucket(bound_ms)] += new
        return tuple(
            RevisionTraffic(
                service=service,
                revision=revision,
                requests=totals.requests,
                failures=totals.failures,
                latencies=dict(totals.latencies),
            )
            for (service, revision), totals in sorted(self._totals.items())
        )

    def _grown(self, key: tuple[str, ...], value: float) -> int:
        before = self._seen.get(key, 0.0)
        self._seen[key] = value
        return round(value - before if value >= before else value)
