"""Derived triggers: a watermark whose triggers nobody chose, so that nobody can be framed by it."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from stealproof.errors import AccessDenied, InputError
from stealproof.measures.binomial import critical_matches, matches_p_value, trials_needed
from stealproof.measures.e_process import e_value
from stealproof.oracle import SCORED, Access, Answers
from stealproof.ownership._derived_book import api_book, noise_book, pool_book, record, regenerated, served_labels
from stealproof.ownership._in_sequence import ask_in_sequence
from stealproof.roles.dataset import Part
from stealproof.roles.guard import Guard, Refusal
from stealproof.roles.ownership import CLASSIFIERS, Watermark
from stealproof.roles.training_defense import TrainingDefense, TrainingRun
from stealproof.roles.trial import Examination, Trial
from stealproof.system import Source

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class DerivedTriggers(Watermark, TrainingDefense, Guard):
    """Trigger inputs and labels are expanded from a commitment and a beacon that was drawn after it.

    The labels are uniform over the C classes and independent of any suspect that was made without knowing them, so its
    matches are Binomial(n, 1/C) whatever it is. In a real claim the commitment (a salted digest of everything that is
    claimed) was timestamped first, and the beacon is public randomness of a later time; both are kept secret until
    then, since who knows them knows the triggers.

    One instance marks one model, in training (as a protection of ``fit``) or at the API (as a guard), not both.
    Trained marks are lost when a thief only extracts answers; marks at the API are what the thief trains on. There,
    each recorded query is asked with its derived label: that is honest only if the accuser couldn't pick among the
    queries after seeing the labels (9 tries a query suffice for 10 classes), so they must stand in a ledger whose root
    was timestamped before the beacon, or be signed by the clients; otherwise hold the verdict against control models.
    """

    source = Source(
        authors="Ramdas, Grünwald, Vovk, Shafer",
        title="Game-Theoretic Statistics and Safe Anytime-Valid Inference",
        venue="Statistical Science 38",
        year=2023,
        url="https://arxiv.org/abs/2210.01948",
    )
    departure = "the watermark is our own and nothing published describes it; the source is that of its sequential test"
    null = "the suspect was made without knowledge of the labels that follow from the commitment and the beacon"
    caveat = (
        "a suspect is accused wrongly if the triggers were slipped into its training data, if the accuser committed"
        " many times or to other terms, or if it picked among recorded queries after it saw their labels"
    )

    triggers: int = 100
    """Triggers that are embedded in training, at least 1. At most so many are asked of a suspect."""
    commitment: str = ""
    """Hexadecimal, at least 16 bytes; empty: drawn for this run, which is for studies and proves no precedence."""
    beacon: str = ""
    """Hexadecimal, at least 16 bytes; empty: drawn for this run, which is for studies and proves no precedence."""
    kind: Literal["noise", "natural"] = "noise"
    """``noise``: uniform inputs. ``natural``: rows of the training data, which are learned with derived labels only."""
    per_batch: float = 0.02
    """Share of each training batch that is triggers, above 0 and below 1; at least one."""
    repeats: int = 50
    """How often each trigger is shown in a whole run at least, even if that takes a larger share of short runs."""
    rate: float = 0.005
    """Share of the queries that get a derived label at the API, 0 to 1."""
    classes: int = 0
    """Classes of the model behind the API; 0: as many as an answer has scores. Answers of labels only need it."""
    sequential: bool = True
    """Whether the judge stops asking as soon as the e-value decides; else all triggers are asked and tested exactly."""

    def prepare(self, data: Part, run: TrainingRun) -> Part:
        """Derive the triggers; the natural ones leave the data, so that only their derived labels are learned."""
        import torch

        from stealproof.ownership._trigger_sets import check_outnumbered

        self._check_parameters()
        drawn = torch.randint(0, 256, (64,), generator=run.generator, dtype=torch.uint8).numpy().tobytes()
        drawn_secrets = self._secrets(drawn)
        self.book.clear()
        if self.kind == "noise":
            check_outnumbered(self.triggers, len(data))
            self.book.update(noise_book(drawn_secrets, self.triggers, run.domain, run.classes))
            return data
        book, left = pool_book(drawn_secrets, self.triggers, data.x.detach().cpu().numpy(), run.classes)
        self.book.update(book)
        return data.take(torch.from_numpy(left))

    def perturb(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> Part:
        """The batch with the next few triggers behind it, each as often as the others."""
        import torch
        from torch.nn import functional

        n = len(self.book["labels"])
        share = round((run.expected or len(batch)) * self.per_batch / (1 - self.per_batch))
        count = min(n, max(1, share, -(-self.repeats * n // max(run.steps, 1))))
        rows = (run.step * count + np.arange(count)) % n
        x = torch.from_numpy(self.book["inputs"][rows]).to(device=batch.x.device, dtype=batch.x.dtype)
        y = torch.from_numpy(self.book["labels"][rows]).to(batch.y.device)
        if x.ndim == 4 and batch.x.is_contiguous(memory_format=torch.channels_last):
            x = x.contiguous(memory_format=torch.channels_last)
        if batch.y.ndim == 2:
            y = functional.one_hot(y, batch.y.shape[1]).to(batch.y.dtype)
        return Part(x=torch.cat([batch.x, x]), y=torch.cat([batch.y, y]))

    def use_key(self, key: str) -> None:
        """Draw what is not given of commitment and beacon from this key; before the first query only."""
        if self.book:
            raise InputError("the key can't change after the first query: its earlier answers could not be repeated")
        self.book.update(self._secrets(hashlib.shake_256(bytes.fromhex(key)).digest(64)))

    def narrows(self, access: Access) -> Access:
        """What was seen before; a classifier's, and with known classes."""
        self._check_parameters()
        if access.answer not in CLASSIFIERS:
            raise AccessDenied(f"{self.name()} marks a classifier's answers, not {access}; leave it out")
        if access.answer not in SCORED and not self.classes:
            raise AccessDenied(f"{self.name()} can't see in {access} how many classes there are; set classes")
        return access

    def answer(self, client: str, queries: NDArray[Any], answers: Answers) -> Answers | Refusal:
        """``answers``, where a keyed choice of the queries gets derived labels; those are recorded as they come."""
        classes = self.classes or (0 if answers.scores is None else answers.scores.shape[1])
        if "mode" not in self.book:
            if not self.book:
                self.use_key(secrets.token_hex(32))
            self.book.update(api_book(self.book, self.rate, tuple(queries.shape[1:]), classes))
        elif self.book["mode"] != "api":
            raise InputError(f"this {self.name()} has marked a training run; give the API an instance of its own")
        served = {row: label for row, label in enumerate(served_labels(self.book, queries)) if label is not None}
        if not served:
            return answers
        rows, labels = np.asarray(list(served)), np.asarray(list(served.values()), dtype=np.int64)
        record(self.book, queries[rows], labels)
        return _relabelled(answers, rows, labels)

    def _examine(self, trial: Trial) -> Examination:
        """The share of matches among the triggers that were asked, with the p-value of Binomial(n, 1/C)."""
        inputs, labels, classes = regenerated(trial)
        n, rate, level = len(labels), 1 / classes, trial.level
        if self.sequential:
            return ask_in_sequence(trial, inputs, labels, rate)
        matches = int((trial.ask(inputs).predicted == labels).sum())
        return Examination(
            statistic=matches / n,
            p_value=matches_p_value(matches, n, rate),
            threshold=critical_matches(n, rate, level) / n,
            attainable=rate**n,
            needed=f"at least {trials_needed(rate, level)} triggers, got {n}",
            e_value=e_value(matches, n, rate),
            effect=matches / n - rate,
            reasons=(f"{matches} of {n} triggers match, where chance gives {n * rate:.3g}",),
        )

    def _secrets(self, drawn: bytes) -> dict[str, str]:
        """Commitment and beacon as given, else of the 64 bytes ``drawn``."""
        return {"commitment": self.commitment or drawn[:32].hex(), "beacon": self.beacon or drawn[32:].hex()}

    def _check_parameters(self) -> None:
        if self.triggers < 1:
            raise InputError(f"{self.name()} needs at least 1 trigger, got {self.triggers}")
        if not 0 < self.per_batch < 1:
            raise InputError(f"per_batch must lie between 0 and 1, got {self.per_batch}")
        if not 0 <= self.rate <= 1:
            raise InputError(f"the rate of marked queries must lie between 0 and 1, got {self.rate}")
        for name in ("repeats", "classes"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} must be at least 0, got {getattr(self, name)}")


def _relabelled(answers: Answers, rows: NDArray[np.int64], derived: NDArray[np.int64]) -> Answers:
    """``answers`` whose ``rows`` say ``derived``: the scores of the old and the new class change places."""
    labels, scores = answers.predicted.copy(), answers.scores
    if scores is not None:
        scores = scores.copy()
        said, other = scores[rows, labels[rows]], scores[rows, derived]
        scores[rows, labels[rows]], scores[rows, derived] = other, said
    labels[rows] = derived
    return Answers(labels=labels, scores=scores)
