"""The ports something listens on here, from /proc: what the engine cannot tell of other programs."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import NamedTuple

from cluster.model.service import PortProtocol

_LISTEN = "0A"
_BYTES_MAX = 4 * 1024 * 1024
_TABLES = (
    ("tcp", PortProtocol.TCP),
    ("tcp6", PortProtocol.TCP),
    ("udp", PortProtocol.UDP),
    ("udp6", PortProtocol.UDP),
)


class Listener(NamedTuple):
    """A socket that takes what comes to `port`; `address` "" is every one of the host."""

    protocol: PortProtocol
    address: str
    port: int


def read_listeners(net: Path = Path("/proc/self/net")) -> frozenset[Listener]:
    """Return the listening sockets of this network namespace. Raises OSError."""
    found: set[Listener] = set()
    for name, protocol in _TABLES:
        try:
            with (net / name).open(encoding="ascii", errors="replace") as file:
                text = file.read(_BYTES_MAX)
        except FileNotFoundError:
            # Without IPv6 there are no such tables.
            continue
        found.update(parse_listeners(text, protocol))
    return frozenset(found)


def parse_listeners(table: str, protocol: PortProtocol) -> list[Listener]:
    """Return the listeners in a table as /proc/net/tcp has it. A UDP socket that is not connected is one."""
    found = []
    for line in table.splitlines()[1:]:
        words = line.split()
        if len(words) < 4:
            continue
        local, remote, state = words[1], words[2], words[3]
        is_open = state == _LISTEN if protocol is PortProtocol.TCP else remote.endswith(":0000")
        address, _, port = local.partition(":")
        if is_open and port and int(port, 16):
            found.append(Listener(protocol, _address(address), int(port, 16)))
    return found


def _address(text: str) -> str:
    """The kernel prints words of 32 bits in the host's byte order, which is little-endian wherever Docker
    runs."""
    raw = bytes.fromhex(text)
    octets = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    address = ipaddress.ip_address(octets)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return "" if address.is_unspecified else str(address)
