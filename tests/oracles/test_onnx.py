from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from stealproof.errors import AccessDenied, InputError, InvalidData, OracleUnavailable, UnknownName, UnsafeFile
from stealproof.oracle import Access, Answer, Answers, Domain
from stealproof.oracles import _onnx_file
from stealproof.oracles.onnx import OnnxOracle

RNG = np.random.default_rng(0)
W = RNG.normal(size=(4, 3)).astype(np.float32)
X = RNG.random((10, 4)).astype(np.float32)
LOGITS = X @ W
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
F32, I64 = TensorProto.FLOAT, TensorProto.INT64


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    *,
    inputs: Sequence[Any] = (("x", F32, ["n", 4]),),
    outputs: Sequence[Any] = (("y", F32, ["n", 3]),),
    weights: NDArray[Any] = W,
) -> Path:
    """A model file with these nodes over ``x`` and the constant ``w``."""
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info(*value) for value in inputs],
        [
            value if isinstance(value, onnx.ValueInfoProto) else helper.make_tensor_value_info(*value)
            for value in outputs
        ],
        [numpy_helper.from_array(weights, "w")],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    return path


def same(answers: Answers, expected: Any, *, rtol: float = 1e-7, atol: float = 0.0) -> None:
    assert answers.scores is not None
    np.testing.assert_allclose(answers.scores, expected, rtol=rtol, atol=atol)


def linear(output: str = "y") -> onnx.NodeProto:
    return helper.make_node("MatMul", ["x", "w"], [output])


def classifier(path: Path, **changes: Any) -> Path:
    return save(path, [linear("z"), helper.make_node("Softmax", ["z"], ["y"], axis=1)], **changes)


def test_shape_classes_and_kind_come_from_the_graph(tmp_path: Path) -> None:
    oracle = OnnxOracle(classifier(tmp_path / "m.onnx"))
    assert (oracle.domain, oracle.classes, oracle.access) == (Domain(shape=(4,)), 3, Access())
    scores = oracle.query(X).scores
    assert scores is not None
    np.testing.assert_allclose(scores, PROBABILITIES, rtol=1e-5)
    assert oracle.budget.spent == 10


def test_logits_are_recognised(tmp_path: Path) -> None:
    path = save(tmp_path / "m.onnx", [linear()])
    oracle = OnnxOracle(path)
    assert oracle.access.answer is Answer.LOGITS
    same(oracle.query(X), LOGITS, rtol=1e-5)
    soft = OnnxOracle(path, softmax=True)
    assert soft.access.answer is Answer.PROBABILITIES
    same(soft.query(X), PROBABILITIES, rtol=1e-5)
    labels = OnnxOracle(path, access=Access(answer=Answer.LABELS)).query(X)
    assert labels.scores is None
    np.testing.assert_array_equal(labels.predicted, LOGITS.argmax(axis=1))


def test_a_false_declaration_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"declared to answer probabilities, but its rows sum to .*: declare logits"):
        OnnxOracle(save(tmp_path / "m.onnx", [linear()]), access=Access())
    with pytest.raises(InvalidData, match="declared to answer logits, but its rows are probabilities"):
        OnnxOracle(classifier(tmp_path / "m.onnx"), access=Access(answer=Answer.LOGITS))
    with pytest.raises(AccessDenied, match="answers labels, probabilities or logits, not top-2"):
        OnnxOracle(classifier(tmp_path / "m.onnx"), access=Access(answer=Answer.TOP_K, top_k=2))
    with pytest.raises(InvalidData, match="gives 3 scores for each input, expected 10, one a class"):
        OnnxOracle(classifier(tmp_path / "m.onnx"), classes=10)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_fixed_batch_is_filled_up(tmp_path: Path, batch: int) -> None:
    path = classifier(tmp_path / "m.onnx", inputs=[("x", F32, [batch, 4])], outputs=[("y", F32, [batch, 3])])
    oracle = OnnxOracle(path)
    same(oracle.query(X), PROBABILITIES, rtol=1e-5)
    assert oracle.budget.spent == 10


def test_small_batches_and_threads_change_nothing(tmp_path: Path) -> None:
    path = classifier(tmp_path / "m.onnx")
    one = OnnxOracle(path).query(X).scores
    same(OnnxOracle(path, batch=3, threads=2).query(X), one, rtol=1e-6)


