"""What is told of container output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from cluster.logs.events import sentence
from cluster.model.log_history import KeptLine, LineStream, LogLevel
from web.tools.views import HostProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSourceView:
    """A container that writes or wrote. `is_present`: it is still there; `is_live`: its lines are taken in.

    `problem` says why they are not. Moments are null while nothing is kept.
    """

    container_id: str
    name: str
    image: str
    project: str
    service: str
    revision: int
    is_managed: bool
    node_id: str
    node_name: str
    start_ms: int | None
    end_ms: int | None
    lines: int
    is_present: bool
    is_live: bool
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLineView:
    """One line. `source` is its place in the answer's list of sources.

    `at_us` (Unix epoch microseconds) and `ordinal`, the line's number in its container, are its name in
    links. `event` has the facts of a line of stream "event", whose `text` says them in English. `is_match`
    is false for lines around one that was looked for.
    """

    source: int
    at_us: int
    ordinal: int
    stream: str
    level: str
    text: str
    is_partial: bool = False
    is_match: bool = True
    event: dict[str, str | int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogHostView:
    """What a host keeps in all. `skew_ms`: how far its clock is ahead of the answering host's, roughly."""

    node_id: str
    node_name: str
    bytes_used: int
    bytes_max: int
    oldest_ms: int | None
    problem: str
    skew_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSourcesView:
    """Whose output there is, and the hosts that do not say."""

    sources: tuple[LogSourceView, ...]
    hosts: tuple[LogHostView, ...]
    problems: tuple[HostProblem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPageView:
    """Some lines in the order asked for. `next_cursor` null: there are no more.

    With a cursor and few or no lines the search ran out of time: it goes on behind `reached_us`. `notes` say
    what to know of the answer, such as a clock that differs; `problems` name hosts that are not in it.
    """

    sources: tuple[LogSourceView, ...]
    lines: tuple[LogLineView, ...]
    next_cursor: str | None
    reached_us: int | None
    scanned: int
    notes: tuple[str, ...]
    problems: tuple[HostProblem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogHistogramView:
    """How many lines of each level there are in each step from `start_ms` on."""

    start_ms: int
    step_ms: int
    levels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    is_partial: bool
    problems: tuple[HostProblem, ...]


LEVEL_NAMES = tuple(level.name.lower() for level in LogLevel)
STREAM_NAMES = tuple(stream.name.lower() for stream in LineStream)


def line_view(line: KeptLine, sources: Mapping[str, int]) -> LogLineView:
    """Return a line as it is told; `sources` gives the places of containers in the answer."""
    is_event = line.stream == LineStream.EVENT
    return LogLineView(
        source=sources.get(line.container_id, -1),
        at_us=line.at_us,
        ordinal=line.ordinal,
        stream=STREAM_NAMES[line.stream],
        level=LEVEL_NAMES[line.level],
        text=sentence(line.text) if is_event else line.text,
        is_partial=line.is_partial,
        is_match=line.is_match,
        event=_facts(line.text) if is_event else None,
    )


def _facts(text: str) -> dict[str, str | int] | None:
    try:
        facts = json.loads(text)
    except ValueError:
        return None
    if not isinstance(facts, dict):
        return None
    return {str(key): value for key, value in facts.items() if isinstance(value, str | int)}
