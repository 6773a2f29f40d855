"""TLS of the peer port: contexts that follow certificates as they rotate, and whom a certificate names.

Both sides of a session prove themselves with a certificate of the cluster's CA, over TLS 1.3 only. A name
in a message is never believed: the peer is who its certificate says, and its cluster is the one its
certificate says.
"""

import logging
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from cryptography import x509

log = logging.getLogger(__name__)

NODE_URI: Final = "tower://node/"
CLUSTER_URI: Final = "tower://cluster/"


class IdentityError(Exception):
    """A certificate of the right CA that does not say who its owner is, or says the wrong cluster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsContexts:
    """What a session needs to prove who this node is. `not_after_ms` is the end of our certificate's
    validity.
    """

    server: ssl.SSLContext
    client: ssl.SSLContext
    not_after_ms: int


TlsProvider: TypeAlias = Callable[[], TlsContexts]
"""Gives the contexts for a session that starts now. Called once per session; must not block for long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerIdentity:
    """Whom a verified certificate names. `not_after_ms` is Unix epoch milliseconds."""

    node_id: str
    cluster_id: str
    not_after_ms: int


def load_contexts(*, certificate: Path, key: Path, ca: Path) -> TlsContexts:
    """Return contexts for the node certificate (chain) and key, trusting the cluster CA in `ca` and
    nothing else.

    Raises OSError (ssl.SSLError included) or ValueError when a file is missing, unreadable, not PEM, or
    the key is another certificate's.
    """
    contexts = []
    for protocol in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT):
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        # Nodes are named by URI, not by host: an address may change hands, an identity may not.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cafile=ca)
        context.load_cert_chain(certificate, key)
        # No tickets: a resumed session would skip the certificate, and with it expiry and removal.
        context.options |= ssl.OP_NO_TICKET
        contexts.append(context)
    server, client = contexts
    server.num_tickets = 0
    own = x509.load_pem_x509_certificate(certificate.read_bytes())
    return TlsContexts(
        server=server, client=client, not_after_ms=int(own.not_valid_after_utc.timestamp() * 1000)
    )


class FileContexts:
    """A `TlsProvider` that reads the files again when one of them changed.

    A rotation writes certificate and key one after the other; until both fit, the earlier contexts stay
    in use.
    """

    def __init__(self, *, certificate: Path, key: Path, ca: Path) -> None:
        self._certificate, self._key, self._ca = certificate, key, ca
        self._seen = self._stamp()
        self._contexts = load_contexts(certificate=certificate, key=key, ca=ca)

    def __call__(self) -> TlsContexts:
        try:
            stamp = self._stamp()
            if stamp != self._seen:
                self._contexts = load_contexts(certificate=self._certificate, key=self._key, ca=self._ca)
                self._seen = stamp
                log.info("raft.certificate_loaded", extra={"not_after_ms": self._contexts.not_after_ms})
        except (OSError, ValueError) as error:
            log.warning("raft.certificate_not_loaded", extra={"reason": str(error)})
        return self._contexts

    def _stamp(self) -> tuple[tuple[int, int, int], ...]:
        stats = [os.stat(path) for path in (self._certificate, self._key, self._ca)]
        return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in stats)


def peer_identity(certificate: Mapping[str, Any]) -> PeerIdentity:
    """Return whom `certificate`, as `SSLObject.getpeercert()` gives it, names.

    The node is the subject alternative name `tower://node/<id>`, or the common name when there is none.
    Raises IdentityError unless exactly one node and exactly one cluster are named.
    """
    uris = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "URI"]
    nodes = [uri.removeprefix(NODE_URI) for uri in uris if uri.startswith(NODE_URI)]
    if not nodes:
        subject = [pair for relative in certificate.get("subject", ()) for pair in relative]
        nodes = [value for name, value in subject if name == "commonName"]
    clusters = [uri.removeprefix(CLUSTER_URI) for uri in uris if uri.startswith(CLUSTER_URI)]
    if len(nodes) != 1 or not nodes[0]:
        raise IdentityError(f"the certificate must name one node with the URI {NODE_URI}<id>")
    if len(clusters) != 1 or not clusters[0]:
        raise IdentityError(f"the certificate must name one cluster with the URI {CLUSTER_URI}<id>")
    return PeerIdentity(
        node_id=nodes[0],
        cluster_id=clusters[0],
        not_after_ms=int(ssl.cert_time_to_seconds(certificate["notAfter"]) * 1000),
    )
