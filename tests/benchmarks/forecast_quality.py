"""How good forecasts, intervals, verdicts and days to full are, on made series no constant was fitted to.

Beside ours: the seasonal naive forecast, and models of statsforecast where it can be imported (it is no
dependency: `pip install --target DIR statsforecast`, and DIR in PYTHONPATH).
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cluster.analytics.comparison import Difference, compare_with_usual
from cluster.analytics.exhaustion import find_exhaustion
from cluster.analytics.forecast import HORIZON, forecast_day
from cluster.analytics.levels import forecast_levels
from cluster.analytics.series import HOURS_PER_DAY, Values, to_daily
from cluster.analytics.trend import Verdict, find_trend
from tests.benchmarks.hourly_series import FILLINGS, SHAPES, as_hourly, wandering
from tests.benchmarks.results import Finding, Row

SEED = 20_261_130
DAYS = 28
FIRST_ORIGIN = 14 * HOURS_PER_DAY
ORIGIN_STEP = 31
SERIES = 5
RUNS = 150
TRIALS = 400
NAIVE = "seasonal naive"
_MODELS = {"theta (statsforecast)": "DynamicOptimizedTheta", "MSTL (statsforecast)": "MSTL"}

Forecast = Callable[[Values], Values]


def run(say: Callable[[str], None]) -> Finding:
    """Measure all of it: minutes with statsforecast, less than one without."""
    others, note = _others()
    rows = [*_paths(say, others), *_levels(say), *_fillings(say), *_verdicts(say), *_comparisons(say)]
    return Finding(
        title="Forecast quality",
        how=f"{len(SHAPES)} shapes of hourly series with weekends, bursts, restarts and steps, {SERIES}"
        f" series of {DAYS} days each, made from one seed. The next 24 hours from origins every"
        f" {ORIGIN_STEP} hours after two weeks; errors in units of the in-sample seasonal naive error (MASE)."
        f" Trends on daily waves with AR(1) noise, {TRIALS} each; days to full on {RUNS} series of a kind.",
        anchor=NAIVE,
        rows=tuple(rows),
        notes=(note,),
    )


def _others() -> tuple[dict[str, Forecast], str]:
    """Forecasts beside ours that can be made here."""
    found: dict[str, Forecast] = {
        NAIVE: lambda before: before[-HOURS_PER_DAY:],
        "last value": lambda before: np.full(HORIZON, before[-1]),
    }
    try:
        models = importlib.import_module("statsforecast.models")
        version = importlib.import_module("statsforecast").__version__
    except ImportError as error:
        return (
            found,
            f"statsforecast cannot be imported here ({error.name}), so its models are not beside ours.",
        )

    def of(name: str) -> Forecast:
        def forecast(before: Values) -> Values:
            model = getattr(models, name)(season_length=HOURS_PER_DAY)
            answer: Mapping[str, Any] = model.forecast(y=before[-FIRST_ORIGIN:], h=HORIZON)
            return np.asarray(answer["mean"], dtype=np.float64)

        return forecast

    found |= {title: of(name) for title, name in _MODELS.items()}
    return found, f"statsforecast {version}, on the same two weeks, with a season of 24 hours."


def _paths(say: Callable[[str], None], others: Mapping[str, Forecast]) -> list[Row]:
    errors: dict[str, list[float]] = {"ours": [], **{name: [] for name in others}}
    inside: dict[str, list[float]] = {shape: [] for shape in SHAPES}
    spent_s = dict.fromkeys(errors, 0.0)
    for place, (shape, make) in enumerate(SHAPES.items()):
        rng = np.random.default_rng([SEED, place])
        for _ in range(SERIES):
            values = make(rng, DAYS)
            for origin in range(FIRST_ORIGIN, len(values) - HORIZON + 1, ORIGIN_STEP):
                before, after = values[:origin], values[origin : origin + HORIZON]
                seasonal = np.abs(before[HOURS_PER_DAY:] - before[:-HOURS_PER_DAY]).mean()
                began_s = time.process_time()
                path = forecast_day(as_hourly(before), floor=0.0)
                spent_s["ours"] += time.process_time() - began_s
                errors["ours"].append(float(np.abs(after - path.expected).mean() / seasonal))
                if path.low is not None and path.high is not None:
                    inside[shape].append(float(((after >= path.low) & (after <= path.high)).mean()))
                for name, forecast in others.items():
                    began_s = time.process_time()
                    missed = np.abs(after - forecast(before)).mean()
                    spent_s[name] += time.process_time() - began_s
                    errors[name].append(float(missed / seasonal))
        say(f"{shape}: done")
    count = len(errors["ours"])
    rows = [
        Row(
            what="24 h ahead, MASE, median / 5 % trimmed mean",
            ours=_error(errors["ours"]),
            target="<= 0.80 median",
            anchor=_error(errors[NAIVE]),
        ),
        Row(
            what="origins at which ours is closer than the seasonal naive",
            ours=f"{np.mean(np.array(errors['ours']) < np.array(errors[NAIVE])):.0%} of {count}",
        ),
        Row(
            what="processor time of one forecast with intervals",
            ours=f"{1000 * spent_s['ours'] / count:.1f} ms",
        ),
    ]
    for name in others:
        if name != NAIVE:
            rows.append(
                Row(
                    what=f"{name}: the same error, and time",
                    ours="-",
                    anchor=f"{_error(errors[name])}, {1000 * spent_s[name] / count:.1f} ms",
                )
            )
    every = [share for shares in inside.values() for share in shares]
    by_shape = {shape: float(np.mean(shares)) for shape, shares in inside.items()}
    worst = min(by_shape, key=lambda shape: by_shape[shape])
    rows.append(
        Row(
            what="hours within the 90 % interval",
            ours=f"{np.mean(every):.1%} (least: {by_shape[worst]:.1%}, {worst})",
            target="88 to 95 %",
        )
    )
    return rows


def _error(errors: list[float]) -> str:
    ordered = np.sort(errors)
    cut = len(ordered) // 20
    return f"{np.median(ordered):.3f} / {ordered[cut : len(ordered) - cut].mean():.3f}"


def _levels(say: Callable[[str], None]) -> list[Row]:
    """The day's level a week ahead, and how often it lies in its interval."""
    missed, naive, inside = [], [], []
    for place, make in enumerate(SHAPES.values()):
        rng = np.random.default_rng([SEED, 100 + place])
        for _ in range(4 * SERIES):
            values = make(rng, 35)
            days = np.median(values.reshape(-1, HOURS_PER_DAY), axis=1)
            (week, *_) = forecast_levels(to_daily(as_hourly(values[: DAYS * HOURS_PER_DAY])))
            scale = np.abs(np.diff(days[:DAYS])).mean()
            actual = float(days[DAYS + 6])
            missed.append(abs(week.expected - actual) / scale)
            naive.append(abs(float(days[DAYS - 1]) - actual) / scale)
            if week.low is not None and week.high is not None:
                inside.append(week.low <= actual <= week.high)
    say("levels: done")
    return [
        Row(
            what="level of the day in a week: error in mean day-to-day changes, median",
            ours=f"{np.median(missed):.2f}",
            anchor=f"{np.median(naive):.2f} (last day)",
        ),
        Row(what="levels within the 90 % interval", ours=f"{np.mean(inside):.1%}", target=">= 85 %"),
    ]


