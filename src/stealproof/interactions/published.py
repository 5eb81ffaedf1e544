"""Pairs of protections that somebody measured, as data: what the stage rule is scored on."""

from __future__ import annotations

from stealproof.interactions.conjecture import Guess
from stealproof.interactions.stages import POISONING, Act, Moment, Place

SZYLLER2023: tuple[tuple[str, str, Guess], ...] = (
    ("adi2018", "dp_sgd", "conflict"),
    ("adi2018", "pgd_training", "conflict"),
    ("radioactive_data", "dp_sgd", "aligned"),
    ("radioactive_data", "pgd_training", "conflict"),
    ("dataset_inference", "dp_sgd", "aligned"),
    ("dataset_inference", "pgd_training", "aligned"),
)
"""Szyller & Asokan (AAAI 2023): backdoor watermark, radioactive data and dataset inference beside DP-SGD and
adversarial training, by the catalog's names."""


def _act(name: str, moment: Moment, *changes: Place, lowers: str = "", uses: str = "") -> Act:
    return Act(
        name=name,
        moment=moment,
        changes=frozenset(changes),
        lowers=frozenset(filter(None, [lowers])),
        uses=frozenset(filter(None, [uses])),
    )


KINDS = {
    "adversarial training": _act("adversarial training", Moment.IN, Place.DATA, Place.WEIGHTS, lowers="evasion"),
    "private training": _act("private training", Moment.IN, Place.WEIGHTS, lowers="membership_inference"),
    "group fairness": _act("group fairness", Moment.IN, Place.WEIGHTS),
    "robust training": _act("robust training", Moment.IN, Place.WEIGHTS, lowers=POISONING),
    "outlier removal": _act("outlier removal", Moment.POST, Place.WEIGHTS, lowers=POISONING),
    "data watermark": _act("data watermark", Moment.PRE, Place.DATA, uses=POISONING),
    "poisoned watermark": _act("poisoned watermark", Moment.PRE, Place.DATA, uses=POISONING),
    "certified watermark": _act("certified watermark", Moment.IN, Place.WEIGHTS, uses=POISONING),
    "answer watermark": _act("answer watermark", Moment.POST, Place.ANSWERS),
    "fingerprint": _act("fingerprint", Moment.POST),
    "explanations": _act("explanations", Moment.POST),
}
"""The kinds of Duddu, Zhang & Asokan. Their stages are the authors'; what each changes, lowers and uses is ours, from
what the methods do. Outlier removal post-training and robust training both treat a trained network's weights."""

DUDDU2025: tuple[tuple[str, str, Guess, Guess], ...] = (
    ("adversarial training", "answer watermark", "aligned", "aligned"),
    ("robust training", "fingerprint", "aligned", "aligned"),
    ("outlier removal", "fingerprint", "aligned", "aligned"),
    ("adversarial training", "explanations", "aligned", "aligned"),
    ("group fairness", "outlier removal", "aligned", "aligned"),
    ("group fairness", "poisoned watermark", "aligned", "aligned"),
    ("group fairness", "answer watermark", "aligned", "aligned"),
    ("data watermark", "group fairness", "aligned", "aligned"),
    ("group fairness", "fingerprint", "conflict", "aligned"),
    ("group fairness", "explanations", "aligned", "aligned"),
    ("robust training", "answer watermark", "aligned", "aligned"),
    ("answer watermark", "explanations", "aligned", "aligned"),
    ("robust training", "poisoned watermark", "conflict", "conflict"),
    ("data watermark", "certified watermark", "aligned", "aligned"),
    ("outlier removal", "data watermark", "conflict", "conflict"),
    ("poisoned watermark", "explanations", "aligned", "aligned"),
    ("certified watermark", "explanations", "aligned", "aligned"),
    ("data watermark", "explanations", "aligned", "aligned"),
    ("robust training", "explanations", "aligned", "aligned"),
    ("outlier removal", "explanations", "aligned", "aligned"),
    ("explanations", "fingerprint", "aligned", "aligned"),
    ("data watermark", "fingerprint", "aligned", "aligned"),
    ("private training", "answer watermark", "aligned", "aligned"),
    ("data watermark", "answer watermark", "conflict", "aligned"),
    ("outlier removal", "answer watermark", "aligned", "aligned"),
    ("data watermark", "poisoned watermark", "aligned", "aligned"),
    ("adversarial training", "outlier removal", "conflict", "aligned"),
    ("poisoned watermark", "robust training", "conflict", "conflict"),
    ("poisoned watermark", "outlier removal", "conflict", "conflict"),
    ("certified watermark", "outlier removal", "conflict", "conflict"),
)
r"""The 30 pairs C9 to C38 that Duddu, Zhang & Asokan (TMLR 2025) measured themselves: two kinds, what they measured
before tuning, and what their Def\Con conjectured; from their released code (``evaluation.py``, and the file names of
``pairwise/``).

The conflict of data watermark and answer watermark was resolved by tuning. In that code, the cells of the answer
watermark (DAWN) never X
(C1 to C8) are not named there one by one, so that they are left out.
"""
