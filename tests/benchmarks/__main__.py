"""The benchmarks, each beside its anchor in one run: `python -m tests.benchmarks [NAME...]`.

What is measured replaces that benchmark's section of RESULTS.md. A benchmark that cannot run here is named
with what it lacks, and its section stays. Exit status: 0 when all that were asked for ran, 1 otherwise.
"""

from __future__ import annotations

import argparse
import compileall
import shlex
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks import (
    agent_footprint,
    analytics_verbs,
    anomaly_quality,
    collection,
    dashboard,
    forecast_quality,
    host_failover,
    leader_failover,
    live,
    log_history,
    mcp_endpoint,
    metrics_store,
    programs,
    rest,
    rolling_update,
    singleton,
)
from tests.benchmarks.leftovers import remove_abandoned_scratch
from tests.benchmarks.machine import Missing, date, description, load_average
from tests.benchmarks.results import FILE, Circumstances, Finding, keep, section

Benchmark = Callable[[Callable[[str], None]], Finding]

# In the order they run and stand in the file.
BENCHMARKS: dict[str, Benchmark] = {
    "proposals": programs.proposals,
    "leader-failover": leader_failover.run,
    "host-failover": host_failover.run,
    "rolling-update": rolling_update.run,
    "singleton": singleton.run,
    "agent": agent_footprint.run,
    "rest": rest.run,
    "live": live.run,
    "mcp": mcp_endpoint.run,
    "dashboard": dashboard.run,
    "collection": collection.run,
    "apply": programs.apply,
    "log": programs.journal,
    "metrics-store": metrics_store.run,
    "log-history": log_history.run,
    "analytics-verbs": analytics_verbs.run,
    "forecast-quality": forecast_quality.run,
    "anomaly-quality": anomaly_quality.run,
}
ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("agent", "cluster", "web")
TERMINATED = 128 + signal.SIGTERM


def main(argv: Sequence[str]) -> int:
    arguments = _arguments(argv)
    # Everything that was started is ended on the way out, which SIGTERM would otherwise not take.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    remove_abandoned_scratch()
    _compile()
    began_s = time.monotonic()
    command = shlex.join(["python", "-m", "tests.benchmarks", *argv]) if argv else "make bench"
    undone = [name for name in arguments.names or BENCHMARKS if not _run(name, command, arguments.dry_run)]
    _say(f"all took {time.monotonic() - began_s:.0f} s")
    if undone:
        _say(f"not measured: {', '.join(undone)}")
    return 1 if undone else 0


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(BENCHMARKS)}")
    parser.add_argument(
        "--dry-run", action="store_true", help="measure and show, but leave RESULTS.md as it is"
    )
    arguments = parser.parse_args(argv)
    for name in arguments.names:
        if name not in BENCHMARKS:
            parser.error(f"no benchmark {name!r}; there are {', '.join(BENCHMARKS)}")
    return arguments


def _compile() -> None:
    """Have bytecode, as an installed agent has, even where the environment keeps Python from writing any."""
    for package in PACKAGES:
        compileall.compile_dir(ROOT / package, quiet=2)


def _run(name: str, command: str, is_dry: bool) -> bool:
    """Run one and keep what it found. False when it could not be measured; the rest goes on."""
    _say(f"{name}: begins")
    when, load_before, began_s = date(), load_average(), time.monotonic()
    try:
        finding = BENCHMARKS[name](lambda line: _say(f"{name}: {line}"))
    except Missing as missing:
        _say(f"{name}: cannot run here: {missing}")
        return False
    except Exception:  # one that breaks must not take the others' figures along
        _say(f"{name}: FAILED\n{traceback.format_exc()}")
        return False
    circumstances = Circumstances(
        date=when,
        command=command,
        machine=description(),
        load_before=load_before,
        duration_s=time.monotonic() - began_s,
    )
    if not is_dry:
        keep(name, finding, circumstances, BENCHMARKS)
    sys.stdout.write("\n" + section(name, finding, circumstances) + "\n")
    sys.stdout.flush()
    if not is_dry:
        _say(f"{name}: kept in {FILE.name}")
    return True


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
