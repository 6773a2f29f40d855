"""The secrets and configs of a replica as files of its container."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agent.execute.replica import Replica
from agent.ports import FilesRefused, FileStore, Mount, PlacedFile
from cluster.model.secrets import FileKind
from cluster.model.service import FileReference, ServiceSpec

OpenFile = Callable[[FileKind, FileReference], bytes]
"""Gives the content of the version a reference was pinned to. Raises `agent.ports.FilesRefused`."""


class ContainerFiles:
    """Puts files there before a container starts, and removes them when it is gone."""

    def __init__(self, store: FileStore, open_file: OpenFile) -> None:
        self._store = store
        self._open = open_file

    def mounts(self, replica: Replica) -> tuple[Mount, ...]:
        """Return what is to be mounted into the replica's container: paths of this host, no contents."""
        return tuple(
            Mount(
                kind="bind",
                target=reference.target,
                source=self._store.path(replica.container_name, name),
                read_only=True,
            )
            for name, _, reference in _named(replica.spec)
        )

    async def place(self, replica: Replica) -> None:
        """Have the replica's files where `mounts` says. Raises FilesRefused."""
        files = tuple(
            PlacedFile(
                name=name,
                content=self._open(kind, reference),
                uid=reference.uid,
                gid=reference.gid,
                mode=reference.mode,
            )
            for name, kind, reference in _named(replica.spec)
        )
        if files:
            await self._store.put(replica.container_name, files)

    def secret_texts(self, spec: ServiceSpec) -> tuple[str, ...]:
        """Return the secrets of a specification as text, to be taken out of what its containers print.

        One that does not open is not among them: nothing of it was in a container either.
        """
        texts = []
        for reference in spec.secrets:
            try:
                texts.append(self._open(FileKind.SECRET, reference).decode(errors="replace"))
            except FilesRefused:
                continue
        return tuple(texts)

    async def remove(self, container: str) -> None:
        """Have no files for a container of that name. Raises FilesRefused."""
        await self._store.remove(container)

    async def remove_all_but(self, containers: frozenset[str]) -> None:
        """Remove the files of containers that are gone: theirs and the files' removal are two steps, and an
        agent may be killed between them. Raises FilesRefused.
        """
        for container in sorted(await self._store.containers() - containers):
            await self._store.remove(container)


def _named(spec: ServiceSpec) -> Iterator[tuple[str, FileKind, FileReference]]:
    for kind, references in ((FileKind.SECRET, spec.secrets), (FileKind.CONFIG, spec.configs)):
        for index, reference in enumerate(references):
            yield f"{kind}-{index}", kind, reference
