"""Noticing that whoever is at the other end of a connection is gone, without a word from them."""

from __future__ import annotations

import socket
from typing import Protocol

QUIET_S = 15
PROBE_INTERVAL_S = 5
PROBES = 3


class _Socket(Protocol):
    def setsockopt(self, level: int, option: int, value: int, /) -> None: ...


def watch_peer(connection: _Socket | None) -> None:
    """Have the kernel ask after half a minute at most whether the other host is there.

    Not the WebSocket's own heartbeats: those are read by whoever reads the rest, and a command that does not
    read its input, or a person who does not read its output, would pass for dead.
    """
    if connection is None:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, QUIET_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_INTERVAL_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)
