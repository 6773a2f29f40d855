"""The certificates HAProxy serves HTTPS with, as files in a directory of their own."""

from __future__ import annotations

import hashlib
import os
import re
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from agent.router.protocol import ServerCertificate

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,126}")


@dataclass(frozen=True, slots=True)
class Installed:
    """What is in the directory: `digest` changes with it ("" when empty), `refused` says by name why not."""

    digest: str = ""
    refused: dict[str, str] = field(default_factory=dict)


def install(directory: Path, certificates: Sequence[ServerCertificate]) -> Installed:
    """Have `directory` hold those certificates and no others.

    One that HAProxy could not serve is left out: it would refuse the whole configuration for it.
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    digest = hashlib.sha256()
    refused: dict[str, str] = {}
    kept: set[str] = set()
    for certificate in sorted(certificates, key=lambda certificate: certificate.name):
        problem = _put(directory, certificate)
        if problem:
            refused[certificate.name] = problem
            continue
        kept.add(f"{certificate.name}.pem")
        for part in (certificate.name, certificate.pem):
            digest.update(hashlib.sha256(part.encode()).digest())
    for path in directory.iterdir():
        if path.name not in kept:
            path.unlink()
    return Installed(digest.hexdigest() if kept else "", refused)


def _put(directory: Path, certificate: ServerCertificate) -> str:
    """Write one, if it can be served with; return why not."""
    if not _NAME.fullmatch(certificate.name):
        return "its name may have letters, digits and . _ - only"
    fresh = directory / f".{certificate.name}.tmp"
    with suppress(FileNotFoundError):
        fresh.unlink()
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(certificate.pem)
    try:
        # An encrypted key has nobody to ask for its password.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(fresh, password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        fresh.unlink()
        reason = error.reason if isinstance(error, ssl.SSLError) and error.reason else str(error)
        return f"no certificate with its private key ({reason})"
    fresh.rename(directory / f"{certificate.name}.pem")
    return ""
