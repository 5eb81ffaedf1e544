"""Exploring a decision tree leaf by leaf: from complete inputs (bottom-up) or from the empty one (top-down)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stealproof.attacks.extraction._leaf_boxes import LeafBoxes
from stealproof.attacks.extraction._tree_probe import Interval, TreeProbe, holding


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Inputs that are thought to reach the same node. All fields are ``(d,)``."""

    x: NDArray[np.float64]
    """An input inside whose answer is known; NaN where a feature is missing."""
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    """Corners of the box."""
    first: NDArray[np.float64]
    last: NDArray[np.float64]
    """Corners of what may be searched: the outermost points on lines through ``x``."""

    def within(self, feature: int, interval: Interval, value: float) -> Region:
        """This region where ``feature`` lies in ``interval``, at ``value``."""
        return Region(
            x=_replaced(self.x, feature, value),
            low=_replaced(self.low, feature, interval.low),
            high=_replaced(self.high, feature, interval.high),
            first=_replaced(self.first, feature, interval.first),
            last=_replaced(self.last, feature, interval.last),
        )

    def holds(self, x: NDArray[np.float64], slack: float) -> bool:
        """Whether ``x`` lies inside, up to ``slack``; a missing feature may lie anywhere."""
        return bool((np.isnan(x) | ((self.low - slack <= x) & (x <= self.high + slack))).all())


class TreeSearch:
    """Regions still to explore, leaves already known. One step explores one region."""

    def __init__(self, probe: TreeProbe, start: Region, *, fill: NDArray[np.float64], slack: float) -> None:
        """``start`` is the whole box; ``fill`` a complete input ``(d,)``; ``slack`` the uncertainty of a threshold."""
        self.queue: deque[Region] = deque([start])
        self.leaves: list[tuple[int, Region]] = []
        """Number of the node, and its box."""
        self._probe = probe
        self._start = start
        self._fill = fill
        self._slack = slack
        self._explored: dict[int, list[Region]] = {}

    @property
    def repeated(self) -> int:
        """Leaves that answer like an earlier one and were told apart only by where they lie."""
        return len(self.leaves) - len({node for node, _ in self.leaves})

    def bottom_up(self, region: Region) -> None:
        """Find the leaf around a complete input, and an input in every region that lines through it cross."""
        node, x = self._probe.node(region.x), region.x
        if self._known(node, x):
            return
        lines = self._probe.lines(x, {i: (region.first[i], region.last[i]) for i in range(len(x))})
        leaf = region
        for feature, intervals in lines.items():
            own = holding(intervals, x[feature])
            leaf = leaf.within(feature, own, x[feature])
            for interval in intervals:
                if interval is not own:
                    there = _replaced(x, feature, interval.inside)
                    self.queue.append(Region(x=there, low=there, high=there, first=region.first, last=region.last))
        self._explored.setdefault(node, []).append(leaf)
        self.leaves.append((node, leaf))

    def top_down(self, region: Region) -> None:
        """Find the inner node at which an incomplete input stops, the feature that it tests, and its thresholds."""
        node, x = self._probe.node(region.x), region.x
        if self._known(node, x):
            return
        # Features on the path may be tested again below, at thresholds that the walk to the parent never met.
        given = np.flatnonzero(~np.isnan(x))
        lines = self._probe.lines(x, {int(i): (region.first[i], region.last[i]) for i in given})
        here = region
        for feature, intervals in lines.items():
            own = holding(intervals, x[feature])
            here = here.within(feature, own, x[feature])
            self.queue.extend(self._part(region, feature, other) for other in intervals if other is not own)
        tested = self._tested(x, node)
        if tested is None:
            self.leaves.append((node, here))
        else:
            line = self._probe.lines(x, {tested: (region.first[tested], region.last[tested])})[tested]
            self.queue.extend(self._part(here, tested, interval) for interval in line)
        self._explored.setdefault(node, []).append(here)

    def _part(self, region: Region, feature: int, interval: Interval) -> Region:
        """The part of ``region`` in ``interval``, at a value that is plainly on one side of every threshold.

        A leaf may be met in pieces, cut at a threshold of its neighbour; a value next to such a cut would seem to be
        in the piece that is known already.
        """
        if interval.first == self._start.first[feature]:
            value = interval.first
        elif interval.last == self._start.last[feature]:
            value = interval.last
        else:
            value = self._probe.nearest_level(feature, (interval.first + interval.last) / 2)
        part = region.within(feature, interval, value)
        self._probe.learn(part.x, interval.node)
        return part

    def _known(self, node: int, x: NDArray[np.float64]) -> bool:
        """Whether this node was explored; one that answers the same but lies elsewhere counts as another."""
        return any(region.holds(x, self._slack) for region in self._explored.get(node, ()))

    def _tested(self, x: NDArray[np.float64], node: int) -> int | None:
        """The missing feature that ``node`` tests, by halving the missing ones; None when it is a leaf.

        Filling in features moves the walk on from the node exactly when the tested one is among them.
        """
        missing = np.flatnonzero(np.isnan(x))
        if not len(missing) or self._probe.node(self._filled(x, missing)) == node:
            return None
        while len(missing) > 1:
            half = missing[: len(missing) // 2]
            moves_on = self._probe.node(self._filled(x, half)) != node
            missing = half if moves_on else missing[len(half) :]
        return int(missing[0])

    def _filled(self, x: NDArray[np.float64], features: NDArray[np.int64]) -> NDArray[np.float64]:
        filled = x.copy()
        filled[features] = self._fill[features]
        return filled

    def surrogate(self) -> LeafBoxes:
        """The leaves found; of regions that are not explored yet, what was last answered there."""
        boxes = [(node, region.low, region.high) for node, region in self.leaves]
        boxes += [(self._probe.node(region.x), region.low, region.high) for region in self.queue]
        nodes, low, high = zip(*boxes, strict=True)
        return LeafBoxes(np.stack(low), np.stack(high), np.stack([self._probe.distributions[node] for node in nodes]))


def _replaced(values: NDArray[np.float64], place: int, value: float) -> NDArray[np.float64]:
    changed = values.copy()
    changed[place] = value
    return changed
