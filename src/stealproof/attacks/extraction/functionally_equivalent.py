"""Functionally equivalent extraction: a two-layer ReLU network's exact function, from where it bends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.attacks.extraction._relu_lines import BentVictim, OutOfQueries
from stealproof.attacks.extraction._relu_network import assembled, last_layer
from stealproof.attacks.extraction._relu_units import recover_unit
from stealproof.errors import BudgetExceeded, InputError
from stealproof.roles.extraction import SCORES, Extraction, Theft
from stealproof.system import Source

LINES = 4
"""Lines searched side by side."""
MOST_SUSPECTS = 20
"""Places kept for another look."""
CHECKS = 100
"""Fresh inputs on which the network found is compared with the victim."""


@dataclass(frozen=True, kw_only=True)
class FunctionallyEquivalent(Extraction):
    """Bends on random lines give the hidden units, differences across them their weights, least squares the rest."""

    source = Source(
        authors="Jagielski, Carlini, Berthelot, Kurakin, Papernot",
        title="High Accuracy and High Fidelity Extraction of Neural Networks",
        venue="USENIX Security",
        year=2020,
        url="https://arxiv.org/abs/1909.01838",
    )
    departure = (
        "inputs stay in the legal box, so units that do not switch inside it come out as a linear part; bends of known"
        " units are subtracted before a line is searched; signs follow from the last layer's least squares, at no cost"
    )
    accepts = SCORES
    victims = "two-layer relu"
    synthesizes = True
    patience: int = 200
    """Lines without a new hidden unit after which the search ends."""

    def _extract(self, theft: Theft) -> torch.nn.Module:
        if self.patience < 1:
            raise InputError(f"patience must be at least 1, got {self.patience}")
        victim = BentVictim(theft)
        victim.reserve = _reserve(theft, victim)
        least = 3 * (victim.inputs + 1) + 4 * LINES
        if theft.budget < least:
            raise BudgetExceeded(
                f"functionally_equivalent needs at least {least} queries for one hidden unit on {victim.inputs} inputs"
                f" and about {2 * victim.inputs + 30} for each further one, got a budget of {theft.budget}"
            )
        error, complete = float("nan"), False
        try:
            error, complete = self._search(theft, victim)
        except OutOfQueries:
            theft.progress("out of queries", 1.0)
        known = victim.everything() if complete else self._fresh(theft, victim)
        network, plain = assembled(victim.units, *last_layer(victim.units, *known))
        theft.notes |= {
            "hidden_units": len(victim.units.b),
            "complete": complete,
            "same_architecture": plain,
            "largest_error": None if np.isnan(error) else error,
        }
        return network

    def _fresh(self, theft: Theft, victim: BentVictim) -> tuple[NDArray[Any], NDArray[Any]]:
        """Inputs from all over, for the best fit of units that are not all there; the others lie about bends."""
        left = theft.remaining()
        count = left if left < 2 * victim.reserve else victim.reserve
        victim.reserve = 0
        x = self._places(theft, victim, theft.rng("reserve"), count)
        return x, victim.ask(x)

    def _search(self, theft: Theft, victim: BentVictim) -> tuple[float, bool]:
        """Find units until lines show no new one and fresh inputs are answered alike; largest error, and whether so."""
        rng = theft.rng("lines")
        suspects: list[NDArray[np.float64]] = []
        error, before = float("nan"), -1
        while len(victim.units.b) > before:
            before = len(victim.units.b)
            self._search_lines(theft, victim, rng, suspects)
            worst, error = self._check(theft, victim, rng)
            if error <= max(1e-8 * victim.scale, 1e3 * victim.noise):
                return error, True
            suspects = [worst] * LINES
        return error, False

    def _search_lines(
        self, theft: Theft, victim: BentVictim, rng: np.random.Generator, suspects: list[NDArray[np.float64]]
    ) -> None:
        """Find hidden units on random lines, first through ``suspects``, until many in a row have shown no new one."""
        quiet = 0
        while quiet < self.patience:
            start, end = self._lines(theft, victim, rng, suspects[:LINES])
            suspects = suspects[LINES:]
            known = len(victim.units.b)
            for kink in victim.kinks(start, end):
                on_known = np.abs(victim.units.a @ kink.x + victim.units.b)
                if on_known.min(initial=1.0) > 1e-6 and not recover_unit(victim, kink, rng):
                    suspects = [*suspects, kink.x][:MOST_SUSPECTS]
            found = len(victim.units.b)
            victim.reserve = _reserve(theft, victim)
            quiet = 0 if found > known else quiet + LINES
            theft.progress(f"found {found} hidden units", 1 - theft.remaining() / theft.budget)

    def _lines(
        self, theft: Theft, victim: BentVictim, rng: np.random.Generator, suspects: list[NDArray[np.float64]]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Ends of segments: one between inputs, the others between opposite corners, which reach farthest.

        A line through a suspect, where a bend could not be explained or the network found erred, replaces one each.
        """
        inputs = self._places(theft, victim, rng, 2 * LINES)
        start, end = inputs[:LINES], inputs[LINES:]
        start[1:] = rng.choice([victim.low, victim.high], size=start[1:].shape)
        end[1:] = victim.low + victim.high - start[1:]
        for line, x in enumerate(suspects):
            end[line] = x + 0.9 * victim.room(x, x - start[line]) * (x - start[line])
        return start, end

    def _places(self, theft: Theft, victim: BentVictim, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """Inputs ``(count, d)``, half of them from the pool when there is one, the others uniform."""
        x = rng.uniform(victim.low, victim.high, size=(count, victim.inputs))
        if theft.pool is not None and len(theft.pool):
            rows = rng.integers(0, len(theft.pool), size=len(x[1::2]))
            x[1::2] = theft.pool[rows].reshape(len(rows), -1)
        return x

    def _check(self, theft: Theft, victim: BentVictim, rng: np.random.Generator) -> tuple[NDArray[np.float64], float]:
        """The fresh input at which the network found errs most, and by how much."""
        u, linear, bias = last_layer(victim.units, *victim.everything())
        x = self._places(theft, victim, rng, CHECKS)
        errors = np.abs(victim.units.hidden(x) @ u + x @ linear + bias - victim.ask(x)).max(axis=1)
        place = int(errors.argmax())
        return x[place], float(errors[place])


def _reserve(theft: Theft, victim: BentVictim) -> int:
    """Queries to keep for a fit of the last layer, should the search not come to its end."""
    return min(4 * (victim.inputs + 1 + len(victim.units.b)), theft.budget // 3)
