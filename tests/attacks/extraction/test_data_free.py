"""Data-free extraction: the gradient estimate is unbiased, every query is counted and legal, and digits fall."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stealproof.attacks.extraction._generator import Squashing, build_generator
from stealproof.attacks.extraction._imitation import recovered_logits
from stealproof.attacks.extraction._zeroth_order import evaluation_points, forward_differences, unit_directions
from stealproof.attacks.extraction.data_free import DataFree
from stealproof.errors import AccessDenied, BudgetExceeded, InputError
from stealproof.models.strided_cnn import StridedCnn
from stealproof.oracle import Access, Answer, Answers, Domain, Transcript, as_array
from stealproof.roles.dataset import Dataset
from stealproof.training.trained import Trained


def test_forward_differences_estimate_the_gradient() -> None:
    x = torch.tensor([[0.5, -1.0, 2.0]], dtype=torch.float64)
    directions = unit_directions(1, 20_000, torch.ones(3, dtype=torch.float64), torch.Generator().manual_seed(0))
    points = evaluation_points(x, directions, 1e-6)
    slope = forward_differences((points**2).sum(dim=2), directions, 1e-6)
    np.testing.assert_allclose(slope.numpy(), 2 * x.numpy(), atol=0.1)


def test_masked_coordinates_are_not_moved() -> None:
    mask = torch.tensor([1.0, 0.0, 1.0])
    directions = unit_directions(4, 2, mask, torch.Generator().manual_seed(0))
    assert bool((directions[..., 1] == 0).all())
    np.testing.assert_allclose(directions.norm(dim=2).numpy(), 1, rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 9, 10), (13,)])
def test_a_generator_makes_the_shape_that_is_wanted(shape: tuple[int, ...]) -> None:
    before = torch.get_rng_state()
    network = build_generator(shape, latent=16, width=4, generator=torch.Generator().manual_seed(0))
    assert network(torch.randn((5, 16), generator=torch.Generator().manual_seed(1))).shape == (5, *shape)
    assert torch.equal(before, torch.get_rng_state())


def test_squashed_inputs_are_legal() -> None:
    raw = 10 * torch.randn((50, 3), generator=torch.Generator().manual_seed(0))
    domain = Domain(shape=(3,), low=-2.0, high=5.0, levels={1: (0.0, 3.0)})
    squash = Squashing(domain=domain)
    x = squash(raw).numpy()
    domain.check(x)
    assert set(np.unique(x[:, 1])) == {0.0, 3.0}
    assert squash.movable().tolist() == [1.0, 0.0, 1.0]
    free = Squashing(domain=Domain(shape=(3,), low=-np.inf, high=np.inf))(raw)
    assert float(free.abs().max()) <= 1


def test_probabilities_give_the_logits_back() -> None:
    logits = np.array([[3.0, 1.0, -4.0], [0.0, 0.0, 6.0]])
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    centred = logits - logits.mean(axis=1, keepdims=True)
    from_scores = recovered_logits(Answers(scores=scores), Access())
    from_logits = recovered_logits(Answers(scores=logits), Access(answer=Answer.LOGITS))
    np.testing.assert_allclose(from_scores, centred, atol=1e-9)
    np.testing.assert_allclose(from_logits, centred, atol=1e-9)
    assert np.isfinite(recovered_logits(Answers(scores=np.array([[1.0, 0.0]])), Access(decimals=2))).all()


@pytest.mark.parametrize("answer", [Answer.PROBABILITIES, Answer.LOGITS])
def test_steals_digits_without_data(digits: Dataset, digits_victim: Trained, answer: Answer) -> None:
    stolen = DataFree().steal(digits_victim.oracle(Access(answer=answer)), budget=4000, seed=0)
    truth = digits_victim.oracle(Access(answer=Answer.LABELS)).ask(digits.test.x).predicted
    assert (as_array(stolen.model(digits.test.x)).argmax(axis=1) == truth).mean() > 0.9
    assert stolen.notes["disagreement_learned"][-1] < stolen.notes["disagreement_learned"][0]


@pytest.mark.parametrize("budget", [2, 33, 100, 333])
def test_counts_every_difference_and_never_overspends(digits_victim: Trained, budget: int) -> None:
    transcript = Transcript()
    oracle = digits_victim.oracle(transcript=transcript)
    stolen = DataFree(batch=16, directions=3, student_steps=2, replay=0).steal(oracle, budget=budget)
    assert stolen.queries == oracle.budget.spent == budget == len(transcript.all_queries())
    # One turn of the generator costs 16 * (3 + 1), and the surrogate remembers a quarter of it.
    turns = stolen.notes["generator_turns"]
    assert sum(stolen.notes["predicted"]) == budget - 16 * 3 * turns


def test_a_last_single_input_does_not_break_batch_normalisation(digits_victim: Trained) -> None:
    stolen = DataFree(batch=16, replay=1).steal(digits_victim.oracle(), budget=113, architecture=StridedCnn())
    assert stolen.queries == 113


def test_labels_tell_too_little(digits_victim: Trained) -> None:
    with pytest.raises(AccessDenied, match="data_free needs logits or probabilities from the oracle"):
        DataFree().steal(digits_victim.oracle(Access(answer=Answer.LABELS)), budget=100)


def test_refuses_senseless_parameters(digits_victim: Trained) -> None:
    oracle = digits_victim.oracle()
    with pytest.raises(InputError, match="batch must be at least 2, got 1"):
        DataFree(batch=1).steal(oracle, budget=100)
    with pytest.raises(InputError, match="epsilon must be positive, got 0"):
        DataFree(epsilon=0).steal(oracle, budget=100)
    with pytest.raises(BudgetExceeded, match="data_free needs at least 2 queries, got 1"):
        DataFree().steal(oracle, budget=1)
