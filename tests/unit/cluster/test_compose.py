"""Compose files: what is understood, what is ignored with a reason, and what is refused by line and
column.
"""

from __future__ import annotations

import pytest

from cluster.compose import ComposeProject, parse
from cluster.model.service import HealthCheck, PortProtocol, PublishedPort, Resources, Route, VolumeKind
from tests.support.compose_kit import a_file, accepted, refused, the_service


def test_a_service_needs_no_more_than_an_image() -> None:
    service = the_service(a_file())
    assert (service.service_id, service.spec.image, service.replicas) == ("shop.web", "nginx:1", 1)
    assert service.spec.route is None
    assert service.policy.max_surge == 1


def test_every_supported_key_arrives_in_the_specification() -> None:
    service = the_service(
        a_file(
            """
command: serve --port 8080
environment: {B: 2, A: "one", EMPTY: }
ports: ["127.0.0.1:8080:80/udp", "443"]
volumes: ["data:/var/lib/data", "/srv/www:/www:ro"]
healthcheck: {test: [CMD, /up], interval: 1m30s, timeout: 500ms, retries: 5}
labels: ["team=web"]
stop_grace_period: 40s
deploy:
  replicas: 3
  resources: {limits: {cpus: "0.5", memory: 2g}, reservations: {memory: 512M}}
  update_config: {order: stop-first, parallelism: 2, monitor: 5s, failure_action: pause}
x-tower:
  route: {host: Shop.Example.com, port: 8080, health: /up}
  drain: {timeout: 10s}
"""
        )
    )
    spec = service.spec
    assert spec.command == ("serve", "--port", "8080")
    assert spec.environment == (("A", "one"), ("B", "2"), ("EMPTY", ""))
    assert spec.ports == (
        PublishedPort(container_port=80, protocol=PortProtocol.UDP, host_port=8080, host_ip="127.0.0.1"),
        PublishedPort(container_port=443, host_port=0),
    )
    assert [(volume.kind, volume.source, volume.is_read_only) for volume in spec.volumes] == [
        (VolumeKind.VOLUME, "data", False),
        (VolumeKind.BIND, "/srv/www", True),
    ]
    assert spec.healthcheck == HealthCheck(test=("CMD", "/up"), interval_ms=90_000, timeout_ms=500, retries=5)
    assert spec.labels == (("team", "web"),)
    assert spec.stop_grace_period_ms == 40_000
    assert spec.resources == Resources(
        cpu_limit_millis=500, memory_limit_bytes=2 * 1024**3, memory_reservation_bytes=512 * 1024**2
    )
    assert spec.route == Route(host="shop.example.com", port=8080, health_path="/up")
    policy = service.policy
    assert (service.replicas, policy.max_surge, policy.max_unavailable) == (3, 0, 2)
    assert (policy.monitor_ms, policy.drain_timeout_ms, policy.failure_action) == (5_000, 10_000, "pause")


def test_keys_without_a_meaning_here_are_listed_with_a_reason() -> None:
    project = accepted(a_file("tty: true\nnetworks: [front]", top='version: "3.9"\n'))
    assert {ignored.path for ignored in project.ignored} == {
        "version",
        "services.web.tty",
        "services.web.networks",
    }
    assert all(ignored.reason for ignored in project.ignored)


@pytest.mark.parametrize(
    ("keys", "path", "rule"),
    [
        ("userns_mode: host", "services.web.userns_mode", "refused"),
        ("network_mode: host", "services.web.network_mode", "refused"),
        ("heathcheck: {}", "services.web.heathcheck", "not known (did you mean healthcheck?)"),
        ("frobnicate: {}", "services.web.frobnicate", "not known (check the spelling"),
        ("ports: 7", "services.web.ports", "this is the number 7; a list is expected"),
        ("ports: true", "services.web.ports", "this is true; a list is expected"),
        ("command: {a: b}", "services.web.command", "this is a mapping; text is expected"),
        ("labels: !include []", "services.web.labels", "the tag !include has no meaning here (leave it out)"),
        ("labels: [!!python/name:os.system '']", "services.web.labels[0]", "!!python/name:os.system has no"),
        ("labels: 'one'", "services.web.labels", "this is the text 'one'; a mapping or a list"),
        ('ports: ["80-90:80"]', "services.web.ports[0]", "name each port"),
        ("ports: [70000]", "services.web.ports[0]", "1 to 65535"),
        ('volumes: ["./data:/data"]', "services.web.volumes[0]", "relative"),
        ("environment: [ONLY_A_NAME]", "services.web.environment[0]", "no value"),
        ("deploy: {replicas: many}", "services.web.deploy.replicas", "whole number"),
        ("stop_grace_period: soon", "services.web.stop_grace_period", "no duration"),
        ("healthcheck: {interval: 1s}", "services.web.healthcheck", "test is missing"),
        ("x-tower: {route: {host: a.example}}", "services.web.x-tower.route", "port missing"),
        ("x-tower: {rout: {}}", "services.web.x-tower.rout", "not known"),
        ("labels: {tower.service: x}", "services.web.labels", "Control Tower's own"),
        (
            "deploy: {resources: {limits: {memory: lots}}}",
            "services.web.deploy.resources.limits.memory",
            "no size",
        ),
    ],
)
def test_what_is_wrong_is_named_with_line_path_and_rule(keys: str, path: str, rule: str) -> None:
    (finding, *_) = refused(a_file(keys))
    assert finding.path == path
    assert rule in str(finding)
    assert finding.line == 5