def test_open_shapes_ask_for_the_domain(tmp_path: Path) -> None:
    path = classifier(tmp_path / "m.onnx", inputs=[("x", F32, ["n", "d"])], outputs=[("y", F32, ["n", "c"])])
    with pytest.raises(
        InvalidData, match=r"the shape of the input is open \(x tensor\(float\) \(n, d\)\); pass the domain"
    ):
        OnnxOracle(path)
    assert OnnxOracle(path, domain=Domain(shape=(4,))).classes == 3
    images = OnnxOracle(path, domain=Domain(shape=(1, 2, 2)))
    same(images.query(X.reshape(10, 1, 2, 2)), PROBABILITIES, rtol=1e-5)
    with pytest.raises(InvalidData, match=r"fails on inputs of shape \(5,\)"):
        OnnxOracle(path, domain=Domain(shape=(5,)))
    with pytest.raises(InvalidData, match=r"takes inputs of shape \(4,\), got \(5,\); pass that domain"):
        OnnxOracle(classifier(tmp_path / "closed.onnx"), domain=Domain(shape=(5,)))


def test_integer_inputs_are_rounded(tmp_path: Path) -> None:
    nodes = [helper.make_node("Cast", ["u"], ["x"], to=F32), linear()]
    path = save(tmp_path / "m.onnx", nodes, inputs=[("u", TensorProto.UINT8, ["n", 4])])
    oracle = OnnxOracle(path, domain=Domain(shape=(4,), low=0, high=255))
    pixels = np.rint(X * 255)
    same(oracle.query(pixels - 0.4 * (pixels > 0)), pixels @ W, rtol=1e-4)


def test_half_precision(tmp_path: Path) -> None:
    half = TensorProto.FLOAT16
    path = classifier(
        tmp_path / "m.onnx",
        inputs=[("x", half, ["n", 4])],
        outputs=[("y", half, ["n", 3])],
        weights=W.astype(np.float16),
    )
    same(OnnxOracle(path).query(X), PROBABILITIES, atol=5e-3)


def test_one_sigmoid_is_two_classes(tmp_path: Path) -> None:
    nodes = [linear("z"), helper.make_node("Sigmoid", ["z"], ["y"])]
    shapes: dict[str, Any] = {"outputs": [("y", F32, ["n", 1])], "weights": W[:, :1]}
    positive = 1 / (1 + np.exp(-LOGITS[:, :1]))
    both = np.concatenate([1 - positive, positive], axis=1)
    oracle = OnnxOracle(save(tmp_path / "m.onnx", nodes, **shapes))
    assert oracle.classes == 2
    same(oracle.query(X), both, rtol=1e-4)
    raw = save(tmp_path / "raw.onnx", [linear()], **shapes)
    same(OnnxOracle(raw, softmax=True).query(X), both, rtol=1e-4)


