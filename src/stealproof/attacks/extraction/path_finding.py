"""Path finding: a decision tree's leaves and thresholds, from the confidences that tell its leaves apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.attacks.extraction._telling_queries import uniform_inputs
from stealproof.attacks.extraction._tree_probe import OutOfQueries, TreeProbe
from stealproof.attacks.extraction._tree_search import Region, TreeSearch
from stealproof.errors import AccessDenied, InputError
from stealproof.oracle import Answer
from stealproof.roles.extraction import Extraction, Theft
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class PathFinding(Extraction):
    """Algorithm 1 (bottom-up) and its variant for interfaces that take incomplete inputs (top-down), section 4.2."""

    source = Source(
        authors="Tramèr, Zhang, Juels, Reiter, Ristenpart",
        title="Stealing Machine Learning Models via Prediction APIs",
        venue="USENIX Security",
        year=2016,
        url="https://arxiv.org/abs/1609.02943",
    )
    departure = (
        "epsilon is a fraction of the box's width, and finer than the paper's 0.01, which was meant for integer"
        " features; top-down finds the feature that a node tests by halving the missing ones, where BigML's answers"
        " name it; inputs in regions not reached within the budget go to the nearest leaf"
    )
    accepts = frozenset({Answer.TOP_K, Answer.PROBABILITIES, Answer.LOGITS})
    victims = "decision tree"
    synthesizes = True
    direction: Literal["bottom-up", "top-down"] = "bottom-up"
    """From complete inputs, or from the empty input (which needs an oracle that takes incomplete ones)."""
    epsilon: float = 1e-6
    """Width to which a threshold is located, as a fraction of the box; 0 to 1."""
    reuse_thresholds: bool = False
    """Whether thresholds known from other paths are tried before a line is halved: not in the paper, and cheaper."""

    def _extract(self, theft: Theft) -> torch.nn.Module:
        if not 0 < self.epsilon < 1:
            raise InputError(f"epsilon must lie between 0 and 1, got {self.epsilon}")
        if self.direction == "top-down" and not theft.oracle.access.incomplete:
            raise AccessDenied(
                f"path_finding top-down needs an oracle that takes incomplete queries, got {theft.oracle.access};"
                " use direction=bottom-up"
            )
        start, fill = self._start(theft)
        epsilon = self.epsilon * float((start.last - start.first).max())
        probe = TreeProbe(theft, epsilon=epsilon, reuse_thresholds=self.reuse_thresholds)
        search = TreeSearch(probe, start, fill=fill, slack=epsilon)
        step = search.bottom_up if self.direction == "bottom-up" else search.top_down
        try:
            while search.queue:
                step(search.queue[0])
                search.queue.popleft()
                theft.progress(f"found {len(search.leaves)} leaves", 1 - theft.remaining() / theft.budget)
        except OutOfQueries:
            theft.progress("out of queries", 1.0)
        theft.notes |= {
            "leaves": len(search.leaves),
            "repeated_leaves": search.repeated,
            "complete": not search.queue,
        }
        return search.surrogate()

    def _start(self, theft: Theft) -> tuple[Region, NDArray[np.float64]]:
        """The whole box, at a random input or at the empty one, and a random input ``(d,)`` to fill gaps from."""
        domain = theft.oracle.domain
        fill = uniform_inputs(domain, 1, theft.rng("start")).reshape(-1)
        first = np.full(len(fill), domain.low if np.isfinite(domain.low) else -1.0)
        last = np.full(len(fill), domain.high if np.isfinite(domain.high) else 1.0)
        if self.direction == "bottom-up":
            return Region(x=fill, low=fill, high=fill, first=first, last=last), fill
        return Region(x=np.full(len(fill), np.nan), low=first, high=last, first=first, last=last), fill
