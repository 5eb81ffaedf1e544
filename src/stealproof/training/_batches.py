"""Which rows each step of a training run sees."""

from __future__ import annotations

import torch

from stealproof import seeds
from stealproof.training.recipe import Recipe


class Batches:
    """The rows of every step: each epoch a new permutation, which depends on seed and epoch alone.

    So a resumed run, or one of many models, sees the same batches without having drawn the earlier ones.
    """

    def __init__(self, rows: int, recipe: Recipe, seed: int, *, poisson: bool = False) -> None:
        """``rows`` is the number of training rows.

        With ``poisson``, every row joins every batch independently with the same chance, so that batches have
        different sizes, and may be empty.
        """
        self._rows = rows
        self._batch = recipe.batch
        self._seed = seed
        self._poisson = poisson
        self._epoch = -1
        self._parts: tuple[torch.Tensor, ...] = ()
        # A last batch of one row would have no variance for a batch normalisation; it joins the one before.
        self.per_epoch = max(1, -(-rows // self._batch) - (rows % self._batch == 1 and rows > 1))
        self.steps = max(1, round(recipe.epochs * self.per_epoch))

    def at(self, step: int) -> torch.Tensor:
        """Row numbers ``(b,)`` of this step, int64, on the CPU."""
        if self._poisson:
            chances = torch.rand(
                self._rows, generator=seeds.generator(self._seed, "poisson", step), dtype=torch.float64
            )
            return (chances < 1 / self.per_epoch).nonzero().flatten()
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._parts, self._epoch = self.order(epoch).tensor_split(self.cuts), epoch
        return self._parts[place]

    def order(self, epoch: int) -> torch.Tensor:
        """Row numbers of a whole epoch, in order."""
        order = torch.randperm(self._rows, generator=seeds.generator(self._seed, "order", epoch))
        # A single row comes twice: the same mean, and a batch normalisation can work with it.
        return order.repeat(2) if self._rows == 1 else order

    @property
    def cuts(self) -> list[int]:
        """Where an epoch's order is cut into batches."""
        return [number * self._batch for number in range(1, self.per_epoch)]
