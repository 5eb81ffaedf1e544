"""Hard inputs: ordinary inputs with their true labels, which good models answer as claimed and small ones do not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from stealproof.attacks.false_claims._craft import log_probabilities
from stealproof.claims import Claim
from stealproof.errors import InputError
from stealproof.ownership._asked_inputs import finished, width
from stealproof.ownership.adi2018 import Adi2018
from stealproof.ownership.conferrable import Conferrable
from stealproof.ownership.ipguard import Ipguard
from stealproof.roles.dataset import Part
from stealproof.roles.false_claim import FalseClaim, Framing
from stealproof.roles.ownership import Ownership
from stealproof.system import Source
from stealproof.training.augmented import DIRECTIONS, moved_aside
from stealproof.training.fit import fit
from stealproof.training.suited import suited_network

ROWS = 2000
"""Most rows that are changed, each in every version; bounds the memory."""


@dataclass(frozen=True, kw_only=True)
class HardInputs(FalseClaim):
    """Claim what every good model knows, and no control model does, as a trigger set.

    The accuser changes training inputs a little, keeps those that its references get wrong and a better network of its
    own gets right, and calls their true labels the secret ones. Whoever is better than the judge's control models
    answers like a copy. The accused need not be known, and the claim can be older than it; what helps is control models
    that are as good as the accused, or triggers that nobody chose.
    """

    source = Source(
        authors="Liu, Zhang, Szyller, Ren, Asokan",
        title="False Claims against Model Ownership Resolution",
        venue="USENIX Security",
        year=2024,
        url="https://arxiv.org/abs/2304.06607",
    )
    departure = (
        "the attack is our own; the source is that of the malicious accuser, whose adversarial examples fool every"
        " model, where good ones answer these rightly"
    )

    triggers: int = 100
    """Inputs of the claim; at least 1."""
    versions: int = 30
    """How often each of at most 2,000 rows is changed anew; at least 1. This and the noise were chosen on FashionMNIST,
    seed 0 (docs/false-claims.md)."""
    pixels: int = 1
    """How far images are moved aside, the lower end of the domain coming in; at least 0."""
    noise: float = 0.2
    """Largest change of a value beside that, as a share of the domain's width; at least 0 and finite."""

    def fits(self, scheme: Ownership) -> bool:
        """Where the accuser states inputs and labels, and nothing says where the labels come from."""
        return isinstance(scheme, Adi2018 | Conferrable | Ipguard)

    def check(self) -> None:
        """Refuse parameters with which nothing could be chosen."""
        for name in ("triggers", "versions"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.pixels < 0:
            raise InputError(f"pixels must be at least 0, got {self.pixels}")
        if not 0 <= self.noise < math.inf:
            raise InputError(f"noise must be at least 0 and finite, got {self.noise}")

    def _accuse(self, framing: Framing) -> Claim:
        train = framing.data.train
        rows = torch.as_tensor(framing.rng("rows").permutation(len(train)))
        half = len(rows) // 2
        known, kept = train.take(rows[:half]), train.take(rows[half : half + ROWS])
        good = self._better_network(framing, known)
        changed = [self._changed(framing, kept, "candidates", number) for number in range(self.versions)]
        candidates = Part(x=torch.cat([part.x for part in changed]), y=torch.cat([part.y for part in changed]))
        with torch.no_grad():
            # Version by version: what a convolution makes of all of them would not fit into memory.
            lead = torch.cat([_surety(good, part) - _usual(framing, part) for part in changed])
        best = torch.argsort(lead, descending=True)[: self.triggers]
        secrets: dict[str, Any] = {
            "inputs": finished(candidates.x[best], framing.domain),
            "labels": candidates.y[best].numpy().astype(np.int64),
            "classes": framing.classes,
        }
        # What else a claim under these schemes says of its inputs.
        if isinstance(framing.scheme, Conferrable):
            secrets |= {"candidates": len(candidates), "conferrable": len(best)}
        if isinstance(framing.scheme, Ipguard):
            secrets |= {"arrived": len(best)}
        return framing.claim(secrets)

    def _better_network(self, framing: Framing, known: Part) -> torch.nn.Module:
        """One that learned from half of the accuser's rows as they are and changed in every direction."""
        lessons = [known, *(self._changed(framing, known, "lessons", number) for number in range(len(DIRECTIONS)))]
        whole = Part(x=torch.cat([part.x for part in lessons]), y=torch.cat([part.labels for part in lessons]))
        seed = int(framing.rng("network").integers(2**31))
        return fit(
            suited_network(tuple(whole.x.shape[1:]), framing.classes),
            whole,
            classes=framing.classes,
            domain=framing.domain,
            seed=seed,
            progress=framing.progress,
        )

    def _changed(self, framing: Framing, part: Part, *names: str | int) -> Part:
        """The rows, each with noise of its own and, if it is an image, moved in one direction or another."""
        x = part.x.clone()
        if x.ndim == 4 and self.pixels:
            way = framing.rng("directions", *names).integers(len(DIRECTIONS), size=len(x))
            for number, (down, right) in enumerate(DIRECTIONS):
                rows = torch.as_tensor(np.flatnonzero(way == number))
                x[rows] = moved_aside(x[rows], down * self.pixels, right * self.pixels, framing.domain.low)
        drawn = torch.rand(x.shape, generator=framing.generator("noise", *names), dtype=torch.float32) * 2 - 1
        levels = list(framing.domain.levels)
        if levels:
            drawn.flatten(1)[:, levels] = 0
        moved = x + (self.noise * width(framing.domain) * drawn).to(x.dtype)
        return Part(x=moved.clamp(framing.domain.low, framing.domain.high), y=part.labels)


def _surety(model: torch.nn.Module, part: Part) -> torch.Tensor:
    """The probability ``(n,)`` that ``model`` gives to each row's label."""
    return log_probabilities(model, part.x).exp().cpu().gather(1, part.y[:, None])[:, 0]


def _usual(framing: Framing, part: Part) -> torch.Tensor:
    """The mean of that ``(n,)`` over the accuser's references."""
    return torch.stack([_surety(model, part) for model in framing.innocents]).mean(dim=0)
