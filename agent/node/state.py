"""The replicated state of this node, for the rest of the process: read here, propose, be told of changes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from agent.clock import Clock
from cluster.commands import Envelope, Outcome, decode_outcome, encode
from cluster.commands.audit import RecordAudit
from cluster.model.audit import AuditRecord, AuditStamp
from cluster.raft.replicator import CommandId, Proposer, ReadLevel, ReadPoint, Replicator
from cluster.store import Committed, ReadTxn, Store

PROPOSE_TIMEOUT_S = 10.0


class NodeState:
    """One node's view of the shared truth, and the way to change it. For one event loop."""

    def __init__(self, store: Store, replicator: Replicator, proposer: Proposer, clock: Clock) -> None:
        self._store = store
        self._replicator = replicator
        self._proposer = proposer
        self._clock = clock

    def read(self) -> AbstractContextManager[ReadTxn]:
        """A consistent view. Short: no `await` inside."""
        return self._store.read()

    async def point(self, level: ReadLevel, *, timeout_s: float = 5.0) -> ReadPoint:
        """What a `read` opened afterwards sees. Raises ReadUnavailable."""
        return await self._replicator.read(level, timeout_s=timeout_s)

    def subscribe(self, callback: Callable[[Committed], None]) -> Callable[[], None]:
        """Call back on this event loop after changes became visible; returns what ends it."""
        return self._replicator.subscribe(callback)

    async def propose(
        self,
        command: object,
        *,
        audit: AuditStamp | None = None,
        leader_term: int = 0,
        timeout_s: float = PROPOSE_TIMEOUT_S,
    ) -> Outcome:
        """Have a command applied. Raises NotCommitted or OutcomeUnknown."""
        # A host whose clock is behind must not have its commands taken for old ones.
        now_ms = max(self._clock.now_ms(), self._store.applied.log_time_ms)

        def build(command_id: CommandId) -> bytes:
            return encode(
                Envelope(
                    client_id=command_id.client_id,
                    sequence=command_id.sequence,
                    time_ms=now_ms,
                    leader_term=leader_term,
                    audit=audit,
                    command=command,
                )
            )

        return decode_outcome(await self._proposer.propose(build, timeout_s=timeout_s))

    async def record_audit(self, record: AuditRecord) -> None:
        """Append an entry that goes with no change. Raises NotCommitted or OutcomeUnknown."""
        await self.propose(RecordAudit(records=(record,)))
