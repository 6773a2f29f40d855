"""What each topic tells: everything at first, then what changed.

A feed keeps what it told last. `update` looks anew and returns the message for those who know that;
`snapshot` returns the message for one who knows nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from pydantic import TypeAdapter

from web.tools.alert_views import AlertView
from web.tools.alerts import read_open_alerts
from web.tools.cluster import read_cluster
from web.tools.containers import read_containers
from web.tools.context import Context
from web.tools.metrics import live_view
from web.tools.rollouts import read_newest
from web.tools.services import read_services
from web.tools.views import (
    ClusterView,
    ContainerView,
    HostLiveView,
    HostProblem,
    NodeView,
    RolloutView,
    ServiceView,
)

_Key = TypeVar("_Key")
_View = TypeVar("_View")


SECONDS_ASKED = 5
"""Of how many seconds hosts are asked every second: as many as an answer may be late."""


class Topic(StrEnum):
    """What can be subscribed to."""

    ALERTS = "alerts"
    CLUSTER = "cluster"
    CONTAINERS = "containers"
    METRICS = "metrics"
    SECONDS = "seconds"
    SERVICES = "services"


ACTION_OF = {
    Topic.ALERTS: "alert.read",
    Topic.CLUSTER: "cluster.read",
    Topic.CONTAINERS: "container.read",
    Topic.METRICS: "metrics.read",
    Topic.SECONDS: "metrics.read",
    Topic.SERVICES: "service.read",
}


class Feed(Protocol):
    """One topic's messages. `tables` are those of the replicated state whose change is news of it."""

    topic: Topic
    tables: frozenset[str]

    async def update(self) -> str | None:
        """Look anew; returns the message about what changed since the last look, None when nothing did."""
        ...

    def snapshot(self) -> str:
        """Return everything as of the last look."""
        ...


class ClusterFeed:
    """The whole cluster view each time: it is small."""

    topic = Topic.CLUSTER
    tables = frozenset({"nodes", "control"})

    def __init__(self, context: Context, *, numbers_s: float) -> None:
        self._context = context
        self._numbers_s = numbers_s
        self._told: ClusterView | None = None
        self._told_s = float("-inf")
        self._text = ""

    async def update(self) -> str | None:
        view = await read_cluster(self._context)
        now_s = self._context.surroundings.clock.monotonic_s()
        if view == self._told:
            return None
        is_news = self._told is None or _without_numbers(view) != _without_numbers(self._told)
        # Numbers move all the time; alone they are told less often.
        if not is_news and now_s - self._told_s < self._numbers_s:
            return None
        self._told, self._told_s = view, now_s
        self._text = _message(self.topic, "data", _CLUSTER, view)
        return self._text

    def snapshot(self) -> str:
        return self._text


class ServicesFeed:
    """Services and rollouts: those that changed, and the ids of those that are gone."""

    topic = Topic.SERVICES
    tables = frozenset({"services", "revisions", "assignments", "rollouts", "nodes", "routers"})

    def __init__(self, context: Context) -> None:
        self._context = context
        self._services: dict[str, ServiceView] = {}
        self._rollouts: dict[str, RolloutView] = {}

    async def update(self) -> str | None:
        services = {view.id: view for view in read_services(self._context.surroundings)}
        rollouts = {view.id: view for view in read_newest(self._context.surroundings)}
        changed = _Services(
            changed=_changed(self._services, services),
            removed=tuple(sorted(self._services.keys() - services.keys())),
            rollouts=_changed(self._rollouts, rollouts),
        )
        self._services, self._rollouts = services, rollouts
        if not (changed.changed or changed.removed or changed.rollouts):
            return None
        return _flat(self.topic, _SERVICES, changed)

    def snapshot(self) -> str:
        everything = _AllServices(
            items=tuple(self._services.values()), rollouts=tuple(self._rollouts.values())
        )
        return _message(self.topic, "data", _ALL_SERVICES, everything)


