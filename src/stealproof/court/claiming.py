"""The accuser's side: a claim file becomes a dossier, and a plan is made before the model is marked."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stealproof.court.drawing import plan_beacon, planned_kind
from stealproof.errors import EvidenceError, InputError
from stealproof.evidence.canonical import canonical, parse
from stealproof.evidence.commitment import new_salt
from stealproof.evidence.dossier import (
    CLAIM,
    PLAN,
    Assertion,
    Dossier,
    check_content,
    new_dossier,
    public_parameters,
    read_statement,
)
from stealproof.evidence.keys import PrivateKey
from stealproof.evidence.model_manifest import model_digest
from stealproof.inputs.claim import read_claim
from stealproof.ownership._derived_book import inputs_follow

if TYPE_CHECKING:
    from stealproof.claims import Claim
    from stealproof.evidence.beacon import Kind
    from stealproof.ownership.derived_triggers import DerivedTriggers
    from stealproof.roles.dataset import Dataset

BLANK = {"commitment": "00" * 32, "beacon": "00" * 32}
"""Stands for what is not known yet; terms don't depend on it."""


def claim_model(content: bytes, model: Path, key: PrivateKey, *, plan: bytes = b"", what: str) -> Dossier:
    """A dossier that claims ``model``, a file or a folder, with the claim file's ``content``.

    Args:
        content: a claim file.
        model: named by the digest of its manifest.
        key: the accuser's, who signs.
        plan: the timestamped dossier of the plan that the model was marked by, if it was.
        what: the claim file's name, for messages.

    Raises:
        EvidenceError: no claim, one that does not follow from the plan, or a plan without its beacon.
    """
    claim = read_claim(content, what=what)
    if plan:
        opened = Dossier.from_bytes(plan, what="the plan")
        check_follows(claim, opened, signer=key.key_id)
        plan_beacon(opened)
    elif is_derived(claim) and claim.parameters["commitment"]:
        raise InputError(
            "this claim follows from a plan; name its dossier with --plan, since it proves nothing without"
        )
    return new_dossier(
        content,
        new_salt(),
        kind=CLAIM,
        subject=model.name,
        model=model_digest(model),
        scheme=claim.scheme,
        parameters=claim.parameters,
        key=key,
        created=datetime.datetime.now(datetime.UTC),
        plan=plan,
    )


def plan_triggers(scheme: DerivedTriggers, data: Dataset, key: PrivateKey, *, beacon: Kind = "timestamp") -> Dossier:
    """The plan to mark a model for ``data`` with ``scheme``, before anybody knows which triggers that will be."""
    salt = new_salt()
    content = planned(scheme.name(), scheme.parameters(), terms_of(scheme, data), beacon=beacon)
    return new_dossier(
        content,
        salt,
        kind=PLAN,
        subject="a model that is not trained yet",
        model="",
        scheme=scheme.name(),
        parameters=scheme.parameters(),
        key=key,
        created=datetime.datetime.now(datetime.UTC),
    )


def terms_of(scheme: DerivedTriggers, data: Dataset) -> str:
    """The terms that the triggers of ``scheme`` for ``data`` will be derived under, in canonical JSON."""
    from stealproof.ownership._derived_book import noise_book, pool_book

    scheme._check_parameters()
    if scheme.kind == "noise":
        book = noise_book(BLANK, scheme.triggers, data.domain, data.classes)
    else:
        book, _ = pool_book(BLANK, scheme.triggers, data.train.x.detach().cpu().numpy(), data.classes)
    return str(book["terms"])


def planned(scheme: str, parameters: Mapping[str, Any], terms: str, *, beacon: Kind) -> bytes:
    """What a plan commits to. Of the timestamp as the beacon it says nothing, as plans from before the choice do."""
    whole = {
        "scheme": scheme,
        "parameters": public_parameters(parameters),
        "terms": parse(terms.encode(errors="surrogatepass"), what="the terms"),
    }
    return canonical(whole if beacon == "timestamp" else whole | {"beacon": beacon})


