"""An app on three real Docker hosts: deployed, changed under load, and served while hosts die."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import mcp_types as types
import pytest
from mcp import ClientSession, MCPError
from mcp.client.streamable_http import streamable_http_client
from playwright.sync_api import Browser, expect

from agent.cli.client import Client, Target
from tests.e2e.dashboard import goto
from tests.support.http_load import HttpLoad
from tests.support.lab import Host, agents_on_a_lab, url_of
from tests.support.metric_stores import a_victoria
from tests.support.prometheus import a_prometheus
from tests.support.receivers import BEHAVIOURS, Receivers, free_port, listening
from tests.support.shop import APP, COMPOSE, Shop

REQUESTS = 10_000
MOVE_TIMEOUT_S = 30.0


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The app in version 1 on every host, each with an agent."""
    directory = tmp_path_factory.mktemp("shop")
    with agents_on_a_lab("a", directory) as agents:
        shop = Shop(agents.lab, agents, directory)
        shop.roll_out("1")
        shop.first_placed = shop.containers()
        yield shop


@pytest.fixture
def whole(shop: Shop) -> Shop:
    """The app with every host up and every replica running once."""
    for host in shop.lab.hosts:
        shop.lab.heal(host.name)
        shop.lab.start(host.name)
    shop.agents.wait_until_voting()
    shop.agents.wait("every host is up", shop.is_up, tell=shop.tell)
    shop.agents.wait("every replica runs once", shop.is_whole, tell=shop.tell)
    return shop


def test_every_host_serves_the_app_and_every_surface_tells_of_it(whole: Shop) -> None:
    with HttpLoad(whole.addresses, APP, clients=1).running() as load:
        load.wait_for(30, timeout_s=20)
    assert not load.answers.failures
    assert all(whole.first_placed.values()), "the replicas were not spread over the hosts"
    services = json.loads(whole.tower("services", "--json"))
    assert [(each["id"], each["status"], each["replicas_ready"]) for each in services["items"]] == [
        ("shop.web", "running", 3)
    ]
    listed = whole.tower("ps")
    assert all(f"-{ordinal}" in listed for ordinal in range(3))
    assert "succeeded" in whole.tower("rollout", "status", "shop.web")
    name = next(names[0] for names in whole.containers().values() if names)
    assert "listens on port 8080" in whole.tower("logs", name, "--tail", "5")


def test_prometheus_reads_every_host_with_its_containers_and_routes(whole: Shop, tmp_path: Path) -> None:
    agents = whole.agents
    running = a_prometheus(
        whole.lab.hosts[0],
        tmp_path / "prometheus",
        targets=whole.addresses,
        token=agents.operator_token,
        ca_pem=agents.ca_pem,
    )
    wanted = {
        'sum(up{job="tower"})': 3,
        'count(tower_container_cpu_seconds_total{service="shop.web"})': 3,
        'sum(tower_container_running{service="shop.web"})': 3,
        'count(count by (instance) (tower_route_latency_seconds_bucket{service="shop.web",le="+Inf"}))': 3,
        "count(tower_host_memory_available_bytes)": 3,
        "sum(tower_raft_is_leader)": 1,
        'sum(tower_route_requests_total{service="shop.web"}) >= bool 30': 1,
    }
    seen: dict[str, float | None] = {}
    with running as prometheus, HttpLoad(whole.addresses, APP, clients=1).running() as load:
        load.wait_for(30, timeout_s=20)

        def is_read() -> bool:
            seen.update((expression, prometheus.value(expression)) for expression in wanted)
            return seen == wanted

        prometheus.wait_for("the shop is in Prometheus", is_read, tell=lambda: f"{seen}", timeout_s=25)
        # Only the modern format has units.
        (known,) = prometheus.get("metadata", metric="tower_container_cpu_seconds").values()
        assert {(each["type"], each["unit"]) for each in known} == {("counter", "seconds")}


def test_a_changed_file_is_rolled_out_without_one_lost_request(whole: Shop) -> None:
    with HttpLoad(whole.addresses, APP, clients=4).running() as load:
        load.wait_for(100, timeout_s=20)
        # Requests that take a while: some are under way whenever a replica is taken out.
        whole.roll_out("changed", latency_ms=20)
        load.wait_for(REQUESTS, timeout_s=120)
    assert load.answers.failures == []
    assert load.answers.count >= REQUESTS
    assert len(load.answers.by_version) == 2
    assert load.answers.by_version["changed"]
    assert whole.is_whole()


