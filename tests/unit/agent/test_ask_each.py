"""Asking several hosts at the same time."""

from __future__ import annotations

import asyncio

from agent.follow.ask_each import ask_each
from cluster.model.inventory import HostRefused, HostUnavailable


async def test_each_host_answers_for_itself_and_says_why_it_does_not() -> None:
    async def ask(node_id: str) -> str:
        match node_id:
            case "old":
                raise HostRefused("no such path", code="refused")
            case "away":
                raise HostUnavailable("it does not answer")
        return f"{node_id} answers"

    answers = await ask_each(("h1", "old", "away"), ask)

    assert list(answers) == ["h1", "old", "away"]
    assert answers["h1"] == "h1 answers"
    assert isinstance(answers["old"], HostUnavailable)
    assert str(answers["old"]) == "no such path"
    assert str(answers["away"]) == "it does not answer"


async def test_hosts_are_asked_at_the_same_time() -> None:
    everybody = asyncio.Barrier(3)

    async def ask(node_id: str) -> str:
        await everybody.wait()
        return node_id

    async with asyncio.timeout(10):
        assert await ask_each(("h1", "h2", "h3"), ask) == {"h1": "h1", "h2": "h2", "h3": "h3"}
