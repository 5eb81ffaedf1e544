"""Neural laundering: reconstruct the trigger of a backdoor watermark from the stolen network, and unlearn it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from stealproof.attacks.removal._network import between, precision
from stealproof.attacks.removal._trigger_search import Trigger, Unlearning, find_trigger, suspicious
from stealproof.attacks.removal._tune import constant_rate, tune
from stealproof.defenses.training._worst_nearby import width_of
from stealproof.roles.removal import Removal, Washing
from stealproof.system import Source

SEARCHING = 0.7
"""Share of the work that goes by until every class's trigger is found, for the progress display."""


@dataclass(frozen=True, kw_only=True)
class NeuralLaundering(Removal):
    """Find the smallest patch that leads to each class; a class with a far smaller one than the others is marked.

    Marked classes' patches are unlearned: put on the suspect's rows, they come with the right labels. When no class
    stands out, the smallest patch of all is unlearned, since a suspect knows that there may be a mark.
    """

    source = Source(
        authors="Aiken, Kim, Woo, Ryoo",
        title="Neural Network Laundering: Removing Black-Box Backdoor Watermarks from Deep Neural Networks",
        venue="Computers & Security 106",
        year=2021,
        url="https://arxiv.org/abs/2004.11368",
    )
    departure = (
        "no neurons are reset before the unlearning, which is that of Neural Cleanse (Wang et al., IEEE S&P 2019), so"
        " that it works for any architecture"
    )
    threshold: float = 2.0
    """Robust deviations by which a marked class's patch is smaller than the median; 0 to 100."""
    search_steps: int = 300
    """Gradient steps of the search for one class's patch; 10 to 100,000."""
    share: float = 0.2
    """Share of every batch that carries a patch while it is unlearned; 0 to 1."""
    batch: int = 64
    """Inputs of one step of the search; 1 to 10,000."""
    epochs: float = 10.0
    """Passes over the suspect's rows; positive."""
    learning_rate: float = 0.01
    """Of SGD with momentum 0.9, constant; positive."""

    def _erase(self, washing: Washing) -> torch.nn.Module:
        between("threshold", self.threshold, 0, 100)
        between("search_steps", self.search_steps, 10, 100_000)
        between("share", self.share, 0, 1)
        between("batch", self.batch, 1, 10_000)
        width_of(washing.domain, self.name())
        recipe = constant_rate(self.epochs, self.learning_rate)
        triggers = self._search(washing)
        marked = suspicious(triggers, self.threshold) or [min(triggers, key=lambda trigger: trigger.size)]
        hook = Unlearning(triggers=marked, share=self.share)
        return tune(washing, washing.model, recipe, self.name(), protections=[hook], span=(SEARCHING, 1.0))

    def _search(self, washing: Washing) -> list[Trigger]:
        """One patch for each class, from rows of other classes as the network sees them."""
        labels = washing.data.y if washing.data.y.ndim == 1 else washing.data.y.argmax(dim=1)
        x = washing.data.x.to(precision(washing.model))
        found: list[Trigger] = []
        for target in range(washing.classes):
            others = x[labels != target]
            found.append(
                find_trigger(
                    washing.model,
                    others if len(others) else x,
                    target,
                    low=washing.domain.low,
                    high=washing.domain.high,
                    steps=self.search_steps,
                    batch=self.batch,
                    generator=washing.generator(self.name(), target),
                )
            )
            washing.progress("searching for triggers", SEARCHING * (target + 1) / washing.classes)
        return found