def revisions(shop: Shop) -> set[str]:
    """Which revisions of the app there are containers of."""
    return {name.split("-")[2] for names in shop.containers().values() for name in names}


def test_a_rollout_goes_on_when_its_leader_is_killed(whole: Shop) -> None:
    leader = whole.agents.leader()
    # The browser's driver has an event loop on this thread.
    with HttpLoad(whole.addresses, APP, clients=2).running() as load, ThreadPoolExecutor() as pool:
        load.wait_for(50, timeout_s=20)
        lost, phase = pool.submit(asyncio.run, watch_by_mcp(whole, leader, "survivor")).result(150)
        whole.tower("rollout", "status", "--wait", "shop.web")
        seen = load.answers.by_version["survivor"]
        whole.agents.wait("it answers", lambda: load.answers.by_version["survivor"] > seen + 100)
    assert load.answers.failures == []
    assert lost, "the client of the killed leader was told nothing"
    assert phase == "succeeded"
    whole.agents.wait("the revision before is gone", lambda: len(revisions(whole)) == 1, tell=whole.tell)
    assert whole.is_whole()


@asynccontextmanager
async def an_assistant(shop: Shop, address: str) -> AsyncIterator[ClientSession]:
    """A session of an assistant with an operator's token."""
    context = ssl.create_default_context(cadata=shop.agents.ca_pem)
    headers = {"Authorization": f"Bearer {shop.agents.operator_token}"}
    async with (
        httpx2.AsyncClient(verify=context, headers=headers, timeout=60) as http,
        streamable_http_client(f"https://{address}:7443/mcp", http_client=http) as streams,
        ClientSession(streams[0], streams[1]) as session,
    ):
        await session.initialize()
        yield session


async def watch_by_mcp(shop: Shop, leader: Host, version: str) -> tuple[str, str]:
    """Deploy, and kill the leader while one assistant waits for the end at the leader and one elsewhere.
    Returns what the first was told and which end the second saw."""
    other = next(host for host in shop.lab.hosts if host.name != leader.name)

    async def wait_at(session: ClientSession, is_waiting: asyncio.Event) -> types.CallToolResult:
        async def hear(done: float, total: float | None, words: str | None) -> None:
            is_waiting.set()

        arguments = {"service": "shop.web", "limit": 1, "wait_s": 55}
        return await session.call_tool("get-deploy-status", arguments, progress_callback=hear)

    async with (
        asyncio.timeout(120),
        an_assistant(shop, other.ip) as kept,
        an_assistant(shop, leader.ip) as lost,
        asyncio.TaskGroup() as group,
    ):
        await asyncio.to_thread(shop.deploy, version)
        both = [asyncio.Event() for _ in range(2)]
        seeing = group.create_task(wait_at(kept, both[0]))
        losing = group.create_task(refusal_of(wait_at(lost, both[1])))
        for is_waiting in both:
            await is_waiting.wait()
        shop.agents.process(leader).signal(signal.SIGKILL)
        told = await losing
        [line] = ((await seeing).structured_content or {})["rollouts"]
    return told, line["phase"]


async def refusal_of(call: Awaitable[types.CallToolResult]) -> str:
    """What the client of a call that cannot be answered is told."""
    with pytest.raises(MCPError) as raised:
        await call
    return str(raised.value)


def test_an_mcp_client_lists_the_containers_and_deploys_what_a_person_approves(whole: Shop) -> None:
    present = {name for found in whole.containers().values() for name in found}
    # The browser's driver has an event loop on this thread.
    with ThreadPoolExecutor() as pool:
        listed, phase = pool.submit(asyncio.run, deploy_by_mcp(whole, "mcp")).result(120)
    assert present <= listed
    assert phase == "succeeded"
    with HttpLoad(whole.addresses, APP, clients=1).running() as load:
        load.wait_for(20, timeout_s=20)
    assert set(load.answers.by_version) == {"mcp"}


