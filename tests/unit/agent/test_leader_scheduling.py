"""Scheduled deployments: each moment is dealt with once, whoever leads then."""

from __future__ import annotations

import pytest

from agent.leader.scheduling import Scheduling
from cluster.commands.schedules import PutSchedule, RemoveSchedule
from cluster.model.ids import NodeId
from cluster.model.schedules import DeploySchedule, NotAdmitted, RunOutcome
from cluster.model.service import ServiceSpec
from cluster.schedule import next_fire_ms
from cluster.store.records import REVISIONS, SERVICES
from tests.support.schedule_kit import NEW, OLD, WEB, Cluster, Death, a_schedule, scheduled
from tests.support.state_builders import START_MS, a_service

SOON_MS = START_MS + 10_000
REFUSED = NotAdmitted(reason="change window nights: not now")


def a_cluster(schedule: DeploySchedule) -> Cluster:
    cluster = Cluster()
    cluster.replica.lead()
    assert cluster.apply(PutSchedule(schedule=schedule))
    return cluster


def once(**fields: object) -> DeploySchedule:
    return a_schedule(at_ms=SOON_MS, next_fire_ms=SOON_MS, **fields)


def every_minute() -> DeploySchedule:
    return a_schedule(cron="* * * * *", next_fire_ms=next_fire_ms("* * * * *", "UTC", START_MS))


async def lead(cluster: Cluster, seconds: float) -> None:
    await cluster.lead(
        lambda: Scheduling(
            node_id=NodeId("n1"), state=cluster, clock=cluster.clock, admission=cluster.admission
        ),
        seconds,
    )


def is_deployed(cluster: Cluster) -> bool:
    with cluster.read() as txn:
        return SERVICES.get(txn, WEB) is not None


async def test_nothing_is_deployed_before_its_time_and_it_is_at_its_time() -> None:
    cluster = a_cluster(once())
    await lead(cluster, 9)
    assert not is_deployed(cluster)
    await lead(cluster, 2)
    with cluster.read() as txn:
        revision = REVISIONS.get(txn, WEB, 1)
    assert revision is not None
    assert (revision.spec.digest, revision.created_by) == (NEW, "ann")
    assert cluster.schedule.next_fire_ms is None
    (run,) = cluster.schedule.runs
    assert (run.outcome, run.due_ms, run.revisions) == (RunOutcome.FIRED, SOON_MS, ((WEB, 1),))
    assert cluster.audited("schedule.fired") == [f"sc_1@{SOON_MS}"]


@pytest.mark.parametrize("death", Death)
@pytest.mark.parametrize("die_at", [1, 2])
@pytest.mark.parametrize("is_refused", [False, True])
async def test_a_moment_is_dealt_with_once_whenever_the_leader_dies(
    death: Death, die_at: int, is_refused: bool
) -> None:
    cluster = a_cluster(once())
    cluster.death, cluster.die_at = death, die_at
    cluster.admission.refusal = REFUSED if is_refused else None
    await lead(cluster, 30)
    assert [run.outcome for run in cluster.schedule.runs] == [
        RunOutcome.REFUSED if is_refused else RunOutcome.FIRED
    ]
    assert cluster.schedule.next_fire_ms is None
    if not is_refused:
        assert cluster.service.revision == 1
        # A command of a leader that was replaced is in the audit, too, as one that was rejected.
        assert set(cluster.audited("schedule.fired")) == {f"sc_1@{SOON_MS}"}


@pytest.mark.parametrize("death", Death)
async def test_what_comes_round_fires_each_time_once_through_deaths_of_leaders(death: Death) -> None:
    cluster = a_cluster(every_minute())
    cluster.death, cluster.die_at = death, 2
    await lead(cluster, 241)
    moments = [run.due_ms for run in cluster.schedule.runs]
    assert len(moments) == 4
    assert moments == sorted(set(moments), key=lambda due_ms: due_ms or 0)


