"""The worst inputs nearby: legal, near, worse than where they start, and looked for without touching the network."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from stealproof.defenses.training import _worst_nearby
from stealproof.defenses.training._worst_nearby import worst_nearby
from stealproof.defenses.training.fast_adversarial_training import FastAdversarialTraining
from stealproof.defenses.training.pgd_training import PgdTraining
from stealproof.defenses.training.trades import Trades
from stealproof.errors import InputError
from stealproof.models.mlp import Mlp
from stealproof.models.strided_cnn import StridedCnn
from stealproof.oracle import Domain
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.training_defense import TrainingDefense, TrainingRun
from stealproof.training.trained import Trained

SHAPE = (1, 8, 8)
RELATIVE = {torch.float32: 2e-7, torch.float64: 1e-15}
"""Rounding of one sum."""


def run_of(domain: Domain, drawn: int, **fields: Any) -> TrainingRun:
    """A run in the middle of its steps."""
    return TrainingRun(
        domain=domain, classes=10, generator=torch.Generator().manual_seed(0), steps=10, drawn=drawn, **fields
    )


def batch_of(domain: Domain, rows: int, dtype: torch.dtype, seed: int = 0) -> Part:
    """Legal inputs, some of them at the edges of the range."""
    draw = torch.Generator().manual_seed(seed)
    share = (1.4 * torch.rand(rows, *domain.shape, generator=draw, dtype=torch.float64) - 0.2).clamp(0, 1)
    x = (domain.low + (domain.high - domain.low) * share).to(dtype)
    return Part(x=x, y=torch.randint(10, (rows,), generator=draw))


def network(dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    """An untrained perceptron."""
    return Mlp(width=16).build(SHAPE, 10, torch.Generator().manual_seed(0)).to(dtype)


ranges = st.tuples(st.floats(-1000, 1000, allow_nan=False), st.floats(0.01, 1000, allow_nan=False)).map(
    lambda pair: Domain(shape=SHAPE, low=pair[0], high=pair[0] + pair[1])
)


@given(
    domain=ranges,
    radius=st.floats(1e-3, 1.0),
    joined=st.sampled_from([0.0, 0.01, 0.5]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    kind=st.sampled_from(["pgd", "rs-fgsm", "n-fgsm"]),
    drawn=st.integers(0, 6),
)
def test_every_input_stays_legal_and_within_its_radius(
    domain: Domain, radius: float, joined: float, dtype: torch.dtype, kind: Any, drawn: int
) -> None:
    batch = batch_of(domain, 6, dtype)
    defense: TrainingDefense = PgdTraining(radius=radius, joined_radius=joined, steps=2)
    if kind != "pgd":
        defense = FastAdversarialTraining(radius=radius, joined_radius=joined, variant=kind)
    made = defense.perturb(network(dtype), batch, run_of(domain, drawn))
    # Noise within two radii and a step of one, for a network that withstands one.
    radii = 3 if kind == "n-fgsm" else 1
    width = domain.high - domain.low
    slack = RELATIVE[dtype] * 4 * max(abs(domain.low), abs(domain.high), width)
    assert made.x.dtype == dtype
    assert made.y is batch.y
    assert domain.low - slack <= float(made.x.min()) <= float(made.x.max()) <= domain.high + slack
    change = (made.x - batch.x).abs().flatten(1).amax(dim=1)
    assert bool((change[:drawn] <= radii * radius * width + slack).all())
    if joined:
        assert bool((change[drawn:] <= radii * joined * width + slack).all())
    else:
        assert torch.equal(made.x[drawn:], batch.x[drawn:])


@pytest.mark.parametrize("defense", [PgdTraining(radius=0.1), FastAdversarialTraining(radius=0.1)])
def test_the_loss_rises_far_above_that_of_random_neighbours(
    defense: TrainingDefense, digits_victim: Trained, digits: Dataset
) -> None:
    part = digits.test.take(slice(0, 200))
    made = defense.perturb(digits_victim.model, part, run_of(digits.domain, len(part)))
    start = worst_nearby(
        digits_victim.model,
        part,
        radius=0.1,
        step=0,
        steps=0,
        low=0.0,
        high=1.0,
        generator=torch.Generator().manual_seed(0),
    )
    with torch.no_grad():
        unchanged, random, found = (
            float(functional.cross_entropy(digits_victim.model(x), part.y)) for x in (part.x, start, made.x)
        )
    assert found > max(unchanged, random) + 0.5


def test_more_steps_find_worse_inputs(digits_victim: Trained, digits: Dataset) -> None:
    part = digits.test.take(slice(0, 200))
    losses = []
    for defense in (FastAdversarialTraining(radius=0.1, variant="rs-fgsm"), PgdTraining(radius=0.1, steps=20)):
        made = defense.perturb(digits_victim.model, part, run_of(digits.domain, len(part)))
        with torch.no_grad():
            losses.append(float(functional.cross_entropy(digits_victim.model(made.x), part.y)))
    assert losses[1] > losses[0]


@pytest.mark.parametrize("defense", [PgdTraining(), FastAdversarialTraining(variant="rs-fgsm")])
def test_what_was_joined_moves_only_within_its_own_radius(defense: Any, digits: Dataset) -> None:
    batch = digits.train.take(slice(0, 20))
    untouched = defense.perturb(network(), batch, run_of(digits.domain, 12))
    assert torch.equal(untouched.x[12:], batch.x[12:])
    assert not torch.equal(untouched.x[:12], batch.x[:12])
    own = replace(defense, joined_radius=0.25).perturb(network(), batch, run_of(digits.domain, 12))
    change = (own.x - batch.x).abs().flatten(1).amax(dim=1)
    assert float(change[:12].max()) <= 8 / 255 + 1e-6
    assert 0.2 < float(change[12:].min()) <= float(change[12:].max()) <= 0.25 + 1e-6


@pytest.mark.parametrize("defense", [PgdTraining(), FastAdversarialTraining()])
def test_an_empty_draw_of_a_private_run_is_no_error(defense: Any, digits: Dataset) -> None:
    for joined in (0, 3):
        batch = digits.train.take(slice(0, joined))
        assert torch.equal(defense.perturb(network(), batch, run_of(digits.domain, 0)).x, batch.x)
    batch, logits = digits.train.take(slice(0, 3)), torch.zeros(3, 10)
    assert Trades().penalty(network(), batch, logits, run_of(digits.domain, 0)) is None


@pytest.mark.parametrize("defense", [PgdTraining(radius=0.2), FastAdversarialTraining(radius=0.2), Trades(radius=0.2)])
@pytest.mark.parametrize("bfloat16", [False, True])
def test_modes_statistics_gradients_and_the_batch_stay_as_they_are(
    defense: TrainingDefense, bfloat16: bool, digits: Dataset
) -> None:
    model = StridedCnn(widths=(4, 4)).build(SHAPE, 10, torch.Generator().manual_seed(0)).train()
    frozen = next(module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)).eval()
    batch = digits.train.take(slice(0, 16))
    inputs = batch.x.clone()
    run = run_of(digits.domain, 16, bfloat16=bfloat16)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    if isinstance(defense, Trades):
        # The two passes of the training itself, of clean and of worst inputs, do change them.
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 0.0
        before = {name: value for name, value in before.items() if not name.endswith("num_batches_tracked")}
        assert defense.penalty(model, batch, model(batch.x), run) is not None
    else:
        made = defense.perturb(model, batch, run)
        assert made.x.dtype == torch.float32
        assert not made.x.requires_grad
    assert model.training
    assert not frozen.training
    assert all(weight.grad is None and weight.requires_grad for weight in model.parameters())
    assert torch.equal(batch.x, inputs)
    for name, value in before.items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_no_row_sways_the_neighbour_of_another(digits: Dataset) -> None:
    """What privacy by per-row gradients rests on: the perturbation is a function of the row, the model and noise."""
    model = StridedCnn(widths=(4, 4)).build(SHAPE, 10, torch.Generator().manual_seed(0)).train()
    one, two = digits.train.take(slice(0, 4)), digits.train.take(slice(4, 8))
    mixed = Part(x=torch.cat([one.x[:2], two.x[2:]]), y=torch.cat([one.y[:2], two.y[2:]]))
    for defense in (PgdTraining(), FastAdversarialTraining()):
        alone = defense.perturb(model, one, run_of(digits.domain, 4)).x
        together = defense.perturb(model, mixed, run_of(digits.domain, 4)).x
        assert torch.equal(alone[:2], together[:2])


def test_distributions_as_targets_do_the_same_as_labels(digits: Dataset) -> None:
    hard = digits.train.take(slice(0, 20))
    soft = Part(x=hard.x, y=functional.one_hot(hard.y, 10).float())
    for defense in (PgdTraining(), FastAdversarialTraining()):
        one, other = (defense.perturb(network(), part, run_of(digits.domain, 20)) for part in (hard, soft))
        assert torch.allclose(one.x, other.x, atol=1e-6)
        assert other.y is soft.y


def test_columns_of_listed_values_stay_as_they_are() -> None:
    domain = Domain(shape=(5,), low=0.0, high=1.0, levels={1: (0.0, 1.0), 4: (0.0, 0.5, 1.0)})
    batch = batch_of(domain, 8, torch.float32)
    model = Mlp(width=8).build((5,), 10, torch.Generator().manual_seed(0))
    for defense in (PgdTraining(radius=0.2), FastAdversarialTraining(radius=0.2)):
        made = defense.perturb(model, batch, run_of(domain, 8))
        moved = (made.x != batch.x).any(dim=0)
        assert moved.tolist() == [True, False, True, True, False]


BAD = [
    ({"radius": 0.0}, "radius of {name} must be above 0 and at most 1.* range \\[0, 1\\], got 0"),
    ({"radius": -0.1}, "got -0.1"),
    ({"radius": 1.5}, "got 1.5"),
    ({"radius": math.nan}, "got nan"),
    ({"joined_radius": -0.5}, "joined_radius of {name} must be from 0 to 1.* range \\[0, 1\\], got -0.5"),
    ({"joined_radius": 2.0}, "got 2"),
    ({"step": -1.0}, "step of {name} must be from 0 to 1.*got -1"),
]


@pytest.mark.parametrize("defense", [PgdTraining, Trades, FastAdversarialTraining])
@pytest.mark.parametrize(("fields", "message"), BAD)
def test_bad_parameters_are_named(defense: Any, fields: dict[str, float], message: str, digits: Dataset) -> None:
    with pytest.raises(InputError, match=message.format(name=defense.name())):
        defense(**fields).prepare(digits.train, run_of(digits.domain, 0))


@pytest.mark.parametrize("defense", [PgdTraining(steps=0), Trades(steps=0), PgdTraining(steps=1001)])
def test_steps_are_counted(defense: TrainingDefense, digits: Dataset) -> None:
    with pytest.raises(InputError, match="must be from 1 to 1000, got"):
        defense.prepare(digits.train, run_of(digits.domain, 0))


def test_the_single_step_is_taken_in_one_of_two_ways(digits: Dataset) -> None:
    wrong: Any = "fgsm"
    with pytest.raises(InputError, match="must be n-fgsm or rs-fgsm, got 'fgsm'"):
        FastAdversarialTraining(variant=wrong).prepare(digits.train, run_of(digits.domain, 0))


@pytest.mark.parametrize("beta", [-1.0, math.inf, math.nan])
def test_beta_is_a_weight(beta: float, digits: Dataset) -> None:
    with pytest.raises(InputError, match="beta of trades must be finite and at least 0"):
        Trades(beta=beta).prepare(digits.train, run_of(digits.domain, 0))


@pytest.mark.parametrize("defense", [PgdTraining(), Trades(), FastAdversarialTraining()])
def test_a_range_needs_two_ends_and_something_to_move(defense: TrainingDefense, digits: Dataset) -> None:
    for low, high in ((0.0, math.inf), (-math.inf, math.inf)):
        domain = Domain(shape=SHAPE, low=low, high=high)
        with pytest.raises(InputError, match=f"{defense.name()} needs inputs between bounds"):
            defense.prepare(digits.train, run_of(domain, 0))
    listed = Domain(shape=(1,), low=0.0, high=1.0, levels={0: (0.0, 1.0)})
    with pytest.raises(InputError, match="moves continuous columns, but all 1 only take listed values"):
        defense.prepare(digits.train, run_of(listed, 0))


def test_it_is_no_system_of_the_catalog() -> None:
    assert _worst_nearby.__name__.rpartition(".")[2].startswith("_")
