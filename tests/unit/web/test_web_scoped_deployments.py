"""Deploying with a role for part of the cluster: what is in it goes, and no way leads out of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cluster.commands.secrets import PutFile
from cluster.model.access import Role
from cluster.model.ids import PrincipalId
from cluster.model.permissions import AccessScope
from cluster.model.resources import HostVolume, ResourceUser
from cluster.model.rollout import RolloutPhase
from cluster.model.schedules import Admitted, NotAdmitted
from cluster.model.secrets import FileKind
from cluster.model.service import Route, VolumeKind, VolumeMount
from cluster.store import records
from tests.support.api_caller import WorldCaller
from tests.support.deployments import a_rollout, deployed, service_of, transition
from tests.support.permission_kit import SHOP, a_scoped_account, allow, bind, deny, put_role
from tests.support.state_builders import a_service, a_spec
from tests.support.web_fakes import WebWorld, a_container, a_web_world, log_in, put_containers, serving
from web.auth.call import Call, Credential, Identity
from web.auth.problems import Problem
from web.middleware.rate_limit import Limits, Quota
from web.server import build_app
from web.tools.admitting import Admitting
from web.tools.catalog import REGISTRY
from web.tools.context import CONTEXT
from web.tools.pace import Pace

QUICK = Pace(rollout_wait_s=0.02, split_wait_s=0.02)
PLENTY = Limits(account=Quota(burst=100_000, per_minute=100_000))
HOUR_MS = 3_600_000
WEB = "name: shop\nservices:\n  web:\n    image: registry.example/web:2\n"
TEAM_WEB = AccessScope(labels=("team=web",))
H1 = AccessScope(nodes=("h1",))


def a_world(role: str = "operator", scope: AccessScope = SHOP) -> WebWorld:
    """A cluster with services of the projects shop and payroll; ann has a role for a part of it."""
    world = a_web_world()
    deployed(world, "nd_1", spec=a_spec(labels=(("team", "web"),)))
    deployed(
        world,
        "nd_2",
        service="payroll.db",
        spec=a_spec(
            "registry.example/db:1",
            route=Route(host="payroll.example", port=80),
            volumes=(VolumeMount(kind=VolumeKind.VOLUME, source="books", target="/books"),),
            labels=(("team", "people"),),
        ),
    )
    a_scoped_account(world, role, scope)
    return world


@asynccontextmanager
async def ann(world: WebWorld) -> AsyncIterator[WorldCaller]:
    async with serving(world, pace=QUICK, limits=PLENTY) as client:
        yield WorldCaller(client, await log_in(client, "ann"), world)


def compose(
    text: str = "", *, project: str = "shop", service: str = "web", top: str = "", image: str = "web:2"
) -> str:
    """A file of one service; `text` are more of its keys, `top` more of the file's."""
    keys = "".join(f"    {line}\n" for line in text.splitlines())
    return f"name: {project}\nservices:\n  {service}:\n    image: registry.example/{image}\n{keys}{top}"


def changed(world: WebWorld) -> list[str]:
    """What was proposed beside records of who did what."""
    quiet = {"RecordAudit", "StartLogin", "CreateUser", "PutBinding", "PutCustomRole"}
    return [name for each in world.state.proposed if (name := type(each).__name__) not in quiet]


def denials(world: WebWorld) -> list[str]:
    return [entry.stamp.reason for entry in world.state.audit() if not entry.stamp.is_allowed]


# ---- what is in the scope


async def test_a_service_of_ones_own_project_is_deployed_and_the_entry_names_the_rule() -> None:
    world = a_world()
    async with ann(world) as api:
        told = await api.must("POST", "/deployments", compose=WEB)
        assert [(each["service_id"], each["revision"]) for each in told["services"]] == [("shop.web", 2)]
    entry = next(each for each in world.state.audit() if each.stamp.action == "service.deploy")
    assert "binding:" in entry.stamp.reason
    assert "project shop" in entry.stamp.reason


