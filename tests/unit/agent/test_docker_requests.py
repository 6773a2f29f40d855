"""What we send to Docker, and what we make of its refusals."""

from __future__ import annotations

import base64
import json

import pytest

from agent.docker.engine import NEWEST_API, choose_api_version
from agent.docker.failures import login_refusal, pull_refusal, refusal
from agent.docker.references import is_image_id, parse_reference
from agent.docker.render import render_auth, render_container
from agent.ports import (
    ContainerNotFound,
    ContainerSpec,
    EngineRefused,
    HealthCheck,
    HostDevice,
    ImageNotFound,
    Mount,
    PortMapping,
    PortTaken,
    ProcessLimit,
    PullRefused,
    PullRefusedReason,
    RegistryAuth,
)

DIGEST = "sha256:" + "a" * 64


# ---- logins -------------------------------------------------------------------------------------


def test_a_refused_login_is_told_with_its_registry_and_user_and_what_to_do() -> None:
    error = pull_refusal("ghcr.io/a:1", 0, "unauthorized: bad password", registry="ghcr.io", username="ci")
    assert isinstance(error, PullRefused)
    assert error.reason is PullRefusedReason.AUTH
    assert "registry ghcr.io refused user ci" in str(error)
    assert "`tower registry login ghcr.io`" in str(error)


def test_a_registry_that_wants_a_login_is_told_with_the_command_that_gives_one() -> None:
    error = pull_refusal("ghcr.io/a:1", 500, "no basic auth credentials", registry="ghcr.io")
    assert "registry ghcr.io wants a login" in str(error)
    assert "`tower registry login ghcr.io`" in str(error)


@pytest.mark.parametrize(
    ("status", "message", "reason", "words"),
    [
        (401, "Get https://ghcr.io/v2/: unauthorized", PullRefusedReason.AUTH, "ghcr.io refused user ci"),
        (401, "login attempt failed with status: 401", PullRefusedReason.AUTH, "ghcr.io refused user ci"),
        (500, "dial tcp: lookup ghcr.io: no such host", PullRefusedReason.UNREACHABLE, "cannot reach"),
        (500, "x509: certificate signed by nobody", PullRefusedReason.TLS, "not trusted"),
        (500, "what now", PullRefusedReason.OTHER, "what now"),
    ],
)
def test_a_login_that_is_refused_is_told_from_one_that_could_not_be_tried(
    status: int, message: str, reason: PullRefusedReason, words: str
) -> None:
    error = login_refusal("ghcr.io", status, message, username="ci")
    assert (error.reason, error.status) == (reason, status)
    assert words in str(error)


# ---- creation -----------------------------------------------------------------------------------


def test_a_bare_container_leaves_every_default_to_the_engine() -> None:
    assert render_container(ContainerSpec(name="web", image="shop:1")) == {
        "Image": "shop:1",
        "HostConfig": {"RestartPolicy": {"Name": "no"}},
    }


def test_the_settings_of_a_container_are_in_dockers_words() -> None:
    spec = ContainerSpec(
        name="web",
        image="shop:1",
        domainname="example.com",
        no_new_privileges=True,
        devices=(HostDevice(source="/dev/a", target="/dev/b", permissions="r"),),
        groups=("44",),
        process_limits=(ProcessLimit(name="nofile", soft=1, hard=-1),),
        sysctls={"net.core.somaxconn": "512"},
        shm_size_bytes=1 << 20,
        oom_score_adj=100,
        dns=("10.0.0.1",),
        dns_search=("example.com",),
        dns_options=("ndots:1",),
        log_driver="json-file",
        log_options={"tag": "", "max-size": "10m"},
        mounts=(
            Mount(kind="tmpfs", target="/run", size_bytes=1 << 20, mode=0o700),
            Mount(kind="volume", source="data", target="/data", no_copy=True),
        ),
        health_check=HealthCheck(test=("CMD", "up"), start_interval_s=0.5),
    )
    body = render_container(spec)
    assert body["Domainname"] == "example.com"
    assert body["Healthcheck"] == {"Test": ["CMD", "up"], "StartInterval": 500_000_000}
    assert body["HostConfig"] == {
        "Mounts": [
            {"Type": "tmpfs", "Target": "/run", "TmpfsOptions": {"SizeBytes": 1 << 20, "Mode": 0o700}},
            {"Type": "volume", "Source": "data", "Target": "/data", "VolumeOptions": {"NoCopy": True}},
        ],
        "RestartPolicy": {"Name": "no"},
        "SecurityOpt": ["no-new-privileges:true"],
        "Devices": [{"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "r"}],
        "GroupAdd": ["44"],
        "Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": -1}],
        "Sysctls": {"net.core.somaxconn": "512"},
        "ShmSize": 1 << 20,
        "OomScoreAdj": 100,
        "Dns": ["10.0.0.1"],
        "DnsSearch": ["example.com"],
        "DnsOptions": ["ndots:1"],
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "tag": ""}},
    }


