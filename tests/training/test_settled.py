"""Looks aside at a network in training."""

from __future__ import annotations

import pytest
import torch

from stealproof.training.settled import settled


def test_a_look_aside_leaves_every_module_in_its_mode() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2), torch.nn.Dropout())
    model.train()
    model[1].eval()
    with settled(model):
        assert not any(module.training for module in model.modules())
    assert [module.training for module in model.modules()] == [True, True, False, True]


def test_an_error_on_the_way_restores_the_modes() -> None:
    model = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Linear(2, 2))
    model[1].eval()
    with pytest.raises(RuntimeError), settled(model):
        raise RuntimeError
    assert [module.training for module in model.modules()] == [True, True, False]
