"""What every training defense owes, and every watermark that trains: it composes with all others, or says why not."""

from __future__ import annotations

import functools
import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from stealproof import catalog
from stealproof.errors import IncompatibleDefenses
from stealproof.inputs.data import open_data
from stealproof.models.mlp import Mlp
from stealproof.models.strided_cnn import StridedCnn
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.ownership import Ownership
from stealproof.roles.training_defense import TrainingDefense, TrainingRun
from stealproof.training import _checkpoint
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe

EVERY = catalog.names("training_defense")
WATERMARKS = tuple(name for name in EVERY if name in catalog.names("ownership"))
DEFENSES = tuple(name for name in EVERY if name not in WATERMARKS)
PARTNERS = ("adi2018", "derived_triggers")
"""Watermarks that every defense is paired with."""
PAIRS = [
    pair
    for pair in itertools.product((*DEFENSES, *PARTNERS), repeat=2)
    if pair[0] != pair[1] and not set(pair) <= set(PARTNERS)
]
SMALL = {"triggers": 10, "steps": 2, "warm_up": 1, "passes": 2.0, "repeats": 2, "bits": 16}
"""Parameters, where a system has them, that make it cheap."""
ROWS = 160
RECIPE = Recipe(epochs=2, batch=64, learning_rate=0.05, precision="float32")
MLP = Mlp(width=16)
IMAGES = StridedCnn(widths=(4, 8), norm="group")


@functools.cache
def data() -> Dataset:
    return open_data("digits")


def rows() -> Part:
    return data().train.take(slice(0, ROWS))


def make(name: str) -> Any:
    kind = catalog.load(name, "training_defense")
    usual = kind.make().parameters()
    return kind.make({key: type(usual[key])(value) for key, value in SMALL.items() if key in usual})


def trained(
    protections: list[Any], *, family: NetworkFamily = MLP, seed: int = 0, part: Part | None = None, **more: Any
) -> torch.nn.Module:
    return fit(
        family,
        rows() if part is None else part,
        classes=data().classes,
        domain=data().domain,
        recipe=RECIPE,
        protections=protections,
        seed=seed,
        **more,
    )


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    states = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in states)


class Inspector(TrainingDefense):
    """Stands last, and sees each batch as the network does."""

    def perturb(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> Part:
        seen.append((batch, run.drawn))
        return batch


seen: list[tuple[Part, int]] = []


@pytest.mark.parametrize("name", EVERY)
class TestEveryTrainingDefense:
    def test_the_same_seed_gives_the_same_bytes_and_the_global_generator_stays(self, name: str) -> None:
        torch.manual_seed(1)
        before = torch.get_rng_state()
        one, two = (trained([make(name)], seed=3) for _ in range(2))
        assert same(one, two)
        assert not same(one, trained([make(name)], seed=4))
        assert torch.equal(torch.get_rng_state(), before)

    def test_makes_a_network_that_answers_and_is_in_evaluation_mode(self, name: str) -> None:
        for family in (MLP, IMAGES):
            model = trained([make(name)], family=family)
            with torch.no_grad():
                answers = model(data().test.x[:20].float())
            assert answers.shape == (20, 10)
            assert answers.isfinite().all()
            assert not model.training

    def test_keeps_to_the_domain_and_leaves_the_given_rows_as_they_are(self, name: str) -> None:
        seen.clear()
        part = rows()
        x, y = part.x.clone(), part.y.clone()
        trained([make(name), Inspector()], part=part)
        assert torch.equal(part.x, x)
        assert torch.equal(part.y, y)
        assert seen
        for batch, drawn in seen:
            assert drawn <= len(batch.x) == len(batch.y)
            data().domain.check(batch.x.numpy())

    def test_an_interrupted_run_resumes_to_the_same_bytes(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_checkpoint, "INTERVAL", 0.0)
        monkeypatch.setattr(_checkpoint, "SHARE", float("inf"))
        monkeypatch.setattr("stealproof.training.fit.REPORT_SECONDS", 0.0)

        def interrupt(what: str, share: float) -> None:
            if share > 0.6:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            trained([make(name)], progress=interrupt, checkpoint=tmp_path / "run")
        assert same(trained([make(name)], checkpoint=tmp_path / "run"), trained([make(name)]))

    def test_soft_targets_train_too(self, name: str) -> None:
        soft = Part(x=rows().x, y=torch.nn.functional.one_hot(rows().y, 10).float())
        assert all(bool(weight.isfinite().all()) for weight in trained([make(name)], part=soft).parameters())


@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_any_two_compose_in_this_order_or_are_refused_with_a_sentence_that_names_both(pair: tuple[str, str]) -> None:
    made = [make(name) for name in pair]
    try:
        model = trained(made)
    except IncompatibleDefenses as refusal:
        sentence = str(refusal)
        assert all(name in sentence for name in pair), sentence
        assert re.search(r"; \w", sentence), f"no advice after the semicolon: {sentence}"
        # The other order is no way around it.
        with pytest.raises(IncompatibleDefenses):
            trained([make(name) for name in reversed(pair)])
        return
    assert all(bool(weight.isfinite().all()) for weight in model.parameters())
    assert same(model, trained([make(name) for name in pair]))
    for scheme in made:
        if isinstance(scheme, Ownership):
            assert scheme.claim(model).secrets  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", DEFENSES)
def test_protects_from_risks_that_exist(name: str) -> None:
    kind: Any = catalog.load(name, "training_defense")
    assert set(kind.protects_from) <= set(catalog.names("risk"))
