"""Containers from near, as values: what a web server is given in place of hosts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cluster.model.container_access import (
    ContainerSettings,
    ExecOutput,
    ExecRequest,
    ExecSession,
    ExecStream,
    FileEntry,
    FileKind,
    FileListing,
    FileReading,
    FileWrite,
    LimitChanges,
    Limits,
    ProcessTable,
    ReplacementChanges,
    ReplacementPlan,
    ReplacementStage,
    ReplacementStep,
)
from cluster.model.inventory import Caller, HostRefused, HostUnavailable


@dataclass(slots=True)
class FakeCommand:
    """A command that echoes its input until that ends."""

    request: ExecRequest
    code: int | None = 0
    written: list[bytes] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    _input: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(maxsize=100))

    async def output(self) -> AsyncIterator[ExecOutput]:
        while (data := await self._input.get()) is not None:
            yield ExecOutput(ExecStream.STDOUT, data)

    async def write(self, data: bytes) -> None:
        self.written.append(data)
        await self._input.put(data)

    async def close_input(self) -> None:
        await self._input.put(None)

    async def resize(self, *, columns: int, rows: int) -> None:
        self.sizes.append((columns, rows))

    async def exit_code(self) -> int | None:
        return self.code


@dataclass(slots=True)
class FakeReading:
    entry: FileEntry
    content: bytes

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self.content


@dataclass(slots=True)
class FakeDesk:
    """A `web.ports.ContainerDesk`. `failure` is raised once by the next call; `asked` are (host, container,
    what)."""

    failure: HostRefused | HostUnavailable | None = None
    commands: list[FakeCommand] = field(default_factory=list)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    callers: list[Caller] = field(default_factory=list)
    entries: tuple[FileEntry, ...] = ()
    content: bytes = b"content"
    kind: FileKind = FileKind.FILE
    written: list[tuple[FileWrite, bytes]] = field(default_factory=list)
    updates: list[LimitChanges] = field(default_factory=list)
    replacements: list[ReplacementChanges] = field(default_factory=list)
    steps: tuple[ReplacementStep, ...] = (
        ReplacementStep(stage=ReplacementStage.CREATING),
        ReplacementStep(stage=ReplacementStage.DONE, container_id="new"),
    )
    limits: Limits = field(default_factory=lambda: Limits(restart_policy="no"))

    @asynccontextmanager
    async def exec(
        self, node_id: str, container: str, request: ExecRequest, *, caller: Caller
    ) -> AsyncIterator[ExecSession]:
        self._ask(node_id, container, "exec", caller)
        command = FakeCommand(request)
        self.commands.append(command)
        try:
            yield command
        finally:
            command.over.set()

    async def top(self, node_id: str, container: str, *, caller: Caller) -> ProcessTable:
        self._ask(node_id, container, "top", caller)
        return ProcessTable(titles=("PID", "COMMAND"), rows=(("1", "nginx"),))

    async def document(
        self, node_id: str, container: str, *, reveal: bool, caller: Caller
    ) -> Mapping[str, object]:
        self._ask(node_id, container, "reveal" if reveal else "document", caller)
        return {"Id": container, "Config": {"Env": ["SECRET=hunter2" if reveal else "SECRET=••••••"]}}

    async def files(self, node_id: str, container: str, path: str, *, caller: Caller) -> FileListing:
        self._ask(node_id, container, f"files {path}", caller)
        return FileListing(path=path, entries=self.entries)

    @asynccontextmanager
    async def read_file(
        self, node_id: str, container: str, path: str, *, caller: Caller
    ) -> AsyncIterator[FileReading]:
        self._ask(node_id, container, f"read {path}", caller)
        entry = FileEntry(
            name=path.rpartition("/")[2],
            kind=self.kind,
            size_bytes=len(self.content),
            mode=0o644,
            modified_at_ms=0,
        )
        yield FakeReading(entry, self.content)

    async def write_file(
        self,
        node_id: str,
        container: str,
        write: FileWrite,
        chunks: AsyncIterator[bytes],
        *,
        caller: Caller,
    ) -> None:
        self._ask(node_id, container, f"write {write.path}", caller)
        self.written.append((write, b"".join([chunk async for chunk in chunks])))

    async def settings(self, node_id: str, container: str, *, caller: Caller) -> ContainerSettings:
        self._ask(node_id, container, "settings", caller)
        return ContainerSettings(
            container_id=container,
            name="web-1",
            image="shop/web:1",
            command=("serve",),
            entrypoint=(),
            environment=("SECRET",),
            labels=(),
            ports=(),
            mounts=(),
            limits=self.limits,
            is_running=True,
        )

    async def update(
        self, node_id: str, container: str, changes: LimitChanges, *, caller: Caller
    ) -> tuple[str, ...]:
        self._ask(node_id, container, "update", caller)
        self.updates.append(changes)
        return ("swap is not limited here",)

    async def plan(
        self, node_id: str, container: str, changes: ReplacementChanges, *, caller: Caller
    ) -> ReplacementPlan:
        self._ask(node_id, container, "plan", caller)
        return ReplacementPlan(container_id=container, name="web-1", differences=(), is_running=True)

    @asynccontextmanager
    async def replace(
        self, node_id: str, container: str, changes: ReplacementChanges, *, caller: Caller
    ) -> AsyncIterator[AsyncIterator[ReplacementStep]]:
        self._ask(node_id, container, "replace", caller)
        self.replacements.append(changes)

        async def tell() -> AsyncIterator[ReplacementStep]:
            for step in self.steps:
                yield step

        yield tell()

    def _ask(self, node_id: str, container: str, what: str, caller: Caller) -> None:
        self.asked.append((node_id, container, what))
        self.callers.append(caller)
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
