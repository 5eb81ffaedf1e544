"""Knockoff Nets: train a surrogate on the victim's answers to natural images (random policy so far)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from stealproof.models.lenet import LeNet
from stealproof.roles.dataset import Part
from stealproof.roles.extraction import Extraction, Theft
from stealproof.system import Source
from stealproof.training.fit import fit


@dataclass(frozen=True, kw_only=True)
class KnockoffNets(Extraction):
    """Random policy."""

    source = Source(
        authors="Orekondy, Schiele, Fritz",
        title="Knockoff Nets: Stealing Functionality of Black-Box Models",
        venue="CVPR",
        year=2019,
        url="https://arxiv.org/abs/1812.02766",
    )
    needs_pool = True

    def _extract(self, theft: Theft) -> torch.nn.Module:
        assert theft.pool is not None
        rows = theft.rng("pool").choice(len(theft.pool), theft.budget, replace=False)
        x = theft.pool[rows]
        targets = theft.soft_targets(theft.ask(x))
        data = Part(x=torch.as_tensor(x, dtype=torch.float32), y=torch.as_tensor(targets, dtype=torch.float32))
        return fit(
            theft.architecture or LeNet(),
            data,
            classes=theft.oracle.classes,
            recipe=theft.recipe,
            seed=theft.seed,
            progress=theft.progress,
        )
