"""Files inside containers: listing, download, upload."""

from __future__ import annotations

from urllib.parse import quote

from aiohttp import web
from pydantic import Field

from cluster.model.container_access import FileKind, FileWrite
from web.api.endpoint import Ask, Endpoint
from web.api.schemas import ContainerQuery, FilterText, PageQuery
from web.auth.problems import Problem, invalid
from web.middleware.bodies import stream_body
from web.middleware.routes import needs
from web.tools import container_files
from web.tools.container_files import WRITE_BYTES_MAX, FilePage, FileWritten

OCTETS = "application/octet-stream"
TAR = "application/x-tar"


class FilesQuery(PageQuery):
    """Which directory."""

    path: str = Field(default="/", max_length=4096, description="a directory, absolute")
    node: FilterText = ""


class ContentQuery(ContainerQuery):
    """Which file."""

    path: str = Field(max_length=4096, description="a file or directory, absolute")


class WriteQuery(ContentQuery):
    """Where to, and as what."""

    mode: str = Field(
        default="", pattern=r"^([0-7]{3,4})?$", description="octal; empty: as it was, else 0644"
    )
    archive: bool = Field(default=False, description="the body is a tar to be unpacked into the directory")


async def list_files(ask: Ask[None, FilesQuery]) -> FilePage:
    query = ask.query
    return await container_files.list_files(
        ask.context,
        ask.call,
        ask.path["container"],
        query.path,
        node=query.node,
        cursor=query.cursor,
        limit=query.limit,
    )


async def read_file(ask: Ask[None, ContentQuery]) -> web.StreamResponse:
    async with container_files.open_file(
        ask.context, ask.call, ask.path["container"], ask.query.path, node=ask.query.node
    ) as reading:
        is_directory = reading.entry.kind is FileKind.DIRECTORY
        name = (reading.entry.name.strip("/") or "root") + (".tar" if is_directory else "")
        response = web.StreamResponse()
        response.content_type = TAR if is_directory else OCTETS
        # Never shown in place: what is in a container was written by who knows whom.
        response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        response.headers["X-Accel-Buffering"] = "no"
        if not is_directory:
            response.content_length = reading.entry.size_bytes
        await response.prepare(ask.request)
        given = 0
        async for data in reading.chunks():
            given += len(data)
            if given > container_files.READ_BYTES_MAX:
                raise Problem("too-large", "the directory is larger than what is sent at once")
            await response.write(data)
        await response.write_eof()
        return response


async def write_file(ask: Ask[None, WriteQuery]) -> FileWritten:
    size = ask.request.content_length
    if size is None:
        raise invalid("Content-Length", "is needed: say how long the file is")
    query = ask.query
    write = FileWrite(
        path=query.path,
        size_bytes=size,
        mode=int(query.mode, 8) if query.mode else None,
        is_archive=query.archive,
    )
    return await container_files.write_file(
        ask.context,
        ask.call,
        ask.path["container"],
        write,
        stream_body(ask.request),
        node=query.node,
    )


_PROBLEMS = ("not-found", "ambiguous", "conflict", "refused", "host-unavailable")

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/containers/{container}/files",
        run=list_files,
        access=needs("container.read-files"),
        summary="What a directory of a container holds",
        tag="containers",
        query=FilesQuery,
        answer=FilePage,
        problems=_PROBLEMS,
    ),
    Endpoint(
        method="GET",
        path="/containers/{container}/files/content",
        run=read_file,
        access=needs("container.read-files"),
        summary="A file of a container, or a directory as a tar archive",
        tag="containers",
        query=ContentQuery,
        media_types=(OCTETS, TAR),
        problems=(*_PROBLEMS, "too-large", "audit-unavailable"),
    ),
    Endpoint(
        method="PUT",
        path="/containers/{container}/files/content",
        run=write_file,
        access=needs("container.write-files"),
        summary="Write a file into a container, or unpack an archive there",
        tag="containers",
        query=WriteQuery,
        answer=FileWritten,
        body_bytes_max=WRITE_BYTES_MAX,
        is_streamed=True,
        problems=(*_PROBLEMS, "too-large", "too-slow", "audit-unavailable"),
    ),
)
