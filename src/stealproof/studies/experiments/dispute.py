"""Dispute: one owner claims one model under one scheme; does the verdict say what is true."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from stealproof import catalog, seeds
from stealproof.claims import Claim, Decision, Verdict
from stealproof.errors import InputError
from stealproof.inputs.oracle import narrow, parse_access
from stealproof.inputs.systems import Named, parse_systems
from stealproof.measures.agreement import agreement
from stealproof.measures.estimate import Estimate
from stealproof.measures.intervals import YES_OR_NO, proportion
from stealproof.oracle import Access, Answer, as_array
from stealproof.oracles.guarded import GuardedOracle
from stealproof.roles.experiment import Experiment
from stealproof.roles.risk import Measurement
from stealproof.roles.trial import Calibration
from stealproof.studies.experiments.theft import exactly
from stealproof.studies.parties import INDEPENDENT, Parties, Scheme, Setting, Theft
from stealproof.studies.study import concerning, thawed
from stealproof.studies.workshop import Workshop, adapted
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained

Table = Mapping[str, Any]
VICTIM = "victim"
MANY = "independents"
OF_THEFT = ("budget", "access", "epochs")
"""Parameters of a suspect that are the thief's own, not the attack's."""


@dataclass(frozen=True, kw_only=True)
class Dispute(Experiment):
    """Mark or fingerprint the owner's model, make one suspect, and let a judge test the claim against it."""

    measures: ClassVar[Mapping[str, str]] = {
        "detected": "share of verdicts that say owned; on independent models that is the rate of false accusations",
        "inconclusive": "share of verdicts that say inconclusive",
        "log10_p": "common logarithm of the (smallest) p-value; smaller is stronger evidence",
        "statistic": "the scheme's own statistic; larger is more like a copy",
        "queries": "inputs that the judge sent to the suspect",
        "suspect_accuracy": "share of held-out labels that the suspect predicts",
        "victim_accuracy": "the same of the owner's model, marked where the scheme marks",
        "accuracy_loss": "what the suspect gave up: victim_accuracy minus suspect_accuracy",
        "fidelity": "share of held-out inputs on which suspect and owner's model agree",
        "price": "what the scheme costs: accuracy without it minus accuracy with it, same seed (suspect victim only)",
    }

    data: str = "digits"
    """The owner's data set: a catalog name or what else ``stealproof train --data`` takes."""
    data_parameters: Table = field(default_factory=dict)
    """Of the data set."""
    owner_rows: int = 0
    """How many of the owner's rows are trained on; 0 for all."""
    family: str = ""
    """Catalog name of the family of all networks; empty for the one that suits the data."""
    family_parameters: Table = field(default_factory=dict)
    """Of the family."""
    recipe: Table = field(default_factory=dict)
    """Fields that replace those of the measured default recipe of the owner's model."""
    scheme: str = "derived_triggers"
    """Catalog name of the ownership scheme."""
    scheme_parameters: Table = field(default_factory=dict)
    """Of the scheme."""
    at: Literal["", "training", "answers"] = ""
    """Where a scheme marks that could mark at both; empty for in training, if it can."""
    suspect: str = VICTIM
    """``victim``, an extraction attack, removals joined by ``+``, an independent model, or ``independents(count=200)``
    for many, none of them a control model: ``knockoff_nets(budget=5000,access=labels)``,
    ``fine_tuning(layers=all)+weight_pruning``."""
    theft_budget: int = 10000
    """Queries of a thief, where the suspect does not name its own."""
    washed: str = "knockoff_nets"
    """Where a scheme marks answers: the surrogate that removals wash, and whose queries independent suspects are asked;
    an extraction attack, as in ``suspect``."""
    suspect_rows: int = 5000
    """Rows of the pool that a suspect washes with."""
    other_family: str = "mlp"
    """Of independent models of another architecture, and of half of the control models."""
    other_data: str = ""
    """Of independent models on other data."""
    other_data_parameters: Table = field(default_factory=dict)
    """Of that data set."""
    level: float = 0.01
    """False-accusation rate that the judge allows."""
    controls: int = 99
    """Control models of the judge, for schemes whose null distribution only those can tell."""
    control_share: float = 0.75
    """Of the pool, drawn anew for each, that a control model is trained on; 0 to 1."""
    judge_access: str = "probabilities"
    """What the suspect answers to the judge."""

    def check(self) -> None:
        """Refuse unknown names, parameters and suspects."""
        with concerning("scheme"):
            self._scheme().check()
        with concerning("judge_access"):
            parse_access(self.judge_access)
        with concerning("recipe"):
            adapted(Recipe(), self.recipe)
        with concerning("suspect"):
            self._check_suspect()
        with concerning("washed"):
            self._check_theft(*self._washed())
        if not 0 < self.control_share <= 1:
            raise InputError(f"control_share must lie above 0 and at most at 1, got {self.control_share}")
        if not 0 < self.level < 1:
            raise InputError(f"level must lie between 0 and 1, got {self.level}")

    def run(self, *, seed: int, workshop: Workshop) -> Measurement:
        """Make everybody, then judge."""
        parties = Parties(self._setting(), workshop, seed=seed)
        scheme = self._scheme()
        if self.suspect.startswith(MANY):
            return self._many(parties, scheme)
        owned, _ = parties.owned(scheme)
        suspect, claim = self._suspect(parties, scheme)
        verdict = self._verdict(parties, scheme, suspect, claim, self._calibration(parties, scheme, claim))
        test = parties.held_out
        labels = {
            name: model.oracle(Access(answer=Answer.LABELS)).ask(test.x).predicted
            for name, model in (("suspect", suspect), ("victim", owned))
        }
        truth = as_array(test.y)
        estimates = {
            "suspect_accuracy": agreement(labels["suspect"], truth),
            "victim_accuracy": agreement(labels["victim"], truth),
            "fidelity": agreement(labels["suspect"], labels["victim"]),
        }
        loss = estimates["victim_accuracy"].value - estimates["suspect_accuracy"].value
        estimates["accuracy_loss"] = exactly(loss, "difference on the same rows")
        if self.suspect == VICTIM:
            price = _price(parties, scheme, labels["victim"], truth)
            estimates["price"] = exactly(price, "difference on the same rows")
        return Measurement(estimates=estimates | _of([verdict]), details={"reasons": list(verdict.reasons)})

    def _many(self, parties: Parties, scheme: Scheme) -> Measurement:
        """Test one claim against many independent models."""
        claim = parties.owned(scheme)[1] or parties.stolen(scheme, self._theft(*self._washed()))[1]
        assert claim is not None
        calibration = self._calibration(parties, scheme, claim)
        verdicts = [
            self._verdict(parties, scheme, suspect, claim, calibration)
            for suspect in parties.population("suspect", self._count())
        ]
        return Measurement(estimates=_of(verdicts), details={"p_values": sorted(v.p_value for v in verdicts)})

    def _calibration(self, parties: Parties, scheme: Scheme, claim: Claim) -> Calibration | None:
        if scheme.make().exact:
            return None
        return parties.calibration(scheme, claim, self.controls, level=self.level)

    def _count(self) -> int:
        parameters = parse_systems(self.suspect)[0][1]
        count = parameters.get("count", 200)
        if parameters.keys() - {"count"} or not isinstance(count, int) or count < 1:
            raise InputError(f"expected independents(count=N) with N of at least 1, got {self.suspect!r}")
        return count

    def _verdict(
        self, parties: Parties, scheme: Scheme, suspect: Trained, claim: Claim, calibration: Calibration | None
    ) -> Verdict:
        made = scheme.make()
        oracle = narrow(suspect, parse_access(self.judge_access))
        try:
            return made.verify(
                claim, oracle, level=self.level, seed=parties.seed, model=suspect.model, calibration=calibration
            )
        except InputError as error:
            # For instance a scheme that opens a layer which this suspect does not have.
            return Verdict(
                scheme=scheme.name,
                decision=Decision.INCONCLUSIVE,
                null=made.null,
                statistic=0.0,
                threshold=math.inf,
                p_value=1.0,
                level=self.level,
                reasons=(str(error),),
            )

    def _suspect(self, parties: Parties, scheme: Scheme) -> tuple[Trained, Claim]:
        """The suspect, and the claim that it is tested with."""
        washed = self._theft(*self._washed())
        named = parse_systems(self.suspect)
        name, parameters = named[0]
        if self.suspect == VICTIM:
            suspect, claim = parties.owned(scheme)
        elif name in INDEPENDENT:
            suspect, claim = parties.independent(name), parties.owned(scheme)[1]
        elif name in catalog.names("extraction"):
            suspect, claim = parties.stolen(scheme, self._theft(name, parameters))
            claim = claim or parties.owned(scheme)[1]
        else:
            # Where only answers are marked, what there is to wash is a surrogate that learnt from them.
            suspect, claim = parties.washed(scheme, named, washed if scheme.marks_answers() else None)
        if claim is None:
            claim = parties.stolen(scheme, washed)[1]
        assert claim is not None
        return suspect, claim

    def _washed(self) -> Named:
        return parse_systems(self.washed)[0]

    def _theft(self, attack: str, parameters: Mapping[str, Any]) -> Theft:
        return Theft(
            attack=attack,
            attack_parameters={key: value for key, value in parameters.items() if key not in OF_THEFT},
            recipe={key: value for key, value in parameters.items() if key == "epochs"},
            **{
                "budget": self.theft_budget,
                **{key: parameters[key] for key in ("budget", "access") if key in parameters},
            },
        )

    def _check_theft(self, attack: str, parameters: Mapping[str, Any]) -> None:
        theft = self._theft(attack, parameters)
        catalog.load(attack, "extraction").make(thawed(theft.attack_parameters))
        parse_access(theft.access)
        adapted(Recipe(), theft.recipe)

    def _check_suspect(self) -> None:
        named = parse_systems(self.suspect)
        name, parameters = named[0]
        if name == MANY:
            self._count()
        elif len(named) == 1 and (name == VICTIM or name in INDEPENDENT):
            if parameters:
                raise InputError(f"{name} has no parameters, got {self.suspect!r}")
            if name == "independent_other_data" and not self.other_data:
                raise InputError("independent_other_data needs other_data; name a data set of the same shape")
        elif len(named) == 1 and name in catalog.names("extraction"):
            self._check_theft(name, parameters)
        else:
            for removal, given in named:
                catalog.load(removal, "removal").make(thawed(given))

    def _scheme(self) -> Scheme:
        return Scheme(name=self.scheme, parameters=self.scheme_parameters, at=self.at)

    def _setting(self) -> Setting:
        return Setting(
            data=self.data,
            data_parameters=self.data_parameters,
            owner_rows=self.owner_rows,
            family=self.family,
            family_parameters=self.family_parameters,
            recipe=self.recipe,
            other_family=self.other_family,
            other_data=self.other_data,
            other_data_parameters=self.other_data_parameters,
            suspect_rows=self.suspect_rows,
            control_share=self.control_share,
        )


