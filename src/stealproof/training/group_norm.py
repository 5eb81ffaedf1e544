"""Group normalisation in place of batch normalisation, for training that must not tie rows together."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch

from stealproof.models._norms import norm_layer

Module = TypeVar("Module", bound=torch.nn.Module)


def without_batch_norm(model: Module) -> Module:
    """A copy of ``model`` in which group normalisations stand in place of batch normalisations.

    Groups have 8 channels, or there is one group where 8 does not divide them; gains and shifts are kept. The function
    changes, since a group normalisation looks at one row and not at what was seen in training: train the copy.
    """
    made = copy.deepcopy(model)
    if isinstance(made, torch.nn.modules.batchnorm._BatchNorm):
        return _replacement(made)  # type: ignore[return-value]
    for layer in list(made.modules()):
        for name, child in layer.named_children():
            if isinstance(child, torch.nn.modules.batchnorm._BatchNorm):
                setattr(layer, name, _replacement(child))
    return made


def _replacement(old: torch.nn.modules.batchnorm._BatchNorm) -> torch.nn.Module:
    new = norm_layer("group", old.num_features)
    assert isinstance(new, torch.nn.GroupNorm)
    new.eps = old.eps
    if old.affine:
        new.load_state_dict({"weight": old.weight.detach(), "bias": old.bias.detach()})
        new.to(device=old.weight.device, dtype=old.weight.dtype)
    return new.train(old.training)
