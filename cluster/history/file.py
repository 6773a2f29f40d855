"""The history's LMDB file: opening it, setting a damaged one aside, and what its errors mean."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb

from cluster.history.errors import HistoryError, HistoryFailed, HistoryFull, HistoryUnusable
from cluster.history.layout import META, SCHEMA_VERSION, TABLES, Handles, Tables
from cluster.mapped.environment import damage_of, error_number, is_out_of_room, open_file

SCHEMA = 2
MAP_BYTES = 64 * 1024**3
"""Address space for the file, which is sparse: the limit on what is kept is the retention's."""
FREE_BYTES_MIN = 32 * 1024**2
"""Below this much room a disk counts as full."""
DATA, LOCK, ASIDE = "data.mdb", "lock.mdb", "data.mdb.damaged"

log = logging.getLogger(__name__)


def open_history(directory: Path, *, map_bytes: int = MAP_BYTES) -> tuple[lmdb.Environment, Handles]:
    """Return the file in `directory` and its tables, made where they are not there.

    A file whose structure is damaged, or of a schema this version does not know, is renamed to `ASIDE`, in
    place of an earlier one, and an empty one begun: others have what it held. Raises HistoryUnusable.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        problem = damage_of(directory)
    except OSError as error:
        raise _unusable(directory, error.errno or 0, str(error)) from error
    if not problem:
        try:
            return _opened(directory, map_bytes)
        except _Unknown as error:
            problem = str(error)
        except lmdb.Error as error:
            if error_number(error) > 0:
                raise _unusable(directory, error_number(error), str(error)) from error
            problem = str(error)
        except OSError as error:
            raise _unusable(directory, error.errno or 0, str(error)) from error
    log.warning("history.set_aside", extra={"path": str(directory / ASIDE), "reason": problem})
    try:
        (directory / DATA).replace(directory / ASIDE)
        (directory / LOCK).unlink(missing_ok=True)
        return _opened(directory, map_bytes)
    except (OSError, lmdb.Error, _Unknown) as error:
        raise HistoryUnusable(
            f"{directory} is damaged ({problem}) and cannot be begun anew ({error}): move it away and start"
            " again: this host takes the history from the others"
        ) from error


class _Unknown(Exception):
    """The file is of another schema."""


def _opened(directory: Path, map_bytes: int) -> tuple[lmdb.Environment, Handles]:
    environment = open_file(directory, map_bytes=map_bytes, tables_max=len(TABLES))
    try:
        handles = {name: environment.open_db(name) for name in TABLES}
        with environment.begin(write=True) as txn:
            _check_schema(Tables(txn, handles))
    except BaseException:
        environment.close()
        raise
    return environment, handles


def _check_schema(tables: Tables) -> None:
    schema = tables.meta(SCHEMA_VERSION)
    if schema is None and not tables.txn.stat(tables.handles[META])["entries"]:
        tables.set_meta(SCHEMA_VERSION, SCHEMA)
    elif schema != SCHEMA:
        raise _Unknown(f"schema {schema!r}: this version reads {SCHEMA}")


@contextmanager
def reading(environment: lmdb.Environment, handles: Handles) -> Iterator[Tables]:
    """A read transaction. Raises HistoryFailed for what LMDB cannot read."""
    try:
        with environment.begin() as txn:
            yield Tables(txn, handles)
    except lmdb.Error as error:
        raise HistoryFailed(f"the metric history cannot be read: {error}") from error


@contextmanager
def writing(environment: lmdb.Environment, handles: Handles) -> Iterator[Tables]:
    """A write transaction, committed at its end. Raises HistoryFull (nothing was written), HistoryFailed."""
    try:
        with environment.begin(write=True) as txn:
            yield Tables(txn, handles)
    except lmdb.Error as error:
        raise _failure(environment, error) from error


def _failure(environment: lmdb.Environment, error: lmdb.Error) -> HistoryError:
    directory = environment.path()
    try:
        disk = os.statvfs(directory)
        is_disk_full = disk.f_bavail * disk.f_frsize < FREE_BYTES_MIN
    except OSError:
        is_disk_full = False
    if is_out_of_room(error, is_disk_full=is_disk_full):
        return HistoryFull(f"no room for metrics in {directory}: {error}; make room there")
    return HistoryFailed(f"the disk failed while metrics were written in {directory}: {error}")


def _unusable(directory: Path, number: int, text: str) -> HistoryUnusable:
    if number == errno.ENOMEM:
        return HistoryUnusable(
            f"{directory}: the system does not give {MAP_BYTES >> 30} GiB of address space: lift the limit"
            " (ulimit -v, or LimitAS= in the unit)"
        )
    return HistoryUnusable(f"{directory} cannot be used for metrics ({text}): make it writable for the agent")
