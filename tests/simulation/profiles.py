"""What a seed's world is like: how slow, how small, how often what breaks."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, replace

from cluster.raft.types import Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Rates are per simulated second, for the whole cluster; times in seconds."""

    name: str
    nodes: int = 3
    spares: int = 0
    """Nodes that may join while the faults go on."""
    latency_min_s: float = 0.001
    latency_max_s: float = 0.010
    faults_s: float = 40.0
    heal_s: float = 20.0
    proposals: float = 60.0
    value_bytes_max: int = 100
    clients: int = 6
    batch_bytes: int = 512 * 1024
    kills: float = 0.15
    power_cuts: float = 0.1
    write_interrupts: float = 0.1
    all_killed: float = 0.02
    restart_after_s: float = 2.0
    cuts: float = 0.25
    one_way_cuts: float = 0.15
    isolations: float = 0.1
    bridges: float = 0.05
    stalls: float = 0.3
    pauses: float = 0.15
    transfers: float = 0.1
    changes: float = 0.0
    disk_full: float = 0.05
    reads: float = 0.3
    """Share of client operations that are linearizable reads."""
    clock_drift: float = 0.0005
    log_entries_max: int = 20_000
    log_trailing: int = 10_000
    snapshot_chunk_bytes: int = 2048

    @property
    def digest(self) -> str:
        """Tells two profiles apart, whatever their names."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]

    def timing(self) -> Timing:
        return replace(
            Timing(),
            batch_bytes=self.batch_bytes,
            log_entries_max=self.log_entries_max,
            log_trailing=self.log_trailing,
            snapshot_chunk_bytes=self.snapshot_chunk_bytes,
            snapshot_stall_s=3.0,
            inflight_bytes=max(64 * 1024, 4 * self.batch_bytes),
        )


_COMPACTING = {"log_entries_max": 60, "log_trailing": 15}

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(name="lan"),
        Profile(name="lan-snapshots", changes=0.3, spares=2, **_COMPACTING),
        # Batches of one or two entries on slow links: where stock pysyncobj loses acknowledged writes.
        Profile(
            name="slow-small-batches",
            latency_min_s=0.10,
            latency_max_s=0.25,
            batch_bytes=200,
            value_bytes_max=80,
            proposals=60,
        ),
        Profile(
            name="slow-snapshots",
            latency_min_s=0.02,
            latency_max_s=0.08,
            batch_bytes=1024,
            changes=0.2,
            spares=2,
            proposals=60,
            **_COMPACTING,
        ),
        Profile(
            name="five-nodes",
            nodes=5,
            latency_min_s=0.02,
            latency_max_s=0.15,
            batch_bytes=600,
            proposals=40,
            kills=0.3,
            cuts=0.5,
        ),
        # Leaders cut off under load: long tails that another leader's log contradicts.
        Profile(
            name="long-tails",
            latency_min_s=0.002,
            latency_max_s=0.02,
            batch_bytes=2048,
            proposals=400,
            clients=100,
            faults_s=9,
            isolations=0.8,
            kills=0.05,
        ),
        Profile(
            name="churn",
            spares=8,
            changes=2.5,
            latency_min_s=0.005,
            latency_max_s=0.05,
            batch_bytes=2048,
            **_COMPACTING,
        ),
        Profile(
            name="crashes",
            kills=0.6,
            power_cuts=0.5,
            write_interrupts=0.4,
            all_killed=0.1,
            restart_after_s=0.7,
            batch_bytes=1024,
            **_COMPACTING,
        ),
    )
}


def draw(seed: int) -> Profile:
    """The world of `seed`: a profile, with every rate and size scattered around its value."""
    rng = random.Random(f"profile-{seed}")
    base = PROFILES[rng.choice(sorted(PROFILES))]
    scattered = {
        name: getattr(base, name) * rng.choice((0.0, 0.5, 1.0, 1.0, 2.0))
        for name in (
            "kills",
            "power_cuts",
            "write_interrupts",
            "all_killed",
            "cuts",
            "one_way_cuts",
            "isolations",
            "bridges",
            "stalls",
            "pauses",
            "transfers",
            "changes",
            "disk_full",
        )
    }
    return replace(base, clock_drift=rng.choice((0.0, 0.0005, 0.005)), **scattered)
