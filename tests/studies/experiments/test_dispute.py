from __future__ import annotations

from typing import Any

import pytest

from stealproof.errors import InputError, UnknownName
from stealproof.roles.risk import Measurement
from stealproof.studies.experiments.dispute import Dispute
from stealproof.studies.store import Store
from stealproof.studies.workshop import Workshop

SMALL = {"data": "digits", "family": "mlp", "family_parameters": {"width": 64}, "theft_budget": 400}


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(Store(tmp_path_factory.mktemp("store")))


def run(workshop: Workshop, **arguments: Any) -> Measurement:
    experiment: Dispute = Dispute.make(SMALL | {"suspect_rows": 300} | arguments)
    experiment.check()
    return experiment.run(seed=0, workshop=workshop)


def value(measurement: Measurement, name: str) -> float:
    return measurement.estimates[name].value


def test_the_owner_s_model_is_recognised_and_its_price_told(workshop: Workshop) -> None:
    found = run(workshop, scheme="adi2018")
    assert value(found, "detected") == 1
    assert value(found, "fidelity") == 1
    assert value(found, "log10_p") < -20
    assert abs(value(found, "price")) < 0.05
    assert "p-value" in found.details["reasons"][0]


def test_a_removal_costs_accuracy_and_is_measured(workshop: Workshop) -> None:
    found = run(workshop, scheme="adi2018", suspect="weight_pruning(share=0.9)+input_smoothing")
    assert value(found, "accuracy_loss") > 0.05
    assert "price" not in found.estimates


def test_a_theft_does_not_carry_a_backdoor_and_carries_marked_answers(workshop: Workshop) -> None:
    suspect = "knockoff_nets(budget=400,access=labels,epochs=120)"
    assert value(run(workshop, scheme="adi2018", suspect=suspect), "detected") == 0
    dawn = {"scheme": "dawn", "scheme_parameters": {"rate": 0.1}, "washed": suspect}
    assert value(run(workshop, **dawn, suspect=suspect), "detected") == 1
    assert value(run(workshop, **dawn, suspect="weight_pruning(share=0.1)"), "detected") == 1
    # The model itself bears no mark.
    assert value(run(workshop, **dawn), "detected") == 0


@pytest.mark.parametrize("suspect", ["independent_other_seed", "independent_other_half", "independents(count=6)"])
def test_the_innocent_are_not_accused(workshop: Workshop, suspect: str) -> None:
    found = run(workshop, scheme="adi2018", suspect=suspect)
    assert value(found, "detected") == value(found, "inconclusive") == 0
    assert found.estimates["detected"].n == (6 if "count" in suspect else 1)


def test_controls_judge_where_the_scheme_can_not(workshop: Workshop) -> None:
    zest = {"scheme": "zest", "scheme_parameters": {"count": 16, "masks": 20}, "level": 0.1}
    assert value(run(workshop, **zest, controls=9), "detected") == 1
    # The second suspect of a claim is held against the same controls, without asking them again.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stealproof.roles.ownership.Ownership.calibrate", pytest.fail)
        assert value(run(workshop, **zest, controls=9, suspect="weight_quantization"), "detected") == 1
    assert value(run(workshop, **zest, controls=4), "inconclusive") == 1


def test_everybody_is_made_once(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(workshop, scheme="adi2018", suspect="fine_tuning(epochs=1)")
    for name in ("train", "wash", "fit"):
        monkeypatch.setattr(f"stealproof.studies.parties.{name}", pytest.fail)
    again = Workshop(workshop.store)
    assert run(again, scheme="adi2018", suspect="fine_tuning(epochs=1)").estimates == first.estimates


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"scheme": "adi2081"}, UnknownName, "did you mean 'adi2018'"),
        ({"scheme": "adi2018", "at": "answers"}, InputError, "does not mark answers"),
        ({"scheme": "dawn", "at": "training"}, InputError, "does not mark in training"),
        ({"suspect": "fine_tunning"}, UnknownName, "did you mean 'fine_tuning'"),
        ({"suspect": "fine_tuning(layer=all)"}, UnknownName, "did you mean 'layers'"),
        ({"suspect": "victim+fine_tuning"}, UnknownName, "no removal is named 'victim'"),
        ({"suspect": "victim(share=1)"}, InputError, "victim has no parameters"),
        ({"washed": "fine_tuning"}, UnknownName, "no extraction is named 'fine_tuning'"),
        ({"suspect": "independents(count=0)"}, InputError, "N of at least 1"),
        ({"suspect": "independent_other_data"}, InputError, "needs other_data"),
        ({"level": 1.0}, InputError, "level must lie between 0 and 1"),
        ({"control_share": 0.0}, InputError, "control_share"),
        ({"judge_access": "all"}, InputError, "no access is called 'all'"),
    ],
)
def test_refuses_what_can_not_run(arguments: dict[str, Any], error: type[InputError], words: str) -> None:
    with pytest.raises(error, match=words):
        Dispute.make(SMALL | arguments).check()
