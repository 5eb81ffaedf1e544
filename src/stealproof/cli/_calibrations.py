"""What control models answered to a claim, kept in the store: nobody examines the same model for it twice."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stealproof.files import sha256_file
from stealproof.roles.trial import Calibration
from stealproof.studies.sources import key_of
from stealproof.studies.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stealproof.claims import Claim
    from stealproof.cli._dispute import Party
    from stealproof.roles.ownership import Ownership

KIND = "calibrations"
GROUP = 16
"""Control models that are examined, then kept, together: what an interruption loses at most."""
ROOTS = ("stealproof.roles.ownership", "stealproof.inputs.oracle", "stealproof.cli._calibrations")

Found = tuple[float, float | None]
"""The statistic and, where the scheme knows its null distribution, the p-value of one control model."""


def calibrated(
    scheme: Ownership,
    claim: Claim,
    claim_path: Path,
    controls: Sequence[Party],
    *,
    level: float,
    seed: int,
    fresh: bool,
    description: str,
    progress: Callable[[str, float], None],
) -> Calibration:
    """As ``scheme.calibrate``, which is asked only about control models whose findings are not in the store.

    Findings are those of one claim file, one level, one seed and the present code; a control model is known by its
    content. One whose content can't be seen (a URL, a function) is examined each time.

    Raises:
        StorageError: the store can't be written.
    """
    asked = {"claim": sha256_file(claim_path), "scheme": claim.scheme, "level": level, "seed": str(seed)}
    key, store = key_of("calibration", asked, roots=ROOTS), Store()
    names = [_identity(control) for control in controls]
    stored = {} if fresh else _stored(store, key)
    found: dict[int, Found] = {number: stored[name] for number, name in enumerate(names) if name in stored}
    missing = [number for number in range(len(controls)) if number not in found]
    for start in range(0, len(missing), GROUP):
        numbers = missing[start : start + GROUP]

        def within(what: str, share: float, done: int = start, many: int = len(numbers)) -> None:
            progress(what, (done + share * many) / len(missing))

        models = [model for number in numbers if (model := controls[number].model) is not None]
        group = scheme.calibrate(
            claim,
            [controls[number].oracle for number in numbers],
            models=models or None,
            seed=seed,
            level=level,
            progress=within,
        )
        found |= dict(zip(numbers, zip(group.statistics, group.p_values, strict=True), strict=True))
        _keep(store, key, {names[number]: found[number] for number in numbers})
    in_order = [found[number] for number in range(len(controls))]
    return Calibration(
        statistics=tuple(statistic for statistic, _ in in_order),
        p_values=tuple(p_value for _, p_value in in_order),
        description=description,
    )


def _identity(control: Party) -> str:
    """Which model it is, and how the judge sees it; empty when its content is not known."""
    if not control.digest:
        return ""
    domain = control.oracle.domain
    seen = f"{control.oracle.access} {domain.shape} {domain.low!r} {domain.high!r} {control.oracle.classes}"
    return f"{control.digest} {seen}"


def _stored(store: Store, key: str) -> dict[str, Found]:
    content: dict[str, Any] = store.read(KIND, key) or {}
    return {name: (statistic, p_value) for name, (statistic, p_value) in content.items()}


def _keep(store: Store, key: str, found: dict[str, Found]) -> None:
    """Add to what is stored, which another process may have added to in the meantime."""
    # JSON knows no infinity, and a model without an identity can't be found again.
    known = {name: one for name, one in found.items() if name and math.isfinite(one[0])}
    if known:
        with store.lock(KIND, key):
            store.write(KIND, key, {name: list(one) for name, one in (_stored(store, key) | known).items()})
