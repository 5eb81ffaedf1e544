"""Dataset inference: finds the owner's images, spares who never saw them, and keeps its rows and sets apart."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from stealproof.claims import Decision
from stealproof.errors import AccessDenied, InputError, InvalidData
from stealproof.measures.intervals import proportion
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Answer
from stealproof.ownership.dataset_inference import DatasetInference
from stealproof.roles.dataset import Dataset, Part
from stealproof.training.fit_many import fit_many
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained, train

LABELS = Access(answer=Answer.LABELS)
OVERFIT = Recipe(epochs=100, batch=32, weight_decay=0.0)
BLACK = DatasetInference(regressor_images=150, images=150, starts=2, walk_steps=15, stride=6.0, iterations=300)
WHITE = dataclasses.replace(BLACK, access="white-box", gradient_steps=15, stride=20.0, pixels=3)


@pytest.fixture(scope="module")
def noisy(digits: Dataset) -> Dataset:
    """Digits of which a third have a random label, which only a model that was trained on them can know."""
    rng = np.random.default_rng(0)
    parts = {}
    for name in ("train", "pool", "test"):
        part = digits.part(name)
        wrong = rng.random(len(part)) < 1 / 3
        y = np.where(wrong, rng.integers(0, 10, len(part)), part.y.numpy())
        parts[name] = Part(x=part.x, y=part.y.new_tensor(y))
    return dataclasses.replace(digits, parts=parts)


@pytest.fixture(scope="module")
def victim(noisy: Dataset) -> Trained:
    return train(Mlp(width=128), noisy, recipe=OVERFIT, seed=0)


@pytest.mark.parametrize("scheme", [BLACK, WHITE], ids=["black-box", "white-box"])
def test_accuses_the_victim_and_its_retraining_but_no_stranger(
    scheme: DatasetInference, noisy: Dataset, victim: Trained
) -> None:
    claim = scheme.enroll(victim.model, noisy)
    retrained = train(Mlp(width=64), noisy, recipe=OVERFIT, seed=1)
    elsewhere = train(Mlp(width=128), dataclasses.replace(noisy, parts={"train": noisy.pool}), recipe=OVERFIT, seed=2)
    for model, decision in (
        (victim, Decision.OWNED),
        (retrained, Decision.OWNED),
        (elsewhere, Decision.NOT_OWNED),
    ):
        verdict = scheme.verify(claim, model.oracle(LABELS), model=model.model)
        assert verdict.decision is decision, verdict
        assert (verdict.statistic >= verdict.threshold) == (decision is Decision.OWNED)
        assert verdict.effect is not None
        assert (verdict.effect > 0.2) == (decision is Decision.OWNED)


def test_independent_models_are_rejected_as_often_as_the_level_allows(noisy: Dataset, victim: Trained) -> None:
    """Forty models that never saw the members; the p-values of one claim are not independent, hence the wide margin."""
    claim = BLACK.enroll(victim.model, noisy)
    half = len(noisy.pool) // 2
    recipe = dataclasses.replace(OVERFIT, epochs=20)
    models = fit_many(Mlp(width=32), noisy.pool.take(slice(0, half)), classes=10, seeds=range(40), recipe=recipe)
    suspects = [Trained(model=m, domain=noisy.domain, classes=10, card={}).oracle(LABELS) for m in models]
    found = BLACK.calibrate(claim, suspects)
    accused = sum(p is not None and p <= 0.05 for p in found.p_values)
    assert proportion(accused, 40).low <= 0.05


def test_no_image_stands_in_two_places(noisy: Dataset, victim: Trained) -> None:
    claim = BLACK.enroll(victim.model, noisy)
    inputs, members = claim.secrets["inputs"], claim.secrets["members"]
    rows = {row.tobytes() for row in inputs}
    assert len(rows) == len(inputs) == 300
    assert members.sum() == 150
    train_rows = {row.numpy().tobytes() for row in noisy.train.x.float()}
    assert all((row.tobytes() in train_rows) == inside for row, inside in zip(inputs, members, strict=True))
    # The images of the regressor are no secrets of the claim: only its weights are, which were fitted on others.
    other = dataclasses.replace(BLACK, iterations=301).enroll(victim.model, noisy)
    np.testing.assert_array_equal(inputs, other.secrets["inputs"])
    assert not np.array_equal(claim.secrets["hidden_weight"], other.secrets["hidden_weight"])


def test_one_row_is_one_image(noisy: Dataset, victim: Trained) -> None:
    """Walking an image alone gives its row among the others: no row mixes distances of several."""
    scheme = WHITE
    x, y = noisy.test.x[:20].float().numpy(), noisy.test.y[:20].numpy()
    shared: dict[str, Any] = {
        "oracle": victim.oracle(LABELS),
        "ask": lambda queries: queries,
        "model": victim.model,
        "rng": np.random.default_rng(0),
        "report": lambda share: None,
    }
    together = scheme._distances(x, y, **shared)
    alone = [scheme._distances(x[[i]], y[[i]], **shared)[0] for i in range(20)]
    np.testing.assert_allclose(together, np.array(alone), atol=1e-4)


def test_the_same_seed_gives_the_same_verdict(noisy: Dataset, victim: Trained) -> None:
    one, other = (BLACK.enroll(victim.model, noisy, seed=3) for _ in range(2))
    for name, value in one.secrets.items():
        np.testing.assert_array_equal(value, other.secrets[name])
    verdicts = [BLACK.verify(claim, victim.oracle(LABELS), seed=4) for claim in (one, other)]
    assert verdicts[0] == verdicts[1]
    assert BLACK.verify(one, victim.oracle(LABELS), seed=5).statistic != verdicts[0].statistic


def test_too_few_images_can_convict_nobody(noisy: Dataset, victim: Trained) -> None:
    scheme = dataclasses.replace(BLACK, images=5)
    verdict = scheme.verify(scheme.enroll(victim.model, noisy), victim.oracle(LABELS))
    assert verdict.decision is Decision.INCONCLUSIVE
    assert "at least 7 members and as many non-members" in verdict.reasons[-1]


def test_short_data_are_halved(digits: Dataset, digits_victim: Trained) -> None:
    """Digits have 449 test rows, so that the paper's 500 and 500 become 224 and 225."""
    scheme = DatasetInference(starts=1, walk_steps=2, iterations=5)
    claim = scheme.enroll(digits_victim.model, digits)
    assert claim.secrets["members"].sum() == 225
    assert len(claim.secrets["inputs"]) == 450


