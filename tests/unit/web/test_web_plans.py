"""Plans: what a program asks for waits for a person, and is done once, as it was shown, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from cluster.commands.access import RemoveUser, RevokeApiToken, SetRole
from cluster.commands.permissions import PutBinding, PutCustomRole
from cluster.commands.plans import EndPlan, MakePlan
from cluster.commands.services import PutService, ScaleService
from cluster.commands.settings import PutSetting
from cluster.model.access import Role
from cluster.model.ids import PrincipalId, TokenPrefix
from cluster.model.permissions import (
    AccessScope,
    Binding,
    CustomRole,
    Holder,
    HolderKind,
    Permission,
    PermissionEffect,
)
from cluster.model.plans import LIFE_MS, RUN_MS_MAX
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from cluster.store import records
from tests.support.api_caller import WorldCaller
from tests.support.deployments import deployed, service_of
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving
from web.auth.call import Call, Credential, Identity
from web.auth.problems import Problem
from web.tools import approving
from web.tools.catalog import REGISTRY
from web.tools.context import CONTEXT, Context
from web.tools.pace import Pace
from web.tools.registry import ToolResult

QUICK = Pace(rollout_wait_s=0.5, split_wait_s=0.02, coalesce_s=0.01)
SCALE = {"service": "shop.web", "replicas": 3}
SHOP = """
name: shop
services:
  web:
    image: registry.example/shop/web:2
    environment: {PASSWORD: hunter2}
    deploy: {replicas: 2}
"""


@dataclass(slots=True)
class Shop:
    """A cluster with a service on two hosts, a program `ci` of ann's, and people who are logged in."""

    world: WebWorld
    client: TestClient[web.Request, web.Application]
    ann: WorldCaller
    eve: WorldCaller
    token: str

    @property
    def context(self) -> Context:
        assert self.client.app is not None
        return self.client.app[CONTEXT]

    @property
    def prefix(self) -> TokenPrefix:
        with self.world.state.read() as txn:
            (token,) = records.API_TOKENS.scan(txn)
        return token.prefix

    def program(self, via: str = "mcp") -> Call:
        identity = Identity(
            principal_id=PrincipalId("us_ann"),
            name="ann",
            role=Role.OPERATOR,
            credential=Credential.API_TOKEN,
            epoch=1,
            token_prefix=self.prefix,
        )
        return Call(
            identity=identity, request_id="rq_1", ip="192.0.2.1", user_agent="claude", started_s=0.0, via=via
        )

    async def ask(
        self, tool: str = "scale-service", *, tainted: bool = False, **given: Any
    ) -> dict[str, Any]:
        """Call a tool as a program does; returns what it is told."""
        result = await REGISTRY.call(self.context, self.program(), tool, given or SCALE, is_tainted=tainted)
        assert isinstance(result, ToolResult)
        assert result.structured is not None
        return result.structured

    async def ended(self, plan_id: str) -> dict[str, Any]:
        await self.world.state.until_proposed(EndPlan)
        return dict(await self.eve.get(f"/plans/{plan_id}"))

    def replicas(self) -> int:
        return service_of(self.world).replicas

    def set(self, key: str, value: str) -> None:
        self.world.state.must(PutSetting(key=key, value=value, expected_version=None))

    def scalings(self) -> int:
        return sum(isinstance(command, ScaleService) for command in self.world.state.proposed)


@asynccontextmanager
async def shop() -> AsyncIterator[Shop]:
    world = a_web_world()
    ann = world.add_user("ann", Role.OPERATOR)
    world.add_user("eve", Role.OPERATOR)
    token = world.add_api_token(ann)
    deployed(world, "nd_1", "nd_2")
    async with serving(world, pace=QUICK) as client:
        yield Shop(
            world=world,
            client=client,
            ann=WorldCaller(client, await log_in(client, "ann"), world),
            eve=WorldCaller(client, await log_in(client, "eve"), world),
            token=token,
        )


