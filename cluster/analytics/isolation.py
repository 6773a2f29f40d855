"""Isolation Forest: what few random cuts set apart from the rest is unusual.

F. T. Liu, K. M. Ting, Z.-H. Zhou, "Isolation Forest", ICDM 2008: trees of random cuts over samples of 256
points; the score of a point is 2^(-E(h) / c), h the cuts on its way to a leaf, c what a search without
success takes among as many points. Scores well above 0.5 are unusual.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.analytics.series import Values

SAMPLE = 256
_EULER = 0.5772156649015329


def expected_depth(points: NDArray[np.float64]) -> Values:
    """Return c(n), the mean depth of a search without success in a binary tree of n points, float64[...]."""
    n = np.asarray(points, np.float64)
    safe = np.maximum(n, 3.0)
    found = 2.0 * (np.log(safe - 1.0) + _EULER) - 2.0 * (safe - 1.0) / safe
    return np.where(n > 2, found, np.where(n == 2, 1.0, 0.0))


@dataclass(frozen=True, slots=True, eq=False)
class IsolationForest:
    """Trees as heaps: node i's children are 2 i + 1 and 2 i + 2. `feature` int64[trees, nodes] is -1 at
    leaves, whose `depth` float64[trees, nodes] counts the cuts and what was left to cut.
    """

    feature: NDArray[np.int64]
    cut: Values
    depth: Values
    height: int
    normal: float

    @classmethod
    def grow(cls, points: Values, *, trees: int, seed: int, sample: int = SAMPLE) -> IsolationForest:
        """Grow a forest over float64[n, d], n >= 1, all finite. The same seed gives the same forest."""
        rng = np.random.default_rng(seed)
        count, _ = points.shape
        size = min(sample, count)
        height = max(1, math.ceil(math.log2(max(size, 2))))
        nodes = 2 ** (height + 1) - 1
        feature = np.full(trees * nodes, -1, np.int64)
        cut = np.zeros(trees * nodes)
        depth = np.zeros(trees * nodes)
        chosen = np.concatenate([rng.choice(count, size, replace=False) for _ in range(trees)])
        roots = np.repeat(np.arange(trees, dtype=np.int64) * nodes, size)
        _cut_all(points[chosen], roots, rng, height, nodes, feature, cut, depth)
        return cls(
            feature.reshape(trees, nodes),
            cut.reshape(trees, nodes),
            depth.reshape(trees, nodes),
            height,
            max(float(expected_depth(np.array([float(size)]))[0]), 1e-9),
        )

    def score(self, points: Values) -> Values:
        """Return the score of each of float64[n, d], in (0, 1), float64[n]."""
        trees = len(self.feature)
        at = np.zeros((trees, len(points)), np.int64)
        rows = np.arange(len(points))[None, :]
        tree = np.arange(trees)[:, None]
        for _ in range(self.height):
            feature = self.feature[tree, at]
            value = points[rows, np.maximum(feature, 0)]
            right = value >= self.cut[tree, at]
            at = np.where(feature < 0, at, 2 * at + 1 + right)
        mean = self.depth[tree, at].mean(axis=0)
        return np.asarray(2.0 ** (-mean / self.normal), np.float64)


def _cut_all(
    points: Values,
    node: NDArray[np.int64],
    rng: np.random.Generator,
    height: int,
    nodes: int,
    feature: NDArray[np.int64],
    cut: Values,
    depth: Values,
) -> None:
    """Cut level by level, all nodes of a level of all trees at once; `node` is where each point is."""
    for level in range(height + 1):
        order = np.argsort(node, kind="stable")
        points, node = points[order], node[order]
        ids, starts, counts = np.unique(node, return_index=True, return_counts=True)
        depth[ids] = level + expected_depth(counts.astype(np.float64))
        if level == height:
            return
        low = np.minimum.reduceat(points, starts, axis=0)
        high = np.maximum.reduceat(points, starts, axis=0)
        wide = high > low
        # Of the features that vary in a node, each with the same chance.
        chosen = np.argmax(np.where(wide, rng.random(wide.shape), -1.0), axis=1)
        place = np.arange(len(ids))
        is_cut = wide.any(axis=1) & (counts > 1)
        at = low[place, chosen] + rng.random(len(ids)) * (high[place, chosen] - low[place, chosen])
        # Never at the lowest value itself: one side would be empty.
        at = np.maximum(at, np.nextafter(low[place, chosen], np.inf))
        feature[ids[is_cut]] = chosen[is_cut]
        cut[ids[is_cut]] = at[is_cut]
        goes_on = feature[node] >= 0
        points, node = points[goes_on], node[goes_on]
        if not len(node):
            return
        root = node // nodes * nodes
        right = points[np.arange(len(points)), feature[node]] >= cut[node]
        node = root + 2 * (node - root) + 1 + right
