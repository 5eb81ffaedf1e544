"""The regressor of dataset inference: learns margins, ignores constants, and NumPy scores what PyTorch learned."""

from __future__ import annotations

import numpy as np

from stealproof import seeds
from stealproof.ownership._margin_regressor import fit_regressor, scores


def fitted(gap: float) -> tuple[dict[str, np.ndarray], np.random.Generator]:
    rng = np.random.default_rng(0)
    members, strangers = rng.normal(5 + gap, 1, (80, 4)), rng.normal(5, 1, (80, 4))
    members[:, 3] = strangers[:, 3] = 7.0
    made = fit_regressor(members, strangers, rate=0.1, iterations=200, generator=seeds.generator(0, "test"))
    return made, rng


def test_scores_of_new_strangers_are_higher() -> None:
    regressor, rng = fitted(2.0)
    inside, outside = rng.normal(7, 1, (80, 4)), rng.normal(5, 1, (80, 4))
    inside[:, 3] = outside[:, 3] = 7.0
    assert scores(regressor, outside).mean() > scores(regressor, inside).mean() + 1
    assert np.abs(scores(regressor, outside)).max() <= 1


def test_a_constant_distance_is_not_divided_by_its_spread() -> None:
    regressor, _ = fitted(1.0)
    assert regressor["scale"][3] == 1.0
    assert all(np.isfinite(values).all() for values in regressor.values())


def test_the_same_seed_gives_the_same_weights() -> None:
    one, other = fitted(1.0)[0], fitted(1.0)[0]
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_more_steps_lower_the_loss() -> None:
    rng = np.random.default_rng(0)
    members, strangers = rng.normal(1, 1, (50, 3)), rng.normal(0, 1, (50, 3))
    gaps = []
    for iterations in (1, 500):
        made = fit_regressor(members, strangers, rate=0.1, iterations=iterations, generator=seeds.generator(0, "test"))
        gaps.append(scores(made, strangers).mean() - scores(made, members).mean())
    assert gaps[-1] > gaps[0] + 0.3
