"""Key grinding: make a claim honestly, again and again with other keys, and come forward with the luckiest one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from stealproof.attacks.false_claims._recorded_queries import fresh_guard, jittered, known, surest_rows
from stealproof.claims import Claim
from stealproof.errors import InputError
from stealproof.oracle import Answers
from stealproof.oracles.module import ModuleOracle
from stealproof.ownership._asked_inputs import answers
from stealproof.ownership.adi2018 import Adi2018
from stealproof.ownership.derived_triggers import DerivedTriggers
from stealproof.ownership.margin_watermark import MarginWatermark
from stealproof.ownership.uchida2017 import Uchida2017
from stealproof.roles.false_claim import FalseClaim, Framing
from stealproof.roles.guard import Guard
from stealproof.roles.ownership import Ownership
from stealproof.roles.training_defense import TrainingRun
from stealproof.system import Source

ROWS = 50
"""Training rows around which queries to a marked API are made."""
LEAST = 1e-300
"""Floor of a p-value under the logarithm."""


@dataclass(frozen=True, kw_only=True)
class KeyGrinding(FalseClaim):
    """Of many claims, each made by the rules, keep the one that known models bear out best.

    N attempts bring the p-value down to about 1 / N, and no further: that is all that is left to a liar whose triggers
    are recomputed. A judge who counts the attempts (each had to be timestamped) multiplies the p-value by N. Only
    triggers on which unseen models agree with known ones frame a model that nobody has shown.
    """

    source = Source(
        authors="Liu, Zhang, Szyller, Ren, Asokan",
        title="False Claims against Model Ownership Resolution",
        venue="USENIX Security",
        year=2024,
        url="https://arxiv.org/abs/2304.06607",
    )
    departure = "the attack is our own; the source is that of the malicious accuser, who there chooses triggers freely"

    attempts: int = 1000
    """Keys that are tried; at least 1. The claim's secrets say how many, for whoever studies it."""
    queries: int = 2000
    """Queries to the accuser's own API under each key, where a scheme marks answers; at least 1."""

    def fits(self, scheme: Ownership) -> bool:
        """Whatever draws its secrets from a key without training a network."""
        return isinstance(scheme, Guard | Adi2018 | DerivedTriggers | MarginWatermark | Uchida2017)

    def needs_target(self, scheme: Ownership) -> bool:
        """Where the mark is in the weights: those of different models have nothing in common."""
        return scheme.opens_model()

    def check(self) -> None:
        """Refuse to try nothing."""
        for name in ("attempts", "queries"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")

    def _accuse(self, framing: Framing) -> Claim:
        trained = isinstance(framing.scheme, Adi2018 | DerivedTriggers | MarginWatermark | Uchida2017)
        attempt = _as_in_training(framing) if trained else self._as_served(framing)
        luckiest, least = None, math.inf
        for number in range(self.attempts):
            framing.progress("grinding keys", number / self.attempts)
            claim = attempt(number)
            if claim is None:
                continue
            score = _log_p_value(framing, claim)
            if score < least:
                luckiest, least = claim, score
        if luckiest is None:
            raise InputError(
                f"under none of {self.attempts} keys was one of {self.queries} queries marked; raise queries, or the"
                f" rate of {framing.scheme.name()}"
            )
        return dataclasses.replace(luckiest, secrets={**luckiest.secrets, "attempts": self.attempts})

    def _as_served(self, framing: Framing) -> Callable[[int], Claim | None]:
        """What the scheme records at the accuser's own API under each key, of the same queries."""
        x = jittered(framing, surest_rows(framing, ROWS), self.queries)
        said: Answers = answers(framing.model, x, framing.domain, framing.classes)

        def attempt(number: int) -> Claim | None:
            guard = fresh_guard(framing, number)
            guard.answer("accuser", x, said)
            try:
                made: Claim = guard.claim(framing.model)
            except InputError:
                return None
            return made

        return attempt


def _as_in_training(framing: Framing) -> Callable[[int], Claim | None]:
    """What the scheme would teach a network, with each key, before the network has learned anything."""
    part = framing.data.train
    model = known(framing)[0]

    def attempt(number: int) -> Claim:
        scheme = framing.scheme.make(framing.scheme.parameters())
        run = TrainingRun(domain=framing.domain, classes=framing.classes, generator=framing.generator("key", number))
        scheme.prepare(part, run)
        if scheme.opens_model():
            # The place of the mark is written down with the first penalty.
            row = part.take(slice(0, 1))
            with torch.no_grad():
                scheme.penalty(model, row, torch.zeros(1, framing.classes), run)
        made: Claim = scheme.claim(framing.model)
        return made

    return attempt


def _log_p_value(framing: Framing, claim: Claim) -> float:
    """The mean logarithm of the p-values that a judge would get for the known models."""
    found = []
    for model in known(framing):
        suspect = ModuleOracle(model, domain=framing.domain, classes=framing.classes)
        found.append(framing.scheme.verify(claim, suspect, model=model).p_value)
    return float(np.mean(np.log(np.maximum(found, LEAST))))
