"""Environments and promotion, over the interface and the real state machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from cluster.commands.environments import PutEnvironment
from cluster.commands.secrets import PutFile
from cluster.commands.services import (
    AssignmentOrder,
    AssignmentReport,
    CommitTransition,
    ReportAssignments,
)
from cluster.model.access import Role
from cluster.model.environments import Environment, EnvironmentQuota
from cluster.model.ids import NodeId, RolloutId
from cluster.model.placing import HostSet
from cluster.model.rollout import Rollout, RolloutPhase
from cluster.model.secrets import FileKind
from cluster.model.service import Aim, DesiredState, Observation, ReplicaPhase, Revision
from cluster.store import records
from tests.support.api_caller import ApiCaller
from tests.support.deployments import lead, service_of
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving
from web.tools.pace import Pace

QUICK = Pace(rollout_wait_s=0.02, split_wait_s=0.02)
DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
HOUR_S = 3600
SHOP_UP = {"what": "shop", "to": "production", "from_environment": "staging"}
SHOP = """
name: shop
services:
  web:
    image: registry.example/shop/web:1
    deploy: {replicas: 2}
"""


class Api(ApiCaller):
    """A program that is logged in, or has a token of its own."""

    async def wait(self, world: WebWorld, seconds: float) -> None:
        """Let time pass, which is longer than a login lasts."""
        await world.clock.advance(seconds)
        self.headers = await log_in(self.client, "ann")

    async def deploy(self, compose: str = SHOP, environment: str = "staging", **body: Any) -> Any:
        given = {"compose": compose, "environment": environment, **body}
        status, answer = await self.ask("POST", "/deployments", json=given)
        assert status in (200, 202), answer
        return answer

    async def promote(self, what: str = "shop", to: str = "production", **body: Any) -> Any:
        given = {"what": what, "to": to, "from_environment": "staging", **body}
        status, answer = await self.ask("POST", "/promotions", json=given)
        assert status in (200, 202), answer
        return answer

    async def refused(self, path: str, *, status: int, **body: Any) -> Any:
        found, problem = await self.ask("POST", path, json=body)
        assert found == status, problem
        return problem


def a_world() -> WebWorld:
    world = a_web_world()
    lead(world)
    world.hosts.digests["registry.example/shop/web:1"] = DIGEST
    return world


@asynccontextmanager
async def somebody(world: WebWorld, role: Role = Role.OPERATOR) -> AsyncIterator[Api]:
    world.add_user("ann", role)
    async with serving(world, pace=QUICK) as client:
        yield Api(client, await log_in(client, "ann"))


@asynccontextmanager
async def a_program(world: WebWorld) -> AsyncIterator[Api]:
    token = world.add_api_token(world.add_user("ci", Role.OPERATOR))
    async with serving(world, pace=QUICK) as client:
        yield Api(client, {"Authorization": f"Bearer {token}"})


def put(world: WebWorld, name: str, **fields: Any) -> None:
    world.state.must(PutEnvironment(environment=replace(Environment(name=name), **fields)))


def revision_of(world: WebWorld, service_id: str) -> Revision:
    with world.state.read() as txn:
        revision = records.REVISIONS.get(txn, service_id, service_of(world, service_id).revision)
    assert revision is not None
    return revision


def settle(world: WebWorld, service_id: str, *, ready: int | None = None) -> None:
    """Have the newest revision of a service rolled out whole, now, with so many replicas ready (all)."""
    service = service_of(world, service_id)
    now_ms = world.clock.now_ms()
    count = service.replicas if ready is None else ready
    orders = tuple(
        AssignmentOrder(
            revision=service.revision,
            ordinal=ordinal,
            node_id=NodeId(f"nd_{ordinal + 1}"),
            desired=DesiredState.SERVING,
        )
        for ordinal in range(count)
    )
    rollout = Rollout(
        id=RolloutId(f"ro_{service_id}_{service.attempt.number}"),
        service_id=service.id,
        from_revision=service.stable_revision,
        to_revision=service.revision,
        phase=RolloutPhase.SUCCEEDED,
        step=1,
        started_at_ms=now_ms,
        changed_at_ms=now_ms,
        deadline_ms=now_ms,
        attempt=service.attempt.number,
        aim=service.attempt.aim,
    )
    world.state.must(
        CommitTransition(
            service_id=service.id,
            expected_version=service.version,
            rollout=rollout,
            orders=orders,
            stable_revision=service.revision,
        )
    )
    for order in orders:
        with world.state.read() as txn:
            copy = records.ASSIGNMENTS.get(txn, service.id, order.revision, order.ordinal, order.node_id)
        assert copy is not None
        report = AssignmentReport(
            service_id=service.id,
            revision=order.revision,
            ordinal=order.ordinal,
            token=copy.token,
            observed=Observation(phase=ReplicaPhase.HEALTHY),
        )
        world.state.must(ReportAssignments(node_id=order.node_id, reports=(report,)))


async def proven(api: Api, world: WebWorld, compose: str = SHOP, **body: Any) -> None:
    """Have a file run in staging for an hour."""
    await api.deploy(compose, **body)
    settle(world, "staging.shop.web")
    await api.wait(world, HOUR_S)


# ---- environments


async def test_the_three_are_there_and_another_is_made() -> None:
    async with somebody(a_world(), Role.ADMIN) as api:
        status, made = await api.ask(
            "PUT",
            "/environments/qa",
            json={"hosts": ["h1"], "constraints": ["node.hostname!=h2"], "requires": "staging"},
        )
        _, listed = await api.ask("GET", "/environments")
    assert status == 200
    assert (made["on"], made["settings"]["requires"], made["changed_by"]) == (["h1"], "staging", "ann")
    assert [(each["name"], each["is_put"]) for each in listed["items"]] == [
        ("development", False),
        ("production", False),
        ("qa", True),
        ("staging", False),
    ]


async def test_what_is_wrong_with_an_environment_names_its_field() -> None:
    async with somebody(a_world(), Role.ADMIN) as api:
        for body, field in (
            ({"hosts": ["h9"]}, "hosts"),
            ({"replicas_min": 3, "replicas_max": 2}, "replicas_min"),
            ({"registry": "https://x"}, "registry"),
            ({"constraints": ["tier=prod"]}, "constraint"),
        ):
            status, problem = await api.ask("PUT", "/environments/qa", json=body)
            assert (status, problem["errors"][0]["field"]) == (422, field)


async def test_operators_use_environments_and_do_not_change_them() -> None:
    async with somebody(a_world()) as api:
        assert (await api.ask("GET", "/environments/staging"))[0] == 200
        assert (await api.ask("PUT", "/environments/staging", json={}))[0] == 403


async def test_an_environment_that_is_not_there_is_not_deployed_to() -> None:
    async with somebody(a_world()) as api:
        problem = await api.refused("/deployments", status=404, compose=SHOP, environment="qa")
    assert problem["detail"] == "there is no environment 'qa'"
    assert "development, production, staging" in problem["hint"]


async def test_a_name_that_cannot_be_one_is_not_found() -> None:
    async with somebody(a_world()) as api:
        for name in ("x" * 256, "%F0%9F%98%80", "a%00b", "a.b"):
            status, problem = await api.ask("GET", f"/environments/{name}")
            assert status in (404, 422), problem
        await api.refused("/promotions", status=404, what="shop", to="x" * 200)


async def test_the_same_project_runs_in_two_environments() -> None:
    world = a_world()
    async with somebody(world) as api:
        await api.deploy()
        await api.deploy(environment="production")
        await api.deploy(environment="")
    with world.state.read() as txn:
        ids = [each.id for each in records.SERVICES.scan(txn)]
    assert ids == ["production.shop.web", "shop.web", "staging.shop.web"]


async def test_an_environments_hosts_are_planned_with() -> None:
    world = a_world()
    put(world, "staging", hosts=HostSet(names=("h2",)))
    async with somebody(world) as api:
        planned = await api.deploy(dry_run=True)
    assert [each["node_name"] for each in planned["hosts"]] == ["h2", "h2"]


async def test_images_come_from_the_environment_s_registry() -> None:
    world = a_world()
    put(world, "staging", registry="mirror.example/prod")
    world.hosts.digests["mirror.example/prod/shop/web:1"] = OTHER
    async with somebody(world) as api:
        await api.deploy()
    spec = revision_of(world, "staging.shop.web").spec
    assert (spec.image, spec.digest) == ("mirror.example/prod/shop/web:1", OTHER)


async def test_replicas_outside_of_an_environment_s_bounds_are_refused_in_words() -> None:
    world = a_world()
    put(world, "staging", replicas_max=1)
    async with somebody(world) as api:
        problem = await api.refused("/deployments", status=422, compose=SHOP, environment="staging")
    (error,) = problem["errors"]
    assert error["field"] == "services.web.deploy.replicas"
    assert error["rule"] == "2 replicas; in staging a service has at most 1"


async def test_a_service_is_not_scaled_out_of_its_environment_s_bounds() -> None:
    world = a_world()
    put(world, "staging", replicas_max=3, quota=EnvironmentQuota(replicas=2))
    async with somebody(world) as api:
        await api.deploy()
        beyond = await api.refused("/services/staging.shop.web/scale", status=422, replicas=4)
        over = await api.refused("/services/staging.shop.web/scale", status=422, replicas=3)
    assert "in staging a service has at most 3" in beyond["detail"]
    assert "3 replicas, of 2 allowed (0 used by others, 2 free)" in over["detail"]


async def test_a_quota_says_what_is_used_and_what_is_free() -> None:
    world = a_world()
    put(world, "staging", quota=EnvironmentQuota(replicas=3))
    async with somebody(world) as api:
        await api.deploy()
        other = SHOP.replace("name: shop", "name: other")
        problem = await api.refused("/deployments", status=422, compose=other, environment="staging")
        again = await api.deploy(SHOP.replace("replicas: 2", "replicas: 3"))
    assert problem["errors"][0]["rule"] == (
        "the quota of staging: 4 replicas, of 3 allowed (2 used by others, 1 free)"
    )
    assert again["services"][0]["changed"]


# ---- what an environment requires


async def test_an_image_that_was_not_stable_where_it_is_required_is_refused() -> None:
    world = a_world()
    put(world, "production", requires="staging")
    async with somebody(world) as api:
        problem = await api.refused("/deployments", status=422, compose=SHOP, environment="production")
        await api.deploy()
        settle(world, "staging.shop.web")
        await api.wait(world, 60)
        early = await api.refused("/deployments", status=422, compose=SHOP, environment="production")
        await api.wait(world, HOUR_S)
        deployed = await api.deploy(environment="production")
    assert "was not stable in staging yet, and production asks for 30 min" in problem["errors"][0]["rule"]
    assert "stable in staging for 1 min, and production asks for 30 min" in early["errors"][0]["rule"]
    assert deployed["services"][0]["service_id"] == "production.shop.web"


async def test_an_emergency_goes_past_what_is_required_and_says_so() -> None:
    world = a_world()
    put(world, "production", requires="staging")
    async with somebody(world) as api:
        answer = await api.deploy(environment="production", skip_analysis=True)
    assert any("was not stable in staging yet" in warning for warning in answer["warnings"])


async def test_a_program_does_not_deploy_to_a_protected_environment_by_itself() -> None:
    world = a_world()
    put(world, "production", is_protected=True)
    async with a_program(world) as api:
        problem = await api.refused("/deployments", status=403, compose=SHOP, environment="production")
        urgent = await api.refused(
            "/deployments", status=403, compose=SHOP, environment="production", skip_analysis=True
        )
    assert "a person has to be logged in to deploy production.shop.web" in problem["detail"]
    assert "to skip the approval" in urgent["detail"]


async def test_what_a_program_deploys_to_a_protected_environment_waits_for_a_person() -> None:
    world = a_world()
    put(world, "production", is_protected=True)
    routed = SHOP + "    x-tower: {strategy: canary, route: {host: shop.example.com, port: 80}}\n"
    async with a_program(world) as api:
        await api.deploy(routed, environment="production")
        await api.deploy(routed.replace("shop.ex", "s2.ex"), environment="production", strategy="blue-green")
    policy = service_of(world, "production.shop.web").policy
    assert not policy.shift.blue_green.is_promoted_by_itself


async def test_a_person_deploys_to_a_protected_environment() -> None:
    world = a_world()
    put(world, "production", is_protected=True)
    async with somebody(world) as api:
        answer = await api.deploy(environment="production")
    assert answer["services"][0]["changed"]


# ---- promotion


async def test_the_digest_is_promoted_and_where_it_came_from_is_remembered() -> None:
    world = a_world()
    async with somebody(world) as api:
        await proven(api, world)
        world.hosts.digests["registry.example/shop/web:1"] = OTHER
        answer = await api.promote()
        _, history = await api.ask("GET", "/services/production.shop.web/history")
    assert [each["service_id"] for each in answer["services"]] == ["production.shop.web"]
    revision = revision_of(world, "production.shop.web")
    assert revision.spec.digest == DIGEST
    assert revision.promoted_from == "staging.shop.web revision 1"
    assert history["revisions"][0]["promoted_from"] == "staging.shop.web revision 1"
    service = service_of(world, "production.shop.web")
    assert (service.attempt.aim, service.replicas) == (Aim.PROMOTE, 2)


async def test_a_dry_run_shows_the_difference_and_changes_nothing() -> None:
    world = a_world()
    async with somebody(world) as api:
        await api.deploy(SHOP.replace("web:1", "web:0"), environment="production")
        await proven(api, world)
        answer = await api.promote(dry_run=True)
    changes = {each["field"]: each["after"] for each in answer["services"][0]["changes"]}
    assert changes["digest"] == DIGEST
    assert len(answer["hosts"]) == 2
    assert revision_of(world, "production.shop.web").spec.image.endswith("web:0")


async def test_what_is_not_stable_for_long_enough_is_not_promoted() -> None:
    world = a_world()
    async with somebody(world) as api:
        await api.deploy()
        moving = await api.refused("/promotions", status=409, **SHOP_UP)
        settle(world, "staging.shop.web")
        await api.wait(world, 20 * 60)
        early = await api.refused("/promotions", status=409, **SHOP_UP)
        urgent = await api.promote(skip_analysis=True)
    assert "staging.shop.web is not stable" in moving["detail"]
    assert "stable for 20 min, and production asks for 30 min" in early["detail"]
    assert "10 min" in early["hint"]
    assert any("stable for 20 min" in warning for warning in urgent["warnings"])


async def test_what_is_not_whole_is_not_promoted() -> None:
    world = a_world()
    async with somebody(world) as api:
        await api.deploy()
        settle(world, "staging.shop.web", ready=1)
        await api.wait(world, HOUR_S)
        problem = await api.refused("/promotions", status=409, **SHOP_UP)
    assert "1 of 2 replicas are ready" in problem["detail"]


async def test_what_is_promoted_past_the_required_environment_is_refused() -> None:
    world = a_world()
    put(world, "production", requires="development")
    async with somebody(world) as api:
        await proven(api, world)
        problem = await api.refused("/promotions", status=409, **SHOP_UP)
    assert "production requires development, where this image was not stable" in problem["detail"]


async def test_without_a_source_it_is_the_one_that_is_required() -> None:
    world = a_world()
    async with somebody(world) as api:
        await proven(api, world)
        unknown = await api.refused("/promotions", status=422, what="shop", to="production")
        put(world, "production", requires="staging")
        answer = await api.promote(from_environment="")
    assert "it has to be said where from" in unknown["detail"]
    assert answer["services"][0]["changed"]


async def test_what_is_not_in_the_source_is_named() -> None:
    async with somebody(a_world()) as api:
        problem = await api.refused("/promotions", status=404, **SHOP_UP)
    assert problem["detail"] == "there is no service or project 'shop' in staging"


WITH_SECRET = SHOP + "    secrets: [key]\nsecrets: {key: {external: true}}\n"


def a_secret(world: WebWorld, environment: str, version: int = 1) -> None:
    world.state.must(
        PutFile(
            kind=FileKind.SECRET,
            name="key",
            version=version,
            content=bytes(40),
            created_by="ann",
            environment=environment,
        )
    )


async def test_secrets_are_those_of_the_environment_it_goes_to() -> None:
    world = a_world()
    a_secret(world, "staging")
    for version in (1, 2):
        a_secret(world, "production", version)
    async with somebody(world) as api:
        await proven(api, world, WITH_SECRET)
        await api.promote()
    (secret,) = revision_of(world, "production.shop.web").spec.secrets
    assert (secret.environment, secret.version) == ("production", 2)


async def test_a_secret_that_the_other_environment_lacks_is_named() -> None:
    world = a_world()
    a_secret(world, "staging")
    async with somebody(world) as api:
        await proven(api, world, WITH_SECRET)
        problem = await api.refused("/promotions", status=422, **SHOP_UP)
    (error,) = problem["errors"]
    assert error["field"] == "services.web.secrets[0]"
    assert error["rule"] == "there is no secret key (neither of environment production nor of all)"


WITH_OWN = SHOP + "    environment: {DB: '${DB}', LEVEL: info}\n"


async def test_values_that_are_an_environment_s_own_are_not_copied_in_silence() -> None:
    world = a_world()
    async with somebody(world) as api:
        await proven(api, world, WITH_OWN, variables={"DB": "db.staging"})
        problem = await api.refused("/promotions", status=422, **SHOP_UP)
        answer = await api.promote(copy_values=True)
    (error,) = problem["errors"]
    assert error["field"] == "services.web.environment.DB"
    assert "its value is staging's own" in error["rule"]
    assert "db.staging" not in str(problem)
    assert any("environment.DB has the value of staging" in each for each in answer["warnings"])
    assert dict(revision_of(world, "production.shop.web").spec.environment)["DB"] == "db.staging"


async def test_an_environment_keeps_its_own_values_when_something_is_promoted_to_it() -> None:
    world = a_world()
    async with somebody(world) as api:
        await api.deploy(WITH_OWN, environment="production", variables={"DB": "db.production"})
        newer = WITH_OWN.replace("web:1", "web:2").replace("info", "debug")
        world.hosts.digests["registry.example/shop/web:2"] = OTHER
        await proven(api, world, newer, variables={"DB": "db.staging"})
        await api.promote()
    spec = revision_of(world, "production.shop.web").spec
    assert spec.digest == OTHER
    assert dict(spec.environment) == {"DB": "db.production", "LEVEL": "debug"}


async def test_with_a_file_it_is_rendered_anew_and_the_image_stays_the_proven_one() -> None:
    world = a_world()
    async with somebody(world) as api:
        await proven(api, world, WITH_OWN, variables={"DB": "db.staging"})
        world.hosts.digests["registry.example/shop/web:9"] = OTHER
        file = {
            "compose": WITH_OWN.replace("web:1", "web:9").replace("replicas: 2", "replicas: 3"),
            "variables": {"DB": "db.production"},
        }
        answer = await api.promote(file=file)
    spec = revision_of(world, "production.shop.web").spec
    assert (spec.image, spec.digest) == ("registry.example/shop/web:1", DIGEST)
    assert dict(spec.environment)["DB"] == "db.production"
    assert service_of(world, "production.shop.web").replicas == 3
    assert answer["services"][0]["changed"]


async def test_a_file_that_is_not_what_was_tried_is_told_of() -> None:
    world = a_world()
    async with somebody(world) as api:
        await proven(api, world)
        file = {"compose": SHOP + "    command: [serve, --fast]\n"}
        answer = await api.promote(file=file, dry_run=True)
        foreign = {"compose": SHOP.replace("shop/web:1", "shop/api:1")}
        problem = await api.refused("/promotions", status=422, **SHOP_UP, file=foreign)
    assert any("was not tried there: command" in warning for warning in answer["warnings"])
    assert "another image than staging.shop.web" in problem["errors"][0]["rule"]


async def test_the_first_promotion_has_as_many_replicas_as_the_environment_bounds() -> None:
    world = a_world()
    put(world, "production", replicas_min=3)
    async with somebody(world) as api:
        await proven(api, world)
        answer = await api.promote()
    assert service_of(world, "production.shop.web").replicas == 3
    assert any("3 replicas instead of 2" in warning for warning in answer["warnings"])


async def test_promoting_again_changes_nothing() -> None:
    world = a_world()
    async with somebody(world) as api:
        await proven(api, world)
        await api.promote()
        settle(world, "production.shop.web")
        answer = await api.promote()
    assert not answer["services"][0]["changed"]
    assert service_of(world, "production.shop.web").revision == 1


async def test_viewers_promote_nothing() -> None:
    async with somebody(a_world(), Role.VIEWER) as api:
        problem = await api.refused("/promotions", status=403, **SHOP_UP)
    assert "service.promote" in problem["detail"]
