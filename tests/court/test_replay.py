from __future__ import annotations

import dataclasses
import functools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from numpy.typing import NDArray

from stealproof.court.case import HeldOut
from stealproof.court.hearing import Party
from stealproof.court.recording import Record, decode_records, describe_record, encode_records
from stealproof.court.replay import compare, replay
from stealproof.court.verdict_file import ALLOWED, README, VERDICT, judge_and_sign, outcome, read_verdict, spelled
from stealproof.errors import EvidenceError, InputError, OracleUnavailable
from stealproof.evidence.archive import pack, unpack
from stealproof.evidence.canonical import digest
from stealproof.evidence.envelope import open_envelope, sign
from stealproof.evidence.keys import new_key, open_private
from stealproof.evidence.statement import PAYLOAD_TYPE, Statement
from stealproof.oracle import Access, Answer, Answers, Domain


@pytest.fixture(scope="module")
def signed(dispute: Any) -> bytes:
    hearing = dispute.hearing(dispute.dossier(dispute.chosen), accuser=dispute.key.public.to_pem())
    public = dispute.chosen.secrets["inputs"][:1] + np.float32(0.25)
    _, content = judge_and_sign(
        hearing, dispute.copy(dispute.chosen, scores=True), dispute.judge, controls=dispute.controls(), public=public
    )
    return bytes(content)


def altered(dispute: Any, content: bytes, change: Callable[[dict[str, Any]], object], **files: bytes) -> bytes:
    """The verdict with another statement, signed by the judge again."""
    found = unpack(content, ALLOWED, what="it") | files
    statement = Statement.from_bytes(
        open_envelope(found["verdict.dsse.json"], [dispute.judge.public], payload_type=PAYLOAD_TYPE)
    )
    said = dict(statement.predicate)
    change(said)
    statement = dataclasses.replace(statement, predicate=said)
    found["verdict.dsse.json"] = sign(statement.to_bytes(), dispute.judge, payload_type=PAYLOAD_TYPE)
    return pack(found)


def promising(answers: bytes, said: dict[str, Any]) -> None:
    said["answers"] = digest(answers)


def test_a_verdict_is_recomputed_without_the_suspect(dispute: Any, signed: bytes) -> None:
    judgement, file = replay(signed, expected=dispute.judge.public)
    assert judgement.decision == "owned"
    assert file.said["decision"] == "owned"
    assert file.judge == dispute.judge.public
    assert len(file.said["controls"]) == 19
    assert outcome(judgement)["findings"] == file.said["findings"]


def test_a_planned_claim_and_a_counter_dossier_are_replayed_too(dispute: Any) -> None:
    from stealproof.evidence.model_manifest import model_digest

    suspect = dataclasses.replace(dispute.copy(dispute.planned), digest=model_digest(dispute.model))
    dossier = dispute.dossier(dispute.planned, plan=dispute.plan.to_bytes())
    hearing = dispute.hearing(dossier, counter=dispute.dossier(dispute.chosen), since=None)
    judgement, content = judge_and_sign(hearing, suspect, dispute.judge)
    assert judgement.decision == "owned"
    assert outcome(replay(content)[0]) == outcome(judgement)


def test_claimed_inputs_that_were_public_are_remembered(dispute: Any) -> None:
    hearing = dispute.hearing(dispute.dossier(dispute.chosen))
    public = np.concatenate([dispute.chosen.secrets["inputs"][:2], np.zeros((5, 1, 8, 8), dtype=np.float32)])
    judgement, content = judge_and_sign(
        hearing, dispute.copy(dispute.chosen), dispute.judge, controls=dispute.controls(), public=public
    )
    assert judgement.decision == "inconclusive"
    assert "2 of the claim's inputs are public" in judgement.verdict.reasons[-1]
    assert outcome(replay(content)[0]) == outcome(judgement)


