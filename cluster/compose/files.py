"""Secrets and configs: what the file declares at its top, and what services make of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from cluster.compose import vocabulary
from cluster.compose.document import Value
from cluster.compose.reader import Keys, Reader
from cluster.compose.values import parse_octal
from cluster.model.service import FileReference, config_target, secret_target

_ID = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineConfig:
    """A config whose `content` stands in the file, as `key` of its `configs`. Services refer to it by `name`,
    under which it is kept: the project's name, `_`, and the key.
    """

    key: str
    name: str
    content: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """What one key at the top means in the cluster. `version` 0 is the newest."""

    name: str
    version: int = 0


@dataclass(frozen=True, slots=True)
class Kind:
    """Secrets, or configs, as the file declares them."""

    word: str
    entries: Mapping[str, Entry | None]
    target: Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Declared:
    """What services may refer to; an entry that is None has a finding already."""

    secrets: Kind
    configs: Kind
    inline: tuple[InlineConfig, ...] = ()


def read_declared(reader: Reader, top: Keys, project: str, files: Mapping[str, str]) -> Declared:
    """Read `secrets` and `configs` at the top. `files` are contents by path, as the file writes it."""
    inline: list[InlineConfig] = []
    secrets: dict[str, Entry | None] = {}
    configs: dict[str, Entry | None] = {}
    value = top.value("secrets")
    for key, inner in {} if value is None else (reader.mapping(value) or {}).items():
        secrets[key] = _secret(reader, key, inner)
    value = top.value("configs")
    for key, inner in {} if value is None else (reader.mapping(value) or {}).items():
        read = _config(reader, project, key, inner, files)
        configs[key] = Entry(read.name) if isinstance(read, InlineConfig) else read
        if isinstance(read, InlineConfig):
            inline.append(read)
    return Declared(
        Kind("secret", secrets, secret_target), Kind("config", configs, config_target), tuple(inline)
    )


def read_references(reader: Reader, kind: Kind, value: Value) -> tuple[FileReference, ...]:
    """The secrets, or configs, of one service."""
    return reader.each(value, partial(_reference, reader, kind))


def _secret(reader: Reader, key: str, value: Value) -> Entry | None:
    keys = None if value.content is None else reader.keys(value, vocabulary.SECRET)
    if isinstance(value.content, dict) and not value.content.keys().isdisjoint(vocabulary.SECRET.refused):
        # Why it is refused says what to do.
        return None
    return _external(reader, "secret", key, value, keys)


def _config(
    reader: Reader, project: str, key: str, value: Value, files: Mapping[str, str]
) -> Entry | InlineConfig | None:
    keys = None if value.content is None else reader.keys(value, vocabulary.CONFIG)
    if keys is None:
        return _external(reader, "config", key, value, None)
    content, path = keys.value("content"), keys.value("file")
    if content is None and path is None:
        return _external(reader, "config", key, value, keys)
    at = content or path
    assert at is not None
    others = [name for name in ("external", "x-tower", "file") if keys.value(name) not in (None, at)]
    if others:
        reader.refuse(value, f"{' and '.join(others)} beside {'content' if content else 'file'}", "keep one")
        return None
    name = keys.get("name", reader.text, f"{project}_{key}")
    text = reader.text(at)
    if content is None:
        if text not in files:
            reader.refuse(
                at,
                "the file was not sent along, and hosts cannot read files beside this one",
                "`tower deploy` sends it; elsewhere write content",
            )
            return None
        text = files[text]
    # Only to hold its name to the rule for names.
    if reader.built(value, lambda: FileReference(source=name, target="/x")) is None:
        return None
    return InlineConfig(key=key, name=name, content=text)


def _external(reader: Reader, kind: str, key: str, value: Value, keys: Keys | None) -> Entry | None:
    is_external = keys is not None and keys.get("external", reader.flag, default=False)
    if keys is None or not is_external:
        rule = f"where {kind} {key} comes from is not said"
        more = "" if kind == "secret" else ", or its content"
        reader.refuse(value, rule, f"write external: true for one that the cluster has{more}")
        return None
    name = keys.get("name", reader.text, key)
    version = 0
    at = keys.value("x-tower")
    if at is not None and (inner := reader.keys(at, vocabulary.FILE_VERSION)) is not None:
        version = inner.get("version", reader.count, 0)
    if reader.built(value, lambda: FileReference(source=name, target="/x", version=version)) is None:
        return None
    return Entry(name, version)


def _reference(reader: Reader, kind: Kind, value: Value) -> FileReference | None:
    keys = None
    if isinstance(value.content, dict):
        keys = reader.keys(value, vocabulary.FILE_REFERENCE)
        source = "" if keys is None else keys.get("source", reader.text, "")
        if not source:
            reader.refuse(value, "source is missing", f"the name of a {kind.word} at the top of the file")
    else:
        source = reader.text(value)
    if not source:
        return None
    if source not in kind.entries:
        reader.refuse(
            value,
            f"{kind.word} {source!r} is not declared at the top of the file",
            f"add {kind.word}s: {{{source}: {{external: true}}}}",
        )
        return None
    entry = kind.entries[source]
    if entry is None:
        return None
    target, uid, gid, mode = "", 0, 0, 0o444
    if keys is not None:
        target = keys.get("target", reader.text, "")
        uid = keys.get("uid", partial(_owner, reader), 0)
        gid = keys.get("gid", partial(_owner, reader), 0)
        mode = keys.get("mode", partial(_mode, reader), 0o444)
    return reader.built(
        value,
        lambda: FileReference(
            source=entry.name,
            target=kind.target(source, target),
            version=entry.version,
            uid=uid,
            gid=gid,
            mode=mode,
        ),
    )


def _owner(reader: Reader, value: Value) -> int:
    text = reader.text(value)
    if _ID.fullmatch(text):
        return int(text)
    if not isinstance(value.content, dict | list):
        reader.refuse(value, "a number is expected: names of users are the image's")
    return 0


def _mode(reader: Reader, value: Value) -> int:
    if isinstance(value.content, int) and not isinstance(value.content, bool):
        return value.content
    return reader.measured(value, parse_octal, 0o444)
