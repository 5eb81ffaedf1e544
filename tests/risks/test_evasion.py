"""PGD against what is known exactly of a linear network, and what the number must obey on a real one."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from stealproof.errors import InputError, InvalidData
from stealproof.models.decision_tree import DecisionTree
from stealproof.models.lenet import LeNet
from stealproof.oracle import Domain
from stealproof.risks._attacked import Attacked, Ball
from stealproof.risks._margins import soft_margin
from stealproof.risks._pgd import descend
from stealproof.risks.evasion import Evasion
from stealproof.roles.dataset import Dataset, Part
from stealproof.training.trained import Trained, train

LEGAL = Domain(shape=(12,))


def linear(classes: int = 2, *, seed: int = 0) -> torch.nn.Linear:
    """A linear network of 12 inputs without bias but for the centre of the legal range."""
    layer = torch.nn.Linear(12, classes)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(classes, 12, generator=generator))
        layer.bias.copy_(-layer.weight.sum(dim=1) / 2)
    return layer


def exactly_robust(layer: torch.nn.Linear, x: torch.Tensor, y: torch.Tensor, radius: float) -> torch.Tensor:
    """Rows that no change of at most ``radius`` inside 0..1 moves to another class: corner by corner."""
    weight, bias = (t.detach() for t in layer.parameters())
    robust = torch.ones(len(x), dtype=torch.bool)
    for other in range(len(weight)):
        away = weight[other] - weight[y]
        worst = (x + radius * away.sign()).clamp(0, 1)
        gap = (away * worst).sum(dim=1) + bias[other] - bias[y]
        robust &= (gap < 0) | (y == other)
    return robust


def labelled_by(layer: torch.nn.Module, rows: int = 400, *, seed: int = 1) -> Dataset:
    x = torch.rand(rows, 12, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        logits = layer(x)
    return Dataset(name="line", classes=logits.shape[1], domain=LEGAL, parts={"test": Part(x=x, y=logits.argmax(1))})


def robust(risk: Evasion, model: object, data: Dataset, seed: int = 0) -> float:
    return risk.measure(model, data, seed=seed).estimates["robust_accuracy"].value


class TestAgainstTheExactAnswer:
    @pytest.mark.parametrize("radius", [0.02, 0.05, 0.1, 0.3])
    def test_two_classes_are_reached_exactly(self, radius: float) -> None:
        layer = linear()
        data = labelled_by(layer)
        truth = exactly_robust(layer, data.test.x, data.test.y, radius).float().mean().item()
        assert robust(Evasion(radius=radius, restarts=1), layer, data) == pytest.approx(truth, abs=1e-6)

    @pytest.mark.parametrize("radius", [0.02, 0.05, 0.1])
    def test_five_classes_are_nearly_reached_by_the_margin(self, radius: float) -> None:
        layer = linear(5)
        data = labelled_by(layer)
        truth = exactly_robust(layer, data.test.x, data.test.y, radius).float().mean().item()
        assert truth - 1e-6 <= robust(Evasion(radius=radius, loss="margin"), layer, data) <= truth + 0.02
        # The cross-entropy of an unsure network rises also where several classes gain and none wins.
        assert truth - 1e-6 <= robust(Evasion(radius=radius), layer, data) <= truth + 0.05

    def test_a_very_sure_network_hides_nothing(self) -> None:
        layer, sure = linear(5), linear(5)
        with torch.no_grad():
            for weights in sure.parameters():
                weights.mul_(1e5)
        data = labelled_by(layer)
        truth = exactly_robust(layer, data.test.x, data.test.y, 0.05).float().mean().item()
        assert truth - 1e-6 <= robust(Evasion(radius=0.05), sure, data) <= truth + 0.01

    def test_the_radius_is_a_share_of_the_legal_range(self) -> None:
        layer = linear()
        data = labelled_by(layer)
        wide = torch.nn.Linear(12, 2)
        with torch.no_grad():
            wide.weight.copy_(layer.weight / 4)
            wide.bias.copy_(layer.bias + layer.weight.sum(dim=1) / 4)
        stretched = replace(
            data,
            domain=Domain(shape=(12,), low=-1.0, high=3.0),
            parts={"test": Part(x=data.test.x * 4 - 1, y=data.test.y)},
        )
        assert robust(Evasion(radius=0.05), wide, stretched) == pytest.approx(
            robust(Evasion(radius=0.05), layer, data), abs=0.003
        )


class TestMargin:
    def test_points_where_the_cross_entropy_points(self) -> None:
        logits = torch.randn(50, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        y = torch.arange(50) % 6
        one, two = (logits.clone().requires_grad_() for _ in range(2))
        functional.cross_entropy(one, y, reduction="sum").backward()
        soft_margin(two, y).sum().backward()
        assert one.grad is not None
        assert two.grad is not None
        assert torch.allclose(functional.normalize(one.grad), functional.normalize(two.grad))

    def test_is_the_log_odds(self) -> None:
        logits, y = torch.randn(20, 4, generator=torch.Generator().manual_seed(1)), torch.arange(20) % 4
        expected = functional.cross_entropy(logits, y, reduction="none")
        assert torch.allclose(functional.softplus(soft_margin(logits, y)), expected, atol=1e-6)


class TestWalk:
    @settings(max_examples=30)
    @given(
        radius=st.floats(0.001, 1.0),
        steps=st.integers(1, 6),
        step=st.floats(0.0, 2.0),
        seed=st.integers(0, 1000),
        low=st.floats(-2, 0),
    )
    def test_stays_in_the_ball_and_in_the_legal_range(
        self, radius: float, steps: int, step: float, seed: int, low: float
    ) -> None:
        generator = torch.Generator().manual_seed(seed)
        domain = Domain(shape=(12,), low=low, high=low + 1)
        x = low + torch.rand(8, 12, generator=generator).clamp(0, 1)
        layer = linear(3, seed=seed)
        y = torch.randint(0, 3, (8,), generator=generator)
        at, standing = descend(
            Attacked(layer), x + 3 * radius, y, Ball.around(x, radius, domain), loss=soft_margin, steps=steps, step=step
        )
        assert float((at - x).abs().max()) <= radius + 1e-6
        assert float(at.min()) >= domain.low - 1e-6
        assert float(at.max()) <= domain.high + 1e-6
        with torch.no_grad():
            assert torch.equal(layer(at).argmax(dim=1) == y, standing)

    def test_rounded_gradients_decide_no_fall(self) -> None:
        generator = torch.Generator().manual_seed(0)
        x = torch.rand(60, 1, 14, 14, generator=generator)
        network = LeNet(width=4, hidden=8).build((1, 14, 14), 4, generator).eval()
        with torch.no_grad():
            y = network(x).argmax(dim=1)
        ball = Ball.around(x, 0.1, Domain(shape=(1, 14, 14)))
        at, standing = descend(Attacked(network, rounded=True), x, y, ball, loss=soft_margin, steps=20, step=0.05)
        with torch.no_grad():
            assert torch.equal(network(at).argmax(dim=1) == y, standing)
        assert 0 < int(standing.sum()) < 60

    def test_listed_values_stay(self) -> None:
        x = torch.rand(4, 12, generator=torch.Generator().manual_seed(0))
        ball = Ball.around(x, 0.3, Domain(shape=(12,), levels={2: (0.0, 1.0), 5: (0.0, 1.0)}))
        at, _ = descend(
            Attacked(linear()), x, torch.zeros(4, dtype=torch.int64), ball, loss=soft_margin, steps=3, step=0.1
        )
        assert torch.equal(at[:, [2, 5]], x[:, [2, 5]])


class TestOnDigits:
    def test_a_plain_network_falls(self, digits_victim: Trained, digits: Dataset) -> None:
        found = Evasion(radius=0.3).measure(digits_victim, digits)
        assert found.estimates["accuracy"].value == digits_victim.accuracy(digits.test).value
        assert found.estimates["robust_accuracy"].value < 0.05
        assert found.details["fell"][0] > 400

    def test_falls_further_with_radius_and_restarts(self, digits_victim: Trained, digits: Dataset) -> None:
        by_radius = [robust(Evasion(radius=r, restarts=2), digits_victim, digits) for r in (1e-6, 0.02, 0.05, 0.1, 0.2)]
        assert by_radius == sorted(by_radius, reverse=True)
        by_restarts = [robust(Evasion(radius=0.1, steps=5, restarts=n), digits_victim, digits) for n in (1, 2, 5, 10)]
        assert by_restarts == sorted(by_restarts, reverse=True)
        assert by_radius[0] == digits_victim.accuracy(digits.test).value

    def test_a_bare_network_gives_the_same(self, digits_victim: Trained, digits: Dataset) -> None:
        risk = Evasion(radius=0.1, rows=50, restarts=1)
        assert risk.measure(digits_victim.model, digits, seed=4) == risk.measure(digits_victim, digits, seed=4)

    def test_other_seeds_draw_other_rows(self, digits_victim: Trained, digits: Dataset) -> None:
        values = {robust(Evasion(radius=0.1, rows=40, restarts=1), digits_victim, digits, seed) for seed in range(6)}
        assert len(values) > 1

    def test_convolutions_and_a_fixed_step_work(self) -> None:
        generator = torch.Generator().manual_seed(0)
        part = Part(x=torch.rand(20, 1, 14, 14, generator=generator), y=torch.arange(20) % 4)
        data = Dataset(name="noise", classes=4, domain=Domain(shape=(1, 14, 14)), parts={"test": part})
        network = LeNet(width=4, hidden=8).build((1, 14, 14), 4, generator)
        found = Evasion(radius=0.1, steps=3, step=0.05, restarts=1).measure(network, data)
        assert 0 <= found.estimates["robust_accuracy"].value <= found.estimates["accuracy"].value

    def test_a_network_that_answers_at_random_is_noticed(self, digits_victim: Trained, digits: Dataset) -> None:
        class Noisy(torch.nn.Module):
            def __init__(self, inner: torch.nn.Module) -> None:
                super().__init__()
                self.inner = inner

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                logits: torch.Tensor = self.inner(x + 0.01 * torch.randn_like(x))
                return logits

        noisy = Noisy(digits_victim.model)
        risk = Evasion(rows=50, restarts=1)
        one, two = (risk.measure(noisy, digits, seed=1) for _ in range(2))
        assert one == two
        assert one.details["randomized"]
        assert not risk.measure(digits_victim, digits).details["randomized"]


class TestBadInput:
    @pytest.mark.parametrize("radius", [0.0, -0.1, 1.5, math.nan, math.inf])
    def test_radius(self, radius: float, digits_victim: Trained, digits: Dataset) -> None:
        with pytest.raises(InputError, match=r"radius must be above 0 and at most 1, .* got"):
            Evasion(radius=radius).measure(digits_victim, digits)

    def test_counts_and_step(self, digits_victim: Trained, digits: Dataset) -> None:
        for name in ("steps", "restarts", "rows"):
            with pytest.raises(InputError, match=f"{name} must be at least 1 for evasion, got 0"):
                Evasion.make({name: 0}).measure(digits_victim, digits)
        with pytest.raises(InputError, match=r"step must lie between 0 and 1, .* got nan"):
            Evasion(step=math.nan).measure(digits_victim, digits)

    def test_inputs_without_bounds(self, digits_victim: Trained, digits: Dataset) -> None:
        open_ended = replace(digits, domain=Domain(shape=(1, 8, 8), low=-math.inf, high=math.inf))
        with pytest.raises(InputError, match=r"evasion needs inputs between bounds, .* got \[-inf, inf\]"):
            Evasion().measure(digits_victim.model, open_ended)

    def test_only_listed_values(self) -> None:
        layer = linear()
        listed = {column: (0.0, 1.0) for column in range(12)}
        data = replace(labelled_by(layer), domain=Domain(shape=(12,), levels=listed))
        with pytest.raises(InputError, match="all 12 only take listed values"):
            Evasion().measure(layer, data)

    def test_what_is_no_network(self, digits_victim: Trained, digits: Dataset) -> None:
        tree = train(DecisionTree(), digits)
        with pytest.raises(InputError, match=r"evasion needs a network .* got DecisionTreeClassifier"):
            Evasion().measure(tree, digits)
        with pytest.raises(InputError, match=r"evasion needs a network .* got ModuleOracle"):
            Evasion().measure(digits_victim.oracle(), digits)

    def test_answers_without_gradients(self) -> None:
        class Tree(torch.nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return functional.one_hot((x[:, 0] > 0.5).long(), 2).float()

        with pytest.raises(InputError, match="answers have none; use evasion_ensemble"):
            Evasion().measure(Tree(), labelled_by(Tree()))

    def test_data_that_do_not_fit(self, digits_victim: Trained, digits: Dataset) -> None:
        def with_test(part: Part) -> Dataset:
            return replace(digits, parts={"test": part})

        soft = with_test(Part(x=digits.test.x, y=functional.one_hot(digits.test.y, 10).float()))
        with pytest.raises(InvalidData, match=r"one label for each row, got targets of shape \(449, 10\)"):
            Evasion().measure(digits_victim, soft)
        with pytest.raises(InvalidData, match="needs at least 1 test row, got none"):
            Evasion().measure(digits_victim, with_test(digits.test.take(slice(0))))
        flat = with_test(Part(x=digits.test.x.flatten(1), y=digits.test.y))
        with pytest.raises(InvalidData, match=r"expected rows of shape \(1, 8, 8\), got \(64,\)"):
            Evasion().measure(digits_victim, flat)
        beyond = with_test(Part(x=digits.test.x, y=digits.test.y + 5))
        with pytest.raises(InvalidData, match=r"logits for at least 15 classes, got answers of shape \(449, 10\)"):
            Evasion().measure(digits_victim, beyond)

    def test_a_broken_network(self, digits: Dataset) -> None:
        class Broken(torch.nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return x.flatten(1)[:, :10] * float(np.nan)

        with pytest.raises(InputError, match="NaN or infinity"):
            Evasion().measure(Broken(), digits)


def test_a_network_that_is_always_wrong_has_nothing_to_lose() -> None:
    layer = linear()
    data = labelled_by(layer)
    wrong = replace(data, parts={"test": Part(x=data.test.x, y=1 - data.test.y)})
    found = Evasion().measure(layer, wrong)
    assert found.estimates["robust_accuracy"].value == found.estimates["accuracy"].value == 0
    assert found.details["fell"] == []
