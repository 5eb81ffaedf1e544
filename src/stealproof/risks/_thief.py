"""One theft through the API with inputs of the pool, for the risks that follow from a stolen copy."""

from __future__ import annotations

import copy
from typing import Any, Literal

import torch

from stealproof.attacks.extraction.active_thief import ActiveThief
from stealproof.attacks.extraction.jacobian_augmentation import JacobianAugmentation
from stealproof.attacks.extraction.knockoff_nets import KnockoffNets
from stealproof.errors import InputError
from stealproof.oracle import Access, Answer, Oracle
from stealproof.oracles.module import ModuleOracle
from stealproof.roles.dataset import Dataset
from stealproof.roles.extraction import Extraction, Surrogate
from stealproof.training.trained import Trained

Attack = Literal["knockoff_nets", "active_thief", "jacobian_augmentation"]
"""Attacks that steal any classifier with inputs of the pool."""
ATTACKS: dict[str, type[Extraction]] = {kind.name(): kind for kind in (KnockoffNets, ActiveThief, JacobianAugmentation)}


def served(model: Any, data: Dataset, *, who: str) -> Oracle:
    """What a client sees: probabilities of a network or estimator; of an oracle whatever it shows."""
    if isinstance(model, Oracle):
        return model
    if isinstance(model, Trained):
        return copied(model).oracle()
    if isinstance(model, torch.nn.Module):
        access = Access(answer=Answer.PROBABILITIES)
        return ModuleOracle(copy.deepcopy(model), domain=data.domain, classes=data.classes, access=access)
    raise InputError(f"{who} needs a network, a trained model or an oracle, got {type(model).__name__}")


def copied(model: Trained) -> Trained:
    """The same papers around a copy, since an oracle puts its network into evaluation mode."""
    return Trained(model=copy.deepcopy(model.model), domain=model.domain, classes=model.classes, card=model.card)


def stolen(oracle: Oracle, data: Dataset, *, attack: str, budget: int, seed: int) -> Surrogate:
    """Steal with at most ``budget`` queries; a thief who only asks pool inputs stops when they are used up.

    Raises:
        InputError: no such attack, or a budget below 1.
        InvalidData: no pool.
    """
    if attack not in ATTACKS:
        raise InputError(f"attack must be one of {', '.join(ATTACKS)}, got {attack!r}")
    if budget < 1:
        raise InputError(f"budget must be at least 1 query, got {budget}")
    thief: Extraction = ATTACKS[attack].make()
    affordable = budget if thief.synthesizes else min(budget, len(data.pool))
    return thief.steal(oracle, data.pool.x, budget=affordable, seed=seed)
