"""What the surfaces need from the process they run in. `agent.app` hands over objects that fit.

Refusals of the state machine come back as values; the exceptions named here are the only ones a method
raises, besides `asyncio.CancelledError`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

import numpy as np

from cluster.analytics.anomalies import Finding
from cluster.analytics.grouping import Place, Pressure
from cluster.analytics.sentences import Text
from cluster.commands import Outcome
from cluster.identity.joining import JoinAnswer, JoinRequest
from cluster.identity.keyring import Keyring
from cluster.metrics.query import HistoryStanding, RangeAnswer, RangeQuery, Resolution, Selector
from cluster.model.adoption import AdoptionQuestion, HostFound
from cluster.model.audit import AuditRecord, AuditStamp
from cluster.model.autoscaling import ScalingStanding
from cluster.model.container_access import (
    ContainerSettings,
    ExecRequest,
    ExecSession,
    FileListing,
    FileReading,
    FileWrite,
    LimitChanges,
    ProcessTable,
    ReplacementChanges,
    ReplacementPlan,
    ReplacementStep,
)
from cluster.model.exposition import Family
from cluster.model.inventory import (
    Caller,
    ContainerAction,
    HostLive,
    HostUnavailable,
    HostView,
    LogLine,
    LogQuery,
)
from cluster.model.log_history import (
    FollowedLines,
    LogCountQuery,
    LogCounts,
    LogFollow,
    LogPage,
    LogSearch,
    LogStanding,
)
from cluster.model.metrics import STEP_MS, Subject
from cluster.model.readiness import HostQuestion, HostReadiness
from cluster.model.resources import DiskUsage, HostResources, PulledImage, Removal, ResourceKind
from cluster.raft.raft_thread import NodeStatus
from cluster.raft.replicator import ReadLevel, ReadPoint
from cluster.store import Committed, ReadTxn


class Clock(Protocol):
    def now_ms(self) -> int: ...
    def monotonic_s(self) -> float: ...


class Ids(Protocol):
    def new_id(self, prefix: str) -> str: ...
    def token_bytes(self, count: int) -> bytes: ...


class State(Protocol):
    """The replicated state of this node."""

    def read(self) -> AbstractContextManager[ReadTxn]:
        """A consistent view. Short: no `await` inside."""
        ...

    async def point(self, level: ReadLevel, *, timeout_s: float = 5.0) -> ReadPoint:
        """What a `read` opened afterwards sees. Raises `cluster.raft.replicator.ReadUnavailable`."""
        ...

    def subscribe(self, callback: Callable[[Committed], None]) -> Callable[[], None]:
        """Call back on this event loop after changes became visible; returns what ends it."""
        ...

    async def propose(
        self, command: object, *, audit: AuditStamp | None = None, timeout_s: float = 10.0
    ) -> Outcome:
        """Have one of `cluster.commands` applied; returns Applied or Rejected.

        Raises `cluster.raft.replicator.NotCommitted` or `OutcomeUnknown`.
        """
        ...

    async def record_audit(self, record: AuditRecord) -> None:
        """Append an entry that goes with no change: a refusal, or the end of long work."""
        ...


class Hosts(Protocol):
    """Containers of every host, this one's directly and the others' through their agents."""

    async def views(self) -> Sequence[HostView]:
        """Every host, asked again if what is known is older than two seconds; never waits longer than two."""
        ...

    async def live(self) -> Sequence[HostLive]: ...

    async def watch(self, moments: int) -> Sequence[HostLive]:
        """The newest moments of every second, of hosts that answer at once.

        Asking makes hosts measure every second for the next few, so the first answers have none.
        """
        ...

    async def act(
        self, node_id: str, container_id: str, action: ContainerAction, *, caller: Caller, force: bool = False
    ) -> None:
        """Raises HostUnavailable or HostRefused."""
        ...

    async def inspect(self, node_id: str, container_id: str, *, caller: Caller) -> Mapping[str, object]:
        """The engine's own JSON. Raises HostUnavailable or HostRefused."""
        ...

    def logs(
        self, node_id: str, container_id: str, query: LogQuery, *, caller: Caller
    ) -> AbstractAsyncContextManager[AsyncIterator[LogLine]]:
        """Raises HostUnavailable or HostRefused on entering."""
        ...

    async def adoptable(
        self, question: AdoptionQuestion, node_ids: Sequence[str]
    ) -> Mapping[str, HostFound | HostUnavailable]:
        """What hosts have that could become services, with the values of its environment; of a host that
        does not say, why."""
        ...

    async def image_digest(self, image: str) -> str:
        """The digest a reference means at its registry now; "" when it gives none.

        Raises HostUnavailable or HostRefused.
        """
        ...

    async def check_login(self, registry: str, username: str, password: str) -> str:
        """What a registry says to a login, tried from this host; bounded in time.

        Raises HostRefused when it lets nobody in with it, HostUnavailable when it could not be asked.
        """
        ...

    async def readiness(
        self, questions: Mapping[str, HostQuestion]
    ) -> Mapping[str, HostReadiness | HostUnavailable]:
        """What each host (by id) says of what is about to be deployed to it; bounded in time."""
        ...


