"""What of a service becomes its container: the engine's settings, environment, files; and what is refused."""

from __future__ import annotations

import pytest

from cluster.compose import InlineConfig
from cluster.model.container import (
    ContainerOptions,
    Device,
    LogDriver,
    RestartCondition,
    RestartRule,
    Ulimit,
)
from cluster.model.service import FileReference, PublishedPort, VolumeKind, VolumeMount
from tests.support.compose_kit import a_file, accepted, refused, the_service

SECRET = "secrets: {key: {external: true}}\n"


def options(keys: str) -> ContainerOptions:
    return the_service(a_file(keys)).spec.options


# ---- the engine's settings ------------------------------------------------------------------------


def test_nothing_that_is_not_said_is_set() -> None:
    assert options("") == ContainerOptions()


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("entrypoint: /init --fast", ContainerOptions(entrypoint=("/init", "--fast"))),
        ("entrypoint: []", ContainerOptions(entrypoint=())),
        ("user: 1000", ContainerOptions(user="1000")),
        ("working_dir: /app", ContainerOptions(working_dir="/app")),
        ("init: false", ContainerOptions(init=False)),
        ("read_only: true", ContainerOptions(is_read_only=True)),
        ("privileged: true", ContainerOptions(is_privileged=True)),
        ("cap_drop: [cap_net_raw, ALL, all]", ContainerOptions(cap_drop=("ALL", "NET_RAW"))),
        ("security_opt: ['no-new-privileges=true']", ContainerOptions(has_no_new_privileges=True)),
        ("security_opt: ['no-new-privileges:false']", ContainerOptions()),
        (
            "devices: ['/dev/fuse', '/dev/a:/dev/b:r']",
            ContainerOptions(
                devices=(
                    Device(source="/dev/fuse", target="/dev/fuse"),
                    Device(source="/dev/a", target="/dev/b", permissions="r"),
                )
            ),
        ),
        (
            "ulimits: {nproc: 512, memlock: -1, nofile: {soft: 1, hard: 2}}",
            ContainerOptions(
                ulimits=(
                    Ulimit(name="memlock", soft=-1, hard=-1),
                    Ulimit(name="nofile", soft=1, hard=2),
                    Ulimit(name="nproc", soft=512, hard=512),
                )
            ),
        ),
        ("sysctls: ['net.core.somaxconn=512']", ContainerOptions(sysctls=(("net.core.somaxconn", "512"),))),
        ("shm_size: 64m", ContainerOptions(shm_size_bytes=64 << 20)),
        ("oom_score_adj: -5", ContainerOptions(oom_score_adj=-5)),
        ("stop_signal: int", ContainerOptions(stop_signal="SIGINT")),
        (
            "extra_hosts: ['db:10.0.0.5', 'six=[::1]', 'host.docker.internal:host-gateway']",
            ContainerOptions(
                extra_hosts=(
                    ("db", "10.0.0.5"),
                    ("six", "::1"),
                    ("host.docker.internal", "host-gateway"),
                )
            ),
        ),
        (
            "extra_hosts: {db: [10.0.0.5, 10.0.0.6]}",
            ContainerOptions(extra_hosts=(("db", "10.0.0.5"), ("db", "10.0.0.6"))),
        ),
        ("dns: 10.0.0.2", ContainerOptions(dns=("10.0.0.2",))),
        (
            "logging: {driver: local, options: {max-size: 10m}}",
            ContainerOptions(log=LogDriver(name="local", options=(("max-size", "10m"),))),
        ),
        ("restart: no", ContainerOptions(restart=RestartRule(condition=RestartCondition.NONE))),
        ("restart: unless-stopped", ContainerOptions()),
        (
            "restart: on-failure:3",
            ContainerOptions(restart=RestartRule(condition=RestartCondition.ON_FAILURE, attempts_max=3)),
        ),
        (
            "restart: no\ndeploy: {restart_policy: {condition: any, delay: 5s, max_attempts: 2, window: 1m}}",
            ContainerOptions(restart=RestartRule(delay_ms=5_000, attempts_max=2, window_ms=60_000)),
        ),
    ],
)
def test_a_setting_of_the_engine_arrives(keys: str, expected: ContainerOptions) -> None:
    assert options(keys) == expected


