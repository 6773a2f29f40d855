"""What containers write is kept by their host: over restarts and crashes of the agent, after their removal,
and found from any host.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from agent.cli.client import ApiRefused
from tests.support.lab import Host, LabAgents, agents_on_a_lab, url_of

pytestmark = pytest.mark.timeout(300)

IMAGE = "demo/busybox:1"
CA = "/var/lib/control-tower/identity/ca.pem"


@pytest.fixture(scope="module")
def agents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabAgents]:
    with agents_on_a_lab("l", tmp_path_factory.mktemp("logs")) as made:
        for host in made.hosts:
            host.engine.pull(IMAGE)
        yield made


def run(host: Host, name: str, script: str, **labels: str) -> str:
    body = {
        "Image": IMAGE,
        "Cmd": ["sh", "-c", script],
        "Labels": {label.replace("_", "."): value for label, value in labels.items()},
        "HostConfig": {"NetworkMode": "none"},
    }
    made = str(host.engine.request("POST", f"/containers/create?name={name}", body)["Id"])
    host.engine.request("POST", f"/containers/{made}/start")
    return made


def lines_of(agents: LabAgents, host: Host, **query: Any) -> list[dict[str, Any]]:
    """Every kept line, the oldest first, asked for from that host; none of a container unknown yet."""
    client = agents.client(host)
    lines: list[dict[str, Any]] = []
    cursor = None
    while True:
        try:
            page = client.get("/logs", order="oldest", limit=1000, cursor=cursor, **query)
        except ApiRefused as refused:
            if refused.status != 404:
                raise
            return []
        assert page["problems"] == []
        lines += page["lines"]
        cursor = page["next_cursor"]
        if cursor is None:
            return lines


def texts_of(agents: LabAgents, host: Host, **query: Any) -> list[str]:
    return [line["text"] for line in lines_of(agents, host, streams="stdout,stderr", **query)]


def end_agent(agents: LabAgents, host: Host, with_signal: signal.Signals) -> None:
    """End the agent's process; what watches it starts it again."""
    process = host.services.main_process("tower")
    assert process is not None
    os.kill(process.pid, with_signal)
    agents.wait("it ended", lambda: host.services.main_process("tower") not in (None, process))
    agents.wait_until_serving(host)


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGKILL])
def test_no_line_is_lost_and_none_is_kept_twice_while_the_agent_restarts(
    agents: LabAgents, with_signal: signal.Signals
) -> None:
    first, second, _ = agents.hosts
    name = f"writer-{with_signal.name.lower()}"
    # Both streams at once, so that lines of the same moment are in either order.
    script = "i=0; while [ $i -lt 4000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done; sleep 1000"
    run(first, name, "sleep 2; " + script)
    agents.wait("lines are kept", lambda: len(texts_of(agents, first, containers=name)) > 0)
    end_agent(agents, first, with_signal)
    wanted = {f"{stream} {number}" for stream in ("out", "err") for number in range(4000)}
    agents.wait(
        "all lines are kept",
        lambda: set(texts_of(agents, second, containers=name)) >= wanted,
        tell=lambda: f"{len(texts_of(agents, second, containers=name))} of {len(wanted)}",
    )
    kept = texts_of(agents, second, containers=name)
    assert len(kept) == len(wanted)
    assert [text for text in kept if text.startswith("out")] == [f"out {number}" for number in range(4000)]


def test_what_a_removed_container_wrote_is_found_from_the_other_host_with_what_happened_to_it(
    agents: LabAgents,
) -> None:
    first, second, _ = agents.hosts
    made = run(
        second,
        "nightly",
        'echo \'{"level":"error","msg":"no such table"}\'; echo plain; exit 3',
        com_docker_compose_project="shop",
        com_docker_compose_service="import",
    )
    agents.wait(
        "it is kept",
        lambda: len(lines_of(agents, first, containers="nightly", streams="event")) >= 2,
    )
    second.engine.request("DELETE", f"/containers/{made}?force=true")
    agents.wait(
        "it is known to be gone",
        lambda: not agents.client(first).get("/logs/sources", containers=made)["sources"][0]["is_present"],
    )
    by_service = texts_of(agents, first, services="shop.import")
    assert by_service == ['{"level":"error","msg":"no such table"}', "plain"]
    assert texts_of(agents, first, projects="shop", level="error") == by_service[:1]
    assert texts_of(agents, first, q=r"no such \w+$", regex=True) == []
    assert texts_of(agents, first, q=r"no such \w+", regex=True) == by_service[:1]
    events = [line["event"] for line in lines_of(agents, first, containers=made, streams="event")]
    assert [event["event"] for event in events] == ["start", "die", "destroy"]
    assert events[1]["exit_code"] == 3
    stream = list(agents.client(first).lines(f"/logs/{made}", tail="all"))
    assert [line["text"] for line in stream] == by_service
    printed = agents.run(
        first,
        *("logs", "--service", "shop.import", "--level", "error", "--json", "--ca", str(CA)),
        secret={"TOWER_SERVER": url_of(first), "TOWER_TOKEN": agents.token},
    )
    assert [json.loads(line)["text"] for line in printed.splitlines()] == [
        by_service[0],
        "ended with exit code 3",
    ]


def test_lines_of_both_hosts_come_by_time_as_they_are_written(agents: LabAgents) -> None:
    first, second, _ = agents.hosts
    for number, host in enumerate((first, second)):
        run(
            host,
            f"ticker-{number}",
            f"while true; do echo tick {number}; sleep 0.2; done",
            tower_project="ticks",
        )
    agents.wait("both are known", lambda: len(_sources(agents, first)) == 2)
    stream = agents.client(first).lines("/logs/follow", projects="ticks")
    seen: list[tuple[int, str]] = []
    for message in stream:
        seen += [(line["at_us"], line["text"]) for line in message.get("lines", ())]
        if {text for _, text in seen} == {"tick 0", "tick 1"} and len(seen) > 10:
            break
    stream.close()  # type: ignore[attr-defined]  # it is a generator
    counted = agents.client(second).get("/logs/histogram", projects="ticks", since="5m", steps=5)
    assert sum(map(sum, counted["counts"])) >= len(seen)


def _sources(agents: LabAgents, host: Host) -> list[dict[str, Any]]:
    try:
        return list(agents.client(host).get("/logs/sources", projects="ticks")["sources"])
    except Exception as error:
        if "nothing is kept" in str(error):
            return []
        raise