class Resources(Protocol):
    """Images, volumes and networks of every host."""

    async def of_hosts(
        self, kind: ResourceKind, node_ids: Sequence[str], *, with_sizes: bool = False
    ) -> Mapping[str, HostResources | HostUnavailable]:
        """What hosts have of a kind; of one that does not say, why. Bounded in time: with sizes, which an
        engine takes long to count, ten seconds; without, two."""
        ...

    async def disk_usage(self, node_id: str) -> DiskUsage:
        """Raises HostUnavailable or HostRefused."""
        ...

    async def remove(self, node_id: str, removal: Removal, *, caller: Caller) -> None:
        """Remove what no container uses, running or not. Raises HostUnavailable or HostRefused."""
        ...

    async def pull(self, node_id: str, image: str, *, caller: Caller) -> PulledImage:
        """Bounded by ten minutes. Raises HostUnavailable or HostRefused."""
        ...


class LogHistory(Protocol):
    """What hosts keep of their containers' output. Of a host that does not answer: why."""

    async def standings(self) -> Mapping[str, LogStanding | HostUnavailable]:
        """What each host keeps; bounded in time."""
        ...

    async def search(self, queries: Mapping[str, LogSearch]) -> Mapping[str, LogPage | HostUnavailable]:
        """The next lines of each host; bounded in time."""
        ...

    async def count(self, queries: Mapping[str, LogCountQuery]) -> Mapping[str, LogCounts | HostUnavailable]:
        """How many lines each host has; bounded in time."""
        ...

    def follow(
        self, node_id: str, wanted: LogFollow
    ) -> AbstractAsyncContextManager[AsyncIterator[FollowedLines]]:
        """Lines as they come. Raises HostUnavailable or HostRefused."""
        ...


class ContainerDesk(Protocol):
    """One container of any host from near. Every call raises HostUnavailable or HostRefused, those that are
    entered on entering."""

    def exec(
        self, node_id: str, container: str, request: ExecRequest, *, caller: Caller
    ) -> AbstractAsyncContextManager[ExecSession]:
        """Run a command in it. Leaving ends what still runs of it."""
        ...

    async def top(self, node_id: str, container: str, *, caller: Caller) -> ProcessTable: ...

    async def document(
        self, node_id: str, container: str, *, reveal: bool, caller: Caller
    ) -> Mapping[str, object]:
        """The engine's own description; secrets are hidden unless `reveal`."""
        ...

    async def files(self, node_id: str, container: str, path: str, *, caller: Caller) -> FileListing: ...

    def read_file(
        self, node_id: str, container: str, path: str, *, caller: Caller
    ) -> AbstractAsyncContextManager[FileReading]: ...

    async def write_file(
        self,
        node_id: str,
        container: str,
        write: FileWrite,
        chunks: AsyncIterator[bytes],
        *,
        caller: Caller,
    ) -> None:
        """Raises what `chunks` raises, too."""
        ...

    async def settings(self, node_id: str, container: str, *, caller: Caller) -> ContainerSettings: ...

    async def update(
        self, node_id: str, container: str, changes: LimitChanges, *, caller: Caller
    ) -> tuple[str, ...]:
        """Change limits at once; returns the engine's warnings."""
        ...

    async def plan(
        self, node_id: str, container: str, changes: ReplacementChanges, *, caller: Caller
    ) -> ReplacementPlan: ...

    def replace(
        self, node_id: str, container: str, changes: ReplacementChanges, *, caller: Caller
    ) -> AbstractAsyncContextManager[AsyncIterator[ReplacementStep]]:
        """Make it anew. Once begun it is done to its end, whoever listens."""
        ...


