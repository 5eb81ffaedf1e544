"""fit: the loop learns, repeats itself byte for byte, calls the hooks in order, resumes exactly, refuses nonsense."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from stealproof.errors import InputError, InvalidData
from stealproof.models.lenet import LeNet
from stealproof.models.mlp import Mlp
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.training_defense import TrainingDefense, TrainingRun
from stealproof.training import _checkpoint
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe

QUICK = Recipe(epochs=2, batch=32, precision="float32")


def blobs(n: int = 240, *, soft: bool = False) -> Part:
    """Three separable clouds in five dimensions."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(n) % 3
    x = torch.randn(n, 5, generator=generator) * 0.3
    x[torch.arange(n), y] += 2
    return Part(x=x, y=torch.nn.functional.one_hot(y, 3).float() if soft else y)


def accuracy(model: torch.nn.Module, data: Part) -> float:
    """Share of rows whose largest logit is at the (most likely) label."""
    truth = data.y if data.y.ndim == 1 else data.y.argmax(dim=1)
    with torch.no_grad():
        return float((model(data.x).argmax(dim=1) == truth).float().mean())


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    """Whether two networks have bit-identical states."""
    states = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in states)


@dataclass(frozen=True, kw_only=True)
class Normalised(NetworkFamily):
    """A network with batch normalisation and dropout, the two layers that need care."""

    def _build(self, shape: tuple[int, ...], classes: int, generator: torch.Generator) -> torch.nn.Module:
        """Linear, batch normalisation, dropout, linear."""
        body = Mlp(width=8).build(shape, classes, generator)
        assert isinstance(body, torch.nn.Sequential)
        return torch.nn.Sequential(body[:2], torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.2), body[2:])


@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", 0.1), ("adam", 0.01), ("muon", 0.05)])
@pytest.mark.parametrize("schedule", ["one-cycle", "constant"])
def test_every_optimizer_learns(
    optimizer: Literal["sgd", "adam", "muon"], rate: float, schedule: Literal["one-cycle", "constant"]
) -> None:
    recipe = replace(QUICK, epochs=6, optimizer=optimizer, learning_rate=rate, schedule=schedule)
    assert accuracy(fit(Mlp(width=16), blobs(), classes=3, recipe=recipe), blobs()) > 0.95


@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16", "float64"])
def test_every_precision_learns_images(precision: Literal["auto", "float32", "bfloat16", "float64"]) -> None:
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(96) % 2
    x = torch.rand(96, 1, 12, 12, generator=generator) * 0.5
    x[y == 1, :, :6] += 0.5
    recipe = Recipe(epochs=8, batch=16, learning_rate=0.05, precision=precision, optimizer="muon")
    model = fit(LeNet(width=4, hidden=16), Part(x=x.double(), y=y), classes=2, recipe=recipe)
    weights = next(model.parameters())
    assert weights.dtype == (torch.float64 if precision == "float64" else torch.float32)
    assert all(weight.is_contiguous() for weight in model.parameters())
    assert accuracy(model, Part(x=x.to(weights.dtype), y=y)) > 0.95


def test_same_arguments_same_bytes_and_another_seed_another_model() -> None:
    one, two = (fit(Normalised(), blobs(), classes=3, recipe=QUICK, seed=4) for _ in range(2))
    assert same(one, two)
    assert not same(one, fit(Normalised(), blobs(), classes=3, recipe=QUICK, seed=5))


def test_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(1)
    expected = torch.get_rng_state()
    fit(Normalised(), blobs(), classes=3, recipe=QUICK)
    assert torch.equal(torch.get_rng_state(), expected)