async def test_what_a_program_asks_for_is_done_once_a_person_has_approved_it() -> None:
    async with shop() as it:
        made = await it.ask()
        assert (made["state"], it.replicas()) == ("waiting", 2)
        assert made["summary"] == "shop.web goes from 2 to 3 replicas"
        assert made["changes"] == ["shop.web replicas: 2 -> 3 (in-place)"]
        assert "hosts: h1, h2" in made["touches"]
        assert made["approve_at"] == f"/plans/{made['plan_id']}"
        view = await it.eve.must("POST", f"/plans/{made['plan_id']}/approve", comment="go on")
        assert (view["state"], view["decided_by"], it.replicas()) == ("done", "eve", 3)
        assert view["outcome"].startswith("shop.web goes from 2 to 3 replicas; ")
        told = await it.ask("get-plan", plan=made["plan_id"])
        assert (told["state"], told["comment"]) == ("done", "go on")
        assert told["next"] == "call get-deploy-status with service=shop.web"


async def test_the_audit_names_who_asked_who_approved_and_what_was_done() -> None:
    async with shop() as it:
        made = await it.ask()
        await it.eve.must("POST", f"/plans/{made['plan_id']}/approve")
        entries = [
            (each.command, each.stamp.action, each.stamp.principal_name) for each in it.world.state.audit()
        ]
        assert entries[-4:] == [
            ("make-plan", "plan.make", "ann"),
            ("decide-plan", "plan.approve", "eve"),
            ("scale-service", "service.scale", "ann"),
            ("end-plan", "plan.approve", "eve"),
        ]
        (scaled,) = [each for each in it.world.state.audit() if each.command == "scale-service"]
        assert f"through plan {made['plan_id']} approved by eve" in scaled.stamp.reason


async def test_an_approval_that_is_sent_again_does_nothing_again() -> None:
    async with shop() as it:
        made = await it.ask()
        await it.eve.must("POST", f"/plans/{made['plan_id']}/approve")
        problem = await it.ann.refused(409, "POST", f"/plans/{made['plan_id']}/approve")
        assert problem["state"] == "done"
        assert "approved once, or not at all" in problem["detail"]
        assert it.scalings() == 1


async def test_of_two_who_approve_at_two_hosts_at_once_one_has_it_run() -> None:
    async with shop() as it, serving(it.world, pace=QUICK) as other:
        there = WorldCaller(other, await log_in(other, "ann"), it.world)
        made = await it.ask()
        path = f"/plans/{made['plan_id']}/approve"
        answers = await asyncio.gather(it.eve.send("POST", path), there.send("POST", path))
        assert sorted(status for status, _ in answers) == [202, 409]
        await it.ended(made["plan_id"])
        assert it.scalings() == 1


async def test_a_program_approves_nothing_whoever_it_belongs_to() -> None:
    async with shop() as it:
        made = await it.ask()
        program = WorldCaller(it.client, {"Authorization": f"Bearer {it.token}"}, it.world)
        problem = await program.refused(403, "POST", f"/plans/{made['plan_id']}/approve")
        assert "a person has to be logged in" in problem["detail"]
        assert (await program.get(f"/plans/{made['plan_id']}"))["can"] == ["refuse", "withdraw"]
        assert "approve" not in {tool.name.partition("-")[0] for tool in REGISTRY.tools}
        assert it.replicas() == 2


async def test_who_may_not_do_it_themselves_does_not_approve_it() -> None:
    async with shop() as it:
        made = await it.ask()
        forbidden = CustomRole(
            name="no-scaling",
            permissions=(Permission(effect=PermissionEffect.DENY, actions=("service.scale",)),),
        )
        it.world.state.must(PutCustomRole(role=forbidden))
        it.world.state.must(
            PutBinding(
                binding=Binding(
                    id="bd_1", holder=Holder(kind=HolderKind.USER, id="us_eve"), role="no-scaling"
                )
            )
        )
        problem = await it.eve.refused(403, "POST", f"/plans/{made['plan_id']}/approve")
        assert "denies service.scale" in problem["detail"]
        it.world.add_user("vic", Role.VIEWER)
        vic = WorldCaller(it.client, await log_in(it.client, "vic"), it.world)
        assert (await vic.get(f"/plans/{made['plan_id']}"))["can"] == []
        await vic.refused(403, "POST", f"/plans/{made['plan_id']}/approve")
        await vic.refused(403, "POST", f"/plans/{made['plan_id']}/refuse")
        assert it.replicas() == 2