async def test_everything_else_is_done_to_a_service_of_ones_own_project() -> None:
    world = a_world("admin")
    async with ann(world) as api:
        assert (await api.send("POST", "/validations", compose=WEB))[0] == 200
        tried = await api.must("POST", "/deployments", compose=WEB, dry_run=True)
        assert tried["dry_run"]
        new = compose(service="mail", image="mail:1")
        assert (await api.must("POST", "/deployments", compose=new))["services"][0]["revision"] == 1
        await api.must("POST", "/services/shop.web/scale", replicas=2)
        at_ms = world.clock.now_ms() + HOUR_MS
        kept = await api.must("POST", "/schedules", at_ms=at_ms, deployment={"compose": WEB})
        assert [each["id"] for each in (await api.get("/schedules"))["items"]] == [kept["id"]]
        await api.must("POST", f"/schedules/{kept['id']}/run")
        await api.must("DELETE", f"/schedules/{kept['id']}")
        status, told = await api.send("PUT", "/services/shop.web/watch")
        assert status == 200, told
        assert (await api.send("DELETE", "/services/shop.mail"))[0] == 202


async def test_a_scope_of_one_service_means_that_service_of_the_file_and_no_other() -> None:
    world = a_world(scope=AccessScope(services=("shop.web", "shop.new")))
    async with ann(world) as api:
        await api.must("POST", "/deployments", compose=WEB)
        await api.must("POST", "/deployments", compose=compose(service="new"))
        both = WEB + "  other:\n    image: registry.example/web:2\n"
        problem = await api.refused(403, "POST", "/deployments", compose=both)
        assert "service shop.web or shop.new" in problem["detail"]


async def test_environment_values_in_a_plan_are_shown_by_what_the_service_is() -> None:
    world = a_world()
    async with ann(world) as api:
        tried = await api.must(
            "POST", "/deployments", compose=compose("environment: {MODE: fast}"), dry_run=True
        )
        assert "fast" in str(tried["services"][0]["changes"])


async def test_a_config_in_the_file_needs_no_permission_of_its_own() -> None:
    world = a_world()
    top = "configs:\n  motd:\n    content: hello\n"
    async with ann(world) as api:
        await api.must("POST", "/deployments", compose=compose("configs: [motd]", top=top))
    with world.state.read() as txn:
        stored = records.FILES.get(txn, "config", "", "shop_motd")
    assert stored is not None
    assert stored.project == "shop"


# ---- and what is not


async def test_no_file_leads_out_of_a_project() -> None:
    world = a_world("admin")
    secret = PutFile(kind=FileKind.SECRET, name="key", version=1, content=b"x" * 64, created_by="root")
    config = PutFile(kind=FileKind.CONFIG, name="payroll_motd", version=1, content=b"hi", created_by="root")
    world.state.must(secret)
    world.state.must(config)
    world.resources.put("nd_1", volumes=(HostVolume(name="shop_a_data", driver="local", project="shop_a"),))
    made = changed(world)
    inline = "configs:\n  motd: {name: payroll_motd, content: mine}\n"
    external = "secrets:\n  key: {external: true}\n"
    files: dict[str, tuple[str, dict[str, Any], str]] = {
        "another project": (compose(project="payroll", service="db"), {}, "project shop"),
        "a new service of another project": (compose(project="payroll", service="new"), {}, "project shop"),
        "named by the request": (WEB, {"project": "payroll"}, "project shop"),
        "named by a variable": (
            WEB.replace("name: shop", "name: ${P}"),
            {"variables": {"P": "payroll"}},
            "project shop",
        ),
        "named by an override": (
            WEB,
            {"overrides": [{"file": "b.yaml", "compose": compose(project="payroll")}]},
            "project shop",
        ),
        "a name that begins like one's own": (compose(project="shop-2"), {}, "project shop"),
        "a secret": (compose("secrets: [key]", top=external), {}, "secret.use"),
        "a path of the host": (compose("volumes: ['/etc:/etc']"), {}, "deploy-host-access"),
        "the engine's socket": (
            compose("volumes: ['/var/run/docker.sock:/var/run/docker.sock']"),
            {},
            "deploy-host-access",
        ),
        "a path by a variable": (
            compose("volumes: ['${V}:/x']"),
            {"variables": {"V": "/etc"}},
            "deploy-host-access",
        ),
        "privileges": (compose("privileged: true"), {}, "deploy-host-access"),
        "a capability": (compose("cap_add: [SYS_ADMIN]"), {}, "deploy-host-access"),
        "a device": (compose("devices: ['/dev/kmsg']"), {}, "deploy-host-access"),
        "a port of the host": (compose("ports: ['80:80']"), {}, "deploy-host-access"),
        "somebody's host name": (
            compose("x-tower: {route: {host: payroll.example, port: 80, path: /api}}"),
            {},
            "requests for payroll.example",
        ),
        "a wildcard over it": (
            compose("x-tower: {route: {host: '*.example', port: 80}}"),
            {},
            "requests for *.example",
        ),
        "somebody's config": (compose("configs: [motd]", top=inline), {}, "config payroll_motd"),
        "a volume that is another project's by name": (
            compose("volumes: ['a_data:/x']"),
            {},
            "volume shop_a_data is there already",
        ),
        "keeping others off hosts": (
            compose("x-tower: {placement: {apart_from: [payroll.db]}}"),
            {},
            "apart_from keeps payroll.db",
        ),
    }
    async with ann(world) as api:
        for name, (text, more, expected) in files.items():
            for path in ("/deployments", "/validations"):
                before = len(denials(world))
                problem = await api.refused(403, "POST", path, compose=text, **more)
                words = f"{name}: {problem}"
                assert expected in problem["detail"], words
                assert len(denials(world)) == before + 1, words
            status, told = await api.send("POST", "/deployments", compose=text, dry_run=True, **more)
            assert status == 403, f"{name}: {told}"
            later = {"at_ms": world.clock.now_ms() + HOUR_MS, "deployment": {"compose": text, **more}}
            assert (await api.send("POST", "/schedules", **later))[0] == 403, name
    assert changed(world) == made


