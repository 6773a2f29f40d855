"""What a directory of a container holds: asked of its own programs, or read from an archive of it. Pure.

The engine knows archives of whole trees only, which of `/` means reading all of the container. So a running
container is asked through its `find` and `stat`, as busybox and coreutils both have them; one that is
stopped, or has neither, is read as an archive until that has gone on for too long.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from typing import Any

from agent.docker.inspect import parse_time_ns
from agent.docker.tar_stream import Member
from cluster.model.container_access import FileEntry, FileKind

ENTRIES_MAX = 10_000
LISTING_BYTES_MAX = 4 * 1024 * 1024
NO_DIRECTORY = 41
NOT_LISTABLE = 42
NOTHING_THERE = 43

# Exit codes of our own tell what is wrong from a program that is missing (126, 127). The mark is random, so
# that no file's name can look like the beginning of the next one.
_SCRIPT = f"""
[ -e "$1" ] || exit {NOTHING_THERE}
[ -d "$1" ] || exit {NO_DIRECTORY}
cd "$1" || exit {NOT_LISTABLE}
command -v find >/dev/null && command -v stat >/dev/null || exit 127
exec find . -mindepth 1 -maxdepth 1 -exec stat -c "$2/%f/%s/%Y/%n$2%N" {{}} +
"""

_KIND_OF_FORMAT = {
    stat.S_IFREG: FileKind.FILE,
    stat.S_IFDIR: FileKind.DIRECTORY,
    stat.S_IFLNK: FileKind.SYMLINK,
    stat.S_IFBLK: FileKind.DEVICE,
    stat.S_IFCHR: FileKind.DEVICE,
    stat.S_IFIFO: FileKind.PIPE,
    stat.S_IFSOCK: FileKind.SOCKET,
}
_KIND_OF_MEMBER = {
    b"0": FileKind.FILE,
    b"\0": FileKind.FILE,
    b"1": FileKind.FILE,
    b"2": FileKind.SYMLINK,
    b"3": FileKind.DEVICE,
    b"4": FileKind.DEVICE,
    b"5": FileKind.DIRECTORY,
    b"6": FileKind.PIPE,
}

# Go's os.FileMode (io/fs), in which the engine tells of a single path.
_GO_KINDS = (
    (1 << 31, FileKind.DIRECTORY),
    (1 << 27, FileKind.SYMLINK),
    (1 << 26, FileKind.DEVICE),
    (1 << 25, FileKind.PIPE),
    (1 << 24, FileKind.SOCKET),
)
_GO_BITS = ((1 << 23, stat.S_ISUID), (1 << 22, stat.S_ISGID), (1 << 20, stat.S_ISVTX))
_GO_IRREGULAR = 1 << 19


def listing_command(path: str, mark: str) -> tuple[str, ...]:
    """Return what lists `path` in a container; `mark` is random, of letters and digits."""
    return ("sh", "-c", _SCRIPT, "sh", path, mark)


def parse_listing(output: bytes, mark: str) -> tuple[FileEntry, ...]:
    """Return the entries that the command printed; what is not as asked for is passed over."""
    entries = []
    for record in output.decode(errors="replace").split(f"{mark}/")[1:]:
        entry = _entry(record, mark)
        if entry is not None:
            entries.append(entry)
    return tuple(entries)


def _entry(record: str, mark: str) -> FileEntry | None:
    said, separator, quoted = record.partition(mark)
    parts = said.split("/", 4)
    if not separator or len(parts) != 5 or parts[3] != ".":
        return None
    try:
        mode, size, modified_s = int(parts[0], 16), int(parts[1]), int(parts[2])
    except ValueError:
        return None
    name = parts[4]
    kind = _KIND_OF_FORMAT.get(stat.S_IFMT(mode), FileKind.OTHER)
    return FileEntry(
        name=name,
        kind=kind,
        # Of anything else it says how the file system keeps it, and nothing of what is in it.
        size_bytes=max(0, size) if kind is FileKind.FILE else 0,
        mode=stat.S_IMODE(mode),
        modified_at_ms=modified_s * 1000,
        link_target=_target(quoted, name) if kind is FileKind.SYMLINK else "",
    )


def _target(quoted: str, name: str) -> str:
    """From "'./name' -> 'target'", whose quotes depend on who wrote it."""
    text = quoted.removesuffix("\n")
    for opening in (f"'./{name}' -> ", f"./{name} -> "):
        if text.startswith(opening):
            target = text[len(opening) :]
            is_quoted = len(target) >= 2 and target[0] == target[-1] == "'"
            return target[1:-1] if is_quoted else target
    return ""


def child_of(member: Member, root: str) -> FileEntry | None:
    """Return the entry for a member of an archive of the directory whose first member was `root`, None when
    it is not directly in it."""
    prefix = root if root.endswith("/") else f"{root}/"
    inner = member.name.removeprefix(prefix) if prefix != "./" else member.name.removeprefix("./")
    name = inner.rstrip("/")
    if not name or "/" in name or name in (".", ".."):
        return None
    return FileEntry(
        name=name,
        kind=_KIND_OF_MEMBER.get(member.type, FileKind.OTHER),
        size_bytes=member.size_bytes,
        mode=member.mode,
        modified_at_ms=member.modified_at_ms,
        link_target=member.link_target if member.type == b"2" else "",
    )


def parse_stat(found: Mapping[str, Any]) -> tuple[FileEntry, str]:
    """Return a path as the engine's X-Docker-Container-Path-Stat tells of it, and where it leads inside the
    container if it is a symlink."""
    mode = int(found.get("mode") or 0)
    kind = next((kind for bit, kind in _GO_KINDS if mode & bit), FileKind.FILE)
    if kind is FileKind.FILE and mode & _GO_IRREGULAR:
        kind = FileKind.OTHER
    permissions = mode & 0o777
    for bit, permission in _GO_BITS:
        permissions |= permission if mode & bit else 0
    target = str(found.get("linkTarget") or "")
    entry = FileEntry(
        name=str(found.get("name") or "/"),
        kind=kind,
        size_bytes=max(0, int(found.get("size") or 0)) if kind is FileKind.FILE else 0,
        mode=permissions,
        modified_at_ms=(parse_time_ns(str(found.get("mtime") or "")) or 0) // 1_000_000,
        link_target=target,
    )
    return entry, target


def bounded(entries: Sequence[FileEntry]) -> tuple[tuple[FileEntry, ...], str]:
    """Return at most ENTRIES_MAX entries, and what to say when there are more."""
    if len(entries) <= ENTRIES_MAX:
        return tuple(entries), ""
    return tuple(entries[:ENTRIES_MAX]), f"there are more than {ENTRIES_MAX} files; these are some of them"
