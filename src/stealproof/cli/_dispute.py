"""What ``stealproof verify`` opens before it asks anything: the scheme of a claim, the suspect, the public data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stealproof import catalog
from stealproof.errors import AccessDenied, EvidenceError, InputError, InvalidData
from stealproof.oracle import Access, Answer, as_array

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from stealproof.claims import Claim
    from stealproof.oracle import Oracle
    from stealproof.roles.dataset import Dataset
    from stealproof.roles.ownership import Ownership


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A suspect or a control model, as the judge sees it."""

    name: str
    oracle: Oracle
    model: torch.nn.Module | None
    """Its network, for a scheme that opens it and where there is one to open."""
    digest: str = ""
    """Of its content; empty when that can't be seen whole, as behind a URL or a function."""


def scheme_of(claim: Claim, path: Path) -> Ownership:
    """The scheme that a claim is of.

    Raises:
        EvidenceError: there is none of this name, or it does not take the claim's parameters.
    """
    try:
        scheme: Ownership = catalog.make(claim.scheme, "ownership", **claim.parameters)
    except InputError as error:
        raise EvidenceError(
            f"{path} is a claim that this installation can't judge: {error}; install what it was made with"
        ) from error
    return scheme


def open_party(
    spec: str, scheme: Ownership, *, data: Dataset | None, access: Access | None, options: dict[str, Any]
) -> Party:
    """The model behind ``spec`` with the access that ``scheme`` is to have.

    Args:
        spec: what ``stealproof.inputs.oracle.open_oracle`` takes.
        scheme: which may want to open it.
        data: tells the shape and the classes of a model that does not tell them itself.
        access: None for all that the model gives.
        options: of a connection to a URL, or of an ONNX file.
    """
    from stealproof.inputs.oracle import narrow, open_oracle

    remote = spec.startswith(("http://", "https://"))
    local = not remote and Path(spec).suffix.lower() != ".onnx"
    if access is None and local:
        access = telling_access(scheme)
    if not (local and scheme.opens_model()):
        oracle = open_oracle(spec, data=data, access=access, **options)
        return Party(name=spec, oracle=oracle, model=None, digest=_digest(spec))
    from stealproof.inputs.model import open_model

    if options:
        raise InputError(f"a local model takes no options of a connection, got {next(iter(options))!r}; drop it")
    known = (None, None) if data is None else (data.domain, data.classes)
    trained = open_model(spec, domain=known[0], classes=known[1])
    if not trained.is_network:
        raise AccessDenied(f"{scheme.name()} opens a network, and {spec} is a scikit-learn estimator; it can't apply")
    return Party(name=spec, oracle=narrow(trained, access), model=trained.model, digest=_digest(spec))


def _digest(spec: str) -> str:
    """SHA-256 of a model file and of its card; empty for what is no such file, or may be only part of a model."""
    path = Path(spec).expanduser()
    if not path.is_file():
        return ""
    from stealproof.files import sha256_file
    from stealproof.inputs.model import SUFFIX

    if path.suffix != SUFFIX:
        return ""
    return " ".join(sha256_file(file) for file in (path, path.with_suffix(".json")) if file.is_file())


def telling_access(scheme: Ownership) -> Access | None:
    """What to ask a model that gives whatever is asked; None for its probabilities, or for labels if it has no more."""
    if Answer.PROBABILITIES not in scheme.accepts and Answer.LOGITS in scheme.accepts:
        return Access(answer=Answer.LOGITS)
    return None


def open_public(spec: str, domain_shape: tuple[int, ...]) -> NDArray[Any]:
    """Every input of the data behind ``spec``."""
    import numpy as np

    from stealproof.inputs.data import open_data

    data = open_data(spec)
    if data.domain.shape != domain_shape:
        raise InvalidData(
            f"the public data {spec} have inputs of shape {data.domain.shape}, but the suspect takes {domain_shape};"
            " bring them into its shape first"
        )
    return np.concatenate([as_array(part.x) for part in data.parts.values()])


def refuse_twins(suspect: str, controls: tuple[str, ...]) -> None:
    """Raise ``InputError`` when a control is named twice or is the suspect: a control counts once, and not as both."""
    from stealproof.files import sha256_file

    seen = {_identity(suspect, sha256_file): "the suspect"}
    for spec in controls:
        known = seen.setdefault(_identity(spec, sha256_file), f"the control {spec}")
        if known != f"the control {spec}" or controls.count(spec) > 1:
            raise InputError(f"the control {spec} is the same as {known}; name each independent model once")


def _identity(spec: str, digest: Any) -> str:
    path = Path(spec).expanduser()
    return str(digest(path)) if path.is_file() else spec
