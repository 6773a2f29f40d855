"""What is written down about the code agrees with the code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from agent.config import render_example, setting_keys
from cluster.commands.registry import KINDS
from tests.architecture.repository import PACKAGES, ROOT, files, python_files

EXAMPLE = ROOT / "packaging" / "tower.example.toml"
COMMANDS = ROOT / "cluster" / "commands"
LOCKS = [path.relative_to(ROOT).as_posix() for path in files() if path.name == "requirements.lock"]


def test_every_package_with_code_says_why_it_is_as_it_is() -> None:
    """agent, cluster, web and their direct subpackages; what lies deeper is explained there."""
    with_code = {
        Path(*path.relative_to(ROOT).parts[:-1][:2])
        for path in python_files(*PACKAGES)
        if path.name != "__init__.py"
    }
    missing = sorted(str(package) for package in with_code if not (ROOT / package / "DESIGN.md").is_file())
    assert not missing, f"code without DESIGN.md: {' '.join(missing)}"


def test_the_example_configuration_is_the_settings() -> None:
    assert EXAMPLE.is_file(), (
        "packaging/tower.example.toml is missing; agent.config.render_example() is its text"
    )
    text = EXAMPLE.read_text()
    assert text == render_example(), "write agent.config.render_example() into packaging/tower.example.toml"
    # A secret is not a key of the file: the file names a file that holds it.
    shown = {key.removesuffix("_file") for key in example_keys(text)}
    assert shown == set(setting_keys())


def example_keys(text: str) -> set[str]:
    """The dotted keys of an example in which every setting is a comment that shows its default."""
    lines = [re.sub(r"^#\s?(?=[a-z0-9_]+ = )", "", line) for line in text.splitlines()]
    tables = tomllib.loads("\n".join(lines))
    return {f"{table}.{key}" for table, keys in tables.items() for key in keys}


def test_every_setting_is_read_by_the_agent() -> None:
    sources = [path.read_text() for path in (ROOT / "agent").rglob("*.py") if path.parent.name != "config"]
    # A section may be taken out of the settings first: `raft = settings.raft`.
    unread = [
        key
        for key in setting_keys()
        if not any(re.search(rf"(?:settings\.|=){re.escape(key)}\b", source) for source in sources)
    ]
    assert unread == []


def test_every_log_command_is_listed_with_its_number_and_name() -> None:
    text = (COMMANDS / "DESIGN.md").read_text()
    listed = {
        int(row[1]): row[2]
        for row in re.finditer(r"^\|\s*(\d+)\s*\|\s*`?([a-z0-9-]+)`?\s*\|", text, re.MULTILINE)
    }
    assert listed == {kind.number: kind.name for kind in KINDS}, (
        "cluster/commands/DESIGN.md has a table with one row per command: | number | name | ... |"
    )


def test_every_ruff_ignore_has_its_reason_on_its_line() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    settings = tomllib.loads(text)["tool"]["ruff"]["lint"]
    ignored = [
        *settings["ignore"],
        *(code for codes in settings["per-file-ignores"].values() for code in codes),
    ]
    reasoned = re.findall(r'^\s*"([A-Z]+[0-9]+|[A-Z]+)",\s*#\s*\S+(?: \S+){2,}', text, re.MULTILINE)
    assert sorted(ignored) == sorted(reasoned)


def test_every_runtime_dependency_has_its_reason_above_it() -> None:
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    start = lines.index("dependencies = [")
    dependencies = lines[start + 1 : lines.index("]", start)]
    bare = [
        line.strip()
        for above, line in zip(["", *dependencies], dependencies, strict=False)
        if not line.lstrip().startswith("#") and not above.lstrip().startswith("#")
    ]
    assert bare == []


def test_the_lock_pins_every_dependency_within_its_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    pinned: dict[str, list[Version]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^ \\;]+)", lock_text(), re.MULTILINE):
        pinned.setdefault(canonicalize_name(name), []).append(Version(version))
    for requirement in map(Requirement, wanted):
        versions = pinned.get(canonicalize_name(requirement.name), [])
        assert versions, f"requirements.lock lacks {requirement.name}; run make lock"
        assert all(version in requirement.specifier for version in versions), (
            f"{requirement}: locked {versions}"
        )


@pytest.mark.parametrize("lock", LOCKS)
def test_each_lock_has_a_hash_for_everything_and_names_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text()
    pins = re.split(r"\n(?=\S)", text.strip())
    assert [pin.splitlines()[0] for pin in pins if "--hash=sha256:" not in pin] == []
    assert "://" not in text
    assert "--index" not in text


def lock_text() -> str:
    return (ROOT / "requirements.lock").read_text()


def test_every_make_target_is_explained_and_every_one_the_readme_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE)) - {"help"}
    explained = set(re.findall(r'@echo "make ([a-z]+)', makefile))
    assert targets == explained
    named = set(re.findall(r"`make ([a-z]+)", (ROOT / "README.md").read_text()))
    assert named <= targets


def test_no_file_depends_on_the_machine_it_was_written_on() -> None:
    # In two pieces each, so that this file is not a finding of its own.
    foreign = re.compile(
        "|".join(["/wor" + "k/", "/tmp/" + "w/", "/opt/" + "pypi", "/opt/" + "wheels", "/root/" + r"\.pyenv"])
    )
    assert matches(foreign) == ""


def test_no_file_refers_to_papers_that_are_not_shipped() -> None:
    unshipped = re.compile(
        "|".join(
            ["BRIEF" + r"\.md", r"\bnote" + r"s/[a-z]+\.md", "shared/" + r"DESIGN", "DEVELOPERS" + r"\.md"]
        )
    )
    assert matches(unshipped) == ""


def test_no_file_credits_a_tool_as_its_author() -> None:
    credit = re.compile(
        "co-authored" + "-by|generated " + r"(by|with) (an? )?(ai|llm|language model|assistant)\b",
        re.IGNORECASE,
    )
    assert matches(credit) == ""


def test_nothing_is_left_to_do_in_a_comment() -> None:
    marker = re.compile(r"(#|//|/\*)\s*(TO" + "DO|FIX" + r"ME|XX" + r"X)\b")
    assert matches(marker) == ""


def matches(pattern: re.Pattern[str]) -> str:
    """Where `pattern` occurs in the project's text files, as `path:line`, one a line."""
    found = []
    for path in files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{number}"
            for number, line in enumerate(text.splitlines(), start=1)
            if pattern.search(line)
        ]
    return "\n".join(found)
