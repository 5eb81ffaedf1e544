"""Outlier removal: Shapley values by their definition, outliers found, classes kept, nonsense refused."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stealproof.defenses.training import _shapley
from stealproof.defenses.training._shapley import shapley_values
from stealproof.defenses.training._splits import halves
from stealproof.defenses.training.outlier_removal import OutlierRemoval
from stealproof.errors import IncompatibleDefenses, InputError, InvalidData
from stealproof.measures.roc import area_under_curve
from stealproof.models.mlp import Mlp
from stealproof.oracle import Domain
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.training_defense import TrainingDefense, TrainingRun, check_composition
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def run(classes: int = 10, seed: int = 0) -> TrainingRun:
    return TrainingRun(domain=Domain(shape=(1, 8, 8)), classes=classes, generator=generator(seed))


def by_definition(x: torch.Tensor, labels: torch.Tensor, point: torch.Tensor, truth: int, k: int) -> list[float]:
    """Each row's marginal gain, averaged over all subsets of the others with the weights of Shapley (1953)."""
    n = len(x)
    distances = (x - point).square().sum(dim=1)

    def earned(subset: tuple[int, ...]) -> float:
        nearest = sorted(subset, key=lambda row: float(distances[row]))[:k]
        return sum(int(labels[row]) == truth for row in nearest) / k

    values = []
    for row in range(n):
        others = [other for other in range(n) if other != row]
        values.append(
            sum(
                (earned((*subset, row)) - earned(subset)) / (n * math.comb(n - 1, size))
                for size in range(n)
                for subset in itertools.combinations(others, size)
            )
        )
    return values


@given(
    n=st.integers(1, 7), k=st.integers(1, 9), classes=st.integers(1, 3), points=st.integers(1, 3), seed=st.integers(0)
)
def test_shapley_values_are_those_of_the_definition(n: int, k: int, classes: int, points: int, seed: int) -> None:
    draw = generator(seed % 2**63)
    x, tested = torch.randn(n, 2, generator=draw), torch.randn(points, 2, generator=draw)
    labels, truth = (torch.randint(classes, (size,), generator=draw) for size in (n, points))
    expected = torch.tensor(
        [by_definition(x, labels, point, int(label), k) for point, label in zip(tested, truth, strict=True)],
        dtype=torch.float64,
    ).mean(dim=0)
    torch.testing.assert_close(shapley_values(x, labels, tested, truth, k=k), expected)


def test_shapley_values_sum_to_what_all_rows_earn_however_they_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    x, points = torch.randn(200, 3, generator=generator(1)), torch.randn(50, 3, generator=generator(2))
    labels, truth = (points_[:, 0] > 0 for points_ in (x, points))
    values = shapley_values(x, labels.long(), points, truth.long(), k=5)
    near = torch.cdist(points, x).argsort(dim=1)[:, :5]
    assert float(values.sum()) == pytest.approx(float((labels[near] == truth[:, None]).double().mean()))
    monkeypatch.setattr(_shapley, "ENTRIES", 1000)
    torch.testing.assert_close(shapley_values(x, labels.long(), points, truth.long(), k=5), values)


@pytest.mark.parametrize(
    "defense",
    [
        OutlierRemoval(method="shapley"),
        OutlierRemoval(method="shapley", space="network"),
        OutlierRemoval(method="loss"),
        OutlierRemoval(method="knn"),
        OutlierRemoval(method="knn", space="network"),
    ],
    ids=lambda defense: f"{defense.method}-{defense.space}",
)
class TestWhatIsFound:
    def test_wrong_labels(self, defense: OutlierRemoval, digits: Dataset) -> None:
        data = digits.train.take(slice(0, 600))
        wrong = torch.rand(len(data), generator=generator(1)) < 0.1
        shift = torch.randint(1, 10, (len(data),), generator=generator(2))
        flipped = Part(x=data.x, y=torch.where(wrong, (data.y + shift) % 10, data.y))
        scores = defense.scores(flipped, classes=10, generator=generator())
        assert area_under_curve(scores[wrong].tolist(), scores[~wrong].tolist()).low > 0.8

    def test_far_rows(self, defense: OutlierRemoval, digits: Dataset) -> None:
        data = digits.train.take(slice(0, 600))
        far = torch.rand(len(data), generator=generator(1)) < 0.05
        noise = torch.rand(data.x.shape, generator=generator(2), dtype=data.x.dtype)
        strange = Part(x=torch.where(far[:, None, None, None], noise, data.x), y=data.y)
        scores = defense.scores(strange, classes=10, generator=generator())
        assert area_under_curve(scores[far].tolist(), scores[~far].tolist()).low > 0.7


