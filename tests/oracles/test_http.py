from __future__ import annotations

import dataclasses
import datetime
import email.utils
import gc
import json
import socket
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stealproof.errors import AccessDenied, BudgetExceeded, InputError, InvalidData, OracleUnavailable, UnknownName
from stealproof.oracle import Access, Answer, Answers, Budget, Domain
from stealproof.oracles._transport import seconds_of
from stealproof.oracles.http import HttpOracle, Patience

RNG = np.random.default_rng(0)
W = RNG.normal(size=(4, 3))
X = RNG.random((10, 4)).astype(np.float32)
LABELS = Access(answer=Answer.LABELS)
LOGITS = Access(answer=Answer.LOGITS)
QUICK = Patience(timeout=0.25, retries=2, backoff=0.001, longest_wait=0.05)
ONCE = dataclasses.replace(QUICK, retries=0)


def logits(x: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(x.reshape(len(x), -1).astype(float) @ W)


def probabilities(x: NDArray[Any]) -> NDArray[Any]:
    exponents = np.exp(logits(x))
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True))


def answer(x: NDArray[Any]) -> dict[str, NDArray[Any]]:
    return {"probabilities": probabilities(x)}


def open_oracle(server: Any, **keywords: Any) -> HttpOracle:
    return HttpOracle(server.url, **{"patience": QUICK, **keywords})


def same(answers: Answers, expected: NDArray[Any], *, rtol: float = 1e-7) -> None:
    assert answers.scores is not None
    np.testing.assert_allclose(answers.scores, expected, rtol=rtol)


class Clock(threading.Event):
    """Notes how long it should have waited, and raises what it is told to."""

    def __init__(self, error: BaseException | None = None) -> None:
        super().__init__()
        self.waits: list[float | None] = []
        self.error = error

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        if self.error is not None:
            raise self.error
        return False


# Answers


@pytest.mark.parametrize("binary", [True, False])
def test_shape_classes_and_encoding_come_from_the_server(v2: Any, binary: bool) -> None:
    server = v2.start(answer, binary=binary)
    oracle = open_oracle(server, batch=4)
    assert (oracle.domain, oracle.classes, oracle.access) == (Domain(shape=(4,)), 3, Access())
    answers = oracle.query(X)
    assert answers.scores is not None
    same(answers, probabilities(X), rtol=1e-6)
    assert server.batches == [4, 4, 2]
    sent = "application/octet-stream" if binary else "application/json"
    assert {headers["content-type"] for method, _, headers in server.requests if method == "POST"} == {sent}
    assert oracle.budget.spent == 10
    assert oracle.resent == 0


@pytest.mark.parametrize(("datatype", "rtol"), [("FP64", 1e-12), ("FP32", 1e-6), ("FP16", 2e-3)])
@pytest.mark.parametrize("binary", [True, False])
def test_datatypes(v2: Any, datatype: str, rtol: float, binary: bool) -> None:
    server = v2.start(answer, datatype=datatype, outputs=[("probabilities", datatype, (-1, 3))])
    same(open_oracle(server, binary=binary).query(X), probabilities(X), rtol=rtol)


def test_pixels_are_bytes(v2: Any) -> None:
    server = v2.start(lambda x: {"probabilities": probabilities(x / 255)}, datatype="UINT8", shape=(-1, 1, 2, 2))
    oracle = open_oracle(server)
    assert oracle.domain == Domain(shape=(1, 2, 2), high=255)
    pixels = np.rint(255 * X).reshape(-1, 1, 2, 2)
    same(oracle.query(pixels), probabilities(pixels / 255), rtol=1e-6)
    with pytest.raises(InvalidData, match=r"takes uint8 inputs, 0 to 255, but the domain is \[-1, 1\]"):
        open_oracle(server, domain=Domain(shape=(1, 2, 2), low=-1))


def test_images_go_flat_to_a_flat_model(v2: Any) -> None:
    oracle = open_oracle(v2.start(answer), domain=Domain(shape=(1, 2, 2)))
    same(oracle.query(X.reshape(-1, 1, 2, 2)), probabilities(X), rtol=1e-6)


