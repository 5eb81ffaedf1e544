from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from stealproof.errors import AccessDenied, InputError, InvalidData, MissingData, UnknownName, UnsafeFile
from stealproof.inputs.data import open_data
from stealproof.inputs.model import save_model
from stealproof.inputs.oracle import narrow, open_oracle, parse_access
from stealproof.models.decision_tree import DecisionTree
from stealproof.oracle import Access, Answer, Budget, Transcript
from stealproof.oracles.guarded import GuardedOracle
from stealproof.oracles.module import ModuleOracle
from stealproof.roles.dataset import Dataset
from stealproof.training.trained import Trained, train


@pytest.mark.parametrize(
    ("words", "access"),
    [
        ("labels", Access(answer=Answer.LABELS)),
        ("top-3", Access(answer=Answer.TOP_K, top_k=3)),
        ("Top_1:2", Access(answer=Answer.TOP_K, top_k=1, decimals=2)),
        ("probabilities", Access()),
        ("probabilities:0", Access(decimals=0)),
        ("logits:4", Access(answer=Answer.LOGITS, decimals=4)),
        ("probabilities:2+incomplete", Access(decimals=2, incomplete=True)),
    ],
)
def test_access_in_words(words: str, access: Access) -> None:
    assert parse_access(words) == access


@pytest.mark.parametrize("words", ["", "label", "top-0", "top-", "probabilities:", "probabilities:-1", "top-3:2:1"])
def test_other_words_are_answered_with_the_right_ones(words: str) -> None:
    with pytest.raises(
        InputError, match="expected one of labels, top-K, probabilities, logits, with :D for D decimals"
    ):
        parse_access(words)
    with pytest.raises(InputError, match="labels have no decimals, got 'labels:2'"):
        parse_access("labels:2")


@pytest.mark.parametrize(
    "words", ["labels", "top-3", "top-2:2", "probabilities", "probabilities:2", "logits", "logits:1"]
)
def test_a_model_is_seen_through_exactly_this_access(words: str, digits: Dataset, digits_victim: Trained) -> None:
    access = parse_access(words)
    oracle = narrow(digits_victim, access)
    assert oracle.access == access
    answers = oracle.ask(digits.test.x)
    assert np.array_equal(answers.predicted, digits_victim.oracle().ask(digits.test.x).predicted)
    if access.answer is Answer.LABELS:
        assert answers.scores is None
    else:
        assert answers.scores is not None
        shown = int((~np.isnan(answers.scores)).sum(axis=1).max())
        assert shown == (access.top_k or 10)
        if access.decimals is not None:
            assert np.allclose(answers.scores, np.round(answers.scores, access.decimals), equal_nan=True)


def test_all_that_a_model_gives(digits_victim: Trained) -> None:
    assert narrow(digits_victim, None).access == Access()
    assert isinstance(narrow(digits_victim, None), ModuleOracle)


def test_meters_sit_where_the_client_is(digits: Dataset, digits_victim: Trained) -> None:
    for words in ("labels", "top-3"):
        budget, transcript = Budget(limit=5), Transcript()
        oracle = narrow(digits_victim, parse_access(words), budget=budget, transcript=transcript)
        oracle.query(digits.test.x[:5])
        assert budget.spent == 5
        assert transcript.all_queries().shape == (5, 1, 8, 8)
        if words == "top-3":
            assert np.isnan(transcript.all_answers().scores).any()  # type: ignore[arg-type]


def test_nothing_is_added_to_what_an_oracle_gives(digits_victim: Trained) -> None:
    labels = narrow(digits_victim, parse_access("labels"))
    with pytest.raises(AccessDenied, match="the model gives labels, which is less than probabilities"):
        narrow(labels, parse_access("probabilities"))
    rounded = narrow(digits_victim, parse_access("probabilities:2"))
    with pytest.raises(
        AccessDenied, match="gives probabilities, 2 decimals, which is less than probabilities, 3 decimals"
    ):
        narrow(rounded, parse_access("probabilities:3"))
    top = narrow(digits_victim, parse_access("top-2"))
    with pytest.raises(AccessDenied, match="gives top-2 probabilities, which is less than top-3"):
        narrow(top, parse_access("top-3"))
    with pytest.raises(AccessDenied, match="say softmax=true to have them turned into those"):
        narrow(narrow(digits_victim, parse_access("logits")), parse_access("top-2"))
    assert narrow(top, parse_access("labels")).access == Access(answer=Answer.LABELS)
    assert narrow(rounded, parse_access("probabilities:1")).access.decimals == 1
    assert narrow(labels, None) is labels


