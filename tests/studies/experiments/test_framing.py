from __future__ import annotations

from typing import Any

import pytest

from stealproof.errors import InputError, UnknownName
from stealproof.roles.risk import Measurement
from stealproof.studies.experiments.framing import Framing
from stealproof.studies.store import Store
from stealproof.studies.workshop import Workshop

SMALL = {
    "data": "digits",
    "family": "mlp",
    "family_parameters": {"width": 32},
    "scheme": "adi2018",
    "scheme_parameters": {"triggers": 30},
    "innocents": 6,
    "references": 4,
    "copies": 2,
    "theft_budget": 400,
    "suspect_rows": 300,
    "level": 0.05,
    "controls": 19,
    "control_share": 0.2,
}
FORGED = "transferable_triggers(triggers=30,candidates=60,radius=0.3,iterations=20)"
FITTED = "ambiguity(triggers=30,candidates=60,radius=0.3,iterations=20)"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(Store(tmp_path_factory.mktemp("store")))


def run(workshop: Workshop, **arguments: Any) -> Measurement:
    experiment: Framing = Framing.make(SMALL | arguments)
    experiment.check()
    return experiment.run(seed=0, workshop=workshop)


def believed(workshop: Workshop, **arguments: Any) -> float:
    return run(workshop, **arguments).estimates["believed"].value


@pytest.mark.parametrize("accusation", ["victim", "fine_tuned"])
def test_honest_claims_to_copies_are_believed(workshop: Workshop, accusation: str) -> None:
    found = run(workshop, accusation=accusation)
    assert found.estimates["believed"].value == 1
    assert found.estimates["believed"].n == (1 if accusation == "victim" else 2)
    assert found.estimates["seconds"].value > 0
    assert found.estimates["suspect_accuracy"].value > 0.8


def test_a_thief_who_learned_marked_answers_is_recognised(workshop: Workshop) -> None:
    dawn = {"scheme": "dawn", "scheme_parameters": {"rate": 0.1}, "theft_access": "labels", "theft_epochs": 120.0}
    assert believed(workshop, **dawn, accusation="surrogates") == 1
    assert believed(workshop, **dawn, accusation="independents") == 0


def test_a_fingerprint_that_the_judge_makes_holds_for_the_model(workshop: Workshop) -> None:
    zest = {"scheme": "zest", "scheme_parameters": {"count": 16, "masks": 20}, "policy": "judge_generates"}
    found = run(workshop, **zest, accusation="victim")
    assert found.estimates["believed"].value == 1
    assert found.estimates["queries"].value >= 16 * 20


def test_false_claims_are_believed_until_the_judge_looks(workshop: Workshop) -> None:
    assert believed(workshop, accusation=FORGED, policy="none") > 0.5
    found = run(workshop, accusation=FORGED)
    assert found.estimates["believed"].value == 0
    assert found.details["objections"]["transferable_example_test"] > 0


def test_a_claim_that_fits_one_published_model_fails_for_its_date(workshop: Workshop) -> None:
    assert believed(workshop, accusation=FITTED, policy="none", innocents=2) > 0
    found = run(workshop, accusation=FITTED, policy="verify_generation", innocents=2)
    assert found.estimates["believed"].value == 0
    assert found.details["objections"]["verify_generation"] > 0


def test_claims_about_weights_are_held_against_networks_of_the_owner_s_family(workshop: Workshop) -> None:
    weights = {"scheme": "uchida2017", "scheme_parameters": {"bits": 32}}
    assert believed(workshop, **weights, accusation="victim") == 1
    found = run(workshop, **weights, accusation="independents", policy="control_models")
    assert found.estimates["believed"].value == 0
    # Nobody has another architecture, in which no such layer could be looked into.
    assert found.details["refused before the test"] == 0
    ground = run(workshop, **weights, accusation="key_grinding(attempts=20)", policy="control_models", innocents=2)
    assert ground.details["refused before the test"] == 0


def test_better_innocents_are_framed_by_what_only_good_models_know_until_controls_are_compared(
    workshop: Workshop,
) -> None:
    better = {"control_share": 0.4, "owner_rows": 200, "innocents_augment": True, "accusation": "hard_inputs"}
    alike = believed(workshop, **better | {"innocents_augment": False}, policy="control_models")
    framed = run(workshop, **better, policy="control_models")
    assert alike == 0
    assert framed.estimates["believed"].value > 0.5
    compared = run(workshop, **better)
    assert compared.estimates["believed"].value == 0
    assert compared.details["objections"]["comparable_controls"] > 0


def test_hardened_suspects_are_others(workshop: Workshop) -> None:
    plain = run(workshop, accusation=FORGED, policy="none")
    hardened = run(workshop, accusation=FORGED, policy="hardened_suspects")
    assert hardened.estimates["believed"].n == 6
    assert hardened.estimates["suspect_accuracy"] != plain.estimates["suspect_accuracy"]
    assert hardened.estimates["seconds"].value == 0


def test_claims_and_suspects_are_made_once_for_all_policies(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(workshop, accusation=FORGED, policy="none")
    monkeypatch.setattr(Framing, "_cases", pytest.fail)
    run(workshop, accusation=FORGED, policy="control_models")


def test_dataset_inference_opens_its_rows(workshop: Workshop) -> None:
    walks = {"norms": ("l2",), "regressor_images": 40, "images": 40, "starts": 2, "walk_steps": 15, "iterations": 50}
    private = {"scheme": "dataset_inference", "scheme_parameters": walks}
    # The liar opens the images that it moved: they are rows, but not of the pile that the others are of.
    found = run(workshop, **private, accusation="transferable_triggers(radius=0.3,iterations=20)", innocents=2)
    assert found.estimates["believed"].value == 0


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"scheme": "adi2081"}, UnknownName, "did you mean 'adi2018'"),
        ({"policy": "defualt"}, UnknownName, "did you mean 'default'"),
        ({"accusation": "surrogate"}, UnknownName, "did you mean 'surrogates'"),
        ({"accusation": "ambiguity(radiuss=1)"}, UnknownName, "did you mean 'radius'"),
        ({"accusation": "ambiguity", "scheme": "derived_triggers"}, InputError, "nothing to forge"),
        ({"theft_access": "all"}, InputError, "no access is called 'all'"),
        ({"innocents": 0}, InputError, "innocents must be at least 1"),
        ({"level": 0.0}, InputError, "level must lie above 0"),
    ],
)
def test_refuses_what_can_not_run(arguments: dict[str, Any], error: type[InputError], words: str) -> None:
    base = {key: value for key, value in SMALL.items() if key != "scheme_parameters"}
    with pytest.raises(error, match=words):
        Framing.make(base | arguments).check()
