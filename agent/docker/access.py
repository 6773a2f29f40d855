"""`ContainerAccess` over a Docker Engine: commands, files, settings and successors of one container.

Goes through the engine's seam (`DockerEngine`), whose time-outs and translated failures hold here too.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import aiohttp
from aiodocker.exceptions import DockerError

from agent.docker import settings as container_settings
from agent.docker.engine import DockerEngine, json_of
from agent.docker.exec_processes import MARK, ending_command
from agent.docker.exec_session import DockerExec, hand_over
from agent.docker.failures import refusal, tidy
from agent.docker.file_listing import (
    ENTRIES_MAX,
    LISTING_BYTES_MAX,
    NO_DIRECTORY,
    NOTHING_THERE,
    bounded,
    child_of,
    listing_command,
    parse_listing,
    parse_stat,
)
from agent.docker.tar_stream import ArchiveMalformed, Body, Member, TarReader, file_header, file_trailer
from agent.ports import ContainerNotFound, EngineRefused, EngineUnavailable
from agent.ports.access import PathNotFound
from agent.ports.sending import Sending
from cluster.model.container_access import (
    ContainerSettings,
    ExecRequest,
    ExecSession,
    FileEntry,
    FileKind,
    FileListing,
    FileReading,
    FileWrite,
    LimitChanges,
    ProcessTable,
    ReplacementChanges,
    ReplacementPlan,
)

LISTING_TIMEOUT_S = 10.0
END_TIMEOUT_S = 5.0
WALK_BYTES_MAX = 512 * 1024 * 1024
WALK_TIMEOUT_S = 15.0
TRANSFER_TIMEOUT_S = 3600.0
PROCESSES_MAX = 5000
_STAT_HEADER = "X-Docker-Container-Path-Stat"
_PIECE_BYTES = 128 * 1024


class DockerAccess:
    """See the protocol for each method."""

    def __init__(self, engine: DockerEngine) -> None:
        self._engine = engine

    # ---- a command inside ---------------------------------------------------------------------

    @asynccontextmanager
    async def exec(self, container: str, request: ExecRequest) -> AsyncIterator[ExecSession]:
        mark = secrets.token_hex(12)
        detail = await self._engine.inspect(container)

        async def end() -> None:
            ending = ExecRequest(command=ending_command(mark), user="0")
            async with asyncio.timeout(END_TIMEOUT_S), self._exec(detail.id, ending, _nothing) as killer:
                async for _ in killer.output():
                    pass

        marked = replace(request, environment=(*request.environment, f"{MARK}={mark}"))
        async with self._exec(detail.id, marked, end) as session:
            yield session

    @asynccontextmanager
    async def _exec(
        self, container: str, request: ExecRequest, end: Callable[[], Awaitable[None]]
    ) -> AsyncIterator[ExecSession]:
        """As `exec`, of a full id; `end` ends what still runs in the end."""
        assert request.command, "a shell is looked for before"
        async with self._engine.on(container, "to run a command in") as handle:
            made = await json_of(
                handle.docker,
                f"containers/{container}/exec",
                "POST",
                body={
                    "AttachStdin": True,
                    "AttachStdout": True,
                    "AttachStderr": True,
                    "Tty": request.has_terminal,
                    "Cmd": list(request.command),
                    "User": request.user,
                    "WorkingDir": request.working_dir,
                    "Env": list(request.environment),
                    # Known since API 1.42; older engines overlook it and are told afterwards.
                    "ConsoleSize": [request.rows, request.columns] if request.has_terminal else None,
                },
                headers={"Content-Type": "application/json"},
            )
        identifier = str((made or {}).get("Id", ""))
        socket, version = await self._engine.address()
        reader, writer = await hand_over(
            socket,
            f"/v{version}/exec/{quote(identifier, safe='')}/start",
            {"Detach": False, "Tty": request.has_terminal},
            timeout_s=self._engine.request_timeout_s,
        )

        async def resize(columns: int, rows: int) -> None:
            async with self._engine.request("the size of a terminal") as docker:
                await json_of(docker, f"exec/{identifier}/resize", "POST", params={"w": columns, "h": rows})

        async def state() -> tuple[bool, int | None, int]:
            async with self._engine.request("the state of a command") as docker:
                found = await json_of(docker, f"exec/{identifier}/json")
            code = found.get("ExitCode")
            return bool(found.get("Running")), None if code is None else int(code), int(found.get("Pid") or 0)

        session = DockerExec(
            reader=reader,
            writer=writer,
            has_terminal=request.has_terminal,
            resize=resize,
            state=state,
            end=end,
        )
        try:
            if request.has_terminal:
                await session.resize(columns=request.columns, rows=request.rows)
            yield session
        finally:
            await session.close(container)

    # ---- looking ------------------------------------------------------------------------------

    async def top(self, container: str) -> ProcessTable:
        async with self._engine.on(container, "the processes of") as handle:
            found = await json_of(
                handle.docker,
                f"containers/{handle.id}/top",
                params={"ps_args": "-eo pid,ppid,user,pcpu,pmem,rss,etime,stat,args"},
            )
            titles = tuple(str(title) for title in found.get("Titles") or ())
            width = len(titles)
            return ProcessTable(
                titles=titles,
                rows=tuple(
                    tuple((*map(str, row), *([""] * width))[:width])
                    for row in (found.get("Processes") or ())[:PROCESSES_MAX]
                ),
            )

    async def document(self, container: str) -> dict[str, object]:
        async with self._engine.on(container, "to inspect") as handle:
            found = await json_of(handle.docker, f"containers/{handle.id}/json")
            return {str(key): value for key, value in found.items()}

    # ---- files --------------------------------------------------------------------------------

    async def stat(self, container: str, path: str) -> FileEntry:
        entry, _ = await self._resolve(container, path)
        return entry

    async def files(self, container: str, path: str) -> FileListing:
        detail = await self._engine.inspect(container)
        if detail.state.value == "running":
            listing = await self._ask_container(detail.id, path)
            if listing is not None:
                return listing
        entry, resolved = await self._resolve(detail.id, path)
        if entry.kind is not FileKind.DIRECTORY:
            raise EngineRefused(f"{path} is a {entry.kind}, not a directory", status=400)
        return await self._walk(detail.id, path, resolved)

    @asynccontextmanager
    async def read(self, container: str, path: str) -> AsyncIterator[FileReading]:
        entry, resolved = await self._resolve(container, path)
        if entry.kind not in (FileKind.FILE, FileKind.DIRECTORY):
            raise EngineRefused(f"{path} is a {entry.kind}: only files and directories are read", status=400)
        async with self._archive(container, resolved) as response:
            yield _DockerReading(entry, response)

    async def write(
        self, container: str, write: FileWrite, chunks: AsyncIterator[bytes], *, now_ms: int
    ) -> None:
        if write.is_archive:
            await self._unpack(container, write.path, _exactly(chunks, write))
            return
        directory, _, name = write.path.rpartition("/")
        if not name:
            raise EngineRefused(f"{write.path} is a directory: name the file in it", status=400)
        mode = write.mode
        try:
            there, _ = await self._resolve(container, write.path)
        except PathNotFound:
            mode = 0o644 if mode is None else mode
        else:
            if there.kind is not FileKind.FILE:
                raise EngineRefused(f"{write.path} is a {there.kind}, and would not be a file", status=400)
            mode = there.mode if mode is None else mode
        header = file_header(name, size_bytes=write.size_bytes, mode=mode, modified_at_ms=now_ms)

        async def archive() -> AsyncIterator[bytes]:
            yield header
            async for chunk in _exactly(chunks, write):
                yield chunk
            yield file_trailer(write.size_bytes)

        await self._unpack(container, directory or "/", archive())

    # ---- settings -----------------------------------------------------------------------------

    async def settings(self, container: str) -> ContainerSettings:
        return container_settings.parse_settings(await self.document(container))

    async def update(self, container: str, changes: LimitChanges) -> tuple[str, ...]:
        problem = container_settings.limits_problem(changes)
        if problem is not None:
            raise EngineRefused(f"{problem[0]}: {problem[1]}", status=400)
        found: Mapping[str, Any] = await self.document(container)
        body = container_settings.update_body(found.get("HostConfig") or {}, changes)
        async with self._engine.on(container, "to change") as handle:
            answer = await json_of(
                handle.docker,
                f"containers/{handle.id}/update",
                "POST",
                body=body,
                headers={"Content-Type": "application/json"},
            )
            return tuple(tidy(str(each)) for each in (answer or {}).get("Warnings") or ())

    async def plan(self, container: str, changes: ReplacementChanges) -> ReplacementPlan:
        found: Mapping[str, Any]
        async with self._engine.on(container, "to inspect") as handle:
            found = await json_of(handle.docker, f"containers/{handle.id}/json", params={"size": 1})
        reference = changes.image or str((found.get("Config") or {}).get("Image", ""))
        image = await self._image(reference)
        notes = list(container_settings.notes(found))
        if changes.image is None and image is not None and image.get("Id") != found.get("Image"):
            notes.append(f"{reference} means a newer image on this host now, which will be used")
        dependents = [
            other.name
            for other in await self._engine.containers()
            if other.network_mode == f"container:{found.get('Id')}"
        ]
        if dependents:
            notes.append(f"{', '.join(dependents)} share its network, and are to be made anew after it")
        return ReplacementPlan(
            container_id=str(found.get("Id", "")),
            name=str(found.get("Name", "")).removeprefix("/"),
            differences=container_settings.differences(found, changes),
            lost=tuple(container_settings.lost(found, changes)),
            notes=tuple(notes),
            is_running=bool((found.get("State") or {}).get("Running")),
            is_pull_needed=image is None,
            refusal=container_settings.refusal(found),
        )

    async def rename(self, container: str, name: str) -> None:
        async with self._engine.on(container, "to rename") as handle:
            await json_of(handle.docker, f"containers/{handle.id}/rename", "POST", params={"name": name})

    async def create_successor(self, container: str, changes: ReplacementChanges, *, name: str) -> str:
        found: Mapping[str, Any] = await self.document(container)
        image = await self._image(str(found.get("Image", ""))) or {}
        body, networks = container_settings.successor(found, image, changes)
        async with self._engine.request(f"to create {name}") as docker:
            made = await json_of(
                docker,
                "containers/create",
                "POST",
                params={"name": name},
                body=body,
                headers={"Content-Type": "application/json"},
            )
            identifier = str(made["Id"])
            try:
                for network, endpoint in networks.items():
                    await json_of(
                        docker,
                        f"networks/{quote(network, safe='')}/connect",
                        "POST",
                        body={"Container": identifier, "EndpointConfig": endpoint},
                        headers={"Content-Type": "application/json"},
                    )
            except DockerError:
                await docker.containers.container(identifier).delete(force=True)
                raise
            return identifier

    # ---- inside -------------------------------------------------------------------------------

    async def _image(self, reference: str) -> Mapping[str, Any] | None:
        async with self._engine.request(f"image {reference}") as docker:
            try:
                found = await json_of(docker, f"images/{quote(reference, safe='/:@')}/json")
            except DockerError as error:
                if error.status != 404:
                    raise
                return None
            assert isinstance(found, dict)
            return found

    async def _resolve(self, container: str, path: str) -> tuple[FileEntry, str]:
        """Return what is at a path, symlinks followed, and where that is. The engine resolves them inside."""
        entry, target = await self._stat(container, path)
        if entry.kind is not FileKind.SYMLINK:
            return entry, path
        # Told whole by the engine; a second one is a link that leads nowhere.
        followed, _ = await self._stat(container, target or "/", asked=path)
        if followed.kind is FileKind.SYMLINK:
            raise PathNotFound(f"{path} is a symlink that leads nowhere", status=404)
        return followed, target or "/"

    async def _stat(self, container: str, path: str, *, asked: str = "") -> tuple[FileEntry, str]:
        shown = asked or path

        def refuse(status: int, message: str) -> EngineRefused:
            if status == 404 and "no such container" not in message.lower():
                return PathNotFound(f"there is nothing at {shown} in the container", status=404)
            if "too many links" in message:
                # Said with the path on the host.
                return EngineRefused(f"{shown} is a symlink that leads in a circle", status=400)
            return refusal(status, message)

        detail = await self._engine.inspect(container)
        # The head of the archive, and not HEAD: refused, that would not say why.
        async with self._engine.stream(
            f"containers/{detail.id}/archive", params={"path": path}, refuse=refuse
        ) as response:
            return parse_stat(json.loads(base64.b64decode(response.headers.get(_STAT_HEADER, ""))))

    async def _ask_container(self, container: str, path: str) -> FileListing | None:
        """Return what the container's own programs list, None where it has none that do."""
        mark = secrets.token_hex(12)
        request = ExecRequest(
            command=listing_command(path, mark),
            user="0",
            environment=("QUOTING_STYLE=literal", "LC_ALL=C"),
        )
        output = bytearray()
        is_cut = False
        try:
            async with asyncio.timeout(LISTING_TIMEOUT_S), self.exec(container, request) as session:
                async for piece in session.output():
                    if piece.stream == "stdout":
                        output += piece.data
                    if len(output) > LISTING_BYTES_MAX:
                        is_cut = True
                        break
                code = 0 if is_cut else await session.exit_code()
        except ContainerNotFound:
            raise
        except (EngineRefused, TimeoutError):
            return None
        if code == NOTHING_THERE:
            raise PathNotFound(f"there is nothing at {path} in the container", status=404)
        if code == NO_DIRECTORY:
            raise EngineRefused(f"{path} is not a directory", status=400)
        if code != 0:
            return None
        entries, more = bounded(parse_listing(bytes(output), mark))
        if is_cut and not more:
            more = f"the directory is too large to be listed whole; these are {len(entries)} of its files"
        return FileListing(path=path, entries=entries, incomplete=more)

    async def _walk(self, container: str, path: str, resolved: str) -> FileListing:
        reader = TarReader(with_bodies=False)
        entries: dict[str, FileEntry] = {}
        root: str | None = None
        seen = 0
        incomplete = ""
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + WALK_TIMEOUT_S
        async with self._archive(container, resolved) as response:
            async for data in response.content.iter_chunked(_PIECE_BYTES):
                seen += len(data)
                for event in _events(reader, data):
                    if not isinstance(event, Member):
                        continue
                    if root is None:
                        root = event.name
                        continue
                    child = child_of(event, root)
                    if child is not None and len(entries) < ENTRIES_MAX:
                        entries[child.name] = child
                if len(entries) >= ENTRIES_MAX:
                    incomplete = f"there are {ENTRIES_MAX} files or more; these are some of them"
                elif seen > WALK_BYTES_MAX or loop.time() > ends_s:
                    incomplete = (
                        "there is more: what does not run, or has no shell, is read from its beginning only;"
                        " list a directory further in"
                    )
                if incomplete:
                    break
        return FileListing(path=path, entries=tuple(entries.values()), incomplete=incomplete)

    @asynccontextmanager
    async def _archive(self, container: str, path: str) -> AsyncIterator[aiohttp.ClientResponse]:
        detail = await self._engine.inspect(container)
        async with self._engine.stream(f"containers/{detail.id}/archive", params={"path": path}) as response:
            yield response

    async def _unpack(self, container: str, directory: str, archive: AsyncIterator[bytes]) -> None:
        def refuse(status: int, message: str) -> EngineRefused:
            if status == 404 and "no such container" not in message.lower():
                return PathNotFound(f"there is no directory {directory} in the container", status=404)
            return refusal(status, message)

        detail = await self._engine.inspect(container)
        sent = Sending(archive)
        try:
            async with self._engine.request(
                f"to write to {directory}", timeout_s=TRANSFER_TIMEOUT_S, refuse=refuse
            ) as docker:
                response = await docker._do_query(
                    f"containers/{detail.id}/archive",
                    "PUT",
                    params={"path": directory, "noOverwriteDirNonDir": 1},
                    data=sent.pieces(),
                    headers={"Content-Type": "application/x-tar"},
                )
                response.close()
        except (EngineRefused, EngineUnavailable):
            if sent.failure is not None:
                raise sent.failure from None
            raise


