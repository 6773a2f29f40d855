"""What a change did to the fields of something, in words that the audit keeps and a page takes apart again.

`changed soak_s: 1800 → 600; changed hosts: [] → ["h2"]`: names, and values as JSON. Only for what holds no
secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

CHARACTERS_MAX = 800
"""With the reason of the decision it fits into an entry."""

VALUE_CHARACTERS_MAX = 160


def changed(before: Mapping[str, object] | None, after: Mapping[str, object] | None) -> str:
    """Return what differs between two sets of fields; None where there is nothing before or after.

    "" when nothing differs. What does not fit is counted.
    """
    old, new = before or {}, after or {}
    names = [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]
    parts: list[str] = []
    for place, name in enumerate(names):
        part = f"changed {name}: {_told(old.get(name))} → {_told(new.get(name))}"
        if sum(len(each) + 2 for each in (*parts, part)) > CHARACTERS_MAX:
            return "; ".join([*parts, f"and {len(names) - place} more"])
        parts.append(part)
    return "; ".join(parts)


def _told(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    if len(text) <= VALUE_CHARACTERS_MAX:
        return text
    return json.dumps(f"{text[: VALUE_CHARACTERS_MAX - 3]}…", ensure_ascii=False)