def _fillings(say: Callable[[str], None]) -> list[Row]:
    rows = []
    for place, (name, make) in enumerate(FILLINGS.items()):
        rng = np.random.default_rng([SEED, 200 + place])
        errors, held, straight = [], 0, []
        for _ in range(RUNS):
            values, limit, true_days = make(rng)
            found = find_exhaustion(as_hourly(values), limit)
            days = np.inf if found.days is None else found.days
            errors.append(100 * abs(days - true_days) / true_days)
            if found.soonest_days is not None:
                latest = np.inf if found.latest_days is None else found.latest_days
                held += found.soonest_days * 0.9 <= true_days <= latest * 1.1
            straight.append(100 * abs(_straight_days(values, limit) - true_days) / true_days)
        rows.append(
            Row(
                what=f"days to full, {name}: error, median / p90",
                ours=f"{_percents(errors)}; the range, 10 % wider, holds it {held / RUNS:.0%} of the time",
                target="<= 3 % median" if "plain" in name else "<= 10 % median",
                anchor=f"{_percents(straight)} (least squares by the hour)",
            )
        )
        say(f"{name}: done")
    return rows


def _straight_days(values: Values, limit: float) -> float:
    """What the usual alert computes: a least squares line through all there is."""
    at = np.arange(len(values)) / HOURS_PER_DAY
    slope, begin = np.polyfit(at, values, 1)
    if slope <= 0:
        return float(np.inf)
    return max(0.0, float((limit - begin) / slope - at[-1]))


def _percents(errors: list[float]) -> str:
    return f"{np.median(errors):.1f} / {np.quantile(errors, 0.9, method='higher'):.1f} %"


def _verdicts(say: Callable[[str], None]) -> list[Row]:
    rows = []
    for phi in (0.7, 0.95):
        false, found = [], []
        for days in (7, 14, 30):
            rng = np.random.default_rng([SEED, 300, days, int(100 * phi)])
            at = np.arange(days * HOURS_PER_DAY) / HOURS_PER_DAY
            wave = 100 * (1 + 0.25 * np.sin(2 * np.pi * at))
            wrong = right = 0
            for _ in range(TRIALS):
                values = wave * (1 + 0.04 * wandering(rng, len(at), phi))
                wrong += find_trend(as_hourly(values)).verdict not in (Verdict.STABLE, Verdict.INSUFFICIENT)
                right += find_trend(as_hourly(values * (1 + 0.01 * at))).verdict is Verdict.INCREASING
            false.append(wrong / TRIALS)
            found.append(right / TRIALS)
        rows += [
            Row(
                what=f"trends seen where there is none, AR(1) {phi:g}, 7 / 14 / 30 days",
                ours=" / ".join(f"{share:.1%}" for share in false),
                target="<= 5 %" if phi < 0.9 else "<= 10 %",
            ),
            Row(
                what=f"trends of 1 % a day that are seen, AR(1) {phi:g}, 7 / 14 / 30 days",
                ours=" / ".join(f"{share:.0%}" for share in found),
            ),
        ]
    say("verdicts: done")
    return rows


def _comparisons(say: Callable[[str], None]) -> list[Row]:
    rows = []
    for hours in (1, 24):
        flagged = []
        for phi in (0.7, 0.95, 0.99):
            rng = np.random.default_rng([SEED, 400, hours, int(100 * phi)])
            flagged.append(
                np.mean(
                    [
                        compare_with_usual(
                            as_hourly(100 * (1 + 0.1 * wandering(rng, 9 * HOURS_PER_DAY, phi))), hours=hours
                        ).difference
                        in (Difference.HIGHER, Difference.LOWER)
                        for _ in range(TRIALS)
                    ]
                )
            )
        rows.append(
            Row(
                what=f"unchanged last {hours} h called different, AR(1) 0.7 / 0.95 / 0.99",
                ours=" / ".join(f"{share:.1%}" for share in flagged),
                target="<= 8 %",
            )
        )
    say("comparisons: done")
    return rows
