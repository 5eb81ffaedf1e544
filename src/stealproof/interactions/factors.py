"""The factors of the factor guideline: which way defenses and risks go with each cause of overfitting, as data.

Duddu, Szyller, Asokan, "SoK: Unintended Interactions among Machine Learning Defenses and Risks" (IEEE S&P 2024,
arXiv:2312.04542): its factors, their arrows for seven kinds of defenses and eight of risks, and its table of the
interactions that the literature found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Direction = Literal["rises", "falls"]
SOURCE = "Duddu, Szyller & Asokan, IEEE S&P 2024"

FACTORS = {
    "D1": "size of the training data",
    "D2": "tail length of the distribution",
    "D3": "number of attributes",
    "D4": "priority of learning stable attributes",
    "O1": "curvature smoothness of the objective",
    "O2.1": "distinguishability across data sets",
    "O2.2": "distinguishability across subgroups",
    "O2.3": "distinguishability across models",
    "O3": "distance of training data to the decision boundary",
    "M1": "model capacity",
}


def active(factor: str) -> bool:
    """Whether a factor is one of the objective, which dominate those of data and model."""
    return factor.startswith("O")


def _arrows(text: str) -> Mapping[str, int]:
    return {part[:-1]: 1 if part.endswith("+") else -1 for part in text.split()}


DEFENSES = {
    "adversarial training": _arrows("D1+ D2- D4+ O1+ O2.1+ O3+ M1+"),
    "outlier removal": _arrows("D2+"),
    "watermarking": _arrows("D2+ O2.3- M1+"),
    "fingerprinting": _arrows("O2.3- O3-"),
    "differential privacy": _arrows("D2- D4+ O1- O2.1- O3- M1-"),
    "group fairness": _arrows("D4+ O2.2- O3-"),
    "explanations": _arrows("D3- O2.1+ O2.2+"),
}
"""Kinds of defenses (RD1 to RD4, PD1, FD1, FD2), and which way an effective one goes with each factor."""

RISKS = {
    "evasion": _arrows("D2+ O1- O3-"),
    "poisoning": _arrows("D2+ M1+"),
    "unauthorized ownership": _arrows("M1-"),
    "membership inference": _arrows("D1- D2+ D4- O2.1+ O3- M1+"),
    "data reconstruction": _arrows("D2+ D3- O2.1+ O2.2+"),
    "attribute inference": _arrows("D2+ D4- O2.2+"),
    "distribution inference": _arrows("D2+ D4+ O2.1+ M1+"),
    "discriminatory behaviour": _arrows("D2+ O2.2+"),
}
"""Kinds of risks (R1 to R3, P1 to P4, F), and which way each factor goes with susceptibility to it."""

_CELLS = {
    "adversarial training": "G R R R R . R R",
    "outlier removal": "G G . R . R . R",
    "watermarking": ". R G R R R R R",
    "fingerprinting": "R . G R . . . .",
    "differential privacy": "R R . G G G G R",
    "group fairness": "R R . R G G R G",
    "explanations": "R R R R R R R R",
}
PUBLISHED: Mapping[tuple[str, str], Direction | None] = {
    (defense, risk): {"R": "rises", "G": "falls", ".": None}[cell]
    for defense, row in _CELLS.items()
    for risk, cell in zip(RISKS, row.split(), strict=True)
}
"""The table of interactions that the literature found, by theory or measurement; None where nobody has looked."""

EXCEPTIONS = {
    ("adversarial training", "unauthorized ownership"): "falls for a malicious accuser",
    ("differential privacy", "evasion"): "falls in some works",
    ("differential privacy", "distribution inference"): "rises in some works",
    ("group fairness", "attribute inference"): "rises in some works",
    ("explanations", "discriminatory behaviour"): "falls in some works",
}
"""What the table notes beside a cell."""

INTENDED = frozenset(
    {
        ("adversarial training", "evasion"),
        ("outlier removal", "poisoning"),
        ("watermarking", "unauthorized ownership"),
        ("fingerprinting", "unauthorized ownership"),
        ("differential privacy", "membership inference"),
        ("differential privacy", "data reconstruction"),
        ("differential privacy", "attribute inference"),
        ("differential privacy", "distribution inference"),
        ("group fairness", "discriminatory behaviour"),
        ("group fairness", "attribute inference"),
    }
)
"""Cells that are what the defense is for, which says nothing of unintended interactions. Our choice, for want of a
list: privacy risks for privacy, sensitive attributes and discrimination for fairness."""
