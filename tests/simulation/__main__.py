"""`python -m tests.simulation`: run seeds, say what they exercised, keep those that fail."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.simulation import regressions
from tests.simulation.batch import (
    STATE_DIRECTORY,
    Progress,
    StateFile,
    chunks_to_run,
    code_version,
    run_batch,
    run_chunk,
    run_regression,
    summary,
)
from tests.simulation.profiles import PROFILES
from tests.simulation.regressions import DRAWN
from tests.simulation.run import Report


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, metavar="N", help="how many seeds (200)")
    parser.add_argument("--first", type=int, default=1, metavar="N", help="the first seed (1)")
    parser.add_argument("--seed", type=int, metavar="N", help="this seed alone, with its whole report")
    parser.add_argument(
        "--profile", choices=sorted(PROFILES), help="one profile, instead of one drawn per seed"
    )
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes (2)")
    parser.add_argument(
        "--budget-s", type=float, default=float("inf"), metavar="S", help="begin nothing later"
    )
    parser.add_argument("--again", action="store_true", help="forget what is done already")
    parser.add_argument("--state", type=Path, default=STATE_DIRECTORY, metavar="DIR", help=argparse.SUPPRESS)
    parser.add_argument(
        "--regressions", type=Path, default=regressions.REGRESSIONS, metavar="FILE", help=argparse.SUPPRESS
    )
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Returns 0 when every seed that was run is good, 1 when one is not, 130 when interrupted."""
    options = parse(arguments)
    if options.seed is not None:
        return run_one(options.seed, options.profile)
    is_good = run_regressions(options.regressions)
    state = StateFile(options.state, options.profile)
    version = code_version()
    progress = Progress(version, options.profile) if options.again else state.load(version)
    last = options.first + options.seeds - 1
    if progress.seeds_done:
        say(f"{progress.seeds_done} seeds of this code were run before; they are not run again")

    def on_chunk(reports: list[Report]) -> None:
        state.save(progress)
        for report in reports:
            if report.violation:
                tell_failure(report, options.profile)
        regressions.remember(reports, profile=options.profile or DRAWN, path=options.regressions)
        failed = len(progress.failures)
        say(f"{progress.seeds_done} seeds done, the latest {reports[-1].seed} of {last}, {failed} failed")

    chunks = chunks_to_run(progress, options.first, options.seeds)
    try:
        is_all = run_batch(
            progress, chunks, jobs=max(1, options.jobs), budget_s=options.budget_s, on_chunk=on_chunk
        )
    except KeyboardInterrupt:
        say(f"\ninterrupted; the same command goes on from here\n{summary(progress)}")
        return 130
    say(summary(progress))
    if not is_all:
        say(f"stopped after {options.budget_s:.0f} s; the same command goes on from here")
    of_range = [report for report in progress.failures if options.first <= report.seed <= last]
    for report in of_range:
        tell_failure(report, options.profile)
    return 0 if is_good and not of_range else 1


def run_one(seed: int, profile: str | None) -> int:
    [report] = run_chunk([seed], profile)
    say(f"seed {report.seed}, profile {report.profile} ({report.digest}), fingerprint {report.fingerprint}")
    say(summary(Progress("", counts=dict(report.counts))).partition("\n")[2])
    say(report.violation or "no violation")
    return 1 if report.violation else 0


def run_regressions(path: Path) -> bool:
    """Run the seeds that failed once. Returns whether none fails today."""
    kept = regressions.load(path)
    is_good = True
    for regression in kept:
        report = run_regression(regression)
        if report.violation:
            is_good = False
            tell_failure(report, None if regression.profile == DRAWN else regression.profile)
    if kept:
        say(f"{len(kept)} seeds that failed once were run: {'all good' if is_good else 'NOT all good'}")
    return is_good


def tell_failure(report: Report, profile: str | None) -> None:
    under = "" if profile is None else f" --profile {profile}"
    say(f"SEED {report.seed} FAILED (profile {report.profile}, {report.digest}): {report.violation}")
    say(f"  reproduce: PYTHONHASHSEED=0 python -m tests.simulation --seed {report.seed}{under}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
