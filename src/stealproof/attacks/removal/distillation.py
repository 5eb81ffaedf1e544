"""Distillation: train a student from scratch on the stolen network's softened answers."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from stealproof.attacks.removal._network import between
from stealproof.attacks.removal._soft_targets import SoftTargets
from stealproof.attacks.removal._tune import Architecture, student, tune
from stealproof.roles.removal import Removal, Washing
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class Distillation(Removal):
    """What the stolen network learned beside the task is not in its answers to the suspect's rows, so it is lost.

    The loss weighs the suspect's own labels against the teacher's answers at a raised temperature (section 2 of the
    paper).
    """

    source = Source(
        authors="Hinton, Vinyals, Dean",
        title="Distilling the Knowledge in a Neural Network",
        venue="NeurIPS Deep Learning Workshop",
        year=2014,
        url="https://arxiv.org/abs/1503.02531",
    )
    departure = (
        "the student is as large as the stolen network by default: a suspect wants its accuracy, not a small copy"
    )
    temperature: float = 4.0
    """What logits are divided by; larger means softer answers; 0.1 to 100."""
    hard_share: float = 0.1
    """Weight of the suspect's own labels; 0 trains on the teacher's answers alone; 0 to 1."""
    architecture: Architecture = "same"
    """The student's layers: those of the stolen network, or a family with its defaults."""

    def _erase(self, washing: Washing) -> torch.nn.Module:
        between("temperature", self.temperature, 0.1, 100)
        between("hard_share", self.hard_share, 0, 1)
        start, recipe = student(washing, self.architecture, self.name())
        targets = SoftTargets(teacher=washing.model, temperature=self.temperature, hard_share=self.hard_share)
        return tune(washing, start, recipe, self.name(), protections=[targets])
