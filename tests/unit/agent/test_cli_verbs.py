"""What the verbs ask of the REST interface, and what they make of the answers."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.cli.context import Context, load_contexts, save_contexts
from agent.cli.login import ca_fingerprint
from tests.support.cli_kit import Tower
from tests.support.stub_api import Answer, Request, StubApi

NODES = [
    {
        "id": "n_1",
        "name": "h1",
        "role": "voter",
        "status": "up",
        "status_reason": "",
        "is_draining": False,
        "is_leader": True,
        "address": "10.0.0.1",
        "api_address": "10.0.0.1:7443",
        "lag": 0,
        "containers": {"running": 2, "total": 3},
        "cpu_percent": 12.4,
        "memory_bytes": 1 << 30,
        "last_seen_ms": None,
    },
    {
        "id": "n_2",
        "name": "h2",
        "role": "voter",
        "status": "down",
        "status_reason": "no heartbeat for 3 s",
        "is_draining": False,
        "is_leader": False,
        "address": "10.0.0.2",
        "api_address": "10.0.0.2:7443",
        "lag": None,
        "containers": None,
        "cpu_percent": None,
        "memory_bytes": None,
        "last_seen_ms": None,
    },
]


@pytest.fixture
def api(api: StubApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubApi]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    api.answers["GET /nodes"] = Answer(body={"items": NODES, "next_cursor": None})
    yield api
    monkeypatch.undo()
    time.tzset()


def test_status_says_who_leads_and_what_may_be_lost(api: StubApi, tower: Tower) -> None:
    body = {
        "cluster_id": "c_1",
        "name": "prod",
        "leader_id": "n_1",
        "term": 3,
        "commit_index": 120,
        "applied_index": 119,
        "quorum": {"voters": 3, "healthy": 2, "can_lose": 0, "advice": "you can lose no more hosts"},
        "nodes": NODES,
        "disk_full": True,
    }
    api.answers["GET /cluster"] = Answer(body=body)
    alerts = [{"state": state} for state in ("firing", "silenced", "firing", "acknowledged")]
    api.answers["GET /alerts"] = Answer(body={"items": alerts, "next_cursor": None})
    status, out, _ = tower("status")
    assert status == 0
    assert out.splitlines()[:6] == [
        "cluster  prod",
        "leader   h1",
        "raft     term 3, committed 120, applied 119",
        "quorum   2 of 3 voters are well; you can lose no more hosts",
        "disk     full on the host that answers: it accepts no writes until there is room",
        "alerts   2 firing, 1 acknowledged: `tower alerts` says what is wrong",
    ]
    assert "no heartbeat for 3 s" in out
    assert json.loads(tower("status", "--json")[1]) == body
    api.answers["GET /cluster"] = Answer(body={**body, "leader_id": None})
    assert "none: nothing can be changed until a majority is back" in tower("status")[1]


def test_hosts_are_listed_and_found_by_name(api: StubApi, tower: Tower) -> None:
    _, out, _ = tower("node", "ls")
    assert out.splitlines()[1].split() == (
        ["h1", "up", "leader", "10.0.0.1", "2", "of", "3", "12%", "1.0", "GiB", "0", "-", "-"]
    )
    assert tower("node", "list")[1] == out
    sick = {**NODES[0], "status_reason": "3 heartbeats in a row", "problem": "Docker is not running"}
    api.answers["GET /nodes"] = Answer(body={"items": [sick, *NODES[1:]], "next_cursor": None})
    _, out, _ = tower("node", "ls")
    assert out.splitlines()[1].endswith("Docker is not running")
    api.answers["POST /nodes/n_2/drain"] = Answer(204)
    api.answers["DELETE /nodes/n_2"] = Answer(204)
    for words, said in (
        (("drain", "h2"), "h2 takes no new replicas; those it has are moving"),
        (("resume", "h2"), "h2 takes replicas again"),
        (("rm", "n_2"), "n_2 is removed from the cluster"),
    ):
        status, out, _ = tower("node", *words)
        assert (status, out.strip()) == (0, said)
    assert [request.body for request in api.requests if request.method == "POST"] == [
        {"draining": True},
        {"draining": False},
    ]
    status, _, err = tower("node", "rm", "h9")
    assert status == 1
    assert "there is no host 'h9'" in err
    assert "the cluster has h1, h2" in err


FORECAST = {
    "node_id": "n_2",
    "node_name": "h2",
    "summary": "1 container moves, 1 cannot (local volume)",
    "moves": [{"service_id": "shop.web", "ordinal": 0, "to_node": "h1"}],
    "stays": [
        {"service_id": "shop.db", "ordinal": 0, "kind": "local volume", "reason": "its volume is here"}
    ],
    "unmanaged": None,
}


def test_a_drain_says_what_moves_before_it_begins(api: StubApi, tower: Tower) -> None:
    api.answers["GET /nodes/n_2/drain-forecast"] = Answer(body=FORECAST)
    status, out, _ = tower("node", "drain", "h2", "--dry-run")
    assert status == 0
    assert [re.split(r"\s{2,}", line) for line in out.splitlines()[1:3]] == [
        ["shop.web", "0", "h1", "-"],
        ["shop.db", "0", "stays", "its volume is here"],
    ]
    assert out.splitlines()[3:] == [
        "h2: 1 container moves, 1 cannot (local volume)",
        "containers that are not managed here cannot be counted: the host does not answer",
    ]
    assert json.loads(tower("node", "drain", "h2", "--dry-run", "--json")[1]) == FORECAST
    assert "POST /nodes/n_2/drain" not in api.asked()
    api.answers["POST /nodes/n_2/drain"] = Answer(204)
    _, out, _ = tower("node", "drain", "h2")
    assert "h2: 1 container moves" in out
    assert out.splitlines()[-1] == "h2 takes no new replicas; those it has are moving"


def test_a_host_is_drained_even_when_nobody_can_say_what_moves(api: StubApi, tower: Tower) -> None:
    api.answers["POST /nodes/n_2/drain"] = Answer(204)
    status, out, err = tower("node", "drain", "h2")
    assert (status, out) == (0, "h2 takes no new replicas; those it has are moving\n")
    assert "what it moves cannot be told" in err


def test_labels_are_given_taken_and_shown(api: StubApi, tower: Tower) -> None:
    labelled = {**NODES[0], "labels": {"zone": "a", "disk": "ssd"}}
    api.answers["POST /nodes/n_1/labels"] = Answer(body=labelled)
    status, out, _ = tower("node", "label", "h1", "zone=a", "expr=x=y", "disk-")
    assert status == 0
    assert api.requests[-1].body == {"put": {"zone": "a", "expr": "x=y"}, "remove": ["disk"]}
    assert [line.split() for line in out.splitlines()[1:3]] == [["disk", "ssd"], ["zone", "a"]]
    assert out.splitlines()[3] == "from the host's own settings, and there to be removed: disk"
    status, _, err = tower("node", "label", "h1", "zone")
    assert status == 1
    assert "write zone=a to set it, zone- to remove it" in err
    api.answers["GET /nodes"] = Answer(body={"items": [{**NODES[0], "labels": {}}], "next_cursor": None})
    assert tower("node", "label", "h1")[1] == "h1 has no labels\n"


PLACEMENT = {
    "service_id": "shop.web",
    "rules": ["only where node.labels.zone == a"],
    "refusal": "no host can take it: h1 is full; h2 is down",
    "hosts": [
        {
            "node_id": "n_1",
            "node_name": "h1",
            "verdict": "refused",
            "ordinals": [0, 2],
            "reasons": ["is full"],
        },
        {"node_id": "n_2", "node_name": "h2", "verdict": "refused", "ordinals": [], "reasons": ["is down"]},
    ],
    "replicas": [
        {
            "ordinal": 0,
            "node_id": "n_1",
            "node_name": "h1",
            "reasons": ["its volume is here"],
            "objections": [],
        }
    ],
}


def test_a_services_placement_is_explained_in_two_tables(api: StubApi, tower: Tower) -> None:
    api.answers["GET /services/shop.web/placement"] = Answer(body=PLACEMENT)
    status, out, _ = tower("service", "explain", "shop.web")
    assert status == 0
    lines = [re.split(r"\s{2,}", line) for line in out.splitlines()]
    assert lines[0] == ["rule: only where node.labels.zone == a"]
    assert lines[2] == ["0", "h1", "its volume is here", "-"]
    assert lines[5:7] == [["h1", "refused", "0, 2", "is full"], ["h2", "refused", "-", "is down"]]
    assert out.splitlines()[-1] == "no host can take it: h1 is full; h2 is down"
    assert json.loads(tower("service", "explain", "shop.web", "--json")[1]) == PLACEMENT


def test_a_rebalance_shows_its_moves_and_what_comes_after(api: StubApi, tower: Tower) -> None:
    move = {"ordinal": 2, "from_node": "h1", "to_node": "h2", "reason": "h2 has 0 of its replicas, h1 3"}
    services = [
        {"service_id": "shop.web", "moves": [move], "refusal": ""},
        {"service_id": "blog.web", "moves": [move], "refusal": ""},
    ]
    api.answers["POST /rebalance"] = Answer(body={"dry_run": True, "services": services, "started": None})
    status, out, _ = tower("rebalance", "--dry-run")
    assert status == 0
    assert api.requests[-1].body == {"dry_run": True}
    assert re.split(r"\s{2,}", out.splitlines()[1]) == (
        ["shop.web", "2", "h1", "h2", "h2 has 0 of its replicas, h1 3"]
    )
    api.answers["POST /rebalance"] = Answer(
        body={"dry_run": False, "services": services, "started": "shop.web"}
    )
    _, out, _ = tower("rebalance")
    assert "shop.web is moving, each successor first" in out
    assert out.splitlines()[-1] == "the others wait their turn: run this again when it is done"


def test_what_is_not_rebalanced_says_why(api: StubApi, tower: Tower) -> None:
    services = [{"service_id": "shop.db", "moves": [], "refusal": "its volumes do not move"}]
    api.answers["POST /rebalance"] = Answer(body={"dry_run": False, "services": services, "started": None})
    status, out, _ = tower("service", "rebalance", "db")
    assert (status, out) == (0, "shop.db stays as it is: its volumes do not move\n")
    assert api.requests[-1].body == {"dry_run": False, "service": "db"}
    api.answers["POST /rebalance"] = Answer(body={"dry_run": True, "services": [], "started": None})
    assert "nothing to move" in tower("rebalance", "--dry-run")[1]


ADOPTED = {
    "service_id": "shop.web",
    "image": "demo/web:1",
    "digest": "",
    "route": "shop.example:8080",
    "replicas": [
        {"ordinal": 0, "node_name": "h1", "container_name": "shop-web-1", "container_id": "ab" * 32}
    ],
    "losses": ["CpuShares = 512"],
    "is_new": True,
}


def test_what_would_be_adopted_is_told_with_its_losses_and_with_what_is_against_it(
    api: StubApi, tower: Tower
) -> None:
    against = "shop-db-1 on h1: it is exited: start it first"
    body = {"dry_run": True, "services": [ADOPTED], "problems": [against], "next": "nothing was changed"}
    api.answers["POST /adoptions"] = Answer(body=body)
    status, out, _ = tower(
        "adopt", "shop", "--dry-run", "--route", "web=shop.example:8080", "--health", "/up"
    )
    assert status == 1
    assert api.requests[-1].body == {
        "names": ["shop"],
        "node": None,
        "routes": {"web": "shop.example:8080"},
        "health_path": "/up",
        "dry_run": True,
        "force": False,
    }
    assert out.splitlines() == [
        "shop.web: would be adopted, demo/web:1, reached as shop.example:8080",
        "  replica 0 is shop-web-1 (abababababab) on h1",
        "  will be lost at the next deploy: CpuShares = 512",
        f"against it: {against}",
        "nothing was changed",
    ]


def test_a_container_of_one_host_is_adopted_by_force_with_a_route_of_its_own(
    api: StubApi, tower: Tower
) -> None:
    body = {"dry_run": False, "services": [{**ADOPTED, "is_new": False}], "problems": [], "next": "done"}
    api.answers["POST /adoptions"] = Answer(body=body)
    status, out, _ = tower("adopt", "wiki", "--host", "h1", "--force", "--route", "wiki.example:80")
    assert status == 0
    sent = api.requests[-1].body
    assert (sent["node"], sent["force"], sent["routes"]) == ("h1", True, {"": "wiki.example:80"})
    assert out.startswith("shop.web: adopted already, ")


def test_a_join_token_is_printed_with_the_command_to_use_it(api: StubApi, tower: Tower) -> None:
    api.answers["POST /join-tokens"] = Answer(body={"id": "jt_1", "token": "TW1.x", "expires_at_ms": 1})
    _, out, _ = tower("token", "create", "--ttl", "2h", "--uses", "3", "--learner")
    assert api.requests[0].body == {"ttl_s": 7200, "uses": 3, "learner": True}
    assert "  tower join 10.0.0.1:7443 --token TW1.x" in out
    tokens = [{"id": "jt_1", "state": "usable", "uses_left": 2, "learner": False, "expires_at_ms": 0}]
    api.answers["GET /join-tokens"] = Answer(body={"items": tokens})
    assert (
        tower("token", "list")[1].splitlines()[1].startswith("jt_1  usable  2          voter     1970-01-01")
    )
    api.answers["DELETE /join-tokens/jt_1"] = Answer(204)
    assert tower("token", "revoke", "jt_1")[1] == "join token jt_1 is revoked\n"


def test_containers_are_listed_with_what_is_wrong_meanwhile(api: StubApi, tower: Tower) -> None:
    container = {
        "node_name": "h1",
        "name": "web-1",
        "image": "shop:1",
        "state": "running",
        "status": "Up 3 seconds",
        "health": "healthy",
        "cpu_percent": 3.14,
        "memory_bytes": 5 << 20,
        "ports": [{"host_port": 8080, "container_port": 80}, {"host_port": 0, "container_port": 9}],
    }
    problems = [{"node_id": "n_2", "node_name": "h2", "reason": "Docker is not running"}]
    api.answers["GET /containers"] = Answer(body={"items": [container], "problems": problems})
    status, out, err = tower("ps", "--node", "h1")
    assert status == 0
    heads, row = out.splitlines()
    assert heads.split() == ["NODE", "NAME", "IMAGE", "STATE", "STATUS", "CPU", "MEMORY", "PORTS"]
    assert re.split(r"\s{2,}", row) == (
        ["h1", "web-1", "shop:1", "healthy", "Up 3 seconds", "3.1%", "5.0 MiB", "8080->80"]
    )
    assert err == "note: h2: Docker is not running\n"
    assert api.requests[-1].query["node"] == "h1"
    assert api.requests[-1].query["state"] == "running"
    tower("ps", "--all")
    assert "state" not in api.requests[-1].query


def test_logs_go_to_the_stream_they_came_from(api: StubApi, tower: Tower) -> None:
    lines = [
        {"stream": "stdout", "at_ms": 0, "text": "out\x1b]0;evil\x07"},
        {"stream": "stderr", "at_ms": 1000, "text": "err"},
    ]
    content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    api.answers["GET /logs/web-1"] = Answer(content=content)
    _, out, err = tower("logs", "web-1", "-f", "--tail", "5", "--since", "10m", "--node", "h1")
    assert out == "out\N{REPLACEMENT CHARACTER}]0;evil\N{REPLACEMENT CHARACTER}\n"
    assert err == "err\n"
    assert api.requests[0].query == {
        "node": "h1",
        "tail": "5",
        "since": "600s",
        "follow": "true",
        "timestamps": "true",
    }
    assert json.loads(tower("logs", "web-1", "--json")[1].splitlines()[0]) == lines[0]


def test_containers_are_controlled_by_name(api: StubApi, tower: Tower) -> None:
    api.answers["POST /containers/web-1/restart"] = Answer(204)
    api.answers["DELETE /containers/web-1"] = Answer(204)
    api.answers["GET /containers/web-1"] = Answer(body={"Id": "x"})
    assert tower("container", "restart", "web-1", "--node", "h1")[1] == "web-1 is restarted\n"
    assert api.requests[-1].query == {"node": "h1"}
    assert tower("container", "rm", "web-1", "--force")[1] == "web-1 is removed\n"
    assert api.requests[-1].query == {"force": "true"}
    assert json.loads(tower("container", "inspect", "web-1")[1]) == {"Id": "x"}
    status, _, err = tower("container", "stop", "nobody")
    assert (status, "not found" in err) == (1, True)


# ---- deployments --------------------------------------------------------------------------------


def a_rollout(phase: str, progress: str = "") -> dict[str, Any]:
    return {"id": "ro_1", "service_id": "shop/web", "phase": phase, "progress": progress}


def a_deployment(*, changed: bool = True) -> dict[str, Any]:
    service = {"service_id": "shop/web", "revision": 2, "changed": changed}
    return {
        "project": "shop",
        "services": [{**service, "rollout_id": "ro_1"} if changed else service],
        "ignored": [{"path": "services.web.tty", "reason": "no terminal is attached"}],
        "warnings": ["web has no health check"],
    }


@pytest.fixture
def compose(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "compose.yaml").write_text("services: {web: {image: shop:2}}\n")
    return folder / "compose.yaml"


def test_a_deployment_is_followed_to_its_end(
    api: StubApi, tower: Tower, compose: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.cli.following.POLL_INTERVAL_S", 0)
    phases = iter(
        [
            a_rollout("running", "0 of 2 replicas on revision 2"),
            a_rollout("running", "1 of 2 replicas on revision 2"),
            a_rollout("succeeded", "2 of 2 replicas on revision 2"),
        ]
    )

    def progress(request: Request) -> Answer:
        return Answer(body=next(phases))

    api.answers["POST /deployments"] = Answer(202, a_deployment())
    api.answers["GET /rollouts/ro_1"] = progress
    status, out, err = tower("deploy", str(compose), "--variable", "TAG=2")
    assert status == 0
    assert out == "shop/web: revision 2\n"
    assert err.splitlines() == [
        "note: services.web.tty is ignored: no terminal is attached",
        "warning: web has no health check",
        "shop/web: running: 0 of 2 replicas on revision 2",
        "shop/web: running: 1 of 2 replicas on revision 2",
        "shop/web: succeeded: 2 of 2 replicas on revision 2",
    ]
    assert api.requests[0].body == {
        "compose": compose.read_text(),
        "project": "shop",
        "variables": {"TAG": "2"},
        "override_window": False,
        "dry_run": False,
        "strategy": None,
        "skip_analysis": False,
    }


@pytest.mark.parametrize("phase", ["failed", "rolled-back", "cancelled"])
def test_a_rollout_that_did_not_succeed_is_a_failed_command(
    api: StubApi, tower: Tower, compose: Path, phase: str
) -> None:
    api.answers["POST /deployments"] = Answer(202, a_deployment())
    reason = "replica 0 on h1 failed: no image shop:2 in the registry"
    api.answers["GET /rollouts/ro_1"] = Answer(body={**a_rollout(phase), "reason": reason})
    status, _, err = tower("deploy", str(compose))
    assert (status, err.splitlines()[-1]) == (1, f"  {reason}")
    assert json.loads(tower("deploy", str(compose), "--json")[1])["rollouts"][0]["phase"] == phase


def test_what_is_as_it_should_be_needs_no_rollout(api: StubApi, tower: Tower, compose: Path) -> None:
    api.answers["POST /deployments"] = Answer(202, a_deployment(changed=False))
    assert tower("deploy", str(compose))[1].splitlines() == [
        "shop/web: unchanged",
        "nothing to do: everything is as the file says",
    ]


def test_a_dry_run_and_no_wait_return_at_once(api: StubApi, tower: Tower, compose: Path) -> None:
    api.answers["POST /deployments"] = Answer(202, a_deployment())
    assert tower("deploy", str(compose), "--dry-run")[0] == 0
    assert api.requests[-1].body["dry_run"] is True
    assert tower("deploy", str(compose), "--no-wait")[0] == 0
    assert api.asked() == ["POST /deployments", "POST /deployments"]


def test_the_file_may_name_its_project_and_come_from_standard_input(
    api: StubApi, tower: Tower, compose: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answers["POST /deployments"] = Answer(202, a_deployment(changed=False))
    compose.write_text("name: other\nservices: {}\n")
    tower("deploy", str(compose))
    assert api.requests[-1].body["project"] is None
    tower("deploy", str(compose), "--project", "given")
    assert api.requests[-1].body["project"] == "given"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"services: {}\n")))
    tower("deploy", "-")
    assert api.requests[-1].body["project"] is None


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "No such file"), (b"\xff\xfe", "not UTF-8"), (b"x" * (1 << 20) + b"x", "larger than 1 MiB")],
)
def test_a_file_that_cannot_be_a_compose_file_is_not_sent(
    api: StubApi, tower: Tower, tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "compose.yaml"
    if content is not None:
        file.write_bytes(content)
    status, _, err = tower("deploy", str(file))
    assert status == 1
    assert said in err
    assert api.requests == []


def test_a_rollout_is_found_by_id_by_service_or_as_the_newest(api: StubApi, tower: Tower) -> None:
    api.answers["GET /rollouts"] = Answer(
        body={"items": [a_rollout("running"), {**a_rollout("failed"), "id": "ro_0"}]}
    )
    api.answers["GET /rollouts/ro_1"] = Answer(body=a_rollout("running", "1 of 2"))
    api.answers["GET /rollouts/shop%2Fweb"] = api.answers["GET /rollouts/ro_1"]
    api.answers["GET /rollouts/ro_0"] = Answer(body={**a_rollout("failed"), "id": "ro_0"})
    for words in ([], ["ro_1"], ["shop/web"]):
        status, out, _ = tower("rollout", "status", *words)
        assert status == 0
        assert out.startswith("rollout   ro_1 of shop/web\nphase     running: 1 of 2\n")
    assert tower("rollout", "status", "ro_0")[0] == 1
    status, _, err = tower("rollout", "status", "nope")
    assert (status, "not found" in err) == (1, True)
    api.answers["GET /rollouts"] = Answer(body={"items": []})
    assert "there was no rollout yet" in tower("rollout", "status")[2]
    api.answers["GET /rollouts"] = Answer(body={"items": [a_rollout("running"), a_rollout("failed")]})
    assert len(tower("rollout", "list")[1].splitlines()) == 3


def test_services_and_the_audit_are_listed(api: StubApi, tower: Tower) -> None:
    api.answers["GET /services"] = Answer(body={"items": []})
    assert "nothing is deployed" in tower("services")[1]
    service = {"id": "shop/web", "status": "healthy", "replicas_ready": 2, "replicas_wanted": 2}
    api.answers["GET /services"] = Answer(body={"items": [service]})
    assert "2 of 2" in tower("services")[1]
    entry = {
        "at_ms": 0,
        "actor": "ann",
        "action": "service.deploy",
        "resource": "shop/web",
        "decision": "allowed",
    }
    api.answers["GET /audit"] = Answer(body={"items": [entry], "next_cursor": None})
    _, out, _ = tower("audit", "--actor", "ann", "--limit", "5")
    assert out.splitlines()[1].split() == (
        ["1970-01-01", "00:00:00", "ann", "service.deploy", "shop/web", "allowed", "-", "-"]
    )
    assert api.requests[-1].query == {"limit": "5", "actor": "ann"}
    counted = {**entry, "actor": "", "decision": "denied", "outcome": "denied", "count": 40}
    failed = {**entry, "outcome": "failed", "count": 1}
    api.answers["GET /audit"] = Answer(body={"items": [counted, failed], "next_cursor": None})
    _, out, _ = tower("audit")
    assert "denied (40 times)" in out.splitlines()[1]
    assert "allowed, failed" in out.splitlines()[2]


def test_leaving_asks_before_and_waits_until_the_host_is_empty(api: StubApi, tower: Tower) -> None:
    api.answers["GET /health"] = Answer(body={"node_id": "n_2"})
    api.answers["GET /nodes/n_2"] = Answer(body=NODES[1])
    api.answers["POST /node/leave"] = Answer(204)
    status, _, err = tower("leave")
    assert (status, "confirm with --yes" in err) == (2, True)
    assert "POST /node/leave" not in api.asked()
    status, out, _ = tower("leave", "--yes")
    assert (status, out) == (0, "h2 has left the cluster\n")
    assert api.asked()[-1] == "POST /node/leave"


def test_leaving_asks_this_host_and_not_another_that_is_remembered(
    api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOWER_SERVER")
    monkeypatch.setattr("agent.cli.leave.DEFAULT_SERVER", "https://127.0.0.1:9")
    remembered = Context(name="default", servers=(api.url,), ca_pem=api.ca_file.read_text())
    save_contexts(load_contexts().with_context(remembered, make_current=True))
    status, _, err = tower("leave", "--yes")
    assert (status, api.asked()) == (1, [])
    assert "https://127.0.0.1:9" in err


# ---- logging in ---------------------------------------------------------------------------------


def test_logging_in_remembers_the_cluster_and_all_its_hosts(
    api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOWER_TOKEN")
    monkeypatch.delenv("TOWER_CA")
    monkeypatch.setenv("TOWER_PASSWORD", "hunter2")
    ca_pem = api.ca_file.read_text()
    api.answers["GET /ca"] = Answer(body={"ca_pem": ca_pem})
    api.answers["POST /auth/login"] = Answer(body={"access_token": "t1", "refresh_token": "r1"})
    fingerprint = ca_fingerprint(ca_pem)
    status, out, _ = tower("login", api.url, "--ca-fingerprint", f"SHA256:{fingerprint.upper()}")
    assert (status, out) == (0, f"logged in to {api.url} as admin\n")
    assert api.requests[1].body == {"name": "admin", "password": "hunter2", "mode": "token"}
    context = load_contexts().contexts["default"]
    assert context.servers == (api.url, "https://10.0.0.1:7443", "https://10.0.0.2:7443")
    assert (context.ca_pem, context.access_token, context.refresh_token) == (ca_pem, "t1", "r1")
    api.answers["GET /cluster"] = Answer(401, {"title": "x"})
    tower("status")
    assert api.requests[-2].headers["Authorization"] == "Bearer t1"


def test_a_ca_with_another_fingerprint_gets_nothing(
    api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOWER_CA")
    monkeypatch.setenv("TOWER_PASSWORD", "hunter2")
    api.answers["GET /ca"] = Answer(body={"ca_pem": api.ca_file.read_text()})
    status, _, err = tower("login", api.url, "--ca-fingerprint", "00" * 32)
    assert (status, "the CA at" in err) == (1, True)
    status, _, err = tower("login", api.url)
    assert (status, "--ca-fingerprint" in err) == (1, True)
    assert api.asked() == ["GET /ca", "GET /ca"]


def test_the_first_administrator_is_made_with_the_setup_token(
    api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a long pass phrase\n"))
    token = tmp_path / "setup"
    token.write_text("ST1.x\n")
    api.answers["POST /setup"] = Answer(204)
    api.answers["POST /auth/login"] = Answer(body={"access_token": "t1", "refresh_token": "r1"})
    assert tower("login", "--user", "ann", "--setup-token", f"@{token}")[0] == 0
    assert api.requests[0].body == {"token": "ST1.x", "name": "ann", "password": "a long pass phrase"}
