"""Getting in, on two agents: codes, logins that end, a provider, and certificates under a name."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from agent.clock import SystemClock
from agent.keys.identity import IdentityDirectory
from agent.keys.tls import TlsIdentity
from agent.peers.client import PeerClient
from cluster.identity.one_time_codes import STEP_MS, code_at
from cluster.model.inventory import HostRefused
from tests.support.agent_process import AgentProcess, agents, form_cluster, wait_until
from tests.support.certificate_chains import Chain, a_chain
from tests.support.identity_provider import CLIENT_ID, CLIENT_SECRET, Provider, an_identity_provider

HOST = "tower.example.com"


now_ms = SystemClock().now_ms


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AgentProcess, AgentProcess, str]]:
    """Two hosts of a cluster, and an administrator's access token."""
    with agents(tmp_path_factory.mktemp("access"), "n1", "n2") as made:
        token = form_cluster(made, timeout_s=120.0, until_voting=False)
        yield made[0], made[1], token


def must(host: AgentProcess, method: str, path: str, body: object = None, *, token: str = "") -> Any:
    status, answer = host.request(method, f"/api/v1{path}", body, token=token)
    assert status in (200, 201, 204), answer
    return answer


def a_user(host: AgentProcess, token: str, name: str) -> tuple[str, str]:
    """A new operator's password, and their access token."""
    password = f"four quiet unrelated words {name}"
    must(host, "POST", "/users", {"name": name, "password": password, "role": "operator"}, token=token)
    login = must(host, "POST", "/auth/login", {"name": name, "password": password, "mode": "token"})
    return password, login["access_token"]


