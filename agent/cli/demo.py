"""`tower demo`: the whole product on this machine (source tree only)."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from agent.cli.failures import CommandFailed
from agent.cli.parsing import Verbs

_SOURCE = Path(__file__).resolve().parents[2] / "packaging" / "demo"


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "demo",
        help="three Docker hosts, an agent on each and a sample app, on this machine (source tree only)",
        add_help=False,
        # With a prefix that nobody types, options are handed on like every other word.
        prefix_chars="\0",
    )
    parser.add_argument("arguments", nargs=argparse.REMAINDER)


def run(args: argparse.Namespace) -> int:
    if not (_SOURCE / "tower_demo.py").is_file():
        raise CommandFailed(
            f"{_SOURCE} is not there: the demo comes with the source tree, not with an installed agent",
            hint="clone the source and run: make demo",
        )
    sys.path.insert(0, str(_SOURCE))
    return int(importlib.import_module("tower_demo").main(args.arguments))
