"""Any text is a project or findings, never an exception."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from cluster.compose import ComposeFile, ComposeProject, parse
from cluster.compose.dotenv import EnvFileRefused, parse_env
from cluster.compose.interpolation import InterpolationRefused, interpolate
from cluster.compose.vocabulary import SECTIONS

KEYS = st.sampled_from(
    sorted({key for section in SECTIONS for key in (*section.known, *section.refused)} | {"<<"})
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=12), st.sampled_from(["8080", "1s", "$A"])
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@given(st.text(max_size=400))
def test_any_text_is_a_project_or_findings(text: str) -> None:
    parsed = parse(text)
    assert isinstance(parsed, ComposeProject) or len(parsed) >= 1


@given(TREES)
def test_any_tree_under_a_service_is_a_project_or_findings(tree: object) -> None:
    parsed = parse(json.dumps({"name": "shop", "services": {"web": tree}}))
    assert isinstance(parsed, ComposeProject) or len(parsed) >= 1


@given(TREES)
def test_parsing_twice_gives_the_same(tree: object) -> None:
    text = json.dumps({"name": "shop", "services": {"web": {"image": "a", "deploy": tree}}})
    assert parse(text) == parse(text)


@given(TREES, TREES, st.sampled_from(["deploy", "x-tower", "ports", "environment", "healthcheck"]))
def test_any_tree_over_another_is_a_project_or_findings(base: object, over: object, key: str) -> None:
    first = json.dumps({"name": "shop", "services": {"web": {"image": "a", key: base}}})
    second = json.dumps({"services": {"web": {key: over}}})
    parsed = parse(first, overrides=[ComposeFile(text=second)])
    assert isinstance(parsed, ComposeProject) or len(parsed) >= 1


@given(TREES, st.sampled_from(sorted(key for section in SECTIONS for key in section.known)))
def test_a_file_laid_over_itself_says_the_same_of_what_is_replaced(tree: object, key: str) -> None:
    text = json.dumps({"name": "shop", "services": {"web": {"image": "a", "x-tower": {key: tree}}}})
    alone = parse(text)
    twice = parse(text, overrides=[ComposeFile(text=text)])
    assert isinstance(alone, ComposeProject) == isinstance(twice, ComposeProject)
    if isinstance(alone, ComposeProject) and isinstance(twice, ComposeProject):
        assert alone.services == twice.services


SECRET = "hunter2hunter2"
WITH_SECRET = st.recursive(
    st.sampled_from(["$S", "${S}x", "x${S}", "${S}:${S}", "/${S}", "${S}=${S}", "8${S}0", "${M:-$S}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(KEYS, WITH_SECRET, min_size=1, max_size=3))
def test_no_finding_repeats_what_a_variable_put_in(tree: dict[str, object]) -> None:
    parsed = parse(
        json.dumps({"name": "shop", "services": {"web": {"image": "a", **tree}}}), variables={"S": SECRET}
    )
    findings = parsed.warnings if isinstance(parsed, ComposeProject) else parsed
    assert not any(SECRET in str(finding).lower() for finding in findings), findings


@given(st.text(alphabet="$${}:-?+AB _x\n", max_size=60))
def test_any_text_is_replaced_or_refused_without_a_value(text: str) -> None:
    refusal = None
    try:
        interpolate(text, {"A": SECRET})
    except InterpolationRefused as error:
        refusal = error
    assert SECRET not in str(refusal)


@given(st.text(alphabet="A=B'\"\\$ #\n{}:-\t", max_size=80))
def test_any_text_is_a_file_of_variables_or_refused_by_its_line(text: str) -> None:
    refusal = None
    try:
        parse_env(text, {"A": SECRET})
    except EnvFileRefused as error:
        refusal = error
    assert SECRET not in str(refusal)
    assert refusal is None or 1 <= refusal.line <= text.count("\n") + 1
