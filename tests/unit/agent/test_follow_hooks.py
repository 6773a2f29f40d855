"""Hooks on one host: begun once, brought to an end, and told, whatever dies in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent.execute.hooks import clipped, without_secrets
from agent.follow.removal import take_down_replicas
from agent.ports import ContainerSpec, ContainerState
from cluster.commands.secrets import PutFile
from cluster.commands.services import ReportHook
from cluster.model.hooks import TAIL_CHARS_MAX, Hook, HookKind, HookPhase, HookRun
from cluster.model.ids import NodeId, RolloutId
from cluster.model.rollout import Rollout, RolloutPhase
from cluster.model.secrets import FileKind
from cluster.model.service import FileReference, PublishedPort, ServiceSpec
from cluster.raft.replicator import NotCommitted
from cluster.store.records import ROLLOUTS
from tests.support.fake_engine import FakeEngine
from tests.support.host_kit import CLUSTER, HERE, IMAGE, WEB, FollowingHost, refusal
from tests.support.state_builders import a_spec

NAME = "tower-shop.web-1-pre-0"
RO = RolloutId("ro_1")


class Hooked(FollowingHost):
    """A host, and the rollout of a service with one hook."""

    def order(
        self,
        command: str,
        *,
        spec: ServiceSpec | None = None,
        timeout_ms: int = 10_000,
        node: NodeId = HERE,
        attempts: int = 1,
    ) -> None:
        self.state.deploy(spec)
        run = HookRun(
            kind=HookKind.PRE,
            number=0,
            hook=Hook(command=("sh", "-c", command), timeout_ms=timeout_ms),
            phase=HookPhase.ORDERED,
            node_id=node,
            attempts=attempts,
        )
        self.state.transition(
            rollout=Rollout(
                id=RO,
                service_id=WEB,
                from_revision=0,
                to_revision=1,
                phase=RolloutPhase.RUNNING,
                step=0,
                started_at_ms=0,
                changed_at_ms=0,
                deadline_ms=0,
                hooks=(run,),
            )
        )

    @property
    def rollout(self) -> Rollout:
        with self.state.read() as txn:
            found = ROLLOUTS.get(txn, RO)
        assert found is not None
        return found

    @property
    def hook(self) -> HookRun:
        return self.rollout.hooks[0]

    def change(self, **fields: Any) -> None:
        """The leader commits something else of the rollout."""
        self.state.transition(rollout=replace(self.rollout, **fields))

    async def until(self, is_so: Callable[[], bool], within_s: float = 30.0) -> None:
        until_s = self.clock.monotonic_s() + within_s
        while not is_so():
            assert self.clock.monotonic_s() < until_s, (self.hook, self.engine.names())
            await self.clock.advance(0.1)

    async def until_hook(self, phase: HookPhase) -> None:
        await self.until(lambda: self.hook.phase is phase)

    async def until_gone(self) -> None:
        await self.until(lambda: NAME not in self.engine.names())


async def test_a_hook_that_ends_well_is_told_with_what_it_printed_and_leaves_nothing() -> None:
    host = Hooked()
    host.order("echo migrated; exit 0")
    async with host.running():
        await host.until_hook(HookPhase.SUCCEEDED)
        await host.until_gone()
    assert (host.hook.exit_code, host.hook.tail) == (0, "migrated")
    assert host.engine.count(f"start {NAME}") == 1


async def test_a_hook_is_made_from_the_revision_but_is_no_replica_to_anybody() -> None:
    host = Hooked()
    spec = a_spec(
        IMAGE,
        environment=(("A", "1"),),
        ports=(PublishedPort(container_port=80, host_port=8080),),
        labels=(("traefik.enable", "true"),),
    )
    host.order("sleep 5", spec=spec)
    async with host.running():
        await host.until_hook(HookPhase.RUNNING)
        found = await host.engine.see(NAME)
        made = host.engine._find(NAME).spec
    assert found.environment["A"] == "1"
    assert made.networks == {"tower-shop": ()}
    assert (made.ports, made.restart_policy) == ((), "no")
    assert "traefik.enable" not in made.labels
    assert "tower.service" not in made.labels


async def test_a_hook_that_fails_says_how_and_what_it_printed_without_secrets() -> None:
    host = Hooked()
    spec = a_spec(IMAGE, environment=(("DB_PASSWORD", "hunter22"), ("LEVEL", "info")))
    host.order("echo login hunter22 failed at info; exit 3", spec=spec)
    async with host.running():
        await host.until_hook(HookPhase.FAILED)
    assert (host.hook.exit_code, host.hook.reason) == (3, "ended with exit code 3")
    assert host.hook.tail == "login [redacted] failed at info"


async def test_a_hook_that_hangs_is_killed_at_its_time() -> None:
    host = Hooked()
    host.order("echo waiting; sleep 1000", timeout_ms=5_000)
    async with host.running():
        await host.until_hook(HookPhase.RUNNING)
        await host.pass_time(4.0)
        assert host.hook.phase is HookPhase.RUNNING
        await host.until_hook(HookPhase.FAILED)
    assert host.hook.reason == "did not end within 5 s, and was killed"
    assert host.hook.tail == "waiting"


async def test_that_it_begins_is_committed_before_it_begins() -> None:
    host = Hooked()

    def look(command: object) -> None:
        if isinstance(command, ReportHook) and command.phase is HookPhase.RUNNING:
            assert host.engine.count(f"start {NAME}") == 0
            assert NAME in host.engine.names()

    host.state.before = look  # type: ignore[assignment]
    host.order("exit 0")
    async with host.running():
        await host.until_hook(HookPhase.SUCCEEDED)


async def test_without_a_leader_a_hook_does_not_begin() -> None:
    host = Hooked()
    is_cut = True

    def cut(command: object) -> None:
        if is_cut:
            raise NotCommitted("no leader is known here")

    host.state.before = cut  # type: ignore[assignment]
    host.order("exit 0")
    async with host.running():
        await host.pass_time(20.0)
        assert host.engine.count(f"start {NAME}") == 0
        is_cut = False
        await host.until_hook(HookPhase.SUCCEEDED)


async def test_a_host_whose_order_went_elsewhere_does_not_begin() -> None:
    host = Hooked()

    def move(command: object) -> None:
        if isinstance(command, ReportHook) and host.hook.attempts == 1:
            host.change(hooks=(replace(host.hook, node_id=NodeId("n9"), attempts=2),))

    host.state.before = move  # type: ignore[assignment]
    host.order("exit 0")
    async with host.running():
        await host.until_gone()
        await host.pass_time(10.0)
    assert host.engine.count(f"start {NAME}") == 0
    assert host.hook.phase is HookPhase.ORDERED


@pytest.mark.parametrize("when_s", [0.0, 0.2, 1.0, 3.0, 5.0])
async def test_an_agent_that_dies_at_any_time_runs_it_no_second_time(when_s: float) -> None:
    host = Hooked()
    host.order("sleep 100", timeout_ms=60_000)
    async with host.running():
        await host.pass_time(when_s)
    async with host.running():
        await host.until_hook(HookPhase.RUNNING)
        await host.until(lambda: NAME in host.engine.running())
        host.engine.crash(NAME, exit_code=0)
        await host.until_hook(HookPhase.SUCCEEDED)
    assert host.engine.count(f"start {NAME}") == 1


async def test_the_exit_code_of_one_that_ended_while_the_agent_was_dead_is_read_from_it() -> None:
    host = Hooked()
    host.order("sleep 100")
    async with host.running():
        await host.until(lambda: NAME in host.engine.running())
    host.engine.crash(NAME, exit_code=7)
    async with host.running():
        await host.until_hook(HookPhase.FAILED)
    assert host.hook.exit_code == 7
    assert host.engine.count(f"start {NAME}") == 1


async def test_one_whose_container_somebody_removed_is_not_run_again() -> None:
    host = Hooked()
    host.order("sleep 100")
    async with host.running():
        await host.until(lambda: NAME in host.engine.running())
        await FakeEngine.remove(host.engine, NAME, force=True)
        await host.until_hook(HookPhase.FAILED)
    assert "removed by someone else, so nobody knows how far it came" in host.hook.reason
    assert host.engine.count(f"create {NAME}") == 1


async def test_when_the_rollout_ends_the_hook_is_ended_too() -> None:
    host = Hooked()
    host.order("sleep 1000")
    async with host.running():
        await host.until(lambda: NAME in host.engine.running())
        host.change(phase=RolloutPhase.CANCELLED)
        await host.until_gone()
    assert host.hook.phase is HookPhase.RUNNING


async def test_a_pause_lets_it_run() -> None:
    host = Hooked()
    host.order("sleep 1000", timeout_ms=100_000)
    async with host.running():
        await host.until(lambda: NAME in host.engine.running())
        host.change(phase=RolloutPhase.PAUSED)
        await host.pass_time(10.0)
        assert NAME in host.engine.running()


async def test_an_image_that_does_not_exist_fails_the_hook_before_it_begins() -> None:
    host = Hooked()
    host.order("exit 0", spec=a_spec("demo/none:1"))
    async with host.running():
        await host.until_hook(HookPhase.FAILED)
    assert host.hook.exit_code is None
    assert "demo/none:1" in host.hook.reason


async def test_a_command_that_cannot_be_started_fails_the_hook() -> None:
    host = Hooked()
    host.engine.refused[f"start {NAME}"] = refusal("no such file: /app/migrate")
    host.order("exit 0")
    async with host.running():
        await host.until_hook(HookPhase.FAILED)
    assert host.hook.reason == "could not be run: no such file: /app/migrate"


async def test_a_strangers_container_of_that_name_is_not_touched() -> None:
    host = Hooked()
    await host.stranger(NAME)
    host.order("exit 0")
    async with host.running():
        await host.until_hook(HookPhase.FAILED)
        assert NAME in host.engine.running()
    assert "is none of ours" in host.hook.reason


async def test_what_an_earlier_rollout_left_is_replaced() -> None:
    host = Hooked()
    labels = {"tower.hook": "pre-0", "tower.cluster": CLUSTER, "tower.rollout": "ro_0"}
    await FakeEngine.create(host.engine, ContainerSpec(name=NAME, image=IMAGE, labels=labels))
    host.order("exit 0")
    async with host.running():
        await host.until_hook(HookPhase.SUCCEEDED)
    assert host.engine.count(f"create {NAME}") == 2


async def test_a_hook_of_another_host_is_none_of_ours() -> None:
    host = Hooked()
    host.order("exit 0", node=NodeId("n9"))
    async with host.running():
        await host.pass_time(10.0)
    assert host.engine.names() == []


async def test_its_secrets_are_there_while_it_runs_and_gone_afterwards() -> None:
    host = Hooked()
    reference = FileReference(source="key", target="/run/secrets/key", version=1)
    host.open_file = lambda kind, reference: b"s3cr3t-value\n"  # type: ignore[method-assign]
    with_secret = replace(a_spec(IMAGE), secrets=(reference,))
    put_secret(host)
    host.order("echo the key is s3cr3t-value; exit 1", spec=with_secret)
    async with host.running():
        await host.until_hook(HookPhase.FAILED)
        await host.until_gone()
        await host.pass_time(1.0)
        assert await host.files.containers() == frozenset()
    assert host.hook.tail == "the key is [redacted]"


def put_secret(host: Hooked) -> None:
    host.state.replica.must(
        PutFile(kind=FileKind.SECRET, name="key", version=1, content=bytes(60), created_by="ann"),
        client="person",
        leader_term=0,
    )
    host.state.replica.store.flush()


async def test_a_host_that_leaves_ends_its_hooks() -> None:
    host = Hooked()
    host.order("sleep 1000")
    async with host.running():
        await host.until(lambda: NAME in host.engine.running())
    await take_down_replicas(host.engine, cluster_id=CLUSTER)
    assert host.engine.names() == []


def test_passwords_in_urls_and_every_line_of_a_secret_are_left_out() -> None:
    text = "to postgres://app:pa55@db/shop\nline-one and\nline-two, abc"
    assert without_secrets(text, ["line-one\nline-two\n", "abc"]) == (
        "to postgres://app:[redacted]@db/shop\n[redacted] and\n[redacted], abc"
    )


def test_the_end_of_a_long_output_is_what_is_kept() -> None:
    kept = clipped("\n".join(f"line {number} " + "x" * 300 for number in range(40)))
    assert len(kept) <= TAIL_CHARS_MAX
    assert kept.splitlines()[-1].startswith("line 39 ")


async def test_a_container_that_was_made_is_not_started_by_looking_at_it() -> None:
    host = Hooked()
    host.engine.held[f"start {NAME}"] = held = asyncio.Event()
    host.order("exit 0")
    async with host.running():
        await host.until_hook(HookPhase.RUNNING)
        assert (await host.engine.see(NAME)).state is ContainerState.CREATED
        held.set()
        await host.until_hook(HookPhase.SUCCEEDED)
