"""Opening LMDB environments, and what their errors mean."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import lmdb
from lmdb.verify import VerifyError, verify

READERS_MAX = 1024

# 64 bytes for each reader and for each of two headers; LMDB takes a longer file as it is.
_READER_TABLE_BYTES = 64 * (READERS_MAX + 2)

VERIFIED_BYTES_MAX = 256 * 1024**2
"""Longest file whose structure is checked at opening."""

log = logging.getLogger(__name__)


def open_file(directory: Path, *, map_bytes: int, tables_max: int = 0) -> lmdb.Environment:
    """Return the environment in `directory`, which exists. Raises lmdb.Error, OSError.

    One flush per commit and never a torn file: data is synced before the meta page that refers to it. The
    newest commit may be lost in a power cut: whoever writes must have it elsewhere.
    """
    _allocate_reader_table(directory / "lock.mdb")
    environment = lmdb.open(
        str(directory),
        # The format of LMDB 0.9, whichever engine the library would choose for a new file.
        lib_version=0,
        map_size=map_bytes,
        subdir=True,
        mode=0o600,
        sync=True,
        metasync=False,
        writemap=False,
        max_readers=READERS_MAX,
        max_dbs=tables_max,
        max_spare_txns=16,
    )
    _keep_from_programs(directory / "data.mdb")
    # Slots of processes that were killed would keep their pages from being used again.
    environment.reader_check()
    return environment


def damage_of(directory: Path, *, bytes_max: int = VERIFIED_BYTES_MAX) -> str:
    """Return what is wrong with the structure of the data file in `directory`, "" where nothing is or where
    there is no file, or one longer than `bytes_max`.

    Walked before LMDB maps it, which would crash on some damage (SIGBUS on a file cut short). It finds
    damaged structure, at about 200 MiB/s; damage inside a value it cannot see. Raises OSError.
    """
    data = directory / "data.mdb"
    try:
        size = data.stat().st_size
    except FileNotFoundError:
        return ""
    if not size:
        return ""
    if size > bytes_max:
        log.info("mapped.not_verified", extra={"path": str(data), "size_bytes": size})
        return ""
    try:
        problems = verify(str(data))  # type: ignore[no-untyped-call]  # lmdb.verify has no types
    except VerifyError as error:
        return str(error)
    return str(problems[0]) if problems else ""


def is_out_of_room(error: lmdb.Error, *, is_disk_full: bool) -> bool:
    """Whether LMDB failed for want of room.

    LMDB reports a write that a full disk cut short as EIO ("short write, filesystem full?" in mdb.c), so
    whether the disk is full has to be asked apart.
    """
    number = error_number(error)
    if isinstance(error, lmdb.MapFullError) or number in (errno.ENOSPC, errno.EDQUOT):
        return True
    return number == errno.EIO and is_disk_full


def error_number(error: lmdb.Error) -> int:
    """Return the system's number of an error, LMDB's own (negative), or 0."""
    code: int = getattr(error, "code", 0)
    return code


def _allocate_reader_table(path: Path) -> None:
    """Have the disk set LMDB's lock file aside: it is written through a map, where a full disk kills the
    process."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(fd).st_size < _READER_TABLE_BYTES:
            os.posix_fallocate(fd, 0, _READER_TABLE_BYTES)
    finally:
        os.close(fd)


def _keep_from_programs(data: Path) -> None:
    """Close the file in programs we start. LMDB 0.9 leaves one descriptor of it open to them."""
    file = data.stat()
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            status = os.fstat(fd)
        except OSError:
            continue  # the descriptor of this listing
        if (status.st_dev, status.st_ino) == (file.st_dev, file.st_ino):
            os.set_inheritable(fd, False)
