"""The knockoff that learns while the thief is still asking, so that its loss can steer the next queries."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from stealproof.attacks.extraction._predictions import log_probabilities, logits_of
from stealproof.roles.extraction import Theft
from stealproof.training.suited import suited_network


class OnlineKnockoff:
    """A network of the surrogate's family, trained by a few steps after each batch of answers.

    The cost is the same for each query, however many came before.
    """

    def __init__(self, theft: Theft, *, steps: int, learning_rate: float = 1e-3) -> None:
        """``steps`` gradient steps are made per batch of answers, on that batch and as many earlier answers."""
        shape = theft.oracle.domain.shape
        family = theft.architecture or suited_network(shape, theft.oracle.classes)
        self._model = family.build(shape, theft.oracle.classes, theft.generator("online weights"))
        self._optimizer = torch.optim.Adam(self._model.parameters(), lr=learning_rate)
        self._rng = theft.rng("online order")
        self._steps = steps

    def log_probabilities(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Log-probabilities ``(n, classes)`` of the knockoff as it is now."""
        self._model.eval()
        return log_probabilities(logits_of(self._model, x))

    def learn(self, x: NDArray[Any], targets: NDArray[np.float64], new: int) -> None:
        """Train on the last ``new`` of all queries ``(n, *shape)`` with targets ``(n, classes)``, and on old ones."""
        self._model.train()
        for _ in range(self._steps):
            rows = np.arange(len(x) - new, len(x))
            if len(x) > new:
                rows = np.concatenate([rows, self._rng.integers(0, len(x) - new, size=new)])
            logits = self._model(torch.as_tensor(x[rows], dtype=torch.float32))
            self._optimizer.zero_grad(set_to_none=True)
            functional.cross_entropy(logits, torch.as_tensor(targets[rows], dtype=torch.float32)).backward()
            self._optimizer.step()
