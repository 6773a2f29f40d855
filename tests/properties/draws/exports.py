"""Exports that come and go, and progress from where they stand or from elsewhere."""

from __future__ import annotations

from cluster.commands import exports
from cluster.model.exports import Export, ExportKind
from cluster.store.records import EXPORT_STANDINGS, EXPORTS
from tests.properties.draws.context import Choices, Draw


def export_commands(draw: Draw) -> Choices:
    rng = draw.rng
    name = rng.choice(["a", "b"])
    present = EXPORTS.get(draw.txn, name)
    return [
        lambda: exports.PutExport(
            export=Export(
                id=name,
                kind=rng.choice(list(ExportKind)),
                url="http://metrics.example.com/write",
                back_ms=rng.choice([0, 3_600_000]),
            ),
            expected_version=rng.choice([0 if present is None else present.version, 0]),
        ),
        lambda: exports.RemoveExport(export_id=name),
        lambda: _progress(draw, name),
        lambda: _progress(draw, name),
    ]


def _progress(draw: Draw, name: str) -> exports.CommitExportProgress:
    rng = draw.rng
    standing = EXPORT_STANDINGS.get(draw.txn, name)
    index = 0 if standing is None else standing.index
    past_ms = 0 if standing is None else standing.past_from_ms
    return exports.CommitExportProgress(
        export_id=name,
        from_index=index,
        from_past_ms=rng.choice([past_ms, past_ms, 5]),
        index=index + rng.choice([0, 1, 5]),
        past_from_ms=past_ms,
        past_until_ms=past_ms + rng.choice([0, 1000]),
        sent=rng.choice([0, 100]),
        failure=rng.choice(["", "", "status 503"]),
        retry_after_ms=rng.choice([0, 60_000]),
    )
