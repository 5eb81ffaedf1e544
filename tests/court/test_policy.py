from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from stealproof.claims import Claim, Decision
from stealproof.court.case import Complaint, HeldOut, Opened, open_case
from stealproof.court.countermeasures.comparable_controls import ComparableControls, versions
from stealproof.court.countermeasures.control_models import ControlModels
from stealproof.court.countermeasures.count_plans import CountPlans
from stealproof.court.countermeasures.countermeasure import Countermeasure
from stealproof.court.countermeasures.judge_generates import JudgeGenerates
from stealproof.court.countermeasures.transferable_example_test import TransferableExampleTest
from stealproof.court.countermeasures.verify_generation import VerifyGeneration
from stealproof.court.policy import SWITCHES, Policy, Ruling, policy
from stealproof.errors import InputError, UnknownName
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Answer, Answers, Domain
from stealproof.oracles.guarded import GuardedOracle
from stealproof.oracles.module import ModuleOracle
from stealproof.ownership.adi2018 import Adi2018
from stealproof.ownership.dataset_inference import DatasetInference
from stealproof.ownership.derived_triggers import DerivedTriggers
from stealproof.ownership.entangled_watermarks import EntangledWatermarks
from stealproof.ownership.ipguard import Ipguard
from stealproof.ownership.uchida2017 import Uchida2017
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.ownership import Ownership, Watermark
from stealproof.training.fit_many import fit_many
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained, train

LEVEL = 0.05
CONTROLS = 19
QUICK = Recipe(epochs=15, batch=64)
Complain = Callable[..., Complaint]


@pytest.fixture(scope="module")
def independent(digits: Dataset) -> list[torch.nn.Module]:
    """Models of the pool, the last three of which are suspects; the others are the judge's."""
    rows = [torch.arange(number, len(digits.pool), 2) for number in (0, 1)]
    parts = [digits.pool.take(rows[number % 2]) for number in range(CONTROLS + 3)]
    return fit_many(Mlp(width=32), parts, classes=10, seeds=range(CONTROLS + 3), recipe=QUICK)


@pytest.fixture(scope="module")
def complain(digits: Dataset, independent: list[torch.nn.Module]) -> Complain:
    def make(scheme: Ownership, claim: Claim, opened: Opened | None = None, controls: int = CONTROLS) -> Complaint:
        return Complaint(
            scheme=scheme,
            claim=claim,
            level=LEVEL,
            controls=[ModuleOracle(m, domain=digits.domain, classes=10) for m in independent[:controls]],
            networks=independent[:controls],
            opened=opened,
        )

    return make


@pytest.fixture(scope="module")
def marked(digits: Dataset) -> dict[str, tuple[Watermark, Trained]]:
    made: dict[str, tuple[Watermark, Trained]] = {}
    for scheme in (Adi2018(triggers=30), DerivedTriggers(triggers=30, sequential=False)):
        made[scheme.name()] = scheme, train(Mlp(width=64), digits, recipe=QUICK, protections=[scheme], seed=1)
    return made


@pytest.fixture
def innocent(digits: Dataset, independent: list[torch.nn.Module]) -> Trained:
    return Trained(model=independent[-1], domain=digits.domain, classes=10, card={})


def ruled(rule: Policy, complaint: Complaint, suspect: Trained, *, precedes: bool = True) -> Ruling:
    return rule.rule(open_case(complaint, suspect.oracle(), model=suspect.model, precedes=precedes))


def objection(countermeasure: Countermeasure, complaint: Complaint, suspect: Trained, *, precedes: bool = True) -> str:
    case = open_case(complaint, suspect.oracle(), model=suspect.model, precedes=precedes)
    return countermeasure.examine(case).objection or ""


def easy_claim(digits: Dataset) -> Claim:
    """Natural images with their true labels, called a trigger set: every good model answers as claimed."""
    inputs, labels = digits.test.x[:30].numpy().astype(np.float32), digits.test.y[:30].numpy()
    return Claim(scheme="adi2018", secrets={"inputs": inputs, "labels": labels, "classes": 10})


