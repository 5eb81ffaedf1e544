"""The picture of a verdict shows what it says, and never another null distribution than that of its p-value."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stealproof.claims import Claim, Decision, Verdict
from stealproof.errors import InputError
from stealproof.measures.binomial import critical_matches, matches_p_value
from stealproof.reports.verdict_plot import Chance, chance_of, save_plot


def verdict(**changes: Any) -> Verdict:
    fields: dict[str, Any] = {
        "scheme": "toy_mark",
        "decision": Decision.OWNED,
        "null": "the suspect was made without knowledge of the labels",
        "statistic": 20.0,
        "threshold": float(critical_matches(25, 0.1, 1e-3)),
        "p_value": matches_p_value(20, 25, 0.1),
        "level": 1e-3,
    }
    return Verdict(**{**fields, **changes})


def claim(n: int = 25) -> Claim:
    return Claim(scheme="toy_mark", secrets={"labels": np.zeros(n, dtype=np.int64)})


def drawn(folder: Path, found: Verdict, chance: Chance | None = None) -> str:
    path = save_plot(found, folder / "verdict.svg", suspect="stolen.safetensors", chance=chance)
    return path.read_text(encoding="utf-8")


def test_matches_are_drawn_against_chance_with_the_threshold_and_the_papers(tmp_path: Path) -> None:
    found = verdict(published_threshold=12.5)
    svg = drawn(tmp_path, found, chance_of(found, claim(), 10))
    for words in (
        "OWNED: p = 3.22e-16 at the level 0.001",
        "stolen.safetensors: 20",
        "threshold at the level 0.001: 9",
        "12.5",
        "chance: 25 labels, each with 0.1",
        "null hypothesis: the suspect was made without knowledge of the labels",
    ):
        assert words in svg


def test_a_suspect_is_drawn_among_its_controls(tmp_path: Path) -> None:
    controls = tuple(np.linspace(-0.5, -0.2, 99).tolist())
    svg = drawn(tmp_path, verdict(statistic=-0.1, threshold=-0.2, p_value=0.01, level=0.01, controls=controls))
    assert "99 control models" in svg
    assert "chance:" not in svg
    few = drawn(tmp_path, verdict(statistic=0.5, threshold=math.inf, p_value=0.5, controls=(0.5,)))
    assert "no value would reach the level 0.001" in few
    assert "1 control models" not in few


def test_a_verdict_without_any_distribution_says_so(tmp_path: Path) -> None:
    svg = drawn(tmp_path, verdict(statistic=0.3, threshold=math.inf, p_value=1.0, decision=Decision.INCONCLUSIVE))
    assert "no control models, and no distribution that could be drawn" in svg
    assert "INCONCLUSIVE" in svg


@pytest.mark.parametrize(
    ("changes", "secrets", "classes"),
    [
        ({"p_value": 1e-3}, claim().secrets, 10),
        ({}, claim().secrets, 5),
        ({}, claim(30).secrets, 10),
        ({"statistic": 19.5}, claim().secrets, 10),
        ({"statistic": 26.0}, claim().secrets, 10),
        ({"threshold": math.inf}, claim().secrets, 10),
        ({}, {}, 10),
        ({}, {"labels": np.zeros((25, 2))}, 10),
    ],
)
def test_chance_is_only_what_gives_the_p_value(changes: dict[str, Any], secrets: dict[str, Any], classes: int) -> None:
    assert chance_of(verdict(**changes), Claim(scheme="toy_mark", secrets=secrets), classes) is None
    assert chance_of(verdict(), claim(), 10) == Chance(n=25, rate=0.1)


@pytest.mark.parametrize(("suffix", "start"), [(".svg", b"<?xml"), (".png", b"\x89PNG"), (".PDF", b"%PDF")])
def test_the_suffix_says_how_and_equal_verdicts_are_equal_files(suffix: str, start: bytes, tmp_path: Path) -> None:
    files = [save_plot(verdict(), tmp_path / f"{name}{suffix}", suspect="s").read_bytes() for name in ("one", "two")]
    assert files[0] == files[1]
    assert files[0].startswith(start)


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"saved as \.svg, \.png or \.pdf, got plot\.txt; name it plot\.svg"):
        save_plot(verdict(), tmp_path / "plot.txt", suspect="s")
    assert not list(tmp_path.iterdir())
