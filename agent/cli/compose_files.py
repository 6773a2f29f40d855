"""Compose files on the command line: read here, with all they refer to, because hosts cannot read them."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli.failures import CommandFailed, UsageWrong

if TYPE_CHECKING:
    from cluster.compose import ComposeFile, WantedFile

FILE_BYTES_MAX = 1024 * 1024
BESIDE_BYTES_MAX = 256 * 1024
"""Of a file that a Compose file names: as much as one field of a request takes."""
BESIDE_MAX = 64
STANDARD_INPUT = "-"
DEFAULT_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeInput:
    """Compose files, and what they refer to. `beside` are contents by the path a Compose file names.

    `project` is what the command or the folder calls it; None leaves it to the file. `unreadable` are the
    files that are named and cannot be read, each with the reason.
    """

    files: tuple[ComposeFile, ...]
    variables: Mapping[str, str] = field(repr=False)
    beside: Mapping[str, str] = field(repr=False)
    project: str | None
    environment: str
    unreadable: tuple[tuple[WantedFile, str], ...] = ()

    def check_complete(self) -> None:
        """Raises CommandFailed for what is named and cannot be read."""
        if self.unreadable:
            lines = [f"{_place(wanted)}: {reason}" for wanted, reason in self.unreadable]
            raise CommandFailed(
                "\n".join(lines), hint="paths are relative to the first Compose file; nothing was sent"
            )

    def body(self) -> dict[str, Any]:
        """The fields of a deployment's request."""
        first, *others = self.files
        body: dict[str, Any] = {
            "compose": first.text,
            "project": self.project,
            "variables": dict(self.variables),
        }
        if others:
            body["file"] = first.name
            body["overrides"] = [{"compose": each.text, "file": each.name} for each in others]
        if self.beside:
            body["files"] = dict(self.beside)
        if self.environment:
            body["environment"] = self.environment
        return body


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that say which files, and what stands for their variables."""
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        help='Compose files, each laid over those before; "-" is standard input (default: compose.yaml here)',
    )
    parser.add_argument(
        "--environment",
        "-e",
        metavar="NAME",
        default="",
        help="deploy to this environment: with its section of the file, its hosts and its secrets",
    )
    add_rendering(parser)


def add_rendering(parser: argparse.ArgumentParser) -> None:
    """The arguments that say which files besides, and what stands for their variables."""
    parser.add_argument(
        "--file", "-f", metavar="FILE", action="append", default=[], help="a further file, as Compose has it"
    )
    parser.add_argument("--project", "-p", metavar="NAME", help="default: the file's name:, or its folder's")
    parser.add_argument(
        "--variable", metavar="NAME=VALUE", action="append", default=[], help="for ${NAME} in the file"
    )
    parser.add_argument(
        "--env-file",
        metavar="FILE",
        action="append",
        default=[],
        help="files of variables, instead of .env beside the file; --variable and the shell's own come first",
    )


def gather(args: argparse.Namespace) -> ComposeInput:
    """Read the files, and of everything around them what they name and nothing else.

    Raises:
        CommandFailed: a Compose file, or one of variables for it, is missing, too large, or no text.
        UsageWrong: the arguments contradict each other.
    """
    from cluster.compose import ComposeFile, find_needs

    names = [*args.files, *args.file] or [_default_name()]
    if names.count(STANDARD_INPUT) > 1:
        raise UsageWrong('"-" is standard input, and can be read once', hint="name the other files")
    files = tuple(
        ComposeFile(
            text=_read(name, FILE_BYTES_MAX), name="standard input" if name == STANDARD_INPUT else name
        )
        for name in names
    )
    folder = Path() if names[0] == STANDARD_INPUT else Path(names[0]).parent
    given = _given(args.variable)
    known = {**_known_variables(args.env_file, folder), **given}
    variables = given | _wanted(find_needs(files, {}, environment=args.environment).variables, known)
    needs = find_needs(files, variables, environment=args.environment)
    beside, unreadable = _read_beside(folder, needs.files)
    # A file of variables may refer to variables itself.
    variables |= _wanted(_mentioned(beside.values()), known)
    return ComposeInput(
        files=files,
        variables=variables,
        beside=beside,
        project=args.project or _folder_name(names[0], files[0].text),
        environment=args.environment,
        unreadable=unreadable,
    )


def _default_name() -> str:
    for name in DEFAULT_NAMES:
        if Path(name).is_file():
            return name
    raise UsageWrong(
        "there is no compose.yaml here", hint="name the Compose file, such as tower deploy shop.yaml"
    )


def _folder_name(name: str, text: str) -> str | None:
    """The project's name where neither the command nor the file gives one, as Compose does it."""
    if name == STANDARD_INPUT or re.search(r"^name\s*:", text, re.MULTILINE):
        return None
    return Path(name).resolve().parent.name or None


