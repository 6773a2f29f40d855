"""Deployments that come by themselves, and when nothing may be changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cluster.commands import schedules, watching, windows
from cluster.model.schedules import Asker, DeploySchedule, RunOutcome, ScheduledService
from cluster.model.watching import WatchRules
from cluster.model.windows import ChangeWindow, Freeze, Scope, ScopeKind, Span, WindowKind
from cluster.store.records import SCHEDULES, SERVICES, WATCHES
from tests.properties.draws.context import NAMED, Choices, Draw, Named
from tests.properties.draws.services import wanted

HOURLY = "0 * * * *"


def schedule_commands(draw: Draw) -> Choices:
    rng = draw.rng
    schedule_id = rng.choice(["s1", "s2", "s3"])
    present = SCHEDULES.get(draw.txn, schedule_id)
    due = draw.now_ms if present is None or present.next_fire_ms is None else present.next_fire_ms
    due_ms = rng.choice([due, due, due, due - 1])
    next_ms = rng.choice([None, due_ms + 60_000, due_ms + 120_000])
    put = lambda: schedules.PutSchedule(schedule=_schedule(draw, schedule_id))  # noqa: E731 (one of several)
    fire = lambda: schedules.FireSchedule(  # noqa: E731 (one of several)
        schedule_id=schedule_id,
        due_ms=rng.choice([None, due_ms, due_ms]),
        next_ms=next_ms,
        services=rng.choice([(), (_scheduled(draw, draw.named()),)]),
    )
    return [
        put,
        put,
        fire,
        fire,
        fire,
        lambda: schedules.PassMoment(
            schedule_id=schedule_id,
            due_ms=due_ms,
            outcome=rng.choice([RunOutcome.REFUSED, RunOutcome.MISSED]),
            reason="",
            next_ms=next_ms,
        ),
        lambda: schedules.RemoveSchedule(schedule_id=schedule_id),
    ]


def window_commands(draw: Draw) -> Choices:
    rng = draw.rng
    name = rng.choice(["w1", "w2"])
    scope = rng.choice([Scope(), Scope(kind=ScopeKind.ENVIRONMENT, name="qa")])
    return [
        lambda: windows.PutWindow(
            window=ChangeWindow(
                id=name,
                kind=rng.choice(list(WindowKind)),
                span=Span(cron=HOURLY, duration_ms=60_000),
                scope=scope,
            )
        ),
        lambda: windows.RemoveWindow(window_id=name),
        lambda: windows.PutFreeze(
            freeze=Freeze(
                id=name,
                reason="r",
                from_ms=draw.now_ms,
                until_ms=rng.choice([None, draw.soon()]),
                scope=scope,
            )
        ),
        lambda: windows.EndFreeze(freeze_id=name),
    ]


def watch_commands(draw: Draw) -> Choices:
    rng = draw.rng
    named = draw.named()
    followed = [one for one in NAMED if WATCHES.get(draw.txn, one.id) is not None]
    watched = rng.choice(followed or [named])
    put = lambda: watching.PutWatch(  # noqa: E731 (one of a list of choices)
        service_id=named.id,
        watch=WatchRules(),
        by="u1",
        by_principal="u1",
        is_from_file=rng.random() < 0.3,
    )
    update = lambda: watching.UpdateImage(  # noqa: E731 (one of a list of choices)
        service=_scheduled(draw, watched, digest=_digest(draw)),
        created_by="image watch",
        expected_version=draw.present_version(watched.id),
    )
    return [
        put,
        put,
        update,
        update,
        lambda: watching.NoteDigest(
            service_id=watched.id,
            image=rng.choice(["i:1", "i:2"]),
            digest=rng.choice(["", _digest(draw)]),
            problem=rng.choice(["", "away"]),
        ),
        lambda: watching.RemoveWatch(service_id=watched.id),
    ]


def _schedule(draw: Draw, schedule_id: str) -> DeploySchedule:
    rng = draw.rng
    timing: dict[str, Any] = rng.choice([{"at_ms": draw.now_ms}, {"cron": HOURLY}])
    return DeploySchedule(
        id=schedule_id,
        project="p",
        services=tuple(_scheduled(draw, named) for named in rng.sample(NAMED, rng.randint(1, 2))),
        asker=Asker(name="u1", principal_id="u1"),
        next_fire_ms=draw.now_ms + rng.choice([0, 60_000]),
        **timing,
    )


def _scheduled(draw: Draw, named: Named, digest: str = "") -> ScheduledService:
    rng, fields = draw.rng, wanted(draw)
    present = SERVICES.get(draw.txn, named.id)
    seen = 0 if present is None else present.attempt.number
    fields["spec"] = replace(fields["spec"], digest=digest)
    return ScheduledService(
        **named.fields,
        **fields,
        watch=rng.choice([None, WatchRules()]),
        seen_attempt=rng.choice([None, None, seen]),
    )


def _digest(draw: Draw) -> str:
    return "sha256:" + draw.rng.choice("abcdef") * 64