async def test_what_has_changed_since_makes_the_plan_stale_and_nothing_is_done() -> None:
    async with shop() as it:
        made = await it.ask()
        it.world.state.must(ScaleService(service_id=service_of(it.world).id, replicas=5, by="eve"))
        problem = await it.eve.refused(409, "POST", f"/plans/{made['plan_id']}/approve")
        assert (problem["state"], it.replicas()) == ("stale", 5)
        view = await it.eve.get(f"/plans/{made['plan_id']}")
        assert (view["state"], view["can"]) == ("stale", [])
        again = await it.ask()
        assert again["changes"] == ["shop.web replicas: 5 -> 3 (in-place)"]


async def test_a_plan_expires() -> None:
    async with shop() as it:
        made = await it.ask()
        it.world.clock.set_now_ms(it.world.clock.now_ms() + LIFE_MS)
        eve = WorldCaller(it.client, await log_in(it.client, "eve"), it.world)
        problem = await eve.refused(409, "POST", f"/plans/{made['plan_id']}/approve")
        assert "has expired" in problem["detail"]
        assert (await eve.get("/plans"))["items"] == []
        (item,) = (await eve.get("/plans", state="expired"))["items"]
        assert "nobody decided in time" in item["outcome"]


async def test_a_refused_plan_is_not_approved_and_its_program_is_told_why() -> None:
    async with shop() as it:
        made = await it.ask()
        await it.eve.must("POST", f"/plans/{made['plan_id']}/refuse", comment="not before the weekend")
        problem = await it.eve.refused(409, "POST", f"/plans/{made['plan_id']}/approve")
        assert "is refused by eve already" in problem["detail"]
        told = await it.ask("get-plan", plan=made["plan_id"])
        assert (told["state"], told["comment"]) == ("refused", "not before the weekend")


async def test_a_plan_is_withdrawn_by_who_asked_for_it_alone() -> None:
    async with shop() as it:
        made = await it.ask()
        await it.eve.refused(403, "POST", f"/plans/{made['plan_id']}/withdraw")
        it.set("plans.required", "all")
        assert (await it.ask("withdraw-plan", plan=made["plan_id"]))["state"] == "withdrawn"
        await it.eve.refused(409, "POST", f"/plans/{made['plan_id']}/approve")
        assert it.replicas() == 2


@pytest.mark.parametrize("what", ["token", "account", "role"])
async def test_who_may_not_any_more_has_nothing_done(what: str) -> None:
    async with shop() as it:
        made = await it.ask()
        if what == "token":
            it.world.state.must(RevokeApiToken(prefix=it.prefix))
        elif what == "account":
            it.world.add_user("root", Role.ADMIN)
            it.world.state.must(RemoveUser(principal_id=PrincipalId("us_ann")))
        else:
            it.world.add_user("root", Role.ADMIN)
            it.world.state.must(SetRole(principal_id=PrincipalId("us_ann"), role=Role.VIEWER))
        problem = await it.eve.refused(409, "POST", f"/plans/{made['plan_id']}/approve")
        assert (problem["state"], it.replicas()) == ("stale", 2)
        assert {"token": "not valid any more", "account": "has no account", "role": "needs role operator"}[
            what
        ] in problem["detail"]


