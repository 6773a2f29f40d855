"""Files over files and environments: the merge of the Compose Specification, with every value's own place."""

from __future__ import annotations

import pytest

from cluster.compose import ComposeFile, ComposeProject, ComposeService, find_needs, parse
from tests.support.compose_kit import a_file, accepted, refused


def over(base: str, *keys: str) -> ComposeService:
    """The service of `base` with keys of further files laid over it."""
    overrides = [
        ComposeFile(text="services:\n  web:\n" + _indented(each), name=f"{n}.yaml")
        for n, each in enumerate(keys)
    ]
    (service,) = accepted(a_file(base), overrides=overrides).services
    return service


def _indented(keys: str) -> str:
    return "".join(f"    {line}\n" for line in keys.splitlines())


# ---- the rules ------------------------------------------------------------------------------------


def test_mappings_are_merged_and_single_values_replaced() -> None:
    service = over(
        "deploy: {replicas: 1, update_config: {monitor: 5s}}\nuser: a",
        "deploy: {replicas: 3, update_config: {delay: 1s}}\nuser: b",
    )
    assert (service.replicas, service.spec.options.user) == (3, "b")
    assert (service.policy.monitor_ms, service.policy.delay_ms) == (5_000, 1_000)


def test_lists_are_appended_without_repetition() -> None:
    assert over("group_add: [1, 2]", "group_add: [2, 3]").spec.options.group_add == ("1", "2", "3")
    assert over("dns: 10.0.0.1", "dns: [10.0.0.2]").spec.options.dns == ("10.0.0.1", "10.0.0.2")


@pytest.mark.parametrize("key", ["command", "entrypoint"])
def test_commands_are_replaced(key: str) -> None:
    service = over(f"{key}: [a, b]", f"{key}: [c]")
    assert ("c",) in (service.spec.command, service.spec.options.entrypoint)


def test_the_test_of_a_health_check_is_replaced_and_its_times_are_not() -> None:
    check = over(
        "healthcheck: {test: [CMD, a], retries: 7}", "healthcheck: {test: [CMD, b]}"
    ).spec.healthcheck
    assert check is not None
    assert (check.test, check.retries) == (("CMD", "b"), 7)


def test_pairs_are_merged_in_whichever_form_they_stand() -> None:
    service = over("environment: [A=1, B=1]\nlabels: {x: 1}", "environment: {B: 2, C: 3}\nlabels: [y=2]")
    assert service.spec.environment == (("A", "1"), ("B", "2"), ("C", "3"))
    assert service.spec.labels == (("x", "1"), ("y", "2"))


def test_a_port_is_the_same_in_both_forms() -> None:
    service = over("ports: ['80:8080', '9000']", "ports: [{target: 8080, published: 80}, '81:8080']")
    assert [(port.container_port, port.host_port) for port in service.spec.ports] == [
        (8080, 80),
        (9000, 0),
        (8080, 81),
    ]


def test_of_two_mounts_at_one_place_the_later_is_kept() -> None:
    service = over(
        "volumes: ['a:/data', 'b:/other']\ntmpfs: /run",
        "volumes: ['c:/data:ro', {target: /other, source: d}]\ntmpfs: ['/run:size=1m']",
    )
    assert [(volume.source, volume.target) for volume in service.spec.volumes] == [
        ("c", "/data"),
        ("d", "/other"),
        ("", "/run"),
    ]
    assert service.spec.volumes[2].memory_size_bytes == 1 << 20


def test_another_log_driver_takes_no_options_of_the_one_before() -> None:
    base = "logging: {driver: json-file, options: {max-size: 1m}}"
    same, other = (
        over(base, f"logging: {{driver: {name}, options: {{tag: x}}}}") for name in ("json-file", "local")
    )
    assert same.spec.options.log is not None
    assert other.spec.options.log is not None
    assert same.spec.options.log.options == (("max-size", "1m"), ("tag", "x"))
    assert other.spec.options.log.options == (("tag", "x"),)


def test_steps_are_an_order_of_events_and_are_replaced() -> None:
    route = "route: {host: a.example, port: 80}, strategy: canary"
    service = over(
        f"x-tower: {{{route}, canary: {{steps: [5, 50], keep: 1m}}}}", "x-tower: {canary: {steps: [20]}}"
    )
    assert [step.permille for step in service.policy.shift.canary.steps] == [200, 1000]
    assert service.policy.shift.canary.keep_ms == 60_000


def test_nothing_said_over_something_changes_nothing() -> None:
    assert over("ports: ['80']", "ports:").spec.ports != ()


def test_a_third_file_is_laid_over_the_second() -> None:
    assert over("user: a", "user: b", "user: c").spec.options.user == "c"


