"""What each of the four ways of fine-tuning changes, and what fine-pruning keeps at zero."""

from __future__ import annotations

import pytest
import torch

from stealproof.attacks.removal._network import features, last_layer
from stealproof.attacks.removal.fine_pruning import FinePruning
from stealproof.attacks.removal.fine_tuning import FineTuning
from stealproof.attacks.removal.label_smoothing import LabelSmoothing
from stealproof.attacks.removal.transfer_learning import TransferLearning
from stealproof.errors import InputError
from stealproof.models.strided_cnn import StridedCnn
from stealproof.roles.dataset import Dataset
from stealproof.roles.removal import Removal
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained, train


@pytest.fixture(scope="module")
def normalised(digits: Dataset) -> Trained:
    """A network with batch normalisations."""
    return train(StridedCnn(widths=(8, 8)), digits, recipe=Recipe(epochs=4, batch=64), seed=0)


def washed(removal: Removal, stolen: Trained, data: Dataset) -> Trained:
    model = removal.erase(stolen.model, data.pool, domain=data.domain, classes=data.classes, seed=2)
    return Trained(model=model, domain=data.domain, classes=data.classes, card={})


def changed(one: torch.nn.Module, other: torch.nn.Module) -> set[str]:
    theirs = other.state_dict()
    return {name for name, value in one.state_dict().items() if not torch.equal(value, theirs[name])}


@pytest.mark.parametrize("fresh_head", [False, True])
def test_only_the_last_layer_changes_batch_statistics_included(
    fresh_head: bool, normalised: Trained, digits: Dataset
) -> None:
    removal = FineTuning(layers="last", fresh_head=fresh_head, epochs=2)
    names = changed(washed(removal, normalised, digits).model, normalised.model)
    assert names == {"7.weight", "7.bias"}


def test_all_layers_change_and_batch_statistics_follow(normalised: Trained, digits: Dataset) -> None:
    names = changed(washed(FineTuning(epochs=2), normalised, digits).model, normalised.model)
    assert names == set(normalised.model.state_dict())


def test_a_few_steps_at_the_papers_rate_stay_close_and_a_fresh_head_does_not(
    digits_victim: Trained, digits: Dataset
) -> None:
    def distance(removal: Removal) -> float:
        ours, theirs = (
            last_layer(one.model).weight.detach() for one in (washed(removal, digits_victim, digits), digits_victim)
        )
        return float((ours - theirs).norm() / theirs.norm())

    assert distance(FineTuning()) < 0.1
    assert distance(FineTuning(fresh_head=True)) > 0.5


def test_training_the_last_layer_alone_is_what_training_with_the_rest_frozen_is(
    digits_victim: Trained, digits: Dataset
) -> None:
    import copy

    from stealproof.attacks.removal._tune import constant_rate
    from stealproof.models.mlp import Mlp
    from stealproof.roles.removal import SUSPECT
    from stealproof.seeds import derive
    from stealproof.training.fit import fit

    frozen = copy.deepcopy(digits_victim.model)
    for name, weight in frozen.named_parameters():
        weight.requires_grad_(name.startswith("3."))
    seed = derive(2, SUSPECT, "fine_tuning")
    recipe = constant_rate(2, 0.05)
    expected = fit(Mlp(), digits.pool, classes=10, recipe=recipe, seed=seed, start=frozen)
    found = washed(FineTuning(layers="last", epochs=2, learning_rate=0.05), digits_victim, digits).model
    for ours, theirs in zip(found.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_network_that_does_not_end_in_its_last_linear_layer_is_refused(digits: Dataset) -> None:
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10), torch.nn.Tanh())
    with pytest.raises(InputError, match="does not end in its last linear layer"):
        FineTuning(layers="last").erase(model, digits.pool, domain=digits.domain, classes=10)
    with pytest.raises(InputError, match="layers must be 'last' or 'all', got 'first'"):
        FineTuning(layers="first").erase(model, digits.pool, domain=digits.domain, classes=10)  # type: ignore[arg-type]


def test_fine_pruning_cuts_off_dormant_units_for_good(digits_victim: Trained, digits: Dataset) -> None:
    def cut(most_loss: float) -> torch.Tensor:
        model = washed(FinePruning(most_loss=most_loss), digits_victim, digits).model
        return (last_layer(model).weight == 0).all(dim=0)

    few, many = cut(0.0), cut(0.3)
    assert 0 < int(few.sum()) < int(many.sum()) < len(many)
    # The order is that of mean activation, so whatever is cut for little is cut for more.
    assert (many | ~few).all()
    activity = features(digits_victim.model, last_layer(digits_victim.model), digits.pool.x).mean(dim=0)
    assert activity[many].max() <= activity[~many].min()


def test_smoothed_labels_make_answers_less_certain(digits_victim: Trained, digits: Dataset) -> None:
    def certainty(one: Trained) -> float:
        scores = one.oracle().ask(digits.test.x).scores
        assert scores is not None
        return float(scores.max(axis=1).mean())

    assert certainty(washed(LabelSmoothing(smoothing=0.3), digits_victim, digits)) < certainty(digits_victim) - 0.1


def test_transfer_moves_the_features_and_ends_in_the_classes(digits_victim: Trained, digits: Dataset) -> None:
    frozen = washed(TransferLearning(frozen=True), digits_victim, digits)
    thawed = washed(TransferLearning(), digits_victim, digits)
    assert changed(frozen.model, digits_victim.model) == set(digits_victim.model.state_dict())
    # The way there is the same for both, so that they share the features that the way back starts from.
    assert "1.weight" in changed(thawed.model, frozen.model)
    assert min(one.accuracy(digits.test).value for one in (frozen, thawed)) > 0.9


def test_a_single_layer_has_no_features_to_transfer(digits: Dataset) -> None:
    with pytest.raises(InputError, match="a single linear layer"):
        TransferLearning().erase(
            torch.nn.Linear(64, 10),
            type(digits.pool)(x=digits.pool.x.flatten(1), y=digits.pool.y),
            domain=type(digits.domain)(shape=(64,)),
            classes=10,
        )
