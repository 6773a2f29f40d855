"""The command for what must be recorded without changing anything."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model import rules
from cluster.model.audit import AuditRecord

RECORDS_MAX = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAudit:
    """Append audit entries: refusals, strangers counted per minute, the end of long work. Result: the first
    sequence."""

    records: tuple[AuditRecord, ...]

    def __post_init__(self) -> None:
        rules.check_count("records", self.records, RECORDS_MAX)
        if not self.records:
            raise ValueError("records: at least one is needed")