class Cluster(Protocol):
    """Membership and leadership."""

    @property
    def cluster_id(self) -> str: ...
    @property
    def node_id(self) -> str: ...
    @property
    def version(self) -> str: ...
    def status(self) -> NodeStatus: ...
    def is_ready(self) -> str | None:
        """None when this node can serve; otherwise why not."""
        ...

    def keyring(self) -> Keyring: ...

    async def join(self, request: JoinRequest, *, ip: str) -> JoinAnswer | str:
        """Let a host in; the string is the reason of a refusal, safe to tell a stranger."""
        ...

    async def remove_node(self, node_id: str, *, audit: AuditStamp) -> Outcome: ...
    async def transfer_leadership(self, target: str | None) -> None: ...


class MetricHistory(Protocol):
    """What this node keeps of every host's numbers. Nobody waits for the writer."""

    async def query(self, query: RangeQuery) -> RangeAnswer:
        """Answer from this node's own record. Raises ValueError for what cannot be asked so."""
        ...

    async def subjects(self, selector: Selector) -> Sequence[Subject]:
        """What the selected series are of, also what is no more."""
        ...

    async def standing(self) -> HistoryStanding: ...


class Exposition(Protocol):
    """The newest figures of this host for others' monitoring."""

    def families(self) -> Sequence[Family]:
        """Return them; from any thread."""
        ...


class AnomalyWatch(Protocol):
    """What was found unusual as it happened, in all that is measured."""

    @property
    def is_running(self) -> bool: ...
    @property
    def series(self) -> int:
        """How many series are watched."""
        ...

    @property
    def note(self) -> Text | None:
        """What is not known yet; None: all is known that can be."""
        ...

    def findings(self, since_ms: int) -> Sequence[Finding]:
        """What began or went on since then, of the last seven days, by time; bounded."""
        ...

    def pressures(self) -> Mapping[Place, Sequence[Pressure]]:
        """What places are short of now."""
        ...


class ExternalRouter(Protocol):
    """A router of this host that somebody else runs."""

    def traefik_document(self, version: str, poller: str) -> bytes | None:
        """What Traefik at the address `poller` is to do, for its version "v2" or "v3"; None: nothing is
        known, and it keeps what it has."""
        ...

    def acknowledge(self, mark: str) -> bool:
        """Take somebody's word that the state with this mark is in force; whether it was ever sent."""
        ...


class ScalingDesk(Protocol):
    """How the leader sees services that are scaled by themselves."""

    async def standing(self, service_id: str) -> ScalingStanding | None:
        """As it saw it last; None where nobody can say. Bounded in time."""
        ...


