"""Following what images' tags mean: asked, aged, deployed once, and never again after it went back."""

from __future__ import annotations

import random
from typing import Any

import pytest

from agent.leader.image_watch import ImageWatching
from cluster.commands.services import AttemptRevision, RemoveService
from cluster.commands.watching import PutWatch
from cluster.commands.windows import EndFreeze, PutFreeze
from cluster.model.ids import NodeId
from cluster.model.inventory import HostUnavailable
from cluster.model.rollout import RolloutPhase
from cluster.model.schedules import NotAdmitted
from cluster.model.service import Aim, ServiceSpec
from cluster.model.strategy import Strategy
from cluster.model.watching import WatchRules
from cluster.model.windows import Freeze, Span
from cluster.store.records import REVISIONS
from tests.support.schedule_kit import IMAGE, NEW, NEWER, OLD, WEB, Cluster, Death
from tests.support.state_builders import START_MS, a_service

EVERY_S, AGE_S = 60, 600


class Registry:
    """Says what a tag means."""

    def __init__(self) -> None:
        self.digest = OLD
        self.failure: Exception | None = None
        self.asked: list[str] = []

    async def image_digest(self, image: str) -> str:
        self.asked.append(image)
        if self.failure is not None:
            raise self.failure
        return self.digest


def a_cluster(**rules: Any) -> tuple[Cluster, Registry]:
    """A service whose first revision runs whole and is watched."""
    cluster, registry = Cluster(), Registry()
    cluster.replica.lead()
    cluster.apply(a_service(spec=ServiceSpec(image=IMAGE, digest=OLD), replicas=1))
    cluster.finish_rollout()
    watch(cluster, **rules)
    return cluster, registry


def watch(cluster: Cluster, **rules: Any) -> None:
    given = {"every_ms": EVERY_S * 1000, "min_age_ms": AGE_S * 1000, **rules}
    cluster.apply(PutWatch(service_id=WEB, watch=WatchRules(**given), by="ann", by_principal="us_ann"))


async def lead(cluster: Cluster, registry: Registry, seconds: float) -> None:
    await cluster.lead(
        lambda: ImageWatching(
            node_id=NodeId("n1"),
            state=cluster,
            clock=cluster.clock,
            rng=random.Random(1),
            digests=registry,
            admission=cluster.admission,
        ),
        seconds,
    )


def digest_wanted(cluster: Cluster) -> str:
    service = cluster.service
    with cluster.read() as txn:
        revision = REVISIONS.get(txn, WEB, service.revision)
    assert revision is not None
    return revision.spec.digest


async def test_what_means_what_runs_changes_nothing() -> None:
    cluster, registry = a_cluster()
    await lead(cluster, registry, 3 * AGE_S)
    assert cluster.service.revision == 1
    assert cluster.watch.digest == OLD
    assert len(registry.asked) >= 25


async def test_a_new_digest_is_deployed_once_it_is_old_enough() -> None:
    cluster, registry = a_cluster()
    registry.digest = NEW
    await lead(cluster, registry, AGE_S - EVERY_S)
    assert cluster.service.revision == 1
    assert cluster.watch.digest == NEW
    await lead(cluster, registry, 4 * EVERY_S)
    assert digest_wanted(cluster) == NEW
    assert cluster.service.attempt.by == "image watch"
    assert cluster.watch.tried == (NEW,)
    assert cluster.audited("service.deploy") == [f"{WEB}@{NEW}"]


async def test_the_age_begins_anew_with_every_other_answer() -> None:
    cluster, registry = a_cluster()
    registry.digest = NEW
    await lead(cluster, registry, AGE_S - EVERY_S)
    registry.digest = NEWER
    await lead(cluster, registry, AGE_S - EVERY_S)
    assert cluster.service.revision == 1
    await lead(cluster, registry, 3 * EVERY_S)
    assert digest_wanted(cluster) == NEWER


async def test_another_leader_does_not_count_anew() -> None:
    cluster, registry = a_cluster()
    registry.digest = NEW
    for _ in range(5):
        await lead(cluster, registry, AGE_S / 5)
    await lead(cluster, registry, 2 * EVERY_S)
    assert digest_wanted(cluster) == NEW


@pytest.mark.parametrize("death", Death)
@pytest.mark.parametrize("die_at", [1, 2, 3])
async def test_a_digest_is_deployed_once_whenever_the_leader_dies(death: Death, die_at: int) -> None:
    cluster, registry = a_cluster(min_age_ms=0)
    registry.digest = NEW
    cluster.death, cluster.die_at = death, die_at
    await lead(cluster, registry, 10 * EVERY_S)
    assert cluster.service.revision == 2
    assert cluster.watch.tried == (NEW,)


