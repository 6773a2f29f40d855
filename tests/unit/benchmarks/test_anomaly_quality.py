"""A small version of the benchmark: what it must not fall below."""

from __future__ import annotations

import pytest

from cluster.analytics.anomalies import Method, Severity
from tests.benchmarks import short_faults
from tests.benchmarks.anomaly_quality import alerts_of, anomalies_of, measure
from tests.benchmarks.faulty_series import REPORTING, FaultySeries, make

SETS = {
    "services": lambda: list(make(REPORTING, 5, 1)),
    "short": lambda: list(short_faults.make(5, 1)),
}


@pytest.fixture(scope="module", params=SETS)
def series(request: pytest.FixtureRequest) -> list[FaultySeries]:
    return SETS[request.param]()


def test_faults_are_found_without_many_false_alerts_whatever_the_series_are_like(
    series: list[FaultySeries],
) -> None:
    anomalies = anomalies_of(series, Method.CALIBRATED)
    info = measure(series, alerts_of(anomalies, Severity.INFO))
    critical = measure(series, alerts_of(anomalies, Severity.CRITICAL))
    assert info.recall >= 0.6
    assert info.false_per_day <= 0.13
    assert critical.recall >= 0.4
    assert critical.false_per_day <= 0.05
    assert info.minutes_to_detect <= 60


def test_measuring_counts_alerts_in_the_fault_as_right_and_those_just_after_it_not_at_all() -> None:
    one = FaultySeries(
        metric="", shape="", fault="leak", values=SETS["services"]()[0].values, begin=10_000, end=10_100
    )
    quality = measure([one], [[9_000, 10_005, 10_050, 10_200, 20_000]])
    assert (quality.recall, quality.right_alerts, quality.false_alerts) == (1.0, 2, 2)
    assert quality.minutes == (10,)
    assert measure([one], [[10_200]]).recall == 0