def test_the_rows_by_which_controls_were_compared_are_replayed_too(dispute: Any) -> None:
    rng = np.random.default_rng(0)
    held_out = HeldOut(x=rng.random((30, 1, 8, 8)).astype(np.float32), y=rng.integers(10, size=30))
    judgement, content = judge_and_sign(
        dispute.hearing(dispute.dossier(dispute.chosen)),
        dispute.copy(dispute.chosen),
        dispute.judge,
        controls=dispute.controls(),
        held_out=held_out,
    )
    assert judgement.decision == "owned"
    assert "nobody tested" not in judgement.findings[6].words
    assert outcome(replay(content)[0]) == outcome(judgement)
    arrays = safetensors.numpy.load(unpack(content, ALLOWED, what="it")["answers.safetensors"])
    for name, value in (("held_out_labels", held_out.y[:5]), ("held_out", held_out.x * np.float32(0.9))):
        answers = bytes(safetensors.numpy.save(arrays | {name: value}))
        changed = altered(
            dispute,
            content,
            functools.partial(promising, answers),
            **{"answers.safetensors": answers},
        )
        with pytest.raises(EvidenceError, match=r"can.t be read|was recorded"):
            replay(changed)


def test_a_suspect_that_stops_answering_is_replayed_as_it_stopped(dispute: Any) -> None:
    class Falling(type(dispute.copy(dispute.planned).oracle)):  # type: ignore[misc]
        def _answer(self, queries: NDArray[Any]) -> Answers:
            if self.budget.spent > 3:
                raise OracleUnavailable("the server is gone")
            answers: Answers = super()._answer(queries)
            return answers

    dossier = dispute.dossier(dispute.planned, plan=dispute.plan.to_bytes())
    suspect = Party(name="falling", oracle=Falling("falling"))
    judgement, content = judge_and_sign(dispute.hearing(dossier), suspect, dispute.judge)
    assert judgement.decision == "inconclusive"
    assert "the server is gone" in judgement.verdict.reasons[0]
    assert outcome(replay(content)[0]) == outcome(judgement)


def test_every_flipped_byte_is_noticed(signed: bytes) -> None:
    places = random.Random(0).sample(range(len(signed)), 300)
    for place in places:
        changed = bytearray(signed)
        changed[place] ^= 1 << place % 8
        with pytest.raises(EvidenceError):
            read_verdict(bytes(changed), what="it")


