"""The newest of a host's live numbers."""

from __future__ import annotations

from cluster.model.inventory import HostLive

HOST = "host"
"""The subject of a host's own series."""


def newest(live: HostLive, metric: str, subject: str = HOST) -> float | None:
    """Return the newest sample of a series, None without one."""
    for series in live.series:
        if series.subject == subject and series.metric == metric:
            return next((value for value in reversed(series.values) if value is not None), None)
    return None
