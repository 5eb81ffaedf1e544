"""What an answer is worth to the thief: certainty of the victim, diversity of the answers, loss of the knockoff.

Orekondy et al. 2019, section 4.1.2. Each reward is rescaled to a range of 1 over a window of past queries, and their
mean over the window is the baseline. A scale of deviation 1, as one also finds, makes the bandit's first steps five
times larger: on FashionMNIST with notMNIST as the pool it then spends half of its queries on one label.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Reward = Literal["certainty", "diversity", "loss", "all"]
KINDS = ("certainty", "diversity", "loss")


def certainty(victim: NDArray[np.float64]) -> NDArray[np.float64]:
    """Margin between the two largest probabilities ``(n, classes)``; 0 to 1, and always 1 for labels alone."""
    top = np.partition(victim, -2, axis=1)[:, -2:]
    return np.asarray(top[:, 1] - top[:, 0])


def diversity(victim: NDArray[np.float64], past: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each answer ``(n, classes)`` exceeds the mean of ``past`` answers ``(m, classes)``; 0 to 1."""
    return np.asarray(np.clip(victim - past.mean(axis=0), 0.0, None).sum(axis=1))


def loss(victim: NDArray[np.float64], log_knockoff: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cross-entropy, in nats, of the knockoff's log-probabilities ``(n, classes)`` under the victim's answer."""
    return np.asarray(-(victim * log_knockoff).sum(axis=1))


class RewardMeter:
    """Turns answers into advantages, remembering the last ``window`` queries and nothing else."""

    def __init__(self, reward: Reward, *, window: int) -> None:
        """``window`` is the number of past queries that rewards are measured against (the paper's Delta)."""
        self.kinds = KINDS if reward == "all" else (reward,)
        self._window = window
        self._answers: NDArray[np.float64] | None = None
        self._rewards: NDArray[np.float64] | None = None

    def advantages(
        self, victim: NDArray[np.float64], log_knockoff: NDArray[np.float64] | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The advantage ``(n,)`` of each answer, and the raw rewards ``(n, kinds)`` behind it.

        ``log_knockoff`` holds the knockoff's log-probabilities before it was trained on these answers; it may be
        None when the loss is not among the rewards.
        """
        raw = np.stack([self._raw(kind, victim, log_knockoff) for kind in self.kinds], axis=1)
        self._answers = self._remembered(self._answers, victim)
        self._rewards = self._remembered(self._rewards, raw)
        spread = np.ptp(self._rewards, axis=0)
        # A reward that never varies (the certainty of bare labels) says nothing, whatever rounding makes of it.
        scale = np.where(spread > 1e-9, spread, np.inf)
        return ((raw - self._rewards.mean(axis=0)) / scale).mean(axis=1), raw

    def _raw(
        self, kind: str, victim: NDArray[np.float64], log_knockoff: NDArray[np.float64] | None
    ) -> NDArray[np.float64]:
        if kind == "certainty":
            return certainty(victim)
        if kind == "diversity":
            return diversity(victim, victim if self._answers is None else self._answers)
        assert log_knockoff is not None
        return loss(victim, log_knockoff)

    def _remembered(self, past: NDArray[np.float64] | None, new: NDArray[np.float64]) -> NDArray[np.float64]:
        joined = new if past is None else np.concatenate([past, new])
        return joined[-self._window :]
