"""Docker hosts for benchmarks: a lab of its own each, removed at the end, and by the next run when killed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.benchmarks.machine import Missing, require_lab
from tests.support.lab import Lab, RequirementsMissing, a_lab, remove_abandoned

HOSTS = 3


@contextlib.contextmanager
def a_benchmark_lab(letter: str) -> Iterator[Lab]:
    """Three hosts that run. `letter` tells the labs of one process apart. Raises Missing."""
    require_lab()
    remove_abandoned()
    lab = a_lab(letter)
    try:
        try:
            lab.up(HOSTS)
        except RequirementsMissing as missing:
            raise Missing(str(missing)) from missing
        yield lab
    finally:
        lab.down()
