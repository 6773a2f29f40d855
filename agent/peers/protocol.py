"""What hosts ask of each other over mutual TLS, besides Raft: paths, and the bytes of the answers.

Bodies are msgpack arrays; a container's log is a stream of frames of four bytes of length and one array. The
port is not Raft's: that socket belongs to the Raft thread's event loop, and requests that wait for Docker
have no place there.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cluster.encoding import EncodingError, codec, pack, unpack
from cluster.history.transfer import Record
from cluster.model.adoption import AdoptionQuestion, HostFound
from cluster.model.autoscaling import ReplicaUsage, ScalingStanding
from cluster.model.inventory import Caller, HostInventory, HostLive, LogLine, LogQuery
from cluster.model.log_history import (
    FollowedLines,
    LogCountQuery,
    LogCounts,
    LogFollow,
    LogPage,
    LogSearch,
    LogStanding,
)
from cluster.model.metric_limits import CopySamples
from cluster.model.readiness import HostQuestion, HostReadiness
from cluster.model.resources import DiskUsage, HostResources, PulledImage, Removal
from cluster.model.traffic import TrafficInterval

BEAT = "/peer/v1/beat"
TRAFFIC = "/peer/v1/traffic"
INVENTORY = "/peer/v1/inventory"
LIVE = "/peer/v1/live"
WATCH = "/peer/v1/watch"
CONTAINER = "/peer/v1/containers/{container}"
DIGEST = "/peer/v1/image-digest"
READINESS = "/peer/v1/readiness"
RENEW = "/peer/v1/certificate"
ADOPTABLE = "/peer/v1/adoptable"
SCALING = "/peer/v1/scaling/{service}"
HISTORY = "/peer/v1/history"
LOG_STANDING = "/peer/v1/logs"
LOG_SEARCH = "/peer/v1/logs/search"
LOG_COUNT = "/peer/v1/logs/count"
LOG_FOLLOW = "/peer/v1/logs/follow"
RESOURCES = "/peer/v1/resources/{kind}"
REMOVE_RESOURCE = "/peer/v1/resources/remove"
DISK_USAGE = "/peer/v1/disk-usage"
PULL = "/peer/v1/images/pull"
RESET = "/peer/v1/account-reset"

CALLER_HEADER = "X-Tower-Caller"
BODY_BYTES_MAX = 16 * 1024 * 1024
MESSAGE_BYTES_MAX = 1024 * 1024

INVENTORIES = codec(HostInventory)
LIVES = codec(HostLive)
LOG_LINES = codec(LogLine)
QUESTIONS = codec(HostQuestion)
READINESSES = codec(HostReadiness)
ADOPTION_QUESTIONS = codec(AdoptionQuestion)
ADOPTABLES = codec(HostFound)
STANDINGS = codec(ScalingStanding)
LOG_STANDINGS = codec(LogStanding)
LOG_SEARCHES = codec(LogSearch)
LOG_PAGES = codec(LogPage)
LOG_COUNT_QUERIES = codec(LogCountQuery)
LOG_COUNTS = codec(LogCounts)
LOG_FOLLOWS = codec(LogFollow)
FOLLOWED = codec(FollowedLines)
RESOURCE_LISTS = codec(HostResources)
REMOVALS = codec(Removal)
DISK_USAGES = codec(DiskUsage)
PULLED = codec(PulledImage)
_CALLERS = codec(Caller)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """A host's sign of life to the leader, and its request for a lease.

    It left at `sent_ms` of the host's CLOCK_BOOTTIME, when the host's lease had `held_ms` left;
    `answered_term` is the term of the last answer it took.
    """

    node_id: str
    applied_index: int
    is_engine_available: bool
    sent_ms: int = 0
    held_ms: int = 0
    answered_term: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BeatAnswer:
    """The leader's answer, given only while it holds a quorum's lease; `term` is the term it leads in.

    From when the beat left, the host may run what must never run twice for `lease_ms`; 0 changes nothing.
    """

    leader_id: str
    term: int
    lease_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request was not carried out. `code` as in `HostRefused`, or `unavailable`."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficReport:
    """What went through a host's router lately, for services the leader judges; it may repeat itself.

    `flows` are the same for services the leader scales by what routers count, `usages` what the host's
    replicas of those it scales by what is measured use, `samples` what was measured of the replicas of those
    it judges by metric limits.
    """

    node_id: str
    intervals: tuple[TrafficInterval, ...]
    flows: tuple[TrafficInterval, ...] = ()
    usages: tuple[ReplicaUsage, ...] = ()
    samples: tuple[CopySamples, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage:
    """Some of what a host's metric history has of a time, none when that was all.

    `missing` is what it has not got itself; up to `applied_index` it has what the log brought.
    """

    records: tuple[Record, ...]
    missing: tuple[tuple[int, int], ...]
    applied_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryQuestion:
    """Of when, and behind which cursor to go on; b"" from the start."""

    start_ms: int
    end_ms: int
    after: bytes = b""


BEATS = codec(Beat)
HISTORY_PAGES = codec(HistoryPage)
HISTORY_QUESTIONS = codec(HistoryQuestion)
TRAFFIC_REPORTS = codec(TrafficReport)
BEAT_ANSWERS = codec(BeatAnswer)
REFUSALS = codec(Refusal)


def read_log_query(parameters: Mapping[str, str]) -> LogQuery:
    """Which lines are asked for. Raises EncodingError."""
    tail, since_ms = parameters.get("tail", ""), parameters.get("since_ms", "0")
    for name, number in (("tail", tail), ("since_ms", since_ms)):
        if number and re.fullmatch(r"[0-9]{1,18}", number) is None:
            raise EncodingError(f"{name} = {number[:40]!r}: a whole number is needed")
    return LogQuery(
        tail=int(tail) if tail else None,
        since_ms=int(since_ms or 0),
        is_following=parameters.get("follow") == "1",
    )


def encode_caller(caller: Caller) -> str:
    """The header that says on whose behalf a host asks."""
    return base64.urlsafe_b64encode(pack(_CALLERS.to_array(caller))).decode()


def decode_caller(header: str) -> Caller:
    """The inverse. Raises EncodingError."""
    try:
        return _CALLERS.from_array(unpack(base64.urlsafe_b64decode(header.encode())))
    except ValueError as error:
        raise EncodingError(f"{CALLER_HEADER} is not a caller: {error}") from error
