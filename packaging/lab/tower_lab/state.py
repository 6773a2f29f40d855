"""What a lab is meant to be, kept in `lab.json`: written before anything is made, replaced in one rename.

It holds intentions only. What really runs is found by the names of the plan and by the records that processes
write about themselves, so a run that was killed at any point leaves nothing that the next one cannot find.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from tower_lab.errors import LabError
from tower_lab.processes import Identity

_FORMAT = 1


class Phase(StrEnum):
    """How far a lab is."""

    STARTING = "starting"
    """An `up` is at work, or one was killed: the next one goes on."""
    UP = "up"
    REMOVING = "removing"
    """A `down` is at work, or one was killed: the next `up` or `down` ends it first."""


class Direction(StrEnum):
    """Which packets a cut drops, seen from the host that is cut."""

    BOTH = "both"
    FROM = "from"
    """What the host sends."""
    TO = "to"
    """What is sent to the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Packets a host loses silently."""

    direction: Direction
    peer: str | None = None
    """Only those exchanged with this host (or `root`, `registry`); None is everyone."""
    loss_percent: float = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """How long the TCP connections a host opens to `peer` take, each way."""

    peer: str
    delay_ms: float
    jitter_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """What one host is meant to be."""

    powered: bool = True
    cuts: tuple[Cut, ...] = ()
    delays: tuple[Delay, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabState:
    """What a lab is meant to be."""

    prefix: str
    subnet: ipaddress.IPv4Network
    phase: Phase = Phase.STARTING
    live_restore: bool = False
    owner: Identity | None = None
    """The process a lab belongs to (a test run): when it has ended, anybody may remove the lab."""
    hosts: dict[str, HostState] = field(default_factory=dict)

    def with_host(self, name: str, host: HostState) -> LabState:
        """A copy with one host changed."""
        return replace(self, hosts={**self.hosts, name: host})


def load(path: Path) -> LabState | None:
    """The state in `path`; None where there is none.

    Raises:
        LabError: it cannot be read, or was written by another version of the lab.
    """
    try:
        document = json.loads(path.read_text())
        if document["format"] != _FORMAT:
            raise LabError(
                f"{path}: written by another version of the lab (format {document['format']}); "
                "end that lab with `tower lab down --force`"
            )
        return _decode(document)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LabError(
            f"{path}: not readable ({error!r}); end that lab with `tower lab down --force`"
        ) from error


def save(path: Path, state: LabState) -> None:
    """Replace the state in `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = asdict(state) | {"format": _FORMAT, "subnet": str(state.subnet)}
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(document, indent=1))
    fresh.rename(path)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other runs of the lab out for the block; waits for one that is at work. Ends with the process.

    The block may remove the file.
    """
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            # The last lab that went has just taken the directory along.
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Whoever held it may have removed it, and somebody else may already hold a new one.
            if _names(path, descriptor):
                yield
                return
        finally:
            os.close(descriptor)


def _names(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _decode(document: dict[str, Any]) -> LabState:
    owner = document["owner"]
    return LabState(
        prefix=document["prefix"],
        subnet=ipaddress.IPv4Network(document["subnet"]),
        phase=Phase(document["phase"]),
        live_restore=document["live_restore"],
        owner=None if owner is None else Identity(**owner),
        hosts={name: _decode_host(host) for name, host in document["hosts"].items()},
    )


def _decode_host(document: dict[str, Any]) -> HostState:
    return HostState(
        powered=document["powered"],
        cuts=tuple(Cut(**(cut | {"direction": Direction(cut["direction"])})) for cut in document["cuts"]),
        delays=tuple(Delay(**delay) for delay in document["delays"]),
    )