async def test_with_four_eyes_nobody_approves_what_was_asked_for_in_their_name() -> None:
    async with shop() as it:
        made = await it.ask()
        assert (await it.ann.get(f"/plans/{made['plan_id']}"))["can"] == ["approve", "refuse", "withdraw"]
        it.set("plans.four_eyes", "true")
        problem = await it.ann.refused(403, "POST", f"/plans/{made['plan_id']}/approve")
        assert "somebody else has to approve it" in problem["detail"]
        assert (await it.eve.must("POST", f"/plans/{made['plan_id']}/approve"))["state"] == "done"


async def test_ones_own_plan_is_approved_by_oneself_otherwise() -> None:
    async with shop() as it:
        made = await it.ask()
        assert (await it.ann.must("POST", f"/plans/{made['plan_id']}/approve"))["state"] == "done"


async def test_a_host_that_dies_midway_leaves_an_end_that_is_not_known_and_no_second_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never_comes_to_it(*_: object) -> None:
        """The approval is committed, and the process is killed."""

    monkeypatch.setattr(approving, "_run", never_comes_to_it)
    async with shop() as it:
        made = await it.ask()
        view = await it.eve.must("POST", f"/plans/{made['plan_id']}/approve")
        assert view["state"] == "running"
        it.world.clock.set_now_ms(it.world.clock.now_ms() + RUN_MS_MAX)
        view = await it.eve.get(f"/plans/{made['plan_id']}")
        assert (view["state"], view["look_at"]) == ("unknown", "get-deploy-status with service=shop.web")
        await it.eve.refused(409, "POST", f"/plans/{made['plan_id']}/approve")
        assert it.scalings() == 0


async def test_an_outcome_nobody_knows_is_told_as_that() -> None:
    async with shop() as it:
        made = await it.ask()
        real = it.world.state.propose

        async def propose(command: object, **options: Any) -> Any:
            if isinstance(command, ScaleService):
                raise OutcomeUnknown("the leader is gone")
            return await real(command, **options)

        it.world.state.propose = propose  # type: ignore[method-assign]
        view = await it.eve.must("POST", f"/plans/{made['plan_id']}/approve")
        assert view["state"] == "unknown"
        assert "may have taken effect" in view["outcome"]


async def test_what_fails_when_it_is_run_is_told_with_the_reason() -> None:
    async with shop() as it:
        made = await it.ask("restart-service", service="shop.web")
        assert made["summary"] == "the 2 replicas of shop.web are replaced by new ones of the same make"
        real = it.world.state.propose

        async def propose(command: object, **options: Any) -> Any:
            if isinstance(command, PutService):
                raise NotCommitted("no quorum")
            return await real(command, **options)

        it.world.state.propose = propose  # type: ignore[method-assign]
        view = await it.eve.must("POST", f"/plans/{made['plan_id']}/approve")
        assert view["state"] == "failed"
        assert "nothing was changed: no quorum" in view["outcome"]


async def test_the_same_call_that_waits_already_is_the_same_plan() -> None:
    async with shop() as it:
        first, again = await it.ask(), await it.ask()
        assert first["plan_id"] == again["plan_id"]
        other = await it.ask("scale-service", service="shop.web", replicas=4)
        assert other["plan_id"] != first["plan_id"]
        assert sum(isinstance(command, MakePlan) for command in it.world.state.proposed) == 2


async def test_what_would_be_refused_is_refused_before_anybody_is_asked() -> None:
    async with shop() as it:
        with pytest.raises(Problem) as refused:
            await it.ask("scale-service", service="shop.api", replicas=3)
        assert refused.value.kind == "not-found"
        with pytest.raises(Problem, match="from before revision 1"):
            await it.ask("rollback-deploy", service="shop.web")
        assert (await it.eve.get("/plans"))["items"] == []


async def test_people_and_dry_runs_and_what_only_reads_need_no_plan() -> None:
    async with shop() as it:
        nodes = await REGISTRY.call(it.context, it.program(), "list-nodes", {})
        assert nodes.structured is not None
        assert "nodes" in nodes.structured
        tried = await it.ask("deploy-rolling", compose=SHOP, dry_run=True)
        assert tried["next"].startswith("nothing was changed")
        direct = await REGISTRY.call(it.context, it.program(via="rest"), "scale-service", SCALE)
        assert direct.structured is not None
        assert direct.structured["done"] == "shop.web goes from 2 to 3 replicas"


