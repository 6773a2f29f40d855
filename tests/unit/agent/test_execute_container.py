"""The container of a replica: found, made, started and removed, and nobody else's touched."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent.execute.creating import NameTaken, ensure_created, find_container
from agent.execute.fence import Fence, Permit, Superseded
from agent.execute.removing import remove_container
from agent.execute.replica import LABEL_CLUSTER, LABEL_CONFIG, LABEL_TOKEN, Replica, container_spec
from agent.execute.starting import ensure_started
from agent.ports import ContainerSpec, ContainerState, EngineRefused, ImageNotFound
from tests.support.fake_clock import FakeClock
from tests.support.host_kit import ADDRESS, CLUSTER, IMAGE, HostEngine, a_replica, name_of
from tests.support.state_builders import a_spec

NAME = name_of()


class Made:
    """An engine with the image, and leave to act."""

    def __init__(self, token: int = 10) -> None:
        self.engine = HostEngine(FakeClock())
        self.engine.add_image(IMAGE)
        self.fence = Fence()
        self.permit = self.fence.permit(NAME, token)

    async def create(self, replica: Replica | None = None, permit: Permit | None = None) -> str:
        return await ensure_created(
            self.engine, replica or a_replica(), permit or self.permit, address=ADDRESS
        )

    async def run(self) -> str:
        container = await self.create()
        await ensure_started(self.engine, container, self.permit)
        return container

    async def remove(self, permit: Permit | None = None) -> None:
        await remove_container(self.engine, NAME, permit or self.permit, cluster_id=CLUSTER)

    async def there_already(self, **labels: str) -> str:
        """A container of the replica's name, with our labels but for these."""
        spec = container_spec(a_replica(), token=5, address=ADDRESS)
        found = ContainerSpec(name=NAME, image=IMAGE, labels={**spec.labels, **labels})
        await self.engine.ensure_network("tower-shop", labels={})
        container = await HostEngine.create(self.engine, found)
        await HostEngine.start(self.engine, container)
        self.engine.calls.clear()
        return container


async def test_a_replica_without_a_container_gets_one_that_does_not_run_yet() -> None:
    it = Made()
    container = await it.create()
    detail = await it.engine.inspect(container)
    assert (detail.name, detail.state) == (NAME, ContainerState.CREATED)
    assert detail.labels[LABEL_TOKEN] == "10"
    assert "tower-shop" in [network.name for network in await it.engine.networks()]


async def test_made_again_it_is_the_same_container_also_by_a_newer_order() -> None:
    it = Made()
    container = await it.run()
    assert await it.create() == container
    assert await it.create(permit=it.fence.permit(NAME, 11)) == container
    assert it.engine.count("create") == it.engine.count("start") == 1


async def test_a_container_of_another_specification_is_replaced() -> None:
    it = Made()
    old = await it.there_already(**{LABEL_CONFIG: "another"})
    container = await it.create()
    assert container != old
    assert it.engine.names() == [NAME]
    assert it.engine.calls == [f"stop {NAME}", f"remove {NAME}", f"create {NAME}"]


@pytest.mark.parametrize("state", [ContainerState.DEAD, ContainerState.REMOVING])
async def test_a_container_that_can_never_run_again_is_replaced(state: ContainerState) -> None:
    it = Made()
    old = await it.create()
    it.engine._find(old).state = state
    assert await find_container(it.engine, a_replica(), it.permit) is None
    assert await it.create() != old


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({LABEL_TOKEN: ""}, "that Control Tower did not make"),
        ({LABEL_CLUSTER: "c2"}, "a container of another cluster (c2)"),
        ({LABEL_CLUSTER: ""}, "a container of another cluster (unknown)"),
    ],
)
async def test_a_container_that_is_not_ours_keeps_the_name_and_is_left_alone(
    labels: dict[str, str], words: str
) -> None:
    it = Made()
    container = await it.there_already(**labels)
    with pytest.raises(NameTaken) as refused:
        await it.create()
    assert words in str(refused.value)
    await it.remove()
    assert it.engine.calls == []
    assert (await it.engine.inspect(container)).state is ContainerState.RUNNING


async def test_a_container_of_ours_under_the_name_of_another_replica_is_left_alone() -> None:
    it = Made()
    await it.there_already(**{"tower.ordinal": "1"})
    with pytest.raises(EngineRefused):
        await it.create()
    await it.remove()
    assert it.engine.running() == [NAME]