def test_the_white_box_wants_the_network(noisy: Dataset, victim: Trained) -> None:
    claim = WHITE.enroll(victim.model, noisy)
    with pytest.raises(AccessDenied, match="opens the suspect's network"):
        WHITE.verify(claim, victim.oracle(LABELS))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("norms", (), "norms must be one or more of l1, l2, linf, each once"),
        ("norms", ("l2", "l2"), "each once"),
        ("norms", ("l3",), "norms must be one or more"),
        ("images", 1, "images must be at least 2, got 1"),
        ("starts", 0, "starts must be at least 1, got 0"),
        ("stride", 0.0, "stride must be positive and finite, got 0"),
        ("rate", float("nan"), "rate must be positive and finite, got nan"),
    ],
)
def test_refuses_senseless_parameters(
    digits: Dataset, digits_victim: Trained, name: str, value: object, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        DatasetInference(**{name: value}).enroll(digits_victim.model, digits)  # type: ignore[arg-type]


def test_wants_images_that_nobody_trained_on(digits: Dataset, digits_victim: Trained) -> None:
    """A test part that repeats the training rows has no non-members."""
    same = dataclasses.replace(digits, parts={"train": digits.train, "test": digits.train})
    with pytest.raises(InvalidData, match="at least 4 different images in train and in test"):
        DatasetInference().enroll(digits_victim.model, same)
