"""Log-odds against 50-digit arithmetic, the draw of rows, and the advantage by hand."""

from __future__ import annotations

import decimal
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stealproof.errors import InputError, InvalidData
from stealproof.oracle import Access, Answer, Answers, Domain
from stealproof.risks._members import advantage, draw_rows, log_odds, losses, membership_estimates
from stealproof.roles.dataset import Dataset, Part

LOGITS = Access(answer=Answer.LOGITS)
SCORES = st.lists(st.floats(-300, 300, width=32), min_size=2, max_size=6)


def exact_log_odds(logits: list[float], label: int) -> float:
    """log(p / (1 - p)) with more digits than any float has."""
    with decimal.localcontext(decimal.Context(prec=400)):
        weights = [decimal.Decimal(value).exp() for value in logits]
        rest = sum((w for number, w in enumerate(weights) if number != label), decimal.Decimal(0))
        return float(weights[label].ln() - rest.ln())


class TestLogOdds:
    @given(scores=SCORES, place=st.integers(0, 5))
    def test_from_logits_they_are_exact_however_sure_the_network_is(self, scores: list[float], place: int) -> None:
        label = place % len(scores)
        got = log_odds(Answers(scores=np.array([scores], dtype=np.float32)), np.array([label]), LOGITS)
        assert got[0] == pytest.approx(exact_log_odds(scores, label), rel=1e-9, abs=1e-9)

    @given(scores=SCORES, place=st.integers(0, 5))
    def test_the_loss_is_the_cross_entropy(self, scores: list[float], place: int) -> None:
        label = place % len(scores)
        logits = torch.tensor([scores], dtype=torch.float64)
        expected = torch.nn.functional.cross_entropy(logits, torch.tensor([label]))
        odds = log_odds(Answers(scores=logits.numpy()), np.array([label]), LOGITS)
        assert losses(odds)[0] == pytest.approx(float(expected), rel=1e-9, abs=1e-9)

    @given(scores=SCORES, place=st.integers(0, 5))
    def test_from_probabilities_they_stay_finite_and_ordered(self, scores: list[float], place: int) -> None:
        label = place % len(scores)
        shares = torch.tensor([scores], dtype=torch.float32).softmax(dim=1).numpy()
        got = log_odds(Answers(scores=shares), np.array([label]), Access())[0]
        exact = exact_log_odds(scores, label)
        assert math.isfinite(got)
        if abs(exact) < 80:
            # Float32 probabilities sum to 1 only up to their rounding.
            assert got == pytest.approx(exact, abs=1e-3)
        else:
            assert abs(got) >= 79
            assert got * exact > 0

    def test_a_probability_of_one_is_not_infinite(self) -> None:
        odds = log_odds(Answers(scores=np.array([[1.0, 0.0], [0.0, 1.0]])), np.array([0, 0]), Access())
        assert np.isfinite(odds).all()
        assert odds[0] == -odds[1] > 80

    def test_rounded_answers_are_taken_for_half_a_unit(self) -> None:
        rounded = Access(decimals=2)
        odds = log_odds(Answers(scores=np.array([[1.0, 0.0]])), np.array([0]), rounded)
        assert odds[0] == pytest.approx(math.log(1 / 0.005))


class TestAdvantage:
    def test_by_hand(self) -> None:
        called_in, called_out = np.array([True] * 3 + [False]), np.array([True] + [False] * 3)
        found = advantage(called_in, called_out)
        assert found.value == 0.5
        assert found.n == 8
        assert -1 <= found.low < 0.5 < found.high <= 1

    def test_the_interval_covers_in_most_draws(self) -> None:
        rng = np.random.default_rng(0)
        covered = 0
        for _ in range(300):
            found = advantage(rng.random(60) < 0.6, rng.random(60) < 0.4)
            covered += found.low <= 0.2 <= found.high
        assert covered >= 280