async def deploy_by_mcp(shop: Shop, version: str) -> tuple[set[str], str]:
    """The containers an assistant with an operator's token sees, and how its deployment ended, which a person
    approved."""
    async with an_assistant(shop, shop.addresses[1]) as session, asyncio.timeout(90):
        listed = await session.call_tool("list-containers", {})
        deployed = await session.call_tool(
            "deploy-rolling", {"compose": COMPOSE.format(version=version, latency_ms=0)}
        )
        assert not deployed.is_error, deployed.content
        plan = (deployed.structured_content or {})["plan_id"]
        # Nothing is done before a person has looked at it.
        await asyncio.to_thread(shop.tower, "plan", "approve", plan)
        while True:
            status = await session.call_tool("get-deploy-status", {"service": "shop.web", "limit": 1})
            [line] = (status.structured_content or {})["rollouts"]
            if line["is_finished"]:
                return {each["name"] for each in (listed.structured_content or {})["containers"]}, line[
                    "phase"
                ]
            await asyncio.sleep(0.5)


def test_labels_and_rules_move_replicas_without_one_lost_request(whole: Shop) -> None:
    first, second, third = (host.name for host in whole.lab.hosts)
    ruled = COMPOSE.format(version="ruled", latency_ms=5).replace(
        "      replicas: 3\n", "      replicas: 3\n      placement: {constraints: [node.labels.zone==a]}\n"
    )

    def is_on(*hosts: str) -> bool:
        found = whole.containers()
        return whole.is_whole() and {name for name, containers in found.items() if containers} == set(hosts)

    whole.tower("node", "label", first, "zone=a")
    whole.tower("node", "label", second, "zone=a")
    try:
        with HttpLoad(whole.addresses, APP, clients=2).running() as load:
            load.wait_for(50, timeout_s=20)
            file = whole.write(ruled)
            planned = whole.tower("deploy", file, "--dry-run")
            assert first in planned
            assert third not in planned
            whole.tower("deploy", file)
            whole.agents.wait("two hosts have it", lambda: is_on(first, second), tell=whole.tell)
            explained = whole.tower("service", "explain", "shop.web")
            assert "does not meet node.labels.zone == a (it has no such label)" in explained
            whole.tower("node", "label", third, "zone=a")
            assert third in whole.tower("rebalance", "--dry-run")
            assert is_on(first, second), "a dry run moved something"
            whole.tower("service", "rebalance", "web")
            whole.agents.wait("each host has one", lambda: is_on(first, second, third), tell=whole.tell)
            assert "1 container moves" in whole.tower("node", "drain", third, "--dry-run")
            whole.tower("node", "label", second, "zone-")
            whole.agents.wait("one host is left", lambda: is_on(first, third), tell=whole.tell)
            load.wait_for(load.answers.count + 100, timeout_s=30)
        assert load.answers.failures == []
    finally:
        for host in (first, second, third):
            whole.tower("node", "label", host, "zone-")
        whole.roll_out("1")
        whole.tower("rebalance")


def test_an_agent_is_restarted_without_one_lost_request(whole: Shop) -> None:
    with HttpLoad(whole.addresses, APP, clients=2).running() as load:
        load.wait_for(50, timeout_s=20)
        for host in whole.lab.hosts:
            before = whole.agents.process(host)
            before.signal(signal.SIGTERM)
            whole.agents.wait(f"the agent of {host.name} ended", lambda: not before.is_alive)  # noqa: B023  # waited for here
            whole.agents.wait_until_serving(host)
        load.wait_for(load.answers.count + 100, timeout_s=30)
    assert load.answers.failures == []
    # On a slow machine an agent is away for so long that its replicas were moved.
    whole.agents.wait("every replica runs once", whole.is_whole, tell=whole.tell)


def test_no_acknowledged_change_is_lost_when_the_leader_is_killed_under_the_command_line(whole: Shop) -> None:
    acknowledged: list[str] = []
    is_over = threading.Event()

    def write() -> None:
        while not is_over.is_set():
            made = json.loads(whole.tower("token", "create", "--json"))
            acknowledged.append(made["id"])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        whole.agents.wait("some are written", lambda: len(acknowledged) >= 3)
        whole.agents.process(whole.agents.leader()).signal(signal.SIGKILL)
        before = len(acknowledged)
        whole.agents.wait("writes go on", lambda: len(acknowledged) >= before + 3, timeout_s=60)
    finally:
        is_over.set()
        writer.join(60)
    kept = {token["id"] for token in json.loads(whole.tower("token", "list", "--json"))["items"]}
    assert set(acknowledged) <= kept


