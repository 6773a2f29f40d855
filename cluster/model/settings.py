"""Replicated settings: one value per key, changed by command, with a version for compare-and-set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

from cluster.model import rules

KEY_PATTERN = re.compile(r"[a-z0-9][a-z0-9._/-]{0,127}")
VALUE_CHARS_MAX = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The newest value of one key. `value` is None once it was removed; the version goes on counting."""

    key: str
    value: str | None
    version: int
    changed_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """The settings the product reads, typed. Each is stored under `cluster.<field>` as a decimal number."""

    node_suspect_after_ms: int = 1500
    node_down_after_ms: int = 3000

    def __post_init__(self) -> None:
        rules.check_range("cluster.node_suspect_after_ms", self.node_suspect_after_ms, 500, 600_000)
        rules.check_range("cluster.node_down_after_ms", self.node_down_after_ms, 1000, 3_600_000)
        if self.node_down_after_ms <= self.node_suspect_after_ms:
            raise ValueError(
                f"cluster.node_down_after_ms {self.node_down_after_ms}: it must be above"
                f" cluster.node_suspect_after_ms, {self.node_suspect_after_ms}"
            )


def cluster_settings(values: Mapping[str, str]) -> ClusterSettings:
    """Return the typed settings of stored key -> value; absent keys have their defaults, other keys do not
    matter.

    Raises ValueError naming the key, the value and the rule.
    """
    given: dict[str, int] = {}
    for field in fields(ClusterSettings):
        key = f"cluster.{field.name}"
        if key in values:
            text = values[key]
            if not re.fullmatch(r"-?[0-9]{1,18}", text):
                raise ValueError(f"{key} {text!r}: a whole number is needed")
            given[field.name] = int(text)
    return ClusterSettings(**given)
