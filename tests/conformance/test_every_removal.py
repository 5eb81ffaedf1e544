"""What every removal owes: a working network, the stolen one untouched, the same bytes for a seed, a file to keep."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stealproof import catalog
from stealproof.errors import InputError, InvalidData
from stealproof.inputs.data import open_data
from stealproof.inputs.model import open_model, save_model
from stealproof.models.mlp import Mlp
from stealproof.models.resnet import ResNet
from stealproof.models.strided_cnn import StridedCnn
from stealproof.oracle import Domain
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.removal import Removal, wash
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained, train

REMOVALS = catalog.names("removal")
IMAGES_ONLY = {"input_smoothing", "jpeg_compression"}
QUICK = {"neural_laundering": {"search_steps": 20}}


def removal_named(name: str) -> Removal:
    made = catalog.make(name, "removal", **QUICK.get(name, {}))
    assert isinstance(made, Removal)
    return made


def erase(name: str, stolen: Trained, data: Part, *, seed: int = 1) -> torch.nn.Module:
    return removal_named(name).erase(stolen.model, data, domain=stolen.domain, classes=stolen.classes, seed=seed)


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def logits(model: torch.nn.Module, x: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> torch.Tensor:
    dtype = next((tensor.dtype for tensor in model.parameters()), torch.float32)
    with torch.inference_mode():
        answers: torch.Tensor = model(torch.as_tensor(x, dtype=dtype))
    return answers


@pytest.fixture(scope="session")
def networks(digits: Dataset) -> list[Trained]:
    """Networks with batch normalisation, with residual blocks, and a perceptron, hardly trained."""
    families = (StridedCnn(widths=(4, 8)), ResNet(width=4), Mlp(width=16))
    return [train(family, digits, recipe=Recipe(epochs=2, batch=64), seed=0) for family in families]


@pytest.fixture(scope="session")
def tabular() -> tuple[Trained, Dataset]:
    """A perceptron in float64 for four numbers."""
    iris = open_data("iris")
    return train(Mlp(width=8), iris, recipe=Recipe(epochs=30, batch=16, precision="float64"), seed=0), iris


@pytest.mark.parametrize("name", REMOVALS)
class TestEveryRemoval:
    def test_leaves_a_network_that_answers_legal_inputs_and_can_be_kept(
        self, name: str, networks: list[Trained], digits: Dataset, tmp_path: Path
    ) -> None:
        for number, stolen in enumerate(networks):
            before = weights(stolen.model)
            washed = erase(name, stolen, digits.pool.take(slice(150)))
            assert same(before, weights(stolen.model))
            assert not washed.training
            inputs = digits.domain.uniform(20, np.random.default_rng(0))
            inputs[0], inputs[1] = digits.domain.low, digits.domain.high
            answers = logits(washed, inputs)
            assert answers.shape == (20, digits.classes)
            assert answers.isfinite().all()
            kept = save_model(replace(stolen, model=washed, card={}), tmp_path / f"{number}.safetensors")
            assert torch.equal(logits(open_model(str(kept)).model, inputs), answers)

    def test_keeps_most_of_what_the_network_knows(self, name: str, digits_victim: Trained, digits: Dataset) -> None:
        washed = replace(digits_victim, model=erase(name, digits_victim, digits.pool))
        assert washed.accuracy(digits.test).value > digits_victim.accuracy(digits.test).value - 0.1

    def test_the_same_seed_gives_the_same_bytes(self, name: str, digits_victim: Trained, digits: Dataset) -> None:
        torch_state = torch.get_rng_state()
        one, two = (weights(erase(name, digits_victim, digits.pool, seed=3)) for _ in range(2))
        assert same(one, two)
        assert torch.equal(torch_state, torch.get_rng_state())

    def test_washes_a_perceptron_for_tables_or_says_why_not(self, name: str, tabular: tuple[Trained, Dataset]) -> None:
        stolen, iris = tabular
        if name in IMAGES_ONLY:
            with pytest.raises(InputError, match=rf"{name} needs images \(channels, height, width\), got .* \(4,\)"):
                erase(name, stolen, iris.pool)
            return
        washed = erase(name, stolen, iris.pool)
        assert next(washed.parameters()).dtype == torch.float64
        assert logits(washed, iris.test.x.numpy()).isfinite().all()

    def test_soft_labels_of_the_suspects_will_do(self, name: str, digits_victim: Trained, digits: Dataset) -> None:
        believed = torch.nn.functional.one_hot(digits.pool.y, digits.classes).float() * 0.9 + 0.01
        washed = erase(name, digits_victim, Part(x=digits.pool.x, y=believed))
        assert logits(washed, digits.test.x.numpy()).isfinite().all()

    def test_refuses_no_rows_and_rows_that_do_not_fit(self, name: str, digits_victim: Trained, digits: Dataset) -> None:
        with pytest.raises(InvalidData, match=f"{name} needs rows of the suspect's own, got none"):
            erase(name, digits_victim, digits.pool.take(slice(0)))
        flat = Part(x=digits.pool.x.flatten(1), y=digits.pool.y)
        with pytest.raises(InvalidData, match=r"expected rows of shape \(1, 8, 8\), got \(64,\)"):
            erase(name, digits_victim, flat)

    def test_parameters_out_of_range_are_named(self, name: str, digits_victim: Trained, digits: Dataset) -> None:
        made = removal_named(name)
        numbers = [key for key, value in made.parameters().items() if type(value) in (int, float)]
        for key in numbers:
            with pytest.raises(InputError, match=f"{key} must "):
                replace(made, **{key: -1}).erase(
                    digits_victim.model, digits.pool, domain=digits.domain, classes=digits.classes
                )


def test_a_stack_is_washed_in_order(digits_victim: Trained, digits: Dataset) -> None:
    stack = [removal_named(name) for name in ("weight_pruning", "fine_tuning", "input_noising", "feature_squeezing")]
    washed = wash(stack, digits_victim.model, digits.pool, domain=digits.domain, classes=digits.classes, seed=1)
    one = digits_victim.model
    for removal in stack:
        one = removal.erase(one, digits.pool, domain=digits.domain, classes=digits.classes, seed=1)
    inputs = digits.test.x.numpy()
    assert torch.equal(logits(washed, inputs), logits(one, inputs))
    assert [type(layer).__name__ for layer in list(washed)[:2]] == ["SqueezedInput", "NoisedInput"]  # type: ignore[call-overload]


def test_what_a_tree_lacks_is_said_in_a_sentence() -> None:
    from stealproof.attacks.extraction._leaf_boxes import LeafBoxes

    tree = LeafBoxes(np.zeros((1, 2)), np.ones((1, 2)), np.array([[0.4, 0.6]]))
    data = Part(x=torch.rand(6, 2, generator=torch.Generator().manual_seed(0)), y=torch.arange(6) % 2)
    for name in REMOVALS:
        if name in {"input_noising", "feature_squeezing"}:
            assert logits(erase_tree(name, tree, data), data.x.double().numpy()).shape == (6, 2)
        else:
            with pytest.raises(InputError, match=r"layer|no weights to train|needs images"):
                erase_tree(name, tree, data)


def erase_tree(name: str, tree: torch.nn.Module, data: Part) -> torch.nn.Module:
    return removal_named(name).erase(tree, data, domain=Domain(shape=(2,)), classes=2)