async def test_what_is_refused_at_its_time_is_written_down_in_the_name_of_who_scheduled_it() -> None:
    cluster = a_cluster(once())
    cluster.admission.refusal = REFUSED
    await lead(cluster, 12)
    assert not is_deployed(cluster)
    (run,) = cluster.schedule.runs
    assert run.reason == REFUSED.reason
    assert cluster.audited("schedule.refused") == [f"sc_1@{SOON_MS}"]


async def test_what_cannot_be_printed_or_is_endless_is_written_down_all_the_same() -> None:
    cluster = a_cluster(once())
    cluster.admission.refusal = NotAdmitted(reason="\x1b[31mno\x00" + "x" * 5000)
    await lead(cluster, 12)
    (run,) = cluster.schedule.runs
    assert run.reason.startswith("?[31mno?")


async def test_what_has_grown_too_large_is_refused() -> None:
    cluster = a_cluster(once())
    labels = tuple((f"label-{number:03}", "x" * 4000) for number in range(100))
    cluster.admission.change = lambda service: scheduled(labels=labels)
    await lead(cluster, 12)
    (run,) = cluster.schedule.runs
    assert run.outcome is RunOutcome.REFUSED
    assert "bytes" in run.reason


async def test_a_registry_that_is_away_for_a_moment_is_waited_for() -> None:
    cluster = a_cluster(once())
    cluster.admission.refusal = NotAdmitted(reason="no host answers", is_passing=True)
    await lead(cluster, 60)
    assert cluster.schedule.runs == ()
    cluster.admission.refusal = None
    await lead(cluster, 10)
    assert is_deployed(cluster)


async def test_one_that_stays_away_is_not_waited_for_for_ever() -> None:
    cluster = a_cluster(once())
    cluster.admission.refusal = NotAdmitted(reason="no host answers", is_passing=True)
    await lead(cluster, 330)
    (run,) = cluster.schedule.runs
    assert (run.outcome, run.reason) == (RunOutcome.REFUSED, "no host answers")


async def test_a_moment_at_which_nobody_led_is_missed_and_that_is_written_down() -> None:
    cluster = a_cluster(once())
    await cluster.clock.advance(3600)
    await lead(cluster, 1)
    assert [run.outcome for run in cluster.schedule.runs] == [RunOutcome.MISSED]
    assert not is_deployed(cluster)


async def test_what_somebody_deployed_meanwhile_is_not_overwritten() -> None:
    cluster = a_cluster(once(services=(scheduled(seen_attempt=0),)))
    cluster.apply(a_service(spec=ServiceSpec(image="registry.example/web:9", digest=OLD)))
    await lead(cluster, 12)
    (run,) = cluster.schedule.runs
    assert run.outcome is RunOutcome.REFUSED
    assert "revision 1 since this was scheduled" in run.reason
    assert cluster.service.revision == 1


async def test_services_are_deployed_together_or_not_at_all() -> None:
    refused = scheduled(service_id="shop.db", name="db", seen_attempt=7)
    cluster = a_cluster(once(services=(scheduled(), refused)))
    await lead(cluster, 12)
    assert not is_deployed(cluster)
    assert [run.outcome for run in cluster.schedule.runs] == [RunOutcome.REFUSED]


async def test_a_schedule_that_is_removed_fires_no_more() -> None:
    cluster = a_cluster(once())
    await lead(cluster, 5)
    cluster.apply(RemoveSchedule(schedule_id="sc_1"))
    await lead(cluster, 20)
    assert not is_deployed(cluster)


async def test_what_was_admitted_is_what_is_deployed() -> None:
    cluster = a_cluster(once())
    cluster.admission.change = lambda service: scheduled(digest=OLD)
    await lead(cluster, 12)
    with cluster.read() as txn:
        revision = REVISIONS.get(txn, WEB, 1)
    assert revision is not None
    assert revision.spec.digest == OLD
