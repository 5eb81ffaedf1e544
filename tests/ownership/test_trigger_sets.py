"""What trigger sets share: legal values, fair turns, labels without bias, and runs that may be interrupted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stealproof.models.strided_cnn import StridedCnn
from stealproof.oracle import Domain
from stealproof.ownership._trigger_sets import join, legal, legal_range, turn, wrong_labels
from stealproof.ownership.adi2018 import Adi2018
from stealproof.ownership.entangled_watermarks import EntangledWatermarks
from stealproof.ownership.margin_watermark import MarginWatermark
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.training_defense import TrainingRun
from stealproof.training import _checkpoint
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe


@given(low=st.floats(-10, 10), width=st.floats(1e-3, 100), seed=st.integers(0, 100))
def test_legal_values_are_inside_exactly_after_rounding(low: float, width: float, seed: int) -> None:
    high = low + width
    x = torch.from_numpy(np.random.default_rng(seed).uniform(low - width, high + width, size=50))
    clipped = legal(x, low, high)
    assert clipped.dtype == torch.float32
    assert float(clipped.double().min()) >= low
    assert float(clipped.double().max()) <= high


def test_a_range_without_end_is_that_of_the_data() -> None:
    x = torch.tensor([[-2.0, 5.0]])
    assert legal_range(Domain(shape=(2,), low=-np.inf, high=np.inf), x) == (-2, 5)
    assert legal_range(Domain(shape=(2,), low=-3, high=7), x) == (-3, 7)


@given(rows=st.integers(1, 300), per_hundred=st.floats(0, 30), passes=st.floats(0, 20), triggers=st.integers(1, 50))
def test_all_triggers_come_equally_often(rows: int, per_hundred: float, passes: float, triggers: int) -> None:
    run = TrainingRun(domain=Domain(shape=(1,)), classes=2, generator=torch.Generator(), steps=40)
    shown = []
    for step in range(run.steps):
        run.step = step
        shown += turn(run, rows, per_hundred=per_hundred, passes=passes, triggers=triggers).tolist()
    counts = np.bincount(shown, minlength=triggers)
    assert counts.max() - counts.min() <= 1
    assert len(shown) == pytest.approx(max(run.steps * rows * per_hundred / 100, passes * triggers), abs=1.001)


def test_wrong_labels_are_uniform_over_the_other_classes() -> None:
    true = torch.arange(9000) % 3
    labels = wrong_labels(true, 4, torch.Generator().manual_seed(0))
    assert not bool((labels == true).any())
    for kind in range(3):
        counts = torch.bincount(labels[true == kind], minlength=4)
        assert counts[kind] == 0
        assert all(900 < int(count) < 1100 for number, count in enumerate(counts) if number != kind)


def test_a_batch_keeps_its_kind_of_targets() -> None:
    x = torch.rand(3, 1, 2, 2, dtype=torch.float64)
    hard = join(Part(x=x, y=torch.tensor([0, 1, 2])), x[:1].float(), torch.tensor([2]), 3)
    assert hard.x.dtype == torch.float64
    assert hard.y.tolist() == [0, 1, 2, 2]
    soft = join(Part(x=x, y=torch.full((3, 3), 1 / 3)), x[:1], torch.tensor([2]), 3)
    assert soft.y[3].tolist() == [0, 0, 1]
    assert soft.labels[3] == hard.labels[3] == 2


def test_an_interrupted_marking_gives_the_same_network_and_claims(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_checkpoint, "INTERVAL", 0.0)
    monkeypatch.setattr(_checkpoint, "SHARE", float("inf"))

    def mark(**options: object) -> tuple[torch.nn.Module, list[dict[str, object]]]:
        schemes = [Adi2018(), MarginWatermark(triggers=20), EntangledWatermarks(marks=40, triggers=20, rounds=2)]
        arguments = {"classes": 10, "domain": digits.domain, "recipe": Recipe(epochs=1, batch=64), "seed": 3}
        model = fit(StridedCnn(widths=(8, 16)), digits.train, protections=schemes, **arguments, **options)  # type: ignore[arg-type]
        return model, [scheme.book for scheme in schemes]

    whole, books = mark()
    monkeypatch.setattr("stealproof.training.fit.REPORT_SECONDS", 0.0)
    calls: list[float] = []

    def late(what: str, share: float) -> None:
        calls.append(share)
        if len(calls) == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mark(checkpoint=tmp_path / "run", progress=late)
    resumed, again = mark(checkpoint=tmp_path / "run")
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    for book, same in zip(books, again, strict=True):
        for name, value in book.items():
            np.testing.assert_array_equal(value, same[name])
