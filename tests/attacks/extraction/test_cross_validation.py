from __future__ import annotations

import numpy as np
import torch

from stealproof.attacks.extraction._cross_validation import FIRST, Trial, maximise, search_recipe
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Answer, Domain
from stealproof.oracles.module import ModuleOracle
from stealproof.roles.extraction import Theft
from stealproof.training.recipe import Recipe


def hill(place: tuple[float, float]) -> Trial:
    """Highest in the corner, where none of the first places is."""
    height = 1 - (1 - place[0]) ** 2 - (1 - place[1]) ** 2
    return Trial(learning_rate=place[0], epochs=place[1], accuracy=height)


def test_the_search_climbs_where_its_first_places_point() -> None:
    trials = maximise(hill, 12)
    assert len(trials) == 12
    assert max(t.accuracy for t in trials[: len(FIRST)]) < 0.9
    assert max(t.accuracy for t in trials) > 0.98


def test_no_place_is_tried_twice_and_a_flat_landscape_does_no_harm() -> None:
    trials = maximise(lambda place: Trial(learning_rate=place[0], epochs=place[1], accuracy=0.5), 20)
    assert len({(t.learning_rate, t.epochs) for t in trials}) == 20


def test_it_finds_a_learning_rate_that_learns_without_a_single_query() -> None:
    rng = np.random.default_rng(0)
    victim = torch.nn.Linear(8, 3)
    with torch.no_grad():
        victim.weight.copy_(torch.as_tensor(rng.normal(size=(3, 8)) * 4))
        victim.bias.copy_(-victim.weight.sum(dim=1) / 2)
    oracle = ModuleOracle(victim, domain=Domain(shape=(8,)), classes=3, access=Access(answer=Answer.LABELS))
    theft = Theft(
        oracle=oracle.limited(90),
        budget=90,
        pool=None,
        pool_labels=None,
        architecture=Mlp(width=16),
        recipe=None,
        seed=4,
        progress=lambda what, share: None,
    )
    x = rng.random((90, 8)).astype(np.float32)
    labels = theft.ask(x).predicted
    recipe, trials = search_recipe(
        theft,
        x,
        labels,
        labels,
        base=Recipe(batch=16),
        learning_rates=(1e-4, 0.1),
        epochs=(2.0, 40.0),
        evaluations=6,
        folds=3,
    )
    assert oracle.budget.spent == 90
    assert len(trials) == 6
    best = max(trial.accuracy for trial in trials)
    assert best > min(trial.accuracy for trial in trials) + 0.2
    assert recipe.batch == 16
    assert any(t.accuracy == best and t.learning_rate == recipe.learning_rate for t in trials)
