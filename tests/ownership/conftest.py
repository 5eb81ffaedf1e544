"""Suspects that several fingerprints are tried on: copies of the digits victim, and models that never met it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from stealproof.claims import Claim
from stealproof.measures.roc import area_under_curve
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Domain, Oracle
from stealproof.oracles.module import ModuleOracle
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.ownership import Ownership
from stealproof.roles.trial import Calibration
from stealproof.training.fit import fit
from stealproof.training.fit_many import fit_many
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained


@dataclass(frozen=True)
class LineUp:
    """Networks that were stolen from one victim, and networks that were not."""

    domain: Domain
    stolen: list[torch.nn.Module]
    """Three surrogates that were extracted with the thief's pool, then a fine-tuned copy."""
    innocent: list[torch.nn.Module]
    """Two that learned the pool's true labels, two that learned the owner's."""

    def oracles(self, models: list[torch.nn.Module], access: Access | None = None) -> list[Oracle]:
        """These networks behind an interface."""
        return [ModuleOracle(model, domain=self.domain, classes=10, access=access) for model in models]

    def separation(self, scheme: Ownership, claim: Claim, access: Access | None = None) -> float:
        """The area under the ROC curve of the scheme's statistic, stolen against innocent."""
        stolen, innocent = self.statistics(scheme, claim, access)
        return area_under_curve(stolen.statistics, innocent.statistics).value

    def statistics(
        self, scheme: Ownership, claim: Claim, access: Access | None = None
    ) -> tuple[Calibration, Calibration]:
        """The scheme's examination of the stolen and of the innocent."""
        return (
            scheme.calibrate(claim, self.oracles(self.stolen, access)),
            scheme.calibrate(claim, self.oracles(self.innocent, access)),
        )


@pytest.fixture(scope="session")
def line_up(digits: Dataset, digits_victim: Trained) -> LineUp:
    """Four stolen and four innocent models of the digits victim's kind."""
    recipe = Recipe(epochs=30, batch=64)
    family, pool = Mlp(width=64), digits.pool
    with torch.inference_mode():
        soft = digits_victim.model(pool.x).softmax(dim=1).clone()
    stolen = fit_many(family, Part(x=pool.x, y=soft), classes=10, seeds=[101, 102], recipe=recipe)
    stolen.append(fit(family, Part(x=pool.x, y=soft.argmax(dim=1)), classes=10, seed=103, recipe=recipe))
    gentle = Recipe(epochs=3, batch=64, learning_rate=0.01)
    stolen.append(fit(family, pool, classes=10, seed=104, recipe=gentle, start=digits_victim.model))
    innocent = fit_many(family, pool, classes=10, seeds=[201, 202], recipe=recipe)
    innocent += fit_many(family, digits.train, classes=10, seeds=[203, 204], recipe=recipe)
    return LineUp(domain=digits.domain, stolen=stolen, innocent=innocent)
