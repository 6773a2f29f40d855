"""`tower lab`: Docker hosts on this machine, for trying and testing Control Tower.

The lab is part of the source tree (`packaging/lab`), not of what is installed on hosts, so it is looked for
beside this package and loaded by its path when the verb is used.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

_SOURCE = Path(__file__).resolve().parents[2] / "packaging" / "lab"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb; what follows it is for the lab's own command line, `--help` included."""
    parser = subparsers.add_parser(
        "lab",
        help="make, break and remove Docker hosts on this machine (source tree only)",
        add_help=False,
        # With a prefix that nobody types, options are handed on like every other word.
        prefix_chars="\0",
    )
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Hand the arguments to the lab: 0 done, 1 refused or failed, 2 wrong usage."""
    if not (_SOURCE / "tower_lab").is_dir():
        sys.stderr.write(
            f"tower lab: {_SOURCE} is not there: the lab comes with the source tree, not with an installed "
            "agent; run it there: python packaging/lab --help\n"
        )
        return 1
    if str(_SOURCE) not in sys.path:
        sys.path.insert(0, str(_SOURCE))
    main = importlib.import_module("tower_lab.cli").main
    status: int = main(args.arguments)
    return status
