"""Deploying with files over files, files beside them and environments; and the schema editors fetch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest

from cluster.model.access import Role
from cluster.model.ids import ServiceId
from cluster.model.service import Revision, Service
from cluster.store import records
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving
from web.tools.pace import Pace

QUICK = Pace(rollout_wait_s=0.05, drain_wait_s=0.05, stream_heartbeat_s=0.05)
SHOP = """
name: shop
services:
  web:
    image: registry.example/shop:1
    deploy: {replicas: 2}
"""
STAGED = SHOP + "x-tower-environments: {staging: {services: {web: {deploy: {replicas: 5}}}}}\n"


async def deploy(world: WebWorld, compose: str, role: Role = Role.ADMIN, **fields: Any) -> tuple[int, Any]:
    world.add_user("ann", role)
    async with serving(world, pace=QUICK) as client:
        headers = await log_in(client, "ann")
        body = {"compose": compose, **fields}
        response = await client.request("POST", "/api/v1/deployments", headers=headers, json=body)
        return response.status, await response.json(content_type=None)


async def deployed(compose: str, *, of: str = "shop.web", **fields: Any) -> tuple[Service, Revision]:
    world = a_web_world()
    status, answer = await deploy(world, compose, **fields)
    assert status == 202, answer
    with world.state.read() as txn:
        service = records.SERVICES.get(txn, ServiceId(of))
        assert service is not None
        revision = records.REVISIONS.get(txn, service.id, service.revision)
    assert revision is not None
    return service, revision


async def refused(compose: str, **fields: Any) -> Mapping[str, Any]:
    status, problem = await deploy(a_web_world(), compose, **fields)
    assert status == 422
    first: Mapping[str, Any] = problem["errors"][0]
    return first


async def test_a_file_is_laid_over_another() -> None:
    over = {"compose": "services: {web: {deploy: {replicas: 4}}}", "file": "prod.yaml"}
    service, _ = await deployed(SHOP, overrides=[over])
    assert service.replicas == 4


async def test_an_environment_s_section_is_applied_where_it_is_named() -> None:
    plain, _ = await deployed(STAGED)
    staging, _ = await deployed(STAGED, of="staging.shop.web", environment="staging")
    assert (plain.replicas, staging.replicas) == (2, 5)


async def test_the_contents_of_files_of_variables_are_taken_along() -> None:
    _, revision = await deployed(SHOP + "    env_file: web.env\n", files={"web.env": "MODE=prod\n"})
    assert revision.spec.environment == (("MODE", "prod"),)


async def test_what_is_wrong_in_a_file_over_another_is_placed_in_that_file() -> None:
    over = {"compose": "services:\n  web:\n    ports: 7\n", "file": "prod.yaml"}
    wrong = await refused(SHOP, file="compose.yaml", overrides=[over])
    assert (wrong["file"], wrong["line"], wrong["field"]) == ("prod.yaml", 3, "services.web.ports")


async def test_a_file_of_variables_that_was_not_sent_is_asked_for() -> None:
    wrong = await refused(SHOP + "    env_file: web.env\n")
    assert wrong["field"] == "services.web.env_file"
    assert "tower deploy" in wrong["hint"]


@pytest.mark.parametrize("path", ["/api/v1/schemas/compose.json", "/schemas/compose.json"])
async def test_everybody_gets_the_schema_of_compose_files(path: str) -> None:
    async with serving(a_web_world()) as client:
        response = await client.get(path)
        assert response.status == 200
        assert response.content_type == "application/schema+json"
        schema = await response.json(content_type=None)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "x-tower" in schema["$defs"]["service"]["properties"]


@pytest.mark.parametrize(
    "line",
    [
        "privileged: true",
        "cap_add: [NET_ADMIN]",
        "devices: [/dev/fuse]",
        "oom_score_adj: -500",
        "logging: {driver: syslog, options: {syslog-address: 'unix:///run/x'}}",
    ],
)
async def test_settings_that_reach_into_a_host_need_an_administrator(line: str) -> None:
    status, problem = await deploy(a_web_world(), SHOP + f"    {line}\n", Role.OPERATOR)
    assert status == 403
    assert "deploy-host-access" in problem["detail"]


@pytest.mark.parametrize(
    "line",
    [
        "cap_drop: [ALL]",
        "user: root",
        "read_only: true",
        "oom_score_adj: 500",
        "logging: {driver: local}",
        "sysctls: {net.core.somaxconn: 512}",
        "ulimits: {nofile: 1024}",
        "security_opt: [no-new-privileges]",
    ],
)
async def test_settings_that_stay_within_the_container_are_for_operators(line: str) -> None:
    status, answer = await deploy(a_web_world(), SHOP + f"    {line}\n", Role.OPERATOR)
    assert status == 202, answer


async def test_labels_of_a_service_are_kept_with_it_and_change_no_container() -> None:
    world = a_web_world()
    labelled = SHOP.replace("{replicas: 2}", "{replicas: 2, labels: {tier: front}}")
    await deploy(world, SHOP)
    async with serving(world, pace=QUICK) as client:
        headers = await log_in(client, "ann")
        response = await client.request(
            "POST", "/api/v1/deployments", headers=headers, json={"compose": labelled}
        )
        (answer,) = (await response.json())["services"]
        detail = await (await client.get("/api/v1/services/shop.web", headers=headers)).json()
    assert (answer["changed"], answer["revision"]) == (True, 1)
    assert detail["labels"] == {"tier": "front"}


@pytest.mark.parametrize(("role", "is_shown"), [(Role.ADMIN, True), (Role.VIEWER, False)])
async def test_what_a_log_driver_is_given_is_shown_to_those_who_may_inspect(
    role: Role, is_shown: bool
) -> None:
    world = a_web_world()
    logging = "    user: app\n    logging: {driver: splunk, options: {splunk-token: hunter2}}\n"
    assert (await deploy(world, SHOP + logging))[0] == 202
    world.add_user("bea", role)
    async with serving(world, pace=QUICK) as client:
        headers = await log_in(client, "bea")
        text = await (await client.get("/api/v1/services/shop.web", headers=headers)).text()
    assert '"user":"app"' in text.replace(" ", "")
    assert "splunk" in text
    assert ("hunter2" in text) is is_shown
