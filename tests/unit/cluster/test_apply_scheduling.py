"""What the log keeps of schedules, windows, freezes and watches, whoever asks."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.commands import Code
from cluster.commands.schedules import FireSchedule, PassMoment, PutSchedule
from cluster.commands.services import CommitTransition, RemoveService
from cluster.commands.watching import NoteDigest, PutWatch, UpdateImage
from cluster.commands.windows import PutFreeze, PutWindow, RemoveWindow
from cluster.model.ids import ServiceId
from cluster.model.schedules import RUNS_KEPT, SCHEDULES_MAX, DeploySchedule, RunOutcome
from cluster.model.service import ServiceSpec
from cluster.model.watching import TRIED_MAX, ImageWatch, WatchRules
from cluster.model.windows import FREEZES_MAX, ChangeWindow, Freeze, Scope, ScopeKind, Span, WindowKind
from cluster.store.records import FREEZES, SCHEDULES, SERVICES, WATCHES, WINDOWS
from tests.support.schedule_kit import IMAGE, NEW, OLD, WEB, a_schedule, scheduled
from tests.support.state_builders import Replica, a_service

DUE_MS = 1_800_000_100_000


def a_replica() -> Replica:
    replica = Replica()
    replica.lead()
    return replica


def cron(**fields: Any) -> DeploySchedule:
    return a_schedule(cron="* * * * *", next_fire_ms=DUE_MS, **fields)


def fire(due_ms: int | None = DUE_MS, next_ms: int | None = DUE_MS + 60_000, **fields: Any) -> FireSchedule:
    return FireSchedule(schedule_id="sc_1", due_ms=due_ms, next_ms=next_ms, **fields)


def watched() -> Replica:
    replica = a_replica()
    replica.must(a_service(spec=ServiceSpec(image=IMAGE, digest=OLD), replicas=1))
    replica.must(PutWatch(service_id=WEB, watch=WatchRules(), by="ann", by_principal="us_ann"))
    return replica


def the_watch(replica: Replica) -> ImageWatch:
    watch = WATCHES.get(replica.txn, WEB)
    assert watch is not None
    return watch


def update(replica: Replica, digest: str) -> UpdateImage:
    service = SERVICES.get(replica.txn, WEB)
    assert service is not None
    return UpdateImage(service=scheduled(digest), created_by="image watch", expected_version=service.version)


def test_a_moment_is_dealt_with_once() -> None:
    replica = a_replica()
    replica.must(PutSchedule(schedule=cron()))
    assert replica.must(fire()) == ((WEB, 1),)
    assert replica.refusal(fire()).code is Code.VERSION_CONFLICT
    late = PassMoment(schedule_id="sc_1", due_ms=DUE_MS, outcome=RunOutcome.MISSED, reason="late")
    assert replica.refusal(late).code is Code.VERSION_CONFLICT
    replica.must(fire(DUE_MS + 60_000, DUE_MS + 120_000))


def test_a_run_by_hand_leaves_the_moments_as_they_are() -> None:
    replica = a_replica()
    replica.must(PutSchedule(schedule=cron()))
    replica.must(fire(None, None))
    schedule = SCHEDULES.get(replica.txn, "sc_1")
    assert schedule is not None
    assert schedule.next_fire_ms == DUE_MS


def test_a_run_by_hand_may_take_the_place_of_what_somebody_deployed() -> None:
    replica = a_replica()
    replica.must(
        PutSchedule(
            schedule=a_schedule(at_ms=DUE_MS, next_fire_ms=DUE_MS, services=(scheduled(seen_attempt=0),))
        )
    )
    replica.must(a_service(spec=ServiceSpec(image=IMAGE, digest=OLD)))
    assert replica.refusal(fire(next_ms=None)).code is Code.IN_USE
    replica.must(fire(None, None))


def test_of_a_schedule_that_is_refused_nothing_is_left() -> None:
    replica = a_replica()
    other = scheduled(service_id=ServiceId("shop.db"), name="db")
    replica.must(a_service("shop.db"))
    replica.must(RemoveService(service_id=ServiceId("shop.db")))
    replica.must(PutSchedule(schedule=cron(services=(scheduled(), other))))
    assert "being removed" in replica.refusal(fire()).reason
    assert SERVICES.get(replica.txn, WEB) is None


def test_only_the_newest_runs_are_kept() -> None:
    replica = a_replica()
    replica.must(PutSchedule(schedule=cron()))
    for number in range(RUNS_KEPT + 3):
        replica.must(fire(DUE_MS + number, DUE_MS + number + 1))
    schedule = SCHEDULES.get(replica.txn, "sc_1")
    assert schedule is not None
    assert [run.due_ms for run in schedule.runs] == [DUE_MS + number for number in range(3, RUNS_KEPT + 3)]


def test_a_next_moment_is_a_later_one() -> None:
    with pytest.raises(ValueError, match="not after"):
        fire(DUE_MS, DUE_MS)


def test_there_are_bounds_on_how_many_are_kept() -> None:
    replica = a_replica()
    for number in range(SCHEDULES_MAX):
        replica.must(PutSchedule(schedule=cron(id=f"sc_{number}")))
    assert "the most" in replica.refusal(PutSchedule(schedule=cron(id="one-more"))).reason


def test_freezes_that_are_over_make_room() -> None:
    replica = a_replica()
    for number in range(FREEZES_MAX):
        until_ms = replica.now_ms + (1000 if number == 0 else 10_000)
        freeze = Freeze(id=f"fr_{number}", reason="r", from_ms=replica.now_ms, until_ms=until_ms)
        replica.must(PutFreeze(freeze=freeze))
    more = PutFreeze(freeze=Freeze(id="more", reason="r", from_ms=replica.now_ms))
    assert "the most" in replica.refusal(more).reason
    replica.now_ms += 1000
    replica.must(more)
    assert FREEZES.get(replica.txn, "fr_0") is None


def test_what_is_not_there_cannot_be_taken_away() -> None:
    assert a_replica().refusal(RemoveWindow(window_id="w")).code is Code.NOT_FOUND


def test_a_window_is_put_in_place_of_the_one_of_its_name() -> None:
    replica = a_replica()
    for hours in (1, 2):
        span = Span(cron="0 0 * * *", duration_ms=hours * 3_600_000)
        replica.must(PutWindow(window=ChangeWindow(id="w", kind=WindowKind.ALLOW, span=span)))
    (window,) = WINDOWS.scan(replica.txn)
    assert window.span.duration_ms == 2 * 3_600_000


@pytest.mark.parametrize(
    ("kind", "name"), [(ScopeKind.CLUSTER, "x"), (ScopeKind.PROJECT, ""), (ScopeKind.ENVIRONMENT, "A b")]
)
def test_a_scope_says_what_it_is_about(kind: ScopeKind, name: str) -> None:
    with pytest.raises(ValueError, match="scope"):
        Scope(kind=kind, name=name)


def test_the_age_of_a_digest_counts_from_its_first_answer() -> None:
    replica = watched()
    first_ms = replica.now_ms
    replica.must(NoteDigest(service_id=WEB, image=IMAGE, digest=NEW))
    replica.now_ms += 1000
    replica.must(NoteDigest(service_id=WEB, image=IMAGE, digest=NEW))
    replica.must(NoteDigest(service_id=WEB, image=IMAGE, problem="no answer"))
    watch = the_watch(replica)
    assert (watch.digest, watch.first_seen_ms, watch.problem) == (NEW, first_ms, "no answer")
    replica.must(NoteDigest(service_id=WEB, image="registry.example/web:2", digest=NEW))
    assert the_watch(replica).first_seen_ms == first_ms + 1000


def test_a_digest_is_tried_once_and_only_against_what_was_seen() -> None:
    replica = watched()
    stale = update(replica, NEW)
    replica.must(stale)
    assert the_watch(replica).tried == (NEW,)
    assert replica.refusal(update(replica, NEW)).code is Code.ALREADY_EXISTS
    other = UpdateImage(
        service=scheduled("sha256:" + "9" * 64),
        created_by="image watch",
        expected_version=stale.expected_version,
    )
    assert replica.refusal(other).code is Code.VERSION_CONFLICT
    assert the_watch(replica).tried == (NEW,)


def test_what_was_tried_long_ago_is_forgotten() -> None:
    replica = watched()
    for number in range(TRIED_MAX + 2):
        replica.must(update(replica, f"sha256:{number:064x}"))
    assert len(the_watch(replica).tried) == TRIED_MAX


def test_what_was_seen_and_tried_stays_when_the_rules_change() -> None:
    replica = watched()
    replica.must(update(replica, NEW))
    replica.must(PutWatch(service_id=WEB, watch=WatchRules(every_ms=1000), by="bob", by_principal="us_bob"))
    assert the_watch(replica).tried == (NEW,)


def test_only_a_service_that_is_there_is_watched() -> None:
    replica = a_replica()
    put = PutWatch(service_id=WEB, watch=WatchRules(), by="ann", by_principal="us_ann")
    assert replica.refusal(put).code is Code.NOT_FOUND


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"environment": "staging"}, "service id"),
        ({"labels": (("b", ""), ("a", ""))}, "labels"),
        ({"bound": ("x",) * 65}, "bound"),
    ],
)
def test_nothing_is_kept_for_later_that_could_not_be_put_then(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        scheduled(**fields)


def test_a_moment_is_before_the_end_of_calendars() -> None:
    too_late_ms = 2**60
    with pytest.raises(ValueError, match=f"next_ms {too_late_ms}"):
        fire(DUE_MS, too_late_ms)
    with pytest.raises(ValueError, match=f"next_ms {too_late_ms}"):
        PassMoment(
            schedule_id="sc_1", due_ms=DUE_MS, outcome=RunOutcome.MISSED, reason="", next_ms=too_late_ms
        )


def test_a_service_that_was_removed_and_made_anew_meanwhile_is_not_overwritten() -> None:
    replica = a_replica()
    replica.must(a_service())
    schedule = a_schedule(at_ms=DUE_MS, next_fire_ms=DUE_MS, services=(scheduled(seen_attempt=1),))
    replica.must(PutSchedule(schedule=schedule))
    replica.must(RemoveService(service_id=WEB))
    replica.must(CommitTransition(service_id=WEB, expected_version=2, is_service_forgotten=True))
    replica.must(a_service())
    assert replica.refusal(fire(next_ms=None)).code is Code.IN_USE
