"""Read the file, the environment and the flags into one frozen `Settings`."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agent.config.example import default_text, shown
from agent.config.origin import DEFAULT_ORIGIN, ConfigError, LoadedSettings, Origin, Problem
from agent.config.settings import ENV_PREFIX, Settings, find_setting, is_secret, setting_keys, variable_of
from agent.config.toml_lines import locate_keys

DEFAULT_PATH = Path("/etc/control-tower/tower.toml")

# Read by the command line as a client, not settings of the agent.
CLIENT_VARIABLES = frozenset(
    {"TOWER_CONFIG", "TOWER_CONTEXT", "TOWER_SERVER", "TOWER_TOKEN", "TOWER_CA", "TOWER_PASSWORD"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    value: Any
    origin: Origin


def load_settings(
    *,
    file: Path | None,
    environment: Mapping[str, str],
    flags: Mapping[str, str],
    host_name: str,
) -> LoadedSettings:
    """Return the settings of this host and where each came from.

    `file` None means the default path, which need not exist; a named file must. `flags` maps
    "section.key" to text. `host_name` is the default of `node.name`.

    Raises:
        ConfigError: with every problem found, not only the first.
    """
    problems: list[Problem] = []
    given: dict[str, _Given] = {}
    for layer in (
        _from_file(file, problems),
        _from_environment(environment, problems),
        _from_flags(flags, problems),
    ):
        given.update(layer)
    settings = _validate(given, host_name, problems)
    if problems or settings is None:
        raise ConfigError(problems)
    return LoadedSettings(settings=settings, origins={key: item.origin for key, item in given.items()})


def _from_file(path: Path | None, problems: list[Problem]) -> dict[str, _Given]:
    named = path is not None
    path = path or DEFAULT_PATH
    origin = Origin(layer="file", place=str(path))
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if named:
            problems.append(Problem(key="--config", value=f'"{path}"', rule="there is no such file"))
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        problems.append(Problem(key="file", rule=f"cannot be read: {reason}", origin=origin))
        return {}
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = re.search(r"^(.*) \(at line (\d+), column (\d+)\)$", str(error))
        place, rule = (f"{path}:{match[2]}", match[1]) if match else (str(path), str(error))
        problems.append(
            Problem(key="syntax", rule=f"not TOML: {rule}", origin=Origin(layer="file", place=place))
        )
        return {}
    lines = locate_keys(text)
    given: dict[str, _Given] = {}
    for section, table in tables.items():
        section_origin = Origin(layer="file", place=_place(path, lines, (section,)))
        if not isinstance(table, dict):
            problems.append(_unknown(section, section_origin, table))
            continue
        if section not in Settings.model_fields:
            problems.append(_unknown(section, section_origin, None))
            continue
        for key, value in table.items():
            origin = Origin(layer="file", place=_place(path, lines, (section, key)))
            _accept(given, f"{section}.{key}", value, origin, problems)
    return given


def _from_environment(environment: Mapping[str, str], problems: list[Problem]) -> dict[str, _Given]:
    given: dict[str, _Given] = {}
    for variable in sorted(environment):
        if not variable.startswith(ENV_PREFIX) or variable in CLIENT_VARIABLES:
            continue
        section, _, name = variable.removeprefix(ENV_PREFIX).lower().partition("_")
        key = f"{section}.{name}"
        origin = Origin(layer="env", place=variable)
        if find_setting(key) is None and not (
            name.endswith("_file") and find_setting(key.removesuffix("_file"))
        ):
            problems.append(_unknown_key(variable, origin))
            continue
        _accept(given, key, environment[variable], origin, problems)
    return given


def _from_flags(flags: Mapping[str, str], problems: list[Problem]) -> dict[str, _Given]:
    given: dict[str, _Given] = {}
    for key, value in flags.items():
        origin = Origin(layer="flag", place="--set")
        _accept(given, key, value, origin, problems, secrets_allowed=False)
    return given


def _accept(
    given: dict[str, _Given],
    key: str,
    value: Any,
    origin: Origin,
    problems: list[Problem],
    *,
    secrets_allowed: bool = True,
) -> None:
    """Put `value` under `key` into `given`; follow `<key>_file`; refuse what is not a setting."""
    field = find_setting(key)
    if field is not None:
        in_the_open = is_secret(field) and (origin.layer == "file" or not secrets_allowed)
        if in_the_open:
            problems.append(
                Problem(
                    key=key,
                    rule="a secret is not written here",
                    origin=origin,
                    hint=f"put it in a file of its own and set {key}_file, or set {variable_of(key)}_FILE",
                )
            )
            return
        given[key] = _Given(value=value, origin=origin)
        return
    target = key.removesuffix("_file")
    if key != target and find_setting(target) is not None and isinstance(value, str):
        _accept_from_file(given, target, Path(value), origin, problems)
        return
    problems.append(_unknown_key(key, origin))


def _accept_from_file(
    given: dict[str, _Given], key: str, path: Path, origin: Origin, problems: list[Problem]
) -> None:
    # A value given directly in the same layer and by file is ambiguous; neither is better.
    if key in given:
        problems.append(Problem(key=key, rule=f"is given both directly and as {origin}", origin=origin))
        return
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        problems.append(
            Problem(
                key=f"{key}_file", value=f'"{path}"', rule=f"the file cannot be read: {reason}", origin=origin
            )
        )
        return
    place = Origin(layer=origin.layer, place=f"{origin.place} ({path})")
    given[key] = _Given(value=text.rstrip("\r\n"), origin=place)


def _validate(given: Mapping[str, _Given], host_name: str, problems: list[Problem]) -> Settings | None:
    tables: dict[str, dict[str, Any]] = {"node": {"name": _as_node_name(host_name)}}
    for key, item in given.items():
        section, _, name = key.partition(".")
        tables.setdefault(section, {})[name] = item.value
    try:
        return Settings.model_validate(tables)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_context=False):
            problems.append(_problem(detail["loc"], detail["msg"], detail["input"], given))
    return None


def _as_node_name(host_name: str) -> str:
    name = re.sub(r"[^a-z0-9.-]+", "-", host_name.lower())[:63].strip(".-")
    return name or "localhost"


# What pydantic says, in the words of our own rules.
_WORDS = (
    (r"^(Input|String) should ", "must "),
    (r"greater than or equal to", "at least"),
    (r"less than or equal to", "at most"),
)


def _problem(
    location: tuple[int | str, ...], message: str, value: Any, given: Mapping[str, _Given]
) -> Problem:
    rule = re.sub(r"^Value error, ", "", message)
    for pattern, words in _WORDS:
        rule = re.sub(pattern, words, rule)
    key = ".".join(str(part) for part in location[:2])
    field = find_setting(key)
    if field is None:
        # A rule over several keys: point at one of them that was set, for the file and the line.
        named = [k for k in given if (not key or k.startswith(f"{key}.")) and k.partition(".")[2] in rule]
        origin = given[named[0]].origin if named else DEFAULT_ORIGIN
        return Problem(key=key or "settings", rule=rule, origin=origin)
    return Problem(
        key=key,
        value="(hidden)" if is_secret(field) else shown(value),
        rule=rule,
        origin=given[key].origin if key in given else DEFAULT_ORIGIN,
        default=default_text(key),
    )


def _unknown(section: str, origin: Origin, value: object) -> Problem:
    sections = list(Settings.model_fields)
    owners = [key for key in setting_keys() if key.partition(".")[2] == section]
    if value is not None and owners:
        return Problem(
            key=section,
            rule="is not a section",
            origin=origin,
            hint=f"did you mean {section} in [{owners[0].partition('.')[0]}]?",
        )
    close = difflib.get_close_matches(section, sections, 1)
    hint = f"did you mean [{close[0]}]?" if close else f"sections are {', '.join(sections)}"
    return Problem(key=f"[{section}]", rule="is not a section", origin=origin, hint=hint)


def _unknown_key(key: str, origin: Origin) -> Problem:
    return Problem(key=key, rule="is not a setting", origin=origin, hint=_suggestion(key))


def _suggestion(key: str) -> str:
    """Say which setting was probably meant: misspelt, or put into the wrong section."""
    keys = setting_keys()
    if key.startswith(ENV_PREFIX):
        close = difflib.get_close_matches(key, [variable_of(known) for known in keys], 1, 0.75)
        return f"did you mean {close[0]}?" if close else "see `tower config example`"
    section, _, name = key.partition(".")
    names = [known.partition(".")[2] for known in keys if known.startswith(f"{section}.")]
    if close := difflib.get_close_matches(name, names, 1, 0.7):
        return f"did you mean {section}.{close[0]}?"
    if elsewhere := [known for known in keys if known.partition(".")[2] == name]:
        return f"did you mean {elsewhere[0]}?"
    if close := difflib.get_close_matches(key, keys, 1, 0.75):
        return f"did you mean {close[0]}?"
    return f"[{section}] has {', '.join(names)}" if names else "see `tower config example`"


def _place(path: Path, lines: Mapping[tuple[str, ...], int], key: tuple[str, ...]) -> str:
    for length in range(len(key), 0, -1):
        if key[:length] in lines:
            return f"{path}:{lines[key[:length]]}"
    return str(path)
