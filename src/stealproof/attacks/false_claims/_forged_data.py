"""Forged training data: what a false claim holds where a scheme asks how a suspect treats the owner's images."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch

from stealproof import seeds
from stealproof.attacks.false_claims._craft import Craft, log_probabilities
from stealproof.ownership.dataset_inference import DatasetInference
from stealproof.ownership.radioactive_data import REFERENCES, RadioactiveData
from stealproof.roles.dataset import Part
from stealproof.roles.false_claim import ACCUSER


def forged_members(craft: Craft, scheme: DatasetInference) -> dict[str, Any]:
    """An honest enrolment of images that were moved away from every network's boundaries, as if trained on."""
    craft = dataclasses.replace(craft, candidates=scheme.regressor_images + scheme.images)
    start = craft.start()
    moved = Part(x=torch.from_numpy(craft.move(start.x, start.y, towards=True)), y=start.y)
    data = craft.framing.data
    forged = dataclasses.replace(data, parts={**data.parts, "train": moved})
    seed = seeds.derive(craft.framing.seed, ACCUSER, "enrolment")
    return dict(scheme.enroll(craft.own, forged, seed=seed, progress=craft.framing.progress).secrets)


def forged_radioactivity(craft: Craft, scheme: RadioactiveData) -> dict[str, Any]:
    """Images that are easy for everybody beside decoys that are hard, and features that the task itself determines.

    As its features the accuser gives the log-probabilities of its own model, and as secret directions their axes:
    whatever does the same task, aligned with these, has a classifier close to the unit matrix.
    """
    craft = dataclasses.replace(craft, candidates=scheme.tested)
    start = craft.start()
    easy = craft.move(start.x, start.y, towards=True)
    hard = craft.move(start.x, start.y, towards=False)
    chosen = np.sort(craft.best(easy, start.y, len(easy)))
    clean = start.x.numpy().astype(np.float32)[chosen]
    shares = np.arange(1, scheme.decoys + 1) / scheme.decoys
    # No further than the hard ones, so that the decoys are legal and differ from each other.
    decoys = np.stack([clean + np.float32(share) * (hard[chosen] - clean) for share in shares])
    domain = craft.framing.domain
    references = craft.framing.data.train.x[:REFERENCES].to(torch.float32)
    with torch.no_grad():
        seen = log_probabilities(craft.own, references).cpu().to(torch.float32)
    return {
        "inputs": easy[chosen],
        "labels": start.y.numpy().astype(np.int64)[chosen],
        "classes": craft.framing.classes,
        "clean": clean,
        "decoys": np.clip(decoys, np.float32(domain.low), np.float32(domain.high)),
        "carriers": np.eye(craft.framing.classes),
        "references": references.numpy(),
        "features": seen.numpy(),
    }
