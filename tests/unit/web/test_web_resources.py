"""What each endpoint does, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from cluster.commands.services import (
    AssignmentOrder,
    AssignmentReport,
    CommitTransition,
    PutService,
    ReportAssignments,
)
from cluster.identity.joining import JoinAnswer, JoinMember, answer_from_wire, request_to_wire
from cluster.model.access import Role
from cluster.model.audit import AuditOutcome
from cluster.model.ids import NodeId, RolloutId, ServiceId
from cluster.model.inventory import HostLive, HostRefused, HostUnavailable, LiveSeries, LogLine
from cluster.model.rollout import Rollout, RolloutPhase
from cluster.model.service import DesiredState, Observation, ReplicaPhase
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from cluster.store import records
from tests.support.api_caller import ApiCaller
from tests.support.deployments import lead
from tests.support.identity_builders import NOW_MS, a_ca, a_joining
from tests.support.state_builders import a_service, a_spec
from tests.support.web_fakes import (
    PASSWORD,
    WebWorld,
    a_container,
    a_web_world,
    log_in,
    put_containers,
    serving,
)
from web.middleware.rate_limit import Limits
from web.tools.pace import Pace

QUICK = Pace(rollout_wait_s=0.05, drain_wait_s=0.05, stream_heartbeat_s=0.05)
SHOP = """
name: shop
services:
  web:
    image: registry.example/shop:1
    environment: {DB_PASSWORD: hunter2}
    deploy: {replicas: 2}
    x-tower: {route: {host: shop.example.com, port: 8080}}