class AlertsFeed:
    """Open alerts: those that changed, and the numbers of those that are over.

    `event` is "alert:new" when people were told of one since the last look, else "alert:changed"; `new` are
    their numbers.
    """

    topic = Topic.ALERTS
    tables = frozenset({"alerts"})

    def __init__(self, context: Context) -> None:
        self._context = context
        self._alerts: dict[int, AlertView] = {}

    async def update(self) -> str | None:
        alerts = {view.number: view for view in read_open_alerts(self._context.surroundings)}
        changed = _changed(self._alerts, alerts)
        removed = tuple(sorted(self._alerts.keys() - alerts.keys()))
        new = tuple(
            view.number
            for view in changed
            if view.told_at_ms is not None
            and (view.number not in self._alerts or self._alerts[view.number].told_at_ms is None)
        )
        self._alerts = alerts
        if not (changed or removed):
            return None
        event = "alert:new" if new else "alert:changed"
        return _flat(self.topic, _ALERTS, _Alerts(event=event, new=new, changed=changed, removed=removed))

    def snapshot(self) -> str:
        return _message(self.topic, "data", _ALL_ALERTS, _AllAlerts(items=tuple(self._alerts.values())))


class ContainersFeed:
    """Containers that changed but for their numbers, which the topic metrics tells."""

    topic = Topic.CONTAINERS
    tables: frozenset[str] = frozenset()

    def __init__(self, context: Context) -> None:
        self._context = context
        self._containers: dict[tuple[str, str], ContainerView] = {}
        self._problems: tuple[HostProblem, ...] = ()

    async def update(self) -> str | None:
        found, problems = await read_containers(self._context)
        containers = {(view.node_id, view.id): view for view in found}
        changed = _Containers(
            changed=_changed(self._containers, containers, _without_usage),
            removed=tuple(
                _Gone(node_id=node_id, id=container_id)
                for node_id, container_id in sorted(self._containers.keys() - containers.keys())
            ),
            problems=problems,
        )
        is_news = bool(changed.changed or changed.removed) or problems != self._problems
        self._containers, self._problems = containers, problems
        return _flat(self.topic, _CONTAINERS, changed) if is_news else None

    def snapshot(self) -> str:
        everything = _AllContainers(items=tuple(self._containers.values()), problems=self._problems)
        return _message(self.topic, "data", _ALL_CONTAINERS, everything)


class MetricsFeed:
    """The moments since the last look, the last one again: its slot may have been filling still."""

    topic = Topic.METRICS
    tables: frozenset[str] = frozenset()

    def __init__(self, context: Context) -> None:
        self._context = context
        self._hosts: dict[str, HostLiveView] = {}

    async def update(self) -> str | None:
        hosts = {
            str(host.node_id): live_view(host)
            for host in await self._context.live.read(patience_s=self._context.pace.list_patience_s)
        }
        news = _news(hosts, self._hosts)
        self._hosts = hosts
        return _message(self.topic, "data", _METRICS, news) if news else None

    def snapshot(self) -> str:
        return _message(self.topic, "data", _METRICS, tuple(self._hosts.values()))


class SecondsFeed:
    """The same numbers every second, which hosts measure only while somebody watches."""

    topic = Topic.SECONDS
    tables: frozenset[str] = frozenset()

    def __init__(self, context: Context) -> None:
        self._context = context
        self._hosts: dict[str, HostLiveView] = {}

    async def update(self) -> str | None:
        answers = await self._context.surroundings.hosts.watch(SECONDS_ASKED)
        hosts = {str(host.node_id): live_view(host) for host in answers}
        news = _news(hosts, self._hosts)
        self._hosts = hosts
        return _message(self.topic, "data", _METRICS, news) if news else None

    def snapshot(self) -> str:
        return _message(self.topic, "data", _METRICS, tuple(self._hosts.values()))


