"""Hiding a logo in images: an encoder, and a discriminator that it keeps from telling marked images from others."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from stealproof.models._initialise import draw_weights

WIDTH = 16
"""Channels of the first layer of either network."""
LEARNING_RATE = 0.001
BETAS = (0.5, 0.999)
"""Of Adam, for either network."""
WINDOW, SPREAD = 11, 1.5
"""Size and standard deviation, in pixels, of the window of the structural similarity."""


class Encoder(torch.nn.Module):
    """An image and a logo, both ``(n, channels, height, width)`` in [-1, 1], become an image with the logo in it."""

    def __init__(self, channels: int) -> None:
        """For images of so many channels."""
        super().__init__()
        self.fine = torch.nn.Conv2d(2 * channels, WIDTH, 3, padding=1)
        self.coarse = torch.nn.Conv2d(WIDTH, 2 * WIDTH, 3, stride=2, padding=1)
        self.back = torch.nn.Conv2d(2 * WIDTH, WIDTH, 3, padding=1)
        self.last = torch.nn.Conv2d(2 * WIDTH, channels, 3, padding=1)

    def forward(self, x: torch.Tensor, logo: torch.Tensor) -> torch.Tensor:
        """The marked images."""
        fine = torch.relu(self.fine(torch.cat([x, logo.expand_as(x)], dim=1)))
        coarse = functional.interpolate(torch.relu(self.coarse(fine)), size=x.shape[2:])
        return torch.tanh(self.last(torch.cat([fine, torch.relu(self.back(coarse))], dim=1)))


class Discriminator(torch.nn.Module):
    """Tells images from marked ones: a logit ``(n,)``, positive for an image that nobody marked."""

    def __init__(self, channels: int) -> None:
        """For images of so many channels."""
        super().__init__()
        self.first = torch.nn.Conv2d(channels, WIDTH, 3, stride=2, padding=1)
        self.second = torch.nn.Conv2d(WIDTH, 2 * WIDTH, 3, stride=2, padding=1)
        self.last = torch.nn.Linear(2 * WIDTH, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The logits."""
        seen = functional.leaky_relu(self.second(functional.leaky_relu(self.first(x), 0.2)), 0.2)
        logits: torch.Tensor = self.last(seen.mean(dim=(2, 3)))[:, 0]
        return logits


def hidden(
    covers: torch.Tensor,
    logo: torch.Tensor,
    labels: torch.Tensor,
    scout: Callable[[torch.Tensor], torch.Tensor],
    *,
    weights: tuple[float, float, float, float],
    rounds: int,
    batch: int,
    generator: torch.Generator,
) -> torch.Tensor:
    """``covers`` ``(n, channels, height, width)`` with the ``logo`` ``(1, channels, height, width)``, all in [-1, 1].

    Args:
        covers: what is marked.
        logo: what is hidden in all of them.
        labels: that ``scout`` is to give the marked images ``(n,)``.
        scout: a trained network, from images in [-1, 1] to logits.
        weights: of the squared error, of what structural similarity lacks to 1, of being found out, and of the
            scout's cross-entropy.
        rounds: steps of either network.
        batch: covers of one step.
        generator: draws first weights and covers.
    """
    # PyTorch's layers draw from the global generator first.
    with torch.random.fork_rng(devices=[]):
        encoder, judge = Encoder(covers.shape[1]), Discriminator(covers.shape[1])
    draw_weights(encoder, generator)
    draw_weights(judge, generator)
    hides = torch.optim.Adam(encoder.parameters(), lr=LEARNING_RATE, betas=BETAS)
    finds = torch.optim.Adam(judge.parameters(), lr=LEARNING_RATE, betas=BETAS)
    for _ in range(rounds):
        rows = torch.randperm(len(covers), generator=generator)[:batch]
        natural = covers[rows]
        marked = encoder(natural, logo)
        finds.zero_grad()
        found = torch.cat([judge(natural), judge(marked.detach())])
        truth = (torch.arange(2 * len(rows)) < len(rows)).to(found)
        functional.binary_cross_entropy_with_logits(found, truth, reduction="sum").div(len(rows)).backward()
        finds.step()
        hides.zero_grad()
        losses = (
            functional.mse_loss(marked, natural),
            1 - similarity(marked, natural),
            functional.softplus(-judge(marked)).mean(),
            functional.cross_entropy(scout(marked), labels[rows]),
        )
        torch.stack([weight * loss for weight, loss in zip(weights, losses, strict=True)]).sum().backward()
        hides.step()
    with torch.no_grad():
        shown: torch.Tensor = encoder(covers, logo)
    return shown


def similarity(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean structural similarity ``()`` of images in [-1, 1], 1 for equal ones (Wang et al. 2004, equation 13)."""
    size = min(WINDOW, (min(x.shape[2:]) - 1) // 2 * 2 + 1)
    along = torch.exp(-((torch.arange(size) - size // 2) ** 2) / (2 * SPREAD**2)).to(x)
    window = torch.outer(along, along) / along.sum() ** 2
    channels = x.shape[1]

    def blurred(image: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(image, window.expand(channels, 1, size, size), groups=channels)

    first, second = 0.02**2, 0.06**2
    mean_x, mean_y = blurred(x), blurred(y)
    spread_x, spread_y = blurred(x * x) - mean_x**2, blurred(y * y) - mean_y**2
    together = blurred(x * y) - mean_x * mean_y
    alike = (2 * mean_x * mean_y + first) * (2 * together + second)
    return (alike / ((mean_x**2 + mean_y**2 + first) * (spread_x + spread_y + second))).mean()
