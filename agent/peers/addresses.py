"""Where a peer listens for requests, given where it listens for Raft."""

from __future__ import annotations


def peer_address(raft_address: str) -> str:
    """The peer port is the one after the Raft port, on every host: one address to announce, not two."""
    host, _, port = raft_address.rpartition(":")
    return f"{host}:{int(port) + 1}"