def feeds_of(context: Context) -> dict[Topic, Feed]:
    """Return a feed for every topic."""
    feeds: Iterable[Feed] = (
        AlertsFeed(context),
        ClusterFeed(context, numbers_s=context.pace.metrics_s),
        ContainersFeed(context),
        MetricsFeed(context),
        SecondsFeed(context),
        ServicesFeed(context),
    )
    return {feed.topic: feed for feed in feeds}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Services:
    changed: tuple[ServiceView, ...]
    removed: tuple[str, ...]
    rollouts: tuple[RolloutView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _AllServices:
    items: tuple[ServiceView, ...]
    rollouts: tuple[RolloutView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alerts:
    event: str
    new: tuple[int, ...]
    changed: tuple[AlertView, ...]
    removed: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _AllAlerts:
    items: tuple[AlertView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gone:
    node_id: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Containers:
    changed: tuple[ContainerView, ...]
    removed: tuple[_Gone, ...]
    problems: tuple[HostProblem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _AllContainers:
    items: tuple[ContainerView, ...]
    problems: tuple[HostProblem, ...]


_ALERTS: TypeAdapter[Any] = TypeAdapter(_Alerts)
_ALL_ALERTS: TypeAdapter[Any] = TypeAdapter(_AllAlerts)
_CLUSTER: TypeAdapter[Any] = TypeAdapter(ClusterView)
_SERVICES: TypeAdapter[Any] = TypeAdapter(_Services)
_ALL_SERVICES: TypeAdapter[Any] = TypeAdapter(_AllServices)
_CONTAINERS: TypeAdapter[Any] = TypeAdapter(_Containers)
_ALL_CONTAINERS: TypeAdapter[Any] = TypeAdapter(_AllContainers)
_METRICS: TypeAdapter[Any] = TypeAdapter(tuple[HostLiveView, ...])


def _message(topic: Topic, member: str, adapter: TypeAdapter[Any], value: object) -> str:
    return f'{{"topic":"{topic}","{member}":{adapter.dump_json(value).decode()}}}'


def _flat(topic: Topic, adapter: TypeAdapter[Any], value: object) -> str:
    return f'{{"topic":"{topic}",{adapter.dump_json(value).decode()[1:]}'


def _changed(
    before: Mapping[_Key, _View],
    now: Mapping[_Key, _View],
    look: Callable[[_View], object] = lambda view: view,
) -> tuple[_View, ...]:
    return tuple(view for key, view in now.items() if key not in before or look(before[key]) != look(view))


def _without_usage(view: ContainerView) -> ContainerView:
    return replace(view, cpu_percent=None, memory_bytes=None, memory_limit_bytes=None, age_ms=None)


def _without_numbers(view: ClusterView) -> ClusterView:
    nodes = tuple(_without_node_numbers(node) for node in view.nodes)
    return replace(view, nodes=nodes, commit_index=0, applied_index=0, age_ms=None)


def _without_node_numbers(node: NodeView) -> NodeView:
    return replace(node, lag=None, cpu_percent=None, memory_bytes=None, last_seen_ms=None)


def _news(hosts: Mapping[str, HostLiveView], known: Mapping[str, HostLiveView]) -> tuple[HostLiveView, ...]:
    """Return what of `hosts` was not told with `known`, by id."""
    return tuple(
        tail
        for node_id, host in sorted(hosts.items())
        if (tail := _since(host, known.get(node_id))) is not None
    )


def _since(host: HostLiveView, known: HostLiveView | None) -> HostLiveView | None:
    """Return what of `host` was not told with `known`; None when that is nothing."""
    if known is None or not known.times_ms:
        return host if host.times_ms else None
    if host == known:
        return None
    start = next((place for place, at_ms in enumerate(host.times_ms) if at_ms >= known.times_ms[-1]), None)
    if start is None:
        return None
    return HostLiveView(
        node_id=host.node_id,
        times_ms=host.times_ms[start:],
        series=tuple(replace(series, values=series.values[start:]) for series in host.series),
    )