def skl(path: Path, *, zipped: bool, names: Sequence[int] = (0, 1, 2)) -> Path:
    """A graph as skl2onnx writes it: the label, and probabilities as a tensor or as one map for each row."""
    nodes = [
        linear("z"),
        helper.make_node("Softmax", ["z"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["z"], ["best"], axis=1, keepdims=0),
        helper.make_node("ArrayFeatureExtractor", ["names", "best"], ["row"], domain="ai.onnx.ml"),
        helper.make_node("Reshape", ["row", "flat"], ["label"]),
        helper.make_node("Constant", [], ["flat"], value_ints=[-1]),
        helper.make_node("Constant", [], ["names"], value_ints=list(names)),
        helper.make_node("ZipMap", ["probabilities"], ["map"], domain="ai.onnx.ml", classlabels_int64s=list(names)),
    ]
    label = helper.make_tensor_value_info("label", I64, ["n"])
    tensor = helper.make_tensor_value_info("probabilities", F32, ["n", 3])
    value = helper.make_tensor_type_proto(F32, [])
    mapped = helper.make_value_info("map", helper.make_sequence_type_proto(helper.make_map_type_proto(I64, value)))
    # Node order must follow the data.
    nodes = [*nodes[5:7], *nodes[:5], *nodes[7:]]
    return save(path, nodes if zipped else nodes[:-1], outputs=[label, mapped if zipped else tensor])


@pytest.mark.parametrize("zipped", [False, True])
def test_skl2onnx_graphs_answer_their_probabilities(tmp_path: Path, zipped: bool) -> None:
    oracle = OnnxOracle(skl(tmp_path / "m.onnx", zipped=zipped))
    assert oracle.access.answer is Answer.PROBABILITIES
    same(oracle.query(X), PROBABILITIES, rtol=1e-5)


def test_classes_of_a_map_keep_their_numbers(tmp_path: Path) -> None:
    scores = OnnxOracle(skl(tmp_path / "m.onnx", zipped=True, names=[0, 2, 5]), classes=6).query(X).scores
    assert scores is not None
    np.testing.assert_allclose(scores[:, [0, 2, 5]], PROBABILITIES, rtol=1e-5)
    assert not scores[:, [1, 3, 4]].any()


def test_labels_alone_need_the_number_of_classes(tmp_path: Path) -> None:
    nodes = [linear("z"), helper.make_node("ArgMax", ["z"], ["y"], axis=1, keepdims=0)]
    path = save(tmp_path / "m.onnx", nodes, outputs=[("y", I64, ["n"])])
    with pytest.raises(InvalidData, match="do not tell how many classes there are; pass it"):
        OnnxOracle(path)
    with pytest.raises(AccessDenied, match="answers labels only, not probabilities"):
        OnnxOracle(path, classes=3, access=Access())
    answers = OnnxOracle(path, classes=3).query(X)
    np.testing.assert_array_equal(answers.predicted, LOGITS.argmax(axis=1))
    with pytest.raises(OracleUnavailable, match=r"expected labels in 0\.\.1"):
        OnnxOracle(path, classes=2).query(X)


def test_which_output_is_the_answer_may_have_to_be_said(tmp_path: Path) -> None:
    nodes = [linear(), helper.make_node("Softmax", ["y"], ["p"], axis=1)]
    path = save(tmp_path / "m.onnx", nodes, outputs=[("y", F32, ["n", 3]), ("p", F32, ["n", 3])])
    with pytest.raises(
        InvalidData, match=r"several outputs that could be the answers: y tensor.*, p tensor.*; name one"
    ):
        OnnxOracle(path)
    assert OnnxOracle(path, output="p").access.answer is Answer.PROBABILITIES
    assert OnnxOracle(path, output="y").access.answer is Answer.LOGITS
    with pytest.raises(UnknownName, match=r"no output of m\.onnx is named 'q'"):
        OnnxOracle(path, output="q")


def test_graphs_that_are_no_classifiers(tmp_path: Path) -> None:
    two = [("x", F32, ["n", 4]), ("v", F32, ["n", 4])]
    nodes = [helper.make_node("Add", ["x", "v"], ["s"]), helper.make_node("MatMul", ["s", "w"], ["y"])]
    with pytest.raises(InvalidData, match=r"expected a graph with one numeric input .* got x .*, v .*"):
        OnnxOracle(save(tmp_path / "two.onnx", nodes, inputs=two))
    texts = [helper.make_node("Identity", ["t"], ["y"])]
    string = TensorProto.STRING
    path = save(tmp_path / "t.onnx", texts, inputs=[("t", string, ["n"])], outputs=[("y", string, ["n"])])
    with pytest.raises(InvalidData, match="expected a graph with one numeric input"):
        OnnxOracle(path)
    deep = [linear("z"), helper.make_node("Constant", [], ["axis"], value_ints=[2])]
    deep.append(helper.make_node("Unsqueeze", ["z", "axis"], ["y"]))
    path = save(tmp_path / "deep.onnx", deep, outputs=[("y", F32, ["n", 3, 1])])
    with pytest.raises(InvalidData, match=r"expected scores \(n, classes\) in y for 8 inputs, got \(8, 3, 1\)"):
        OnnxOracle(path)


# Files


def test_files_that_are_no_models(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    with pytest.raises(InputError, match=r"no file .*; expected an ONNX model"):
        OnnxOracle(path)
    for content, error, message in (
        (b"", InvalidData, "is empty"),
        (b"hello, world", InvalidData, "is no ONNX model or is damaged"),
        (b"\x08\x07", InvalidData, "holds no graph"),
        (pickle.dumps({"weights": [1]}), UnsafeFile, "is a pickle or a zip archive, which could run code"),
        (b"PK\x03\x04rest", UnsafeFile, "export the model with torch.onnx.export"),
        (b"\x3a\x02\x0a\xff", InvalidData, "is no ONNX model or is damaged"),
    ):
        path.write_bytes(content)
        with pytest.raises(error, match=message):
            OnnxOracle(path)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.99])
