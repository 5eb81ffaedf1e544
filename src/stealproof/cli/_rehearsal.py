"""What ``stealproof frame`` needs: the accused, everybody's models, and a judge as ``stealproof verify`` is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stealproof.errors import InputError, InvalidData

if TYPE_CHECKING:
    from stealproof.claims import Claim, Verdict
    from stealproof.roles.architecture import NetworkFamily
    from stealproof.roles.dataset import Dataset, Part
    from stealproof.roles.ownership import Ownership
    from stealproof.roles.trial import Calibration
    from stealproof.training.trained import Trained


@dataclass(kw_only=True)
class Judge:
    """Tests each claim as ``stealproof verify`` would."""

    scheme: Ownership
    family: NetworkFamily
    data: Dataset
    level: float
    controls: int | None
    seed: int
    claim: Claim | None = None
    calibration: Calibration | None = None

    def hear(self, claim: Claim, progress: Callable[[str, float], None]) -> None:
        """Examine the control models, where there are any, with this claim."""
        from stealproof.cli._controls import trained_controls

        self.claim = claim
        if self.controls is None:
            return
        models = trained_controls(self.controls, self.family, self.data, seed=self.seed, progress=progress)
        self.calibration = self.scheme.calibrate(
            claim,
            [one.oracle() for one in models],
            models=[one.model for one in models],
            seed=self.seed,
            level=self.level,
            progress=progress,
        )

    def verdict(self, suspect: Trained) -> Verdict:
        """What the judge says of one suspect."""
        assert self.claim is not None
        return self.scheme.verify(
            self.claim,
            suspect.oracle(),
            level=self.level,
            seed=self.seed,
            model=suspect.model,
            calibration=self.calibration,
        )


def opened(model: str, data: Dataset) -> Trained:
    """The network at ``model``, which is to fit ``data``."""
    from stealproof.inputs.model import open_model

    found = open_model(model, domain=data.domain, classes=data.classes)
    if not found.is_network:
        raise InputError(f"{model} is a scikit-learn estimator; only networks can be framed in this rehearsal")
    ours, theirs = (found.domain.shape, found.classes), (data.domain.shape, data.classes)
    if ours != theirs:
        raise InvalidData(
            f"{model} is for inputs of shape {ours[0]} in {ours[1]} classes, but {data.name} has {theirs[0]} in"
            f" {theirs[1]}; name the data that it was made for"
        )
    return found


def family(architecture: str, accused: Trained | None, data: Dataset) -> NetworkFamily:
    """The family of everybody's models: that of the accused one, since a liar would look like its victim."""
    from stealproof import catalog
    from stealproof.cli._families import family_of
    from stealproof.roles.architecture import NetworkFamily

    if not architecture:
        return family_of({} if accused is None else accused.card, data)
    made = catalog.make(architecture.replace("-", "_"), "model")
    if not isinstance(made, NetworkFamily):
        raise InputError(f"{architecture} is no family of networks; only networks can be framed in this rehearsal")
    return made


def trained(
    family: NetworkFamily,
    data: Dataset,
    part: Part,
    count: int,
    *,
    who: str,
    seed: int,
    progress: Callable[[str, float], None],
) -> list[Trained]:
    """``count`` networks of somebody's own, trained on ``part``."""
    from stealproof import seeds
    from stealproof.training.fit_many import fit_many
    from stealproof.training.trained import Trained

    models = fit_many(
        family,
        part,
        classes=data.classes,
        seeds=[seeds.derive(seed, who, "model", number) for number in range(count)],
        progress=progress,
    )
    return [Trained(model=model, domain=data.domain, classes=data.classes, card={}) for model in models]
