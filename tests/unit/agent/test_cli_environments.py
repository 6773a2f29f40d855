"""`tower environment`, `promote` and `validate`: what they ask for, and what they make of the answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.cli.validation_words import finding_line, plan_lines
from tests.support.cli_kit import Tower
from tests.support.stub_api import Answer, StubApi

SHOP = "name: shop\nservices: {web: {image: 'nginx:1'}}\n"
SETTINGS = {
    "hosts": ["h1"],
    "constraints": ["node.labels.tier == prod"],
    "registry": "",
    "replicas_min": 0,
    "replicas_max": 0,
    "quota_cpu_millis": None,
    "quota_memory_bytes": None,
    "quota_replicas": 10,
    "requires": "staging",
    "soak_s": 1800,
    "protected": True,
    "alerting": True,
    "alert_channel": "",
    "sample_interval_s": 0,
}
PRODUCTION = {
    "name": "production",
    "settings": SETTINGS,
    "on": ["h1"],
    "services": ["production.shop.web"],
    "used_cpu_millis": 500,
    "used_memory_bytes": 1 << 30,
    "used_replicas": 2,
    "is_put": True,
}
FINDING = {
    "check": "image",
    "level": "error",
    "service": "shop.web",
    "field": "",
    "rule": "h1 cannot have nginx:1",
    "hint": "check its name",
}
PLAN = {
    "service_id": "shop.web",
    "order": "beside",
    "reason": "canary",
    "batches": 1,
    "steps_permille": [50, 1000],
    "merged": "10 % is left out",
    "estimate_s": 130,
    "extra": [{"node_name": "h1", "containers": 2, "cpu_millis": 500, "memory_bytes": 1 << 20}],
    "drops": ["websockets are cut"],
}


@pytest.fixture
def api(api: StubApi) -> StubApi:
    api.answers["GET /environments"] = Answer(body={"items": [PRODUCTION], "next_cursor": None})
    return api


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "compose.yaml"
    path.write_text(SHOP)
    return str(path)


def validated(**fields: Any) -> Answer:
    body = {"errors": 0, "warnings": 0, "findings": [], "plan": [], "hosts": [], "ignored": [], **fields}
    return Answer(body=body)


def test_environments_are_listed_with_what_is_in_them(api: StubApi, tower: Tower) -> None:
    status, out, _ = tower("environment", "list")
    assert status == 0
    assert out.splitlines()[1].split() == ["production", "1", "h1", "staging", "yes", "-"]


def test_one_environment_says_what_is_used_of_what(api: StubApi, tower: Tower) -> None:
    api.answers["GET /environments/production"] = Answer(body=PRODUCTION)
    _, out, _ = tower("environment", "show", "production")
    assert "replicas    2 in all, of 10" in out
    assert "requires    staging, stable for 30m" in out
    assert "service     production.shop.web" in out


def test_what_is_not_given_of_an_environment_stays(api: StubApi, tower: Tower) -> None:
    api.answers["PUT /environments/production"] = Answer(body=PRODUCTION)
    status, _, _ = tower(
        "environment", "put", "production", "--soak", "2h", "--quota-memory", "16g", "--quota-cpus", "7.5",
        "--quota-replicas", "", "--hosts", "h2,h3", "--protected", "no",
    )  # fmt: skip
    assert status == 0
    assert api.requests[-1].body == {
        **SETTINGS,
        "soak_s": 7200,
        "quota_memory_bytes": 16 << 30,
        "quota_cpu_millis": 7500,
        "quota_replicas": None,
        "hosts": ["h2", "h3"],
        "protected": False,
    }


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("--soak", "soon", "--soak soon: a time is expected"),
        ("--quota-memory", "much", "--quota-memory much: a size is expected"),
        ("--quota-cpus", "all", "--quota-cpus all: a number of processors is expected"),
        ("--quota-replicas", "x", "--quota-replicas x: a number is expected"),
    ],
)
def test_a_value_that_is_none_is_said_before_anything_is_asked(
    api: StubApi, tower: Tower, flag: str, value: str, said: str
) -> None:
    status, _, err = tower("environment", "put", "production", flag, value)
    assert status == 2
    assert said in err
    assert "PUT /environments/production" not in api.asked()


def test_an_environment_is_removed(api: StubApi, tower: Tower) -> None:
    api.answers["DELETE /environments/qa"] = Answer(204)
    assert tower("environment", "remove", "qa")[1] == "environment qa is removed\n"


def test_promoting_without_a_file_sends_none(api: StubApi, tower: Tower) -> None:
    api.answers["POST /promotions"] = Answer(202, {"services": []})
    status, out, _ = tower("promote", "shop", "--from", "staging", "--to", "production", "--no-wait")
    assert (status, out) == (0, "")
    assert api.requests[-1].body == {
        "what": "shop",
        "to": "production",
        "from_environment": "staging",
        "file": None,
        "copy_values": False,
        "dry_run": False,
        "skip_analysis": False,
        "override_window": False,
    }


def test_promoting_with_a_file_renders_it_for_where_it_goes(api: StubApi, tower: Tower, file: str) -> None:
    api.answers["POST /promotions"] = Answer(202, {"services": []})
    tower("promote", "shop", "--to", "production", "-f", file, "--no-wait")
    sent = api.requests[-1].body
    assert sent is not None
    assert (sent["file"]["compose"], sent["file"]["environment"]) == (SHOP, "production")


def test_a_dry_run_that_would_be_refused_fails(api: StubApi, tower: Tower) -> None:
    api.answers["POST /promotions"] = Answer(200, {"services": [], "findings": [FINDING], "plan": [PLAN]})
    status, out, err = tower("promote", "shop", "--to", "production", "--dry-run")
    assert status == 1
    assert "error: image: shop.web: h1 cannot have nginx:1 (check its name)" in err
    assert "shop.web: beside, about 2m without pulls: canary" in out


@pytest.mark.parametrize(
    ("words", "answer", "status"),
    [
        ((), validated(), 0),
        ((), validated(warnings=1, findings=[{**FINDING, "level": "warning"}]), 0),
        (("--strict",), validated(warnings=1, findings=[{**FINDING, "level": "warning"}]), 1),
        ((), validated(errors=1, findings=[FINDING]), 1),
    ],
)
def test_validating_ends_as_the_deployment_would(
    api: StubApi, tower: Tower, file: str, words: tuple[str, ...], answer: Answer, status: int
) -> None:
    api.answers["POST /validations"] = answer
    assert tower("validate", file, "-e", "staging", *words)[0] == status
    assert api.requests[-1].body is not None
    assert api.requests[-1].body["environment"] == "staging"


def test_validating_tells_findings_plan_and_counts(api: StubApi, tower: Tower, file: str) -> None:
    hosts = [{"service_id": "shop.web", "ordinal": 0, "node_name": "h1", "is_new": True, "reason": ""}]
    api.answers["POST /validations"] = validated(errors=1, findings=[FINDING], plan=[PLAN], hosts=hosts)
    _, out, _ = tower("validate", file)
    assert out.splitlines()[0].startswith("error: image: shop.web")
    assert "h1" in out
    assert out.splitlines()[-1] == "1 error"


def test_a_finding_names_its_line() -> None:
    finding = {**FINDING, "service": "", "field": "services.web", "file": "c.yaml", "line": 3, "column": 5}
    assert finding_line(finding).startswith("c.yaml:3:5: error: image: services.web: ")


def test_a_plan_says_its_steps_and_what_it_takes_and_loses() -> None:
    assert plan_lines([PLAN, {**PLAN, "order": "none", "reason": "no container is made anew"}]) == [
        "shop.web: beside, about 2m without pulls: canary",
        "  steps     5% > 100%",
        "  merged    10 % is left out",
        "  meanwhile h1 has 2 containers more, 0.5 CPU and 1.0 MiB reserved",
        "  not kept  websockets are cut",
        "shop.web: no container is made anew",
    ]
