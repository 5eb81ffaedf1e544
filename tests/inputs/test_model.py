from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from stealproof import catalog
from stealproof.errors import InputError, InvalidData, MissingData, StorageError, UnsafeFile
from stealproof.inputs.model import open_model, save_model
from stealproof.models.logistic_regression import LogisticRegression
from stealproof.models.mlp import Mlp
from stealproof.oracle import Domain
from stealproof.roles.dataset import Dataset
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained, train

ASSETS = Path(__file__).parents[1] / "assets" / "models"
BRIEF = Recipe(epochs=1, batch=64)


@pytest.fixture
def saved(tmp_path: Path, digits_victim: Trained) -> Path:
    return save_model(digits_victim, tmp_path / "victim.safetensors")


def scores(trained: Trained, data: Dataset) -> np.ndarray[Any, Any]:
    found = trained.oracle().ask(data.test.x).scores
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("family", "parameters"),
    [("mlp", {}), ("resnet", {"width": 4}), ("strided_cnn", {"widths": (4, 8)}), ("resnet", {"norm": "group"})],
)
def test_a_network_comes_back_with_the_same_answers(
    family: str, parameters: dict[str, Any], digits: Dataset, tmp_path: Path
) -> None:
    trained = train(catalog.make(family, "model", **parameters), digits, recipe=BRIEF)
    accuracy = trained.accuracy(digits.test)
    opened = open_model(str(save_model(trained, tmp_path / "m.safetensors", accuracy=accuracy)))
    assert np.array_equal(scores(trained, digits), scores(opened, digits))
    assert opened.domain == trained.domain
    assert opened.card["family"]["name"] == family
    assert opened.card["data"]["name"] == "digits"
    assert opened.card["recipe"]["epochs"] == 1
    assert opened.card["accuracy"]["value"] == accuracy.value


@pytest.mark.parametrize(
    "estimator",
    [
        lambda: DecisionTreeClassifier(random_state=0),
        lambda: RandomForestClassifier(5, random_state=0),
        lambda: ExtraTreesClassifier(5, random_state=0),
    ],
)
@pytest.mark.parametrize("classes", [2, 10])
def test_an_estimator_comes_back_with_the_same_answers(
    estimator: Callable[[], Any], classes: int, digits: Dataset, tmp_path: Path
) -> None:
    labels = digits.train.y.numpy() % classes
    fitted = estimator().fit(digits.train.x.reshape(len(labels), -1).double().numpy(), labels)
    trained = Trained(model=fitted, domain=digits.domain, classes=classes, card={})
    opened = open_model(str(save_model(trained, tmp_path / "m.safetensors")))
    assert np.array_equal(scores(trained, digits), scores(opened, digits))
    assert opened.classes == classes


@pytest.mark.parametrize("name", ["breast_cancer", "iris", "digits"])
def test_a_linear_model_comes_back_with_the_same_answers(name: str, tmp_path: Path) -> None:
    from stealproof.inputs.data import open_data

    data = open_data(name)
    trained = train(LogisticRegression(), data)
    opened = open_model(str(save_model(trained, tmp_path / "m.safetensors")))
    assert np.array_equal(scores(trained, data), scores(opened, data))


def test_a_surrogate_of_standard_layers_needs_no_family(tmp_path: Path) -> None:
    linear = torch.nn.Linear(4, 3, dtype=torch.float64)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Sequential(linear, torch.nn.LogSigmoid()))
    trained = Trained(model=model, domain=Domain(shape=(4,), low=-np.inf, levels={1: (0.0, 1.0)}), classes=3, card={})
    opened = open_model(str(save_model(trained, tmp_path / "m.safetensors")))
    x = np.random.default_rng(0).random((20, 4))
    assert np.array_equal(np.asarray(trained.oracle().ask(x).scores), np.asarray(opened.oracle().ask(x).scores))
    assert opened.domain == trained.domain


