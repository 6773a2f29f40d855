"""Files over files: the Compose Specification, section "Merge". Pure; every value keeps its own position."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import TypeAlias

from cluster.compose.document import Merging, Value
from cluster.compose.values import parse_port

Place: TypeAlias = tuple[str, ...]

# Places within a service. A list there and a mapping say the same, entry by entry.
_PAIRED = frozenset(
    {
        "environment",
        "labels",
        "annotations",
        "sysctls",
        "extra_hosts",
        "depends_on",
        "networks",
        "deploy.labels",
    }
)
_REPLACED = frozenset({"command", "entrypoint", "healthcheck.test"})
# One item may stand there without its list.
_LISTED = frozenset({"dns", "dns_search", "dns_opt", "tmpfs", "env_file"})
# Of lists whose items are files or directories of the container, one item per target.
_TARGETED = frozenset({"volumes", "tmpfs", "secrets", "configs"})


def merge(base: Value, over: Value) -> Value:
    """Return what `base` is with `over` laid upon it."""
    return _merged(base, over, ())


def settle(value: Value) -> Value:
    """Return the value without the keys and items that a file resets."""
    if isinstance(value.content, dict):
        kept = {key: inner for key, inner in value.content.items() if inner.merging is not Merging.RESET}
        return replace(value, content={key: settle(inner) for key, inner in kept.items()})
    if isinstance(value.content, list):
        return replace(
            value, content=[settle(item) for item in value.content if item.merging is not Merging.RESET]
        )
    return value


def _merged(base: Value, over: Value, place: Place) -> Value:
    if over.merging is not Merging.COMBINE or base.merging is Merging.RESET:
        return over
    if over.content is None and isinstance(base.content, dict | list):
        return base
    where = _within_service(place)
    if where in _REPLACED:
        return over
    if where in _PAIRED:
        base, over = _paired(base), _paired(over)
    elif where in _LISTED:
        base, over = _listed(base), _listed(over)
    if isinstance(base.content, dict) and isinstance(over.content, dict):
        if where == "logging" and _differs(base.content, over.content, "driver"):
            return over
        merged = dict(base.content)
        for key, inner in over.content.items():
            present = merged.get(key)
            merged[key] = inner if present is None else _merged(present, inner, (*place, key))
        return replace(base, content=merged)
    if isinstance(base.content, list) and isinstance(over.content, list):
        # What stands in `x-tower` is an order of events, such as the steps of a canary, and no collection.
        return over if where.startswith("x-") else _joined(base, over, where)
    return over


def _joined(base: Value, over: Value, where: str) -> Value:
    assert isinstance(base.content, list)
    assert isinstance(over.content, list)
    identify: Callable[[Value], Hashable] = _scalar_of
    if where == "ports":
        identify = _published
    elif where in _TARGETED:
        identify = _target
    items: dict[Hashable, Value] = {}
    for position, item in enumerate([*base.content, *over.content]):
        key = identify(item)
        items[("item", position) if key is None else key] = item
    return replace(base, content=list(items.values()))


def _within_service(place: Place) -> str:
    if place[:1] == ("x-tower-environments",):
        place = place[2:]
    return ".".join(place[2:]) if place[:1] == ("services",) and len(place) > 2 else ""


def _differs(base: dict[str, Value], over: dict[str, Value], key: str) -> bool:
    return key in over and (key not in base or base[key].content != over[key].content)


def _paired(value: Value) -> Value:
    """A list of `NAME=value` as a mapping whose values stand where the items do."""
    if not isinstance(value.content, list):
        return value
    pairs: dict[str, Value] = {}
    for item in value.content:
        if not isinstance(item.content, str):
            # For the reader to refuse, where it stands.
            return value
        name, content = split_pair(item.content)
        pairs[name] = replace(item, content=content)
    return replace(value, content=pairs)


def split_pair(text: str) -> tuple[str, str | None]:
    """The name and the value of `NAME=value`; None where there is no value."""
    name, separator, content = text.partition("=")
    return name, content if separator else None


def _listed(value: Value) -> Value:
    if isinstance(value.content, str):
        return replace(value, content=[value])
    return value


def _scalar_of(value: Value) -> Hashable:
    return value.content if isinstance(value.content, str | int | float) else None


def _published(value: Value) -> Hashable:
    if isinstance(value.content, dict):
        parts = [value.content.get(key) for key in ("target", "published", "protocol", "host_ip")]
        target, published, protocol, address = (None if part is None else part.content for part in parts)
        return (str(target), str(published or 0), str(protocol or "tcp"), str(address or ""))
    try:
        port = parse_port(str(value.content))
    except ValueError:
        return _scalar_of(value)
    return (str(port.container_port), str(port.host_port or 0), port.protocol.value, port.host_ip)


def _target(value: Value) -> Hashable:
    if isinstance(value.content, dict):
        target = value.content.get("target") or value.content.get("source")
        return None if target is None else _scalar_of(target)
    if not isinstance(value.content, str):
        return None
    parts = re.split(r":(?=/)", value.content)
    return parts[1].partition(":")[0] if len(parts) > 1 else parts[0].partition(":")[0]
