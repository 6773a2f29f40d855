"""The image of a replica on its host."""

from __future__ import annotations

import pytest

from agent.execute.fence import Fence, Superseded
from agent.execute.pulling import PullWords, ensure_image, may_pass
from agent.ports import ImageNotFound, PullProgress, PullRefused, PullRefusedReason
from cluster.model.container import ContainerOptions
from tests.support.fake_clock import FakeClock
from tests.support.host_kit import IMAGE, HostEngine, a_replica, name_of
from tests.support.state_builders import a_spec


def words(*steps: PullProgress) -> list[str]:
    told = PullWords(IMAGE)
    return [told.after(step) for step in steps]


def downloading(layer: str, current: int, total: int) -> PullProgress:
    return PullProgress(status="Downloading", layer=layer, current_bytes=current, total_bytes=total)


def test_progress_is_told_in_layers_and_megabytes() -> None:
    assert words(
        PullProgress(status="Pulling from demo/web", layer="1"),
        PullProgress(status="Pulling fs layer", layer="aa"),
        PullProgress(status="Already exists", layer="bb"),
        downloading("aa", 1_000_000, 4_000_000),
        PullProgress(status="Download complete", layer="aa"),
        PullProgress(status="Extracting", layer="aa", current_bytes=32, total_bytes=4_000_000),
        PullProgress(status="Pull complete", layer="aa"),
        PullProgress(status="Digest: sha256:..."),
    ) == [
        "pulling demo/web:1",
        "pulling demo/web:1: 0 of 1 layers",
        "pulling demo/web:1: 1 of 2 layers",
        "pulling demo/web:1: 1 of 2 layers, 1.0 of 4.0 MB",
        "pulling demo/web:1: 1 of 2 layers, 1.0 of 4.0 MB",
        "pulling demo/web:1: 1 of 2 layers, 1.0 of 4.0 MB",
        "pulling demo/web:1: 2 of 2 layers, 4.0 of 4.0 MB",
        "pulling demo/web:1: 2 of 2 layers, 4.0 of 4.0 MB",
    ]


def test_progress_never_goes_beyond_the_whole() -> None:
    assert words(downloading("aa", 4, 4), PullProgress(status="Pull complete", layer="aa"))[-1] == (
        "pulling demo/web:1: 1 of 1 layers, 0.0 of 0.0 MB"
    )


@pytest.mark.parametrize(
    ("reason", "is_passing"),
    [
        (PullRefusedReason.UNREACHABLE, True),
        (PullRefusedReason.RATE_LIMITED, True),
        (PullRefusedReason.STALLED, True),
        (PullRefusedReason.DISK_FULL, True),
        (PullRefusedReason.OTHER, True),
        (PullRefusedReason.AUTH, False),
        (PullRefusedReason.PLATFORM, False),
        (PullRefusedReason.TLS, False),
    ],
)
def test_what_somebody_has_to_change_is_not_tried_again(reason: PullRefusedReason, is_passing: bool) -> None:
    assert may_pass(PullRefused("no", status=500, reason=reason)) is is_passing


def test_every_reason_is_judged() -> None:
    assert len(PullRefusedReason) == 8


async def test_an_image_that_is_there_is_not_pulled() -> None:
    engine, fence = HostEngine(FakeClock()), Fence()
    engine.add_image(IMAGE)
    await ensure_image(engine, a_replica(), fence.permit(name_of(), 1), on_progress=lambda told: None)
    assert engine.calls == []


async def test_an_image_that_is_missing_is_pulled_and_each_step_told() -> None:
    engine, told = HostEngine(FakeClock()), list[str]()
    engine.publish(IMAGE)
    await ensure_image(engine, a_replica(), Fence().permit(name_of(), 1), on_progress=told.append)
    assert engine.calls == [f"pull {IMAGE}"]
    assert told[0] == "pulling demo/web:1"


async def test_an_image_that_nobody_has_is_refused() -> None:
    with pytest.raises(ImageNotFound):
        await ensure_image(
            HostEngine(FakeClock()), a_replica(), Fence().permit(name_of(), 1), on_progress=lambda told: None
        )


async def test_an_order_that_was_overtaken_pulls_nothing() -> None:
    engine, fence = HostEngine(FakeClock()), Fence()
    engine.publish(IMAGE)
    permit = fence.permit(name_of(), 1)
    fence.permit(name_of(), 2)
    with pytest.raises(Superseded):
        await ensure_image(engine, a_replica(), permit, on_progress=lambda told: None)
    assert engine.calls == []


async def test_an_image_for_another_platform_than_is_wanted_is_pulled_again() -> None:
    engine = HostEngine(FakeClock())
    engine.publish(IMAGE)
    replica = a_replica(a_spec(IMAGE, options=ContainerOptions(platform="linux/riscv64")))
    engine.add_image(IMAGE)
    with pytest.raises(PullRefused) as refused:
        await ensure_image(engine, replica, Fence().permit(name_of(), 1), on_progress=lambda _: None)
    assert refused.value.reason is PullRefusedReason.PLATFORM
