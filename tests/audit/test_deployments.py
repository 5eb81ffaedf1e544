from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from stealproof.audit.deployments import ALL_OTHERS, Choice, Deployments, plan_deployments, report
from stealproof.errors import InputError, UnknownName
from stealproof.interactions.criterion import Criterion
from stealproof.measures.intervals import mean_over_seeds, proportion
from stealproof.roles.risk import Measurement
from stealproof.studies.results import Failure, Result
from stealproof.studies.study import Cell

ADI, STOP, DECAY = "adi2018(triggers=20)", "early_stopping", "regularization"
SEEDS = (0, 1, 2)


def plan_of(*protections: str, **more: Any) -> Deployments:
    return plan_deployments(Choice(data="digits", protections=protections, seeds=SEEDS, **more))


def result(cell: Cell, effects: Mapping[tuple[str, ...], float]) -> Result:
    """A finished cell: accuracy 0.9 whatever it is, the watermark's effect as given, else 0.8."""
    protections = tuple(cell.arguments["protections"])
    wobble = 0.01 * cell.seed * (1 + len(protections))
    estimates = {
        "accuracy": proportion(round(1000 * (0.9 - wobble)), 1000),
        "membership_inference.auc": mean_over_seeds([0.5, 0.5 + wobble]),
    }
    if ADI in protections:
        estimates["adi2018.effect"] = mean_over_seeds([effects.get(protections, 0.8) - wobble] * 2)
        estimates["adi2018.detected"] = proportion(1, 1)
    return Result.of(cell, Measurement(estimates=estimates), cpu_seconds=2.0)


def results(plan: Deployments, effects: Mapping[tuple[str, ...], float] | None = None) -> list[Result]:
    return [result(cell, effects or {}) for cell in plan.study.cells()]


def sets(plan: Deployments) -> list[Sequence[str]]:
    return [arguments["protections"] for arguments in plan.study.combinations]


def test_two_are_trained_alone_and_together_three_also_all_together() -> None:
    assert sets(plan_of(ADI, STOP)) == [(), (ADI,), (STOP,), (ADI, STOP)]
    three = plan_of(ADI, STOP, DECAY)
    assert sets(three) == [(), (ADI,), (STOP,), (DECAY,), (ADI, STOP), (ADI, DECAY), (STOP, DECAY), (ADI, STOP, DECAY)]
    assert three.own[ADI] == ("adi2018.effect", "adi2018.detected")
    few = plan_of(ADI, STOP, DECAY, pairs=((ADI, STOP),))
    assert sets(few) == [(), (ADI,), (STOP,), (DECAY,), (ADI, STOP)]


@pytest.mark.parametrize(
    ("protections", "error", "words"),
    [
        ((ADI,), InputError, "needs at least 2 protections, got only adi2018; name another one"),
        ((ADI, "adi2018"), InputError, "adi2018 is named 2 times; name each protection once"),
        ((ADI, "early_stoping"), UnknownName, "did you mean 'early_stopping'?"),
        ((ADI, "early_stopping(patiense=2)"), UnknownName, "did you mean 'patience'?"),
    ],
)
def test_what_no_deployment_can_be_is_one_sentence(
    protections: tuple[str, ...], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        plan_of(*protections)
    assert words in str(caught.value)


def test_a_pair_is_judged_by_what_each_is_for_and_by_accuracy() -> None:
    plan = plan_of(ADI, STOP)
    found = report(plan, results(plan, {(ADI, STOP): 0.2}))
    (pair,) = found["panels"][0]["interactions"]
    assert pair["verdict"] == "conflict"
    assert "the effect of adi2018(triggers=20) falls from" in pair["sentence"]
    assert {"accuracy", "adi2018.effect", "adi2018.detected"} <= {outcome["measure"] for outcome in pair["outcomes"]}
    assert set(pair["cards"]) == {"one", "other", "together"}
    assert pair["command"] == "stealproof conflicts digits --with 'adi2018(triggers=20),early_stopping' --seeds 3"
    assert pair["conjecture"]["conjecture"] in ("conflict", "aligned")
    assert [line["data"] for line in found["sensitivity"]] == ["digits"]
    assert found["cpu_seconds"] == 2.0 * 4 * 3


def test_each_of_three_is_also_judged_in_the_company_of_all() -> None:
    plan = plan_of(ADI, STOP, DECAY)
    found = report(plan, results(plan, {(ADI, STOP, DECAY): 0.1}))
    pairs = found["panels"][0]["interactions"]
    whole = [pair for pair in pairs if pair["other"] == ALL_OTHERS]
    assert [pair["one"] for pair in whole] == [ADI, STOP, DECAY]
    assert whole[0]["verdict"] == "conflict"
    assert all(pair["conjecture"] is None for pair in whole)
    assert all(pair["verdict"] != "conflict" for pair in pairs if pair["other"] != ALL_OTHERS)


def test_another_criterion_gives_another_verdict() -> None:
    plan = plan_of(ADI, STOP)
    found = report(plan, results(plan, {(ADI, STOP): 0.2}), criterion=Criterion.from_table({"accuracy": 0.5}))
    (pair,) = found["panels"][0]["interactions"]
    assert pair["verdict"] == "fine"
    assert found["criterion"] == {"accuracy": {"drop": 0.5, "relative": False, "worse": "lower"}}


def test_a_failed_network_takes_its_pairs_with_it_and_no_others() -> None:
    plan = plan_of(ADI, STOP, DECAY)
    kept = [one for one in results(plan) if tuple(one.cell.arguments["protections"]) != (DECAY,)]
    broken = [cell for cell in plan.study.cells() if cell.arguments["protections"] == (DECAY,)]
    found = report(plan, kept, [Failure(cell=cell, reason="diverged") for cell in broken])
    (panel,) = found["panels"]
    assert [(pair["one"], pair["other"]) for pair in panel["interactions"]] == [(ADI, STOP)]
    assert panel["failed"] == [{"name": DECAY, "why": "diverged"}]


def test_seeds_that_one_side_lacks_are_not_compared() -> None:
    plan = plan_of(ADI, STOP)
    kept = [one for one in results(plan) if (tuple(one.cell.arguments["protections"]), one.cell.seed) != ((ADI,), 2)]
    (pair,) = report(plan, kept)["panels"][0]["interactions"]
    assert pair["seeds"] == [0, 1]


def test_a_defense_is_attacked_within_the_radius_that_it_was_trained_for() -> None:
    def risks(*protections: str, quick: bool = False) -> tuple[str, ...]:
        risks: tuple[str, ...] = plan_of(*protections, quick=quick).study.combinations[0]["risks"]
        return risks

    assert risks(ADI, "fast_adversarial_training") == ("evasion",)
    assert risks(ADI, "fast_adversarial_training(radius=0.1)") == ("evasion(radius=0.1)",)
    plan = plan_of(ADI, "fast_adversarial_training(radius=0.1)", STOP, quick=True)
    quick = "evasion(radius=0.1, rows=300, steps=20)"
    assert [arguments["risks"] for arguments in plan.study.combinations[:3]] == [
        (),
        (quick,),
        ("membership_inference",),
    ]
    assert plan.study.combinations[-1]["risks"] == (quick, "membership_inference")
