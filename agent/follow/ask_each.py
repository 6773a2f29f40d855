"""Asking several hosts at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from cluster.model.inventory import HostRefused, HostUnavailable

_Answer = TypeVar("_Answer")


async def ask_each(
    node_ids: Iterable[str], ask: Callable[[str], Awaitable[_Answer]]
) -> dict[str, _Answer | HostUnavailable]:
    """Return what each host answers; of one that does not answer, or refuses, why.

    One that refuses is of an earlier version, or does not know the one that asks as a member.
    """

    async def one(node_id: str) -> _Answer | HostUnavailable:
        try:
            return await ask(node_id)
        except HostUnavailable as error:
            return error
        except HostRefused as error:
            return HostUnavailable(str(error))

    async with asyncio.TaskGroup() as tasks:
        asking = {node_id: tasks.create_task(one(node_id)) for node_id in node_ids}
    return {node_id: task.result() for node_id, task in asking.items()}
