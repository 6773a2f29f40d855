"""JSON Schema that every client of tools reads: no references, no null types, nothing that says nothing."""

from __future__ import annotations

from typing import Any

# Lengths of text are checked all the same, and nobody writes by them.
_DROPPED = frozenset({"title", "$defs", "maxLength", "minLength"})


def portable(schema: dict[str, Any]) -> dict[str, Any]:
    """Return an equal schema with references written out and "or null" left out: null is said by absence.

    What an object as a whole is, its tool and its fields say; whoever lists the tools pays for every word.
    """
    result = _written_out(schema, schema.get("$defs", {}))
    assert isinstance(result, dict)
    return result


def _written_out(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_written_out(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        named = definitions[node["$ref"].rpartition("/")[2]]
        return _written_out(
            {**named, **{key: value for key, value in node.items() if key != "$ref"}}, definitions
        )
    if "anyOf" in node:
        kept = [option for option in node["anyOf"] if option.get("type") != "null"]
        if len(kept) == 1:
            rest = {key: value for key, value in node.items() if key not in ("anyOf", "default")}
            return _written_out({**kept[0], **rest}, definitions)
    result: dict[str, Any] = {}
    for key, value in node.items():
        if key in _DROPPED and not (key == "title" and isinstance(value, dict)):
            continue
        if key == "description" and "properties" in node and isinstance(value, str):
            continue
        if key == "default" and not value:
            # What is left out is empty, zero, or not so.
            continue
        if key == "properties":
            result[key] = {name: _written_out(inner, definitions) for name, inner in value.items()}
        else:
            result[key] = _written_out(value, definitions)
    required = result.get("required")
    if required is not None:
        optional = {name for name, inner in node.get("properties", {}).items() if _may_be_null(inner)}
        result["required"] = [name for name in required if name not in optional]
        if not result["required"]:
            del result["required"]
    return result


def _may_be_null(node: dict[str, Any]) -> bool:
    return any(option.get("type") == "null" for option in node.get("anyOf", ()))
