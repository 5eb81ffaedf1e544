"""Each row's gradient of a layer's weights, from what went into the layer and the gradient that came back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch.nn import functional

LAYERS = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.GroupNorm, torch.nn.LayerNorm)
"""Layers with formulas of their own; others are left to ``torch.func``."""


class RowGradients:
    """The gradients of one weight for each of ``n`` rows, written out or as two factors.

    A row's gradient of a weight matrix is ``left.T @ right``, with one line for each position of the layer (one for a
    linear layer on vectors, one a pixel for a convolution). Norms and weighted sums follow from the factors without
    that product, which saves memory when there are few positions (Li et al. 2022, https://arxiv.org/abs/2110.05679,
    section 4; Bu et al. 2023, https://arxiv.org/abs/2210.00038, who also save the second backward pass, as here).
    """

    def __init__(
        self,
        content: torch.Tensor | tuple[torch.Tensor, torch.Tensor],
        arrange: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        """Give gradients ``(n, *shape)`` or factors ``(n, positions, out)`` and ``(n, positions, in)``.

        ``arrange`` makes a weight's gradient of a sum of ``shape`` or ``(out, in)``.
        """
        self._content = content
        self._arrange = arrange

    def squares(self) -> torch.Tensor:
        """The squared norm ``(n,)`` of each row's gradient."""
        if isinstance(self._content, torch.Tensor):
            norms: torch.Tensor = torch.linalg.vector_norm(self._content.flatten(1), dim=1)
            return norms.square()
        left, right = self._content
        if left.shape[1] == 1:
            norms = torch.linalg.vector_norm(left, dim=(1, 2)) * torch.linalg.vector_norm(right, dim=(1, 2))
            return norms.square()
        # A sum of products that can't be negative, but for rounding.
        return torch.mul(left @ left.mT, right @ right.mT).sum(dim=(1, 2)).clamp(min=0)

    def total(self, weights: torch.Tensor) -> torch.Tensor:
        """The sum over rows of ``weights`` ``(n,)`` times the row's gradient."""
        if isinstance(self._content, torch.Tensor):
            total = (weights @ self._content.flatten(1)).view(self._content.shape[1:])
        else:
            left, right = self._content
            total = (left * weights[:, None, None]).flatten(0, 1).mT @ right.flatten(0, 1)
        return total if self._arrange is None else self._arrange(total)

    def bytes(self) -> int:
        """Memory of what is kept."""
        held = (self._content,) if isinstance(self._content, torch.Tensor) else self._content
        return sum(tensor.numel() * tensor.element_size() for tensor in held)


def has_formula(layer: torch.nn.Module) -> bool:
    """Whether ``layer_gradients`` knows ``layer``: the plain type, with weights of its own and no others."""
    return type(layer) in LAYERS and set(layer._parameters) <= {"weight", "bias"}


def layer_gradients(
    layer: torch.nn.Module, x: torch.Tensor, back: torch.Tensor
) -> Iterator[tuple[torch.Tensor, RowGradients]]:
    """Each trained weight of ``layer`` with its gradients.

    Args:
        layer: one for which ``has_formula`` holds.
        x: its input ``(n, ...)``.
        back: the gradient of the summed loss by its output.
    """
    if isinstance(layer, torch.nn.Conv2d):
        yield from _convolution(layer, x, back)
    elif isinstance(layer, torch.nn.Linear):
        left = back.reshape(len(x), -1, back.shape[-1])
        if layer.weight.requires_grad:
            yield layer.weight, _matrix(left, x.reshape(len(x), -1, x.shape[-1]), None)
        if layer.bias is not None and layer.bias.requires_grad:
            yield layer.bias, RowGradients(left.sum(dim=1))
    elif isinstance(layer, torch.nn.GroupNorm):
        normal = functional.group_norm(x, layer.num_groups, eps=layer.eps)
        yield from _scales(layer, back, normal, tuple(range(2, x.ndim)))
    elif isinstance(layer, torch.nn.LayerNorm):
        normal = functional.layer_norm(x, layer.normalized_shape, eps=layer.eps)
        yield from _scales(layer, back, normal, tuple(range(1, x.ndim - len(layer.normalized_shape))))


def _scales(
    layer: torch.nn.GroupNorm | torch.nn.LayerNorm, back: torch.Tensor, normal: torch.Tensor, over: tuple[int, ...]
) -> Iterator[tuple[torch.Tensor, RowGradients]]:
    """Gain and shift of a normalisation whose positions are the axes ``over``."""
    if layer.weight.requires_grad:
        product = back * normal
        yield layer.weight, RowGradients(product.sum(dim=over) if over else product)
    if layer.bias is not None and layer.bias.requires_grad:
        yield layer.bias, RowGradients(back.sum(dim=over) if over else back)


def _matrix(
    left: torch.Tensor, right: torch.Tensor, arrange: Callable[[torch.Tensor], torch.Tensor] | None
) -> RowGradients:
    """Factors where that takes less memory, else their product."""
    if 2 * left.shape[1] ** 2 <= left.shape[2] * right.shape[2]:
        return RowGradients((left, right), arrange)
    return RowGradients(left.mT @ right, arrange)


def _convolution(
    layer: torch.nn.Conv2d, x: torch.Tensor, back: torch.Tensor
) -> Iterator[tuple[torch.Tensor, RowGradients]]:
    n, outputs, height, width = back.shape
    # (n, pixels, outputs): no copy in channels-last layout.
    left = back.permute(0, 2, 3, 1).reshape(n, height * width, outputs)
    if layer.weight.requires_grad:
        across, down = layer.kernel_size
        groups, inputs = layer.groups, layer.in_channels // layer.groups
        # (n, height, width, kernel, kernel, channels): the channels lie together, as in the input.
        patches = _patches(layer, x)[:, :, :height, :width].permute(0, 2, 3, 4, 5, 1)

        def arrange(total: torch.Tensor) -> torch.Tensor:
            return total.view(outputs, across, down, inputs).permute(0, 3, 1, 2)

        if groups == 1:
            yield layer.weight, _matrix(left, patches.reshape(n, height * width, -1), arrange)
        else:
            right = patches.unflatten(5, (groups, inputs)).permute(0, 5, 1, 2, 3, 4, 6)
            split = left.unflatten(2, (groups, outputs // groups)).permute(0, 2, 3, 1)
            rows = split @ right.reshape(n, groups, height * width, -1)
            yield layer.weight, RowGradients(rows.flatten(1, 2), arrange)
    if layer.bias is not None and layer.bias.requires_grad:
        yield layer.bias, RowGradients(left.sum(dim=1))


def _patches(layer: torch.nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    """What each output pixel saw: a view ``(n, channels, height, width, kernel, kernel)`` of the padded input."""
    if layer.padding_mode != "zeros":
        x = functional.pad(x, layer._reversed_padding_repeated_twice, mode=layer.padding_mode)
    elif isinstance(layer.padding, str) or any(layer.padding):
        x = functional.pad(x, layer._reversed_padding_repeated_twice)
    for axis in (0, 1):
        spread = layer.dilation[axis] * (layer.kernel_size[axis] - 1) + 1
        x = x.unfold(2 + axis, spread, layer.stride[axis])
    return x[..., :: layer.dilation[0], :: layer.dilation[1]]
