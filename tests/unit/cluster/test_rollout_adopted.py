"""What upkeep and deployments do with a container that somebody else made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.model.node import NodeStatus
from cluster.model.service import Assignment, Observation
from tests.unit.cluster.test_rollout_decisions import a_copy, a_node, a_view, decision, orders

DAY_MS = 86_400_000
THEIRS = "a" * 64


def adopted(text: str, *, container_id: str = THEIRS, age_ms: int = DAY_MS, reason: str = "") -> Assignment:
    """Since a day, so that every patience is over."""
    copy = a_copy(text, age_ms=age_ms)
    observed = Observation(phase=copy.observed.phase, container_id=container_id, reason=reason)
    return replace(copy, adopted_id=THEIRS, observed=observed)


def test_it_is_put_into_service_once_its_host_says_that_it_is_well() -> None:
    assert orders(a_view(adopted("1/0@h1 started healthy"))) == ["1/0@h1 serving"]


def test_one_that_lapses_leaves_the_router_and_stays() -> None:
    assert orders(a_view(adopted("1/0@h1 serving unhealthy"))) == ["1/0@h1 started"]


@pytest.mark.parametrize("phase", ["pending", "starting", "unhealthy"])
def test_however_long_it_is_not_well_it_is_left_as_it_was_found(phase: str) -> None:
    view = a_view(adopted(f"1/0@h1 started {phase}", reason="404 from /up"))
    assert orders(view) == []
    assert decision(view).blocked == (
        "replica 0: was adopted and is not healthy, and is left as it is: 404 from /up",
    )


def test_what_took_its_place_is_given_up_like_any_replica() -> None:
    assert orders(a_view(adopted("1/0@h1 started unhealthy", container_id="b" * 64)))[0] == "1/0@h1 removed"


def test_on_a_host_that_is_lost_it_is_replaced_elsewhere() -> None:
    down = a_node("h2", NodeStatus.DOWN)
    found = orders(a_view(adopted("1/0@h2 serving healthy"), nodes=(down,)))
    assert found == ["1/0@h1 started", "1/0@h2 removed"]


def test_a_deployment_replaces_it_start_first() -> None:
    view = a_view(adopted("1/0@h1 serving healthy"), revision=2)
    assert orders(view) == ["2/0@h1 started"]
    ready = a_view(adopted("1/0@h1 draining healthy"), a_copy("2/0@h2 serving healthy"), revision=2, stable=2)
    assert orders(ready) == ["1/0@h1 removed"]


def test_it_is_no_longer_adopted_once_another_container_is_seen_in_its_place() -> None:
    assert adopted("1/0@h1 serving healthy").is_adopted
    assert replace(adopted("1/0@h1 started pending"), observed=Observation()).is_adopted
    assert not adopted("1/0@h1 serving healthy", container_id="b" * 64).is_adopted
    assert not a_copy("1/0@h1 serving healthy").is_adopted
