"""Outcome of a theft: how close a surrogate came to its victim, on held-out and on uniform inputs."""

from __future__ import annotations

import torch

from stealproof import seeds
from stealproof.measures.agreement import agreement, kl_divergence, relative_accuracy, total_variation
from stealproof.measures.estimate import Estimate
from stealproof.measures.intervals import row_mean
from stealproof.oracle import Access, Answer, Answers, Oracle, as_array
from stealproof.oracles.module import ModuleOracle
from stealproof.roles.dataset import Part

UNIFORM = 10_000
"""Uniform inputs that fidelity is measured on (Tramèr et al. 2016, section 4.1)."""


class Examiner:
    """Asks a victim once, then examines any number of its surrogates.

    The examiner is no thief: give it the richest access that there is. Its queries count against ``victim``'s own
    budget, so hand it an oracle that the thief does not share.
    """

    def __init__(self, victim: Oracle, test: Part | None, *, uniform: int = UNIFORM, seed: int = 0) -> None:
        """``test`` holds labelled inputs that neither side trained on; ``uniform`` may be 0 to skip those."""
        self._victim = victim
        self._seed = seed
        self._test = test
        self._uniform = victim.domain.uniform(uniform, seeds.rng(seed, "examiner", "uniform")) if uniform else None
        self._on_test = None if test is None else victim.ask(test.x)
        self._on_uniform = None if self._uniform is None else victim.ask(self._uniform)

    def examine(self, model: torch.nn.Module) -> dict[str, Estimate]:
        """Estimates by name; those that need the victim's probabilities are left out when it gives labels only.

        ``accuracy``, ``victim_accuracy``, ``relative_accuracy``, ``fidelity``, ``kl`` (nats), ``tv`` on held-out
        inputs; ``uniform_fidelity``, ``uniform_kl``, ``uniform_tv`` and ``uniform_tv_max`` on uniform inputs.
        """
        found: dict[str, Estimate] = {}
        thief = ModuleOracle(
            model, domain=self._victim.domain, classes=self._victim.classes, access=Access(answer=Answer.PROBABILITIES)
        )
        if self._test is not None and self._on_test is not None:
            truth = as_array(self._test.y)
            mine = thief.ask(self._test.x)
            ours, theirs = mine.predicted, self._on_test.predicted
            found["accuracy"] = agreement(ours, truth)
            found["victim_accuracy"] = agreement(theirs, truth)
            found["relative_accuracy"] = relative_accuracy(
                ours, theirs, truth, rng=seeds.rng(self._seed, "examiner", "bootstrap")
            )
            found |= self._compare(self._on_test, mine, "")
        if self._uniform is not None and self._on_uniform is not None:
            found |= self._compare(self._on_uniform, thief.ask(self._uniform), "uniform_")
        return found

    def _compare(self, victim: Answers, thief: Answers, prefix: str) -> dict[str, Estimate]:
        found = {f"{prefix}fidelity": agreement(thief.predicted, victim.predicted)}
        if victim.scores is not None and self._victim.access.answer in (Answer.PROBABILITIES, Answer.LOGITS):
            p = victim.distributions(self._victim.classes, self._victim.access)
            q = thief.distributions(self._victim.classes, Access())
            variation = total_variation(p, q)
            found[f"{prefix}kl"] = kl_divergence(p, q)
            found[f"{prefix}tv"] = row_mean(variation)
            largest = float(variation.max())
            found[f"{prefix}tv_max"] = Estimate(
                value=largest, low=largest, high=largest, n=len(variation), method="largest of the rows"
            )
        return found
