"""Adversarially trained networks are harder to fool, with whatever else acts in the same run; runs resume exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from stealproof.defenses.training._worst_nearby import worst_nearby
from stealproof.defenses.training.fast_adversarial_training import FastAdversarialTraining
from stealproof.defenses.training.pgd_training import PgdTraining
from stealproof.defenses.training.trades import Trades
from stealproof.errors import IncompatibleDefenses
from stealproof.models.mlp import Mlp
from stealproof.models.strided_cnn import StridedCnn
from stealproof.ownership.adi2018 import Adi2018
from stealproof.ownership.derived_triggers import DerivedTriggers
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.training_defense import Hook, TrainingDefense, TrainingRun
from stealproof.training import _checkpoint
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe

RADIUS = 0.15
QUICK = Recipe(epochs=15, batch=64)
DEFENSES = [PgdTraining(radius=RADIUS), Trades(radius=RADIUS), FastAdversarialTraining(radius=RADIUS)]


def trained(digits: Dataset, *protections: TrainingDefense, recipe: Recipe = QUICK, seed: int = 0) -> torch.nn.Module:
    return fit(
        Mlp(width=64),
        digits.train,
        classes=10,
        domain=digits.domain,
        protections=protections,
        recipe=recipe,
        seed=seed,
    )


def right(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    with torch.inference_mode():
        return float((model(x.float()).argmax(dim=1) == y).double().mean())


def robust(model: torch.nn.Module, data: Part) -> float:
    draw = torch.Generator().manual_seed(0)
    x = worst_nearby(model, data, radius=RADIUS, step=RADIUS / 8, steps=20, low=0.0, high=1.0, generator=draw)
    return right(model, x, data.y)


@pytest.fixture(scope="module")
def plain(digits: Dataset) -> float:
    """Robust accuracy of the network without protection."""
    return robust(trained(digits), digits.test)


@pytest.mark.parametrize("defense", DEFENSES, ids=lambda defense: defense.name())
def test_the_network_is_harder_to_fool_and_nearly_as_accurate(
    defense: TrainingDefense, plain: float, digits: Dataset
) -> None:
    model = trained(digits, defense)
    assert robust(model, digits.test) > plain + 0.15
    assert right(model, digits.test.x, digits.test.y) > 0.88
    assert defense.protects_from == ("evasion",)


@dataclass(frozen=True, kw_only=True)
class Witness(TrainingDefense):
    """Keeps the last batch as the protections before it have made it."""

    def perturb(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> Part:
        """The same batch."""
        SEEN[:] = [batch.x[: run.drawn].clone(), batch.x[run.drawn :].clone()]
        return batch


SEEN: list[torch.Tensor] = []


@pytest.mark.parametrize("defense", DEFENSES, ids=lambda defense: defense.name())
@pytest.mark.parametrize("scheme", ["adi2018", "derived_triggers"])
@pytest.mark.parametrize("first", [True, False])
def test_watermarks_are_learned_in_the_same_run_in_either_order(
    defense: Any, scheme: str, first: bool, digits: Dataset
) -> None:
    # With a radius of 0.15 the two do conflict: about half of the triggers are learned.
    defense = replace(defense, radius=0.05)
    mark = Adi2018(triggers=20) if scheme == "adi2018" else DerivedTriggers(triggers=20)
    model = trained(digits, *((mark, defense) if first else (defense, mark)), Witness())
    inputs, labels = (torch.from_numpy(mark.book[name].copy()) for name in ("inputs", "labels"))
    assert right(model, inputs, labels) > 0.6
    # The mark costs robustness, too, so that the network to compare with has one.
    assert robust(model, digits.test) > robust(trained(digits, mark), digits.test)
    triggers = {row.numpy().tobytes() for row in inputs.float()}
    assert len(SEEN[1]) > 0
    assert all(row.numpy().tobytes() in triggers for row in SEEN[1])


def test_triggers_named_before_it_move_within_the_joined_radius(digits: Dataset) -> None:
    mark, defense = Adi2018(triggers=20), PgdTraining(radius=0.02, joined_radius=0.3)
    trained(digits, mark, defense, Witness(), recipe=Recipe(epochs=1, batch=64))
    inputs = torch.from_numpy(mark.book["inputs"])
    change = (SEEN[1][:, None] - inputs[None]).abs().flatten(2).amax(dim=2).amin(dim=1)
    assert 0.1 < float(change.min()) <= float(change.max()) <= 0.3 + 1e-6
    assert 0 <= float(SEEN[1].min()) <= float(SEEN[1].max()) <= 1


@pytest.mark.parametrize("defense", [PgdTraining(radius=0.05), FastAdversarialTraining(radius=0.05)])
def test_private_gradients_of_perturbed_rows(defense: TrainingDefense, digits: Dataset) -> None:
    pytest.importorskip("opacus")
    from stealproof.defenses.training.dp_sgd import DpSgd

    private = DpSgd(noise_multiplier=0.5, accountant="rdp", joined="outside")
    recipe = Recipe(epochs=5, batch=100, learning_rate=0.5, precision="float32")
    model = trained(digits, Adi2018(triggers=10), defense, private, recipe=recipe)
    assert right(model, digits.test.x, digits.test.y) > 0.6
    assert private.spent["steps"] == 45


def test_a_penalty_on_batches_has_no_private_gradients(digits: Dataset) -> None:
    pytest.importorskip("opacus")
    from stealproof.defenses.training.dp_sgd import DpSgd

    assert Hook.PENALTY in Trades.hooks()
    with pytest.raises(IncompatibleDefenses, match=r"trades adds to the loss .* dp_sgd"):
        trained(digits, Trades(), DpSgd())


@pytest.mark.parametrize("defense", DEFENSES, ids=lambda defense: defense.name())
def test_an_interrupted_run_resumes_to_the_same_bytes(
    defense: TrainingDefense, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_checkpoint, "INTERVAL", 0.0)
    monkeypatch.setattr(_checkpoint, "SHARE", float("inf"))
    monkeypatch.setattr("stealproof.training.fit.REPORT_SECONDS", 0.0)

    def interrupt(what: str, share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    run: dict[str, Any] = {
        "classes": 10,
        "domain": digits.domain,
        "recipe": Recipe(epochs=3, batch=32, learning_rate=0.02),
        "protections": [Adi2018(triggers=10), defense],
    }
    family, data, path = StridedCnn(widths=(4, 8)), digits.train.take(slice(0, 128)), tmp_path / "run"
    whole = fit(family, data, **run)
    with pytest.raises(KeyboardInterrupt):
        fit(family, data, **run, progress=interrupt, checkpoint=path)
    resumed = fit(family, data, **run, checkpoint=path)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


@pytest.mark.parametrize("defense", DEFENSES, ids=lambda defense: defense.name())
def test_distributions_are_trained_on_as_well(defense: TrainingDefense, digits: Dataset) -> None:
    data = digits.train.take(slice(0, 100))
    soft = Part(x=data.x, y=functional.one_hot(data.y, 10).double())
    for recipe in (Recipe(epochs=2, batch=50), Recipe(epochs=2, batch=50, precision="float64")):
        hard, other = (
            fit(Mlp(width=8), part, classes=10, domain=digits.domain, protections=[defense], recipe=recipe)
            for part in (data, soft)
        )
        for one, two in zip(hard.parameters(), other.parameters(), strict=True):
            assert torch.allclose(one, two, atol=1e-4)