async def test_a_container_of_a_newer_order_is_neither_taken_nor_removed() -> None:
    it = Made(token=4)
    await it.there_already()
    with pytest.raises(Superseded):
        await it.create()
    with pytest.raises(Superseded):
        await it.remove()
    assert it.engine.calls == []


async def test_creating_without_the_image_says_so() -> None:
    it = Made()
    with pytest.raises(ImageNotFound):
        await it.create(a_replica(a_spec("demo/other:1")))


async def test_a_name_that_is_taken_in_between_is_looked_at_again() -> None:
    it = Made()

    class Racing(HostEngine):
        is_first = True

        async def create(self, spec: ContainerSpec) -> str:
            if self.is_first:
                self.is_first = False
                await super().create(spec)  # another run of the agent, whose answer was lost
            return await super().create(spec)

    it.engine = Racing(FakeClock())
    it.engine.add_image(IMAGE)
    container = await it.create()
    assert it.engine.names() == [NAME]
    assert (await it.engine.inspect(container)).name == NAME


async def test_a_container_is_asked_to_end_before_it_is_removed_with_its_nameless_volumes() -> None:
    it = Made()
    await it.run()
    it.engine.calls.clear()
    await it.remove()
    assert it.engine.calls == [f"stop {NAME}", f"remove {NAME}"]
    assert it.engine.names() == []
    await it.remove()
    assert it.engine.calls == [f"stop {NAME}", f"remove {NAME}"]


async def test_a_container_that_goes_while_it_is_removed_is_gone() -> None:
    it = Made()

    class Vanishing(HostEngine):
        async def stop(self, container: str, *, grace_s: int | None = None) -> None:
            await HostEngine.remove(self, container, force=True)
            await super().stop(container)

    it.engine = Vanishing(FakeClock())
    it.engine.add_image(IMAGE)
    await it.create()
    await it.remove()
    assert it.engine.names() == []


# ---- the fence --------------------------------------------------------------------------------


def test_an_older_order_is_refused_and_the_same_one_is_not() -> None:
    fence = Fence()
    fence.permit(NAME, 10)
    fence.permit(NAME, 10).check()
    with pytest.raises(Superseded):
        fence.permit(NAME, 9)
    assert fence.newest(NAME) == 10


def test_a_newer_order_takes_the_leave_of_the_older_and_of_no_other_container() -> None:
    fence = Fence()
    old, other = fence.permit(NAME, 10), fence.permit("other", 1)
    new = fence.permit(NAME, 11)
    with pytest.raises(Superseded):
        old.check()
    new.check()
    other.check()


def test_a_container_of_a_newer_order_is_as_good_as_the_order() -> None:
    permit = Fence().permit(NAME, 10)
    permit.check(labelled=10)
    with pytest.raises(Superseded):
        permit.check(labelled=11)


def test_what_is_forgotten_is_not_held_against_anybody() -> None:
    fence = Fence()
    fence.permit(NAME, 10)
    fence.forget(NAME)
    fence.forget(NAME)
    assert fence.newest(NAME) == 0


async def started(it: Made) -> None:
    container = await it.create()
    it.engine.calls.clear()
    await ensure_started(it.engine, container, it.permit)


async def replaced(it: Made) -> None:
    await it.there_already(**{LABEL_CONFIG: "another"})
    await it.create()


async def removed(it: Made) -> None:
    await it.there_already()
    await it.remove()


@pytest.mark.parametrize(
    ("work", "overtaken_at", "done"),
    [
        (replaced, "inspect", []),
        (replaced, "stop", [f"stop {NAME}"]),
        (replaced, "remove", [f"stop {NAME}", f"remove {NAME}"]),
        (replaced, "ensure_network", [f"stop {NAME}", f"remove {NAME}"]),
        (removed, "inspect", []),
        (removed, "stop", [f"stop {NAME}"]),
        (started, "create", []),
    ],
)
async def test_an_order_that_is_overtaken_does_nothing_more(
    work: Callable[[Made], object], overtaken_at: str, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    it = Made()
    original = getattr(it.engine, overtaken_at)

    async def overtake(*args: object, **fields: object) -> object:
        answer = await original(*args, **fields)
        if it.engine.calls or overtaken_at in ("inspect", "create"):
            it.fence.permit(NAME, 11)
        return answer

    monkeypatch.setattr(it.engine, overtaken_at, overtake)
    with pytest.raises(Superseded):
        await work(it)  # type: ignore[misc]  # each of them is a coroutine
    assert it.engine.calls == done
