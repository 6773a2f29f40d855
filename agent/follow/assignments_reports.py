"""What this host tells the cluster of its replicas and its router, in few commands and never twice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import NoReturn, Protocol

from agent.clock import Clock
from cluster.commands import Outcome, Rejected
from cluster.commands.envelope import COMMAND_BYTES_MAX
from cluster.commands.services import REPORTS_MAX, AssignmentReport, ReportAssignments, RouterReport
from cluster.model.ids import NodeId
from cluster.model.service import AssignmentKey, Observation, RouterState
from cluster.raft.replicator import NotCommitted, OutcomeUnknown, ReadLevel, ReadPoint
from cluster.store import Committed, ReadTxn, records

log = logging.getLogger(__name__)

INTERVAL_S = 0.2
GATHER_S = 0.01
RETRY_MAX_S = 2.0
REPORTS_BYTES_MAX = COMMAND_BYTES_MAX * 3 // 4
REPORT_BYTES_MAX = 320
"""One report in a command, without its reason."""


class SharedState(Protocol):
    """What the loops of a host need of the replicated state (`agent.node.state.NodeState`)."""

    def read(self) -> AbstractContextManager[ReadTxn]: ...
    async def point(self, level: ReadLevel, *, timeout_s: float = 5.0) -> ReadPoint: ...
    def subscribe(self, callback: Callable[[Committed], None]) -> Callable[[], None]: ...
    async def propose(self, command: object) -> Outcome: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterProgress:
    """How far the router is, and which changes of wishes that somebody waits for are done.

    Indexes and exceptions (`unrouted`, `undrained`) are those of a `RouterReport`. `routed_tokens` and
    `drained_tokens` are the changes that somebody may wait for, covered by the index and no exception.
    `has_served`: requests have passed through it since the agent was started.
    """

    routed_index: int
    drained_index: int
    unrouted: tuple[int, ...]
    undrained: tuple[int, ...]
    routed_tokens: frozenset[int]
    drained_tokens: frozenset[int]
    has_served: bool


class HostReports:
    """Proposes the newest observation of each replica that differs from what is committed.

    A report that fails is proposed again with whatever is newest by then; nothing is queued.
    """

    def __init__(self, *, node_id: NodeId, state: SharedState, clock: Clock) -> None:
        self._node_id = node_id
        self._state = state
        self._clock = clock
        self._observed: dict[AssignmentKey, tuple[int, Observation]] = {}
        self._router: RouterProgress | None = None
        self._has_news = asyncio.Event()

    def note(self, key: AssignmentKey, token: int, observation: Observation) -> None:
        """Remember what was seen of a replica while acting on the order with `token`."""
        self._observed[key] = (token, observation)
        self._has_news.set()

    def forget(self, key: AssignmentKey) -> None:
        """The replica is no longer this host's."""
        self._observed.pop(key, None)

    def note_router(self, progress: RouterProgress) -> None:
        """Remember how far the router has come."""
        if progress != self._router:
            self._router = progress
            self._has_news.set()

    async def run(self) -> NoReturn:
        """Report for ever."""
        pause_s = INTERVAL_S
        while True:
            await self._has_news.wait()
            # What comes at the same moment goes with it.
            await self._clock.sleep(GATHER_S)
            self._has_news.clear()
            if await self._report():
                pause_s = INTERVAL_S
            else:
                self._has_news.set()
                pause_s = min(RETRY_MAX_S, 2 * pause_s)
            await self._clock.sleep(pause_s)

    async def _report(self) -> bool:
        """Propose what is not committed yet; whether that worked."""
        reports, router = self._news()
        if not reports and router is None:
            return True
        fitting = reports[: _count_fitting(reports)]
        command = ReportAssignments(
            node_id=self._node_id, reports=tuple(fitting), router=router, reported_at_ms=self._clock.now_ms()
        )
        try:
            outcome = await self._state.propose(command)
        except (NotCommitted, OutcomeUnknown) as error:
            log.debug("reports.not_committed", extra={"reason": str(error)})
            return False
        if isinstance(outcome, Rejected):
            log.warning("reports.rejected", extra={"reason": outcome.reason})
            return False
        if len(fitting) < len(reports):
            self._has_news.set()
        return True

    def _news(self) -> tuple[list[AssignmentReport], RouterReport | None]:
        reports = []
        with self._state.read() as txn:
            for key, (token, observation) in self._observed.items():
                assignment = records.ASSIGNMENTS.get(
                    txn, key.service_id, key.revision, key.ordinal, self._node_id
                )
                if assignment is None or assignment.token != token:
                    continue  # an older order's, or a newer one's that is not known here yet
                if not _is_same(assignment.observed, observation):
                    reports.append(
                        AssignmentReport(
                            service_id=key.service_id,
                            revision=key.revision,
                            ordinal=key.ordinal,
                            token=token,
                            observed=observation,
                        )
                    )
            committed = records.ROUTERS.get(txn, self._node_id)
        progress = self._router
        # The first word of a router means that it is waited for from then on.
        if progress is None or (committed is None and not progress.has_served):
            return reports, None
        # Every report is an entry of the log: told is only what somebody waits for, not each index passed.
        if committed is not None and not _is_further(progress, committed):
            return reports, None
        return reports, RouterReport(
            routed_index=progress.routed_index,
            drained_index=progress.drained_index,
            unrouted=progress.unrouted,
            undrained=progress.undrained,
        )


def _is_further(progress: RouterProgress, committed: RouterState) -> bool:
    """Whether a change that somebody waits for is done, and that is not committed.

    A report below the committed index would change nothing, and be made again and again: one may be below
    when there are too many exceptions to name.
    """
    return (
        progress.routed_index >= committed.routed_index
        and not all(committed.has_routed(token) for token in progress.routed_tokens)
    ) or (
        progress.drained_index >= committed.drained_index
        and not all(committed.has_drained(token) for token in progress.drained_tokens)
    )


def _count_fitting(reports: Sequence[AssignmentReport]) -> int:
    """Return how many of them one command may hold: the reasons of many failures are long."""
    size = 0
    for count, report in enumerate(reports[:REPORTS_MAX]):
        size += REPORT_BYTES_MAX + len(report.observed.reason.encode())
        if size > REPORTS_BYTES_MAX:
            return count
    return min(len(reports), REPORTS_MAX)


def _is_same(one: Observation, other: Observation) -> bool:
    return replace(one, observed_at_ms=0) == replace(other, observed_at_ms=0)
