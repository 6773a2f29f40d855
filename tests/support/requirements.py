"""What a test needs of the machine: missing is a skip at a desk and a failure in CI."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import pytest


def running_in_ci() -> bool:
    """True when the environment says `CI=true` (or any other non-empty, non-false value)."""
    return os.environ.get("CI", "").strip().lower() not in ("", "0", "false", "no")


def unmet(reason: str) -> NoReturn:
    """Skip the test for `reason`; in CI, where everything must be there, fail it."""
    if running_in_ci():
        pytest.fail(f"{reason} (a failure, not a skip, because CI is set)", pytrace=False)
    pytest.skip(reason)


def require_program(name: str, *, package: str | None = None) -> str:
    """Return the path of the program `name`, or skip (in CI: fail) and say which Debian package has it."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if path is None:
        unmet(f"the program {name!r} is not installed; try: apt-get install {package or name}")
    return path


def require_linux() -> None:
    """Skip (in CI: fail) anywhere but on Linux."""
    if sys.platform != "linux":
        unmet(f"needs Linux, this is {sys.platform}")


def require_root() -> None:
    """Skip (in CI: fail) unless the tests run as root on Linux, as network namespaces and dockerd need."""
    require_linux()
    if os.geteuid() != 0:
        unmet("needs root (network namespaces, dockerd); run the tests as root")


def require_chromium() -> str:
    """Return the path of a Chromium that Playwright can drive, or skip (in CI: fail).

    Debian's own is taken first; elsewhere the one `packaging/bootstrap.sh browser` downloads.
    """
    for name in ("chromium", "google-chrome"):
        path = shutil.which(name)
        if path is not None:
            return path
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", Path.home() / ".cache" / "ms-playwright"))
    downloaded = sorted(cache.glob("chromium-*/chrome-linux*/chrome"))
    if not downloaded:
        unmet("no Chromium; try: apt-get install chromium, or packaging/bootstrap.sh browser")
    return str(downloaded[-1])


def require_inspector() -> tuple[str, str]:
    """Return Node and the MCP Inspector's script to run with it, or skip (in CI: fail)."""
    script = (
        Path(__file__).parent
        / "inspector/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"
    )
    node = shutil.which("node", path=str(Path(sys.executable).parent))
    if node is None or not script.is_file():
        unmet("the MCP Inspector is not installed; run: packaging/bootstrap.sh python clients")
    return node, str(script)


def require_conformance() -> tuple[str, str]:
    """Return Node and the script of MCP's conformance suite to run with it, or skip (in CI: fail)."""
    script = (
        Path(__file__).parent / "conformance/node_modules/@modelcontextprotocol/conformance/dist/index.js"
    )
    node = shutil.which("node", path=str(Path(sys.executable).parent))
    if node is None or not script.is_file():
        unmet("MCP's conformance suite is not installed; run: packaging/bootstrap.sh python clients")
    return node, str(script)


def require_old_sdk() -> tuple[str, str]:
    """Return a Python with the MCP SDK's 1.x line and a script to run with it, or skip (in CI: fail)."""
    directory = Path(__file__).parent / "sdk1"
    python = directory / ".venv/bin/python"
    if not (directory / ".venv/.locked").is_file():
        unmet("the MCP SDK's 1.x line is not installed; run: packaging/bootstrap.sh python clients")
    return str(python), str(directory / "client.py")
