"""Commands on exports of the metric history. Secrets come sealed."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model import rules
from cluster.model.exports import DETAIL_CHARS_MAX, Export
from cluster.model.webhooks import DELAY_MAX_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class PutExport:
    """Make an export (`expected_version` 0) or change it. Result: its version.

    A new one begins with the batch after this entry, and with the past it asks for. Times and version are
    given by the state machine. VERSION_CONFLICT when it is another one by now.
    """

    export: Export
    expected_version: int

    def __post_init__(self) -> None:
        rules.check_range("expected version", self.expected_version, 0, 2**31)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveExport:
    """Forget an export."""

    export_id: str

    def __post_init__(self) -> None:
        rules.check_name("export", self.export_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitExportProgress:
    """What came of sending (leader only).

    It was decided on `from_index` and `from_past_ms`, and counts only if the export still stands there: else
    VERSION_CONFLICT. With `failure`, nothing has moved and the next attempt waits, at least `retry_after_ms`.
    `index` and the past are where it stands then, `sent` and `refused` how many samples were.
    """

    export_id: str
    from_index: int
    from_past_ms: int
    index: int
    past_from_ms: int
    past_until_ms: int
    sent: int = 0
    refused: int = 0
    failure: str = ""
    detail: str = ""
    retry_after_ms: int = 0

    def __post_init__(self) -> None:
        rules.check_name("export", self.export_id)
        for name in ("from_index", "from_past_ms", "past_from_ms", "past_until_ms", "sent", "refused"):
            rules.check_range(name, getattr(self, name), 0, 2**63 - 1)
        rules.check_range("index", self.index, self.from_index, 2**63 - 1)
        rules.check_text("failure", self.failure, DETAIL_CHARS_MAX)
        rules.check_text("detail", self.detail, DETAIL_CHARS_MAX)
        rules.check_range("retry_after_ms", self.retry_after_ms, 0, DELAY_MAX_MS)
