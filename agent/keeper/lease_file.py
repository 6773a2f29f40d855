"""The lease as the agent hands it to the keeper: one small file, written with every answered heartbeat.

In place and not by renaming, because two renames a second would reach the disk where there is no tmpfs. A
reader that meets a half-written file is told by the checksum, and looks again.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

NAME = "lease"
_BLOCK_BYTES = 4096
_VERSION = 1
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_ATTEMPTS = 3
_ATTEMPT_S = 0.002


class LeaseUnreadable(Exception):
    """The file is there, but says nothing that can be understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Until when this host may run what must never run twice.

    `deadline_ms` is CLOCK_BOOTTIME of the boot `boot_id`. `is_guarding`: there are such containers here, or
    will be in a moment. They carry the label of `cluster_id`, and `docker_socket` reaches their engine.
    """

    deadline_ms: int
    boot_id: str
    cluster_id: str
    docker_socket: str
    is_guarding: bool


def current_boot_id() -> str:
    """Which boot of the machine this is; CLOCK_BOOTTIME means nothing in another."""
    return _BOOT_ID.read_text(encoding="ascii").strip()


def boottime_ms() -> int:
    """The clock that leases are counted by: it goes on while the machine is suspended."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def write_lease(directory: Path, lease: Lease) -> None:
    """Hand the lease over. Raises OSError."""
    body = json.dumps({"version": _VERSION, **asdict(lease)}, separators=(",", ":")).encode()
    block = f"{zlib.crc32(body):08x}\n".encode() + body + b"\n"
    if len(block) > _BLOCK_BYTES:
        raise OSError(f"a lease of {len(block)} bytes: {_BLOCK_BYTES} at most")
    # By path each time: the directory may have been replaced.
    descriptor = os.open(directory / NAME, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(descriptor, block.ljust(_BLOCK_BYTES), 0)
    finally:
        os.close(descriptor)


def read_lease(directory: Path) -> Lease | None:
    """Return the newest lease; None when there was none yet. Raises LeaseUnreadable."""
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_ATTEMPT_S)
        try:
            block = (directory / NAME).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LeaseUnreadable(f"{directory / NAME}: {error.strerror}") from error
        checksum, _, rest = block.partition(b"\n")
        body = rest.partition(b"\n")[0]
        if checksum == f"{zlib.crc32(body):08x}".encode():
            return _decode(directory, body)
    raise LeaseUnreadable(f"{directory / NAME}: its checksum does not fit")


def _decode(directory: Path, body: bytes) -> Lease:
    try:
        fields = json.loads(body)
        version = fields.pop("version")
        lease = Lease(**fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LeaseUnreadable(f"{directory / NAME}: {error}") from error
    if version != _VERSION:
        raise LeaseUnreadable(f"{directory / NAME}: version {version}, of a newer agent")
    return lease
