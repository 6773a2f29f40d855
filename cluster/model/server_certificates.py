"""What certificates that servers are given have in common: those of routers, and those of the dashboard."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cluster.model import rules
from cluster.model.secrets import SEALED_EXTRA_BYTES

CHAIN_BYTES_MAX = 64 * 1024
KEY_BYTES_MAX = 16 * 1024
HOSTS_MAX = 256
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


def check_certificate_name(name: str) -> None:
    """Raises ValueError."""
    rules.check_name("certificate name", name)


def check_server_certificate(
    *,
    name: str,
    chain_pem: str,
    sealed_key: bytes,
    hosts: Sequence[str],
    not_after_ms: int,
    fingerprint: str,
    changed_by: str,
) -> None:
    """Raises ValueError. `fingerprint`: the SHA-256 of the certificate, lower-case hexadecimal."""
    check_certificate_name(name)
    rules.check_text("certificate", chain_pem, CHAIN_BYTES_MAX, chars_min=1)
    rules.check_range("private key, bytes", len(sealed_key) - SEALED_EXTRA_BYTES, 1, KEY_BYTES_MAX)
    rules.check_count("hosts", hosts, HOSTS_MAX)
    for host in hosts:
        rules.check_text("hosts", host, 253, chars_min=1)
    rules.check_range("not after", not_after_ms, 0, 2**53)
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise ValueError(f"fingerprint {fingerprint[:80]!r}: 64 lower-case hexadecimal digits are needed")
    rules.check_text("changed by", changed_by, 128)