def test_another_judge_is_refused(signed: bytes, tmp_path: Any) -> None:
    new_key(tmp_path / "other")
    with pytest.raises(EvidenceError, match="expected that of the judge"):
        replay(signed, expected=open_private(tmp_path / "other").public)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda said: said.update(decision="not owned"), "decision"),
        (lambda said: said["verdict"].update(p_value=0.5), "verdict.p_value"),
        (lambda said: said["verdict"]["controls"].pop(), "verdict.controls"),
        (lambda said: said["findings"][3].update(words="an hour ago"), "findings, number 4.words"),
        (lambda said: said["evidence"].update(level=1e-9), "recomputing"),
        (lambda said: said["evidence"].update(seed="7"), "can't be read|recorded|recomputing"),
        (lambda said: said["evidence"].update(since="yesterday"), "can't be read"),
        (lambda said: said["evidence"].update(since="2020-01-01T00:00:00"), "no time zone"),
        (lambda said: said["evidence"].update(since="0001-01-01T00:00:00+14:00"), "can't be read"),
        (lambda said: said["evidence"].pop("roots"), "can't be read"),
        (lambda said: said.update(evidence=7), "does not say what it rests on"),
        (lambda said: said["evidence"].update(dossier="00" * 32), "another claim.dossier"),
        (lambda said: said["evidence"].update(counter="00" * 32), "another counter.dossier"),
        (lambda said: said.update(answers="00" * 32), "another answers.safetensors"),
        (lambda said: said.update(judge="00" * 32), "another judge.pub"),
        (lambda said: said.update(format="stealproof verdict 2"), "something else"),
        (lambda said: said.update(more=1), "something else"),
        (lambda said: said["suspect"].pop("opened"), "can't be read"),
        (lambda said: said["suspect"]["answers"].update(queries=3), "can't be read"),
        (lambda said: said["controls"].pop(), "recorded|recomputing"),
    ],
)
def test_a_judge_who_signs_something_else_is_caught(
    dispute: Any, signed: bytes, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    with pytest.raises(EvidenceError, match=message):
        replay(altered(dispute, signed, change))


def test_other_answers_give_another_verdict(dispute: Any, signed: bytes) -> None:
    arrays = safetensors.numpy.load(unpack(signed, ALLOWED, what="it")["answers.safetensors"])

    def forged(name: str, array: NDArray[Any]) -> bytes:
        content = bytes(safetensors.numpy.save(arrays | {name: array}))
        return altered(
            dispute, signed, lambda said: said.update(answers=digest(content)), **{"answers.safetensors": content}
        )

    for shaped in (arrays["suspect.labels"][:, None], np.float32(0) * arrays["suspect.scores"][:, 0]):
        name = "suspect.labels" if shaped.ndim == 2 else "suspect.scores"
        with pytest.raises(EvidenceError, match="no rows of labels or scores"):
            replay(forged(name, shaped))
    labels = (arrays["suspect.labels"] + 1) % 10
    with pytest.raises(EvidenceError, match="recomputing"):
        replay(forged("suspect.labels", labels))
    asked = arrays["suspect.asked"].copy()
    asked[4, 0] ^= 1
    with pytest.raises(EvidenceError, match="question 5 to copy"):
        replay(forged("suspect.asked", asked))
    with pytest.raises(EvidenceError, match="can't be read"):
        replay(
            altered(dispute, signed, lambda said: said.update(answers=digest(b"x")), **{"answers.safetensors": b"x"})
        )


def test_the_inside_of_a_network_is_not_replayed(dispute: Any, signed: bytes) -> None:
    with pytest.raises(InputError, match="inside of networks"):
        replay(altered(dispute, signed, lambda said: said["suspect"].update(opened=True)))


def test_a_verdict_with_other_files_is_refused(dispute: Any, signed: bytes) -> None:
    files = unpack(signed, ALLOWED, what="it")
    with pytest.raises(EvidenceError, match=r"has no judge\.pub"):
        read_verdict(pack({name: files[name] for name in files if name != "judge.pub"}), what="it")
    with pytest.raises(EvidenceError, match="another README"):
        read_verdict(pack(files | {"README.txt": README.encode() + b"!"}), what="it")
    assert (
        VERDICT in open_envelope(files["verdict.dsse.json"], [dispute.judge.public], payload_type=PAYLOAD_TYPE).decode()
    )


def test_numbers_are_compared_as_numbers_and_all_else_exactly() -> None:
    compare({"a": [1.0, "x", None]}, {"a": [1.0 + 1e-9, "x", None]}, where="here")
    for said, found in (
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": 1}),
        ([1], [1, 2]),
        (True, 1),
        ("1", 1),
        (0.5, 0.51),
    ):
        with pytest.raises(EvidenceError, match="here"):
            compare(said, found, where="here")


def test_numbers_that_json_has_no_place_for_are_texts() -> None:
    assert spelled(1e17) == "1e+17"
    assert spelled([2.5, 1e30, "x"]) == [2.5, 1e30, "x"]


def test_answers_that_would_not_fit_into_a_file_end_the_trial_early(
    dispute: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stealproof.court import verdict_file

    dossier = dispute.dossier(dispute.chosen)
    controls, asked = dispute.controls(), []

    def label(oracle: Any, row: NDArray[Any]) -> int:
        asked.append(row)
        return 0

    monkeypatch.setattr(type(controls[0].oracle), "_label", label)
    monkeypatch.setattr(verdict_file, "LARGEST", len(dossier) + 20 * 20 * 20)
    with pytest.raises(InputError, match="don't fit into one verdict file"):
        judge_and_sign(dispute.hearing(dossier), dispute.innocent(), dispute.judge, controls=controls)
    assert len(asked) == 20, "the first control model's answers show that all of them would be too many"


@pytest.mark.parametrize("most", [9, 300, 70_000])
def test_labels_are_kept_in_few_bytes_and_read_as_they_were(most: int) -> None:
    record = Record(access=Access(answer=Answer.LABELS), domain=Domain(shape=(1,)), classes=most + 1)
    record.asked, record.answers = [b"\0" * 32] * 3, [Answers(labels=np.array([0, most, 1]))]
    content = encode_records({"suspect": record}, {})
    found = decode_records(content, {"suspect": describe_record(record)})["suspect"].answers[0].labels
    assert found is not None
    assert found.dtype == np.int64
    assert found.tolist() == [0, most, 1]


def test_records_that_are_not_described_are_refused() -> None:
    with pytest.raises(EvidenceError, match="can't be read"):
        decode_records(b"", {})
