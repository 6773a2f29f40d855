"""The facts that checks are made on, and what has to be asked of hosts to have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cluster.model.ids import NodeId, ServiceId
from cluster.model.node import NodeStatus
from cluster.model.readiness import HostQuestion, HostReadiness, ImageAnswer
from cluster.model.service import Fencing, RolloutPolicy, ServiceSpec, VolumeKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Deploying:
    """One service as a deployment would make it.

    `scope` is its project within its environment. `planned` has the host of each replica that gets a
    container, None where there is none, for `reasons`; `keeps` the hosts of those that stay. `broken` names
    those of them, with what rules they break, that replicas cannot leave. `candidates` are
    the hosts it could be moved to by its rules. `before` is the stable specification, if there is one, and
    `ready` how many replicas of it answer. `moving` says what is under way. `lost_files` are secrets and
    configs of `before` that are not kept any more. `requests_per_s`, `p99_ms` and `failure_rate` (0 to 1) are
    what was measured last, None where nothing was. `addresses` are those of its replicas, by host.
    """

    service_id: ServiceId
    name: str
    scope: str
    spec: ServiceSpec
    replicas: int
    policy: RolloutPolicy
    fencing: Fencing = Fencing.NONE
    planned: tuple[NodeId | None, ...] = ()
    reasons: tuple[str, ...] = ()
    keeps: tuple[NodeId, ...] = ()
    broken: tuple[str, ...] = ()
    candidates: frozenset[NodeId] = frozenset()
    before: ServiceSpec | None = None
    ready: int = 0
    moving: str = ""
    lost_files: tuple[str, ...] = ()
    requests_per_s: float | None = None
    p99_ms: float | None = None
    failure_rate: float | None = None
    addresses: Mapping[NodeId, tuple[str, ...]] = field(default_factory=dict)

    @property
    def targets(self) -> tuple[NodeId, ...]:
        """The hosts that get a new container, once each, by id."""
        return tuple(sorted({node_id for node_id in self.planned if node_id is not None}))

    @property
    def is_new_spec(self) -> bool:
        return self.before != self.spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One host. `answer` None: it was asked and said nothing, for `silence`."""

    node_id: NodeId
    name: str
    status: NodeStatus
    answer: HostReadiness | None = None
    silence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Everything around the services.

    `routes` are (host, path, service) of all services there are; `certified` host names there are
    certificates for. `can_lose` is how many more voters may be lost, below 0 when the quorum is gone already;
    `advice` says it in words. `certificates` say until when those of hosts last.
    """

    hosts: Mapping[NodeId, Host]
    routes: Sequence[tuple[str, str, ServiceId]] = ()
    certified: Sequence[str] = ()
    can_lose: int = 1
    advice: str = ""
    certificates: Mapping[NodeId, int] = field(default_factory=dict)
    now_ms: int = 0

    def name(self, node_id: NodeId) -> str:
        host = self.hosts.get(node_id)
        return node_id if host is None else host.name

    def answer(self, node_id: NodeId) -> HostReadiness | None:
        host = self.hosts.get(node_id)
        return None if host is None else host.answer

    def image(self, node_id: NodeId, reference: str) -> ImageAnswer | None:
        """What a host said of an image; None when it said nothing."""
        answer = self.answer(node_id)
        if answer is None:
            return None
        return next((image for image in answer.images if image.image == reference), None)


def reference_of(spec: ServiceSpec) -> str:
    """Return the image as hosts pull it: by its digest, where it has one."""
    if not spec.digest:
        return spec.image
    name = spec.image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}@{spec.digest}"


def engine_volume(scope: str, source: str) -> str:
    """Return what the engine calls a named volume of a project."""
    return f"{scope}_{source}"


def question_for(node_id: NodeId, services: Sequence[Deploying]) -> HostQuestion:
    """Return what a host is to be asked about services that may come to it; about volumes and addresses of
    replicas on other hosts each is asked."""
    near = [each for each in services if node_id in each.candidates or node_id in each.targets]
    images = {reference_of(each.spec) for each in near}
    images |= {reference_of(each.before) for each in near if each.before is not None and each.is_new_spec}
    return HostQuestion(
        images=tuple(sorted(images)),
        ports=tuple(dict.fromkeys(port for each in near for port in each.spec.ports if port.host_port)),
        paths=tuple(
            sorted(
                {
                    volume.source
                    for each in near
                    for volume in each.spec.volumes
                    if volume.kind is VolumeKind.BIND
                }
            )
        ),
        volumes=tuple(
            sorted(
                {
                    engine_volume(each.scope, volume.source)
                    for each in services
                    for volume in each.spec.volumes
                    if volume.kind is VolumeKind.VOLUME and volume.source
                }
            )
        ),
        addresses=tuple(
            sorted(
                {
                    address
                    for each in services
                    if each.spec.route is not None
                    for other, addresses in each.addresses.items()
                    if other != node_id
                    for address in addresses
                }
            )
        ),
    )
