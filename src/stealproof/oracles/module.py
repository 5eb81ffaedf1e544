"""A local PyTorch network as an oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.errors import InputError
from stealproof.oracle import Access, Answer, Answers, Budget, Domain, Oracle, Transcript


class ModuleOracle(Oracle):
    """Answers with labels, probabilities or logits of a network; for the rest wrap it in ``GuardedOracle``."""

    def __init__(
        self,
        model: torch.nn.Module,
        *,
        domain: Domain,
        classes: int,
        access: Access | None = None,
        budget: Budget | None = None,
        transcript: Transcript | None = None,
        batch: int = 256,
    ) -> None:
        """``model`` maps ``(n, *shape)`` to logits ``(n, classes)``; ``batch`` bounds the memory of one pass."""
        super().__init__(domain=domain, classes=classes, access=access, budget=budget, transcript=transcript)
        if self.access.answer not in (Answer.LABELS, Answer.PROBABILITIES, Answer.LOGITS):
            raise InputError(f"a local network answers labels, probabilities or logits, not {self.access}")
        self._model = model.eval()
        self._batch = batch
        # A recovered tree has no parameters, but its thresholds are buffers of the precision that it wants.
        weights = [t for t in (*model.parameters(), *model.buffers()) if t.is_floating_point()]
        self._device = weights[0].device if weights else torch.device("cpu")
        self._dtype = weights[0].dtype if weights else torch.float32

    def _answer(self, queries: NDArray[Any]) -> Answers:
        logits: list[NDArray[Any]] = []
        with torch.inference_mode():
            for start in range(0, len(queries), self._batch):
                x = torch.as_tensor(queries[start : start + self._batch], dtype=self._dtype, device=self._device)
                output = self._model(_channels_last(x))
                if self.access.answer is Answer.PROBABILITIES:
                    output = output.softmax(dim=1)
                logits.append(output.cpu().numpy())
        scores = np.concatenate(logits)
        labels = scores.argmax(axis=1)
        return Answers(labels=labels, scores=None if self.access.answer is Answer.LABELS else scores)


def _channels_last(x: torch.Tensor) -> torch.Tensor:
    """Images in the layout in which convolutions took a third of the time, whatever the layout of their weights."""
    if x.ndim != 4:
        return x
    # ``contiguous`` leaves a single channel as it is, since both layouts then have the same bytes.
    return torch.empty(x.shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last).copy_(x)
