"""From texts to one document: files over files, then what an environment changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cluster.compose import vocabulary
from cluster.compose.document import Unreadable, Value, read
from cluster.compose.environment import items_of, read_env_file
from cluster.compose.findings import Finding
from cluster.compose.interpolation import mentioned
from cluster.compose.merging import merge, settle
from cluster.compose.reader import Reader

OVERRIDES_MAX = 16
ENVIRONMENTS = "x-tower-environments"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeFile:
    """A Compose file's text, and the name that findings are to give it."""

    text: str = field(repr=False)
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedFile:
    """A file beside the Compose file, by its path as written there."""

    path: str
    is_required: bool
    at: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a client sends along: variables by name, as far as it has them, and files."""

    variables: frozenset[str]
    files: tuple[WantedFile, ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The merged document with what is wrong with its values, and the names of its environments.

    `sections` are what environments have of their own: pairs of a service, "*" for all of them, and a place
    in it.
    """

    document: Value
    findings: tuple[Finding, ...]
    environments: tuple[str, ...]
    sections: tuple[tuple[str, str], ...] = ()


def load(
    files: Sequence[ComposeFile], variables: Mapping[str, str], environment: str, reader: Reader
) -> Loaded:
    """Lay the files over each other, and the section of `environment` over them. Raises Unreadable."""
    if len(files) > 1 + OVERRIDES_MAX:
        raise Unreadable(Finding(path="", rule=f"more than {OVERRIDES_MAX} files over the first one"))
    findings: list[Finding] = []
    merged: Value | None = None
    for each in files:
        document = read(each.text, variables, file=each.name)
        findings.extend(document.findings)
        merged = document.content if merged is None else merge(merged, document.content)
    assert merged is not None, "load needs at least one file"
    merged = settle(merged)
    sections = merged.content.get(ENVIRONMENTS) if isinstance(merged.content, dict) else None
    names: tuple[str, ...] = ()
    about: list[tuple[str, str]] = []
    if sections is not None:
        known = reader.mapping(sections) or {}
        names = tuple(known)
        for name, section in known.items():
            about += _own_of(section)
            if reader.keys(section, vocabulary.ENVIRONMENT) is not None and name == environment:
                merged = settle(merge(merged, _patch(section)))
        if environment and environment not in known:
            reader.warn(
                sections, f"nothing is said of environment {environment!r}", f"there are {', '.join(names)}"
            )
    # Of other environments, nobody was asked for the variables.
    others = tuple(f"{ENVIRONMENTS}.{name}." for name in names if name != environment)
    kept = tuple(finding for finding in findings if not finding.path.startswith(others))
    return Loaded(merged, kept, names, tuple(about))


def _own_of(section: Value) -> Iterator[tuple[str, str]]:
    content = section.content if isinstance(section.content, dict) else {}
    services = content.get("services")
    if services is not None and isinstance(services.content, dict):
        for name, service in services.content.items():
            yield from ((name, leaf.path.removeprefix(f"{service.path}.")) for leaf in _leaves(service))
    yield from (("*", key) for key in ("secrets", "configs") if content.get(key) is not None)


def _leaves(value: Value) -> Iterator[Value]:
    """The innermost values; a list is one."""
    if isinstance(value.content, dict):
        for inner in value.content.values():
            yield from _leaves(inner)
    else:
        yield value


def _patch(section: Value) -> Value:
    assert isinstance(section.content, dict)
    known = {key: inner for key, inner in section.content.items() if key in vocabulary.ENVIRONMENT.known}
    return replace(section, content=known)


def find_needs(files: Sequence[ComposeFile], variables: Mapping[str, str], *, environment: str = "") -> Needs:
    """What the files refer to and do not hold. Total: of a text that cannot be read, nothing is known."""
    names = {name for each in files for name in mentioned(each.text)}
    wanted: dict[str, WantedFile] = {}
    try:
        document = load(files, variables, environment, Reader()).document
    except Unreadable:
        return Needs(variables=frozenset(names), files=())
    top = document.content if isinstance(document.content, dict) else {}
    for service in _inner(top.get("services")):
        for item in _items(service.get("env_file")):
            named = read_env_file(Reader(), item)
            if named is not None:
                _want(wanted, named.path, named.at, is_required=named.is_required)
        at = service.get("environment")
        if at is not None:
            names.update(name for name, inner in Reader().pairs(at).items() if inner.content is None)
    for config in _inner(top.get("configs")):
        path = config.get("file")
        if path is not None and isinstance(path.content, str) and path.content:
            _want(wanted, path.content, path, is_required=True)
    return Needs(variables=frozenset(names), files=tuple(wanted.values()))


def _want(wanted: dict[str, WantedFile], path: str, at: Value, *, is_required: bool) -> None:
    known = wanted.get(path)
    wanted[path] = WantedFile(
        path=path,
        is_required=is_required or (known is not None and known.is_required),
        at=at.finding("is wanted") if known is None else known.at,
    )


def _inner(value: Value | None) -> list[dict[str, Value]]:
    if value is None or not isinstance(value.content, dict):
        return []
    return [inner.content for inner in value.content.values() if isinstance(inner.content, dict)]


def _items(value: Value | None) -> list[Value]:
    return [] if value is None else items_of(value)
