"""Apply one log entry: the same on every node, whatever its bytes are.

The order: read the envelope; recognise a repeated command; fence a leader of an older term; run the handler,
keeping its writes only when it applied; record the outcome for a retry.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from cluster.commands import settings as setting_commands
from cluster.commands.envelope import Envelope, MalformedCommand, SkippedCommand, decode
from cluster.commands.outcome import Applied, Code, Outcome, Rejected, decode_outcome, encode_outcome
from cluster.commands.registry import BY_CLASS
from cluster.state_machine import settings
from cluster.state_machine.handler import Entry
from cluster.state_machine.sessions import Session
from cluster.store import StoreError, WriteTxn

log = logging.getLogger(__name__)

Handler = Callable[[Entry, Any], Outcome]

HANDLERS: dict[type[Any], Handler] = {setting_commands.PutSetting: settings.put_setting}


def apply(txn: WriteTxn, index: int, term: int, data: bytes) -> Outcome:
    """Apply the command in `data` to `txn`, and return what became of it.

    Total and deterministic: any bytes give Applied or Rejected, equal on every node.

    Raises:
        NewerCommand: only a newer version can apply it; `txn` was not written to.
        StoreError: this node's disk failed; nothing of the entry may be kept.
    """
    try:
        envelope = decode(data)
    except MalformedCommand as error:
        return Rejected(f"malformed command: {error}", Code.MALFORMED)
    if isinstance(envelope.command, SkippedCommand):
        return Rejected(
            f"command {envelope.command.number} is not known here and was skipped", Code.UNKNOWN_COMMAND
        )
    session = Session(txn, envelope.client_id)
    earlier = session.earlier_outcome(envelope.sequence, envelope.time_ms)
    if isinstance(earlier, bytes):
        return decode_outcome(earlier)
    if earlier is not None:
        return earlier
    txn.log_time_ms = max(txn.log_time_ms, envelope.time_ms)
    outcome = _run_handler(txn, index, term, envelope)
    session.record(envelope.sequence, encode_outcome(outcome), txn.log_time_ms)
    return outcome


def _run_handler(txn: WriteTxn, index: int, term: int, envelope: Envelope) -> Outcome:
    entry = Entry(txn, index, term, txn.log_time_ms, envelope.leader_term)
    try:
        outcome = HANDLERS[type(envelope.command)](entry, envelope.command)
    except (StoreError, MemoryError):
        raise
    except Exception as error:
        # A mistake in a handler is the same on every node; stopping would stop them all, again at every
        # restart.
        name = BY_CLASS[type(envelope.command)].name
        log.exception("apply.handler_failed", extra={"index": index, "command": name})
        outcome = Rejected(f"internal error in {name}: {type(error).__name__}", Code.INTERNAL)
    if not isinstance(outcome, Applied):
        txn.discard_writes()
    return outcome
