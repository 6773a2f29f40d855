"""Files of containers in this process. Passes the contract suite of the real store (tests/contract)."""

from __future__ import annotations

from agent.ports import FilesRefused, PlacedFile


class FakeFiles:
    """An `agent.ports.FileStore`. While `problem` is set, it is the answer to everything."""

    def __init__(self) -> None:
        self.placed: dict[str, dict[str, PlacedFile]] = {}
        self.problem = ""

    def path(self, container: str, name: str) -> str:
        return f"/run/files/{container}/{name}"

    async def put(self, container: str, files: tuple[PlacedFile, ...]) -> None:
        self._check()
        self.placed.setdefault(container, {}).update({file.name: file for file in files})

    async def remove(self, container: str) -> None:
        self._check()
        self.placed.pop(container, None)

    async def remove_all(self) -> None:
        self._check()
        self.placed.clear()

    async def containers(self) -> frozenset[str]:
        self._check()
        return frozenset(self.placed)

    def _check(self) -> None:
        if self.problem:
            raise FilesRefused(self.problem)