@pytest.mark.parametrize(
    ("keys", "path", "rule"),
    [
        ("security_opt: [seccomp=unconfined]", "security_opt[0]", "take down walls"),
        ("security_opt: [label:disable]", "security_opt[0]", "take down walls"),
        ("sysctls: {kernel.panic: 1}", "sysctls", "only those a container has for itself"),
        ("sysctls: {vm.swappiness: 1}", "sysctls", "only those a container has for itself"),
        ("ulimits: {files: 1}", "ulimits.files", "there are"),
        ("ulimits: {nofile: {soft: 3, hard: 2}}", "ulimits.nofile", "above hard"),
        ("ulimits: {nofile: many}", "ulimits.nofile", "whole numbers"),
        ("cap_drop: ['NET ADMIN']", "cap_drop", "a capability such as"),
        ("devices: [dev/fuse]", "devices[0]", "an absolute path"),
        ("devices: ['/dev/a:/dev/b:q']", "devices[0]", "some of r, w and m"),
        ("working_dir: app", "working_dir", "an absolute path"),
        ("hostname: a b", "hostname", "letters, digits"),
        ("stop_signal: please", "stop_signal", "such as SIGTERM"),
        ("oom_score_adj: 2000", "oom_score_adj", "-1000 to 1000"),
        ("extra_hosts: [db]", "extra_hosts[0]", "write it as name:address"),
        ("logging: {options: {a: b}}", "logging", "driver is missing"),
        ("restart: sometimes", "restart", "on-failure"),
        (
            "deploy: {restart_policy: {condition: never}}",
            "deploy.restart_policy.condition",
            "any, on-failure",
        ),
        ("platform: arm", "platform", "linux/amd64"),
        ("pull_policy: never", "pull_policy", "pinned to its digest"),
        ("shm_size: big", "shm_size", "no size"),
        ("tmpfs: ['/run:uid=5']", "tmpfs[0]", "there are size and mode"),
        ("tmpfs: [run]", "tmpfs[0]", "absolute path"),
        ("expose: ['8080:80']", "expose[0]", "the container alone"),
    ],
)
def test_a_wrong_setting_is_refused_where_it_stands(keys: str, path: str, rule: str) -> None:
    (finding,) = refused(a_file(keys))
    assert finding.path == f"services.web.{path}"
    assert rule in str(finding)


# ---- ports and volumes ----------------------------------------------------------------------------


def test_a_port_that_is_published_is_not_exposed_twice() -> None:
    spec = the_service(a_file("ports: ['80:8080']\nexpose: [8080, '9000/udp']")).spec
    assert spec.ports[0] == PublishedPort(container_port=8080, host_port=80)
    assert [(port.container_port, port.host_port) for port in spec.ports[1:]] == [(9000, None)]


def test_memory_and_volumes_have_their_options_in_both_forms() -> None:
    spec = the_service(
        a_file(
            "tmpfs: '/run:size=16m,mode=0755'\n"
            "volumes: [{type: tmpfs, target: /a, tmpfs: {size: 1m, mode: 0700}},"
            " {target: /d, source: data, volume: {nocopy: true}}]"
        )
    ).spec
    assert spec.volumes == (
        VolumeMount(kind=VolumeKind.TMPFS, target="/a", memory_size_bytes=1 << 20, memory_mode=0o700),
        VolumeMount(kind=VolumeKind.VOLUME, target="/d", source="data", is_copy_off=True),
        VolumeMount(kind=VolumeKind.TMPFS, target="/run", memory_size_bytes=16 << 20, memory_mode=0o755),
    )


@pytest.mark.parametrize(
    ("volume", "rule"),
    [
        ("{type: bind, source: ./x, target: /x}", "means nothing on another host"),
        ("{type: tmpfs, source: x, target: /x}", "memory has no source"),
        ("{type: volume, target: /x, tmpfs: {size: 1m}}", "it is of type tmpfs, and this is of type volume"),
        ("{type: bind, source: /x, target: /x, bind: {propagation: shared}}", "'bind' is refused"),
        ("{type: cluster, target: /x}", "volume, bind or tmpfs is expected"),
    ],
)
def test_a_volume_that_makes_no_sense_is_refused(volume: str, rule: str) -> None:
    (finding,) = refused(a_file(f"volumes: [{volume}]"))
    assert rule in finding.rule


# ---- environment ----------------------------------------------------------------------------------


def test_files_of_variables_come_in_order_and_the_environment_wins() -> None:
    service = the_service(
        a_file("env_file: [a.env, {path: b.env}]\nenvironment: {C: own}"),
        files={"a.env": "A=1\nB=1\nC=1\n", "b.env": "B=2\nD=${TAG}\nE\n"},
        variables={"TAG": "7"},
    )
    assert dict(service.spec.environment) == {"A": "1", "B": "2", "C": "own", "D": "7"}


def test_a_name_alone_takes_its_value_from_the_variables() -> None:
    service = the_service(a_file("environment: [A, B=2]"), variables={"A": "1"})
    assert service.spec.environment == (("A", "1"), ("B", "2"))


def test_a_file_of_variables_that_was_not_sent_is_refused_unless_it_may_be_missing() -> None:
    (finding,) = refused(a_file("env_file: a.env"))
    assert "not sent along" in finding.rule
    assert the_service(a_file("env_file: [{path: a.env, required: false}]")).spec.environment == ()