async def _nothing() -> None:
    """What ends by itself is not ended."""


class _DockerReading:
    """`FileReading` over an archive that is on its way."""

    def __init__(self, entry: FileEntry, response: aiohttp.ClientResponse) -> None:
        self.entry = entry
        self._response = response

    async def chunks(self) -> AsyncIterator[bytes]:
        content = self._response.content.iter_chunked(_PIECE_BYTES)
        if self.entry.kind is FileKind.DIRECTORY:
            async for data in content:
                yield data
            return
        reader = TarReader()
        given = 0
        async for data in content:
            for event in _events(reader, data):
                if isinstance(event, Body):
                    given += len(event.data)
                    yield event.data
        if given != self.entry.size_bytes:
            # A reader who was told a size must not take less for all of it.
            raise EngineUnavailable("the file changed while it was read")


def _events(reader: TarReader, data: bytes) -> list[Member | Body]:
    try:
        return list(reader.feed(data))
    except ArchiveMalformed as error:
        raise EngineUnavailable(f"what the engine sends cannot be read: {error}") from error


async def _exactly(chunks: AsyncIterator[bytes], write: FileWrite) -> AsyncIterator[bytes]:
    """Yield the chunks, which have to be as long as was said."""
    left = write.size_bytes
    async for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise EngineRefused(f"more than the {write.size_bytes} bytes that were announced", status=400)
        yield chunk
    if left:
        raise EngineRefused(f"{left} of {write.size_bytes} bytes did not come", status=400)
