"""Dataset inference: a model lies further from its boundary around images that it was trained on; one row an image."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.errors import EvidenceError, InputError, InvalidData
from stealproof.measures.welch import rows_needed, smallest_p_value, welch_test
from stealproof.oracle import Access, Answer, Oracle
from stealproof.oracles.module import ModuleOracle
from stealproof.ownership._boundary_walks import NORMS, blind_walk
from stealproof.ownership._gradient_walks import gradient_walk
from stealproof.ownership._margin_regressor import fit_regressor, scores
from stealproof.roles.dataset import Part
from stealproof.roles.ownership import Fingerprint
from stealproof.roles.trial import Enrolment, Examination, Trial
from stealproof.system import Source

MOST = {"starts": 1000, "walk_steps": 10_000, "gradient_steps": 100_000}
"""Bounds of what a claim can make a judge do."""
REGRESSOR = ("hidden_weight", "hidden_bias", "output_weight", "output_bias", "mean", "scale")


@dataclass(frozen=True, kw_only=True)
class DatasetInference(Fingerprint):
    """Prove that a suspect was made from the owner's private images, by their distances to its boundary.

    The owner's regressor learns, on the victim, what the distances of members (``train``) look like beside those of
    images that nobody trains on (``test``). Verification measures distances on the suspect around *other* members and
    non-members, scores each image once, and compares the two means by Welch's one-sided test.
    """

    source = Source(
        authors="Maini, Yaghini, Papernot",
        title="Dataset Inference: Ownership Resolution in Machine Learning",
        venue="ICLR",
        year=2021,
        url="https://arxiv.org/abs/2104.10706",
    )
    departure = (
        "a row of the regressor is one image and no image serves both to fit and to verify, unlike the released code;"
        " one test over all verification images replaces the harmonic mean of the p-values of 100 overlapping draws,"
        " which is no p-value"
    )
    null = "the suspect's scores have the same mean on the owner's members as on the non-members"
    caveat = (
        "this holds only if members and non-members were dealt from one pile by lot, which the claim can't prove: an"
        " accuser who picks members that are easier for everybody accuses everybody; independent models of data from"
        " the same distribution have been accused (Szyller et al. 2023), and so is whoever may use the same images"
    )

    access: Literal["black-box", "white-box"] = "black-box"
    """Whether distances are walked through the suspect's labels (Blind Walk) or down its gradients (MinGD)."""
    norms: tuple[str, ...] = NORMS
    """Norms of the distances: one or more of l1, l2, linf."""
    regressor_images: int = 500
    """Members, and as many non-members, that the regressor learns from; at least 2, halved where data are short."""
    images: int = 500
    """Other members, and as many non-members, to verify with; at least 2, at most what the regressor leaves."""
    starts: int = 10
    """Blind Walk: random directions for each image and norm; 1 to 1,000."""
    walk_steps: int = 50
    """Blind Walk: longest walk, in steps; 1 to 10,000. An image costs at most starts x norms x steps queries."""
    stride: float = 1.0
    """Factor of the size of every step, 1 being the paper's; above 0. Fewer, longer steps are cheaper and coarser."""
    targets: int = 10
    """MinGD: nearest classes, the image's own left out, to which the distance is measured; at least 1."""
    gradient_steps: int = 500
    """MinGD: longest walk, in steps; 1 to 100,000."""
    pixels: int = 100
    """MinGD: inputs that one step of norm l1 moves; at least 1."""
    precision: Literal["auto", "float32"] = "auto"
    """MinGD: ``auto`` descends in bfloat16 where that is faster (convolutions); flips are always seen in float32."""
    iterations: int = 1000
    """Steps of the regressor's gradient descent; at least 1."""
    rate: float = 0.1
    """Learning rate of the regressor; above 0."""

    def opens_model(self) -> bool:
        """True in the white box."""
        return self.access == "white-box"

    def _enroll(self, enrolment: Enrolment) -> Mapping[str, Any]:
        self._check_parameters()
        data = enrolment.data
        members = _distinct_rows(data.train, enrolment.rng("members"), 2 * (self.regressor_images + self.images))
        strangers = _distinct_rows(data.test, enrolment.rng("non-members"), 2 * (self.regressor_images + self.images))
        trained_on = {_digest(row) for row in data.train.x}
        kept = [digest for digest in strangers if digest not in trained_on]
        fewest = min(len(members), len(kept))
        if fewest < 4:
            raise InvalidData(
                f"dataset inference needs at least 4 different images in train and in test, got {len(members)} and"
                f" {len(kept)} that are not in train"
            )
        fitted = min(self.regressor_images, fewest // 2)
        last = fitted + min(self.images, fewest - fitted)
        inside, outside = list(members.values())[:last], [strangers[digest] for digest in kept[:last]]
        x = np.concatenate([data.train.x[inside].numpy(), data.test.x[outside].numpy()]).astype(np.float32)
        y = np.concatenate([data.train.y[inside].numpy(), data.test.y[outside].numpy()])
        fitting = np.tile(np.arange(last) < fitted, 2)
        is_member = np.arange(2 * last) < last
        oracle = ModuleOracle(
            enrolment.model, domain=data.domain, classes=data.classes, access=Access(answer=Answer.LABELS)
        )
        distances = self._distances(
            x[fitting],
            y[fitting],
            oracle=oracle,
            ask=lambda queries: oracle.ask(queries).predicted,
            model=enrolment.model,
            rng=enrolment.rng("directions"),
            report=lambda share: enrolment.progress("walking to the victim's boundary", share),
        )
        regressor = fit_regressor(
            distances[:fitted],
            distances[fitted:],
            rate=self.rate,
            iterations=self.iterations,
            generator=enrolment.generator("regressor"),
        )
        return {"inputs": x[~fitting], "labels": y[~fitting], "members": is_member[~fitting], **regressor}

    def _examine(self, trial: Trial) -> Examination:
        self._check_parameters()
        members = np.asarray(trial.secret("members"), dtype=bool)
        distances = self._distances(
            np.asarray(trial.secret("inputs"), dtype=np.float32),
            np.asarray(trial.secret("labels"), dtype=np.int64),
            oracle=trial.suspect,
            ask=lambda queries: trial.ask(queries).predicted,
            model=trial.model,
            rng=trial.rng("directions"),
            report=lambda share: trial.progress("walking to the suspect's boundary", share),
        )
        score = scores({name: trial.secret(name) for name in REGRESSOR}, distances)
        if not np.isfinite(score).all():
            raise EvidenceError("the claim's regressor gives scores that are no finite numbers; expected a fitted one")
        count = int(members.sum()), int((~members).sum())
        if min(count) < 2:
            raise InvalidData(
                f"expected at least 2 members and 2 non-members in the claim, got {count[0]} and {count[1]}"
            )
        test = welch_test(score[~members], score[members], level=trial.level)
        return Examination(
            statistic=test.statistic,
            p_value=test.p_value,
            threshold=test.threshold,
            attainable=smallest_p_value(*count),
            needed=f"at least {rows_needed(trial.level)} members and as many non-members",
            effect=test.difference,
        )

    def _distances(
        self,
        x: NDArray[np.float32],
        labels: NDArray[np.int64],
        *,
        oracle: Oracle,
        ask: Callable[[NDArray[np.float32]], NDArray[np.int64]],
        model: torch.nn.Module | None,
        rng: np.random.Generator,
        report: Callable[[float], None],
    ) -> NDArray[np.float64]:
        """One row of distances for each image."""
        if self.access == "black-box":
            return blind_walk(
                ask,
                x,
                labels,
                domain=oracle.domain,
                norms=self.norms,
                starts=self.starts,
                steps=self.walk_steps,
                stride=self.stride,
                rng=rng,
                report=report,
            )
        assert model is not None
        return gradient_walk(
            model,
            x,
            labels,
            domain=oracle.domain,
            norms=self.norms,
            targets=self.targets,
            steps=self.gradient_steps,
            stride=self.stride,
            pixels=self.pixels,
            precision=self.precision,
            report=report,
        )

    def _check_parameters(self) -> None:
        if not self.norms or len(set(self.norms)) < len(self.norms) or not set(self.norms) <= set(NORMS):
            raise InputError(f"norms must be one or more of {', '.join(NORMS)}, each once, got {self.norms}")
        least = {"regressor_images": 2, "images": 2}
        counts = ("starts", "walk_steps", "targets", "gradient_steps", "pixels", "iterations")
        for name in (*least, *counts):
            if getattr(self, name) < least.get(name, 1):
                raise InputError(f"{name} must be at least {least.get(name, 1)}, got {getattr(self, name)}")
        for name, most in MOST.items():
            if getattr(self, name) > most:
                raise InputError(f"{name} must be at most {most:,}, got {getattr(self, name):,}")
        for name in ("stride", "rate"):
            if not 0 < getattr(self, name) < np.inf:
                raise InputError(f"{name} must be positive and finite, got {getattr(self, name)}")


def _distinct_rows(part: Part, rng: np.random.Generator, most: int) -> dict[bytes, int]:
    """Up to ``most`` rows of ``part`` in random order by their digests, so that no image counts twice."""
    if part.y.ndim != 1:
        raise InvalidData(
            f"dataset inference needs one label for each image, got targets of shape {tuple(part.y.shape)}"
        )
    found: dict[bytes, int] = {}
    for row in rng.permutation(len(part)):
        if len(found) == most:
            break
        found.setdefault(_digest(part.x[row]), int(row))
    return found


def _digest(image: torch.Tensor) -> bytes:
    return hashlib.sha256(image.float().numpy().tobytes()).digest()
