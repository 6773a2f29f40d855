"""A bounded number of seeds, the same in every run, and a check that they still exercise everything.

TOWER_SIMULATION_SEEDS says how many; `make simulate` runs many more.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.simulation import regressions
from tests.simulation.batch import run_chunk, run_regression
from tests.simulation.run import Report

SEEDS = int(os.environ.get("TOWER_SIMULATION_SEEDS", "100"))
CHUNK = 50

MUST_HAPPEN = {
    "leaders": 200,
    "operations acknowledged": 10_000,
    "entries truncated": 100,
    "logs compacted": 150,
    "logs begun anew": 10,
    "snapshots installed": 10,
    "changes: learner": 5,
    "changes: voter": 5,
    "changes: remove": 5,
    "changes refused": 20,
    "removed nodes told": 8,
    "kills": 150,
    "power cuts": 150,
    "writes interrupted": 50,
    "kill all": 20,
    "full logs": 50,
    "full states": 50,
    "cut link": 200,
    "cut one way": 100,
    "isolate one": 100,
    "leave a bridge": 40,
    "stall one way": 200,
    "pauses": 80,
    "transfers begun": 25,
    "turns under a lease": 10_000,
    "healed as a bare majority": 8,
    "proposals: unknown": 500,
    "proposals: not_leader": 200,
    "retries answered like the first time": 3,
    "reads confirmed": 4_000,
    "reads refused": 500,
}
"""How often at least, in any CHUNK consecutive seeds. A simulation that no longer cuts power, or whose
nodes no longer get far enough behind to need a snapshot, would pass for the wrong reason."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", range(1, SEEDS + 1, CHUNK))
def test_no_seed_breaks_a_promise_and_together_they_exercise_everything(first: int) -> None:
    reports = run_chunk(list(range(first, min(first + CHUNK, SEEDS + 1))))
    failed = [report for report in reports if report.violation]
    assert not failed, "\n".join(map(how_to_reproduce, failed))
    if len(reports) == CHUNK:
        counts: Counter[str] = Counter()
        for report in reports:
            counts.update(report.counts)
        too_few = {name: counts[name] for name, least in MUST_HAPPEN.items() if counts[name] < least}
        assert not too_few, f"these seeds no longer exercise {too_few}"


@pytest.mark.timeout(300)
def test_seeds_that_failed_once_are_good() -> None:
    reports = [run_regression(kept) for kept in regressions.load()]
    assert not [how_to_reproduce(report) for report in reports if report.violation]


def test_the_same_seed_is_the_same_run() -> None:
    [once], [again] = run_chunk([7]), run_chunk([7])
    assert once == again
    assert once.fingerprint != run_chunk([8])[0].fingerprint


def how_to_reproduce(report: Report) -> str:
    return (
        f"seed {report.seed} ({report.profile}): {report.violation}\n"
        f"reproduce: PYTHONHASHSEED=0 python -m tests.simulation --seed {report.seed}"
    )
