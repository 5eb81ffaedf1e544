"""Where a piecewise linear victim bends along straight lines, once the bends that are known are taken out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stealproof.attacks.extraction._soft_answers import log_scores
from stealproof.errors import InputError
from stealproof.oracle import Answer
from stealproof.roles.extraction import Theft

NARROWEST = 1e-7
"""Shortest stretch of a line, as a fraction of it, that is still looked into."""

MOST_PIECES = 4096
"""Most stretches looked into side by side; a smooth victim would need ever more."""


class OutOfQueries(Exception):
    """The budget is spent; what was found so far stands."""


@dataclass(slots=True, kw_only=True)
class Units:
    """Hidden units found so far: ``u * relu(a @ x + b)`` each, with ``a`` of length 1."""

    a: NDArray[np.float64]
    """``(h, d)``"""
    b: NDArray[np.float64]
    """``(h,)``"""
    u: NDArray[np.float64]
    """Output weights ``(h, outputs)``."""

    def hidden(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the units answer, ``(n, h)``."""
        return np.maximum(x @ self.a.T + self.b, 0.0)

    def add(self, a: NDArray[np.float64], b: float, u: NDArray[np.float64]) -> None:
        """Append one unit."""
        self.a = np.concatenate([self.a, a[None]])
        self.b = np.append(self.b, b)
        self.u = np.concatenate([self.u, u[None]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Kink:
    """A bend of the victim along a line."""

    x: NDArray[np.float64]
    """Where, ``(d,)``."""
    direction: NDArray[np.float64]
    """Unit vector along the line, ``(d,)``."""
    jump: NDArray[np.float64]
    """Change of the outputs' slopes along ``direction``, ``(outputs,)``."""
    room: float
    """How far the line stays straight on either side."""


class BentVictim:
    """The victim as a function of flat inputs, in float64, with the answers it gave and the precision they have."""

    def __init__(self, theft: Theft) -> None:
        """Nothing is asked yet."""
        domain = theft.oracle.domain
        self.low = domain.low if np.isfinite(domain.low) else -1.0
        self.high = domain.high if np.isfinite(domain.high) else 1.0
        self.inputs = int(np.prod(domain.shape))
        outputs = theft.oracle.classes
        self.units = Units(a=np.zeros((0, self.inputs)), b=np.zeros(0), u=np.zeros((0, outputs)))
        self._theft = theft
        self._asked: list[NDArray[np.float64]] = []
        self._told: list[NDArray[np.float64]] = []
        self.reserve = 0
        """Queries that are kept for the end."""
        self.scale = 0.0
        """Largest output so far."""
        self.blur = 0.0
        """Largest error of a known unit's contribution to a slope."""
        self._precision = float(np.finfo(np.float64).eps)

    def ask(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Outputs ``(n, outputs)`` of flat inputs ``(n, d)``; one query each.

        Raises:
            OutOfQueries: the budget, less the reserve, does not cover them; nothing is asked.
        """
        if len(x) > self._theft.remaining() - self.reserve:
            raise OutOfQueries
        x = np.clip(x, self.low, self.high)
        oracle = self._theft.oracle
        answers = self._theft.ask(x.reshape(-1, *oracle.domain.shape))
        assert answers.scores is not None
        unit = 0.0 if oracle.access.decimals is None else 10.0**-oracle.access.decimals
        if oracle.access.answer is Answer.LOGITS:
            outputs = np.asarray(answers.scores, dtype=np.float64)
        else:
            outputs = log_scores(answers, oracle.access, unit)
        self.scale = max(self.scale, float(np.abs(outputs).max()))
        self._precision = max(self._precision, float(np.finfo(answers.scores.dtype).eps), unit / 2)
        self._asked.append(x)
        self._told.append(outputs)
        return outputs

    def rest(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the known units do not explain at ``x``, ``(n, outputs)``."""
        return self.ask(x) - self.units.hidden(x) @ self.units.u

    def room(self, x: NDArray[np.float64], direction: NDArray[np.float64]) -> float:
        """How many times ``direction`` (d,) may be added to ``x`` (d,) before it leaves the box."""
        with np.errstate(divide="ignore", invalid="ignore"):
            limits = np.where(direction > 0, self.high - x, self.low - x) / direction
        return max(0.0, float(np.min(limits[direction != 0], initial=np.inf)))

    @property
    def noise(self) -> float:
        """How much of an output may be rounding."""
        return 2 * self._precision * self.scale

    @property
    def step(self) -> float:
        """A good step for finite differences, as a fraction of the stretch that is straight."""
        return float(min(0.1, 3 * self._precision**0.22))

    @property
    def faintest_jump(self) -> float:
        """The least change of slope that is taken for a unit; a smaller one may be an error of those known already."""
        return max(3 * self.blur, float(np.sqrt(self._precision) * np.abs(self.units.u).max(initial=0.0)))

    def everything(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """All inputs ``(n, d)`` and outputs ``(n, outputs)`` so far."""
        return np.concatenate(self._asked), np.concatenate(self._told)

    def kinks(self, start: NDArray[np.float64], end: NDArray[np.float64]) -> list[Kink]:
        """Bends along segments from ``start`` to ``end``, both ``(lines, d)``.

        A stretch whose slopes at both ends agree is straight. Else the two end pieces are extended until they meet:
        if the victim is found there, that is the only bend (Jagielski et al. 2020, section 5.2); if not, the stretch
        is halved.
        """
        pieces = [(line, 0.0, 1.0) for line in range(len(start))]
        length = np.linalg.norm(end - start, axis=1)
        found: list[tuple[int, float, NDArray[np.float64]]] = []
        while pieces:
            if len(pieces) > MOST_PIECES:
                raise InputError(
                    f"the victim bends at more than {MOST_PIECES // 2} places of {len(start)} lines;"
                    " functionally_equivalent steals ReLU networks of one hidden layer, use knockoff_nets"
                )
            line = np.array([piece[0] for piece in pieces])
            a, b = np.array([piece[1:] for piece in pieces]).T
            values = self._on_lines(start, end, line, a, b)
            meet, jump, straight, single = self._ends_meet(values, a, b, length[line])
            check = np.flatnonzero(~straight & single)
            if len(check):
                there = self.rest(start[line[check]] + meet[check, None] * (end - start)[line[check]])
                expected = values[0][check] + (meet - a)[check, None] * self._slope(values, a, b, left=True)[check]
                allowed = self._allowed((b - a) * length[line])[check]
                hit = np.abs(there - expected).max(axis=1) <= allowed
                found += [(int(line[i]), float(meet[i]), jump[i]) for i in check[hit]]
                straight[check[hit]] = True
            pieces = [
                half
                for i in np.flatnonzero(~straight & (b - a > NARROWEST))
                for half in ((line[i], a[i], (a[i] + b[i]) / 2), (line[i], (a[i] + b[i]) / 2, b[i]))
            ]
        return self._as_kinks(found, start, end, length)

    def _on_lines(self, start: Any, end: Any, line: Any, a: Any, b: Any) -> NDArray[np.float64]:
        """What is not explained at both ends of each stretch and one step inside: ``(4, pieces, outputs)``."""
        s = self.step * (b - a)
        places = np.stack([a, a + s, b - s, b])
        x = start[line] + places[:, :, None] * (end - start)[line]
        return self.rest(x.reshape(-1, self.inputs)).reshape(4, len(line), -1)

    def _slope(self, values: NDArray[np.float64], a: Any, b: Any, *, left: bool) -> NDArray[np.float64]:
        step = (self.step * (b - a))[:, None]
        return np.asarray((values[1] - values[0] if left else values[3] - values[2]) / step)

    def _ends_meet(self, values: NDArray[np.float64], a: Any, b: Any, length: Any) -> tuple[Any, Any, Any, Any]:
        """Where the end pieces meet, the change of slope, and whether the stretch is straight or has one bend."""
        left, right = self._slope(values, a, b, left=True), self._slope(values, a, b, left=False)
        width = b - a
        allowed = self._allowed(width * length)
        jump = right - left
        off = values[0] + left * width[:, None] - values[3]
        straight = (np.abs(jump).max(axis=1) * width <= allowed) & (np.abs(off).max(axis=1) <= allowed)
        size = (jump**2).sum(axis=1)
        # left piece: values[0] + left (t - a); right piece: values[3] + right (t - b); equal where jump (t - b) = off
        with np.errstate(divide="ignore", invalid="ignore"):
            meet = b + np.where(size > 0, (off * jump).sum(axis=1) / size, 0.0)
        apart = np.abs(off - jump * (meet - b)[:, None]).max(axis=1)
        inside = (meet > a + self.step * width) & (meet < b - self.step * width)
        return meet, jump / length[:, None], straight, inside & (apart <= allowed)

    def _allowed(self, stretch: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far outputs may be from a straight line over ``stretch``: rounding, and errors of the known units."""
        return np.asarray(20 * self.noise / self.step + self.faintest_jump * stretch)

    def _as_kinks(self, found: Any, start: Any, end: Any, length: Any) -> list[Kink]:
        kinks = []
        for line, place, jump in sorted(found, key=lambda kink: kink[:2]):
            others = [other for i, other, _ in found if i == line and other != place]
            room = min([place, 1 - place, *(abs(place - other) for other in others)]) * length[line]
            direction = (end[line] - start[line]) / length[line]
            kinks.append(Kink(x=start[line] + place * (end - start)[line], direction=direction, jump=jump, room=room))
        return kinks
