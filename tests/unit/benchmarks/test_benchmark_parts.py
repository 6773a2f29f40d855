"""The pure parts of benchmarks: reading /proc, reading a program's table, probing, scratch directories."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from tests.benchmarks.leftovers import owner_of
from tests.benchmarks.probing import until_first
from tests.benchmarks.process_figures import cpu_s, private_mib, with_descendants
from tests.benchmarks.programs import table_rows
from tests.support.lab import Identity


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Four processes: 10 > 11 > 12, and 13 by itself; the name of 11 has spaces and parentheses."""
    for pid, parent, name in ((10, 1, "a"), (11, 10, "b) (c d"), (12, 11, "e"), (13, 1, "f")):
        ticks = os.sysconf("SC_CLK_TCK") * pid
        process = tmp_path / str(pid)
        process.mkdir()
        fields = [f"{pid} ({name}) S {parent}", *["0"] * 9, str(ticks), str(ticks), "99", "99"]
        (process / "stat").write_text(" ".join(fields) + "\n")
        (process / "smaps_rollup").write_text(
            "Rss: 9999 kB\nShared_Clean: 500 kB\nPrivate_Clean: 1024 kB\nPrivate_Dirty: 2048 kB\nPss: 77 kB\n"
        )
    return tmp_path


def test_processor_time_is_that_in_user_mode_and_in_the_kernel_together(proc: Path) -> None:
    assert cpu_s([10, 11], proc) == 2 * (10 + 11)


def test_private_memory_leaves_out_what_is_shared(proc: Path) -> None:
    assert private_mib([10, 13], proc) == 6.0


def test_processes_that_have_ended_count_nothing(proc: Path) -> None:
    assert (cpu_s([999], proc), private_mib([999], proc)) == (0.0, 0.0)


def test_descendants_are_found_at_every_depth_and_others_are_not(proc: Path) -> None:
    assert sorted(with_descendants(10, proc)) == [10, 11, 12]


def test_a_table_is_read_by_its_headings_whatever_surrounds_it() -> None:
    text = "on a machine\n\n| system | in flight |\n|---|---:|\n| tower | 1 |\n| etcd | 64 |\n\nthe end\n"
    assert table_rows(text) == [
        {"system": "tower", "in flight": "1"},
        {"system": "etcd", "in flight": "64"},
    ]
    assert table_rows("nothing of the kind") == []


def test_a_scratch_directory_says_whose_it_is() -> None:
    assert owner_of("tower-bench-123-456-ab_c") == Identity(123, 456)
    assert owner_of("tower-bench-ab_c") is None


def test_a_try_that_hangs_does_not_hold_up_the_others() -> None:
    released = threading.Event()

    def hangs(_: int) -> bool:
        return released.wait(20) and False

    def succeeds(number: int) -> bool:
        if number >= 5:
            released.set()
        return number >= 5

    began_s = time.monotonic()
    took_s = until_first([hangs, succeeds], since_s=began_s, every_s=0.002, timeout_s=20, what="it")
    assert 0 < took_s <= time.monotonic() - began_s
    assert released.is_set()


def test_what_never_succeeds_is_an_error_that_names_it() -> None:
    with pytest.raises(TimeoutError, match=r"it works: not within 0\.05 s"):
        until_first(
            [lambda _: False], since_s=time.monotonic(), every_s=0.01, timeout_s=0.05, what="it works"
        )


def test_a_mistake_in_a_try_is_not_taken_for_a_failure() -> None:
    def mistaken(_: int) -> bool:
        raise KeyError("nobody")

    with pytest.raises(KeyError, match="nobody"):
        until_first([mistaken], since_s=time.monotonic(), every_s=0.01, timeout_s=20, what="it")
