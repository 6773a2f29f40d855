"""How long after a host's power is cut its replicas are replaced elsewhere, beside Docker Swarm."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from agent.cli.client import Client
from agent.cli.failures import CommandFailed
from tests.benchmarks.labs import a_benchmark_lab
from tests.benchmarks.leftovers import scratch
from tests.benchmarks.machine import docker_version
from tests.benchmarks.probing import until_first
from tests.benchmarks.results import Finding, Row, spread
from tests.benchmarks.swarm import Swarm, a_swarm
from tests.support.lab import Host, LabAgents, NotInTime

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "packaging" / "demo" / "shop.compose.yaml"
SERVICE = "shop.web"
HOST_NAME = "shop.localhost"
REPLICAS = 3
LOSSES = 4
ANCHOR_LOSSES = 1
DEPLOY_TIMEOUT_S = 60.0
MOVE_TIMEOUT_S = 120.0
TRY_EVERY_S = 0.02
ANCHOR_TRY_EVERY_S = 0.1


def run(say: Callable[[str], None], *, losses: int = LOSSES, anchor_losses: int = ANCHOR_LOSSES) -> Finding:
    """Measure both: hosts that do not lead first, then the leader. Raises Missing without a lab."""
    followers, leaders = ours(say, losses)
    swarm_followers, swarm_leaders = anchor(say, anchor_losses)
    return Finding(
        title="Host failover",
        how=(
            "Three Docker hosts, three replicas behind every host's HAProxy; one host's power is cut. From"
            " the cut until as many different replicas as before answer through the HAProxy of a host that is"
            " left, none of them a lost one. Anchor: a Swarm service of three replicas on such hosts, until"
            " as many tasks run on the hosts that are left, as their managers know (without routing mesh:"
            " whether they can be reached is not counted)."
        ),
        anchor="Docker Swarm",
        rows=(
            Row(
                what="host that does not lead",
                ours=spread(followers, "s"),
                target="< 5 s",
                anchor=spread(swarm_followers, "s", 1),
            ),
            Row(
                what="host of the leader",
                ours=spread(leaders, "s"),
                target="< 7 s",
                anchor=spread(swarm_leaders, "s", 1),
            ),
        ),
        notes=(
            f"Anchor: {docker_version()}. A host is started again, and known to be up, before the next loss.",
        ),
    )


def ours(say: Callable[[str], None], losses: int) -> tuple[list[float], list[float]]:
    """Seconds until the replicas of a lost host were replaced: of followers', and of leaders' hosts."""
    by_role: dict[bool, list[float]] = {False: [], True: []}
    with scratch() as directory, a_benchmark_lab("h") as lab:
        agents = LabAgents(lab, directory)
        agents.form()
        client = agents.client(lab.hosts[0])
        client.post("/deployments", {"compose": COMPOSE.read_text()}, timeout_s=60.0)
        _wait_until_served(agents, lab.hosts[0])
        for loss in range(2 * losses):
            is_leader = loss >= losses
            lost = _victim(agents, is_leader)
            if lost is None:
                raise NotInTime("no host of that role runs a replica")
            took_s = _lose(agents, lost)
            by_role[is_leader].append(took_s)
            say(f"{lost.name}, {'leader' if is_leader else 'follower'}: {took_s:.2f} s")
            lab.start(lost.name)
            agents.wait_until_serving(lost)
            agents.wait_until_voting()
            _wait_until_served(agents, lost)
    return by_role[False], by_role[True]


def anchor(say: Callable[[str], None], losses: int) -> tuple[list[float], list[float]]:
    """The same of Swarm's."""
    by_role: dict[bool, list[float]] = {False: [], True: []}
    with a_swarm() as swarm:
        swarm.create_service("web", REPLICAS)
        for loss in range(2 * losses):
            is_leader = loss >= losses
            leader = swarm.leader()
            running = set(swarm.running(leader).values())
            candidates = [
                host
                for host in swarm.hosts
                if (host.name == leader.name) is is_leader and swarm.node_id(host) in running
            ]
            if not candidates:
                # Swarm does not move tasks back by itself: have it place all of them anew.
                swarm.redeploy("web")
                candidates = [host for host in swarm.hosts if (host.name == leader.name) is is_leader]
            took_s = _lose_of(swarm, candidates[0])
            by_role[is_leader].append(took_s)
            say(f"Swarm, {candidates[0].name}, {'leader' if is_leader else 'follower'}: {took_s:.1f} s")
            swarm.lab.start(candidates[0].name)
            swarm.wait_until_whole()
    return by_role[False], by_role[True]