def test_replicas_of_a_host_that_is_cut_off_run_elsewhere_and_its_own_go_when_it_is_back(
    whole: Shop,
) -> None:
    leader = whole.agents.leader()
    lost = next(
        host for host in whole.lab.hosts if host.name != leader.name and whole.containers()[host.name]
    )
    others = [host for host in whole.lab.hosts if host.name != lost.name]
    moved = set(whole.containers()[lost.name])

    def runs_elsewhere() -> bool:
        found = whole.containers()
        return moved <= {name for host in others for name in found[host.name]}

    with HttpLoad([host.ip for host in others], APP, clients=2).running() as load:
        load.wait_for(20, timeout_s=20)
        whole.lab.cut(lost.name)
        whole.agents.wait("its replicas run elsewhere", runs_elsewhere, timeout_s=MOVE_TIMEOUT_S)
        load.wait_for(load.answers.count + 50, timeout_s=30)
    assert load.answers.failures == []
    assert whole.containers()[lost.name], "a cut host goes on with what it has"
    status = json.loads(whole.tower("status", "--json", at=leader))
    assert {node["name"]: node["status"] for node in status["nodes"]}[lost.name] == "down"
    whole.lab.heal(lost.name)
    whole.agents.wait("each replica runs once again", whole.is_whole, tell=whole.tell)


def test_a_host_without_power_is_replaced_also_when_it_led(whole: Shop) -> None:
    lost = whole.agents.leader()
    others = [host for host in whole.lab.hosts if host.name != lost.name]
    whole.lab.kill(lost.name, power=True)
    whole.agents.wait("every replica runs once elsewhere", whole.is_whole, timeout_s=60, tell=whole.tell)
    with HttpLoad([host.ip for host in others], APP, clients=1).running() as load:
        load.wait_for(50, timeout_s=20)
    assert load.answers.failures == []
    whole.lab.start(lost.name)
    whole.agents.wait_until_serving(lost)
    whole.agents.wait("it has nothing that runs elsewhere", whole.is_whole, tell=whole.tell)


@pytest.mark.browser
@pytest.mark.usefixtures("built_dashboard")
def test_the_dashboard_of_another_host_stays_usable_when_the_leader_is_cut_off(
    whole: Shop, chromium: Browser
) -> None:
    lost = whole.agents.leader()
    other = next(host for host in whole.lab.hosts if host.name != lost.name and whole.containers()[host.name])
    context = chromium.new_context(ignore_https_errors=True, reduced_motion="reduce")
    try:
        page = context.new_page()
        goto(page, f"https://{other.ip}:7443/")
        page.get_by_label("Name").fill("admin")
        page.get_by_label("Password").fill(whole.agents.password)
        page.get_by_role("button", name="Log in").click()
        hosts = page.get_by_role("region", name="Hosts", exact=True)
        card = hosts.get_by_role("listitem").filter(
            has=page.get_by_role("heading", name=lost.name, exact=True)
        )
        expect(card).to_contain_text("up", timeout=20_000)
        services = page.get_by_role("region", name="Services", exact=True)
        expect(services).to_contain_text("3 of 3 serving", timeout=20_000)
        name = whole.containers()[other.name][0]
        whole.lab.cut(lost.name)
        # Nothing is loaded anew: the page is told.
        expect(card).to_contain_text("down", timeout=30_000)
        expect(services).to_contain_text("3 of 3 serving", timeout=60_000)
        expect(page.get_by_role("region", name="Containers", exact=True)).to_contain_text(name)
        page.get_by_role("button", name=f"Logs of {name}", exact=True).click()
        expect(page.get_by_role("dialog")).to_contain_text("listens on port 8080", timeout=20_000)
    finally:
        context.close()