def test_truncated_files(tmp_path: Path, keep: float) -> None:
    path = classifier(tmp_path / "m.onnx")
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(InvalidData):
        OnnxOracle(path)


def test_flipped_bytes_never_leak_a_foreign_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = classifier(tmp_path / "m.onnx").read_bytes()
    for position in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        (tmp_path / "d.onnx").write_bytes(damaged)
        try:
            OnnxOracle(tmp_path / "d.onnx").query(X)
        except (InputError, OracleUnavailable):
            continue
    assert capfd.readouterr() == ("", "")


def external(folder: Path, location: str) -> Path:
    """A classifier whose weights lie in another file; the reference then points to ``location``."""
    path = folder / "m.onnx"
    model = onnx.load(classifier(path))
    onnx.save(model, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    model = onnx.load(path, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = location
    path.write_bytes(model.SerializeToString())
    return path


def test_external_weights_must_lie_beside_the_model(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    same(OnnxOracle(external(folder, "w.bin")).query(X), PROBABILITIES, rtol=1e-5)
    with pytest.raises(InvalidData, match=r"keeps its weights in 'gone\.bin', which is missing"):
        OnnxOracle(external(folder, "gone.bin"))
    (tmp_path / "secret.bin").write_bytes((folder / "w.bin").read_bytes())
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    for location in ("../secret.bin", str(tmp_path / "secret.bin"), "link.bin"):
        with pytest.raises(UnsafeFile, match="outside its own folder; keep them beside it"):
            OnnxOracle(external(folder, location))


def test_external_weights_are_found_inside_nested_graphs(tmp_path: Path) -> None:
    inner = numpy_helper.from_array(W, "w")
    onnx.external_data_helper.set_external_data(inner, "../../etc/hosts")
    branch = helper.make_graph([linear()], "b", [], [helper.make_tensor_value_info("y", F32, None)], [inner])
    nodes = [
        helper.make_node("Constant", [], ["yes"], value=numpy_helper.from_array(np.asarray(True))),
        helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch),
    ]
    with pytest.raises(UnsafeFile, match=r"reads its weights from '\.\./\.\./etc/hosts'"):
        OnnxOracle(save(tmp_path / "m.onnx", nodes))


def test_messages_nested_without_end_are_refused(tmp_path: Path) -> None:
    content = b""
    for _ in range(40):
        # A graph (7 in the model, else 6 in an attribute) holds a node (1), which holds an attribute (5).
        for field in (5, 1, 6):
            length = len(content)
            content = bytes([field << 3 | 2, length & 0x7F | 0x80, length >> 7]) + content
    path = tmp_path / "m.onnx"
    path.write_bytes(b"\x3a" + content[1:])
    with pytest.raises(InvalidData, match="messages nested too deep"):
        OnnxOracle(path)


def test_the_walk_knows_every_path_to_external_data() -> None:
    """The table of field numbers against the schema of the installed onnx package."""
    edges: dict[str, dict[int, str]] = {}
    queue = [onnx.ModelProto.DESCRIPTOR]
    while queue:
        message = queue.pop()
        if message.name not in edges:
            inner = {f.number: f.message_type for f in message.fields if f.message_type is not None}
            edges[message.name] = {number: child.name for number, child in inner.items()}
            queue.extend(inner.values())
    reaching = {"TensorProto"}
    while True:
        more = {name for name, children in edges.items() if reaching & set(children.values())} | reaching
        if more == reaching:
            break
        reaching = more
    wanted = {
        name: {number: child for number, child in edges[name].items() if child in reaching}
        for name in reaching - {"TensorProto"}
    }
    wanted["TensorProto"] = {13: "external_data"}
    assert onnx.TensorProto.DESCRIPTOR.fields_by_name["external_data"].number == 13
    assert wanted == _onnx_file.CHILDREN


def test_an_unreadable_file_is_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "folder.onnx"
    os.mkdir(path)
    with pytest.raises(InputError, match="no file"):
        OnnxOracle(path)
