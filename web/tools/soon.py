"""Waiting a moment for the leader, or the hosts, to do what was just asked of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from cluster.store import ReadTxn
from web.ports import Surroundings

_Seen = TypeVar("_Seen")


async def until_changed(surroundings: Surroundings, *, patience_s: float) -> None:
    """Return when something was committed, or after `patience_s`."""
    changed = asyncio.Event()
    unsubscribe = surroundings.state.subscribe(lambda _: changed.set())
    try:
        async with asyncio.timeout(patience_s):
            await changed.wait()
    except TimeoutError:
        return
    finally:
        unsubscribe()


async def soon(
    surroundings: Surroundings, look: Callable[[ReadTxn], _Seen | None], *, patience_s: float
) -> _Seen | None:
    """Return what `look` sees in the state as soon as that is something, or None after `patience_s`."""
    changed = asyncio.Event()
    unsubscribe = surroundings.state.subscribe(lambda _: changed.set())
    try:
        async with asyncio.timeout(patience_s):
            while True:
                changed.clear()
                with surroundings.state.read() as txn:
                    seen = look(txn)
                if seen is not None:
                    return seen
                await changed.wait()
    except TimeoutError:
        return None
    finally:
        unsubscribe()
