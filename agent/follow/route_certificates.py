"""The certificates of this host's router: the cluster's own, and those in a directory of this host."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from agent.clock import Clock
from agent.follow.stored_files import ReadableState
from agent.router.protocol import ServerCertificate
from cluster.identity.errors import SealBroken
from cluster.identity.keyring import Keyring
from cluster.identity.stored_secrets import open_certificate_key
from cluster.model.route_certificates import ROUTE_CERTIFICATES_MAX
from cluster.model.server_certificates import CHAIN_BYTES_MAX, KEY_BYTES_MAX
from cluster.store.records import ROUTE_CERTIFICATES

log = logging.getLogger(__name__)

LOOK_S = 30.0
FILE_PREFIX = "file-"
"""What comes from the directory never takes the place of what is in the cluster's state."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_FILE_BYTES_MAX = CHAIN_BYTES_MAX + KEY_BYTES_MAX


class RouteCertificates:
    """Reads both. `directory` None: there is none on this host."""

    def __init__(
        self,
        *,
        state: ReadableState,
        keyring: Callable[[], Keyring],
        directory: Path | None,
        clock: Clock,
    ) -> None:
        self._state = state
        self._keyring = keyring
        self._directory = directory
        self._clock = clock
        self._files: tuple[ServerCertificate, ...] = ()
        self._problem = ""
        self._broken: frozenset[str] = frozenset()
        self.changed = asyncio.Event()
        """Set when the directory's were read and are not what they were."""

    def current(self) -> tuple[ServerCertificate, ...]:
        """Return all there are now, by name."""
        found, broken = [], set()
        with self._state.read() as txn:
            stored = ROUTE_CERTIFICATES.scan(txn)
        for certificate in stored:
            try:
                key = open_certificate_key(certificate, self._keyring())
            except SealBroken as error:
                broken.add(certificate.name)
                if certificate.name not in self._broken:
                    log.warning(
                        "route_certificate.sealed",
                        extra={"certificate": certificate.name, "reason": str(error)},
                    )
                continue
            pem = certificate.chain_pem.rstrip() + "\n" + key.decode(errors="replace")
            found.append(ServerCertificate(name=certificate.name, pem=pem))
        self._broken = frozenset(broken)
        return (*found, *self._files)

    async def run(self) -> NoReturn:
        """Look at the directory now and then, for ever."""
        while True:
            if self._directory is not None:
                files, problem = await asyncio.to_thread(read_directory, self._directory)
                if problem != self._problem:
                    self._problem = problem
                    if problem:
                        log.warning("route_certificate.directory", extra={"reason": problem})
                if files != self._files:
                    self._files = files
                    self.changed.set()
            await self._clock.sleep(LOOK_S)


def read_directory(directory: Path) -> tuple[tuple[ServerCertificate, ...], str]:
    """Return the certificates in a directory, and what is wrong with it ("" when nothing is).

    `NAME.pem` holds a certificate, its chain and its key; `NAME/fullchain.pem` and `NAME/privkey.pem` are
    what ACME clients such as certbot keep (`/etc/letsencrypt/live`).
    """
    try:
        entries = sorted(directory.iterdir())
    except OSError as error:
        return (), f"{directory} cannot be read: {error.strerror}"
    found: list[ServerCertificate] = []
    problems: list[str] = []
    for entry in entries[: 2 * ROUTE_CERTIFICATES_MAX]:
        if not _NAME.fullmatch(entry.name) or len(found) >= ROUTE_CERTIFICATES_MAX:
            continue
        try:
            pem = _pem_of(entry)
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{entry}: {error}")
            continue
        if pem:
            found.append(ServerCertificate(name=FILE_PREFIX + entry.name.removesuffix(".pem"), pem=pem))
    return tuple(found), "; ".join(problems[:4])


def _pem_of(entry: Path) -> str:
    if entry.is_dir():
        chain, key = entry / "fullchain.pem", entry / "privkey.pem"
        if not (chain.is_file() and key.is_file()):
            return ""
        return _read(chain).rstrip() + "\n" + _read(key)
    return _read(entry) if entry.suffix == ".pem" else ""


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_FILE_BYTES_MAX).decode()
