"""When changes may be made: windows that come round, and freezes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from cluster.model import rules
from cluster.model.environments import check_environment

WINDOWS_MAX = 100
FREEZES_MAX = 50
DURATION_MIN_MS = 60_000
DURATION_MAX_MS = 31 * 86_400_000
_TIME_MS_MAX = 253_402_300_799_999  # the end of the year 9999


class ScopeKind(StrEnum):
    CLUSTER = "cluster"
    ENVIRONMENT = "environment"
    PROJECT = "project"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which services are meant: all, or those of an environment, of a project in all its environments, or
    one by its id. `name` is empty for all.
    """

    kind: ScopeKind = ScopeKind.CLUSTER
    name: str = ""

    def __post_init__(self) -> None:
        match self.kind:
            case ScopeKind.CLUSTER:
                if self.name:
                    raise ValueError(f"scope {self.name[:80]!r}: the whole cluster has no name")
            case ScopeKind.ENVIRONMENT:
                check_environment("scope", self.name)
            case ScopeKind.PROJECT | ScopeKind.SERVICE:
                rules.check_id("scope", self.name)

    def __str__(self) -> str:
        return "the cluster" if self.kind is ScopeKind.CLUSTER else f"{self.kind} {self.name}"

    def covers(self, about: About) -> bool:
        """Whether a service is meant."""
        match self.kind:
            case ScopeKind.CLUSTER:
                return True
            case ScopeKind.ENVIRONMENT:
                return about.environment == self.name
            case ScopeKind.PROJECT:
                return about.project == self.name
            case ScopeKind.SERVICE:
                return about.service_id == self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """A service, as far as scopes tell services apart."""

    service_id: str
    project: str
    environment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Time that comes round: from each moment `cron` (five fields) names in `time_zone`, for `duration_ms`.

    The duration is elapsed time, also when the clocks are changed meanwhile.
    """

    cron: str
    duration_ms: int
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        check_timing(self.cron, self.time_zone)
        rules.check_range("duration_ms", self.duration_ms, DURATION_MIN_MS, DURATION_MAX_MS)


class WindowKind(StrEnum):
    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeWindow:
    """When the services in `scope` may be changed (allow), or may not (deny)."""

    id: str
    kind: WindowKind
    span: Span
    scope: Scope = field(default_factory=Scope)
    note: str = ""
    by: str = ""
    created_at_ms: int = 0

    def __post_init__(self) -> None:
        rules.check_id("window id", self.id)
        rules.check_text("note", self.note, 256)
        rules.check_text("by", self.by, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """No change of the services in `scope` from `from_ms` until `until_ms`, None: until it is ended."""

    id: str
    reason: str
    from_ms: int
    until_ms: int | None = None
    scope: Scope = field(default_factory=Scope)
    by: str = ""
    created_at_ms: int = 0

    def __post_init__(self) -> None:
        rules.check_id("freeze id", self.id)
        rules.check_text("reason", self.reason, 256, chars_min=1)
        rules.check_range("from", self.from_ms, 0, _TIME_MS_MAX)
        if self.until_ms is not None:
            rules.check_range("until", self.until_ms, 0, _TIME_MS_MAX)
            if self.until_ms <= self.from_ms:
                raise ValueError("until: it is not after the freeze begins")
        rules.check_text("by", self.by, 128)


def check_timing(cron: str, time_zone: str) -> None:
    """Their form only: whether they mean something is told by `cluster.schedule`, which knows calendars."""
    rules.check_text("cron", cron, 128, chars_min=1)
    rules.check_text("time_zone", time_zone, 64, chars_min=1)
