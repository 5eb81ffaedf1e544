"""Framing: honest and false claims before a judge, under one policy; how many of them are believed."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from stealproof import catalog
from stealproof.claims import Claim, Decision
from stealproof.court.case import Case, Complaint, HeldOut, Opened, open_case
from stealproof.court.policy import SWITCHES, Policy, policy
from stealproof.errors import EvidenceError, InputError, UnknownName
from stealproof.inputs.oracle import parse_access
from stealproof.inputs.systems import parse_systems
from stealproof.measures.intervals import YES_OR_NO, proportion
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.experiment import Experiment
from stealproof.roles.false_claim import FalseClaim
from stealproof.roles.risk import Measurement
from stealproof.studies.experiments._suspects import fine_tuned, hardened, surrogates
from stealproof.studies.experiments.theft import exactly
from stealproof.studies.parties import Parties, Scheme, Setting, Theft
from stealproof.studies.population import Stock, population
from stealproof.studies.study import concerning, thawed
from stealproof.studies.workshop import Workshop
from stealproof.training.trained import Trained

Table = Mapping[str, Any]
HARDENED = "hardened_suspects"
"""A policy of the suspects, not the judge's."""
HONEST = ("victim", "surrogates", "fine_tuned", "independents")
"""Whom an honest claim accuses."""
EXAMINED = 20
"""Suspects whose accuracy is measured."""


