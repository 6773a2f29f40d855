"""The dashboard in Debian's Chromium: its first data, a thousand containers, 10,000 log lines a second."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from playwright.sync_api import sync_playwright

from tests.benchmarks import first_paint
from tests.benchmarks.leftovers import scratch
from tests.benchmarks.machine import Missing
from tests.benchmarks.results import Finding, Row, percentile
from tests.e2e.conftest import FLAGS, STATIC
from tests.e2e.flooded import (
    CONTAINERS,
    LINES_PER_S,
    Felt,
    flooded,
    heap_bytes,
    idle_page,
    use_logs,
    use_table,
)

SECONDS = 30.0


def run(say: Callable[[str], None]) -> Finding:
    """Measure it. Raises Missing without Chromium, a built dashboard or a lab."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        raise Missing("chromium is not installed")
    if not (STATIC / "index.html").is_file():
        raise Missing("the dashboard is not built: make ui")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        with scratch() as directory:
            first = first_paint.measure(browser, directory, say)
        anchor = idle_page(browser, SECONDS)
        say(f"a page that does nothing: {_words(anchor)}")
        with flooded(browser) as (dashboard, server, session):
            begun = heap_bytes(session)
            table = use_table(dashboard, server, SECONDS)
            say(f"the table: {_words(table)}")
            rows = dashboard.page.get_by_role("rowheader").count()
            table_heap = heap_bytes(session)
            logs, written = use_logs(dashboard, server, SECONDS)
            say(f"the logs: {_words(logs)}, {written} lines")
            logs_heap = heap_bytes(session)
        browser.close()
    return Finding(
        title="Dashboard",
        how=(
            "First data: the end of the first frame with the name of a host or container in it, from"
            f" the leader of three hosts, which has {first_paint.CONTAINERS} containers, over TLS, each of"
            f" {first_paint.LOADS} loads with nothing cached; waits are counted from the beginning of the"
            " navigation, or from when the login was sent. Then"
            f" a table of {CONTAINERS} containers whose numbers all change every second, scrolled and"
            f" searched for {SECONDS:.0f} s, then a log that gets {LINES_PER_S} lines a second, in Chromium"
            " without a graphics processor, with the server on the same machine. A key's wait is from when"
            " it was pressed to when the page heard of it; a late frame is one after which at"
            " least one was left out (33 ms)."
        ),
        anchor="a page that does nothing",
        rows=(
            *first,
            _row("table: a key waits, p50", table, anchor, _wait(50)),
            _row("table: a key waits, p95", table, anchor, _wait(95)),
            _row("table: frames, p95", table, anchor, lambda felt: percentile(felt.frames_ms, 95)),
            _row("table: late frames", table, anchor, lambda felt: felt.late_percent, "%"),
            Row(what="table: rows in the page", ours=f"{rows} of {CONTAINERS}"),
            Row(what="table: memory, before and after", ours=f"{_mib(begun)} and {_mib(table_heap)}"),
            _row("logs: a key waits, p50", logs, anchor, _wait(50)),
            _row("logs: a key waits, p95", logs, anchor, _wait(95)),
            _row("logs: frames, p95", logs, anchor, lambda felt: percentile(felt.frames_ms, 95)),
            _row("logs: late frames", logs, anchor, lambda felt: felt.late_percent, "%"),
            Row(
                what="logs: written meanwhile",
                ours=f"{written / SECONDS:.0f} lines/s",
                target=f"{LINES_PER_S} lines/s",
            ),
            Row(what="logs: memory", ours=_mib(logs_heap)),
        ),
    )


def _wait(percent: float) -> Callable[[Felt], float]:
    return lambda felt: percentile(felt.keys_ms, percent)


def _row(what: str, ours: Felt, anchor: Felt, of: Callable[[Felt], float], unit: str = "ms") -> Row:
    return Row(what=what, ours=f"{of(ours):.1f} {unit}", anchor=f"{of(anchor):.1f} {unit}")


def _words(felt: Felt) -> str:
    return (
        f"a key waits {percentile(felt.keys_ms, 50):.1f} ms (p95 {percentile(felt.keys_ms, 95):.1f}),"
        f" {felt.late_percent:.1f} % of {len(felt.frames_ms)} frames late"
    )


def _mib(amount: int) -> str:
    return f"{amount / 1024**2:.1f} MiB"