@pytest.mark.parametrize("phase", [RolloutPhase.ROLLED_BACK, RolloutPhase.FAILED])
async def test_a_digest_that_went_back_is_not_tried_again_and_the_next_one_is(phase: RolloutPhase) -> None:
    cluster, registry = a_cluster(min_age_ms=0)
    registry.digest = NEW
    await lead(cluster, registry, 2 * EVERY_S)
    cluster.finish_rollout(phase)
    attempt = cluster.service.attempt.number
    await lead(cluster, registry, 5 * EVERY_S)
    assert cluster.service.attempt.number == attempt
    registry.digest = NEWER
    await lead(cluster, registry, 3 * EVERY_S)
    assert digest_wanted(cluster) == NEWER


async def test_a_digest_that_somebody_went_back_from_is_not_tried() -> None:
    cluster, registry = a_cluster(min_age_ms=0)
    cluster.apply(a_service(spec=ServiceSpec(image=IMAGE, digest=NEW), replicas=1))
    cluster.finish_rollout()
    cluster.apply(AttemptRevision(service_id=WEB, revision=1, aim=Aim.ROLLBACK, by="ann"))
    cluster.finish_rollout()
    registry.digest = NEW
    await lead(cluster, registry, 5 * EVERY_S)
    assert cluster.service.revision == 1
    assert cluster.service.attempt.by == "ann"


async def test_nothing_is_done_while_something_else_is_on_its_way() -> None:
    cluster, registry = a_cluster(min_age_ms=0)
    cluster.apply(a_service(spec=ServiceSpec(image=IMAGE, digest=NEWER), replicas=1))
    registry.digest = NEW
    await lead(cluster, registry, 5 * EVERY_S)
    assert digest_wanted(cluster) == NEWER, "somebody's deployment has not even begun"
    cluster.finish_rollout()
    await lead(cluster, registry, 2 * EVERY_S)
    assert digest_wanted(cluster) == NEW


async def test_a_freeze_is_waited_for() -> None:
    cluster, registry = a_cluster(min_age_ms=0)
    cluster.apply(PutFreeze(freeze=Freeze(id="fr_1", reason="quiet", from_ms=START_MS)))
    registry.digest = NEW
    await lead(cluster, registry, 5 * EVERY_S)
    assert cluster.service.revision == 1
    cluster.apply(EndFreeze(freeze_id="fr_1"))
    await lead(cluster, registry, EVERY_S)
    assert digest_wanted(cluster) == NEW


async def test_its_own_window_is_waited_for() -> None:
    # START_MS is 08:00 UTC.
    cluster, registry = a_cluster(min_age_ms=0, window=Span(cron="10 8 * * *", duration_ms=600_000))
    registry.digest = NEW
    await lead(cluster, registry, 590)
    assert cluster.service.revision == 1
    await lead(cluster, registry, EVERY_S + 10)
    assert digest_wanted(cluster) == NEW


async def test_a_registry_that_does_not_answer_is_said_and_asked_again() -> None:
    cluster, registry = a_cluster(min_age_ms=0)
    registry.digest, registry.failure = NEW, HostUnavailable("no host answers\x1b")
    await lead(cluster, registry, 2 * EVERY_S)
    assert "no host answers" in cluster.watch.problem
    assert cluster.service.revision == 1
    registry.failure = None
    await lead(cluster, registry, 2 * EVERY_S)
    assert cluster.watch.problem == ""
    assert digest_wanted(cluster) == NEW


async def test_what_may_not_be_deployed_is_said_and_not_asked_again_all_the_time() -> None:
    cluster, registry = a_cluster(min_age_ms=0)
    registry.digest = NEW
    cluster.admission.refusal = NotAdmitted(reason="ann has no account any more")
    await lead(cluster, registry, 5 * EVERY_S)
    assert cluster.service.revision == 1
    assert "ann has no account any more" in cluster.watch.problem
    assert len(cluster.admission.asked) == 1


async def test_it_is_deployed_with_the_strategy_of_the_watch() -> None:
    cluster, registry = a_cluster(min_age_ms=0, strategy=Strategy.BLUE_GREEN)
    registry.digest = NEW
    await lead(cluster, registry, 2 * EVERY_S)
    assert cluster.service.policy.shift.strategy is Strategy.BLUE_GREEN


async def test_a_service_that_is_going_is_not_asked_for() -> None:
    cluster, registry = a_cluster(min_age_ms=0)
    cluster.apply(RemoveService(service_id=WEB))
    await lead(cluster, registry, 5 * EVERY_S)
    assert registry.asked == []


async def test_an_answer_that_stays_the_same_is_seldom_written_down() -> None:
    cluster, registry = a_cluster()
    await lead(cluster, registry, 3600)
    assert len(registry.asked) > 50
    assert cluster.proposals <= 2
