"""A small dispute: an accuser with a key, an authority that stamps, a stolen copy and innocent models, all made up."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stealproof.claims import Claim
from stealproof.court.claiming import claim_model, plan_parameters, plan_triggers, planned
from stealproof.court.hearing import Hearing, Party
from stealproof.evidence.canonical import canonical
from stealproof.evidence.commitment import new_salt
from stealproof.evidence.dossier import CLAIM, PLAN, Dossier, new_dossier
from stealproof.evidence.drand import Round
from stealproof.evidence.keys import PrivateKey, new_key, open_private
from stealproof.evidence.model_manifest import model_digest
from stealproof.inputs.claim import save_claim
from stealproof.oracle import Access, Answer, Answers, Domain, Oracle
from stealproof.ownership._derived_book import noise_book
from stealproof.ownership.derived_triggers import DerivedTriggers
from stealproof.roles.dataset import Dataset

DOMAIN = Domain(shape=(1, 8, 8))


class Answering(Oracle):
    """Says ``known`` labels where it knows the input, else a class that depends on the input and its name only."""

    def __init__(self, name: str, known: Mapping[bytes, int] | None = None, *, scores: bool = False) -> None:
        access = Access(answer=Answer.PROBABILITIES if scores else Answer.LABELS)
        super().__init__(domain=DOMAIN, classes=10, access=access)
        self._name, self._known = name, dict(known or {})

    def _answer(self, queries: NDArray[Any]) -> Answers:
        labels = np.asarray([self._label(row) for row in queries], dtype=np.int64)
        return Answers(labels=labels, scores=np.eye(10)[labels] if self.access.answer is not Answer.LABELS else None)

    def _label(self, row: NDArray[Any]) -> int:
        content = row.astype(np.float32).tobytes()
        return self._known.get(content, hashlib.sha256(self._name.encode() + content).digest()[0] % 10)


@dataclass(frozen=True, kw_only=True)
class Dispute:
    folder: Path
    key: PrivateKey
    judge: PrivateKey
    tsa: Any
    root: bytes
    model: Path
    plan: Dossier
    planned: Claim
    chosen: Claim

    def dossier(self, claim: Claim, *, plan: bytes = b"", stamped: bool = True) -> bytes:
        content = save_claim(claim, self.folder / "made.claim").read_bytes()
        made = claim_model(content, self.model, self.key, plan=plan, what="made.claim")
        return (made.stamped(self.tsa.stamp(made.envelope)) if stamped else made).to_bytes()

    def smuggled(self, claim: Claim, plan: Dossier, *, key: PrivateKey | None = None) -> bytes:
        """A dossier of ``claim`` and ``plan`` that nothing was checked of, as a liar's own program writes it."""
        content = save_claim(claim, self.folder / "made.claim").read_bytes()
        return new_dossier(
            content,
            new_salt(),
            kind=CLAIM,
            subject="model.safetensors",
            model=model_digest(self.model),
            scheme=claim.scheme,
            parameters=claim.parameters,
            key=key or self.key,
            created=datetime.now(UTC),
            plan=plan.to_bytes(),
        ).to_bytes()

    def plan_of(self, terms: Mapping[str, Any], parameters: Mapping[str, Any]) -> Dossier:
        """A timestamped plan with these terms, whatever they are."""
        content = planned("derived_triggers", parameters, canonical(terms).decode(), beacon="timestamp")
        plan = new_dossier(
            content,
            new_salt(),
            kind=PLAN,
            subject="a model that is not trained yet",
            model="",
            scheme="derived_triggers",
            parameters=parameters,
            key=self.key,
            created=datetime.now(UTC),
        )
        return plan.stamped(self.tsa.stamp(plan.envelope))

    def hearing(self, dossier: bytes, **changes: Any) -> Hearing:
        since = datetime.now(UTC) + timedelta(days=1)
        given: dict[str, Any] = {"dossier": dossier, "roots": (self.root,), "since": since, "level": 0.05, "seed": 3}
        return Hearing(**(given | changes))

    def copy(self, claim: Claim, **changes: Any) -> Party:
        rows = [row.tobytes() for row in claim.secrets["inputs"]]
        known = dict(zip(rows, claim.secrets["labels"].tolist(), strict=True))
        return Party(name="copy", oracle=Answering("copy", known, **changes))

    @staticmethod
    def innocent(number: int = 0, **changes: Any) -> Party:
        return Party(name=f"innocent {number}", oracle=Answering(f"innocent {number}", **changes))

    def controls(self, count: int = 19) -> list[Party]:
        return [self.innocent(100 + number) for number in range(count)]


def claim_by(plan: Dossier, digits: Dataset) -> Claim:
    """The claim that comes of marking a model by this plan."""
    scheme = DerivedTriggers(**plan_parameters(plan, "derived_triggers"))
    book = noise_book({"commitment": scheme.commitment, "beacon": scheme.beacon}, 20, digits.domain, digits.classes)
    return Claim(scheme=scheme.name(), parameters=scheme.parameters(), secrets=book)


@pytest.fixture(scope="session")
def drawn(dispute: Dispute, digits: Dataset, known_round: Round) -> Dispute:
    """The same dispute, but the plan takes its beacon from a round of drand."""
    plan = plan_triggers(DerivedTriggers(triggers=20), digits, dispute.key, beacon="drand")
    plan = plan.stamped(dispute.tsa.stamp_before(plan.envelope, known_round)).with_round(known_round)
    return dataclasses.replace(dispute, plan=plan, planned=claim_by(plan, digits))


@pytest.fixture(scope="session")
def dispute(tmp_path_factory: pytest.TempPathFactory, digits: Dataset, tsa: Any) -> Dispute:
    folder = tmp_path_factory.mktemp("court")
    for name in ("accuser", "judge"):
        new_key(folder / name)
    key = open_private(folder / "accuser")
    (folder / "model.safetensors").write_bytes(b"weights")
    plan = plan_triggers(DerivedTriggers(triggers=20), digits, key)
    plan = plan.stamped(tsa.stamp(plan.envelope))
    rng = np.random.default_rng(0)
    secrets = {
        "inputs": rng.random((20, 1, 8, 8)).astype(np.float32),
        "labels": rng.integers(10, size=20),
        "classes": 10,
    }
    return Dispute(
        folder=folder,
        key=key,
        judge=open_private(folder / "judge"),
        tsa=tsa,
        root=tsa.root.pem,
        model=folder / "model.safetensors",
        plan=plan,
        planned=claim_by(plan, digits),
        chosen=Claim(scheme="adi2018", parameters={"triggers": 20}, secrets=secrets),
    )
