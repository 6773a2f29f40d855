"""Files in this host's memory that containers see by bind mounts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


class FilesRefused(Exception):
    """A container's files cannot be had, or cannot be put there; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedFile:
    """One file: its name beside the others, and owner and mode as the container sees them."""

    name: str
    content: bytes = field(repr=False)
    uid: int
    gid: int
    mode: int


class FileStore(Protocol):
    """Directories of files, one for each container. Every method but `path` may raise FilesRefused."""

    def path(self, container: str, name: str) -> str:
        """Return where a container's file is, or is going to be: what is to be mounted."""
        ...

    async def put(self, container: str, files: tuple[PlacedFile, ...]) -> None:
        """Have these files there. Each is replaced whole: what has one mounted keeps what it had."""
        ...

    async def remove(self, container: str) -> None:
        """Have none there; nothing happens when there are none."""
        ...

    async def remove_all(self) -> None:
        """Have none for any container."""
        ...

    async def containers(self) -> frozenset[str]:
        """Return the names of the containers that have files."""
        ...