async def test_after_text_of_containers_every_change_is_a_plan() -> None:
    async with shop() as it:
        it.set("plans.required", "none")
        assert (await it.ask())["done"]
        made = await it.ask("scale-service", tainted=True, service="shop.web", replicas=1)
        assert made["state"] == "waiting"
        assert "text that containers wrote" in made["why"]


async def test_a_role_can_have_everything_its_programs_change_be_a_plan() -> None:
    async with shop() as it:
        it.set("plans.required", "none")
        careful = CustomRole(
            name="careful", permissions=(Permission(effect=PermissionEffect.DENY, actions=("plan.skip",)),)
        )
        it.world.state.must(PutCustomRole(role=careful))
        binding = Binding(
            id="bd_1",
            holder=Holder(kind=HolderKind.TOKEN, id=it.prefix),
            role="careful",
            scope=AccessScope(projects=("shop",)),
        )
        it.world.state.must(PutBinding(binding=binding))
        made = await it.ask()
        assert made["state"] == "waiting"
        assert "without a plan" in made["why"]


async def test_a_deployment_is_planned_with_its_differences_and_no_value_that_may_be_secret() -> None:
    async with shop() as it:
        made = await it.ask("deploy-rolling", compose=SHOP, variables={"TOKEN": "hunter3"})
        view = await it.eve.get(f"/plans/{made['plan_id']}")
        assert view["arguments"] == {"compose": f"({len(SHOP)} characters)", "variables": "TOKEN"}
        fields = {(each["field"], each["after"]) for each in view["changes"]}
        assert ("environment.PASSWORD", "(hidden)") in fields
        assert ("image", "registry.example/shop/web:2") in fields
        with it.world.state.read() as txn:
            (plan,) = records.PLANS.scan(txn)
        assert b"hunter" not in plan.sealed_arguments
        assert "hunter" not in str(view)
        view = await it.eve.must("POST", f"/plans/{made['plan_id']}/approve")
        assert view["state"] in ("running", "done")
        ended = await it.ended(made["plan_id"])
        assert ended["state"] == "done"
        assert ended["outcome"].startswith("shop.web revision 2; call get-deploy-status")
        assert "hunter" not in str(ended)
        assert service_of(it.world).revision == 2


async def test_an_image_whose_tag_means_something_else_by_then_makes_its_plan_stale() -> None:
    async with shop() as it:
        image = "registry.example/shop/web:2"
        it.world.hosts.digests[image] = "sha256:" + "a" * 64
        made = await it.ask("deploy-rolling", compose=SHOP)
        it.world.hosts.digests[image] = "sha256:" + "b" * 64
        problem = await it.eve.refused(409, "POST", f"/plans/{made['plan_id']}/approve")
        assert problem["state"] == "stale"
        assert service_of(it.world).revision == 1


async def test_a_plan_is_seen_by_those_who_see_what_it_touches() -> None:
    async with shop() as it:
        made = await it.ask()
        it.world.add_user("zoe", Role.NONE)
        zoe = WorldCaller(it.client, await log_in(it.client, "zoe"), it.world)
        assert (await zoe.get("/plans"))["items"] == []
        await zoe.refused(404, "GET", f"/plans/{made['plan_id']}")
        (item,) = (await it.eve.get("/plans"))["items"]
        assert item["id"] == made["plan_id"]
        assert (await it.eve.refused(422, "GET", "/plans?state=lost"))["errors"][0]["field"] == "state"


