"""Searching and following what containers of all hosts wrote.

First the hosts say whose output they have, then whoever may read is compared with that, then only those
containers are asked for: a host never decides for whom it answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from cluster.logs.merging import merge
from cluster.logs.pattern import matcher
from cluster.model.inventory import HostRefused, HostUnavailable
from cluster.model.log_history import (
    FollowedLines,
    KeptSource,
    LogCountQuery,
    LogFollow,
    LogPage,
    LogPlace,
    LogSearch,
    LogSource,
    LogStanding,
    PatternRefused,
)
from cluster.rbac import Resource, Target
from web.auth.call import Call
from web.auth.problems import Problem, invalid
from web.tools.containers import read_containers
from web.tools.context import Context
from web.tools.listing import decode_cursor, encode_cursor
from web.tools.log_views import (
    LEVEL_NAMES,
    LogHistogramView,
    LogHostView,
    LogPageView,
    LogSourcesView,
    LogSourceView,
    line_view,
)
from web.tools.nodes import find_node, node_names
from web.tools.targets import container_target
from web.tools.views import ContainerView, HostProblem

SOURCES_MAX = 2_000
FOLLOWED_MAX = 500
SKEW_TOLD_MS = 1_000
STEPS_MAX = 500
CAUGHT_UP_MAX = 2_000
WAITING_MAX = 64
"""Batches of followed lines on their way to one reader; hosts hold back, and drop and count, beyond them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogChoice:
    """Which containers: those that are any of `containers` (id, beginning of an id, name), or of `services`
    ("name" or "project.name"), or of `projects`; all, when none of these is given; and of `hosts` only.
    """

    containers: Collection[str] = ()
    services: Collection[str] = ()
    projects: Collection[str] = ()
    hosts: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Who was chosen, how hosts stand, and which hosts are left out."""

    sources: list[LogSourceView]
    hosts: list[LogHostView]
    problems: list[HostProblem]
    targets: dict[str, Target]
    """What each container is to permissions, by its id."""

    def by_node(self) -> dict[str, tuple[str, ...]]:
        """Return the ids of the containers to ask each host for."""
        found: dict[str, list[str]] = {}
        for source in self.sources:
            found.setdefault(source.node_id, []).append(source.container_id)
        return {node_id: tuple(ids) for node_id, ids in found.items()}

    def places(self) -> dict[str, int]:
        return {source.container_id: place for place, source in enumerate(self.sources)}

    def name_of(self, node_id: str) -> str:
        return next((host.node_name for host in self.hosts if host.node_id == node_id), node_id)


async def list_log_sources(context: Context, call: Call, choice: LogChoice) -> LogSourcesView:
    """Return whose output the caller may read, by host and name. Raises Problem."""
    await context.authority.admit(call, "container.logs", "container")
    chosen = await _choose(context, call, choice)
    return LogSourcesView(
        sources=tuple(chosen.sources), hosts=tuple(chosen.hosts), problems=tuple(chosen.problems)
    )


async def search_logs(
    context: Context, call: Call, choice: LogChoice, query: LogSearch, *, cursor: str | None = None
) -> LogPageView:
    """Return the next lines; `query` is without its containers. Raises Problem."""
    await context.authority.admit(call, "container.logs", "container")
    _check_pattern(query)
    if cursor is not None:
        query = replace(query, after=_place(cursor))
    chosen = await _choose(context, call, choice)
    page, problems = await _search(context, chosen, query)
    places = chosen.places()
    return LogPageView(
        sources=tuple(chosen.sources),
        lines=tuple(line_view(line, places) for line in page.lines),
        next_cursor=None if page.horizon is None else cursor_of(page.horizon),
        reached_us=None if page.horizon is None else page.horizon.at_us,
        scanned=page.scanned,
        notes=_notes(chosen),
        problems=(*chosen.problems, *problems),
    )


async def read_all(
    context: Context, call: Call, choice: LogChoice, query: LogSearch
) -> tuple[Sequence[LogSourceView], AsyncIterator[LogPage]]:
    """Return the sources, and the pages of all their lines one after the other. Raises Problem."""
    await context.authority.admit(call, "container.logs", "container")
    _check_pattern(query)
    chosen = await _choose(context, call, choice)

    async def pages() -> AsyncIterator[LogPage]:
        after = query.after
        while True:
            page, problems = await _search(context, chosen, replace(query, after=after))
            yield page
            if problems:
                named = "; ".join(f"{each.node_name}: {each.reason}" for each in problems)
                raise HostUnavailable(f"this is not all: {named}")
            if page.horizon is None:
                return
            after = page.horizon

    return chosen.sources, pages()


async def count_lines(
    context: Context, call: Call, choice: LogChoice, *, start_us: int, end_us: int, steps: int
) -> LogHistogramView:
    """Return how many lines there are per level over time. Raises Problem."""
    await context.authority.admit(call, "container.logs", "container")
    chosen = await _choose(context, call, choice)
    step_us = max(1_000, -(-(end_us - start_us) // max(1, min(steps, STEPS_MAX))))
    count = max(1, -(-(end_us - start_us) // step_us))
    answers = await context.surroundings.logs.count(
        {
            node_id: LogCountQuery(
                container_ids=ids, start_us=start_us, end_us=start_us + count * step_us, step_us=step_us
            )
            for node_id, ids in chosen.by_node().items()
        }
    )
    totals = [[0] * len(LEVEL_NAMES) for _ in range(count)]
    problems, is_partial = list(chosen.problems), False
    for node_id, answer in answers.items():
        if isinstance(answer, HostUnavailable):
            problems.append(_problem(chosen, node_id, answer))
            continue
        is_partial = is_partial or answer.is_partial
        for row, counted in zip(totals, answer.counts, strict=False):
            for level, lines in enumerate(counted[: len(row)]):
                row[level] += lines
    return LogHistogramView(
        start_ms=start_us // 1000,
        step_ms=step_us // 1000,
        levels=LEVEL_NAMES,
        counts=tuple(map(tuple, totals)),
        is_partial=is_partial,
        problems=tuple(problems),
    )


@dataclass(frozen=True, slots=True)
class Following:
    """What is followed, and what comes of it."""

    sources: Sequence[LogSourceView]
    problems: Sequence[HostProblem]
    targets: Mapping[str, Target]
    batches: AsyncIterator[Followed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """Lines of one host as they came; or why it sends no more."""

    node_id: str
    lines: FollowedLines | None = None
    ended: str = ""


@asynccontextmanager
async def follow_logs(
    context: Context, call: Call, choice: LogChoice, *, after: LogPlace | None, tail: int
) -> AsyncIterator[Following]:
    """Lines of all hosts as they come: first those behind `after` that are kept, then what is new.

    A line between the two may come twice; its place tells. Raises Problem.
    """
    await context.authority.admit(call, "container.logs", "container")
    chosen = await _choose(context, call, choice)
    if len(chosen.sources) > FOLLOWED_MAX:
        raise invalid(
            "containers",
            f"{len(chosen.sources)} containers are chosen, and at most {FOLLOWED_MAX} are followed at once",
            hint="choose a service, a project or a host",
        )
    logs = context.surroundings.logs
    waiting: asyncio.Queue[Followed] = asyncio.Queue(WAITING_MAX)

    async def follow(node_id: str, ids: tuple[str, ...]) -> None:
        try:
            async with logs.follow(node_id, LogFollow(container_ids=ids, tail=tail)) as batches:
                if after is not None:
                    await catch_up(node_id, ids, after)
                async for batch in batches:
                    await waiting.put(Followed(node_id=node_id, lines=batch))
            reason = "it ended the stream"
        except (HostUnavailable, HostRefused) as error:
            reason = str(error)
        await waiting.put(Followed(node_id=node_id, ended=f"{chosen.name_of(node_id)}: {reason}"))

    async def catch_up(node_id: str, ids: tuple[str, ...], behind: LogPlace) -> None:
        # Only the newest: whoever writes faster than it is read would never be caught up with.
        query = LogSearch(container_ids=ids, start_us=behind.at_us, limit=CAUGHT_UP_MAX)
        answer = (await logs.search({node_id: query})).get(node_id)
        if answer is None or isinstance(answer, HostUnavailable) or not answer.lines:
            return  # without a history there is nothing to catch up with
        missed = 0
        if answer.horizon is not None:
            left_out = LogCountQuery(
                container_ids=ids,
                start_us=behind.at_us,
                end_us=answer.lines[-1].at_us,
                step_us=max(1, answer.lines[-1].at_us - behind.at_us),
            )
            counts = (await logs.count({node_id: left_out})).get(node_id)
            missed = (
                0 if counts is None or isinstance(counts, HostUnavailable) else sum(map(sum, counts.counts))
            )
        lines = FollowedLines(lines=answer.lines[::-1], missed=missed)
        await waiting.put(Followed(node_id=node_id, lines=lines))

    async def read() -> AsyncIterator[Followed]:
        while True:
            yield await waiting.get()

    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        running = [
            tasks.create_task(follow(node_id, ids), name=f"follow-logs-{node_id}")
            for node_id, ids in chosen.by_node().items()
        ]
        try:
            yield Following(chosen.sources, chosen.problems, chosen.targets, read())
        finally:
            for task in running:
                task.cancel()


def still_reads(context: Context, call: Call, targets: Mapping[str, Target]) -> str | None:
    """Return why the caller may not go on to read one of these, or None."""
    sight = context.authority.sight(call, "container.logs")
    if sight.is_everything or all(sight.sees(target) for target in targets.values()):
        return None
    return "what you may read has changed: open the log again"


def cursor_of(place: LogPlace) -> str:
    """Return the text of a place."""
    return encode_cursor((place.at_us, place.container_id, place.ordinal))


def place_of(cursor: str) -> LogPlace:
    """Return the place of a cursor. Raises Problem."""
    return _place(cursor)


def _place(cursor: str) -> LogPlace:
    at_us, container_id, ordinal = decode_cursor(cursor, like=(0, "", 0))
    assert isinstance(at_us, int)
    assert isinstance(container_id, str)
    assert isinstance(ordinal, int)
    return LogPlace(at_us=at_us, container_id=container_id, ordinal=ordinal)


def _check_pattern(query: LogSearch) -> None:
    try:
        matcher(query.pattern, is_regex=query.is_regex, is_case_sensitive=query.is_case_sensitive)
    except PatternRefused as error:
        raise invalid("q", str(error), value=query.pattern[:80]) from error


async def _search(context: Context, chosen: _Chosen, query: LogSearch) -> tuple[LogPage, list[HostProblem]]:
    answers = await context.surroundings.logs.search(
        {node_id: replace(query, container_ids=ids) for node_id, ids in chosen.by_node().items()}
    )
    problems = [
        _problem(chosen, node_id, answer)
        for node_id, answer in answers.items()
        if isinstance(answer, HostUnavailable)
    ]
    pages = [answer for answer in answers.values() if isinstance(answer, LogPage)]
    return merge(pages, limit=query.limit, is_newest_first=query.is_newest_first), problems


def _problem(chosen: _Chosen, node_id: str, error: HostUnavailable) -> HostProblem:
    name = chosen.name_of(node_id)
    return HostProblem(node_id=node_id, node_name=name, reason=str(error).replace(node_id, name))


def _notes(chosen: _Chosen) -> tuple[str, ...]:
    return tuple(
        f"the clock of {host.node_name} is {abs(host.skew_ms) / 1000:.1f} s"
        f" {'ahead' if host.skew_ms > 0 else 'behind'}: its lines are out of order by that much"
        for host in chosen.hosts
        if abs(host.skew_ms) >= SKEW_TOLD_MS and any(each.node_id == host.node_id for each in chosen.sources)
    )


# ---- who there is --------------------------------------------------------------------------------


async def _choose(context: Context, call: Call, choice: LogChoice) -> _Chosen:
    """Return those that are chosen and that the caller may read. Raises Problem."""
    surroundings = context.surroundings
    only = {find_node(surroundings, each).id for each in choice.hosts}
    names = node_names(surroundings)
    standings, (containers, _) = await asyncio.gather(surroundings.logs.standings(), read_containers(context))
    sight = context.authority.sight(call, "container.logs")
    now_us = surroundings.clock.now_ms() * 1000
    found: dict[tuple[str, str], LogSourceView] = {}
    hosts: list[LogHostView] = []
    problems: list[HostProblem] = []
    seen = {
        (view.node_id, view.id): view
        for view in containers
        if sight.is_everything or sight.sees(container_target(view))
    }
    present = {(view.node_id, view.id) for view in containers}
    targets = {view.id: container_target(view) for view in seen.values()}
    for node_id, standing in standings.items():
        if only and node_id not in only:
            continue
        name = names.get(node_id, node_id)
        if isinstance(standing, HostUnavailable):
            reason = str(standing).replace(node_id, name)
            problems.append(HostProblem(node_id=node_id, node_name=name, reason=reason))
            continue
        hosts.append(_host_view(node_id, name, standing, now_us))
        for kept in standing.sources:
            key = (node_id, kept.source.container_id)
            view = _kept_view(kept, node_id, name, is_present=key in present)
            if key in present:
                if key in seen:
                    found[key] = view
                continue
            target = _kept_target(view, kept.source)
            if sight.is_everything or sight.sees(target):
                found[key] = view
                targets[view.container_id] = target
    for key, listed in seen.items():
        if key not in found and (not only or listed.node_id in only):
            found[key] = _present_view(listed)
    chosen = [view for view in found.values() if _fits(view, choice)]
    if (choice.containers or choice.services or choice.projects) and not chosen:
        wanted = ", ".join([*choice.containers, *choice.services, *choice.projects])[:200]
        hint = "`tower ps --all` lists the containers"
        if problems:
            silent = ", ".join(each.node_name for each in problems)
            hint = f"it may be on a host that cannot be asked now: {silent}"
        raise Problem("not-found", f"nothing is kept of {wanted}", hint=hint)
    if len(chosen) > SOURCES_MAX:
        chosen = sorted(chosen, key=lambda view: view.end_ms or 0)[-SOURCES_MAX:]
    chosen.sort(key=lambda view: (view.node_name, view.name, view.container_id))
    ids = {view.container_id for view in chosen}
    return _Chosen(chosen, hosts, problems, {each: targets[each] for each in ids})


def _fits(view: LogSourceView, choice: LogChoice) -> bool:
    if not (choice.containers or choice.services or choice.projects):
        return True
    return (
        view.project in choice.projects
        or (
            view.service != ""
            and not {view.service, f"{view.project}.{view.service}"}.isdisjoint(choice.services)
        )
        or any(
            reference in (view.name, view.container_id)
            or (len(reference) >= 4 and view.container_id.startswith(reference.lower()))
            for reference in choice.containers
        )
    )


def _host_view(node_id: str, name: str, standing: LogStanding, now_us: int) -> LogHostView:
    return LogHostView(
        node_id=node_id,
        node_name=name,
        bytes_used=standing.bytes_used,
        bytes_max=standing.bytes_max,
        oldest_ms=standing.oldest_us // 1000 or None,
        problem=standing.problem,
        skew_ms=(standing.now_us - now_us) // 1000 if standing.now_us else 0,
    )


def _kept_view(kept: KeptSource, node_id: str, node_name: str, *, is_present: bool) -> LogSourceView:
    source = kept.source
    return LogSourceView(
        container_id=source.container_id,
        name=source.name,
        image=source.image,
        project=source.project,
        service=source.service,
        revision=source.revision,
        is_managed=source.is_managed,
        node_id=node_id,
        node_name=node_name,
        start_ms=kept.start_us // 1000,
        end_ms=kept.end_us // 1000,
        lines=kept.lines,
        is_present=is_present,
        is_live=kept.is_live,
        problem=kept.problem,
    )


def _present_view(listed: ContainerView) -> LogSourceView:
    return LogSourceView(
        container_id=listed.id,
        name=listed.name,
        image=listed.image,
        project=listed.project,
        service=listed.service,
        revision=listed.revision,
        is_managed=listed.is_managed,
        node_id=listed.node_id,
        node_name=listed.node_name,
        start_ms=None,
        end_ms=None,
        lines=0,
        is_present=True,
        is_live=False,
    )


def _kept_target(view: LogSourceView, source: LogSource) -> Target:
    """What a container of the history is to permissions. Its labels are not known any more."""
    target = Target(
        kind=Resource.CONTAINER,
        id=view.container_id,
        name=f"{view.node_name}/{view.name}",
        node_id=view.node_id,
        node_name=view.node_name,
    )
    if not source.is_own_word:
        return target
    service_id = view.service if view.is_managed or not view.service else f"{view.project}.{view.service}"
    return replace(target, project=view.project, service=view.service, service_id=service_id)
