"""The first moment at which something succeeds, found by trying all the time and never waiting for one try.

An open loop: tries begin at their times whether or not earlier ones have been answered, because a request
that hangs until its own time-out says nothing about the moment the others were served.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

TRIES_AT_ONCE_MAX = 48


def until_first(
    tries: Sequence[Callable[[int], bool]],
    *,
    since_s: float,
    every_s: float,
    timeout_s: float,
    what: str,
    tries_at_once: int = TRIES_AT_ONCE_MAX,
) -> float:
    """Seconds from `since_s` (time.monotonic) until one of `tries` returned true, each tried every `every_s`.

    A try is given its number. It must have a time-out of its own and return false when it fails.

    Raises:
        TimeoutError: none did within `timeout_s`.
    """
    succeeded = threading.Event()
    lock = threading.Lock()
    first: list[float] = []
    broken: list[BaseException] = []

    def once(attempt: Callable[[int], bool], number: int) -> None:
        if succeeded.is_set() or not attempt(number):
            return
        with lock:
            if not first:
                first.append(time.monotonic())
        succeeded.set()

    def done(future: Future[None]) -> None:
        room.release()
        error = future.exception()
        if error is not None:
            broken.append(error)
            succeeded.set()

    room = threading.Semaphore(tries_at_once)
    with ThreadPoolExecutor(tries_at_once) as pool:
        number = 0
        due_s = time.monotonic()
        while not succeeded.is_set() and due_s < since_s + timeout_s:
            # With all threads busy a try is left out: a queue would only make its moment wrong.
            if room.acquire(blocking=False):
                pool.submit(once, tries[number % len(tries)], number).add_done_callback(done)
            number += 1
            due_s = max(time.monotonic(), due_s + every_s / len(tries))
            succeeded.wait(max(0.0, due_s - time.monotonic()))
    if broken:
        raise broken[0]
    if not first:
        raise TimeoutError(f"{what}: not within {timeout_s:g} s")
    return first[0] - since_s