"""


@asynccontextmanager
async def logged_in(world: WebWorld, role: Role = Role.ADMIN) -> AsyncIterator[ApiCaller]:
    world.add_user("ann", role)
    async with serving(world, pace=QUICK) as client:
        yield ApiCaller(client, await log_in(client, "ann"))


# ---- the cluster and its hosts


async def test_the_cluster_tells_leader_log_and_quorum() -> None:
    async with logged_in(a_web_world(), Role.VIEWER) as api:
        cluster = await api.get("/cluster")
    assert (cluster["name"], cluster["leader_id"], cluster["term"]) == ("prod", "nd_1", 3)
    assert (cluster["commit_index"], cluster["applied_index"]) == (40, 40)
    assert cluster["quorum"] == {
        "voters": 3,
        "healthy": 3,
        "can_lose": 1,
        "advice": "you can lose 1 more host",
        "translations": {"it": "si può perdere ancora 1 host"},
    }
    assert cluster["disk_full"] is None
    assert [node["lag"] for node in cluster["nodes"]] == [0, 1, 12]


async def test_a_host_shows_its_numbers_and_containers() -> None:
    world = a_web_world()
    put_containers(world, "nd_2", a_container("a"), a_container("b", state="exited"))
    world.hosts.numbers["nd_2"] = HostLive(
        node_id=NodeId("nd_2"),
        times_ms=(1, 2, 3),
        series=(
            LiveSeries(subject="host", metric="cpu_percent", values=(1.0, 12.5, None)),
            LiveSeries(subject="host", metric="memory_bytes", values=(None, None, 2.0**30)),
        ),
    )
    async with logged_in(world) as api:
        node = await api.get("/nodes/h2")
    assert node["containers"] == {"running": 1, "total": 2}
    assert (node["cpu_percent"], node["memory_bytes"]) == (12.5, 2**30)
    assert node["last_seen_ms"] == NOW_MS


async def test_a_host_is_drained_and_taken_back() -> None:
    async with logged_in(a_web_world(), Role.OPERATOR) as api:
        _, drained = await api.ask("POST", "/nodes/nd_2/drain", json={"draining": True})
        _, resumed = await api.ask("POST", "/nodes/h2/drain", json={"draining": False})
    assert (drained["is_draining"], resumed["is_draining"]) == (True, False)


async def test_a_removed_host_is_in_the_list_no_more() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        status, _ = await api.ask("DELETE", "/nodes/h3")
        nodes = await api.get("/nodes")
        again, problem = await api.ask("DELETE", "/nodes/h3")
    assert (status, again) == (204, 404)
    assert [node["name"] for node in nodes["items"]] == ["h1", "h2"]
    assert problem["hint"] == "the cluster has h1, h2"


async def test_a_host_that_raft_does_not_let_go_stays() -> None:
    world = a_web_world()
    world.cluster.failure = NotCommitted("nd_1 is the only voter")
    async with logged_in(world) as api:
        status, problem = await api.ask("DELETE", "/nodes/h1")
    assert status == 503
    assert "only voter" in problem["detail"]


async def test_this_host_leaves_once_it_is_empty() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        status, _ = await api.ask("POST", "/node/leave", json={})
    assert status == 204
    with world.state.read() as txn:
        node = records.NODES.get(txn, "nd_1")
    assert node is not None
    assert node.is_draining
    assert not node.is_member


async def test_leadership_is_handed_over_and_that_is_recorded_before_it_happens() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        status, cluster = await api.ask("POST", "/cluster/transfer", json={"node_id": "h2"})
    assert (status, cluster["leader_id"]) == (200, "nd_2")
    assert world.cluster.transfers == ["nd_2"]
    assert world.state.audit()[-1].stamp.action == "cluster.transfer-leadership"


async def test_leadership_that_nobody_can_take_is_a_failure_in_the_audit_too() -> None:
    world = a_web_world()
    world.cluster.failure = NotCommitted("no other voter can lead now")
    async with logged_in(world) as api:
        status, _ = await api.ask("POST", "/cluster/transfer", json={})
    assert status == 503
    assert [entry.outcome for entry in world.state.audit()[-2:]] == [
        AuditOutcome.APPLIED,
        AuditOutcome.FAILED,
    ]


# ---- containers


async def test_containers_are_filtered_sorted_and_paged() -> None:
    world = a_web_world()
    put_containers(
        world,
        "nd_2",
        a_container("shop-db", project="shop", service="db", state="exited"),
        a_container("shop-web", project="shop", service="web"),
    )
    put_containers(world, "nd_1", a_container("zeta", image="registry.example/tool:7"))
    world.hosts.problems["nd_3"] = "connection refused"
    async with logged_in(world, Role.VIEWER) as api:
        every = await api.get("/containers")
        first = await api.get("/containers", limit="1")
        second = await api.get("/containers", limit="2", cursor=first["next_cursor"])
        by = {
            "node": await api.get("/containers", node="h2"),
            "state": await api.get("/containers", state="exited"),
            "service": await api.get("/containers", service="shop.web"),
            "q": await api.get("/containers", q="TOOL"),
        }
    assert [item["name"] for item in every["items"]] == ["zeta", "shop-db", "shop-web"]
    assert every["problems"] == [{"node_id": "nd_3", "node_name": "h3", "reason": "connection refused"}]
    assert [item["name"] for item in first["items"]] == ["zeta"]
    assert [item["name"] for item in second["items"]] == ["shop-db", "shop-web"]
    assert second["next_cursor"] is None
    assert {key: [item["name"] for item in page["items"]] for key, page in by.items()} == {
        "node": ["shop-db", "shop-web"],
        "state": ["shop-db"],
        "service": ["shop-web"],
        "q": ["zeta"],
    }


async def test_a_container_is_found_by_id_beginning_or_name() -> None:
    world = a_web_world()
    web_container = a_container("web")
    put_containers(world, "nd_2", web_container, a_container("db"))
    async with logged_in(world) as api:
        for reference in (web_container.id, web_container.id[:12], "web"):
            found = await api.get(f"/containers/{reference}")
            assert (found["name"], found["node_name"]) == ("web", "h2")
            assert found["detail"]["networks"] == [{"name": "bridge"}]


async def test_a_name_on_two_hosts_is_ambiguous_until_the_host_is_named() -> None:
    world = a_web_world()
    put_containers(world, "nd_1", a_container("web", id="a" * 64))
    put_containers(world, "nd_2", a_container("web", id="b" * 64))
    async with logged_in(world) as api:
        status, problem = await api.ask("GET", "/containers/web")
        named = await api.get("/containers/web", node="h2")
    assert status == 409
    assert [each["node_name"] for each in problem["candidates"]] == ["h1", "h2"]
    assert named["id"] == "b" * 64


async def test_a_container_nobody_has_may_be_on_a_host_that_does_not_answer() -> None:
    world = a_web_world()
    world.hosts.problems["nd_3"] = "no route"
    async with logged_in(world) as api:
        status, problem = await api.ask("GET", "/containers/web")
    assert status == 404
    assert "h3" in problem["hint"]


async def test_a_viewer_sees_a_container_without_its_insides() -> None:
    world = a_web_world()
    put_containers(world, "nd_1", a_container("web"))
    async with logged_in(world, Role.VIEWER) as api:
        found = await api.get("/containers/web")
    assert found["detail"] is None


@pytest.mark.parametrize("action", ["start", "stop", "restart", "pause", "unpause", "kill"])
async def test_an_operator_acts_on_a_container_of_another_host(action: str) -> None:
    world = a_web_world()
    put_containers(world, "nd_2", a_container("web"))
    async with logged_in(world, Role.OPERATOR) as api:
        status, answer = await api.ask("POST", f"/containers/web/{action}")
    assert (status, answer["action"], answer["node_name"]) == (200, action, "h2")
    ((node_id, container_id, done, force, caller),) = world.hosts.acted
    assert (node_id, container_id, done.value, force) == ("nd_2", a_container("web").id, action, False)
    assert (caller.name, caller.role) == ("ann", "operator")
    entry = world.state.audit()[-1]
    assert (entry.stamp.action, entry.stamp.resource) == (f"container.{action}", "container:h2/web")


async def test_removing_a_managed_container_says_that_it_comes_back() -> None:
    world = a_web_world()
    put_containers(world, "nd_1", a_container("web", is_managed=True, service="shop.web"))
    async with logged_in(world) as api:
        _, answer = await api.ask("DELETE", "/containers/web", params={"force": "true"})
    assert "shop.web" in answer["note"]
    assert world.hosts.acted[0][3] is True


@pytest.mark.parametrize(
    ("failure", "status", "kind"),
    [
        (HostUnavailable("h2 does not answer"), 503, "host-unavailable"),
        (HostRefused("no such container", code="not-found"), 404, "not-found"),
        (HostRefused("it runs: use force", code="conflict"), 409, "conflict"),
        (HostRefused("bad parameter", code="refused"), 422, "refused"),
    ],
)
async def test_what_a_host_answers_is_passed_on_and_recorded(
    failure: Exception, status: int, kind: str
) -> None:
    world = a_web_world()
    put_containers(world, "nd_2", a_container("web"))
    world.hosts.failure = failure
    async with logged_in(world) as api:
        answered, problem = await api.ask("POST", "/containers/web/stop")
    assert (answered, problem["type"]) == (status, f"urn:tower:problem:{kind}")
    assert str(failure) in problem["detail"]
    last = world.state.audit()[-1]
    assert last.outcome is AuditOutcome.FAILED
    assert str(failure) in last.stamp.reason


async def test_without_the_audit_nothing_is_done() -> None:
    world = a_web_world()
    put_containers(world, "nd_2", a_container("web"))
    async with logged_in(world) as api:
        world.state.audit_failures.append(NotCommitted("no leader"))
        status, problem = await api.ask("POST", "/containers/web/stop")
    assert (status, problem["type"]) == (503, "urn:tower:problem:audit-unavailable")
    assert world.hosts.acted == []


# ---- logs


A_LINE = LogLine(stream="stdout", at_ms=1_800_000_000_000, text="héllo \x1b[31mred \ud800 \x00")


async def test_lines_come_one_json_object_each() -> None:
    world = a_web_world()
    put_containers(world, "nd_2", a_container("web"))
    world.hosts.lines = [A_LINE, replace(A_LINE, stream="stderr", text='{"quoted": "\n"}')]
    async with logged_in(world, Role.VIEWER) as api:
        response = await api.client.get(
            "/api/v1/logs/web", headers=api.headers, params={"tail": "7", "since": "10m"}
        )
        lines = [json.loads(line) for line in (await response.text()).splitlines()]
    assert response.content_type == "application/x-ndjson"
    assert [line["stream"] for line in lines] == ["stdout", "stderr"]
    assert lines[0]["text"] == A_LINE.text
    (query,) = world.hosts.log_queries
    assert (query.tail, query.since_ms, query.is_following) == (7, NOW_MS - 600_000, False)


async def test_lines_are_plain_text_for_who_asks_for_it() -> None:
    world = a_web_world()
    put_containers(world, "nd_2", a_container("web"))
    world.hosts.lines = [replace(A_LINE, text="hello")]
    async with logged_in(world) as api:
        response = await api.client.get(
            "/api/v1/logs/web", headers={**api.headers, "Accept": "text/plain"}, params={"timestamps": "true"}
        )
        text = await response.text()
    assert text == "2027-01-15T08:00:00Z hello\n"


async def test_a_stream_that_breaks_says_so_in_its_last_line() -> None:
    world = a_web_world()
    put_containers(world, "nd_2", a_container("web"))
    world.hosts.lines = [replace(A_LINE, text="hello")]
    async with logged_in(world) as api:
        response = await api.client.get("/api/v1/logs/web", headers=api.headers, params={"follow": "true"})
        first = json.loads(await response.content.readline())
        world.hosts.failure = HostUnavailable("h2 is gone")
        world.hosts.more_lines.set()
        rest = [json.loads(line) for line in (await response.text()).splitlines() if line]
    assert first["text"] == "hello"
    assert rest == [{"error": "h2 is gone"}]


async def test_a_quiet_stream_shows_that_it_lives_until_its_reader_logs_out() -> None:
    world = a_web_world()
    put_containers(world, "nd_2", a_container("web"))
    async with logged_in(world) as api:
        response = await api.client.get(
            "/api/v1/logs/web", headers=api.headers, params={"follow": "true", "tail": "all"}
        )
        async with asyncio.timeout(5):
            assert await response.content.readline() == b"\n"
            assert (await api.ask("POST", "/auth/logout"))[0] == 204
            lines = [line for line in (await response.text()).splitlines() if line]
    assert "session has ended" in json.loads(lines[-1])["error"]
    assert world.hosts.log_queries[0].tail is None


async def test_more_streams_than_a_host_allows_are_refused() -> None:
    world = a_web_world()
    put_containers(world, "nd_2", a_container("web"))
    world.add_user("ann", Role.VIEWER)
    world.hosts.lines = [A_LINE]
    async with serving(world, limits=Limits(log_streams=1)) as client:
        headers = await log_in(client, "ann")
        first = await client.get("/api/v1/logs/web", headers=headers, params={"follow": "true"})
        await first.content.readline()
        second = await client.get("/api/v1/logs/web", headers=headers)
        world.hosts.more_lines.set()
        await first.read()
        third = await client.get("/api/v1/logs/web", headers=headers)
    assert (second.status, third.status) == (503, 200)


async def test_a_stopping_server_ends_its_streams_at_once() -> None:
    world = a_web_world()
    put_containers(world, "nd_2", a_container("web"))
    world.add_user("ann", Role.VIEWER)
    async with serving(world, pace=Pace()) as client:
        headers = await log_in(client, "ann")
        world.hosts.lines = [A_LINE]
        response = await client.get("/api/v1/logs/web", headers=headers, params={"follow": "true"})
        await response.content.readline()
        async with asyncio.timeout(3), asyncio.TaskGroup() as tasks:
            stopping = tasks.create_task(client.server.close())
            text = await response.text()
            await stopping
    assert "is stopping" in text


@pytest.mark.parametrize(
    "query",
    [
        {"tail": "-1"},
        {"tail": "many"},
        {"since": "yesterday"},
        {"since": "2027-01-15T08:00:00"},
        {"follow": "perhaps"},
        {"lines": "5"},
    ],
)
async def test_a_wrong_question_about_logs_is_named(query: dict[str, str]) -> None:
    world = a_web_world()
    put_containers(world, "nd_2", a_container("web"))
    async with logged_in(world) as api:
        status, problem = await api.ask("GET", "/logs/web", params=query)
    assert status == 422
    assert problem["errors"][0]["field"].partition(".")[0] in query


# ---- deployments


async def deploy(api: ApiCaller, compose: str = SHOP, **fields: Any) -> tuple[int, Any]:
    return await api.ask("POST", "/deployments", json={"compose": compose, **fields})


async def test_a_compose_file_becomes_services_pinned_to_digests() -> None:
    world = a_web_world()
    world.hosts.digests["registry.example/shop:1"] = "sha256:" + "a" * 64
    async with logged_in(world, Role.OPERATOR) as api:
        status, answer = await deploy(api)
        detail = await api.get("/services/shop.web")
    assert status == 202
    assert answer["services"] == [
        {
            "service_id": "shop.web",
            "revision": 1,
            "version": 1,
            "rollout_id": None,
            "changed": True,
            "strategy": "rolling",
            "changes": [],
            "supersedes": None,
            "is_retry": False,
        }
    ]
    assert "DB_PASSWORD stands here in plain text" in answer["warnings"][0]
    assert "has not begun" in answer["warnings"][1]
    assert detail["digest"] == "sha256:" + "a" * 64
    assert detail["routes"] == ["shop.example.com"]
    assert (detail["status"], detail["replicas_wanted"], detail["replicas_ready"]) == ("starting", 2, 0)
    assert detail["revisions"][0]["created_by"] == "ann"


async def test_the_same_file_again_changes_nothing() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        await deploy(api)
        entries = len(world.state.audit())
        status, answer = await deploy(api)
    assert status == 202
    assert [service["changed"] for service in answer["services"]] == [False]
    assert len(world.state.audit()) == entries


async def test_more_replicas_are_no_new_revision() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        await deploy(api)
        _, answer = await deploy(api, SHOP.replace("replicas: 2", "replicas: 5"))
    assert (answer["services"][0]["revision"], answer["services"][0]["changed"]) == (1, True)


async def test_a_digest_that_moved_is_a_new_revision_and_one_that_is_unknown_is_not() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        world.hosts.digests["registry.example/shop:1"] = "sha256:" + "a" * 64
        await deploy(api)
        world.hosts.digests.clear()
        _, unknown = await deploy(api)
        world.hosts.digests["registry.example/shop:1"] = "sha256:" + "b" * 64
        _, moved = await deploy(api)
    assert [service["changed"] for service in unknown["services"]] == [False]
    assert moved["services"][0]["revision"] == 2


async def test_a_dry_run_says_what_would_change_and_changes_nothing() -> None:
    world = a_web_world()
    async with logged_in(world, Role.OPERATOR) as api:
        status, answer = await deploy(api, dry_run=True)
        services = await api.get("/services")
    assert (status, answer["dry_run"]) == (200, True)
    assert (answer["services"][0]["changed"], answer["services"][0]["revision"]) == (True, 1)
    assert services["items"] == []


async def test_a_rollout_that_the_leader_begins_is_named_in_the_answer() -> None:
    world = a_web_world()
    lead(world)
    async with logged_in(world) as api:
        async with asyncio.TaskGroup() as tasks:
            deploying = tasks.create_task(deploy(api))
            await world.state.until_proposed(PutService)
            begin_rollout(world)
        _, answer = deploying.result()
    assert answer["services"][0]["rollout_id"] == "ro_1"
    assert not any("has not begun" in warning for warning in answer["warnings"])


async def test_everything_wrong_with_a_file_is_told_with_its_place() -> None:
    bad = "name: shop\nservices:\n  web:\n    imag: x\n    ports: ['99999:1']\n"
    async with logged_in(a_web_world()) as api:
        status, problem = await deploy(api, bad)
    assert status == 422
    places = {(error["field"], error.get("line")) for error in problem["errors"]}
    assert ("services.web.imag", 4) in places
    assert len(problem["errors"]) >= 2
    assert "things are wrong" in problem["detail"]


async def test_variables_are_put_in_and_never_shown() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        _, answer = await deploy(
            api, SHOP.replace(":1\n", ":${TAG}\n"), variables={"TAG": "7"}, dry_run=False
        )
        detail = await api.get("/services/shop.web")
    assert answer["services"][0]["changed"]
    assert detail["image"] == "registry.example/shop:7"
    assert "hunter2" not in str(world.state.audit())


@pytest.mark.parametrize("line", ["volumes: ['/etc:/host:ro']", "ports: ['80:8080']"])
async def test_what_reaches_into_a_host_needs_an_administrator(line: str) -> None:
    compose = f"name: shop\nservices:\n  web:\n    image: registry.example/shop:1\n    {line}\n"
    world = a_web_world()
    async with logged_in(world, Role.OPERATOR) as api:
        dry_status, dry = await deploy(api, compose, dry_run=True)
        status, problem = await deploy(api, compose)
    assert dry_status == 200
    assert any("administrator" in warning for warning in dry["warnings"])
    assert status == 403
    assert "deploy-host-access" in problem["detail"]
    assert world.state.audit()[-1].stamp.action == "service.deploy-host-access"


async def test_a_port_the_engine_chooses_is_for_operators() -> None:
    compose = "name: shop\nservices:\n  web:\n    image: registry.example/shop:1\n    ports: ['8080']\n"
    async with logged_in(a_web_world(), Role.OPERATOR) as api:
        status, _ = await deploy(api, compose)
    assert status == 202


async def test_an_image_the_registry_does_not_know_is_named() -> None:
    world = a_web_world()
    world.hosts.failure = HostRefused("manifest unknown", code="not-found")
    async with logged_in(world) as api:
        status, problem = await deploy(api)
    assert status == 422
    assert problem["errors"][0]["field"] == "services.web.image"
    assert "manifest unknown" in problem["errors"][0]["rule"]


async def test_services_that_are_not_in_the_file_any_more_are_pointed_at() -> None:
    world = a_web_world()
    world.state.must(a_service("shop.old"))
    async with logged_in(world) as api:
        _, answer = await deploy(api)
    assert any("shop.old" in warning for warning in answer["warnings"])


async def test_a_deployment_that_breaks_off_says_what_was_changed_before() -> None:
    two = SHOP + "  zz:\n    image: registry.example/zz:1\n"
    world = a_web_world()
    async with logged_in(world) as api:
        world.state.failures = []
        original = world.state.propose
        calls: list[object] = []

        async def propose(command: object, **options: Any) -> Any:
            calls.append(command)
            if len(calls) == 2:
                raise OutcomeUnknown("leadership was lost")
            return await original(command, **options)

        world.state.propose = propose  # type: ignore[method-assign]
        status, problem = await deploy(api, two)
    assert status == 504
    assert "shop.zz" in problem["detail"]
    assert "Changed before that: shop.web" in problem["detail"]
    assert "tower audit" in problem["hint"]


async def test_a_service_that_is_being_removed_is_not_deployed_over() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        await deploy(api)
        removed_status, removed = await api.ask("DELETE", "/services/shop.web")
        status, problem = await deploy(api)
    assert (removed_status, removed["status"]) == (202, "removing")
    assert status == 409
    assert "being removed" in problem["detail"]


# ---- services and rollouts


def begin_rollout(world: WebWorld) -> None:
    with world.state.read() as txn:
        service = records.SERVICES.get(txn, "shop.web")
    assert service is not None
    rollout = Rollout(
        id=RolloutId("ro_1"),
        service_id=ServiceId("shop.web"),
        from_revision=0,
        to_revision=1,
        phase=RolloutPhase.RUNNING,
        step=1,
        started_at_ms=NOW_MS,
        changed_at_ms=NOW_MS,
        deadline_ms=NOW_MS + 60_000,
        attempt=service.attempt.number,
    )
    orders = tuple(
        AssignmentOrder(
            revision=1, ordinal=ordinal, node_id=NodeId(f"nd_{ordinal + 1}"), desired=DesiredState.SERVING
        )
        for ordinal in range(2)
    )
    world.state.must(
        CommitTransition(
            service_id=ServiceId("shop.web"), expected_version=service.version, rollout=rollout, orders=orders
        )
    )


def report_healthy(world: WebWorld, ordinal: int) -> None:
    node_id = NodeId(f"nd_{ordinal + 1}")
    with world.state.read() as txn:
        assignment = records.ASSIGNMENTS.get(txn, "shop.web", 1, ordinal, node_id)
    assert assignment is not None
    observed = Observation(phase=ReplicaPhase.HEALTHY, container_id="c" * 12, address="10.0.0.1", port=32768)
    report = AssignmentReport(
        service_id=ServiceId("shop.web"),
        revision=1,
        ordinal=ordinal,
        token=assignment.token,
        observed=observed,
    )
    world.state.must(ReportAssignments(node_id=node_id, reports=(report,)))


async def test_a_rollout_says_in_words_how_far_it_is() -> None:
    world = a_web_world()
    lead(world)
    world.state.must(a_service("shop.web"))
    begin_rollout(world)
    async with logged_in(world, Role.VIEWER) as api:
        none_yet = await api.get("/rollouts/ro_1")
        report_healthy(world, 0)
        one = await api.get("/rollouts/ro_1")
        listed = await api.get("/rollouts", service="shop.web")
        others = await api.get("/rollouts", service="shop.api")
        service = (await api.get("/services"))["items"][0]
    assert none_yet["progress"] == "0 of 2 replicas on revision 1"
    assert one["progress"] == "1 of 2 replicas on revision 1"
    assert one["ended_at_ms"] is None
    assert [rollout["id"] for rollout in listed["items"]] == ["ro_1"]
    assert others["items"] == []
    assert (service["status"], service["replicas_ready"], service["nodes"]) == ("rolling-out", 1, ["h1"])
    image = service["image"]
    served = {"revision": 1, "image": image, "digest": "", "replicas": 1, "nodes": ["h1"], "permille": 1000}
    assert service["serving"] == [served]
    assert [(trouble["ordinal"], trouble["node_name"]) for trouble in service["troubles"]] == [(1, "h2")]


async def test_after_a_new_revision_was_asked_for_what_serves_is_told_apart() -> None:
    world = a_web_world()
    lead(world)
    world.state.must(a_service("shop.web"))
    begin_rollout(world)
    report_healthy(world, 0)
    world.state.must(a_service("shop.web", spec=a_spec("registry.example/web:2")))
    async with logged_in(world, Role.VIEWER) as api:
        service = (await api.get("/services"))["items"][0]
    assert (service["revision"], service["image"]) == (2, "registry.example/web:2")
    assert [(each["revision"], each["image"]) for each in service["serving"]] == [
        (1, "registry.example/web:1")
    ]


async def test_environment_values_are_for_those_who_may_inspect() -> None:
    world = a_web_world()
    world.state.must(a_service(spec=a_spec(environment=(("DB_PASSWORD", "hunter2"),))))
    world.add_user("vera", Role.VIEWER)
    async with logged_in(world, Role.OPERATOR) as api:
        operator = await api.get("/services/shop.web")
        viewer_headers = await log_in(api.client, "vera")
        viewer = await ApiCaller(api.client, viewer_headers).get("/services/shop.web")
    assert operator["revisions"][0]["spec"]["environment"] == {"DB_PASSWORD": "hunter2"}
    assert viewer["revisions"][0]["spec"]["environment"] == {"DB_PASSWORD": None}


@pytest.mark.parametrize(
    "path", ["/services/shop.none", "/rollouts/ro_none", "/services/%00", "/rollouts/%F0"]
)
async def test_what_is_not_there_is_not_found(path: str) -> None:
    async with logged_in(a_web_world()) as api:
        status, problem = await api.ask("GET", path)
    assert status == 404
    assert problem["hint"]


# ---- joining


async def test_a_join_token_is_shown_once_and_works_until_it_is_revoked() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        status, made = await api.ask("POST", "/join-tokens", json={"ttl_s": 600, "uses": 2, "learner": True})
        listed = (await api.get("/join-tokens"))["items"]
        revoked, _ = await api.ask("DELETE", f"/join-tokens/{made['id']}")
        after = (await api.get("/join-tokens"))["items"]
    assert status == 201
    assert made["token"].startswith("TOWER1-")
    assert made["expires_at_ms"] == NOW_MS + 600_000
    assert [(token["state"], token["uses_left"], token["learner"]) for token in listed] == [
        ("active", 2, True)
    ]
    assert made["token"] not in str(listed)
    assert made["token"].split("-")[3] not in str(world.state.audit())
    assert (revoked, after[0]["state"]) == (204, "revoked")


async def test_a_join_token_expires() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        await api.ask("POST", "/join-tokens", json={"ttl_s": 60})
        await world.clock.advance(61)
        assert (await api.get("/join-tokens"))["items"][0]["state"] == "expired"


async def test_anybody_gets_the_ca_as_pem_or_as_json() -> None:
    world = a_web_world()
    async with serving(world) as client:
        pem = await (await client.get("/api/v1/ca")).text()
        as_json = await (await client.get("/api/v1/ca", headers={"Accept": "application/json"})).json()
    assert pem == as_json["ca_pem"] == a_ca().certificate_pem


async def test_a_host_joins_and_that_is_recorded() -> None:
    world = a_web_world()
    world.cluster.join_answer = JoinAnswer(
        cluster_id="cl_1",
        cluster_name="prod",
        certificate_pem="pem",
        ca_pem="pem",
        sealed_keys=b"sealed",
        is_learner=False,
        members=(JoinMember(node_id="nd_1", peer_address="h1.example:7444", is_voter=True),),
    )
    request = a_joining().request
    async with serving(world) as client:
        response = await client.post("/api/v1/join", json=request_to_wire(request))
        answer = answer_from_wire(await response.json())
    assert response.status == 200
    assert answer == world.cluster.join_answer
    assert world.cluster.joins == [(request, "127.0.0.1")]
    entry = world.state.audit()[-1]
    assert (entry.stamp.action, entry.stamp.resource) == ("node.join", "node:host-2")


async def test_a_host_that_is_not_let_in_is_told_why() -> None:
    world = a_web_world()
    world.cluster.join_answer = "join token abc expired 5 min ago"
    async with serving(world) as client:
        response = await client.post("/api/v1/join", json=request_to_wire(a_joining().request))
        problem = await response.json()
    assert response.status == 403
    assert problem["detail"] == "join token abc expired 5 min ago"


@pytest.mark.parametrize("body", [{}, [], "x", 7, {"version": 99}])
async def test_a_join_request_that_is_none_is_told_apart(body: object) -> None:
    async with serving(a_web_world()) as client:
        response = await client.post("/api/v1/join", json=body)
    assert response.status == 422


# ---- accounts


async def test_accounts_are_made_changed_and_removed() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        made_status, made = await api.ask(
            "POST", "/users", json={"name": "Bob", "password": PASSWORD, "role": "viewer"}
        )
        twice, _ = await api.ask(
            "POST", "/users", json={"name": "bob", "password": PASSWORD, "role": "viewer"}
        )
        _, promoted = await api.ask("POST", f"/users/{made['id']}/role", json={"role": "operator"})
        listed = (await api.get("/users"))["items"]
        removed, _ = await api.ask("DELETE", "/users/bob")
        gone, _ = await api.ask("DELETE", "/users/bob")
    assert (made_status, twice, removed, gone) == (201, 409, 204, 404)
    assert promoted["role"] == "operator"
    assert [(user["name"], user["role"]) for user in listed] == [("ann", "admin"), ("Bob", "operator")]
    assert PASSWORD not in str(world.state.audit())


async def test_the_last_administrator_stays() -> None:
    async with logged_in(a_web_world()) as api:
        demoted, _ = await api.ask("POST", "/users/ann/role", json={"role": "viewer"})
        removed, problem = await api.ask("DELETE", "/users/ann")
    assert (demoted, removed) == (409, 409)
    assert "last administrator" in problem["detail"]


async def test_ones_own_password_needs_the_present_one() -> None:
    new = "five other and quieter words"
    async with logged_in(a_web_world(), Role.VIEWER) as api:
        without, _ = await api.ask("POST", "/users/me/password", json={"password": new})
        wrong, _ = await api.ask(
            "POST", "/users/me/password", json={"password": new, "current_password": "wrong one"}
        )
        weak, _ = await api.ask(
            "POST", "/users/me/password", json={"password": "short", "current_password": PASSWORD}
        )
        right, _ = await api.ask(
            "POST", "/users/me/password", json={"password": new, "current_password": PASSWORD}
        )
        after, _ = await api.ask("GET", "/auth/me")
        assert await log_in(api.client, "ann", new)
    assert (without, wrong, weak, right, after) == (422, 422, 422, 204, 401)


async def test_somebody_elses_password_is_for_administrators() -> None:
    world = a_web_world()
    bob = world.add_user("bob", Role.VIEWER)
    new = "five other and quieter words"
    async with logged_in(world, Role.OPERATOR) as api:
        refused, _ = await api.ask("POST", f"/users/{bob}/password", json={"password": new})
        world.add_user("root", Role.ADMIN)
        admin = ApiCaller(api.client, await log_in(api.client, "root"))
        allowed, _ = await admin.ask("POST", f"/users/{bob}/password", json={"password": new})
        assert await log_in(api.client, "bob", new)
    assert (refused, allowed) == (403, 204)


async def test_an_api_token_is_made_shown_once_used_and_revoked() -> None:
    world = a_web_world()
    async with logged_in(world, Role.OPERATOR) as api:
        status, made = await api.ask("POST", "/tokens", json={"name": "ci", "role": "viewer", "ttl_s": 3600})
        token = ApiCaller(api.client, {"Authorization": f"Bearer {made['token']}"})
        me = await token.get("/auth/me")
        listed = (await api.get("/tokens"))["items"]
        too_much, _ = await api.ask("POST", "/tokens", json={"name": "x", "role": "admin"})
        breeding, problem = await token.ask("POST", "/tokens", json={"name": "x", "role": "viewer"})
        revoked, _ = await api.ask("DELETE", f"/tokens/{made['prefix']}")
        after, _ = await token.ask("GET", "/auth/me")
    assert (status, too_much, breeding, revoked, after) == (201, 422, 403, 204, 401)
    assert me["role"] == "viewer"
    assert [(each["prefix"], each["state"], each["owner_name"]) for each in listed] == [
        (made["prefix"], "active", "ann")
    ]
    assert made["token"] not in str(listed)
    assert "log in" in problem["hint"]


async def test_others_tokens_are_seen_and_revoked_by_administrators_alone() -> None:
    world = a_web_world()
    world.add_user("vera", Role.VIEWER)
    async with logged_in(world) as api:
        vera = ApiCaller(api.client, await log_in(api.client, "vera"))
        _, anns = await api.ask("POST", "/tokens", json={"name": "ann's", "role": "viewer"})
        _, veras = await vera.ask("POST", "/tokens", json={"name": "vera's", "role": "viewer"})
        seen_by_vera = (await vera.get("/tokens"))["items"]
        seen_by_ann = (await api.get("/tokens"))["items"]
        refused, _ = await vera.ask("DELETE", f"/tokens/{anns['prefix']}")
        allowed, _ = await api.ask("DELETE", f"/tokens/{veras['prefix']}")
    assert [token["name"] for token in seen_by_vera] == ["vera's"]
    assert sorted(token["name"] for token in seen_by_ann) == ["ann's", "vera's"]
    assert (refused, allowed) == (403, 204)


# ---- settings, numbers


async def test_settings_show_their_defaults_and_are_changed_only_as_they_were_seen() -> None:
    key = "cluster.node_down_after_ms"
    async with logged_in(a_web_world()) as api:
        before = {setting["key"]: setting for setting in (await api.get("/settings"))["items"]}
        changed, setting = await api.ask("PUT", f"/settings/{key}", json={"value": "5000"})
        conflict, _ = await api.ask("PUT", f"/settings/{key}", json={"value": "6000", "expected_version": 0})
        _, unset = await api.ask("PUT", f"/settings/{key}", json={"value": None})
    assert (before[key]["value"], before[key]["default"]) == (None, "3000")
    assert (changed, conflict) == (200, 409)
    assert (setting["value"], setting["version"]) == ("5000", 1)
    assert (unset["value"], unset["version"]) == (None, 2)


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("cluster.node_down_after_ms", "10", "value"),
        ("cluster.node_down_after_ms", "soon", "value"),
        ("cluster.node_down_after", "5000", "key"),
        ("UPPER", "x", "key"),
        ("x%2F..%00", "x", "key"),
    ],
)
async def test_a_setting_that_makes_no_sense_is_refused(key: str, value: str, field: str) -> None:
    async with logged_in(a_web_world()) as api:
        status, problem = await api.ask("PUT", f"/settings/{key}", json={"value": value})
    assert status == 422
    assert problem["errors"][0]["field"] == field


async def test_settings_of_others_are_kept_as_they_are_given() -> None:
    async with logged_in(a_web_world()) as api:
        status, _ = await api.ask("PUT", "/settings/notes%2Fteam", json={"value": "hello"})
        settings = {setting["key"]: setting for setting in (await api.get("/settings"))["items"]}
    assert status == 200
    assert settings["notes/team"]["value"] == "hello"


async def test_the_live_numbers_come_as_the_hosts_tell_them() -> None:
    world = a_web_world()
    series = LiveSeries(subject="host", metric="cpu_percent", values=(1.0, None))
    world.hosts.numbers["nd_1"] = HostLive(node_id=NodeId("nd_1"), times_ms=(1, 2), series=(series,))
    async with logged_in(world, Role.VIEWER) as api:
        live = await api.get("/metrics/live")
    assert live == [
        {
            "node_id": "nd_1",
            "times_ms": [1, 2],
            "series": [{"subject": "host", "metric": "cpu_percent", "values": [1.0, None]}],
        }
    ]