def _price(parties: Parties, scheme: Scheme, marked: np.ndarray[Any, Any], truth: np.ndarray[Any, Any]) -> float:
    """Accuracy on held-out inputs without the scheme minus that with it."""
    unmarked, _ = parties.owned(None)
    oracle = unmarked.oracle(Access(answer=Answer.PROBABILITIES))
    without = oracle.ask(parties.held_out.x).predicted
    if scheme.marks_answers():
        guard: Any = scheme.make()
        guard.use_key(seeds.rng(parties.seed, "price", "key").bytes(32).hex())
        marked = GuardedOracle(oracle, [guard], client="honest").ask(parties.held_out.x).predicted
    return float((without == truth).mean() - (marked == truth).mean())


def _of(verdicts: Sequence[Verdict]) -> dict[str, Estimate]:
    """Shares of decisions, the smallest p-value, and the mean of the rest."""
    smallest = max(min(verdict.p_value for verdict in verdicts), float(np.finfo(np.float64).tiny))
    return {
        "detected": _share(verdicts, Decision.OWNED),
        "inconclusive": _share(verdicts, Decision.INCONCLUSIVE),
        "log10_p": exactly(math.log10(smallest), "the smallest"),
        "statistic": exactly(sum(verdict.statistic for verdict in verdicts) / len(verdicts), "mean"),
        "queries": exactly(sum(verdict.queries for verdict in verdicts) / len(verdicts), "mean"),
    }


def _share(verdicts: Sequence[Verdict], decision: Decision) -> Estimate:
    found = proportion(sum(verdict.decision is decision for verdict in verdicts), len(verdicts))
    return dataclasses.replace(found, method=YES_OR_NO)
