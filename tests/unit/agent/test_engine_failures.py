"""What the engine's failures are to whoever asks a host."""

from __future__ import annotations

import pytest

from agent.follow.engine_failures import engine_failures
from agent.ports import ContainerNotFound, EngineError, EngineRefused, EngineUnavailable, ImageNotFound
from agent.ports.access import PathNotFound
from cluster.model.inventory import HostRefused, HostUnavailable


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ContainerNotFound("none", status=404), "not-found"),
        (ImageNotFound("none", status=404), "not-found"),
        (PathNotFound("none", status=404), "not-found"),
        (EngineRefused("in use", status=409), "conflict"),
        (EngineRefused("in use", status=403), "refused"),
        (EngineError("broken"), "refused"),
    ],
)
def test_a_refusal_of_the_engine_is_one_of_the_host(error: EngineError, code: str) -> None:
    with pytest.raises(HostRefused) as caught, engine_failures():
        raise error

    assert (str(caught.value), caught.value.code) == (str(error), code)


def test_some_statuses_mean_a_conflict_only_where_the_caller_says_so() -> None:
    with pytest.raises(HostRefused) as caught, engine_failures(conflicts=(403, 409)):
        raise EngineRefused("somebody is in it", status=403)

    assert caught.value.code == "conflict"


def test_an_engine_that_does_not_answer_makes_the_host_unavailable() -> None:
    with pytest.raises(HostUnavailable, match="is it running"), engine_failures():
        raise EngineUnavailable("no answer: is it running?")
    with pytest.raises(HostUnavailable, match="within 60 s"), engine_failures(within_s=60):
        raise TimeoutError
    with pytest.raises(HostUnavailable, match="in time"), engine_failures():
        raise TimeoutError