def test_options_of_a_log_driver_may_hold_a_token_and_are_in_no_repr() -> None:
    spec = ContainerSpec(name="a", image="b", log_driver="splunk", log_options={"splunk-token": "hunter2"})
    assert "hunter2" not in repr(spec)


def test_a_container_is_asked_for_in_dockers_words() -> None:
    spec = ContainerSpec(
        name="web",
        image="shop:1",
        command=("serve", "--port", "80"),
        environment={"B": "2", "A": "1"},
        labels={"tower.service": "web", "empty": ""},
        ports=(
            PortMapping(container_port=80, host_port=0),
            PortMapping(container_port=53, protocol="udp", host_ip="127.0.0.1", host_port=5353),
            PortMapping(container_port=9000),
        ),
        mounts=(
            Mount(kind="volume", source="data", target="/data"),
            Mount(kind="bind", source="/etc/x", target="/x", read_only=True),
            Mount(kind="tmpfs", target="/tmp"),
        ),
        networks={"front": ("web", "www"), "back": ()},
        health_check=HealthCheck(test=("CMD", "up"), interval_s=0.5, timeout_s=2, retries=3),
        stop_grace_s=30,
        memory_limit_bytes=64 << 20,
        cpu_limit=0.5,
        pids_limit=100,
        init=True,
        cap_drop=("ALL",),
    )
    assert render_container(spec) == {
        "Image": "shop:1",
        "Cmd": ["serve", "--port", "80"],
        "Env": ["A=1", "B=2"],
        "Labels": {"empty": "", "tower.service": "web"},
        "StopTimeout": 30,
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}, "9000/tcp": {}},
        "Healthcheck": {
            "Test": ["CMD", "up"],
            "Interval": 500_000_000,
            "Timeout": 2_000_000_000,
            "Retries": 3,
        },
        "HostConfig": {
            "NetworkMode": "front",
            "PortBindings": {"80/tcp": [{}], "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "5353"}]},
            "Mounts": [
                {"Type": "volume", "Source": "data", "Target": "/data"},
                {"Type": "bind", "Source": "/etc/x", "Target": "/x", "ReadOnly": True},
                {"Type": "tmpfs", "Target": "/tmp"},
            ],
            "RestartPolicy": {"Name": "no"},
            "Memory": 64 << 20,
            "NanoCpus": 500_000_000,
            "PidsLimit": 100,
            "Init": True,
            "CapDrop": ["ALL"],
        },
        "NetworkingConfig": {"EndpointsConfig": {"front": {"Aliases": ["web", "www"]}}},
    }


def test_an_empty_command_is_not_the_images_own() -> None:
    assert render_container(ContainerSpec(name="a", image="b", entrypoint=(), command=()))["Cmd"] == []


def test_an_environment_and_a_password_are_not_in_the_repr() -> None:
    assert "hunter2" not in repr(ContainerSpec(name="a", image="b", environment={"P": "hunter2"}))
    assert "hunter2" not in repr(RegistryAuth(username="u", password="hunter2"))


def test_a_login_is_sent_as_the_registry_header_wants_it() -> None:
    header = render_auth(RegistryAuth(username="u", password="p?>"), registry="registry.example.com")
    assert json.loads(base64.urlsafe_b64decode(header)) == {
        "username": "u",
        "password": "p?>",
        "serveraddress": "registry.example.com",
    }


# ---- references ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "repository", "registry", "version"),
    [
        ("nginx", "nginx", "docker.io", "latest"),
        ("nginx:1.27", "nginx", "docker.io", "1.27"),
        ("team/app:v1", "team/app", "docker.io", "v1"),
        ("registry:5000/demo/web:2", "registry:5000/demo/web", "registry:5000", "2"),
        ("localhost/app", "localhost/app", "localhost", "latest"),
        ("ghcr.io/o/app@" + DIGEST, "ghcr.io/o/app", "ghcr.io", DIGEST),
        ("ghcr.io/o/app:1@" + DIGEST, "ghcr.io/o/app", "ghcr.io", DIGEST),
        ("10.0.0.5:5000/a__b/c-d.e:x_y.z-1", "10.0.0.5:5000/a__b/c-d.e", "10.0.0.5:5000", "x_y.z-1"),
        ("[fd00::1]:5000/app:1", "[fd00::1]:5000/app", "[fd00::1]:5000", "1"),
    ],
)
def test_a_reference_has_a_repository_a_registry_and_a_version(
    text: str, repository: str, registry: str, version: str
) -> None:
    reference = parse_reference(text)
    assert reference is not None
    assert (reference.repository, reference.registry, reference.version) == (repository, registry, version)
    assert parse_reference(str(reference)) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "A",
        "a:",
        "a@sha256:1",
        "../a",
        "a/../b",
        "a//b",
        "a?b",
        "a/b:c/d",
        "a" * 600,
        "-a",
        "a b:1",
        "a#b",
    ],
)
def test_what_could_climb_out_of_a_path_is_no_reference(text: str) -> None:
    assert parse_reference(text) is None


