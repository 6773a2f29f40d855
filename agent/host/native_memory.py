"""Settings of the C library's allocator and of numpy's threads, for a small process with many threads."""

from __future__ import annotations

import ctypes
import os
from collections.abc import MutableMapping

# malloc.h of glibc; see mallopt(3).
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

_LARGE_BYTES = 128 * 1024
"""glibc's own first value of both thresholds. Once set it stays: else a large block that is freed, such as
the 19 MiB a password's hash takes, raises them, and from then on blocks of up to that size are kept."""


def return_freed_memory() -> bool:
    """Have the C library share one heap among all threads and return what is freed to the kernel.

    Before the first thread starts: one that has a heap keeps it. False where the C library has no such
    settings (musl).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = (
        (_M_ARENA_MAX, 1),
        (_M_MMAP_THRESHOLD, _LARGE_BYTES),
        (_M_TRIM_THRESHOLD, _LARGE_BYTES),
    )
    return all([mallopt(name, value) == 1 for name, value in settings])


def keep_numpy_to_one_thread(environment: MutableMapping[str, str] = os.environ) -> None:
    """Have numpy's OpenBLAS start no thread for every processor. Before numpy is imported.

    Whoever runs the agent may say otherwise in the environment.
    """
    environment.setdefault("OPENBLAS_NUM_THREADS", "1")
