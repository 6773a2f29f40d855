"""Settings every test shares."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Iterator

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck, settings

from tests.support.loops import TidyPolicy

# How long drawing an example takes says nothing here: these tests give way to those of Docker hosts.
for profile, max_examples in {"dev": 25, "ci": 500, "nightly": 20_000}.items():
    settings.register_profile(
        profile, max_examples=max_examples, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

# For all threads: servers of browser tests have loops of their own.
asyncio.set_event_loop_policy(TidyPolicy())

GARBAGE_OBJECTS = 20_000
"""So many new objects make the collector look; with CPython's 700 that is a tenth of all work."""


def pytest_collection_finish() -> None:
    """Leave what lasts, the modules and thousands of tests, out of the search for garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS, *gc.get_threshold()[1:])


@pytest.fixture(autouse=True)
def our_code_never_blocks_the_event_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """In unit tests, a blocking call that our code makes on a running event loop is an error."""
    if "tests/unit/" not in request.node.path.as_posix():
        yield
        return
    with blockbuster_ctx(scanned_modules=["agent", "cluster", "web"]):
        yield
