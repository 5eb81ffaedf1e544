"""Jacobian-based augmentation: grow a few seeds into a training set along the substitute's own gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.attacks.extraction._gradient_steps import check_movable, moved, towards, width
from stealproof.attacks.extraction._synthetic_rounds import ask_seeds, extract_in_rounds
from stealproof.errors import InputError
from stealproof.roles.extraction import Extraction, Theft
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class JacobianAugmentation(Extraction):
    """Each round asks x + step * sgn(J[label of x]) for the inputs asked so far, J being the substitute's Jacobian.

    The goal of the paper is a substitute whose adversarial examples fool the victim; fidelity is a by-product.
    """

    source = Source(
        authors="Papernot, McDaniel, Goodfellow, Jha, Celik, Swami",
        title="Practical Black-Box Attacks against Machine Learning",
        venue="ASIA CCS",
        year=2017,
        url="https://arxiv.org/abs/1602.02697",
    )
    departure = (
        "the paper stops after a chosen number of rounds (6 from 150 seeds), this one when the budget is spent, its"
        " last round being cut to what is left; the step follows the Jacobian's row of the oracle's label, as the"
        " paper writes, while popular code follows the gradient of the loss, which is the opposite sign: a negative"
        " step gives that; categorical columns are not moved"
    )
    needs_pool = True
    synthesizes = True
    labels_only = True

    seeds: int = 150
    """Natural inputs to begin with; at least 1."""
    rounds: int | None = None
    """Most augmentation rounds (rho_max); None for as many as the budget covers."""
    step: float = 0.1
    """Change of every coordinate, as a share of the domain's width (lambda). Negative moves away from the label."""
    tau: int = 3
    """The step changes its sign after this many rounds, as (-1)^floor(rho / tau); 0 keeps the sign."""
    reservoir: bool = False
    """Whether later rounds augment only a reservoir sample (Algorithm 2), so that the set stops doubling."""
    sigma: int = 3
    """The last round that augments every input when ``reservoir`` is on."""
    kappa: int = 400
    """Inputs that each later round augments when ``reservoir`` is on."""
    soft: bool = False
    """Whether the substitute learns from the scores that the oracle shows; the paper's learns from labels."""

    def step_in(self, number: int) -> float:
        """The signed step of round ``number``, counted from 1: lambda * (-1)^floor(rho / tau), section 6."""
        return self.step * (-1.0) ** (number // self.tau) if self.tau else self.step

    def growth(self, asked: int, number: int) -> int:
        """Inputs that round ``number`` augments, of ``asked``.

        With a reservoir, n seeds and r > sigma rounds ask n 2^sigma + kappa (r - sigma) inputs.
        """
        return min(asked, self.kappa) if self.reservoir and number > self.sigma else asked

    def _extract(self, theft: Theft) -> torch.nn.Module:
        domain = theft.oracle.domain
        check_movable(domain, self.name())
        if self.step == 0:
            raise InputError("step must not be 0: every round would ask the same inputs again")
        for name, least in (("tau", 0), ("sigma", 0), ("kappa", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name} must be at least {least}, got {getattr(self, name)}")

        def augment(model: torch.nn.Module, x: NDArray[Any], labels: NDArray[np.int64], number: int) -> NDArray[Any]:
            return moved(x, self.step_in(number) * width(domain) * towards(model, x, labels), domain)

        x, answers = ask_seeds(theft, self.seeds)
        return extract_in_rounds(theft, x, answers, augment, rounds=self.rounds, soft=self.soft, growth=self.growth)