def test_the_oddest_rows_go_and_the_others_keep_their_order(digits: Dataset) -> None:
    data = digits.train.take(slice(0, 200))
    defense = OutlierRemoval(share=0.25)
    kept = defense.prepare(data, run())
    scores = defense.scores(data, classes=10, generator=generator())
    expected = data.take(scores.argsort(descending=True, stable=True)[50:].sort().values)
    assert len(kept) == 150
    assert torch.equal(kept.x, expected.x)
    assert torch.equal(kept.y, expected.y)
    assert OutlierRemoval(share=0.0).prepare(data, run()) is data


def test_distributions_are_judged_by_their_largest_class(digits: Dataset) -> None:
    data = digits.train.take(slice(0, 200))
    soft = Part(x=data.x, y=torch.nn.functional.one_hot(data.y, 10).float())
    for method in ("shapley", "knn"):
        defense = OutlierRemoval(method=method)
        assert torch.equal(defense.prepare(soft, run()).y.argmax(dim=1), defense.prepare(data, run()).y)
    assert len(OutlierRemoval(method="loss").prepare(soft, run())) == 180


def test_halves_share_every_class_evenly() -> None:
    labels = torch.tensor([0] * 7 + [1] * 4 + [2])
    first, second = halves(labels, generator())
    assert sorted([*first.tolist(), *second.tolist()]) == list(range(12))
    counts = [labels[half].bincount(minlength=3) for half in (first, second)]
    assert int((counts[0] - counts[1]).abs().max()) <= 1


def test_a_class_that_would_vanish_is_named() -> None:
    x = torch.cat([torch.zeros(40, 2), torch.full((1, 2), 5.0)])
    data = Part(x=x, y=torch.tensor([0] * 40 + [1]))
    with pytest.raises(InputError, match=r"would drop every row of class 1 \(1 of 41 rows\); lower share \(now 0.05\)"):
        OutlierRemoval(share=0.05, method="knn").prepare(data, run(2))


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_an_impossible_share_is_refused(share: float, digits: Dataset) -> None:
    with pytest.raises(InputError, match="share of outlier_removal must be at least 0 and below 1, got"):
        OutlierRemoval(share=share).prepare(digits.train, run())


@pytest.mark.parametrize("name", ["k", "validation"])
def test_no_neighbours_or_points_are_refused(name: str, digits: Dataset) -> None:
    with pytest.raises(InputError, match=f"{name} of outlier_removal must be at least 1, got 0"):
        OutlierRemoval(**{name: 0}).prepare(digits.train, run())  # type: ignore[arg-type]


def test_a_single_row_has_nothing_to_be_compared_with() -> None:
    with pytest.raises(InvalidData, match="compares rows with each other, got 1; expected at least 2"):
        OutlierRemoval(share=0.6).prepare(Part(x=torch.zeros(1, 2), y=torch.zeros(1, dtype=torch.int64)), run())


class Private(TrainingDefense):
    def privatize(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> bool:
        return True


def test_a_private_run_does_not_cover_the_choice_of_rows() -> None:
    for order in ([OutlierRemoval(), Private()], [Private(), OutlierRemoval()]):
        with pytest.raises(IncompatibleDefenses, match=r"outlier_removal drops rows by what .* test_outlier_removal"):
            check_composition(order)


def test_the_same_seed_drops_the_same_rows(digits: Dataset) -> None:
    data = digits.train.take(slice(0, 200))
    recipe = Recipe(epochs=1, batch=64)
    one, two = (
        fit(Mlp(width=8), data, classes=10, recipe=recipe, protections=[OutlierRemoval(method="loss")])
        for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


@pytest.mark.slow
def test_forty_thousand_images_stay_below_a_gigabyte() -> None:
    import resource

    x = torch.rand(40_000, 784, generator=generator())
    data = Part(x=x, y=torch.randint(10, (40_000,), generator=generator(1)))
    for method in ("shapley", "knn"):
        assert len(OutlierRemoval(method=method).prepare(data, run())) == 36_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2**20 + 600_000
