"""Uchida et al.'s watermark in the weights: secret projections of one layer spell secret bits."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from stealproof.errors import EvidenceError, InputError, InvalidData
from stealproof.measures.binomial import critical_matches, matches_p_value, trials_needed
from stealproof.roles.dataset import Part
from stealproof.roles.ownership import Watermark
from stealproof.roles.training_defense import TrainingDefense, TrainingRun
from stealproof.roles.trial import Examination, Trial
from stealproof.system import Source

Layer = torch.nn.Conv2d | torch.nn.Linear


@dataclass(frozen=True, kw_only=True)
class Uchida2017(Watermark, TrainingDefense):
    """A regulariser draws the mean filter of one layer to the side of random hyperplanes that its bits demand.

    Verification opens the suspect's network: nothing is asked, and a suspect of another architecture has no such layer.
    Bits and projections follow from one secret number, so that an accuser can't fit them to a given suspect.
    """

    source = Source(
        authors="Uchida, Nagai, Sakazawa, Satoh",
        title="Embedding Watermarks into Deep Neural Networks",
        venue="ICMR",
        year=2017,
        url="https://arxiv.org/abs/1701.04082",
    )
    departure = (
        "64 bits in place of 256, which fit the layers of small networks; the layer is the hidden one with the longest"
        " filters, a convolution if there is one; the verdict is an exact binomial test in place of no bit error"
    )
    null = "the suspect's weights were made without knowledge of the secret bits, which are fair coins"
    caveat = (
        "an accuser may try many secret numbers on known weights, which a commitment older than the suspect excludes"
    )

    bits: int = 64
    """Bits that are embedded, from 1 to the number of weights in one filter of the layer."""
    strength: float = 0.01
    """Weight of the regulariser in the loss (the paper's lambda, section 3.2); positive. Short trainings need more."""
    layer: str = ""
    """Name of the layer among the network's modules; empty for the hidden one with the longest filters."""

    def opens_model(self) -> bool:
        """Always: the mark is in the weights."""
        return True

    def prepare(self, data: Part, run: TrainingRun) -> Part:
        """Draw the secret number; the data stay as they are."""
        if self.bits < 1:
            raise InputError(f"bits must be at least 1, got {self.bits}")
        if not 0 < self.strength < math.inf:
            raise InputError(f"strength must be positive and finite, got {self.strength}")
        self.book.clear()
        self.book["secret"] = int(torch.randint(2**62, (), generator=run.generator))
        return data

    def penalty(self, model: torch.nn.Module, batch: Part, logits: torch.Tensor, run: TrainingRun) -> torch.Tensor:
        """Binary cross-entropy, summed over bits, between the sides of the projections and the bits (section 3.2)."""
        layer = self._carrier(model)
        self.book["shape"] = np.array(layer.weight.shape, dtype=np.int64)
        self.book["place"] = _alike(model, tuple(layer.weight.shape)).index(layer)
        projections, bits = _secret(self.book["secret"], self.bits, layer.weight[0].numel())
        # Inner products by hand: under autocast a matrix product would round them to 8 bits.
        sides = (projections.to(layer.weight) * _mean_filter(layer)).sum(dim=1)
        loss = functional.binary_cross_entropy_with_logits(sides, bits.to(layer.weight), reduction="sum")
        return self.strength * loss

    def _carrier(self, model: torch.nn.Module) -> Layer:
        """The layer that carries the bits."""
        named = {name: module for name, module in model.named_modules() if isinstance(module, Layer)}
        if self.layer:
            if self.layer not in named:
                raise InputError(
                    f"no convolution or linear layer is named {self.layer!r}; there are: {', '.join(named)}"
                )
            chosen = named[self.layer]
        else:
            # The last layer is what a fine-tuning thief replaces first.
            hidden = list(named.values())[:-1] or list(named.values())
            if not hidden:
                raise InputError("uchida2017 marks a convolution or a linear layer, but the network has none")
            chosen = max(hidden, key=lambda module: (isinstance(module, torch.nn.Conv2d), module.weight[0].numel()))
        length = chosen.weight[0].numel()
        if self.bits > length:
            raise InputError(f"a filter of {length} weights carries at most {length} bits, got bits={self.bits}")
        return chosen

    def _examine(self, trial: Trial) -> Examination:
        assert trial.model is not None
        shape, place = tuple(int(size) for size in trial.secret("shape")), int(trial.secret("place"))
        layers = _alike(trial.model, shape)
        if not 0 <= place < len(layers):
            raise InvalidData(
                f"the claim is about layer {place + 1} with weights of shape {shape}, but the suspect has {len(layers)}"
                " such layers: this mark can't be looked for in another architecture"
            )
        n = int(trial.claim.parameters.get("bits", self.bits))
        length = math.prod(shape[1:])
        if not 1 <= n <= length:
            raise EvidenceError(f"a filter of {length} weights carries 1 to {length} bits; the claim is about {n}")
        projections, bits = _secret(int(trial.secret("secret")), n, length)
        with torch.no_grad():
            sides = projections.double() @ _mean_filter(layers[place]).double().cpu()
        matches = int(((sides >= 0) == bits.bool()).sum())
        return Examination(
            statistic=matches / n,
            p_value=matches_p_value(matches, n, 0.5),
            threshold=critical_matches(n, 0.5, trial.level) / n,
            attainable=0.5**n,
            needed=f"at least {trials_needed(0.5, trial.level)} bits",
            effect=matches / n,
            reasons=(f"the suspect's weights spell {matches} of {n} bits; chance gives {n / 2:g}",),
        )


def _alike(model: torch.nn.Module, shape: tuple[int, ...]) -> list[Layer]:
    """The layers with weights of this shape, in order; names change when a network is wrapped, this does not."""
    layers = [module for module in model.modules() if isinstance(module, Layer)]
    return [layer for layer in layers if tuple(layer.weight.shape) == shape]


def _mean_filter(layer: Layer) -> torch.Tensor:
    """Mean over the output channels (section 3.1), flat."""
    return layer.weight.mean(dim=0).flatten()


def _secret(number: int, bits: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Standard normal projections ``(bits, length)`` and fair bits ``(bits,)``, float32, both from one number."""
    generator = torch.Generator().manual_seed(number)
    drawn = torch.randint(2, (bits,), generator=generator).float()
    return torch.randn(bits, length, generator=generator), drawn
