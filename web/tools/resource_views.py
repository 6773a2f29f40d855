"""What the surfaces show of images, volumes, networks and Compose projects, and of what is done to them.

Times are Unix epoch milliseconds. `may_go` says whether cleaning up may take a thing, and `why` why (not);
`translations` say the same by language.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cluster.model.resources import ResourceKind
from web.tools.views import HostProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceUserView:
    """A container that uses it, running or not."""

    id: str
    name: str
    state: str
    project: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageView:
    """One image of one host. `own_bytes` are in no other image's layers, null where that was not counted."""

    id: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    size_bytes: int
    own_bytes: int | None
    created_at_ms: int
    labels: dict[str, str]
    users: tuple[ResourceUserView, ...]
    may_go: bool
    why: str
    translations: dict[str, str]
    node_id: str
    node_name: str
    age_ms: int

    @property
    def name(self) -> str:
        """What people call it."""
        return next(iter((*self.tags, *self.digests)), self.id.removeprefix("sha256:")[:12])


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeView:
    """One volume of one host. `size_bytes` is null where it was not counted; `service` names it."""

    name: str
    driver: str
    mountpoint: str
    project: str
    service: str
    size_bytes: int | None
    created_at_ms: int | None
    labels: dict[str, str]
    users: tuple[ResourceUserView, ...]
    may_go: bool
    why: str
    translations: dict[str, str]
    node_id: str
    node_name: str
    age_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkView:
    """One network of one host; `subnets` in CIDR notation."""

    id: str
    name: str
    driver: str
    scope: str
    is_internal: bool
    is_built_in: bool
    subnets: tuple[str, ...]
    project: str
    created_at_ms: int | None
    labels: dict[str, str]
    users: tuple[ResourceUserView, ...]
    may_go: bool
    why: str
    translations: dict[str, str]
    node_id: str
    node_name: str
    age_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePage:
    """Some images, and the hosts that could not be asked."""

    items: tuple[ImageView, ...]
    next_cursor: str | None
    problems: tuple[HostProblem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumePage:
    """Some volumes, and the hosts that could not be asked."""

    items: tuple[VolumeView, ...]
    next_cursor: str | None
    problems: tuple[HostProblem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPage:
    """Some networks, and the hosts that could not be asked."""

    items: tuple[NetworkView, ...]
    next_cursor: str | None
    problems: tuple[HostProblem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUsageView:
    """What a host's engine keeps on disk, counted `age_ms` ago. `reclaimable_bytes` of images no container
    uses."""

    node_id: str
    node_name: str
    age_ms: int
    images_bytes: int
    reclaimable_bytes: int
    containers_bytes: int
    volumes_bytes: int
    build_cache_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRemoved:
    """What is gone."""

    kind: ResourceKind
    id: str
    name: str
    node_id: str
    node_name: str
    bytes: int | None


class CleanupOutcome(StrEnum):
    """PLANNED: it would go. KEPT: it is in use or needed by now. FAILED: its host did not remove it."""

    PLANNED = "planned"
    REMOVED = "removed"
    KEPT = "kept"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanupItem:
    """One thing that is to go, or what became of it. `bytes` is what that frees at most, null: not known."""

    kind: ResourceKind
    id: str
    name: str
    node_id: str
    node_name: str
    bytes: int | None
    outcome: CleanupOutcome
    why: str
    translations: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanupView:
    """A clean-up, planned or carried out.

    `plan` is to be sent back to carry out exactly `items`; null once that was done. `kept` is what stays
    although no container uses it, and why. `bytes` is what goes, or went, at most. `gone` things of the plan
    were there no more. `left_over` more things could go with another plan.
    """

    is_done: bool
    plan: str | None
    items: tuple[CleanupItem, ...]
    kept: tuple[CleanupItem, ...]
    bytes: int
    gone: int
    left_over: int
    problems: tuple[HostProblem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PulledView:
    """Whether a host has the image now; `reason` says why not."""

    node_id: str
    node_name: str
    is_pulled: bool
    reason: str
    id: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PulledImages:
    """What came of a pull, by host."""

    image: str
    items: tuple[PulledView, ...]


class ProjectState(StrEnum):
    """Whether all, some or none of its containers run."""

    RUNNING = "running"
    PARTIAL = "partial"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectHost:
    """How many containers of a project a host has."""

    node_id: str
    node_name: str
    running: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectView:
    """Containers of one project, over all hosts. `managed` of them are replicas of Control Tower's services.

    `config_files` is what Compose wrote of where it read the project from. `can` are the actions that the
    caller may do to all of the others, null where that is the same for all containers.
    """

    name: str
    state: ProjectState
    running: int
    total: int
    unhealthy: int
    managed: int
    services: tuple[str, ...]
    hosts: tuple[ProjectHost, ...]
    config_files: str
    created_at_ms: int
    can: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectPage:
    """Some projects, and the hosts that could not be asked."""

    items: tuple[ProjectView, ...]
    next_cursor: str | None
    problems: tuple[HostProblem, ...]


class ProjectOutcome(StrEnum):
    """SKIPPED: there was nothing to do, or it is a replica, which its service looks after."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectStep:
    """What came of one container of a project; `reason` says why not."""

    id: str
    name: str
    service: str
    node_id: str
    node_name: str
    outcome: ProjectOutcome
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectActed:
    """What was done to a project, container by container, in the order it was done."""

    project: str
    action: str
    items: tuple[ProjectStep, ...]
