"""What is to run: services, and the immutable revisions of their specification."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from cluster.model import rules
from cluster.model.autoscaling import AutoscalePolicy, Scaling
from cluster.model.container import ContainerOptions
from cluster.model.experiment import Experiment, Targeting
from cluster.model.hooks import HOOKS_MAX, Hook
from cluster.model.ids import NodeId, RolloutId, ServiceId, scope_of
from cluster.model.placing import PlacementRules
from cluster.model.strategy import WHOLE_PERMILLE, Colour, Shift

REPLICAS_MAX = 1000
MINUTE_MS = 60_000
DAY_MS = 86_400_000
FILES_MAX = 64
"""Most secrets of one service, and most configs."""

ROUTER_EXCEPTIONS_MAX = 64
"""Most changes that one router names as exceptions, of each kind."""


class PortProtocol(StrEnum):
    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"


class VolumeKind(StrEnum):
    VOLUME = "volume"
    BIND = "bind"
    TMPFS = "tmpfs"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPort:
    """A container port; published on the host when `host_port` is set (0 lets the engine choose)."""

    container_port: int
    protocol: PortProtocol = PortProtocol.TCP
    host_port: int | None = None
    host_ip: str = ""

    def __post_init__(self) -> None:
        rules.check_range("ports: container port", self.container_port, 1, 65535)
        if self.host_port is not None:
            rules.check_range("ports: host port", self.host_port, 0, 65535)
        rules.check_text("ports: host ip", self.host_ip, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeMount:
    """Something of the host at `target` in the container: a named volume, a host path, or memory (`source`
    empty).

    Memory has a size (0: half of the host's) and a mode (0: 1777). With `is_copy_off` a new volume does not
    begin with what the image has at `target`.
    """

    kind: VolumeKind
    target: str
    source: str = ""
    is_read_only: bool = False
    memory_size_bytes: int = 0
    memory_mode: int = 0
    is_copy_off: bool = False

    def __post_init__(self) -> None:
        rules.check_text("volumes: target", self.target, 4096, chars_min=1)
        rules.check_text("volumes: source", self.source, 4096)
        if not self.target.startswith("/"):
            raise ValueError(
                f"volumes: target {self.target!r}: an absolute path inside the container is needed"
            )
        rules.check_range("volumes: size", self.memory_size_bytes, 0, 2**60)
        rules.check_range("volumes: mode", self.memory_mode, 0, 0o7777)


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """Compose's `healthcheck`. `test` begins with CMD, CMD-SHELL or NONE. `start_interval_ms` 0: as
    `interval_ms`."""

    test: tuple[str, ...]
    interval_ms: int = 30_000
    timeout_ms: int = 30_000
    retries: int = 3
    start_period_ms: int = 0
    start_interval_ms: int = 0

    def __post_init__(self) -> None:
        rules.check_count("healthcheck.test", self.test, 256)
        if not self.test or self.test[0] not in ("CMD", "CMD-SHELL", "NONE"):
            raise ValueError("healthcheck.test: it begins with CMD, CMD-SHELL or NONE")
        for item in self.test:
            rules.check_text("healthcheck.test", item, 32 * 1024)
        rules.check_range("healthcheck.interval_ms", self.interval_ms, 1, DAY_MS)
        rules.check_range("healthcheck.timeout_ms", self.timeout_ms, 1, DAY_MS)
        rules.check_range("healthcheck.retries", self.retries, 1, 1000)
        rules.check_range("healthcheck.start_period_ms", self.start_period_ms, 0, DAY_MS)
        rules.check_range("healthcheck.start_interval_ms", self.start_interval_ms, 0, DAY_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Limits and reservations; None = none. CPU in thousandths of a core. `pids_limit` bounds processes and
    threads.
    """

    cpu_limit_millis: int | None = None
    memory_limit_bytes: int | None = None
    cpu_reservation_millis: int | None = None
    memory_reservation_bytes: int | None = None
    pids_limit: int | None = None

    def __post_init__(self) -> None:
        for name in ("cpu_limit_millis", "cpu_reservation_millis"):
            value: int | None = getattr(self, name)
            if value is not None:
                rules.check_range(f"resources.{name}", value, 1, 10_000_000)
        for name in ("memory_limit_bytes", "memory_reservation_bytes"):
            value = getattr(self, name)
            if value is not None:
                rules.check_range(f"resources.{name}", value, 1, 2**60)
        if self.pids_limit is not None:
            rules.check_range("resources.pids_limit", self.pids_limit, 1, 2**22)


class Sticky(StrEnum):
    """What keeps a person on one revision, and with COOKIE on one replica."""

    NONE = "none"
    COOKIE = "cookie"
    ADDRESS = "address"


class RouteTls(StrEnum):
    """OFF: plain HTTP only. ON: also HTTPS where there is a certificate. REDIRECT: HTTP is sent to HTTPS."""

    OFF = "off"
    ON = "on"
    REDIRECT = "redirect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Requests for `host` go to the replicas' `port` once `health_path` answers 2xx or 3xx ("" = a TCP
    connect).

    Of several services of one host name, the one with the longest `path` that begins the request's gets it.
    `slow_start_ms`: how long a new replica's share takes to grow.
    """

    host: str
    port: int
    health_path: str = "/"
    path: str = "/"
    sticky: Sticky = Sticky.NONE
    tls: RouteTls = RouteTls.OFF
    slow_start_ms: int = 0

    def __post_init__(self) -> None:
        rules.check_name("route.host", self.host.removeprefix("*."))
        rules.check_range("route.port", self.port, 1, 65535)
        rules.check_text("route.health_path", self.health_path, 1024)
        if self.health_path and not self.health_path.startswith("/"):
            raise ValueError(f"route.health_path {self.health_path!r}: begin it with /")
        rules.check_text("route.path", self.path, 1024, chars_min=1)
        if not self.path.startswith("/"):
            raise ValueError(f"route.path {self.path!r}: begin it with /")
        rules.check_range("route.slow_start_ms", self.slow_start_ms, 0, DAY_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReference:
    """A secret or config as a file of the container, by reference only: the value is in no specification.

    `source` names the object. `version` is the one a deployment pinned, of `environment`'s own object or
    of the one for all environments (""); 0 is not pinned yet. `target` is the absolute path in the
    container (`secret_target` and `config_target` give the defaults), `uid` and `gid` own the file.
    Everybody in the container may read it unless `mode` says otherwise, as with Docker's own secrets:
    an image that runs as its own user could not read a file of root's alone.
    """

    source: str
    target: str
    version: int = 0
    environment: str = ""
    uid: int = 0
    gid: int = 0
    mode: int = 0o444

    def __post_init__(self) -> None:
        rules.check_object_name("source", self.source)
        rules.check_text("target", self.target, 4096, chars_min=2)
        parts = self.target.split("/")
        if parts[0] or any(part in ("", ".", "..") for part in parts[1:]):
            raise ValueError(f"target {self.target!r}: an absolute path of a file in the container is needed")
        rules.check_range("version", self.version, 0, 2**31)
        if self.environment:
            rules.check_name("environment", self.environment)
        rules.check_range("uid", self.uid, 0, 2**32 - 2)
        rules.check_range("gid", self.gid, 0, 2**32 - 2)
        if not 0 <= self.mode <= 0o777 or self.mode & 0o222:
            raise ValueError(f"mode {self.mode:04o}: 0000 to 0555 without write bits; the file is read-only")


def secret_target(source: str, target: str = "") -> str:
    """Return where a secret is: in /run/secrets under its own name, unless `target` says otherwise."""
    return target if target.startswith("/") else f"/run/secrets/{target or source}"


def config_target(source: str, target: str = "") -> str:
    """Return where a config is: under the root, unless `target` says otherwise."""
    return target if target.startswith("/") else f"/{target or source}"


class Fencing(StrEnum):
    """What keeps a service from running twice when a host is lost.

    NONE: a replica is started elsewhere at once, and the lost one may still run. STRICT: only when the lost
    host has surely stopped its own. MANUAL: only when a person says so.
    """

    NONE = "none"
    STRICT = "strict"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """What a container of the service is made from: everything whose change needs new containers.

    `image` is the reference as written, `digest` what it meant when the revision was made ("sha256:...";
    empty when the registry gives none). `environment` and `labels` are sorted pairs; `command` None keeps
    the image's own. `secrets` and `configs` name what the hosts put into the container as files. `fencing` is
    the service's when the revision was made: what a host does about its container when it is cut off, and so
    what may be assumed of one that is out of sight. `options` are the engine's settings.
    """

    image: str
    digest: str = ""
    command: tuple[str, ...] | None = None
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    ports: tuple[PublishedPort, ...] = ()
    volumes: tuple[VolumeMount, ...] = ()
    healthcheck: HealthCheck | None = None
    resources: Resources = field(default_factory=Resources)
    labels: tuple[tuple[str, str], ...] = ()
    stop_grace_period_ms: int = 10_000
    route: Route | None = None
    secrets: tuple[FileReference, ...] = ()
    configs: tuple[FileReference, ...] = ()
    fencing: Fencing = Fencing.NONE
    options: ContainerOptions = field(default_factory=ContainerOptions)

    def __post_init__(self) -> None:
        rules.check_text("image", self.image, 512, chars_min=1)
        rules.check_text("digest", self.digest, 128)
        if self.command is not None:
            rules.check_count("command", self.command, 1024)
            for item in self.command:
                rules.check_text("command", item, 128 * 1024)
        rules.check_pairs("environment", self.environment, 1024, 128 * 1024)
        rules.check_pairs("labels", self.labels, 256, 4096)
        rules.check_count("ports", self.ports, 128)
        rules.check_count("volumes", self.volumes, 128)
        rules.check_range("stop_grace_period_ms", self.stop_grace_period_ms, 0, DAY_MS)
        rules.check_count("secrets", self.secrets, FILES_MAX)
        rules.check_count("configs", self.configs, FILES_MAX)
        targets = [file.target for file in (*self.secrets, *self.configs)]
        for target in targets:
            if targets.count(target) > 1:
                raise ValueError(
                    f"secrets and configs: two files are to be {target}; give one another target"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One immutable specification of a service. Numbers count from 1 and are never used again.

    `bound` are the places of the Compose file whose values were those of the environment it was deployed to
    (variables, files of variables, sections of `x-tower-environments`): without the file nobody can tell what
    they would be elsewhere. `promoted_from` is the service and revision it was copied from.
    """

    service_id: ServiceId
    number: int
    spec: ServiceSpec
    created_at_ms: int
    created_by: str
    bound: tuple[str, ...] = ()
    promoted_from: str = ""


