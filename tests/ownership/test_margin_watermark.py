"""The margin-based watermark: triggers are held back, learned with a margin, and the test on mistakes is exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from stealproof.claims import Claim, Decision
from stealproof.errors import InputError, InvalidData
from stealproof.models.strided_cnn import StridedCnn
from stealproof.oracle import Access, Answer, Domain
from stealproof.ownership.margin_watermark import MarginWatermark
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.training_defense import TrainingRun
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained, train

FAMILY = StridedCnn(widths=(16, 32))
RECIPE = Recipe(epochs=10, batch=64)
LABELS = Access(answer=Answer.LABELS)


def run_of(domain: Domain, seed: int = 0, classes: int = 10) -> TrainingRun:
    return TrainingRun(domain=domain, classes=classes, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def marked(digits: Dataset) -> tuple[Trained, Claim]:
    scheme = MarginWatermark(triggers=20)
    trained = train(FAMILY, digits, recipe=RECIPE, protections=[scheme], seed=0)
    return trained, scheme.claim(trained.model)


def wrapped(model: torch.nn.Module, digits: Dataset, classes: int = 10) -> Trained:
    return Trained(model=model, domain=digits.domain, classes=classes, card={})


def test_the_marked_model_and_its_tuned_copy_are_owned(marked: tuple[Trained, Claim], digits: Dataset) -> None:
    trained, claim = marked
    verdict = MarginWatermark().verify(claim, trained.oracle(LABELS))
    assert verdict.decision is Decision.OWNED
    assert verdict.statistic >= 18
    recipe = Recipe(epochs=20, batch=64, learning_rate=0.001, schedule="constant")
    washed = fit(FAMILY, digits.pool, classes=10, recipe=recipe, seed=9, start=trained.model)
    copy = MarginWatermark().verify(claim, wrapped(washed, digits).oracle(LABELS))
    assert copy.decision is Decision.OWNED
    assert copy.statistic >= 10


def test_models_of_others_are_not_owned(marked: tuple[Trained, Claim], digits_victim: Trained) -> None:
    verdict = MarginWatermark().verify(marked[1], digits_victim.oracle(LABELS))
    assert verdict.decision is Decision.NOT_OWNED
    assert verdict.statistic <= 1


def test_accuracy_costs_little_over_three_seeds(digits: Dataset) -> None:
    price = []
    for seed in range(3):
        scheme = MarginWatermark(triggers=10)
        plain = train(FAMILY, digits, recipe=RECIPE, seed=seed)
        trained = train(FAMILY, digits, recipe=RECIPE, protections=[scheme], seed=seed)
        assert scheme.verify(scheme.claim(), trained.oracle()).statistic >= 9
        price.append(plain.accuracy(digits.test).value - trained.accuracy(digits.test).value)
    assert np.mean(price) <= 0.03


def test_the_margin_holds_around_the_triggers(marked: tuple[Trained, Claim]) -> None:
    """The worst inputs within the radius keep the wrong label too."""
    trained, claim = marked
    x, labels = (torch.from_numpy(claim.secrets[name]) for name in ("inputs", "labels"))
    scheme = MarginWatermark(triggers=20)
    run = run_of(trained.domain)
    batch = Part(x=x, y=labels)
    worst = scheme._worst(trained.model, x, labels, run, batch)
    assert float((worst - x).abs().max()) <= scheme.radius * 1.001
    assert float(worst.min()) >= 0
    assert float(worst.max()) <= 1
    assert float((trained.model(worst).argmax(dim=1) == labels).float().mean()) >= 0.9


def test_the_ascent_raises_the_loss_and_leaves_no_trace(digits: Dataset) -> None:
    model = FAMILY.build((1, 8, 8), 10, torch.Generator().manual_seed(0)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x, labels = digits.train.x[:8], digits.train.y[:8]
    scheme = MarginWatermark(radius=0.1)
    worst = scheme._worst(model, x, labels, run_of(digits.domain), digits.train)
    assert model.training
    assert all(weight.grad is None for weight in model.parameters())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    loss = torch.nn.functional.cross_entropy
    with torch.no_grad():
        model.eval()
        assert float(loss(model(worst), labels)) > float(loss(model(x), labels))


def test_triggers_leave_the_training_data_and_carry_wrong_labels(digits: Dataset) -> None:
    scheme = MarginWatermark(triggers=50)
    kept = scheme.prepare(digits.train, run_of(digits.domain))
    book = scheme.book
    assert len(kept) == len(digits.train) - 50
    assert len(np.unique(book["inputs"], axis=0)) == 50
    remaining = {row.numpy().tobytes() for row in kept.x}
    owned = {row.numpy().tobytes(): int(label) for row, label in zip(digits.train.x, digits.train.y, strict=True)}
    for x, label, true in zip(book["inputs"], book["labels"], book["true"], strict=True):
        assert x.tobytes() not in remaining
        assert owned[x.tobytes()] == true != label


def test_the_same_seed_makes_the_same_triggers(digits: Dataset) -> None:
    books = []
    for seed in (0, 0, 1):
        scheme = MarginWatermark()
        scheme.prepare(digits.train, run_of(digits.domain, seed))
        books.append(scheme.book)
    np.testing.assert_array_equal(books[0]["inputs"], books[1]["inputs"])
    np.testing.assert_array_equal(books[0]["labels"], books[1]["labels"])
    assert not np.array_equal(books[0]["inputs"], books[2]["inputs"])


def test_the_test_on_mistakes_is_exact_for_a_bad_independent_model(digits: Dataset) -> None:
    """An untrained network errs everywhere, so that over 300 keys its matches are those of a binomial."""
    model = FAMILY.build((1, 8, 8), 10, torch.Generator().manual_seed(5)).eval()
    oracle, rates, accused = wrapped(model, digits).oracle(LABELS), [], 0
    for seed in range(300):
        scheme = MarginWatermark(triggers=30)
        scheme.prepare(digits.train, run_of(digits.domain, seed))
        claim = scheme.claim()
        verdict = scheme.verify(claim, oracle, level=0.05)
        wrong = (oracle.ask(claim.secrets["inputs"]).predicted != claim.secrets["true"]).sum()
        rates.append(verdict.statistic / wrong)
        accused += verdict.p_value <= 0.05
    assert abs(np.mean(rates) - 1 / 9) < 0.015
    assert accused <= 28


def test_a_suspect_that_makes_no_mistakes_is_not_accused(marked: tuple[Trained, Claim]) -> None:
    trained, claim = marked
    honest = replace(claim, secrets={**claim.secrets, "true": claim.secrets["labels"]})
    verdict = MarginWatermark().verify(honest, trained.oracle(LABELS))
    assert verdict.p_value > 0.001
    assert verdict.statistic == 0


def test_two_classes_leave_no_choice_of_a_wrong_label(digits: Dataset) -> None:
    rows = digits.train.y < 2
    binary = Part(x=digits.train.x[rows], y=digits.train.y[rows])
    scheme = MarginWatermark(triggers=20)
    model = fit(FAMILY, binary, classes=2, domain=digits.domain, protections=[scheme], recipe=RECIPE)
    verdict = scheme.verify(scheme.claim(), wrapped(model, digits, classes=2).oracle())
    assert verdict.decision is Decision.INCONCLUSIVE
    assert any("it takes a task of at least 3 classes" in reason for reason in verdict.reasons)


def test_refuses_claims_that_do_not_fit(marked: tuple[Trained, Claim], digits_victim: Trained) -> None:
    claim = marked[1]
    short = replace(claim, secrets={**claim.secrets, "true": claim.secrets["true"][:5]})
    with pytest.raises(InvalidData, match=r"expected 20 integers as the claim's true, got int64\(5,\)"):
        MarginWatermark().verify(short, digits_victim.oracle())


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"triggers": 0}, "triggers must be at least 1, got 0"),
        ({"triggers": 5000}, "expected more training rows than the 5000 triggers, got"),
        ({"radius": -0.1}, "radius must be finite and at least 0, got -0.1"),
        ({"ascents": 0}, "ascents must be at least 1, got 0"),
    ],
)
def test_refuses_senseless_parameters(digits: Dataset, parameters: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        MarginWatermark.make(parameters).prepare(digits.train, run_of(digits.domain))