def test_a_recovered_tree_is_saved_as_its_boxes(tmp_path: Path) -> None:
    from stealproof.attacks.extraction._leaf_boxes import LeafBoxes

    low, high = np.array([[0.0], [0.5]]), np.array([[0.5], [1.0]])
    boxes = LeafBoxes(low, high, np.array([[0.9, 0.1], [0.2, 0.8]]))
    trained = Trained(model=boxes, domain=Domain(shape=(1,)), classes=2, card={})
    opened = open_model(str(save_model(trained, tmp_path / "m.safetensors")))
    assert opened.oracle().ask(np.array([[0.1], [0.9]])).predicted.tolist() == [0, 1]


class Own(torch.nn.Linear):
    """A layer of one's own."""


def test_what_can_not_be_written_down_is_refused_before_anything_is_written(digits: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    domain = Domain(shape=(4,))
    with pytest.raises(InputError, match=r"Own can't be saved: it is neither of the family .* export it to ONNX"):
        save_model(Trained(model=Own(4, 2), domain=domain, classes=2, card={}), path)
    bayes = GaussianNB().fit(np.eye(4), [0, 1, 0, 1])
    with pytest.raises(InputError, match=r"GaussianNB can't be saved here, .* convert it to ONNX with skl2onnx"):
        save_model(Trained(model=bayes, domain=domain, classes=2, card={}), path)
    texts = DecisionTreeClassifier().fit(np.eye(2), ["a", "b"])
    with pytest.raises(InputError, match=r"classes must be integers to be saved, got <U1; number them 0\.\.C-1"):
        save_model(Trained(model=texts, domain=Domain(shape=(2,)), classes=2, card={}), path)
    with pytest.raises(InputError, match=r"saved as \.safetensors, got m\.pt; name it m\.safetensors"):
        save_model(train(Mlp(), digits, recipe=BRIEF), tmp_path / "m.pt")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fails", ["write", "fsync"])
def test_a_full_disk_leaves_the_old_model_as_it_was(
    fails: str, saved: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in saved.parent.iterdir()}

    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class FullFile:
        def __init__(self, descriptor: int, mode: str) -> None:
            self.descriptor = descriptor

        def __enter__(self) -> FullFile:
            return self

        def __exit__(self, *error: object) -> None:
            os.close(self.descriptor)

        write = full

    if fails == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(os, "fdopen", FullFile)
    other = train(Mlp(width=3), digits, recipe=BRIEF)
    with pytest.raises(StorageError, match=r"could not write .*victim\.safetensors: No space left on device"):
        save_model(other, saved)
    assert {path.name: path.read_bytes() for path in saved.parent.iterdir()} == before


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("pickled.pkl", UnsafeFile, r"pickled\.pkl is a pickle, which could run code when it is loaded; save it as"),
        ("pickle_called.safetensors", UnsafeFile, "holds a pickle, which could run code"),
        ("torch_archive.pt", UnsafeFile, "is a pickle, which could run code"),
        ("torch_archive_called.safetensors", UnsafeFile, "is a PyTorch archive with a pickle inside"),
        ("no_card.safetensors", InvalidData, r"there is no card .*no_card\.json beside the weights"),
        ("gone.safetensors", MissingData, "there is no model file"),
        ("../csv/nan.csv", InvalidData, "is no kind of model that is read here"),
    ],
)
def test_bad_model_files_are_refused_with_one_line(name: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        open_model(str(ASSETS / name))
    assert "\n" not in str(caught.value)


def test_weights_of_another_model_are_noticed(saved: Path, digits: Dataset, tmp_path: Path) -> None:
    other = save_model(train(Mlp(width=64), digits, recipe=BRIEF), tmp_path / "other.safetensors")
    shutil.copy(other, saved)
    with pytest.raises(InvalidData, match=r"is not what its card describes: expected SHA-256 \w{16}\.\.\., got"):
        open_model(str(saved))


def rewrite(path: Path, **changes: Any) -> None:
    card = path.with_suffix(".json")
    card.write_text(json.dumps(json.loads(card.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": "stealproof model 9"}, "is no model card of this version: expected format"),
        ({"domain": {"shape": [0]}}, "lacks a field or has it wrong"),
        ({"domain": {"shape": [1, 9, 9], "low": 0.0, "high": 1.0, "levels": {}}}, "does not hold the network that its"),
        ({"classes": 11}, "answers .10,. numbers for one input, expected 11 logits"),
        ({"layers": [{"layer": "Bilinear"}]}, "names a layer 'Bilinear' that is not known here"),
        ({"layers": [{"layer": "Linear", "in_features": 64}]}, "layer Linear can't be built"),
        ({"layers": []}, "expected one layer or Sequential in the card's layers"),
        ({"layers": None, "family": {"name": "mlp"}}, "the card's family has no name or no parameters"),
        ({"kind": "estimator", "estimator": "tree"}, "the weights are no tree of 64 features"),
        ({"kind": "estimator", "estimator": "svm"}, "an estimator of kind 'svm', expected linear, tree or forest"),
    ],
)
def test_a_card_that_does_not_fit_its_weights_is_an_error(changes: dict[str, Any], said: str, saved: Path) -> None:
    rewrite(saved, **changes)
    with pytest.raises(InvalidData, match=said):
        open_model(str(saved))


def test_a_card_that_is_no_json_is_an_error(saved: Path) -> None:
    saved.with_suffix(".json").write_text("{")
    with pytest.raises(InvalidData, match="is no readable JSON card"):
        open_model(str(saved))


@pytest.mark.parametrize("field", ["node.left_child", "node.feature"])
def test_a_tree_whose_links_leave_it_is_refused_before_anyone_walks_it(field: str, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    from stealproof.files import sha256_file

    fitted = DecisionTreeClassifier(random_state=0).fit(np.random.default_rng(0).random((50, 3)), np.arange(50) % 2)
    trained = Trained(model=fitted, domain=Domain(shape=(3,)), classes=2, card={})
    path = save_model(trained, tmp_path / "tree.safetensors")
    arrays = load_file(path)
    arrays[field][0] = 10_000
    save_file(arrays, path)
    rewrite(path, weights={"file": path.name, "sha256": sha256_file(path)})
    with pytest.raises(InvalidData, match="a node with children or features that do not exist"):
        open_model(str(path))


MODULE = """
import numpy as np, torch
from sklearn.tree import DecisionTreeClassifier

def network():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))

def estimator():
    return DecisionTreeClassifier().fit(np.eye(64), np.arange(64) % 10)

def ready():
    from stealproof.oracle import Domain
    from stealproof.training.trained import Trained
    return Trained(model=network(), domain=Domain(shape=(1, 8, 8)), classes=10, card={})

def text():
    return "a model"
"""


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "own_models_for_tests.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    yield "own_models_for_tests"
    sys.modules.pop("own_models_for_tests", None)


def test_models_from_a_function(own_module: str, digits: Dataset) -> None:
    for name in ("network", "estimator", "ready"):
        opened = open_model(f"{own_module}:{name}", domain=digits.domain, classes=10)
        assert len(opened.oracle().ask(digits.test.x)) == len(digits.test)
    assert open_model(f"{own_module}:ready").classes == 10


def test_a_function_must_return_a_model_that_fits(own_module: str) -> None:
    with pytest.raises(InvalidData, match=r"does not tell its inputs and classes; name the data .* with --data"):
        open_model(f"{own_module}:network")
    with pytest.raises(InvalidData, match=r"returned str, expected a torch\.nn\.Module, a fitted scikit-learn"):
        open_model(f"{own_module}:text")
    with pytest.raises(InvalidData, match=r"fails on an input of shape \(30,\)"):
        open_model(f"{own_module}:network", domain=Domain(shape=(30,)), classes=10)
    with pytest.raises(InvalidData, match=r"answers \(1, 10\) for one input, expected logits of shape \(1, 2\)"):
        open_model(f"{own_module}:network", domain=Domain(shape=(1, 8, 8)), classes=2)
