"""What runs on a host, as one host tells another and the surfaces show it.

Not replicated: each host knows its own, and tells whoever asks. Times are Unix epoch milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from cluster.model.ids import NodeId


class HostUnavailable(Exception):
    """The host that has the container cannot be asked now; the text says why and what to try."""


class HostRefused(Exception):
    """The host, or its engine, refuses. `code` is one of not-found, conflict, refused; the text is for
    people.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class ContainerAction(StrEnum):
    """What a person may ask of any container, managed or not."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    KILL = "kill"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPort:
    """A container port; `host_port` 0 when it is not published."""

    container_port: int
    protocol: str = "tcp"
    host_ip: str = ""
    host_port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSummary:
    """One container of any origin.

    `project` and `service` come from Compose's labels, or from Control Tower's own, which also make
    `is_managed`. `cpu_percent` (of one core) and `memory_bytes` are the newest samples, None without one.
    `image_labels` names the labels that are the image's own, None while the image is not known: nobody set
    those for this container.
    """

    id: str
    name: str
    image: str
    state: str
    status: str
    health: str
    created_at_ms: int
    project: str = ""
    service: str = ""
    revision: int = 0
    is_managed: bool = False
    ports: tuple[ContainerPort, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    image_labels: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostInventory:
    """Everything on one host, as it was `age_ms` before it was told: ages can be compared between hosts,
    clocks cannot.

    `problem` says, for people, why the engine cannot be asked at the moment; the lists are then the last
    known. `applied_index`: how far the host's state had come. `router_problem`: why requests for services are
    not served on this host.
    """

    node_id: NodeId
    age_ms: int = 0
    applied_index: int = 0
    problem: str = ""
    containers: tuple[ContainerSummary, ...] = ()
    image_count: int = 0
    volume_count: int = 0
    network_count: int = 0
    router_problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSeries:
    """One series of a host's last minutes, a value per slot of `HostLive.times_ms`; None = no sample.

    `subject` is "host" or a container's id; `metric` a name of `agent.collect.live_window.Metric`.
    """

    subject: str
    metric: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLive:
    """The last ten minutes of one host."""

    node_id: NodeId
    times_ms: tuple[int, ...] = ()
    series: tuple[LiveSeries, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of a container's output, without its line ending. `stream` is "stdout" or "stderr"."""

    stream: str
    at_ms: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """Which lines: the last `tail` (None: all), not before `since_ms` (0: from the start), and then those
    to come.
    """

    tail: int | None = 100
    since_ms: int = 0
    is_following: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """What is known here of another host: its newest inventory, how old it is, and why it is not newer.

    `lag`: how many committed entries, as known here, it had not applied when it answered; None for this host
    and for one that does not answer.
    """

    node_id: NodeId
    inventory: HostInventory | None
    age_ms: int | None
    problem: str = ""
    lag: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """On whose behalf a host acts: passed on with every request, and written to its log."""

    principal_id: str
    name: str
    role: str
    request_id: str
    ip: str = field(default="")