@pytest.mark.parametrize("scheme", ["adi2018", "derived_triggers"])
@pytest.mark.parametrize(
    "name", ["none", "verify_generation", "control_models", "transferable_example_test", "default"]
)
def test_an_honest_claim_to_the_marked_model_stands(
    marked: dict[str, tuple[Watermark, Trained]], complain: Complain, scheme: str, name: str
) -> None:
    made, trained = marked[scheme]
    ruling = ruled(policy(name), complain(made, made.claim(trained.model)), trained)
    assert ruling.verdict.decision is Decision.OWNED
    assert [finding.countermeasure for finding in ruling.findings] == [
        countermeasure.name() for countermeasure in policy(name).countermeasures
    ]
    assert all(finding.queries == 0 and finding.seconds >= 0 for finding in ruling.findings)


@pytest.mark.parametrize("scheme", ["adi2018", "derived_triggers"])
def test_an_honest_claim_accuses_no_innocent(
    marked: dict[str, tuple[Watermark, Trained]], complain: Complain, innocent: Trained, scheme: str
) -> None:
    made, trained = marked[scheme]
    ruling = ruled(policy("none"), complain(made, made.claim(trained.model)), innocent)
    assert ruling.verdict.decision is Decision.NOT_OWNED
    # There is nothing to look into.
    assert ruling.findings == ()


def test_a_claim_that_convinces_anybody_is_refused(digits: Dataset, complain: Complain, innocent: Trained) -> None:
    complaint = complain(Adi2018(), easy_claim(digits))
    assert ruled(policy("none"), complaint, innocent).verdict.decision is Decision.OWNED
    assert "convicts the vote" in objection(TransferableExampleTest(), complaint, innocent)
    assert "does not stand out from 19 control models" in objection(ControlModels(), complaint, innocent)
    ruling = ruled(policy("default"), complaint, innocent)
    assert ruling.verdict.decision is Decision.INCONCLUSIVE
    assert any(reason.startswith("transferable_example_test: ") for reason in ruling.verdict.reasons)


