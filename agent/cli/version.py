"""`tower version`"""

from __future__ import annotations

import argparse
import platform

from agent.cli.failures import DONE
from agent.cli.output import print_json
from agent.cli.parsing import Verbs


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    verbs.add_parser("version", help="print the version of this program")


def run(args: argparse.Namespace) -> int:
    version = installed_version()
    if getattr(args, "json", False):
        print_json({"version": version, "python": platform.python_version()})
    else:
        print(f"tower {version} (Python {platform.python_version()})")
    return DONE


def installed_version() -> str:
    """Return the version of the installed distribution, or say that there is none."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("control-tower")
    except PackageNotFoundError:
        return "not installed (running from a source tree)"
