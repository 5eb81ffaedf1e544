"""One theft as a risk: what it finds on a network that is easy to steal, and what it can't steal with."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from stealproof.errors import InputError, InvalidData
from stealproof.models.logistic_regression import LogisticRegression
from stealproof.oracle import Access, Answer
from stealproof.oracles.module import ModuleOracle
from stealproof.risks._thief import ATTACKS, Attack, served, stolen
from stealproof.risks.model_theft import ModelTheft
from stealproof.roles.dataset import Dataset
from stealproof.training.trained import Trained, train


def test_the_attacks_are_those_that_can_be_named() -> None:
    assert set(get_args(Attack)) == set(ATTACKS)


def test_fidelity_is_the_agreement_with_the_model(digits_victim: Trained, digits: Dataset) -> None:
    found = ModelTheft(budget=150).measure(digits_victim, digits, seed=2)
    copy = stolen(served(digits_victim, digits, who="it"), digits, attack="knockoff_nets", budget=150, seed=2).model
    thief = ModuleOracle(copy, domain=digits.domain, classes=10, access=Access(answer=Answer.LABELS))
    same = thief.ask(digits.test.x).predicted == digits_victim.oracle().ask(digits.test.x).predicted
    assert found.estimates["fidelity"].value == pytest.approx(float(np.mean(same)))
    assert found.estimates["fidelity"].value > 0.85
    assert found.estimates["queries"].value == 150
    assert found.details["cut_to_pool"] is False


def test_more_queries_steal_more(digits_victim: Trained, digits: Dataset) -> None:
    few, many = (ModelTheft(budget=n).measure(digits_victim, digits).estimates["fidelity"] for n in (30, 400))
    assert few.high < many.low


def test_a_thief_stops_with_the_pool(digits_victim: Trained, digits: Dataset) -> None:
    found = ModelTheft(budget=10_000).measure(digits_victim, digits)
    assert found.estimates["queries"].value == len(digits.pool)
    assert found.details["cut_to_pool"] is True


def test_a_thief_who_makes_inputs_goes_on(digits_victim: Trained, digits: Dataset) -> None:
    found = ModelTheft(attack="jacobian_augmentation", budget=500).measure(digits_victim, digits)
    assert found.estimates["queries"].value == 500


def test_labels_and_estimators_are_stolen_too(digits_victim: Trained, digits: Dataset) -> None:
    labels = digits_victim.oracle(Access(answer=Answer.LABELS))
    assert ModelTheft(budget=300).measure(labels, digits).estimates["fidelity"].value > 0.8
    assert "kl" not in ModelTheft(budget=50).measure(labels, digits).estimates
    linear = train(LogisticRegression(), digits)
    assert ModelTheft(budget=300).measure(linear, digits).estimates["fidelity"].value > 0.8


def test_no_pool(digits_victim: Trained, digits: Dataset) -> None:
    with pytest.raises(InvalidData, match="no part 'pool'"):
        ModelTheft().measure(digits_victim, replace(digits, parts={"test": digits.test}))


def test_no_such_attack(digits_victim: Trained, digits: Dataset) -> None:
    with pytest.raises(InputError, match="attack of model_theft must be one of 'knockoff_nets'"):
        ModelTheft.make({"attack": "lowd_meek"})
    with pytest.raises(InputError, match="attack must be one of"):
        ModelTheft(attack="lowd_meek").measure(digits_victim, digits)  # type: ignore[arg-type]