class FailureAction(StrEnum):
    """What a failing rollout does."""

    ROLLBACK = "rollback"
    PAUSE = "pause"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPolicy:
    """How a new revision takes the place of the old one. Not part of a revision: changing it restarts
    nothing.

    Start-first is `max_surge` above `max_unavailable`. `start_deadline_ms` is a replica's time to become
    healthy after its image is there, `progress_deadline_ms` the longest time without progress, `monitor_ms`
    how long a new replica must stay healthy, `drain_timeout_ms` the time old requests get before the old
    container is stopped; open WebSockets get `tunnel_drain_ms` in all. `delay_ms` passes between two batches.
    A rollout fails when more than `failures_max_permille` of its replicas have failed for good.
    `rollback_surge` is the surge of a roll-back, 0 for all at once. `shift` says how requests move over.
    `pre_deploy` are run before the first container of a revision serves, `post_deploy` after the last does.
    """

    max_surge: int = 1
    max_unavailable: int = 0
    start_deadline_ms: int = 2 * MINUTE_MS
    pull_deadline_ms: int = 10 * MINUTE_MS
    progress_deadline_ms: int = 10 * MINUTE_MS
    monitor_ms: int = 10_000
    drain_timeout_ms: int = 30_000
    retries: int = 1
    failure_action: FailureAction = FailureAction.ROLLBACK
    shift: Shift = field(default_factory=Shift)
    delay_ms: int = 0
    failures_max_permille: int = 0
    rollback_surge: int = 0
    tunnel_drain_ms: int = 0
    pre_deploy: tuple[Hook, ...] = ()
    post_deploy: tuple[Hook, ...] = ()

    def __post_init__(self) -> None:
        rules.check_range("max_surge", self.max_surge, 0, REPLICAS_MAX)
        rules.check_range("max_unavailable", self.max_unavailable, 0, REPLICAS_MAX)
        if self.max_surge == self.max_unavailable == 0:
            raise ValueError("max_surge and max_unavailable are both 0: no replica could ever be replaced")
        rules.check_range("start_deadline_ms", self.start_deadline_ms, 1000, DAY_MS)
        rules.check_range("pull_deadline_ms", self.pull_deadline_ms, 1000, DAY_MS)
        rules.check_range("progress_deadline_ms", self.progress_deadline_ms, 1000, 7 * DAY_MS)
        rules.check_range("monitor_ms", self.monitor_ms, 0, DAY_MS)
        rules.check_range("drain_timeout_ms", self.drain_timeout_ms, 0, DAY_MS)
        rules.check_range("retries", self.retries, 0, 100)
        rules.check_range("delay_ms", self.delay_ms, 0, DAY_MS)
        rules.check_range("failures_max_permille", self.failures_max_permille, 0, WHOLE_PERMILLE)
        rules.check_range("rollback_surge", self.rollback_surge, 0, REPLICAS_MAX)
        rules.check_range("tunnel_drain_ms", self.tunnel_drain_ms, 0, DAY_MS)
        rules.check_count("hooks.pre_deploy", self.pre_deploy, HOOKS_MAX)
        rules.check_count("hooks.post_deploy", self.post_deploy, HOOKS_MAX)

    @property
    def longest_drain_ms(self) -> int:
        """How long a replica may take to end what it serves before its container is stopped."""
        return max(self.drain_timeout_ms, self.tunnel_drain_ms)


