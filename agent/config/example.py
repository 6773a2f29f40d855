"""The settings as text: the example file, and what is in force."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from agent.config.settings import (
    Settings,
    each_section,
    each_setting,
    find_setting,
    is_secret,
    variable_of,
)


def shown(value: object) -> str:
    """Return `value` as TOML would write it; a secret stays hidden."""
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, SecretStr):
        return "(set, hidden)"
    return "unset" if value is None else json.dumps(value, default=str, ensure_ascii=False)


def default_text(key: str) -> str:
    """Return the default of `key` as the example file shows it."""
    field = find_setting(key)
    assert field is not None, key
    if isinstance(field.json_schema_extra, dict) and "example" in field.json_schema_extra:
        return str(field.json_schema_extra["example"])
    return shown(field.default)


def shown_settings(settings: Settings) -> dict[str, str]:
    """Return every setting and its value as TOML, secrets hidden, in the order of the example file."""
    return {
        f"{section}.{name}": shown(getattr(getattr(settings, section), name))
        for section, name, _ in each_setting()
    }


def render_example() -> str:
    """Return packaging/tower.example.toml: every setting, what it does, its default, its variable."""
    parts = [
        "# Control Tower, the settings of one host. Copy to /etc/control-tower/tower.toml; every line is",
        "# optional and shows the default. A flag (tower run --set section.key=value) beats a variable",
        "# (TOWER_SECTION_KEY, or TOWER_SECTION_KEY_FILE naming a file with the value) beats this file.",
        "# Check it with `tower config check`; see what is in force with `tower config show --origin`.",
    ]
    for section, model in each_section():
        parts.extend(["", ""])
        for paragraph in (model.__doc__ or "").strip().split("\n\n"):
            parts.extend(_comment(" ".join(paragraph.split())))
        parts.append(f"[{section}]")
        for name, field in model.model_fields.items():
            parts.append("")
            parts.extend(_comment(field.description or ""))
            parts.append(_example_line(f"{section}.{name}", name, field))
    return "\n".join(parts) + "\n"


def _example_line(key: str, name: str, field: FieldInfo) -> str:
    if is_secret(field):
        return f'#{name}_file = "/path/of/its/file"   # or {variable_of(key)}; unset by default'
    if field.json_schema_extra:
        return f"#{name} = {json.dumps(default_text(key))}"
    return f"#{name} = {shown(field.default)}"


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, 100)]
