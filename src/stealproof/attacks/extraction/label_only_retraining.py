"""Label-only retraining: fit a model of the victim's class to labels at uniform, boundary or uncertain inputs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.attacks.extraction._linear_fit import fit_linear
from stealproof.attacks.extraction._surrogate import train_surrogate
from stealproof.attacks.extraction._telling_queries import uniform_inputs
from stealproof.errors import InputError
from stealproof.roles.extraction import Extraction, Theft
from stealproof.system import Source

CANDIDATES = 400
"""Uniform inputs from which one uncertain query is chosen."""
MOST_CANDIDATES = 20_000_000
"""Most numbers in one round's candidates; bounds the memory for inputs of many features."""


@dataclass(frozen=True, kw_only=True)
class LabelOnlyRetraining(Extraction):
    """The retraining attacks on interfaces that give no confidences, section 6."""

    source = Source(
        authors="Tramèr, Zhang, Juels, Reiter, Ristenpart",
        title="Stealing Machine Learning Models via Prediction APIs",
        venue="USENIX Security",
        year=2016,
        url="https://arxiv.org/abs/1609.02943",
    )
    departure = "the most uncertain inputs are those of smallest margin between the surrogate's two largest logits"
    victims = "logistic regression"
    synthesizes = True
    strategy: Literal["uniform", "line-search", "adaptive"] = "adaptive"
    """Uniform inputs; bisection between pairs of unlike labels; or rounds of inputs that the surrogate doubts."""
    rounds: int = 10
    """Rounds of the adaptive strategy, each with an equal part of the budget."""
    uncertain_share: float = 0.75
    """Part of a round's queries that the surrogate doubts most; the rest is uniform; 0 to 1."""
    halvings: int = 10
    """Bisections of one pair in the line-search strategy; each is a query."""
    strength: float = 1e5
    """Inverse weight of the L2 penalty of the logistic regression that is fitted unless an architecture is brought."""

    def _extract(self, theft: Theft) -> torch.nn.Module:
        for name, least in (("rounds", 1), ("halvings", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 <= self.uncertain_share <= 1:
            raise InputError(f"uncertain_share must lie between 0 and 1, got {self.uncertain_share}")
        if self.strength <= 0:
            raise InputError(f"strength must be positive, got {self.strength}")
        if self.strategy == "adaptive":
            return self._adaptive(theft)
        if self.strategy == "line-search":
            x, labels = self._line_search(theft)
        else:
            x = uniform_inputs(theft.oracle.domain, theft.budget, theft.rng("uniform queries"))
            labels = theft.ask(x).predicted
        return self._fit(theft, x, labels, round_=0, share=(0.5, 1.0))

    def _adaptive(self, theft: Theft) -> torch.nn.Module:
        """Rounds of active learning (Cohn et al. 1994): what the current surrogate doubts, and some uniform inputs."""
        rng, domain = theft.rng("uniform queries"), theft.oracle.domain
        rounds = min(self.rounds, theft.budget)
        sizes = [len(part) for part in np.array_split(np.arange(theft.budget), rounds)]
        x = uniform_inputs(domain, sizes[0], rng)
        labels = theft.ask(x).predicted
        for round_, size in enumerate(sizes[1:], start=1):
            model = self._fit(theft, x, labels, round_=round_, share=((round_ - 1) / rounds, round_ / rounds))
            doubted = 0 if len(np.unique(labels)) < 2 else round(self.uncertain_share * size)
            queries = np.concatenate(
                [self._uncertain(theft, model, doubted, round_), uniform_inputs(domain, size - doubted, rng)]
            )
            x = np.concatenate([x, queries])
            labels = np.concatenate([labels, theft.ask(queries).predicted])
        return self._fit(theft, x, labels, round_=rounds, share=((rounds - 1) / rounds, 1.0))

    def _uncertain(self, theft: Theft, model: torch.nn.Module, count: int, round_: int) -> NDArray[np.float64]:
        """The ``count`` inputs of smallest margin among many uniform ones; asking the surrogate costs nothing."""
        features = math.prod(theft.oracle.domain.shape)
        many = max(count, min(CANDIDATES * count, MOST_CANDIDATES // features))
        x = uniform_inputs(theft.oracle.domain, many, theft.rng("candidates", round_))
        dtype = next(model.parameters()).dtype
        with torch.inference_mode():
            logits = torch.cat(
                [model(torch.as_tensor(part, dtype=dtype)) for part in np.array_split(x, 1 + many // 4096)]
            )
        top = logits.topk(2, dim=1).values
        return np.asarray(x[(top[:, 0] - top[:, 1]).argsort(stable=True)[:count].numpy()])

    def _line_search(self, theft: Theft) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Every input asked while bisecting segments between uniform inputs of unlike labels, ``(budget, *shape)``."""
        rng, domain = theft.rng("uniform queries"), theft.oracle.domain
        # Half of the pairs are unlike at best, so each pair of ends leaves room for its bisection.
        pairs = max(1, theft.budget // (2 + self.halvings))
        ends = uniform_inputs(domain, min(2 * pairs, theft.budget), rng)
        labels = theft.ask(ends).predicted
        asked, told = [ends], [labels]
        one, other = _unlike(labels, rng)
        near, far, near_label = ends[one], ends[other], labels[one]
        while theft.remaining() and len(near):
            count = min(len(near), theft.remaining())
            middle = (near[:count] + far[:count]) / 2
            found = theft.ask(middle).predicted
            asked.append(middle)
            told.append(found)
            same = (found == near_label[:count]).reshape(-1, *([1] * len(domain.shape)))
            near[:count], far[:count] = np.where(same, middle, near[:count]), np.where(same, far[:count], middle)
            if len(asked) % (self.halvings + 1) == 0:
                one, other = _unlike(labels, rng)
                near, far, near_label = ends[one], ends[other], labels[one]
        if theft.remaining():
            rest = uniform_inputs(domain, theft.remaining(), rng)
            asked.append(rest)
            told.append(theft.ask(rest).predicted)
        return np.concatenate(asked), np.concatenate(told)

    def _fit(
        self, theft: Theft, x: NDArray[Any], labels: NDArray[np.int64], *, round_: int, share: tuple[float, float]
    ) -> torch.nn.Module:
        theft.progress("retraining", share[0])
        if theft.architecture is None:
            return fit_linear(x, labels, theft.oracle.classes, strength=self.strength)
        return train_surrogate(theft, x, labels, name=f"surrogate {round_}", progress_share=share)


def _unlike(labels: NDArray[np.int64], rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of pairs with unlike labels, each input in at most one pair on either side."""
    one, other = rng.permutation(len(labels)), rng.permutation(len(labels))
    unlike = labels[one] != labels[other]
    return one[unlike], other[unlike]
