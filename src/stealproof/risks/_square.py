"""Square attack: random search for a fooling input in squares of the ball's corners; it asks for answers only."""

from __future__ import annotations

import torch

from stealproof.risks._attacked import Attacked, Ball
from stealproof.risks._margins import hard_margin

SHARE = 0.8
"""Share of the values that the first proposals change (Croce & Hein 2020; 0.05 in the square attack's own paper)."""
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""After how many of 10,000 queries the share is halved, scaled to the queries at hand."""


def search(
    network: Attacked,
    x: torch.Tensor,
    y: torch.Tensor,
    ball: Ball,
    *,
    queries: int,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Where the search from ``x`` ``(n, *shape)`` ends after ``queries`` a row, and which rows ``(n,)`` still stand.

    Andriushchenko et al. 2020, algorithm 1 and 2, in the largest-change norm. Images start with vertical stripes and
    change in squares; other inputs have no neighbourhoods and change in random columns. A proposal that does no harm
    is kept, so that the search also moves where the answers are flat.
    """
    found = _corner(ball, _stripes(x, generator))
    standing = torch.ones(len(x), dtype=torch.bool, device=x.device)
    number = torch.arange(len(x), device=x.device)
    best = torch.full((len(x),), -torch.inf, dtype=x.dtype, device=x.device)
    at, proposal = found.clone(), found
    for query in range(queries):
        if len(number) == 0:
            break
        labels, here = y[number], ball.take(number)
        if query:
            proposal = _proposed(at, here, _share(query, queries), generator)
        logits = network.logits(proposal)
        value = hard_margin(logits, labels)
        kept = value >= best
        best = torch.where(kept, value, best)
        at = torch.where(kept.view(-1, *[1] * (x.ndim - 1)), proposal, at)
        fell = logits.argmax(dim=1) != labels
        if bool(fell.any()):
            found[number[fell]] = proposal[fell]
            standing[number[fell]] = False
            number, at, best = number[~fell], at[~fell], best[~fell]
    found[number] = at
    return found, standing


def _share(query: int, queries: int) -> float:
    scaled = query * 10_000 // queries
    return SHARE / 2.0 ** sum(scaled > limit for limit in HALVINGS)


def _corner(ball: Ball, up: torch.Tensor) -> torch.Tensor:
    """The values at the upper end of the ball where ``up``, else at the lower."""
    return torch.where(up, ball.high, ball.low)


def _coins(shape: tuple[int, ...], like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.randint(0, 2, shape, generator=generator, dtype=torch.bool).to(like.device)


def _stripes(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A direction for each column of each channel of an image, or for each value."""
    if x.ndim == 4:
        return _coins((*x.shape[:2], 1, x.shape[3]), x, generator).expand(x.shape)
    return _coins(tuple(x.shape), x, generator)


def _proposed(at: torch.Tensor, ball: Ball, share: float, generator: torch.Generator) -> torch.Tensor:
    """``at`` with one square (or some columns) a row set to the ball's ends; one that is there already turns over."""
    if at.ndim == 4:
        inside = _squares(at, share, generator)
        up = _coins((*at.shape[:2], 1, 1), at, generator)
    else:
        inside = _columns(at, share, generator)
        up = _coins((len(at), *[1] * (at.ndim - 1)), at, generator)
    proposal = torch.where(inside, _corner(ball, up), at)
    same = (proposal == at).flatten(1).all(dim=1).view(-1, *[1] * (at.ndim - 1))
    if bool(same.any()):
        proposal = torch.where(inside & same, _corner(ball, ~up), proposal)
    return proposal


def _squares(x: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """One square a row, ``(n, 1, height, width)`` bool, of about ``share`` of the image."""
    n, _, height, width = x.shape
    side = min(max(round((share * height * width) ** 0.5), 1), height, width)
    spans: list[torch.Tensor] = []
    for length in (height, width):
        begin = torch.randint(0, length - side + 1, (n, 1), generator=generator)
        place = torch.arange(length)
        spans.append(((place >= begin) & (place < begin + side)).to(x.device))
    return spans[0][:, None, :, None] & spans[1][:, None, None, :]


def _columns(x: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """A random subset of about ``share`` of each row's values, ``(n, *shape)`` bool."""
    size = x[0].numel()
    count = min(max(round(share * size), 1), size)
    chosen = torch.rand(len(x), size, generator=generator).topk(count, dim=1).indices
    inside = torch.zeros(len(x), size, dtype=torch.bool)
    inside.scatter_(1, chosen, torch.ones_like(chosen, dtype=torch.bool))
    return inside.view(x.shape).to(x.device)
