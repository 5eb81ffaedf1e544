"""A verdict as one picture: the suspect among control models, or its matches against what chance gives."""

from __future__ import annotations

import io
import math
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stealproof.errors import InputError
from stealproof.files import write_atomic
from stealproof.measures.binomial import matches_p_value
from stealproof.reports._svg import COLOURS

if TYPE_CHECKING:
    from stealproof.claims import Claim, Verdict

DATED = {".svg": "Date", ".pdf": "CreationDate", ".png": "Creation Time"}
"""Where each kind of file would keep the time, which is left out, so that equal verdicts are equal files."""
BLUE, RED, GREEN = COLOURS[:3]
GREY = "#586675"
RARE = 1e-9
"""Numbers of matches that chance gives less often than this are left out, unless something else is drawn there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """The null distribution of a count: ``n`` labels of which each one matches with this ``rate``."""

    n: int
    rate: float


def chance_of(verdict: Verdict, claim: Claim, classes: int) -> Chance | None:
    """The null distribution of ``verdict`` where its statistic counts matching labels of ``classes``, else None.

    The p-value in the verdict must be the tail of what is returned: no other distribution is drawn as the null.
    """
    labels = claim.secrets.get("labels")
    counted = verdict.statistic == round(verdict.statistic) and math.isfinite(verdict.threshold)
    if labels is None or np.ndim(labels) != 1 or not counted or not 0 <= verdict.statistic <= len(labels):
        return None
    tail = matches_p_value(round(verdict.statistic), len(labels), 1 / classes)
    return Chance(n=len(labels), rate=1 / classes) if math.isclose(tail, verdict.p_value, rel_tol=1e-6) else None


def check_target(path: Path) -> Path:
    """Refuse a kind of file that is not drawn.

    Raises:
        InputError: another suffix.
    """
    if path.suffix.lower() not in DATED:
        raise InputError(f"a plot is saved as .svg, .png or .pdf, got {path.name}; name it {path.stem}.svg")
    return path


def save_plot(verdict: Verdict, path: Path, *, suspect: str, chance: Chance | None = None) -> Path:
    """Draw ``verdict`` to ``path``; its suffix says how.

    Args:
        verdict: with its controls, if it has some.
        path: ends in .svg, .png or .pdf.
        suspect: what it is called.
        chance: see ``chance_of``.

    Raises:
        InputError: another suffix.
        StorageError: the disk refuses.
    """
    kind = check_target(path).suffix.lower()
    import matplotlib as mpl
    from matplotlib.figure import Figure

    drawn = io.BytesIO()
    # Text stays text, and can be searched and read aloud.
    with mpl.rc_context({"svg.hashsalt": "stealproof", "svg.fonttype": "none"}):
        figure = Figure(figsize=(8, 4.8), dpi=150, layout="constrained")
        _draw(figure.add_subplot(), verdict, suspect, chance)
        figure.savefig(drawn, format=kind[1:], metadata={DATED[kind]: None})
    return write_atomic(path, drawn.getvalue())


def _draw(axes: Any, verdict: Verdict, suspect: str, chance: Chance | None) -> None:
    places = [verdict.statistic, *verdict.controls]
    if math.isfinite(verdict.threshold):
        words = f"threshold at the level {verdict.level:g}: {verdict.threshold:.4g}"
        axes.axvline(verdict.threshold, color=RED, linestyle="--", label=words)
        places.append(verdict.threshold)
    else:
        axes.plot([], [], color=RED, linestyle="--", label=f"no value would reach the level {verdict.level:g}")
    if verdict.published_threshold is not None:
        words = f"the paper's threshold: {verdict.published_threshold:.4g}"
        axes.axvline(verdict.published_threshold, color=GREY, linestyle=":", label=words)
        places.append(verdict.published_threshold)
    if chance is not None:
        places += _matches(axes, chance)
    if verdict.controls:
        words = "1 control model" if len(verdict.controls) == 1 else f"{len(verdict.controls)} control models"
        axes.hist(verdict.controls, bins=_bins(places), color=BLUE, alpha=0.45, label=words)
        axes.set_ylabel("control models" if chance is None else "")
    if not verdict.controls and chance is None:
        axes.set_yticks([])
        axes.plot([], [], " ", label="no control models, and no distribution that could be drawn")
    axes.axvline(verdict.statistic, color=GREEN, linewidth=2.5, label=f"{suspect}: {verdict.statistic:.4g}")
    low, high = min(places), max(places)
    room = 0.05 * (high - low) or 0.5
    axes.set_xlim(low - room, high + room)
    axes.set_xlabel(f"statistic of {verdict.scheme}; further to the right is more like a copy")
    axes.set_title(f"{str(verdict.decision).upper()}: p = {verdict.p_value:.3g} at the level {verdict.level:g}")
    axes.text(
        0.0,
        -0.2,
        textwrap.fill(f"null hypothesis: {verdict.null}", 110),
        transform=axes.transAxes,
        fontsize=8,
        color=GREY,
        va="top",
    )
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.3), ncols=2, fontsize=8, frameon=False)


def _matches(axes: Any, chance: Chance) -> list[float]:
    """Draw what chance gives; the places that are worth seeing."""
    from scipy import stats

    counts = np.arange(chance.n + 1)
    shares = stats.binom.pmf(counts, chance.n, chance.rate)
    seen = counts[shares > RARE]
    words = f"chance: {chance.n} labels, each with {chance.rate:.3g}"
    axes.bar(seen, shares[seen], width=0.9, color=BLUE, alpha=0.45, label=words)
    axes.set_ylabel("probability under the null hypothesis")
    return [float(seen.min()) - 0.5, float(seen.max()) + 0.5]


def _bins(places: list[float]) -> Any:
    """Edges over everything that is drawn, so that bars of a few control models stay narrow."""
    low, high = min(places), max(places)
    return np.linspace(low, high, 41) if high > low else 1
