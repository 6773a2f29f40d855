"""Which places of a service are its environment's own: without the file nobody knows them of another one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cluster.compose.document import Value

PLACES_MAX = 64
_CHARS_MAX = 200
# The image is what is promoted, whatever its tag came from.
_FREE = frozenset({"image"})


def bound_places(
    service: Value, name: str, configs: Value | None, sections: Sequence[tuple[str, str]]
) -> tuple[str, ...]:
    """Return the places in `service` that variables, files of variables or sections of environments fill.

    `sections` are pairs of a service, "*" for every one, and a place that some environment has of its own;
    `configs` are those at the top of the file. Paths are within the service, sorted, at most 64 of them.
    """
    prefix = f"{service.path}."
    found = {path.removeprefix(prefix) for path in _replaced(service)} - _FREE
    content = service.content if isinstance(service.content, dict) else {}
    if "env_file" in content:
        found.add("env_file")
    environment = content.get("environment")
    if environment is not None and isinstance(environment.content, dict):
        found |= {f"environment.{key}" for key, inner in environment.content.items() if inner.content is None}
    used = _names(content.get("configs"))
    if configs is not None and isinstance(configs.content, dict):
        for key, inner in configs.content.items():
            if key in used and any(_replaced(inner)):
                found.add(f"configs.{key}")
    found |= {place for about, place in sections if about in (name, "*")}
    return tuple(sorted(path[:_CHARS_MAX] for path in found)[:PLACES_MAX])


def _replaced(value: Value) -> Iterator[str]:
    if value.is_replaced:
        yield value.path
    if isinstance(value.content, dict):
        for inner in value.content.values():
            yield from _replaced(inner)
    elif isinstance(value.content, list):
        for inner in value.content:
            yield from _replaced(inner)


def _names(references: Value | None) -> set[str]:
    if references is None or not isinstance(references.content, list):
        return set()
    names = set()
    for item in references.content:
        at = item.content.get("source") if isinstance(item.content, dict) else item
        if at is not None and isinstance(at.content, str):
            names.add(at.content)
    return names
