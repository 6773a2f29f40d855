"""Files inside containers: listing, reading and writing them. Every reading and writing is recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cluster.model.container_access import FileKind, FileReading, FileWrite, path_problem
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import Problem, invalid
from web.tools.containers import find_container
from web.tools.context import Context
from web.tools.listing import Key, page_of
from web.tools.targets import container_target

READ_BYTES_MAX = 8 * 1024**3
WRITE_BYTES_MAX = 2 * 1024**3
_MODE_MAX = 0o7777


@dataclass(frozen=True, slots=True, kw_only=True)
class FileView:
    """One file. `mode` is octal text; `link_target` is what a symlink says, "" otherwise."""

    name: str
    kind: FileKind
    size_bytes: int
    mode: str
    modified_at_ms: int
    link_target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePage:
    """Some files of a directory, directories first. `incomplete` says why not all can be listed."""

    path: str
    items: tuple[FileView, ...]
    next_cursor: str | None
    incomplete: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileWritten:
    """What was written."""

    path: str
    size_bytes: int


async def list_files(
    context: Context,
    call: Call,
    reference: str,
    path: str,
    *,
    node: str,
    cursor: str | None,
    limit: int,
) -> FilePage:
    """Return what a directory of a container holds. Raises Problem, HostUnavailable or HostRefused."""
    _check(path)
    await context.authority.admit(call, "container.read-files", f"container:{reference}")
    container = await find_container(context, call, reference, node=node)
    await context.authority.require(call, "container.read-files", container_target(container))
    listing = await context.surroundings.desk.files(
        container.node_id, container.id, path, caller=call.on_behalf()
    )
    views = [
        FileView(
            name=entry.name,
            kind=entry.kind,
            size_bytes=entry.size_bytes,
            mode=f"{entry.mode:04o}",
            modified_at_ms=entry.modified_at_ms,
            link_target=entry.link_target,
        )
        for entry in listing.entries
    ]
    page = page_of(views, key=_order, cursor=cursor, limit=limit)
    return FilePage(path=path, items=page.items, next_cursor=page.next_cursor, incomplete=listing.incomplete)


@asynccontextmanager
async def open_file(
    context: Context, call: Call, reference: str, path: str, *, node: str
) -> AsyncIterator[FileReading]:
    """Open a file of a container, or a directory as a tar archive.

    Raises Problem; HostUnavailable or HostRefused on entering.
    """
    _check(path)
    await context.authority.admit(call, "container.read-files", f"container:{reference}")
    container = await find_container(context, call, reference, node=node)
    async with (
        context.authority.performing(call, "container.read-files", container_target(container)) as permit,
        permit.acting(path),
        context.surroundings.desk.read_file(
            container.node_id, container.id, path, caller=call.on_behalf()
        ) as reading,
    ):
        if reading.entry.size_bytes > READ_BYTES_MAX:
            raise Problem(
                "too-large",
                f"{path} has {reading.entry.size_bytes} bytes, and {READ_BYTES_MAX} are sent at most",
                hint="copy it on its host with `docker cp`",
            )
        yield reading


async def write_file(
    context: Context,
    call: Call,
    reference: str,
    write: FileWrite,
    chunks: AsyncIterator[bytes],
    *,
    node: str,
) -> FileWritten:
    """Write a file into a container. Raises Problem, HostUnavailable or HostRefused, and what `chunks` do."""
    _check(write.path)
    if write.size_bytes > WRITE_BYTES_MAX:
        raise Problem("too-large", f"at most {WRITE_BYTES_MAX} bytes are written at once")
    if write.mode is not None and not 0 <= write.mode <= _MODE_MAX:
        raise invalid("mode", "octal, such as 0644")
    await context.authority.admit(call, "container.write-files", f"container:{reference}")
    container = await find_container(context, call, reference, node=node)

    async def change(permit: Permit) -> None:
        async with permit.acting(write.path):
            await context.surroundings.desk.write_file(
                container.node_id, container.id, write, chunks, caller=call.on_behalf()
            )

    await context.authority.perform(call, "container.write-files", container_target(container), change)
    return FileWritten(path=write.path, size_bytes=write.size_bytes)


def _check(path: str) -> None:
    problem = path_problem(path)
    if problem:
        raise invalid("path", problem, value=path[:200] if path.isprintable() else None)


def _order(view: FileView) -> Key:
    return (0 if view.kind is FileKind.DIRECTORY else 1, view.name)
