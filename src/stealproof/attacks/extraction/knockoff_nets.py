"""Knockoff Nets: train a surrogate on the victim's answers to natural images, drawn at random or by a bandit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.attacks.extraction._gradient_bandit import TreeBandit
from stealproof.attacks.extraction._knockoff_rewards import RewardMeter
from stealproof.attacks.extraction._label_tree import LabelTree, cluster_labels, grow_tree
from stealproof.attacks.extraction._online_knockoff import OnlineKnockoff
from stealproof.attacks.extraction._surrogate import train_surrogate
from stealproof.errors import InputError, InvalidData
from stealproof.roles.extraction import Extraction, Theft
from stealproof.system import Source

QUERYING = 0.5
"""Share of an adaptive theft that goes by until everything is asked, for the progress display."""


@dataclass(frozen=True, kw_only=True)
class KnockoffNets(Extraction):
    """Ask inputs of the pool, train on the answers.

    The random policy draws them uniformly. The adaptive one learns which labels *of the pool* are worth asking: a
    gradient bandit draws a group of labels, then a label, then an input, and is rewarded for answers that are certain,
    diverse, or wrongly predicted by the knockoff so far. Nothing is assumed about how the pool's labels relate to the
    victim's classes. In the end a surrogate is trained from scratch on all answers.
    """

    source = Source(
        authors="Orekondy, Schiele, Fritz",
        title="Knockoff Nets: Stealing Functionality of Black-Box Models",
        venue="CVPR",
        year=2019,
        url="https://arxiv.org/abs/1812.02766",
    )
    departure = (
        "the surrogate starts from random weights, not from ImageNet's; the adaptive policy is updated after each batch"
        " of answers instead of each answer, its labels are grouped by their mean pixels instead of a pretrained"
        " network's features, an input is never asked twice, and several rewards are averaged, not added"
    )
    needs_pool = True

    policy: Literal["random", "adaptive"] = "random"
    """How inputs are drawn from the pool: uniformly, or by a bandit over the pool's labels."""
    reward: Literal["certainty", "diversity", "loss", "all"] = "all"
    """What the adaptive policy seeks: answers that are certain, diverse, badly predicted (loss), or all three."""
    batch: int = 32
    """Queries between two updates of the adaptive policy; at least 1."""
    window: int = 500
    """Past queries that rewards are measured against (the paper's Delta); at least 2."""
    groups: int = 0
    """Coarse groups of labels; 0 for the rounded square root of the number of labels, 1 for a flat bandit."""
    clusters: int = 100
    """Labels that are made by k-means when the pool has none; at least 1."""
    online_steps: int = 2
    """Gradient steps that the knockoff makes after each batch while querying; at least 1."""

    def _extract(self, theft: Theft) -> torch.nn.Module:
        assert theft.pool is not None
        for name, least in (("batch", 1), ("window", 2), ("groups", 0), ("clusters", 1), ("online_steps", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.policy == "adaptive":
            x, targets = self._ask_adaptively(theft)
            return train_surrogate(theft, x, targets, progress_share=(QUERYING, 1.0))
        rows = theft.rng("pool").choice(len(theft.pool), theft.budget, replace=False)
        x = theft.pool[rows]
        return train_surrogate(theft, x, theft.soft_targets(theft.ask(x)))

    def _ask_adaptively(self, theft: Theft) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """All queries ``(budget, *shape)`` in the order in which the bandit chose them, and their targets."""
        assert theft.pool is not None
        bandit = TreeBandit(self._tree(theft, theft.pool))
        meter = RewardMeter(self.reward, window=self.window)
        knockoff = OnlineKnockoff(theft, steps=self.online_steps) if "loss" in meter.kinds else None
        rng = theft.rng("bandit")
        # Filled as answers come: growing arrays by concatenation would cost the square of the budget.
        x = np.empty((theft.budget, *theft.pool.shape[1:]), dtype=theft.pool.dtype)
        targets = np.empty((theft.budget, theft.oracle.classes))
        rewards: list[NDArray[np.float64]] = []
        for start in range(0, theft.budget, self.batch):
            end = min(start + self.batch, theft.budget)
            actions, rows = bandit.draw(end - start, rng)
            x[start:end] = theft.pool[rows]
            targets[start:end] = theft.soft_targets(theft.ask(x[start:end]))
            guess = None if knockoff is None else knockoff.log_probabilities(x[start:end])
            advantages, raw = meter.advantages(targets[start:end], guess)
            bandit.learn(actions, advantages)
            rewards.append(raw.mean(axis=0))
            if knockoff is not None:
                knockoff.learn(x[:end], targets[:end], end - start)
            theft.progress("querying", QUERYING * end / theft.budget)
        theft.notes.update(
            groups=[[bandit.tree.names[action] for action in members] for members in bandit.tree.groups],
            policy=bandit.policy(),
            drawn=bandit.drawn(),
            rewards=_course(meter.kinds, np.array(rewards)),
        )
        return x, targets

    def _tree(self, theft: Theft, pool: NDArray[Any]) -> LabelTree:
        labels = theft.pool_labels
        if labels is None:
            labels = cluster_labels(pool, self.clusters, theft.rng("clusters"))
        elif labels.shape != (len(pool),) or labels.dtype.kind not in "iu":
            raise InvalidData(
                f"expected pool labels of shape ({len(pool)},) and an integer dtype, one for each input of the pool,"
                f" got {labels.shape} and {labels.dtype}"
            )
        return grow_tree(pool, labels, groups=self.groups, rng=theft.rng("tree"))


def _course(kinds: tuple[str, ...], rewards: NDArray[np.float64], points: int = 20) -> dict[str, list[float]]:
    """Each reward's mean over at most ``points`` consecutive stretches of the querying."""
    stretches = np.array_split(rewards, min(points, len(rewards)))
    means = np.stack([stretch.mean(axis=0) for stretch in stretches])
    return {kind: means[:, column].tolist() for column, kind in enumerate(kinds)}
