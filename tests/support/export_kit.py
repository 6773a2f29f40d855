"""A cluster's state with measured batches, and exports of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from agent.clock import Clock
from agent.leader.exporting import Exporting, OffLoop, Sender
from cluster.commands.exports import PutExport
from cluster.commands.metrics import RecordSamples
from cluster.history import Samples
from cluster.identity.keyring import ClusterKey, Keyring
from cluster.metrics.block import BlockBuilder, encode_block
from cluster.metrics.query import HistoryStanding, Resolution
from cluster.model.exports import Export, ExportKind, ExportStanding
from cluster.model.ids import NodeId
from cluster.model.metrics import BY_NAME, STEP_MS, Subject, SubjectDefinition, SubjectKind, SubjectRef
from cluster.store.records import EXPORT_STANDINGS, METRIC_BATCHES
from tests.support.schedule_kit import Cluster
from tests.support.state_builders import a_node

MINUTE_MS = 60_000
TICKS = MINUTE_MS // STEP_MS
CPU = BY_NAME["cpu_percent"]
KEYRING = Keyring(current=ClusterKey(secret=b"k" * 32))


class FakePast:
    """A history with what a test says."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, int], list[tuple[int, int]]] = {}
        self.missing: tuple[tuple[int, int], ...] = ()

    def hold(self, node_id: str, at_ms: int, value: int) -> None:
        self.held.setdefault((node_id, CPU.number), []).append((at_ms, value))

    async def samples(self, subject: Subject, start_ms: int, end_ms: int) -> Sequence[tuple[int, Samples]]:
        await asyncio.sleep(0)
        pairs = self.held.get((subject.definition.node_id, CPU.number), [])
        some = [pair for pair in pairs if start_ms <= pair[0] < end_ms]
        if not some:
            return []
        times, values = zip(*some, strict=True)
        return [(CPU.number, Samples(times_ms=np.array(times), values=np.array(values)))]

    async def standing(self) -> HistoryStanding:
        await asyncio.sleep(0)
        oldest = min((pair[0] for pairs in self.held.values() for pair in pairs), default=None)
        return HistoryStanding(
            bytes_used=0,
            bytes_max=1,
            applied_index=0,
            subjects=0,
            oldest_ms={Resolution.RAW: oldest},
            missing=self.missing,
        )


async def _at_once(work: Callable[..., Any], /, *args: Any) -> Any:
    """A clock that stands still until it is moved does not wait for threads."""
    await asyncio.sleep(0)
    return work(*args)


class Leases:
    def __init__(self) -> None:
        self.until_s: float | None = 1e12

    def lease_until_s(self) -> float | None:
        return self.until_s


class ExportKit:
    """Hosts n1 and n2 that measure, from `start_ms` (a whole minute) on."""

    def __init__(self, start_ms: int) -> None:
        self.cluster = Cluster()
        self.past = FakePast()
        self.leases = Leases()
        self.cluster.clock.set_now_ms(start_ms)
        self.cluster.replica.now_ms = start_ms
        for node in ("n1", "n2"):
            self.cluster.apply(a_node(node))
        self.cluster.replica.lead()
        self.cluster.replica.machine.flush()
        self._next_ms = {"n1": start_ms, "n2": start_ms}

    def measure(self, node: str = "n1", minutes: int = 1, *, value: int = 1000) -> list[int]:
        """Have a host's next minutes committed; returns the moments of their samples."""
        moments = []
        for _ in range(minutes):
            start_ms = self._next_ms[node]
            builder = BlockBuilder(start_ms=start_ms, step_ms=STEP_MS, ticks=TICKS)
            for tick in range(TICKS):
                builder.put(0, CPU.number, tick, value + tick)
                moments.append(start_ms + tick * STEP_MS)
                self.past.hold(node, moments[-1], value + tick)
            definition = SubjectDefinition(kind=SubjectKind.HOST, node_id=NodeId(node), name=f"host-{node}")
            command = RecordSamples(
                source=node,
                node_id=NodeId(node),
                start_ms=start_ms,
                step_ms=STEP_MS,
                ticks=TICKS,
                subjects=(SubjectRef(definition=definition),),
                payload=encode_block(builder.build()),
            )
            self.cluster.replica.now_ms = max(self.cluster.replica.now_ms, start_ms + MINUTE_MS)
            outcome = self.cluster.apply(command)
            assert "Applied" in type(outcome).__name__, outcome
            self._next_ms[node] = start_ms + MINUTE_MS
        return moments

    def export(self, url: str, kind: ExportKind = ExportKind.PROMETHEUS, **fields: Any) -> None:
        export = Export(id="out", kind=kind, url=url, **fields)
        outcome = self.cluster.apply(PutExport(export=export, expected_version=0))
        assert "Applied" in type(outcome).__name__, outcome

    @property
    def standing(self) -> ExportStanding:
        with self.cluster.read() as txn:
            standing = EXPORT_STANDINGS.get(txn, "out")
        assert standing is not None
        return standing

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to be sent."""
        standing = self.standing
        with self.cluster.read() as txn:
            waiting = METRIC_BATCHES.scan(txn, after=(standing.index,), limit=1)
        return not standing.has_past and not waiting

    def duty(self, sender: Sender, clock: Clock, *, off_loop: OffLoop = asyncio.to_thread) -> Exporting:
        return Exporting(
            state=self.cluster,
            raft=self.leases,  # type: ignore[arg-type]  # of Raft, the duty asks for the lease only
            clock=clock,
            sender=sender,
            history=self.past,
            keyring=lambda: KEYRING,
            off_loop=off_loop,
        )

    async def lead(self, sender: Sender, seconds: float) -> None:
        """Have leaders export under the fake clock for so long."""
        await self.cluster.lead(lambda: self.duty(sender, self.cluster.clock, off_loop=_at_once), seconds)

    async def lead_until(
        self, sender: Sender, clock: Clock, holds: Callable[[], bool], timeout_s: float
    ) -> None:
        """Have a leader export in real time until something holds."""
        self.cluster.replica.lead()
        self.cluster.replica.machine.flush()
        async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as group:
            running = group.create_task(self.duty(sender, clock).run(self.cluster.replica.leader_term))
            await self._until(holds)
            running.cancel()

    async def _until(self, holds: Callable[[], bool]) -> None:
        changed = asyncio.Event()
        unsubscribe = self.cluster.subscribe(lambda _: changed.set())
        try:
            while not holds():
                changed.clear()
                await changed.wait()
        finally:
            unsubscribe()
