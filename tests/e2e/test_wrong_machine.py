"""A full disk, images that are not to be had, a Docker that goes away: said, and over when it is over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent_process import form_cluster, wait_until
from tests.support.commanded_agent import DONE, REFUSED, CommandedAgent, differing, running
from tests.support.lab import Lab, a_lab, remove_abandoned, require_lab
from tests.support.small_disk import a_small_disk, fill

pytestmark = pytest.mark.timeout(240)

DISK_BYTES = 64 << 20
RESERVE_BYTES = 16 << 20


# ---- disk ----------------------------------------------------------------------------------------


def put(agent: CommandedAgent, token: str, key: str) -> tuple[int, Any]:
    path = f"/api/v1/settings/{key}"
    return agent.request("PUT", path, {"value": "x"}, token=token, timeout_s=30)


def is_disk_full(agent: CommandedAgent, token: str) -> bool:
    return bool(agent.request("GET", "/api/v1/cluster", token=token)[1]["disk_full"])


def test_alone_on_a_full_disk_writes_are_refused_in_words_and_reads_go_on_until_there_is_room(
    tmp_path: Path,
) -> None:
    with a_small_disk(tmp_path / "alpha", DISK_BYTES) as disk, running(tmp_path, "alpha") as (alpha,):
        alpha.settings["TOWER_LIMITS_DISK_FREE_BYTES_MIN"] = str(RESERVE_BYTES)
        alpha.init()
        alpha.start()
        token = alpha.login()
        assert put(alpha, token, "before")[0] == 200
        filler = fill(disk)
        wait_until("it has noticed", lambda: is_disk_full(alpha, token), alpha.tail)
        status, answer = put(alpha, token, "meanwhile")
        assert (status, "disk" in answer["detail"]) == (503, True), answer
        assert f"free space in {disk}" in answer["detail"], "what to do is said"
        status, answer = alpha.request("GET", "/api/v1/settings", token=token)
        assert (status, "before" in json.dumps(answer), "meanwhile" in json.dumps(answer)) == (
            200,
            True,
            False,
        )
        calls = [
            (partial(alpha.cli, "status", TOWER_TOKEN=token), DONE, "accepts no writes until there is room"),
            (partial(alpha.cli, "token", "create", TOWER_TOKEN=token), REFUSED, "disk"),
        ]
        assert not differing(calls)
        filler.unlink()
        wait_until("it writes again", lambda: put(alpha, token, "after")[0] == 200, alpha.tail)
        assert not is_disk_full(alpha, token)
        assert alpha.is_running


def test_a_leader_whose_disk_is_full_hands_over_and_catches_up_when_there_is_room(tmp_path: Path) -> None:
    with (
        a_small_disk(tmp_path / "alpha", DISK_BYTES) as disk,
        running(tmp_path, "alpha", "beta", "gamma") as (alpha, beta, gamma),
    ):
        alpha.settings["TOWER_LIMITS_DISK_FREE_BYTES_MIN"] = str(RESERVE_BYTES)
        token = form_cluster([alpha, beta, gamma])

        def leader(asked: CommandedAgent) -> str:
            answer = asked.request("GET", "/api/v1/cluster", token=token)[1]
            names = {node["id"]: node["name"] for node in answer["nodes"]}
            return str(names.get(answer["leader_id"], ""))

        assert leader(beta) == "alpha"
        filler = fill(disk)
        # The first write finds no room. Some are refused until another leads.
        wait_until("writes go on", lambda: put(beta, token, "meanwhile")[0] == 200, alpha.tail)
        assert leader(beta) in ("beta", "gamma")
        assert is_disk_full(alpha, token)
        assert not is_disk_full(beta, token)
        filler.unlink()

        def has_caught_up() -> bool:
            status, answer = alpha.request("GET", "/api/v1/settings", token=token)
            return status == 200 and "meanwhile" in json.dumps(answer)

        wait_until("alpha has what it missed", has_caught_up, alpha.tail)
        assert put(alpha, token, "after")[0] == 200


# ---- Docker --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def one_host() -> Iterator[Lab]:
    """A lab of one Docker host, and its registry."""
    require_lab()
    remove_abandoned()
    made = a_lab("w")
    try:
        made.up(1)
        yield made
    finally:
        made.down()


@pytest.fixture(scope="module")
def docked(one_host: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandedAgent]:
    """An agent of that host's Docker."""
    directory = tmp_path_factory.mktemp("docked")
    with running(directory, "alpha", docker_socket=str(one_host.hosts[0].docker_socket)) as (agent,):
        agent.init()
        agent.start()
        yield agent
        assert agent.is_running, agent.tail()


@pytest.mark.lab
def test_an_image_that_is_not_to_be_had_is_refused_before_anything_changes(
    docked: CommandedAgent, tmp_path: Path
) -> None:
    token = docked.login()
    images = {
        "registry:5000/demo/nothing:1": "check its name and tag, and that `docker pull` gets it",
        "registry:5000/demo/web:99": "no image registry:5000/demo/web:99 in the registry",
        "127.0.0.1:1/shop:1": "this host cannot reach the registry",
        "nowhere.invalid/shop:1": "this host cannot reach the registry",
        "not an image": "'not an image' is not an image reference, such as nginx:1.27",
        "registry:5000/demo/web@sha256:abc": "is not an image reference",
    }
    calls = []
    for number, (image, words) in enumerate(images.items()):
        file = tmp_path / f"{number}.yaml"
        file.write_text(f"name: shop\nservices:\n  web:\n    image: '{image}'\n")
        calls.append((partial(docked.cli, "deploy", str(file), TOWER_TOKEN=token), REFUSED, words))
    assert not differing(calls)
    services = docked.request("GET", "/api/v1/services", token=token)[1]["items"]
    assert not [service for service in services if service["id"].startswith("shop.")]


@pytest.mark.lab
def test_a_pinned_image_that_is_not_there_fails_its_rollout_with_the_reason(
    docked: CommandedAgent, tmp_path: Path
) -> None:
    token = docked.login()
    file = tmp_path / "pinned.yaml"
    image = f"registry:5000/demo/web@sha256:{'a' * 64}"
    file.write_text(f"name: pinned\nservices: {{web: {{image: '{image}'}}}}\n")
    status, said = docked.cli("deploy", str(file), TOWER_TOKEN=token)
    assert status == REFUSED, said
    assert f"alpha cannot have {image}" in said
    assert "nothing was changed" in said


@pytest.mark.lab
def test_a_docker_that_goes_away_is_said_once_and_its_return_is_noticed(
    docked: CommandedAgent, one_host: Lab
) -> None:
    token = docked.login()

    def problems() -> list[str]:
        answer = docked.request("GET", "/api/v1/containers", token=token)[1]
        return [problem["reason"] for problem in answer["problems"]]

    wait_until("Docker is there", lambda: problems() == [], docked.tail)
    seen = len(docked.events())
    one_host.kill(one_host.hosts[0].name)
    socket = str(one_host.hosts[0].docker_socket)
    wait_until("its absence is told", lambda: any(socket in each for each in problems()), docked.tail)
    assert not differing([(partial(docked.cli, "ps", TOWER_TOKEN=token), DONE, "note: alpha: ")])
    assert docked.status("/readyz") == 200
    one_host.start(one_host.hosts[0].name)
    wait_until("its return is noticed", lambda: problems() == [], docked.tail)
    said = [event["event"] for event in docked.events()[seen:] if event["event"].startswith("engine.")]
    assert said == ["engine.unavailable", "engine.available"]
