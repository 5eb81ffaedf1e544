"""Blind watermark: key samples look like ordinary images, a marked model and its copies know them, others don't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from stealproof.claims import Claim, Decision
from stealproof.defenses.training.dp_sgd import DpSgd
from stealproof.errors import IncompatibleDefenses, InputError, InvalidData
from stealproof.models.mlp import Mlp
from stealproof.oracle import Domain
from stealproof.ownership._hidden_logos import hidden, similarity
from stealproof.ownership.blind_watermark import BlindWatermark
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.training_defense import TrainingRun, check_composition
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained, train

FAMILY = Mlp(width=128)
RECIPE = Recipe(epochs=60, batch=64)
TRIGGERS = 20


def run_of(domain: Domain, seed: int = 0) -> TrainingRun:
    return TrainingRun(domain=domain, classes=10, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def marked(digits: Dataset) -> tuple[Trained, Claim]:
    scheme = BlindWatermark(triggers=TRIGGERS)
    trained = train(FAMILY, digits, recipe=RECIPE, protections=[scheme], seed=0)
    return trained, scheme.claim(trained.model)


@pytest.fixture(scope="module")
def independent(digits: Dataset) -> list[Trained]:
    models = [fit(FAMILY, digits.pool, classes=10, recipe=RECIPE, seed=100 + seed) for seed in range(20)]
    return [Trained(model=model, domain=digits.domain, classes=10, card={}) for model in models]


def test_a_tuned_copy_stands_out_from_independent_models_and_an_independent_one_does_not(
    marked: tuple[Trained, Claim], independent: list[Trained], digits: Dataset
) -> None:
    trained, claim = marked
    scheme = BlindWatermark(triggers=TRIGGERS)
    calibration = scheme.calibrate(claim, [one.oracle() for one in independent[1:]], level=0.05)
    recipe = Recipe(epochs=20, batch=64, learning_rate=0.001, schedule="constant")
    tuned = fit(FAMILY, digits.pool, classes=10, recipe=recipe, seed=9, start=trained.model)
    copy = Trained(model=tuned, domain=digits.domain, classes=10, card={})
    for suspect in (trained, copy):
        verdict = scheme.verify(claim, suspect.oracle(), calibration=calibration, level=0.05)
        assert verdict.decision is Decision.OWNED
        assert verdict.statistic >= 0.4
    verdict = scheme.verify(claim, independent[0].oracle(), calibration=calibration, level=0.05)
    assert verdict.decision is Decision.NOT_OWNED
    assert verdict.statistic <= 0.3
    assert scheme.verify(claim, trained.oracle()).decision is Decision.INCONCLUSIVE


def test_key_samples_look_like_training_images_and_are_none(marked: tuple[Trained, Claim], digits: Dataset) -> None:
    inputs = torch.from_numpy(marked[1].secrets["inputs"])
    train_x = digits.train.x.float()
    nearest = train_x[torch.cdist(inputs.flatten(1), train_x.flatten(1)).argmin(dim=1)]
    digits.domain.check(inputs.numpy())
    assert similarity(2 * inputs - 1, 2 * nearest - 1) >= 0.9
    assert (inputs - nearest).abs().flatten(1).max(dim=1).values.min() > 0.02


def test_accuracy_costs_little(marked: tuple[Trained, Claim], digits: Dataset) -> None:
    plain = train(FAMILY, digits, recipe=RECIPE, seed=0)
    assert marked[0].accuracy(digits.test).value >= plain.accuracy(digits.test).value - 0.03


def test_what_is_hidden_depends_on_the_logo() -> None:
    covers = torch.rand(8, 1, 12, 12, generator=torch.Generator().manual_seed(0)) * 2 - 1

    def with_logo(value: float) -> torch.Tensor:
        return hidden(
            covers,
            torch.full((1, 1, 12, 12), value),
            torch.zeros(8, dtype=torch.int64),
            lambda x: x.flatten(1)[:, :3],
            weights=(3.0, 5.0, 1.0, 0.1),
            rounds=30,
            batch=20,
            generator=torch.Generator().manual_seed(1),
        )

    one = with_logo(0.5)
    assert torch.equal(one, with_logo(0.5))
    assert not torch.equal(one, with_logo(-0.5))
    assert one.shape == covers.shape
    assert one.abs().max() <= 1


def test_structural_similarity_is_1_for_equal_images_and_falls_with_noise() -> None:
    x = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    alike = [float(similarity(x, x + strength * noise)) for strength in (0.0, 0.1, 0.5, 2.0)]
    assert alike[0] == pytest.approx(1)
    assert alike == sorted(alike, reverse=True)
    assert alike[-1] < 0.5
    # Of constant images only the means count: (2ab + c) / (a^2 + b^2 + c).
    flat = [torch.full((1, 1, 16, 16), value) for value in (0.2, 0.6)]
    assert float(similarity(*flat)) == pytest.approx((0.24 + 0.0004) / (0.4 + 0.0004), abs=1e-5)


def test_a_logo_of_the_users_own(digits: Dataset, tmp_path: Path) -> None:
    Image.fromarray(np.arange(400, dtype=np.uint8).reshape(20, 20)).save(tmp_path / "0.png")
    schemes = [BlindWatermark(triggers=5, rounds=5, logo=logo) for logo in (str(tmp_path), "")]
    for scheme in schemes:
        scheme.prepare(digits.train, run_of(digits.domain))
    assert not np.array_equal(schemes[0].book["inputs"], schemes[1].book["inputs"])


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"triggers": 0}, "triggers must be at least 1"),
        ({"triggers": 10_000}, "more than the"),
        ({"rounds": 0}, "rounds and batch must be at least 1"),
        ({"batch": 0}, "rounds and batch must be at least 1"),
        ({"weights": (3.0, -1.0, 1.0, 0.1)}, r"weights\[1\] must be finite and at least 0, got -1.0"),
        ({"weights": (3.0, 5.0, float("nan"), 0.1)}, r"weights\[2\] must be finite"),
        ({"weights": (3.0, 5.0, 1.0)}, "expected 4 weights"),
        ({"passes": float("inf")}, "passes must be finite"),
        ({"logo": "nowhere"}, "logo must be a folder with one PNG image"),
    ],
)
def test_parameters_that_teach_nothing_are_refused(parameters: dict[str, Any], words: str, digits: Dataset) -> None:
    with pytest.raises(InputError, match=words):
        BlindWatermark(**parameters).prepare(digits.train, run_of(digits.domain))


def test_where_values_have_no_end_the_training_images_say_how_far_they_go() -> None:
    x = torch.randn(120, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    scheme = BlindWatermark(triggers=10, rounds=5)
    endless = Domain(shape=(1, 12, 12), low=float("-inf"), high=float("inf"))
    scheme.prepare(Part(x=x, y=torch.arange(120) % 10), run_of(endless))
    assert x.min() <= scheme.book["inputs"].min() < scheme.book["inputs"].max() <= x.max()


def test_private_training_does_not_cover_what_it_learns_from_the_rows() -> None:
    with pytest.raises(IncompatibleDefenses, match="trains a scout network on all rows, which the privacy of dp_sgd"):
        check_composition([BlindWatermark(), DpSgd()])


@pytest.mark.parametrize("shape", [(30,), (1, 7, 7)])
def test_a_logo_is_hidden_in_images_only(shape: tuple[int, ...]) -> None:
    part = Part(x=torch.rand(200, *shape), y=torch.arange(200) % 10)
    with pytest.raises(InvalidData, match="of at least 8x8"):
        BlindWatermark().prepare(part, run_of(Domain(shape=shape)))
