"""What the surfaces show: plain values, in the words and units of the interface.

Times are Unix epoch milliseconds. Empty text and null mean "not known" or "none".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from cluster.model.access import Role
from cluster.model.container import ContainerOptions
from cluster.model.hooks import HookKind, HookPhase
from cluster.model.node import NodeRole, NodeStatus
from cluster.model.placing import PlacementRules
from cluster.model.rollout import RolloutPhase, Steer, StepPhase
from cluster.model.service import (
    Aim,
    DesiredState,
    Fencing,
    FileReference,
    HealthCheck,
    PublishedPort,
    ReplicaPhase,
    Resources,
    RolloutPolicy,
    Route,
    VolumeMount,
)
from cluster.model.strategy import Colour, Strategy, TrafficStep
from cluster.readiness import Check, Level
from web.tools.behaviour import BehaviourView, LimitView
from web.tools.drift import DriftView, RunningView
from web.tools.placement_views import PlannedHost
from web.tools.scaling_views import ScalingChange, ScalingView
from web.tools.spec_diff import FieldChange
from web.tools.watch_views import WatchView

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def shallow(view: DataclassInstance) -> dict[str, Any]:
    """Return a view's fields by name, to build a view that says more."""
    return {item.name: getattr(view, item.name) for item in fields(view)}


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsView:
    """What a host said of itself."""

    hostname: str
    os_name: str
    os_version: str
    kernel: str
    arch: str
    cpu_count: int
    memory_bytes: int
    disk_bytes: int
    docker_version: str
    agent_version: str
    labels: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerCount:
    """How many containers a host has."""

    running: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """One host. `lag` counts the log entries it still has to receive or apply, null where that is not known
    here.

    `status_at_ms` is when its status last changed. `cpu_percent` is of all cores together, `memory_bytes`
    what is in use. `labels` are what placement rules see: its own and those given to it. `problem` says why
    its containers cannot be listed now. Until `maintenance_until_ms` the host may be away. `is_fenced`: it is
    down, and a person has said that it runs nothing any more. `is_unknown`: nobody leads who would say how it
    is, and the answering host cannot reach it; `status` is what was said last.
    """

    id: str
    name: str
    role: NodeRole
    status: NodeStatus
    status_reason: str
    status_at_ms: int
    is_draining: bool
    is_leader: bool
    is_self: bool
    address: str
    api_address: str
    joined_at_ms: int
    lag: int | None
    facts: FactsView
    labels: dict[str, str]
    containers: ContainerCount | None
    cpu_percent: float | None
    memory_bytes: int | None
    last_seen_ms: int | None
    problem: str
    maintenance_until_ms: int | None = None
    is_fenced: bool = False
    is_unknown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QuorumView:
    """How many voters there are, how many are well, and how many more may be lost.

    `translations` is the advice in other languages, by their codes.
    """

    voters: int
    healthy: int
    can_lose: int
    advice: str
    translations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterView:
    """The cluster as the answering node knows it.

    `age_ms`: for how long it may have missed changes, null when it has never been up to date. `disk_full`
    says why writes are refused here, null when they are not.
    """

    cluster_id: str
    name: str
    node_id: str
    version: str
    leader_id: str | None
    term: int
    commit_index: int
    applied_index: int
    age_ms: int | None
    quorum: QuorumView
    nodes: tuple[NodeView, ...]
    disk_full: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthView:
    """The answering node alone. `status` is "ready", or "not-ready" with the reason."""

    status: str
    reason: str | None
    node_id: str
    version: str
    leader_id: str | None
    applied_index: int
    age_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PortView:
    """A container's port; `host_port` 0 when it is not published."""

    container_port: int
    protocol: str
    host_ip: str
    host_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerView:
    """One container of any host and origin. `age_ms` is how old this is; `cpu_percent` is of one core.

    `image_labels` names the labels that are the image's own and not this container's, null while the image
    is not known. `can` are the actions that the caller may do to this one, null where that is the same for
    all containers.
    """

    id: str
    name: str
    image: str
    state: str
    status: str
    health: str
    created_at_ms: int
    project: str
    service: str
    revision: int
    is_managed: bool
    ports: tuple[PortView, ...]
    labels: dict[str, str]
    cpu_percent: float | None
    memory_bytes: int | None
    memory_limit_bytes: int | None
    node_id: str
    node_name: str
    age_ms: int | None
    image_labels: tuple[str, ...] | None = None
    can: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostProblem:
    """A host whose containers are not, or not newly, in the list."""

    node_id: str
    node_name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPage:
    """Some containers, and the hosts that could not be asked."""

    items: tuple[ContainerView, ...]
    next_cursor: str | None
    problems: tuple[HostProblem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerDetail(ContainerView):
    """One container. `detail` is what its engine says, null for those who may not inspect. `can` are the
    actions that the caller may do to this one."""

    detail: dict[str, object] | None
    can: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerActed:
    """What was done. `note` says what is going to happen by itself."""

    id: str
    name: str
    node_id: str
    node_name: str
    action: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeView:
    """Who the caller is, and what they may do. `csrf_token` goes with a browser's changes, null for
    others.
    """

    principal_id: str
    name: str
    role: Role
    permissions: tuple[str, ...]
    csrf_token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginView:
    """A login. Tokens are there in mode "token" alone; a browser has them as cookies.

    `recovery_codes` are there once, where an authenticator was enrolled with this login.
    """

    principal_id: str
    name: str
    role: Role
    expires_in_s: int
    csrf_token: str | None = None
    access_token: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    recovery_codes: tuple[str, ...] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupView:
    """Whether there is no account yet."""

    is_needed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRef:
    """An account."""

    id: str
    name: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaStepView:
    """Where the replacement of one replica stands. `reason` is what its new host last said of it."""

    ordinal: int
    phase: StepPhase
    reason: str
    node_id: str | None
    node_name: str
    old_node_id: str | None
    old_node_name: str
    old_revision: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageView:
    """Where a staged rollout stands. `name` is its stage, `words` the same for people.

    The stages of blue-green are deploy_green, health_check_green, approve, switch_traffic, monitor_green,
    decommission_blue and return_to_blue; of a canary deploy_canary, health_check_canary, approve,
    switch_traffic, monitor_canary, decommission_stable and return_to_stable. `colour` is the new revision's:
    which one is called blue and which green changes each time. `step` counts from 1 to `steps`; `permille` is
    the share that is ordered for the new revision. `hold_until_ms`: no earlier than then the step ends, null
    while it is not held.
    """

    name: str
    words: str
    colour: Colour
    step: int
    steps: tuple[TrafficStep, ...]
    permille: int
    since_ms: int
    hold_until_ms: int | None
    deadline_ms: int
    approved_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareView:
    """The share of the requests that one colour gets, and what it is made of: `replicas` are those that
    answer."""

    colour: Colour
    permille: int
    revisions: tuple[int, ...]
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterAckView:
    """One host's router. `has_routed`: it said that the split is in force there. One that is down is not
    waited for, and nothing is known of it."""

    node_id: str
    node_name: str
    is_down: bool
    has_routed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitView:
    """How requests are shared, and where that is in force.

    `token` names this change of it; `by` is who made it by hand, empty for a rollout. `waiting_for` are the
    hosts that are up and have not acknowledged it.
    """

    shares: tuple[ShareView, ...]
    token: int
    changed_at_ms: int
    by: str
    routers: tuple[RouterAckView, ...]
    waiting_for: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SteeringView:
    """What a person asked of a rollout, and the leader has not carried out yet."""

    steer: Steer
    by: str
    at_ms: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptView:
    """A replaced revision that is kept running without requests: until then, going back takes no start."""

    revision: int
    colour: Colour
    until_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRunView:
    """One command before (`pre`) or after (`post`) a rollout; `number` counts from 1.

    `exit_code` null: it has not ended, or was never begun. `tail` is the end of what it printed, without what
    is known to be secret.
    """

    kind: HookKind
    number: int
    command: tuple[str, ...]
    phase: HookPhase
    node_id: str | None
    node_name: str
    attempts: int
    since_ms: int | None
    timeout_ms: int
    exit_code: int | None
    reason: str
    tail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutView:
    """One rollout. `progress` says in words how far it has come, `reason` why it is in its phase.

    `asked_by` is who asked for it, `can` what can be asked of it now. `stage` is there for blue-green and
    canary, `split` while it is under way and shares requests, `behaviour` once both revisions answered side
    by side. `verdict` is the judge's last word, `limits` how it stands by those on metrics. `paused_at_ms`
    null: it is not paused.
    """

    id: str
    service_id: str
    from_revision: int
    to_revision: int
    phase: RolloutPhase
    progress: str
    reason: str
    failures: int
    started_at_ms: int
    changed_at_ms: int
    ended_at_ms: int | None
    deadline_ms: int
    replicas: tuple[ReplicaStepView, ...]
    strategy: Strategy
    aim: Aim
    is_unjudged: bool
    asked_by: str
    stage: StageView | None
    split: SplitView | None
    behaviour: BehaviourView | None
    verdict: str
    steering: SteeringView | None
    paused_at_ms: int | None
    can: tuple[Steer, ...]
    hooks: tuple[HookRunView, ...]
    limits: tuple[LimitView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaTrouble:
    """Why a replica that should serve does not, as far as its host has said. `node_name` empty: it has no
    host.
    """

    ordinal: int
    node_name: str
    is_host_down: bool
    phase: ReplicaPhase
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedRevision:
    """A revision that serves now: with how many replicas, on which hosts, for which share of the requests.

    `permille` is null where there is no route to share.
    """

    revision: int
    image: str
    digest: str
    replicas: int
    nodes: tuple[str, ...]
    permille: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    """One service. `status` is running, rolling-out, degraded, failed, starting, stopped or removing.

    `revision`, `image` and `digest` are what was asked for last, `serving` is what serves now: after a
    roll-back something else.
    `nodes` are the names of the hosts it runs on, `routes` the host names it answers to. `troubles` are the
    first replicas that should serve and do not. `adopted` counts the replicas that are containers somebody
    else made. `can` are the actions that the caller may do to this one and to its rollouts, null where that
    is the same for all services.
    """

    id: str
    project: str
    name: str
    status: str
    replicas_wanted: int
    replicas_ready: int
    revision: int
    stable_revision: int
    image: str
    digest: str
    nodes: tuple[str, ...]
    routes: tuple[str, ...]
    serving: tuple[ServedRevision, ...]
    troubles: tuple[ReplicaTrouble, ...]
    rollout_id: str | None
    version: int
    created_at_ms: int
    changed_at_ms: int
    strategy: Strategy
    kept: KeptView | None
    watch: WatchView | None
    adopted: int
    can: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecView:
    """What a container is made from. Environment values are null, and the options of its log driver left out,
    for those who may not inspect.
    """

    image: str
    digest: str
    command: tuple[str, ...] | None
    environment: dict[str, str | None]
    ports: tuple[PublishedPort, ...]
    volumes: tuple[VolumeMount, ...]
    healthcheck: HealthCheck | None
    resources: Resources
    labels: dict[str, str]
    stop_grace_period_ms: int
    route: Route | None
    secrets: tuple[FileReference, ...]
    configs: tuple[FileReference, ...]
    options: ContainerOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionView:
    """One specification of a service."""

    number: int
    created_at_ms: int
    created_by: str
    spec: SpecView


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentView:
    """One replica on one host: what is wanted of it, and what the host last said."""

    revision: int
    ordinal: int
    node_id: str
    node_name: str
    container_name: str
    container_id: str
    desired: DesiredState
    phase: ReplicaPhase
    reason: str
    address: str
    port: int
    restarts: int
    changed_at_ms: int
    observed_at_ms: int
    colour: Colour


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDetail(ServiceView):
    """One service with its specifications (newest first), replicas, and the rollout under way or the last.

    `running` are its containers as the hosts' engines list them, `drift` how those differ from what the
    cluster asked for, `unseen` hosts of it that cannot be asked. `split` is null without a route. `scaling`
    is null where it is not scaled by itself, `scalings` are the newest changes of the number of replicas.
    """

    policy: RolloutPolicy
    revisions: tuple[RevisionView, ...]
    assignments: tuple[AssignmentView, ...]
    rollout: RolloutView | None
    fencing: Fencing
    placement: PlacementRules
    labels: dict[str, str]
    split: SplitView | None
    running: tuple[RunningView, ...]
    drift: tuple[DriftView, ...]
    unseen: tuple[str, ...]
    scaling: ScalingView | None
    scalings: tuple[ScalingChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceChanged:
    """What was asked of a service. `done` says it in words, `next` what to look at.

    `rollout_id` is the rollout that carries it out, null where none is needed or none has begun.
    """

    service_id: str
    revision: int
    version: int
    rollout_id: str | None
    done: str
    next: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """One rollout to a revision, and how it ended. `requests`, `failures` and `lost` are what the new
    revision answered while it was judged, null where it was not."""

    rollout_id: str
    aim: Aim
    strategy: Strategy
    from_revision: int
    phase: RolloutPhase
    asked_by: str
    is_unjudged: bool
    reason: str
    verdict: str
    started_at_ms: int
    ended_at_ms: int | None
    requests: int | None
    failures: int | None
    lost: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One revision: what it is, what it changed, and what became of it (attempts newest first).

    `changes` are against the revision it took the place of, `compared_with`; 0: none is remembered.
    `state` is stable, rolling-out, kept, was-stable, failed or never-run. `promoted_from` is the service and
    revision of another environment it was copied from, "" for none.
    """

    revision: int
    state: str
    image: str
    digest: str
    created_at_ms: int
    created_by: str
    compared_with: int
    changes: tuple[FieldChange, ...]
    attempts: tuple[AttemptView, ...]
    promoted_from: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryView:
    """The revisions of a service that are remembered, newest first."""

    service_id: str
    revisions: tuple[HistoryEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonView:
    """Two revisions: what is different, and how they answered side by side.

    `behaviour` is null where they never did; `note` says so.
    """

    service_id: str
    before: int
    after: int
    changes: tuple[FieldChange, ...]
    behaviour: BehaviourView | None
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedService:
    """One service of a deployment. `rollout_id` is the rollout that carries it out, once it has begun.

    `changes` is what is different from the deployment before, `supersedes` the rollout under way that this
    one takes the place of. `is_retry`: nothing is different, and the revision is tried again.
    """

    service_id: str
    revision: int
    version: int
    rollout_id: str | None
    changed: bool
    strategy: Strategy
    changes: tuple[FieldChange, ...]
    supersedes: str | None
    is_retry: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoredKey:
    """A key of a Compose file that has no effect, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingView:
    """One thing wrong with a deployment, or better known before it.

    `check` says which of the checks found it. `service` "": it is about the file or the cluster. `field` is a
    place in the file, with its line where it is known.
    """

    check: Check
    level: Level
    service: str
    field: str
    rule: str
    hint: str
    file: str = ""
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLoadView:
    """What a host has to give besides what it gives now, at most, while both revisions are there."""

    node_name: str
    containers: int
    cpu_millis: int
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastView:
    """How a service would be rolled out.

    `order` is start-first, stop-first, beside, or none where no container is made. `steps_permille` are the
    shares of a staged rollout, after what `merged` says. `estimate_s` leaves out pulling images and waiting
    for people. `drops` is what is lost for sure.
    """

    service_id: str
    order: str
    reason: str
    batches: int
    steps_permille: tuple[int, ...]
    merged: str
    estimate_s: int
    extra: tuple[HostLoadView, ...]
    drops: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentView:
    """What a deployment changed, or with `dry_run` would change.

    `hosts`, `findings` and `plan` are only there with `dry_run`: where every replica would be as things are
    now, what would go wrong, and how each service would be rolled out.
    """

    project: str
    dry_run: bool
    services: tuple[DeployedService, ...]
    ignored: tuple[IgnoredKey, ...]
    warnings: tuple[str, ...]
    hosts: tuple[PlannedHost, ...]
    findings: tuple[FindingView, ...]
    plan: tuple[ForecastView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinTokenView:
    """A token with which hosts join. `state` is active, expired, used-up or revoked."""

    id: str
    state: str
    learner: bool
    uses_left: int
    expires_at_ms: int
    created_at_ms: int
    created_by: str
    redeemed_by: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinTokenMade:
    """A new join token. `token` is shown this once."""

    id: str
    token: str = field(repr=False)
    expires_at_ms: int
    uses: int
    learner: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UserView:
    """An account. `api_tokens` counts its live ones.

    `failed_logins` is what the answering host counted lately from addresses that are new to the account, and
    `login_wait_s` how long those wait. `provider` is the id of the identity provider that vouches for it.
    """

    id: str
    name: str
    role: Role
    has_password: bool
    created_at_ms: int
    changed_at_ms: int
    logins: int
    api_tokens: int
    has_second_factor: bool = False
    failed_logins: int = 0
    login_wait_s: int = 0
    provider: str = ""
    is_suspended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiTokenView:
    """A token for programs. `state` is active, expired or revoked; `expires_at_ms` null: no end.

    `scopes` empty: all its role may. `read_only`: it changes nothing. `toolsets` are those whose tools it is
    for, empty: all. `last_used_at_ms` is told in steps of minutes, null for never.
    """

    prefix: str
    name: str
    role: Role
    state: str
    owner_id: str
    owner_name: str
    created_at_ms: int
    expires_at_ms: int | None
    scopes: tuple[str, ...] = ()
    last_used_at_ms: int | None = None
    last_used_ip: str = ""
    read_only: bool = False
    toolsets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiTokenMade:
    """A new API token. `token` is shown this once."""

    prefix: str
    token: str = field(repr=False)
    name: str
    role: Role
    expires_at_ms: int | None
    read_only: bool = False
    toolsets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditView:
    """One entry of the audit. `decision` is allowed or denied, `outcome` what became of it.

    `actor` is empty for strangers, of whose refusals `count` were alike within a minute.
    """

    sequence: int
    at_ms: int
    actor: str
    actor_id: str
    action: str
    resource: str
    decision: str
    outcome: str
    reason: str
    command: str
    ip: str
    user_agent: str
    duration_ms: int
    request_id: str
    node: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingView:
    """A setting of the cluster. `value` null: not set, and `default` holds where there is one.

    `version` goes with a change that must not overwrite somebody else's; 0: it was never set.
    """

    key: str
    value: str | None
    default: str | None
    version: int
    changed_at_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesView:
    """One series: a value per moment of its host's `times_ms`, null = no sample."""

    subject: str
    metric: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLiveView:
    """The last ten minutes of one host. A series' subject is "host" or a container's id."""

    node_id: str
    times_ms: tuple[int, ...]
    series: tuple[SeriesView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileVersionView:
    """One version of a secret or config that is kept. `used_by` are services whose newest or running
    specification has it.
    """

    version: int
    size_bytes: int
    created_at_ms: int
    created_by: str
    used_by: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFileView:
    """A secret or config without its content, the newest version first. `environment` empty: for all."""

    name: str
    environment: str
    newest: int
    versions: tuple[FileVersionView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigView:
    """One version of a config, as text (`value`), or as base64 where it is no text."""

    name: str
    environment: str
    version: int
    size_bytes: int
    created_at_ms: int
    created_by: str
    value: str | None
    value_base64: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryView:
    """The login at one registry, without its password. `said` is what the registry answered when it was
    tried just now; `problem` is why that could not be asked. Null: it was not tried.
    """

    registry: str
    username: str
    changed_at_ms: int
    changed_by: str
    said: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteCertificateView:
    """A certificate routers serve HTTPS with, without its key. `ends_soon`: within two weeks."""

    name: str
    hosts: tuple[str, ...]
    not_after_ms: int
    ends_soon: bool
    fingerprint: str
    changed_at_ms: int
    changed_by: str
