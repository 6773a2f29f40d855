"""What hosts measure, sent in time, twice, late, early, and of what was never defined."""

from __future__ import annotations

from cluster.commands import metrics
from cluster.model.ids import NodeId
from cluster.model.metrics import STEP_MS, SubjectDefinition, SubjectKind, SubjectRef
from cluster.store.records import METRIC_SOURCES, METRIC_SUBJECTS
from tests.properties.draws.context import Choices, Draw

MINUTE_MS = 60_000


def metric_commands(draw: Draw) -> Choices:
    node_id = draw.node()
    return [
        lambda: _samples(draw, node_id),
        lambda: _samples(draw, node_id),
        lambda: _samples(draw, node_id),
        lambda: metrics.DefineSubjects(node_id=node_id, definitions=(_definition(draw, node_id),)),
    ]


def _samples(draw: Draw, node_id: NodeId) -> metrics.RecordSamples:
    rng = draw.rng
    source = rng.choice([node_id, node_id, "import.a"])
    mark = METRIC_SOURCES.get(draw.txn, source)
    now_ms = draw.now_ms // STEP_MS * STEP_MS
    next_ms = now_ms - 10 * MINUTE_MS if mark is None else mark.end_ms
    return metrics.RecordSamples(
        source=source,
        node_id=node_id,
        start_ms=rng.choice([next_ms, next_ms, next_ms, next_ms - STEP_MS, now_ms, now_ms + 30 * MINUTE_MS]),
        step_ms=STEP_MS,
        ticks=rng.choice([1, 6]),
        subjects=tuple(_ref(draw, node_id) for _ in range(rng.choice([1, 1, 2]))),
        payload=rng.randbytes(rng.choice([1, 20, 200])),
    )


def _ref(draw: Draw, node_id: NodeId) -> SubjectRef:
    known = [each.number for each in METRIC_SUBJECTS.scan(draw.txn) if each.definition.node_id == node_id]
    if known and draw.rng.random() < 0.7:
        return SubjectRef(number=draw.rng.choice([*known, 7]))
    return SubjectRef(definition=_definition(draw, node_id))


def _definition(draw: Draw, node_id: NodeId) -> SubjectDefinition:
    rng = draw.rng
    return SubjectDefinition(
        kind=rng.choice([SubjectKind.CONTAINER, SubjectKind.DISK]),
        node_id=node_id,
        key=rng.choice(["a", "b", "/" + 255 * "ü"]),
        name=rng.choice(["one", "other"]),
    )
