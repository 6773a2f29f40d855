"""What each topic tells: everything at first, then what changed.

A feed keeps what it told last. `update` looks anew and returns the message for those who know that;
`snapshot` returns the message for one who knows nothing, and `since` what one missed who comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from typing import Any, Protocol

from pydantic import TypeAdapter

from cluster.model.events import Event, Severity
from cluster.store import records
from web.live.changes import Change, Recently, change_between
from web.live.news import News, Wish
from web.live.topics import Filter, Topic, listed
from web.tools.alert_views import AlertView
from web.tools.alerts import read_open_alerts
from web.tools.cluster import read_cluster
from web.tools.containers import (
    ContainerFilter,
    ContainerLookup,
    fits,
    look_up_containers,
    read_containers,
)
from web.tools.context import Context
from web.tools.metrics import live_view
from web.tools.plan_views import PlanNews
from web.tools.plans import read_plan_news
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
from web.tools.webhook_views import EventView, event_view

SECONDS_ASKED = 5
"""Of how many seconds hosts are asked every second: as many as an answer may be late."""
SECONDS_UPDATED = 10
"""The same, every five seconds."""
EVENTS_AT_FIRST = 100
EVENTS_READ_MAX = 1000
"""So many events are looked through for those who are new or come back."""


class Feed(Protocol):
    """One topic's messages. `tables` are those of the replicated state whose change is news of it.

    A filter's `node` is an id here.
    """

    topic: Topic
    tables: frozenset[str]

    async def update(self) -> News | None:
        """Look anew; returns the message about what changed since the last look, None when nothing did."""
        ...

    def snapshot(self) -> News:
        """Return everything as of the last look."""
        ...

    def since(self, position: str) -> Sequence[News] | None:
        """Return what was told after `position`; None when that is not known any more."""
        ...


class _Recounted:
    """What feeds have in common that tell changes by number."""

    def __init__(self, context: Context, epoch: str) -> None:
        self._context = context
        self._recently = Recently(epoch)
        self._snapshot: News | None = None

    def since(self, position: str) -> Sequence[News] | None:
        return self._recently.since(position)

    def _whole(self, encode: Callable[[Wish], str | None]) -> News:
        """Return the message with everything, one and the same until the next change."""
        if self._snapshot is None or self._snapshot.position != self._recently.position:
            self._snapshot = News(self._recently.position, encode)
        return self._snapshot


class ClusterFeed(_Recounted):
    """The whole cluster view each time: it is small."""

    topic = Topic.CLUSTER
    tables = frozenset({"nodes", "control"})

    def __init__(self, context: Context, epoch: str) -> None:
        super().__init__(context, epoch)
        self._numbers_s = context.pace.metrics_s
        self._told: ClusterView | None = None
        self._told_s = float("-inf")

    async def update(self) -> News | None:
        view = await read_cluster(self._context)
        now_s = self._context.surroundings.clock.monotonic_s()
        if view == self._told:
            return None
        is_news = self._told is None or _without_numbers(view) != _without_numbers(self._told)
        # Numbers move all the time; alone they are told less often.
        if not is_news and now_s - self._told_s < self._numbers_s:
            return None
        self._told, self._told_s = view, now_s
        return self._recently.add(lambda _: _data(view))

    def snapshot(self) -> News:
        told = self._told
        return self._whole(lambda _: _data(told))


class ServicesFeed(_Recounted):
    """Services and rollouts: those that changed, and the ids of those that are gone."""

    topic = Topic.SERVICES
    tables = frozenset({"services", "revisions", "assignments", "rollouts", "nodes", "routers"})

    def __init__(self, context: Context, epoch: str) -> None:
        super().__init__(context, epoch)
        self._services: Mapping[str, ServiceView] = {}
        self._rollouts: Mapping[str, RolloutView] = {}

    async def update(self) -> News | None:
        services = {view.id: view for view in read_services(self._context.surroundings)}
        rollouts = {view.id: view for view in read_newest(self._context.surroundings)}
        changed = change_between(self._services, services)
        rolled = change_between(self._rollouts, rollouts)
        self._services, self._rollouts = services, rollouts
        if not (changed or rolled.changed):
            return None

        def encode(wish: Wish) -> str | None:
            shown, removed = changed.narrowed(lambda view: _sees_service(wish, view.id))
            told, _ = rolled.narrowed(lambda view: _sees_rollouts(wish, view.service_id))
            if not (shown or removed or told):
                return None
            allowed = tuple(map(wish.sight.with_service_rights, shown))
            return _flat(_Services(changed=allowed, removed=tuple(sorted(removed)), rollouts=told))

        return self._recently.add(encode)

    def snapshot(self) -> News:
        services, rollouts = self._services, self._rollouts
        return self._whole(
            lambda wish: _data(
                _AllServices(
                    items=tuple(
                        wish.sight.with_service_rights(each)
                        for each in services.values()
                        if _sees_service(wish, each.id)
                    ),
                    rollouts=tuple(
                        each for each in rollouts.values() if _sees_rollouts(wish, each.service_id)
                    ),
                ),
            )
        )


class RolloutsFeed(_Recounted):
    """Each service's newest rollout: those that changed, and the ids of those that a newer one follows."""

    topic = Topic.ROLLOUTS
    tables = frozenset({"rollouts", "assignments", "services", "routers"})

    def __init__(self, context: Context, epoch: str) -> None:
        super().__init__(context, epoch)
        self._rollouts: Mapping[str, RolloutView] = {}

    async def update(self) -> News | None:
        rollouts = {view.id: view for view in read_newest(self._context.surroundings)}
        change = change_between(self._rollouts, rollouts)
        self._rollouts = rollouts
        if not change:
            return None

        def encode(wish: Wish) -> str | None:
            changed, removed = change.narrowed(lambda view: _fits_rollout(wish, view))
            if not (changed or removed):
                return None
            return _flat(_Rollouts(changed=changed, removed=tuple(sorted(removed))))

        return self._recently.add(encode)

    def snapshot(self) -> News:
        rollouts = self._rollouts
        return self._whole(
            lambda wish: _data(
                _AllRollouts(items=tuple(each for each in rollouts.values() if _fits_rollout(wish, each))),
            )
        )


