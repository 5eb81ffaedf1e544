"""Entangled watermarks: the mark turns one class into another, survives fine-tuning, and needs control models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from stealproof.claims import Claim, Decision
from stealproof.errors import EvidenceError, InputError, InvalidData
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Answer, Domain
from stealproof.ownership._entangled_marks import drawn, patterned
from stealproof.ownership.entangled_watermarks import EntangledWatermarks
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.training_defense import TrainingRun
from stealproof.training.fit import fit
from stealproof.training.fit_many import fit_many
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained, train

FAMILY = Mlp(width=64)
RECIPE = Recipe(epochs=30, batch=64)
LABELS = Access(answer=Answer.LABELS)


def run_of(domain: Domain, seed: int = 0) -> TrainingRun:
    return TrainingRun(domain=domain, classes=10, generator=torch.Generator().manual_seed(seed))


def wrapped(model: torch.nn.Module, digits: Dataset) -> Trained:
    return Trained(model=model, domain=digits.domain, classes=10, card={})


@pytest.fixture(scope="module")
def marked(digits: Dataset) -> tuple[Trained, Claim]:
    scheme = EntangledWatermarks()
    trained = train(FAMILY, digits, recipe=RECIPE, protections=[scheme], seed=0)
    assert scheme.learned == {}
    return trained, scheme.claim(trained.model)


@pytest.fixture(scope="module")
def controls(digits: Dataset) -> list[Trained]:
    """Models that others made: trained on rows that the owner does not have."""
    models = fit_many(FAMILY, digits.pool, classes=10, seeds=range(100, 120), recipe=RECIPE, path="batched")
    return [wrapped(model, digits) for model in models]


def test_stolen_copies_stand_out_among_control_models(
    marked: tuple[Trained, Claim], controls: list[Trained], digits: Dataset
) -> None:
    trained, claim = marked
    scheme = EntangledWatermarks()
    calibration = scheme.calibrate(claim, [control.oracle(LABELS) for control in controls[1:]])
    recipe = Recipe(epochs=20, batch=64, learning_rate=0.001, schedule="constant")
    washed = fit(FAMILY, digits.pool, classes=10, recipe=recipe, seed=9, start=trained.model)
    for suspect in (trained, wrapped(washed, digits)):
        verdict = scheme.verify(claim, suspect.oracle(LABELS), level=0.05, calibration=calibration)
        assert verdict.decision is Decision.OWNED
        assert verdict.p_value == 0.05
        assert any("at the paper's confidence of 95%" in reason for reason in verdict.reasons)
    innocent = scheme.verify(claim, controls[0].oracle(LABELS), level=0.05, calibration=calibration)
    assert innocent.decision is Decision.NOT_OWNED
    assert innocent.statistic <= 0.2


def test_without_control_models_nobody_is_accused(marked: tuple[Trained, Claim]) -> None:
    trained, claim = marked
    verdict = EntangledWatermarks().verify(claim, trained.oracle(LABELS))
    assert verdict.statistic >= 0.9
    assert verdict.decision is Decision.INCONCLUSIVE
    assert any("at least 999 independent control models, got 0" in reason for reason in verdict.reasons)


def test_accuracy_costs_little_over_three_seeds(digits: Dataset) -> None:
    price = []
    for seed in range(3):
        scheme = EntangledWatermarks()
        plain = train(FAMILY, digits, recipe=RECIPE, seed=seed)
        trained = train(FAMILY, digits, recipe=RECIPE, protections=[scheme], seed=seed)
        assert scheme.verify(scheme.claim(), trained.oracle()).statistic >= 0.8
        price.append(plain.accuracy(digits.test).value - trained.accuracy(digits.test).value)
    assert np.mean(price) <= 0.03


def test_the_loss_entangles(digits: Dataset) -> None:
    """Marked and natural images of the target class are harder to tell apart in the hidden layer than without it."""
    losses = []
    for weight in (0.0, 1.0):
        scheme = EntangledWatermarks(weight=weight, rounds=0)
        model = train(FAMILY, digits, recipe=RECIPE, protections=[scheme], seed=0).model
        scheme.prepare(digits.train, run_of(digits.domain))
        run = run_of(digits.domain)
        run.steps, run.step = 1, 0
        measure = replace(scheme, weight=1.0, per_hundred=100.0)
        measure.learned.update(scheme.learned)
        with torch.no_grad():
            penalty = measure.penalty(model, digits.train.take(slice(0, 60)), torch.empty(0), run)
        assert penalty is not None
        losses.append(-float(penalty))
    assert losses[1] > losses[0]


def test_marked_images_differ_visibly_and_stay_inside_the_domain_exactly(digits: Dataset) -> None:
    narrow = Domain(shape=(1, 8, 8), low=-0.1, high=0.3)
    data = Part(x=digits.train.x * 0.4 - 0.1, y=digits.train.y)
    scheme = EntangledWatermarks(triggers=40)
    scheme.prepare(data, run_of(narrow))
    book = scheme.book
    for name in ("inputs", "unmarked"):
        assert book[name].dtype == np.float32
        assert book[name].shape == (40, 1, 8, 8)
        assert book[name].astype(np.float64).min() >= narrow.low
        assert book[name].astype(np.float64).max() <= narrow.high
    changed = (np.abs(book["inputs"] - book["unmarked"]) > 0.2).mean(axis=(0, 1))
    assert (changed > 0.5).sum() >= 9
    assert len(np.unique(book["inputs"], axis=0)) == 40
    assert len(set(book["labels"].tolist())) == 1


def test_the_pattern_lies_where_it_changes_the_image() -> None:
    """A white square on white, or a black one on black, would mark nothing."""
    x = torch.zeros(5, 1, 6, 6)
    x[:, :, :, 3:] = 1
    for seed in range(10):
        changed = patterned(x, 3, 0.0, 1.0, torch.Generator().manual_seed(seed)) != x
        assert changed.sum() == 45


def test_drawn_images_are_not_mistaken_by_the_scout(digits: Dataset, digits_victim: Trained) -> None:
    train_x, labels = digits.train.x, digits.train.y
    x, targets = train_x[labels == 3][:40], train_x[labels == 8]
    moved = drawn(
        digits_victim.model,
        x,
        targets,
        8,
        low=0.0,
        high=1.0,
        step=0.02,
        rounds=10,
        mistaken=0.1,
        layers=3,
        temperature=1.0,
    )
    assert float((digits_victim.model(moved).argmax(dim=1) == 8).float().mean()) <= 0.1
    assert not torch.equal(moved, x)
    assert float(moved.min()) >= 0
    assert float(moved.max()) <= 1


def test_the_same_seed_makes_the_same_marks(digits: Dataset) -> None:
    books = []
    for seed in (0, 0, 1):
        scheme = EntangledWatermarks(triggers=20, marks=20)
        scheme.prepare(digits.train, run_of(digits.domain, seed))
        books.append(scheme.book)
    np.testing.assert_array_equal(books[0]["inputs"], books[1]["inputs"])
    assert not np.array_equal(books[0]["inputs"], books[2]["inputs"])


def test_given_classes_are_taken(digits: Dataset) -> None:
    scheme = EntangledWatermarks(source_class=3, target_class=7, rounds=0, triggers=20)
    scheme.prepare(digits.train, run_of(digits.domain))
    assert set(scheme.book["labels"]) == {7}
    threes = {row.numpy().tobytes() for row in digits.train.x[digits.train.y == 3]}
    assert all(row.tobytes() in threes for row in scheme.book["unmarked"])


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"triggers": 0}, "triggers must be at least 1, got 0"),
        ({"source_class": 10}, r"source_class must be in 0\.\.9, got 10"),
        ({"source_class": 4, "target_class": 4}, "source_class and target_class must differ, got 4 twice"),
        ({"temperature": 0.0}, "the temperature positive, got 3 and 0.0"),
        ({"mistaken": -0.1}, "mistaken must be finite and at least 0, got -0.1"),
        ({"weight": float("inf")}, "weight must be finite and at least 0, got inf"),
        ({"size": 9}, r"a pattern of 9x9 on images \(channels, height, width\), got inputs of shape \(1, 8, 8\)"),
    ],
)
def test_refuses_senseless_parameters(digits: Dataset, parameters: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        EntangledWatermarks.make(parameters).prepare(digits.train, run_of(digits.domain))


def test_refuses_what_it_cannot_mark(digits: Dataset) -> None:
    flat = Part(x=digits.train.x.flatten(1), y=digits.train.y)
    with pytest.raises(InvalidData, match="got inputs of shape"):
        EntangledWatermarks().prepare(flat, run_of(Domain(shape=(64,))))
    some = digits.train.take(digits.train.y < 2)
    with pytest.raises(InvalidData, match="expected images of class 1 and of class 5 to train on"):
        EntangledWatermarks(source_class=1, target_class=5).prepare(some, run_of(digits.domain))


def test_refuses_claims_that_do_not_fit(marked: tuple[Trained, Claim], digits_victim: Trained) -> None:
    claim = marked[1]
    with pytest.raises(InvalidData, match="the claim is about 7 classes, but the suspect has 10"):
        EntangledWatermarks().verify(replace(claim, secrets={**claim.secrets, "classes": 7}), digits_victim.oracle())
    fewer = {**claim.secrets, "unmarked": claim.secrets["unmarked"][:-1]}
    with pytest.raises(EvidenceError, match="expected one for each marked image"):
        EntangledWatermarks().verify(replace(claim, secrets=fewer), digits_victim.oracle())
