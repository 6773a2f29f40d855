"""Images, volumes, networks and projects of every host: what is said of them, and what may be done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import pytest

from cluster.model.access import Role
from cluster.model.audit import AuditOutcome
from cluster.model.inventory import ContainerAction, HostRefused, HostUnavailable
from cluster.model.service import VolumeKind, VolumeMount
from tests.support.api_caller import WorldCaller
from tests.support.resource_fakes import a_network, a_user, a_volume, an_image
from tests.support.state_builders import a_service, a_spec
from tests.support.web_fakes import WebWorld, a_container, a_web_world, log_in, put_containers, serving

WEB = an_image("demo/web:2", a_user("web", project="shop"))
OLD = an_image("demo/web:1")
BARE = an_image("", size_bytes=500, shared_bytes=200)


@asynccontextmanager
async def logged_in(world: WebWorld, role: Role = Role.ADMIN) -> AsyncIterator[WorldCaller]:
    world.add_user("ann", role)
    async with serving(world) as client:
        yield WorldCaller(client, await log_in(client, "ann"), world)


def a_world() -> WebWorld:
    world = a_web_world()
    world.resources.put("nd_1", images=(WEB, OLD))
    world.resources.put("nd_2", images=(BARE,))
    return world


def names(answer: Any) -> list[tuple[str, str]]:
    return [(item["name"], item["outcome"]) for item in answer["items"]]


# ---- lists


async def test_images_are_listed_with_who_uses_them_and_whether_they_may_go() -> None:
    async with logged_in(a_world(), Role.VIEWER) as api:
        answer = await api.get("/images")
    shown = [(each["node_name"], each["tags"], each["may_go"], each["why"]) for each in answer["items"]]
    assert shown == [
        ("h1", ["demo/web:1"], True, "no container uses it"),
        ("h1", ["demo/web:2"], False, "used by web"),
        ("h2", [], True, "it has no name, and no container uses it"),
    ]
    assert answer["items"][1]["users"][0]["name"] == "web"
    assert answer["items"][2]["own_bytes"] == 300


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"node": "h2"}, 1),
        ({"unused": "true"}, 2),
        ({"unused": "false"}, 1),
        ({"q": "WEB:1"}, 1),
        ({"project": "shop"}, 1),
        ({"limit": "2"}, 2),
    ],
)
async def test_images_are_found_by_host_use_name_and_project(query: dict[str, str], count: int) -> None:
    async with logged_in(a_world()) as api:
        answer = await api.get("/images", **query)
    assert len(answer["items"]) == count


async def test_pages_go_on_where_the_one_before_ended() -> None:
    async with logged_in(a_world()) as api:
        first = await api.get("/images", limit="2")
        second = await api.get("/images", limit="2", cursor=first["next_cursor"])
    assert [each["id"] for each in (*first["items"], *second["items"])] == [OLD.id, WEB.id, BARE.id]
    assert second["next_cursor"] is None


async def test_a_host_that_does_not_answer_is_named_and_holds_up_nothing() -> None:
    world = a_world()
    world.resources.silent["nd_2"] = HostUnavailable("nd_2 did not answer: it took too long")
    async with logged_in(world) as api:
        answer = await api.get("/images")
    assert answer["problems"] == [
        {"node_id": "nd_2", "node_name": "h2", "reason": "h2 did not answer: it took too long"}
    ]
    assert len(answer["items"]) == 2


async def test_engines_count_sizes_only_for_who_asks() -> None:
    world = a_world()
    async with logged_in(world) as api:
        await api.get("/volumes")
        await api.get("/volumes", sizes="true")
    assert world.resources.sizes_asked == 1


async def test_one_image_is_found_by_its_id_its_beginning_and_its_tag() -> None:
    async with logged_in(a_world()) as api:
        for reference in (OLD.id, OLD.id[7:19], "demo/web:1"):
            assert (await api.get(f"/images/{quote(reference, safe='')}"))["id"] == OLD.id
        await api.refused(404, "GET", "/images/nothing")


async def test_what_several_hosts_have_is_asked_for_with_its_host() -> None:
    world = a_world()
    world.resources.put("nd_2", volumes=(a_volume("data"),))
    world.resources.put("nd_1", volumes=(a_volume("data"),))
    async with logged_in(world) as api:
        problem = await api.refused(409, "GET", "/volumes/data")
        found = await api.get("/volumes/data", node="h2")
    assert [each["node_name"] for each in problem["candidates"]] == ["h1", "h2"]
    assert found["node_name"] == "h2"


async def test_a_hosts_disk_usage_is_told() -> None:
    async with logged_in(a_world(), Role.VIEWER) as api:
        usage = await api.get("/nodes/h1/disk-usage")
    assert (usage["node_name"], usage["images_bytes"], usage["volumes_bytes"]) == ("h1", 5, 7)


# ---- removing one


async def test_an_unused_image_is_removed_and_recorded() -> None:
    world = a_world()
    async with logged_in(world) as api:
        removed = await api.must("DELETE", f"/images/{OLD.id}?node=h1")
    assert (removed["name"], removed["kind"]) == ("demo/web:1", "image")
    assert [(node, removal.id, removal.names) for node, removal in world.resources.removed] == [
        ("nd_1", OLD.id, ("demo/web:1",))
    ]
    last = world.state.audit()[-1]
    assert (last.stamp.action, last.stamp.resource) == ("image.remove", "image:h1/demo/web:1")


async def test_what_a_container_uses_is_removed_by_no_force() -> None:
    world = a_world()
    async with logged_in(world) as api:
        problem = await api.refused(409, "DELETE", f"/images/{WEB.id}?node=h1&force=true")
    assert problem["detail"] == "image demo/web:2 on h1 stays: used by web"
    assert world.resources.removed == []


async def test_what_a_service_goes_back_to_is_removed_only_by_force() -> None:
    world = a_world()
    world.state.must(a_service(spec=a_spec(image="demo/web:1")))
    async with logged_in(world) as api:
        problem = await api.refused(409, "DELETE", f"/images/{OLD.id}?node=h1")
        await api.must("DELETE", f"/images/{OLD.id}?node=h1&force=true")
    assert "wanted by shop.web revision 1" in problem["detail"]
    assert "--force" in problem["hint"]
    assert len(world.resources.removed) == 1


async def test_the_engines_own_network_is_removed_by_no_force() -> None:
    world = a_world()
    world.resources.put("nd_1", networks=(a_network("bridge", is_built_in=True),))
    async with logged_in(world) as api:
        await api.refused(409, "DELETE", "/networks/bridge")
        problem = await api.refused(409, "DELETE", "/networks/bridge?force=true")
    assert "the engine's own" in problem["detail"]
    assert world.resources.removed == []


async def test_a_removal_that_the_host_refuses_has_a_second_entry() -> None:
    world = a_world()
    world.resources.refusals[OLD.id] = HostRefused("container new uses it", code="conflict")
    async with logged_in(world) as api:
        problem = await api.refused(409, "DELETE", f"/images/{OLD.id}?node=h1")
    assert problem["detail"] == "container new uses it"
    assert [entry.outcome for entry in world.state.audit()[-2:]] == [
        AuditOutcome.APPLIED,
        AuditOutcome.FAILED,
    ]


async def test_removing_is_for_administrators_and_pulling_for_operators() -> None:
    world = a_world()
    async with logged_in(world, Role.OPERATOR) as api:
        await api.refused(403, "DELETE", f"/images/{OLD.id}?node=h1")
        await api.refused(403, "POST", "/images/prune")
        answer = await api.must("POST", "/images/pull", image="demo/new:1", nodes=["h2"])
    assert [(each["node_name"], each["is_pulled"]) for each in answer["items"]] == [("h2", True)]
    assert world.resources.pulled == [("nd_2", "demo/new:1")]


async def test_a_pull_that_one_host_cannot_do_is_done_by_the_others() -> None:
    world = a_world()
    world.resources.silent["nd_3"] = HostUnavailable("no answer")
    async with logged_in(world) as api:
        answer = await api.must("POST", "/images/pull", image="demo/new:1")
    assert [(each["node_name"], each["is_pulled"], each["reason"]) for each in answer["items"]] == [
        ("h1", True, ""),
        ("h2", True, ""),
        ("h3", False, "no answer"),
    ]


# ---- cleaning up


async def test_a_plan_removes_nothing_and_says_what_would_go() -> None:
    world = a_world()
    async with logged_in(world) as api:
        plan = await api.must("POST", "/images/prune")
    assert names(plan) == [("demo/web:1", "planned"), (BARE.id[7:19], "planned")]
    assert (plan["is_done"], plan["bytes"], plan["kept"]) == (False, 1_000_300, [])
    assert world.resources.removed == []


async def test_what_was_planned_is_what_goes_and_not_what_appeared_meanwhile() -> None:
    world = a_world()
    async with logged_in(world) as api:
        plan = await api.must("POST", "/images/prune")
        world.resources.put("nd_3", images=(an_image("demo/fresh:1"),))
        done = await api.must("POST", "/images/prune", plan=plan["plan"])
    assert names(done) == [("demo/web:1", "removed"), (BARE.id[7:19], "removed")]
    assert (done["is_done"], done["plan"], done["bytes"]) == (True, None, 1_000_300)
    assert {removal.id for _, removal in world.resources.removed} == {OLD.id, BARE.id}
    assert [entry.stamp.action for entry in world.state.audit()[-2:]] == ["image.remove"] * 2


async def test_what_came_into_use_or_got_another_name_after_the_plan_stays() -> None:
    world = a_world()
    async with logged_in(world) as api:
        plan = await api.must("POST", "/images/prune")
        world.resources.put("nd_1", images=(WEB, an_image("demo/web:1", a_user("new", state="created"))))
        world.resources.put("nd_2", images=(an_image("", id=BARE.id, tags=("demo/named:1",)),))
        done = await api.must("POST", "/images/prune", plan=plan["plan"])
    assert [(item["name"], item["outcome"], item["why"]) for item in done["items"]] == [
        ("demo/web:1", "kept", "used by new (created)")
    ]
    assert done["gone"] == 1
    assert world.resources.removed == []


async def test_one_removal_that_fails_does_not_end_the_others() -> None:
    world = a_world()
    world.resources.refusals[OLD.id] = HostRefused("nd_1 says no", code="conflict")
    async with logged_in(world) as api:
        plan = await api.must("POST", "/images/prune")
        done = await api.must("POST", "/images/prune", plan=plan["plan"])
    assert [(item["outcome"], item["why"]) for item in done["items"]] == [
        ("failed", "h1 says no"),
        ("removed", "it has no name, and no container uses it"),
    ]
    assert done["bytes"] == 300


async def test_images_of_revisions_to_go_back_to_are_kept_and_named() -> None:
    world = a_world()
    for number in range(1, 6):
        world.state.must(a_service(spec=a_spec(image=f"demo/web:{number}")))
    world.resources.put("nd_1", images=tuple(an_image(f"demo/web:{number}") for number in range(1, 6)))
    world.resources.put("nd_2", images=())
    async with logged_in(world) as api:
        plan = await api.must("POST", "/images/prune")
        strict = await api.must("POST", "/images/prune", keep_revisions=1)
    assert [name for name, _ in names(plan)] == ["demo/web:1", "demo/web:2"]
    assert [(item["name"], item["why"]) for item in plan["kept"]] == [
        ("demo/web:3", "needed to go back to shop.web revision 3"),
        ("demo/web:4", "needed to go back to shop.web revision 4"),
        ("demo/web:5", "wanted by shop.web revision 5"),
    ]
    assert len(strict["items"]) == 4


async def test_a_plan_is_of_the_hosts_that_were_named_and_of_none_that_is_silent() -> None:
    world = a_world()
    world.resources.silent["nd_1"] = HostUnavailable("no answer")
    async with logged_in(world) as api:
        everywhere = await api.must("POST", "/images/prune")
        here = await api.must("POST", "/images/prune", nodes=["h3"])
        await api.refused(404, "POST", "/images/prune", nodes=["h9"])
    assert [item["node_name"] for item in everywhere["items"]] == ["h2"]
    assert [problem["node_name"] for problem in everywhere["problems"]] == ["h1"]
    assert here["items"] == []


async def test_a_plan_that_is_none_is_refused() -> None:
    async with logged_in(a_world()) as api:
        problem = await api.refused(422, "POST", "/images/prune", plan="everything")
    assert problem["errors"][0]["field"] == "plan"


async def test_volumes_go_only_when_they_are_named_one_by_one() -> None:
    world = a_world()
    world.resources.put(
        "nd_1", volumes=(a_volume("a", size_bytes=10), a_volume("b"), a_volume("c", a_user("db")))
    )
    async with logged_in(world) as api:
        nothing = await api.must("POST", "/volumes/prune")
        plan = await api.must("POST", "/volumes/prune", volumes=[{"node": "h1", "name": "a"}])
        done = await api.must("POST", "/volumes/prune", plan=plan["plan"])
    assert (nothing["items"], [item["name"] for item in nothing["kept"]]) == ([], ["a", "b"])
    assert (names(plan), plan["bytes"]) == ([("a", "planned")], 10)
    assert names(done) == [("a", "removed")]
    assert [removal.id for _, removal in world.resources.removed] == ["a"]


async def test_a_volume_made_anew_after_the_plan_is_another_one() -> None:
    world = a_world()
    world.resources.put("nd_1", volumes=(a_volume("a", created_at_ms=1),))
    async with logged_in(world) as api:
        plan = await api.must("POST", "/volumes/prune", volumes=[{"node": "h1", "name": "a"}])
        world.resources.put("nd_1", volumes=(a_volume("a", created_at_ms=2),))
        done = await api.must("POST", "/volumes/prune", plan=plan["plan"])
    assert (done["items"], done["gone"]) == ([], 1)
    assert world.resources.removed == []


async def test_a_volume_of_a_service_stays_though_it_is_named() -> None:
    world = a_world()
    spec = a_spec(volumes=(VolumeMount(kind=VolumeKind.VOLUME, source="data", target="/data"),))
    world.state.must(a_service(spec=spec))
    world.resources.put("nd_1", volumes=(a_volume("shop_data"),))
    async with logged_in(world) as api:
        plan = await api.must("POST", "/volumes/prune", volumes=[{"node": "h1", "name": "shop_data"}])
        await api.refused(404, "POST", "/volumes/prune", volumes=[{"node": "h1", "name": "none"}])
    assert plan["items"] == []
    assert plan["kept"][0]["why"] == "it holds data of service shop.web"


async def test_networks_of_services_stay_while_there_are_any() -> None:
    world = a_world()
    networks = (
        a_network("bridge", is_built_in=True),
        a_network("tower-shop"),
        a_network("tower-gone"),
        a_network("old_default"),
    )
    world.state.must(a_service())
    world.resources.put("nd_1", networks=networks)
    async with logged_in(world) as api:
        plan = await api.must("POST", "/networks/prune")
        await api.must("POST", "/networks/prune", plan=plan["plan"])
    assert [name for name, _ in names(plan)] == ["old_default", "tower-gone"]
    assert [item["name"] for item in plan["kept"]] == ["tower-shop"]
    assert len(world.resources.removed) == 2


# ---- projects


def a_blog(world: WebWorld) -> None:
    depends = {"com.docker.compose.depends_on": "db:service_started:true"}
    put_containers(
        world,
        "nd_1",
        a_container("blog-web-1", project="blog", service="web", labels=tuple(depends.items())),
        a_container("blog-db-1", project="blog", service="db"),
        a_container("alone"),
    )
    put_containers(
        world,
        "nd_2",
        a_container("blog-worker-1", project="blog", service="worker", state="exited"),
        a_container("tower-blog-api", project="blog", service="blog.api", is_managed=True),
    )


async def test_a_project_is_the_sum_of_its_containers_on_all_hosts() -> None:
    world = a_web_world()
    a_blog(world)
    async with logged_in(world, Role.VIEWER) as api:
        listed = await api.get("/projects")
        stopped = await api.get("/projects", state="stopped")
        found = await api.get("/projects", q="work")
        project = await api.get("/projects/blog")
        await api.refused(404, "GET", "/projects/none")
    assert listed["items"] == found["items"] == [project]
    assert stopped["items"] == []
    assert (project["state"], project["running"], project["total"], project["managed"]) == (
        "partial",
        3,
        4,
        1,
    )
    assert [(host["node_name"], host["running"], host["total"]) for host in project["hosts"]] == [
        ("h1", 2, 2),
        ("h2", 1, 2),
    ]
    assert project["services"] == ["blog.api", "db", "web", "worker"]


async def test_a_project_is_stopped_from_what_depends_to_what_is_depended_on() -> None:
    world = a_web_world()
    a_blog(world)
    async with logged_in(world, Role.OPERATOR) as api:
        acted = await api.must("POST", "/projects/blog/stop")
        await api.must("POST", "/projects/blog/start")
    by_id = {a_container(name).id: name for name in ("blog-web-1", "blog-db-1", "blog-worker-1")}
    done = [(by_id[container], action) for _, container, action, _, _ in world.hosts.acted]
    assert done == [
        ("blog-web-1", ContainerAction.STOP),
        ("blog-db-1", ContainerAction.STOP),
        ("blog-worker-1", ContainerAction.START),
    ]
    outcomes = {step["name"]: (step["outcome"], step["reason"]) for step in acted["items"]}
    assert outcomes["blog-worker-1"] == ("skipped", "it does not run")
    assert outcomes["tower-blog-api"] == (
        "skipped",
        "it is a replica of service blog.api, which looks after it",
    )


async def test_a_container_of_a_project_that_cannot_be_stopped_is_told_with_the_others() -> None:
    world = a_web_world()
    a_blog(world)
    world.hosts.failure = HostUnavailable("no answer")
    async with logged_in(world) as api:
        acted = await api.must("POST", "/projects/blog/stop?node=h1")
    assert [(step["name"], step["outcome"], step["reason"]) for step in acted["items"]] == [
        ("blog-web-1", "failed", "no answer"),
        ("blog-db-1", "done", ""),
    ]
