"""Files that are read for an environment: ids, and what of them is that environment's own."""

from __future__ import annotations

import pytest

from cluster.compose import Severity
from tests.support.compose_kit import a_file, accepted, refused, the_service

SECTIONS = (
    "x-tower-environments:\n"
    "  staging: {services: {web: {deploy: {replicas: 2}}}}\n"
    "  production: {services: {db: {image: postgres:17}}}\n"
)


def test_without_an_environment_an_id_is_project_and_service() -> None:
    assert the_service(a_file()).service_id == "shop.web"


def test_an_environment_is_a_part_of_the_id_and_of_the_scope() -> None:
    project = accepted(a_file(), environment="staging")
    assert project.services[0].service_id == "staging.shop.web"
    assert (project.scope, project.environment) == ("staging.shop", "staging")


@pytest.mark.parametrize("name", ["a.b", "-x", "Prod", "x" * 32])
def test_an_environment_s_name_fits_into_ids(name: str) -> None:
    (finding,) = refused(a_file(), environment=name)
    assert finding.path == "environment"
    assert "1 to 31 of a-z 0-9 -" in finding.rule


def test_what_is_too_long_together_is_refused() -> None:
    long = a_file().replace("name: shop", f"name: {'s' * 31}").replace("  web:", f"  {'w' * 31}:")
    accepted(long)
    (finding,) = refused(long, environment="staging")
    assert "has 71 characters, and an id at most 63" in finding.rule


def test_a_plain_service_is_the_same_everywhere() -> None:
    assert the_service(a_file("environment: {LEVEL: info}")).bound == ()


def test_what_variables_fill_is_the_environment_s_own() -> None:
    text = a_file("environment: {LEVEL: info, DB: 'db://${HOST}', TOKEN: }\nlabels: {at: '${HOST}'}")
    service = the_service(text, variables={"HOST": "h", "TOKEN": "t"})
    assert service.bound == ("environment.DB", "environment.TOKEN", "labels.at")


def test_a_tag_from_a_variable_is_what_is_promoted() -> None:
    text = a_file().replace("nginx:1", "nginx:${TAG}")
    assert the_service(text, variables={"TAG": "1.27"}).bound == ()


def test_files_of_variables_are_the_environment_s_own() -> None:
    assert the_service(a_file("env_file: web.env"), files={"web.env": "A=b\n"}).bound == ("env_file",)


def test_configs_with_variables_are_the_environment_s_own() -> None:
    top = "configs: {conf: {content: 'at ${HOST}'}, other: {content: 'at ${HOST}'}}\n"
    service = the_service(a_file("configs: [conf]", top=top), variables={"HOST": "h"})
    assert service.bound == ("configs.conf",)


@pytest.mark.parametrize("environment", ["", "staging", "production", "qa"])
def test_sections_of_a_service_are_remembered_whichever_is_applied(environment: str) -> None:
    service = the_service(a_file() + SECTIONS.split("  production")[0], environment=environment)
    assert service.bound == ("deploy.replicas",)


def test_sections_of_other_services_say_nothing_of_this_one() -> None:
    text = a_file().replace("  web:", "  db:\n    image: postgres:16\n  web:") + SECTIONS
    bound = {each.name: each.bound for each in accepted(text).services}
    assert bound == {
        "db": ("image",),
        "web": ("deploy.replicas",),
    }


@pytest.mark.parametrize(
    ("service", "path", "rule"),
    [
        ("image: postgres:16\nvolumes: ['pg:/data']", "image", "nothing here keeps it from running twice"),
        ("volumes: ['d:/data']\ndeploy: {replicas: 2}", "volumes", "a volume is on one host"),
        (
            "x-tower: {route: {host: a.example, port: 80}, drain: {timeout: 0s}}",
            "x-tower.drain.timeout",
            "are cut off",
        ),
        ("x-tower: {hooks: {pre_deploy: [{command: [migrate]}]}}", "x-tower.hooks.pre_deploy", "not undone"),
    ],
)
def test_what_is_better_changed_is_said_with_its_place(service: str, path: str, rule: str) -> None:
    text = a_file(service, top="volumes: {pg: {}, d: {}}\n")
    if service.startswith("image"):
        text = text.replace("    image: nginx:1\n", "", 1)
    (warning,) = accepted(text).warnings
    assert warning.path == f"services.web.{path}"
    assert rule in warning.rule
    assert warning.severity is Severity.WARNING


def test_a_health_check_that_asks_another_service_is_told_of() -> None:
    text = a_file("healthcheck: {test: curl -f http://db:5432/, interval: 2s}\n").replace(
        "  web:", "  db:\n    image: nginx:1\n  web:"
    )
    (warning,) = accepted(text).warnings
    assert "it asks db" in warning.rule


def test_a_health_check_of_the_service_itself_is_fine() -> None:
    text = a_file("healthcheck: {test: curl -f http://localhost/db, interval: 2s}\n").replace(
        "  web:", "  db:\n    image: nginx:1\n  web:"
    )
    assert accepted(text).warnings == ()


def test_secrets_of_sections_are_every_service_s() -> None:
    text = a_file() + "x-tower-environments: {staging: {secrets: {key: {external: true}}}}\n"
    assert the_service(text).bound == ("secrets",)