def test_every_receiver_gets_each_event_once_by_its_id_across_a_killed_leader(whole: Shop) -> None:
    told = WebhookTrial(whole)
    with listening(told.receivers, told.address) as url:
        told.subscribe(url)
        whole.tower("alerts", "rules", "set", "container-down", "--for", "0s")
        engine = whole.lab.hosts[1].engine
        engine.pull("demo/web:1")
        engine.run("crashes", "demo/web:1", environment={"CRASH_AFTER": "100ms"})
        whole.deploy("told")
        whole.agents.process(whole.agents.leader()).signal(signal.SIGKILL)
        whole.tower("rollout", "status", "--wait", "shop.web")
        whole.agents.wait("there is an alert", lambda: bool(told.happened("alert")), tell=whole.tell)
        engine.remove("crashes")
        whole.agents.wait("the alert is over", lambda: len(told.happened("alert")) > 1, tell=whole.tell)
        # The one that was down all the time comes back when everything has happened.
        with listening(told.receivers, told.address, told.down_port):
            told.wait_until_all_is_told()
        assert "was taken with status 204" in whole.tower("webhook", "ping", "good")
        assert "webhook:test" in whole.tower("webhook", "deliveries", "good", "--limit", "5")
    told.verify()


@pytest.mark.verify
@pytest.mark.timeout(300)
def test_every_host_remembers_what_the_app_used_also_one_whose_agent_was_killed(whole: Shop) -> None:
    def remembered(host: Host, since_ms: int, until_ms: int) -> dict[tuple[str, int], float]:
        span = ("--since", str(since_ms), "--until", str(until_ms), "--step", "1m")
        answer = json.loads(whole.tower("metrics", "shop.web", "memory", *span, "--json", at=host))
        return {
            (series["title"], at_ms): value
            for series in answer["series"]
            for at_ms, value in zip(answer["times_ms"], series["values"], strict=True)
            if value is not None
        }

    def complete_to() -> dict[str, int]:
        """Up to when each host's samples are whole, as one host has them: another minute has begun."""
        asked = whole.try_tower("metrics", "shop.web", "memory", "--by", "host", "--step", "1m", "--json")
        # In the app's first minute nothing is called so.
        answer = json.loads(asked.stdout) if asked.returncode == 0 else {"series": []}
        minutes = {
            series["labels"]["node"]: [
                at_ms
                for at_ms, value in zip(answer["times_ms"], series["values"], strict=True)
                if value is not None
            ]
            for series in answer["series"]
        }
        return {node: found[-1] for node, found in minutes.items() if len(found) > 1}

    hosts = {host.name for host in whole.lab.hosts}
    whole.agents.wait(
        "every host was measured", lambda: complete_to().keys() == hosts, tell=whole.tell, timeout_s=150
    )
    until_ms = min(complete_to().values())
    since_ms = until_ms - 3_600_000
    leader = whole.agents.leader()
    before = remembered(leader, since_ms, until_ms)
    assert before
    whole.agents.process(leader).signal(signal.SIGKILL)
    whole.agents.wait_until_serving(leader)
    whole.agents.wait_until_voting()
    for host in whole.lab.hosts:
        assert before.items() <= remembered(host, since_ms, until_ms).items(), host.name


@pytest.mark.verify
@pytest.mark.timeout(900)
def test_a_receiver_that_is_down_for_minutes_gets_everything_at_the_usual_pauses(whole: Shop) -> None:
    told = WebhookTrial(whole, names=("down",), families=("rollout",))
    told.subscribe("", attempts=15, base_s=5.0, max_s=7200.0, timeout_s=15.0)
    whole.deploy("patient")
    whole.agents.process(whole.agents.leader()).signal(signal.SIGKILL)
    whole.tower("rollout", "status", "--wait", "shop.web")
    # The pauses after five failures add up to two and a half minutes.
    whole.agents.wait("it was tried often", lambda: told.attempts("down") >= 6, timeout_s=400)
    with listening(told.receivers, told.address, told.down_port):
        told.wait_until_all_is_told(timeout_s=300)
    told.verify()


