"""A service under a load that changes, scaled by `cluster.autoscale`: measured late, started late, noisily.

A replica does `CAPACITY_PER_S` requests a second with all it may use, and is slow before that, as a queue is.
What a leader sees is the mean of the last ten seconds, up to ten seconds old; a new replica serves after
`start_s`.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

from cluster.autoscale import Memory, ReplicaLoad, Situation, decide
from cluster.model.autoscaling import AutoscalePolicy

LOOK_S = 5
GRID_S = 10
CAPACITY_PER_S = 100.0
SERVICE_MS = 20.0
QUEUE_MAX = 50.0
"""Times the service time at most: clients give up."""

Load = Callable[[float], float]
"""Requests a second at a time in seconds."""


@dataclass(slots=True)
class Run:
    """What became of one simulated service, look by look: (seconds, replicas wanted), and the changes."""

    replicas: list[tuple[float, int]] = field(default_factory=list)
    changes: list[tuple[float, int, int]] = field(default_factory=list)
    overloaded_s: float = 0.0

    def at(self, second: float) -> int:
        return next(count for at_s, count in reversed(self.replicas) if at_s <= second)

    def turns(self) -> int:
        """How often a change went the other way than the one before it."""
        ways = [1 if after > before else -1 for _, before, after in self.changes]
        return sum(1 for one, other in pairwise(ways) if one != other)


def simulate(
    policy: AutoscalePolicy,
    load: Load,
    *,
    seed: int,
    seconds: int,
    replicas: int = 2,
    start_s: float = 8.0,
    noise: float = 0.0,
    leader_changes_s: frozenset[int] = frozenset(),
) -> Run:
    """Return what becomes of a service in so many seconds. `noise` is the deviation of each measurement."""
    rng = random.Random(seed)
    run = Run()
    wanted, memory = replicas, Memory()
    ready_at_s = [0.0] * replicas
    changed_at_s: float | None = None
    recent: deque[tuple[float, float, float]] = deque(maxlen=GRID_S)
    seen: tuple[float, float, float] | None = None
    for second in range(seconds):
        now_s = float(second)
        rate = load(now_s)
        ready = max(1, sum(1 for at_s in ready_at_s if at_s <= now_s))
        use = rate / (ready * CAPACITY_PER_S)
        if use > 1:
            run.overloaded_s += 1
        queue = min(QUEUE_MAX, 1 / max(1e-9, 1 - use)) if use < 1 else QUEUE_MAX
        recent.append((100 * min(1.0, use), rate, 3 * SERVICE_MS * queue))
        if second % GRID_S == 0:
            means = [sum(each[part] for each in recent) / len(recent) for part in range(3)]
            seen = (means[0], means[1], means[2])
        if second in leader_changes_s:
            memory = Memory()
        if second % LOOK_S or seen is None:
            continue
        loads = [
            ReplicaLoad(
                is_ready=at_s <= now_s,
                cpu_percent=None if at_s + GRID_S > now_s else max(0.0, seen[0] * (1 + rng.gauss(0, noise))),
            )
            for at_s in ready_at_s
        ]
        decision, memory = decide(
            policy,
            Situation(
                now_ms=second * 1000,
                current=wanted,
                replicas=loads,
                changed_ago_ms=None if changed_at_s is None else round((now_s - changed_at_s) * 1000),
                requests_per_s=seen[1],
                latency_p95_ms=seen[2],
            ),
            memory,
        )
        if decision.replicas is not None:
            run.changes.append((now_s, wanted, decision.replicas))
            wanted, changed_at_s = decision.replicas, now_s
            ready_at_s = ready_at_s[:wanted]
            ready_at_s += [
                now_s + start_s * math.exp(rng.gauss(0, 0.3)) for _ in range(wanted - len(ready_at_s))
            ]
        run.replicas.append((now_s, wanted))
    return run