async def test_container_name_makes_no_difference() -> None:
    world = a_world()
    async with ann(world) as api:
        told = await api.must("POST", "/deployments", compose=compose("container_name: tower-payroll.db-1-0"))
        assert [each["path"] for each in told["ignored"]] == ["services.web.container_name"]
        assert [each["service_id"] for each in told["services"]] == ["shop.web"]


async def test_a_label_in_a_file_takes_nothing_over() -> None:
    world = a_world(scope=TEAM_WEB)
    put_containers(world, "nd_1", a_container("wiki", project="wiki", service="wiki"))
    lying = "labels: {team: web}"
    async with ann(world) as api:
        await api.must("POST", "/deployments", compose=compose(lying))
        taken = compose(lying, project="payroll", service="db")
        assert "allowed only by" in (await api.refused(403, "POST", "/deployments", compose=taken))["detail"]
        for project in ("payroll", "wiki"):
            beside = compose(lying, project=project, service="spy")
            problem = await api.refused(403, "POST", "/deployments", compose=beside)
            assert f"be in project {project} with what others have" in problem["detail"]
        for deploying in ("", "labels: {team: people}", "deploy: {labels: {team: people}}"):
            problem = await api.refused(403, "POST", "/deployments", compose=compose(deploying))
            assert "label team" in problem["detail"], deploying
        alone = compose(lying, project="fresh", service="app")
        await api.must("POST", "/deployments", compose=alone)


async def test_a_label_that_decides_stays_as_it_is_also_for_who_is_denied_something_by_it() -> None:
    world = a_world()
    put_role(world, "no-shell", deny("container.exec", scope=AccessScope(labels=("critical",))))
    bob = world.add_user("bob", Role.OPERATOR)
    bind(world, bob, "no-shell")
    world.state.must(a_service("shop.till", spec=a_spec(route=None, labels=(("critical", "yes"),))))
    async with serving(world, pace=QUICK) as client:
        api = WorldCaller(client, await log_in(client, "bob"), world)
        problem = await api.refused(403, "POST", "/deployments", compose=compose(service="till"))
        assert "label critical decides who may what; it is 'yes' and would be absent" in problem["detail"]
        await api.must("POST", "/deployments", compose=compose("labels: {critical: 'yes'}", service="till"))


async def test_a_denial_wins_over_a_project_that_is_ones_own() -> None:
    world = a_world()
    put_role(world, "not-the-till", deny("service.*", scope=AccessScope(services=("shop.till",))))
    world.state.must(a_service("shop.till", spec=a_spec(route=None)))
    bind(world, PrincipalId("us_ann"), "not-the-till")
    async with ann(world) as api:
        problem = await api.refused(403, "POST", "/deployments", compose=compose(service="till"))
        assert "denies service.deploy" in problem["detail"]
        told = await api.must("POST", "/deployments", compose=WEB)
        assert not any("till" in warning for warning in told["warnings"]), "what is denied is not told of"


