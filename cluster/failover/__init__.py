"""Pure: decide from heartbeats which hosts are up, suspect or down."""

from cluster.failover.detector import (
    BEATS_TO_BE_UP,
    STALL_MS,
    LifeSigns,
    Listening,
    StatusChange,
    Verdict,
    heard,
    listen,
    observe,
)

__all__ = [
    "BEATS_TO_BE_UP",
    "STALL_MS",
    "LifeSigns",
    "Listening",
    "StatusChange",
    "Verdict",
    "heard",
    "listen",
    "observe",
]