def test_a_wrong_line_of_a_file_of_variables_is_named_without_its_content() -> None:
    (finding,) = refused(a_file("env_file: a.env"), files={"a.env": "A=1\nhunter2 hunter2\n"})
    assert "a.env, line 2" in finding.rule
    assert "hunter2" not in str(finding)


def test_a_secret_in_plain_text_is_pointed_at_and_one_by_reference_is_not() -> None:
    (warning,) = accepted(a_file("environment: {DB_PASSWORD: hunter2, PORT: 80}")).warnings
    assert "DB_PASSWORD stands here in plain text" in warning.rule
    assert "hunter2" not in str(warning)
    by_reference = a_file('environment: {DB_PASSWORD: "$P", DB_PASSWORD_FILE: /run/secrets/p}')
    assert accepted(by_reference, variables={"P": "x"}).warnings == ()


# ---- secrets and configs --------------------------------------------------------------------------


def test_secrets_are_files_under_their_usual_names() -> None:
    spec = the_service(a_file("secrets: [key]", top=SECRET)).spec
    assert spec.secrets == (FileReference(source="key", target="/run/secrets/key"),)


def test_a_secret_may_have_another_name_version_place_and_owner() -> None:
    top = "secrets: {key: {external: true, name: shop_key, x-tower: {version: 3}}}\n"
    keys = "secrets: [{source: key, target: here, uid: '1000', gid: 1000, mode: 0400}]"
    assert the_service(a_file(keys, top=top)).spec.secrets == (
        FileReference(
            source="shop_key", target="/run/secrets/here", version=3, uid=1000, gid=1000, mode=0o400
        ),
    )


def test_a_config_is_the_cluster_s_or_stands_in_the_file_or_beside_it() -> None:
    project = accepted(
        a_file(
            "configs: [site, motd, {source: page, target: /www/index.html}]",
            top='configs: {site: {external: true}, motd: {content: "hi ${WHO}"}, page: {file: ./p.html}}\n',
        ),
        variables={"WHO": "you"},
        files={"./p.html": "<html/>"},
    )
    assert project.services[0].spec.configs == (
        FileReference(source="site", target="/site"),
        FileReference(source="shop_motd", target="/motd"),
        FileReference(source="shop_page", target="/www/index.html"),
    )
    assert project.configs == (
        InlineConfig(key="motd", name="shop_motd", content="hi you"),
        InlineConfig(key="page", name="shop_page", content="<html/>"),
    )


@pytest.mark.parametrize(
    ("top", "keys", "words"),
    [
        ("", "secrets: [key]", "secret 'key' is not declared at the top"),
        ("secrets: {key: {}}\n", "secrets: [key]", "write external: true"),
        ("secrets: {key: {file: ./key}}\n", "secrets: [key]", "`tower secret put`"),
        ("secrets: {key: {environment: KEY}}\n", "secrets: [key]", "`tower secret put`"),
        ("configs: {c: {content: a, external: true}}\n", "configs: [c]", "external beside content"),
        ("configs: {c: {file: ./c}}\n", "configs: [c]", "not sent along"),
        (SECRET, "secrets: [{target: x}]", "source is missing"),
        (SECRET, "secrets: [{source: key, uid: app}]", "names of users are the image's"),
        (SECRET, "secrets: [{source: key, mode: 0666}]", "without write bits"),
        (SECRET, "secrets: [{source: key, mode: rw}]", "write them in octal"),
        (SECRET, "secrets: [key, key]", "two files are to be /run/secrets/key"),
    ],
)
def test_a_secret_or_config_that_cannot_be_is_one_finding_with_what_to_do(
    top: str, keys: str, words: str
) -> None:
    (finding,) = refused(a_file(keys, top=top))
    assert words in str(finding)


# ---- several services -----------------------------------------------------------------------------


def test_services_come_after_those_they_depend_on() -> None:
    project = accepted(
        "name: shop\nservices:\n  a: {image: a, depends_on: [z, b]}\n"
        "  b: {image: b, depends_on: {z: {condition: service_healthy}}}\n  z: {image: z}\n"
    )
    assert [service.name for service in project.services] == ["z", "b", "a"]
    assert {ignored.path for ignored in project.ignored} == {"services.a.depends_on", "services.b.depends_on"}


def test_a_dependency_that_is_not_there_or_goes_in_a_circle_is_refused() -> None:
    (absent,) = refused(a_file("depends_on: [db]"))
    assert absent.rule == "there is no service 'db' in the file"
    assert the_service(a_file("depends_on: {db: {required: false}}")).name == "web"
    (circle,) = refused("name: s\nservices: {a: {image: a, depends_on: [b]}, b: {image: b, depends_on: [a]}}")
    assert "in a circle" in circle.rule
