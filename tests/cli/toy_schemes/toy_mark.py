"""Triggers of uniform noise with drawn labels, learned with the data: the smallest watermark there is."""

from __future__ import annotations

from dataclasses import dataclass

from stealproof.measures.binomial import critical_matches, matches_p_value, trials_needed
from stealproof.roles.dataset import Part
from stealproof.roles.ownership import Watermark
from stealproof.roles.training_defense import TrainingDefense, TrainingRun
from stealproof.roles.trial import Examination, Trial


@dataclass(frozen=True, kw_only=True)
class ToyMark(Watermark, TrainingDefense):
    """Marks data before training."""

    null = "the suspect was made without knowledge of the labels"
    published_threshold = 12.5

    count: int = 25
    times: int = 10

    def prepare(self, data: Part, run: TrainingRun) -> Part:
        import torch

        x = torch.rand(self.count, *data.x.shape[1:], generator=run.generator).to(data.x.dtype)
        y = torch.randint(run.classes, (self.count,), generator=run.generator)
        self.book.update(inputs=x.float().numpy(), labels=y.numpy(), classes=run.classes)
        return Part(
            x=torch.cat([data.x, *[x] * self.times]),
            y=torch.cat([data.y, *[y] * self.times]),
        )

    def _examine(self, trial: Trial) -> Examination:
        labels = trial.secret("labels")
        matches = int((trial.ask(trial.secret("inputs")).predicted == labels).sum())
        rate = 1 / trial.secret("classes")
        return Examination(
            statistic=matches,
            p_value=matches_p_value(matches, len(labels), rate),
            threshold=critical_matches(len(labels), rate, trial.level),
            attainable=rate ** len(labels),
            needed=f"at least {trials_needed(rate, trial.level)} triggers, got {len(labels)}",
            effect=matches / len(labels),
        )