class Aim(StrEnum):
    """What the newest attempt to change a service was asked for as."""

    DEPLOY = "deploy"
    ROLLBACK = "rollback"
    RETRY = "retry"
    PROMOTE = "promote"
    EXPERIMENT = "experiment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One wish to have a revision run: each is rolled out once. `number` rises with each.

    `is_unjudged` skips approval and judgement: an emergency, or back to what was known to be good.
    `at_ms` is log time. With an `experiment` the revision is tried beside the stable one, which stays.
    """

    number: int = 0
    aim: Aim = Aim.DEPLOY
    is_unjudged: bool = False
    by: str = ""
    at_ms: int = 0
    experiment: Experiment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """How a service's requests are shared: `green_permille` for GREEN, the rest for BLUE.

    `token` is the log index of its newest change, which the routers' reports are compared with; 0 before the
    first. `by` names the person who set it by hand, "" when a rollout did. `targeting` says of which requests
    chance does not decide, None: of none.
    """

    green_permille: int = 0
    token: int = 0
    changed_at_ms: int = 0
    by: str = ""
    targeting: Targeting | None = None

    @property
    def colour(self) -> Colour:
        """The colour that has most of the requests."""
        return Colour.GREEN if 2 * self.green_permille > WHOLE_PERMILLE else Colour.BLUE

    def permille_of(self, colour: Colour) -> int:
        return self.green_permille if colour is Colour.GREEN else WHOLE_PERMILLE - self.green_permille


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A revision that was replaced and is kept running without requests, to be switched back to at once."""

    revision: int
    colour: Colour
    until_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service. `revision` is the specification that is wanted, `stable_revision` the last one that was
    rolled out whole (0: none yet), `rollout_id` the rollout under way. `newest_revision` is the highest
    number given so far.

    `version` rises with every change of this record or of its assignments' desired states: the leader
    decides on a version and commits only against it. `is_removed` asks for its replicas to be taken down;
    the record goes last. `environment` is where it is deployed to, "" for none. `labels` are sorted pairs of
    the service itself, which its containers do not get.

    With `autoscale` it is scaled by itself, except while `scale_held_by` names who set the number of
    replicas by hand (until the next deployment). `scalings` are the newest changes of that number, oldest
    first.
    """

    id: ServiceId
    project: str
    name: str
    replicas: int
    policy: RolloutPolicy
    revision: int
    stable_revision: int
    rollout_id: RolloutId | None
    version: int
    created_at_ms: int
    changed_at_ms: int
    is_removed: bool = False
    newest_revision: int = 0
    attempt: Attempt = field(default_factory=Attempt)
    split: Split = field(default_factory=Split)
    kept: Kept | None = None
    fencing: Fencing = Fencing.NONE
    placement: PlacementRules = field(default_factory=PlacementRules)
    environment: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    autoscale: AutoscalePolicy | None = None
    scale_held_by: str = ""
    scalings: tuple[Scaling, ...] = ()

    @property
    def scope(self) -> str:
        """What its containers, networks and volumes share with the rest of its project on a host, and with
        nothing of another environment."""
        return scope_of(self.project, self.environment)


class DesiredState(StrEnum):
    """What the leader wants of one replica on one host, in the order of a life.

    STARTED runs outside the router; SERVING also gets requests; DRAINING gets no new ones; REMOVED is
    stopped and gone.
    """

    STARTED = "started"
    SERVING = "serving"
    DRAINING = "draining"
    REMOVED = "removed"


class ReplicaPhase(StrEnum):
    """What the host says of the replica."""

    PENDING = "pending"
    PULLING = "pulling"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    EXITED = "exited"
    FAILED = "failed"
    REMOVED = "removed"

    @property
    def is_running(self) -> bool:
        return self in (ReplicaPhase.STARTING, ReplicaPhase.HEALTHY, ReplicaPhase.UNHEALTHY)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentKey:
    """One replica of one revision on one host. The same replica may be on two hosts while it moves."""

    service_id: ServiceId
    revision: int
    ordinal: int
    node_id: NodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a host last saw of its replica: where it answers (`address`, `port`; empty and 0 while it does
    not), and why it is in this phase. `observed_at_ms` is the host's clock.
    """

    phase: ReplicaPhase = ReplicaPhase.PENDING
    container_id: str = ""
    address: str = ""
    port: int = 0
    restarts: int = 0
    reason: str = ""
    observed_at_ms: int = 0

    def __post_init__(self) -> None:
        rules.check_text("container id", self.container_id, 64)
        rules.check_text("address", self.address, 64)
        rules.check_range("port", self.port, 0, 65535)
        rules.check_range("restarts", self.restarts, 0, 2**31)
        rules.check_text("reason", self.reason, 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What one host is to do for one replica, and what it last said of it.

    `token` is the log index of the newest change of `desired`, given by the state machine: a host acts on
    the highest it has seen and refuses lower ones, and what it reports counts only with this token.
    `leader_term` is the term of the leader who decided. `changed_at_ms` is the log time of that change.
    `colour` is the group the routers count it to, for as long as it lives. `leave_by_ms` above 0: somebody
    asked for it to be moved to another host, which is tried until that log time. `adopted_id` is the
    container it began with when somebody else had made that; once that is gone it is a replica like any.
    `told` is the kind of the event that said last that it is not well, "" once it is.
    """

    service_id: ServiceId
    revision: int
    ordinal: int
    node_id: NodeId
    desired: DesiredState
    token: int
    leader_term: int
    changed_at_ms: int
    observed: Observation = field(default_factory=Observation)
    colour: Colour = Colour.BLUE
    leave_by_ms: int = 0
    adopted_id: str = ""
    told: str = ""

    @property
    def key(self) -> AssignmentKey:
        return AssignmentKey(
            service_id=self.service_id, revision=self.revision, ordinal=self.ordinal, node_id=self.node_id
        )

    @property
    def is_adopted(self) -> bool:
        """Whether it still is the container that somebody else made, and not what took its place."""
        return bool(self.adopted_id) and self.observed.container_id in ("", self.adopted_id)

    @property
    def container_name(self) -> str:
        """The same on every host and attempt, so that a repeated start finds what is there."""
        return container_name(self.service_id, self.revision, self.ordinal)


def container_name(service_id: ServiceId, revision: int, ordinal: int) -> str:
    return f"tower-{service_id}-{revision}-{ordinal}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterState:
    """How far one host's router has come, in log indexes.

    Up to `routed_index` every change of desired states is in force for new requests, except those with a
    token in `unrouted`; up to `drained_index` the replicas that left have no request in flight any more, or
    their drain time is over, except those with a token in `undrained`. Exceptions are ascending, no higher
    than their index, and at most `ROUTER_EXCEPTIONS_MAX` of each kind. Replicas ordered in one change have
    one token, and so one exception.
    """

    node_id: NodeId
    routed_index: int
    drained_index: int
    reported_at_ms: int
    unrouted: tuple[int, ...] = ()
    undrained: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_exceptions("unrouted", self.unrouted, self.routed_index)
        check_exceptions("undrained", self.undrained, self.drained_index)

    def has_routed(self, token: int) -> bool:
        """Whether the change with `token` is in force for new requests."""
        return self.routed_index >= token and token not in self.unrouted

    def has_drained(self, token: int) -> bool:
        """Whether what the change with `token` took out of the router has no request in flight any more."""
        return self.drained_index >= token and token not in self.undrained


def check_exceptions(field: str, tokens: tuple[int, ...], index: int) -> None:
    """The exceptions of a router's index."""
    rules.check_ascending(field, tokens, 1, index, ROUTER_EXCEPTIONS_MAX)
