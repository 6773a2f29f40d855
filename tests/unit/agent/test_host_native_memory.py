"""What the C library keeps of freed memory, tried in a process of its own: the settings are a process's."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from agent.host.native_memory import keep_numpy_to_one_thread

_IS_GLIBC = hasattr(ctypes.CDLL(None), "gnu_get_libc_version")

# Threads that hold a block each at the same time: with heaps of their own each maps a piece of 64 MiB.
_HEAPS = """
import ctypes, re, sys, threading
from agent.host.native_memory import return_freed_memory

if sys.argv[1] == "one":
    assert return_freed_memory()
hold, held = threading.Event(), threading.Semaphore(0)

def keep():
    block = ctypes.create_string_buffer(100_000)
    held.release()
    hold.wait()

threads = [threading.Thread(target=keep) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: held.acquire()
spans = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw-p 00000000 00:00 0 *$", open("/proc/self/maps").read(), re.M)
print(sum(int(start, 16) % (64 << 20) == 0 for start, _ in spans))
hold.set()
"""

_LARGE = """
import ctypes, sys
from agent.host.native_memory import return_freed_memory

def resident_kib():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))

if sys.argv[1] == "one":
    assert return_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.free(libc.malloc(20 << 20))  # raises the thresholds of a C library that is left alone
block = libc.malloc(16 << 20)
ctypes.memset(block, 1, 16 << 20)
above = libc.malloc(1 << 10)  # what lies above keeps a heap from shrinking
before = resident_kib()
libc.free(block)
print((before - resident_kib()) // 1024)
"""


def _run(script: str, how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", script, how], capture_output=True, text=True, timeout=60, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(not _IS_GLIBC, reason="only glibc has heaps for threads")
def test_all_threads_share_one_heap() -> None:
    assert _run(_HEAPS, "one") == 0
    assert _run(_HEAPS, "left alone") > 0


@pytest.mark.skipif(not _IS_GLIBC, reason="only glibc raises its thresholds")
def test_a_large_block_is_returned_when_it_is_freed_also_after_a_larger_one_was() -> None:
    assert _run(_LARGE, "one") >= 15
    assert _run(_LARGE, "left alone") < 15


def test_numpy_starts_one_thread_unless_the_environment_says_otherwise() -> None:
    unset: dict[str, str] = {}
    keep_numpy_to_one_thread(unset)
    assert unset == {"OPENBLAS_NUM_THREADS": "1"}
    chosen = {"OPENBLAS_NUM_THREADS": "4"}
    keep_numpy_to_one_thread(chosen)
    assert chosen == {"OPENBLAS_NUM_THREADS": "4"}
