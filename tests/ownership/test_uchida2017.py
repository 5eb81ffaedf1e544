"""Uchida et al.: bits that the weights spell, what they survive, and a suspect that has no such layer."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.utils import prune

from stealproof.claims import Claim, Decision, Verdict
from stealproof.errors import AccessDenied, InputError, InvalidData
from stealproof.models.mlp import Mlp
from stealproof.models.strided_cnn import StridedCnn
from stealproof.oracles.module import ModuleOracle
from stealproof.ownership.uchida2017 import Uchida2017
from stealproof.roles.dataset import Dataset
from stealproof.seeds import generator
from stealproof.training.fit import fit
from stealproof.training.fit_many import fit_many
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained, train

RECIPE = Recipe(epochs=30, batch=64)
SHORT = Recipe(epochs=5, batch=64)


@pytest.fixture(scope="module")
def marked(digits: Dataset) -> tuple[Uchida2017, Trained]:
    scheme = Uchida2017(bits=48, strength=0.1)
    return scheme, train(Mlp(width=64), digits, recipe=RECIPE, protections=[scheme], seed=0)


def judged(scheme: Uchida2017, claim: Claim, model: torch.nn.Module, digits: Dataset, **options: Any) -> Verdict:
    suspect = ModuleOracle(model, domain=digits.domain, classes=digits.classes)
    return scheme.verify(claim, suspect, model=model, **options)


def test_every_bit_is_embedded_at_a_small_price(
    marked: tuple[Uchida2017, Trained], digits: Dataset, digits_victim: Trained
) -> None:
    scheme, trained = marked
    verdict = judged(scheme, scheme.claim(trained.model), trained.model, digits)
    assert verdict.decision is Decision.OWNED
    assert verdict.statistic == 1
    assert verdict.p_value == pytest.approx(0.5**48)
    assert verdict.queries == 0
    # The victim is the same network without the mark.
    assert trained.accuracy(digits.test).value >= digits_victim.accuracy(digits.test).value - 0.015


@pytest.mark.parametrize("optimizer", ["sgd", "muon"])
def test_convolutions_carry_it_too(digits: Dataset, optimizer: Any) -> None:
    scheme = Uchida2017(bits=32)
    recipe = Recipe(epochs=8, batch=64, optimizer=optimizer, learning_rate=0.05)
    trained = train(StridedCnn(widths=(8, 8)), digits, recipe=recipe, protections=[scheme], seed=1)
    assert scheme.book["shape"].tolist() == [8, 8, 3, 3]
    assert judged(scheme, scheme.claim(), trained.model, digits).statistic > 0.95


def test_survives_fine_tuning_and_moderate_pruning(marked: tuple[Uchida2017, Trained], digits: Dataset) -> None:
    scheme, trained = marked
    claim = scheme.claim()
    tuned = fit(
        Mlp(), digits.pool, classes=10, recipe=dataclasses.replace(SHORT, learning_rate=0.01), start=trained.model
    )
    assert judged(scheme, claim, tuned, digits).decision is Decision.OWNED
    thinned = copy.deepcopy(trained.model)
    for module in thinned.modules():
        if isinstance(module, torch.nn.Linear):
            prune.l1_unstructured(module, "weight", amount=0.4)
    assert judged(scheme, claim, thinned, digits).decision is Decision.OWNED


def test_independent_models_spell_chance(marked: tuple[Uchida2017, Trained], digits: Dataset) -> None:
    scheme, _ = marked
    models = fit_many(Mlp(width=64), digits.train, classes=10, seeds=range(20), recipe=SHORT)
    verdicts = [judged(scheme, scheme.claim(), model, digits, level=0.01) for model in models]
    assert sum(verdict.decision is Decision.OWNED for verdict in verdicts) == 0
    assert np.mean([verdict.statistic for verdict in verdicts]) == pytest.approx(0.5, abs=0.1)


def test_any_weights_match_binomially_over_secrets(digits: Dataset) -> None:
    """Even weights that all point one way: the bits are fair coins, whatever they are held against."""
    model = Mlp(width=4).build((64,), 10, generator(0, "weights"))
    with torch.no_grad():
        for weight in model.parameters():
            weight.fill_(0.1)
    scheme = Uchida2017(bits=40)
    p_values = []
    for number in range(300):
        secrets = {"secret": number, "shape": np.array([4, 64]), "place": 0}
        claim = Claim(scheme="uchida2017", parameters=scheme.parameters(), secrets=secrets)
        p_values.append(judged(scheme, claim, model, digits).p_value)
    assert 0 < np.mean(np.array(p_values) <= 0.1) <= 0.14


def test_a_wrapped_network_is_still_recognised(marked: tuple[Uchida2017, Trained], digits: Dataset) -> None:
    scheme, trained = marked
    wrapped = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Sequential(trained.model))
    assert judged(scheme, scheme.claim(), wrapped, digits).statistic == 1


def test_another_architecture_has_no_such_layer(marked: tuple[Uchida2017, Trained], digits: Dataset) -> None:
    scheme, _ = marked
    other = Mlp(width=32).build(digits.domain.shape, 10, generator(0, "weights"))
    with pytest.raises(InvalidData, match=r"layer 1 with weights of shape \(64, 64\), but the suspect has 0"):
        judged(scheme, scheme.claim(), other, digits)


def test_answers_alone_are_not_enough(marked: tuple[Uchida2017, Trained]) -> None:
    scheme, trained = marked
    with pytest.raises(AccessDenied, match="opens the suspect's network"):
        scheme.verify(scheme.claim(), trained.oracle())


def test_few_bits_can_never_reach_the_level(digits: Dataset) -> None:
    scheme = Uchida2017(bits=6)
    trained = train(Mlp(width=16), digits, recipe=RECIPE, protections=[scheme], seed=0)
    verdict = judged(scheme, scheme.claim(), trained.model, digits, level=1e-3)
    assert verdict.decision is Decision.INCONCLUSIVE
    assert any("at least 10 bits" in reason for reason in verdict.reasons)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"bits": 0}, "bits must be at least 1, got 0"),
        ({"strength": 0.0}, "strength must be positive and finite, got 0"),
        ({"bits": 100}, "carries at most 64 bits, got bits=100"),
        ({"layer": "nose"}, "no convolution or linear layer is named 'nose'; there are: 1, 3"),
    ],
)
def test_refuses_senseless_parameters(digits: Dataset, parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        train(Mlp(width=8), digits, recipe=SHORT, protections=[Uchida2017.make(parameters)])


def test_the_layer_can_be_named(digits: Dataset) -> None:
    scheme = Uchida2017(bits=16, layer="3")
    trained = train(Mlp(width=32), digits, recipe=RECIPE, protections=[scheme], seed=2)
    assert scheme.book["shape"].tolist() == [10, 32]
    assert judged(scheme, scheme.claim(), trained.model, digits).statistic == 1
