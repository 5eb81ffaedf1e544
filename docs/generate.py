"""Write the pages that are made from the code and the recorded results; with ``--check``, only say what is stale.

docs/catalog.md        every system with its source, from the catalog
docs/reproductions.md  what our studies measured beside what the papers found, from results/*.json
"""

from __future__ import annotations

import json
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

from stealproof import catalog
from stealproof.reports.matrix import make_matrix
from stealproof.reports.matrix_text import matrix_markdown
from stealproof.reports.tables import tally, words
from stealproof.studies import library

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "results"
NOTICE = "<!-- made by docs/generate.py; change the code or the results, then run `make docs` -->\n"

ROLE_TITLES = {
    "extraction": "Extraction attacks",
    "removal": "Removal attacks",
    "false_claim": "False claims",
    "training_defense": "Training defenses",
    "guard": "Guards at the API",
    "ownership": "Ownership schemes",
    "risk": "Risks",
    "dataset": "Data sets",
    "model": "Models",
    "experiment": "Experiments",
}


def catalog_page() -> str:
    """One table a role."""
    lines = [
        NOTICE,
        "# The catalog",
        "",
        "`stealproof list` prints it, `stealproof show NAME` tells the parameters.",
        "",
    ]
    for role, group in groupby(catalog.entries(), key=lambda entry: entry.roles[0]):
        lines += [f"## {ROLE_TITLES[role]}", "", "| name | what it is | source |", "|---|---|---|"]
        for entry in group:
            lines.append(f"| `{entry.name}` | {entry.summary} | {_cited(entry.source)} |")
        lines.append("")
    return "\n".join(lines)


def _cited(source: Any) -> str:
    if not source:
        return ""
    text = f"{source['authors']}, {source['venue']} {source['year']}"
    return f"[{text}]({source['url']})" if source["url"] else text


def reproductions_page() -> str:
    """One table a study: each expectation with what was measured."""
    lines = [
        NOTICE,
        "# Reproductions",
        "",
        "What each study measured, beside what was expected. Every number is a mean over the seeds named, with a 95%",
        "interval; `stealproof reproduce NAME` computes it again.",
        "",
    ]
    for path in sorted(RESULTS.glob("*.json")):
        lines += _study(path.stem, json.loads(path.read_text(encoding="utf-8")))
    return "\n".join(lines)


def _study(name: str, cards: Any) -> list[str]:
    """The expectations of one study; ``open`` means that the interval reaches over the bound."""
    lines = [f"## {name}", "", f"{tally(cards)}.", ""]
    study = library.shipped(name)
    if study.table is not None:
        lines += [*matrix_markdown(make_matrix(cards, study.table)), ""]
    lines += [
        "| cell | measure | measured (95% interval) | seeds | expected | paper | holds |",
        "|---|---|---|---|---|---|---|",
    ]
    for card in cards:
        for finding in card["expectations"]:
            lines.append(_finding(card, finding))
    return [*lines, ""]


def _finding(card: Any, finding: Any) -> str:
    cell = card["name"] + (f" minus {words(finding['minus'])}" if finding["minus"] else "")
    measured, interval = finding["measured"], finding["interval"]
    found = "not measured" if measured is None else f"{measured:.4g} ({interval[0]:.4g} to {interval[1]:.4g})"
    paper = "" if finding["paper"] is None else f"{finding['paper']:g}"
    holds = {True: "yes", False: "**no**", None: "open"}[finding["holds"]]
    seeds = len(card["seeds"])
    return f"| {cell} | {finding['measure']} | {found} | {seeds} | {finding['expected']} | {paper} | {holds} |"


def main() -> int:
    """Write, or compare and return 1 when a page is stale."""
    pages = {DOCS / "catalog.md": catalog_page(), DOCS / "reproductions.md": reproductions_page()}
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv:
        for path in stale:
            sys.stderr.write(f"{path.relative_to(DOCS.parent)} is stale; run: make docs\n")
        return 1 if stale else 0
    for path in stale:
        path.write_text(pages[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
