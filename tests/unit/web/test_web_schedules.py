"""Scheduled deployments, change windows, freezes and image watches, over the interface."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from cluster.commands.access import RemoveUser, SetRole
from cluster.commands.environments import PutEnvironment
from cluster.commands.services import CommitTransition
from cluster.model.access import Role
from cluster.model.environments import Environment
from cluster.model.ids import PrincipalId, RolloutId, ServiceId
from cluster.model.rollout import Rollout, RolloutPhase
from cluster.model.schedules import Admitted, DeploySchedule, NotAdmitted, ScheduledService
from cluster.model.service import Service, ServiceSpec
from cluster.model.strategy import Strategy
from cluster.schedule import next_fire_ms
from cluster.store import records
from tests.support.api_caller import WorldCaller
from tests.support.deployments import lead
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving
from web.tools.admitting import Admitting
from web.tools.context import CONTEXT
from web.tools.pace import Pace

QUICK = Pace(rollout_wait_s=0.02, split_wait_s=0.02)
IMAGE = "registry.example/shop/web:1"
OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64
HOUR_MS = 3_600_000
SHOP = """
name: shop
services:
  web:
    image: registry.example/shop/web:1
    deploy: {replicas: 2}
"""
WATCHED = SHOP + "    x-tower: {watch: {every: 5m, min_age: 2h}}\n"
# Read once, so that no test waits for the file of a zone.
next_fire_ms("0 0 * * *", "Europe/Berlin", 0)


class Api(WorldCaller):
    """Somebody who is logged in."""

    def __init__(
        self, client: TestClient[web.Request, web.Application], headers: dict[str, str], world: WebWorld
    ) -> None:
        super().__init__(client, headers, world)
        app = client.app
        assert app is not None
        self.admitting = Admitting(app[CONTEXT])

    @property
    def now_ms(self) -> int:
        return self.world.clock.now_ms()

    async def deploy(self, compose: str = SHOP, **body: Any) -> Any:
        return await self.must("POST", "/deployments", compose=compose, **body)

    async def schedule(
        self, compose: str = SHOP, *, deployment: dict[str, Any] | None = None, **body: Any
    ) -> Any:
        when = {} if "cron" in body else {"at_ms": self.now_ms + HOUR_MS}
        given = {"compose": compose, **(deployment or {})}
        return await self.must("POST", "/schedules", **{**when, "deployment": given, **body})

    def kept(self, name: str) -> DeploySchedule:
        with self.world.state.read() as txn:
            schedule = records.SCHEDULES.get(txn, name)
        assert schedule is not None
        return schedule

    def service(self, service_id: str = "shop.web") -> Service:
        with self.world.state.read() as txn:
            service = records.SERVICES.get(txn, service_id)
        assert service is not None
        return service

    def recorded(self) -> list[str]:
        return [entry.stamp.action for entry in self.world.state.audit()]


def a_world() -> WebWorld:
    world = a_web_world()
    lead(world)
    world.hosts.digests[IMAGE] = OLD
    return world


@asynccontextmanager
async def somebody(role: Role = Role.OPERATOR) -> AsyncIterator[Api]:
    world = a_world()
    world.add_user("ann", role)
    async with serving(world, pace=QUICK) as client:
        yield Api(client, await log_in(client, "ann"), world)


async def closed_now(api: Api, **fields: Any) -> Any:
    """Have everything closed by a window for an hour from the last full one, and open then."""
    settings = {"kind": "deny", "cron": "0 * * * *", "duration_s": 1800, **fields}
    await api.world.clock.advance((HOUR_MS - api.now_ms % HOUR_MS) / 1000)
    api.headers = await log_in(api.client, "ann")
    return await api.must("PUT", "/windows/quiet", **settings)


# ---- scheduling


async def test_a_deployment_is_kept_for_later_with_its_image_pinned_now() -> None:
    async with somebody() as api:
        view = await api.schedule()
        api.world.hosts.digests[IMAGE] = NEW
        schedule = api.kept(view["id"])
        (service,) = schedule.services
        assert service.spec.digest == OLD
        assert schedule.asker.name == "ann"
        assert view["next_fire_ms"] == api.now_ms + HOUR_MS
        admitted = await api.admitting.admit_schedule(schedule)
        assert isinstance(admitted, Admitted)
        assert admitted.services[0].spec.digest == OLD
        assert (await api.must("GET", "/services"))["items"] == [], "nothing is deployed yet"
        assert "service.schedule" in api.recorded()


async def test_an_image_that_is_pinned_at_fire_is_what_its_tag_means_then() -> None:
    async with somebody() as api:
        view = await api.schedule(pin_at_fire=True)
        assert view["services"][0]["digest"] == ""
        api.world.hosts.digests[IMAGE] = NEW
        admitted = await api.admitting.admit_schedule(api.kept(view["id"]))
        assert isinstance(admitted, Admitted)
        assert admitted.services[0].spec.digest == NEW


async def test_a_cron_expression_is_shown_with_its_next_times() -> None:
    async with somebody() as api:
        view = await api.schedule(cron="30 3 * * *", time_zone="Europe/Berlin")
        assert len(view["upcoming_ms"]) == 3
        assert view["upcoming_ms"][1] - view["upcoming_ms"][0] == 24 * HOUR_MS
        assert (await api.must("GET", "/schedules"))["items"][0]["id"] == view["id"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "at"),
        ({"at_ms": 1000}, "at"),
        ({"at_ms": 1000, "cron": "* * * * *"}, "at"),
        ({"at_ms": 10**15}, "at"),
        ({"cron": "61 * * * *"}, "cron"),
        ({"cron": "0 0 30 2 *"}, "cron"),
        ({"cron": "0 0 * * *", "time_zone": "Mars/Olympus"}, "time_zone"),
    ],
)
async def test_a_time_that_cannot_be_is_refused_by_name(body: dict[str, Any], field: str) -> None:
    async with somebody() as api:
        problem = await api.refused(422, "POST", "/schedules", deployment={"compose": SHOP}, **body)
        assert problem["errors"][0]["field"] == field


async def test_what_is_wrong_with_the_file_is_said_when_it_is_scheduled() -> None:
    async with somebody() as api:
        deployment = {"compose": SHOP.replace("replicas: 2", "replicas: many")}
        problem = await api.refused(422, "POST", "/schedules", deployment=deployment, cron="0 0 * * *")
        assert "replicas" in str(problem["errors"]), problem


async def test_a_viewer_schedules_nothing() -> None:
    async with somebody(Role.VIEWER) as api:
        problem = await api.refused(403, "POST", "/schedules", deployment={"compose": SHOP}, cron="0 0 * * *")
        assert "viewer" in problem["detail"], problem


async def test_a_schedule_is_forgotten_and_only_once() -> None:
    async with somebody() as api:
        view = await api.schedule()
        await api.must("DELETE", f"/schedules/{view['id']}")
        problem = await api.refused(404, "DELETE", f"/schedules/{view['id']}")
        assert view["id"] in problem["detail"], problem


async def test_a_schedule_is_run_now_and_keeps_its_own_times() -> None:
    async with somebody() as api:
        view = await api.schedule(cron="0 3 * * *")
        after = await api.must("POST", f"/schedules/{view['id']}/run")
        assert api.service().revision == 1
        assert after["next_fire_ms"] == view["next_fire_ms"]
        assert after["runs"][0]["due_ms"] is None
        assert after["runs"][0]["revisions"] == {"shop.web": 1}


async def test_it_is_asked_again_at_that_time_whether_its_owner_may_deploy() -> None:
    async with somebody() as api:
        schedule = api.kept((await api.schedule())["id"])
        api.world.state.must(SetRole(principal_id=PrincipalId("us_ann"), role=Role.VIEWER))
        refused = await api.admitting.admit_schedule(schedule)
        assert isinstance(refused, NotAdmitted)
        assert "operator" in refused.reason
        api.world.state.must(RemoveUser(principal_id=PrincipalId("us_ann")))
        refused = await api.admitting.admit_schedule(schedule)
        assert isinstance(refused, NotAdmitted)
        assert "no account" in refused.reason


async def test_what_its_environment_asks_for_by_then_holds() -> None:
    async with somebody() as api:
        schedule = api.kept((await api.schedule(deployment={"environment": "staging"}))["id"])
        bounds = replace(Environment(name="staging"), replicas_max=1)
        api.world.state.must(PutEnvironment(environment=bounds))
        refused = await api.admitting.admit_schedule(schedule)
        assert isinstance(refused, NotAdmitted)
        assert "at most 1" in refused.reason
        assert not refused.is_passing


async def test_a_freeze_holds_at_that_time_unless_it_was_overridden_when_scheduled() -> None:
    async with somebody(Role.ADMIN) as api:
        plain = api.kept((await api.schedule())["id"])
        emergency = api.kept((await api.schedule(deployment={"override_window": True}))["id"])
        await api.must("POST", "/freezes", reason="the quarter ends")
        assert isinstance(await api.admitting.admit_schedule(plain), NotAdmitted)
        assert isinstance(await api.admitting.admit_schedule(emergency), Admitted)


# ---- windows and freezes


async def test_a_deployment_outside_the_windows_is_refused_with_when_the_next_one_opens() -> None:
    async with somebody(Role.ADMIN) as api:
        await closed_now(api)
        problem = await api.refused(409, "POST", "/deployments", compose=SHOP)
        assert "quiet" in problem["detail"]
        assert problem["opens_at_ms"] == api.now_ms + HOUR_MS // 2
        assert "--override-window" in problem["hint"]
        await api.world.clock.advance(1800)
        api.headers = await log_in(api.client, "ann")
        await api.deploy()


async def test_an_override_deploys_all_the_same_and_the_audit_says_so() -> None:
    async with somebody(Role.ADMIN) as api:
        await closed_now(api)
        answer = await api.deploy(override_window=True)
        assert any("quiet" in warning for warning in answer["warnings"])
        assert api.recorded()[-1] == "service.override-window"


async def test_an_override_where_nothing_is_closed_is_an_ordinary_deployment() -> None:
    async with somebody(Role.ADMIN) as api:
        await api.deploy(override_window=True)
        assert api.recorded()[-1] == "service.deploy"


async def test_an_operator_overrides_nothing() -> None:
    async with somebody() as api:
        problem = await api.refused(403, "POST", "/deployments", compose=SHOP, override_window=True)
        assert "operator" in problem["detail"], problem


async def test_a_dry_run_only_warns_of_a_closed_window() -> None:
    async with somebody(Role.ADMIN) as api:
        await closed_now(api)
        answer = await api.deploy(dry_run=True)
        assert any("quiet" in warning for warning in answer["warnings"])


async def test_a_validation_finds_a_closed_window_to_be_an_error() -> None:
    async with somebody(Role.ADMIN) as api:
        await closed_now(api)
        view = await api.must("POST", "/validations", compose=SHOP)
        errors = [finding for finding in view["findings"] if finding["level"] == "error"]
        assert [(each["check"], each["field"]) for each in errors] == [("cluster", "shop.web")]
        assert "quiet" in errors[0]["rule"]


async def test_trying_a_failed_rollout_again_is_a_change_like_any_other() -> None:
    async with somebody(Role.ADMIN) as api:
        await api.deploy()
        service = api.service()
        rollout = Rollout(
            id=RolloutId("ro_1"),
            service_id=service.id,
            from_revision=0,
            to_revision=1,
            phase=RolloutPhase.FAILED,
            step=0,
            started_at_ms=api.now_ms,
            changed_at_ms=api.now_ms,
            deadline_ms=api.now_ms,
            attempt=service.attempt.number,
        )
        api.world.state.must(
            CommitTransition(service_id=service.id, expected_version=service.version, rollout=rollout)
        )
        await api.must("POST", "/freezes", reason="quiet")
        problem = await api.refused(409, "POST", "/rollouts/ro_1/retry")
        assert "frozen" in problem["detail"]


async def test_a_window_of_another_project_is_none() -> None:
    async with somebody(Role.ADMIN) as api:
        await closed_now(api, scope="project", scope_name="blog")
        answer = await api.deploy()
        assert [each["service_id"] for each in answer["services"]] == ["shop.web"], answer


async def test_going_back_is_possible_while_everything_is_frozen() -> None:
    async with somebody() as api:
        await api.deploy()
        await api.must("POST", "/freezes", reason="quiet")
        await api.refused(409, "POST", "/deployments", compose=SHOP)
        problem = await api.refused(409, "POST", "/services/shop.web/rollback")
        assert "frozen" not in problem["detail"]


async def test_who_froze_may_thaw_and_somebody_else_needs_to_be_admin() -> None:
    async with somebody() as api:
        view = await api.must("POST", "/freezes", reason="quiet", scope="project", scope_name="shop")
        api.world.add_user("bob", Role.OPERATOR)
        own, api.headers = api.headers, await log_in(api.client, "bob")
        await api.refused(403, "DELETE", f"/freezes/{view['id']}")
        api.headers = own
        await api.must("DELETE", f"/freezes/{view['id']}")
        assert (await api.must("GET", "/freezes"))["items"] == []


async def test_a_freeze_that_is_over_is_not_listed_and_one_that_would_be_is_refused() -> None:
    async with somebody() as api:
        await api.must("POST", "/freezes", reason="short", until_ms=api.now_ms + 1000)
        await api.refused(422, "POST", "/freezes", reason="late", until_ms=api.now_ms - 1)
        await api.world.clock.advance(2)
        assert (await api.must("GET", "/freezes"))["items"] == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"cron": "nonsense"}, "cron"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"scope": "project"}, "scope"),
        ({"scope": "cluster", "scope_name": "x"}, "scope"),
    ],
)
async def test_a_window_that_cannot_be_is_refused_by_name(fields: dict[str, str], field: str) -> None:
    async with somebody(Role.ADMIN) as api:
        given = {"kind": "deny", "cron": "0 0 * * *", "duration_s": 3600, **fields}
        problem = await api.refused(422, "PUT", "/windows/w", **given)
        assert problem["errors"][0]["field"] == field


# ---- watches


async def test_a_watch_in_the_file_is_there_once_it_is_deployed_and_goes_with_it() -> None:
    async with somebody() as api:
        await api.deploy(WATCHED)
        (view,) = (await api.must("GET", "/services"))["items"]
        assert (view["watch"]["every_s"], view["watch"]["min_age_s"]) == (300, 7200)
        assert view["watch"]["is_from_file"]
        await api.deploy(SHOP)
        assert (await api.must("GET", "/services/shop.web"))["watch"] is None


async def test_a_watch_by_hand_stays_when_the_file_says_nothing_of_one() -> None:
    async with somebody() as api:
        await api.deploy()
        view = await api.must("PUT", "/services/web/watch", every_s=60, min_age_s=0)
        assert view["by"] == "ann"
        await api.deploy()
        assert (await api.must("GET", "/services/shop.web"))["watch"]["every_s"] == 60
        await api.must("DELETE", "/services/web/watch")
        await api.refused(404, "DELETE", "/services/web/watch")


async def test_an_image_that_is_named_by_digest_is_not_watched() -> None:
    async with somebody() as api:
        pinned = SHOP.replace(":1", f"@{OLD}")
        await api.deploy(pinned)
        problem = await api.refused(422, "PUT", "/services/web/watch")
        assert "by digest" in problem["detail"]
        await api.refused(422, "POST", "/deployments", compose=pinned + "    x-tower: {watch: {}}\n")


async def test_a_window_of_a_watch_that_cannot_be_is_refused_where_it_stands() -> None:
    async with somebody() as api:
        wrong = WATCHED.replace("min_age: 2h", 'window: {cron: "99 * * * *", duration: 1h}')
        problem = await api.refused(422, "POST", "/deployments", compose=wrong)
        assert problem["errors"][0]["field"] == "services.web.x-tower.watch.window"


def a_new_image(service: Service) -> ScheduledService:
    return ScheduledService(
        service_id=ServiceId(service.id),
        project=service.project,
        name=service.name,
        spec=ServiceSpec(image=IMAGE, digest=NEW),
        replicas=service.replicas,
        policy=service.policy,
        environment=service.environment,
    )


async def test_a_watch_in_a_protected_environment_waits_for_a_person() -> None:
    async with somebody() as api:
        protected = replace(Environment(name="staging"), is_protected=True)
        api.world.state.must(PutEnvironment(environment=protected))
        await api.deploy(WATCHED, environment="staging")
        service = api.service("staging.shop.web")
        with api.world.state.read() as txn:
            watch = records.WATCHES.get(txn, service.id)
        assert watch is not None
        wanted = a_new_image(service)
        refused = await api.admitting.admit_image(watch, wanted)
        assert isinstance(refused, NotAdmitted)
        assert "protected" in refused.reason
        shift = replace(service.policy.shift, strategy=Strategy.BLUE_GREEN)
        staged = replace(wanted, policy=replace(service.policy, shift=shift))
        admitted = await api.admitting.admit_image(watch, staged)
        assert isinstance(admitted, Admitted)
        assert not admitted.services[0].policy.shift.blue_green.is_promoted_by_itself
