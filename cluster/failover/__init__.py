"""Pure: decide from heartbeats which hosts are up, suspect or down, and whose lease has surely run out."""

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
from cluster.failover.fencing import (
    LEASE_MS,
    HostFence,
    LeaseRequest,
    Leases,
    answer_request,
    begin_fence,
    leases_at,
)

__all__ = [
    "BEATS_TO_BE_UP",
    "LEASE_MS",
    "STALL_MS",
    "HostFence",
    "LeaseRequest",
    "Leases",
    "LifeSigns",
    "Listening",
    "StatusChange",
    "Verdict",
    "answer_request",
    "begin_fence",
    "heard",
    "leases_at",
    "listen",
    "observe",
]
