"""The collector of cycles passes over what was there when the agent started."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from agent.host.standing_objects import set_aside_standing_objects, without_collections


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    gc.unfreeze()


class Node:
    other: Node


def test_full_collections_pass_over_what_stays_and_find_what_came_since() -> None:
    standing = [Node() for _ in range(1000)]
    set_aside_standing_objects()
    assert gc.get_freeze_count() > len(standing)
    assert len(gc.get_objects()) < len(standing)
    first, second = Node(), Node()
    first.other, second.other = second, first
    del first, second
    assert gc.collect() >= 2


def test_nothing_is_collected_while_what_stays_is_loaded_whatever_becomes_of_that() -> None:
    with without_collections():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ModuleNotFoundError), without_collections():
        raise ModuleNotFoundError("no such module")
    assert gc.isenabled()