class AlertsFeed(_Recounted):
    """Open alerts: those that changed, and the numbers of those that are over.

    `event` is "alert:new" when people were told of one since the last look, else "alert:changed"; `new` are
    their numbers. Who wants new ones only is told of nothing else.
    """

    topic = Topic.ALERTS
    tables = frozenset({"alerts"})

    def __init__(self, context: Context, epoch: str) -> None:
        super().__init__(context, epoch)
        self._alerts: Mapping[int, AlertView] = {}

    async def update(self) -> News | None:
        alerts = {view.number: view for view in read_open_alerts(self._context.surroundings)}
        change = change_between(self._alerts, alerts)
        told = frozenset(
            number
            for number, view in change.changed.items()
            if view.told_at_ms is not None
            and (number not in change.before or change.before[number].told_at_ms is None)
        )
        self._alerts = alerts
        return self._recently.add(lambda wish: _alerts(change, told, wish)) if change else None

    def snapshot(self) -> News:
        alerts = self._alerts
        return self._whole(
            lambda wish: _data(
                _AllAlerts(
                    items=tuple(
                        view
                        for view in alerts.values()
                        if _fits_alert(wish, view) and not (wish.only_new and view.told_at_ms is None)
                    )
                ),
            )
        )


class PlansFeed(_Recounted):
    """Open plans: those that changed, and the ids of those that are decided and have ended.

    Only how far they are: what somebody may do about one depends on who they are, and is asked for.
    """

    topic = Topic.PLANS
    tables = frozenset({"plans"})

    def __init__(self, context: Context, epoch: str) -> None:
        super().__init__(context, epoch)
        self._plans: Mapping[str, PlanNews] = {}

    async def update(self) -> News | None:
        plans = {news.id: news for news in read_plan_news(self._context.surroundings)}
        change = change_between(self._plans, plans)
        self._plans = plans
        if not change:
            return None

        def encode(wish: Wish) -> str | None:
            changed, removed = change.narrowed(lambda news: _sees_plan(wish, news))
            if not (changed or removed):
                return None
            return _flat(_Plans(changed=changed, removed=tuple(sorted(removed))))

        return self._recently.add(encode)

    def snapshot(self) -> News:
        plans = self._plans
        return self._whole(
            lambda wish: _data(
                _AllPlans(items=tuple(each for each in plans.values() if _sees_plan(wish, each))),
            )
        )