def code_of(enrolment: Any, steps: int = 0) -> str:
    secret = enrolment["secret"]
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    return code_at(key, now_ms() // STEP_MS + steps)


def shown_to(host: AgentProcess, ca_pem: str, name: str) -> bool:
    """Whether who trusts this authority alone, and asks for this name, is shown what it trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ca_pem)
    try:
        with (
            socket.create_connection(("127.0.0.1", host.api_port), timeout=5) as connection,
            context.wrap_socket(connection, server_hostname=name),
        ):
            return True
    except ssl.SSLCertVerificationError:
        return False


@contextmanager
def a_provider() -> Iterator[Provider]:
    """One beside the test, on a thread and loop of its own."""
    served: list[Provider] = []
    is_up, loop = threading.Event(), asyncio.new_event_loop()
    done = asyncio.Event()

    async def serve() -> None:
        async with an_identity_provider(now_ms) as provider:
            served.append(provider)
            is_up.set()
            await done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert is_up.wait(30)
        yield served[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()


def visit(host: AgentProcess, url: str, cookies: dict[str, str]) -> str:
    """Be a browser that was sent to this address of a host; returns where it is sent next."""
    parts = urlsplit(url)
    connection = http.client.HTTPSConnection(
        "127.0.0.1", host.api_port, timeout=20, context=ssl.create_default_context(cafile=str(host.ca))
    )
    pairs = "; ".join(f"{name}={value}" for name, value in cookies.items())
    try:
        connection.request("GET", f"{parts.path}?{parts.query}", headers={"Cookie": pairs})
        response = connection.getresponse()
        response.read()
    finally:
        connection.close()
    assert response.status == 303, response.status
    for name, value in response.getheaders():
        if name.lower() == "set-cookie":
            key, _, content = value.partition(";")[0].partition("=")
            cookies[key] = content
    return response.headers["Location"]


def put_provider(host: AgentProcess, admin: str, name: str, provider: Provider, **fields: str) -> None:
    body = {
        "label": "Example Corp",
        "issuer": provider.issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "roles": [{"group": "ops", "role": "operator"}],
        "ca_pem": provider.ca_pem,
        **fields,
    }
    must(host, "PUT", f"/providers/{name}", body, token=admin)


def may_call(host: AgentProcess, admin: str, networks: str) -> None:
    must(host, "PUT", "/settings/outbound.allowed_networks", {"value": networks}, token=admin)


def published(host: AgentProcess, admin: str, name: str) -> tuple[int, Any]:
    return host.request("GET", f"/api/v1/providers/{name}/published", token=admin)


def let_call(host: AgentProcess, admin: str, name: str) -> None:
    """Allow the network of a provider beside the test, and see that it answers."""
    may_call(host, admin, "127.0.0.0/8, ::1/128")
    wait_until("the provider may be called", lambda: published(host, admin, name)[0] == 200, host.tail)


async def tools_shown(host: AgentProcess, token: str) -> set[str]:
    """What a client of the MCP SDK is shown that has this token alone."""
    context = ssl.create_default_context(cafile=str(host.ca))
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(verify=context, headers=headers, timeout=30) as http,
        Client(streamable_http_client(f"{host.url}/mcp", http_client=http)) as client,
    ):
        return {tool.name for tool in (await client.list_tools()).tools}


def test_a_code_that_one_host_took_counts_on_no_other(
    hosts: tuple[AgentProcess, AgentProcess, str], tmp_path: Path
) -> None:
    first, second, admin = hosts
    password, token = a_user(first, admin, "otto")
    enrolment = must(first, "POST", "/account/second-factor", {"password": password}, token=token)
    # Begun on one host, finished on the other.
    must(
        second,
        "PUT",
        "/account/second-factor",
        {"ticket": enrolment["ticket"], "code": code_of(enrolment)},
        token=token,
    )
    begun = must(first, "POST", "/auth/login", {"name": "otto", "password": password, "mode": "token"})
    answer = {"challenge": begun["challenge"], "code": code_of(enrolment, 1), "mode": "token"}
    assert second.request("POST", "/api/v1/auth/login/code", answer)[0] == 200
    status, refused = first.request("POST", "/api/v1/auth/login/code", answer)
    assert (status, "used already" in refused["detail"]) == (401, True)


def test_the_command_line_logs_in_with_a_recovery_code_and_ends_other_logins(
    hosts: tuple[AgentProcess, AgentProcess, str], tmp_path: Path
) -> None:
    first, second, admin = hosts
    password, token = a_user(first, admin, "vera")
    enrolment = must(first, "POST", "/account/second-factor", {"password": password}, token=token)
    confirmed = must(
        first,
        "PUT",
        "/account/second-factor",
        {"ticket": enrolment["ticket"], "code": code_of(enrolment)},
        token=token,
    )
    secret = {
        "TOWER_PASSWORD": password,
        "TOWER_CODE": confirmed["recovery_codes"][0],
        "XDG_CONFIG_HOME": str(tmp_path),
        "TOWER_CA": str(first.ca),
    }
    second.tower("login", f"localhost:{second.api_port}", "--user", "vera", secret=secret)
    listed = json.loads(second.tower("session", "ls", "--json", secret=secret).stdout)["items"]
    assert [item["browser"] for item in listed if item["is_current"]] == ["tower (command line)"]
    assert "1 logins are ended" in second.tower("session", "end", "--others", secret=secret).stdout
    wait_until(
        "the first login is over on every host",
        lambda: first.request("GET", "/api/v1/auth/me", token=token)[0] == 401,
        first.tail,
    )


def test_who_has_a_host_gives_an_account_back_that_lost_password_and_second_factor(
    hosts: tuple[AgentProcess, AgentProcess, str],
) -> None:
    first, second, admin = hosts
    password, token = a_user(first, admin, "lost")
    enrolment = must(first, "POST", "/account/second-factor", {"password": password}, token=token)
    confirmation = {"ticket": enrolment["ticket"], "code": code_of(enrolment)}
    must(first, "PUT", "/account/second-factor", confirmation, token=token)
    refused = second.tower("user", "reset", "nobody", check=False)
    assert (refused.returncode, "there is no account 'nobody'" in refused.stderr) == (1, True)
    made = json.loads(second.tower("user", "reset", "lost", "--json").stdout)
    login = {"name": "lost", "password": made["password"], "mode": "token"}
    assert "access_token" in must(second, "POST", "/auth/login", login), "no code is asked for"
    wait_until(
        "the login from before is over on every host",
        lambda: first.request("GET", "/api/v1/auth/me", token=token)[0] == 401,
        first.tail,
    )
    entries = must(first, "GET", "/audit?limit=20", token=admin)["items"]
    ours = [each["action"] for each in entries if each["actor"] == f"root of {second.name}"]
    assert sorted(ours) == ["user.reset-second-factor", "user.set-password"]
    # A member's certificate opens this to nobody but the member itself.
    asked = asyncio.run(_reset_through(first, second))
    assert "on the host where one is, and on no other" in asked


async def _reset_through(asking: AgentProcess, asked: AgentProcess) -> str:
    """Why one host may not reset an account by way of another."""
    directory, other = IdentityDirectory(asking.directory / "identity"), asked.directory / "identity"
    identity = directory.load()
    tls = TlsIdentity(directory, identity)
    client = PeerClient(
        contexts=lambda: tls.peer_client,
        address_of=lambda _: f"127.0.0.1:{asked.raft_port + 1}",
        cluster_id=identity.cluster_id,
    )
    async with client:
        with pytest.raises(HostRefused) as refused:
            await client.reset_account(IdentityDirectory(other).load().node_id, "lost")
    return str(refused.value)


def test_a_certificate_is_served_by_every_host_and_members_need_it_not(
    hosts: tuple[AgentProcess, AgentProcess, str], tmp_path: Path
) -> None:
    first, second, admin = hosts
    chain = a_chain(HOST, "localhost", now_ms=now_ms())
    _upload(first, admin, chain)
    for host in (first, second):
        wait_until(f"{host.name} serves it", lambda host=host: shown_to(host, chain.root, HOST), host.tail)
        assert not shown_to(host, host.ca.read_text(), HOST)
        assert host.status("/readyz") == 200, "who asks for the host itself is shown the cluster's own"
    secret = {"TOWER_TOKEN": admin, "TOWER_CA": str(first.ca), "XDG_CONFIG_HOME": str(tmp_path)}
    secret["TOWER_SERVER"] = f"https://localhost:{first.api_port}"
    listed = first.tower("certificate", "list", "--dashboard", secret=secret).stdout
    assert HOST in listed, "the command line trusts the cluster, by whatever name it asks"
    # Its assistant goes away at once; it would have failed before that.
    first.tower("mcp", secret=secret)
    with agents(tmp_path, "n3") as (third,):
        joining = must(first, "POST", "/join-tokens", {"ttl_s": 600, "uses": 1, "learner": True}, token=admin)
        third.tower("join", f"localhost:{first.api_port}", "--token", joining["token"], "--no-start")
        assert third.ca.exists()
    must(first, "DELETE", "/web-certificates/front", token=admin)
    wait_until(
        "the cluster's own is served again", lambda: not shown_to(second, chain.root, HOST), second.tail
    )


def _upload(host: AgentProcess, token: str, chain: Chain) -> None:
    body = {"certificate": chain.served, "key": chain.key}
    assert must(host, "PUT", "/web-certificates/front", body, token=token)["state"] == "serving"


def test_a_provider_lets_people_in_once_it_may_be_called(
    hosts: tuple[AgentProcess, AgentProcess, str],
) -> None:
    first, second, admin = hosts
    with a_provider() as provider:
        put_provider(first, admin, "corp", provider)
        # Whatever other tests allowed before.
        may_call(first, admin, "10.0.0.0/8")
        wait_until(
            "the provider may not be called, and that says what to set",
            lambda: "outbound.allowed_networks" in published(first, admin, "corp")[1].get("detail", ""),
            first.tail,
        )
        let_call(first, admin, "corp")
        cookies: dict[str, str] = {}
        there = visit(first, "/api/v1/auth/providers/corp/start?next=/services", cookies)
        # The browser comes back to another host under the same name.
        assert visit(second, provider.visit(there), cookies) == "/login?signed_in=yes&next=%2Fservices"
    users = must(first, "GET", "/users", token=admin)["items"]
    assert [(user["role"], user["provider"]) for user in users if user["name"] == "gina"] == [
        ("operator", "corp")
    ]


def test_an_assistant_finds_the_provider_and_is_shown_tools_with_its_token_on_any_host(
    hosts: tuple[AgentProcess, AgentProcess, str],
) -> None:
    first, second, admin = hosts
    audience = "https://tower.example.com/mcp"
    with a_provider() as provider:
        provider.subject, provider.claims = "assisted", {"preferred_username": "rosa", "groups": ["ops"]}
        put_provider(first, admin, "assisting", provider, token_audience=audience)
        let_call(first, admin, "assisting")
        cookies: dict[str, str] = {}
        there = visit(first, "/api/v1/auth/providers/assisting/start", cookies)
        assert visit(first, provider.visit(there), cookies).startswith("/login?signed_in=yes")
        status, metadata = second.request("GET", "/.well-known/oauth-protected-resource/mcp")
        assert (status, metadata["resource"]) == (200, f"{second.url}/mcp")
        assert provider.issuer in metadata["authorization_servers"]
        now_s = now_ms() // 1000
        claims = {
            "iss": provider.issuer,
            "aud": audience,
            "sub": provider.subject,
            "iat": now_s,
            "exp": now_s + 300,
            "groups": ["ops"],
        }
        token = provider.sign(claims, typ="at+jwt")
        assert "scale-service" in asyncio.run(tools_shown(second, token))
        assert second.request("GET", "/api/v1/auth/me", token=token)[0] == 401, "it is for MCP alone"
