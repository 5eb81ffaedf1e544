"""Extraction: a malicious client, who turns answers into a surrogate under a query budget."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from stealproof import seeds
from stealproof.errors import AccessDenied, BudgetExceeded, InvalidData
from stealproof.oracle import Answer, Answers, Oracle, as_array
from stealproof.system import System

if TYPE_CHECKING:
    import torch

    from stealproof.roles.architecture import NetworkFamily

THIEF = "thief"
"""First name of each of the thief's generators.

A study gives victim, thief and examiner the same seed: without a name of its own, a thief could start from the victim's
first weights, or train on the examiner's inputs.
"""
SCORES = frozenset({Answer.PROBABILITIES, Answer.LOGITS})
EVERYTHING = frozenset({Answer.LABELS, Answer.TOP_K, Answer.PROBABILITIES, Answer.LOGITS})


@dataclass(slots=True, kw_only=True)
class Theft:
    """One extraction under way: what the thief holds. ``Extraction._extract`` receives it."""

    oracle: Oracle
    """The victim, metered: at most ``budget`` queries."""
    budget: int
    pool: NDArray[Any] | None
    """The thief's own unlabelled inputs ``(m, *shape)``, or None."""
    pool_labels: NDArray[np.int64] | None
    """Labels ``(m,)`` of a *foreign* pool in its own taxonomy (Knockoff's actions), never the victim's labels."""
    architecture: NetworkFamily | None
    """The thief's choice of surrogate, or None for the attack's own default."""
    recipe: Any
    """A ``stealproof.training.recipe.Recipe``, or None for the attack's own default."""
    seed: int
    progress: Callable[[str, float], None]
    """Called with what is being done and the finished share, 0 to 1."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What the attack wants to report beside the surrogate (rounds, leaves found, chosen hyper-parameters)."""

    def rng(self, *names: str | int) -> np.random.Generator:
        """The thief's NumPy generator of these names."""
        return seeds.rng(self.seed, THIEF, *names)

    def generator(self, *names: str | int) -> torch.Generator:
        """The thief's PyTorch generator of these names."""
        return seeds.generator(self.seed, THIEF, *names)

    def ask(self, x: Any, *, batch: int = 1024) -> Answers:
        """Query the victim in batches and return all answers in order."""
        return self.oracle.ask(x, batch=batch)

    def soft_targets(self, answers: Answers) -> NDArray[np.float64]:
        """Training targets ``(n, classes)``: the best guess at the victim's probabilities."""
        return answers.distributions(self.oracle.classes, self.oracle.access)

    def remaining(self) -> int:
        """Queries left."""
        left = self.oracle.budget.remaining
        assert left is not None
        return left


@dataclass(frozen=True, slots=True, kw_only=True)
class Surrogate:
    """A stolen model and what it cost."""

    model: torch.nn.Module
    """From inputs ``(n, *shape)`` to logits ``(n, classes)``."""
    attack: str
    queries: int
    """Inputs sent to the victim."""
    cpu_seconds: float
    """Processor time of the whole attack in this process, the victim's included when it is local."""
    seconds: float
    """Wall-clock time."""
    notes: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Extraction(System):
    """Base of every extraction attack. A subclass writes ``_extract``; checks, metering and timing are done here."""

    accepts: ClassVar[frozenset[Answer]] = EVERYTHING
    """Kinds of answers that the attack can work with."""
    victims: ClassVar[str] = "any"
    """Which models it can steal: "any", "logistic regression", "network", "decision tree" or "two-layer relu"."""
    needs_pool: ClassVar[bool] = False
    """Whether the thief must hold natural inputs; then the budget can't exceed their number unless ``synthesizes``."""
    synthesizes: ClassVar[bool] = False
    """Whether the attack makes inputs of its own, so that its budget may exceed the pool."""
    labels_only: ClassVar[bool] = False
    """Whether the attack, as it is by default, looks at nothing but labels: richer answers then change nothing."""

    @final
    def steal(
        self,
        oracle: Oracle,
        pool: Any = None,
        *,
        budget: int,
        seed: int = 0,
        pool_labels: Any = None,
        architecture: NetworkFamily | None = None,
        recipe: Any = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> Surrogate:
        """Steal the model behind ``oracle`` with at most ``budget`` queries.

        Args:
            oracle: the victim.
            pool: the thief's unlabelled inputs, ``(m, *shape)`` inside the oracle's domain, or None.
            budget: most queries to send, at least 1.
            seed: every choice of the thief follows from it.
            pool_labels: labels ``(m,)`` of a foreign pool, in the pool's own classes.
            architecture: the surrogate's family; None for the attack's own default.
            recipe: how the surrogate is trained; None for the attack's own default.
            progress: called with what is being done and the finished share.

        Raises:
            AccessDenied: the attack needs richer answers than the oracle gives.
            BudgetExceeded: the budget is below 1 or beyond a pool that the attack can't stretch.
            InvalidData: the pool does not fit the oracle's domain.
        """
        if oracle.access.answer not in self.accepts:
            wanted = " or ".join(sorted(self.accepts))
            raise AccessDenied(f"{self.name()} needs {wanted} from the oracle, which gives {oracle.access}")
        if budget < 1:
            raise BudgetExceeded(f"budget must be at least 1 query, got {budget}")
        rows = None if pool is None else as_array(pool)
        if rows is None and self.needs_pool:
            raise InvalidData(f"{self.name()} needs a pool of natural inputs, got none; name one with --pool")
        if rows is not None:
            oracle.domain.check(rows)
            if self.needs_pool and not self.synthesizes and budget > len(rows):
                raise BudgetExceeded(
                    f"budget must be at most the pool's {len(rows)} inputs, got {budget};"
                    " lower the budget or bring a larger pool"
                )
        theft = Theft(
            oracle=oracle.limited(budget),
            budget=budget,
            pool=rows,
            pool_labels=None if pool_labels is None else as_array(pool_labels),
            architecture=architecture,
            recipe=recipe,
            seed=seed,
            progress=progress or (lambda what, share: None),
        )
        wall, cpu = time.perf_counter(), time.process_time()
        model = self._extract(theft)
        model.eval()
        return Surrogate(
            model=model,
            attack=self.name(),
            queries=theft.oracle.budget.spent,
            cpu_seconds=time.process_time() - cpu,
            seconds=time.perf_counter() - wall,
            notes=theft.notes,
        )

    @abstractmethod
    def _extract(self, theft: Theft) -> torch.nn.Module:
        """Query ``theft.oracle`` and return a network that answers logits ``(n, classes)``."""
