"""The JSON schema of what can be deployed, for editors and for checks in a pipeline (draft 2020-12)."""

from __future__ import annotations

from typing import Any

from cluster.compose.vocabulary import FORMS, SECTIONS, TOP, Section

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def compose_schema() -> dict[str, Any]:
    """Return the schema. It is for one file: what only several files together must have is not required."""
    definitions = {name: form for name, form in FORMS.items()}
    definitions |= {section.name: _object(section) for section in SECTIONS}
    return {
        "$schema": DIALECT,
        "title": "Control Tower service file",
        "description": "A Compose file, and x-tower for what Compose has no words for",
        "$ref": f"#/$defs/{TOP.name}",
        "$defs": dict(sorted(definitions.items())),
    }


def _object(section: Section) -> dict[str, Any]:
    properties = dict(section.known)
    properties |= {
        key: {"description": f"No effect: {reason}", "deprecated": True}
        for key, reason in section.ignored.items()
    }
    # An editor shows why before it is deployed.
    properties |= {
        key: {"description": f"Refused: {reason}", "not": {}} for key, reason in section.refused.items()
    }
    found: dict[str, Any] = {
        "type": "object",
        "properties": dict(sorted(properties.items())),
        "additionalProperties": False,
    }
    if section.is_open:
        found["patternProperties"] = {"^x-": {}}
    if section.required:
        found["required"] = list(section.required)
    return found
