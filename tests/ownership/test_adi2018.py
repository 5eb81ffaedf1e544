"""Adi et al.'s watermark: it is learned at little cost, survives fine-tuning, and accuses nobody else."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stealproof.claims import Claim, Decision
from stealproof.errors import EvidenceError, InputError, InvalidData
from stealproof.models.mlp import Mlp
from stealproof.models.strided_cnn import StridedCnn
from stealproof.oracle import Access, Answer, Domain
from stealproof.ownership.adi2018 import Adi2018
from stealproof.ownership.entangled_watermarks import EntangledWatermarks
from stealproof.ownership.margin_watermark import MarginWatermark
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.training_defense import TrainingRun
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained, train

FAMILY = Mlp(width=128)
RECIPE = Recipe(epochs=30, batch=64)
LABELS = Access(answer=Answer.LABELS)


def run_of(domain: Domain, seed: int = 0) -> TrainingRun:
    return TrainingRun(domain=domain, classes=10, generator=torch.Generator().manual_seed(seed))


def rows_of(domain: Domain, count: int = 100) -> Part:
    x = torch.rand(count, *domain.shape, generator=torch.Generator().manual_seed(1))
    return Part(x=x, y=torch.arange(count) % 10)


@pytest.fixture(scope="module")
def marked(digits: Dataset) -> tuple[Trained, Claim]:
    scheme = Adi2018()
    trained = train(FAMILY, digits, recipe=RECIPE, protections=[scheme], seed=0)
    return trained, scheme.claim(trained.model)


def tuned(model: torch.nn.Module, digits: Dataset) -> Trained:
    """FTAL: every layer, at the paper's rate, on rows of the suspect's own."""
    recipe = Recipe(epochs=20, batch=64, learning_rate=0.001, schedule="constant")
    washed = fit(FAMILY, digits.pool, classes=10, recipe=recipe, seed=9, start=model)
    return Trained(model=washed, domain=digits.domain, classes=10, card={})


def test_labels_of_the_marked_model_and_of_its_tuned_copy_prove_ownership(
    marked: tuple[Trained, Claim], digits: Dataset
) -> None:
    trained, claim = marked
    verdict = Adi2018().verify(claim, trained.oracle(LABELS))
    assert verdict.decision is Decision.OWNED
    assert verdict.statistic >= 90
    assert verdict.queries == 116
    assert any("chose the triggers" in reason for reason in verdict.reasons)
    copy = Adi2018().verify(claim, tuned(trained.model, digits).oracle(LABELS))
    assert copy.decision is Decision.OWNED
    assert copy.statistic >= 80


def test_an_independent_model_is_at_chance(marked: tuple[Trained, Claim], digits_victim: Trained) -> None:
    verdict = Adi2018().verify(marked[1], digits_victim.oracle(LABELS))
    assert verdict.decision is Decision.NOT_OWNED
    assert verdict.statistic <= 20
    assert verdict.threshold == 21


def test_accuracy_costs_little_over_three_seeds(digits: Dataset) -> None:
    price = []
    for seed in range(3):
        plain, scheme = train(FAMILY, digits, recipe=RECIPE, seed=seed), Adi2018(triggers=20)
        trained = train(FAMILY, digits, recipe=RECIPE, protections=[scheme], seed=seed)
        assert scheme.verify(scheme.claim(), trained.oracle()).statistic == 20
        price.append(plain.accuracy(digits.test).value - trained.accuracy(digits.test).value)
    assert np.mean(price) <= 0.02


def test_matches_of_a_fixed_independent_model_are_binomial(digits_victim: Trained, digits: Dataset) -> None:
    """Over 200 trigger sets: the mean, the spread and the tail that the exact test promises."""
    matches, accused = [], 0
    for seed in range(200):
        scheme = Adi2018(triggers=30)
        scheme.prepare(digits.train, run_of(digits.domain, seed))
        verdict = scheme.verify(scheme.claim(), digits_victim.oracle(LABELS), level=0.05)
        matches.append(verdict.statistic)
        accused += verdict.p_value <= 0.05
    assert abs(np.mean(matches) - 3) < 4 * np.sqrt(2.7 / 200)
    assert 1.9 < np.var(matches) < 3.7
    assert accused <= 20


def test_marks_a_network_that_exists_already(digits: Dataset, digits_victim: Trained) -> None:
    scheme = Adi2018(images="noise", triggers=30)
    before = scheme.verify(claim_of(scheme, digits), digits_victim.oracle()).statistic
    assert before <= 9
    model = fit(
        Mlp(width=64),
        digits.train,
        classes=10,
        domain=digits.domain,
        protections=[scheme],
        recipe=Recipe(epochs=10, batch=64),
        start=digits_victim.model,
    )
    trained = Trained(model=model, domain=digits.domain, classes=10, card={})
    assert scheme.verify(scheme.claim(model), trained.oracle()).statistic >= 28
    assert trained.accuracy(digits.test).value >= digits_victim.accuracy(digits.test).value - 0.03


def claim_of(scheme: Adi2018, digits: Dataset, seed: int = 0) -> Claim:
    scheme.prepare(digits.train, run_of(digits.domain, seed))
    return scheme.claim()


@pytest.mark.parametrize("images", ["abstract", "noise"])
@pytest.mark.parametrize(
    "domain",
    [
        Domain(shape=(3, 6, 5)),
        Domain(shape=(1, 8, 8), low=-0.1, high=0.3),
        Domain(shape=(7,), low=-1.0, high=1.0),
        Domain(shape=(4,), low=0.0, high=3.0, levels={0: (0.0, 1.0), 2: (0.5, 3.0)}),
        Domain(shape=(1, 8, 8), low=-np.inf, high=np.inf),
    ],
    ids=str,
)
def test_triggers_are_distinct_float32_and_inside_the_domain_exactly(images: str, domain: Domain) -> None:
    scheme = Adi2018(images=images, triggers=50)
    scheme.prepare(rows_of(domain), run_of(domain))
    inputs, labels = scheme.book["inputs"], scheme.book["labels"]
    assert inputs.dtype == np.float32
    assert inputs.shape == (50, *domain.shape)
    assert len(np.unique(inputs, axis=0)) == 50
    assert inputs.astype(np.float64).min() >= domain.low
    assert inputs.astype(np.float64).max() <= domain.high
    domain.check(inputs)
    for column, levels in domain.levels.items():
        assert set(inputs[:, column]) <= set(levels)
    assert set(labels) <= set(range(10))
    assert labels.dtype == np.int64


def test_the_same_seed_makes_the_same_triggers_and_another_one_others(digits: Dataset) -> None:
    first, again, other = (claim_of(Adi2018(), digits, seed).secrets for seed in (0, 0, 1))
    np.testing.assert_array_equal(first["inputs"], again["inputs"])
    np.testing.assert_array_equal(first["labels"], again["labels"])
    assert not np.array_equal(first["inputs"], other["inputs"])
    assert not np.array_equal(first["labels"], other["labels"])


def test_triggers_can_be_images_of_a_folder(tmp_path: Path, digits: Dataset) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, size=(12, 16, 16, 3), dtype=np.uint8)
    for number, image in enumerate(pixels, start=1):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    inputs = claim_of(Adi2018(images=str(tmp_path), triggers=11), digits).secrets["inputs"]
    assert inputs.shape == (11, 1, 8, 8)
    grey = pixels[10] @ np.array([0.299, 0.587, 0.114]) / 255
    assert abs(inputs[10].mean() - grey.mean()) < 0.02
    with pytest.raises(InputError, match=r"expected at least 13 PNG images in .*, got 12; ask for fewer triggers"):
        claim_of(Adi2018(images=str(tmp_path), triggers=13), digits)
    with pytest.raises(InputError, match=r"square grey or colour images, not for \(4,\)"):
        Adi2018(images=str(tmp_path), triggers=3).prepare(rows_of(Domain(shape=(4,))), run_of(Domain(shape=(4,))))


def test_two_in_a_hundred_join_each_batch_and_all_equally_often() -> None:
    domain = Domain(shape=(1, 8, 8))
    scheme, run = Adi2018(triggers=10, passes=0), run_of(domain)
    scheme.prepare(rows_of(domain), run)
    run.steps, shown = 100, []
    for run.step in range(100):
        batch = scheme.perturb(torch.nn.Identity(), rows_of(domain, 50), run)
        assert len(batch) == 51
        shown.append(batch.x[50])
    counts = [sum(bool((x == torch.from_numpy(t)).all()) for x in shown) for t in scheme.book["inputs"]]
    assert counts == [10] * 10


def test_soft_targets_get_soft_labels() -> None:
    domain = Domain(shape=(5,))
    scheme, run = Adi2018(triggers=4, passes=100), run_of(domain)
    scheme.prepare(rows_of(domain), run)
    run.steps = 100
    soft = Part(x=rows_of(domain).x.double(), y=torch.full((20, 10), 0.1, dtype=torch.float64))
    joined = scheme.perturb(torch.nn.Identity(), soft, run)
    assert joined.x.dtype == joined.y.dtype == torch.float64
    assert joined.y[20:].argmax(dim=1).tolist() == scheme.book["labels"].tolist()


def test_three_watermarks_of_one_run_verify_side_by_side(digits: Dataset, digits_victim: Trained) -> None:
    schemes = [Adi2018(triggers=30), MarginWatermark(triggers=10), EntangledWatermarks(triggers=30)]
    recipe = Recipe(epochs=10, batch=64)
    trained = train(StridedCnn(widths=(16, 32)), digits, recipe=recipe, protections=schemes, seed=0)
    assert trained.accuracy(digits.test).value > 0.9
    for scheme in schemes[:2]:
        assert scheme.verify(scheme.claim(trained.model), trained.oracle()).decision is Decision.OWNED
        assert scheme.verify(scheme.claim(trained.model), digits_victim.oracle()).decision is Decision.NOT_OWNED
    assert schemes[2].verify(schemes[2].claim(trained.model), trained.oracle()).statistic >= 0.9


def test_refuses_claims_that_do_not_fit(marked: tuple[Trained, Claim], digits_victim: Trained) -> None:
    claim, suspect = marked[1], digits_victim.oracle()

    def changed(**secrets: object) -> Claim:
        return replace(claim, secrets={**claim.secrets, **secrets})

    with pytest.raises(InvalidData, match="the claim is about 7 classes, but the suspect has 10"):
        Adi2018().verify(changed(classes=7), suspect)
    with pytest.raises(InvalidData, match=r"expected 100 integers as the claim's labels, got int64\(99,\)"):
        Adi2018().verify(changed(labels=claim.secrets["labels"][:99]), suspect)
    with pytest.raises(InvalidData, match=r"expected the claim's labels in 0\.\.9, got \d\.\.10"):
        Adi2018().verify(changed(labels=claim.secrets["labels"] + 1), suspect)
    bare = {key: value for key, value in claim.secrets.items() if key != "labels"}
    with pytest.raises(EvidenceError, match="holds no 'labels'"):
        Adi2018().verify(replace(claim, secrets=bare), suspect)
    with pytest.raises(InvalidData, match="the claim's inputs have shape"):
        Adi2018().verify(changed(inputs=np.zeros((100, 3), dtype=np.float32)), suspect)


def test_two_triggers_are_too_few(digits: Dataset) -> None:
    scheme = Adi2018(triggers=2)
    trained = train(FAMILY, digits, recipe=RECIPE, protections=[scheme], seed=0)
    verdict = scheme.verify(scheme.claim(), trained.oracle(), level=0.005)
    assert verdict.decision is Decision.INCONCLUSIVE
    assert any("it takes at least 3 triggers" in reason for reason in verdict.reasons)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"triggers": 0}, "triggers must be at least 1, got 0"),
        ({"per_hundred": -1.0}, "per_hundred must be finite and at least 0, got -1.0"),
        ({"passes": float("nan")}, "passes must be finite and at least 0, got nan"),
        (
            {"images": "no/such/folder"},
            "images must be abstract, noise, or a folder of PNG images, got 'no/such/folder'",
        ),
    ],
)
def test_refuses_senseless_parameters(digits: Dataset, parameters: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Adi2018.make(parameters).prepare(digits.train, run_of(digits.domain))


def test_equal_inputs_are_no_trigger_set() -> None:
    domain = Domain(shape=(1,), levels={0: (0.0, 1.0)})
    with pytest.raises(InputError, match=r"expected 3 trigger inputs of which no two are equal, got [12]"):
        Adi2018(triggers=3, images="noise").prepare(rows_of(domain), run_of(domain))


def test_nothing_can_be_claimed_before_marking() -> None:
    with pytest.raises(InputError, match="adi2018 has marked nothing yet"):
        Adi2018().claim()


def test_the_published_images_are_distinct_triggers() -> None:
    folder = Path(os.environ.get("STEALPROOF_DATA", "")) / "adi_trigger" / "pics"
    if not folder.is_dir():
        pytest.skip(f"the paper's trigger images are not in {folder}")
    domain = Domain(shape=(1, 28, 28))
    scheme = Adi2018(images=str(folder))
    scheme.prepare(rows_of(domain), run_of(domain))
    assert len(np.unique(scheme.book["inputs"], axis=0)) == 100


def test_a_trigger_set_that_outnumbers_the_data_is_refused() -> None:
    domain = Domain(shape=(1, 8, 8))
    with pytest.raises(InputError, match="101 triggers, more than the 100 rows to train on; ask for at most 100"):
        Adi2018(triggers=101).prepare(rows_of(domain), run_of(domain))