async def test_a_service_stays_on_the_hosts_of_a_scope() -> None:
    world = a_world(scope=H1)
    pinned = "deploy: {placement: {constraints: ['node.hostname==h1']}}"
    async with ann(world) as api:
        await api.must("POST", "/deployments", compose=compose(pinned, project="lab", service="app"))
        assert [each["id"] for each in (await api.get("/services"))["items"]] == ["lab.app"]
        await api.must("POST", "/services/lab.app/scale", replicas=2)
        for text in (
            "",
            "deploy: {placement: {constraints: ['node.hostname==h2']}}",
            "deploy: {placement: {constraints: ['node.hostname!=h2']}}",
            "deploy: {placement: {constraints: ['node.role==manager']}}",
        ):
            for service in ("app", "new"):
                out = compose(text, project="lab", service=service)
                status, told = await api.send("POST", "/deployments", compose=out)
                assert status == 403, (text, service, told)


async def test_a_label_of_hosts_bounds_a_service_as_their_names_do() -> None:
    world = a_world(scope=AccessScope(nodes=("h1", "nd_2")))
    world.add_user("root", Role.ADMIN)
    by_label = compose("deploy: {placement: {constraints: ['node.labels.zone==a']}}", project="lab")
    async with ann(world) as api:
        await api.refused(403, "POST", "/deployments", compose=by_label)
        root = await log_in(api.client, "root")
        for host, expected in (("h1", 202), ("h2", 202), ("h3", 403)):
            status, told = await api.ask(
                "POST", f"/nodes/{host}/labels", json={"put": {"zone": "a"}}, headers=root
            )
            assert status == 200, told
            status, told = await api.send("POST", "/deployments", compose=by_label)
            assert status == expected, (host, told)


async def test_data_of_a_volume_is_its_projects_and_its_containers() -> None:
    world = a_world(scope=AccessScope(services=("shop.web", "shop.new")))
    user = a_container("shop-db", project="shop", service="db")
    put_containers(world, "nd_1", user)
    world.resources.put(
        "nd_1",
        volumes=(
            HostVolume(name="shop_orphan", driver="local"),
            HostVolume(
                name="shop_books",
                driver="local",
                users=(ResourceUser(id=user.id, name=user.name, state="running"),),
            ),
        ),
    )
    async with ann(world) as api:
        await api.must("POST", "/deployments", compose=compose("volumes: ['mine:/x']"))
        for volume in ("orphan", "books"):
            problem = await api.refused(
                403, "POST", "/deployments", compose=compose(f"volumes: ['{volume}:/x']")
            )
            assert f"volume shop_{volume} is there already, and not yours" in problem["detail"]


async def test_who_has_the_whole_project_gets_at_data_it_left() -> None:
    world = a_world()
    world.resources.put("nd_1", volumes=(HostVolume(name="shop_orphan", driver="local"),))
    async with ann(world) as api:
        answer = await api.must("POST", "/deployments", compose=compose("volumes: ['orphan:/x']"))
    assert [each["service_id"] for each in answer["services"]] == ["shop.web"]


async def test_nobody_rolls_back_to_what_was_outside() -> None:
    world = a_world(scope=TEAM_WEB)
    outside = a_spec("registry.example/web:2", labels=(("team", "people"),))
    world.state.must(a_service(spec=outside, replicas=1, expected_version=service_of(world).version))
    back = a_spec("registry.example/web:3", labels=(("team", "web"),))
    world.state.must(a_service(spec=back, replicas=1, expected_version=service_of(world).version))
    transition(
        world,
        rollout=a_rollout(world, phase=RolloutPhase.SUCCEEDED),
        stable_revision=3,
    )
    async with ann(world) as api:
        problem = await api.refused(403, "POST", "/services/shop.web/rollback", to=2)
        await api.must("POST", "/services/shop.web/rollback", to=1)
    assert "label" in problem["detail"]


