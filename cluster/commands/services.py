"""Commands on services, their replicas and their rollouts."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.model import rules
from cluster.model.autoscaling import AutoscalePolicy
from cluster.model.experiment import Experiment, Targeting
from cluster.model.hooks import HOOKS_MAX, TAIL_CHARS_MAX, HookKind, HookPhase
from cluster.model.ids import NodeId, RolloutId, ServiceId
from cluster.model.placing import PlacementRules
from cluster.model.rollout import Rollout, Steer
from cluster.model.service import (
    MINUTE_MS,
    REPLICAS_MAX,
    Aim,
    DesiredState,
    Fencing,
    Kept,
    Observation,
    RolloutPolicy,
    ServiceSpec,
    check_exceptions,
)
from cluster.model.service_form import check_bound, check_service_form
from cluster.model.strategy import WHOLE_PERMILLE, Colour

REPORTS_MAX = 512
ORDERS_MAX = 2048


def _check_aim(aim: Aim) -> None:
    if aim is Aim.EXPERIMENT:
        raise ValueError("aim experiment: StartExperiment says of which requests, and for how long")


def _check_replica(revision: int, ordinal: int) -> None:
    rules.check_range("revision", revision, 1, 2**31)
    rules.check_range("ordinal", ordinal, 0, REPLICAS_MAX - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PutService:
    """Create a service or change it. Result: `[revision, version]`.

    A `spec` that differs from the newest revision's becomes the next revision. With `expected_version` only
    if the service is at that version; 0 means that it must not exist yet. `bound` and `promoted_from` are
    kept with a new revision. With `autoscale` a service that is there keeps its number of replicas, within
    the bounds, and `replicas` is only what a new one begins with (none at all: it is off).
    """

    service_id: ServiceId
    project: str
    name: str
    spec: ServiceSpec
    replicas: int
    policy: RolloutPolicy = field(default_factory=RolloutPolicy)
    created_by: str = ""
    expected_version: int | None = None
    fencing: Fencing = Fencing.NONE
    aim: Aim = Aim.DEPLOY
    is_unjudged: bool = False
    placement: PlacementRules = field(default_factory=PlacementRules)
    environment: str = ""
    bound: tuple[str, ...] = ()
    promoted_from: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    autoscale: AutoscalePolicy | None = None

    def __post_init__(self) -> None:
        check_service_form(
            service_id=self.service_id,
            project=self.project,
            name=self.name,
            replicas=self.replicas,
            environment=self.environment,
            bound=self.bound,
            labels=self.labels,
        )
        _check_aim(self.aim)
        rules.check_text("promoted from", self.promoted_from, 128)
        rules.check_text("created by", self.created_by, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveService:
    """Ask for a service and its replicas to be taken down. Result: the new version."""

    service_id: ServiceId
    expected_version: int | None = None

    def __post_init__(self) -> None:
        rules.check_id("service id", self.service_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRevision:
    """Have a revision that is there rolled out, an earlier one or the present one again. Result:
    `[revision, version]`.

    A rollout under way is superseded. Refused while that revision is already what runs.
    """

    service_id: ServiceId
    revision: int
    aim: Aim
    by: str
    is_unjudged: bool = False
    expected_version: int | None = None

    def __post_init__(self) -> None:
        rules.check_id("service id", self.service_id)
        _check_replica(self.revision, 0)
        _check_aim(self.aim)
        rules.check_text("by", self.by, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartExperiment:
    """Have `spec` tried beside the stable revision. Result: `[revision, version]`.

    It becomes the next revision unless it is the newest already. The service keeps everything else. While the
    experiment goes on nobody else changes what runs of the service. Refused without a stable revision, while
    a rollout is under way, for what must not run twice, and when b is what runs.
    """

    service_id: ServiceId
    spec: ServiceSpec
    experiment: Experiment
    by: str
    expected_version: int | None = None
    bound: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        rules.check_id("service id", self.service_id)
        rules.check_text("by", self.by, 128)
        check_bound(self.bound)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleService:
    """Change how many replicas a service has. Result: the new version.

    `by` and `reason` are kept with the service. With `is_held` one that is scaled by itself is not, until it
    is deployed again.
    """

    service_id: ServiceId
    replicas: int
    expected_version: int | None = None
    by: str = ""
    reason: str = ""
    is_held: bool = False

    def __post_init__(self) -> None:
        rules.check_id("service id", self.service_id)
        rules.check_range("replicas", self.replicas, 0, REPLICAS_MAX)
        rules.check_text("by", self.by, 128)
        rules.check_text("reason", self.reason, 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class SteerRollout:
    """Ask something of a rollout under way; the leader carries it out next. Result: the service's version.

    Refused when the rollout has ended, or is not in a state in which that can be asked.
    """

    rollout_id: RolloutId
    steer: Steer
    by: str
    reason: str = ""

    def __post_init__(self) -> None:
        rules.check_id("rollout id", self.rollout_id)
        rules.check_text("by", self.by, 128)
        rules.check_text("reason", self.reason, 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSplit:
    """Share a service's requests by hand. Result: the split's token, which the routers acknowledge.

    A rollout under way is paused by it. Refused when a colour that gets requests has no replica.
    """

    service_id: ServiceId
    green_permille: int
    by: str
    expected_version: int | None = None

    def __post_init__(self) -> None:
        rules.check_id("service id", self.service_id)
        rules.check_range("green_permille", self.green_permille, 0, WHOLE_PERMILLE)
        rules.check_text("by", self.by, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentOrder:
    """The state wanted of one replica on one host; `colour` counts when that creates it."""

    revision: int
    ordinal: int
    node_id: NodeId
    desired: DesiredState
    colour: Colour = Colour.BLUE

    def __post_init__(self) -> None:
        _check_replica(self.revision, self.ordinal)
        rules.check_id("node id", self.node_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentRef:
    """One replica on one host, of the service the command is about."""

    revision: int
    ordinal: int
    node_id: NodeId

    def __post_init__(self) -> None:
        _check_replica(self.revision, self.ordinal)
        rules.check_id("node id", self.node_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveReplicas:
    """Ask for replicas to be moved to other hosts, within `within_ms`. Result: the service's new version.

    The leader chooses the hosts, and starts the successors first. A replica for which there is no host
    meanwhile stays where it is. Refused while a rollout is under way.
    """

    service_id: ServiceId
    copies: tuple[AssignmentRef, ...]
    within_ms: int = 10 * MINUTE_MS
    expected_version: int | None = None

    def __post_init__(self) -> None:
        rules.check_id("service id", self.service_id)
        rules.check_count("copies", self.copies, REPLICAS_MAX)
        rules.check_range("within_ms", self.within_ms, 1000, 60 * MINUTE_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitTransition:
    """Commit what the leader decided for one service, as one (leader only). Result: the service's new
    version.

    `rollout` is the rollout's new state, or None when it does not change (a failover moves replicas without
    one). `orders` create assignments or change what is wanted of them, `forget` deletes assignments whose
    REMOVED was carried out. `stable_revision` is set when a rollout ends well. `is_service_forgotten`
    deletes a removed service that has no assignment left. `green_permille` shares the requests anew, with
    `targeting` beside it, and this entry's index as the split's token. `kept` is the revision kept beside the
    stable one, `is_kept_ended` ends that. Only against `expected_version`, so that nothing is decided on a
    state that has moved on.
    """

    service_id: ServiceId
    expected_version: int
    rollout: Rollout | None = None
    orders: tuple[AssignmentOrder, ...] = ()
    forget: tuple[AssignmentRef, ...] = ()
    stable_revision: int | None = None
    is_service_forgotten: bool = False
    green_permille: int | None = None
    kept: Kept | None = None
    is_kept_ended: bool = False
    targeting: Targeting | None = None

    def __post_init__(self) -> None:
        rules.check_id("service id", self.service_id)
        if self.green_permille is not None:
            rules.check_range("green_permille", self.green_permille, 0, WHOLE_PERMILLE)
        if self.stable_revision is not None:
            _check_replica(self.stable_revision, 0)
        rules.check_count("orders", self.orders, ORDERS_MAX)
        rules.check_count("forget", self.forget, ORDERS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentReport:
    """What a host saw of one replica while acting on the assignment with `token`."""

    service_id: ServiceId
    revision: int
    ordinal: int
    token: int
    observed: Observation

    def __post_init__(self) -> None:
        rules.check_id("service id", self.service_id)
        _check_replica(self.revision, self.ordinal)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterReport:
    """How far the host's router has come, and what it lags behind with; see `RouterState`."""

    routed_index: int
    drained_index: int
    unrouted: tuple[int, ...] = ()
    undrained: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        rules.check_range("routed_index", self.routed_index, 0, 2**62)
        rules.check_range("drained_index", self.drained_index, 0, 2**62)
        check_exceptions("unrouted", self.unrouted, self.routed_index)
        check_exceptions("undrained", self.undrained, self.drained_index)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportAssignments:
    """Tell what a host carried out and saw. Result: how many reports counted (int).

    A report whose token is not the assignment's present one is late and does not count.
    """

    node_id: NodeId
    reports: tuple[AssignmentReport, ...]
    router: RouterReport | None = None
    reported_at_ms: int = 0

    def __post_init__(self) -> None:
        rules.check_id("node id", self.node_id)
        rules.check_count("reports", self.reports, REPORTS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportHook:
    """Tell that a hook of a rollout begins on this host, or how it ended. Result: the service's version.

    It begins only once its RUNNING was applied. Refused when the host is not asked for it (any more), by
    this `attempt`: then it must not begin.
    """

    node_id: NodeId
    rollout_id: RolloutId
    kind: HookKind
    number: int
    attempt: int
    phase: HookPhase
    exit_code: int | None = None
    reason: str = ""
    tail: str = ""

    def __post_init__(self) -> None:
        rules.check_id("node id", self.node_id)
        rules.check_id("rollout id", self.rollout_id)
        rules.check_range("hook number", self.number, 0, HOOKS_MAX - 1)
        rules.check_text("hook reason", self.reason, 1024)
        rules.check_text("hook tail", self.tail, TAIL_CHARS_MAX)
        if self.phase not in (HookPhase.RUNNING, HookPhase.SUCCEEDED, HookPhase.FAILED):
            raise ValueError(f"hook phase {self.phase}: a host says running, succeeded or failed")
