"""HTTPS to a member of the cluster, whose name does not matter: its certificate is of the cluster's CA.

Who asks for a host by name in the TLS handshake may be shown a certificate that was uploaded for that name,
signed by somebody the cluster's CA knows nothing of. Whoever trusts that CA alone asks for no name.
"""

from __future__ import annotations

import http.client
import ssl


class NamelessConnection(http.client.HTTPSConnection):
    """As its base class, without the name in the handshake. The context must not compare names."""

    def __init__(self, host: str, port: int, *, timeout: float, context: ssl.SSLContext) -> None:
        assert not context.check_hostname, "there is no name to compare"
        super().__init__(host, port, timeout=timeout, context=context)
        self._nameless = context

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        assert self.sock is not None, "it is connected"
        self.sock = self._nameless.wrap_socket(self.sock)
