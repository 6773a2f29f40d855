"""TLS to a member of the cluster, whose name does not matter: its certificate is of the cluster's CA.

Who asks for a host by name in the TLS handshake may be shown a certificate that was uploaded for that name,
signed by somebody the cluster's CA knows nothing of. Whoever trusts that CA alone asks for no name.
"""

from __future__ import annotations

import ssl
from typing import Any, Self


class NamelessContext(ssl.SSLContext):
    """A client's context that compares no names, and asks for none whatever library connects with it."""

    def __new__(cls) -> Self:
        """Return a context that trusts nobody yet."""
        context = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        return context

    def wrap_socket(
        self,
        sock: Any,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        """As the base class, without the name."""
        return super().wrap_socket(
            sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, session=session
        )

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """As the base class, without the name."""
        return super().wrap_bio(incoming, outgoing, server_side, session=session)
