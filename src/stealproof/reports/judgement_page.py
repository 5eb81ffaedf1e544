"""One self-contained HTML page of a verdict file: the decision, then what was seen, then each step of the judge."""

from __future__ import annotations

import io
import math
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from stealproof.court.claiming import opened_claim
from stealproof.court.hearing import Judgement
from stealproof.court.recording import decode_records, query_digest
from stealproof.measures.e_process import log_e_path
from stealproof.reports._svg import COLOURS, STYLE, theme
from stealproof.reports._templates import template
from stealproof.reports.verdict_plot import Chance, chance_of, save_plot

if TYPE_CHECKING:
    from stealproof.claims import Verdict
    from stealproof.court.verdict_file import VerdictFile

TONES = {"owned": "bad", "not owned": "good", "inconclusive": "warn"}
"""Colour of a decision; the words say it as well."""
MEANING = {
    "owned": "The suspect is a copy, as far as a test can tell: an independent model would hardly ever answer so.",
    "not owned": "Nothing speaks for a copy: an independent model could well answer like this.",
    "inconclusive": "This trial can't tell; the steps below that do not hold say why.",
}
MARKS = {True: "holds", False: "does not hold", None: "can't tell, and need not"}
QUESTIONS = {
    "envelope": "Is the claim what the accuser signed?",
    "signer": "Who signed it?",
    "commitment": "Is what is shown now what was promised then?",
    "timestamp": "Is the claim older than the accuser's first look at the suspect?",
    "generation": "Did nobody choose what is asked?",
    "test": "Does the suspect answer like a copy?",
    "controls": "Would the claim hold against anybody?",
    "decision": "What follows?",
}
"""Each step of a judge as a question that anybody understands."""


def judgement_page(judgement: Judgement, file: VerdictFile) -> str:
    """The page as one HTML text: styles and drawings inside, nothing loaded from anywhere.

    Args:
        judgement: recomputed from ``file``, or the one that was just written to it.
        file: gives the answers that are drawn, and who judged when.
    """
    decision, verdict = str(judgement.decision), judgement.verdict
    claim = opened_claim(file.dossier, what="the dossier")
    outcomes, classes = _matches(file, claim.secrets)
    chance = chance_of(verdict, claim, classes)
    return template("judgement.html.j2").render(
        decision=decision,
        meaning=MEANING[decision],
        tone=TONES[decision],
        suspect=file.said["suspect"],
        verdict=verdict,
        said=file.said,
        steps=[
            (QUESTIONS[one.step], "" if one.step == "decision" else MARKS[one.ok], one) for one in judgement.findings
        ],
        among=_among(verdict, chance) if verdict.controls or chance is not None else "",
        over_queries=_inline(_over_queries(outcomes, classes, verdict.level)) if len(outcomes) else "",
        asked=len(outcomes),
        matched=int(outcomes.sum()),
        chance=1 / classes,
        judge=file.judge.key_id,
        css=Markup(theme() + STYLE),
    )


def _matches(file: VerdictFile, secrets: Any) -> tuple[NDArray[np.bool_], int]:
    """Whether each claimed input that the suspect was asked got its claimed label, in order; and the classes."""
    record = decode_records(file.answers, {"suspect": file.said["suspect"]["answers"]})["suspect"]
    inputs, labels = secrets.get("inputs"), secrets.get("labels")
    if inputs is None or np.ndim(labels) != 1 or not record.answers:
        return np.zeros(0, dtype=bool), record.classes
    claimed = {query_digest(row): int(label) for row, label in zip(inputs, labels, strict=True)}
    first = dict[bytes, bool]()
    for digest, answer in zip(record.asked, record.answers[0].predicted, strict=True):
        if digest in claimed:
            first.setdefault(digest, int(answer) == claimed[digest])
    return np.asarray(list(first.values()), dtype=bool), record.classes


def _among(verdict: Verdict, chance: Chance | None) -> Markup:
    with tempfile.TemporaryDirectory() as folder:
        drawn = save_plot(verdict, Path(folder) / "plot.svg", suspect="the suspect", chance=chance)
        return _inline(drawn.read_text(encoding="utf-8"))


def _over_queries(outcomes: NDArray[np.bool_], classes: int, level: float) -> str:
    """Matches, and the evidence in them, after each question, as an SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    asked = np.arange(len(outcomes) + 1)
    evidence = np.concatenate([[0.0], log_e_path(outcomes, 1 / classes) / math.log(10)])
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "stealproof", "svg.fonttype": "none"}):
        figure = Figure(figsize=(8, 5.4), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        above.step(
            asked,
            np.concatenate([[0], np.cumsum(outcomes)]),
            where="post",
            color=COLOURS[2],
            linewidth=2.2,
            label="the suspect",
        )
        above.plot(asked, asked / classes, color=COLOURS[0], linestyle="--", label="chance")
        above.set_ylabel("claimed labels given")
        above.legend(frameon=False)
        below.plot(asked, evidence, color=COLOURS[2], linewidth=2.2)
        words = f"enough for the level {level:g}, where labels were drawn at random"
        below.axhline(-math.log10(level), color=COLOURS[1], linestyle="--", label=words)
        below.set_ylabel("evidence (log10 of the e-value)")
        below.set_xlabel("questions asked")
        below.xaxis.set_major_locator(MaxNLocator(integer=True))
        below.legend(frameon=False)
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _inline(svg: str) -> Markup:
    """The drawing without what only a file of its own needs."""
    return Markup(re.sub(r"^.*?(?=<svg)", "", svg, count=1, flags=re.DOTALL))
