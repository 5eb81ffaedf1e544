"""DP-SGD: every row's gradient is clipped and their sum is noised, so that the network tells little of any one row."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch

from stealproof.defenses.training._accounting import MOST_NOISE, epsilon_spent, noise_for
from stealproof.defenses.training._per_sample_gradients import clipped_gradient, weights_of
from stealproof.errors import IncompatibleDefenses, InputError, MissingExtra
from stealproof.roles.dataset import Part
from stealproof.roles.training_defense import TrainingDefense, TrainingRun
from stealproof.system import Source

MOST_EPSILON = 1000.0
"""Beyond this, nothing is promised that anybody could call privacy."""
LEAST_NOISE = 0.1


@dataclass(frozen=True, kw_only=True)
class DpSgd(TrainingDefense):
    """Train with (``epsilon``, ``delta``)-differential privacy for every single training row (algorithm 1).

    Neighbouring data sets differ in one row that is there or not. Rows join batches by chance (Poisson sampling), as
    the accountants suppose. What the run has spent is in ``spent`` after it: ``epsilon``, ``delta``,
    ``noise_multiplier``, ``sample_rate`` and ``steps``; less than was asked for when something ended it early.

    Rows that other protections *join* to a batch (triggers of a watermark) are treated as ``joined`` says. ``inside``:
    clipped and noised with the rest, which is safe whatever they are, and mostly drowns them. ``outside``: their own
    gradient is added after the noise. The epsilon of the data stays what it was: triggers that do not depend on the
    training rows, at weights that are private already, give a gradient that depends on the data through those weights
    alone, and computing anything from private values (post-processing) costs nothing. Nothing is promised about the
    triggers themselves. **Where a protection takes its triggers from the training rows (``kind="natural"`` of the
    derived triggers, ``images`` from a folder of training data) this argument fails for those rows**, which then
    have no privacy at all, also ``inside``, where they come far more often than the accounting supposes.

    The noise follows from the seed of the training, so that studies can be repeated. Whoever knows the seed can
    subtract it: a network that is to be private needs a secret seed that is thrown away. The noise is also drawn with a
    generator that is not cryptographic, in floating point, which is no obstacle for the attacks that are measured here
    but leaves the letter of the theorem.
    """

    source = Source(
        authors="Abadi, Chu, Goodfellow, McMahan, Mironov, Talwar, Zhang",
        title="Deep Learning with Differential Privacy",
        venue="CCS",
        year=2016,
        url="https://arxiv.org/abs/1607.00133",
    )
    departure = (
        "tighter accountants than the moments accountant (Opacus'), and clipped sums from layer inputs and output"
        " gradients in one backward pass (Bu et al. 2023) in place of gradients written out row by row"
    )
    protects_from: ClassVar[tuple[str, ...]] = ("membership_inference", "lira")
    poisson: ClassVar[bool] = True

    epsilon: float = 3.0
    """Most that the run may spend; above 0, at most 1000. Without effect when ``noise_multiplier`` is given."""
    delta: float = 1e-5
    """Chance that the promise of ``epsilon`` fails; above 0 and below 1 / rows."""
    clip: float = 1.0
    """Largest Euclidean norm of one row's gradient over all weights; above 0."""
    noise_multiplier: float = 0.0
    """Standard deviation of the noise over ``clip``; 0 finds the least that ``epsilon`` allows; else at least 0.1."""
    accountant: Literal["prv", "rdp"] = "prv"
    """``prv`` needs about 6% less noise than ``rdp`` for the same epsilon, and a second more to say so."""
    joined: Literal["inside", "outside"] = "inside"
    """Whether rows that protections join to a batch are clipped and noised with the rest."""
    spent: dict[str, float] = field(default_factory=dict, init=False, repr=False, compare=False)

    def suited(self, recipe: Any, rows: int) -> Any:
        """Large batches and many passes: the noise of a step does not grow with its rows. Measured, see the docs."""
        batch = min(1024, max(64, rows // 10))
        return dataclasses.replace(
            recipe,
            epochs=12.0,
            batch=batch,
            optimizer="sgd",
            learning_rate=1.0,
            momentum=0.9,
            weight_decay=0.0,
            label_smoothing=0.0,
            precision="float32",
        )

    def check(self, model: torch.nn.Module) -> None:
        """Refuse parameters without meaning, and networks that tie the rows of a batch together."""
        self._check_parameters()
        for name, layer in model.named_modules():
            batch_norm = isinstance(layer, torch.nn.modules.batchnorm._BatchNorm)
            running = isinstance(layer, torch.nn.modules.instancenorm._InstanceNorm) and layer.track_running_stats
            if batch_norm or running:
                raise IncompatibleDefenses(
                    f"layer {name or 'itself'!r} is a {type(layer).__name__}, whose statistics tie the rows of a batch"
                    " together, so that dp_sgd can't clip one row's share; build the network with norm='group' (resnet,"
                    " strided_cnn), or pass it through stealproof.training.group_norm.without_batch_norm"
                )

    def prepare(self, data: Part, run: TrainingRun) -> Part:
        """Check ``delta``; the data stay as they are."""
        self._check_delta(len(data))
        self.spent.clear()
        return data

    def privatize(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> bool:
        """Write the noised mean of the clipped gradients into ``.grad``."""
        if not run.step:
            self._check_delta(run.rows)
        noise = self._noise(run) * self.clip
        weights = weights_of(model)
        cut = run.drawn if self.joined == "outside" else len(batch)
        private = self._sums(model, batch.take(slice(0, cut)), run, clip=self.clip)
        public = _bounded(
            self._sums(model, batch.take(slice(cut, None)), run, clip=math.inf), self.clip * (len(batch) - cut)
        )
        # How many rows were drawn is itself private; how many are expected, and how many are joined, is not.
        rows = run.rows / run.epoch_steps + len(batch) - run.drawn
        for place, weight in enumerate(weights):
            # Drawn on the CPU, where the generator lives, so that every device sees the same noise.
            total = torch.randn(weight.shape, generator=run.generator, dtype=weight.dtype).to(weight.device) * noise
            total += private[place] if private else 0.0
            total += public[place] if public else 0.0
            weight.grad = torch.empty_like(weight).copy_(total / rows)
        # Kept with the weights, since an interrupted run may resume after its last step.
        run.memory["steps"] = torch.tensor(run.step + 1)
        return True

    def finish(self, model: torch.nn.Module, data: Part, run: TrainingRun) -> torch.nn.Module:
        """Account for the steps that were taken."""
        steps = int(run.memory.get("steps", torch.tensor(0)))
        rate, noise = 1 / run.epoch_steps, self._noise(run)
        self.spent.update(
            epsilon=epsilon_spent(noise, rate, steps, self.delta, self.accountant),
            delta=self.delta,
            noise_multiplier=noise,
            sample_rate=rate,
            steps=steps,
        )
        return model

    def _sums(self, model: torch.nn.Module, part: Part, run: TrainingRun, *, clip: float) -> list[torch.Tensor]:
        """The sum of the rows' gradients, each clipped; empty without rows."""
        if not len(part):
            return []
        sums, norms = clipped_gradient(
            model, part, clip=clip, label_smoothing=run.label_smoothing, bfloat16=run.bfloat16
        )
        if not bool(norms.isfinite().all()):
            raise InputError(
                f"training diverged at step {run.step} of {run.steps}: a row's gradient is no longer finite;"
                " lower learning_rate"
            )
        return sums

    def _noise(self, run: TrainingRun) -> float:
        if self.noise_multiplier:
            return self.noise_multiplier
        return noise_for(self.epsilon, self.delta, 1 / run.epoch_steps, run.steps, self.accountant)

    def _check_parameters(self) -> None:
        # NaN fails every comparison, hence these.
        if not 0 < self.epsilon <= MOST_EPSILON:
            raise InputError(f"epsilon must be above 0 and at most {MOST_EPSILON:g} (3 is usual), got {self.epsilon}")
        if not 0 < self.delta < 1:
            raise InputError(f"delta must be above 0 and below 1 (below 1 / rows), got {self.delta}")
        if not 0 < self.clip < math.inf:
            raise InputError(f"clip must be positive and finite, got {self.clip}")
        if self.noise_multiplier and not LEAST_NOISE <= self.noise_multiplier <= MOST_NOISE:
            raise InputError(
                f"noise_multiplier must be 0 (found from epsilon) or {LEAST_NOISE:g} to {MOST_NOISE:g},"
                f" got {self.noise_multiplier}"
            )
        for name, choices in (("accountant", ("prv", "rdp")), ("joined", ("inside", "outside"))):
            if getattr(self, name) not in choices:
                raise InputError(f"{name} must be {choices[0]} or {choices[1]}, got {getattr(self, name)!r}")
        if importlib.util.find_spec("opacus") is None:
            raise MissingExtra.named("opacus", "privacy")

    def _check_delta(self, rows: int) -> None:
        if self.delta >= 1 / rows:
            raise InputError(
                f"delta {self.delta:g} is not below 1 / {rows} rows = {1 / rows:.3g}: publishing a row at random would"
                f" be private by that measure; ask for at most {0.1 / rows:.1g}"
            )


def _bounded(sums: list[torch.Tensor], most: float) -> list[torch.Tensor]:
    """One gradient over all weights, scaled down to a norm of at most ``most``."""
    norm = math.sqrt(sum(float(one.square().sum()) for one in sums))
    return [one * (most / norm) for one in sums] if norm > most else sums
