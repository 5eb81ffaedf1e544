"""Where and in which precision a network is trained: device, dtype, autocast, memory layout."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from stealproof.roles.dataset import Part
from stealproof.training.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How the tensors of one training run lie and are multiplied."""

    device: torch.device
    dtype: torch.dtype
    """Of weights, inputs and soft targets."""
    bfloat16: bool
    """Whether layers compute in bfloat16 (autocast); weights and the loss stay in ``dtype``."""
    layout: torch.memory_format
    """Channels last for convolutions: 1.3 to 2 times less CPU for LeNet-class networks and ResNets."""

    def model(self, model: torch.nn.Module) -> torch.nn.Module:
        """``model``, moved."""
        return model.to(device=self.device, dtype=self.dtype).to(memory_format=self.layout)  # type: ignore[call-overload,no-any-return]

    def data(self, data: Part) -> Part:
        """``data``, moved: inputs and soft targets in ``dtype``, labels as int64."""
        x = data.x.to(device=self.device, dtype=self.dtype)
        y = data.y.to(device=self.device, dtype=self.dtype if data.y.is_floating_point() else torch.int64)
        return Part(x=x.contiguous(memory_format=self.layout) if x.ndim == 4 else x, y=y)

    def computing(self) -> AbstractContextManager[None]:
        """The context of a forward pass."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bfloat16)


def place(model: torch.nn.Module, recipe: Recipe) -> Placement:
    """The fastest placement that was measured for such a network: a GPU when torch sees one, else the CPU."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    convolves = any(isinstance(module, torch.nn.Conv2d) for module in model.modules())
    if recipe.precision == "auto":
        bfloat16 = convolves and _multiplies_bfloat16(device)
    else:
        bfloat16 = recipe.precision == "bfloat16"
    return Placement(
        device=device,
        dtype=torch.float64 if recipe.precision == "float64" else torch.float32,
        bfloat16=bfloat16,
        layout=torch.channels_last if convolves else torch.contiguous_format,
    )


def _multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the hardware has bfloat16 products; emulating them is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Private in torch, hence the guard: a later release without it trains in float32.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(supported is not None and supported())
