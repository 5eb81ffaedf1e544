"""LiRA, offline: how much surer a model is of a row than networks that never saw that row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.errors import AccessDenied, InputError
from stealproof.risks._members import (
    MEASURES,
    accused,
    advantage,
    ask_odds,
    draw_rows,
    gives_scores,
    membership_estimates,
    opened,
)
from stealproof.risks._shadows import FAMILIES, family_of, networks_of_halves
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.risk import Measurement, Risk
from stealproof.system import Source
from stealproof.training.recipe import Recipe
from stealproof.training.suited import suited_recipe

ENOUGH = 64
"""Shadows from which every row gets a variance of its own; below, the paper's advice is one variance for all."""
CRITICAL = 1.6448536269514722
"""The 0.95 quantile of the standard normal: rows above it are called members for ``advantage``."""


@dataclass(frozen=True, kw_only=True)
class Lira(Risk):
    """The attacker trains shadow networks on rows of the same distribution (``data.pool``), none on a judged row.

    Their log-odds of a row's true label are taken for normal; the statistic is how many standard deviations the model's
    own lie above their mean, so that 1 - Phi(statistic) is the p-value of "this row was not in the training".
    """

    source = Source(
        authors="Carlini, Chien, Nasr, Song, Terzis, Tramer",
        title="Membership Inference Attacks From First Principles",
        venue="IEEE S&P",
        year=2022,
        url="https://arxiv.org/abs/2112.03570",
    )
    departure = (
        "the offline attack only; 16 shadows instead of 256 and no augmented queries, for their cost; one shadow learns"
        " from half of the pool; shadows are trained without the owner's defenses, which the attacker does not know;"
        " the advantage is that at p <= 0.05"
    )
    measures: ClassVar[Mapping[str, str]] = MEASURES
    headline = "auc"

    shadows: int = 16
    """Shadow networks to train; at least 2."""
    rows: int = 1000
    """Most members, and as many non-members, drawn by the seed; at least 2."""
    family: Literal["", "lenet", "mlp", "resnet", "strided_cnn"] = ""
    """Of the shadows; empty for the model's own where its card names one, else for what suits the shape."""
    epochs: float = 0.0
    """How long the shadows train; 0 for what suits them. Strongest as long as the model's own rows were seen."""
    variance: Literal["auto", "global", "row"] = "auto"
    """One for all rows, or one for each; ``auto`` takes the latter from 64 shadows."""

    def train_shadows(
        self,
        data: Dataset,
        *,
        model: Any = None,
        seed: int = 0,
        recipe: Recipe | None = None,
        protections: Sequence[Any] = (),
        progress: Callable[[str, float], None] | None = None,
    ) -> list[torch.nn.Module]:
        """The shadow networks of ``measure``, for whoever attacks many models of the same data: train once.

        Args:
            data: with a labelled pool.
            model: only its card's family is looked at, and only while ``family`` is empty.
            seed: that of ``measure``.
            recipe: of the shadows; None for the suited one with ``epochs``.
            protections: for an attacker who knows the owner's training defenses.
            progress: called with what is being done and the finished share.

        Raises:
            InputError: a parameter out of range.
            InvalidData: no pool, or one without usable labels.
        """
        self._check()
        family = self._family(model, data)
        recipe = recipe or self._recipe(family, data, protections)
        return networks_of_halves(
            data,
            self.shadows,
            seed=seed,
            who=self.name(),
            family=family,
            recipe=recipe,
            protections=protections,
            progress=progress,
        )

    def measure(
        self, model: Any, data: Dataset, *, seed: int = 0, networks: Sequence[torch.nn.Module] | None = None
    ) -> Measurement:
        """Attack ``model``, a network, a trained model or an ``Oracle`` with scores; ``networks``: trained shadows.

        Members are rows of ``data.train``, non-members rows of ``data.test``.

        Raises:
            AccessDenied: the oracle gives labels only.
            InputError: a parameter out of range, fewer than 2 shadows, or no model.
            InvalidData: a part is missing or too small, or rows that do not fit the model.
        """
        self._check()
        oracle = opened(model, data, who=self.name())
        if not gives_scores(oracle):
            raise AccessDenied(
                f"lira needs the probability of the true label, but the oracle gives {oracle.access};"
                " membership_inference works with labels"
            )
        rows = draw_rows(data, self.rows, seed, who=self.name())
        described: dict[str, Any] = {"shadow_training": "given"}
        if networks is None:
            family = self._family(model, data)
            recipe = self._recipe(family, data, ())
            described = {"shadow_training": {"family": family.describe(), "recipe": asdict(recipe)}}
            networks = self.train_shadows(data, model=model, seed=seed, recipe=recipe)
        if len(networks) < 2:
            raise InputError(f"lira needs at least 2 shadow networks to see how they vary, got {len(networks)}")
        shadows = [opened(network, data, who=self.name()) for network in networks]
        own = self.variance == "row" or (self.variance == "auto" and len(shadows) >= ENOUGH)

        def odds(part: Part) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            return ask_odds(oracle, part), np.stack([ask_odds(shadow, part) for shadow in shadows])

        (mine_in, theirs_in), (mine_out, theirs_out) = odds(rows.members), odds(rows.others)
        spread = deviations(np.concatenate([theirs_in, theirs_out], axis=1), own_variance=own)
        inside = statistics(mine_in, theirs_in, spread[: len(mine_in)])
        outside = statistics(mine_out, theirs_out, spread[len(mine_in) :])
        return Measurement(
            estimates={
                **membership_estimates(inside, outside),
                "advantage": advantage(inside > CRITICAL, outside > CRITICAL),
            },
            details={
                "attack": "offline likelihood ratio",
                "rows": len(inside),
                "shadows": len(shadows),
                "shadow_rows": len(data.pool) // 2,
                "variance": "row" if own else "global",
                "deviation": float(np.mean(spread)),
                "non_members_accused": accused(inside, outside),
                **described,
            },
        )

    def _check(self) -> None:
        if self.shadows < 2:
            raise InputError(f"shadows must be at least 2 for lira, got {self.shadows}")
        if self.rows < 2:
            raise InputError(f"rows must be at least 2 for lira, got {self.rows}")
        if not 0 <= self.epochs < float("inf"):
            raise InputError(f"epochs must be positive for lira, or 0 for what suits the shadows, got {self.epochs}")

    def _family(self, model: Any, data: Dataset) -> NetworkFamily:
        return FAMILIES[self.family]() if self.family else family_of(model, data)

    def _recipe(self, family: NetworkFamily, data: Dataset, protections: Sequence[Any]) -> Recipe:
        recipe = suited_recipe(family, len(data.pool) // 2, protections)
        return replace(recipe, epochs=self.epochs) if self.epochs else recipe


def deviations(odds: NDArray[np.float64], *, own_variance: bool) -> NDArray[np.float64]:
    """The shadows' standard deviation at each row, ``(n,)``, from their log-odds ``(shadows, n)``.

    A few shadows say little about one row, so that without ``own_variance`` the mean variance over rows serves for all.
    """
    variance = odds.var(axis=0, ddof=1)
    if not own_variance:
        variance = np.full_like(variance, variance.mean())
    # Shadows that all agree to the last bit have no scale; any will do, since only ranks matter then.
    return np.where(variance > 0, np.sqrt(variance), 1.0)


def statistics(
    mine: NDArray[np.float64], theirs: NDArray[np.float64], spread: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far the model's log-odds ``(n,)`` lie above the mean of the shadows' ``(shadows, n)``, in deviations."""
    return np.asarray((mine - theirs.mean(axis=0)) / spread)
