"""Clipped sums of single rows' gradients: those of Opacus, layer by layer and network by network."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import nn

from stealproof.defenses.training import _per_sample_gradients
from stealproof.defenses.training._per_sample_gradients import clipped_gradient, row_losses
from stealproof.errors import IncompatibleDefenses
from stealproof.models.lenet import LeNet
from stealproof.models.mlp import Mlp
from stealproof.models.resnet import ResNet
from stealproof.models.strided_cnn import StridedCnn
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Part

CLIP = 0.3
"""Small enough for some rows to be clipped, large enough for others not to be."""


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(rows: int = 6, channels: int = 4, size: int = 12) -> Part:
    x = torch.randn(rows, channels, size, size, generator=generator(), dtype=torch.float64)
    # Rows of very different size, so that clipping is at work.
    x = x * torch.logspace(-1, 0.5, rows, dtype=torch.float64)[:, None, None, None]
    return Part(x=x, y=torch.arange(rows) % 3)


def drawn(make: Callable[[], nn.Module]) -> nn.Module:
    """The network with weights drawn from a seed, in double precision."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = make().double()
        for weight in model.parameters():
            nn.init.normal_(weight, std=0.3)
    return model


def middle(model: nn.Module, batch: Part) -> float:
    """A norm to clip to, above that of some rows and below that of others."""
    _, norms = clipped_gradient(model, batch, clip=math.inf)
    return float(norms.median())


