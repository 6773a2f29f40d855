"""What a leader does, once per term, for as long as it leads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from agent.clock import Clock
from agent.leader.detection import FailureDetection
from agent.leader.driver import RolloutDriver
from agent.leader.ports import Duty, Ids, Leadership, Raft, State
from agent.leader.proposing import LeadershipOver, propose_as_leader
from agent.leader.stewardship import Stewardship
from agent.leader.traffic import TrafficBook
from agent.peers.protocol import Beat, BeatAnswer, TrafficReport
from cluster.commands import Rejected
from cluster.commands.leadership import TakeLeadership
from cluster.failover import LeaseRequest
from cluster.model.ids import NodeId
from cluster.raft.replicator import NotCommitted, OutcomeUnknown

log = logging.getLogger(__name__)

TAKE_TIMEOUT_S = 2.0
TAKE_RETRY_S = 0.05


class Duties(Protocol):
    async def run(self, term: int) -> None: ...


async def run_duties_while_leader(leadership: Leadership, duties: Duties) -> None:
    """Run the leader's duties for as long as this node leads, once per term. Never returns.

    A crash in a duty ends the process: the next leader takes over from the committed state.
    """
    while True:
        term = await leadership.wait_until_leader()
        log.info("leader.duties_begun", extra={"term": term})
        async with asyncio.TaskGroup() as group:
            running = group.create_task(duties.run(term), name=f"leader-duties-{term}")
            await leadership.wait_until_lost(term)
            running.cancel()
        # The group has waited for every duty of this term before we look for the next one.
        log.info("leader.duties_ended", extra={"term": term})


class LeaderDuties:
    """Failure detector, rollout driver, steward, and what else `more` brings. For one event loop.

    `more` makes the further duties of a term; each is cancelled with it.
    """

    def __init__(
        self,
        *,
        node_id: NodeId,
        state: State,
        raft: Raft,
        clock: Clock,
        ids: Ids,
        more: Callable[[], Sequence[Duty]] = tuple,
    ) -> None:
        self._node_id = node_id
        self._state = state
        self._raft = raft
        self._clock = clock
        self._ids = ids
        self._more = more
        self._term = 0
        self._detection: FailureDetection | None = None
        self._driver: RolloutDriver | None = None

    def on_traffic(self, report: TrafficReport) -> bool:
        """Take what a host says of its traffic; whether this node leads."""
        if self._driver is None:
            return False
        self._driver.on_traffic(NodeId(report.node_id), report.intervals, report.samples)
        return True

    def on_beat(self, beat: Beat) -> BeatAnswer | None:
        """Take a host's heartbeat; None while this node does not surely lead."""
        detection = self._detection
        if detection is None:
            return None
        granted_ms = detection.on_beat(
            NodeId(beat.node_id),
            is_engine_available=beat.is_engine_available,
            request=LeaseRequest(
                sent_ms=beat.sent_ms,
                held_ms=beat.held_ms,
                answered_term=beat.answered_term,
                applied_index=beat.applied_index,
            ),
        )
        if not detection.has_lease:
            return None
        return BeatAnswer(leader_id=self._node_id, term=self._term, lease_ms=granted_ms)

    async def run(self, term: int) -> None:
        """Carry out the duties of `term` until cancelled, or until the log has a newer leader."""
        try:
            await self._take_leadership(term)
            detection = FailureDetection(
                term=term, node_id=self._node_id, state=self._state, raft=self._raft, clock=self._clock
            )
            driver = RolloutDriver(
                term=term,
                node_id=self._node_id,
                state=self._state,
                clock=self._clock,
                ids=self._ids,
                without_engine=lambda: detection.without_engine,
                leases=lambda: detection.leases,
                traffic=TrafficBook(),
            )
            steward = Stewardship(term=term, state=self._state, raft=self._raft, clock=self._clock)
            self._term, self._detection, self._driver = term, detection, driver
            async with asyncio.TaskGroup() as group:
                group.create_task(detection.run(), name="failure-detection")
                group.create_task(driver.run(), name="rollout-driver")
                group.create_task(steward.run(), name="stewardship")
                for number, duty in enumerate(self._more()):
                    group.create_task(duty.run(term), name=f"leader-duty-{number}")
        except* LeadershipOver as over:
            # Raft will say so too in a moment; until then nothing is done.
            reasons = [str(error) for error in over.exceptions]
            log.warning("leader.replaced", extra={"term": term, "reason": reasons[0]})
        finally:
            self._detection = self._driver = None

    async def _take_leadership(self, term: int) -> None:
        """Commit that the leaders of older terms are over. Raises LeadershipOver when this one is."""
        while True:
            command = TakeLeadership(term=term, node_id=self._node_id)
            try:
                outcome = await propose_as_leader(self._state, command, term=term, timeout_s=TAKE_TIMEOUT_S)
            except (NotCommitted, OutcomeUnknown) as error:
                log.info("leader.not_taken_up", extra={"term": term, "error": str(error)})
                await self._clock.sleep(TAKE_RETRY_S)
                continue
            if isinstance(outcome, Rejected):
                raise LeadershipOver(outcome.reason)
            return
