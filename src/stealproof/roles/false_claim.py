"""FalseClaim: a malicious accuser, who frames models that were never stolen from anybody."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from stealproof import seeds
from stealproof.claims import Claim
from stealproof.errors import InputError, InvalidData
from stealproof.oracle import Domain
from stealproof.roles.ownership import Ownership, model_digest
from stealproof.system import System

if TYPE_CHECKING:
    import numpy as np
    import torch

    from stealproof.roles.dataset import Dataset

ACCUSER = "accuser"
"""First name of each of the accuser's generators, so that no stream is shared with owner, thief, suspect or judge."""


@dataclass(slots=True, kw_only=True)
class Framing:
    """One false claim in the making: what ``FalseClaim._accuse`` receives."""

    scheme: Ownership
    innocents: Sequence[torch.nn.Module]
    """Reference models of the accuser's, independent of each other, in evaluation mode."""
    model: torch.nn.Module
    """The accuser's own, from which the suspect is said to be stolen."""
    target: torch.nn.Module | None
    """The framed model itself, where it is published; None when the accuser has to hit models that it has not seen."""
    data: Dataset
    domain: Domain
    classes: int
    seed: int
    progress: Callable[[str, float], None]

    def claim(self, secrets: Mapping[str, Any], *, model: torch.nn.Module | None = None) -> Claim:
        """A claim under the scheme, to ``model``; None for the accuser's own."""
        return Claim(
            scheme=self.scheme.name(),
            parameters=self.scheme.parameters(),
            model_digest=model_digest(self.model if model is None else model),
            secrets=secrets,
        )

    def rng(self, *names: str | int) -> np.random.Generator:
        """The accuser's NumPy generator of these names."""
        return seeds.rng(self.seed, ACCUSER, *names)

    def generator(self, *names: str | int) -> torch.Generator:
        """The accuser's PyTorch generator of these names."""
        return seeds.generator(self.seed, ACCUSER, *names)


@dataclass(frozen=True, kw_only=True)
class FalseClaim(System):
    """Base of every false-claim attack. A subclass writes ``_accuse``; the checks are made here."""

    def fits(self, scheme: Ownership) -> bool:
        """Whether there is something to forge in a claim under ``scheme``."""
        del scheme
        return True

    def needs_target(self, scheme: Ownership) -> bool:
        """Whether it takes the framed model itself to forge a claim under ``scheme``."""
        del scheme
        return False

    def models_needed(self) -> int:
        """How many models the accuser must train at least, its own included."""
        return 1

    def check(self) -> None:
        """Raise ``InputError`` for parameters with which nothing could be forged; before any model is trained."""
        return

    @final
    def check_fit(self, scheme: Ownership) -> None:
        """Raise ``InputError`` unless there is something to forge in a claim under ``scheme``."""
        self.check()
        if not self.fits(scheme):
            raise InputError(f"{self.name()} finds nothing to forge in a claim under {scheme.name()}; try another one")

    @final
    def accuse(
        self,
        scheme: Ownership,
        innocents: Sequence[torch.nn.Module],
        data: Dataset,
        *,
        model: torch.nn.Module | None = None,
        target: torch.nn.Module | None = None,
        seed: int = 0,
        progress: Callable[[str, float], None] | None = None,
    ) -> Claim:
        """A claim under ``scheme`` that should hold against a model that was never stolen.

        Args:
            scheme: what the accuser pretends to have used.
            innocents: reference models that the accuser trained; the framed suspect is none of them.
            data: the accuser's.
            model: the accuser's own; None for the first of ``innocents``.
            target: the framed model, where it is published; else the claim is to hit models that nobody has shown.
            seed: every choice of the accuser follows from it.
            progress: called with what is being done and the finished share.

        Raises:
            InputError: no reference model, the framed one among the references, or nothing that could be forged.
            InvalidData: no rows, or models of another shape or number of classes than the data.
        """
        if not innocents:
            raise InputError(f"{self.name()} needs at least 1 reference model of the accuser's, got none")
        self.check_fit(scheme)
        if target is None and self.needs_target(scheme):
            raise InputError(
                f"{self.name()} forges a claim under {scheme.name()} for one published model; give it as target"
            )
        own = innocents[0] if model is None else model
        _check_models([own, *innocents, *([] if target is None else [target])], data)
        if target is not None and model_digest(target) in {model_digest(one) for one in (own, *innocents)}:
            raise InputError(
                "the framed model is one of the accuser's own; a false claim is about a model of somebody else's"
            )
        framing = Framing(
            scheme=scheme,
            innocents=tuple(innocents),
            model=own,
            target=target,
            data=data,
            domain=data.domain,
            classes=data.classes,
            seed=seed,
            progress=progress or (lambda what, share: None),
        )
        return self._accuse(framing)

    @abstractmethod
    def _accuse(self, framing: Framing) -> Claim:
        """The false claim; ``framing.claim`` makes it of its secrets."""


def _check_models(models: Sequence[torch.nn.Module], data: Dataset) -> None:
    """Refuse data and models that don't fit; the models are in evaluation mode afterwards."""
    import torch

    if len(data.train) == 0:
        raise InvalidData(f"expected rows of the accuser's own in {data.name}, got none")
    for model in models:
        weights = next(iter(model.parameters()), None)
        row = data.train.x[:1]
        try:
            with torch.no_grad():
                found = tuple(model.eval()(row if weights is None else row.to(weights)).shape)
        except RuntimeError as error:
            raise InvalidData(f"a model does not take inputs of shape {tuple(row.shape[1:])}: {error}") from error
        if found != (1, data.classes):
            raise InvalidData(f"expected models that answer {data.name} with {data.classes} logits, got {found[1:]}")
