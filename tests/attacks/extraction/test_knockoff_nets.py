"""Knockoff Nets: the bandit learns, rewards mean what the paper says, and the thief's mistakes have a sentence."""

from __future__ import annotations

import numpy as np
import pytest

from stealproof.attacks.extraction._gradient_bandit import Preferences, TreeBandit
from stealproof.attacks.extraction._knockoff_rewards import RewardMeter, certainty, diversity, loss
from stealproof.attacks.extraction._label_tree import cluster_labels, grow_tree
from stealproof.attacks.extraction.knockoff_nets import KnockoffNets
from stealproof.errors import InputError, InvalidData
from stealproof.oracle import Access, Answer, as_array
from stealproof.roles.dataset import Dataset
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained

QUICK = Recipe(epochs=20, batch=32)


def blobs(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Four labels of 50 points: 3 and 5 near the origin, 7 and 9 far from it."""
    labels = np.repeat([3, 5, 7, 9], 50)
    centres = {3: 0.0, 5: 1.0, 7: 20.0, 9: 21.0}
    return np.stack([rng.normal(centres[label], 0.1, size=2) for label in labels]), labels


def test_similar_labels_share_a_group() -> None:
    rng = np.random.default_rng(0)
    x, labels = blobs(rng)
    tree = grow_tree(x, labels, groups=0, rng=rng)
    groups = {frozenset(tree.names[action] for action in members) for members in tree.groups}
    assert groups == {frozenset({3, 5}), frozenset({7, 9})}
    for name, rows in zip(tree.names, tree.rows, strict=True):
        assert sorted(rows) == np.flatnonzero(labels == name).tolist()


def test_a_pool_without_labels_is_clustered() -> None:
    x, labels = blobs(np.random.default_rng(0))
    found = cluster_labels(x, 4, np.random.default_rng(1))
    assert len({(a, b) for a, b in zip(found.tolist(), labels.tolist(), strict=True)}) == 4


def test_equal_inputs_make_one_label() -> None:
    assert set(cluster_labels(np.ones((30, 3)), 5, np.random.default_rng(0)).tolist()) == {0}


def test_one_update_is_the_gradient_of_the_policy() -> None:
    node = Preferences(4)
    node.learn(1, 0.8)
    np.testing.assert_allclose(node.values, [-0.2, 0.6, -0.2, -0.2])
    node.learn(1, 0.0)
    np.testing.assert_allclose(node.values, [-0.2, 0.6, -0.2, -0.2])


def test_the_bandit_prefers_what_is_rewarded() -> None:
    rng = np.random.default_rng(0)
    x, labels = blobs(rng)
    bandit = TreeBandit(grow_tree(x, labels, groups=2, rng=rng))
    for _ in range(10):
        actions, rows = bandit.draw(5, rng)
        bandit.learn(actions, np.where(labels[rows] == 9, 1.0, -0.3))
    policy = bandit.policy()
    assert sum(policy.values()) == pytest.approx(1)
    assert max(policy, key=lambda name: policy[name]) == 9
    assert bandit.drawn()[9] > 20


def test_the_bandit_asks_every_input_once_and_no_more() -> None:
    rng = np.random.default_rng(0)
    x, labels = blobs(rng)
    bandit = TreeBandit(grow_tree(x, labels, groups=2, rng=rng))
    rows = []
    for _ in range(40):
        actions, drawn = bandit.draw(5, rng)
        bandit.learn(actions, np.where(labels[drawn] == 3, 5.0, -5.0))
        rows += drawn.tolist()
    assert sorted(rows) == list(range(200))


def test_rewards_by_hand() -> None:
    victim = np.array([[0.7, 0.2, 0.1], [0.0, 0.5, 0.5]])
    np.testing.assert_allclose(certainty(victim), [0.5, 0.0])
    np.testing.assert_allclose(diversity(victim, np.array([[0.5, 0.5, 0.0]])), [0.3, 0.5])
    np.testing.assert_allclose(loss(victim, np.log([[0.5, 0.25, 0.25], [0.2, 0.4, 0.4]])), [0.9011, 0.9163], atol=1e-4)


def test_advantages_have_a_range_of_at_most_one_and_no_mean() -> None:
    rng = np.random.default_rng(0)
    meter = RewardMeter("all", window=100)
    for _ in range(4):
        victim, knockoff = rng.dirichlet(np.ones(5), size=50), rng.dirichlet(np.ones(5), size=50)
        advantages, raw = meter.advantages(victim, np.log(knockoff))
        assert raw.shape == (50, 3)
        assert np.ptp(advantages) <= 1
        assert abs(advantages.mean()) < 0.1


def test_the_certainty_of_labels_says_nothing() -> None:
    advantages, _ = RewardMeter("certainty", window=100).advantages(np.eye(3)[[0, 1, 2, 0]], None)
    np.testing.assert_array_equal(advantages, 0)


@pytest.mark.parametrize("answer", [Answer.LABELS, Answer.PROBABILITIES, Answer.LOGITS])
@pytest.mark.parametrize("policy", ["random", "adaptive"])
def test_steals_from_every_answer(digits: Dataset, digits_victim: Trained, policy: str, answer: Answer) -> None:
    attack = KnockoffNets.make({"policy": policy})
    oracle = digits_victim.oracle(Access(answer=answer))
    stolen = attack.steal(oracle, digits.pool.x, budget=300, seed=0, recipe=QUICK)
    with_labels = digits_victim.oracle(Access(answer=Answer.LABELS)).ask(digits.test.x).predicted
    assert stolen.queries == 300
    assert (as_array(stolen.model(digits.test.x)).argmax(axis=1) == with_labels).mean() > 0.9


def test_notes_say_what_the_policy_learned(digits: Dataset, digits_victim: Trained) -> None:
    labels = as_array(digits.pool.y)
    stolen = KnockoffNets(policy="adaptive").steal(
        digits_victim.oracle(), digits.pool.x, pool_labels=labels, budget=100, recipe=QUICK
    )
    notes = stolen.notes
    assert set(notes["policy"]) == set(range(10))
    assert sum(notes["policy"].values()) == pytest.approx(1)
    assert sum(notes["drawn"].values()) == 100
    assert set(notes["rewards"]) == {"certainty", "diversity", "loss"}
    assert sorted(label for group in notes["groups"] for label in group) == list(range(10))


def test_without_the_loss_no_knockoff_is_trained_while_asking(digits: Dataset, digits_victim: Trained) -> None:
    stolen = KnockoffNets(policy="adaptive", reward="diversity").steal(
        digits_victim.oracle(), digits.pool.x, budget=50, recipe=QUICK
    )
    assert set(stolen.notes["rewards"]) == {"diversity"}


def test_labels_must_belong_to_the_pool(digits: Dataset, digits_victim: Trained) -> None:
    attack = KnockoffNets(policy="adaptive")
    with pytest.raises(InvalidData, match=r"expected pool labels of shape \(449,\) .* got \(3,\) and int64"):
        attack.steal(digits_victim.oracle(), digits.pool.x, pool_labels=np.arange(3), budget=10)


@pytest.mark.parametrize(("name", "value", "least"), [("batch", 0, 1), ("window", 1, 2), ("groups", -1, 0)])
def test_refuses_senseless_parameters(
    digits: Dataset, digits_victim: Trained, name: str, value: int, least: int
) -> None:
    attack = KnockoffNets.make({"policy": "adaptive", name: value})
    with pytest.raises(InputError, match=f"{name} must be at least {least}, got {value}"):
        attack.steal(digits_victim.oracle(), digits.pool.x, budget=10)
