"""What hosts ask of each other about one container from near: paths, and the bytes of it.

A command is a WebSocket of binary messages, of which the first byte says what they are; the first one of
each side is the request, and the answer that it has begun or was refused. Files are bodies as they are, with
what they are in a header. Steps of a replacement are frames as those of a log.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import AsyncIterator
from enum import IntEnum
from typing import TypeVar

import aiohttp

from cluster.encoding import Codec, EncodingError, codec
from cluster.model.container_access import (
    ContainerSettings,
    ExecRequest,
    FileEntry,
    FileListing,
    FileWrite,
    LimitChanges,
    ProcessTable,
    ReplacementChanges,
    ReplacementPlan,
    ReplacementStep,
)
from cluster.model.inventory import HostUnavailable

NEAR = "/peer/v1/near/{container}"
EXEC = NEAR + "/exec"
TOP = NEAR + "/top"
DOCUMENT = NEAR + "/document"
FILES = NEAR + "/files"
FILE = NEAR + "/file"
SETTINGS = NEAR + "/settings"
PLAN = NEAR + "/plan"
REPLACE = NEAR + "/replace"

ENTRY_HEADER = "X-Tower-Entry"
WRITE_HEADER = "X-Tower-Write"
STREAM_SILENCE_S = 60.0
"""A file or a command's news that do not go on for so long are given up."""
FRAME_BYTES_MAX = 256 * 1024

EXEC_REQUESTS = codec(ExecRequest)
PROCESS_TABLES = codec(ProcessTable)
LISTINGS = codec(FileListing)
ENTRIES = codec(FileEntry)
WRITES = codec(FileWrite)
SETTINGS_OF = codec(ContainerSettings)
LIMIT_CHANGES = codec(LimitChanges)
CHANGES = codec(ReplacementChanges)
PLANS = codec(ReplacementPlan)
STEPS = codec(ReplacementStep)

_Frame = TypeVar("_Frame")


class ExecMessage(IntEnum):
    """The first byte of a message of a command, and what follows it."""

    INPUT = 0  # bytes for the command
    INPUT_END = 1
    SIZE = 2  # columns and rows, two big-endian bytes each
    BEGUN = 16
    REFUSED = 17  # a Refusal
    STDOUT = 18
    STDERR = 19
    ENDED = 20  # the exit code, four big-endian bytes; nothing where it is not known


def size_message(*, columns: int, rows: int) -> bytes:
    return bytes((ExecMessage.SIZE,)) + struct.pack(">HH", columns, rows)


def read_size(content: bytes) -> tuple[int, int]:
    """Return columns and rows. Raises EncodingError."""
    if len(content) != 4:
        raise EncodingError("a size is two numbers of two bytes")
    columns, rows = struct.unpack(">HH", content)
    return columns, rows


def end_message(exit_code: int | None) -> bytes:
    return bytes((ExecMessage.ENDED,)) + (b"" if exit_code is None else struct.pack(">i", exit_code))


def read_end(content: bytes) -> int | None:
    """Return the exit code. Raises EncodingError."""
    if not content:
        return None
    if len(content) != 4:
        raise EncodingError("an exit code is four bytes")
    return int(struct.unpack(">i", content)[0])


def header_of(encoded: bytes) -> str:
    """Return bytes as a header's value."""
    return base64.urlsafe_b64encode(encoded).decode()


def read_header(value: str) -> bytes:
    """The inverse. Raises EncodingError."""
    try:
        return base64.urlsafe_b64decode(value.encode())
    except ValueError as error:
        raise EncodingError("a header that is not base64") from error


def frame(encoded: bytes) -> bytes:
    """Return one frame of a stream of values."""
    return struct.pack(">I", len(encoded)) + encoded


async def read_frames(
    response: aiohttp.ClientResponse, frames: Codec[_Frame], node_id: str
) -> AsyncIterator[_Frame]:
    """Yield the values of a stream. Raises HostUnavailable when it breaks off."""
    try:
        while True:
            header = await response.content.read(4)
            if not header:
                return
            while len(header) < 4:
                header += await response.content.readexactly(4 - len(header))
            (length,) = struct.unpack(">I", header)
            if length > FRAME_BYTES_MAX:
                raise HostUnavailable(f"{node_id} sent a frame of {length} bytes")
            yield frames.decode(await response.content.readexactly(length))
    except EncodingError as error:
        raise HostUnavailable(f"{node_id} answers in words of another version: {error}") from error
    except (aiohttp.ClientError, EOFError, TimeoutError) as error:
        raise HostUnavailable(f"{node_id} broke off: {error}") from error
