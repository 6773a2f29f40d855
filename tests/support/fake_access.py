"""`ContainerAccess` over the engine in memory. It passes the contract suite of the real one.

Containers have files in a dictionary; commands are `echo`, `cat`, `stty size`, `sleep` and `sh -c` with those
and `exit N`, separated by ";".
"""

from __future__ import annotations

import asyncio
import io
import posixpath
import shlex
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from agent.ports import ContainerDetail, ContainerSpec, EngineRefused, Mount, PortMapping
from agent.ports.access import PathNotFound
from cluster.model.container_access import (
    ContainerSettings,
    Difference,
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
    MountedAt,
    ProcessTable,
    PublishedOn,
    ReplacementChanges,
    ReplacementPlan,
)
from tests.support.fake_engine import FakeEngine

PROGRAMS = ("echo", "cat", "stty", "sleep", "sh", "command")


@dataclass(slots=True)
class FakeFile:
    """A file in a container. `target` of a symlink."""

    kind: FileKind = FileKind.FILE
    content: bytes = b""
    mode: int = 0o644
    target: str = ""
    modified_at_ms: int = 0


@dataclass(slots=True)
class FakeSession:
    """A command that runs in a container."""

    request: ExecRequest
    has_shell: bool
    code: int | None = None
    columns: int = 80
    rows: int = 24
    is_closed: bool = False
    _input: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(maxsize=16))

    async def output(self) -> AsyncIterator[ExecOutput]:
        command = self.request.command
        if command[0] not in PROGRAMS or (command[0] == "sh" and not self.has_shell):
            yield ExecOutput(ExecStream.STDOUT, f"exec: {command[0]}: not found\r\n".encode())
            self.code = 126
            return
        script = command[2] if command[:2] == ("sh", "-c") else shlex.join(command)
        self.code = 0
        for statement in script.split(";"):
            words = shlex.split(statement)
            match words:
                case ["echo", *rest]:
                    stream = ExecStream.STDERR if ">&2" in rest else ExecStream.STDOUT
                    if self.request.has_terminal:
                        stream = ExecStream.STDOUT
                    text = " ".join(word for word in rest if word != ">&2")
                    yield ExecOutput(stream, f"{text}\n".encode())
                case ["cat"]:
                    while (data := await self._input.get()) is not None:
                        yield ExecOutput(ExecStream.STDOUT, data)
                case ["read", _]:
                    await self._input.get()
                case ["stty", "size"]:
                    yield ExecOutput(ExecStream.STDOUT, f"{self.rows} {self.columns}\n".encode())
                case ["command", *_]:
                    yield ExecOutput(ExecStream.STDOUT, b"sh\n")
                case ["exit", code]:
                    self.code = int(code)
                    return
                case ["sleep", _]:
                    while await self._input.get() is not None:
                        pass
                case _:
                    pass

    async def write(self, data: bytes) -> None:
        await self._input.put(data)

    async def close_input(self) -> None:
        await self._input.put(None)

    async def resize(self, *, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows

    async def exit_code(self) -> int | None:
        return self.code


class FakeAccess:
    """See `agent.ports.access.ContainerAccess`; what tests do to it is below the protocol's methods."""

    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine
        self._files: dict[str, dict[str, FakeFile]] = {}
        self._limits: dict[str, Limits] = {}
        self.has_shell = True
        self.sessions: list[FakeSession] = []
        self.refuse_successors = ""

    @asynccontextmanager
    async def exec(self, container: str, request: ExecRequest) -> AsyncIterator[ExecSession]:
        await self._running(container)
        session = FakeSession(
            request=request, has_shell=self.has_shell, columns=request.columns, rows=request.rows
        )
        self.sessions.append(session)
        try:
            yield session
        finally:
            session.is_closed = True

    async def top(self, container: str) -> ProcessTable:
        detail = await self._running(container)
        return ProcessTable(titles=("PID", "COMMAND"), rows=(("1", detail.name),))

    async def document(self, container: str) -> dict[str, object]:
        detail = await self._engine.inspect(container)
        return {
            "Id": detail.id,
            "Name": f"/{detail.name}",
            "Config": {"Env": [f"{name}={value}" for name, value in detail.environment.items()]},
            "HostConfig": {"LogConfig": {"Type": "json-file", "Config": {}}},
        }

    async def stat(self, container: str, path: str) -> FileEntry:
        found, resolved = self._resolve(await self._id(container), path)
        return _entry(posixpath.basename(resolved) or "/", found)

    async def files(self, container: str, path: str) -> FileListing:
        identifier = await self._id(container)
        found, resolved = self._resolve(identifier, path)
        if found.kind is not FileKind.DIRECTORY:
            raise EngineRefused(f"{path} is a {found.kind}, not a directory", status=400)
        entries = [
            _entry(posixpath.basename(place), each)
            for place, each in self._of(identifier).items()
            if posixpath.dirname(place) == resolved and place != "/"
        ]
        return FileListing(path=path, entries=tuple(entries))

    @asynccontextmanager
    async def read(self, container: str, path: str) -> AsyncIterator[FileReading]:
        identifier = await self._id(container)
        found, resolved = self._resolve(identifier, path)
        if found.kind not in (FileKind.FILE, FileKind.DIRECTORY):
            raise EngineRefused(f"{path} is a {found.kind}: only files and directories are read", status=400)
        entry = _entry(posixpath.basename(resolved) or "/", found)
        content = found.content if found.kind is FileKind.FILE else self._tar(identifier, resolved)
        yield _FakeReading(entry, content)

    async def write(
        self, container: str, write: FileWrite, chunks: AsyncIterator[bytes], *, now_ms: int
    ) -> None:
        identifier = await self._id(container)
        files = self._of(identifier)
        content = b"".join([chunk async for chunk in chunks])
        if len(content) > write.size_bytes:
            raise EngineRefused(f"more than the {write.size_bytes} bytes that were announced", status=400)
        if len(content) < write.size_bytes:
            raise EngineRefused(f"{write.size_bytes - len(content)} bytes did not come", status=400)
        if write.is_archive:
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                for member in archive:
                    data = archive.extractfile(member)
                    place = posixpath.join(write.path, member.name)
                    files[place] = FakeFile(content=data.read() if data else b"", mode=member.mode)
            return
        directory = posixpath.dirname(write.path)
        if directory not in files:
            raise PathNotFound(f"there is no directory {directory} in the container", status=404)
        there = files.get(write.path)
        if there is not None and there.kind is not FileKind.FILE:
            raise EngineRefused(f"{write.path} is a {there.kind}, and would not be a file", status=400)
        mode = write.mode if write.mode is not None else there.mode if there else 0o644
        files[write.path] = FakeFile(content=content, mode=mode, modified_at_ms=now_ms)

    async def settings(self, container: str) -> ContainerSettings:
        made = (await self._engine.made_from(container)).spec
        detail = await self._engine.inspect(container)
        return ContainerSettings(
            container_id=detail.id,
            name=detail.name,
            image=made.image,
            command=made.command or (),
            entrypoint=made.entrypoint or (),
            environment=tuple(sorted(made.environment)),
            labels=tuple(sorted(made.labels.items())),
            ports=tuple(
                PublishedOn(
                    container_port=port.container_port,
                    protocol=port.protocol,
                    host_ip=port.host_ip,
                    host_port=port.host_port or 0,
                )
                for port in made.ports
            ),
            mounts=tuple(
                MountedAt(kind=each.kind, target=each.target, source=each.source) for each in made.mounts
            ),
            limits=self._limits.get(detail.id, Limits(restart_policy=made.restart_policy)),
            is_running=detail.state.value == "running",
        )

    async def update(self, container: str, changes: LimitChanges) -> tuple[str, ...]:
        settings = await self.settings(container)
        given = {
            name: getattr(changes, name)
            for name in LimitChanges.__dataclass_fields__
            if getattr(changes, name) is not None
        }
        if given.get("pids") == 0:
            given["pids"] = None
        self._limits[settings.container_id] = replace(settings.limits, **given)
        return ()

    async def plan(self, container: str, changes: ReplacementChanges) -> ReplacementPlan:
        settings = await self.settings(container)
        differences = [
            Difference(field=f"environment {name}", before="", after="set") for name, _ in changes.environment
        ]
        if changes.image is not None:
            differences.append(Difference(field="image", before=settings.image, after=changes.image))
        return ReplacementPlan(
            container_id=settings.container_id,
            name=settings.name,
            differences=tuple(differences),
            lost=("its log so far, as the engine shows it",),
            is_running=settings.is_running,
        )

    async def rename(self, container: str, name: str) -> None:
        self._engine.rename(container, name)

    async def create_successor(self, container: str, changes: ReplacementChanges, *, name: str) -> str:
        if self.refuse_successors:
            raise EngineRefused(self.refuse_successors, status=400)
        made = (await self._engine.made_from(container)).spec
        environment = {**made.environment, **dict(changes.environment)}
        return await self._engine.create(
            replace(
                made,
                name=name,
                image=changes.image or made.image,
                command=made.command if changes.command is None else changes.command or None,
                environment={key: value for key, value in environment.items() if value is not None},
                labels=_merged(made, changes),
                ports=made.ports if changes.ports is None else tuple(map(_port, changes.ports)),
                mounts=made.mounts if changes.mounts is None else tuple(map(_mount, changes.mounts)),
            )
        )

    # ---- what tests do to it ------------------------------------------------------------------

    def put(self, container: str, path: str, file: FakeFile) -> None:
        """Have a container, by its full id, hold a file."""
        self._of(container)[path] = file

    # ---- inside -------------------------------------------------------------------------------

    async def _id(self, container: str) -> str:
        return (await self._engine.inspect(container)).id

    async def _running(self, container: str) -> ContainerDetail:
        detail = await self._engine.inspect(container)
        if detail.state.value != "running":
            raise EngineRefused(f"Container {detail.id} is not running", status=409)
        return detail

    def _of(self, identifier: str) -> dict[str, FakeFile]:
        base = {place: FakeFile(FileKind.DIRECTORY, mode=0o755) for place in ("/", "/tmp", "/etc")}
        return self._files.setdefault(identifier, {**base, "/etc/passwd": FakeFile(content=b"root:x:0:0\n")})

    def _resolve(self, identifier: str, path: str) -> tuple[FakeFile, str]:
        files = self._of(identifier)
        place = posixpath.normpath(path)
        for _ in range(8):
            found = files.get(place)
            if found is None:
                raise PathNotFound(f"there is nothing at {path} in the container", status=404)
            if found.kind is not FileKind.SYMLINK:
                return found, place
            place = posixpath.normpath(posixpath.join(posixpath.dirname(place), found.target))
        raise EngineRefused(f"{path} is a symlink that leads in a circle", status=400)

    def _tar(self, identifier: str, directory: str) -> bytes:
        output = io.BytesIO()
        with tarfile.open(fileobj=output, mode="w") as archive:
            for place, file in self._of(identifier).items():
                if file.kind is FileKind.FILE and place.startswith(directory.rstrip("/") + "/"):
                    info = tarfile.TarInfo(place.removeprefix(posixpath.dirname(directory)).lstrip("/"))
                    info.size = len(file.content)
                    archive.addfile(info, io.BytesIO(file.content))
        return output.getvalue()


@dataclass(frozen=True, slots=True)
class _FakeReading:
    entry: FileEntry
    content: bytes

    async def chunks(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.content), 1000):
            yield self.content[start : start + 1000]


def _entry(name: str, file: FakeFile) -> FileEntry:
    return FileEntry(
        name=name,
        kind=file.kind,
        size_bytes=len(file.content) if file.kind is FileKind.FILE else 0,
        mode=file.mode,
        modified_at_ms=file.modified_at_ms,
        link_target=file.target,
    )


def _merged(made: ContainerSpec, changes: ReplacementChanges) -> dict[str, str]:
    merged: dict[str, str | None] = {**made.labels, **dict(changes.labels)}
    return {key: value for key, value in merged.items() if value is not None}


def _port(port: PublishedOn) -> PortMapping:
    return PortMapping(container_port=port.container_port, host_ip=port.host_ip, host_port=port.host_port)


def _mount(mount: MountedAt) -> Mount:
    return Mount(kind=mount.kind, target=mount.target, source=mount.source, read_only=mount.read_only)
