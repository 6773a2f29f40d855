"""`x-tower.watch`: following what the image's tag means."""

from __future__ import annotations

from functools import partial

from cluster.compose import vocabulary
from cluster.compose.document import Value
from cluster.compose.reader import Parts, Reader
from cluster.model.strategy import Strategy
from cluster.model.watching import WatchRules
from cluster.model.windows import Span


def read_watch(reader: Reader, value: Value) -> WatchRules | None:
    """Read the section. Whether a window's `cron` is a calendar's is asked where one is known."""
    keys = reader.keys(value, vocabulary.WATCH)
    if keys is None:
        return None
    keys.find("tag", partial(reader.choice, choices={"follow": "follow"}, default="follow"))
    watch = Parts(reader, WatchRules)
    watch.read("every_ms", keys.value("every"), reader.duration_ms)
    watch.read("min_age_ms", keys.value("min_age"), reader.duration_ms)
    watch.read("window", keys.value("window"), partial(_window, reader))
    strategies = {strategy.value: strategy for strategy in Strategy}
    watch.read(
        "strategy",
        keys.value("strategy"),
        partial(reader.choice, choices=strategies, default=Strategy.ROLLING),
    )
    return watch.make(value)


def _window(reader: Reader, value: Value) -> Span | None:
    keys = reader.keys(value, vocabulary.WATCH_WINDOW)
    if keys is None:
        return None
    missing = [key for key in ("cron", "duration") if keys.value(key) is None]
    if missing:
        reader.refuse(value, f"{' and '.join(missing)} missing", 'such as cron: "0 3 * * *" and duration: 2h')
        return None
    cron = keys.get("cron", reader.text, "")
    duration_ms = keys.get("duration", reader.duration_ms, 0)
    time_zone = keys.get("timezone", reader.text, "UTC")
    return reader.built(value, lambda: Span(cron=cron, duration_ms=duration_ms, time_zone=time_zone))