# Variables


def _known_variables(env_files: Sequence[str], folder: Path) -> dict[str, str]:
    """What a variable may be taken from: files of variables, and before them the shell."""
    from cluster.compose.dotenv import EnvFileRefused, parse_env

    names = env_files or ([str(folder / ".env")] if (folder / ".env").is_file() else [])
    known: dict[str, str] = {}
    for name in names:
        try:
            found = parse_env(_read(name, BESIDE_BYTES_MAX), {**known, **os.environ})
        except EnvFileRefused as error:
            raise CommandFailed(f"{name}, {error}", hint="write one NAME=value on each line") from error
        known |= {key: value for key, value in found.items() if value is not None}
    return {**known, **os.environ}


def _given(assignments: Sequence[str]) -> dict[str, str]:
    variables = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise UsageWrong(f"--variable {assignment}: there is no '='", hint="such as --variable TAG=1.2")
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise UsageWrong(
                f"--variable {assignment}: {name!r} is no name of a variable",
                hint="letters, digits and _, no digit first, such as --variable TAG=1.2",
            )
        variables[name] = value
    return variables


def _wanted(names: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """Of what is known, what the files name: nothing else of the shell's leaves this machine."""
    return {name: known[name] for name in sorted(names) if name in known}


def _mentioned(texts: Iterable[str]) -> set[str]:
    from cluster.compose.interpolation import mentioned

    return {name for text in texts for name in mentioned(text)}


# Files


def _read_beside(
    folder: Path, wanted: Sequence[WantedFile]
) -> tuple[dict[str, str], tuple[tuple[WantedFile, str], ...]]:
    if len(wanted) > BESIDE_MAX:
        raise CommandFailed(f"{len(wanted)} files are named; at most {BESIDE_MAX} can be sent along")
    found: dict[str, str] = {}
    unreadable: list[tuple[WantedFile, str]] = []
    for each in wanted:
        path = folder / Path(each.path).expanduser()
        if not each.is_required and not path.exists():
            continue
        try:
            found[each.path] = _read(str(path), BESIDE_BYTES_MAX)
        except CommandFailed as error:
            unreadable.append((each, str(error)))
    return found, tuple(unreadable)


def _place(wanted: WantedFile) -> str:
    file = f"{wanted.at.file}, " if wanted.at.file else ""
    return f"{file}line {wanted.at.line}, column {wanted.at.column}: {wanted.at.path}"


def _read(name: str, bytes_max: int) -> str:
    is_input = name == STANDARD_INPUT
    try:
        if is_input:
            content = sys.stdin.buffer.read(bytes_max + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(bytes_max + 1)
    except OSError as error:
        hint = 'name the file, or "-" for standard input'
        raise CommandFailed(f"cannot read {name}: {error.strerror}", hint=hint) from error
    if len(content) > bytes_max:
        size = f"{bytes_max // (1024 * 1024)} MiB" if bytes_max >= 1024 * 1024 else f"{bytes_max // 1024} KiB"
        raise CommandFailed(
            f"{name} is larger than {size}, the most it may be",
            hint="is it the file you meant? large data belongs into an image or a volume",
        )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CommandFailed(
            f"{name} is not UTF-8 text (byte {error.start + 1})", hint="is it the file you meant?"
        ) from error