@dataclass(frozen=True, kw_only=True)
class Framing(Experiment):
    """Bring one claim, or one for each published model, against many suspects, and count the verdicts that say owned.

    Honest claims accuse copies or independent models. False ones are forged by an attack with reference models of the
    accuser's own, and accuse independent models that the accuser never saw. Where the attack needs the accused model,
    that is published: there is one claim for each, which no timestamp shows to be older than the suspect.
    """

    measures: ClassVar[Mapping[str, str]] = {
        "believed": "share of verdicts that say owned; of a false claim, its success",
        "seconds": "what the policy takes a judge in one case that it looks into, beyond the scheme's own test",
        "queries": "inputs that the policy has the suspect asked, beyond the scheme's own test",
        "suspect_accuracy": "share of held-out labels that the suspects predict; hardened ones pay here",
    }

    data: str = "digits"
    """Everybody's data set: a catalog name or what else ``stealproof train --data`` takes."""
    data_parameters: Table = field(default_factory=dict)
    """Of the data set."""
    owner_rows: int = 0
    """How many of the owner's rows are trained on; 0 for all."""
    family: str = ""
    """Catalog name of the family of all networks; empty for the one that suits the data."""
    family_parameters: Table = field(default_factory=dict)
    """Of the family."""
    other_family: str = "mlp"
    """Of every second independent model."""
    scheme: str = "derived_triggers"
    """Catalog name of the ownership scheme."""
    scheme_parameters: Table = field(default_factory=dict)
    """Of the scheme."""
    accusation: str = "victim"
    """``victim``, ``surrogates``, ``fine_tuned`` or ``independents`` for an honest claim, or a false-claim attack:
    ``transferable_triggers(radius=0.1)``."""
    policy: str = "default"
    """The judge's: ``none``, ``default``, or one countermeasure; or ``hardened_suspects``, without any of the judge's.
    """
    innocents: int = 200
    """Independent models that are accused."""
    references: int = 10
    """Models that a lying accuser trains beside its own; at least 1."""
    copies: int = 15
    """Surrogates or fine-tuned models that an honest owner accuses; at least 1."""
    theft_budget: int = 5000
    """Queries of a thief."""
    theft_access: str = "probabilities"
    """What a thief sees."""
    theft_epochs: float = 0.0
    """How long surrogates are trained; 0 for as long as suits the queries."""
    suspect_rows: int = 1000
    """Rows of the pool that a fine-tuner trains with."""
    level: float = 0.01
    """False-accusation rate that the judge allows."""
    controls: int = 99
    """Control models of the judge."""
    control_share: float = 0.75
    """Of the pool, drawn anew for each, that an independent model is trained on; 0 to 1."""
    innocents_augment: bool = False
    """Whether accused independent models, unlike the controls, learn from their rows moved aside as well; images only.
    """
    hardening: float = 0.1
    """How far hardened suspects expect inputs to be moved, as a share of the domain's width."""

    def check(self) -> None:
        """Refuse unknown names, parameters and amounts."""
        with concerning("scheme"):
            self._scheme().check()
        with concerning("policy"):
            self._policy()
        with concerning("theft_access"):
            parse_access(self.theft_access)
        with concerning("accusation"):
            if self.accusation not in HONEST:
                self._attack().check_fit(self._scheme().make())
        for name in ("innocents", "references", "copies"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("level", "control_share", "hardening"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"{name} must lie above 0 and at most at 1, got {getattr(self, name)}")

    def run(self, *, seed: int, workshop: Workshop) -> Measurement:
        """Bring the claims, then rule."""
        asked = dataclasses.asdict(self) | {"policy": self.policy == HARDENED, "seed": seed}
        cases, accuracy = workshop.once(asked, lambda: self._cases(Parties(self._setting(), workshop, seed=seed)))
        ruled = [None if case is None else self._policy().rule(case) for case in cases]
        believed = [ruling is not None and ruling.verdict.decision is Decision.OWNED for ruling in ruled]
        looked_into = [ruling.findings for ruling in ruled if ruling is not None and ruling.findings]
        objected = Counter(f.countermeasure for findings in looked_into for f in findings if f.objection is not None)
        seconds, queries = (
            sum(getattr(f, price) for findings in looked_into for f in findings) / max(1, len(looked_into))
            for price in ("seconds", "queries")
        )
        share = dataclasses.replace(proportion(sum(believed), len(believed)), method=YES_OR_NO)
        return Measurement(
            estimates={
                "believed": share,
                "seconds": exactly(seconds, "mean"),
                "queries": exactly(queries, "mean"),
                "suspect_accuracy": exactly(accuracy, "mean"),
            },
            details={"objections": dict(objected), "refused before the test": ruled.count(None)},
        )

    def _cases(self, parties: Parties) -> tuple[list[Case | None], float]:
        """Every case, None where the claim can't even be tested; and the mean accuracy of the suspects."""
        suspects: Sequence[Trained]
        published = False
        if self.accusation in HONEST:
            claim, suspects = self._honest(parties)
            complaint = self._complaint(parties, claim, parties.owned(self._scheme())[0])
            complaints = [complaint] * len(suspects)
        elif published := self._attack().needs_target(self._scheme().make()):
            suspects = self._innocents(parties)
            complaints = [self._complaint(parties, self._forge(parties, one, one.model), one) for one in suspects]
        else:
            own, _ = parties.owned(None)
            suspects = self._innocents(parties)
            complaints = [self._complaint(parties, self._forge(parties, own, None), own)] * len(suspects)
        cases = [_case(one, suspect, precedes=not published) for one, suspect in zip(complaints, suspects, strict=True)]
        some = [suspect.accuracy(parties.held_out).value for suspect in suspects[:EXAMINED]]
        return cases, sum(some) / len(some)

    def _innocents(self, parties: Parties) -> list[Trained]:
        if self.policy == HARDENED:
            return hardened(parties, self.innocents, self.hardening)
        # Others for each seed, so that a study's accusations are about as many different models.
        name = f"suspects of seed {parties.seed}"
        opens = self._scheme().make().opens_model()
        return parties.population(name, self.innocents, alike=opens, augment=self.innocents_augment)

    def _honest(self, parties: Parties) -> tuple[Claim, Sequence[Trained]]:
        """The owner's claim, and whom it accuses."""
        scheme = self._scheme()
        owned, claim = parties.owned(scheme)
        copies: Sequence[Trained] = [owned]
        if scheme.marks_answers() or self.accusation == "surrogates":
            theft = Theft(
                budget=self.theft_budget,
                access=self.theft_access,
                recipe={"epochs": self.theft_epochs} if self.theft_epochs else {},
            )
            count = self.copies if self.accusation == "surrogates" else 1
            copies, marked = surrogates(parties, scheme, theft, count)
            claim = marked or claim
        if self.accusation == "fine_tuned":
            copies = fine_tuned(parties, copies[0], self.copies)
        assert claim is not None
        return claim, self._innocents(parties) if self.accusation == "independents" else copies

    def _forge(self, parties: Parties, own: Trained, target: torch.nn.Module | None) -> Claim:
        attack = self._attack()
        rows = self.owner_rows or "all"
        stock = Stock(
            name=f"references, of {rows} rows",
            families=(parties.family, catalog.make(self.other_family, "model")),
            share=0.5,
        )
        owned = parties.owner_data
        references = population(stock, self.references, data=owned, pool=owned.train, workshop=parties.workshop)
        return attack.accuse(
            self._scheme().make(),
            [reference.model for reference in references],
            owned,
            model=None if target is own.model else own.model,
            target=target,
            seed=parties.seed,
        )

    def _complaint(self, parties: Parties, claim: Claim, own: Trained) -> Complaint:
        scheme = self._scheme().make()
        # What a claim about weights is held against has such weights, and so has whom it accuses.
        opens = scheme.opens_model()
        controls = parties.population("control", self.controls, alike=opens)
        judge = {"setting": dataclasses.asdict(self._setting()), "controls": self.controls, "alike": opens}
        return Complaint(
            scheme=scheme,
            claim=claim,
            level=self.level,
            seed=parties.seed,
            controls=[control.oracle() for control in controls],
            networks=[control.model for control in controls],
            opened=Opened(model=own.model, data=_committed(parties.owner_data, claim)),
            held_out=HeldOut.of(parties.held_out),
            of_controls=parties.workshop.memory(judge | {"seed": parties.seed}),
        )

    def _attack(self) -> FalseClaim:
        name, parameters = parse_systems(self.accusation)[0]
        if name not in catalog.names("false_claim") and "(" not in self.accusation:
            raise UnknownName.among("accusation", name, (*HONEST, *catalog.names("false_claim")))
        made: FalseClaim = catalog.make(name, "false_claim", **thawed(parameters))
        return made

    def _policy(self) -> Policy:
        return SWITCHES["none"] if self.policy == HARDENED else policy(self.policy)

    def _scheme(self) -> Scheme:
        return Scheme(name=self.scheme, parameters=self.scheme_parameters)

    def _setting(self) -> Setting:
        return Setting(
            data=self.data,
            data_parameters=self.data_parameters,
            owner_rows=self.owner_rows,
            family=self.family,
            family_parameters=self.family_parameters,
            other_family=self.other_family,
            suspect_rows=self.suspect_rows,
            control_share=self.control_share,
        )


def _case(complaint: Complaint, suspect: Trained, *, precedes: bool) -> Case | None:
    try:
        return open_case(complaint, suspect.oracle(), model=suspect.model, precedes=precedes)
    except (InputError, EvidenceError):
        # A claim that contradicts itself, for instance triggers that do not follow from its commitment.
        return None


def _committed(data: Dataset, claim: Claim) -> Dataset:
    """The rows that the accuser opens: its own and, as a liar would, whatever its claim calls training rows."""
    if "members" not in claim.secrets:
        return data
    members = claim.secrets["members"]
    x = torch.as_tensor(claim.secrets["inputs"][members])
    y = torch.as_tensor(claim.secrets["labels"][members])
    train = Part(x=torch.cat([x, data.train.x.to(x.dtype)]), y=torch.cat([y, data.train.y]))
    return dataclasses.replace(data, parts={**data.parts, "train": train})
