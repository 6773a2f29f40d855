"""Hostile requests against an agent as it is installed: a process, its TLS, its replicated state, its audit.

What is sent is what `tests.unit.web.test_web_hostile`, `test_web_described` and `test_hostile_server` send to
the application in this process. Everything refused is in the agent's log, and in its audit.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings

from cluster.model.access import Role
from cluster.rbac import ACTIONS
from cluster.store import records
from cluster.store.lmdb_store import LmdbStore
from tests.integration.test_hostile_server import AMBIGUOUS, answer_of
from tests.integration.test_hostile_server import connect as open_stream
from tests.support.agent_process import AgentProcess
from tests.unit.web.test_web_described import CHECKS, FEW, LASTING, LINE_BYTES_MAX
from tests.unit.web.test_web_hostile import BAD_JSON, CHANGING, TRAVERSALS, name_of, path_of, tampered_tokens
from web.api.routes import ENDPOINTS
from web.middleware.routes import Audience

pytest_plugins = ["schemathesis.pytest.plugin"]

PATIENCE_S = 60.0
PASSWORD = "four quiet unrelated words"  # of an account of this test's own agent
# A cluster of one has nobody to hand leadership to, and says so with a status of servers (503).
HERE = LASTING.exclude(path_regex=r"/cluster/transfer$")
INSIDES = ("Traceback", "site-packages", ".py", "pydantic", "root:x:0")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    text: str
    headers: http.client.HTTPMessage

    @property
    def request_id(self) -> str:
        return str(self.headers["X-Request-ID"])


class Attacker:
    """Somebody at an address of their own, with or without a token; remembers what was refused."""

    def __init__(self, agent: AgentProcess, context: ssl.SSLContext, address: str, token: str = "") -> None:
        self._connection = http.client.HTTPSConnection(
            "127.0.0.1", agent.api_port, timeout=PATIENCE_S, source_address=(address, 0), context=context
        )
        self._token = token
        self.refused: list[Answer] = []

    def send(
        self, method: str, path: str, body: object = None, *, headers: dict[str, str] | None = None
    ) -> Answer:
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **(headers or {})}
        if self._token:
            sent["Authorization"] = f"Bearer {self._token}"
        # It connects anew by itself where the agent closed the connection with an answer.
        self._connection.request(method, path, body=content, headers=sent)
        response = self._connection.getresponse()
        answer = Answer(response.status, response.read().decode(errors="replace"), response.headers)
        assert answer.status < 500, f"{method} {path}: {answer.status} {answer.text[:300]}"
        for word in INSIDES:
            assert word not in answer.text, answer.text[:500]
        if answer.status >= 400:
            self.refused.append(answer)
        return answer

    def close(self) -> None:
        self._connection.close()


@dataclass(slots=True)
class Attacked:
    """The agent, its accounts' tokens, and all that was refused to each of them."""

    agent: AgentProcess
    admin: str
    viewer: str
    context: ssl.SSLContext
    attackers: list[Attacker]

    def attacker(self, number: int, token: str = "") -> Attacker:
        made = Attacker(self.agent, self.context, f"127.0.1.{number}", token)
        self.attackers.append(made)
        return made


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    agent = AgentProcess(tmp_path_factory.mktemp("hostile"), "alpha")
    try:
        agent.init()
        agent.start(timeout_s=120.0)
        admin = agent.login()
        body = {"name": "vic", "password": PASSWORD, "role": "viewer"}
        assert agent.request("POST", "/api/v1/users", body, token=admin)[0] in (200, 201)
        login = {"name": "vic", "password": PASSWORD, "mode": "token"}
        viewer = agent.request("POST", "/api/v1/auth/login", login)[1]["access_token"]
        context = ssl.create_default_context(cafile=str(agent.ca))
        made = Attacked(agent, admin, viewer, context, [])
        yield made
        for attacker in made.attackers:
            attacker.close()
    finally:
        agent.kill()


async def test_a_request_that_proxies_could_read_otherwise_hides_no_second_one(attacked: Attacked) -> None:
    context = ssl.create_default_context(cafile=str(attacked.agent.ca))
    context.check_hostname = False
    for name, sent in AMBIGUOUS.items():
        answer = await answer_of(await open_stream(attacked.agent.api_port, context), sent)
        assert re.findall(rb"HTTP/1\.\d (\d{3})", answer) == [b"400"], (name, answer[:300])


def test_json_that_is_none_is_refused(attacked: Attacked) -> None:
    attacker = attacked.attacker(1, attacked.admin)
    for name, body in BAD_JSON.items():
        for method, path in (("POST", "/users"), ("PUT", "/secrets/x")):
            answer = attacker.send(method, f"/api/v1{path}", body)
            assert answer.status >= 400, f"{name}: {answer.status}"
            assert answer.headers.get_content_type() == "application/problem+json"


