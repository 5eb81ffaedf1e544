"""TrainingDefense: what acts while a model is trained, through five hooks of one training loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, final

from stealproof.errors import IncompatibleDefenses
from stealproof.system import Stage, System

if TYPE_CHECKING:
    import torch

    from stealproof.oracle import Domain
    from stealproof.roles.dataset import Part


class Hook(StrEnum):
    """The stages of one training run, in order."""

    PREPARE = "prepare"
    PERTURB = "perturb"
    PENALTY = "penalty"
    PRIVATIZE = "privatize"
    FINISH = "finish"


@dataclass(slots=True, kw_only=True)
class TrainingRun:
    """What the hooks of one protection know of the run that they take part in."""

    domain: Domain
    """The legal inputs: whatever a hook makes of an input must stay inside. Unbounded when nobody said."""
    classes: int
    generator: torch.Generator
    """This protection's own; adding another protection does not shift it."""
    steps: int = 0
    """Steps of the whole run; 0 while the data are being prepared."""
    step: int = 0
    """The step under way, from 0."""
    epoch_steps: int = 0
    """Steps of one pass over the training rows."""
    rows: int = 0
    """Rows to train on, once every ``prepare`` is done; 0 before."""
    drawn: int = 0
    """Rows of the batch under way that were drawn from the training rows. They come first; what protections join to a
    batch stands behind them."""
    expected: float = 0.0
    """Rows that a batch is expected to have where chance decides which join it (``poisson``), else 0. How many rows a
    protection joins must follow from this where it is given: one training row more or less changes a batch's length,
    and must not change what is joined."""
    label_smoothing: float = 0.0
    """That of the recipe, for a hook that computes the loss itself."""
    bfloat16: bool = False
    """Whether layers compute in bfloat16 (autocast) in this run; a forward pass of a hook is faster so, too."""
    memory: dict[str, torch.Tensor] = field(default_factory=dict)
    """What this protection must remember between steps; an interrupted run resumes with it."""
    stop: bool = False
    """Set by a hook to end the training after the step under way."""


@dataclass(frozen=True, kw_only=True)
class TrainingDefense(System):
    """Base of every training defense and in-training watermark; a subclass overrides the hooks that it needs.

    ``fit`` calls the hooks of all protections in the given order. A subclass that can't share a hook with another
    protection lists it in ``exclusive``.
    """

    stage = Stage.TRAINING
    exclusive: ClassVar[frozenset[Hook]] = frozenset({Hook.PRIVATIZE})
    protects_from: ClassVar[tuple[str, ...]] = ()
    """Catalog names of the risks that it is meant to lower; empty for a watermark, which proves theft instead."""
    poisson: ClassVar[bool] = False
    """Whether each row must join each batch independently, as the accounting of a private run supposes; otherwise
    every pass deals all rows into batches."""
    spends: ClassVar[Mapping[str, str]] = {}
    """Figures that a run uses up beyond time, as a private run's epsilon: name to meaning, measured in studies."""
    selects: ClassVar[str] = ""
    """What it decides by looking at training rows past the gradients, in words ("drops rows by ..."); the accounting of
    a private run doesn't cover that, so the two are refused together. Empty when there is nothing."""

    @property
    def spent(self) -> dict[str, float]:
        """What the last run used up, by name, for the network's card: whatever ``spends`` names, and what led to it."""
        return {}

    def suited(self, recipe: Any, rows: int) -> Any:
        """The ``Recipe``, changed where training on ``rows`` rows with this defense needs it.

        Asked only when nobody gave a recipe.
        """
        return recipe

    def check(self, model: torch.nn.Module) -> None:
        """Raise ``IncompatibleDefenses`` or ``InputError`` for a network that this can't train; before any hook."""
        return

    def prepare(self, data: Part, run: TrainingRun) -> Part:
        """The training data to use instead of ``data``, once, before the first epoch."""
        return data

    def perturb(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> Part:
        """The batch to use instead of ``batch``; called before every forward pass.

        The first ``run.drawn`` rows must stay the drawn ones, in order, though their values may change; rows may be
        joined behind.
        """
        return batch

    def penalty(
        self, model: torch.nn.Module, batch: Part, logits: torch.Tensor, run: TrainingRun
    ) -> torch.Tensor | None:
        """A term ``()`` to add to the loss, or None."""
        return None

    def privatize(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> bool:
        """Write the gradients of ``batch`` into ``.grad`` and return True; False leaves that to plain backward."""
        return False

    def finish(self, model: torch.nn.Module, data: Part, run: TrainingRun) -> torch.nn.Module:
        """The model to use instead of ``model``, once, after the last epoch."""
        return model

    @final
    @classmethod
    def hooks(cls) -> frozenset[Hook]:
        """The hooks that this class overrides."""
        return frozenset(hook for hook in Hook if getattr(cls, hook) is not getattr(TrainingDefense, hook))


def check_composition(protections: Sequence[Any]) -> None:
    """Raise ``IncompatibleDefenses`` when two protections can't share a hook; the sentence names both."""
    for hook in Hook:
        users = [p for p in protections if hook in p.hooks()]
        for one in users:
            others = [other for other in users if other is not one]
            if hook in one.exclusive and others:
                raise IncompatibleDefenses(
                    f"{one.name()} and {others[0].name()} can't share the {hook} stage of one training run; drop one"
                )
    for one in protections:
        for other in protections:
            if one is not other and Hook.PENALTY in one.hooks() and Hook.PRIVATIZE in other.hooks():
                raise IncompatibleDefenses(
                    f"{one.name()} adds to the loss of a batch, but {other.name()} takes the gradients of single rows;"
                    " drop one"
                )
            if one.selects and Hook.PRIVATIZE in other.hooks():
                raise IncompatibleDefenses(
                    f"{one.name()} {one.selects}, which the privacy of {other.name()} does not cover; drop one"
                )
