"""What can be subscribed to, under which names, and what a subscription may be narrowed by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum

from cluster.model.events import Severity
from cluster.model.webhooks import check_patterns

VALUE_CHARACTERS_MAX = 1024
LOG_CONTAINERS_MAX = 20
LOG_TAIL_MAX = 1000
LEVELS = ("unknown", "trace", "debug", "info", "warn", "error", "fatal")
STREAMS = ("stdout", "stderr")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Topic(StrEnum):
    """What there is to be told of."""

    ALERTS = "alerts"
    CLUSTER = "cluster"
    CONTAINERS = "containers"
    EVENTS = "events"
    LOGS = "logs"
    METRICS = "metrics"
    PLANS = "plans"
    ROLLOUTS = "rollouts"
    SECONDS = "seconds"
    SERVICES = "services"
    UPDATES = "metrics:update"


ACTION_OF = {
    Topic.ALERTS: "alert.read",
    Topic.CLUSTER: "cluster.read",
    Topic.CONTAINERS: "container.read",
    Topic.EVENTS: "event.read",
    Topic.LOGS: "container.logs",
    Topic.METRICS: "metrics.read",
    Topic.PLANS: "plan.read",
    Topic.ROLLOUTS: "rollout.read",
    Topic.SECONDS: "metrics.read",
    Topic.SERVICES: "service.read",
    Topic.UPDATES: "metrics.read",
}

NEW_ALERTS = "alert:new"
ALIASES: Mapping[str, Topic] = {
    NEW_ALERTS: Topic.ALERTS,
    "cluster:event": Topic.EVENTS,
    "container:status": Topic.CONTAINERS,
    "logs:stream": Topic.LOGS,
    "rollout:status": Topic.ROLLOUTS,
}
"""Other names of topics: who subscribed to one is told under it."""

NAMES: Mapping[str, Topic] = {**{topic.value: topic for topic in Topic}, **ALIASES}


class Misunderstood(Exception):
    """What a client says makes no sense; the text is for its sender."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What of a topic is wanted. Empty text: anything.

    `node` is the id or name of a host; `subject` is "host" or a container's id; `q` is looked for in names,
    images and ids, or in log lines; `severity` and `min_severity` are the least. `kinds`, `containers`,
    `levels` and `streams` are several, separated by commas. `tail`: how many earlier lines of each container.
    """

    node: str = ""
    project: str = ""
    service: str = ""
    state: str = ""
    q: str = ""
    subject: str = ""
    metric: str = ""
    rollout: str = ""
    severity: str = ""
    rule: str = ""
    kinds: str = ""
    min_severity: str = ""
    containers: str = ""
    streams: str = ""
    levels: str = ""
    tail: str = ""


ANYTHING = Filter()

FILTERS_OF: Mapping[Topic, tuple[str, ...]] = {
    Topic.ALERTS: ("severity", "node", "service", "rule"),
    Topic.CLUSTER: (),
    Topic.CONTAINERS: ("node", "project", "service", "state", "q"),
    Topic.EVENTS: ("kinds", "min_severity", "node", "service"),
    Topic.LOGS: ("containers", "node", "streams", "levels", "q", "tail"),
    Topic.METRICS: ("node", "subject", "metric"),
    Topic.PLANS: (),
    Topic.ROLLOUTS: ("service", "rollout"),
    Topic.SECONDS: ("node", "subject", "metric"),
    Topic.SERVICES: ("service", "project"),
    Topic.UPDATES: ("node", "subject", "metric"),
}

FILTER_NAMES = tuple(item.name for item in fields(Filter))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One thing a client asked for. `position` is the last one it heard, "" for none."""

    name: str
    topic: Topic
    filter: Filter = ANYTHING
    position: str = ""


def wanted(name: object, values: object, position: object) -> Wanted:
    """Return what was asked for. Raises Misunderstood."""
    if not isinstance(name, str) or name not in NAMES:
        raise Misunderstood(f"topic: one of {', '.join(NAMES)}")
    topic = NAMES[name]
    if not isinstance(values, dict):
        raise Misunderstood(f"{name}: filter: an object of names and texts")
    known = FILTERS_OF[topic]
    for key, value in values.items():
        if key not in known:
            listed = ", ".join(known) or "nothing"
            raise Misunderstood(
                f"{name}: filter: {str(key)[:40]!r} is unknown; this topic is narrowed by {listed}"
            )
        if not isinstance(value, str) or len(value) > VALUE_CHARACTERS_MAX or _CONTROL.search(value):
            raise Misunderstood(f"{name}: filter.{key}: text of at most {VALUE_CHARACTERS_MAX} characters")
    if not isinstance(position, str) or len(position) > VALUE_CHARACTERS_MAX * 2:
        raise Misunderstood(f"{name}: position: the text that came with the last message of this topic")
    narrowed = Filter(**values)
    _check(name, topic, narrowed)
    return Wanted(name=name, topic=topic, filter=narrowed, position=position)


def listed(text: str) -> tuple[str, ...]:
    """Return the several values of one text."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _check(name: str, topic: Topic, narrowed: Filter) -> None:
    for field in ("severity", "min_severity"):
        _check_among(name, field, (getattr(narrowed, field),), ("", *Severity))
    _check_among(name, "levels", listed(narrowed.levels), LEVELS)
    _check_among(name, "streams", listed(narrowed.streams), STREAMS)
    if narrowed.kinds:
        try:
            check_patterns(listed(narrowed.kinds))
        except ValueError as error:
            raise Misunderstood(f"{name}: filter.kinds: {error}") from error
    if topic is Topic.LOGS:
        if not 0 < len(listed(narrowed.containers)) <= LOG_CONTAINERS_MAX:
            raise Misunderstood(
                f"{name}: filter.containers: ids or names of 1 to {LOG_CONTAINERS_MAX} containers,"
                " separated by commas"
            )
        if narrowed.tail and not (
            narrowed.tail.isascii() and narrowed.tail.isdigit() and len(narrowed.tail) < 6
        ):
            raise Misunderstood(f"{name}: filter.tail: a number from 0 to {LOG_TAIL_MAX}")
        if narrowed.tail and int(narrowed.tail) > LOG_TAIL_MAX:
            raise Misunderstood(f"{name}: filter.tail: a number from 0 to {LOG_TAIL_MAX}")


def _check_among(name: str, field: str, given: tuple[str, ...], known: tuple[str, ...]) -> None:
    for value in given:
        if value not in known:
            offered = ", ".join(each for each in known if each)
            raise Misunderstood(f"{name}: filter.{field}: {value[:40]!r} is none of {offered}")