def test_an_image_id_is_told_from_a_name() -> None:
    assert is_image_id(DIGEST)
    assert is_image_id("a" * 12)
    assert not is_image_id("deadbeef")
    assert not is_image_id("nginx:1")


# ---- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (404, "No such container: web", ContainerNotFound),
        (404, "Cannot kill container: web: No such container: web", ContainerNotFound),
        (404, "No such image: shop:1", ImageNotFound),
        (404, "network front not found", EngineRefused),
        (409, "You cannot remove a running container", EngineRefused),
        (500, "something new", EngineRefused),
    ],
)
def test_a_refusal_has_its_kind(status: int, message: str, kind: type[EngineRefused]) -> None:
    made = refusal(status, message)
    assert type(made) is kind
    assert made.status == status
    assert message in str(made)


@pytest.mark.parametrize(
    ("message", "port"),
    [
        (
            "driver failed programming external connectivity on endpoint web (ea2996): Bind for "
            "0.0.0.0:8080 failed: port is already allocated",
            8080,
        ),
        ("Error starting userland proxy: listen tcp4 0.0.0.0:80: bind: address already in use", 80),
        ("listen udp 127.0.0.1:53: bind: address already in use", 53),
        ("address already in use", None),
    ],
)
def test_a_port_in_use_is_named(message: str, port: int | None) -> None:
    made = refusal(500, message)
    assert isinstance(made, PortTaken)
    assert made.port == port


@pytest.mark.parametrize(
    ("status", "message", "reason"),
    [
        (
            404,
            "pull access denied for shop, repository does not exist or may require 'docker login': denied: "
            "requested access to the resource is denied",
            PullRefusedReason.AUTH,
        ),
        (500, 'Get "https://r/v2/": no basic auth credentials', PullRefusedReason.AUTH),
        (
            401,
            'Head "https://r/v2/a/manifests/1": unauthorized: authentication required',
            PullRefusedReason.AUTH,
        ),
        (
            500,
            'Get "http://127.0.0.1:4290/v2/": dial tcp: connect: connection refused',
            PullRefusedReason.UNREACHABLE,
        ),
        (500, 'Get "https://r/v2/": dial tcp: lookup r: no such host', PullRefusedReason.UNREACHABLE),
        (
            500,
            'Get "https://r/v2/": net/http: request canceled while waiting for connection (Client.Timeout '
            "exceeded while awaiting headers)",
            PullRefusedReason.UNREACHABLE,
        ),
        (500, 'Get "https://r/v2/": x509: certificate signed by unknown authority', PullRefusedReason.TLS),
        (500, "http: server gave HTTP response to HTTPS client", PullRefusedReason.TLS),
        (0, "no matching manifest for linux/arm64 in the manifest list entries", PullRefusedReason.PLATFORM),
        (429, "toomanyrequests: You have reached your pull rate limit", PullRefusedReason.RATE_LIMITED),
        (0, "write /var/lib/docker/tmp/x: no space left on device", PullRefusedReason.DISK_FULL),
        (500, "a message nobody has seen yet", PullRefusedReason.OTHER),
    ],
)
def test_a_refused_pull_has_its_reason(status: int, message: str, reason: PullRefusedReason) -> None:
    made = pull_refusal("shop:1", status, message)
    assert isinstance(made, PullRefused)
    assert made.reason is reason
    assert "shop:1" in str(made)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, "manifest for r:4290/shop:1 not found: manifest unknown: manifest unknown"),
        (404, "manifest unknown: OCI index found, but accept header does not support OCI indexes"),
        (500, "name unknown: repository name not known to registry"),
        (404, "something not there"),
    ],
)
def test_an_image_the_registry_lacks_is_not_found(status: int, message: str) -> None:
    assert isinstance(pull_refusal("r:4290/shop:1", status, message), ImageNotFound)


def test_a_refusal_is_one_bounded_line() -> None:
    assert str(refusal(500, "a\n\tb" + "x" * 5000)).startswith("a bx")
    assert len(str(refusal(500, "x" * 5000))) == 1000
    assert str(refusal(500, "")) == "the engine gave no reason"


# ---- versions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("newest", "oldest", "chosen"),
    [
        ("1.41", "1.12", "1.41"),
        ("1.47", "1.24", "1.47"),
        ("1.99", "1.44", f"{NEWEST_API[0]}.{NEWEST_API[1]}"),
        ("2.3", "2.1", "2.1"),
    ],
)
def test_the_newest_version_both_know_is_spoken(newest: str, oldest: str, chosen: str) -> None:
    assert choose_api_version(newest, oldest, engine="x") == chosen


@pytest.mark.parametrize("newest", ["1.40", "", "nonsense"])
def test_an_engine_that_is_too_old_is_refused_with_what_is_needed(newest: str) -> None:
    with pytest.raises(EngineRefused, match=r"too old: .* needs 1\.41 \(Docker 20\.10\) or newer"):
        choose_api_version(newest, "1.12", engine="19.03")