def _lose_of(swarm: Swarm, lost: Host) -> float:
    lost_id = swarm.node_id(lost)
    survivors = [host for host in swarm.hosts if host.name != lost.name]

    def all_run(manager: Host) -> bool:
        running = swarm.running(manager)
        return sum(node_id != lost_id for node_id in running.values()) >= REPLICAS

    cut_s = time.monotonic()
    swarm.lab.kill(lost.name, power=True)
    return until_first(
        [lambda _, host=host: all_run(host) for host in survivors],  # type: ignore[misc]  # bound by default
        since_s=cut_s,
        every_s=ANCHOR_TRY_EVERY_S * len(survivors),
        timeout_s=MOVE_TIMEOUT_S,
        what="Swarm replaces the lost tasks",
    )


def _lose(agents: LabAgents, lost: Host) -> float:
    gone = _replicas_on(lost)
    survivors = [host for host in agents.lab.hosts if host.name != lost.name]
    seen = _Seen(gone)
    cut_s = time.monotonic()
    agents.lab.kill(lost.name, power=True)
    try:
        return until_first(
            [lambda _, host=host: seen.is_complete_after(_answering(host)) for host in survivors],  # type: ignore[misc]  # bound by default
            since_s=cut_s,
            every_s=TRY_EVERY_S * len(survivors),
            timeout_s=MOVE_TIMEOUT_S,
            what="the lost replicas are replaced and answer",
        )
    except TimeoutError as error:
        raise NotInTime(f"{error}\n{_state(agents.client(survivors[0]))}") from error


class _Seen:
    """The replicas that answered since a host was lost, without those that went with it."""

    def __init__(self, gone: set[str]) -> None:
        self._gone = gone
        self._names: set[str] = set()
        self._lock = threading.Lock()

    def is_complete_after(self, name: str) -> bool:
        with self._lock:
            if name and name not in self._gone:
                self._names.add(name)
            return len(self._names) >= REPLICAS


def _answering(host: Host) -> str:
    """The name of the replica that answers through a host's HAProxy now; "" when none does."""
    with closing(http.client.HTTPConnection(host.ip, 80, timeout=2)) as connection:
        try:
            connection.request("GET", "/", headers={"Host": HOST_NAME})
            response = connection.getresponse()
            body = response.read()
            return str(json.loads(body)["hostname"]) if response.status == 200 else ""
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            return ""


def _replicas_on(host: Host) -> set[str]:
    """The names that the service's containers on a host answer with."""
    found = set()
    for container in host.engine.get("/containers/json"):
        if container["Labels"].get("tower.service"):
            found.add(str(host.engine.get(f"/containers/{container['Id']}/json")["Config"]["Hostname"]))
    return found


def _victim(agents: LabAgents, is_leader: bool) -> Host | None:
    """A host that runs replicas, with the leader's agent or without; leadership is moved there if need be."""
    leader = agents.leader()
    with_replicas = [host for host in agents.lab.hosts if _replicas_on(host)]
    if not is_leader:
        return next((host for host in with_replicas if host.name != leader.name), None)
    if leader.name in {host.name for host in with_replicas}:
        return leader
    target = with_replicas[0]
    agents.hand_over(leader, target)
    return target


def _wait_until_served(agents: LabAgents, asked: Host) -> None:
    """Wait until all replicas are healthy, no rollout is under way, and every host's HAProxy has them."""
    client = agents.client(asked)

    def is_served() -> bool:
        try:
            service = client.get(f"/services/{SERVICE}")
        except CommandFailed:
            return False
        settled = service["status"] == "running" and service["replicas_ready"] == REPLICAS
        return settled and all(_answering(host) for host in agents.hosts)

    what = "the sample app answers on every host"
    agents.wait(what, is_served, timeout_s=DEPLOY_TIMEOUT_S, tell=lambda: _state(client))


def _state(client: Client) -> str:
    try:
        return json.dumps(client.get(f"/services/{SERVICE}"), indent=1)
    except CommandFailed as error:
        return str(error)