def test_labels(v2: Any) -> None:
    server = v2.start(lambda x: {"label": logits(x).argmax(axis=1)}, outputs=[("label", "INT64", (-1,))])
    with pytest.raises(InvalidData, match="does not tell how many classes there are; pass it"):
        open_oracle(server)
    with pytest.raises(AccessDenied, match=r"answers labels only \(label is INT64\), not probabilities"):
        open_oracle(server, classes=3, access=Access())
    oracle = open_oracle(server, classes=3)
    assert oracle.access == LABELS
    np.testing.assert_array_equal(oracle.query(X).predicted, logits(X).argmax(axis=1))
    with pytest.raises(OracleUnavailable, match=r"expected labels in 0\.\.1"):
        open_oracle(server, classes=2).query(X)


def test_label_and_probabilities(v2: Any) -> None:
    outputs = [("label", "INT64", (-1, 1)), ("probabilities", "FP32", (-1, 3))]
    server = v2.start(lambda x: answer(x) | {"label": logits(x).argmax(axis=1)[:, None]}, outputs=outputs)
    same(open_oracle(server).query(X), probabilities(X), rtol=1e-6)
    labels = open_oracle(server, access=LABELS).query(X)
    assert labels.scores is None
    np.testing.assert_array_equal(labels.predicted, logits(X).argmax(axis=1))


def test_labels_of_a_model_that_answers_scores(v2: Any) -> None:
    answers = open_oracle(v2.start(answer), access=LABELS).query(X)
    assert answers.scores is None
    np.testing.assert_array_equal(answers.predicted, logits(X).argmax(axis=1))


def test_logits(v2: Any) -> None:
    server = v2.start(lambda x: {"y": logits(x)}, outputs=[("y", "FP64", (-1, 3))])
    with pytest.raises(OracleUnavailable, match="if the server answers logits, say so"):
        open_oracle(server).query(X)
    same(open_oracle(server, access=LOGITS).query(X), logits(X))
    same(open_oracle(server, softmax=True).query(X), probabilities(X))


def test_one_probability_is_two_classes(v2: Any) -> None:
    server = v2.start(lambda x: {"p": probabilities(x)[:, :1]}, outputs=[("p", "FP64", (-1, 1))])
    oracle = open_oracle(server)
    assert oracle.classes == 2
    same(oracle.query(X), np.stack([1 - probabilities(X)[:, 0], probabilities(X)[:, 0]], axis=1))


def test_a_server_without_metadata(v2: Any) -> None:
    server = v2.start(answer, described=False)
    with pytest.raises(InvalidData, match="does not tell the shape of its inputs; pass the domain"):
        open_oracle(server)
    with pytest.raises(InvalidData, match="does not tell how many classes there are; pass it"):
        open_oracle(server, domain=Domain(shape=(4,)))
    oracle = open_oracle(server, domain=Domain(shape=(4,)), classes=3)
    same(oracle.query(X), probabilities(X), rtol=1e-6)


def test_a_batch_axis_of_one(v2: Any) -> None:
    server = v2.start(answer, shape=(1, 4))
    assert open_oracle(server, batch=8).query(X).scores is not None
    assert server.batches == [1] * 10


def test_which_output_is_the_answer_may_have_to_be_said(v2: Any) -> None:
    outputs = [("a", "FP64", (-1, 3)), ("b", "FP64", (-1, 3))]
    server = v2.start(lambda x: {"a": logits(x), "b": probabilities(x)}, outputs=outputs)
    with pytest.raises(InvalidData, match=r"several outputs that could be the answers \(a, b\); name one"):
        open_oracle(server)
    with pytest.raises(UnknownName, match="is named 'c'"):
        open_oracle(server, output="c")
    same(open_oracle(server, output="b").query(X), probabilities(X))


