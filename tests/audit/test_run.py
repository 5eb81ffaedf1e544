from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stealproof.audit.document import SCHEMA
from stealproof.audit.run import Request, audit
from stealproof.errors import AccessDenied, BudgetExceeded, InputError, StealproofError, UnknownName
from stealproof.studies.store import Store
from stealproof.training.trained import Trained

QUICK = Request(attacks=("knockoff_nets",), budgets=(30, 90), seeds=2, proofs=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def report(folder: Path) -> dict[str, Any]:
    return audit(QUICK, store=Store(folder))


def test_a_quick_audit_of_digits_finds_what_everyone_knows(report: dict[str, Any]) -> None:
    assert report["schema"] == SCHEMA
    assert report["target"]["accuracy"]["value"] > 0.9
    assert report["target"]["constant"]["value"] < 0.2
    assert report["settings"]["access"] == "probabilities"
    assert [(curve["access"], len(curve["points"])) for curve in report["curves"]] == [
        ("probabilities", 2),
        ("labels", 2),
    ]
    few, many = report["curves"][0]["points"]
    assert few["fidelity"]["value"] < many["fidelity"]["value"]
    assert many["fidelity"]["value"] > 0.8
    assert many["cost"] == pytest.approx(0.09)
    assert report["verdict"]["headline"]


def test_the_report_is_complete_json(report: dict[str, Any]) -> None:
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert {q["number"] for q in report["questions"]} == {1, 2, 3, 4, 5}
    assert [q["answered"] for q in report["questions"]] == [True, True, False, False, False]
    assert len(report["thefts"]) == 2 * 2 * 2 + 2 * 2
    assert len(report["cards"]) == 2 * 2 + 2
    assert report["environment"]["torch"]
    assert [gap["budget"] for gap in report["gaps"]] == [30, 90, None]
    assert [point["rows"] for point in report["reference"]] == [30, 90]


def test_an_attack_that_looks_at_labels_only_is_computed_once_and_shown_for_every_access(folder: Path) -> None:
    request = Request(attacks=("jacobian_augmentation",), budgets=(30,), seeds=1, proofs=False)
    report = audit(request, store=Store(folder))
    assert [curve["access"] for curve in report["curves"]] == ["probabilities", "labels"]
    rich, poor = (theft for theft in report["thefts"] if theft["attack"] == "jacobian_augmentation")
    assert rich | {"access": "labels"} == poor
    assert [card["experiment"] for card in report["cards"]].count("theft") == 1


def test_schemes_liars_and_pairs_of_defenses_are_tried_on_models_like_the_audited_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("proofs", "liars", "conflicts"):
        monkeypatch.setattr(f"stealproof.audit.{module}.SCHEMES", ("derived_triggers",))
    monkeypatch.setattr("stealproof.audit.conflicts.DEFENSES", ("regularization",))
    monkeypatch.setattr("stealproof.audit.liars.INNOCENTS", 3)
    monkeypatch.setattr("stealproof.audit.proofs.SUSPECTS", ("victim", "independent_other_half"))
    request = Request(attacks=("knockoff_nets",), budgets=(30,), seeds=1)
    report = audit(request, store=Store(folder))
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    (scheme,) = report["ownership"]["schemes"]
    assert [place["word"] for place in scheme["places"]] == ["held", "clear"]
    assert report["questions"][2]["answered"]
    assert report["questions"][2]["text"].startswith("Derived triggers proves it against victim")
    assert [card["experiment"] for card in report["cards"]].count("dispute") == 2
    (scheme,) = report["framing"]["schemes"]
    assert [scheme[name]["value"] for name in ("own", "framed", "framed_before_judge")] == [1, 0, 0]
    assert report["questions"][3]["text"].startswith("Derived triggers: no liar's claim was believed")
    (pair,) = report["conflicts"]["interactions"]
    assert (pair["one"], pair["other"], pair["seeds"]) == ("derived_triggers", "regularization", [0])
    assert report["questions"][4]["text"].startswith("A quick look at 1 pair in one seed")
    assert [card["experiment"] for card in report["cards"]].count("deployment") == 3


def test_a_second_run_goes_on_from_what_is_stored(folder: Path, report: dict[str, Any]) -> None:
    told: list[str] = []
    again = audit(QUICK, store=Store(folder), progress=lambda what, share: told.append(what))
    assert "audit: 12 of 12 cells are stored" in told
    assert again["thefts"] == report["thefts"]
    assert again["verdict"] == report["verdict"]


def test_a_model_of_ones_own_is_opened_and_its_kind_is_known(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_models.py").write_text(
        "import numpy as np\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "from stealproof.inputs.data import open_data\n"
        "def linear():\n"
        "    train = open_data('breast_cancer').train\n"
        "    return LogisticRegression(max_iter=500).fit(train.x.numpy(), train.y.numpy())\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    request = Request(
        model="own_models:linear", data="breast_cancer", attacks=("equation_solving",), budgets=(40,), seeds=2
    )
    report = audit(request, store=Store(folder))
    assert report["target"]["kind"] == "logistic regression"
    assert report["verdict"]["level"] == "exact copy"
    assert report["verdict"]["first"]["queries"] == 31
    assert [o["access"] for o in report["plan"]["left_out"]] == ["labels"]
    assert any("full precision" in entry["do"] for entry in report["verdict"]["advice"])


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"price_per_query": -1}, InputError, "price of a query must be at least 0, got -1"),
        ({"budgets": (0,)}, BudgetExceeded, "at least 1 query, got 0"),
        ({"seeds": 0}, InputError, "at least 1 seed, got 0"),
        ({"accesses": ("everything",)}, InputError, "no access is called 'everything'"),
        ({"attacks": ("knockof_nets",)}, UnknownName, "did you mean 'knockoff_nets'"),
        ({"model": "lenett", "data": "digits"}, UnknownName, "did you mean 'lenet'"),
        ({"model": "nowhere/victim.onnx"}, InputError, "name them with --data"),
        ({"model": "nowhere/victim.safetensors", "data": "digits"}, InputError, "there is no model file"),
        ({"data": "digitz"}, UnknownName, "did you mean 'digits'"),
        ({"declared": {"11.3.7": "yes"}}, UnknownName, "no control is named"),
        ({"pool": "noise"}, InputError, "noise is no pool"),
    ],
)
def test_bad_wishes_are_refused_before_anything_is_computed(
    tmp_path: Path, changes: dict[str, Any], error: type[StealproofError], words: str
) -> None:
    with pytest.raises(error, match=words):
        audit(Request(**changes), store=Store(tmp_path))
    assert not list(tmp_path.iterdir())


