"""The loss threshold on answers made by hand, on networks that overfit, and on one that never saw the members."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stealproof.data.digits import Digits
from stealproof.errors import InvalidData, OracleUnavailable
from stealproof.models.logistic_regression import LogisticRegression
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Answer, Answers, Domain, Oracle
from stealproof.risks.membership_inference import MembershipInference
from stealproof.roles.dataset import Dataset, Part
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained, train

LABELS = Access(answer=Answer.LABELS)


@pytest.fixture(scope="module")
def few(digits: Dataset) -> Dataset:
    """A tenth of the owner's digits, which a network learns by heart."""
    return replace(digits, parts={**digits.parts, "train": digits.train.take(slice(0, 120))})


@pytest.fixture(scope="module")
def overfitted(few: Dataset) -> Trained:
    return train(Mlp(width=128), few, recipe=Recipe(epochs=100, batch=32), seed=0)


class Certainty(Oracle):
    """Answers an input ``(1,)`` with itself as the probability of class 0."""

    def _answer(self, queries: NDArray[Any]) -> Answers:
        return Answers(scores=np.stack([queries[:, 0], 1 - queries[:, 0]], axis=1))


def by_hand(train_x: list[float], test_x: list[float]) -> tuple[Oracle, Dataset]:
    """All rows have label 0, so that an input is the probability of its true label."""
    parts = {
        name: Part(x=torch.tensor(x, dtype=torch.float64).view(-1, 1), y=torch.zeros(len(x), dtype=torch.int64))
        for name, x in (("train", train_x), ("test", test_x))
    }
    domain = Domain(shape=(1,))
    return Certainty(domain=domain, classes=2), Dataset(name="by hand", classes=2, domain=domain, parts=parts)


class TestByHand:
    def test_area_and_threshold(self) -> None:
        oracle, data = by_hand([0.8] * 10, [0.9, 0.7, 0.6, 0.5])
        found = MembershipInference().measure(oracle, data)
        assert found.details["threshold"] == pytest.approx(-np.log(0.8))
        assert found.estimates["auc"].value == 0.75
        assert found.details["rows"] == 4

    def test_a_sure_oracle_of_members_is_caught_at_any_rate(self) -> None:
        oracle, data = by_hand([1.0] * 10, [0.5, 0.6, 0.7])
        found = MembershipInference().measure(oracle, data).estimates
        assert found["auc"].value == found["tpr_at_01_percent"].value == 1.0

    def test_queries_are_the_judged_and_the_held_rows(self) -> None:
        oracle, data = by_hand(np.linspace(0.1, 0.9, 20).tolist(), [0.15, 0.25, 0.35])
        MembershipInference().measure(oracle, data)
        assert oracle.budget.spent == 3 + 3 + 17


class TestOnNetworks:
    def test_an_overfitted_network_gives_its_members_away(self, overfitted: Trained, few: Dataset) -> None:
        found = MembershipInference().measure(overfitted, few).estimates
        assert found["auc"].low > 0.5
        assert found["advantage"].low > 0.0

    def test_a_network_that_never_saw_them_gives_nothing_away(self) -> None:
        covered = []
        for seed in range(12):
            # A fresh split each time, or the same rows would be the easier ones by accident in all of them.
            data = Digits(split_seed=seed).load()
            from_pool = replace(data, parts={"train": data.pool})
            stranger = train(Mlp(width=64), from_pool, recipe=Recipe(epochs=30, batch=64), seed=seed)
            found = MembershipInference().measure(stranger.model, data, seed=seed).estimates
            covered.append([found["auc"].low <= 0.5 <= found["auc"].high, found["advantage"].low <= 0])
        # Of 12 intervals of 95% fewer than 9 cover once in 450 times.
        assert all(np.sum(covered, axis=0) >= 9)

    def test_logits_and_probabilities_tell_the_same(self, overfitted: Trained, few: Dataset) -> None:
        risk = MembershipInference()
        shown = risk.measure(overfitted.oracle(), few).estimates["auc"]
        assert risk.measure(overfitted, few).estimates["auc"].value == pytest.approx(shown.value, abs=1e-3)
        assert risk.measure(overfitted.model, few).estimates == risk.measure(overfitted, few).estimates

    def test_labels_only_is_the_gap(self, overfitted: Trained, few: Dataset) -> None:
        found = MembershipInference().measure(overfitted.oracle(LABELS), few)
        gap = found.details["member_accuracy"] - found.details["non_member_accuracy"]
        assert found.details["attack"].startswith("gap")
        assert found.estimates["advantage"].value == pytest.approx(gap)
        assert found.estimates["auc"].value == pytest.approx(0.5 + gap / 2)

    def test_an_estimator_has_members_too(self, few: Dataset) -> None:
        found = MembershipInference().measure(train(LogisticRegression(C=100.0), few), few).estimates
        assert found["auc"].value > 0.5

    def test_a_network_in_training_mode_stays_in_it(self, digits_victim: Trained, digits: Dataset) -> None:
        own = replace(digits_victim, model=torch.nn.Sequential(digits_victim.model, torch.nn.Dropout(0.5)))
        own.model.train()
        plain = MembershipInference().measure(digits_victim, digits).estimates
        assert MembershipInference().measure(own, digits).estimates == plain
        assert own.model.training


class TestBadInput:
    @pytest.mark.parametrize("part", ["train", "test"])
    def test_a_missing_part_is_named(self, part: str, digits_victim: Trained, digits: Dataset) -> None:
        cut = replace(digits, parts={name: rows for name, rows in digits.parts.items() if name != part})
        with pytest.raises(InvalidData, match=f"no part '{part}'"):
            MembershipInference().measure(digits_victim, cut)

    def test_rows_with_nan(self, digits_victim: Trained, digits: Dataset) -> None:
        x = torch.full_like(digits.train.x, float("nan"))
        holed = replace(digits, parts={**digits.parts, "train": Part(x=x, y=digits.train.y)})
        with pytest.raises(InvalidData, match="NaN"):
            MembershipInference().measure(digits_victim, holed)

    def test_a_network_that_answers_nan(self, digits: Dataset) -> None:
        broken = Mlp(width=8).build((1, 8, 8), 10, torch.Generator().manual_seed(0))
        with torch.no_grad():
            next(broken.parameters()).fill_(float("nan"))
        with pytest.raises(OracleUnavailable, match="NaN"):
            MembershipInference().measure(broken, digits)
