"""An agent's session, from the alert of a bad deployment to its approved rollback, over MCP alone.

No model is asked: the calls are those that one made, recorded, and each is held to what its answer must say.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import mcp_types as types
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.support.lab import agents_on_a_lab, url_of
from tests.support.shop import APP, Shop

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

MODERN = "2026-07-28"
SAID_S = 40.0
"""How long a recorded call is made again until it is answered as it was."""

GOOD, BAD = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One call of the session, and what its answer says."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    says: Sequence[str] = ()


LOOKING = (
    Recorded(
        tool="list-alerts",
        arguments={"service": "shop.web"},
        says=("rule container-unhealthy", "runs, and is unhealthy"),
    ),
    Recorded(
        tool="run-diagnosis",
        arguments={"subject": "shop.web"},
        says=('"code":"service-down"', '"tool":"get-deploy-status"'),
    ),
    Recorded(
        tool="get-deploy-status",
        arguments={"service": "shop.web", "limit": 1},
        says=('"to_revision":2', '"from_revision":1', '"phase":"succeeded"', "0 of 3 replicas ready"),
    ),
    Recorded(
        tool="search-logs",
        arguments={"service": "shop.web", "text": "GET / 500", "since": "10m", "limit": 20},
        says=("<untrusted-output id=", "GET / 500"),
    ),
)
"""From the alert to what is to blame."""

ROLLBACK = Recorded(
    tool="rollback-deploy", arguments={"service": "shop.web", "reason": "revision 2 answers with errors"}
)

AFTERWARDS = (
    Recorded(
        tool="get-deploy-status",
        arguments={"service": "shop.web", "limit": 1, "wait_s": 30},
        says=('"to_revision":1', '"is_finished":true', "3 of 3 replicas ready"),
    ),
    Recorded(tool="list-alerts", arguments={"service": "shop.web"}, says=('"alerts":[]',)),
    Recorded(
        tool="list-alerts",
        arguments={"service": "shop.web", "state": "resolved"},
        says=("rule container-unhealthy",),
    ),
)
"""What shows that it is over."""


def ended(plan_id: str, *, by: str) -> Recorded:
    """The call that asks how a plan ended which somebody approved."""
    return Recorded(tool="get-plan", arguments={"plan": plan_id}, says=('"state":"done"', by))


class Person:
    """Somebody at the client: closes the first question, and says yes to the next."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self.asked: list[str] = []
        self.seen: list[tuple[int, set[str]]] = []
        """How things stood while they were asked."""

    async def __call__(self, _context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        self.asked.append(params.message)
        self.seen.append(await asyncio.to_thread(standing, self._shop))
        if len(self.asked) == 1:
            return types.ElicitResult(action="cancel")
        return types.ElicitResult(action="accept", content={"approve": True})


class Session:
    """A client with an operator's token, which makes the recorded calls."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call(self, recorded: Recorded) -> dict[str, Any]:
        result = await self._client.call_tool(recorded.tool, dict(recorded.arguments))
        (content,) = result.content
        assert isinstance(content, types.TextContent)
        assert not result.is_error, content.text
        return dict(json.loads(content.text))

    async def replay(self, calls: Sequence[Recorded]) -> None:
        """Make the calls in their order, each until it is answered as it was."""
        for recorded in calls:
            until_s = time.monotonic() + SAID_S
            while True:
                answer = json.dumps(await self.call(recorded), separators=(",", ":"))
                missing = [words for words in recorded.says if words not in answer]
                if not missing:
                    break
                assert time.monotonic() < until_s, f"{recorded.tool} does not say {missing}: {answer}"
                await asyncio.sleep(0.5)


@asynccontextmanager
async def a_session(shop: Shop, person: Person | None) -> AsyncIterator[Session]:
    trusted = ssl.create_default_context(cadata=shop.agents.ca_pem)
    headers = {"Authorization": f"Bearer {shop.agents.operator_token}"}
    async with httpx2.AsyncClient(verify=trusted, headers=headers, timeout=60) as http:
        streams = streamable_http_client(f"{url_of(shop.lab.hosts[1])}/mcp", http_client=http)
        async with Client(streams, mode=MODERN, elicitation_callback=person) as client:
            yield Session(client)


@pytest.fixture
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The app in a good revision, and people who are told at once when it is not well."""
    directory = tmp_path_factory.mktemp("session")
    with agents_on_a_lab("g", directory) as agents:
        shop = Shop(agents.lab, agents, directory)
        shop.tower("alerts", "rules", "set", "container-unhealthy", "--for", "0s", "--keep-firing", "0s")
        shop.roll_out("good")
        yield shop


def deploy_what_fails(shop: Shop) -> None:
    """A revision that is rolled out whole, answers every request with 500, and a little later is unfit."""
    faults = 'VERSION: "bad", FAIL_RATE: "1", LOG_REQUESTS: "1", UP: "15s"'
    compose = shop.compose("bad").replace('VERSION: "bad"', faults)
    compose = compose.replace("monitor: 0s", "monitor: 0s, parallelism: 0")
    shop.tower("deploy", shop.write(compose))


def statuses(shop: Shop) -> set[int]:
    """What the router of each host answers with."""
    return {
        httpx2.get(f"http://{address}/", headers={"Host": APP}, timeout=10).status_code
        for address in shop.addresses
    }


def standing(shop: Shop) -> tuple[int, set[str]]:
    """To which revision the newest rollout went, and of which there are containers."""
    names = [name for found in shop.containers().values() for name in found]
    return shop.newest_rollout()["to_revision"], {name.split("-")[2] for name in names}


def replayed(shop: Shop, session: Any) -> None:
    """Run a session on a thread of its own: a browser's driver may have an event loop on this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, session(shop)).result(110)


def test_a_bad_deployment_is_found_and_taken_back_once_the_person_at_the_client_says_so(shop: Shop) -> None:
    assert statuses(shop) == {200}
    deploy_what_fails(shop)
    assert statuses(shop) == {500}
    replayed(shop, asks_its_own_person)
    assert statuses(shop) == {200}
    assert shop.is_whole()


async def asks_its_own_person(shop: Shop) -> None:
    person = Person(shop)
    async with a_session(shop, person) as session:
        await session.replay(LOOKING)
        closed = await session.call(ROLLBACK)
        assert closed["state"] == "waiting"
        # The same call is the same plan.
        answered = await session.call(ROLLBACK)
        assert answered["plan"] == closed["plan"]
        assert [rollout for rollout, _ in person.seen] == [BAD, BAD], "something was done unasked"
        assert all(len(revisions) == 1 for _, revisions in person.seen)
        assert all("shop.web" in message for message in person.asked)
        await session.replay((ended(closed["plan"], by="(client)"), *AFTERWARDS))


@pytest.mark.verify
@pytest.mark.timeout(400)
def test_an_alert_that_people_were_told_of_leads_to_a_rollback_that_an_administrator_approves(
    shop: Shop,
) -> None:
    # A revision that is replaced again and again is well for moments.
    shop.tower("alerts", "rules", "set", "container-unhealthy", "--keep-firing", "1m")
    deploy_what_fails(shop)
    listed = ("alerts", "list", "--state", "firing", "--json")
    shop.agents.wait(
        "people are told, when the rollout explains it no more",
        lambda: "container-unhealthy" in shop.tower(*listed),
        timeout_s=200,
        tell=shop.tell,
    )
    replayed(shop, asks_nobody)
    assert statuses(shop) == {200}
    assert shop.is_whole()


async def asks_nobody(shop: Shop) -> None:
    async with a_session(shop, None) as session:
        await session.replay(LOOKING[:1])
        made = await session.call(ROLLBACK)
        assert made["state"] == "waiting"
        before, _ = await asyncio.to_thread(standing, shop)
        # A token opens nothing here: programs do not let each other through.
        await asyncio.to_thread(shop.tower, "plan", "approve", made["plan_id"])
        await session.replay((ended(made["plan_id"], by="(command line)"), AFTERWARDS[0]))
        after, revisions = await asyncio.to_thread(standing, shop)
        assert (before, after, revisions) == (BAD, GOOD, {str(GOOD)})
