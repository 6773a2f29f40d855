"""The command that makes running containers a service."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.model import rules
from cluster.model.ids import NodeId, ServiceId, service_id_of
from cluster.model.service import REPLICAS_MAX, Fencing, RolloutPolicy, ServiceSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptedContainer:
    """One replica: the container it is, and the host that one runs on."""

    node_id: NodeId
    container_id: str

    def __post_init__(self) -> None:
        rules.check_id("node id", self.node_id)
        rules.check_text("container id", self.container_id, 64, chars_min=64)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptContainers:
    """Make running containers the replicas of a new service, by their place in `containers`. Result:
    `[revision, version]`.

    `spec` is what they could have been made from, and the service's first stable revision: no rollout
    follows, and nothing is started or stopped. Refused when the service is there already, or one of the
    containers is somebody's.
    """

    service_id: ServiceId
    project: str
    name: str
    spec: ServiceSpec
    containers: tuple[AdoptedContainer, ...]
    policy: RolloutPolicy = field(default_factory=RolloutPolicy)
    created_by: str = ""

    def __post_init__(self) -> None:
        rules.check_id("service id", self.service_id)
        rules.check_id("project", self.project)
        rules.check_id("service name", self.name)
        wanted = service_id_of(self.project, self.name, "")
        if self.service_id != wanted:
            raise ValueError(f"service id {self.service_id!r}: it is {wanted}")
        if self.spec.fencing is not Fencing.NONE:
            raise ValueError(
                f"spec: fencing {self.spec.fencing}: what a host does when it is cut off is not known of"
                " containers that somebody else made; adopt them, then deploy with it"
            )
        rules.check_count("containers", self.containers, REPLICAS_MAX)
        if not self.containers:
            raise ValueError("containers: there are none; name at least one")
        ids = [each.container_id for each in self.containers]
        if len(set(ids)) < len(ids):
            raise ValueError("containers: one is there twice")
        rules.check_text("created by", self.created_by, 128)
