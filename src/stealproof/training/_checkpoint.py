"""Checkpoints of a training run: weights, optimizer state and generators in one safetensors file, never a pickle."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from stealproof.errors import InputError, InvalidData
from stealproof.files import write_atomic

INTERVAL = 5.0
"""Seconds between two checkpoints: what a killed run loses at most, unless writing takes long."""
SHARE = 0.02
"""Most of a run's time that writing checkpoints may take; the interval grows with large networks."""


class Checkpoint:
    """Saves a run at intervals, atomically, and puts it back exactly, so that a resumed run ends in the same bytes.

    Without a path it does nothing.
    """

    def __init__(
        self,
        path: Path | None,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        generators: Mapping[str, torch.Generator],
        memories: Sequence[dict[str, torch.Tensor]] = (),
    ) -> None:
        """What is saved and put back: the model's state, the optimizer's, every generator's, what protections keep."""
        self._path = path
        self._model = model
        self._optimizer = optimizer
        self._generators = generators
        self._memories = memories
        self._run = ""
        self._saved_at = time.monotonic()
        self._interval = INTERVAL

    def describe(self, **run: Any) -> None:
        """Say which run this is, in JSON types; ``resume`` refuses the file of another."""
        self._run = json.dumps(run, sort_keys=True, default=repr)

    def resume(self) -> int:
        """Put back what was saved, and return the number of steps that it had finished; 0 without a file.

        Raises:
            InvalidData: the file is damaged.
            InputError: the file belongs to another run.
        """
        if self._path is None or not self._path.exists():
            return 0
        try:
            with safetensors.safe_open(self._path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            run, step = metadata["run"], int(metadata["step"])
        except (safetensors.SafetensorError, OSError, KeyError, ValueError) as error:
            raise InvalidData(f"checkpoint {self._path} is damaged ({error}); delete it to start anew") from error
        if run != self._run:
            raise InputError(
                f"checkpoint {self._path} belongs to another run (other data, network, recipe, protections or seed);"
                " delete it or choose another path"
            )
        self._restore(tensors)
        return step

    def save_if_due(self, step: int) -> None:
        """Write the state after ``step`` finished steps, if the last time was an interval ago."""
        begun = time.monotonic()
        if self._path is not None and begun - self._saved_at >= self._interval:
            content = safetensors.torch.save(self._tensors(), {"run": self._run, "step": str(step)})
            # Private: the seed in it may be a secret, from which a watermark follows.
            write_atomic(self._path, content, mode=0o600)
            self._saved_at = time.monotonic()
            self._interval = max(INTERVAL, (self._saved_at - begun) / SHARE)

    def remove(self) -> None:
        """Delete the file, once the run is finished."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _tensors(self) -> dict[str, torch.Tensor]:
        tensors = {f"model/{name}": value for name, value in self._model.state_dict().items()}
        for number, state in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{number}/{name}": torch.as_tensor(value) for name, value in state.items()}
        tensors |= {f"generator/{name}": generator.get_state() for name, generator in self._generators.items()}
        for number, memory in enumerate(self._memories):
            tensors |= {f"memory/{number}/{name}": value for name, value in memory.items()}
        # Copies: tied weights share memory, which the format refuses.
        return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}

    def _restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        groups: dict[str, dict[str, torch.Tensor]] = {
            "model": {},
            "optimizer": {},
            "generator": {},
            "memory": {},
        }
        for name, tensor in tensors.items():
            kind, _, rest = name.partition("/")
            groups[kind][rest] = tensor
        self._model.load_state_dict(groups["model"])
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, tensor in groups["optimizer"].items():
            number, _, name = key.partition("/")
            state.setdefault(int(number), {})[name] = tensor
        self._optimizer.load_state_dict({**self._optimizer.state_dict(), "state": state})
        for weight, values in self._optimizer.state.items():
            for name, value in values.items():
                if isinstance(value, torch.Tensor) and value.shape == weight.shape:
                    # In the weight's own layout, as it was: other strides may take another kernel.
                    values[name] = torch.empty_like(weight).copy_(value)
        for name, generator in self._generators.items():
            generator.set_state(groups["generator"][name])
        for key, tensor in groups["memory"].items():
            place, _, name = key.partition("/")
            self._memories[int(place)][name] = tensor


def fingerprint(*tensors: torch.Tensor) -> str:
    """SHA-256 of the tensors' shapes, dtypes and bytes, in hexadecimal."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