class TestEstimates:
    def test_separated_groups_are_told_apart_at_any_rate(self) -> None:
        found = membership_estimates(np.arange(100.0) + 1000, np.arange(100.0))
        assert {name: estimate.value for name, estimate in found.items()} == {
            "auc": 1.0,
            "tpr_at_1_percent": 1.0,
            "tpr_at_01_percent": 1.0,
        }

    def test_rates_by_hand(self) -> None:
        # Of 1,000 non-members 0..999 one per cent lie above 989, one per mille above 998.
        found = membership_estimates(np.array([989.5, 998.5, 5.0, 2000.0]), np.arange(1000.0))
        assert found["tpr_at_1_percent"].value == 0.75
        assert found["tpr_at_01_percent"].value == 0.5
        assert found["auc"].value == pytest.approx((990 + 999 + 5.5 + 1000) / 4000)


def cut(train: torch.Tensor, test: torch.Tensor) -> Dataset:
    parts = {
        name: Part(x=x, y=torch.zeros(len(x), dtype=torch.int64)) for name, x in (("train", train), ("test", test))
    }
    return Dataset(name="cut", classes=2, domain=Domain(shape=(1,), low=0, high=1000), parts=parts)


class TestRows:
    def test_members_others_and_held_rows_are_apart(self) -> None:
        data = cut(torch.arange(100.0).view(-1, 1), torch.arange(200.0, 250.0).view(-1, 1))
        rows = draw_rows(data, 30, 3, who="it")
        members, others, held = ({float(v) for v in p.x} for p in (rows.members, rows.others, rows.held))
        assert len(members) == len(others) == len(held) == 30
        assert not members & held
        assert members | held <= set(map(float, range(100)))
        assert others <= set(map(float, range(200, 250)))

    def test_test_rows_that_stand_in_train_are_no_strangers(self) -> None:
        data = cut(torch.arange(100.0).view(-1, 1), torch.arange(90.0, 110.0).view(-1, 1))
        rows = draw_rows(data, 50, 0, who="it")
        assert {float(v) for v in rows.others.x} == set(map(float, range(100, 110)))
        assert len(rows.members) == 10

    def test_a_fifth_of_a_small_training_set_is_held_back(self) -> None:
        data = cut(torch.arange(10.0).view(-1, 1), torch.arange(20.0, 40.0).view(-1, 1))
        rows = draw_rows(data, 50, 0, who="it")
        assert (len(rows.members), len(rows.others), len(rows.held)) == (8, 8, 2)

    def test_the_seed_decides(self) -> None:
        data = cut(torch.arange(100.0).view(-1, 1), torch.arange(200.0, 250.0).view(-1, 1))
        one, same, other = (draw_rows(data, 20, seed, who="it").members.x for seed in (1, 1, 2))
        assert torch.equal(one, same)
        assert not torch.equal(one, other)

    @pytest.mark.parametrize("train_rows", [1, 2])
    def test_too_few_rows(self, train_rows: int) -> None:
        data = cut(torch.arange(float(train_rows)).view(-1, 1), torch.arange(20.0, 40.0).view(-1, 1))
        with pytest.raises(InvalidData, match=rf"at least 4 rows in train .* got {train_rows} and 20"):
            draw_rows(data, 10, 0, who="it")

    def test_one_test_row(self) -> None:
        data = cut(torch.arange(100.0).view(-1, 1), torch.tensor([[200.0]]))
        with pytest.raises(InvalidData, match="got 100 and 1"):
            draw_rows(data, 10, 0, who="it")

    def test_one_row_asked_for(self) -> None:
        with pytest.raises(InputError, match=r"rows must be at least 2 .* got 1"):
            draw_rows(cut(torch.zeros(9, 1), torch.ones(9, 1)), 1, 0, who="it")

    def test_targets_instead_of_labels(self) -> None:
        part = Part(x=torch.rand(9, 1), y=torch.full((9, 2), 0.5))
        data = Dataset(name="soft", classes=2, domain=Domain(shape=(1,)), parts={"train": part, "test": part})
        with pytest.raises(InvalidData, match=r"one label for each row of train, got targets of \(9, 2\)"):
            draw_rows(data, 5, 0, who="it")
