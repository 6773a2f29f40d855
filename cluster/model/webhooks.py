"""Where events are sent to, and what became of each that was to be sent."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import SplitResult, urlsplit

from cluster.model import rules
from cluster.model.events import FAMILIES, Event, EventKind, Severity

WEBHOOKS_MAX = 32
DELIVERIES_KEPT = 1000
"""Rows of one webhook, those that wait among them: the oldest finished one goes first."""

URL_CHARS_MAX = 2048
PATTERNS_MAX = 64
SECRET_BYTES_MAX = 4096
SECRETS_MAX = 2
ATTEMPTS_KEPT = 10
DETAIL_CHARS_MAX = 300
ATTEMPTS_MAX = 30
DELAY_MAX_MS = 24 * 3_600_000
TIMEOUT_MAX_MS = 30_000
FAILING_MAX_MS = 5 * 24 * 3_600_000
"""After this long without one success a webhook is turned off; so is one whose receiver says 410 Gone."""
FAILURES_MIN_TO_DISABLE = 20

HOLD_ATTEMPTS = 5
"""So often an event is tried before it lets those after it pass: a receiver may never take it, and the next
one may be the alert somebody has to see."""
ASIDE_MAX = 20
"""Most that step aside: when so many are not taken, it is not about them."""

HMAC_SECRET_PREFIX = "whsec_"  # noqa: S105 (what such secrets begin with)
HMAC_BYTES_MIN = 24
HMAC_BYTES_MAX = 64
"""Standard Webhooks 1.0.0: a symmetric secret has 24 to 64 bytes."""

_PATTERN = re.compile(r"\*|[a-z]+:(\*|[a-z-]+)")
_KINDS = frozenset(kind.value for kind in EventKind)


class WebhookAuth(StrEnum):
    """How a receiver tells that it is us. HMAC signs as Standard Webhooks 1.0.0 has it (`v1`)."""

    NONE = "none"
    BEARER = "bearer"
    BASIC = "basic"
    HMAC = "hmac"


class Backoff(StrEnum):
    EXPONENTIAL = "exponential"
    LINEAR = "linear"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often an event is tried in all, and how long is waited in between.

    After the n-th failure: `base_ms` times 2^(n-1), or times n, at most `max_ms`, and a fifth more or less.
    The defaults go on for about nine hours.
    """

    attempts: int = 15
    backoff: Backoff = Backoff.EXPONENTIAL
    base_ms: int = 5_000
    max_ms: int = 2 * 3_600_000

    def __post_init__(self) -> None:
        rules.check_range("retry attempts", self.attempts, 1, ATTEMPTS_MAX)
        rules.check_range("retry base_ms", self.base_ms, 100, DELAY_MAX_MS)
        rules.check_range("retry max_ms", self.max_ms, self.base_ms, DELAY_MAX_MS)

    def delay_ms(self, failures: int, key: str) -> int:
        """How long to wait after that many failures (from 1).

        What is added or taken off is told by `key` alone, so that every leader waits for the same moment.
        """
        factor = failures if self.backoff is Backoff.LINEAR else 1 << min(failures - 1, 40)
        spread = zlib.crc32(f"{key}/{failures}".encode()) % 401
        return min(self.max_ms, self.base_ms * factor) * (800 + spread) // 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedSecret:
    """A secret as it is kept. `until_ms` above 0: the one before, good until that log time."""

    sealed: bytes = field(repr=False)
    until_ms: int = 0

    def __post_init__(self) -> None:
        rules.check_range("sealed secret, bytes", len(self.sealed), 1, SECRET_BYTES_MAX + 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One receiver, by the name people give it.

    `events` are kinds (`node:down`), families (`alert:*`) or `*`. `secrets` are the newest first: more than
    one only with HMAC, while the one before still counts. `is_ordered`: one event at a time, in the order
    they happened; one that was not taken in `HOLD_ATTEMPTS` attempts steps aside.
    `disabled_because` is said when it was turned off by itself.
    """

    id: str
    url: str = field(repr=False)
    events: tuple[str, ...]
    auth: WebhookAuth = WebhookAuth.HMAC
    username: str = ""
    secrets: tuple[SealedSecret, ...] = ()
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout_ms: int = 15_000
    min_severity: Severity = Severity.INFO
    is_ordered: bool = True
    is_enabled: bool = True
    disabled_because: str = ""
    version: int = 0
    created_at_ms: int = 0
    changed_at_ms: int = 0
    changed_by: str = ""

    def __post_init__(self) -> None:
        rules.check_name("webhook", self.id)
        check_url(self.url)
        check_patterns(self.events)
        rules.check_text("username", self.username, 256)
        rules.check_range("timeout_ms", self.timeout_ms, 1_000, TIMEOUT_MAX_MS)
        rules.check_text("disabled because", self.disabled_because, 512)
        rules.check_text("changed by", self.changed_by, 128)
        if ":" in self.username:
            raise ValueError("username: HTTP's basic authentication allows no colon in it")
        if (self.auth is WebhookAuth.BASIC) != bool(self.username):
            raise ValueError("username: it is needed with auth basic, and only with that")
        wanted = 0 if self.auth is WebhookAuth.NONE else 1
        most = SECRETS_MAX if self.auth is WebhookAuth.HMAC else wanted
        if not wanted <= len(self.secrets) <= most:
            raise ValueError(
                f"secrets: {len(self.secrets)} with auth {self.auth}; {wanted} to {most} are allowed"
            )

    def wants(self, event: Event) -> bool:
        """Whether the event is to be sent there."""
        if not self.is_enabled or event.severity.rank < self.min_severity.rank:
            return False
        return any(each in ("*", f"{event.kind.family}:*", event.kind.value) for each in self.events)


class DeliveryState(StrEnum):
    """WAITING: for its first or next attempt. DEAD: given up; it can be replayed."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


class FailureKind(StrEnum):
    """Why an attempt failed, by what has to be done about it."""

    NONE = ""
    BLOCKED = "blocked"
    """The address is one that may not be called (`cluster.model.outbound`)."""
    NAME = "name"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    CLOSED = "closed"
    """The receiver ended the connection before it had answered."""
    REDIRECT = "redirect"
    STATUS = "status"
    SECRET = "secret"  # noqa: S105 (a kind)
    """What it is signed with cannot be opened on the leader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt: `status` is HTTP's, 0 without an answer; `detail` begins the answer or names the error."""

    number: int
    at_ms: int
    duration_ms: int
    status: int = 0
    failure: FailureKind = FailureKind.NONE
    detail: str = ""
    node_id: str = ""

    def __post_init__(self) -> None:
        rules.check_range("attempt number", self.number, 1, 2**31)
        rules.check_range("attempt duration_ms", self.duration_ms, 0, 2**31)
        rules.check_range("attempt status", self.status, 0, 999)
        rules.check_text("attempt detail", self.detail, DETAIL_CHARS_MAX)

    @property
    def is_success(self) -> bool:
        return self.failure is FailureKind.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one webhook.

    `attempts` counts those since it was queued or replayed last; `log` has the newest `ATTEMPTS_KEPT` of all.
    `next_ms` is the log time before which it is not tried.
    """

    webhook_id: str
    event: Event
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    next_ms: int = 0
    changed_at_ms: int = 0
    log: tuple[Attempt, ...] = ()

    @property
    def is_test(self) -> bool:
        return self.event.kind is EventKind.WEBHOOK_TEST


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookStanding:
    """How a webhook does. `kept` and `waiting` count rows; the others count since it was made.

    `dropped` waited when more than `DELIVERIES_KEPT` had come. `failing_since_ms` is 0 after a success.
    """

    webhook_id: str
    kept: int = 0
    waiting: int = 0
    delivered: int = 0
    dead: int = 0
    dropped: int = 0
    failures_in_a_row: int = 0
    failing_since_ms: int = 0
    last_delivered_at_ms: int = 0


def check_url(url: str) -> None:
    """An absolute http or https URL of a receiver. Raises ValueError, which does not repeat it."""
    rules.check_text("url", url, URL_CHARS_MAX, chars_min=1)
    hint = "use https://HOST[:PORT]/PATH"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"url: it cannot be read as one; {hint}") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"url: it begins with {parts.scheme[:16] or 'no scheme'!r}; {hint}")
    if not parts.hostname or port == 0 or any(char.isspace() for char in url) or "\\" in url:
        raise ValueError(f"url: it names no host; {hint}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("url: user and password do not belong there; give them as auth basic")
    if parts.fragment:
        raise ValueError("url: what follows # is never sent; leave it out")


def origin_of(url: str) -> str:
    """Who receives what is sent to `url`: scheme, host and port. A secret is sealed for it."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{parts.hostname}:{port}"


def shown_url(url: str) -> str:
    """The URL as people are shown it: values of its query may be secrets."""
    parts = urlsplit(url)
    if not parts.query:
        return url
    hidden = "&".join(f"{pair.partition('=')[0]}=…" for pair in parts.query.split("&"))
    return SplitResult(parts.scheme, parts.netloc, parts.path, hidden, "").geturl()


def check_patterns(patterns: tuple[str, ...]) -> None:
    """Kinds, families and `*`, at least one. Raises ValueError naming the first wrong one."""
    rules.check_count("events", patterns, PATTERNS_MAX)
    if not patterns:
        raise ValueError("events: name at least one, such as alert:* or rollout:failed; * means all")
    for each in patterns:
        family, _, word = each.partition(":")
        if not _PATTERN.fullmatch(each) or (each != "*" and family not in (*FAMILIES, "backup")):
            raise ValueError(
                f"events {each[:64]!r}: use KIND, FAMILY:* or *; families are {', '.join(FAMILIES)}"
            )
        # Kinds of backups come with backups; whoever subscribes to all of them may do so now.
        if each != "*" and word != "*" and each not in _KINDS:
            known = ", ".join(sorted(kind for kind in _KINDS if kind.startswith(f"{family}:")))
            raise ValueError(f"events {each[:64]!r}: there is no such kind; of {family} there are {known}")


def secret_context(webhook_id: str, url: str) -> str:
    """The place a secret is sealed for: sent to another host, or under another name, it does not open."""
    return f"webhook/{webhook_id}/{origin_of(url)}"