@pytest.mark.verify
@pytest.mark.timeout(300)
def test_victoria_metrics_gets_what_every_host_measured_across_a_killed_leader(
    whole: Shop, tmp_path: Path
) -> None:
    address = whole.lab.address_of("root")
    victoria = a_victoria(tmp_path, address)
    whole.tower("webhook", "networks", "--set", f"{address}/32")
    # It is not there yet: what it misses waits.
    whole.tower("export", "add", "vm", f"{victoria.url}/api/v1/write", "--back", "1h")
    whole.agents.process(whole.agents.leader()).signal(signal.SIGKILL)

    def has_all() -> bool:
        hosts = victoria.count('count(count by (node) (tower_cpu_percent{kind="host"}))')
        replicas = victoria.count('count(count by (subject) (tower_memory_bytes{service="shop.web"}))')
        return hosts == 3 and replicas >= 3

    with victoria.running():
        whole.agents.wait(
            "every host's numbers are there",
            has_all,
            tell=lambda: f"{whole.try_tower('export', 'status', 'vm').stdout}\n{whole.tell()}",
            timeout_s=200,
        )
    standing = json.loads(whole.tower("export", "status", "vm", "--json"))
    assert (standing["refused"], standing["sent"] > 0) == (0, True)
    whole.tower("export", "remove", "vm")


class WebhookTrial:
    """Webhooks to receivers of every kind, and what they must have got in the end."""

    def __init__(
        self,
        shop: Shop,
        *,
        names: Sequence[str] = (*BEHAVIOURS, "down", "unordered"),
        families: Sequence[str] = ("rollout", "alert", "container"),
    ) -> None:
        self._shop = shop
        self._names = names
        self._families = families
        agents = shop.agents
        servers = tuple(url_of(host) for host in agents.hosts)
        self._client = Client(Target(servers=servers, ca_pem=agents.ca_pem, access_token=agents.token))
        self.address = shop.lab.address_of("root")
        self.receivers = Receivers()
        self.down_port = free_port(self.address)
        newest = self._client.get("/events", limit=1)["items"]
        self._before = newest[0]["sequence"] if newest else 0

    def subscribe(
        self,
        url: str,
        *,
        attempts: int = 30,
        base_s: float = 0.2,
        max_s: float = 1.0,
        timeout_s: float = 1.0,
    ) -> None:
        self._shop.tower("webhook", "networks", "--set", f"{self.address}/32")
        for name in self._names:
            base = f"http://{self.address}:{self.down_port}" if name == "down" else url
            body = {
                "url": f"{base}/{name}",
                "events": [f"{family}:*" for family in self._families],
                "attempts": attempts,
                "base_s": base_s,
                "max_s": max_s,
                "timeout_s": timeout_s,
                "is_ordered": name != "unordered",
            }
            self.receivers.secrets[name] = self._client.put(f"/webhooks/{name}", body)["secret"]

    def happened(self, family: str) -> list[str]:
        """The ids of what happened since, in its order."""
        found = self._client.items("/events", kinds=f"{family}:*")
        return [each["id"] for each in reversed(found) if each["sequence"] > self._before]

    def attempts(self, name: str) -> int:
        """How often the oldest event that waits was tried."""
        waiting = self._client.items(f"/webhooks/{name}/deliveries", state="waiting")
        return int(waiting[-1]["attempts"]) if waiting else 0

    def wait_until_all_is_told(self, *, timeout_s: float = 60.0) -> None:
        def is_told() -> bool:
            return all(
                set(self.receivers.ids(name, family)) >= set(self.happened(family))
                for name in self._names
                for family in self._families
            )

        self._shop.agents.wait("every receiver has everything", is_told, tell=self._tell, timeout_s=timeout_s)

    def verify(self) -> None:
        for family in self._families:
            wanted = self.happened(family)
            assert wanted, f"no {family} event has happened"
            for name in self._names:
                got = self.receivers.ids(name, family)
                assert sorted(got) == sorted(wanted), name
                # What one that is down for long did not take several times has stepped aside.
                assert name in ("unordered", "down") or got == wanted, f"{name}: another order"
        assert self.receivers.unsigned == []
        assert self.receivers.strayed == []
        # What was on its way when the leader died is sent once more, under the same id, and nothing else.
        assert all(self.receivers.repeats(name) <= 4 for name in self._names)
        for name in self._names:
            self._client.delete(f"/webhooks/{name}")

    def _tell(self) -> str:
        views = self._client.items("/webhooks")
        standing = {each["id"]: (each["waiting"], each["delivered"], each["dead"]) for each in views}
        return f"{standing}\n{self._shop.tell()}"
