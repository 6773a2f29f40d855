"""A container of a real engine whose agent was killed while it made it anew, and the agent after that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.docker.access import DockerAccess
from agent.docker.engine import DockerEngine
from agent.execute.replacement_intents import ReplacementIntents
from agent.execute.replacing import Replacing
from agent.ports import ContainerSpec
from cluster.model.container_access import ReplacementChanges
from tests.support.lab import Lab, lab
from tests.support.mortal import Killed, Mortal

__all__ = ["lab"]

pytestmark = pytest.mark.lab

IMAGE = "demo/busybox:1"
CHANGES = ReplacementChanges(environment=(("A", "1"),))


@dataclass(frozen=True, slots=True)
class Host:
    engine: DockerEngine
    intents: ReplacementIntents

    def agent(self, *, last: str = "") -> Replacing:
        shared = {"is_dead": False}
        return Replacing(
            engine=Mortal(self.engine, shared, last, Killed()),  # type: ignore[arg-type]  # has its calls
            access=Mortal(DockerAccess(self.engine), shared, last, Killed()),  # type: ignore[arg-type]  # as above
            intents=self.intents,
            clock=SystemClock(),
        )

    async def names(self) -> dict[str, str]:
        return {each.name: each.id for each in await self.engine.containers()}


@pytest.fixture
async def host(lab: Lab, tmp_path: Path) -> AsyncIterator[Host]:
    engine = DockerEngine(str(lab.host("h1").docker_socket))
    await engine.pull(IMAGE)
    yield Host(engine, ReplacementIntents(tmp_path / "replacements"))
    for container in await engine.containers():
        await engine.remove(container.id, force=True)
    await engine.close()


@pytest.mark.parametrize(
    ("last", "is_put_back"), [("create_successor", True), ("start", True), ("remove", False)]
)
async def test_it_is_as_it_was_or_as_it_was_to_be(host: Host, last: str, is_put_back: bool) -> None:
    spec = ContainerSpec(name="web", image=IMAGE, command=("sh", "-c", "trap exit TERM; sleep 1000 & wait"))
    old = await host.engine.create(spec)
    await host.engine.start(old)
    with pytest.raises(Killed):
        await host.agent(last=last).replace(old, CHANGES, lambda _: None)
    assert "web.replaced" in await host.names()
    await host.agent().settle()
    names = await host.names()
    assert names.keys() == {"web"}
    assert (names["web"] == old) is is_put_back
    assert (await host.engine.inspect("web")).state.value == "running"
    assert await host.intents.all() == []
