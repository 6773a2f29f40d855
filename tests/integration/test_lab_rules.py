"""What the lab decides before it touches the machine: names, addresses, packet rules, records, refusals."""

from __future__ import annotations

import gzip
import hashlib
import io
import ipaddress
import json
import os
import shutil
import sys
import tarfile
from pathlib import Path

import pytest

from tests.support.lab import (
    Builder,
    Cut,
    Direction,
    HealthCheck,
    Identity,
    Image,
    Lab,
    LabError,
    Layer,
    RequirementsMissing,
    faults,
    identify,
    plan,
    requirements,
    state,
)


def a_plan(subnet: str = "10.213.0.0/24") -> plan.Plan:
    return plan.Plan(
        prefix="twlab",
        subnet=ipaddress.IPv4Network(subnet),
        directories=plan.Directories.of("twlab", {}),
    )


# Names and addresses.


def test_a_host_has_its_number_in_name_address_and_ethernet_address() -> None:
    h2 = a_plan().host("h2")
    assert (h2.namespace, h2.link, str(h2.address), h2.mac) == (
        "twlab-h2",
        "twlab-h2",
        "10.213.0.12",
        "02:54:0a:d5:00:0c",
    )


@pytest.mark.parametrize("name", ["h0", "h51", "h01", "web", "h1 ", "", "H1"])
def test_a_name_that_no_host_can_have_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="no host of a lab"):
        a_plan().host(name)


@pytest.mark.parametrize("count", [0, 51, -1])
def test_a_number_of_hosts_that_cannot_be_is_refused(count: int) -> None:
    with pytest.raises(LabError, match=f"--hosts {count}"):
        plan.host_names(count)


@pytest.mark.parametrize("prefix", ["Tw", "1tw", "t", "waytoolong", "tw-lab", "tw/lab", "../etc"])
def test_a_prefix_that_would_not_do_as_a_name_is_refused(prefix: str) -> None:
    with pytest.raises(LabError, match="prefix"):
        Lab(prefix)


def test_every_interface_name_fits_in_what_the_kernel_takes() -> None:
    longest = plan.Plan(
        prefix="a" * 8,
        subnet=ipaddress.IPv4Network("10.213.0.0/24"),
        directories=plan.Directories.of("a", {}),
    )
    names = [longest.bridge, longest.registry.link, longest.host(f"h{plan.MAX_HOSTS}").link]
    assert max(len(name) for name in names) <= 15


def test_a_directory_too_deep_for_a_unix_socket_is_refused() -> None:
    with pytest.raises(LabError, match="Unix socket"):
        Lab("twlab", environ={"TOWER_LAB_DIR": "/tmp/" + "deep/" * 20})


def test_the_lab_takes_the_first_subnet_that_overlaps_nothing() -> None:
    taken = [ipaddress.IPv4Network(text) for text in ("10.213.0.0/23", "10.213.2.128/25", "192.168.0.0/16")]
    assert plan.choose_subnet(taken) == ipaddress.IPv4Network("10.213.3.0/24")


def test_a_machine_that_routes_everything_is_told_what_to_do() -> None:
    with pytest.raises(LabError, match="--subnet"):
        plan.choose_subnet([ipaddress.IPv4Network("10.0.0.0/8")])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10.77.5.0/25", "too small"),
        ("10.77.5.1/24", "not an IPv4 network"),
        ("elsewhere", "not an IPv4 network"),
        ("192.168.7.0/24", "already routes 192.168.0.0/16"),
    ],
)
def test_a_subnet_that_would_not_do_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(LabError, match=message):
        plan.parse_subnet(text, [ipaddress.IPv4Network("192.168.0.0/16")])


def test_the_hosts_file_names_every_host_a_lab_can_have() -> None:
    lines = a_plan().hosts_file().splitlines()
    assert "10.213.0.2 registry" in lines
    assert "10.213.0.11 h1" in lines
    assert "10.213.0.60 h50" in lines


# Packet rules.


def test_a_cut_of_everyone_drops_both_ways_for_host_and_containers() -> None:
    assert faults.render_cuts((Cut(direction=Direction.BOTH),), a_plan()) == (
        "*raw\n:LAB-CUT-IN - [0:0]\n-A LAB-CUT-IN -j DROP\nCOMMIT\n"
        "*mangle\n:LAB-CUT-OUT - [0:0]\n-A LAB-CUT-OUT -j DROP\nCOMMIT\n"
    )


def test_one_way_cuts_of_peers_with_loss_name_direction_and_share() -> None:
    cuts = (
        Cut(direction=Direction.TO, peer="h1"),
        Cut(direction=Direction.FROM, peer="root", loss_percent=12.5),
    )
    assert faults.render_cuts(cuts, a_plan()) == (
        "*raw\n:LAB-CUT-IN - [0:0]\n-A LAB-CUT-IN -s 10.213.0.11/32 -j DROP\nCOMMIT\n"
        "*mangle\n:LAB-CUT-OUT - [0:0]\n"
        "-A LAB-CUT-OUT -d 10.213.0.1/32 -m statistic --mode random --probability 0.125000 -j DROP\nCOMMIT\n"
    )


def test_no_cuts_empty_the_chains() -> None:
    assert "-A" not in faults.render_cuts((), a_plan())


def test_a_links_proxy_is_not_sent_to_itself() -> None:
    rules = faults.render_delays((state.Delay(peer="h3", delay_ms=1, jitter_ms=0),), a_plan(), {"h3": 64003})
    assert rules.splitlines()[2] == (
        "-A LAB-LINK -d 10.213.0.13/32 -p tcp -m mark ! --mark 0x7457 -j REDIRECT --to-ports 64003"
    )