def test_an_image_of_a_wrong_kind_is_one_thing_wrong_and_not_two() -> None:
    (finding,) = refused("name: shop\nservices: {web: {image: [nginx]}}")
    assert "this is a list; text is expected" in finding.rule


def test_a_tag_of_yaml_s_own_says_what_a_value_is() -> None:
    service = the_service(a_file("environment: {A: !!str 5, B: !!int 6}"))
    assert service.spec.environment == (("A", "5"), ("B", "6"))


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("name: shop\nservices:\n\tweb: {}\n", 3, 1, "indent with spaces"),
        ("name: shop\n  # \x07\n", 2, 5, "U+0007"),
        ("name: shop\nservices: [1, 2\n", 3, 1, "while parsing a flow sequence"),
        ("name: shop\nservices: {web: {image: a}}\nservices: {}", 3, 1, "line 2 has it"),
        ("name: shop\nservices: {}", 2, 11, "it needs at least one"),
    ],
)
def test_what_cannot_be_read_is_placed_by_line_and_column(
    text: str, line: int, column: int, words: str
) -> None:
    (finding,) = refused(text)
    assert (finding.line, finding.column) == (line, column)
    assert words in str(finding)


def test_all_findings_of_a_file_are_told_at_once_in_its_order() -> None:
    findings = refused(a_file("pid: host\nports: [x]\nstop_grace_period: soon"))
    assert [finding.line for finding in findings] == [5, 6, 7]


def test_a_file_without_a_name_takes_the_given_one() -> None:
    text = a_file().removeprefix("name: shop\n")
    project = parse(text, project="other")
    assert isinstance(project, ComposeProject)
    assert project.services[0].service_id == "other.web"
    assert "no name" in refused(text)[0].rule


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$TAG", "5"),
        ("${TAG}", "5"),
        ("${MISSING:-6}", "6"),
        ("${EMPTY:-7}", "7"),
        ("${EMPTY-7}", ""),
        ("${TAG:+8}", "8"),
        ("${MISSING:-${TAG}}", "5"),
        ("$$TAG", "$TAG"),
    ],
)
def test_variables_are_replaced_as_compose_does(text: str, value: str) -> None:
    service = the_service(a_file(f'environment: {{A: "{text}"}}'), variables={"TAG": "5", "EMPTY": ""})
    assert service.spec.environment == (("A", value),)


@pytest.mark.parametrize("text", ["${MISSING}", "${MISSING:?say which}", "${TAG", "$"])
def test_a_variable_that_is_not_set_or_malformed_is_refused(text: str) -> None:
    (finding,) = refused(a_file(f'environment: {{A: "{text}"}}'), variables={"TAG": "5"})
    assert finding.path == "services.web.environment.A"
    assert finding.line == 5


def test_a_finding_never_repeats_a_variable_s_value() -> None:
    for keys in (
        'environment: {A: "${SECRET}${MISSING}"}',
        "stop_grace_period: ${SECRET}",
        "ports: ${SECRET}",
        'ports: ["${SECRET}"]',
        'volumes: ["${SECRET}:${SECRET}:${SECRET}"]',
        "deploy: {replicas: ${SECRET}, resources: {limits: {memory: '${SECRET}', cpus: '${SECRET}'}}}",
        "healthcheck: {test: a, retries: ${SECRET}, interval: ${SECRET}}",
    ):
        findings = refused(a_file(keys), variables={"SECRET": "hunter2-hunter2"})
        assert not any("hunter2" in str(finding) for finding in findings), findings


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "empty"),
        ("a: [", "not YAML"),
        ("name: shop\nname: again\nservices: {}", "given twice"),
        ("services: []", "mapping"),
        ("name: shop\nservices: {}", "no services"),
        ("? [a]\n: b", "a key must be text"),
        ("!!python/object/apply:os.system [id]", "has no meaning here"),
        ("\x00", "not YAML"),
    ],
)
def test_a_document_that_is_none_is_refused(text: str, rule: str) -> None:
    assert any(rule in finding.rule for finding in refused(text))


def test_merged_mappings_and_aliases_are_followed() -> None:
    text = """
name: shop
x-common: &common
  image: nginx:1
  environment: {A: "1"}
services:
  one: {<<: *common}
  two: {<<: *common, image: nginx:2}
"""
    one, two = accepted(text).services
    assert (one.spec.image, two.spec.image) == ("nginx:1", "nginx:2")
    assert one.spec.environment == two.spec.environment == (("A", "1"),)


def test_a_file_that_expands_itself_is_refused() -> None:
    levels = "\n".join(f"x-{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 9))
    findings = refused(f"x-0: &l0 [a]\n{levels}\nname: shop\nservices: {{web: {{image: a}}}}")
    assert "values" in findings[0].rule