class NoResources:
    """Nobody says."""

    async def of_hosts(
        self, kind: ResourceKind, node_ids: Sequence[str], *, with_sizes: bool = False
    ) -> Mapping[str, HostResources | HostUnavailable]:
        return {node_id: self._unknown() for node_id in node_ids}

    async def disk_usage(self, node_id: str) -> DiskUsage:
        raise self._unknown()

    async def remove(self, node_id: str, removal: Removal, *, caller: Caller) -> None:
        raise self._unknown()

    async def pull(self, node_id: str, image: str, *, caller: Caller) -> PulledImage:
        raise self._unknown()

    @staticmethod
    def _unknown() -> HostUnavailable:
        return HostUnavailable("this host does not tell of images, volumes and networks")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRequest:
    """One request to an identity provider: with `form` it is a POST. `ca_pem` is trusted besides the usual.

    `basic` are client id and secret (RFC 6749, 2.3.1), `bearer` an access token.
    """

    url: str
    ca_pem: str = field(default="", repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    basic: tuple[str, str] | None = field(default=None, repr=False)
    bearer: str = field(default="", repr=False)


class ProviderUnreachable(Exception):
    """An identity provider gave no answer that can be used; the text says why, without secrets."""


class IdentityProviders(Protocol):
    """The way to identity providers: addresses that may not be called are not, redirects are not followed."""

    async def fetch(self, request: ProviderRequest) -> tuple[int, object]:
        """Status and JSON of the answer. Bounded in time and size. Raises ProviderUnreachable."""
        ...


class NoIdentityProviders:
    """None is asked."""

    async def fetch(self, request: ProviderRequest) -> tuple[int, object]:
        raise ProviderUnreachable("this host asks no identity provider")


class NoScalingDesk:
    """Nobody can say."""

    async def standing(self, service_id: str) -> ScalingStanding | None:
        return None


class NoExposition:
    """Nothing is measured."""

    def families(self) -> Sequence[Family]:
        return ()


class NoLogHistory:
    """No host keeps anything."""

    async def standings(self) -> Mapping[str, LogStanding | HostUnavailable]:
        return {}

    async def search(self, queries: Mapping[str, LogSearch]) -> Mapping[str, LogPage | HostUnavailable]:
        return {}

    async def count(self, queries: Mapping[str, LogCountQuery]) -> Mapping[str, LogCounts | HostUnavailable]:
        return {}

    @asynccontextmanager
    async def follow(self, node_id: str, wanted: LogFollow) -> AsyncIterator[AsyncIterator[FollowedLines]]:
        yield _nothing()


async def _nothing() -> AsyncIterator[FollowedLines]:
    for _ in ():
        yield FollowedLines(lines=())


class NoMetricHistory:
    """Nothing is kept."""

    async def query(self, query: RangeQuery) -> RangeAnswer:
        return RangeAnswer(
            times_ms=np.empty(0, np.int64),
            step_ms=query.step_ms or STEP_MS,
            resolution=query.resolution or Resolution.RAW,
            series=(),
            notes=("this host keeps no metric history",),
        )

    async def subjects(self, selector: Selector) -> Sequence[Subject]:
        return ()

    async def standing(self) -> HistoryStanding:
        return HistoryStanding(bytes_used=0, bytes_max=0, applied_index=0, subjects=0)


class NoAnomalyWatch:
    """Nothing is watched."""

    is_running = False
    series = 0
    note = None

    def findings(self, since_ms: int) -> Sequence[Finding]:
        return ()

    def pressures(self) -> Mapping[Place, Sequence[Pressure]]:
        return {}


class NoExternalRouter:
    """Nobody else runs one."""

    def traefik_document(self, version: str, poller: str) -> bytes | None:
        return None

    def acknowledge(self, mark: str) -> bool:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """All of the above, and the address people use."""

    clock: Clock
    ids: Ids
    state: State
    hosts: Hosts
    desk: ContainerDesk
    cluster: Cluster
    public_origins: tuple[str, ...]
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    request_body_bytes_max: int = 8 * 1024 * 1024
    resources: Resources = field(default_factory=NoResources)
    router: ExternalRouter = field(default_factory=NoExternalRouter)
    scaling: ScalingDesk = field(default_factory=NoScalingDesk)
    history: MetricHistory = field(default_factory=NoMetricHistory)
    anomalies: AnomalyWatch = field(default_factory=NoAnomalyWatch)
    exposition: Exposition = field(default_factory=NoExposition)
    providers: IdentityProviders = field(default_factory=NoIdentityProviders)
    logs: LogHistory = field(default_factory=NoLogHistory)