class ContainersFeed(_Recounted):
    """Containers that changed but for their numbers, which the topic metrics tells."""

    topic = Topic.CONTAINERS
    tables: frozenset[str] = frozenset()

    def __init__(self, context: Context, epoch: str) -> None:
        super().__init__(context, epoch)
        self._containers: Mapping[tuple[str, str], ContainerView] = {}
        self._problems: tuple[HostProblem, ...] = ()

    async def update(self) -> News | None:
        found, problems = await read_containers(self._context)
        containers = {(view.node_id, view.id): view for view in found}
        change = change_between(self._containers, containers, _without_usage)
        has_other_problems = problems != self._problems
        self._containers, self._problems = containers, problems
        if not (change or has_other_problems):
            # Numbers alone: who comes now is given the newest all the same.
            self._snapshot = None
            return None

        def encode(wish: Wish) -> str | None:
            changed, removed = change.narrowed(_container_fits(wish))
            if not (changed or removed or has_other_problems):
                return None
            gone = tuple(_Gone(node_id=node_id, id=container_id) for node_id, container_id in sorted(removed))
            told = _problems_for(wish.filter, problems)
            allowed = tuple(map(wish.sight.with_container_rights, changed))
            return _flat(_Containers(changed=allowed, removed=gone, problems=told))

        return self._recently.add(encode)

    def snapshot(self) -> News:
        containers, problems = self._containers, self._problems

        def encode(wish: Wish) -> str:
            wanted = _container_fits(wish)
            return _data(
                _AllContainers(
                    items=tuple(
                        wish.sight.with_container_rights(view) for view in containers.values() if wanted(view)
                    ),
                    problems=_problems_for(wish.filter, problems),
                ),
            )

        return self._whole(encode)


class MetricsFeed(_Recounted):
    """The moments since the last look, the last one again: its slot may have been filling still."""

    topic = Topic.METRICS
    tables: frozenset[str] = frozenset()

    def __init__(self, context: Context, epoch: str) -> None:
        super().__init__(context, epoch)
        self._hosts: Mapping[str, HostLiveView] = {}
        self._containers = ContainerLookup((), {})

    async def update(self) -> News | None:
        hosts = {view.node_id: view for view in await self._look()}
        news = _since_before(hosts, self._hosts)
        # Only who sees a part of them is told by what they are: nobody else has them made into views.
        self._containers = containers = await look_up_containers(self._context)
        self._hosts = hosts
        if not news:
            return None

        def encode(wish: Wish) -> str | None:
            told = _measured(news, wish, containers)
            return _data(told, _HOSTS_LIVE) if told else None

        return self._recently.add(encode)

    def snapshot(self) -> News:
        hosts, containers = tuple(self._hosts.values()), self._containers
        return self._whole(lambda wish: _data(_measured(hosts, wish, containers), _HOSTS_LIVE))

    async def _look(self) -> Iterable[HostLiveView]:
        patience_s = self._context.pace.list_patience_s
        return [live_view(host) for host in await self._context.live.read(patience_s=patience_s)]


class SecondsFeed(MetricsFeed):
    """The same numbers every second, which hosts measure only while somebody watches."""

    topic = Topic.SECONDS

    async def _look(self) -> Iterable[HostLiveView]:
        return [live_view(host) for host in await self._context.surroundings.hosts.watch(SECONDS_ASKED)]


class UpdatesFeed(MetricsFeed):
    """The numbers of the last seconds every five seconds, whatever the grid is that is recorded on.

    At first the last ten minutes, as far as they are known.
    """

    topic = Topic.UPDATES

    def __init__(self, context: Context, epoch: str) -> None:
        super().__init__(context, epoch)
        self._told_s = float("-inf")

    async def update(self) -> News | None:
        now_s = self._context.surroundings.clock.monotonic_s()
        if now_s - self._told_s < self._context.pace.metrics_s:
            await self._context.surroundings.hosts.watch(1)
            return None
        self._told_s = now_s
        return await super().update()

    async def _look(self) -> Iterable[HostLiveView]:
        watched = await self._context.surroundings.hosts.watch(SECONDS_UPDATED)
        hosts = {view.node_id: view for view in await super()._look()}
        hosts.update({host.node_id: live_view(host) for host in watched if host.times_ms})
        return hosts.values()


