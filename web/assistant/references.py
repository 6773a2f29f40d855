"""The pages of the dashboard that show what a tool's result says. Pure.

Each is at the address that the dashboard itself would have for it: a chart of exactly that thing over exactly
that time, a log at exactly that line. What cannot be shown so has no page, for a link that shows something
else is worse than none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlencode

from web.assistant.answering import Reference

REFERENCES_MAX = 24
"""Of one result. A list of a hundred containers is a page itself."""
LISTED_MAX = 10
"""Of one list in a result."""
_LINE_ID_CHARACTERS = 12
_SPAN_MIN_MS = 60_000
"""A chart of less shows nothing."""


@dataclass(frozen=True, slots=True)
class Page:
    """A place of the dashboard, and what is to be seen there."""

    label: str
    path: str


Found = Mapping[str, object]
Reader = Callable[[Found, Found], Iterator[Page | None]]
"""From the arguments and the result of a call to pages; None where there is none."""


def references_of(
    tool: str, arguments: Found, structured: Found | None, first_number: int
) -> tuple[Reference, ...]:
    """Return the pages that show what a call gave, numbered from `first_number` on, each once."""
    reader = _READERS.get(tool)
    result: Found = structured or {}
    pages: dict[str, Page] = {}
    plan_id = _text(result, "plan_id")
    if plan_id:
        # Nothing was done: the plan is what there is to see.
        page = plan_page(plan_id)
        pages[page.path] = page
    elif reader is not None:
        for found in reader(arguments, result):
            if found is not None and len(pages) < REFERENCES_MAX:
                pages.setdefault(found.path, found)
    return tuple(
        Reference(number=number, label=page.label, path=page.path)
        for number, page in enumerate(pages.values(), first_number)
    )


# ---- pages ------------------------------------------------------------------------------------------


def service_page(service: str, tab: str = "", **search: object) -> Page:
    return Page(f"{service} · {tab}" if tab else service, _path("services", service, tab=tab, **search))


def container_page(node: str, name: str, tab: str = "") -> Page:
    label = f"{name} · {node}"
    return Page(f"{label} · {tab}" if tab else label, _path("containers", node, name, tab=tab))


def rollout_page(rollout_id: str, service: str = "") -> Page:
    return Page(f"rollout · {service or rollout_id}", _path("rollouts", rollout_id))


def alert_page(number: int) -> Page:
    return Page(f"alert {number}", _path("alerts", alert=number))


def plan_page(plan_id: str) -> Page:
    return Page("plan", _path("plans", plan_id))


def host_page(name: str, node_id: str) -> Page:
    return Page(name, _path("cluster", host=node_id))


def line_page(container: str, container_id: str, at_us: int, ordinal: int) -> Page:
    """The permalink of a line: what is around it, with it marked."""
    line = f"{container_id[:_LINE_ID_CHARACTERS]}-{at_us}-{ordinal}"
    return Page(f"log · {container}", _path("logs", c=container_id, line=line))


def chart_page(of: str, metric: str = "", start_ms: int | None = None, end_ms: int | None = None) -> Page:
    """The charts of what `web.tools.exact_names` calls so, over a time."""
    name = of.partition(":")[2].rpartition("/")[2]
    label = f"{name} · {metric}" if metric else name
    if start_ms is None or end_ms is None:
        return Page(label, _path("explore", of=of))
    if end_ms - start_ms < _SPAN_MIN_MS:
        start_ms, end_ms = start_ms - _SPAN_MIN_MS, end_ms + _SPAN_MIN_MS
    return Page(label, _path("explore", of=of, **{"from": start_ms, "to": end_ms}))


def evidence_page(evidence: Found) -> Page | None:
    """Return the page that shows what a finding rests on, as `run-diagnosis` tells it."""
    of, subject = _text(evidence, "of"), _text(evidence, "subject")
    line, alert, rollout_id = evidence.get("line"), evidence.get("alert"), _text(evidence, "rollout_id")
    match line:
        case {"container_id": str(container_id), "at_us": int(at_us), "ordinal": int(ordinal)}:
            return line_page(subject, container_id, at_us, ordinal)
        case _:
            pass
    if isinstance(alert, int):
        return alert_page(alert)
    if rollout_id:
        return rollout_page(rollout_id, subject)
    metric = _text(evidence, "metric")
    if metric and of:
        return chart_page(of, metric, _moment(evidence, "since"), _moment(evidence, "until"))
    return _page_of(of)


def _page_of(of: str) -> Page | None:
    kind, _, name = of.partition(":")
    node, _, container = name.partition("/")
    match kind:
        case "service":
            return service_page(name)
        case "container" if container:
            return container_page(node, container)
        case "host":
            return chart_page(of)
        case _:
            return None


# ---- what each tool's result shows -------------------------------------------------------------------


def _diagnosis(_: Found, result: Found) -> Iterator[Page | None]:
    for finding in _list(result, "findings"):
        yield from map(evidence_page, _list(finding, "evidence"))


def _deploy_status(given: Found, result: Found) -> Iterator[Page | None]:
    for rollout in _list(result, "rollouts"):
        rollout_id, service = _text(rollout, "rollout_id"), _text(rollout, "service")
        yield rollout_page(rollout_id, service) if rollout_id else None
        yield service_page(service) if service else None
    yield from _one_service("")(given, result)


def _compared(given: Found, result: Found) -> Iterator[Page | None]:
    service, before, after = _text(result, "service"), result.get("before"), result.get("after")
    if service and isinstance(before, int) and isinstance(after, int):
        yield service_page(service, "revisions", before=before, after=after)


def _one_service(tab: str) -> Reader:
    def read(given: Found, result: Found) -> Iterator[Page | None]:
        service = _text(result, "service") or _text(given, "service")
        # Its id has a dot; a name alone may be several.
        yield service_page(service, tab) if "." in service else None

    return read


def _changed(given: Found, result: Found) -> Iterator[Page | None]:
    rollout_id, service = _text(result, "rollout_id"), _text(result, "service")
    yield rollout_page(rollout_id, service) if rollout_id else None
    yield from _one_service("")(given, result)
    for each in _list(result, "services"):
        yield from _changed({}, each)


def _one_container(tab: str) -> Reader:
    def read(given: Found, result: Found) -> Iterator[Page | None]:
        name = _text(result, "name") or _text(result, "container") or _text(given, "container")
        node = _text(result, "node") or _text(given, "node")
        if name and node:
            yield container_page(node, name, tab)
        elif name and tab == "logs":
            yield Page(f"log · {name}", _path("logs", c=name))

    return read


def _containers(_: Found, result: Found) -> Iterator[Page | None]:
    for each in _list(result, "containers"):
        node, name = _text(each, "node"), _text(each, "name")
        yield container_page(node, name) if node and name else None


def _services(_: Found, result: Found) -> Iterator[Page | None]:
    for each in _list(result, "services"):
        yield service_page(_text(each, "id")) if _text(each, "id") else None


def _nodes(_: Found, result: Found) -> Iterator[Page | None]:
    for each in _list(result, "nodes"):
        name, node_id = _text(each, "name"), _text(each, "id")
        yield host_page(name, node_id) if name and node_id else None


def _health(_: Found, result: Found) -> Iterator[Page | None]:
    for each in _list(result, "hosts"):
        yield chart_page(f"host:{_text(each, 'name')}") if _text(each, "name") else None


def _concluded(given: Found, result: Found) -> Iterator[Page | None]:
    of = _text(result, "of")
    yield chart_page(of, _text(given, "metric")) if of else None


def _history(_: Found, result: Found) -> Iterator[Page | None]:
    start_ms, step_s = _moment(result, "start"), result.get("step_s")
    for each in _list(result, "series"):
        of, values = _text(each, "of"), each.get("values")
        if _page_of(of) is None:
            continue
        end_ms = None
        if start_ms is not None and isinstance(step_s, int) and isinstance(values, list):
            end_ms = start_ms + len(values) * step_s * 1000
        yield chart_page(of, _text(each, "metric"), start_ms, end_ms)


def _numbers(_: Found, result: Found) -> Iterator[Page | None]:
    for host in _list(result, "hosts"):
        node = _text(host, "node")
        if node:
            yield chart_page(f"host:{node}")
            for each in _list(host, "containers"):
                yield chart_page(f"container:{node}/{_text(each, 'name')}") if _text(each, "name") else None


def _log_search(given: Found, _: Found) -> Iterator[Page | None]:
    names = ("container", "service", "project", "node")
    said = next((_text(given, name) for name in names if _text(given, name)), "")
    text = _text(given, "text")
    yield Page(
        " · ".join(("log", *(filter(None, (said, text))))),
        _path(
            "logs",
            c=_text(given, "container"),
            s=_text(given, "service"),
            p=_text(given, "project"),
            h=_text(given, "node"),
            q=text,
            re="true" if text and given.get("regex") is True else "",
        ),
    )


def _capacity(given: Found, _: Found) -> Iterator[Page | None]:
    service, replicas = _text(given, "service"), given.get("replicas")
    lost = _text(given, "lost")
    yield Page(
        " · ".join(("capacity", *filter(None, (lost, service)))),
        _path("capacity", lost=lost, service=service, replicas=replicas if service and replicas else ""),
    )


def _the_page(label: str, *parts: str) -> Reader:
    def read(_given: Found, _result: Found) -> Iterator[Page | None]:
        yield Page(label, _path(*parts))

    return read


def _plan(given: Found, _: Found) -> Iterator[Page | None]:
    yield plan_page(_text(given, "plan")) if _text(given, "plan") else None


_READERS: Mapping[str, Reader] = {
    "run-diagnosis": _diagnosis,
    "get-system-health": _health,
    "get-cluster-status": _services,
    "list-nodes": _nodes,
    "list-containers": _containers,
    "get-container": _one_container(""),
    "get-container-logs": _one_container("logs"),
    "search-logs": _log_search,
    "list-alerts": _the_page("alerts", "alerts"),
    "get-deploy-status": _deploy_status,
    "get-deployment-history": _one_service("revisions"),
    "compare-deployments": _compared,
    "explain-service": _one_service("placement"),
    "get-ab-test": _one_service("experiment"),
    "get-metrics": _numbers,
    "get-metrics-history": _history,
    "get-trend-analysis": _concluded,
    "predict-resource-needs": _concluded,
    "get-performance-profile": _concluded,
    "compare-baseline": _concluded,
    "get-capacity-plan": _capacity,
    "get-audit-log": _the_page("audit", "audit"),
    "get-plan": _plan,
    "list-plans": _the_page("plans", "plans"),
    "list-schedules": _the_page("schedules", "schedules"),
    "list-secrets": _the_page("secrets", "secrets"),
    "list-images": _the_page("resources", "resources"),
    "list-environments": _the_page("environments", "environments"),
    "list-webhooks": _the_page("integrations", "integrations"),
    "deploy-rolling": _changed,
    "deploy-canary": _changed,
    "deploy-blue-green": _changed,
    "rollback-deploy": _changed,
    "scale-service": _changed,
    "restart-service": _changed,
    "steer-rollout": _changed,
    "restart-container": _one_container(""),
    "start-container": _one_container(""),
    "stop-container": _one_container(""),
}


# ---- reading what came as JSON ------------------------------------------------------------------------


def _path(*parts: str, **search: object) -> str:
    path = "/" + "/".join(quote(part, safe="") for part in parts)
    given = {name: value for name, value in search.items() if value not in ("", None)}
    return f"{path}?{urlencode(given, quote_via=quote, safe=':/,')}" if given else path


def _text(found: Found, name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def _list(found: Found, name: str) -> list[Found]:
    value = found.get(name)
    listed = value if isinstance(value, list | tuple) else ()
    return [each for each in listed if isinstance(each, Mapping)][:LISTED_MAX]


def _moment(found: Found, name: str) -> int | None:
    try:
        return round(datetime.fromisoformat(_text(found, name)).timestamp() * 1000)
    except ValueError:
        return None
