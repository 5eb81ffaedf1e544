"""Can the owner still prove it after a theft: fingerprints that need controls, one that does not, and no network."""

from __future__ import annotations

import pytest

from stealproof.errors import InputError
from stealproof.models.logistic_regression import LogisticRegression
from stealproof.models.mlp import Mlp
from stealproof.risks.unauthorized_ownership import UnauthorizedOwnership
from stealproof.roles.dataset import Dataset
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained, train


def test_a_fingerprint_names_the_copy_and_spares_the_innocent(digits_victim: Trained, digits: Dataset) -> None:
    found = UnauthorizedOwnership(scheme="ipguard", level=0.05).measure(digits_victim, digits)
    p, innocent = (10 ** found.estimates[name].value for name in ("log10_p", "innocent_log10_p"))
    # With 19 controls a p-value is a whole number of twentieths.
    assert p * 20 == pytest.approx(round(p * 20))
    assert found.estimates["detected"].value == float(p <= 0.05 + 1e-12)
    assert found.estimates["false_accusation"].value == float(innocent <= 0.05 + 1e-12)
    assert found.estimates["detected"].method == "yes or no"
    assert found.details["copy"]["decision"] in ("owned", "not owned")


@pytest.mark.slow
def test_innocents_are_accused_at_most_as_often_as_the_level_allows(digits: Dataset) -> None:
    victim = train(Mlp(width=32), digits, recipe=Recipe(epochs=10, batch=64))
    risk = UnauthorizedOwnership(scheme="ipguard", level=0.5, controls=1, budget=20)
    accused = [risk.measure(victim, digits, seed=seed).estimates["false_accusation"].value for seed in range(8)]
    # Binomial(8, at most 1/2): all eight once in 256.
    assert sum(accused) < 8


def test_dataset_inference_needs_no_controls(digits_victim: Trained, digits: Dataset) -> None:
    found = UnauthorizedOwnership(images=20, controls=0, budget=100).measure(digits_victim, digits)
    assert found.estimates["false_accusation"].value == 0.0
    assert found.details["queries"] == 100
    assert found.estimates["log10_p"].value <= 0.0


def test_controls_must_allow_the_level(digits_victim: Trained, digits: Dataset) -> None:
    with pytest.raises(InputError, match=r"level 0\.001 takes 999 control networks, got controls=19"):
        UnauthorizedOwnership(scheme="zest").measure(digits_victim, digits)


@pytest.mark.parametrize(("name", "value"), [("level", 0.0), ("level", 1.0), ("budget", 0), ("images", 1)])
def test_parameters(name: str, value: float, digits_victim: Trained, digits: Dataset) -> None:
    with pytest.raises(InputError, match=name):
        UnauthorizedOwnership(**{name: value}).measure(digits_victim, digits)  # type: ignore[arg-type]


def test_an_estimator_can_not_be_fingerprinted(digits: Dataset) -> None:
    with pytest.raises(InputError, match="got LogisticRegression; give the owner's own network"):
        UnauthorizedOwnership().measure(train(LogisticRegression(), digits), digits)
