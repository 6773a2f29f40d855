"""TLS 1.3 contexts made from this host's identity, replaced while listeners keep running.

A listener is given a context once and keeps it. Ours asks, for each handshake, for the context of the
identity now in use (through OpenSSL's server-name hook, which runs with and without a server name): a renewed
certificate or a changed CA counts from the next connection on, and no connection is cut.

Certificates that were uploaded for the dashboard are chosen by the name a client asks for; one that asks for
none, or for another, is shown the node's own.

TLS 1.3 lets a client finish its handshake before the server has looked at the client's certificate: a peer
that is refused sees the connection close right after connecting, not a failed connect.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from agent.keys.errors import IdentityDamaged
from agent.keys.identity import IdentityDirectory, NodeIdentity
from agent.keys.nameless import NamelessContext
from cluster.identity.certificates import load_certificate, not_after_ms


@dataclass(frozen=True, slots=True)
class _Contexts:
    web_server: ssl.SSLContext
    peer_server: ssl.SSLContext
    peer_client: ssl.SSLContext
    web_client: ssl.SSLContext
    not_after_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedCertificate:
    """One to be served under a host name: its own name, the chain and the key."""

    name: str
    chain_pem: str = field(repr=False)
    key_pem: str = field(repr=False)


class TlsIdentity:
    """The TLS contexts of this host. `replace` may be called from any thread while others connect and listen.

    `web_server` and `peer_server` are for listeners and stay the same objects. `peer_client` and
    `web_client` are to be asked for at each new connection.
    """

    def __init__(self, directory: IdentityDirectory, identity: NodeIdentity) -> None:
        """Make the contexts of `identity`, which `directory` holds. Blocking: reads files.

        Raises:
            IdentityDamaged: OpenSSL does not take the key, the certificate or the CA.
        """
        self._directory = directory
        self._current = _make_contexts(directory, identity)
        self._named: dict[str, ssl.SSLContext] = {}
        self.web_server = _make_front(
            self._current.web_server, lambda name: self._of_name(name) or self._current.web_server
        )
        self.peer_server = _make_front(self._current.peer_server, lambda _: self._current.peer_server)

    @property
    def peer_client(self) -> ssl.SSLContext:
        """For connecting to a peer: shows our certificate; any member of the cluster is trusted.

        It checks no host name: peers are known by the node id in their certificate, which the caller checks
        with `cluster.identity.verification`, because an address does not say who somebody is.
        """
        return self._current.peer_client

    @property
    def web_client(self) -> ssl.SSLContext:
        """For connecting to a member's web port: shows no certificate, checks the host name."""
        return self._current.web_client

    @property
    def not_after_ms(self) -> int:
        """When the certificate in use ends, in epoch milliseconds."""
        return self._current.not_after_ms

    def replace(self, identity: NodeIdentity) -> None:
        """Use `identity`, which the directory holds by now, from the next connection on. Blocking.

        Raises:
            IdentityDamaged: OpenSSL does not take it; the old one stays in use.
        """
        self._current = _make_contexts(self._directory, identity)

    def serve_names(self, certificates: dict[str, NamedCertificate]) -> dict[str, str]:
        """Serve these certificates on the web port to who asks for their host names, from the next connection
        on, in place of those before. Returns which could not be used, by name, and why. Blocking.
        """
        contexts: dict[str, ssl.SSLContext] = {}
        problems: dict[str, str] = {}
        made: dict[str, ssl.SSLContext] = {}
        for host, certificate in certificates.items():
            if certificate.name in problems:
                continue
            try:
                context = made.get(certificate.name) or _named_context(certificate)
            except (ssl.SSLError, OSError) as error:
                problems[certificate.name] = f"OpenSSL cannot use it: {error.strerror}"
                continue
            made[certificate.name] = contexts[host] = context
        self._named = contexts
        return problems

    def _of_name(self, server_name: str | None) -> ssl.SSLContext | None:
        if not server_name or not self._named:
            return None
        name = server_name.lower()
        # RFC 9525, 6.3: a wildcard stands for the first label alone.
        return self._named.get(name) or self._named.get(f"*.{name.partition('.')[2]}")


