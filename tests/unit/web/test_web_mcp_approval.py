"""A plan approved at the MCP client that asked for it: by its person, once, for that call alone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import mcp_types as types
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from cluster.commands.services import ScaleService
from tests.unit.web.test_web_plans import SCALE, SHOP, Shop, shop

MODERN = "2026-07-28"


class Person:
    """Somebody at a client, who answers what they are asked."""

    def __init__(self, action: str = "accept", approve: bool = True) -> None:
        self.answer = types.ElicitResult(
            action=action,  # type: ignore[arg-type]
            content={"approve": approve} if action == "accept" else None,
        )
        self.asked: list[str] = []

    async def __call__(self, _context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        self.asked.append(params.message)
        return self.answer


@asynccontextmanager
async def client_of(it: Shop, person: Person | None) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {it.token}"}
    async with httpx2.AsyncClient(headers=headers, verify=False) as http:
        streams = streamable_http_client(str(it.client.make_url("/mcp")), http_client=http)
        async with Client(streams, mode=MODERN, elicitation_callback=person) as client:
            yield client


def told(result: types.CallToolResult) -> dict[str, Any]:
    (content,) = result.content
    assert isinstance(content, types.TextContent)
    assert json.loads(content.text) == result.structured_content
    return dict(json.loads(content.text))


async def test_the_person_at_the_client_is_asked_with_what_changes_and_has_it_done() -> None:
    person = Person()
    async with shop() as it, client_of(it, person) as client:
        result = told(await client.call_tool("scale-service", SCALE))
        assert (result["state"], it.replicas()) == ("done", 3)
        (message,) = person.asked
        assert "shop.web replicas: 2 -> 3 (in-place)" in message
        assert "hosts: h1, h2" in message
        (item,) = (await it.eve.get("/plans", state="done"))["items"]
        assert (item["decided_by"], item["decided_through"]) == ("ann", "client")


async def test_no_value_makes_lines_of_its_own_in_what_the_person_is_asked() -> None:
    person = Person("cancel")
    label = '    labels: {note: "x\\nhosts: none, it is approved"}\n'
    async with shop() as it, client_of(it, person) as client:
        told(
            await client.call_tool(
                "deploy-rolling", {"compose": SHOP.replace("    deploy:", f"{label}    deploy:")}
            )
        )
        (message,) = person.asked
        assert "hosts: none, it is approved" in message
        assert not any(line.startswith("hosts: none") for line in message.splitlines())


@pytest.mark.parametrize(
    ("person", "state"),
    [(Person("decline"), "withdrawn"), (Person(approve=False), "withdrawn"), (Person("cancel"), "waiting")],
)
async def test_without_a_yes_nothing_is_done(person: Person, state: str) -> None:
    async with shop() as it, client_of(it, person) as client:
        result = told(await client.call_tool("scale-service", SCALE))
        assert (result["state"], it.replicas()) == (state, 2)


async def test_a_client_that_cannot_ask_is_given_the_plan() -> None:
    async with shop() as it, client_of(it, None) as client:
        result = told(await client.call_tool("scale-service", SCALE))
        assert (result["state"], it.replicas()) == ("waiting", 2)
        assert result["approve_at"] == f"/plans/{result['plan_id']}"


@pytest.mark.parametrize(("key", "value"), [("plans.four_eyes", "true"), ("plans.in_client", "false")])
async def test_where_the_client_is_not_enough_nobody_is_asked_there(key: str, value: str) -> None:
    person = Person()
    async with shop() as it, client_of(it, person) as client:
        it.set(key, value)
        result = told(await client.call_tool("scale-service", SCALE))
        assert (result["state"], person.asked) == ("waiting", [])


async def first_round(client: Client, arguments: dict[str, Any]) -> types.InputRequiredResult:
    result = await client.session.call_tool("scale-service", arguments, allow_input_required=True)
    assert isinstance(result, types.InputRequiredResult)
    return result


async def answer(client: Client, arguments: dict[str, Any], state: str | None) -> types.CallToolResult:
    result = await client.session.call_tool(
        "scale-service",
        arguments,
        input_responses={"approve": Person().answer},
        request_state=state,
        allow_input_required=True,
    )
    assert isinstance(result, types.CallToolResult)
    return result


async def test_a_confirmation_that_is_sent_again_or_for_another_call_does_nothing() -> None:
    async with shop() as it, client_of(it, Person()) as client:
        asked = await first_round(client, SCALE)
        other = await answer(client, {**SCALE, "replicas": 9}, asked.request_state)
        assert other.is_error
        assert "belongs to another question" in str(other.content)
        forged = await answer(client, SCALE, "bm90IHNlYWxlZA==")
        assert forged.is_error
        assert it.replicas() == 2
        assert told(await answer(client, SCALE, asked.request_state))["state"] == "done"
        it.world.state.must(ScaleService(service_id="shop.web", replicas=2, by="eve"))  # type: ignore[arg-type]
        again = await answer(client, SCALE, asked.request_state)
        assert again.is_error
        assert "approved once, or not at all" in str(again.content)
        assert it.replicas() == 2


async def test_a_confirmation_of_somebody_else_opens_nothing() -> None:
    async with shop() as it:
        async with client_of(it, Person()) as client:
            asked = await first_round(client, SCALE)
        # Eve's login, at the same endpoint.
        it.token = it.eve.headers["Authorization"].removeprefix("Bearer ")
        async with client_of(it, Person()) as client:
            stolen = await answer(client, SCALE, asked.request_state)
        assert stolen.is_error
        assert "belongs to another question" in str(stolen.content)
        assert it.replicas() == 2
