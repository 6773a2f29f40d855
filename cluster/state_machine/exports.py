"""Handlers of the commands on exports of the metric history."""

from __future__ import annotations

from dataclasses import replace

from cluster.commands.exports import CommitExportProgress, PutExport, RemoveExport
from cluster.commands.outcome import Applied, Code, Outcome, Rejected
from cluster.model.exports import EXPORTS_MAX, ExportStanding, retry_delay_ms
from cluster.state_machine.entry import Entry
from cluster.store.records import EXPORT_STANDINGS, EXPORTS


def put_export(entry: Entry, command: PutExport) -> Outcome:
    wanted = command.export
    present = EXPORTS.get(entry.txn, wanted.id)
    version = 0 if present is None else present.version
    if command.expected_version != version:
        return Rejected(
            f"export {wanted.id} changed meanwhile (it is at version {version}): look again",
            Code.VERSION_CONFLICT,
        )
    if present is None:
        if len(EXPORTS.scan(entry.txn)) >= EXPORTS_MAX:
            return Rejected(
                f"there are {EXPORTS_MAX} exports, which is the most: remove one first", Code.INVALID
            )
        standing = ExportStanding(
            export_id=wanted.id,
            index=entry.index,
            past_from_ms=max(0, entry.now_ms - wanted.back_ms),
            past_until_ms=entry.now_ms,
        )
    else:
        # What was wrong may be right now: it is tried at once.
        standing = replace(_standing(entry, wanted.id), next_ms=0)
    EXPORT_STANDINGS.put(entry.txn, standing)
    made = replace(
        wanted,
        version=version + 1,
        created_at_ms=entry.now_ms if present is None else present.created_at_ms,
        changed_at_ms=entry.now_ms,
    )
    EXPORTS.put(entry.txn, made)
    return Applied(made.version)


def remove_export(entry: Entry, command: RemoveExport) -> Outcome:
    if EXPORTS.get(entry.txn, command.export_id) is None:
        return _not_there(command.export_id)
    EXPORTS.delete(entry.txn, command.export_id)
    EXPORT_STANDINGS.delete(entry.txn, command.export_id)
    return Applied()


def commit_export_progress(entry: Entry, command: CommitExportProgress) -> Outcome:
    if EXPORTS.get(entry.txn, command.export_id) is None:
        return _not_there(command.export_id)
    standing = _standing(entry, command.export_id)
    if (standing.index, standing.past_from_ms) != (command.from_index, command.from_past_ms):
        return Rejected(f"export {command.export_id} has come further meanwhile", Code.VERSION_CONFLICT)
    if command.failure:
        failures = standing.failures_in_a_row + 1
        after = replace(
            standing,
            failures_in_a_row=failures,
            failing_since_ms=standing.failing_since_ms or entry.now_ms,
            next_ms=entry.now_ms + max(retry_delay_ms(failures), command.retry_after_ms),
            detail=command.failure,
        )
    else:
        after = replace(
            standing,
            index=command.index,
            past_from_ms=command.past_from_ms,
            past_until_ms=command.past_until_ms,
            sent=standing.sent + command.sent,
            refused=standing.refused + command.refused,
            failures_in_a_row=0,
            failing_since_ms=0,
            next_ms=0,
            last_sent_ms=entry.now_ms if command.sent else standing.last_sent_ms,
            # What was refused stays told of; what failed is over.
            detail=command.detail or ("" if standing.failures_in_a_row else standing.detail),
        )
    EXPORT_STANDINGS.put(entry.txn, after)
    return Applied()


def _standing(entry: Entry, export_id: str) -> ExportStanding:
    return EXPORT_STANDINGS.get(entry.txn, export_id) or ExportStanding(
        export_id=export_id, index=entry.index
    )


def _not_there(export_id: str) -> Rejected:
    return Rejected(f"there is no export {export_id}", Code.NOT_FOUND)
