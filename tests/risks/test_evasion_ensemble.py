"""The ensemble against exact answers, its members, and networks that hide their gradients."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from stealproof.errors import InputError
from stealproof.inputs.data import open_data
from stealproof.oracle import Domain
from stealproof.risks._apgd import _checkpoints, climb
from stealproof.risks._attacked import Attacked, Ball
from stealproof.risks._margins import ratio_of_differences, ratio_to_target, soft_margin
from stealproof.risks._square import _columns, _share, _squares, search
from stealproof.risks.evasion import Evasion
from stealproof.risks.evasion_ensemble import EvasionEnsemble
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.risk import Measurement
from stealproof.training.trained import Trained

QUICK = EvasionEnsemble(radius=0.1, steps=20, targets=3, queries=100, rows=120)


class Image(torch.nn.Module):
    """A linear network of images (1, 4, 3)."""

    def __init__(self, classes: int, seed: int = 0) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(classes, 12, generator=torch.Generator().manual_seed(seed)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x.flatten(1) - 0.5, self.weight)


class Steps(torch.nn.Module):
    """A network whose answers go through a staircase: the same classes, and no gradient anywhere."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.inner(x)
        return (logits * 20).round() / 20


def data_of(model: torch.nn.Module, shape: tuple[int, ...] = (1, 4, 3), rows: int = 150) -> Dataset:
    x = torch.rand(rows, *shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits = model(x)
    part = Part(x=x, y=logits.argmax(dim=1))
    return Dataset(name="line", classes=logits.shape[1], domain=Domain(shape=shape), parts={"test": part})


def exactly_robust(model: Image, part: Part, radius: float) -> float:
    """Share of the rows that no change of at most ``radius`` inside 0..1 moves to another class: corner by corner."""
    weight, x = model.weight.detach(), part.x.flatten(1)
    robust = torch.ones(len(x), dtype=torch.bool)
    for other in range(len(weight)):
        away = weight[other] - weight[part.y]
        gap = (away * ((x + radius * away.sign()).clamp(0, 1) - 0.5)).sum(dim=1)
        robust &= (gap < 0) | (part.y == other)
    return robust.float().mean().item()


def values(found: Measurement) -> dict[str, float]:
    return {name: estimate.value for name, estimate in found.estimates.items()}


class TestAgainstTheExactAnswer:
    @pytest.mark.parametrize("classes", [2, 3, 5])
    @pytest.mark.parametrize("radius", [0.03, 0.1])
    def test_gradient_members_reach_it(self, classes: int, radius: float) -> None:
        model = Image(classes)
        data = data_of(model)
        found = values(EvasionEnsemble(radius=radius, steps=50, queries=0).measure(model, data))
        truth = exactly_robust(model, data.test, radius)
        assert found["robust_accuracy"] == pytest.approx(truth, abs=1e-6)
        assert truth - 1e-6 <= found["after_apgd_ce"] <= truth + 0.05
        assert ("after_apgd_dlr" in found) == (classes > 2)

    def test_the_square_attack_reaches_it_without_gradients(self) -> None:
        model = Image(3)
        data = data_of(model)
        risk = EvasionEnsemble(radius=0.1, steps=1, targets=0, queries=300, separately=True)
        truth = exactly_robust(model, data.test, 0.1)
        assert truth - 1e-6 <= values(risk.measure(model, data))["alone_square"] <= truth + 0.02

    def test_without_images_it_changes_columns(self) -> None:
        model = Image(3)
        data = data_of(model, shape=(12,))
        risk = EvasionEnsemble(radius=0.1, steps=1, targets=0, queries=300, separately=True)
        truth = exactly_robust(model, data.test, 0.1)
        assert truth - 1e-6 <= values(risk.measure(model, data))["alone_square"] <= truth + 0.02


class TestPapersSchedules:
    def test_checkpoints_of_a_hundred_steps(self) -> None:
        assert [c for c in _checkpoints(100) if c <= 100] == [22, 41, 57, 70, 80, 87, 93, 99]

    def test_squares_shrink_by_halves(self) -> None:
        shares = [_share(query, 10_000) for query in (1, 10, 11, 50, 51, 201, 8000, 8001)]
        assert shares == [0.8, 0.8, 0.4, 0.4, 0.2, 0.1, 0.8 / 256, 0.8 / 512]
        assert _share(4001, 5000) == 0.8 / 512

    def test_squares_and_columns_are_of_the_asked_size(self) -> None:
        generator = torch.Generator().manual_seed(0)
        inside = _squares(torch.zeros(50, 3, 10, 8), 0.2, generator)
        assert inside.shape == (50, 1, 10, 8)
        assert inside.flatten(1).sum(dim=1).unique().tolist() == [16]
        assert _squares(torch.zeros(1, 1, 4, 40), 0.8, generator).sum() == 16
        assert _columns(torch.zeros(9, 20), 0.25, generator).sum(dim=1).unique().tolist() == [5]

    def test_ratios_forget_the_scale_of_logits(self) -> None:
        logits = torch.randn(30, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        y, goal = torch.arange(30) % 5, (torch.arange(30) + 2) % 5
        assert torch.allclose(ratio_of_differences(logits, y), ratio_of_differences(1e4 * logits + 3, y))
        assert torch.allclose(ratio_to_target(logits, y, goal), ratio_to_target(1e4 * logits + 3, y, goal))
        # By hand: sorted 4, 2, 1, 0; true class 2 of logit 1.
        row = torch.tensor([[2.0, 4.0, 1.0, 0.0]])
        assert ratio_of_differences(row, torch.tensor([2])).item() == pytest.approx((4 - 1) / (4 - 1))
        assert ratio_to_target(row, torch.tensor([2]), torch.tensor([0])).item() == pytest.approx(1 / (4 - 0.5))


class TestSearches:
    @settings(max_examples=25)
    @given(radius=st.floats(0.001, 1.0), tries=st.integers(1, 12), seed=st.integers(0, 1000), low=st.floats(-2, 0))
    def test_stay_in_the_ball_and_in_the_legal_range(self, radius: float, tries: int, seed: int, low: float) -> None:
        generator = torch.Generator().manual_seed(seed)
        domain = Domain(shape=(1, 4, 3), low=low, high=low + 1)
        x = low + torch.rand(8, 1, 4, 3, generator=generator)
        model, y = Image(4, seed), torch.randint(0, 4, (8,), generator=generator)
        network, ball = Attacked(model), Ball.around(x, radius, domain)
        reached = [
            search(network, x, y, ball, queries=tries, generator=generator),
            climb(network, x, y, ball, loss=soft_margin, radius=radius, steps=tries, generator=generator),
            climb(network, x, y, ball, loss=ratio_of_differences, radius=radius, steps=tries, generator=generator),
        ]
        for at, standing in reached:
            assert float((at - x).abs().max()) <= radius + 1e-6
            assert float(at.min()) >= domain.low - 1e-6
            assert float(at.max()) <= domain.high + 1e-6
            with torch.no_grad():
                assert torch.equal(model(at).argmax(dim=1) == y, standing)

    def test_ascent_ends_no_lower_than_plain_steps(self, digits_victim: Trained, digits: Dataset) -> None:
        network, part = Attacked(digits_victim.model), digits.test.take(slice(150))
        ball = Ball.around(part.x, 0.02, digits.domain)
        generator = torch.Generator().manual_seed(0)
        at, standing = climb(
            network, part.x, part.y, ball, loss=soft_margin, radius=0.02, steps=50, generator=generator
        )
        reached = soft_margin(network.logits(at), part.y)[standing]
        x = part.x.clone()
        for _ in range(50):
            x = ball.nearest(x + 0.001 * network.uphill(x, part.y, soft_margin)[1].sign())
        plain = soft_margin(network.logits(x), part.y)[standing]
        assert float((reached - plain).mean()) > -1e-3


class TestEnsemble:
    @pytest.mark.parametrize("separately", [False, True])
    def test_is_no_better_than_any_member(self, separately: bool, digits_victim: Trained, digits: Dataset) -> None:
        found = values(replace(QUICK, separately=separately).measure(digits_victim, digits))
        assert all(found["robust_accuracy"] <= value for value in found.values())
        assert found["robust_accuracy"] == found["after_square"] <= found["after_apgd_dlr"] <= found["after_apgd_ce"]
        assert ("alone_square" in found) == separately

    def test_is_no_weaker_than_pgd(self, digits_victim: Trained, digits: Dataset) -> None:
        plain = values(Evasion(radius=0.1, restarts=1).measure(digits_victim, digits))["robust_accuracy"]
        assert values(EvasionEnsemble(radius=0.1, queries=0).measure(digits_victim, digits))["robust_accuracy"] <= plain

    def test_trusts_an_honest_network(self, digits_victim: Trained, digits: Dataset) -> None:
        details = QUICK.measure(digits_victim, digits).details
        assert not details["gradients_masked"]
        assert details["remark"] == ""
        assert details["without_gradient"] == 0

    def test_catches_a_staircase(self, digits_victim: Trained, digits: Dataset) -> None:
        masked = Steps(digits_victim.model)
        fooled = values(Evasion(radius=0.1, rows=120, restarts=2).measure(masked, digits))
        found = QUICK.measure(masked, digits)
        assert fooled["robust_accuracy"] > values(found)["robust_accuracy"] + 0.2
        assert found.details["gradients_masked"]
        assert found.details["fell"]["square"] > 20
        assert found.details["without_gradient"] == 120 - found.details["wrong_unchanged"]
        assert found.details["remark"].startswith("gradients are masked: ")

    def test_attacks_what_has_no_gradient_at_all(self) -> None:
        class Tree(torch.nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return functional.one_hot((x.flatten(1)[:, 0] > 0.5).long(), 2).float()

        found = replace(QUICK, radius=0.6).measure(Tree(), data_of(Tree()))
        assert values(found)["robust_accuracy"] == 0
        assert found.details["gradients_masked"]

    def test_keeps_to_the_precision_of_tables(self) -> None:
        iris = open_data("iris")
        model = torch.nn.Linear(4, 3).double()
        found = values(replace(QUICK, radius=1.0).measure(model, iris))
        assert found["robust_accuracy"] <= found["accuracy"]

    def test_refuses_counts_below_their_least(self, digits_victim: Trained, digits: Dataset) -> None:
        for name, least in {"steps": 1, "targets": 0, "queries": 0, "rows": 1}.items():
            with pytest.raises(InputError, match=f"{name} must be at least {least} for evasion_ensemble, got -1"):
                EvasionEnsemble.make({name: -1}).measure(digits_victim, digits)
        with pytest.raises(InputError, match="radius must be above 0"):
            replace(QUICK, radius=0.0).measure(digits_victim, digits)
