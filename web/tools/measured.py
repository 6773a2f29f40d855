"""What is measured, by what people call it: a host, a container, a service, a disk; and metrics by name.

A history outlives what it is of, so one name may mean several subjects: a container and those it replaced.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

from cluster.metrics.query import Selector
from cluster.model.metrics import BY_NAME, Subject, SubjectKind
from web.auth.call import Call
from web.auth.problems import Problem, invalid
from web.tools.containers import read_containers
from web.tools.context import Context
from web.tools.nodes import members
from web.tools.visibility import measured_sight

SUBJECTS_MAX = 500
"""How many subjects one question may be of when they are found by name; whole kinds and hosts have no end."""
KEY_CHARACTERS_MIN = 4
ALIASES = {
    "cpu": "cpu_percent",
    "memory": "memory_bytes",
    "mem": "memory_bytes",
    "disk": "disk_used_bytes",
    "rx": "rx_bytes_per_s",
    "tx": "tx_bytes_per_s",
    "read": "read_bytes_per_s",
    "write": "write_bytes_per_s",
    "load": "load_1",
    "latency": "latency_p95_ms",
    "temperature": "temperature_celsius",
}
"""What people say for the most common metrics."""
_KINDS = {word: kind for kind in SubjectKind for word in (kind.word, f"{kind.word}s")}
_NEAR = 3


def find_metrics(text: str) -> tuple[str, ...]:
    """Return the names of the metrics in `text`, separated by commas; () for none. Raises Problem."""
    names = [ALIASES.get(word, word) for word in (part.strip() for part in text.split(",")) if word]
    for name in names:
        if name not in BY_NAME:
            near = difflib.get_close_matches(name, [*BY_NAME, *ALIASES], _NEAR)
            known = (
                f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(BY_NAME))}"
            )
            raise invalid("metric", f"no such metric; {known}", value=name[:80])
    return tuple(dict.fromkeys(names))


def find_kinds(text: str) -> tuple[SubjectKind, ...]:
    """Return the kind of subject `text` names; () for none. Raises Problem."""
    if not text:
        return ()
    if text not in _KINDS:
        known = ", ".join(kind.word for kind in SubjectKind)
        raise invalid("kind", f"no such kind; there are {known}", value=text[:80])
    return (_KINDS[text],)


async def find_series(
    context: Context,
    reference: str,
    *,
    metrics: tuple[str, ...] = (),
    kind: str = "",
    node: str = "",
) -> Selector:
    """Return which series `reference` means, as narrow as `metrics`, `kind` and `node` (id or name) make it.

    It is "" for everything, or the first of these that there is: a kind, as "containers"; a host's id or
    name; a subject's number; a name; a service or project; the beginning of a container's id. Raises Problem
    when nothing measured is called so.
    """
    kinds = find_kinds(kind)
    node_ids = await _node_ids(context, node) if node else ()
    if not reference or reference in _KINDS:
        if reference:
            kinds = tuple(each for each in (_KINDS[reference],) if not kinds or each in kinds)
        return Selector(metrics=metrics, kinds=kinds, node_ids=node_ids)
    host = next((each for each in members(context.surroundings) if reference in (each.id, each.name)), None)
    if host is not None and host.id in (node_ids or (host.id,)):
        return Selector(metrics=metrics, kinds=kinds or _kinds_of_host(metrics), node_ids=(host.id,))
    found = await _find(context, reference, Selector(kinds=kinds, node_ids=node_ids))
    newest_first = sorted(found, key=lambda subject: (-subject.seen_ms, -subject.number))
    return Selector(
        metrics=metrics, subjects=tuple(sorted(each.number for each in newest_first[:SUBJECTS_MAX]))
    )


async def measured_by(context: Context, call: Call) -> Callable[[Subject], bool] | None:
    """Return what tells of which subjects the caller may see numbers; None: of all."""
    if context.authority.sight(call, "metrics.read").is_everything:
        return None
    containers, _ = await read_containers(context)
    return measured_sight(context, call, containers)


async def find_seen_series(
    context: Context,
    call: Call,
    reference: str,
    *,
    metrics: tuple[str, ...] = (),
    kind: str = "",
    node: str = "",
) -> Selector:
    """As `find_series`, of what the caller may see the numbers of; nothing of the rest shows in what is said.

    Raises Problem when there is nothing.
    """
    sees = await measured_by(context, call)
    if sees is None:
        return await find_series(context, reference, metrics=metrics, kind=kind, node=node)
    nothing = Problem(
        "not-found",
        f"nothing measured is called {reference[:80]!r}" if reference else "nothing is measured here",
        hint="your permissions are for a part of the cluster: `tower authz reach` shows which",
    )
    try:
        selector = await find_series(context, reference, metrics=metrics, kind=kind, node=node)
    except Problem as problem:
        raise nothing if problem.kind == "not-found" else problem from None
    found = [subject for subject in await context.surroundings.history.subjects(selector) if sees(subject)]
    if not found:
        raise nothing
    newest_first = sorted(found, key=lambda subject: (-subject.seen_ms, -subject.number))
    numbers = tuple(sorted(subject.number for subject in newest_first[:SUBJECTS_MAX]))
    return Selector(metrics=selector.metrics, subjects=numbers)


def _kinds_of_host(metrics: Sequence[str]) -> tuple[SubjectKind, ...]:
    """Of a host without more words its own figures are meant, and of what only its parts have, theirs."""
    if all(SubjectKind.HOST in BY_NAME[name].kinds for name in metrics):
        return (SubjectKind.HOST,)
    return tuple(dict.fromkeys(kind for name in metrics for kind in BY_NAME[name].kinds))


async def _node_ids(context: Context, reference: str) -> tuple[str, ...]:
    """Return the id of a host; one that left the cluster is known by its id alone. Raises Problem."""
    known = members(context.surroundings)
    found = [each.id for each in known if reference in (each.id, each.name)]
    if found or await context.surroundings.history.subjects(Selector(node_ids=(reference,))):
        return tuple(found) or (reference,)
    raise Problem(
        "not-found",
        f"there is no host {reference[:80]!r}",
        hint=f"the cluster has {', '.join(sorted(each.name for each in known))}",
    )


async def _find(context: Context, reference: str, among: Selector) -> Sequence[Subject]:
    history = context.surroundings.history
    kinds, node_ids = among.kinds, among.node_ids
    exact = [
        Selector(kinds=kinds, node_ids=node_ids, names=(reference,)),
        Selector(kinds=kinds, node_ids=node_ids, labels=(("service", reference),)),
        Selector(kinds=kinds, node_ids=node_ids, labels=(("project", reference),)),
    ]
    if reference.isascii() and reference.isdecimal() and len(reference) < 10:
        exact.insert(0, Selector(kinds=kinds, node_ids=node_ids, subjects=(int(reference),)))
    for selector in exact:
        if found := await history.subjects(selector):
            return found
    everything = await history.subjects(among)
    if len(reference) >= KEY_CHARACTERS_MIN and (
        found := [each for each in everything if each.definition.key.startswith(reference)]
    ):
        return found
    # "web" for the service shop.web, as everywhere else.
    if found := [
        each for each in everything if each.definition.label("service").rpartition(".")[2] == reference
    ]:
        return found
    names = {each.definition.name for each in everything if each.definition.name}
    near = difflib.get_close_matches(reference, sorted(names), _NEAR)
    raise Problem(
        "not-found",
        f"nothing measured is called {reference[:80]!r}",
        hint=f"did you mean {' or '.join(near)}?"
        if near
        else "`tower metrics` lists what is measured; what is new is there after a minute",
    )
