"""Membership inference by the loss: what a model fits better than its average training row counts as a member."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from stealproof.oracle import Oracle, as_array
from stealproof.risks._members import (
    MEASURES,
    Rows,
    accused,
    advantage,
    ask_odds,
    draw_rows,
    gives_scores,
    losses,
    membership_estimates,
    opened,
)
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.risk import Measurement, Risk
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class MembershipInference(Risk):
    """Call a row a member when the loss of its true label is at most the mean training loss.

    Where the model shows labels only it is the gap attack: a row is called a member when it is classified correctly, so
    that the advantage is the gap between training and test accuracy.
    """

    source = Source(
        authors="Yeom, Giacomelli, Fredrikson, Jha",
        title="Privacy Risk in Machine Learning: Analyzing the Connection to Overfitting",
        venue="CSF",
        year=2018,
        url="https://arxiv.org/abs/1709.01604",
    )
    departure = (
        "the mean training loss is taken over training rows that are not judged by it; area and rates at few false"
        " alarms are reported beside the paper's advantage"
    )
    measures: ClassVar[Mapping[str, str]] = MEASURES
    headline = "auc"

    rows: int = 1000
    """Most members, and as many non-members, drawn by the seed; at least 2."""

    def measure(self, model: Any, data: Dataset, *, seed: int = 0) -> Measurement:
        """Attack ``model``, a network, a trained model or an ``Oracle``.

        Members are rows of ``data.train``, non-members rows of ``data.test``.

        Raises:
            InputError: ``rows`` below 2, or no model.
            InvalidData: a part is missing or too small, or rows that do not fit the model.
        """
        oracle = opened(model, data, who=self.name())
        rows = draw_rows(data, self.rows, seed, who=self.name())
        return self._by_loss(oracle, rows) if gives_scores(oracle) else self._by_label(oracle, rows)

    def _by_loss(self, oracle: Oracle, rows: Rows) -> Measurement:
        inside, outside, held = (ask_odds(oracle, part) for part in (rows.members, rows.others, rows.held))
        threshold = float(losses(held).mean())
        estimates = membership_estimates(inside, outside)
        estimates["advantage"] = advantage(losses(inside) <= threshold, losses(outside) <= threshold)
        return Measurement(
            estimates=estimates,
            details={
                "attack": "loss threshold",
                "rows": len(inside),
                "threshold": threshold,
                "threshold_rows": len(held),
                "member_loss": float(losses(inside).mean()),
                "non_member_loss": float(losses(outside).mean()),
                "non_members_accused": accused(inside, outside),
            },
        )

    def _by_label(self, oracle: Oracle, rows: Rows) -> Measurement:
        inside, outside = _correct(oracle, rows.members), _correct(oracle, rows.others)
        estimates = membership_estimates(inside.astype(np.float64), outside.astype(np.float64))
        estimates["advantage"] = advantage(inside, outside)
        return Measurement(
            estimates=estimates,
            details={
                "attack": "gap: from labels only, so that correctly classified rows are called members",
                "rows": len(inside),
                "member_accuracy": float(inside.mean()),
                "non_member_accuracy": float(outside.mean()),
                "non_members_accused": accused(inside.astype(np.float64), outside.astype(np.float64)),
            },
        )


def _correct(oracle: Oracle, part: Part) -> NDArray[np.bool_]:
    return np.asarray(oracle.ask(part.x).predicted == as_array(part.y))