def one_by_one(model: nn.Module, batch: Part, clip: float, smoothing: float = 0.0) -> tuple[list[torch.Tensor], float]:
    """The definition: a backward pass for every row."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    sums = [torch.zeros_like(weight) for weight in weights]
    for row in range(len(batch)):
        one = batch.take(slice(row, row + 1))
        loss = row_losses(model(one.x), one.y, smoothing).sum()
        gradients = torch.autograd.grad(loss, weights, allow_unused=True)
        found = [torch.zeros_like(w) if g is None else g for w, g in zip(weights, gradients, strict=True)]
        norm = math.sqrt(sum(float(gradient.square().sum()) for gradient in found))
        factor = min(1.0, clip / (norm + 1e-6))
        sums = [total + factor * gradient for total, gradient in zip(sums, found, strict=True)]
    return sums, norm


def opacus(model: nn.Module, batch: Part, clip: float) -> list[torch.Tensor]:
    """Opacus' gradients of single rows, clipped and summed as its optimizer does.

    In the default layout: those of Opacus 1.6.0 for channels-last convolutions are wrong.
    """
    model = copy.deepcopy(model).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    batch = Part(x=batch.x.contiguous(), y=batch.y)
    module = pytest.importorskip("opacus.grad_sample").GradSampleModule(model, loss_reduction="sum")
    with warnings.catch_warnings():
        # Its hooks meet the batch, which needs no gradient.
        warnings.filterwarnings("ignore", message="Full backward hook is firing")
        row_losses(module(batch.x), batch.y, 0.0).sum().backward()
    rows = [weight.grad_sample for weight in module.parameters()]
    norms = torch.stack([row.flatten(1).norm(dim=1) for row in rows]).norm(dim=0)
    factors = (clip / (norms + 1e-6)).clamp(max=1.0)
    assert 0 < int((factors < 1).sum()) < len(batch)
    return [torch.einsum("n,n...->...", factors, row) for row in rows]


def convolution(**arguments: object) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        layer = nn.Conv2d(4, 8, 3, **arguments)  # type: ignore[arg-type]
        return nn.Sequential(layer, nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 3))

    return make


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(576, 3)),
    "linear without bias": lambda: nn.Sequential(nn.Flatten(), nn.Linear(576, 3, bias=False)),
    "linear on sequences": lambda: nn.Sequential(nn.Flatten(2), nn.Linear(144, 50), nn.Flatten(), nn.Linear(200, 3)),
    "linear on long sequences": lambda: nn.Sequential(nn.Linear(12, 2), nn.Flatten(), nn.Linear(96, 3)),
    "convolution": convolution(),
    "padded": convolution(padding=1),
    "same": convolution(padding="same"),
    "strided": convolution(stride=2, padding=(0, 2)),
    "dilated": convolution(dilation=(2, 3)),
    "groups": convolution(groups=2, stride=(2, 1)),
    "depthwise": convolution(groups=4, bias=False),
    "few positions": convolution(stride=6),
    "group norm": lambda: nn.Sequential(nn.GroupNorm(2, 4), nn.AvgPool2d(6), nn.Flatten(), nn.Linear(16, 3)),
    "layer norm": lambda: nn.Sequential(nn.LayerNorm([12, 12]), nn.Flatten(), nn.Linear(576, 3)),
    "layer norm on vectors": lambda: nn.Sequential(nn.Flatten(), nn.LayerNorm(576), nn.Linear(576, 3)),
}


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_has_the_gradients_of_opacus(name: str, layout: torch.memory_format) -> None:
    model = drawn(LAYERS[name]).to(memory_format=layout)  # type: ignore[call-overload]
    batch = images()
    batch = Part(x=batch.x.contiguous(memory_format=layout), y=batch.y)
    clip = middle(model, batch)
    found, _ = clipped_gradient(model, batch, clip=clip)
    assert _per_sample_gradients._KNOWN[model].by_layer
    for one, other in zip(found, opacus(model, batch, clip), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("family", [LeNet(width=8), StridedCnn(norm="group"), Mlp(depth=2), ResNet(norm="group")])
def test_every_network_has_the_gradients_of_opacus(family: NetworkFamily) -> None:
    x = torch.rand(5, 1, 28, 28, generator=generator(), dtype=torch.float64)
    x = x * torch.logspace(-1, 0.5, 5, dtype=torch.float64)[:, None, None, None]
    batch = Part(x=x, y=torch.arange(5))
    model = family.build((1, 28, 28), 10, generator()).double()
    clip = middle(model, batch)
    found, _ = clipped_gradient(model, batch, clip=clip)
    assert _per_sample_gradients._KNOWN[model].by_layer
    for one, other in zip(found, opacus(model, batch, clip), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-11)


def test_distributions_and_smoothing_and_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = drawn(LAYERS["padded"]), images(21)
    soft = Part(x=batch.x, y=torch.rand(21, 3, generator=generator(), dtype=torch.float64).softmax(dim=1))
    monkeypatch.setattr(_per_sample_gradients, "BYTES", 1)
    for part in (batch, soft):
        found, norms = clipped_gradient(model, part, clip=CLIP, label_smoothing=0.2)
        assert norms.shape == (21,)
        for one, other in zip(found, one_by_one(model, part, CLIP, 0.2)[0], strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)
    assert _per_sample_gradients._KNOWN[model].rows_at_once == _per_sample_gradients.LEAST_ROWS


class Overwriting(nn.Module):
    """Changes what went into a layer, and what came out, in place."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(5, 4), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(nn.functional.relu(self.first(x), inplace=True)).mul_(2)  # type: ignore[no-any-return]


class Twice(nn.Module):
    """Uses one layer twice."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(5, 5), nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.outer(self.inner(self.inner(x).tanh()))  # type: ignore[no-any-return]


class Own(nn.Module):
    """A weight without a layer, and a layer that nothing uses."""

    def __init__(self) -> None:
        super().__init__()
        self.gain, self.layer, self.idle = nn.Parameter(torch.ones(5)), nn.Linear(5, 3), nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x * self.gain)  # type: ignore[no-any-return]


class Behind(nn.Module):
    """Uses a layer's weight once through the layer and once behind its back."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(5, 5), nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.outer(nn.functional.linear(self.inner(x).tanh(), self.inner.weight))  # type: ignore[no-any-return]


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other, self.outer = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 3)
        self.other.weight = self.one.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.outer(self.other(self.one(x).tanh()))  # type: ignore[no-any-return]


