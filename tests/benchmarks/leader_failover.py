"""How long a cluster takes no writes after its leader is killed: ours over 100 kills, Swarm's over 10."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from tests.benchmarks.leftovers import scratch
from tests.benchmarks.machine import Missing, docker_version, require_lab
from tests.benchmarks.probing import until_first
from tests.benchmarks.results import Finding, Row, percentile
from tests.benchmarks.steady_writer import SteadyWriter
from tests.benchmarks.swarm import Swarm, a_swarm
from tests.support.agent_process import AgentProcess, agents, form_cluster, wait_until

KILLS = 100
# A busy machine starts agents slowly; then there are fewer kills, and the result says how many.
KILLING_TIME_S = 420.0
ANCHOR_KILLS = 10
FAILOVER_TIMEOUT_S = 60.0
RESTART_TIMEOUT_S = 120.0
CATCH_UP_TIMEOUT_S = 60.0
ANCHOR_TRY_EVERY_S = 0.2


def run(say: Callable[[str], None], *, kills: int = KILLS, anchor_kills: int = ANCHOR_KILLS) -> Finding:
    """Measure both. Without Docker hosts ours is measured alone, and said to be."""
    ours_s, acknowledged = ours(say, kills)
    cut_short = f" (stopped after {KILLING_TIME_S:.0f} s)" if len(ours_s) < kills else ""
    notes = [
        f"Ours: {len(ours_s)} of {kills} kills{cut_short}; {acknowledged:,} writes were acknowledged"
        " meanwhile, 20 a second sent through each node. A killed agent is started again and has applied all"
        " there is before the next kill.",
    ]
    theirs_s: list[float] = []
    try:
        require_lab()
        theirs_s = anchor(say, anchor_kills)
        notes.append(f"Anchor: {docker_version()}, {len(theirs_s)} kills.")
    except Missing as missing:
        notes.append(f"The anchor was not measured: {missing}.")
    rows = [
        Row(
            what=what,
            ours=f"{measure(ours_s):.2f} s",
            target=target,
            anchor=f"{measure(theirs_s):.1f} s" if theirs_s else "",
        )
        for what, target, measure in (
            ("p50", "< 1.5 s", lambda values: percentile(values, 50)),
            ("p95", "< 2.5 s", lambda values: percentile(values, 95)),
            ("longest", "", max),
        )
    ]
    return Finding(
        title="Leader failover",
        how=(
            "Three agents as processes, SIGKILL to the leader's: from the signal until a write that began"
            " after it is acknowledged through another node. Anchor: three Swarm managers on three Docker"
            " hosts, SIGKILL to the leader's dockerd, until `config create` is acknowledged through another"
            " manager."
        ),
        anchor="Docker Swarm",
        rows=tuple(rows),
        notes=tuple(notes),
    )


def ours(say: Callable[[str], None], kills: int) -> tuple[list[float], int]:
    """Seconds of each failover, and how many writes were acknowledged in all."""
    took_s: list[float] = []
    with (
        scratch() as directory,
        agents(directory, "n1", "n2", "n3") as nodes,
    ):
        session = form_cluster(nodes)
        token = _lasting_token(nodes[0], session)
        urls = {node.name: node.url for node in nodes}
        began_s = time.monotonic()
        with SteadyWriter(urls, str(nodes[0].ca), token) as writer:
            for kill in range(1, kills + 1):
                if time.monotonic() - began_s > KILLING_TIME_S:
                    break
                leader = _leader(nodes, token)
                others = [node.name for node in nodes if node is not leader]
                writer.wait_for(others, begun_after_s=time.monotonic(), timeout_s=FAILOVER_TIMEOUT_S)
                killed_s = time.monotonic()
                leader.kill()
                served = writer.wait_for(others, begun_after_s=time.monotonic(), timeout_s=FAILOVER_TIMEOUT_S)
                took_s.append(served.ended_s - killed_s)
                leader.start(timeout_s=RESTART_TIMEOUT_S)
                _catch_up(leader, [node for node in nodes if node is not leader], token)
                if kill % 10 == 0 or kill == kills:
                    p50_s, longest_s = percentile(took_s, 50), max(took_s)
                    say(f"{kill} of {kills} kills: p50 {p50_s:.2f} s, longest {longest_s:.2f} s")
            return took_s, writer.counts[1]


def anchor(say: Callable[[str], None], kills: int) -> list[float]:
    """Seconds of each failover of Swarm's."""
    took_s: list[float] = []
    with a_swarm() as swarm:
        for kill in range(1, kills + 1):
            leader = swarm.leader()
            survivors = [host for host in swarm.hosts if host.name != leader.name]
            daemon = leader.daemon
            assert daemon is not None, "a leader runs"
            killed_s = time.monotonic()
            daemon.signal(signal.SIGKILL)
            took_s.append(
                until_first(
                    [_config_maker(swarm, host.name, kill) for host in survivors],
                    since_s=killed_s,
                    every_s=ANCHOR_TRY_EVERY_S,
                    timeout_s=120.0,
                    what="Swarm accepts a write",
                )
            )
            say(f"Swarm, kill {kill} of {kills}: {took_s[-1]:.1f} s")
            swarm.lab.start(leader.name)
            swarm.wait_until_whole()
    return took_s


def _config_maker(swarm: Swarm, host: str, kill: int) -> Callable[[int], bool]:
    return lambda number: swarm.make_config(host, f"kill-{kill}-{number}")


def _lasting_token(node: AgentProcess, session: str) -> str:
    """A token that outlives the benchmark; a login's access token does not."""
    body = {"name": "benchmark", "role": "admin", "ttl_s": 7200}
    status, answer = node.request("POST", "/api/v1/tokens", body, token=session)
    if status not in (200, 201):
        raise RuntimeError(f"no token was made: {status} {answer}")
    return str(answer["token"])


def _view(node: AgentProcess, token: str) -> dict[str, object]:
    status, answer = node.request("GET", "/api/v1/cluster", token=token, timeout_s=3)
    return answer if status == 200 else {}


def _leader(nodes: list[AgentProcess], token: str) -> AgentProcess:
    found: list[AgentProcess] = []

    def is_there() -> bool:
        for node in nodes:
            view = _view(node, token)
            if view and view["leader_id"] == view["node_id"]:
                found.append(node)
        return bool(found)

    wait_until("there is a leader", is_there, nodes[0].tail)
    return found[-1]


def _catch_up(node: AgentProcess, others: list[AgentProcess], token: str) -> None:
    """Wait until it has applied what the others had committed by now."""
    committed = max(int(str(_view(other, token).get("commit_index", 0))) for other in others)
    wait_until(
        f"{node.name} has caught up",
        lambda: int(str(_view(node, token).get("applied_index", 0))) >= committed,
        node.tail,
        CATCH_UP_TIMEOUT_S,
    )
