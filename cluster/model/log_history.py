"""Lines of containers' output that a host keeps, as hosts tell each other and the surfaces show them.

Not replicated: each host keeps its own. Moments are Unix epoch microseconds: finer than that two processors
do not agree on what came first, and JavaScript's numbers hold them exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class LogLevel(IntEnum):
    """How grave a line says it is; UNKNOWN when it does not say."""

    UNKNOWN = 0
    TRACE = 1
    DEBUG = 2
    INFO = 3
    WARN = 4
    ERROR = 5
    FATAL = 6


class LineStream(IntEnum):
    """Where a line comes from. EVENT: nothing the container wrote, but what happened to it."""

    STDOUT = 0
    STDERR = 1
    EVENT = 2


LEVELS_ALL = (1 << len(LogLevel)) - 1
STREAMS_ALL = (1 << len(LineStream)) - 1


def levels_from(lowest: LogLevel) -> int:
    """Return the mask of the levels that are at least as grave."""
    return LEVELS_ALL & ~((1 << lowest) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSource:
    """A container as it was when it wrote; `revision` 0: none of ours.

    `is_own_word`: project and service were set by whoever made the container, not claimed by its image, so
    that permissions may go by them.
    """

    container_id: str
    name: str
    image: str
    project: str = ""
    service: str = ""
    revision: int = 0
    is_managed: bool = False
    is_own_word: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSource:
    """What a host has of one container, from `start_us` to `end_us`.

    `is_live`: lines go on to be taken in. `problem`: why they are not, for people.
    """

    source: LogSource
    start_us: int
    end_us: int
    lines: int
    is_live: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStanding:
    """What a host keeps in all. `problem`: why nothing is taken in now, for people; "" when it is."""

    sources: tuple[KeptSource, ...] = ()
    bytes_used: int = 0
    bytes_max: int = 0
    oldest_us: int = 0
    problem: str = ""
    now_us: int = 0
    """The host's clock when it said so, for telling skew."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class LogPlace:
    """A line's place among all lines of all hosts: by time, and within a container by its number."""

    at_us: int
    container_id: str = ""
    ordinal: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLine:
    """One line. `stream` and `level` are numbers of LineStream and LogLevel.

    `ordinal` counts the lines of a container from 0, and survives restarts of the agent. An event's `text` is
    a JSON object with the key `event`. `is_match` is False for lines around one that was looked for.
    """

    container_id: str
    at_us: int
    ordinal: int
    stream: int
    level: int
    text: str
    is_partial: bool = False
    is_match: bool = True

    @property
    def place(self) -> LogPlace:
        return LogPlace(at_us=self.at_us, container_id=self.container_id, ordinal=self.ordinal)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSearch:
    """Which lines of which containers, of [start_us, end_us), 0: no bound.

    `pattern` "" fits every line; it is looked for in the text without its terminal sequences. Lines come in
    order of their places, from the newest when `is_newest_first`, behind `after`. `context` lines around each
    are given too.
    """

    container_ids: tuple[str, ...]
    start_us: int = 0
    end_us: int = 0
    levels: int = LEVELS_ALL
    streams: int = STREAMS_ALL
    pattern: str = ""
    is_regex: bool = False
    is_case_sensitive: bool = False
    context: int = 0
    is_newest_first: bool = True
    after: LogPlace | None = None
    limit: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """Some of what was looked for, in the order asked for.

    `horizon`: everything up to there was looked at, and there may be more behind it; None: that was all.
    """

    lines: tuple[KeptLine, ...] = ()
    horizon: LogPlace | None = None
    scanned: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCountQuery:
    """How many lines of each level in each step of [start_us, end_us)."""

    container_ids: tuple[str, ...]
    start_us: int
    end_us: int
    step_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCounts:
    """`counts[step][level]`. `is_partial`: there was more than could be counted in time."""

    counts: tuple[tuple[int, ...], ...] = ()
    is_partial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFollow:
    """Lines of containers as they come; `tail` of each first where there is no history to read them from."""

    container_ids: tuple[str, ...]
    tail: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedLines:
    """Lines that came, and how many did not because their reader was too slow."""

    lines: tuple[KeptLine, ...]
    missed: int = 0


class LogsUnavailable(Exception):
    """The history of this host cannot be read or asked now; the text says why and what to do."""


class PatternRefused(ValueError):
    """A pattern that cannot be looked for; the text says why."""
