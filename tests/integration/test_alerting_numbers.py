"""Alerts of what is recorded, on a real host: a crash loop, memory that ran out, and a threshold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.lab import LabAgents, agents_on_a_lab

pytestmark = [pytest.mark.lab, pytest.mark.verify, pytest.mark.timeout(420)]

IMAGE = "demo/busybox:1"
# Without its last word the shell would become the sleep, and give its memory back.
HOG = "x=$(head -c 40000000 /dev/zero | tr '\\0' y); sleep 1000; true"


@pytest.fixture
def agents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabAgents]:
    with agents_on_a_lab("w", tmp_path_factory.mktemp("alerts"), hosts=1) as made:
        yield made


def test_what_is_recorded_every_minute_is_told_of_once_it_is_bad_for_long_enough(agents: LabAgents) -> None:
    (host,) = agents.hosts
    client = agents.client(host)
    rule = {"kind": "threshold", "metric": "memory_bytes", "kinds": ["container"], "above": 5_000_000}
    client.put("/alert-rules/hungry", {**rule, "names": ["eater"], "for_s": 60})

    def docker(*words: str) -> None:
        done = host.exec(["docker", "run", "-d", *words], timeout_s=30)
        assert done.returncode == 0, done.stderr

    docker("--name", "looping", "--restart", "always", IMAGE, "sh", "-c", "sleep 2; exit 1")
    docker("--name", "starved", "--memory", "20m", "--memory-swap", "20m", IMAGE, "sh", "-c", HOG)
    docker("--name", "eater", IMAGE, "sh", "-c", HOG)

    def alerts() -> dict[tuple[str, str], dict[str, Any]]:
        found = client.get("/alerts?state=all")["items"]
        return {(each["rule"], each["subject"]["name"]): each for each in found}

    expected = {("crash-loop", "looping"), ("out-of-memory", "starved"), ("hungry", "eater")}

    def are_told() -> bool:
        told = {key for key, each in alerts().items() if each["told_at_ms"] is not None}
        return expected <= told

    agents.wait(
        "all three are told",
        are_told,
        timeout_s=300,
        tell=lambda: f"{alerts()}\n{agents.log_of(host, 30)}",
    )
    found = alerts()
    assert "was started again" in found["crash-loop", "looping"]["text"]
    assert "used up its memory" in found["out-of-memory", "starved"]["text"]
    assert "memory use is" in found["hungry", "eater"]["text"]
    # The rehearsal sees in the record what the leader saw.
    tried = client.post("/alert-rules/hungry/test", {"days": 1})
    assert [each["subject"] for each in tried["firings"]] == ["eater"]

    host.exec(["docker", "rm", "-f", "eater"], timeout_s=30)
    agents.wait(
        "what is gone is over", lambda: alerts()["hungry", "eater"]["state"] == "resolved", timeout_s=300
    )
