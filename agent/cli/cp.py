"""`tower cp`: files between here and a container of any host, in both directions."""

from __future__ import annotations

import argparse
import os
import posixpath
import re
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

from agent.cli.client import ApiRefused, Client, segment
from agent.cli.connection import connect
from agent.cli.failures import DONE, CommandFailed, UsageWrong
from agent.cli.output import print_error
from agent.cli.parsing import Verbs

_REMOTE = re.compile(r"(?P<container>[A-Za-z0-9][A-Za-z0-9_.-]*):(?P<path>/.*)")
_PIECE_BYTES = 256 * 1024
_TAR = "application/x-tar"


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "cp",
        help="copy files to and from containers of any host",
        description="Copy a file or directory out of a container, or into one, whether or not it runs.",
        epilog="tower cp web-1:/etc/nginx/nginx.conf .    tower cp page.html web-1:/srv/www/"
        "    tower cp web-1:/var/log/app.log - | less",
    )
    parser.add_argument("source", metavar="FROM", help="a path here, or CONTAINER:/PATH")
    parser.add_argument("target", metavar="TO", help="CONTAINER:/PATH, or a path here; - prints a file")
    parser.add_argument("--node", metavar="NODE", help="where several hosts have one of that name")


def run(args: argparse.Namespace) -> int:
    source, target = _REMOTE.fullmatch(args.source), _REMOTE.fullmatch(args.target)
    if (source is None) == (target is None):
        raise UsageWrong(
            "one of the two is in a container, as CONTAINER:/PATH, and the other is not",
            hint="tower cp web-1:/etc/hosts .",
        )
    client = connect(args)
    if source is not None:
        _download(client, _found(client, source["container"], args.node), source["path"], args.target)
    elif target is not None:
        _upload(client, _found(client, target["container"], args.node), Path(args.source), target["path"])
    return DONE


class _Place:
    """A container, by what it is asked for with."""

    def __init__(self, container: dict[str, Any]) -> None:
        self.path = f"/containers/{segment(container['id'])}"
        self.node = str(container["node_id"])


def _found(client: Client, container: str, node: str | None) -> _Place:
    return _Place(client.get(f"/containers/{segment(container)}", node=node))


# ---- out of a container -------------------------------------------------------------------------


def _download(client: Client, place: _Place, path: str, target: str) -> None:
    response = client.open(f"{place.path}/files/content", node=place.node, path=path)
    try:
        is_directory = response.headers.get_content_type() == _TAR
        if target == "-":
            _pour(response, sys.stdout.buffer)
            return
        destination = Path(target)
        if destination.is_dir():
            destination /= posixpath.basename(path.rstrip("/")) or "root"
        if is_directory:
            _unpack(response, destination)
        else:
            _save(response, destination)
    finally:
        response.close()


def _save(response: Any, destination: Path) -> None:
    """Write beside the destination first: what breaks off leaves what was there."""
    try:
        with tempfile.NamedTemporaryFile(dir=destination.parent, prefix=".tower-", delete=False) as file:
            try:
                _pour(response, file)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        mode = 0o666 & ~_umask()
        Path(file.name).chmod(mode)
        Path(file.name).replace(destination)
    except OSError as error:
        raise CommandFailed(f"cannot write {destination}: {error.strerror or error}") from error


def _unpack(response: Any, destination: Path) -> None:
    """Unpack a directory.

    What is in a container was written by who knows whom: nothing of it may land outside, lead there, be a
    device, or be set to run as somebody else. What would is left out, and said to be.
    """
    import tarfile

    def keep(member: tarfile.TarInfo, place: str) -> tarfile.TarInfo | None:
        try:
            return tarfile.data_filter(member, place)
        except tarfile.FilterError as error:
            print_error(f"left out: {error}")
            return None

    if destination.exists():
        raise CommandFailed(f"{destination} is there already", hint="name a directory that is not")
    try:
        with tempfile.TemporaryDirectory(dir=destination.parent, prefix=".tower-") as waiting:
            with tarfile.open(fileobj=response, mode="r|") as archive:
                archive.extractall(waiting, filter=keep)  # noqa: S202 (what leads out is left out)
            (inner,) = Path(waiting).iterdir()
            inner.replace(destination)
    except tarfile.TarError as error:
        raise CommandFailed(f"what the container holds cannot be unpacked here: {error}") from error
    except (OSError, ValueError) as error:
        raise CommandFailed(f"cannot write {destination}: {error}") from error


def _pour(response: Any, file: IO[bytes]) -> None:
    expected = response.headers.get("Content-Length")
    given = 0
    while piece := response.read(_PIECE_BYTES):
        given += len(piece)
        file.write(piece)
    file.flush()
    if expected is not None and given != int(expected):
        raise CommandFailed(f"only {given} of {expected} bytes came")


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


# ---- into a container ---------------------------------------------------------------------------


def _upload(client: Client, place: _Place, source: Path, target: str) -> None:
    if not source.exists():
        raise CommandFailed(f"there is no {source}")
    if target.endswith("/") or _is_directory(client, place, target):
        target = posixpath.join(target, source.resolve().name)
    if source.is_dir():
        _upload_directory(client, place, source, target)
        return
    try:
        with source.open("rb") as file:
            mode = f"{source.stat().st_mode & 0o777:04o}"
            length = os.fstat(file.fileno()).st_size
            client.upload(
                f"{place.path}/files/content", file, length, node=place.node, path=target, mode=mode
            )
    except OSError as error:
        raise CommandFailed(f"cannot read {source}: {error.strerror or error}") from error


def _upload_directory(client: Client, place: _Place, source: Path, target: str) -> None:
    import tarfile

    directory, _, name = target.rstrip("/").rpartition("/")
    with tempfile.TemporaryFile() as packed:
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(source, arcname=name)
        length = packed.tell()
        packed.seek(0)
        client.upload(
            f"{place.path}/files/content",
            packed,
            length,
            node=place.node,
            path=directory or "/",
            archive=True,
        )


def _is_directory(client: Client, place: _Place, path: str) -> bool:
    try:
        client.get(f"{place.path}/files", node=place.node, path=path, limit=1)
    except ApiRefused as refused:
        if refused.status in (404, 422):
            return False
        raise
    return True
