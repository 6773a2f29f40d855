"""Any text is a project or findings, never an exception."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from cluster.compose import ComposeProject, parse

KEYS = st.sampled_from(
    [
        "image",
        "command",
        "environment",
        "ports",
        "volumes",
        "healthcheck",
        "deploy",
        "labels",
        "x-tower",
        "stop_grace_period",
        "replicas",
        "resources",
        "limits",
        "cpus",
        "memory",
        "test",
        "interval",
        "route",
        "host",
        "port",
        "update_config",
        "order",
        "privileged",
        "<<",
    ]
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