@pytest.mark.parametrize(
    ("keywords", "domain", "message"),
    [
        ({"shape": (-1, -1)}, None, r"leaves the shape of its inputs open \(\[-1, -1\]\); pass the domain"),
        ({"shape": (-1, 5)}, Domain(shape=(4,)), r"takes inputs of shape \(5,\), not \(4,\); pass that domain"),
        ({"shape": (-1, 2, 2)}, Domain(shape=(4,)), r"takes inputs of shape \(2, 2\), not \(4,\)"),
        ({"shape": (4,)}, None, r"expected a model with one numeric input \[batch, …\], got x FP32 \[4\]"),
        ({"shape": (8, 4)}, None, "takes exactly 8 inputs in each request; serve it with an open batch axis"),
        ({"datatype": "BYTES"}, None, "expected a model with one numeric input"),
        ({"outputs": [("t", "BYTES", (-1,))]}, None, "expected an output with scores or labels, got t BYTES"),
    ],
)
def test_models_that_do_not_fit(v2: Any, keywords: dict[str, Any], domain: Domain | None, message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        open_oracle(v2.start(answer, **keywords), domain=domain)


# Metering


def test_a_query_is_counted_once_and_what_was_sent_again_is_known(v2: Any) -> None:
    server = v2.start(answer)
    oracle = open_oracle(server, batch=5, budget=Budget(limit=12))
    server.faults.extend([v2.status(500), v2.dropped])
    same(oracle.query(X), probabilities(X), rtol=1e-6)
    assert oracle.budget.spent == 10
    assert oracle.resent == 10
    assert server.batches == [5, 5, 5, 5]
    with pytest.raises(BudgetExceeded):
        oracle.query(X)
    assert len(server.batches) == 4


def test_queries_stay_counted_when_their_reply_is_lost(v2: Any) -> None:
    server = v2.start(answer)
    oracle = open_oracle(server)
    server.always = v2.dropped
    with pytest.raises(OracleUnavailable, match=r"broke off .* after 3 tries"):
        oracle.query(X)
    assert oracle.budget.spent == 10


def test_requests_run_side_by_side_and_answers_stay_in_order(v2: Any) -> None:
    server = v2.start(answer)
    meeting = threading.Barrier(2)

    def meet(handler: Any) -> bool:
        meeting.wait(timeout=10)
        return False

    server.always = meet
    same(open_oracle(server, batch=1, parallel=5, patience=Patience()).query(X), probabilities(X), rtol=1e-6)
    assert 1 < server.most_running <= 5


def test_one_lost_request_of_many_ends_all(v2: Any) -> None:
    server = v2.start(answer)
    slow = dataclasses.replace(QUICK, backoff=30.0, longest_wait=60.0)
    oracle = open_oracle(server, batch=1, parallel=4, patience=slow)
    server.faults.extend([v2.status(500), v2.status(500), v2.status(403), v2.status(500)])
    with pytest.raises(OracleUnavailable, match="403"):
        oracle.query(X)
    # The others' half minute of waiting is over too, and the oracle can be asked again.
    same(oracle.query(X), probabilities(X), rtol=1e-6)


def test_ctrl_c_ends_the_waiting(v2: Any) -> None:
    server = v2.start(answer)
    oracle = open_oracle(server)
    oracle._transport.stopped = Clock(KeyboardInterrupt())
    server.always = v2.status(503)
    with pytest.raises(KeyboardInterrupt):
        oracle.query(X)
    assert oracle.budget.spent == 10


# Servers that fail


def test_a_server_that_is_down() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        # Bound but not listening: a connection is refused.
        with pytest.raises(OracleUnavailable) as caught:
            HttpOracle(f"http://127.0.0.1:{port}/v2/models/m", patience=QUICK)
    assert f"http://127.0.0.1:{port}/v2/models/m can't be reached" in str(caught.value)
    assert "after 3 tries; check that the server is up" in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_slow_server(v2: Any) -> None:
    server = v2.start(answer)
    oracle = open_oracle(server, patience=dataclasses.replace(ONCE, timeout=0.1))
    server.faults.append(v2.late(0.3))
    with pytest.raises(OracleUnavailable, match=r"did not answer within 0\.1 s after 1 try; .* timeout is long enough"):
        oracle.query(X)
    server.faults.append(v2.dripping(0.03))
    with pytest.raises(OracleUnavailable, match=r"did not answer within 0\.1 s"):
        oracle.query(X)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (400, "check the shape and datatype"),
        (401, "pass a token that it accepts"),
        (404, "check the model's name"),
        (413, "lower the batch"),
        (418, "look up this status"),
    ],
)
def test_refusals_are_final(v2: Any, code: int, advice: str) -> None:
    server = v2.start(answer)
    oracle = open_oracle(server)
    server.always = v2.status(code)
    with pytest.raises(OracleUnavailable, match=rf"/m/infer answers {code} \(out of order\); {advice}"):
        oracle.query(X)
    assert len(server.batches) == 1


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_trouble_is_tried_again_and_then_given_up(v2: Any, code: int) -> None:
    server = v2.start(answer)
    oracle = open_oracle(server)
    server.faults.extend([v2.status(code), v2.status(code)])
    assert oracle.query(X).scores is not None
    server.always = v2.status(code, b"<html>proxy</html>")
    with pytest.raises(OracleUnavailable, match=f"answers {code} after 3 tries; "):
        oracle.query(X)