def test_distributions_train_like_the_labels_that_they_mean() -> None:
    hard = fit(Mlp(width=16), blobs(), classes=3, recipe=QUICK)
    soft = fit(Mlp(width=16), blobs(soft=True), classes=3, recipe=QUICK)
    for a, b in zip(hard.parameters(), soft.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_start_is_gone_on_from_and_not_changed() -> None:
    start = fit(Mlp(width=16), blobs(), classes=3, recipe=replace(QUICK, epochs=6))
    before = {name: value.clone() for name, value in start.state_dict().items()}
    still = fit(Mlp(width=16), blobs(), classes=3, recipe=replace(QUICK, learning_rate=1e-6), start=start)
    assert all(torch.equal(before[name], value) for name, value in start.state_dict().items())
    for a, b in zip(start.parameters(), still.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-3)


@pytest.mark.parametrize("rows", [1, 33, 65])
def test_a_last_batch_of_one_row_does_not_break_batch_normalisation(rows: int) -> None:
    model = fit(Normalised(), blobs(rows), classes=3, recipe=QUICK)
    assert all(bool(value.isfinite().all()) for value in model.state_dict().values())


def test_progress_rises_to_one() -> None:
    shares: list[float] = []
    fit(Mlp(), blobs(), classes=3, recipe=QUICK, progress=lambda what, share: shares.append(share))
    assert shares == sorted(shares)
    assert 0 < shares[0] <= shares[-1] == 1


CALLS: list[str] = []


@dataclass(frozen=True, kw_only=True)
class Loud(TrainingDefense):
    """Notes every hook that is called, and uses each."""

    def prepare(self, data: Part, run: TrainingRun) -> Part:
        """Half of the rows."""
        CALLS.append(f"prepare {len(data)}")
        return data.take(slice(0, len(data) // 2))

    def perturb(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> Part:
        """Noise from the generator."""
        CALLS.append(f"perturb {len(batch)}")
        return Part(x=batch.x + 0.01 * torch.randn(batch.x.shape, generator=run.generator), y=batch.y)

    def penalty(
        self, model: torch.nn.Module, batch: Part, logits: torch.Tensor, run: TrainingRun
    ) -> torch.Tensor | None:
        """Small logits."""
        CALLS.append(f"penalty {logits.dtype}")
        return 1e-4 * logits.square().mean()

    def privatize(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> bool:
        """Leave it to plain backward."""
        CALLS.append("privatize")
        return False

    def finish(self, model: torch.nn.Module, data: Part, run: TrainingRun) -> torch.nn.Module:
        """The same model."""
        CALLS.append(f"finish {len(data)} {model.training}")
        return model


@dataclass(frozen=True, kw_only=True)
class Frozen(TrainingDefense):
    """Writes zero gradients."""

    def privatize(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> bool:
        """All zero."""
        for weight in model.parameters():
            weight.grad = torch.zeros_like(weight)
        return True


@dataclass(frozen=True, kw_only=True)
class Counting(TrainingDefense):
    """Remembers how many rows it has seen, and ends the run after some steps."""

    after: int = 1000

    def perturb(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> Part:
        """Joins one row behind the drawn ones."""
        run.memory["seen"] = run.memory.get("seen", torch.zeros(())) + run.drawn
        run.stop = run.step + 1 == self.after
        return Part(x=torch.cat([batch.x, batch.x[:1]]), y=torch.cat([batch.y, batch.y[:1]]))

    def finish(self, model: torch.nn.Module, data: Part, run: TrainingRun) -> torch.nn.Module:
        """Says what it remembers."""
        CALLS.append(f"seen {int(run.memory['seen'])} of {run.rows} rows, {run.steps} steps")
        return model


def test_a_hook_can_end_the_run_and_counts_drawn_rows_only() -> None:
    CALLS.clear()
    recipe = replace(QUICK, epochs=2, batch=64)
    fit(Mlp(), blobs(128), classes=3, recipe=recipe, protections=[Counting(after=3), Counting()])
    assert CALLS == ["seen 192 of 128 rows, 4 steps"] * 2


def test_what_a_protection_remembers_survives_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_checkpoint, "INTERVAL", 0.0)
    monkeypatch.setattr(_checkpoint, "SHARE", float("inf"))
    monkeypatch.setattr("stealproof.training.fit.REPORT_SECONDS", 0.0)
    CALLS.clear()

    def interrupt(what: str, share: float) -> None:
        if share > 0.6:
            raise KeyboardInterrupt

    run: dict[str, Any] = {"classes": 3, "recipe": replace(QUICK, epochs=4, batch=64), "protections": [Counting()]}
    with pytest.raises(KeyboardInterrupt):
        fit(Mlp(), blobs(128), **run, progress=interrupt, checkpoint=tmp_path / "run")
    fit(Mlp(), blobs(128), **run, checkpoint=tmp_path / "run")
    assert CALLS == ["seen 512 of 128 rows, 8 steps"]


def test_hooks_are_called_in_order() -> None:
    CALLS.clear()
    fit(Mlp(), blobs(128), classes=3, recipe=replace(QUICK, epochs=1, batch=64), protections=[Loud()])
    step = ["perturb 64", "privatize", "penalty torch.float32"]
    assert ["prepare 128", *step, "finish 64 False"] == CALLS


def test_privatized_gradients_are_the_ones_that_are_used() -> None:
    recipe = replace(QUICK, weight_decay=0.0)
    start = fit(Mlp(), blobs(), classes=3, recipe=recipe)
    assert same(start, fit(Mlp(), blobs(), classes=3, recipe=recipe, protections=[Frozen()], start=start))


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "muon"])
def test_an_interrupted_run_resumes_to_the_same_bytes(
    optimizer: Literal["sgd", "adam", "muon"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_checkpoint, "INTERVAL", 0.0)
    monkeypatch.setattr(_checkpoint, "SHARE", float("inf"))
    monkeypatch.setattr("stealproof.training.fit.REPORT_SECONDS", 0.0)
    path = tmp_path / "run.safetensors"
    arguments: dict[str, Any] = {
        "classes": 3,
        "recipe": replace(QUICK, epochs=3, optimizer=optimizer, learning_rate=0.01),
        "protections": [Loud()],
    }

    def interrupt(what: str, share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(Normalised(), blobs(), **arguments, progress=interrupt, checkpoint=path)
    assert path.exists()
    shares: list[float] = []
    resumed = fit(
        Normalised(), blobs(), **arguments, checkpoint=path, progress=lambda what, share: shares.append(share)
    )
    assert shares[0] >= 0.5
    assert not path.exists()
    assert same(resumed, fit(Normalised(), blobs(), **arguments))


def test_images_resume_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_checkpoint, "INTERVAL", 0.0)
    monkeypatch.setattr(_checkpoint, "SHARE", float("inf"))
    monkeypatch.setattr("stealproof.training.fit.REPORT_SECONDS", 0.0)
    data = Part(x=torch.rand(64, 3, 12, 12, generator=torch.Generator().manual_seed(0)), y=torch.arange(64) % 4)
    arguments: dict[str, Any] = {"classes": 4, "recipe": Recipe(epochs=2, batch=16, optimizer="muon")}

    def interrupt(what: str, share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(LeNet(width=4), data, **arguments, progress=interrupt, checkpoint=tmp_path / "run")
    resumed = fit(LeNet(width=4), data, **arguments, checkpoint=tmp_path / "run")
    assert same(resumed, fit(LeNet(width=4), data, **arguments))


def test_a_checkpoint_of_another_run_or_a_damaged_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_checkpoint, "INTERVAL", 0.0)
    monkeypatch.setattr(_checkpoint, "SHARE", float("inf"))
    path = tmp_path / "run"
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    other = _checkpoint.Checkpoint(path, model, optimizer, {})
    other.describe(seed=99)
    other.save_if_due(3)
    with pytest.raises(InputError, match=r"belongs to another run .* delete it or choose another path"):
        fit(Mlp(), blobs(), classes=3, recipe=QUICK, checkpoint=path)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InvalidData, match=r"is damaged .* delete it to start anew"):
        fit(Mlp(), blobs(), classes=3, recipe=QUICK, checkpoint=path)


def test_bad_data_are_refused() -> None:
    data = blobs()
    with pytest.raises(InvalidData, match="at least 1 row to train on, got none"):
        fit(Mlp(), data.take(slice(0, 0)), classes=3)
    with pytest.raises(InvalidData, match=r"expected targets of shape \(240,\) or \(240, 4\), got \(240, 3\)"):
        fit(Mlp(), blobs(soft=True), classes=4)
    with pytest.raises(InvalidData, match=r"expected labels in 0\.\.1, got 0\.\.2"):
        fit(Mlp(), data, classes=2)


def test_divergence_is_one_clear_sentence() -> None:
    with pytest.raises(InputError, match=r"training diverged at step \d+ of 16: .* lower learning_rate \(now 1e\+30\)"):
        fit(Mlp(), blobs(), classes=3, recipe=replace(QUICK, learning_rate=1e30))


def test_the_default_recipe_learns_digits(digits: Dataset) -> None:
    assert accuracy(fit(Mlp(), digits.train, classes=10), digits.test) > 0.93
