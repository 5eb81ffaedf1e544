"""Fixtures that many tests share: one thread, a small real data set, a victim trained on it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import torch

if TYPE_CHECKING:
    from stealproof.evidence.drand import Round
    from stealproof.roles.dataset import Dataset
    from stealproof.training.trained import Trained

# Two threads that wait for each other on a busy core cost many times the work itself.
torch.set_num_threads(1)

# The same examples on every run, and no deadline: a busy machine is no defect.
hypothesis.settings.register_profile("stealproof", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("stealproof")

SHARED = Path(__file__).parents[2] / "shared" / "data"
if "STEALPROOF_DATA" not in os.environ and SHARED.is_dir():
    os.environ["STEALPROOF_DATA"] = str(SHARED)


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """scikit-learn's digits: 1,797 images of 8x8 in ten classes."""
    from stealproof.inputs.data import open_data

    return open_data("digits")


@pytest.fixture(scope="session")
def digits_victim(digits: Dataset) -> Trained:
    """A small network trained on the owner's part of digits."""
    from stealproof.models.mlp import Mlp
    from stealproof.training.recipe import Recipe
    from stealproof.training.trained import train

    return train(Mlp(width=64), digits, recipe=Recipe(epochs=30, batch=64), seed=0)


@pytest.fixture
def v2() -> Iterator[Any]:
    """Local inference servers and ways for them to misbehave: see ``Servers`` in ``oracles/v2_server.py``."""
    path = Path(__file__).parent / "oracles" / "v2_server.py"
    spec = importlib.util.spec_from_file_location("v2_server", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    servers = module.Servers()
    yield servers
    servers.stop()


@pytest.fixture(scope="session")
def tsa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real timestamping authority behind HTTP: see ``Bench`` in ``evidence/tsa.py``."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed; these tests run its timestamping authority")
    path = Path(__file__).parent / "evidence" / "tsa.py"
    spec = importlib.util.spec_from_file_location("tsa", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules["tsa"] = module
    spec.loader.exec_module(module)
    with module.bench(tmp_path_factory.mktemp("tsa")) as made:
        yield made


@pytest.fixture(scope="session")
def known_round() -> Round:
    """A round of drand's quicknet, as the documentation of the package drand-verify on PyPI gives it."""
    from stealproof.evidence.drand import Round

    signature = "b713718a38ae728dfd477991af2822e08d2f305e47718cef9f7848ce4050e7be41076862b98fad56e91a6b85b89cd97b"
    return Round(657413, bytes.fromhex(signature))
