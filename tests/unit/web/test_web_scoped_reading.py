"""What somebody with a role for part of the cluster is told of what hosts keep, and of what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from cluster.model.metrics import SubjectKind
from cluster.model.service import Route, VolumeKind, VolumeMount
from tests.support.api_caller import WorldCaller
from tests.support.deployments import deployed
from tests.support.history_loader import DAY_MS, Generated, a_history, a_subject, load
from tests.support.permission_kit import SHOP, a_scoped_account, two_projects
from tests.support.resource_fakes import a_network, a_user, a_volume, an_image
from tests.support.state_builders import a_spec
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving

STEP_MS = 60_000
MINUTES = DAY_MS // STEP_MS


def a_world(role: str = "admin") -> WebWorld:
    world = a_web_world()
    two_projects(world)
    mount = VolumeMount(kind=VolumeKind.VOLUME, source="kept", target="/x")
    deployed(world, "nd_1", spec=a_spec(volumes=(mount,)))
    deployed(
        world,
        "nd_1",
        service="payroll.db",
        spec=a_spec(route=Route(host="payroll.example", port=80), volumes=(mount,)),
    )
    own, other = a_user("shop-web", project="shop"), a_user("payroll-db", project="payroll")
    world.resources.put(
        "nd_1",
        images=(
            an_image("web:1", own),
            an_image("db:1", other),
            an_image("base:1", own, other),
            an_image("left:1"),
        ),
        volumes=(
            a_volume("shop_used", own),
            a_volume("shop_kept"),
            a_volume("shop_old", project="shop"),
            a_volume("payroll_used", other),
            a_volume("payroll_kept"),
            a_volume("payroll_old", project="payroll"),
            a_volume("shared", own, other),
            a_volume("nobodys"),
        ),
        networks=(
            a_network("tower-shop"),
            a_network("tower-payroll"),
            a_network("shop_default", own, project="shop"),
            a_network("bridge", other, is_built_in=True),
        ),
    )
    a_scoped_account(world, role, SHOP)
    return world


async def test_a_project_sees_its_own_images_volumes_and_networks() -> None:
    world = a_world()
    async with serving(world) as client:
        api = WorldCaller(client, await log_in(client, "ann"), world)
        seen = {
            kind: sorted(each.get("name") or each["tags"][0] for each in (await api.get(f"/{kind}"))["items"])
            for kind in ("images", "volumes", "networks")
        }
        assert seen == {
            "images": ["base:1", "web:1"],
            "volumes": ["shared", "shop_kept", "shop_old", "shop_used"],
            "networks": ["shop_default", "tower-shop"],
        }
        shared = await api.get("/volumes/shared")
        assert [user["name"] for user in shared["users"]] == ["shop-web"], "not who else uses it"
        for path in ("/volumes/payroll_used", "/images/db:1", "/networks/tower-payroll"):
            assert (await api.send("GET", path))[0] == 404, path
        for path in ("/volumes/shop_kept", "/images/web:1", "/networks/tower-shop"):
            assert (await api.send("DELETE", path))[0] == 403, path
    assert world.resources.removed == []


def measured(name: str, project: str) -> list[Generated]:
    subject = a_subject(
        SubjectKind.CONTAINER,
        "nd_1",
        name,
        key=name.ljust(64, "0"),
        project=project,
        service=f"{project}.{name}",
    )
    wave = np.sin(np.arange(MINUTES) / 60) + 2
    return [
        Generated(subject=subject, metric="state", values=np.ones(MINUTES)),
        Generated(subject=subject, metric="health", values=np.full(MINUTES, 2.0)),
        Generated(subject=subject, metric="memory_bytes", values=wave * 1e8),
        Generated(subject=subject, metric="restarts", values=np.r_[np.zeros(MINUTES - 60), 1, np.zeros(59)]),
    ]


async def test_numbers_are_analysed_as_far_as_they_are_seen(tmp_path: Path) -> None:
    world = a_world("viewer")
    start_ms = world.clock.now_ms() // STEP_MS * STEP_MS - DAY_MS
    async with a_history(tmp_path) as history:
        await load(
            [*measured("web", "shop"), *measured("db", "payroll")],
            state=world.state,
            history=history,
            start_ms=start_ms,
            step_ms=STEP_MS,
        )
        world.history = history
        async with serving(world) as client:
            api = WorldCaller(client, await log_in(client, "ann"), world)
            assert [group["name"] for group in (await api.get("/uptime"))["groups"]] == ["shop"]
            markers = (await api.get("/metrics/markers", since="24h"))["markers"]
            assert {marker["service"] for marker in markers} == {"shop.web"}
            for path in ("trend", "profile", "forecast", "baseline"):
                told = json.dumps(await api.get(f"/analytics/{path}", subject="shop.web"))
                assert "payroll" not in told
                for hidden in ("payroll.db", "db"):
                    status, problem = await api.send("GET", f"/analytics/{path}?subject={hidden}")
                    assert status == 404, (path, hidden)
                    assert "payroll" not in json.dumps(problem).replace(hidden, "")
            for path in ("/analytics/anomalies", "/analytics/correlations?since=2h"):
                status, told = await api.send("GET", path)
                assert status == 200, (path, told)
                assert "payroll" not in json.dumps(told), path
            sizes = await api.get("/analytics/sizing")
            assert [each["service_id"] for each in sizes["services"]] == ["shop.web"]
            for path in ("/analytics/capacity", "/analytics/report"):
                status, problem = await api.send("GET", path)
                assert status == 403, path
                assert "about the whole cluster, and you may see a part of it" in problem["detail"]
