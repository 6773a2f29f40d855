"""Where the metric history is sent to as well, and how far each has come.

The history itself is what waits to be sent: an export keeps no copy, only where it stands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from cluster.model import rules
from cluster.model.webhooks import SealedSecret, check_url, origin_of

EXPORTS_MAX = 8
BACK_MAX_MS = 396 * 24 * 3_600_000
DETAIL_CHARS_MAX = 300
RETRY_BASE_MS = 1_000
RETRY_MAX_MS = 5 * 60_000
TIMEOUT_MS = 30_000


class ExportKind(StrEnum):
    """PROMETHEUS: remote-write 1.0. INFLUXDB: line protocol, of version 1 and 2."""

    PROMETHEUS = "prometheus"
    INFLUXDB = "influxdb"


class ExportAuth(StrEnum):
    """TOKEN is InfluxDB's own `Authorization: Token`."""

    NONE = "none"
    BEARER = "bearer"
    BASIC = "basic"
    TOKEN = "token"  # noqa: S105 (a kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One receiver of the history, by the name people give it.

    `back_ms` is how much of the past it gets first.
    """

    id: str
    kind: ExportKind
    url: str = field(repr=False)
    auth: ExportAuth = ExportAuth.NONE
    username: str = ""
    secret: SealedSecret | None = None
    back_ms: int = 0
    is_enabled: bool = True
    version: int = 0
    created_at_ms: int = 0
    changed_at_ms: int = 0
    changed_by: str = ""

    def __post_init__(self) -> None:
        rules.check_name("export", self.id)
        check_url(self.url)
        rules.check_text("username", self.username, 256)
        rules.check_range("back_ms", self.back_ms, 0, BACK_MAX_MS)
        rules.check_text("changed by", self.changed_by, 128)
        if ":" in self.username:
            raise ValueError("username: HTTP's basic authentication allows no colon in it")
        if (self.auth is ExportAuth.BASIC) != bool(self.username):
            raise ValueError("username: it is needed with auth basic, and only with that")
        if (self.auth is ExportAuth.NONE) != (self.secret is None):
            raise ValueError("secret: it is needed with every auth but none, and only then")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportStanding:
    """How far an export has come.

    Of the log's batches, all up to `index` were sent. Before the next of them, the past from `past_from_ms`
    to `past_until_ms` is sent from the history, by times of samples (equal: nothing of the past is left).
    After a failure nothing is sent before `next_ms` (log time). `refused` counts samples the receiver did not
    want. `detail` is what it said last of either.
    """

    export_id: str
    index: int
    past_from_ms: int = 0
    past_until_ms: int = 0
    sent: int = 0
    refused: int = 0
    failures_in_a_row: int = 0
    failing_since_ms: int = 0
    next_ms: int = 0
    last_sent_ms: int = 0
    detail: str = ""

    @property
    def has_past(self) -> bool:
        return self.past_from_ms < self.past_until_ms


def retry_delay_ms(failures: int) -> int:
    """How long to wait after so many failures in a row (from 1)."""
    return int(min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** min(failures - 1, 20)))


def export_secret_context(export_id: str, url: str) -> str:
    """The place a secret is sealed for: sent to another host, or under another name, it does not open."""
    return f"export/{export_id}/{origin_of(url)}"
