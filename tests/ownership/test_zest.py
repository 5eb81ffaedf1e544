"""Zest: explanations by hand, masked inputs that are legal, and distances that rank copies before others."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from stealproof.claims import Claim, Decision
from stealproof.errors import EvidenceError, InputError, InvalidData
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Answer, Answers, Domain
from stealproof.oracles.module import ModuleOracle
from stealproof.ownership._local_models import Questions, blocks, cosine_distance, hidden
from stealproof.ownership.zest import Zest
from stealproof.roles.dataset import Dataset
from stealproof.training.trained import Trained

SMALL = Zest(count=40, masks=40, references=3)


@pytest.fixture(scope="module")
def claim(digits: Dataset, digits_victim: Trained) -> Claim:
    return SMALL.enroll(digits_victim.model, digits, seed=1)


def test_blocks_cut_images_and_flat_inputs() -> None:
    assert blocks((1, 28, 28), 4).shape == (28, 28)
    np.testing.assert_array_equal(np.bincount(blocks((1, 28, 28), 4).ravel()), [49] * 16)
    np.testing.assert_array_equal(blocks((3, 2, 4), 2), [[0, 0, 1, 1], [2, 2, 3, 3]])
    np.testing.assert_array_equal(blocks((6,), 2), [0, 0, 1, 2, 2, 3])
    np.testing.assert_array_equal(blocks((2,), 4), [0, 1])


def test_hidden_segments_have_the_mean_colour_of_images_and_the_median_of_columns() -> None:
    image = np.arange(8, dtype=np.float32).reshape(1, 1, 2, 4)
    np.testing.assert_allclose(
        hidden(image, blocks((1, 2, 4), 2), Domain(shape=(1, 2, 4), high=9)).ravel(),
        [0.5, 0.5, 2.5, 2.5, 4.5, 4.5, 6.5, 6.5],
    )
    table = np.array([[0, 1], [1, 1], [1, 5]], dtype=np.float32)
    fill = hidden(table, blocks((2,), 2), Domain(shape=(2,), high=9))
    np.testing.assert_array_equal(fill, [[1, 1]] * 3)


def test_least_squares_find_the_weights_of_a_linear_model() -> None:
    rng = np.random.default_rng(0)
    keep = rng.integers(0, 2, size=(5, 30, 4), dtype=np.uint8)
    questions = Questions(
        inputs=np.ones((5, 8), dtype=np.float32),
        segments=blocks((8,), 2),
        keep=keep,
        fill=np.zeros((5, 8), dtype=np.float32),
    )
    truth = rng.normal(size=(8, 3))
    (found,) = questions.explain(lambda x: Answers(scores=x @ truth), (lambda given: np.asarray(given.scores),))
    by_segment = truth.reshape(4, 2, 3).sum(axis=1)
    np.testing.assert_allclose(found.reshape(5, 4, 3), np.broadcast_to(by_segment, (5, 4, 3)), atol=1e-6)


def test_the_cosine_distance() -> None:
    one = np.array([1.0, 0.0])
    assert cosine_distance(one, 3 * one) == pytest.approx(0)
    assert cosine_distance(one, np.array([0.0, 2.0])) == pytest.approx(1)
    assert cosine_distance(one, -one) == pytest.approx(2)
    assert cosine_distance(one, 0 * one) == 1


def test_asks_the_inputs_themselves_and_legal_masked_ones(claim: Claim, digits_victim: Trained) -> None:
    asked = []

    def ask(x: np.ndarray) -> Answers:
        asked.append(x)
        return digits_victim.oracle().query(x)

    questions = Questions(**{name: claim.secrets[name] for name in ("inputs", "segments", "keep", "fill")})
    questions.explain(ask, (lambda given: given.distributions(10, Access()),))
    every = np.concatenate(asked)
    assert every.dtype == np.float32
    assert every.shape == (40 * 40, 1, 8, 8)
    np.testing.assert_array_equal(every[::40], claim.secrets["inputs"])


@pytest.mark.parametrize("answer", [Answer.PROBABILITIES, Answer.LOGITS, Answer.LABELS])
def test_a_modified_copy_is_nearer_than_any_innocent_model(claim: Claim, line_up: Any, answer: Answer) -> None:
    stolen, innocent = line_up.statistics(SMALL, claim, Access(answer=answer))
    assert stolen.statistics[-1] > max(innocent.statistics)


def test_surrogates_are_nearer_than_models_that_learned_their_data_without_the_victim(
    claim: Claim, line_up: Any
) -> None:
    stolen, innocent = line_up.statistics(SMALL, claim)
    assert min(stolen.statistics[:2]) > max(innocent.statistics[:2])


def test_the_victim_has_no_distance_to_itself(claim: Claim, line_up: Any, digits_victim: Trained) -> None:
    controls = SMALL.calibrate(claim, line_up.oracles(line_up.innocent))
    found = SMALL.verify(claim, digits_victim.oracle(), level=0.2, calibration=controls)
    assert found.decision is Decision.OWNED
    assert found.statistic == pytest.approx(0, abs=1e-6)
    assert found.queries == 40 * 40 + 16
    assert found.published_threshold == -1


def test_the_same_seed_makes_the_same_claim(claim: Claim, digits: Dataset, digits_victim: Trained) -> None:
    again = SMALL.enroll(digits_victim.model, digits, seed=1)
    for name, value in claim.secrets.items():
        np.testing.assert_array_equal(again.secrets[name], value)


def test_refuses_other_shapes_classes_and_torn_claims(claim: Claim, digits_victim: Trained) -> None:
    def untrained(shape: tuple[int, ...], classes: int) -> ModuleOracle:
        model = Mlp(width=8).build(shape, classes, torch.Generator().manual_seed(0))
        return ModuleOracle(model, domain=Domain(shape=shape), classes=classes)

    with pytest.raises(InvalidData, match="inputs have shape"):
        SMALL.verify(claim, untrained((4,), 10))
    with pytest.raises(
        InvalidData, match=r"signature of 6400 weights, the suspect one of 1920; .* equally many classes"
    ):
        SMALL.verify(claim, untrained((1, 8, 8), 3))
    for changed, words in (
        ({"fill": claim.secrets["fill"][:1]}, "expected a fill of shape"),
        ({"segments": claim.secrets["segments"] + 1}, "expected one of 16 segments"),
        ({"unit_probabilities": 0.0}, "unit of distance must be above 0, got 0"),
    ):
        torn = dataclasses.replace(claim, secrets=dict(claim.secrets) | changed)
        with pytest.raises(EvidenceError, match=words):
            SMALL.verify(torn, digits_victim.oracle())


@pytest.mark.parametrize(
    ("name", "value", "least"), [("count", 0, 1), ("masks", 1, 2), ("grid", 1, 2), ("references", 1, 2)]
)
def test_refuses_senseless_parameters(
    name: str, value: int, least: int, digits: Dataset, digits_victim: Trained
) -> None:
    with pytest.raises(InputError, match=f"{name} must be at least {least}, got {value}"):
        Zest.make({name: value}).enroll(digits_victim.model, digits)
