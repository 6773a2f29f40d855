"""The metric history of one node: what every host measured, on disk."""

from cluster.history.errors import HistoryError, HistoryFailed, HistoryFull, HistoryUnusable
from cluster.history.keeping import HistoryWriter
from cluster.history.reading import HistoryReader, Samples
from cluster.history.transfer import Record, RecordDamaged, records, take

__all__ = [
    "HistoryError",
    "HistoryFailed",
    "HistoryFull",
    "HistoryReader",
    "HistoryUnusable",
    "HistoryWriter",
    "Record",
    "RecordDamaged",
    "Samples",
    "records",
    "take",
]
