"""Runs the lab from a source tree, without anything installed: `python packaging/lab up --hosts 3`."""

from __future__ import annotations

import sys

from tower_lab.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
