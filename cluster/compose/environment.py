"""A service's environment variables: its own, and those of files beside the Compose file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from cluster.compose import vocabulary
from cluster.compose.document import Value
from cluster.compose.dotenv import EnvFileRefused, parse_env
from cluster.compose.reader import Keys, Reader

# Whoever can read the file, the log or an inspected container has what stands in an environment.
_SECRET_NAME = re.compile(r"(?i)(^|_)(password|passwd|secret|token|api_?key|private_?key|credentials?)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What a file refers to and does not hold: variables, and contents of files by their path as written."""

    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    files: Mapping[str, str] = field(default_factory=dict, repr=False)


def read_environment(reader: Reader, keys: Keys, beside: Beside) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    env_files = keys.value("env_file")
    for item in () if env_files is None else items_of(env_files):
        found.update(_env_file(reader, item, beside))
    at = keys.value("environment")
    if at is None:
        return tuple(sorted(found.items()))
    for name, inner in reader.pairs(at).items():
        if inner.content is not None:
            found[name] = reader.text(inner)
            if found[name] and not inner.is_replaced and _SECRET_NAME.search(name):
                reader.warn(
                    inner,
                    f"{name} stands here in plain text, for everybody who can read the file or the service",
                    "store it with `tower secret put` and name it under secrets, or give it as a variable",
                )
        elif name in beside.variables:
            found[name] = beside.variables[name]
        elif isinstance(at.content, list) and not inner.is_replaced:
            rule = f"{name!r} has no value: the hosts have no shell to take it from"
            reader.refuse(inner, rule, f"write {name}=value")
        else:
            found[name] = ""
    return tuple(sorted(found.items()))


def items_of(value: Value) -> list[Value]:
    """A list's items, or the one that stands there without a list."""
    return value.content if isinstance(value.content, list) else [value]


@dataclass(frozen=True, slots=True)
class EnvFile:
    """A file of variables that a service names."""

    path: str
    at: Value
    is_required: bool = True
    is_raw: bool = False


def read_env_file(reader: Reader, value: Value) -> EnvFile | None:
    if not isinstance(value.content, dict):
        path = reader.text(value)
        return EnvFile(path, value) if path else None
    keys = reader.keys(value, vocabulary.ENV_FILE)
    path = "" if keys is None else keys.get("path", reader.text, "")
    if keys is None or not path:
        reader.refuse(value, "path is missing", "such as path: web.env")
        return None
    return EnvFile(
        path,
        value,
        is_required=keys.get("required", reader.flag, default=True),
        is_raw=keys.get(
            "format", partial(reader.choice, choices={"raw": True}, default=False), default=False
        ),
    )


def _env_file(reader: Reader, value: Value, beside: Beside) -> dict[str, str]:
    named = read_env_file(reader, value)
    if named is None:
        return {}
    content = beside.files.get(named.path)
    if content is None:
        if named.is_required:
            reader.refuse(
                named.at,
                "the file was not sent along, and hosts cannot read files beside this one",
                "`tower deploy` sends it; elsewhere give environment",
            )
        return {}
    try:
        found = parse_env(content, beside.variables, is_raw=named.is_raw)
    except EnvFileRefused as error:
        reader.refuse(named.at, f"{named.path}, {error}")
        return {}
    values = {name: beside.variables.get(name) if text is None else text for name, text in found.items()}
    return {name: text for name, text in values.items() if text is not None}
