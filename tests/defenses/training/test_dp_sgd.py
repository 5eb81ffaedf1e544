"""DP-SGD: what is added, what is spent, what is refused."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from stealproof.defenses.training import _per_sample_gradients
from stealproof.defenses.training.dp_sgd import DpSgd
from stealproof.defenses.training.early_stopping import EarlyStopping
from stealproof.defenses.training.regularization import Regularization
from stealproof.errors import IncompatibleDefenses, InputError, MissingExtra
from stealproof.models.lenet import LeNet
from stealproof.models.mlp import Mlp
from stealproof.models.resnet import ResNet
from stealproof.models.strided_cnn import StridedCnn
from stealproof.oracle import Domain
from stealproof.ownership.adi2018 import Adi2018
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.training_defense import TrainingDefense, TrainingRun, check_composition
from stealproof.training import _checkpoint
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe
from stealproof.training.trained import train

pytest.importorskip("opacus")
RECIPE = Recipe(epochs=2, batch=64, learning_rate=0.5, weight_decay=0.0, precision="float32")
QUICK = DpSgd(epsilon=8.0, delta=1e-4, accountant="rdp")


def blobs(rows: int = 256) -> Part:
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(rows) % 3
    return Part(x=torch.randn(rows, 6, generator=generator) + 2 * torch.eye(3, 6)[y], y=y)


def run_of(rows: int, drawn: int, **values: Any) -> TrainingRun:
    domain = Domain(shape=(6,), low=-math.inf, high=math.inf)
    run = TrainingRun(domain=domain, classes=3, generator=torch.Generator().manual_seed(5))
    run.rows, run.epoch_steps, run.steps, run.drawn, run.expected = rows, 4, 8, drawn, rows / 4
    for name, value in values.items():
        setattr(run, name, value)
    return run


def network() -> torch.nn.Module:
    return Mlp(width=16).build((6,), 3, torch.Generator().manual_seed(0))


def gradient(defense: DpSgd, model: torch.nn.Module, batch: Part, run: TrainingRun) -> torch.Tensor:
    assert defense.privatize(model, batch, run)
    return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])


def mean_gradient(model: torch.nn.Module, batch: Part, smoothing: float = 0.0) -> torch.Tensor:
    loss = torch.nn.functional.cross_entropy(model(batch.x), batch.y, label_smoothing=smoothing)
    return torch.cat([one.flatten() for one in torch.autograd.grad(loss, list(model.parameters()))])


def test_digits_are_learned_and_the_budget_is_kept(digits: Dataset) -> None:
    defense = DpSgd(epsilon=8.0, delta=1e-4)
    model = train(Mlp(width=64), digits, protections=[defense], seed=0)
    assert model.accuracy(digits.test).low > 0.8
    assert set(defense.spent) == {"epsilon", "delta", "noise_multiplier", "sample_rate", "steps"}
    assert 7.5 < defense.spent["epsilon"] <= 8.0
    assert defense.spent["delta"] == 1e-4


def test_less_privacy_is_more_accuracy(digits: Dataset) -> None:
    accuracies = [
        np.mean(
            [
                train(Mlp(), digits, protections=[replace(QUICK, epsilon=e)], seed=s).accuracy(digits.test).value
                for s in range(2)
            ]
        )
        for e in (0.1, 8.0)
    ]
    assert accuracies[0] < accuracies[1] - 0.2


def test_without_clipping_and_nearly_without_noise_it_is_the_plain_gradient() -> None:
    model, batch = network(), blobs(64)
    defense = DpSgd(clip=1e3, noise_multiplier=0.1)
    noise = 0.1 * 1e3 / 64
    for smoothing in (0.0, 0.3):
        found = gradient(defense, model, batch, run_of(256, 64, label_smoothing=smoothing))
        generator = torch.Generator().manual_seed(5)
        drawn = torch.cat([torch.randn(weight.shape, generator=generator).flatten() for weight in model.parameters()])
        torch.testing.assert_close(found - noise * drawn, mean_gradient(model, batch, smoothing), rtol=0, atol=1e-5)


def test_an_empty_batch_is_noise_of_the_right_scale() -> None:
    model = Mlp(width=256, depth=2).build((6,), 3, torch.Generator().manual_seed(0))
    batch = blobs(4).take(slice(0, 0))
    found = gradient(DpSgd(clip=2.0, noise_multiplier=1.5), model, batch, run_of(256, 0))
    scale = 1.5 * 2.0 / (256 / 4)
    # 68,000 normal numbers: a scale that is 3% off would have a p-value below 1e-9.
    assert stats.kstest((found / scale).numpy(), "norm").pvalue > 1e-3
    assert stats.kstest((found / scale / 1.03).numpy(), "norm").pvalue < 1e-3


def test_the_size_of_the_batch_does_not_show_in_the_denominator() -> None:
    model, batch = network(), blobs(80)
    for drawn in (80, 40):
        found = gradient(DpSgd(clip=1e3, noise_multiplier=0.1), model, batch.take(slice(0, drawn)), run_of(256, drawn))
        noise = gradient(DpSgd(clip=1e3, noise_multiplier=0.1), model, batch.take(slice(0, 0)), run_of(256, 0))
        expected = mean_gradient(model, batch.take(slice(0, drawn))) * drawn / 64
        torch.testing.assert_close(found - noise, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("clip", [0.05, 5.0])
def test_joined_rows_are_clipped_one_by_one_inside_and_their_mean_outside(clip: float) -> None:
    model, batch = network(), blobs(70)
    drawn, triggers = batch.take(slice(0, 60)), batch.take(slice(60, 70))
    plain = mean_gradient(model, triggers)
    assert (plain.norm() > clip) == (clip == 0.05)

    def found(joined: Any, part: Part, count: int) -> torch.Tensor:
        defense = DpSgd(clip=clip, noise_multiplier=1.0, joined=joined)
        return gradient(defense, model, part, run_of(256, count)) * (64 + len(part) - count)

    noise = found("inside", drawn.take(slice(0, 0)), 0)
    alone = found("inside", drawn, 60) - noise
    outside = found("outside", batch, 60) - noise
    bounded = plain * min(1.0, clip / float(plain.norm()))
    torch.testing.assert_close(outside, alone + 10 * bounded, rtol=0, atol=1e-5 * max(1.0, clip))
    inside = found("inside", batch, 60) - noise
    assert (inside - alone).norm() <= 10 * clip * 1.001
    if clip == 0.05:
        assert (inside - alone).norm() < (outside - alone).norm()


@pytest.mark.parametrize("joined", ["inside", "outside"])
def test_an_interrupted_run_resumes_to_the_same_bytes(
    joined: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_checkpoint, "INTERVAL", 0.0)
    monkeypatch.setattr(_checkpoint, "SHARE", float("inf"))
    monkeypatch.setattr("stealproof.training.fit.REPORT_SECONDS", 0.0)
    path = tmp_path / "run"

    def arguments(defense: DpSgd) -> dict[str, Any]:
        return {"classes": 3, "recipe": RECIPE, "protections": [Adi2018(triggers=5), defense]}

    def interrupt(what: str, share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    defenses = [replace(QUICK, joined=joined) for _ in range(3)]
    with pytest.raises(KeyboardInterrupt):
        fit(Mlp(), blobs(), **arguments(defenses[0]), progress=interrupt, checkpoint=path)
    resumed = fit(Mlp(), blobs(), **arguments(defenses[1]), checkpoint=path)
    whole = fit(Mlp(), blobs(), **arguments(defenses[2]))
    for one, other in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.equal(one, other)
    assert defenses[1].spent == defenses[2].spent
    assert defenses[1].spent["steps"] == 8


@dataclass(frozen=True, kw_only=True)
class Impatient(TrainingDefense):
    """Ends the run after three steps."""

    def perturb(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> Part:
        run.stop = run.step == 2
        return batch


def test_a_run_that_ends_early_has_spent_less() -> None:
    whole, short = replace(QUICK), replace(QUICK)
    fit(Mlp(), blobs(), classes=3, recipe=RECIPE, protections=[whole])
    fit(Mlp(), blobs(), classes=3, recipe=RECIPE, protections=[Impatient(), short])
    assert (whole.spent["steps"], short.spent["steps"]) == (8, 3)
    assert short.spent["epsilon"] < whole.spent["epsilon"]
    assert short.spent["noise_multiplier"] == whole.spent["noise_multiplier"]


def test_a_given_noise_is_taken() -> None:
    defense = DpSgd(noise_multiplier=2.0, accountant="rdp", epsilon=1.0)
    fit(Mlp(), blobs(), classes=3, recipe=RECIPE, protections=[defense])
    assert defense.spent["noise_multiplier"] == 2.0


def test_what_is_joined_does_not_depend_on_how_many_rows_were_drawn() -> None:
    watermark = Adi2018(triggers=20)
    run = run_of(256, 0)
    watermark.prepare(blobs(), run)
    for step in range(8):
        run.step = step
        joined = [watermark.perturb(network(), blobs(n), run).x[n:] for n in (40, 64, 65)]
        assert torch.equal(joined[0], joined[1])
        assert torch.equal(joined[0], joined[2])


def test_a_loss_with_a_term_for_the_batch_is_refused() -> None:
    for order in ([Regularization(), DpSgd()], [DpSgd(), Regularization()]):
        with pytest.raises(IncompatibleDefenses, match=r"regularization adds to the loss .* dp_sgd"):
            check_composition(order)
    with pytest.raises(IncompatibleDefenses, match=r"early_stopping .* dp_sgd"):
        check_composition([EarlyStopping(), DpSgd()])
    check_composition([Adi2018(), DpSgd()])


@pytest.mark.parametrize(
    ("family", "layer"), [(ResNet(), "'1' is a BatchNorm2d"), (StridedCnn(), "'1' is a BatchNorm2d")]
)
def test_batch_normalisation_is_refused(family: Any, layer: str) -> None:
    data = Part(x=torch.rand(40, 1, 12, 12), y=torch.arange(40) % 3)
    with pytest.raises(IncompatibleDefenses, match=f"layer {layer}.* norm='group'.*without_batch_norm"):
        fit(family, data, classes=3, recipe=RECIPE, protections=[DpSgd()])
    fit(replace(family, norm="group"), data, classes=3, recipe=RECIPE, protections=[DpSgd(noise_multiplier=1.0)])


def test_running_statistics_are_refused() -> None:
    with pytest.raises(IncompatibleDefenses, match="layer '0' is a InstanceNorm2d"):
        DpSgd().check(torch.nn.Sequential(torch.nn.InstanceNorm2d(3, track_running_stats=True)))
    DpSgd().check(torch.nn.Sequential(torch.nn.InstanceNorm2d(3), torch.nn.Dropout()))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epsilon": 0.0}, "epsilon must be above 0"),
        ({"epsilon": -1.0}, "epsilon must be above 0"),
        ({"epsilon": math.nan}, "epsilon must be above 0"),
        ({"epsilon": math.inf}, "epsilon must be above 0 and at most 1000"),
        ({"epsilon": 1e4}, "epsilon must be above 0 and at most 1000"),
        ({"delta": 0.0}, "delta must be above 0 and below 1"),
        ({"delta": 1.0}, "delta must be above 0 and below 1"),
        ({"delta": math.nan}, "delta must be above 0 and below 1"),
        ({"delta": 1 / 256}, r"delta 0.00390625 is not below 1 / 256 rows .* at most 0.0004"),
        ({"clip": 0.0}, "clip must be positive and finite"),
        ({"clip": math.inf}, "clip must be positive and finite"),
        ({"noise_multiplier": -1.0}, "noise_multiplier must be 0"),
        ({"noise_multiplier": 0.01}, "noise_multiplier must be 0"),
        ({"noise_multiplier": math.nan}, "noise_multiplier must be 0"),
        ({"accountant": "gdp"}, "accountant must be prv or rdp, got 'gdp'"),
        ({"joined": "beside"}, "joined must be inside or outside, got 'beside'"),
    ],
)
def test_bad_parameters_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit(Mlp(), blobs(), classes=3, recipe=RECIPE, protections=[DpSgd(**values)])


def test_a_missing_opacus_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"opacus is not installed.* pip install 'stealproof\[privacy\]'"):
        fit(Mlp(), blobs(), classes=3, recipe=RECIPE, protections=[DpSgd()])


def test_divergence_is_one_sentence() -> None:
    data = blobs()
    data.x[:200] = 1e30
    with pytest.raises(InputError, match="training diverged at step 0 of 8"):
        fit(Mlp(), data, classes=3, recipe=RECIPE, protections=[replace(QUICK)])


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Part(x=torch.rand(64, 1, 12, 12, generator=torch.Generator().manual_seed(0)), y=torch.arange(64) % 3)
    found = []
    for size in (2**30, 1):
        monkeypatch.setattr(_per_sample_gradients, "BYTES", size)
        found.append(fit(LeNet(width=4), data, classes=3, recipe=RECIPE, protections=[DpSgd(noise_multiplier=1.0)]))
    for one, other in zip(*(model.parameters() for model in found), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
