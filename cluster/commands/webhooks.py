"""Commands on webhooks and what is sent to them. Secrets come sealed."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model import rules
from cluster.model.webhooks import DELAY_MAX_MS, Attempt, SealedSecret, Webhook

RESULTS_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PutWebhook:
    """Make a webhook (`expected_version` 0) or change it. Result: its version.

    Times and version are given by the state machine. VERSION_CONFLICT when it is another one by now.
    """

    webhook: Webhook
    expected_version: int

    def __post_init__(self) -> None:
        rules.check_range("expected version", self.expected_version, 0, 2**31)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveWebhook:
    """Forget a webhook, with what waits for it."""

    webhook_id: str

    def __post_init__(self) -> None:
        rules.check_name("webhook", self.webhook_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateWebhookSecret:
    """Give a webhook another secret. With `keep_ms` the present one counts as well for so long (HMAC only).

    Result: its version.
    """

    webhook_id: str
    secret: SealedSecret
    keep_ms: int
    expected_version: int
    changed_by: str

    def __post_init__(self) -> None:
        rules.check_name("webhook", self.webhook_id)
        rules.check_range("keep_ms", self.keep_ms, 0, 30 * 24 * 3_600_000)
        rules.check_range("expected version", self.expected_version, 1, 2**31)
        rules.check_text("changed by", self.changed_by, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class PingWebhook:
    """Queue a test event for one webhook. Result: the event's sequence."""

    webhook_id: str
    by: str

    def __post_init__(self) -> None:
        rules.check_name("webhook", self.webhook_id)
        rules.check_text("by", self.by, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayDeliveries:
    """Queue deliveries of a webhook again that have ended: those of the sequences from `first` to `last`.

    With `is_dead_only` those that were delivered are left out. They keep their ids. Result: how many.
    """

    webhook_id: str
    first: int
    last: int
    is_dead_only: bool = True

    def __post_init__(self) -> None:
        rules.check_name("webhook", self.webhook_id)
        rules.check_range("first", self.first, 0, 2**63 - 1)
        rules.check_range("last", self.last, self.first, 2**63 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """One attempt at a delivery. `retry_after_ms`: what the receiver asked to wait, 0 when it said nothing.
    `is_gone`: it wants no more of them (410).
    """

    webhook_id: str
    sequence: int
    attempt: Attempt
    retry_after_ms: int = 0
    is_gone: bool = False

    def __post_init__(self) -> None:
        rules.check_name("webhook", self.webhook_id)
        rules.check_range("sequence", self.sequence, 1, 2**63 - 1)
        rules.check_range("retry_after_ms", self.retry_after_ms, 0, DELAY_MAX_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAttempts:
    """What came of attempts (leader only). One that is known already does not count again. Result: how many
    counted.
    """

    results: tuple[AttemptResult, ...]

    def __post_init__(self) -> None:
        rules.check_count("results", self.results, RESULTS_MAX)