def test_retry_after_is_honoured_up_to_a_point(v2: Any) -> None:
    server = v2.start(answer)
    oracle = open_oracle(server, patience=dataclasses.replace(QUICK, longest_wait=30.0))
    clock = oracle._transport.stopped = Clock()
    server.faults.extend([v2.status(429, Retry_After="7"), v2.status(500)])
    assert oracle.query(X).scores is not None
    assert clock.waits[0] == 7
    assert 0.002 <= (clock.waits[1] or 0) <= 0.004
    server.faults.append(v2.status(503, Retry_After="3600"))
    with pytest.raises(OracleUnavailable, match=r"answers 503 .* after 1 try \(it asks to wait 3600 s\)"):
        oracle.query(X)
    assert len(clock.waits) == 2


def test_retry_after_may_be_a_date_or_nonsense() -> None:
    assert seconds_of("12") == 12
    assert seconds_of("Fri, 01 Jan 2010 00:00:00 GMT") == 0
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    assert 3500 < (seconds_of(email.utils.format_datetime(later, usegmt=True)) or 0) <= 3600
    for nonsense in (None, "", "soon", "-3", "1e3"):
        assert seconds_of(nonsense) is None


@given(attempt=st.integers(0, 9), asked=st.none() | st.floats(0, 20), seed=st.integers(0, 99))
def test_waits_grow_and_end(attempt: int, asked: float | None, seed: int) -> None:
    patience = Patience(retries=6, backoff=0.5, longest_wait=10)
    wait = patience.wait(attempt, asked, np.random.default_rng(seed))
    assert wait == patience.wait(attempt, asked, np.random.default_rng(seed))
    if attempt >= 6 or (asked is not None and asked > 10):
        assert wait is None
        return
    assert wait is not None
    assert max(min(0.5 * 2**attempt, 10), asked or 0) <= wait <= 10


@pytest.mark.parametrize(
    ("said", "headers", "message"),
    [
        (b"<html>", {"content_type": "text/html"}, "expected application/json, got text/html; check that this is a v2"),
        (b'{"outputs": [', {}, "malformed JSON"),
        (b"[" * 100_000, {}, "malformed JSON"),
        (b"\xff\xfe", {}, "malformed JSON"),
        (b"[]", {}, r"expected a JSON object, got \[\]"),
        ({}, {}, "expected a list of outputs, got None"),
        ({"outputs": [1]}, {}, "expected a tensor with name, datatype and shape, got 1"),
        ({"outputs": []}, {}, "expected numbers in the output probabilities, got nothing"),
        (b"{}", {"content_encoding": "gzip"}, "answers in gzip, which was not asked for"),
        (
            b"{}",
            {"Inference_Header_Content_Length": "9"},
            "Inference-Header-Content-Length is '9' in a body of 2 bytes",
        ),
        (b"{}", {"Inference_Header_Content_Length": "-1"}, "Inference-Header-Content-Length is '-1'"),
        (b"{}", {"Inference_Header_Content_Length": "0"}, "malformed JSON"),
        (b" " * 2_000_000, {}, "answers with more than 1000000 bytes; lower the batch"),
    ],
)
def test_replies_that_are_no_answers(v2: Any, said: Any, headers: dict[str, str], message: str) -> None:
    server = v2.start(answer)
    oracle = open_oracle(server, patience=dataclasses.replace(QUICK, largest=1_000_000))
    server.always = v2.instead(said, **headers)
    with pytest.raises(OracleUnavailable, match=message):
        oracle.query(X)
    assert len(server.batches) == 1


