"""A surrogate that learns a victim's logits while they are being asked, and remembers every answer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from stealproof.oracle import Access, Answer, Answers
from stealproof.roles.extraction import Theft
from stealproof.training.suited import suited_network

LEAST = 1e-8
"""Probabilities below this read as this: float32 servers round them to 0, whose logarithm no loss survives."""


def recovered_logits(answers: Answers, access: Access) -> NDArray[np.float64]:
    """The victim's logits ``(n, classes)`` up to the constant that a softmax forgets: each row's mean is 0.

    From probabilities, log p minus its mean (Truong et al. 2021, section 4.3). Rounded ones are taken to be at least
    half of their last digit.
    """
    assert answers.scores is not None
    scores = np.asarray(answers.scores, dtype=np.float64)
    if access.answer is not Answer.LOGITS:
        least = LEAST if access.decimals is None else 0.5 * 10.0**-access.decimals
        scores = np.log(np.clip(scores, least, None))
    return np.asarray(scores - scores.mean(axis=1, keepdims=True))


class Imitator:
    """The surrogate, its optimizer and its memory of queries and recovered logits."""

    def __init__(self, theft: Theft, *, batch: int, rate: float) -> None:
        """``rate`` is the learning rate at the beginning; it falls to zero with the budget, as a cosine."""
        oracle = theft.oracle
        shape, classes = oracle.domain.shape, oracle.classes
        family = theft.architecture or suited_network(shape, classes)
        self.model = family.build(shape, classes, theft.generator("weights"))
        self._theft, self._batch, self._rate = theft, batch, rate
        self._optimizer = torch.optim.SGD(self.model.parameters(), lr=rate, momentum=0.9, weight_decay=5e-4)
        self._order = theft.generator("replay")
        self._x = torch.empty((theft.budget, *shape))
        self._logits = torch.empty((theft.budget, classes))
        self._asked = 0

    def ask(self, x: torch.Tensor) -> torch.Tensor:
        """Recovered logits ``(n, classes)`` of the victim for ``x`` ``(n, *shape)``; nothing is remembered."""
        answers = self._theft.ask(x.numpy())
        return torch.as_tensor(recovered_logits(answers, self._theft.oracle.access), dtype=torch.float32)

    def remember(self, x: torch.Tensor, logits: torch.Tensor) -> None:
        """Keep these queries and answers for ``replay``."""
        end = self._asked + len(x)
        self._x[self._asked : end], self._logits[self._asked : end] = x, logits
        self._asked = end

    def learn(self, x: torch.Tensor, logits: torch.Tensor) -> float:
        """One gradient step on the mean absolute difference of the logits; returns that difference before it."""
        share = 1 - self._theft.remaining() / self._theft.budget
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate * cosine(share)
        self.model.train()
        self._optimizer.zero_grad(set_to_none=True)
        loss = functional.l1_loss(self.model(x), logits)
        loss.backward()
        self._optimizer.step()
        return float(loss.detach())

    def replay(self) -> None:
        """One gradient step on a random batch of all that was remembered."""
        rows = torch.randint(self._asked, (min(self._batch, self._asked),), generator=self._order)
        self.learn(self._x[rows], self._logits[rows])

    def difference(self, x: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Mean absolute difference ``(n,)`` between the surrogate's logits for ``x`` and the victim's."""
        self.model.eval()
        with torch.no_grad():
            return torch.as_tensor((self.model(x) - logits).abs().mean(dim=1))

    def predicted(self) -> list[int]:
        """How many of the remembered queries the victim put into each class."""
        labels = self._logits[: self._asked].argmax(dim=1)
        counts: list[Any] = torch.bincount(labels, minlength=self._logits.shape[1]).tolist()
        return counts


def cosine(share: float) -> float:
    """A factor that falls from 1 to nearly 0 as ``share`` goes from 0 to 1."""
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(max(share, 0.0), 1.0)))
