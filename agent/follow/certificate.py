"""A new certificate for this node before the old one ends, without a restart."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn

from agent.clock import Clock
from agent.ids import Entropy
from agent.keys.errors import KeysError
from agent.keys.identity import IdentityDirectory, NodeIdentity
from agent.keys.tls import TlsIdentity
from cluster.identity.certificates import load_certificate, not_after_ms, renewal_due
from cluster.identity.private_keys import encode_private_key, private_key_from_seed
from cluster.identity.signing_requests import make_signing_request
from cluster.model.inventory import HostRefused, HostUnavailable

log = logging.getLogger(__name__)

CHECK_INTERVAL_S = 3600.0
RETRY_S = 60.0
KEY_SEED_BYTES = 40

Renew = Callable[[str, str], Awaitable[str]]
"""Given the member to ask and the signing request, the certificate."""


class CertificateRenewal:
    """Asks a member for a certificate at two thirds of the old one's life, with a new key each time."""

    def __init__(
        self,
        *,
        directory: IdentityDirectory,
        identity: NodeIdentity,
        tls: TlsIdentity,
        members: Callable[[], Sequence[str]],
        renew: Renew,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._directory = directory
        self._identity = identity
        self._tls = tls
        self._members = members
        self._renew = renew
        self._clock = clock
        self._entropy = entropy

    async def run(self) -> NoReturn:
        """Renew for ever."""
        self._tell_if_expired()
        while True:
            certificate = load_certificate(self._identity.certificate_pem)
            is_done = not renewal_due(certificate, self._clock.now_ms()) or await self.renew()
            await self._clock.sleep(CHECK_INTERVAL_S if is_done else RETRY_S)

    def _tell_if_expired(self) -> None:
        """A host that was off for longer than its certificate lives is let in by nobody; a wrong clock looks
        the same, so it goes on trying.
        """
        ended_ms = not_after_ms(load_certificate(self._identity.certificate_pem))
        if self._clock.now_ms() >= ended_ms:
            log.error(
                "certificate.expired",
                extra={
                    "not_after_ms": ended_ms,
                    "next_step": "if this host's clock is right, no other host talks to it any more: remove "
                    "it on another (`tower node rm`), delete its data directory and join again",
                },
            )

    async def renew(self) -> bool:
        """Try every member in turn, this node first. Returns whether a new certificate is in use."""
        key = private_key_from_seed(self._entropy(KEY_SEED_BYTES))
        request = make_signing_request(node_id=self._identity.node_id, key=key)
        for member in self._members():
            try:
                certificate_pem = await self._renew(member, request)
            except (HostUnavailable, HostRefused) as error:
                log.warning("certificate.not_renewed", extra={"asked": member, "reason": str(error)})
                continue
            return await asyncio.to_thread(self._use, encode_private_key(key), certificate_pem)
        return False

    def _use(self, key_pem: str, certificate_pem: str) -> bool:
        try:
            self._identity = self._directory.replace_certificate(
                self._identity, node_key_pem=key_pem, certificate_pem=certificate_pem
            )
            self._tls.replace(self._identity)
        except KeysError as error:
            log.warning("certificate.unusable", extra={"reason": str(error)})
            return False
        log.info("certificate.renewed", extra={"not_after_ms": self._tls.not_after_ms})
        return True
