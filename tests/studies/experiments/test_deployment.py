from __future__ import annotations

from typing import Any

import pytest
import torch

from stealproof.errors import InputError, UnknownName
from stealproof.roles.risk import Measurement
from stealproof.studies.experiments._deployed import Owner, in_order
from stealproof.studies.experiments.deployment import Deployment
from stealproof.studies.store import Store
from stealproof.studies.workshop import Workshop

SMALL = {
    "data": "digits",
    "family": "mlp",
    "family_parameters": {"width": 32},
    "owner_rows": 400,
    "recipe": {"epochs": 60},
}
MARK = "adi2018(triggers=20,passes=50)"
INFERENCE = "dataset_inference(images=20,regressor_images=20,starts=2,walk_steps=20)"
LOOK = "membership_inference(rows=50)"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(Store(tmp_path_factory.mktemp("store")))


def run(workshop: Workshop, *protections: str, **arguments: Any) -> Measurement:
    experiment: Deployment = Deployment.make(SMALL | {"protections": protections} | arguments)
    experiment.check()
    return experiment.run(seed=0, workshop=workshop)


def value(measurement: Measurement, name: str) -> float:
    return measurement.estimates[name].value


def test_one_network_bears_what_all_its_protections_do(workshop: Workshop) -> None:
    found = run(workshop, MARK, "regularization", risks=(LOOK,))
    assert value(found, "accuracy") > 0.8
    assert value(found, "adi2018.detected") == 1
    assert value(found, "adi2018.effect") > 0.9
    assert value(found, "adi2018.log10_p") < -10
    assert 0 <= value(found, "membership_inference.auc") <= 1
    assert "p-value" in found.details["reasons"]["adi2018"][0]
    assert set(found.estimates) <= set(Deployment.measures)


def test_the_order_of_naming_changes_nothing(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(workshop, MARK, "regularization")
    monkeypatch.setattr("stealproof.studies.experiments._deployed.train", pytest.fail)
    assert run(workshop, "regularization", MARK).estimates == first.estimates


def test_what_is_measured_afterwards_trains_nothing_again(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = run(workshop)
    monkeypatch.setattr("stealproof.studies.experiments._deployed.train", pytest.fail)
    again = Workshop(workshop.store)
    risky = run(again, risks=(LOOK,))
    assert risky.estimates.keys() - plain.estimates.keys() == {
        f"membership_inference.{name}" for name in ("auc", "advantage", "tpr_at_1_percent", "tpr_at_01_percent")
    }
    # A fingerprint leaves the network as it is, which was examined before.
    monkeypatch.setattr("stealproof.risks.membership_inference.MembershipInference.measure", pytest.fail)
    fingerprinted = run(again, INFERENCE, risks=(LOOK,))
    assert fingerprinted.estimates["accuracy"] == plain.estimates["accuracy"]
    assert {"dataset_inference.effect", "dataset_inference.log10_p"} <= fingerprinted.estimates.keys()
    assert run(again, INFERENCE, risks=(LOOK,)).estimates == fingerprinted.estimates


def test_a_network_whose_claim_is_lost_is_made_again(workshop: Workshop) -> None:
    first = run(workshop, MARK)
    for path in (workshop.store.folder / "claims").rglob("*adi2018.claim"):
        path.write_bytes(b"damaged")
    assert run(Workshop(workshop.store), MARK).estimates == first.estimates


def owner(workshop: Workshop, seed: int = 0, **changes: Any) -> Owner:
    experiment: Deployment = Deployment.make(SMALL | changes)
    names = ("data", "data_parameters", "owner_rows", "family", "family_parameters", "recipe")
    return Owner(workshop, seed=seed, **{name: getattr(experiment, name) for name in names})


def rows(x: torch.Tensor) -> set[bytes]:
    return {row.numpy().tobytes() for row in x}


@pytest.mark.parametrize("owner_rows", [400, 0])
def test_members_and_non_members_are_dealt_by_lot_from_one_pile(workshop: Workshop, owner_rows: int) -> None:
    data = owner(workshop, owner_rows=owner_rows).data
    whole = workshop.dataset("digits")
    assert len(data.train) == (owner_rows or len(whole.train))
    assert len(data.pool) == min(len(data.train), len(whole.train) + len(whole.pool) - len(data.train))
    pile = rows(whole.train.x) | rows(whole.pool.x)
    assert rows(data.train.x) | rows(data.pool.x) <= pile
    assert not rows(data.train.x) & rows(data.pool.x)
    if owner_rows:
        assert rows(owner(workshop, seed=1).data.train.x) != rows(data.train.x)


def test_one_training_run_calls_them_in_one_order() -> None:
    texts = ("dataset_inference", "pgd_training", "outlier_removal", "adi2018", "radioactive_data", "regularization")
    expected = ["radioactive_data", "adi2018", "outlier_removal", "regularization", "pgd_training", "dataset_inference"]
    assert [protection.name for protection in in_order(texts)] == expected


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"protections": ("adi2018", "adi2018(triggers=5)")}, InputError, "adi2018 is named 2 times"),
        ({"protections": ("adi2018+regularization",)}, InputError, "list several one by one"),
        ({"protections": ("adi2081",)}, UnknownName, "did you mean 'adi2018'?"),
        ({"protections": ("adi2018(trigger=5)",)}, UnknownName, "did you mean 'triggers'?"),
        ({"protections": ("dawn",)}, InputError, "dawn marks answers, which is no part of training"),
        ({"protections": ("zest",)}, InputError, "judge it with the experiment dispute"),
        ({"protections": ("evasion",)}, UnknownName, "evasion"),
        ({"risks": ("evasion", "evasion(steps=5)")}, InputError, "evasion is named 2 times; measure each risk once"),
        ({"risks": ("evasoin",)}, UnknownName, "did you mean 'evasion'?"),
        ({"recipe": {"epoch": 3}}, UnknownName, "did you mean 'epochs'?"),
        ({"family": "decision_tree", "family_parameters": {}}, InputError, "decision_tree is none"),
        ({"owner_rows": -1}, InputError, "owner_rows must be at least 0, where 0 means all, got -1"),
        ({"level": 1.0}, InputError, "level must lie between 0 and 1, got 1.0"),
    ],
)
def test_what_nobody_can_deploy_is_one_sentence(arguments: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind) as caught:
        Deployment.make(SMALL | arguments).check()
    assert words in str(caught.value)


def test_more_rows_than_there_are_are_refused(workshop: Workshop) -> None:
    with pytest.raises(InputError, match="owner_rows must be at most 899, the owner's rows of digits, got 5000"):
        owner(workshop, owner_rows=5000)


def test_a_private_network_tells_what_it_spent_also_from_the_store(workshop: Workshop) -> None:
    pytest.importorskip("opacus")
    first = run(workshop, "dp_sgd(epsilon=8,accountant=rdp)", recipe={"epochs": 2})
    assert 4 < value(first, "dp_sgd.epsilon") <= 8
    again = run(Workshop(workshop.store), "dp_sgd(epsilon=8,accountant=rdp)", recipe={"epochs": 2})
    assert again.estimates == first.estimates
    assert "dp_sgd.epsilon" in Deployment.measures
    assert "regularization.epsilon" not in Deployment.measures
