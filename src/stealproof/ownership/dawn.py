"""DAWN: answer a keyed half a per cent of the queries wrongly, and recognise the model that learned those answers."""

from __future__ import annotations

import hmac
import math
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from stealproof.claims import Claim
from stealproof.errors import AccessDenied, InputError
from stealproof.measures.binomial import critical_matches, matches_p_value, trials_needed
from stealproof.oracle import Access, Answer, Answers, as_array
from stealproof.ownership._trigger_sets import secret_labels
from stealproof.roles.guard import Guard
from stealproof.roles.ownership import CLASSIFIERS, Watermark, model_digest
from stealproof.roles.trial import Examination, Trial
from stealproof.system import Source

if TYPE_CHECKING:
    import torch

    from stealproof.ownership._latent_bits import LatentBits
    from stealproof.roles.dataset import Part

RANGE = 2**16
"""Values of the 16 bits that decide."""


@dataclass(frozen=True, kw_only=True)
class Dawn(Watermark, Guard):
    """Mark the surrogate, not the model: a thief trains on the wrong answers, an honest client hardly notices them.

    Query and secret key decide alone, so that a repeated query gets the same answer, and so do all clients. Whatever
    was answered wrongly is written down, client by client. The model itself bears no mark: it answers every recorded
    query rightly, and only what was trained on the answers is recognised.
    """

    source = Source(
        authors="Szyller, Atli, Marchal, Asokan",
        title="DAWN: Dynamic Adversarial Watermarking of Neural Networks",
        venue="ACM Multimedia",
        year=2021,
        url="https://arxiv.org/abs/1906.00830",
    )
    departure = (
        "the verdict is an exact binomial test in place of a tolerated half of mismatches, and chance is 1 in all"
        " classes but one, since a recorded answer is never the true class; the latent mapping hashes the 16 units that"
        " the medians of the owner's data cut most evenly, since a hash of all of them survives little noise"
    )
    null = "the suspect was made without the recorded answers, whose wrong classes a secret key drew uniformly"
    caveat = (
        "the queries are taken as the accuser recorded them: one who could choose them after asking the suspect can"
        " accuse it, unless the key was committed to before"
    )
    published_threshold = 0.5

    rate: float = 0.005
    """Share of all queries that is answered wrongly; above 0, at most 1."""
    mapping: Literal["pixels", "latent"] = "pixels"
    """What the key is applied to: the query itself, or bits of what the network makes of it (see ``look_through``)."""
    bits: int = 16
    """Units of the latent that are hashed under ``latent``; at least 1. More units tell more queries apart, fewer
    survive more noise."""
    classes: int = 0
    """Number of classes, at least 2; 0 reads it off the scores. Needed where the guard sees labels only."""
    encoder: LatentBits | None = field(default=None, init=False, repr=False, compare=False)
    """What turns queries into bits under ``latent``; it holds the owner's network, so that it is no parameter."""

    def use_key(self, key: str) -> None:
        """Use this secret, at least 32 hexadecimal digits, in place of a fresh one; before the first query only."""
        if not re.fullmatch(r"([0-9a-fA-F]{2}){16,}", key):
            raise InputError("a key is written in at least 32 hexadecimal digits, an even number; draw it at random")
        if self.book:
            raise InputError("the key can't change after the first query: its earlier answers could not be repeated")
        self.book["key"] = key

    def look_through(self, model: torch.nn.Module, part: Part) -> None:
        """Let the latent of ``model``, at its medians over the owner's ``part``, stand for a query (``latent``)."""
        from stealproof.ownership._latent_bits import LatentBits

        object.__setattr__(self, "encoder", LatentBits(model, part, self.bits))

    def narrows(self, access: Access) -> Access:
        """The same access: wrong answers look like right ones."""
        self._check_parameters()
        if access.answer not in CLASSIFIERS:
            raise AccessDenied(f"dawn answers for a classifier, not {access}; leave it out")
        if access.answer is Answer.LABELS and self.classes == 0:
            raise AccessDenied(
                "labels don't show how many classes there are: set the parameter classes of dawn,"
                " or put it before the guard that withholds the scores"
            )
        return access

    def answer(self, client: str, queries: NDArray[Any], answers: Answers) -> Answers:
        """``answers``, a keyed few of them wrong: there the scores of the right and of a wrong class change places."""
        self._check_parameters()
        classes = self._count(answers)
        digests = self._digests(queries)
        draws = np.frombuffer(b"".join(digests), dtype=">u2").reshape(len(digests), -1)[:, 0]
        rows = np.flatnonzero(draws <= math.floor(RANGE * self.rate))
        if len(rows) == 0:
            return answers
        right = answers.predicted[rows]
        # Of 64 further bits of the same digest the remainder is uniform up to 1 in 10^18.
        steps = np.array([int.from_bytes(digests[row][8:16], "big") % (classes - 1) for row in rows], dtype=np.int64)
        wrong = (right + 1 + steps) % classes
        labels = answers.predicted.copy()
        labels[rows] = wrong
        ledger = self.book.setdefault("ledger", {}).setdefault(client, {})
        for row, label in zip(rows, wrong, strict=True):
            # Queries that the mapping takes for one share their draw, so that only the first of them is evidence.
            ledger.setdefault(digests[row], (np.array(queries[row], dtype=np.float32), int(label)))
        self.book["classes"] = classes
        if answers.scores is None:
            return Answers(labels=labels)
        scores = answers.scores.copy()
        scores[rows, right], scores[rows, wrong] = answers.scores[rows, wrong], answers.scores[rows, right]
        return Answers(labels=labels, scores=scores)

    def claim(self, model: torch.nn.Module | None = None) -> Claim:
        """The claim to whatever was trained on anybody's answers: all wrong ones, whoever got them."""
        return self._claim(self.book.get("ledger", {}), model)

    def claim_against(self, client: str, model: torch.nn.Module | None = None) -> Claim:
        """The claim to what ``client`` trained: the wrong answers that they got."""
        return self._claim([client], model)

    def _claim(self, clients: Iterable[str], model: torch.nn.Module | None) -> Claim:
        ledger = self.book.get("ledger", {})
        pooled = {digest: entry for client in clients for digest, entry in ledger.get(client, {}).items()}
        if not pooled:
            raise InputError(
                f"dawn has answered nothing wrongly to these clients yet; at the rate {self.rate:g} it takes about"
                f" {math.ceil(1 / self.rate)} queries for one wrong answer"
            )
        # In the order of the digests, which tells nobody when somebody asked.
        entries = [pooled[digest] for digest in sorted(pooled)]
        return Claim(
            scheme=self.name(),
            parameters=self.parameters(),
            model_digest="" if model is None else model_digest(model),
            # Without the key: whoever has it could tell right answers from wrong ones.
            secrets={
                "inputs": np.stack([query for query, _ in entries]),
                "labels": np.array([label for _, label in entries], dtype=np.int64),
                "classes": int(self.book["classes"]),
            },
        )

    def _examine(self, trial: Trial) -> Examination:
        labels = secret_labels(trial)
        n, rate = len(labels), 1 / (trial.suspect.classes - 1)
        matches = int((trial.ask(trial.secret("inputs")).predicted == labels).sum())
        needed = trials_needed(rate, trial.level)
        published = matches_p_value(math.ceil(n / 2), n, rate)
        return Examination(
            statistic=matches / n,
            p_value=matches_p_value(matches, n, rate),
            threshold=critical_matches(n, rate, trial.level) / n,
            attainable=rate**n,
            needed="more than 2 classes, since with 2 every mistake is a match"
            if needed is None
            else f"at least {needed} recorded answers",
            effect=matches / n,
            reasons=(
                f"the suspect repeats {matches} of {n} recorded wrong answers; chance gives at most {n * rate:.3g}",
                f"the paper's rule, half of them, accuses independent models with a chance of at most {published:.3g}",
            ),
        )

    def _check_parameters(self) -> None:
        if not 0 < self.rate <= 1:
            raise InputError(f"rate must be above 0 and at most 1, got {self.rate}")
        if self.classes != 0 and self.classes < 2:
            raise InputError(f"classes must be at least 2, or 0 to read it off the scores, got {self.classes}")
        if self.mapping == "latent" and self.encoder is None:
            raise InputError(
                "the latent mapping of dawn needs the owner's network: call look_through(model, part) first"
            )

    def _count(self, answers: Answers) -> int:
        shown = self.classes if answers.scores is None else answers.scores.shape[1]
        if shown < 2 or self.classes not in (0, shown):
            raise InputError(f"dawn expects the classes of its parameter ({self.classes}), at least 2; got {shown}")
        return int(shown)

    def _digests(self, queries: NDArray[Any]) -> list[bytes]:
        """HMAC-SHA256 of each query, in float32 and little endian, or of its latent bits."""
        key = bytes.fromhex(self.book.setdefault("key", secrets.token_hex(32)))
        if self.encoder is not None and self.mapping == "latent":
            texts = self.encoder(queries)
        else:
            # Adding 0 makes minus zero plain zero: equal queries must be equal bytes.
            texts = [row.tobytes() for row in np.ascontiguousarray(as_array(queries), dtype="<f4") + np.float32(0)]
        return [hmac.digest(key, text, "sha256") for text in texts]
