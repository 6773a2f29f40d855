"""Scaling in the log: who changed the number of replicas, what a deployment leaves of it."""

from __future__ import annotations

from dataclasses import replace

from cluster.commands.services import PutService, ScaleService
from cluster.model.autoscaling import (
    AUTOSCALING,
    SCALINGS_KEPT,
    AutoscalePolicy,
    ScaleMetric,
    ScaleTarget,
    Scaling,
)
from cluster.model.ids import ServiceId
from cluster.model.service import Service
from cluster.store.records import SERVICES
from tests.support.state_builders import START_MS, Replica, a_service

WEB = ServiceId("shop.web")
POLICY = AutoscalePolicy(
    replicas_min=2, replicas_max=6, targets=(ScaleTarget(metric=ScaleMetric.CPU, value=70),)
)


def put(replicas: int = 1, autoscale: AutoscalePolicy | None = POLICY) -> PutService:
    return replace(a_service(), replicas=replicas, autoscale=autoscale)


def scaled(replicas: int, **fields: object) -> ScaleService:
    command = ScaleService(service_id=WEB, replicas=replicas, by=AUTOSCALING, reason="cpu 133 of 70 %")
    return replace(command, **fields)  # type: ignore[arg-type]


def a_replica(replicas: int = 1) -> Replica:
    replica = Replica()
    replica.must(put(replicas))
    return replica


def service_of(replica: Replica) -> Service:
    found = SERVICES.get(replica.txn, WEB)
    assert found is not None
    return found


def test_a_new_service_begins_within_its_bounds() -> None:
    assert service_of(a_replica(1)).replicas == 2
    assert service_of(a_replica(4)).replicas == 4
    assert service_of(a_replica(9)).replicas == 6


def test_each_change_says_by_whom_and_why() -> None:
    replica = a_replica()
    replica.must(scaled(4))
    assert service_of(replica).scalings == (
        Scaling(at_ms=START_MS, replicas_before=2, replicas=4, by=AUTOSCALING, reason="cpu 133 of 70 %"),
    )


def test_the_newest_changes_are_kept() -> None:
    replica = a_replica()
    for number in range(SCALINGS_KEPT + 5):
        replica.must(scaled(3 + number % 2))
    kept = service_of(replica).scalings
    assert len(kept) == SCALINGS_KEPT
    assert kept[-1].replicas == service_of(replica).replicas


def test_a_deployment_does_not_set_back_what_is_scaled_by_itself() -> None:
    replica = a_replica()
    replica.must(scaled(5))
    replica.must(put(3))
    assert service_of(replica).replicas == 5
    assert len(service_of(replica).scalings) == 1
    replica.must(put(3, replace(POLICY, replicas_max=4)))
    assert service_of(replica).replicas == 4
    replica.must(put(3, None))
    assert service_of(replica).replicas == 3


def test_a_service_that_was_off_begins_as_its_file_says() -> None:
    replica = a_replica()
    replica.must(scaled(0))
    replica.must(put(3))
    assert service_of(replica).replicas == 3
    replica.must(put(0))
    assert service_of(replica).replicas == 0


def test_a_number_set_by_hand_is_held_until_the_next_deployment() -> None:
    replica = a_replica()
    replica.must(scaled(9, by="ann", is_held=True))
    assert (service_of(replica).replicas, service_of(replica).scale_held_by) == (9, "ann")
    replica.must(put())
    assert (service_of(replica).replicas, service_of(replica).scale_held_by) == (6, "")


def test_the_present_number_can_be_held_too() -> None:
    replica = a_replica()
    version = service_of(replica).version
    assert replica.must(scaled(2, by="ann", is_held=True)) == version + 1
    assert service_of(replica).scale_held_by == "ann"


def test_nothing_is_held_where_nothing_is_scaled_by_itself() -> None:
    replica = Replica()
    replica.must(put(3, None))
    replica.must(scaled(4, by="ann", is_held=True))
    assert (service_of(replica).replicas, service_of(replica).scale_held_by) == (4, "")