async def test_sealed_arguments_open_for_their_own_plan_alone() -> None:
    async with shop() as it:
        made = await it.ask()
        other = await it.ask("scale-service", service="shop.web", replicas=9)
        state = it.world.state
        with state.read() as txn:
            first = records.PLANS.get(txn, made["plan_id"])
            second = records.PLANS.get(txn, other["plan_id"])
        assert first is not None
        assert second is not None
        swapped = replace(first, id="pl_x", sealed_arguments=second.sealed_arguments)
        state.must(MakePlan(plan=swapped))
        assert (await it.eve.refused(503, "POST", "/plans/pl_x/approve"))["status"] == 503
        assert it.replicas() == 2


async def test_the_end_is_written_down_when_it_can_be_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approving, "END_RETRY_S", 0.001)
    async with shop() as it:
        made = await it.ask()
        real, lost = it.world.state.propose, [NotCommitted("no quorum")] * 2

        async def propose(command: object, **options: Any) -> Any:
            if isinstance(command, EndPlan) and lost:
                raise lost.pop()
            return await real(command, **options)

        it.world.state.propose = propose  # type: ignore[method-assign]
        view = await it.eve.must("POST", f"/plans/{made['plan_id']}/approve")
        assert (view["state"], lost) == ("done", [])


async def test_a_token_that_is_for_some_actions_may_ask_for_them_and_hear_what_became_of_it() -> None:
    async with shop() as it:
        identity = replace(
            it.program().known(),
            token_prefix=None,
            credential=Credential.ACCESS_TOKEN,
            scopes=frozenset({"service.scale", "service.read"}),
        )
        call = replace(it.program(), identity=identity)
        made = await REGISTRY.call(it.context, call, "scale-service", SCALE)
        assert made.structured is not None
        plan_id = made.structured["plan_id"]
        told = await REGISTRY.call(it.context, call, "get-plan", {"plan": plan_id})
        assert told.structured is not None
        assert told.structured["state"] == "waiting"
        with pytest.raises(Problem, match=r"not for service\.restart"):
            await REGISTRY.call(it.context, call, "restart-service", {"service": "shop.web"})


async def test_emptying_a_host_is_planned_with_what_moves_and_what_stays() -> None:
    async with shop() as it:
        made = await it.ask("drain-node", node="h1")
        assert made["summary"].startswith("empty h1: ")
        (change,) = made["changes"]
        assert change.startswith("shop.web replica 0: h1 -> ")
        view = await it.eve.must("POST", f"/plans/{made['plan_id']}/approve")
        assert view["state"] == "done", view
        with it.world.state.read() as txn:
            (node,) = [each for each in records.NODES.scan(txn) if each.name == "h1"]
        assert node.is_draining


async def test_every_tool_that_changes_something_says_what_it_would_do() -> None:
    """Also those without words of their own: on what they are done to, for whom it is."""
    given = {
        "restart-service": {"service": "shop.web"},
        "remove-service": {"service": "shop.web"},
        "silence-alerts": {"comment": "work", "node": "h1"},
        "rebalance-service": {"service": "shop.web"},
        "put-config": {"name": "motd", "content": "hello\nall"},
    }
    async with shop() as it:
        it.set("plans.required", "all")
        it.world.state.must(SetRole(principal_id=PrincipalId("us_eve"), role=Role.ADMIN))
        eve = replace(
            it.program(),
            identity=Identity(
                principal_id=PrincipalId("us_eve"),
                name="eve",
                role=Role.ADMIN,
                credential=Credential.ACCESS_TOKEN,
                epoch=1,
            ),
        )
        for name, arguments in given.items():
            result = await REGISTRY.call(it.context, eve, name, arguments)
            assert result.structured is not None
            assert result.structured["state"] == "waiting", name
            assert result.structured["summary"], name
        person = WorldCaller(it.client, await log_in(it.client, "eve"), it.world)
        plans = {view["tool"]: view for view in (await person.get("/plans"))["items"]}
        assert plans["put-config"]["arguments"] == {"content": "(9 characters)", "name": "motd"}
        assert plans["remove-service"]["touches"]["hosts"] == ["h1", "h2"]
