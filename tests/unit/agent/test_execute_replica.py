"""A replica's container: its name, labels and specification."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from agent.execute.replica import (
    LABEL_CLUSTER,
    LABEL_CONFIG,
    LABEL_ORDINAL,
    LABEL_PROJECT,
    LABEL_REVISION,
    LABEL_ROLLOUT,
    LABEL_SERVICE,
    LABEL_TOKEN,
    config_hash,
    container_spec,
    parse_labels,
    route_port,
)
from agent.ports import ContainerSpec, HealthCheck, HostDevice, Mount, PortMapping, ProcessLimit
from cluster.model.container import ContainerOptions, Device, LogDriver, Ulimit
from cluster.model.service import (
    Fencing,
    FileReference,
    PortProtocol,
    PublishedPort,
    Resources,
    Route,
    ServiceSpec,
    VolumeKind,
    VolumeMount,
)
from cluster.model.service import HealthCheck as Check
from tests.support.host_kit import ADDRESS, CLUSTER, IMAGE, a_replica, name_of
from tests.support.state_builders import a_spec

DIGEST = "sha256:" + "ab" * 32
ROUTE = Route(host="shop.example", port=8080)
EVERYWHERE = PortMapping(container_port=8080, host_ip="0.0.0.0", host_port=0)  # noqa: S104  what is asked


def made(spec: ServiceSpec | None = None, *, address: str = ADDRESS, **fields: Any) -> ContainerSpec:
    return container_spec(a_replica(spec, **fields), token=7, address=address)


# ---- labels -----------------------------------------------------------------------------------


def test_a_container_says_by_its_labels_what_it_is_and_of_which_order() -> None:
    labels = made(rollout_id="ro_1", ordinal=2).labels
    assert labels == {
        LABEL_CLUSTER: CLUSTER,
        LABEL_SERVICE: "shop.web",
        LABEL_PROJECT: "shop",
        LABEL_REVISION: "1",
        LABEL_ORDINAL: "2",
        LABEL_TOKEN: "7",
        LABEL_CONFIG: config_hash(a_spec(IMAGE)),
        LABEL_ROLLOUT: "ro_1",
    }
    found = parse_labels(labels)
    assert found is not None
    assert (found.cluster_id, found.service_id, found.revision, found.ordinal, found.token) == (
        CLUSTER,
        "shop.web",
        1,
        2,
        7,
    )
    assert found.container_name == made(ordinal=2).name == name_of(2)


def test_labels_of_the_service_cannot_pass_for_ours() -> None:
    spec = a_spec(labels=((LABEL_CLUSTER, "other"), (LABEL_TOKEN, "99"), ("zone", "a")))
    labels = made(spec).labels
    assert (labels[LABEL_CLUSTER], labels[LABEL_TOKEN], labels["zone"]) == (CLUSTER, "7", "a")


@pytest.mark.parametrize(
    "change",
    [
        {LABEL_SERVICE: ""},
        {LABEL_TOKEN: ""},
        {LABEL_TOKEN: "-1"},
        {LABEL_REVISION: "one"},
        {LABEL_ORDINAL: "1.0"},
        {LABEL_TOKEN: "9" * 5000},  # int() refuses so many digits
        {LABEL_ORDINAL: "\u0661"},  # a digit, but none of ours
    ],
)
def test_a_container_with_other_labels_is_not_ours(change: dict[str, str]) -> None:
    labels = dict(made().labels)
    assert parse_labels(labels) is not None
    assert parse_labels({**labels, **change}) is None


@pytest.mark.parametrize("missing", [LABEL_SERVICE, LABEL_REVISION, LABEL_ORDINAL, LABEL_TOKEN])
def test_a_container_without_one_of_our_labels_is_not_ours(missing: str) -> None:
    labels = dict(made().labels)
    del labels[missing]
    assert parse_labels(labels) is None


# ---- ports ------------------------------------------------------------------------------------


def test_the_port_of_the_route_is_published_wherever_the_engine_likes() -> None:
    assert made(a_spec(route=ROUTE)).ports == (EVERYWHERE,)
    ports = made(a_spec(route=ROUTE), address="2001:db8::1").ports
    assert [port.host_ip for port in ports] == ["::"]


@pytest.mark.parametrize("host_ip", ["", "0.0.0.0", "::", ADDRESS])  # noqa: S104  what is asked
@pytest.mark.parametrize("host_port", [0, 80])
def test_a_port_that_other_hosts_reach_already_is_not_published_again(host_ip: str, host_port: int) -> None:
    port = PublishedPort(container_port=8080, host_port=host_port, host_ip=host_ip)
    assert made(a_spec(route=ROUTE, ports=(port,))).ports == (
        PortMapping(container_port=8080, host_ip=host_ip, host_port=host_port),
    )


@pytest.mark.parametrize(
    "port",
    [
        PublishedPort(container_port=8080, host_port=80, host_ip="127.0.0.1"),
        PublishedPort(container_port=8080),
        PublishedPort(container_port=8081, host_port=80),
        PublishedPort(container_port=8080, host_port=80, protocol=PortProtocol.UDP),
    ],
)
def test_a_port_that_other_hosts_do_not_reach_is_published_besides(port: PublishedPort) -> None:
    ports = made(a_spec(route=ROUTE, ports=(port,))).ports
    assert len(ports) == 2
    assert ports[1] == EVERYWHERE


def test_a_service_without_a_route_publishes_what_it_says_only() -> None:
    assert made(a_spec(route=None)).ports == ()


def test_the_port_where_a_replica_answers_is_the_one_other_hosts_reach() -> None:
    local = PortMapping(container_port=8080, host_ip="127.0.0.1", host_port=80)
    other = PortMapping(container_port=9090, host_ip="0.0.0.0", host_port=81)  # noqa: S104  what Docker shows
    datagrams = PortMapping(container_port=8080, protocol="udp", host_ip="", host_port=82)
    public = PortMapping(container_port=8080, host_ip="0.0.0.0", host_port=32768)  # noqa: S104  as above
    assert route_port((local, other, datagrams, public), ROUTE, ADDRESS) == 32768
    assert route_port((local, other, datagrams, EVERYWHERE), ROUTE, ADDRESS) == 0


# ---- all else ---------------------------------------------------------------------------------


def test_the_image_is_named_by_its_digest_so_that_all_hosts_run_the_same() -> None:
    assert made(a_spec("registry.example/web:1", digest=DIGEST)).image == f"registry.example/web@{DIGEST}"
    assert made(a_spec("registry.example/web:1")).image == "registry.example/web:1"
    pinned = f"registry.example/web@sha256:{'cd' * 32}"
    assert made(a_spec(pinned, digest=f"sha256:{'cd' * 32}")).image == pinned


def test_a_named_volume_belongs_to_the_project_and_other_mounts_are_as_written() -> None:
    spec = a_spec(
        volumes=(
            VolumeMount(kind=VolumeKind.VOLUME, target="/data", source="data"),
            VolumeMount(kind=VolumeKind.VOLUME, target="/scratch"),
            VolumeMount(kind=VolumeKind.BIND, target="/etc/app", source="/srv/app", is_read_only=True),
            VolumeMount(kind=VolumeKind.TMPFS, target="/tmp"),
        )
    )
    assert made(spec).mounts == (
        Mount(kind="volume", target="/data", source="shop_data"),
        Mount(kind="volume", target="/scratch"),
        Mount(kind="bind", target="/etc/app", source="/srv/app", read_only=True),
        Mount(kind="tmpfs", target="/tmp"),
    )


def test_services_of_a_project_know_each_other_by_name() -> None:
    assert made().networks == {"tower-shop": ("web",)}


def test_times_sizes_and_checks_are_handed_over_in_the_units_of_the_engine() -> None:
    spec = a_spec(
        stop_grace_period_ms=1500,
        command=("serve", "--now"),
        environment=(("A", "1"),),
        resources=Resources(
            cpu_limit_millis=250, memory_limit_bytes=64 << 20, memory_reservation_bytes=1, pids_limit=9
        ),
        healthcheck=Check(
            test=("CMD", "ok"), interval_ms=1500, timeout_ms=500, retries=2, start_period_ms=4000
        ),
    )
    found = made(spec)
    assert (found.stop_grace_s, found.command, found.environment) == (2, ("serve", "--now"), {"A": "1"})
    assert (found.cpu_limit, found.memory_limit_bytes, found.memory_reservation_bytes) == (0.25, 64 << 20, 1)
    assert found.pids_limit == 9
    assert found.health_check == HealthCheck(
        test=("CMD", "ok"), interval_s=1.5, timeout_s=0.5, start_period_s=4.0, retries=2
    )
    assert found.restart_policy == "unless-stopped"


def test_every_setting_of_the_engine_is_handed_over() -> None:
    options = ContainerOptions(
        entrypoint=("/init",),
        user="1000:1000",
        working_dir="/app",
        hostname="web",
        domainname="example.com",
        init=True,
        is_read_only=True,
        is_privileged=True,
        has_no_new_privileges=True,
        cap_add=("NET_ADMIN",),
        cap_drop=("ALL",),
        devices=(Device(source="/dev/a", target="/dev/b", permissions="r"),),
        group_add=("44",),
        ulimits=(Ulimit(name="nofile", soft=1, hard=2),),
        sysctls=(("net.core.somaxconn", "512"),),
        shm_size_bytes=1 << 20,
        oom_score_adj=100,
        stop_signal="SIGINT",
        extra_hosts=(("db", "10.0.0.5"),),
        dns=("10.0.0.1",),
        dns_search=("example.com",),
        dns_options=("ndots:1",),
        log=LogDriver(name="local", options=(("max-size", "10m"),)),
        platform="linux/amd64",
    )
    unused = {field.name for field in fields(ContainerOptions) if field.name != "restart"} - {
        name
        for name in ContainerOptions.__slots__
        if getattr(options, name) != getattr(ContainerOptions(), name)
    }
    assert not unused
    assert made(a_spec(IMAGE, options=options)) == replace(
        made(a_spec(IMAGE)),
        labels={**made().labels, LABEL_CONFIG: config_hash(a_spec(IMAGE, options=options))},
        entrypoint=("/init",),
        user="1000:1000",
        working_dir="/app",
        hostname="web",
        domainname="example.com",
        init=True,
        read_only=True,
        privileged=True,
        no_new_privileges=True,
        cap_add=("NET_ADMIN",),
        cap_drop=("ALL",),
        devices=(HostDevice(source="/dev/a", target="/dev/b", permissions="r"),),
        groups=("44",),
        process_limits=(ProcessLimit(name="nofile", soft=1, hard=2),),
        sysctls={"net.core.somaxconn": "512"},
        shm_size_bytes=1 << 20,
        oom_score_adj=100,
        stop_signal="SIGINT",
        extra_hosts=("db:10.0.0.5",),
        dns=("10.0.0.1",),
        dns_search=("example.com",),
        dns_options=("ndots:1",),
        log_driver="local",
        log_options={"max-size": "10m"},
        platform="linux/amd64",
    )


def test_a_mount_of_memory_has_its_size_and_mode_and_a_volume_may_begin_empty() -> None:
    volumes = (
        VolumeMount(kind=VolumeKind.TMPFS, target="/run", memory_size_bytes=1 << 20, memory_mode=0o700),
        VolumeMount(kind=VolumeKind.VOLUME, target="/data", source="data", is_copy_off=True),
    )
    assert made(a_spec(volumes=volumes)).mounts == (
        Mount(kind="tmpfs", target="/run", size_bytes=1 << 20, mode=0o700),
        Mount(kind="volume", target="/data", source="shop_data", no_copy=True),
    )


def test_nothing_is_limited_that_the_service_does_not_limit() -> None:
    found = made()
    assert (found.cpu_limit, found.memory_limit_bytes, found.health_check, found.command) == (None,) * 4


# ---- the hash that tells specifications apart -------------------------------------------------


def test_every_field_of_a_specification_is_in_its_hash() -> None:
    changes: dict[str, Any] = {
        "image": "other",
        "digest": DIGEST,
        "command": (),
        "environment": (("A", "1"),),
        "ports": (PublishedPort(container_port=1),),
        "volumes": (VolumeMount(kind=VolumeKind.TMPFS, target="/tmp"),),
        "healthcheck": Check(test=("NONE",)),
        "resources": Resources(cpu_limit_millis=1),
        "labels": (("a", "b"),),
        "stop_grace_period_ms": 1,
        "route": ROUTE,
        "secrets": (FileReference(source="key", target="/run/secrets/key", version=1),),
        "configs": (FileReference(source="key", target="/key", version=1),),
        "fencing": Fencing.STRICT,
        "options": ContainerOptions(user="app"),
    }
    assert changes.keys() == {field.name for field in fields(ServiceSpec)}
    plain = ServiceSpec(image="image")
    hashes = {config_hash(replace(plain, **{name: value})) for name, value in changes.items()}
    assert len(hashes | {config_hash(plain)}) == len(changes) + 1


def test_the_hash_tells_versions_of_a_secret_apart() -> None:
    hashes = {
        config_hash(a_spec(secrets=(FileReference(source="key", target="/key", version=version),)))
        for version in (1, 2)
    }
    assert len(hashes) == 2


def test_files_are_mounted_beside_the_volumes() -> None:
    volume = VolumeMount(kind=VolumeKind.TMPFS, target="/tmp")
    file = Mount(kind="bind", target="/run/secrets/key", source="/run/files/x/secret-0", read_only=True)
    spec = container_spec(a_replica(a_spec(volumes=(volume,))), token=7, address=ADDRESS, files=(file,))
    assert spec.mounts == (Mount(kind="tmpfs", target="/tmp"), file)


def test_a_field_that_a_newer_agent_adds_changes_no_hash_while_it_is_at_its_default() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class NewerResources(Resources):
        swap_limit_bytes: int | None = None

    @dataclass(frozen=True, slots=True, kw_only=True)
    class NewerSpec(ServiceSpec):
        resources: NewerResources = dataclasses.field(default_factory=NewerResources)
        runtime: str = ""
        capabilities: tuple[str, ...] = ()

    present = {field.name: getattr(a_spec(), field.name) for field in fields(ServiceSpec)}
    older = a_spec(resources=Resources(cpu_limit_millis=1))
    newer = NewerSpec(**{**present, "resources": NewerResources(cpu_limit_millis=1)})
    assert config_hash(newer) == config_hash(older)
    assert config_hash(replace(newer, runtime="app")) != config_hash(older)


def test_the_hash_is_the_same_in_every_version() -> None:
    """A change of it replaces every container of every cluster at the next upgrade."""
    spec = ServiceSpec(
        image="registry.example/web:1",
        digest=DIGEST,
        environment=(("A", "1"),),
        ports=(PublishedPort(container_port=80, host_port=8080),),
        route=ROUTE,
    )
    assert config_hash(spec) == "f4825c82e2d11d6af74569837175be1d"
