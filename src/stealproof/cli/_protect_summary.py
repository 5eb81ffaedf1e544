"""What ``stealproof protect`` says of a model that it has marked, or taken the fingerprint of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stealproof.cli._options import say
from stealproof.cli._protections import accounted_in_words

if TYPE_CHECKING:
    from stealproof.claims import Verdict
    from stealproof.cli._marking import OwnersSeed


def say_seed(seed: OwnersSeed, claim_path: Path, *, private: Sequence[str] = ()) -> None:
    """Talk: who knows what all secrets follow from, and with them the noise of the ``private`` defenses."""
    if seed.drawn:
        say(f"the secrets follow from a fresh seed, which is kept in {claim_path} and nowhere else")
    else:
        say("the secrets follow from the --seed given: whoever guesses it knows them, so leave it out in earnest")
    for name in private:
        say(
            f"the noise of {name} follows from it, too: whoever holds {claim_path}, even a judge, can take it off again"
        )


def described(scheme: Any) -> dict[str, Any]:
    """Name and parameters, in JSON types."""
    return {
        "name": scheme.name(),
        "parameters": {key: list(v) if isinstance(v, tuple) else v for key, v in scheme.parameters().items()},
    }


def checked_in_json(found: Verdict | str) -> dict[str, Any]:
    """How the owner's own model fares, in JSON types."""
    if isinstance(found, str):
        return {"decision": None, "why": found}
    return {"decision": str(found.decision), "p_value": found.p_value, "queries": found.queries, "level": found.level}


def in_words(report: dict[str, Any]) -> str:
    """What the model carries, what that costs, and whether the claim holds."""
    name = report["scheme"]["name"]
    lines = [f"{report['path']} carries {name}" if "path" in report else f"{name} knows {report['model']} again"]
    lines += [accounted_in_words(account) for account in report.get("protections", ())]
    for key, title in (
        ("accuracy", "test accuracy"),
        ("accuracy_unmarked", "unmarked"),
        ("accuracy_price", "accuracy lost"),
    ):
        if found := report.get(key):
            value, low, high = (round(found[bound], 4) + 0.0 for bound in ("value", "low", "high"))
            lines.append(f"{title:14}  {value:.4f} ({low:.4f} to {high:.4f}, n={found['n']:,})")
    check = report["check"]
    if check["decision"] is None:
        lines.append(f"{'your own model':14}  {check['why']}")
    else:
        lines.append(
            f"{'your own model':14}  {check['decision']}, p = {check['p_value']:.3g}, {check['queries']:,} queries"
        )
    if check["decision"] not in (None, "owned"):
        lines.append(f"the claim does not even hold against your own model: {_advice(report)}")
    return "\n".join(lines)


def _advice(report: dict[str, Any]) -> str:
    """What may help a claim that does not hold: a mark can be learned better, but what a model is can't be changed."""
    if "path" in report:
        return "train longer, or take more triggers"
    return "it may be too like others, as one that hardly overfits is; take more images, or another scheme"
