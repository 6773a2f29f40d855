"""MCP beyond tools: addresses, prompts with what they need, completions, and calls that outlive clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from cluster.model.access import Role
from cluster.model.inventory import Caller, ContainerAction
from cluster.model.log_history import LogLevel
from tests.support.web_fakes import FakeHosts, WebWorld, a_container, log_in, put_containers, serving
from tests.unit.web.test_web_diagnosis import INJECTED, a_world, source_of
from tests.unit.web.test_web_tools import a_call, a_context
from tests.unit.web.test_web_toolsets import Served
from web.auth.problems import Problem
from web.mcp.completions import VALUES_MAX, complete
from web.mcp.prompts import PROMPTS, SECTION_CHARACTERS_MAX, fill_prompt
from web.mcp.references import REFERENCES, address_of, find_meant
from web.tools.catalog import REGISTRY
from web.tools.progress import REPORTER

# ---- addresses


def test_every_address_means_a_tool_that_takes_what_the_address_says() -> None:
    for reference in REFERENCES:
        address = reference.address.replace("{format}", "csv").replace("{", "").replace("}", "")
        meant = find_meant(address)
        assert meant is not None, reference.address
        tool = REGISTRY.get(meant.tool)
        assert tool is not None, meant.tool
        assert tool.is_read_only, meant.tool
        tool.input_model.model_validate(dict(meant.arguments))


@pytest.mark.parametrize(
    ("address", "arguments"),
    [
        (address_of("services", "shop.web"), {"service": "shop.web"}),
        (address_of("containers", "h1", "a/b c"), {"node": "h1", "container": "a/b c"}),
        ("tower://services/shop.web/history", {"service": "shop.web"}),
    ],
)
def test_names_in_addresses_come_back_as_they_were(address: str, arguments: Mapping[str, str]) -> None:
    meant = find_meant(address)
    assert meant is not None
    assert meant.arguments == arguments


@pytest.mark.parametrize(
    "address",
    ["tower://nothing", "tower://reports/exe", "file:///etc/passwd", "tower://services//x", ""],
)
def test_an_address_that_there_is_not_means_nothing(address: str) -> None:
    assert find_meant(address) is None


# ---- prompts and completions


async def test_a_prompt_has_what_was_looked_up_between_marks_and_bounded() -> None:
    world, _, logs = a_world()
    now_us = world.clock.now_ms() * 1000
    for place in range(200):
        logs.keep("nd_1", source_of(), (now_us - place, f"{INJECTED} {'x' * 200}"), level=int(LogLevel.ERROR))
    context, viewer = a_context(world), a_call(world, Role.VIEWER)
    for prompt in PROMPTS:
        given = {"service": "shop.web"} if prompt.name == "explain-failed-deploy" else {}
        text = await fill_prompt(context, viewer, prompt.name, given)
        assert len(text) < len(prompt.looked_up) * (SECTION_CHARACTERS_MAX + 600) + 1000
        head, _, data = text.partition("<untrusted-output id=")
        assert "change nothing before a person agrees" in head
        assert "ignore previous" not in head
        assert data.count("</untrusted-output") >= 1
    slow = await fill_prompt(context, viewer, "why-is-it-slow", {"subject": "shop.web"})
    assert slow.startswith("Find out why shop.web is slow")


@pytest.mark.parametrize(
    ("name", "given", "kind"),
    [
        ("write-a-poem", {}, "not-found"),
        ("capacity-review", {"service": "x"}, "invalid"),
        ("incident-summary", {"hours": "many"}, "invalid"),
        ("why-is-it-slow", {"subject": "no-such-thing"}, "not-found"),
    ],
)
async def test_a_prompt_that_cannot_be_filled_says_why(name: str, given: dict[str, str], kind: str) -> None:
    world, _, _ = a_world()
    with pytest.raises(Problem) as raised:
        await fill_prompt(a_context(world), a_call(world, Role.VIEWER), name, given)
    assert raised.value.kind == kind


async def test_names_are_completed_by_what_one_sees_those_that_begin_so_first() -> None:
    world, _, _ = a_world()
    put_containers(world, "nd_1", *(a_container(f"c{number:03d}") for number in range(150)))
    context, viewer = a_context(world), a_call(world, Role.VIEWER)
    assert await complete(context, viewer, "service", "WEB") == (["shop.web"], 1)
    assert await complete(context, viewer, "node", "h") == (["h1", "h2", "h3"], 3)
    values, total = await complete(context, viewer, "container", "c")
    assert (len(values), total, values[0]) == (VALUES_MAX, 150, "c000")
    assert await complete(context, viewer, "subject", "h1") == (["h1"], 1)
    assert "staging" in (await complete(context, viewer, "environment", ""))[0]
    assert await complete(context, viewer, "format", "c") == (["csv"], 1)
    assert await complete(context, a_call(world, Role.NONE), "service", "") == ([], 0)


# ---- over the wire


async def served_to_a_viewer(server: Served, method: str, **params: Any) -> Any:
    return await server.ask("/mcp", server.admin, method, **params)


async def test_resources_prompts_and_completions_are_served_under_the_caller_s_permissions() -> None:
    world, _, _ = a_world()
    world.add_user("ann", Role.VIEWER)
    async with serving(world) as client:
        server = Served(world, client, await log_in(client, "ann"))
        listed = (await served_to_a_viewer(server, "resources/list"))["result"]["resources"]
        addresses = [each["uri"] for each in listed]
        assert {"tower://health", "tower://services/shop.web", "tower://reports/markdown"} <= set(addresses)
        for address in addresses:
            read = await served_to_a_viewer(server, "resources/read", uri=address)
            if address == "tower://rollouts":
                assert "no deployment yet" in read["error"]["message"]
                continue
            (content,) = read["result"]["contents"]
            assert content["uri"] == address
            assert content["text"], address
        missing = await served_to_a_viewer(server, "resources/read", uri="tower://nothing")
        assert "no resource" in missing["error"]["message"]
        assert missing["error"]["data"] == {"uri": "tower://nothing"}
        templates = await served_to_a_viewer(server, "resources/templates/list")
        assert "tower://rollouts/{rollout_id}" in [
            each["uriTemplate"] for each in templates["result"]["resourceTemplates"]
        ]
        prompts = await served_to_a_viewer(server, "prompts/list")
        assert [each["name"] for each in prompts["result"]["prompts"]] == [each.name for each in PROMPTS]
        filled = await served_to_a_viewer(server, "prompts/get", name="capacity-review", arguments={})
        assert "get-capacity-plan" in filled["result"]["messages"][0]["content"]["text"]
        begun = {"name": "service", "value": "sh"}
        reference = {"type": "ref/resource", "uri": "tower://services/{service}"}
        completed = await served_to_a_viewer(server, "completion/complete", ref=reference, argument=begun)
        assert completed["result"]["completion"]["values"] == ["shop.web"]


class SlowHosts(FakeHosts):
    """Hosts on which something is done for as long as `go_on` is not set."""

    def __init__(self, world: WebWorld) -> None:
        super().__init__(inventories=world.hosts.inventories, now_ms=world.clock.now_ms)
        self.go_on = asyncio.Event()
        self.began = asyncio.Event()
        self.ended = asyncio.Event()

    async def act(
        self, node_id: str, container_id: str, action: ContainerAction, *, caller: Caller, force: bool = False
    ) -> None:
        self.began.set()
        await self.go_on.wait()
        await super().act(node_id, container_id, action, caller=caller, force=force)
        self.ended.set()


async def test_what_changes_something_goes_on_when_its_client_is_gone() -> None:
    world, _, _ = a_world()
    put_containers(world, "nd_1", a_container("web"))
    world.add_user("ann", Role.OPERATOR)
    hosts = world.hosts = SlowHosts(world)
    async with serving(world) as client, asyncio.TaskGroup() as tasks:
        server = Served(world, client, await log_in(client, "ann"))
        asking = server.ask(
            "/mcp", server.admin, "tools/call", name="start-container", arguments={"container": "web"}
        )
        asked = tasks.create_task(asking)
        await hosts.began.wait()
        asked.cancel()
        await asyncio.wait((asked,))
        hosts.go_on.set()
        await hosts.ended.wait()
    assert [acted[2] for acted in world.hosts.acted] == [ContainerAction.START]
    assert world.state.audit()[-1].outcome == "applied"


async def test_who_waits_for_a_rollout_hears_how_far_it_is_and_no_longer_than_they_said() -> None:
    world, _, _ = a_world()
    context, viewer = a_context(world), a_call(world, Role.VIEWER)
    heard: list[tuple[float, float | None, str | None]] = []

    async def hear(done: float, total: float | None, words: str | None) -> None:
        heard.append((done, total, words))

    REPORTER.set(hear)
    result = await REGISTRY.call(context, viewer, "get-deploy-status", {"service": "shop.web", "wait_s": 55})
    assert json.loads(result.text)["rollouts"] == []
    assert heard == []