class EventsFeed:
    """What happened, in its order. A position is an event's sequence, on every host the same."""

    topic = Topic.EVENTS
    tables = frozenset({"events"})

    def __init__(self, context: Context) -> None:
        self._context = context
        self._newest: int | None = None

    async def update(self) -> News | None:
        known = self._newest
        with self._context.surroundings.state.read() as txn:
            if known is None:
                newest = records.EVENTS.scan(txn, limit=1, reverse=True)
                self._newest = newest[0].sequence if newest else 0
                return None
            events = records.EVENTS.scan(txn, after=(known,), limit=EVENTS_READ_MAX)
        if not events:
            return None
        self._newest = events[-1].sequence
        return self._news(events)

    def snapshot(self) -> News:
        newest = self._newest or 0
        with self._context.surroundings.state.read() as txn:
            events = records.EVENTS.scan(txn, limit=EVENTS_READ_MAX, reverse=True)
        events = [event for event in events if event.sequence <= newest]

        def encode(wish: Wish) -> str:
            # The newest first, and no further than needed: whether one is seen may take looking up.
            told = list(islice((event for event in events if _fits_event(wish, event)), EVENTS_AT_FIRST))
            return _data(_Events(items=tuple(event_view(event) for event in reversed(told))))

        return News(str(newest), encode)

    def since(self, position: str) -> Sequence[News] | None:
        if not (position.isascii() and position.isdigit() and len(position) < 16):
            return None
        after, newest = int(position), self._newest or 0
        if after > newest:
            # Of a host that is further: what it told is still to come here.
            return None
        with self._context.surroundings.state.read() as txn:
            events = records.EVENTS.scan(txn, after=(after,), limit=EVENTS_READ_MAX)
        told = [event for event in events if event.sequence <= newest]
        if newest - after > len(told):
            return None
        return [self._news(told)] if told else []

    @staticmethod
    def _news(events: Sequence[Event]) -> News:
        def encode(wish: Wish) -> str | None:
            told = [event for event in events if _fits_event(wish, event)]
            if not told:
                return None
            return _flat(_Events(items=tuple(event_view(event) for event in told)))

        return News(str(events[-1].sequence), encode)