def output(shape: Any, data: Any = None, datatype: str = "FP32", **parameters: Any) -> dict[str, Any]:
    said = {"name": "probabilities", "datatype": datatype, "shape": shape, "parameters": parameters}
    return {"outputs": [said if data is None else said | {"data": data}]}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (output([2, 3], [1, 0, 0]), r"of shape \(2, 3\) came with 3 numbers"),
        (
            output([3, 3], [1, 0, 0] * 3),
            r"expected an output of 2 rows with a score for each class, got shape \(3, 3\)",
        ),
        (output([2, 4], [1, 0, 0, 0] * 2), r"expected scores of shape \(2, 3\), got \(2, 4\)"),
        (output([2, 3, 1], [1, 0, 0] * 2), r"got shape \(2, 3, 1\)"),
        (output([2, 3], [0.5, 0.5, 0.5] * 2), "expected probabilities that sum to 1, got rows that sum to 1.5"),
        (output([2, 3], [2, -1, 0] * 2), "expected probabilities between 0 and 1"),
        (output([2, 3], [float("nan")] * 6), "expected probabilities between 0 and 1, got NaN"),
        (output([2, 3], [1e300] * 6), "expected probabilities between 0 and 1"),
        (output([2, 3], ["a"] * 6), r"holds no FP32 numbers but \['a'"),
        (output([2, 3], [[1, 0], [1]]), "holds no FP32 numbers"),
        (output([2, 3], "111111"), "holds no FP32 numbers but '111111'"),
        (output([2, 3]), "holds no FP32 numbers but None"),
        (output([-1, 3], [1, 0, 0]), r"has the shape \(-1, 3\)"),
        (output([2, 10**30], [1, 0, 0]), "expected a tensor with name, datatype and shape"),
        (output([2, 3], [1, 0, 0] * 2, datatype="INT64"), "expected probabilities, got integers|expected one label"),
        (output([2, 3], ["a"], datatype="BYTES"), "expected numbers in the output probabilities, got nothing"),
        (output([2, 3], binary_data_size=24), "has 24 binary bytes, 0 came"),
        (output([2, 3], binary_data_size="x"), "has 'x' binary bytes"),
    ],
)
def test_answers_that_are_not_what_was_promised(v2: Any, said: Any, message: str) -> None:
    server = v2.start(answer)
    oracle = open_oracle(server)
    server.always = v2.instead(said)
    with pytest.raises(OracleUnavailable, match=message):
        oracle.query(X[:2])


def test_truncated_replies(v2: Any) -> None:
    server = v2.start(answer)
    oracle = open_oracle(server)
    server.always = v2.cut
    with pytest.raises(OracleUnavailable, match=r"broke off .* after 3 tries"):
        oracle.query(X)
    for size, sent, message in ((120, 100, "has 120 binary bytes, 100 came"), (100, 100, "needs 120 bytes, got 100")):
        json_part = json.dumps(output([10, 3], binary_data_size=size)).encode()
        server.always = v2.instead(
            json_part + b"\0" * sent,
            content_type="application/octet-stream",
            Inference_Header_Content_Length=str(len(json_part)),
        )
        with pytest.raises(OracleUnavailable, match=message):
            oracle.query(X)


