"""This host's lease: leave to run what must never run twice, asked for and granted with heartbeats.

It is counted from when the beat left, by CLOCK_BOOTTIME, and kept in a file that the keeper acts on. The file
is what counts: what could not be written there is not held.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from agent.clock import Clock
from agent.execute.starting import NotLeased
from agent.keeper.lease_file import Lease
from agent.keeper.policy import GRACE_MS, runs_on_ms
from agent.peers.protocol import BeatAnswer
from cluster.model.node import Maintenance
from cluster.model.service import AssignmentKey, DesiredState, Fencing
from cluster.store import ReadTxn
from cluster.store.records import ASSIGNMENTS

log = logging.getLogger(__name__)

START_MS = 1_000
"""A container is started only with so much left before it would be asked to stop."""
ORDINARY_LEASE_MS_MAX = 10_000
"""A longer one is a leave to be away; it counts only while that is known here to be in force."""
LOOK_S = 0.5


class KeeperLink(Protocol):
    """The host's keeper. `agent.follow.keeper_link.DirectoryKeeper` fits."""

    def read(self) -> Lease | None:
        """The lease an earlier run of the agent left; None when there is none that can be used."""
        ...

    def write(self, lease: Lease) -> None:
        """Hand a lease over. Raises OSError."""
        ...

    def why_not_awake(self) -> str:
        """ "" while a keeper looks after this host, else what is wrong. One that can be started is."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a beat says of the lease when it leaves, in milliseconds of CLOCK_BOOTTIME."""

    sent_ms: int
    held_ms: int
    answered_term: int


class HostLease:
    """The lease of one host, for one event loop.

    `leave` is the leave to be away that is committed for this host, `has_fenced` whether containers are here
    that have to stop by themselves, `is_ordered` whether an order for a replica, by its token, is the newest.
    """

    def __init__(
        self,
        *,
        keeper: KeeperLink,
        clock: Clock,
        boot_id: str,
        cluster_id: str,
        docker_socket: str,
        leave: Callable[[], Maintenance | None],
        has_fenced: Callable[[], bool],
        is_ordered: Callable[[AssignmentKey, int], bool],
    ) -> None:
        self._keeper = keeper
        self._clock = clock
        self._leave = leave
        self._has_fenced = has_fenced
        self._is_ordered = is_ordered
        self._expected: set[AssignmentKey] = set()
        self._given_back: Maintenance | None = None
        self._answered_term = 0
        self._changed = asyncio.Event()
        self._lease = Lease(
            deadline_ms=0,
            boot_id=boot_id,
            cluster_id=cluster_id,
            docker_socket=docker_socket,
            is_guarding=False,
        )
        self._adopt()

    @property
    def lease(self) -> Lease:
        return self._lease

    @property
    def is_answered(self) -> bool:
        """Whether a leader has answered this run of the agent."""
        return self._answered_term > 0

    @property
    def left_ms(self) -> int:
        return max(0, self._lease.deadline_ms - self._now_ms())

    # ---- asking and being granted ----

    def ask(self, sent_s: float) -> Asked:
        """What the beat that leaves at `sent_s` says."""
        sent_ms = int(sent_s * 1000)
        return Asked(
            sent_ms=sent_ms,
            held_ms=max(0, self._lease.deadline_ms - sent_ms),
            answered_term=self._answered_term,
        )

    def take(self, sent_s: float, answer: BeatAnswer) -> None:
        """Take the answer to the beat that left at `sent_s`, the newest that did."""
        self._answered_term = answer.term
        if answer.lease_ms == 0:
            return
        leave = self._leave()
        is_long = leave is not None and not leave.is_ended and leave != self._given_back
        lease_ms = answer.lease_ms if is_long else min(answer.lease_ms, ORDINARY_LEASE_MS_MAX)
        self._hold(int(sent_s * 1000) + lease_ms)

    def give_back(self, leave: Maintenance) -> bool:
        """Hold no lease of a leave's length any more, from now on; whether that is so."""
        self._given_back = leave
        return self._hold(min(self._lease.deadline_ms, self._now_ms() + ORDINARY_LEASE_MS_MAX))

    def end(self) -> None:
        """The host is no member any more, and nothing fenced is left here: the keeper has nothing to do."""
        self._expected.clear()
        self._has_fenced = lambda: False
        self._hold(0)

    # ---- starting by it ----

    def expect(self, key: AssignmentKey) -> None:
        """A replica that has to stop by itself will be here: have the keeper look."""
        self._expected.add(key)
        if not self._lease.is_guarding:
            self._hold(self._lease.deadline_ms)

    def release(self, key: AssignmentKey) -> None:
        """It is not here any more."""
        self._expected.discard(key)

    def why_not(self, fencing: Fencing) -> str:
        """Why a fenced replica may not be started now; "" when it may."""
        if runs_on_ms(self._lease, self._now_ms(), self._lease.boot_id) - GRACE_MS < START_MS:
            return "waits until this host is sure that it runs nowhere else"
        if fencing is not Fencing.STRICT:
            return ""
        if not self._lease.is_guarding:
            return "waits until this host's keeper looks after it"
        return self._keeper.why_not_awake()

    def check(self, key: AssignmentKey, token: int, fencing: Fencing) -> None:
        """Right before a start. Raises NotLeased."""
        problem = self.why_not(fencing)
        if not problem and not self._is_ordered(key, token):
            problem = "its order was overtaken"
        if problem:
            raise NotLeased(problem)

    async def until_leave(self, fencing: Fencing) -> None:
        """Return once a fenced replica may be started."""
        while self.why_not(fencing):
            self._changed.clear()
            await self._clock.wait(self._changed, LOOK_S)

    # ---- inside ----

    def _adopt(self) -> None:
        """Go on with what an earlier run of the agent, in this boot, was granted."""
        found = self._keeper.read()
        own = self._lease
        if found is not None and (found.boot_id, found.cluster_id) == (own.boot_id, own.cluster_id):
            self._lease = Lease(
                deadline_ms=found.deadline_ms,
                boot_id=own.boot_id,
                cluster_id=own.cluster_id,
                docker_socket=own.docker_socket,
                is_guarding=found.is_guarding,
            )

    def _hold(self, deadline_ms: int) -> bool:
        present = self._lease
        lease = Lease(
            deadline_ms=deadline_ms,
            boot_id=present.boot_id,
            cluster_id=present.cluster_id,
            docker_socket=present.docker_socket,
            is_guarding=bool(self._expected) or self._has_fenced(),
        )
        try:
            self._keeper.write(lease)
        except OSError as error:
            # The keeper goes by the old one, and so does everything here.
            log.warning("lease.not_written", extra={"reason": error.strerror or str(error)})
            return False
        self._lease = lease
        self._changed.set()
        return True

    def _now_ms(self) -> int:
        return int(self._clock.boottime_s() * 1000)


def is_newest_order(
    read: Callable[[], AbstractContextManager[ReadTxn]], key: AssignmentKey, token: int
) -> bool:
    """Whether an order to run a replica, given with `token`, is still what is known here."""
    with read() as txn:
        order = ASSIGNMENTS.get(txn, key.service_id, key.revision, key.ordinal, key.node_id)
    return order is not None and order.token == token and order.desired is not DesiredState.REMOVED
