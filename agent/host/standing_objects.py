"""What is loaded once and stays, kept from the collector of reference cycles."""

from __future__ import annotations

import gc


def set_aside_standing_objects() -> None:
    """Have full collections look no more at what there is now: before the first loop and thread run.

    A collection stops every thread, Raft's included. What the modules of an agent alone are made of, 150,000
    objects, takes it 50 to 100 ms each time, for nothing: they stay as long as the process.
    """
    gc.collect()
    gc.freeze()
