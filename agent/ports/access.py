"""One container from near: what runs and lies in it, how it is set, and its successor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from agent.ports.engine import EngineRefused
from cluster.model.container_access import (
    ContainerSettings,
    ExecRequest,
    ExecSession,
    FileEntry,
    FileListing,
    FileReading,
    FileWrite,
    LimitChanges,
    ProcessTable,
    ReplacementChanges,
    ReplacementPlan,
)


class PathNotFound(EngineRefused):
    """The container has nothing at this path."""


class ContainerAccess(Protocol):
    """What an engine lets one do with one container, by id or name.

    Every call raises ContainerNotFound, EngineRefused in words, or EngineUnavailable. Paths are checked by
    `cluster.model.container_access.path_problem` before; they are resolved inside the container, symlinks
    included, so that none leads out of it.
    """

    def exec(self, container: str, request: ExecRequest) -> AbstractAsyncContextManager[ExecSession]:
        """Run a command in a running container; `request.command` is not empty.

        Leaving the context ends what still runs of it. A command that is not there ends with 126 or 127.
        """
        ...

    async def top(self, container: str) -> ProcessTable:
        """Return the processes of a running container."""
        ...

    async def document(self, container: str) -> dict[str, object]:
        """Return the engine's own description, with every secret there is in it."""
        ...

    async def stat(self, container: str, path: str) -> FileEntry:
        """Return what is at `path`, symlinks followed. Raises PathNotFound."""
        ...

    async def files(self, container: str, path: str) -> FileListing:
        """Return what a directory holds, of a stopped container too. Bounded in size and time.

        Raises PathNotFound, or EngineRefused for what is no directory.
        """
        ...

    def read(self, container: str, path: str) -> AbstractAsyncContextManager[FileReading]:
        """Open a file, or a directory as a tar archive. Raises PathNotFound, or EngineRefused for devices,
        pipes and sockets, which are never opened."""
        ...

    async def write(
        self, container: str, write: FileWrite, chunks: AsyncIterator[bytes], *, now_ms: int
    ) -> None:
        """Write a file, whose directory exists, or unpack an archive into a directory.

        Raises PathNotFound, or EngineRefused when `chunks` are not `write.size_bytes` long; the file is then
        not whole.
        """
        ...

    async def settings(self, container: str) -> ContainerSettings:
        """Return how it is set."""
        ...

    async def update(self, container: str, changes: LimitChanges) -> tuple[str, ...]:
        """Change limits at once; returns the engine's warnings."""
        ...

    async def plan(self, container: str, changes: ReplacementChanges) -> ReplacementPlan:
        """Return what a successor would have otherwise, and what would be lost. Changes nothing."""
        ...

    async def rename(self, container: str, name: str) -> None:
        """Give it another name. Raises EngineRefused (409) when that is taken."""
        ...

    async def create_successor(self, container: str, changes: ReplacementChanges, *, name: str) -> str:
        """Create, but not start, a container like this one with `changes`; returns its id."""
        ...
