"""Secrets and configs that containers get as files, and logins at registries, as they are kept."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from cluster.model import rules

CONTENT_BYTES_MAX = 240 * 1024
"""Largest secret or config. It travels in one command, of 256 KiB at most, with its audit stamp."""

SEALED_EXTRA_BYTES = 36
"""How much longer a sealed value is than the value (`cluster.identity.sealing`)."""

VERSIONS_KEPT = 5
FILES_MAX = 1000
FILES_BYTES_MAX = 64 * 1024 * 1024
"""All contents of a cluster together: every node has them, and every snapshot."""

REGISTRIES_MAX = 100
PASSWORD_BYTES_MAX = 16 * 1024
"""Cloud registries give tokens of a few kilobytes as passwords."""

DOCKER_HUB = "docker.io"
_HUB_NAMES = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io", "hub.docker.com"})
_REGISTRY = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?")


class FileKind(StrEnum):
    """A secret is kept sealed and shown to nobody; a config is kept as it is."""

    SECRET = "secret"  # noqa: S105 (a kind)
    CONFIG = "config"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileVersion:
    """One version of a secret or config: everything but its content. Sizes are of what the container sees."""

    number: int
    size_bytes: int
    created_at_ms: int
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A secret or config by name, for one environment or (`environment` empty) for all.

    `newest` is the highest number ever given, `versions` are those still kept, ascending; at most
    `VERSIONS_KEPT`. Without versions it was removed, and is here so that no number comes twice. One that came
    with a `project`'s Compose file goes when no revision has it any more.
    """

    kind: FileKind
    environment: str
    name: str
    newest: int
    versions: tuple[FileVersion, ...]
    project: str = ""

    @property
    def is_removed(self) -> bool:
        return not self.versions

    @property
    def label(self) -> str:
        """How people are told of it."""
        return label_of(self.kind, self.name, self.environment)

    def version(self, number: int) -> FileVersion | None:
        """The version of that number, None when it is not kept (any more)."""
        return next((version for version in self.versions if version.number == number), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent:
    """One version's content: sealed for a secret, as it is for a config."""

    kind: FileKind
    environment: str
    name: str
    version: int
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryCredential:
    """The login this cluster's hosts use at a registry, by its host name (`docker.io` for Docker Hub)."""

    registry: str
    username: str
    sealed_password: bytes = field(repr=False)
    changed_at_ms: int
    changed_by: str


def check_file_name(kind: FileKind, name: str, environment: str) -> None:
    """Raises ValueError."""
    rules.check_object_name(f"{kind} name", name)
    if environment:
        rules.check_name("environment", environment)


def check_registry(registry: str) -> None:
    """A host name or address, with a port where it is not the usual one. Raises ValueError."""
    if not _REGISTRY.fullmatch(registry):
        raise ValueError(
            f"registry {registry[:80]!r}: the host as images name it, such as ghcr.io or"
            " registry.example:5000"
        )


def registry_name(given: str) -> str:
    """Return a registry as people write it (a URL, Docker Hub's other names) as credentials name it."""
    host = given.strip().lower()
    for scheme in ("https://", "http://"):
        host = host.removeprefix(scheme)
    host = host.partition("/")[0]
    return DOCKER_HUB if host in _HUB_NAMES else host


def label_of(kind: FileKind, name: str, environment: str) -> str:
    """How people are told of a secret or config."""
    return f"{kind} {name}" + (f" of environment {environment}" if environment else "")


def seal_context(kind: FileKind, name: str, environment: str, version: int) -> str:
    """The place a secret's version is sealed for: nowhere else do its bytes open."""
    return f"{kind}/{environment}/{name}/{version}"


def credential_context(registry: str, username: str) -> str:
    """The place a registry's password is sealed for."""
    return f"registry/{registry}/{username}"
