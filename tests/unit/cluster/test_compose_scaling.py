"""`x-tower.scaling`: what becomes of it, and what is refused."""

from __future__ import annotations

import pytest

from cluster.model.autoscaling import AutoscalePolicy, ScaleMetric, ScaleTarget
from tests.support.compose_kit import a_file, accepted, refused, the_service

ROUTE = "route: {host: shop.example.com, port: 80}"


def a_scaled(scaling: str, *, more: str = "", deploy: str = "") -> str:
    first = more or f"{ROUTE}, "
    return a_file(f"deploy: {{{deploy}}}\nx-tower: {{{first}scaling: {{{scaling}}}}}")


def test_bounds_and_targets_make_a_policy() -> None:
    service = the_service(
        a_scaled(
            "min: 2, max: 10, cpu: 70%, memory: 80%, requests_per_second: 100, latency_p95: 250ms",
            deploy="resources: {limits: {memory: 256M}}",
        )
    )
    assert service.autoscale == AutoscalePolicy(
        replicas_min=2,
        replicas_max=10,
        targets=(
            ScaleTarget(metric=ScaleMetric.CPU, value=70),
            ScaleTarget(metric=ScaleMetric.MEMORY, value=80),
            ScaleTarget(metric=ScaleMetric.REQUESTS, value=100),
            ScaleTarget(metric=ScaleMetric.LATENCY, value=250),
        ),
    )
    assert service.replicas == 2


def test_windows_and_steps_are_as_written() -> None:
    service = the_service(
        a_scaled(
            "max: 4, cpu: 50, up_window: 30s, down_window: 1m, tolerance: 5%, step_up: 50%,"
            " step_down: 100%, cooldown: 1m"
        )
    )
    assert service.autoscale == AutoscalePolicy(
        replicas_min=1,
        replicas_max=4,
        targets=(ScaleTarget(metric=ScaleMetric.CPU, value=50),),
        up_stabilisation_ms=30_000,
        down_stabilisation_ms=60_000,
        tolerance_percent=5,
        step_up_percent=50,
        step_down_percent=100,
        cooldown_ms=60_000,
    )


def test_without_the_section_nothing_is_scaled() -> None:
    assert the_service(a_file(f"x-tower: {{{ROUTE}}}")).autoscale is None


@pytest.mark.parametrize(
    ("scaling", "told"),
    [
        ("cpu: 70%", "max is missing"),
        ("max: 3", "nothing says how many are needed"),
        ("max: 3, min: 4, cpu: 70%", "min 4 is above max 3"),
        ("max: 3, min: 0, cpu: 70%", "scaling.min"),
        ("max: 3, cpu: lots", "a whole number"),
        ("max: 3, cpu: 0", "scaling.cpu"),
        ("max: 3, memory: 120%", "scaling.memory"),
        ("max: 3, cpu: 70%, up_window: 2m", "scaling.up_window"),
        ("max: 3, cpu: 70%, speed: 9", "'speed' is not known"),
        ("max: 3, memory: 70%", "nothing says how much that is"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_stands(scaling: str, told: str) -> None:
    [finding] = refused(a_scaled(scaling))
    assert told in finding.rule
    assert "x-tower.scaling" in finding.path


@pytest.mark.parametrize("target", ["requests_per_second: 100", "latency_p95: 250ms"])
def test_what_routers_count_needs_a_route(target: str) -> None:
    [finding] = refused(a_scaled(f"max: 3, {target}", more="retries: 1, "))
    assert "there is no route" in finding.rule


def test_a_singleton_is_not_scaled() -> None:
    [finding] = refused(a_scaled("max: 3, cpu: 70%", more="singleton: true, "))
    assert "a singleton is one" in finding.rule


def test_a_number_of_replicas_outside_the_bounds_is_warned_of() -> None:
    [warning] = accepted(a_scaled("min: 2, max: 3, cpu: 70%", deploy="replicas: 6")).warnings
    assert "deploy.replicas is 6, and scaling goes from 2 to 3" in warning.rule
    assert accepted(a_scaled("min: 2, max: 3, cpu: 70%")).warnings == ()
