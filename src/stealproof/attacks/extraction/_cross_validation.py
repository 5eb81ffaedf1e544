"""CV-search: choose learning rate and epochs by five-fold cross-validation on the thief's own answers.

Juuti et al. 2019 (section III) search by Bayesian optimisation. So does this: a Gaussian process on the logarithms of
both, and the point of largest expected improvement next (Jones et al. 1998). Only answers that the thief has already
paid for are used.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from stealproof.attacks.extraction._surrogate import train_surrogate
from stealproof.oracles.module import ModuleOracle
from stealproof.roles.extraction import Theft
from stealproof.training.recipe import Recipe

GRID = 9
"""Values of each hyper-parameter between its bounds, evenly spaced in the logarithm."""
FIRST = ((0.5, 0.5), (0.25, 0.75), (0.75, 0.75), (0.25, 0.25), (0.75, 0.25))
"""Places in the unit square of (learning rate, epochs) to try before the Gaussian process knows anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One evaluated pair of hyper-parameters."""

    learning_rate: float
    epochs: float
    accuracy: float
    """Mean share of held-out answers that the substitute gives too, over the folds; 0 to 1."""


def search_recipe(
    theft: Theft,
    x: NDArray[Any],
    targets: NDArray[Any],
    labels: NDArray[np.int64],
    *,
    base: Recipe,
    learning_rates: tuple[float, float],
    epochs: tuple[float, float],
    evaluations: int,
    folds: int,
) -> tuple[Recipe, list[Trial]]:
    """The best of ``evaluations`` recipes for answered inputs ``x`` ``(n, *shape)``, and all that was tried.

    Args:
        theft: names the architecture; nothing is queried.
        x: answered inputs ``(n, *shape)``.
        targets: what a substitute learns for them.
        labels: the oracle's labels ``(n,)``, which held-out predictions are compared with.
        base: everything but learning rate and epochs.
        learning_rates: smallest and largest.
        epochs: fewest and most.
        evaluations: recipes to evaluate, each by one training a fold.
        folds: parts that the answers are cut into; at most n.
    """
    folds = min(folds, len(x))
    part = theft.rng("folds").permutation(len(x)) % folds
    bounds = np.log([learning_rates, epochs])

    def evaluate(place: tuple[float, float]) -> Trial:
        exact = np.exp(bounds[:, 0] + np.asarray(place) * (bounds[:, 1] - bounds[:, 0]))
        # Four digits: more would pretend to a precision that the search does not have.
        rate, passes = (float(f"{value:.4g}") for value in exact)
        tried = dataclasses.replace(theft, recipe=dataclasses.replace(base, learning_rate=rate, epochs=passes))
        hits = sum(_hits(tried, x, targets, labels, part == fold, fold) for fold in range(folds))
        return Trial(learning_rate=rate, epochs=passes, accuracy=hits / len(x))

    trials = maximise(evaluate, evaluations)
    # Equally good: the cheaper one.
    best = max(trials, key=lambda trial: (trial.accuracy, -trial.epochs))
    return dataclasses.replace(base, learning_rate=best.learning_rate, epochs=best.epochs), trials


def maximise(evaluate: Callable[[tuple[float, float]], Trial], evaluations: int) -> list[Trial]:
    """Evaluate places of the unit square, each chosen by expected improvement after the first few."""
    axis = np.linspace(0, 1, GRID)
    left = [(float(a), float(b)) for a in axis for b in axis if (float(a), float(b)) not in FIRST]
    places: list[tuple[float, float]] = []
    trials: list[Trial] = []
    for index in range(min(evaluations, len(left) + len(FIRST))):
        place = FIRST[index] if index < len(FIRST) else left.pop(_most_promising(places, trials, left))
        places.append(place)
        trials.append(evaluate(place))
    return trials


def _most_promising(places: list[tuple[float, float]], trials: list[Trial], left: list[tuple[float, float]]) -> int:
    """The index in ``left`` of the largest expected improvement over the best trial."""
    scores = np.asarray([trial.accuracy for trial in trials])
    spread = float(scores.std()) or 1.0
    # The kernel is fixed: a handful of noisy points can't fit one, and a half-square length is a fair prior.
    kernel = ConstantKernel(1.0, "fixed") * RBF(0.5, "fixed") + WhiteKernel(0.05, "fixed")
    process = GaussianProcessRegressor(kernel, optimizer=None).fit(places, (scores - scores.mean()) / spread)
    mean, deviation = process.predict(left, return_std=True)
    gain = mean - (scores.max() - scores.mean()) / spread
    improvement = gain * stats.norm.cdf(gain / deviation) + deviation * stats.norm.pdf(gain / deviation)
    return int(np.argmax(improvement))


def _hits(
    theft: Theft,
    x: NDArray[Any],
    targets: NDArray[Any],
    labels: NDArray[np.int64],
    held_out: NDArray[np.bool_],
    fold: int,
) -> int:
    """How many held-out labels a substitute gives that was trained on the other folds."""
    model = train_surrogate(
        dataclasses.replace(theft, progress=lambda what, share: None),
        x[~held_out],
        targets[~held_out],
        name=f"fold {fold}",
    )
    mine = ModuleOracle(model, domain=theft.oracle.domain, classes=theft.oracle.classes).ask(x[held_out])
    return int((mine.predicted == labels[held_out]).sum())