def test_a_tree_may_be_asked_with_missing_features() -> None:
    iris = open_data("iris")
    tree = train(DecisionTree(max_depth=2), iris)
    oracle = narrow(tree, parse_access("probabilities+incomplete"))
    assert oracle.query(np.full((1, 4), np.nan)).scores is not None
    with pytest.raises(AccessDenied, match="which is less than probabilities, incomplete queries"):
        narrow(tree.oracle(), parse_access("probabilities+incomplete"))


def test_a_model_file(digits: Dataset, digits_victim: Trained, tmp_path: Path) -> None:
    spec = str(save_model(digits_victim, tmp_path / "m.safetensors"))
    budget = Budget(limit=10)
    oracle = open_oracle(spec, access=parse_access("top-3:2"), budget=budget)
    oracle.query(digits.test.x[:10])
    assert budget.spent == 10
    with pytest.raises(InvalidData, match=r"takes inputs of shape \(1, 8, 8\) in 10 classes, but iris has \(4,\) in 3"):
        open_oracle(spec, data=open_data("iris"))
    with pytest.raises(InputError, match="a local model takes no options of a connection, got 'softmax'; drop it"):
        open_oracle(spec, softmax=True)


def test_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(UnsafeFile, match="is a pickle"):
        open_oracle("model.pkl")
    with pytest.raises(MissingData, match="there is no model file model"):
        open_oracle("model")


@pytest.fixture
def logits_onnx(tmp_path: Path) -> str:
    """A linear graph from digits to logits."""
    weights = np.random.default_rng(0).normal(size=(64, 10)).astype(np.float32)
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["z"])]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 8, 8])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 10])],
        [numpy_helper.from_array(weights, "w")],
    )
    path = tmp_path / "linear.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return str(path)


def test_an_onnx_file_gives_whatever_is_asked_of_its_logits(logits_onnx: str, digits: Dataset) -> None:
    everything = open_oracle(logits_onnx)
    assert everything.access.answer is Answer.LOGITS
    assert everything.domain.shape == (1, 8, 8)
    for words in ("labels", "top-3:2", "probabilities", "logits:1"):
        oracle = open_oracle(logits_onnx, data=digits, access=parse_access(words))
        assert oracle.access == parse_access(words)
        assert np.array_equal(oracle.ask(digits.test.x).predicted, everything.ask(digits.test.x).predicted)
    with pytest.raises(UnknownName, match="no option of the target is named 'sofmax'; did you mean 'softmax'"):
        open_oracle(logits_onnx, sofmax=True)
    with pytest.raises(InputError, match="an option of the target has a value of a wrong kind"):
        open_oracle(logits_onnx, batch="many").ask(digits.test.x)


MODULE = """
def oracle():
    from stealproof.inputs.data import open_data
    from stealproof.models.mlp import Mlp
    from stealproof.training.recipe import Recipe
    from stealproof.training.trained import train
    return train(Mlp(), open_data("iris"), recipe=Recipe(epochs=1)).oracle()
"""


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "own_oracle_for_tests.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    yield "own_oracle_for_tests:oracle"
    sys.modules.pop("own_oracle_for_tests", None)


def test_a_function_may_return_an_oracle(own_module: str) -> None:
    budget = Budget(limit=2)
    oracle = open_oracle(own_module, access=parse_access("labels"), budget=budget)
    assert isinstance(oracle, GuardedOracle)
    assert oracle.query(np.full((2, 4), 0.5)).scores is None
    assert budget.spent == 2
