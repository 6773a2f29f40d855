"""What the leader's duties need of the process they run in. `agent.app` hands over objects that fit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from cluster.commands import Outcome
from cluster.model.audit import AuditStamp
from cluster.model.schedules import Admitted, DeploySchedule, NotAdmitted, ScheduledService
from cluster.model.watching import ImageWatch
from cluster.raft.membership import MemberChange
from cluster.raft.types import EngineStatus
from cluster.store import Committed, ReadTxn


class State(Protocol):
    """The replicated state of this node. `agent.node.state.NodeState` fits."""

    def read(self) -> AbstractContextManager[ReadTxn]:
        """A consistent view. Short: no `await` inside."""
        ...

    def subscribe(self, callback: Callable[[Committed], None]) -> Callable[[], None]:
        """Call back on this event loop after changes became visible; returns what ends it."""
        ...

    async def propose(self, command: object, *, leader_term: int, timeout_s: float) -> Outcome:
        """Have a command applied in the name of the leader of `leader_term`.

        Raises `cluster.raft.replicator.NotCommitted` or `OutcomeUnknown`.
        """
        ...


class AuditedState(State, Protocol):
    """The state, for duties whose commands are entries of the audit themselves."""

    async def propose(
        self, command: object, *, leader_term: int, timeout_s: float, audit: AuditStamp | None = None
    ) -> Outcome:
        """As `State.propose`; `audit` becomes an entry in the transaction of the change."""
        ...


class Admission(Protocol):
    """Holds what is deployed later, or by itself, against what a deployment is held against.

    `web.tools.admitting` fits. Both are bounded in time and raise nothing.
    """

    async def admit_schedule(self, schedule: DeploySchedule) -> Admitted | NotAdmitted:
        """Whether a schedule's services may be deployed now, in the name of who scheduled them."""
        ...

    async def admit_image(self, watch: ImageWatch, service: ScheduledService) -> Admitted | NotAdmitted:
        """Whether a service may be given a new image now, in the name of who has it watched."""
        ...


class Digests(Protocol):
    """Asks registries. `agent.follow.every_host.EveryHost` fits."""

    async def image_digest(self, image: str) -> str:
        """The digest a reference means now; "" when the registry gives none.

        Raises `cluster.model.inventory.HostRefused` or `HostUnavailable`.
        """
        ...


class RaftStatus(Protocol):
    """A look at this node's Raft."""

    @property
    def engine(self) -> EngineStatus: ...


class Raft(Protocol):
    """This node's Raft; `cluster.raft.replicator.RaftReplicator` fits. Its clock is `Clock.boottime_s`."""

    def lease_until_s(self) -> float | None:
        """Until when no other node can lead; None when this node does not surely lead."""
        ...

    def status(self) -> RaftStatus: ...

    async def change_members(self, change: MemberChange, *, timeout_s: float) -> None:
        """Return once the change is committed and applied. Raises NotCommitted or OutcomeUnknown."""
        ...

    async def transfer_leadership(self, target: str | None = None, *, timeout_s: float) -> None:
        """Have another node lead. Raises NotCommitted when nobody can now."""
        ...


class Leadership(Protocol):
    """Who leads. `cluster.raft.leadership.Leadership` fits."""

    async def wait_until_leader(self) -> int:
        """Return the term once this node leads."""
        ...

    async def wait_until_lost(self, term: int) -> None:
        """Return once this node does not lead `term` any more."""
        ...


class Ids(Protocol):
    """Where new ids come from. `agent.ids.IdSource` fits."""

    def new_id(self, prefix: str) -> str: ...


class Duty(Protocol):
    """A further loop of the leader, such as rotating certificates. It is cancelled with the term."""

    async def run(self, term: int) -> None: ...
