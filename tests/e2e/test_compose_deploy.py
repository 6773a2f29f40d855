"""A Compose file with all that belongs to it, from a person's folder to a container on a real host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.lab import Host, agents_on_a_lab
from tests.support.shop import Shop

pytestmark = pytest.mark.lab

COMPOSE = """\
name: site
services:
  web:
    image: demo/busybox:${TAG:-1}
    command: ["sh", "-c", "echo $$MODE $$FROM_FILE; cat /page.html; trap exit TERM; sleep 100000 & wait"]
    env_file: web.env
    environment: {MODE: plain}
    configs: [{source: page, target: /page.html}]
    user: "1000:1000"
    read_only: true
    cap_drop: [ALL]
    security_opt: [no-new-privileges]
    ulimits: {nofile: 512}
    tmpfs: ["/run:size=1m"]
    stop_grace_period: 1s
    deploy: {update_config: {monitor: 0s}}
configs: {page: {file: ./page.html}}
x-tower-environments:
  staging: {services: {web: {environment: {MODE: staging}}}}
"""
OVER = "services:\n  web:\n    ulimits: !override {nofile: 256}\n    labels: {over: laid}\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    directory = tmp_path_factory.mktemp("site")
    with agents_on_a_lab("z", directory, hosts=1) as agents:
        yield Shop(agents.lab, agents, directory)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "site"
    made.mkdir()
    (made / "compose.yaml").write_text(COMPOSE)
    (made / "over.yaml").write_text(OVER)
    (made / "web.env").write_text("FROM_FILE=${GREETING}\n")
    (made / ".env").write_text("GREETING=hello\n")
    (made / "page.html").write_text("a page\n")
    return made


def container(host: Host, service: str) -> dict[str, Any]:
    """The one container of a service, as its engine has it."""
    (name,) = [
        each["Names"][0].removeprefix("/")
        for each in host.engine.get("/containers/json")
        if each["Labels"].get("tower.service") == service
    ]
    found: dict[str, Any] = host.engine.get(f"/containers/{name}/json")
    return found


def printed(host: Host, name: str) -> str:
    done = host.exec(
        ["docker", "-H", "unix:///run/docker.sock", "logs", name.removeprefix("/")], timeout_s=10
    )
    return done.stdout


def test_a_folder_becomes_a_container_with_all_that_its_files_say(site: Shop, folder: Path) -> None:
    site.tower("service", "lint", str(folder / "compose.yaml"), str(folder / "over.yaml"), "--strict")
    site.tower("deploy", str(folder / "compose.yaml"), "-f", str(folder / "over.yaml"))
    found = container(site.lab.hosts[0], "site.web")
    host = found["HostConfig"]
    assert found["Config"]["User"] == "1000:1000"
    assert found["Config"]["Labels"]["over"] == "laid"
    assert (host["ReadonlyRootfs"], host["CapDrop"]) == (True, ["ALL"])
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Ulimits"] == [{"Name": "nofile", "Soft": 256, "Hard": 256}]
    assert printed(site.lab.hosts[0], found["Name"]) == "plain hello\na page\n"

    again = site.tower("deploy", str(folder / "compose.yaml"), "-f", str(folder / "over.yaml"))
    assert "nothing to do" in again
    assert container(site.lab.hosts[0], "site.web")["Id"] == found["Id"]


def test_an_environment_gets_what_its_section_says(site: Shop, folder: Path) -> None:
    site.tower("deploy", str(folder / "compose.yaml"), "--environment", "staging")
    services = site.agents.client(site.lab.hosts[0]).items("/services")
    (staging,) = [each["id"] for each in services if "staging" in each["id"]]
    found = container(site.lab.hosts[0], staging)
    assert printed(site.lab.hosts[0], found["Name"]).startswith("staging hello\n")


def test_what_is_wrong_is_told_by_file_and_line_and_changes_nothing(site: Shop, folder: Path) -> None:
    (folder / "over.yaml").write_text("services:\n  web:\n    heathcheck: {}\n")
    refused = site.try_tower("deploy", str(folder / "compose.yaml"), str(folder / "over.yaml"))
    assert refused.returncode == 1
    assert "over.yaml, line 3, column 17: services.web.heathcheck" in refused.stderr
    assert "did you mean healthcheck?" in refused.stderr