def web_client_context(ca_pem: str) -> ssl.SSLContext:
    """Return a context that trusts only the cluster's CA and checks the host name, for the command line.

    Raises:
        IdentityDamaged: `ca_pem` holds no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    _trust(context, ca_pem)
    return context


def joining_context(ca_pem: str) -> ssl.SSLContext:
    """Return a context for sending a join request: any member of the checked CA, under whatever address.

    Raises:
        IdentityDamaged: `ca_pem` holds no certificate.
    """
    context = NamelessContext()
    _harden(context)
    _trust(context, ca_pem)
    return context


def first_contact_context() -> ssl.SSLContext:
    """Return a context that verifies nothing, to ask a host for its CA certificate and for nothing else.

    Whatever comes back counts only after `begin_join` compared it with the fingerprint in the token.
    """
    context = NamelessContext()
    _harden(context)
    context.verify_mode = ssl.CERT_NONE
    return context


def peer_certificate(connection: ssl.SSLObject | ssl.SSLSocket) -> bytes | None:
    """Return the DER certificate the other side showed, for `load_der_certificate`, or None."""
    return connection.getpeercert(binary_form=True)


def _make_contexts(directory: IdentityDirectory, identity: NodeIdentity) -> _Contexts:
    peer_client = web_client_context(identity.ca_pem)
    peer_client.check_hostname = False
    _show_certificate(peer_client, directory)
    web_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(web_server)
    _show_certificate(web_server, directory)
    peer_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(peer_server)
    _show_certificate(peer_server, directory)
    _trust(peer_server, identity.ca_pem)
    _require_certificate(peer_server)
    return _Contexts(
        web_server=web_server,
        peer_server=peer_server,
        peer_client=peer_client,
        web_client=web_client_context(identity.ca_pem),
        not_after_ms=not_after_ms(load_certificate(identity.certificate_pem)),
    )


def _named_context(certificate: NamedCertificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    # OpenSSL reads files alone: this one is in memory and has no name.
    descriptor = os.memfd_create("tower-web-certificate", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "w", closefd=False) as file:
            file.write(f"{certificate.chain_pem.rstrip()}\n{certificate.key_pem}")
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
    return context


def _make_front(first: ssl.SSLContext, current: Callable[[str | None], ssl.SSLContext]) -> ssl.SSLContext:
    """Return a context that hands each handshake on to the context now in use.

    It holds no certificate and trusts nobody: a handshake that was not handed on would fail.
    """
    front = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(front)
    if first.verify_mode == ssl.CERT_REQUIRED:
        _require_certificate(front)

    def hand_on(connection: ssl.SSLObject, server_name: str | None, _front: ssl.SSLContext) -> None:
        connection.context = current(server_name)

    front.sni_callback = hand_on
    return front


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # What Python 3.13 turns on by itself: certificates as RFC 5280 writes them.
    context.verify_flags |= ssl.VERIFY_X509_STRICT


def _require_certificate(context: ssl.SSLContext) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    # No resumption between peers: each connection proves a certificate that is valid now.
    context.num_tickets = 0


def _show_certificate(context: ssl.SSLContext, directory: IdentityDirectory) -> None:
    path = directory.node_pem_path
    try:
        context.load_cert_chain(path)
    except (ssl.SSLError, OSError) as error:
        raise IdentityDamaged(f"{path}: OpenSSL cannot use it: {error.strerror}") from error


def _trust(context: ssl.SSLContext, ca_pem: str) -> None:
    try:
        context.load_verify_locations(cadata=ca_pem)
    except (ssl.SSLError, ValueError) as error:
        raise IdentityDamaged("the CA certificate of the cluster cannot be used by OpenSSL") from error
