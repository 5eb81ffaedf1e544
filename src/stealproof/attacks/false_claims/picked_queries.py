"""Picked queries: an accuser who knows its key records just those marked answers that everybody gives anyway."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from stealproof.attacks.false_claims._recorded_queries import fresh_guard, jittered, opinion, surest_rows
from stealproof.claims import Claim
from stealproof.errors import InputError
from stealproof.ownership._asked_inputs import answers
from stealproof.roles.false_claim import FalseClaim, Framing
from stealproof.roles.guard import Guard
from stealproof.roles.ownership import Ownership
from stealproof.system import Source

BATCH = 2000
"""Queries that are sent to the accuser's own API at a time."""
ROWS = 50
"""Training rows around which queries are made."""


@dataclass(frozen=True, kw_only=True)
class PickedQueries(FalseClaim):
    """Send query after query to one's own API, and keep the marked ones whose label other models give by themselves.

    With C classes one marked query in C (or C - 1) fits by chance, and nothing in the claim tells the picked ones from
    all. The keyed labels are as they must be, so that recomputing them does not help; what helps is a record of all
    queries that is older than the key, or signed by the clients who sent them.
    """

    source = Source(
        authors="Liu, Zhang, Szyller, Ren, Asokan",
        title="False Claims against Model Ownership Resolution",
        venue="USENIX Security",
        year=2024,
        url="https://arxiv.org/abs/2304.06607",
    )
    departure = (
        "the attack is our own; the source is that of the malicious accuser, who there forges the labels themselves,"
        " which a judge who knows the key would notice"
    )

    triggers: int = 20
    """Recorded queries of the claim; at least 1."""
    queries: int = 200_000
    """Most queries that are tried; at least ``triggers``. One in rate x classes fits."""

    def fits(self, scheme: Ownership) -> bool:
        """Whatever marks answers."""
        return isinstance(scheme, Guard)

    def check(self) -> None:
        """Refuse to record nothing, or more than is asked."""
        if self.triggers < 1:
            raise InputError(f"triggers must be at least 1, got {self.triggers}")
        if self.queries < self.triggers:
            raise InputError(f"queries must be at least the {self.triggers} triggers, got {self.queries}")

    def _accuse(self, framing: Framing) -> Claim:
        guard = fresh_guard(framing)
        rows = surest_rows(framing, ROWS)
        kept: list[int] = []
        seen = 0
        for number in range(math.ceil(self.queries / BATCH)):
            x = jittered(framing, rows, min(BATCH, self.queries - number * BATCH), number)
            guard.answer("accuser", x, answers(framing.model, x, framing.domain, framing.classes))
            framing.progress("picking queries", min(1.0, len(kept) / self.triggers))
            try:
                claim: Claim = guard.claim(framing.model)
            except InputError:
                continue
            inputs, labels = claim.secrets["inputs"], claim.secrets["labels"]
            if len(labels) > seen:
                kept = np.flatnonzero(opinion(framing, inputs).argmax(axis=1) == labels).tolist()
                seen = len(labels)
            if len(kept) >= self.triggers:
                break
        if not kept:
            raise InputError(
                f"none of {self.queries:,} queries was marked with a label that other models give; raise queries, or"
                f" the rate of {framing.scheme.name()}"
            )
        picked = np.asarray(kept[: self.triggers])
        secrets = {**claim.secrets, "inputs": inputs[picked], "labels": labels[picked]}
        return dataclasses.replace(claim, secrets=secrets)
