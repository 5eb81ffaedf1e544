"""One claim before one suspect: opened, held against control models, and judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stealproof.cli import _calibrations, _dispute
from stealproof.errors import InputError

if TYPE_CHECKING:
    from stealproof.claims import Claim, Verdict
    from stealproof.cli._dispute import Party
    from stealproof.oracle import Access
    from stealproof.roles.dataset import Dataset
    from stealproof.roles.ownership import Ownership

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accusation:
    """A claim that was opened, with the scheme that judges it."""

    path: Path
    claim: Claim
    scheme: Ownership


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Which suspect is asked, how, and with which controls."""

    suspect: str
    data: str = ""
    """What the suspect is for; empty for what its card says."""
    data_parameters: Mapping[str, Any]
    access: Access | None = None
    """What the judge sees; None for all that the suspect gives."""
    options: Mapping[str, Any]
    """Of a connection to a URL, or of an ONNX file."""
    level: float
    seed: int
    count: int | None = None
    """Control models that are trained; None for none."""
    controls: Sequence[str] = ()
    """Control models that are named."""
    public: str = ""
    """Data that the suspect's maker may have trained on; empty for none."""
    fresh: bool = False
    """Whether control models are asked again about what is stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A verdict, with what it was given under."""

    verdict: Verdict
    classes: int
    """Of the suspect."""
    report: Mapping[str, Any]
    """All of it in JSON types."""


def open_accusation(path: Path) -> Accusation:
    """The claim at ``path``.

    Raises:
        EvidenceError: it does not check out, or nobody here can judge it.
    """
    from stealproof.inputs.claim import open_claim

    claim = open_claim(path)
    return Accusation(path=path, claim=claim, scheme=_dispute.scheme_of(claim, path))


def verified(accusation: Accusation, how: Verification, progress: Progress) -> Verified:
    """The verdict on one suspect; control models are trained, and asked, where that was not done before.

    Raises:
        InputError: suspect, controls or data can't be opened, or do not fit the claim; the message says why.
    """
    from stealproof.cli._theft import open_data_of

    claim, scheme, suspect = accusation.claim, accusation.scheme, how.suspect
    _dispute.refuse_twins(suspect, tuple(how.controls))
    # A model file tells its own shape: its data, which may be large or not here, are opened only to train controls.
    wanted = how.data or how.data_parameters or how.count is not None
    data = open_data_of(how.data, dict(how.data_parameters), suspect) if wanted else None
    seen: dict[str, Any] = {"data": data, "access": how.access}
    party = _dispute.open_party(suspect, scheme, options=dict(how.options), **seen)
    public = _dispute.open_public(how.public, party.oracle.domain.shape) if how.public else None
    given = [_dispute.open_party(spec, scheme, options={}, **seen) for spec in how.controls]
    trained = trained_parties(how.count, suspect, data, party, how.seed, progress)
    calibration = None
    if given or trained:
        calibration = _calibrations.calibrated(
            scheme,
            claim,
            accusation.path.expanduser(),
            given + trained,
            level=how.level,
            seed=how.seed,
            fresh=how.fresh,
            description=described_controls(len(given), len(trained)),
            progress=progress,
        )
    progress("asking the suspect", 0.0)
    verdict = scheme.verify(
        claim,
        party.oracle,
        level=how.level,
        seed=how.seed,
        model=party.model,
        calibration=calibration,
        public=public,
        progress=progress,
    )
    report = {
        "claim": str(accusation.path),
        "suspect": suspect,
        "access": str(party.oracle.access),
        "opened": party.model is not None,
        "seed": how.seed,
        **verdict.in_json(),
        "controls_are": None if calibration is None else calibration.description,
    }
    return Verified(verdict=verdict, classes=party.oracle.classes, report=report)


def trained_parties(
    count: int | None,
    suspect: str,
    data: Dataset | None,
    party: Party,
    seed: int,
    progress: Progress,
) -> list[Party]:
    """The ``count`` controls that are trained here, seen with the suspect's access."""
    if count is None:
        return []
    if data is None:
        raise InputError("control models are trained on the suspect's kind of data, which is not known; add --data")
    from stealproof.cli import _controls
    from stealproof.cli._families import family_of
    from stealproof.inputs.model import SUFFIX, open_model
    from stealproof.inputs.oracle import narrow
    from stealproof.roles.ownership import model_digest

    # An innocent suspect is best compared with its like.
    card = open_model(suspect).card if Path(suspect).suffix == SUFFIX else {}
    family = family_of(card, data)
    found = _controls.trained_controls(count, family, data, seed=seed, progress=progress)
    return [
        _dispute.Party(
            name=f"control {number}",
            oracle=narrow(trained, party.oracle.access),
            model=None if party.model is None else trained.model,
            digest=model_digest(trained.model),
        )
        for number, trained in enumerate(found)
    ]


def described_controls(given: int, trained: int) -> str:
    """What so many control models are, in words."""
    kinds = [f"{given} given"] * bool(given) + [f"{trained} trained on the data's pool part"] * bool(trained)
    return f"{given + trained} independent models ({', '.join(kinds)})"
