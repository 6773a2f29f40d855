"""Commands on the metric history: what hosts measured, and what they measure."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.model import rules
from cluster.model.ids import NodeId
from cluster.model.metrics import (
    IMPORT_PREFIX,
    PAYLOAD_BYTES_MAX,
    SUBJECTS_MAX,
    TICKS_MAX,
    SubjectDefinition,
    SubjectRef,
)

STEP_MS_MIN = 1_000
STEP_MS_MAX = 86_400_000
DEFINITIONS_MAX = 256
"""How many subjects one command may define: they are the largest part of it, each a record to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSamples:
    """Keep a host's samples of `ticks` moments from `start_ms` on. Result: None.

    `source` is whose order of time this keeps: the host's id, or "import." and a name. Only what begins at or
    after the end of the source's last batch is taken, so that the same batch counts once however often it is
    sent. `payload` is a `cluster.metrics.block`, whose rows name subjects by their place in `subjects`; it is
    not read when it is applied.
    """

    source: str
    node_id: NodeId
    start_ms: int
    step_ms: int
    ticks: int
    subjects: tuple[SubjectRef, ...]
    payload: bytes = field(repr=False)

    def __post_init__(self) -> None:
        rules.check_id("source", self.source)
        rules.check_id("node id", self.node_id)
        if self.source != self.node_id and not self.source.startswith(IMPORT_PREFIX):
            raise ValueError(
                f"source {self.source!r}: the host's id, {self.node_id}, or a name after {IMPORT_PREFIX!r}"
            )
        rules.check_range("step, ms", self.step_ms, STEP_MS_MIN, STEP_MS_MAX)
        rules.check_range("start, ms", self.start_ms, 0, 2**53)
        if self.start_ms % self.step_ms:
            raise ValueError(f"start {self.start_ms}: a multiple of the step, {self.step_ms} ms")
        rules.check_range("moments", self.ticks, 1, TICKS_MAX)
        rules.check_range("subjects", len(self.subjects), 1, SUBJECTS_MAX)
        rules.check_range("samples, bytes", len(self.payload), 1, PAYLOAD_BYTES_MAX)
        _check_definitions(
            tuple(ref.definition for ref in self.subjects if ref.definition is not None), self.node_id
        )

    @property
    def end_ms(self) -> int:
        """The moment after the last one."""
        return self.start_ms + self.ticks * self.step_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class DefineSubjects:
    """Number what a host measures before samples of it are sent: more of it than one batch may define.

    Result: None.
    """

    node_id: NodeId
    definitions: tuple[SubjectDefinition, ...]

    def __post_init__(self) -> None:
        rules.check_id("node id", self.node_id)
        _check_definitions(self.definitions, self.node_id)


def _check_definitions(definitions: tuple[SubjectDefinition, ...], node_id: NodeId) -> None:
    rules.check_count("definitions of subjects", definitions, DEFINITIONS_MAX)
    for definition in definitions:
        if definition.node_id != node_id:
            raise ValueError(f"subject of {definition.node_id}: a batch speaks of one host, here {node_id}")
