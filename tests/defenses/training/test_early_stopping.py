"""Early stopping: the rows held out are not trained on, the best weights come back, a resumed run is the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from stealproof.defenses.training._splits import held_out
from stealproof.defenses.training.early_stopping import EarlyStopping
from stealproof.errors import IncompatibleDefenses, InputError, InvalidData
from stealproof.models.mlp import Mlp
from stealproof.models.strided_cnn import StridedCnn
from stealproof.oracle import Domain
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.training_defense import TrainingDefense, TrainingRun, check_composition
from stealproof.training import _checkpoint
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe
from stealproof.training.suited import suited_recipe

OVERFIT = Recipe(epochs=60, batch=32, learning_rate=0.1, weight_decay=0.0, schedule="constant", precision="float32")


def noisy(digits: Dataset, rows: int = 200) -> Part:
    """Digits of which three in ten have a random label, so that learning them by heart hurts."""
    data = digits.train.take(slice(0, rows))
    draw = torch.Generator().manual_seed(0)
    wrong = torch.rand(rows, generator=draw) < 0.3
    return Part(x=data.x, y=torch.where(wrong, torch.randint(10, (rows,), generator=draw), data.y))


@dataclass(frozen=True, kw_only=True)
class Witness(TrainingDefense):
    """Notes the rows that are trained on and the weights after every pass."""

    def perturb(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> Part:
        """Nothing is changed."""
        SEEN.append(batch.x[: run.drawn].clone())
        if run.step and run.step % run.epoch_steps == 0:
            WEIGHTS.append({name: value.clone() for name, value in model.state_dict().items()})
        return batch

    def finish(self, model: torch.nn.Module, data: Part, run: TrainingRun) -> torch.nn.Module:
        """The last pass."""
        WEIGHTS.append({name: value.clone() for name, value in model.state_dict().items()})
        return model


SEEN: list[torch.Tensor] = []
WEIGHTS: list[dict[str, torch.Tensor]] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    SEEN.clear()
    WEIGHTS.clear()


def held(data: Part, defense: EarlyStopping, seed: int = 0) -> Part:
    """The rows that ``fit`` will hold out."""
    from stealproof.training.fit import protection_runs

    run = protection_runs([defense], Domain(shape=(1, 8, 8)), 10, seed)[0]
    defense.prepare(data, run)
    return defense.held["rows"]


def losses(family: NetworkFamily, data: Part) -> list[float]:
    """Of the remembered weights on ``data``."""
    model = family.build((1, 8, 8), 10, torch.Generator()).eval()
    found = []
    for weights in WEIGHTS:
        model.load_state_dict(weights)
        with torch.no_grad():
            found.append(float(functional.cross_entropy(model(data.x.float()), data.y)))
    return found


@pytest.mark.parametrize("family", [Mlp(width=32), StridedCnn(widths=(4, 8))], ids=["mlp", "batch-norm"])
def test_the_weights_of_the_best_pass_come_back_and_the_training_ends_after_patience(
    family: NetworkFamily, digits: Dataset
) -> None:
    data, defense = noisy(digits), EarlyStopping(patience=3)
    validation = held(data, defense)
    model = fit(family, data, classes=10, recipe=OVERFIT, protections=[Witness(), defense])
    found = losses(family, validation)
    best = min(range(len(found)), key=found.__getitem__)
    for name, value in model.state_dict().items():
        assert torch.equal(value, WEIGHTS[best][name]), name
    # The look after the third pass without a new best ends the run; the witness's last note is of the step after it.
    assert len(found) == best + 3 + 2 < 60
    assert not model.training
    assert defense.held == {}


def test_held_out_rows_are_never_trained_on_and_come_from_every_class(digits: Dataset) -> None:
    data, defense = digits.train.take(slice(0, 300)), EarlyStopping(validation=0.2)
    validation = held(data, defense)
    fit(Mlp(width=8), data, classes=10, recipe=replace(OVERFIT, epochs=2), protections=[Witness(), defense])
    trained = {row.numpy().tobytes() for batch in SEEN for row in batch}
    assert len(validation) == 60
    assert len(trained) == 240
    assert trained.isdisjoint(row.numpy().tobytes() for row in validation.x.float())
    assert int(validation.y.bincount(minlength=10).min()) >= 4


def test_a_run_that_gets_better_to_the_end_is_left_alone(digits: Dataset) -> None:
    data = digits.train.take(slice(0, 300))
    recipe = replace(OVERFIT, epochs=3, learning_rate=0.01)
    model = fit(Mlp(width=16), data, classes=10, recipe=recipe, protections=[Witness(), EarlyStopping()])
    assert len(WEIGHTS) == 3
    assert all(torch.equal(value, WEIGHTS[-1][name]) for name, value in model.state_dict().items())


def test_looking_changes_neither_modes_nor_dropout(digits: Dataset) -> None:
    """Without a stop and with the last weights the best, the run is the one on the rows that are left."""
    data = digits.train.take(slice(0, 300))
    recipe = replace(OVERFIT, epochs=3, learning_rate=0.01)
    for family in (Dropping(), StridedCnn(widths=(4, 8))):
        WEIGHTS.clear()
        with_looks = fit(family, data, classes=10, recipe=recipe, protections=[Witness(), EarlyStopping()])
        mask = held_out(data.y, 0.1, _generator_of("early_stopping"))
        plain = fit(family, data.take(~mask), classes=10, recipe=recipe)
        assert len(WEIGHTS) == 3
        for name, value in plain.state_dict().items():
            assert torch.equal(value, WEIGHTS[-1][name]), name
            assert torch.equal(value, with_looks.state_dict()[name]), name


@dataclass(frozen=True, kw_only=True)
class Dropping(NetworkFamily):
    """A network with dropout."""

    def _build(self, shape: tuple[int, ...], classes: int, generator: torch.Generator) -> torch.nn.Module:
        """A perceptron whose inputs are dropped."""
        return torch.nn.Sequential(torch.nn.Dropout(0.2), Mlp(width=16).build(shape, classes, generator))


def _generator_of(name: str, seed: int = 0) -> torch.Generator:
    from stealproof import seeds

    return seeds.generator(seed, "protection", name, 0)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.7])
def test_an_interrupted_run_resumes_to_the_same_bytes(
    share: float, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_checkpoint, "INTERVAL", 0.0)
    monkeypatch.setattr(_checkpoint, "SHARE", float("inf"))
    monkeypatch.setattr("stealproof.training.fit.REPORT_SECONDS", 0.0)

    def interrupt(what: str, done: float) -> None:
        if done >= share:
            raise KeyboardInterrupt

    run: dict[str, Any] = {
        "classes": 10,
        "recipe": replace(OVERFIT, epochs=12),
        "protections": [EarlyStopping(patience=4)],
    }
    family, data, path = StridedCnn(widths=(4, 8)), noisy(digits), tmp_path / "run"
    whole = fit(family, data, **run)
    with pytest.raises(KeyboardInterrupt):
        fit(family, data, **run, progress=interrupt, checkpoint=path)
    resumed = fit(family, data, **run, checkpoint=path)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_it_generalises_better_than_learning_noise_by_heart(digits: Dataset) -> None:
    data = noisy(digits, 400)

    def right(*protections: EarlyStopping) -> float:
        model = fit(Mlp(width=64), data, classes=10, recipe=OVERFIT, protections=protections)
        with torch.no_grad():
            return float((model(digits.test.x.float()).argmax(dim=1) == digits.test.y).float().mean())

    assert right(EarlyStopping()) > right() + 0.03


def test_a_rate_that_does_not_fall_suits_a_run_that_may_end_at_any_time() -> None:
    plain = suited_recipe(Mlp(), 1000)
    found = suited_recipe(Mlp(), 1000, [EarlyStopping()])
    assert found == replace(plain, schedule="constant", learning_rate=plain.learning_rate / 3)
    assert suited_recipe(Mlp(), 1000, [EarlyStopping(), EarlyStopping()]) == found


def test_distributions_are_held_out_too(digits: Dataset) -> None:
    data = digits.train.take(slice(0, 100))
    soft = Part(x=data.x, y=functional.one_hot(data.y, 10).float())
    model = fit(Mlp(width=8), soft, classes=10, recipe=replace(OVERFIT, epochs=2), protections=[EarlyStopping()])
    assert all(bool(weight.isfinite().all()) for weight in model.parameters())


@dataclass(frozen=True, kw_only=True)
class Rebuilt(TrainingDefense):
    """Wraps the network once it is trained."""

    def finish(self, model: torch.nn.Module, data: Part, run: TrainingRun) -> torch.nn.Module:
        """Inside another one."""
        return torch.nn.Sequential(model)


def test_a_network_that_another_protection_rebuilt_is_refused(digits: Dataset) -> None:
    data, recipe = digits.train.take(slice(0, 64)), replace(OVERFIT, epochs=2)
    with pytest.raises(IncompatibleDefenses, match=r"another protection has rebuilt .* name early_stopping before it"):
        fit(Mlp(width=8), data, classes=10, recipe=recipe, protections=[Rebuilt(), EarlyStopping()])
    fit(Mlp(width=8), data, classes=10, recipe=recipe, protections=[EarlyStopping(), Rebuilt()])


class Private(TrainingDefense):
    def privatize(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> bool:
        return True


def test_a_private_run_does_not_cover_the_choice_of_weights() -> None:
    with pytest.raises(
        IncompatibleDefenses, match=r"early_stopping chooses the weights .* of test_early_stopping does"
    ):
        check_composition([Private(), EarlyStopping()])


def test_bad_parameters_and_too_few_rows_are_refused(digits: Dataset) -> None:
    run = TrainingRun(domain=digits.domain, classes=10, generator=torch.Generator())
    with pytest.raises(InputError, match="patience of early_stopping must be at least 1, got 0"):
        EarlyStopping(patience=0).prepare(digits.train, run)
    for share in (0.0, 1.0, float("nan")):
        with pytest.raises(InputError, match="validation of early_stopping must lie between 0 and 1, got"):
            EarlyStopping(validation=share).prepare(digits.train, run)
    with pytest.raises(InvalidData, match="holds out some of the rows, got 1; expected at least 2"):
        EarlyStopping().prepare(digits.train.take(slice(0, 1)), run)
