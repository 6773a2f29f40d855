"""Docker's JSON, as recorded from a real engine (tests/golden/docker), to our values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.docker import inspect
from agent.docker.inspect import ReplyMalformed
from agent.ports import ContainerState, Health, PortMapping

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "docker"
WEB = "0c83d476d3d6d6f812ebba919eb3d8b8db478a65966db89b753cf0a4cd4edbdb"


def recorded(name: str, api: str = "1.41") -> Any:
    return json.loads((GOLDEN / f"api-{api}" / name).read_text())


def recorded_lines(name: str) -> list[Any]:
    return [json.loads(line) for line in (GOLDEN / "api-1.41" / name).read_text().splitlines()]


def test_a_list_of_containers_is_sorted_by_name_with_state_and_health() -> None:
    frozen, quit_, web = inspect.parse_containers(recorded("containers.json"))
    assert [c.name for c in (frozen, quit_, web)] == ["frozen", "quit", "shop_web_1"]
    assert [c.state for c in (frozen, quit_, web)] == [
        ContainerState.PAUSED,
        ContainerState.EXITED,
        ContainerState.RUNNING,
    ]
    assert [c.health for c in (frozen, quit_, web)] == [Health.NONE, Health.NONE, Health.HEALTHY]
    assert (frozen.network_mode, web.network_mode) == ("host", "shop_default")


def test_a_listed_container_has_its_compose_place_ports_mounts_and_networks() -> None:
    web = inspect.parse_containers(recorded("containers.json"))[2]
    assert web.id == WEB
    assert web.compose is not None
    assert (web.compose.project, web.compose.service, web.compose.number) == ("shop", "web", 1)
    assert web.compose.config_files == ("/srv/shop/compose.yaml", "/srv/shop/compose.prod.yaml")
    assert web.compose.working_dir == "/srv/shop"
    assert web.ports[-1] == PortMapping(container_port=80, protocol="tcp", host_ip="::", host_port=8080)
    assert {(m.kind, m.source, m.target, m.read_only) for m in web.mounts} == {
        ("volume", "shop_data", "/data", False),
        ("bind", "/etc/hostname", "/etc/host-hostname", True),
    }
    assert [network.name for network in web.networks] == ["shop_default"]
    assert web.networks[0].ip_address.startswith("172.")


def test_an_inspected_container_tells_limits_policy_and_health_log() -> None:
    web = inspect.parse_container(recorded("container-running.json"))
    assert (web.name, web.state, web.health) == ("shop_web_1", ContainerState.RUNNING, Health.HEALTHY)
    assert web.pid > 0
    assert web.started_at_ms is not None
    assert web.finished_at_ms is None
    assert (web.memory_limit_bytes, web.cpu_limit, web.pids_limit) == (64 << 20, 0.5, 100)
    assert (web.stop_grace_s, web.restart_policy) == (7, "unless-stopped")
    assert web.environment["MODE"] == "prod"
    assert web.health_log[0].output == "fine\n"
    assert web.command == "sh -c echo out; echo err >&2; sleep 600"


def test_an_environment_is_not_in_the_repr() -> None:
    web = inspect.parse_container(recorded("container-running.json"))
    assert web.environment["PASSWORD"] == "hunter2"
    assert "hunter2" not in repr(web)


def test_an_exited_container_tells_how_it_ended() -> None:
    ended = inspect.parse_container(recorded("container-exited.json"))
    assert (ended.state, ended.exit_code, ended.pid) == (ContainerState.EXITED, 3, 0)
    assert ended.finished_at_ms is not None
    assert ended.memory_limit_bytes is None
    assert ended.cpu_limit is None


def test_images_volumes_networks_and_the_engine_itself_are_read() -> None:
    images = inspect.parse_images(recorded("images.json"))
    assert images[0].tags == ("127.0.0.1:5000/box:1", "tower-test/box:1")
    assert images[0].digests[0].startswith("127.0.0.1:5000/box@sha256:")
    one = inspect.parse_image(recorded("image.json"))
    assert (one.id, one.created_at_ms // 1000) == (images[0].id, images[0].created_at_ms // 1000)
    assert (one.labels, one.platform) == (images[0].labels, "linux/amd64")
    volumes = {volume.name: volume for volume in inspect.parse_volumes(recorded("volumes.json"))}
    assert volumes["shop_data"].compose_project == "shop"
    networks = {network.name: network for network in inspect.parse_networks(recorded("networks.json"))}
    assert networks["shop_default"].compose_project == "shop"
    assert networks["bridge"].subnets == ("172.17.0.0/16",)
    info = inspect.parse_info(recorded("info.json"), api_version="1.41")
    assert (info.version, info.cgroup_version, info.cgroup_driver) == ("20.10.24+dfsg1", 1, "cgroupfs")
    assert (info.root_dir, info.swarm_active) == ("/var/lib/docker", False)


def test_events_are_split_into_action_and_detail() -> None:
    events = [inspect.parse_event(line) for line in recorded_lines("events.ndjson")]
    actions = [(event.kind, event.action) for event in events if event.kind == "container"]
    assert ("container", "die") in actions
    assert ("container", "start") in actions
    [health] = [event for event in events if event.action == "health_status"]
    assert (health.detail, health.name, health.id) == ("healthy", "shop_web_1", WEB)
    assert health.at_ns > 1_700_000_000_000_000_000
    assert {event.action for event in events if event.action.startswith("exec")} == {
        "exec_create",
        "exec_start",
        "exec_die",
    }


def test_pull_progress_is_read() -> None:
    steps = [inspect.parse_progress(line) for line in recorded_lines("pull.ndjson")]
    assert (steps[0].status, steps[0].layer) == ("Pulling from box", "1")


def test_statistics_of_a_running_and_of_an_ended_container() -> None:
    usage = inspect.parse_usage(recorded("stats.json"))
    assert usage.cpu_ns is not None
    assert usage.cpu_ns > 0
    assert usage.memory_limit_bytes == 64 << 20
    assert usage.rx_bytes is not None
    ended = inspect.parse_usage(recorded("stats-exited.json"))
    assert (ended.cpu_ns, ended.memory_bytes, ended.rx_bytes, ended.pids) == (None, None, None, None)


def test_memory_is_the_working_set_and_never_negative() -> None:
    stats = {"memory_stats": {"usage": 100, "stats": {"total_inactive_file": 30, "inactive_file": 1}}}
    assert inspect.parse_usage(stats).memory_bytes == 70
    stats["memory_stats"]["stats"]["total_inactive_file"] = 200
    assert inspect.parse_usage(stats).memory_bytes == 0


def test_a_newer_engine_tells_health_in_lists_and_leaves_fields_out() -> None:
    [web] = inspect.parse_containers(recorded("containers.json", "1.52"))
    assert web.health is Health.UNHEALTHY
    [image] = inspect.parse_images(recorded("images.json", "1.52"))
    assert (image.tags, image.digests, image.labels) == ((), (), {})


def test_nothing_but_an_id_is_needed() -> None:
    [container] = inspect.parse_containers([{"Id": "a"}])
    assert (container.id, container.ports, container.compose) == ("a", (), None)
    assert inspect.parse_container({"Id": "a"}).restart_policy == "no"
    assert inspect.parse_image({"Id": "a"}).labels == {}


@pytest.mark.parametrize("reply", [None, 3, "text", [1], [{}], {"Id": 3}])
def test_a_reply_of_another_shape_is_malformed(reply: object) -> None:
    for parse in (inspect.parse_container, inspect.parse_image):
        with pytest.raises(ReplyMalformed):
            parse(reply)


def test_legacy_links_do_not_hide_the_own_name() -> None:
    [container] = inspect.parse_containers([{"Id": "a", "Names": ["/other/alias", "/own"]}])
    assert container.name == "own"


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01T00:00:01.000000001Z", 1_000_000_001),
        ("1970-01-01T01:00:01.5+01:00", 1_500_000_000),
        ("0001-01-01T00:00:00Z", None),
        ("2024-13-01T00:00:00Z", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_times_keep_their_nanoseconds(text: str, ns: int | None) -> None:
    assert inspect.parse_time_ns(text) == ns


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    )
)
def test_events_of_any_shape_are_read_or_malformed(reply: object) -> None:
    try:
        event = inspect.parse_event(reply)
    except ReplyMalformed:
        assert not isinstance(reply, dict)
    else:
        assert event.kind == ""