class Aside(nn.Module):
    """Calls one layer by keyword, one for nothing, and one without gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.named, self.vain, self.outer = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.vain(x)
        with torch.no_grad():
            x = x + self.vain(x)
        return self.outer(self.named(input=x).tanh())  # type: ignore[no-any-return]


class Vain(nn.Module):
    """Uses a layer for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.vain, self.outer = nn.Linear(5, 5), nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.vain(x)
        return self.outer(x)  # type: ignore[no-any-return]


def frozen() -> nn.Module:
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))
    model[0].weight.requires_grad_(False)
    return model


def parametrized() -> nn.Module:
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(5, 4)), nn.Tanh(), nn.Linear(4, 3))


@pytest.mark.parametrize(
    ("make", "by_layer"),
    [
        (Overwriting, True),
        (frozen, True),
        (Twice, False),
        (Own, False),
        (Behind, False),
        (Tied, False),
        (Aside, False),
        (Vain, False),
        (parametrized, False),
        (lambda: nn.Sequential(nn.Unflatten(1, (1, 5)), nn.Conv1d(1, 3, 5), nn.Flatten()), False),
    ],
)
def test_odd_networks_have_the_gradients_of_the_definition(make: Callable[[], nn.Module], by_layer: bool) -> None:
    model = drawn(make)
    x = torch.randn(6, 5, generator=generator(), dtype=torch.float64) * torch.logspace(-2, 1, 6).double()[:, None]
    batch = Part(x=x, y=torch.arange(6) % 3)
    found, _ = clipped_gradient(model, batch, clip=CLIP)
    assert _per_sample_gradients._KNOWN[model].by_layer == by_layer
    for one, other in zip(found, one_by_one(model, batch, CLIP)[0], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


class Centred(nn.Module):
    """Subtracts the mean of the batch, as no layer of a private network may."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x - x.mean(dim=0))  # type: ignore[no-any-return]


def test_a_network_that_ties_rows_together_is_refused() -> None:
    batch = Part(x=torch.randn(6, 5, generator=generator()), y=torch.arange(6) % 3)
    with pytest.raises(IncompatibleDefenses, match="Centred ties the rows of a batch together"):
        clipped_gradient(Centred(), batch, clip=1.0)


def test_a_network_that_nothing_differentiates_row_by_row_is_refused() -> None:
    model = nn.Sequential(nn.Unflatten(1, (5, 1)), Last(), nn.Linear(4, 3))
    batch = Part(x=torch.randn(6, 5, generator=generator()), y=torch.arange(6) % 3)
    with pytest.raises(IncompatibleDefenses, match="Sequential has a layer through which"):
        clipped_gradient(model, batch, clip=1.0)


class Last(nn.Module):
    """Branches on a value, which can't be done for all rows at once."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        last = x[:, -1] * self.gain
        return last if float(last.detach().sum()) > 0 else -last


def test_dropout_is_left_as_it_was() -> None:
    model = drawn(lambda: nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(576, 3)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        first, _ = clipped_gradient(model, images(), clip=CLIP)
        torch.manual_seed(1)
        again, _ = clipped_gradient(model, images(), clip=CLIP)
    # The first call also looks at the network, which must not shift what dropout draws.
    torch.testing.assert_close(first, again, rtol=0, atol=0)


def test_in_bfloat16_no_row_exceeds_the_norm() -> None:
    model = LeNet(width=8).build((1, 28, 28), 10, generator())
    x = torch.rand(40, 1, 28, 28, generator=generator())
    for row in range(8):
        one = Part(x=x[row : row + 1], y=torch.tensor([row]))
        found, norms = clipped_gradient(model, one, clip=0.1, bfloat16=True)
        assert norms > 0.1
        norm = torch.stack([gradient.norm() for gradient in found]).norm()
        torch.testing.assert_close(norm, torch.tensor(0.1), rtol=1e-4, atol=0)
