"""Where the command line remembers its clusters: ~/.config/tower/context.json, readable by its owner.

A context is one cluster: the addresses of its hosts (any of them serves everything), its CA, and
the session of a login.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from agent.cli.failures import CommandFailed

DEFAULT_SERVER = "https://127.0.0.1:7443"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One cluster as this user knows it. Tokens are left out of the repr."""

    name: str
    servers: tuple[str, ...] = ()
    ca_pem: str = ""
    user: str = ""
    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextFile:
    """Every context, and the one used when none is named."""

    current: str = "default"
    contexts: Mapping[str, Context] = field(default_factory=dict)

    def with_context(self, context: Context, *, make_current: bool) -> ContextFile:
        """Return the file with `context` added or replaced."""
        return replace(
            self,
            current=context.name if make_current else self.current,
            contexts={**self.contexts, context.name: context},
        )


def context_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the file is, following the XDG base directories."""
    base = environment.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base else Path.home() / ".config") / "tower" / "context.json"


def load_contexts(path: Path | None = None) -> ContextFile:
    """Return the contexts of this user; none at all when there is no file yet.

    Raises:
        CommandFailed: the file cannot be read or is not ours.
    """
    path = path or context_path()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ContextFile()
    except (OSError, ValueError) as error:
        raise CommandFailed(
            f"cannot read {path}: {error}", hint="mend or remove the file, then log in"
        ) from error
    try:
        contexts = {
            str(name): Context(name=str(name), **{**fields, "servers": tuple(fields.get("servers", ()))})
            for name, fields in content["contexts"].items()
        }
        return ContextFile(current=str(content["current"]), contexts=contexts)
    except (TypeError, KeyError, AttributeError) as error:
        raise CommandFailed(
            f"{path} is not a file of contexts", hint="remove the file, then log in"
        ) from error


def save_contexts(file: ContextFile, path: Path | None = None) -> None:
    """Replace the file in one step; only its owner may read it, because it holds session tokens."""
    path = path or context_path()
    content = {
        "current": file.current,
        "contexts": {
            name: {key: value for key, value in asdict(context).items() if key != "name"}
            for name, context in file.contexts.items()
        },
    }
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".context-")
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(content, stream, indent=2)
        Path(temporary).replace(path)
    except OSError as error:
        raise CommandFailed(f"cannot write {path}: {error.strerror}") from error
