"""Whatever is sent, the answer is one that the description foresees, and never a 500.

Requests are made from the description by Schemathesis, right ones and wrong ones, and sent to the real
application over parts in memory. The same ones every time; `make verify` sends more.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cluster.model.access import Role
from tests.support.state_builders import a_service
from tests.support.web_fakes import WebWorld, a_container, a_web_world, log_in, put_containers, serving
from tests.support.whole_run import IS_WHOLE
from web.api.openapi import describe
from web.api.routes import ENDPOINTS
from web.middleware.rate_limit import Limits, Quota
from web.tools.pace import Pace

pytest_plugins = ["schemathesis.pytest.plugin"]

EXAMPLES = 60 if IS_WHOLE else 3
ENDLESS = Limits(account=Quota(burst=10**6, per_minute=10**9), stranger=Quota(burst=10**6, per_minute=10**9))
QUICK = Pace(rollout_wait_s=0.001, drain_wait_s=0.001, stream_heartbeat_s=0.01)
TIMEOUT_S = 30.0
START_TIMEOUT_S = 60.0
LINE_BYTES_MAX = 8000
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]

CONFIG = SchemathesisConfig.from_dict(
    {"generation": {"mode": "all", "database": "none"}, "phases": {"coverage": {"enabled": False}}}
)
DOCUMENT = describe(ENDPOINTS)
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=CONFIG)
# These end the login or the host that others need, or do not end by themselves; they have tests of their own.
LASTING = SCHEMA.exclude(
    path_regex=r"/auth/logout$|/password$|/role$|/sessions|/auth/login|/logs/follow$|/node/leave$"
)
FEW = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True)
class Served:
    """An application that is served by a thread of its own, and an administrator's headers."""

    address: str
    headers: dict[str, str]


def a_busy_world() -> WebWorld:
    world = a_web_world()
    world.add_user("ann", Role.ADMIN)
    world.state.must(a_service("shop.web"))
    put_containers(world, "nd_1", a_container("web"), a_container("db"))
    world.hosts.more_lines.set()
    return world


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    begun: Future[Served] = Future()
    over: Future[None] = Future()

    async def serve() -> None:
        async with serving(a_busy_world(), limits=ENDLESS, pace=QUICK) as client:
            headers = await log_in(client, "ann")
            begun.set_result(Served(f"http://127.0.0.1:{client.port}", headers))
            await asyncio.wrap_future(over)

    def run() -> None:
        try:
            asyncio.run(serve())
        except Exception as error:
            begun.set_exception(error)
            raise

    thread = threading.Thread(target=run, name="served")
    thread.start()
    try:
        yield begun.result(START_TIMEOUT_S)
    finally:
        over.set_result(None)
        thread.join(START_TIMEOUT_S)


@LASTING.parametrize()
@FEW
def test_whatever_an_administrator_sends_is_answered_as_described(case: Any, served: Served) -> None:
    response = case.call(base_url=served.address, headers=served.headers, timeout=TIMEOUT_S)
    if len(response.request.path_url) > LINE_BYTES_MAX:
        # The server's own parser refuses it, before there is an application.
        assert response.status_code == 400
        return
    case.validate_response(response, checks=CHECKS)


def test_a_stranger_is_refused_but_for_what_is_everybodys(served: Served) -> None:
    answers = {}
    with requests.Session() as session:
        for path, methods in DOCUMENT["paths"].items():
            for method, operation in methods.items():
                if operation["security"]:
                    address = f"{served.address}{re.sub('[{][a-z_]+[}]', 'x', path)}"
                    answers[method, path] = session.request(method, address, timeout=TIMEOUT_S).status_code
    assert {key: status for key, status in answers.items() if status != 401} == {}
    assert len(answers) > 100


def test_what_nobody_could_have_described_is_refused_with_a_reason(served: Served) -> None:
    for sent in (b"", b"{", b"\xff\xfe", b"[" * 5000, b'{"draining": NaN}', b'{"draining": true, "x": 1}'):
        response = requests.post(
            f"{served.address}/api/v1/nodes/h2/drain",
            data=sent,
            headers={**served.headers, "Content-Type": "application/json"},
            timeout=TIMEOUT_S,
        )
        assert response.status_code in (400, 422), (sent, response.text)
        assert response.json()["detail"]


def test_an_address_cannot_write_into_the_head_of_its_answer(served: Served) -> None:
    for path in ("/api/v1/containers/x%0d%0aX-Injected:%201", "/api/v1/nodes/%00", "/%0d%0aX-Injected:%201"):
        response = requests.get(f"{served.address}{path}", headers=served.headers, timeout=TIMEOUT_S)
        assert "X-Injected" not in response.headers
        assert response.status_code < 500
