"""The published schema and the parser: they know the same keys, and agree on files."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cluster.compose import ComposeProject, parse
from cluster.compose.schema import DIALECT, compose_schema
from cluster.compose.vocabulary import SECTIONS, Section
from tests.support.compose_example import EXAMPLE, EXAMPLE_FILES, SECTION_EXAMPLES

SCHEMA = compose_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
FILES = sorted(Path(__file__).parents[3].glob("packaging/**/*compose*.y*ml"))


def a_service(**keys: Any) -> dict[str, Any]:
    return {"name": "shop", "services": {"web": {"image": "nginx:1", **keys}}}


def is_taken(document: dict[str, Any]) -> bool:
    parsed = parse(yaml.safe_dump(document), files=EXAMPLE_FILES)
    return isinstance(parsed, ComposeProject)


def test_the_schema_is_a_schema_of_its_own_dialect() -> None:
    assert SCHEMA["$schema"] == DIALECT
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_every_reference_of_the_schema_leads_somewhere() -> None:
    used = set(_references(SCHEMA))
    assert used <= {f"#/$defs/{name}" for name in SCHEMA["$defs"]}
    assert {f"#/$defs/{name}" for name in SCHEMA["$defs"]} == used


def test_the_example_with_every_key_is_taken_by_both() -> None:
    document = yaml.safe_load(EXAMPLE)
    assert list(VALIDATOR.iter_errors(document)) == []
    parsed = parse(EXAMPLE, files=EXAMPLE_FILES)
    assert isinstance(parsed, ComposeProject), parsed


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_compose_files_of_this_project_are_taken_by_both(file: Path) -> None:
    text = file.read_text("utf-8")
    assert list(VALIDATOR.iter_errors(yaml.safe_load(text))) == []
    assert isinstance(parse(text, project="shop"), ComposeProject)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_every_key_of_the_vocabulary_is_in_the_schema_and_the_other_way(section: Section) -> None:
    properties = SCHEMA["$defs"][section.name]["properties"]
    assert properties.keys() == {*section.known, *section.ignored, *section.refused}
    assert all(properties[key].get("description") for key in properties)


@pytest.mark.parametrize(
    ("section", "key"),
    [(section, key) for section in SECTIONS for key in section.refused],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_what_is_refused_by_name_is_refused_by_both(section: Section, key: str) -> None:
    document = SECTION_EXAMPLES[section.name]({key: {"some": "thing"}})
    assert not VALIDATOR.is_valid(document)
    assert not is_taken(document)


@pytest.mark.parametrize(
    "keys",
    [
        {"heathcheck": {}},
        {"ports": 7},
        {"deploy": {"replicas": "many"}},
        {"deploy": {"replicas": -1}},
        {"deploy": {"update_config": {"order": "sideways"}}},
        {"deploy": {"update_config": {"delay": "soon"}}},
        {"deploy": {"mode": "global"}},
        {"stop_grace_period": "soon"},
        {"read_only": "perhaps"},
        {"shm_size": "big"},
        {"security_opt": ["seccomp=unconfined"]},
        {"x-tower": {"strategy": "sideways"}},
        {"x-tower": {"rout": {}}},
        {"x-tower": {"route": {"host": "a.example"}}},
        {"x-tower": {"route": {"host": "a.example", "port": 70000}}},
        {"x-tower": {"canary": {"steps": []}}},
        {"x-tower": {"canary": {"steps": [{"for": "5m"}]}}},
        {"x-tower": {"canary": {"steps": [200]}}},
        {"x-tower": {"analysis": True}},
        {"x-tower": {"analysis": {"budget": "200 percent"}}},
        {"x-tower": {"hooks": {"pre_deploy": [{"timeout": "1m"}]}}},
    ],
)
def test_what_is_wrong_in_form_is_refused_by_both(keys: dict[str, Any]) -> None:
    document = a_service(**keys)
    assert not VALIDATOR.is_valid(document)
    assert not is_taken(document)


@pytest.mark.parametrize(
    "keys",
    [
        {"deploy": {"replicas": "${N:-2}"}},
        {"stop_grace_period": "${GRACE:-10s}"},
        {"read_only": "${RO:-true}"},
        {"x-tower": {"progress_deadline": "${WAIT:-5m}", "retries": "${R:-2}"}},
        {"x-free": {"what": ["ever"]}},
    ],
)
def test_a_variable_stands_for_any_value(keys: dict[str, Any]) -> None:
    document = a_service(**keys)
    assert list(VALIDATOR.iter_errors(document)) == []
    assert is_taken(document)


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for inner in schema.values():
            yield from _references(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _references(inner)


# ---- every key does something -----------------------------------------------------------------

# Written down so that a file which Compose takes is taken here; each means what happens anyway.
WITHOUT_EFFECT = {
    ("service", "pull_policy"),
    ("deploy", "mode"),
    ("dependency", "condition"),
    ("dependency", "required"),
    ("dependency", "restart"),
    ("watch", "tag"),
}


def test_the_example_has_every_key_that_is_known() -> None:
    seen = {(section, key) for section, key, _ in _keys_in(yaml.safe_load(EXAMPLE), SCHEMA, ())}
    assert {(section.name, key) for section in SECTIONS for key in section.known} - seen == set()


def test_every_key_that_is_known_changes_what_is_deployed() -> None:
    document = yaml.safe_load(EXAMPLE)
    seen, effective = set(), set()
    for section, key, place in _keys_in(document, SCHEMA, ()):
        seen.add((section, key))
        reduced = _around(document, place)
        environment = "staging" if place[0] == "x-tower-environments" else ""
        before, after = (_deployed(each, environment) for each in (reduced, _without(reduced, place)))
        if before != after:
            effective.add((section, key))
    assert seen - effective == WITHOUT_EFFECT


def _around(document: dict[str, Any], place: tuple[str | int, ...]) -> dict[str, Any]:
    """The document with no more of its services than the place needs."""
    if place[0] != "services" or len(place) < 3:
        return document
    name, key = place[1], place[2]
    given = document["services"][name]
    # A target of memory is a share of it.
    sizes = {"mem_limit": given["mem_limit"]} if "scaling" in given.get("x-tower", {}) else {}
    service = {"image": "nginx:1", **sizes, key: given[key]}
    top = {} if key not in ("secrets", "configs") else {key: document[key]}
    return {"name": "shop", **top, "services": {"db": {"image": "postgres:16"}, name: service}}


def _deployed(document: dict[str, Any], environment: str) -> object:
    """What comes of it, without where it stands."""
    parsed = parse(yaml.safe_dump(document), files=EXAMPLE_FILES, environment=environment)
    if not isinstance(parsed, ComposeProject):
        return {finding.words for finding in parsed}
    return replace(parsed, warnings=()), {finding.words for finding in parsed.warnings}


def _without(document: Any, place: tuple[str | int, ...]) -> Any:
    changed = copy.deepcopy(document)
    inner = changed
    for step in place[:-1]:
        inner = inner[step]
    del inner[place[-1]]
    return changed


def _keys_in(
    value: Any, schema: dict[str, Any], place: tuple[str | int, ...]
) -> Iterator[tuple[str, str, tuple[str | int, ...]]]:
    """The section, key and place of every key in a document that fits the schema."""
    reference = schema.get("$ref")
    if reference is not None:
        name = reference.removeprefix("#/$defs/")
        target = SCHEMA["$defs"][name]
        if isinstance(value, dict) and "properties" in target:
            yield from ((name, key, (*place, key)) for key in value if key in target["properties"])
        yield from _keys_in(value, target, place)
    for part in schema.get("anyOf", ()):
        resolved = SCHEMA["$defs"][part["$ref"].removeprefix("#/$defs/")] if "$ref" in part else part
        fits = {"object": dict, "array": list}.get(str(resolved.get("type")), str)
        if isinstance(value, fits):
            yield from _keys_in(value, part, place)
    if isinstance(value, dict):
        others = schema.get("additionalProperties")
        for key, inner in value.items():
            known = schema.get("properties", {}).get(key, others)
            if isinstance(known, dict):
                yield from _keys_in(inner, known, (*place, key))
    elif isinstance(value, list) and "items" in schema:
        for index, inner in enumerate(value):
            yield from _keys_in(inner, schema["items"], (*place, index))