# Records.


def test_what_a_lab_is_meant_to_be_is_read_as_it_was_written(tmp_path: Path) -> None:
    host = state.HostState(
        powered=False,
        cuts=(Cut(direction=Direction.TO, peer="h1", loss_percent=3.5), Cut(direction=Direction.BOTH)),
        delays=(state.Delay(peer="h2", delay_ms=50, jitter_ms=10),),
    )
    written = state.LabState(
        prefix="twlab",
        subnet=ipaddress.IPv4Network("10.213.4.0/24"),
        phase=state.Phase.UP,
        owner=Identity(12, 345),
        hosts={"h1": state.HostState(), "h2": host},
    )
    state.save(tmp_path / "deeper" / "lab.json", written)
    assert state.load(tmp_path / "deeper" / "lab.json") == written
    assert state.load(tmp_path / "none.json") is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": 99}', '{"format": 1}'])
def test_a_record_that_cannot_be_read_says_how_to_go_on(tmp_path: Path, content: str) -> None:
    file = tmp_path / "lab.json"
    file.write_text(content)
    with pytest.raises(LabError, match="tower lab down --force"):
        state.load(file)


def test_a_pid_that_was_given_away_again_is_another_process() -> None:
    ours = identify(os.getpid())
    assert ours is not None
    assert ours.is_alive
    before = Identity(ours.pid, ours.start_ticks - 1)
    assert not before.is_alive
    assert not before.signal(0)
    assert ours.signal(0)


# Images.


def test_a_layer_is_the_same_bytes_every_time_and_made_once(tmp_path: Path) -> None:
    files = {"etc/one": b"1", "srv/two": b"22"}
    first, other = Builder(tmp_path / "a").files_layer(files), Builder(tmp_path / "b").files_layer(files)
    assert (first.digest, first.diff_id) == (other.digest, other.diff_id)
    made_ns = first.path.stat().st_mtime_ns
    assert Builder(tmp_path / "a").files_layer(files) == first
    assert first.path.stat().st_mtime_ns == made_ns
    raw = gzip.decompress(first.path.read_bytes())
    assert first.diff_id == f"sha256:{hashlib.sha256(raw).hexdigest()}"
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        assert {member.name: member.mtime for member in tar} == {"etc/one": 0, "srv/two": 0}


def test_a_layer_that_was_damaged_in_the_cache_is_made_again(tmp_path: Path) -> None:
    builder = Builder(tmp_path)
    layer = builder.files_layer({"a": b"content"})
    whole = layer.path.read_bytes()
    layer.path.write_bytes(whole[:-1])
    assert builder.files_layer({"a": b"content"}).path.read_bytes() == whole


def test_an_images_configuration_holds_what_docker_reads() -> None:
    layer = Layer(path=Path("/none"), digest="sha256:b", diff_id="sha256:d", size_bytes=1)
    image = Image(
        reference="demo/x:1",
        layers=(layer,),
        command=("/bin/x",),
        environment={"B": "2", "A": "1"},
        ports=(80,),
        health_check=HealthCheck(test=("/bin/x", "check"), interval_s=0.5),
    )
    config = json.loads(image.configuration())
    assert config["rootfs"] == {"type": "layers", "diff_ids": ["sha256:d"]}
    assert config["config"]["Env"] == ["PATH=/bin", "A=1", "B=2"]
    assert config["config"]["ExposedPorts"] == {"80/tcp": {}}
    assert config["config"]["Healthcheck"]["Test"] == ["CMD", "/bin/x", "check"]
    assert config["config"]["Healthcheck"]["Interval"] == 500_000_000


# What the machine must have.


def test_everything_missing_is_named_in_one_message_with_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def which(program: str, path: str | None = None) -> str | None:
        return None if program in ("dockerd", "docker-init", "docker-registry", "gcc") else f"/bin/{program}"

    monkeypatch.setattr(shutil, "which", which)
    monkeypatch.setattr(requirements, "_privileges", list)
    monkeypatch.setattr(requirements, "static_busybox", lambda: None)
    with pytest.raises(RequirementsMissing) as refusal:
        requirements.check(Builder(tmp_path))
    assert str(refusal.value) == (
        "the lab needs dockerd, docker-init, docker-registry, a static busybox, gcc, a static C library; "
        "run: tower lab up --install (or: apt-get install -y --no-install-recommends busybox-static "
        "docker-registry docker.io gcc libc6-dev, and keep the packages' own daemons from starting)"
    )


def test_a_compiler_is_not_asked_for_once_the_application_is_in_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    builder = Builder(tmp_path)
    monkeypatch.setattr("tower_lab.images._compile", lambda _: b"program")
    builder.web_layer()
    monkeypatch.setattr(shutil, "which", lambda program, path=None: f"/bin/{program}")
    monkeypatch.setattr(requirements, "static_busybox", lambda: Path("/bin/busybox"))
    assert requirements.missing_programs(builder) == {}


def test_who_is_not_root_is_told_so_before_anything_is_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(RequirementsMissing, match=r"it needs root .* run it with sudo"):
        requirements.check(Builder(tmp_path))


def test_another_system_than_linux_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(RequirementsMissing, match="this is darwin"):
        requirements.check(Builder(tmp_path))


def test_a_root_without_its_rights_is_told_which_it_lacks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(requirements, "_effective_capabilities", lambda: 0xA80425FB)
    with pytest.raises(RequirementsMissing, match=r"root lacks CAP_NET_ADMIN.*--privileged"):
        requirements.check(Builder(tmp_path))
