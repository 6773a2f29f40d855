"""Isolation Forest beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.ensemble import IsolationForest as Published

from cluster.analytics.isolation import IsolationForest, expected_depth


@pytest.mark.parametrize(("points", "features"), [(1000, 4), (300, 1)])
def test_scores_are_those_of_scikit_learn_but_for_chance(points: int, features: int) -> None:
    rng = np.random.default_rng(points)
    data = rng.normal(size=(points, features)) * rng.uniform(0.1, 100, features)
    data[:10] += 8 * data.std(axis=0)
    ours = IsolationForest.grow(data, trees=150, seed=1).score(data)
    theirs = -Published(n_estimators=150, max_samples=256, random_state=0).fit(data).score_samples(data)
    assert spearmanr(ours, theirs).statistic > 0.95
    assert np.abs(ours - theirs).max() < 0.08
    strangest = set(np.argsort(ours)[-10:].tolist())
    assert len(strangest & set(range(10))) >= 8
    assert len(strangest & set(np.argsort(theirs)[-10:].tolist())) >= 8


def test_the_expected_depth_is_the_harmonic_one_of_the_paper() -> None:
    assert expected_depth(np.array([1.0, 2.0])).tolist() == [0.0, 1.0]
    harmonic = sum(1 / i for i in range(1, 256))
    assert expected_depth(np.array([256.0]))[0] == pytest.approx(2 * harmonic - 2 * 255 / 256, rel=1e-3)


def test_points_that_are_all_the_same_are_all_as_usual_and_one_point_makes_a_forest() -> None:
    same = np.ones((400, 3))
    scores = IsolationForest.grow(same, trees=20, seed=1).score(same)
    assert np.allclose(scores, scores[0])
    alone = IsolationForest.grow(np.ones((1, 2)), trees=5, seed=1).score(np.zeros((3, 2)))
    assert np.isfinite(alone).all()


def test_the_same_seed_grows_the_same_forest() -> None:
    data = np.random.default_rng(1).normal(size=(300, 2))
    first, second = (IsolationForest.grow(data, trees=10, seed=7).score(data) for _ in range(2))
    assert np.array_equal(first, second)