def test_more_than_the_model_gives_is_refused(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "quiet_models.py").write_text(
        "from stealproof.oracle import Access, Answer, Domain, Oracle, Answers\n"
        "import numpy as np\n"
        "class Quiet(Oracle):\n"
        "    def _answer(self, queries):\n"
        "        return Answers(labels=np.zeros(len(queries), dtype=np.int64))\n"
        "def quiet() -> Oracle:\n"
        "    domain = Domain(shape=(1, 8, 8))\n"
        "    return Quiet(domain=domain, classes=10, access=Access(answer=Answer.LABELS))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    request = Request(
        model="quiet_models:quiet", data="digits", accesses=("probabilities",), attacks=QUICK.attacks, proofs=False
    )
    with pytest.raises(AccessDenied, match="labels"):
        audit(request, store=Store(folder))


def test_a_server_is_audited_with_its_token_and_without_uniform_inputs(
    v2: Any, tmp_path: Path, digits_victim: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle = digits_victim.oracle()
    server = v2.start(
        lambda x: {"probabilities": oracle.query(x.copy()).scores},
        shape=(-1, 1, 8, 8),
        outputs=(("probabilities", "FP32", (-1, 10)),),
        token="sesame",
    )
    request = Request(model=server.url, data="digits", attacks=("knockoff_nets",), budgets=(40,), seeds=1)
    with pytest.raises(StealproofError, match="token"):
        audit(request, store=Store(tmp_path))
    monkeypatch.setenv("STEALPROOF_TOKEN", "sesame")
    report = audit(request, store=Store(tmp_path))
    assert report["target"]["kind"] == "model behind an HTTP interface"
    assert "sesame" not in json.dumps(report)
    assert all("sesame" not in path.read_text() for path in tmp_path.rglob("*.json"))
    (point,) = report["curves"][0]["points"]
    assert point["fidelity"]["value"] > 0.4
    assert "uniform_fidelity" not in point["estimates"]
    # Two thefts of 40 queries; the held-out rows once for the target and once for all surrogates.
    assert sum(server.batches) == 2 * 40 + 2 * 449
