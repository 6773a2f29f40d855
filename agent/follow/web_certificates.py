"""What the dashboard is served with, as the state says: loaded when it changes, with no connection cut."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NoReturn, Protocol

from agent.clock import Clock
from agent.keys.tls import NamedCertificate
from cluster.identity.errors import SealBroken
from cluster.identity.keyring import Keyring
from cluster.identity.stored_secrets import open_web_key
from cluster.model.web_certificates import WebCertificate, served_by_name
from cluster.store import Committed, ReadTxn
from cluster.store.records import WEB_CERTIFICATES

log = logging.getLogger(__name__)

LOOK_S = 60.0
"""How long one that has ended may still be served."""


class WatchedState(Protocol):
    def read(self) -> AbstractContextManager[ReadTxn]: ...
    def subscribe(self, callback: Callable[[Committed], None]) -> Callable[[], None]: ...


class ServesNames(Protocol):
    """`agent.keys.tls.TlsIdentity`."""

    def serve_names(self, certificates: dict[str, NamedCertificate]) -> dict[str, str]:
        """Serve these by host name; returns which could not be used, and why. Blocking."""
        ...


class WebCertificates:
    """Keeps the listener at what is stored. What cannot be used is said once; the cluster's own is served."""

    def __init__(
        self, *, state: WatchedState, keyring: Callable[[], Keyring], tls: ServesNames, clock: Clock
    ) -> None:
        self._state = state
        self._keyring = keyring
        self._tls = tls
        self._clock = clock
        self._changed = asyncio.Event()
        self._served: dict[str, str] = {}
        self._problems: dict[str, str] = {}

    async def run(self) -> NoReturn:
        """Follow the state for ever."""
        unsubscribe = self._state.subscribe(self._on_committed)
        try:
            while True:
                self._changed.clear()
                await self.load()
                await self._clock.wait(self._changed, LOOK_S)
        finally:
            unsubscribe()

    async def load(self) -> None:
        """Have the listener serve what is valid now, if that is not what it serves."""
        with self._state.read() as txn:
            stored = WEB_CERTIFICATES.scan(txn)
        wanted = served_by_name(stored, self._clock.now_ms())
        fingerprints = {host: each.fingerprint for host, each in wanted.items()}
        if fingerprints == self._served:
            return
        opened, problems = self._open(wanted)
        problems |= await asyncio.to_thread(self._tls.serve_names, opened)
        self._served = fingerprints
        for name in problems.keys() - self._problems.keys():
            log.warning("web_certificate.unusable", extra={"certificate": name, "reason": problems[name]})
        self._problems = problems
        log.info("web_certificate.serving", extra={"hosts": ", ".join(sorted(opened)) or "none"})

    def _open(self, wanted: dict[str, WebCertificate]) -> tuple[dict[str, NamedCertificate], dict[str, str]]:
        opened: dict[str, NamedCertificate] = {}
        problems: dict[str, str] = {}
        for host, each in wanted.items():
            try:
                key = open_web_key(each, self._keyring())
            except SealBroken as error:
                problems[each.name] = str(error)
                continue
            opened[host] = NamedCertificate(name=each.name, chain_pem=each.chain_pem, key_pem=key.decode())
        return opened, problems

    def _on_committed(self, committed: Committed) -> None:
        if committed.is_everything or any(table == "web_certificates" for table, _ in committed.changed):
            self._changed.set()
