"""A gradient bandit over a tree of actions: one softmax policy for the groups, one for the actions of each group.

Sutton & Barto, "Reinforcement Learning", section 2.8; Orekondy et al. 2019, section 4.1.2, equations 3 to 5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stealproof.attacks.extraction._label_tree import LabelTree


class Preferences:
    """The preferences H of one node of the tree over its children, and how often each child was drawn."""

    def __init__(self, children: int) -> None:
        """All children are equally likely at first."""
        self.values = np.zeros(children)
        self.drawn = np.zeros(children, dtype=np.int64)

    def policy(self, open_: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """Softmax of the preferences ``(children,)``, over the ``open_`` ones only when they are given."""
        weights = np.exp(self.values - self.values.max())
        if open_ is not None:
            weights = np.where(open_, weights, 0.0)
            if not weights.sum() > 0:
                weights = open_.astype(np.float64)
        return np.asarray(weights / weights.sum())

    def learn(self, child: int, advantage: float) -> None:
        """Raise the preference of ``child`` by what its reward exceeded the baseline by, and lower the others.

        The step is 1 / N(child). The paper prints a plus sign for the others; a gradient has a minus there.
        """
        self.drawn[child] += 1
        policy = self.policy()
        step = advantage / self.drawn[child]
        self.values -= step * policy
        self.values[child] += step


class TreeBandit:
    """Draws actions from the root down and learns from their rewards. An input is never drawn twice."""

    def __init__(self, tree: LabelTree) -> None:
        """Start with the uniform policy on both levels."""
        self.tree = tree
        self._root = Preferences(len(tree.groups))
        self._nodes = [Preferences(len(actions)) for actions in tree.groups]
        self._group_of = tree.group_of
        self._left = np.array([len(rows) for rows in tree.rows])
        self._group_left = np.array([self._left[actions].sum() for actions in tree.groups])

    def draw(self, count: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """``count`` actions and the row of the pool that each returns; actions without inputs left are not drawn."""
        actions = np.empty(count, dtype=np.int64)
        rows = np.empty(count, dtype=np.int64)
        for i in range(count):
            group = int(rng.choice(len(self.tree.groups), p=self._root.policy(self._group_left > 0)))
            members = self.tree.groups[group]
            child = int(rng.choice(len(members), p=self._nodes[group].policy(self._left[members] > 0)))
            action = int(members[child])
            self._left[action] -= 1
            self._group_left[group] -= 1
            actions[i], rows[i] = action, self.tree.rows[action][self._left[action]]
        return actions, rows

    def learn(self, actions: NDArray[np.int64], advantages: NDArray[np.float64]) -> None:
        """Update both levels by each action ``(n,)`` and how far its reward lies above the baseline ``(n,)``."""
        for action, advantage in zip(actions.tolist(), advantages.tolist(), strict=True):
            group = int(self._group_of[action])
            self._root.learn(group, advantage)
            self._nodes[group].learn(int(np.searchsorted(self.tree.groups[group], action)), advantage)

    def policy(self) -> dict[int, float]:
        """The pool's label -> the probability of drawing it; they sum to 1."""
        found = np.empty(len(self.tree.names))
        for weight, members, node in zip(self._root.policy(), self.tree.groups, self._nodes, strict=True):
            found[members] = weight * node.policy()
        return dict(zip(self.tree.names, found.tolist(), strict=True))

    def drawn(self) -> dict[int, int]:
        """The pool's label -> how many of its inputs were drawn."""
        return {
            name: len(rows) - int(left)
            for name, rows, left in zip(self.tree.names, self.tree.rows, self._left, strict=True)
        }
