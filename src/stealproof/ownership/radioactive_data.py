"""Radioactive data: marked training images leave a trace in whatever is trained on them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.errors import InputError, InvalidData
from stealproof.measures.combine import fisher
from stealproof.measures.directions import cosine_p_value
from stealproof.measures.paired import paired_difference
from stealproof.measures.randomization import choice_p_value, choice_score, smallest_choice_p_value
from stealproof.oracle import Answer
from stealproof.ownership._features import classifier, features
from stealproof.ownership._radioactive_marks import carriers, mark
from stealproof.ownership._trigger_sets import distinct, legal_range, secret_labels
from stealproof.roles.dataset import Part
from stealproof.roles.ownership import Watermark
from stealproof.roles.training_defense import TrainingDefense, TrainingRun
from stealproof.roles.trial import Examination, Trial
from stealproof.system import Source, Stage
from stealproof.training.fit import fit
from stealproof.training.suited import suited_network

REFERENCES = 1000
"""Unmarked training images on which the features of marker and suspect are aligned."""
DRAWS = 100_000
"""Choices of directions that the secret ones are compared with; their inverse is the smallest p-value."""
LEAST_PROBABILITY = 1e-12
"""Floor of a probability under the logarithm."""


@dataclass(frozen=True, kw_only=True)
class RadioactiveData(Watermark, TrainingDefense):
    """Move the features of some training images along one secret direction a class, and look for it in a suspect.

    The features are those of a marking network, by default a small one that is trained on the unmarked data. The mark
    is in the data: it also accuses whoever trained on a copy of them.
    """

    source = Source(
        authors="Sablayrolles, Douze, Schmid, Jégou",
        title="Radioactive data: tracing through training",
        venue="ICML",
        year=2020,
        url="https://arxiv.org/abs/2002.00937",
    )
    departure = (
        "ten steps of the gradient's sign without augmentation mark an image, where the paper takes 90 and more of"
        " plain descent; through answers, the secret directions compete with decoys drawn in the same way, since the"
        " images of a class share one direction and so are no independent rows for a paired t-test, which is reported"
    )
    null = "the suspect was made without the marked images, so that their secret directions are to it like any others"
    caveat = (
        "it accuses whoever trained on the marked images, whether or not the owner's model was copied; and chance lies"
        " in the key: one that favours the owner does so on every model, so that control models have to be asked, too"
    )
    accepts: ClassVar[frozenset[Answer]] = frozenset({Answer.TOP_K, Answer.PROBABILITIES, Answer.LOGITS})
    stage = Stage.DATA

    marked: float = 0.1
    """Share of the training images that is marked; above 0, at most 1. Some dozens of images leave too weak a trace."""
    radius: float = 10.0
    """Largest change of a pixel, in 255ths of the legal range; positive."""
    steps: int = 10
    """Steps of the marking; at least 1."""
    image_penalty: float = 5e-4
    """Weight of the squared change of pixels; at least 0."""
    feature_penalty: float = 0.01
    """Weight of the length of the change of features; at least 0."""
    mode: Literal["black-box", "white-box"] = "black-box"
    """What a judge looks at: losses on the marked images, or the directions of the suspect's classifier."""
    tested: int = 200
    """Marked images that a judge asks about; at least 2."""
    decoys: int = 9
    """Sets of directions that compete with the secret ones under ``black-box``; at least 1."""
    marker: list[torch.nn.Module] = field(default_factory=list, init=False, repr=False, compare=False)
    """The marking network where ``mark_with`` gave one; else empty."""

    def mark_with(self, network: torch.nn.Module) -> None:
        """Use the features of this network, which ends in a linear layer, in place of one trained on the data."""
        classifier(network)
        self.marker[:] = [network]

    def opens_model(self) -> bool:
        """Under ``white-box``."""
        return self.mode == "white-box"

    def prepare(self, data: Part, run: TrainingRun) -> Part:
        """Mark some of the images; their targets stay."""
        self._check_parameters()
        labels = data.labels
        order = torch.randperm(len(data), generator=run.generator)
        chosen = order[: max(1, round(self.marked * len(data)))]
        network = self.marker[0] if self.marker else self._train_marker(data, run)
        dimension = classifier(network).in_features
        directions = carriers(1 + self.decoys, run.classes, dimension, run.generator)

        def marked(rows: torch.Tensor, which: int) -> torch.Tensor:
            low, high = legal_range(run.domain, data.x)
            return mark(
                network,
                data.x[rows],
                directions[which, labels[rows]],
                domain=run.domain,
                radius=self.radius / 255 * (high - low),
                steps=self.steps,
                image_penalty=self.image_penalty,
                feature_penalty=self.feature_penalty,
            )

        inputs = marked(chosen, 0)
        kept = distinct(inputs, min(self.tested, len(chosen)), what="marked images")
        tested, references = chosen[kept], order.flip(0)[:REFERENCES]
        with torch.no_grad():
            seen = features(network, data.x[references])
        self.book.update(
            inputs=inputs[kept].numpy(),
            labels=labels[tested].to(torch.int64).numpy(),
            classes=run.classes,
            clean=_float32(data.x[tested]),
            decoys=np.stack([marked(tested, which).numpy() for which in range(1, 1 + self.decoys)]),
            carriers=directions[0].numpy(),
            references=_float32(data.x[references]),
            features=_float32(seen),
        )
        x = data.x.clone()
        x[chosen] = inputs.to(x)
        return Part(x=x, y=data.y)

    def _train_marker(self, data: Part, run: TrainingRun) -> torch.nn.Module:
        """A small network of the same task, from the unmarked data."""
        seed = int(torch.randint(2**62, (), generator=run.generator))
        family = suited_network(tuple(data.x.shape[1:]), run.classes)
        return fit(family, data, classes=run.classes, domain=run.domain, seed=seed)

    def _examine(self, trial: Trial) -> Examination:
        return self._open(trial) if self.opens_model() else self._ask(trial)

    def _ask(self, trial: Trial) -> Examination:
        """The loss on the marked images against that on decoys, class by class."""
        labels = secret_labels(trial)
        versions = [trial.secret("inputs"), *trial.secret("decoys")]
        losses = np.stack([_losses(trial, version, labels) for version in versions])
        clean = _losses(trial, trial.secret("clean"), labels)
        present = np.unique(labels)
        # The directions of different classes are independent; the images of one class share theirs.
        gains = np.stack([-losses[:, labels == label].sum(axis=1) for label in present]) / len(labels)
        paired = paired_difference(clean.tolist(), losses[0].tolist())
        published = paired.p_value / 2 if paired.difference.value > 0 else 1 - paired.p_value / 2
        gain = float(gains[:, 0].sum() - gains[:, 1:].sum(axis=0).mean())
        groups, choices = gains.shape
        decoys = math.ceil(trial.level ** (-1 / groups))
        return Examination(
            statistic=choice_score(gains),
            p_value=choice_p_value(gains, trial.rng("draws"), draws=DRAWS),
            attainable=smallest_choice_p_value(groups, choices, draws=DRAWS),
            needed=f"a level above {1 / DRAWS:g} and, for {groups} classes, at least {decoys} decoys",
            effect=paired.difference.value,
            reasons=(
                f"the loss on marked images is {gain:.3g} below that on decoys and {paired.difference.value:.3g}"
                f" below that on clean ones; the paper's t-test of the latter gives p = {published:.3g}",
            ),
        )

    def _open(self, trial: Trial) -> Examination:
        """Cosines between the suspect's classifier and the secret directions, in aligned features (section 4)."""
        assert trial.model is not None
        secret = torch.from_numpy(trial.secret("carriers")).double()
        weights = classifier(trial.model).weight.detach().double().cpu()
        if len(weights) != len(secret):
            raise InvalidData(
                f"the claim is about {len(secret)} classes, but the suspect's last layer has {len(weights)} rows;"
                " name the model that the claim is about"
            )
        with torch.no_grad():
            theirs = features(trial.model, torch.from_numpy(trial.secret("references"))).double().cpu()
        ours = torch.from_numpy(trial.secret("features")).double()
        # Whatever is trained on clean references is independent of the directions, so that the null stays exact.
        aligned = weights @ torch.linalg.lstsq(ours, theirs, driver="gelsd").solution.T
        cosines = torch.nn.functional.cosine_similarity(aligned, secret, dim=1).tolist()
        p_values = [cosine_p_value(cosine, secret.shape[1]) for cosine in cosines]
        mean = sum(cosines) / len(cosines)
        return Examination(
            statistic=mean,
            p_value=fisher(p_values),
            effect=mean,
            reasons=(
                f"the rows of the suspect's classifier have a mean cosine of {mean:.3f} with the secret directions, in"
                f" {secret.shape[1]} dimensions; chance gives 0 +- {(len(cosines) * secret.shape[1]) ** -0.5:.3f}",
            ),
        )

    def _check_parameters(self) -> None:
        if not 0 < self.marked <= 1:
            raise InputError(f"marked must be above 0 and at most 1, got {self.marked}")
        if not 0 < self.radius < math.inf:
            raise InputError(f"radius must be positive and finite, got {self.radius}")
        least: Iterable[tuple[str, float]] = (
            ("steps", 1),
            ("image_penalty", 0),
            ("feature_penalty", 0),
            ("tested", 2),
            ("decoys", 1),
        )
        for name, value in least:
            if not value <= getattr(self, name) < math.inf:
                raise InputError(f"{name} must be at least {value:g}, got {getattr(self, name)}")


def _losses(trial: Trial, x: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """The suspect's cross-entropy on each input ``(n, *shape)``."""
    suspect = trial.suspect
    shown = trial.ask(x).distributions(suspect.classes, suspect.access)
    return np.asarray(-np.log(np.maximum(shown[np.arange(len(labels)), labels], LEAST_PROBABILITY)))


def _float32(x: torch.Tensor) -> NDArray[np.float32]:
    return x.to(torch.float32).cpu().numpy()
