"""Settings as typed values."""

from __future__ import annotations

import pytest

from cluster.commands.settings import PutSetting
from cluster.model.settings import ClusterSettings, cluster_settings


def test_settings_have_defaults_and_take_what_is_stored() -> None:
    assert cluster_settings({}) == ClusterSettings()
    stored = {"cluster.node_down_after_ms": "9000", "elsewhere": "x"}
    assert cluster_settings(stored) == ClusterSettings(node_down_after_ms=9000)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cluster.node_down_after_ms": "soon"}, "node_down_after_ms 'soon': a whole number"),
        ({"cluster.node_down_after_ms": "1"}, "node_down_after_ms 1: 1000 to 3600000"),
        ({"cluster.node_down_after_ms": "1200"}, "must be above cluster.node_suspect_after_ms, 1500"),
    ],
)
def test_a_bad_setting_is_named_with_its_value_and_rule(values: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cluster_settings(values)


@pytest.mark.parametrize("key", ["", "A", "-a", "a b", "a" * 129, "a\x00"])
def test_a_key_that_breaks_the_rule_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        PutSetting(key=key, value="v")


def test_a_value_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="65537 characters, at most 65536"):
        PutSetting(key="k", value="v" * 65537)
