"""Conflicts: would a watermark of the audited model survive beside privacy or robustness, and the other way round?

A quick look at few pairs, few rows and few seeds, by the same experiment and criterion as `stealproof conflicts`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stealproof import catalog
from stealproof.audit._words import in_words
from stealproof.audit.deployments import EXPERIMENT, Choice, Deployments, plan_deployments, report
from stealproof.audit.proofs import obstacle
from stealproof.audit.subject import Subject
from stealproof.interactions.criterion import DEFAULT_CRITERION, Criterion
from stealproof.studies.results import Failure, Result
from stealproof.studies.study import Study

SCHEMES = ("derived_triggers", "adi2018")
"""The watermarks of the weights among the schemes that the audit tries as proofs."""
DEFENSES = ("dp_sgd", "fast_adversarial_training")
"""Privacy and robustness, each by its quickest defense."""
NEEDS = {"dp_sgd": ("opacus", "privacy")}
"""Package and extra that a defense can't do without."""
MOST_SEEDS = 3
MOST_ROWS = 1000
UNJUDGED = "detected"
"""Whether a proof holds is yes or no in each seed: so few of them can't tell, but a lost signal shows."""
CRITERION = Criterion(limits=tuple(limit for limit in DEFAULT_CRITERION.limits if limit.measure != UNJUDGED))


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictPlan:
    """The pairs that will be trained, and what is left out."""

    deployments: Deployments | None
    left_out: tuple[Mapping[str, Any], ...]
    seeds: tuple[int, ...]

    @property
    def study(self) -> Study:
        """The cells; none when nothing can be tried."""
        if self.deployments is not None:
            return self.deployments.study
        return Study(name="audit", title="Conflicts", experiment=EXPERIMENT, combinations=(), seeds=self.seeds)


def plan_conflicts(subject: Subject, seeds: Sequence[int], *, wanted: bool) -> ConflictPlan:
    """Networks like ``subject`` with a watermark, with a defense, and with both."""
    few = tuple(seeds[:MOST_SEEDS])
    reason = obstacle(subject) if wanted else "not asked for"
    if reason:
        entry = {"protections": [*SCHEMES, *DEFENSES], "why": reason}
        return ConflictPlan(deployments=None, left_out=(entry,), seeds=few)
    missing = {name: _missing(name) for name in DEFENSES}
    defenses = [name for name in DEFENSES if not missing[name]]
    left_out: list[Mapping[str, Any]] = [{"protections": [name], "why": why} for name, why in missing.items() if why]
    if not defenses:
        return ConflictPlan(deployments=None, left_out=tuple(left_out), seeds=few)
    given = subject.arguments
    choice = Choice(
        data=given["data"],
        data_parameters=dict(given.get("data_parameters", {})),
        family=given["victim"],
        family_parameters=dict(given.get("victim_parameters", {})),
        protections=(*SCHEMES, *defenses),
        pairs=tuple((scheme, defense) for scheme in SCHEMES for defense in defenses),
        rows=MOST_ROWS if len(subject.data.train) > MOST_ROWS else 0,
        seeds=few,
        quick=True,
    )
    why = "needs more time than an audit has; see `stealproof conflicts` and `stealproof reproduce conflicts`"
    left_out.append({"protections": ["other pairs"], "why": why})
    plan = plan_deployments(choice, name="audit")
    return ConflictPlan(deployments=plan, left_out=tuple(left_out), seeds=few)


def conflicts(plan: ConflictPlan, results: Sequence[Result] = (), failures: Sequence[Failure] = ()) -> dict[str, Any]:
    """The section of the report in JSON types; ``interactions`` is empty when nothing was measured."""
    left_out = [dict(entry) for entry in plan.left_out]
    nothing: dict[str, Any] = {"interactions": [], "criterion": {}, "rows": 0, "seeds": list(plan.seeds), "command": ""}
    if plan.deployments is None:
        return {**nothing, "findings": [], "left_out": left_out}
    found = report(plan.deployments, results, failures, criterion=CRITERION)
    (panel,) = found["panels"]
    left_out += [{"protections": [entry["name"]], "why": entry["why"]} for entry in panel["failed"]]
    left_out += [
        {"protections": [entry["one"], entry["other"]], "why": f"can't be deployed together: {entry['why']}"}
        for entry in panel["excluded"]
    ]
    pairs = [{key: value for key, value in pair.items() if key != "cards"} for pair in panel["interactions"]]
    return {
        "interactions": pairs,
        "criterion": found["criterion"],
        "rows": plan.deployments.choice.rows,
        "seeds": list(plan.seeds),
        "command": found["command"],
        "findings": _findings(pairs, len(plan.seeds)),
        "left_out": left_out,
    }


def _missing(defense: str) -> str:
    if defense not in catalog.names("training_defense"):
        return "is not in the catalog"
    package, extra = NEEDS.get(defense, ("", ""))
    if not package or importlib.util.find_spec(package) is not None:
        return ""
    return f"needs {package}; install it with: pip install 'stealproof[{extra}]'"


def _findings(pairs: Sequence[Mapping[str, Any]], seeds: int) -> list[str]:
    """First what is in conflict, in one sentence each, then what is not, in one for all."""
    order = {"conflict": 0, "undecided": 1, "fine": 2}
    told = [str(pair["sentence"]) for pair in sorted(pairs, key=lambda pair: order[pair["verdict"]])]
    if not told:
        return []
    how = "one seed" if seeds == 1 else f"{seeds} seeds"
    counts = [f"{sum(pair['verdict'] == word for pair in pairs)} {word}" for word in order]
    lead = f"A quick look at {len(pairs)} {'pair' if len(pairs) == 1 else 'pairs'} in {how}: {', '.join(counts)}."
    return [lead, *(in_words(sentence[:1].upper() + sentence[1:]) for sentence in told)]
