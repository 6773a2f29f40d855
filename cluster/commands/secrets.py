"""Commands on secrets, configs and logins at registries. Values of secrets come sealed."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.model import rules
from cluster.model.secrets import (
    CONTENT_BYTES_MAX,
    PASSWORD_BYTES_MAX,
    SEALED_EXTRA_BYTES,
    FileKind,
    check_file_name,
    check_registry,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PutFile:
    """Keep a new version of a secret or config. Result: its number.

    A secret is sealed for its version before it is sent, so `version` is the number the sender expects: one
    more than the newest there ever was (the first is 1), or VERSION_CONFLICT. What is beyond the versions
    kept and in nobody's use makes room. `project` is the one whose Compose file it came with.
    """

    kind: FileKind
    name: str
    version: int
    content: bytes = field(repr=False)
    created_by: str
    environment: str = ""
    project: str = ""

    def __post_init__(self) -> None:
        check_file_name(self.kind, self.name, self.environment)
        if self.project:
            rules.check_id("project", self.project)
        rules.check_range("version", self.version, 1, 2**31)
        extra = SEALED_EXTRA_BYTES if self.kind is FileKind.SECRET else 0
        if len(self.content) < extra:
            raise ValueError(f"secret {self.name}: its content is not sealed")
        if len(self.content) > CONTENT_BYTES_MAX + extra:
            raise ValueError(
                f"{self.kind} {self.name}: {len(self.content) - extra} bytes; at most {CONTENT_BYTES_MAX} are"
                " allowed"
            )
        rules.check_text("created by", self.created_by, 128)

    @property
    def size_bytes(self) -> int:
        """The length of what a container sees."""
        return len(self.content) - (SEALED_EXTRA_BYTES if self.kind is FileKind.SECRET else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFile:
    """Forget a secret or config with all versions. Rejected with IN_USE while a revision in use has it."""

    kind: FileKind
    name: str
    environment: str = ""

    def __post_init__(self) -> None:
        check_file_name(self.kind, self.name, self.environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class PutRegistryCredential:
    """Keep the login of a registry, in place of an earlier one."""

    registry: str
    username: str
    sealed_password: bytes = field(repr=False)
    changed_by: str

    def __post_init__(self) -> None:
        check_registry(self.registry)
        rules.check_text("username", self.username, 256, chars_min=1)
        rules.check_range(
            "password, bytes", len(self.sealed_password) - SEALED_EXTRA_BYTES, 1, PASSWORD_BYTES_MAX
        )
        rules.check_text("changed by", self.changed_by, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveRegistryCredential:
    """Forget the login of a registry."""

    registry: str

    def __post_init__(self) -> None:
        check_registry(self.registry)
