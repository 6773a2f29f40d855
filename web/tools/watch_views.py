"""What is shown of a service that follows its image."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model.strategy import Strategy
from cluster.model.watching import ImageWatch
from cluster.store import ReadTxn
from cluster.store.records import WATCHES


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchView:
    """How a service follows its image.

    `digest` is what the tag meant when it was asked last, since `first_seen_ms`; `is_newer` whether the
    service runs another one. `tried` are the digests it was given by this watch, newest last; `problem` is
    what keeps it from going on.
    """

    every_s: int
    min_age_s: int
    window_cron: str
    window_duration_s: int
    window_time_zone: str
    strategy: Strategy | None
    is_from_file: bool
    by: str
    image: str
    digest: str
    is_newer: bool
    first_seen_ms: int | None
    checked_at_ms: int | None
    problem: str
    tried: tuple[str, ...]


def watch_view(txn: ReadTxn, service_id: str, digest: str = "") -> WatchView | None:
    """Return a service's watch, None without one. `digest` is what the service has now."""
    watch = WATCHES.get(txn, service_id)
    return None if watch is None else _view(watch, digest)


def _view(watch: ImageWatch, digest: str) -> WatchView:
    window = watch.rules.window
    return WatchView(
        every_s=watch.rules.every_ms // 1000,
        min_age_s=watch.rules.min_age_ms // 1000,
        window_cron="" if window is None else window.cron,
        window_duration_s=0 if window is None else window.duration_ms // 1000,
        window_time_zone="" if window is None else window.time_zone,
        strategy=watch.rules.strategy,
        is_from_file=watch.is_from_file,
        by=watch.by,
        image=watch.image,
        digest=watch.digest,
        is_newer=bool(watch.digest and digest and watch.digest != digest),
        first_seen_ms=watch.first_seen_ms or None,
        checked_at_ms=watch.checked_at_ms or None,
        problem=watch.problem,
        tried=watch.tried,
    )
