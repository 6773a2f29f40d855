"""What a peer's answer becomes when it cannot be used."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import pytest

from agent.peers.client import PeerClient
from cluster.encoding import pack
from cluster.model.inventory import HostUnavailable


class _Answering(PeerClient):
    """A client whose peers all answer the same."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    async def _ask(self, *_: Any, **__: Any) -> bytes:
        return self._answer


async def test_a_host_that_speaks_another_version_is_as_good_as_silent() -> None:
    client = _Answering(pack(["nd_2", *range(40)]))
    with pytest.raises(HostUnavailable, match="nd_2 answers in words of another version"):
        await client.inventory("nd_2")
    with pytest.raises(HostUnavailable, match="nd_2 answers in words of another version"):
        await client.live("nd_2")


async def test_a_refused_connection_is_told_in_words_for_people() -> None:
    with socket.socket() as bound:
        # Bound and not listening: who connects is refused.
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        async with PeerClient(
            contexts=ssl.create_default_context, address_of=lambda _: address, cluster_id="cl_1"
        ) as client:
            with pytest.raises(HostUnavailable) as refused:
                await client.inventory("nd_2")
    assert str(refused.value) == f"nd_2 at {address} cannot be reached: connection refused"
