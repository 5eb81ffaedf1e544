"""Offline LiRA: the statistic by hand, its null distribution, and networks that do and do not overfit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from stealproof.data.digits import Digits
from stealproof.errors import AccessDenied, InputError, InvalidData
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Answer
from stealproof.risks._shadows import family_of
from stealproof.risks.lira import CRITICAL, Lira, deviations, statistics
from stealproof.roles.dataset import Dataset, Part
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained, train


@pytest.fixture(scope="module")
def few(digits: Dataset) -> Dataset:
    """The owner holds 120 digits, the thief twice as many."""
    return replace(
        digits,
        parts={**digits.parts, "train": digits.train.take(slice(0, 120)), "pool": digits.pool.take(slice(0, 240))},
    )


@pytest.fixture(scope="module")
def overfitted(few: Dataset) -> Trained:
    return train(Mlp(width=64), few, recipe=Recipe(epochs=100, batch=32), seed=0)


class TestByHand:
    def test_statistic_is_in_deviations_above_the_shadows(self) -> None:
        theirs = np.array([[0.0, 10.0], [2.0, 14.0]])
        assert deviations(theirs, own_variance=True) == pytest.approx([np.sqrt(2), np.sqrt(8)])
        assert deviations(theirs, own_variance=False) == pytest.approx([np.sqrt(5), np.sqrt(5)])
        got = statistics(np.array([1.0, 14.0]), theirs, np.array([1.0, 2.0]))
        assert got == pytest.approx([0.0, 1.0])

    def test_shadows_that_agree_have_some_scale(self) -> None:
        assert deviations(np.ones((3, 4)), own_variance=False) == pytest.approx(np.ones(4))
        assert deviations(np.ones((3, 4)), own_variance=True) == pytest.approx(np.ones(4))

    def test_p_values_are_uniform_when_the_model_is_a_further_shadow(self) -> None:
        # 64 shadows: the mean and the common deviation are then known well enough for one in twenty.
        odds = np.random.default_rng(0).normal(3.0, 2.0, size=(65, 4000))
        found = statistics(odds[0], odds[1:], deviations(odds[1:], own_variance=False))
        assert np.mean(found > CRITICAL) == pytest.approx(0.05, abs=0.015)
        assert np.mean(found > 0) == pytest.approx(0.5, abs=0.03)


class TestOnNetworks:
    def test_an_overfitted_network_gives_its_members_away(self, overfitted: Trained, few: Dataset) -> None:
        found = Lira(shadows=8).measure(overfitted, few)
        assert found.estimates["auc"].low > 0.5
        assert found.details["shadow_training"]["family"] == {"name": "mlp", "parameters": {"width": 64, "depth": 1}}
        assert found.details["shadow_rows"] == 120
        assert found.details["variance"] == "global"

    def test_a_network_that_never_saw_them_gives_nothing_away(self) -> None:
        attack, covered = Lira(shadows=7, epochs=30), []
        for seed in range(8):
            # A fresh split each time, or the same rows would be the easier ones by accident in all of them.
            data = Digits(split_seed=seed).load()
            stranger, *shadows = attack.train_shadows(data, seed=seed)
            found = attack.measure(stranger, data, seed=seed, networks=shadows).estimates
            assert found["tpr_at_1_percent"].low <= 0.01
            covered.append([found["auc"].low <= 0.5 <= found["auc"].high, found["advantage"].low <= 0])
        # Of 8 intervals of 95% fewer than 6 cover once in 175 times, fewer than 5 once in 2,700.
        assert all(np.sum(covered, axis=0) >= 5)

    def test_shadows_can_be_trained_once(self, overfitted: Trained, few: Dataset) -> None:
        attack = Lira(shadows=4, epochs=5)
        networks = attack.train_shadows(few, model=overfitted, seed=3)
        given = attack.measure(overfitted, few, seed=3, networks=networks)
        assert given.estimates == attack.measure(overfitted, few, seed=3).estimates
        assert given.details["shadow_training"] == "given"
        # Neither weights nor defenses of the attacked model enter them.
        other = replace(overfitted, model=Mlp(width=8).build((1, 8, 8), 10, torch.Generator()))
        again = attack.train_shadows(few, model=other, seed=3)
        for one, same in zip(networks, again, strict=True):
            assert all(torch.equal(p, q) for p, q in zip(one.parameters(), same.parameters(), strict=True))

    def test_the_seed_decides(self, overfitted: Trained, few: Dataset) -> None:
        attack = Lira(shadows=2, epochs=2)
        assert attack.measure(overfitted, few, seed=0).estimates != attack.measure(overfitted, few, seed=1).estimates

    def test_an_oracle_with_probabilities_will_do(self, overfitted: Trained, few: Dataset) -> None:
        attack = Lira(shadows=4)
        networks = attack.train_shadows(few, model=overfitted)
        opened = attack.measure(overfitted, few, networks=networks).estimates["auc"].value
        behind = attack.measure(overfitted.oracle(), few, networks=networks).estimates["auc"].value
        assert behind == pytest.approx(opened, abs=1e-3)

    def test_every_row_can_have_its_own_variance(self, overfitted: Trained, few: Dataset) -> None:
        found = Lira(shadows=4, variance="row").measure(overfitted, few)
        assert found.details["variance"] == "row"
        assert found.estimates["auc"].value > 0.5


class TestFamily:
    def test_is_the_cards(self, digits: Dataset, digits_victim: Trained) -> None:
        assert family_of(digits_victim, digits) == Mlp(width=64)

    def test_suits_the_shape_when_nothing_is_known(self, digits: Dataset, digits_victim: Trained) -> None:
        assert family_of(digits_victim.model, digits) == Mlp()
        foreign = replace(digits_victim, card={"family": {"name": "their_net", "parameters": {}}})
        assert family_of(foreign, digits) == Mlp()

    def test_can_be_chosen(self, digits: Dataset, digits_victim: Trained) -> None:
        network = Lira(shadows=2, family="strided_cnn", epochs=1).train_shadows(digits, model=digits_victim)[0]
        assert any(isinstance(module, torch.nn.Conv2d) for module in network.modules())


class TestBadInput:
    def test_labels_only(self, digits_victim: Trained, digits: Dataset) -> None:
        with pytest.raises(AccessDenied, match="membership_inference works with labels"):
            Lira().measure(digits_victim.oracle(Access(answer=Answer.LABELS)), digits)

    def test_no_pool(self, digits_victim: Trained, digits: Dataset) -> None:
        cut = replace(digits, parts={"train": digits.train, "test": digits.test})
        with pytest.raises(InvalidData, match="no part 'pool'"):
            Lira().measure(digits_victim, cut)

    def test_a_pool_of_one_row(self, digits_victim: Trained, digits: Dataset) -> None:
        cut = replace(digits, parts={**digits.parts, "pool": digits.pool.take(slice(0, 1))})
        with pytest.raises(InvalidData, match=r"halves of the pool, which takes at least 2 rows .* got 1 rows"):
            Lira().measure(digits_victim, cut)

    def test_a_foreign_pool(self, digits_victim: Trained, digits: Dataset) -> None:
        foreign = Part(x=digits.pool.x, y=digits.pool.y + 90)
        with pytest.raises(InvalidData, match="same distribution"):
            Lira().measure(digits_victim, replace(digits, parts={**digits.parts, "pool": foreign}))

    @pytest.mark.parametrize(
        ("name", "value"), [("shadows", 1), ("rows", 1), ("epochs", -0.5), ("epochs", float("inf"))]
    )
    def test_parameters(self, name: str, value: float, digits_victim: Trained, digits: Dataset) -> None:
        with pytest.raises(InputError, match=name):
            Lira(**{name: value}).measure(digits_victim, digits)  # type: ignore[arg-type]

    def test_one_shadow_given(self, digits_victim: Trained, digits: Dataset) -> None:
        with pytest.raises(InputError, match=r"at least 2 shadow networks .* got 1"):
            Lira().measure(digits_victim, digits, networks=[digits_victim.model])
