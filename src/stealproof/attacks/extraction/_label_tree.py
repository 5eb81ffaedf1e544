"""The thief's actions: the labels of a pool, grouped coarse to fine, each with the inputs that it stands for.

Orekondy et al. 2019, section 4.1.2: an action is a label of the *pool's own* taxonomy, and labels are nodes of a
coarse-to-fine tree. Where the pool has no labels they come from clustering, as the paper allows.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.exceptions import ConvergenceWarning

FITTED_ON = 5_000
"""Inputs that k-means learns its centres from; the rest are only assigned, so that a large pool stays cheap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTree:
    """Two levels above the inputs: ``groups`` of actions, and the actions of each group."""

    names: tuple[int, ...]
    """Action -> the pool's own label (or cluster number) of that action."""
    groups: tuple[NDArray[np.int64], ...]
    """Group -> its actions."""
    rows: tuple[NDArray[np.int64], ...]
    """Action -> rows of the pool, in the random order in which they will be asked."""

    @property
    def group_of(self) -> NDArray[np.int64]:
        """Action -> its group."""
        found = np.empty(len(self.names), dtype=np.int64)
        for group, actions in enumerate(self.groups):
            found[actions] = group
        return found


def grow_tree(pool: NDArray[Any], labels: NDArray[np.int64], *, groups: int, rng: np.random.Generator) -> LabelTree:
    """The tree over ``labels`` ``(m,)`` of ``pool`` ``(m, *shape)``.

    Labels with similar mean inputs share a group (Ward's agglomeration). ``groups`` is the number of groups; 0 means
    the rounded square root of the number of labels, which makes both levels equally wide.
    """
    names, action = np.unique(labels, return_inverse=True)
    order = rng.permutation(len(pool))
    by_action = order[np.argsort(action[order], kind="stable")]
    rows = np.split(by_action, np.cumsum(np.bincount(action))[:-1])
    wanted = min(groups or round(np.sqrt(len(names))), len(names))
    if len(names) == 1:
        group_of = np.zeros(1, dtype=np.int64)
    else:
        means = np.stack([pool[part].reshape(len(part), -1).mean(axis=0, dtype=np.float64) for part in rows])
        group_of = AgglomerativeClustering(n_clusters=wanted).fit_predict(means)
    return LabelTree(
        names=tuple(int(name) for name in names),
        groups=tuple(np.flatnonzero(group_of == group) for group in range(wanted)),
        rows=tuple(rows),
    )


def cluster_labels(pool: NDArray[Any], clusters: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Labels ``(m,)`` for a ``pool`` that has none: the nearest of ``clusters`` k-means centres."""
    flat = pool.reshape(len(pool), -1)
    sample = rng.choice(len(flat), min(len(flat), FITTED_ON), replace=False)
    learner = KMeans(min(clusters, len(sample)), n_init=1, random_state=int(rng.integers(2**31)))
    with warnings.catch_warnings():
        # A pool with repeated inputs has fewer distinct points than clusters; fewer labels are then right.
        warnings.simplefilter("ignore", ConvergenceWarning)
        learner.fit(flat[sample].astype(np.float64))
    return np.asarray(learner.predict(flat.astype(np.float64)), dtype=np.int64)