def test_a_name_that_is_a_path_names_nothing(attacked: Attacked) -> None:
    attacker = attacked.attacker(2, attacked.viewer)
    for endpoint in ENDPOINTS:
        if (
            endpoint.method != "GET"
            or "{" not in endpoint.path
            or endpoint.path.startswith("/auth/providers")
        ):
            continue
        for value in TRAVERSALS[:3]:
            answer = attacker.send("GET", path_of(endpoint, value))
            assert answer.status >= 400, f"{name_of(endpoint)} {value}: {answer.status}"
            assert "Set-Cookie" not in answer.headers


def test_a_stranger_changes_nothing(attacked: Attacked) -> None:
    stranger = attacked.attacker(3)
    for number, endpoint in enumerate(CHANGING):
        if number % 100 == 0:
            # As many as one stranger may ask at once.
            stranger = attacked.attacker(10 + number // 100)
        if endpoint.access.audience is not Audience.EVERYBODY:
            assert stranger.send(endpoint.method, path_of(endpoint), {}).status == 401, name_of(endpoint)


def test_a_viewer_changes_nothing_that_is_not_theirs(attacked: Attacked) -> None:
    attacker = attacked.attacker(4, attacked.viewer)
    for endpoint in CHANGING:
        if endpoint.access.audience is not Audience.ALLOWED:
            continue
        if not Role.VIEWER.includes(ACTIONS[endpoint.access.action].role):
            answer = attacker.send(endpoint.method, path_of(endpoint), {})
            assert answer.status == 403, f"{name_of(endpoint)}: {answer.status} {answer.text[:200]}"


def test_no_token_is_taken_that_the_cluster_did_not_sign(attacked: Attacked) -> None:
    for place, token in enumerate(tampered_tokens(attacked.viewer).values()):
        attacker = attacked.attacker(30 + place, token)
        assert attacker.send("GET", "/api/v1/users").status == 401
        cookie = {"Cookie": f"__Host-tower_access={token}"}
        assert attacked.attacker(60 + place).send("GET", "/api/v1/users", headers=cookie).status == 401


def test_cookies_alone_change_nothing(attacked: Attacked) -> None:
    attacker = attacked.attacker(5)
    cookie = {"Cookie": f"__Host-tower_access={attacked.admin}"}
    for extra in (
        {},
        {"Origin": "https://evil.example"},
        {"Origin": attacked.agent.url, "X-CSRF-Token": "x"},
    ):
        answer = attacker.send("POST", "/api/v1/users", {}, headers={**cookie, **extra})
        assert answer.status in (401, 403), answer.text


# On the application in this process it is part of `make test` (tests/unit/web/test_web_described.py).
@pytest.mark.verify
@HERE.parametrize()
@settings(FEW, max_examples=1)
def test_whatever_an_administrator_sends_is_answered_as_described(case: Any, attacked: Attacked) -> None:
    response = case.call(
        base_url=attacked.agent.url,
        headers={"Authorization": f"Bearer {attacked.admin}"},
        verify=str(attacked.agent.ca),
        timeout=PATIENCE_S,
    )
    if len(response.request.path_url) > LINE_BYTES_MAX:
        assert response.status_code == 400
        return
    case.validate_response(response, checks=CHECKS)


def test_everything_refused_is_in_the_log_and_in_the_audit(attacked: Attacked) -> None:
    """The last one: it ends the agent, so that what it counted of strangers is written."""
    agent = attacked.agent
    assert agent.stop() == 0
    logged = {
        record["request_id"]: record
        for line in agent.log.read_text().splitlines()
        if (record := json.loads(line)).get("event") == "http.request"
    }
    answers = [answer for attacker in attacked.attackers for answer in attacker.refused]
    assert len(answers) > 300
    for answer in answers:
        assert logged[answer.request_id]["status"] == answer.status
    with closing(LmdbStore(agent.directory / "state")) as store, store.read() as txn:
        denied = [entry for entry in records.AUDIT.scan(txn) if not entry.stamp.is_allowed]
    by_viewer = {entry.stamp.request_id for entry in denied if entry.stamp.principal_name == "vic"}
    known = [answer for answer in answers if logged[answer.request_id]["principal"]]
    forbidden = {answer.request_id for answer in known if answer.status == 403}
    assert forbidden
    assert forbidden <= by_viewer
    unknown = len([answer for answer in answers if answer.status in (401, 403)]) - len(forbidden)
    # And those of what Schemathesis sent to addresses that are everybody's.
    assert sum(entry.count for entry in denied if not entry.stamp.principal) >= unknown > len(CHANGING) // 2