def feeds_of(context: Context, epoch: str) -> dict[Topic, Feed]:
    """Return a feed for every topic that is told to many at once."""
    feeds: Iterable[Feed] = (
        AlertsFeed(context, epoch),
        ClusterFeed(context, epoch),
        ContainersFeed(context, epoch),
        EventsFeed(context),
        MetricsFeed(context, epoch),
        PlansFeed(context, epoch),
        RolloutsFeed(context, epoch),
        SecondsFeed(context, epoch),
        ServicesFeed(context, epoch),
        UpdatesFeed(context, epoch),
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
class _Rollouts:
    changed: tuple[RolloutView, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _AllRollouts:
    items: tuple[RolloutView, ...]


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
class _Plans:
    changed: tuple[PlanNews, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _AllPlans:
    items: tuple[PlanNews, ...]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Events:
    items: tuple[EventView, ...]


_HOSTS_LIVE = tuple[HostLiveView, ...]


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    # Made when it is first needed: a start should not wait for all of them.
    return TypeAdapter(kind)


def _json(value: object, kind: Any = None) -> str:
    kind = kind or type(value)
    return _adapter(kind).dump_json(value).decode()


def _data(value: object, kind: Any = None) -> str:
    return f'"data":{_json(value, kind)}'


def _flat(value: object) -> str:
    return _json(value)[1:-1]


def _fits_service(wanted: Filter, service_id: str) -> bool:
    project, _, name = service_id.partition(".")
    return wanted.service in ("", service_id, name) and wanted.project in ("", project)


def _sees_service(wish: Wish, service_id: str) -> bool:
    sees = wish.sight.service
    return _fits_service(wish.filter, service_id) and (sees is None or sees(service_id))


def _sees_rollouts(wish: Wish, service_id: str) -> bool:
    sees = wish.sight.rollout
    return _fits_service(wish.filter, service_id) and (sees is None or sees(service_id))


def _fits_rollout(wish: Wish, view: RolloutView) -> bool:
    return wish.filter.rollout in ("", view.id) and _sees_rollouts(wish, view.service_id)


def _fits_alert(wish: Wish, view: AlertView) -> bool:
    wanted, sees, subject = wish.filter, wish.sight.alert, view.subject
    container = subject.name if subject.kind == "container" else ""
    return (
        (sees is None or sees(subject.node_id, subject.service_id, container))
        and (not wanted.severity or view.severity.rank >= Severity(wanted.severity).rank)
        and wanted.rule in ("", view.rule)
        and wanted.node in ("", view.subject.node_id)
        and wanted.service in ("", view.subject.service_id)
    )


def _sees_plan(wish: Wish, news: PlanNews) -> bool:
    sees = wish.sight.service
    return sees is None or (bool(news.services) and all(map(sees, news.services)))


def _fits_event(wish: Wish, event: Event) -> bool:
    wanted, sees, subject = wish.filter, wish.sight.event, event.subject
    kinds = listed(wanted.kinds)
    return (
        (sees is None or sees(subject.node_id, subject.service_id, subject.container))
        and (not wanted.min_severity or event.severity.rank >= Severity(wanted.min_severity).rank)
        and wanted.node in ("", event.subject.node_id)
        and wanted.service in ("", event.subject.service_id)
        and (not kinds or any(each in ("*", f"{event.kind.family}:*", event.kind.value) for each in kinds))
    )


def _container_fits(wish: Wish) -> Callable[[ContainerView], bool]:
    sees, wanted = wish.sight.sees, wish.filter
    narrowed = ContainerFilter(
        project=wanted.project, service=wanted.service, state=wanted.state, text=wanted.q
    )
    return lambda view: (
        wanted.node in ("", view.node_id) and (sees is None or sees(view)) and fits(view, narrowed)
    )


def _problems_for(wanted: Filter, problems: tuple[HostProblem, ...]) -> tuple[HostProblem, ...]:
    return tuple(each for each in problems if wanted.node in ("", each.node_id))


def _alerts(change: Change[int, AlertView], told: frozenset[int], wish: Wish) -> str | None:
    changed, removed = change.narrowed(lambda view: _fits_alert(wish, view))
    new = tuple(view.number for view in changed if view.number in told)
    if wish.only_new:
        changed, removed = tuple(view for view in changed if view.number in told), ()
    if not (changed or removed):
        return None
    event = "alert:new" if new else "alert:changed"
    return _flat(_Alerts(event=event, new=new, changed=changed, removed=tuple(sorted(removed))))


def _measured(
    hosts: Iterable[HostLiveView], wish: Wish, containers: ContainerLookup
) -> tuple[HostLiveView, ...]:
    """Return the series that are wanted, of containers that are seen."""
    wanted, sees, sees_host = wish.filter, wish.sight.measures, wish.sight.host_numbers
    hosts = tuple(host for host in hosts if wanted.node in ("", host.node_id))
    if sees is None and sees_host is None and not (wanted.subject or wanted.metric):
        return hosts

    def is_wanted(node_id: str, subject: str, metric: str) -> bool:
        if wanted.subject not in ("", subject) or wanted.metric not in ("", metric):
            return False
        if subject == "host":
            return sees_host is None or sees_host(node_id)
        if sees is None:
            return True
        view = containers.get((node_id, subject))
        return view is not None and sees(view)

    narrowed = (
        replace(
            host,
            series=tuple(each for each in host.series if is_wanted(host.node_id, each.subject, each.metric)),
        )
        for host in hosts
    )
    return tuple(host for host in narrowed if host.series)


def _without_usage(view: ContainerView) -> ContainerView:
    return replace(view, cpu_percent=None, memory_bytes=None, memory_limit_bytes=None, age_ms=None)


def _without_numbers(view: ClusterView) -> ClusterView:
    nodes = tuple(_without_node_numbers(node) for node in view.nodes)
    return replace(view, nodes=nodes, commit_index=0, applied_index=0, age_ms=None)


def _without_node_numbers(node: NodeView) -> NodeView:
    return replace(node, lag=None, cpu_percent=None, memory_bytes=None, last_seen_ms=None)


def _since_before(
    hosts: Mapping[str, HostLiveView], known: Mapping[str, HostLiveView]
) -> tuple[HostLiveView, ...]:
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