async def test_nobody_promotes_from_an_environment_that_is_not_their_own() -> None:
    world = a_web_world()
    world.state.must(
        a_service("staging.shop.web", project="shop", name="web", environment="staging", replicas=1)
    )
    a_scoped_account(world, scope=AccessScope(projects=("shop",), environments=("production",)))
    async with ann(world) as api:
        problem = await api.refused(
            404, "POST", "/promotions", what="shop", to="production", from_environment="staging"
        )
        assert "staging there is nothing" in problem["hint"]
        put_role(world, "looks", allow("service.read"))
        bind(world, PrincipalId("us_ann"), "looks", scope=AccessScope(environments=("staging",)))
        await api.refused(
            403, "POST", "/promotions", what="shop", to="production", from_environment="staging"
        )
        await api.refused(403, "POST", "/deployments", compose=WEB, environment="staging")


async def test_a_schedule_of_others_is_neither_seen_nor_run_nor_removed() -> None:
    world = a_world("admin")
    world.add_user("root", Role.ADMIN)
    at_ms = world.clock.now_ms() + HOUR_MS
    async with ann(world) as api:
        root = await log_in(api.client, "root")
        body = {"at_ms": at_ms, "deployment": {"compose": compose(project="payroll", service="db")}}
        _, theirs = await api.ask("POST", "/schedules", json=body, headers=root)
        assert (await api.get("/schedules"))["items"] == []
        path = f"/schedules/{theirs['id']}"
        for method, where in (("GET", path), ("DELETE", path), ("POST", f"{path}/run")):
            assert (await api.send(method, where))[0] == 404, where


async def test_what_is_deployed_later_is_held_against_the_scope_of_then() -> None:
    world = a_world()
    app = build_app(world.surroundings)
    admitting = Admitting(app[CONTEXT])
    at_ms = world.clock.now_ms() + HOUR_MS
    async with ann(world) as api:
        kept = await api.must("POST", "/schedules", at_ms=at_ms, deployment={"compose": WEB})
        with world.state.read() as txn:
            schedule = records.SCHEDULES.get(txn, kept["id"])
            bindings = list(records.BINDINGS.scan(txn))
        assert schedule is not None
        assert isinstance(await admitting.admit_schedule(schedule), Admitted)
        world.add_user("root", Role.ADMIN)
        root = await log_in(api.client, "root")
        for each in bindings:
            await api.ask("DELETE", f"/bindings/{each.id}", headers=root)
        refused = await admitting.admit_schedule(schedule)
        assert isinstance(refused, NotAdmitted)
        assert not refused.is_passing


async def test_a_program_gets_no_further_with_tools_or_a_token() -> None:
    world = a_world("admin")
    token = world.add_api_token(PrincipalId("us_ann"))
    app = build_app(world.surroundings)
    call = Call(
        identity=Identity(
            principal_id=PrincipalId("us_ann"),
            name="ann",
            role=Role.NONE,
            credential=Credential.ACCESS_TOKEN,
            epoch=1,
        ),
        request_id="rq_1",
        ip="192.0.2.1",
        user_agent="test",
        started_s=0.0,
        via="mcp",
    )
    tool = next(each for each in REGISTRY.visible_to(app[CONTEXT], call) if each.action == "service.deploy")
    theirs = compose(project="payroll", service="db")
    with pytest.raises(Problem, match="allowed only by") as refused:
        await REGISTRY.call(app[CONTEXT], call, tool.name, {"compose": theirs})
    assert refused.value.kind == "forbidden"
    assert any("through mcp" in each for each in denials(world))
    async with serving(world, pace=QUICK) as client:
        api = WorldCaller(client, {"Authorization": f"Bearer {token}"}, world)
        await api.refused(403, "POST", "/deployments", compose=theirs)
        await api.must("POST", "/deployments", compose=WEB)


async def test_why_is_explained_also_of_a_service_that_is_not_there_yet() -> None:
    world = a_world()
    async with ann(world) as api:
        for service, allowed in (("shop.web", True), ("shop.new", True)):
            told = await api.get("/authz/explain", action="service.deploy", resource=f"service:{service}")
            assert (told["allowed"], told["project"]) == (allowed, "shop")
        for service in ("payroll.db", "payroll.new"):
            query = f"action=service.deploy&resource=service:{service}"
            assert (await api.send("GET", f"/authz/explain?{query}"))[0] == 404, service


async def test_no_tried_deployment_tells_of_what_others_have_on_a_host() -> None:
    world = a_world("admin")
    async with ann(world) as api:
        for path in ("/deployments", "/validations"):
            await api.refused(403, "POST", path, compose=compose("ports: ['443:80']"), dry_run=True)
    assert world.hosts.questions == [], "no host was asked"
