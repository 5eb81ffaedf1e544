"""Radioactive data: legal marks, a trace in what is trained on them, and what neither test can see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from stealproof.claims import Claim, Decision
from stealproof.errors import AccessDenied, InputError, InvalidData
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Answer, Domain, as_array
from stealproof.oracles.module import ModuleOracle
from stealproof.ownership._features import features
from stealproof.ownership.radioactive_data import RadioactiveData
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.training_defense import TrainingRun
from stealproof.seeds import generator
from stealproof.training.fit import fit
from stealproof.training.fit_many import fit_many
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained, train

RECIPE = Recipe(epochs=40, batch=64)
WHITE = RadioactiveData(mode="white-box")


def prepared(digits: Dataset, part: Part, seed: int = 0, **parameters: Any) -> tuple[RadioactiveData, Part]:
    scheme = RadioactiveData.make(parameters)
    run = TrainingRun(domain=digits.domain, classes=10, generator=generator(seed, "owner"))
    return scheme, scheme.prepare(part, run)


def oracle(model: torch.nn.Module, digits: Dataset) -> ModuleOracle:
    return ModuleOracle(model, domain=digits.domain, classes=10)


@pytest.fixture(scope="module")
def marker(digits: Dataset) -> torch.nn.Module:
    return fit(Mlp(), digits.train, classes=10, recipe=RECIPE, seed=77)


@pytest.fixture(scope="module")
def radioactive(digits: Dataset, marker: torch.nn.Module) -> tuple[Claim, Trained]:
    """Everything marked, and a network trained on it."""
    scheme = RadioactiveData(marked=1.0)
    scheme.mark_with(marker)
    trained = train(Mlp(width=128), digits, recipe=RECIPE, protections=[scheme], seed=1)
    return scheme.claim(trained.model), trained


@pytest.fixture(scope="module")
def independents(digits: Dataset) -> list[torch.nn.Module]:
    return fit_many(Mlp(width=128), digits.train, classes=10, seeds=range(100, 120), recipe=RECIPE)


def test_marks_stay_near_and_legal_and_move_the_features(digits: Dataset, marker: torch.nn.Module) -> None:
    scheme = RadioactiveData(marked=0.3, radius=10)
    scheme.mark_with(marker)
    run = TrainingRun(domain=digits.domain, classes=10, generator=generator(0, "owner"))
    data = scheme.prepare(digits.train, run)
    book = scheme.book
    change = np.abs(as_array(data.x) - as_array(digits.train.x)).reshape(len(data), -1).max(axis=1)
    assert (change > 0).sum() == round(0.3 * len(data))
    assert change.max() <= 10 / 255 + 1e-6
    for name in ("inputs", "decoys"):
        assert book[name].dtype == np.float32
        assert book[name].min() >= 0
        assert book[name].max() <= 1
    trained_on = {row.tobytes() for row in as_array(data.x)}
    assert all(row.tobytes() in trained_on for row in book["inputs"])
    assert not any(row.tobytes() in trained_on for row in book["decoys"].reshape(-1, 1, 8, 8))
    with torch.no_grad():
        shift = features(marker, torch.from_numpy(book["inputs"])) - features(marker, torch.from_numpy(book["clean"]))
    along = (shift * torch.from_numpy(book["carriers"][book["labels"]])).sum(dim=1)
    assert float((along > 0).double().mean()) > 0.95


def test_the_same_seed_gives_the_same_bytes_and_another_one_other_directions(digits: Dataset) -> None:
    part = digits.train.take(slice(0, 100))
    (one, data), (same, again), (other, _) = (prepared(digits, part, seed) for seed in (0, 0, 1))
    assert torch.equal(data.x, again.x)
    for name, value in one.book.items():
        np.testing.assert_array_equal(value, same.book[name])
    assert np.abs(one.book["carriers"] - other.book["carriers"]).max() > 0.1


def test_wide_ranges_and_soft_targets_are_kept(digits: Dataset, marker: torch.nn.Module) -> None:
    wide = Part(
        x=(digits.train.x.double() * 2 - 1)[:60], y=torch.nn.functional.one_hot(digits.train.y[:60], 10).float()
    )
    scheme = RadioactiveData(marked=1.0)
    scheme.mark_with(marker)
    domain = Domain(shape=(1, 8, 8), low=-1.0, high=1.0)
    data = scheme.prepare(wide, TrainingRun(domain=domain, classes=10, generator=generator(0, "owner")))
    assert data.x.dtype == torch.float64
    assert torch.equal(data.y, wide.y)
    assert float(data.x.min()) >= -1
    assert 10 / 255 < float((data.x - wide.x).abs().max()) <= 20 / 255 + 1e-6


def test_a_network_trained_on_the_marks_is_recognised(
    radioactive: tuple[Claim, Trained], digits: Dataset, digits_victim: Trained
) -> None:
    claim, trained = radioactive
    verdict = RadioactiveData().verify(claim, trained.oracle(), level=0.05)
    assert verdict.decision is Decision.OWNED
    assert verdict.statistic > 0
    assert verdict.queries == 11 * 200 + 16
    assert trained.accuracy(digits.test).value >= digits_victim.accuracy(digits.test).value - 0.03
    assert RadioactiveData().verify(claim, trained.oracle(Access(answer=Answer.LOGITS)), level=0.05).p_value < 0.05


def test_independent_models_stay_within_the_level(
    digits: Dataset, marker: torch.nn.Module, independents: list[torch.nn.Module]
) -> None:
    p_values = []
    for key in range(8):
        scheme = RadioactiveData(marked=0.2)
        scheme.mark_with(marker)
        run = TrainingRun(domain=digits.domain, classes=10, generator=generator(key, "owner"))
        scheme.prepare(digits.train, run)
        # One suspect a key: the same key on another suspect would be nearly the same draw.
        p_values.append(scheme.verify(scheme.claim(), oracle(independents[key], digits), level=0.05).p_value)
    assert (np.array(p_values) <= 0.05).sum() <= 2
    assert max(p_values) > 0.3


def test_independent_classifiers_point_anywhere(
    radioactive: tuple[Claim, Trained], digits: Dataset, independents: list[torch.nn.Module]
) -> None:
    claim, _ = radioactive
    p_values = [WHITE.verify(claim, oracle(model, digits), model=model).p_value for model in independents]
    assert min(p_values) > 1e-3


def test_few_classes_defeat_the_white_box_test(radioactive: tuple[Claim, Trained]) -> None:
    """Known failure (Tekgul and Asokan 2022): ten classes give ten cosines, which say too little."""
    claim, trained = radioactive
    verdict = WHITE.verify(claim, trained.oracle(), model=trained.model)
    assert verdict.decision is Decision.NOT_OWNED
    assert verdict.p_value > 1e-4
    assert verdict.queries == 0


def test_a_classifier_along_the_directions_is_recognised_in_the_white_box(
    radioactive: tuple[Claim, Trained], marker: torch.nn.Module, digits: Dataset
) -> None:
    claim, _ = radioactive
    tilted = Mlp().build((1, 8, 8), 10, generator(0, "weights"))
    tilted.load_state_dict(marker.state_dict())
    assert isinstance(tilted, torch.nn.Sequential)
    with torch.no_grad():
        tilted[-1].weight.add_(torch.from_numpy(claim.secrets["carriers"]).float())  # type: ignore[operator]
    assert WHITE.verify(claim, oracle(tilted, digits), model=tilted).decision is Decision.OWNED


def test_few_decoys_for_two_classes_are_said_to_be_too_few(digits: Dataset) -> None:
    rows = digits.train.y < 2
    scheme, _ = prepared(digits, digits.train.take(rows), decoys=3, marked=0.5)
    model = Mlp(width=8).build((1, 8, 8), 10, generator(0, "weights"))
    verdict = scheme.verify(scheme.claim(), oracle(model, digits), level=1e-3)
    assert verdict.decision is Decision.INCONCLUSIVE
    assert any("for 2 classes, at least 32 decoys" in reason for reason in verdict.reasons)


def test_refuses_what_it_cannot_look_at(radioactive: tuple[Claim, Trained], digits: Dataset) -> None:
    claim, trained = radioactive
    with pytest.raises(AccessDenied, match="needs logits or probabilities or top_k"):
        RadioactiveData().verify(claim, trained.oracle(Access(answer=Answer.LABELS)))
    with pytest.raises(AccessDenied, match="opens the suspect's network"):
        WHITE.verify(claim, trained.oracle())
    other = Mlp(width=8).build((1, 8, 8), 7, generator(0, "weights"))
    with pytest.raises(InvalidData, match="10 classes, but the suspect's last layer has 7 rows"):
        WHITE.verify(claim, ModuleOracle(other, domain=digits.domain, classes=7), model=other)
    with pytest.raises(InvalidData, match="ends in a linear layer, found none in ReLU"):
        RadioactiveData().mark_with(torch.nn.ReLU())


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("marked", 0.0, "marked must be above 0 and at most 1"),
        ("radius", 0.0, "radius must be positive"),
        ("steps", 0, "steps must be at least 1, got 0"),
        ("image_penalty", -1.0, "image_penalty must be at least 0"),
        ("tested", 1, "tested must be at least 2, got 1"),
        ("decoys", 0, "decoys must be at least 1, got 0"),
    ],
)
def test_refuses_senseless_parameters(digits: Dataset, name: str, value: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        prepared(digits, digits.train, **{name: value})