def opened_claim(content: bytes, *, what: str) -> Claim:
    """The claim in a dossier file, of which nothing is verified yet but the form.

    Raises:
        EvidenceError: no dossier, a plan, or a closed one.
    """
    dossier = Dossier.from_bytes(content, what=what)
    if dossier.kind != CLAIM or not dossier.opened:
        kind = "a closed one, without secrets" if dossier.kind == CLAIM else "the plan of one"
        raise EvidenceError(f"{what} is {kind}; expected the open dossier of a claim")
    return read_claim(dossier.content, what=f"the claim in {what}")


def committed_claim(dossier: Dossier, said: Assertion, *, what: str) -> Claim:
    """The claim that an open dossier shows, which is the one that its statement commits to and names.

    Raises:
        EvidenceError: a closed dossier, no claim, or another one.
    """
    check_content(dossier, said, what=what)
    claim = read_claim(dossier.content, what=f"the claim in {what}")
    if (claim.scheme, public_parameters(claim.parameters)) != (said.scheme, said.parameters):
        raise EvidenceError(f"{what} holds a claim of another scheme or other parameters than its statement names")
    return claim


def check_follows(claim: Claim, plan: Dossier, *, signer: str) -> None:
    """Raise ``EvidenceError`` unless ``claim`` was made as ``plan`` said, with its commitment.

    What is left open in the plan is something to choose once the beacon is known, and whoever can choose among enough
    claims finds one that an innocent suspect bears out. So the claim has to spell its terms as the plan does, has to
    hold all the triggers that were planned, and their inputs follow from the beacon as well as their labels.

    Args:
        claim: with all its secrets.
        plan: open.
        signer: identifier of the key that the claim is signed with.
    """
    assertion = read_statement(plan, what="the plan")
    if plan.kind != PLAN:
        raise EvidenceError("the plan is a dossier of a claim; expected what `stealproof claim plan` wrote")
    check_content(plan, assertion, what="the plan")
    if not is_derived(claim):
        raise EvidenceError(f"a claim of {claim.scheme} follows from no plan, since its triggers were chosen")
    terms = claim.secrets["terms"]
    try:
        content = planned(claim.scheme, claim.parameters, terms, beacon=planned_kind(plan))
        spelled = canonical(parse(terms.encode(errors="surrogatepass"), what="the terms")).decode()
    except InputError as error:
        raise EvidenceError(f"the claim names what no plan can: {error}") from error
    if content != plan.content:
        raise EvidenceError("the claim has another scheme, other parameters or other terms than were planned")
    if terms != spelled:
        raise EvidenceError("the claim spells its terms in another way than the plan, from which other triggers follow")
    if not inputs_follow(terms):
        raise EvidenceError("the plan leaves the inputs to whoever sends them, so that somebody chose among them")
    held, wanted = len(claim.secrets.get("inputs", ())), claim.parameters.get("triggers")
    if held != wanted:
        raise EvidenceError(f"the claim holds {held} triggers, but {wanted} were planned; expected all of them")
    if assertion.key_id != signer:
        raise EvidenceError("the plan was signed with another key than the claim")
    if claim.secrets["commitment"] != assertion.commitment:
        raise EvidenceError("the claim's triggers follow from another commitment than the plan's")


def is_derived(claim: Claim) -> bool:
    """Whether the claim's inputs and labels follow from a commitment and a beacon, so that a judge can derive them."""
    texts = [claim.secrets.get(name) for name in ("commitment", "beacon", "terms", "mode")]
    return all(isinstance(text, str) for text in texts) and {"commitment", "beacon"} <= set(claim.parameters)


def plan_parameters(plan: Dossier, scheme: str) -> dict[str, Any]:
    """What to construct ``scheme`` with, now that there is a beacon.

    Raises:
        InputError: the plan is to use another scheme.
        EvidenceError: it is no plan that checks out, or its beacon was not drawn yet.
    """
    said = read_statement(plan, what="the plan")
    if plan.kind != PLAN:
        raise EvidenceError("this is the dossier of a claim; expected what `stealproof claim plan` wrote")
    check_content(plan, said, what="the plan")
    if said.scheme != scheme:
        raise InputError(f"the plan is to use {said.scheme}, not {scheme}; name the scheme that was planned")
    fixed = {name: tuple(value) if isinstance(value, list) else value for name, value in said.parameters.items()}
    return fixed | {"commitment": said.commitment, "beacon": plan_beacon(plan).value.hex()}
