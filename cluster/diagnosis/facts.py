"""What the rules look at. Moments are Unix epoch milliseconds; names are those people know.

A part that is None was not looked at, because whoever asks may not or it could not be read.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.analytics.profile import Bottleneck
from cluster.analytics.sentences import Text
from cluster.model.events import Severity
from cluster.model.node import NodeStatus
from cluster.model.rollout import RolloutPhase


@dataclass(frozen=True, slots=True, kw_only=True)
class QuorumFact:
    """`advice` says what the loss of a host would do, or what was lost."""

    can_lose: int
    has_quorum: bool
    is_single: bool
    advice: Text
    disk_full: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFact:
    name: str
    status: NodeStatus
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubleFact:
    """A replica that should serve and does not; `host` "" where none was found for it. `printed` is the end
    of what it wrote.
    """

    ordinal: int
    host: str
    reason: str
    printed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFact:
    id: str
    status: str
    ready: int
    wanted: int
    troubles: tuple[TroubleFact, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFact:
    """`subjects` are the names it may be looked for by: container, service, host."""

    number: int
    severity: Severity
    subjects: tuple[str, ...]
    text: Text
    next_step: Text
    since_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HookFact:
    """A command before or after a rollout that failed; `exit_code` None: it was ended."""

    name: str
    command: str
    host: str
    exit_code: int | None
    reason: str
    tail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutFact:
    """`changes` are what the new revision has otherwise, `limits` the metrics that were beyond theirs.

    `replica_reasons` say what replicas of the new revision said of themselves, `printed` is the end of what
    one of them wrote. Failure rates are shares of the requests, from 0 to 1, while both revisions answered;
    None where they did not.
    """

    id: str
    service_id: str
    from_revision: int
    to_revision: int
    phase: RolloutPhase
    is_waiting: bool
    reason: str
    verdict: str
    by: str
    started_ms: int
    ended_ms: int | None
    hooks: tuple[HookFact, ...] = ()
    limits: tuple[str, ...] = ()
    replica_reasons: tuple[str, ...] = ()
    printed: str = ""
    changes: tuple[str, ...] = ()
    old_failure_rate: float | None = None
    new_failure_rate: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BottleneckFact:
    """What held `subject`, of `service_id` or of none, up in the last `hours` hours."""

    subject: str
    service_id: str
    found: Bottleneck
    unit: str
    hours: int
    of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceFact:
    """A metric of the last `hours` hours that is not as usual at these hours. `said` is a sentence."""

    subject: str
    service_id: str
    metric: str
    unit: str
    is_higher: bool
    current: float
    usual: float
    hours: int
    confidence: float
    said: Text
    of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortageFact:
    """A resource that is full (`days` 0) or filling: the day it is used up, with its range."""

    subject: str
    metric: str
    unit: str
    days: float
    soonest_days: float | None
    latest_days: float | None
    limit: float
    at_ms: int
    confidence: float
    said: Text
    of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossFact:
    """A host whose loss the others would not make up for."""

    host: str
    said: Text


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class LinePlace:
    """Where a line of a log is, as links to it have it."""

    at_us: int
    container_id: str
    ordinal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeathFact:
    """A container that ended, or that the kernel killed for want of memory (`is_oom`)."""

    container: str
    service_id: str
    host: str
    at_ms: int
    exit_code: int | None
    is_oom: bool
    place: LinePlace


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerFact:
    """`restarts` and `exit_code` None: not known to whoever asks."""

    name: str
    service_id: str
    host: str
    state: str
    status: str
    is_unhealthy: bool
    restarts: int | None = None
    exit_code: int | None = None
    was_out_of_memory: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorFact:
    """Lines of one container that say the same but for numbers. `sample` is the newest of them: data."""

    container: str
    service_id: str
    host: str
    count: int
    first_ms: int
    last_ms: int
    sample: str
    place: LinePlace


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is known of the cluster, or of `subject` ("" for everything) in it.

    `names` are what `subject` is called: a service with its containers, or a host.
    """

    now_ms: int
    subject: str = ""
    names: frozenset[str] = field(default_factory=frozenset)
    quorum: QuorumFact | None = None
    hosts: tuple[HostFact, ...] | None = None
    services: tuple[ServiceFact, ...] | None = None
    alerts: tuple[AlertFact, ...] | None = None
    rollouts: tuple[RolloutFact, ...] | None = None
    bottlenecks: tuple[BottleneckFact, ...] | None = None
    differences: tuple[DifferenceFact, ...] = ()
    shortages: tuple[ShortageFact, ...] | None = None
    losses: tuple[LossFact, ...] = ()
    containers: tuple[ContainerFact, ...] | None = None
    deaths: tuple[DeathFact, ...] | None = None
    errors: tuple[ErrorFact, ...] | None = None