def test_what_is_found_about_a_claim_is_found_once(
    digits: Dataset, complain: Complain, innocent: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    complaint = complain(Adi2018(), easy_claim(digits))
    case = open_case(complaint, innocent.oracle(), precedes=True)
    first = ControlModels().examine(case)
    monkeypatch.setattr(Ownership, "calibrate", pytest.fail)
    again = ControlModels().examine(case)
    assert again.objection == first.objection
    # The price of the controls stays the price.
    assert again.seconds > 0.5 * first.seconds


def test_the_luckiest_of_the_innocent_does_not_stand_out_enough(
    marked: dict[str, tuple[Watermark, Trained]], complain: Complain
) -> None:
    made, trained = marked["adi2018"]
    complaint = complain(made, made.claim(trained.model))
    case = open_case(complaint, trained.oracle(), precedes=True)
    found = complaint.calibrate(complaint.claim).statistics
    lucky = dataclasses.replace(case.verdict, statistic=max(found) + 1)
    case = dataclasses.replace(case, verdict=lucky)
    assert "hardly above the highest" in (ControlModels().examine(case).objection or "")
    assert ControlModels(lead=1.0).examine(case).objection is None
    with pytest.raises(InputError, match="lead must be at least 1"):
        ControlModels(lead=0.5).examine(case)


def test_too_few_controls_convict_nobody(marked: dict[str, tuple[Watermark, Trained]], complain: Complain) -> None:
    made, trained = marked["adi2018"]
    assert "it takes 19 control models, got 18" in objection(
        ControlModels(), complain(made, made.claim(), controls=18), trained
    )
    assert "no vote" in objection(TransferableExampleTest(), complain(made, made.claim(), controls=0), trained)


def test_triggers_chosen_after_the_fact_are_refused_and_derived_ones_need_no_date(
    marked: dict[str, tuple[Watermark, Trained]], complain: Complain
) -> None:
    for name, late in (("adi2018", "no timestamp"), ("derived_triggers", "")):
        made, trained = marked[name]
        complaint = complain(made, made.claim(trained.model))
        assert objection(VerifyGeneration(), complaint, trained) == ""
        assert (late in objection(VerifyGeneration(), complaint, trained, precedes=False)) is True
        assert bool(objection(VerifyGeneration(), complaint, trained, precedes=False)) is bool(late)


def test_derived_triggers_are_made_again(marked: dict[str, tuple[Watermark, Trained]], complain: Complain) -> None:
    made, trained = marked["derived_triggers"]
    honest = complain(made, made.claim(trained.model))
    case = open_case(honest, trained.oracle())
    labels = (made.book["labels"] + 1) % 10
    claim = dataclasses.replace(honest.claim, secrets={**honest.claim.secrets, "labels": labels})
    swapped = dataclasses.replace(case, complaint=complain(made, claim))
    assert "labels are not those that follow" in (VerifyGeneration().examine(swapped).objection or "")


@pytest.mark.parametrize("sequential", [False, True])
def test_a_plan_is_counted_as_the_best_of_many(
    marked: dict[str, tuple[Watermark, Trained]], complain: Complain, sequential: bool
) -> None:
    made, trained = marked["derived_triggers"]
    scheme, claim = DerivedTriggers(triggers=30, sequential=sequential), made.claim(trained.model)
    claim = dataclasses.replace(claim, parameters=scheme.parameters())
    # Control models are not asked.
    complaint = complain(scheme, claim, controls=0)
    assert ruled(policy("planned"), complaint, trained, precedes=False).verdict.decision is Decision.OWNED
    assert "as the best of 1" in objection(CountPlans(plans=10**40), complaint, trained)


def test_a_plan_is_no_excuse_for_chosen_triggers(
    marked: dict[str, tuple[Watermark, Trained]], complain: Complain
) -> None:
    made, trained = marked["adi2018"]
    ruling = ruled(policy("planned"), complain(made, made.claim(trained.model)), trained)
    assert ruling.verdict.decision is Decision.INCONCLUSIVE
    assert "no plan was followed" in ruling.verdict.reasons[-1]


def test_a_plan_is_no_excuse_for_inputs_that_somebody_sent(
    digits: Dataset, digits_victim: Trained, complain: Complain
) -> None:
    guard = DerivedTriggers(rate=1.0, classes=10, sequential=False)
    guard.use_key("00" * 32)
    x = digits.pool.x[:40].numpy().astype(np.float32)
    guard.answer("somebody", x, Answers(labels=np.zeros(40, dtype=np.int64)))
    claim = guard.claim()
    case = open_case(complain(guard, claim), GuardedOracle(digits_victim.oracle(), [guard]))
    assert policy("none").rule(case).verdict.decision is Decision.OWNED
    assert "somebody chose the triggers" in (CountPlans().examine(case).objection or "")


def test_controls_are_compared_wherever_somebody_chose_what_is_labelled(
    digits: Dataset, marked: dict[str, tuple[Watermark, Trained]], complain: Complain, held_out: HeldOut
) -> None:
    api = DerivedTriggers(rate=1.0, classes=10, sequential=False)
    api.use_key("00" * 32)
    x = digits.pool.x[:40].numpy().astype(np.float32)
    api.answer("somebody", x, Answers(labels=np.zeros(40, dtype=np.int64)))
    noise, trained = marked["derived_triggers"]
    for scheme, claim, asked in ((api, api.claim(), True), (noise, noise.claim(), False)):
        complaint = dataclasses.replace(complain(scheme, claim), held_out=held_out)
        found = ComparableControls().examine(open_case(complaint, trained.oracle()))
        assert (found.queries > 0) is asked


@pytest.fixture(scope="module")
def weighted(digits: Dataset) -> tuple[Uchida2017, Trained]:
    """A network of the control models' kind that carries bits in its weights."""
    scheme = Uchida2017(bits=32)
    return scheme, train(Mlp(width=32), digits, recipe=QUICK, protections=[scheme], seed=1)


def test_a_claim_about_weights_stands_where_few_other_networks_bear_it(
    weighted: tuple[Uchida2017, Trained], complain: Complain
) -> None:
    scheme, trained = weighted
    complaint = complain(scheme, scheme.claim(trained.model))
    assert ruled(policy("default"), complaint, trained).verdict.decision is Decision.OWNED
    # Of networks one cannot be opened for all, so that without any there is nothing to hold the claim against.
    assert "no vote" in objection(TransferableExampleTest(), complain(scheme, scheme.claim(), controls=0), trained)


def test_a_claim_about_weights_that_every_network_bears_is_refused(
    weighted: tuple[Uchida2017, Trained], complain: Complain, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheme, trained = weighted
    complaint = complain(scheme, scheme.claim(trained.model))
    owned = open_case(complaint, trained.oracle(), model=trained.model).verdict
    monkeypatch.setattr(Uchida2017, "verify", lambda *given, **named: owned)
    assert "convicts 15 of 15 independent networks" in objection(TransferableExampleTest(), complaint, trained)


@pytest.fixture(scope="module")
def private() -> DatasetInference:
    return DatasetInference(norms=("l2",), regressor_images=40, images=60, starts=2, walk_steps=20, iterations=50)


def test_members_and_others_must_be_alike_to_who_knows_neither(
    digits: Dataset, digits_victim: Trained, private: DatasetInference, complain: Complain
) -> None:
    claim = private.enroll(digits_victim.model, digits)
    check = VerifyGeneration()
    assert objection(check, complain(private, claim), digits_victim) == ""
    assert "without control models" in objection(check, complain(private, claim, controls=0), digits_victim)


def test_members_that_are_easy_for_everybody_were_not_dealt_from_one_pile(
    digits: Dataset,
    digits_victim: Trained,
    independent: list[torch.nn.Module],
    private: DatasetInference,
    complain: Complain,
) -> None:
    with torch.no_grad():
        sure = torch.stack([m(digits.train.x.float()).softmax(dim=1) for m in independent[:3]]).mean(dim=0)
    order = sure.gather(1, digits.train.y[:, None])[:, 0].argsort(descending=True)
    picked = dataclasses.replace(digits, parts={**digits.parts, "train": digits.train.take(order[:200])})
    claim = private.enroll(digits_victim.model, picked)
    assert "not dealt from one pile" in objection(VerifyGeneration(), complain(private, claim), digits_victim)


def test_the_judge_makes_fingerprints_of_the_opened_model(
    digits: Dataset, digits_victim: Trained, complain: Complain, innocent: Trained
) -> None:
    scheme = Ipguard(count=40, iterations=50)
    opened = Opened(model=digits_victim.model, data=digits)
    claim = scheme.enroll(digits_victim.model, digits)
    complaint = complain(scheme, claim, opened)
    ruling = ruled(policy("judge_generates"), complaint, digits_victim)
    assert ruling.verdict.decision is Decision.OWNED
    assert ruling.findings[0].queries >= 40
    assert "with a fingerprint of the judge's own" in objection(JudgeGenerates(), complaint, innocent)
    # Whatever inputs the accuser claims, they are not what decides.
    labels = ModuleOracle(innocent.model, domain=digits.domain, classes=10).ask(claim.secrets["inputs"]).predicted
    forged = complain(scheme, dataclasses.replace(claim, secrets={**claim.secrets, "labels": labels}), opened)
    assert ruled(policy("none"), forged, innocent).verdict.decision is Decision.OWNED
    assert ruled(policy("judge_generates"), forged, innocent).verdict.decision is Decision.INCONCLUSIVE


def test_the_judge_needs_the_claimed_model_and_generates_no_chosen_watermark(
    digits: Dataset,
    digits_victim: Trained,
    independent: list[torch.nn.Module],
    marked: dict[str, tuple[Watermark, Trained]],
    complain: Complain,
) -> None:
    scheme = Ipguard(count=20, iterations=5)
    claim = scheme.enroll(digits_victim.model, digits)
    judge = JudgeGenerates()
    assert "did not open" in objection(judge, complain(scheme, claim), digits_victim)
    other = Opened(model=independent[0], data=digits)
    assert "is not the one of its claim" in objection(judge, complain(scheme, claim, other), digits_victim)
    few = dataclasses.replace(digits, parts={**digits.parts, "train": digits.train.take(slice(0, 5))})
    poor = Opened(model=digits_victim.model, data=few)
    assert "could make no such fingerprint" in objection(judge, complain(scheme, claim, poor), digits_victim)
    for name, words in (("adi2018", "nobody but the accuser"), ("derived_triggers", "")):
        made, trained = marked[name]
        assert objection(judge, complain(made, made.claim(trained.model)), trained).startswith(words)
        assert bool(objection(judge, complain(made, made.claim(trained.model)), trained)) is bool(words)


def test_without_controls_a_paper_s_own_rule_accuses(
    digits: Dataset, digits_victim: Trained, complain: Complain, innocent: Trained
) -> None:
    x = digits.test.x[:40].numpy().astype(np.float32)
    said = ModuleOracle(innocent.model, domain=digits.domain, classes=10).ask(x).predicted
    claim = Claim(scheme="ipguard", secrets={"inputs": x, "labels": said})
    assert ruled(policy("none"), complain(Ipguard(), claim), innocent).verdict.decision is Decision.OWNED
    transferable = objection(TransferableExampleTest(), complain(Ipguard(), claim), innocent)
    assert "of the claimed labels too" in transferable
    three, others = x[said == 3], x[said != 3][: int((said == 3).sum())]
    entangled = Claim(
        scheme="entangled_watermarks",
        secrets={"inputs": three, "unmarked": others, "labels": np.full(len(three), 3), "classes": 10},
    )
    complaint = complain(EntangledWatermarks(), entangled)
    assert ruled(policy("none"), complaint, innocent).verdict.decision is Decision.OWNED
    assert ruled(policy("control_models"), complaint, innocent).verdict.decision is Decision.INCONCLUSIVE


@pytest.fixture(scope="module")
def held_out(digits: Dataset) -> HeldOut:
    return HeldOut(x=digits.test.x.numpy().astype(np.float32), y=digits.test.y.numpy())


def moved(part: Part) -> Part:
    """The rows, and the same ones a pixel up, down, left and right."""
    x = torch.cat([part.x, *(torch.roll(part.x, step, axis) for axis in (2, 3) for step in (1, -1))])
    return Part(x=x, y=part.y.repeat(5))


def test_a_model_that_is_better_than_all_controls_is_not_framed_by_what_only_good_models_know(
    digits: Dataset, complain: Complain, held_out: HeldOut
) -> None:
    """The claim: ordinary images, moved by a pixel, with their true labels. No accuser needs the suspect for that."""
    rows = moved(digits.train)
    wide = Recipe(epochs=30, batch=64)
    good, own = fit_many(Mlp(width=256), [rows, moved(digits.pool)], classes=10, seeds=[70, 71], recipe=wide)
    suspect = Trained(model=good, domain=digits.domain, classes=10, card={})
    controls = complain(Adi2018(), easy_claim(digits))
    # The accuser has models like the controls of its own, and takes what they get wrong and a better one gets right.
    known = fit_many(Mlp(width=32), [digits.pool] * 4, classes=10, seeds=range(80, 84), recipe=QUICK)
    candidates = moved(digits.test)
    answers = [ModuleOracle(m, domain=digits.domain, classes=10).ask(candidates.x).predicted for m in (own, *known)]
    truth = candidates.y.numpy()
    chosen = np.flatnonzero((answers[0] == truth) & np.all([a != truth for a in answers[1:]], axis=0))[:40]
    secrets = {"inputs": candidates.x[chosen].numpy().astype(np.float32), "labels": truth[chosen], "classes": 10}
    claim = dataclasses.replace(controls.claim, secrets=secrets)
    complaint = dataclasses.replace(controls, claim=claim)
    without = Policy(countermeasures=policy("default").countermeasures[:3])
    assert ruled(without, complaint, suspect).verdict.decision is Decision.OWNED
    compared = dataclasses.replace(complaint, held_out=held_out)
    assert ruled(policy("default"), compared, suspect).verdict.decision is Decision.INCONCLUSIVE
    assert "ask control models as good as it" in objection(ComparableControls(), compared, suspect)
    # Nobody can tell without rows, and who is as good as the controls is not objected to.
    assert objection(ComparableControls(), complaint, suspect) == ""


def test_a_copy_no_better_than_the_controls_is_compared_and_convicted(
    digits: Dataset, complain: Complain, held_out: HeldOut
) -> None:
    made = Adi2018(triggers=30)
    few = dataclasses.replace(
        digits, parts={**digits.parts, "train": digits.train.take(slice(0, len(digits.pool) // 2))}
    )
    trained = train(Mlp(width=32), few, recipe=QUICK, protections=[made], seed=1)
    complaint = dataclasses.replace(complain(made, made.claim(trained.model)), held_out=held_out)
    before = ruled(policy("default"), complain(made, made.claim(trained.model)), trained)
    ruling = ruled(policy("default"), complaint, trained)
    assert ruling.verdict.decision is before.verdict.decision is Decision.OWNED
    assert ruling.findings[-1].queries == 3 * len(held_out.y)


def test_what_the_controls_know_is_asked_once_for_all_claims_and_counts_in_each_case(
    digits: Dataset, complain: Complain, held_out: HeldOut
) -> None:
    def copies() -> tuple[Complaint, Trained]:
        scheme = Adi2018(triggers=30)
        trained = train(Mlp(width=32), digits, recipe=QUICK, protections=[scheme], seed=1)
        return dataclasses.replace(complain(scheme, scheme.claim(trained.model)), held_out=held_out), trained

    (first, trained), (second, _) = copies(), copies()
    second = dataclasses.replace(second, of_controls=first.of_controls)
    findings = [ComparableControls().examine(open_case(one, trained.oracle())) for one in (first, second)]
    assert {control.budget.spent for control in first.controls} == {3 * len(held_out.y)}
    assert {control.budget.spent for control in second.controls} == {0}
    asking = sum(seconds for _, seconds in first.of_controls.values())
    assert all(finding.seconds >= asking for finding in findings)
    assert findings[0].objection == findings[1].objection


def test_a_calibration_counts_once_in_the_price_of_each_case(
    digits: Dataset, complain: Complain, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheme = Adi2018(triggers=30)
    trained = train(Mlp(width=32), digits, recipe=QUICK, protections=[scheme], seed=1)
    complaint = complain(scheme, scheme.claim(trained.model))
    case, clock, calibrate = open_case(complaint, trained.oracle()), [0.0], Ownership.calibrate

    def slow(*arguments: object, **named: object) -> object:
        clock[0] += 100
        return calibrate(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Ownership, "calibrate", slow)
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    assert [ControlModels().examine(case).seconds for _ in range(2)] == [100.0, 100.0]


def test_rows_are_changed_only_where_that_is_legal() -> None:
    x = np.random.default_rng(0).random((8, 1, 6, 6)).astype(np.float32)
    found = versions(x, Domain(shape=(1, 6, 6), low=0.0, high=1.0), np.random.default_rng(1))
    assert list(found) == ["as they are", "with noise", "moved aside by a pixel"]
    assert 0 < np.abs(found["with noise"] - x).max() <= 0.1 + 1e-6
    assert 0 <= found["with noise"].min() <= found["with noise"].max() <= 1
    aside = found["moved aside by a pixel"]
    np.testing.assert_array_equal(aside[0, :, 1:], x[0, :, :-1])
    np.testing.assert_array_equal(aside[5, :, :-1], x[5, :, 1:])
    np.testing.assert_array_equal(aside[2, :, :, 1:], x[2, :, :, :-1])
    table = np.zeros((3, 4), dtype=np.float32)
    assert list(versions(table, Domain(shape=(4,), low=0.0, high=1.0), np.random.default_rng(1))) == [
        "as they are",
        "with noise",
    ]
    for domain in (
        Domain(shape=(4,), low=-np.inf, high=1.0),
        Domain(shape=(4,), low=0.0, high=1.0, levels={0: (0.0, 1.0)}),
    ):
        assert list(versions(table, domain, np.random.default_rng(1))) == ["as they are"]


def test_a_vote_of_labels_is_a_vote(digits: Dataset, independent: list[torch.nn.Module], complain: Complain) -> None:
    access = Access(answer=Answer.LABELS)
    complaint = dataclasses.replace(
        complain(Adi2018(), easy_claim(digits)),
        controls=[ModuleOracle(m, domain=digits.domain, classes=10, access=access) for m in independent[:5]],
    )
    found = complaint.vote.ask(digits.test.x[:20])
    labels = np.stack([control.ask(digits.test.x[:20]).predicted for control in complaint.controls])
    counts = np.stack([(labels == label).sum(axis=0) for label in range(10)], axis=1)
    assert (counts[np.arange(20), found.predicted] == counts.max(axis=1)).all()
    with pytest.raises(InputError, match="at least 1 control model"):
        dataclasses.replace(complaint, controls=()).vote.ask(digits.test.x[:1])


def test_names_of_policies() -> None:
    assert set(SWITCHES) == {
        "planned",
        "comparable_controls",
        "none",
        "verify_generation",
        "control_models",
        "transferable_example_test",
        "judge_generates",
        "default",
    }
    with pytest.raises(UnknownName, match="did you mean 'control_models'"):
        policy("control_model")


@pytest.mark.parametrize("share", [0.0, 1.5, float("nan")])
def test_refuses_a_share_that_can_not_be(digits: Dataset, complain: Complain, innocent: Trained, share: float) -> None:
    case = open_case(complain(Adi2018(), easy_claim(digits)), innocent.oracle())
    with pytest.raises(InputError, match="share must be above 0"):
        TransferableExampleTest(share=share).examine(case)
