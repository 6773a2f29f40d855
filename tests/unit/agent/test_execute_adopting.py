"""From what an engine says of a container to the specification it could have been made from, and back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.docker.made_from import made_from
from agent.docker.render import render_container
from agent.execute.adopting import own_name, service_spec_of
from agent.execute.replica import container_spec
from agent.ports import ContainerSpec, MadeFrom
from cluster.model.container import ContainerOptions, LogDriver, RestartCondition, Ulimit
from cluster.model.service import (
    HealthCheck,
    PublishedPort,
    Resources,
    ServiceSpec,
    VolumeKind,
    VolumeMount,
)
from tests.support.host_kit import ADDRESS, a_replica

ID = "c" * 64
IMAGE = "registry.example/shop/web:1"
OWN = {"Env": ["PATH=/bin"], "Cmd": ["serve"], "Labels": {"vendor": "x"}, "User": "app"}
FULL = ServiceSpec(
    image=IMAGE,
    digest="sha256:" + "d" * 64,
    command=("serve", "--fast"),
    environment=(("LEVEL", "info"),),
    ports=(PublishedPort(container_port=8080, host_port=18080, host_ip="127.0.0.1"),),
    volumes=(
        VolumeMount(kind=VolumeKind.VOLUME, source="data", target="/data"),
        VolumeMount(kind=VolumeKind.BIND, source="/srv", target="/srv", is_read_only=True),
        VolumeMount(kind=VolumeKind.TMPFS, target="/tmp", memory_size_bytes=1024),
    ),
    healthcheck=HealthCheck(test=("CMD", "true"), interval_ms=2_000, timeout_ms=1_000, retries=5),
    resources=Resources(cpu_limit_millis=500, memory_limit_bytes=2**26, pids_limit=100),
    labels=(("team", "shop"),),
    stop_grace_period_ms=5_000,
    options=ContainerOptions(
        entrypoint=("/entry",),
        hostname="web",
        init=True,
        is_read_only=True,
        has_no_new_privileges=True,
        cap_add=("NET_ADMIN",),
        cap_drop=("ALL",),
        ulimits=(Ulimit(name="nofile", soft=1024, hard=2048),),
        sysctls=(("net.core.somaxconn", "100"),),
        shm_size_bytes=2**27,
        stop_signal="SIGINT",
        extra_hosts=(("db", "10.0.0.9"),),
        dns=("10.0.0.1",),
        log=LogDriver(name="json-file", options=(("max-size", "1m"),)),
    ),
)


def inspected(spec: ContainerSpec, **changes: Any) -> dict[str, Any]:
    """What the engine says of a container that was made as `spec` asks."""
    body = render_container(spec)
    host = {**body.pop("HostConfig"), **changes.pop("HostConfig", {})}
    networks = body.pop("NetworkingConfig", {}).get("EndpointsConfig", {})
    config = {"Hostname": ID[:12], **body, "Env": [*OWN["Env"], *body.get("Env", [])]}
    config["Labels"] = {**OWN["Labels"], **config.get("Labels", {})}  # type: ignore[dict-item]
    config.setdefault("Cmd", OWN["Cmd"])
    config.setdefault("User", OWN["User"])
    mounts = [
        {
            "Type": mount["Type"],
            "Name": mount.get("Source", "") if mount["Type"] == "volume" else "",
            "Source": mount.get("Source", ""),
            "Destination": mount["Target"],
            "RW": not mount.get("ReadOnly", False),
            "Driver": "local" if mount["Type"] == "volume" else "",
        }
        for mount in host.get("Mounts", [])
        if mount["Type"] != "tmpfs"
    ]
    return {
        "Id": ID,
        "Name": "/shop-web-1",
        "Image": "sha256:" + "1" * 64,
        "Config": {**config, **changes.pop("Config", {})},
        "HostConfig": host,
        "Mounts": changes.pop("Mounts", mounts),
        "NetworkSettings": {"Networks": networks},
    }


def image() -> dict[str, Any]:
    return {"Config": OWN, "RepoDigests": ["registry.example/shop/web@sha256:" + "d" * 64]}


def a_spec(**fields: Any) -> ContainerSpec:
    return ContainerSpec(**{"name": "x", "image": IMAGE, "networks": {"shop_default": ("web",)}, **fields})


def losses(spec: ContainerSpec | None = None, **changes: Any) -> tuple[str, ...]:
    return service_spec_of(made_from(inspected(spec or a_spec(), **changes), image()), "shop")[1]


def test_a_container_of_ours_reads_back_as_the_specification_it_was_made_from() -> None:
    made = container_spec(a_replica(FULL), token=1, address=ADDRESS)
    ours = {label: value for label, value in made.labels.items() if not label.startswith("tower.")}
    asked = replace(made, image=IMAGE, labels=ours, networks={"shop_default": ()})
    found = made_from(inspected(asked), image())
    assert service_spec_of(found, "shop") == (FULL, ())


def test_what_is_the_images_own_is_left_to_the_image() -> None:
    spec, lost = service_spec_of(made_from(inspected(a_spec()), image()), "shop")
    assert (spec.command, spec.environment, spec.labels, spec.options.user) == (None, (), (), "")
    assert lost == ()


@pytest.mark.parametrize(
    ("policy", "condition", "attempts"),
    [
        ("no", RestartCondition.NONE, 0),
        ("on-failure", RestartCondition.ON_FAILURE, 5),
        ("always", RestartCondition.ANY, 0),
    ],
)
def test_the_restart_policy_is_kept(policy: str, condition: RestartCondition, attempts: int) -> None:
    host = {"RestartPolicy": {"Name": policy, "MaximumRetryCount": 5 if policy == "on-failure" else 0}}
    found = made_from(inspected(a_spec(), HostConfig=host), image())
    rule = service_spec_of(found, "shop")[0].options.restart
    assert (rule.condition, rule.attempts_max) == (condition, attempts)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"HostConfig": {"CpuShares": 512}}, "CpuShares = 512"),
        ({"HostConfig": {"PidMode": "host"}}, "PidMode = host"),
        ({"HostConfig": {"Memory": 100, "MemorySwap": -1}}, "MemorySwap = -1"),
        ({"HostConfig": {"SecurityOpt": ["seccomp=unconfined"]}}, "security option seccomp=unconfined"),
        ({"HostConfig": {"AutoRemove": True}}, "that it is removed when it ends (--rm)"),
        ({"Config": {"Tty": True}}, "a terminal (tty)"),
        (
            {"Mounts": [{"Type": "volume", "Name": "e" * 64, "Destination": "/d", "RW": True}]},
            "what is in the volume without a name at /d",
        ),
        (
            {"Mounts": [{"Type": "volume", "Name": "other", "Destination": "/d", "RW": True}]},
            "what is in the volume other at /d: a replica's would be shop_other",
        ),
    ],
)
def test_what_a_specification_has_no_place_for_is_named(changes: dict[str, Any], words: str) -> None:
    assert losses(**changes) == (words,)


def test_other_networks_are_named() -> None:
    assert losses(a_spec(networks={"backend": ()})) == (
        "its place in the network backend: the services of a project share one of its own",
    )


def test_an_image_of_another_repository_gives_no_digest() -> None:
    made = MadeFrom(spec=a_spec(), image_digests=("elsewhere/web@sha256:" + "d" * 64,))
    assert service_spec_of(made, "shop")[0].digest == ""


def test_a_containers_name_becomes_one_of_a_project() -> None:
    assert own_name("My_Wiki.1") == "my_wiki-1"
