"""Requests through the pretended hosts' routers: shared as each router was told, counted in closed intervals.

How a revision answers is its image's behaviour. Requests for a colour without a replica that answers are
lost, which is what a rollout must never bring about.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from cluster.model.ids import NodeId, ServiceId
from cluster.model.service import Assignment, Split
from cluster.model.strategy import Colour
from cluster.model.traffic import INTERVALS_MAX, ArmTraffic, TrafficInterval, latency_bucket

INTERVAL_MS = 5_000


@dataclass(frozen=True, slots=True)
class Answers:
    """How the containers of an image answer: the share that fails, and how long they take (half to twice)."""

    failure_rate: float = 0.0
    latency_ms: float = 20.0


@dataclass(slots=True)
class Routed:
    """What one host's router has in force for one service."""

    split: Split
    copies: tuple[Assignment, ...] = ()


@dataclass(slots=True)
class Traffic:
    """Requests per second and service, the same on every router, and what was counted of them."""

    rng: random.Random
    requests_per_s: dict[ServiceId, float] = field(default_factory=dict)
    answers: dict[str, Answers] = field(default_factory=dict)
    matching: dict[ServiceId, float] = field(default_factory=dict)
    """The part of the requests that an experiment's header or cookie is in."""
    lost: dict[ServiceId, int] = field(default_factory=dict)
    sent: dict[ServiceId, int] = field(default_factory=dict)
    _intervals: dict[tuple[ServiceId, NodeId], list[TrafficInterval]] = field(default_factory=dict)
    _sequence: int = 0

    def of(self, service_id: ServiceId) -> tuple[TrafficInterval, ...]:
        """The newest closed intervals of every host."""
        return tuple(
            interval
            for (each, _), intervals in sorted(self._intervals.items())
            if each == service_id
            for interval in intervals
        )

    def close(
        self, service_id: ServiceId, node_id: NodeId, routed: Routed, images: dict[int, str], able: set[str]
    ) -> tuple[TrafficInterval, ...]:
        """Close one router's interval; `able` are the containers that answer. Returns what the host tells."""
        self._sequence += 1
        arms: list[ArmTraffic] = []
        count = round(self.requests_per_s.get(service_id, 0.0) * INTERVAL_MS / 1000)
        green = sum(self._is_green(service_id, routed.split) for _ in range(count))
        for colour, share in ((Colour.GREEN, green), (Colour.BLUE, count - green)):
            arms += self._through(service_id, share, colour, routed.copies, images, able)
        interval = TrafficInterval(
            service_id=service_id,
            node_id=node_id,
            epoch="e1",
            sequence=self._sequence,
            duration_ms=INTERVAL_MS,
            arms=tuple(sorted(arms, key=lambda arm: arm.revision)),
        )
        kept = [*self._intervals.get((service_id, node_id), []), interval][-INTERVALS_MAX:]
        self._intervals[service_id, node_id] = kept
        return tuple(kept)

    def _is_green(self, service_id: ServiceId, split: Split) -> bool:
        targeting, matching = split.targeting, self.matching.get(service_id, 0.0)
        if targeting is not None and targeting.matches and self.rng.random() < matching:
            return targeting.colour is Colour.GREEN
        return self.rng.random() * 1000 < split.green_permille

    def _through(
        self,
        service_id: ServiceId,
        count: int,
        colour: Colour,
        copies: Iterable[Assignment],
        images: dict[int, str],
        able: set[str],
    ) -> list[ArmTraffic]:
        serving = [copy for copy in copies if copy.colour is colour and copy.container_name in able]
        self.sent[service_id] = self.sent.get(service_id, 0) + count
        if not serving:
            self.lost[service_id] = self.lost.get(service_id, 0) + count
            return []
        by_revision: dict[int, int] = {}
        for _ in range(count):
            revision = self.rng.choice(serving).revision
            by_revision[revision] = by_revision.get(revision, 0) + 1
        return [
            self._arm(revision, requests, self.answers.get(images.get(revision, ""), Answers()))
            for revision, requests in by_revision.items()
        ]

    def _arm(self, revision: int, requests: int, answers: Answers) -> ArmTraffic:
        latencies: dict[int, int] = {}
        for _ in range(requests):
            bucket = latency_bucket(answers.latency_ms * 2 ** self.rng.uniform(-1, 1))
            latencies[bucket] = latencies.get(bucket, 0) + 1
        return ArmTraffic(
            revision=revision,
            requests=requests,
            failures=sum(self.rng.random() < answers.failure_rate for _ in range(requests)),
            latencies=tuple(sorted(latencies.items())),
        )
