"""Certificates with their keys as people give them, read before anything of them is kept."""

from __future__ import annotations

import asyncio
from typing import Protocol

from cluster.identity.route_certificates import CertificateFacts, CertificateUnusable
from cluster.model.server_certificates import CHAIN_BYTES_MAX, KEY_BYTES_MAX, check_certificate_name
from web.auth.problems import invalid

SOON_MS = 14 * 86_400_000
"""One that ends within this time is said to end soon."""


class Reader(Protocol):
    def __call__(self, chain_pem: str, key_pem: bytes, /, *, now_ms: int) -> CertificateFacts:
        """Raises CertificateUnusable."""
        ...


async def read_given(
    read: Reader, name: str, *, certificate: str, key: str, now_ms: int
) -> tuple[CertificateFacts, bytes]:
    """Return what a certificate says, and its key as it is to be sealed. Raises Problem for what is not as it
    must be.
    """
    try:
        check_certificate_name(name)
    except ValueError as error:
        raise invalid("name", str(error), value=name[:80]) from error
    for field, text, bytes_max in (
        ("certificate", certificate, CHAIN_BYTES_MAX),
        ("key", key, KEY_BYTES_MAX),
    ):
        if not 0 < len(text.encode(errors="replace")) <= bytes_max:
            raise invalid(field, f"must have 1 to {bytes_max} bytes")
    key_pem = key.encode(errors="replace")
    try:
        return await asyncio.to_thread(read, certificate, key_pem, now_ms=now_ms), key_pem
    except CertificateUnusable as error:
        raise invalid(error.field, str(error)) from error