def test_metadata_that_are_none(v2: Any) -> None:
    server = v2.start(answer)
    for said, message in (
        ({"inputs": 3}, "expected a list of inputs, got 3"),
        (
            {"inputs": [{"name": "x"}]},
            "answers no metadata of a model: expected a tensor with name, datatype and shape",
        ),
        ([], "answers no metadata of a model: expected a JSON object"),
    ):
        server.metadata = said
        with pytest.raises(OracleUnavailable, match=message):
            open_oracle(server)
    with pytest.raises(
        OracleUnavailable, match=r"/v2/models/other answers 404 \(unknown model .*\); check the model's name"
    ):
        HttpOracle(f"{server.host}/v2/models/other", patience=QUICK)


# Secrets


def test_a_token_is_sent_and_never_shown(v2: Any) -> None:
    server = v2.start(answer, token="s3cret")
    oracle = open_oracle(server, token="s3cret", headers={"X-Team": "red"})
    assert oracle.query(X).scores is not None
    assert all(headers["authorization"] == "Bearer s3cret" for _, _, headers in server.requests)
    assert all(headers["x-team"] == "red" for _, _, headers in server.requests)
    for token in (None, "wr0ng"):
        with pytest.raises(OracleUnavailable, match=r"answers 401 \(no such user\); pass a token") as caught:
            open_oracle(server, token=token)
        assert "wr0ng" not in str(caught.value)
    for bad in ("s3cret\n", "s3crét"):
        with pytest.raises(InputError, match="expected printable ASCII in the header Authorization") as refused:
            open_oracle(server, token=bad)
        assert "s3cr" not in str(refused.value)
    with pytest.raises(InputError, match="is not legal HTTP; check the names of the headers") as refused:
        open_oracle(server, headers={"bad name": "s3cret"})
    assert "s3cret" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_a_password_in_the_url_is_never_shown(v2: Any) -> None:
    server = v2.start(answer, token="other")
    with pytest.raises(OracleUnavailable, match="answers 401") as caught:
        HttpOracle(server.url.replace("http://", "http://me:s3cret@") + "?key=s3cret", patience=QUICK)
    assert "s3cret" not in str(caught.value)
    assert server.requests[0][1] == "/v2/models/m?key=s3cret"


def test_redirects_are_not_followed(v2: Any) -> None:
    thief = v2.start(answer)
    server = v2.start(answer)
    oracle = open_oracle(server, token="s3cret")
    server.always = v2.status(307, Location=f"{thief.url}/infer")
    with pytest.raises(OracleUnavailable, match=rf"redirects to {thief.url}/infer; give that URL if you trust it"):
        oracle.query(X)
    assert thief.requests == []


# Parameters


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/v2/models/m",
        "host/v2/models/m",
        "http://host/m",
        "http://host/v2/models/",
        "http:///v2/models/m",
        "http://h:x/v2/models/m",
    ],
)
def test_urls_that_name_no_model(url: str) -> None:
    with pytest.raises(InputError, match="expected a URL of the form https://HOST/v2/models/NAME, got"):
        HttpOracle(url)


def test_urls_may_end_in_a_slash_or_a_verb(v2: Any) -> None:
    server = v2.start(answer)
    for ending in ("/", "/infer"):
        assert HttpOracle(server.url + ending, patience=QUICK).query(X).scores is not None


def test_numbers_below_one_are_refused() -> None:
    with pytest.raises(InputError, match="batch and parallel must be at least 1, got 0 and 1"):
        HttpOracle("http://127.0.0.1/v2/models/m", batch=0)


def test_answers_that_a_server_can_not_give(v2: Any) -> None:
    with pytest.raises(AccessDenied, match="answers labels, probabilities or logits, not top-3"):
        open_oracle(v2.start(answer), access=Access(answer=Answer.TOP_K, top_k=3))


def test_connections_close_with_the_oracle(v2: Any) -> None:
    oracle = open_oracle(v2.start(answer))
    client = oracle._transport.client
    assert not client.is_closed
    del oracle
    gc.collect()
    assert client.is_closed
