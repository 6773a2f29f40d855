"""Following what an image's tag means: how a service wants it, and what has been seen."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.model import rules
from cluster.model.ids import ServiceId
from cluster.model.service import DAY_MS, MINUTE_MS
from cluster.model.strategy import Strategy
from cluster.model.windows import Span

EVERY_MS = 15 * MINUTE_MS
MIN_AGE_MS = DAY_MS
TRIED_MAX = 64
"""Most digests of a service that are remembered as tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRules:
    """How a service's image is followed.

    The registry is asked `every_ms`. A digest is rolled out once it has been what the tag means for
    `min_age_ms` without a break: a bad image is mostly noticed and replaced on its first day. `window` bounds
    when, beside the change windows that hold for everybody. `strategy` is the service's own where it is None.
    """

    every_ms: int = EVERY_MS
    min_age_ms: int = MIN_AGE_MS
    window: Span | None = None
    strategy: Strategy | None = None

    def __post_init__(self) -> None:
        rules.check_range("every_ms", self.every_ms, 1000, DAY_MS)
        rules.check_range("min_age_ms", self.min_age_ms, 0, 90 * DAY_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageWatch:
    """One service's watch, and what it has seen.

    `image` was asked for when `digest` was the answer; `first_seen_ms` is the log time at which that answer
    came first, since when it has not changed. `problem` is why the last question had no answer. `tried` are
    the digests that were rolled out by this watch, newest last: none is a second time, whatever became of it.
    """

    service_id: ServiceId
    rules: WatchRules = field(default_factory=WatchRules)
    is_from_file: bool = False
    by: str = ""
    by_principal: str = ""
    changed_at_ms: int = 0
    image: str = ""
    digest: str = ""
    first_seen_ms: int = 0
    checked_at_ms: int = 0
    problem: str = ""
    tried: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        rules.check_id("service id", self.service_id)
        rules.check_text("by", self.by, 128)
        rules.check_text("image", self.image, 512)
        rules.check_text("digest", self.digest, 128)
        rules.check_text("problem", self.problem, 1024)
        rules.check_count("tried", self.tried, TRIED_MAX)
