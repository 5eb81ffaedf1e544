"""Control models of ``stealproof verify``: networks that are independent of the claimed model, each trained once."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from stealproof import seeds
from stealproof.errors import InputError
from stealproof.roles.trial import JUDGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from stealproof.roles.architecture import NetworkFamily
    from stealproof.roles.dataset import Dataset
    from stealproof.training.trained import Trained

SHARE = 0.8
"""Of the pool's rows, drawn anew for each control, so that controls differ by their data and not only by their seed."""
GROUP = 16
"""Controls that are trained, then kept, together: what an interruption loses at most."""
ROOTS = ("stealproof.training.fit_many", "stealproof.cli._controls")


def trained_controls(
    count: int, family: NetworkFamily, data: Dataset, *, seed: int, progress: Callable[[str, float], None]
) -> list[Trained]:
    """``count`` networks of ``family``, trained on rows of ``data``'s pool; those that are in the store are not new.

    The pool is of the same distribution and was never seen by the owner's model, nor were these networks' seeds.

    Raises:
        InputError: fewer than 1.
        InvalidData: ``data`` has no pool.
    """
    import torch

    from stealproof.studies.sources import key_of
    from stealproof.studies.store import Store
    from stealproof.studies.workshop import Workshop
    from stealproof.training.fit_many import fit_many
    from stealproof.training.suited import suited_recipe
    from stealproof.training.trained import Trained

    if count < 1:
        raise InputError(f"expected at least 1 control model, got {count}")
    pool = data.pool
    rows = max(1, round(SHARE * len(pool)))
    recipe = suited_recipe(family, rows)
    card = {
        "family": family.describe(),
        "data": dict(data.description) or {"name": data.name},
        "recipe": dataclasses.asdict(recipe),
        # As text, since canonical JSON has no integers beyond 53 bits.
        "control": str(seed),
    }
    workshop = Workshop(Store())
    keys = [key_of("control", card | {"number": number}, roots=ROOTS) for number in range(count)]
    found = {number: model for number, key in enumerate(keys) if (model := workshop.stored(key)) is not None}
    missing = [number for number in range(count) if number not in found]
    for start in range(0, len(missing), GROUP):
        numbers = missing[start : start + GROUP]

        def within(what: str, share: float, done: int = start, many: int = len(numbers)) -> None:
            progress("training control models", (done + share * many) / len(missing))

        draws = [seeds.rng(seed, JUDGE, "control", number, "rows").permutation(len(pool))[:rows] for number in numbers]
        models = fit_many(
            family,
            [pool.take(torch.as_tensor(draw)) for draw in draws],
            classes=data.classes,
            seeds=[seeds.derive(seed, JUDGE, "control", number) for number in numbers],
            recipe=recipe,
            progress=within,
        )
        for number, network in zip(numbers, models, strict=True):
            found[number] = Trained(
                model=network, domain=data.domain, classes=data.classes, card=card | {"number": number}
            )
            workshop.keep(keys[number], found[number])
    return [found[number] for number in range(count)]