# ---- the tags -------------------------------------------------------------------------------------


def test_reset_takes_away_and_override_replaces_whole() -> None:
    service = over(
        "ports: ['80']\nenvironment: {A: 1, B: 2}\nuser: a",
        "ports: !reset []\nenvironment: !override {C: 3}\nuser: !reset null",
    )
    assert service.spec.ports == ()
    assert service.spec.environment == (("C", "3"),)
    assert service.spec.options.user == ""


def test_what_was_reset_can_be_said_again() -> None:
    assert over("user: a", "user: !reset null", "user: c").spec.options.user == "c"


def test_reset_takes_away_a_whole_service() -> None:
    text = a_file() + "  db: {image: db}\n"
    project = accepted(text, overrides=[ComposeFile(text="services: {db: !reset null}")])
    assert [service.name for service in project.services] == ["web"]


# ---- places ---------------------------------------------------------------------------------------


def test_a_finding_names_the_file_its_value_is_from() -> None:
    findings = refused(
        a_file("ports: [x]"),
        file="compose.yaml",
        overrides=[ComposeFile(text="services:\n  web:\n    ports: [y]\n    user: {}\n", name="prod.yaml")],
    )
    assert [(finding.file, finding.line, finding.path) for finding in findings] == [
        ("compose.yaml", 5, "services.web.ports[0]"),
        ("prod.yaml", 3, "services.web.ports[0]"),
        ("prod.yaml", 4, "services.web.user"),
    ]
    assert str(findings[1]).startswith("prod.yaml, line 3, column 13: services.web.ports[0]")


def test_a_file_that_is_no_yaml_is_named() -> None:
    (finding,) = refused(a_file(), overrides=[ComposeFile(text="a: [", name="prod.yaml")])
    assert finding.file == "prod.yaml"


def test_files_over_the_first_are_bounded() -> None:
    (finding,) = refused(a_file(), overrides=[ComposeFile(text="name: shop")] * 17)
    assert "more than 16 files" in finding.rule


# ---- environments ---------------------------------------------------------------------------------

STAGED = a_file("environment: [A=1]\ndeploy: {replicas: 6}") + (
    "x-tower-environments:\n"
    "  staging: {services: {web: {deploy: {replicas: 2}, environment: [B=$ONLY_STAGING]}}, requires: dev}\n"
    "  prod: {}\n"
)


def test_a_section_is_laid_over_the_file_where_it_is_deployed_to() -> None:
    (plain,) = accepted(STAGED).services
    (staging,) = accepted(STAGED, environment="staging", variables={"ONLY_STAGING": "x"}).services
    assert (plain.replicas, plain.spec.environment) == (6, (("A", "1"),))
    assert (staging.replicas, staging.spec.environment) == (2, (("A", "1"), ("B", "x")))


def test_variables_of_other_environments_are_not_asked_for() -> None:
    assert isinstance(parse(STAGED, environment="prod"), ComposeProject)
    (finding,) = refused(STAGED, environment="staging")
    assert finding.path == "x-tower-environments.staging.services.web.environment[0]"
    assert "ONLY_STAGING is not set" in finding.rule


def test_an_environment_the_file_does_not_speak_of_is_pointed_at() -> None:
    (warning,) = accepted(STAGED, environment="stagin").warnings
    assert "nothing is said of environment 'stagin' (there are staging, prod)" in str(warning)
    assert accepted(a_file(), environment="staging").warnings == ()


def test_a_section_may_change_services_secrets_and_configs_alone() -> None:
    (finding,) = refused(a_file() + "x-tower-environments: {dev: {serices: {}}}\n")
    assert "did you mean services?" in finding.hint


# ---- what a client sends along --------------------------------------------------------------------


def test_what_files_need_is_found_with_its_place() -> None:
    text = a_file(
        "env_file: ['${STAGE:-dev}.env', {path: b.env, required: false}]\nenvironment: [PASSED, A=$B]",
        top="configs: {page: {file: ./p.html}}\n",
    )
    needs = find_needs([ComposeFile(text=text, name="c.yaml")], {})
    assert needs.variables == {"STAGE", "PASSED", "B"}
    assert [(each.path, each.is_required) for each in needs.files] == [
        ("dev.env", True),
        ("b.env", False),
        ("./p.html", True),
    ]
    assert (needs.files[0].at.file, needs.files[0].at.line) == ("c.yaml", 6)


def test_of_a_file_that_cannot_be_read_only_the_variables_are_known() -> None:
    needs = find_needs([ComposeFile(text="a: [$TAG")], {})
    assert (needs.variables, needs.files) == ({"TAG"}, ())
