"""The work of ``stealproof protect``: mark a network in training, or take the fingerprint of one as it is."""

from __future__ import annotations

import contextlib
import dataclasses
import decimal
import json
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stealproof.errors import InputError, StealproofError, StorageError
from stealproof.files import write_atomic
from stealproof.inputs import claim as claim_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from stealproof.claims import Claim, Verdict
    from stealproof.measures.estimate import Estimate
    from stealproof.roles.architecture import EstimatorFamily, NetworkFamily
    from stealproof.roles.dataset import Dataset, Part
    from stealproof.roles.ownership import Fingerprint, Ownership, Watermark
    from stealproof.roles.training_defense import TrainingDefense
    from stealproof.training.recipe import Recipe
    from stealproof.training.trained import Trained

SEED_BITS = 63
"""Of a seed that nobody can guess."""
GENTLE = 0.2
"""Share of the measured learning rate at which a mark is embedded into a network that is trained already."""
PRIVATE = ("seed", "protections")
"""Fields of a model's card that would tell how it was marked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnersSeed:
    """What all of the owner's choices follow from."""

    value: int
    drawn: bool
    """Whether it was drawn here, so that nobody else knows it."""
    kept_in: Path
    """Where an unfinished run remembers it; private, and gone when the run is finished."""

    @classmethod
    def of_run(cls, given: int | None, claim_path: Path, *, anew: bool) -> OwnersSeed:
        """The seed given, else that of the unfinished run for this claim, else a fresh one from the system."""
        path = claim_path.with_name(f".{claim_path.name}.unfinished")
        if anew:
            path.unlink(missing_ok=True)
        if given is not None:
            return cls(value=given, drawn=False, kept_in=path)
        with contextlib.suppress(FileNotFoundError):
            try:
                return cls(value=int(json.loads(path.read_bytes())["seed"]), drawn=True, kept_in=path)
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"{path}, which belongs to an unfinished run, is damaged; delete it") from error
        return cls(value=secrets.randbits(SEED_BITS), drawn=True, kept_in=path)

    @contextlib.contextmanager
    def remembered(self, checkpoint: Path) -> Iterator[None]:
        """Keep the seed while a run may be interrupted, so that the same command goes on after Ctrl-C."""
        if self.drawn:
            write_atomic(self.kept_in, json.dumps({"seed": self.value}).encode(), mode=claim_file.MODE)
        try:
            yield
        except StealproofError:
            if not checkpoint.exists():
                self.kept_in.unlink(missing_ok=True)
            raise
        self.kept_in.unlink(missing_ok=True)


def check_defenses(scheme: Watermark, defenses: Sequence[TrainingDefense], model: str, *, new: bool) -> None:
    """Refuse, before any work, defenses that can't act beside ``scheme``, or not in the training on of a model."""
    from stealproof.training.composed import in_training_order

    in_training_order([scheme, *defenses])
    for defense in defenses:
        if defense.spends and not new:
            raise InputError(
                f"{defense.name()} promises nothing for rows that {model} has seen before, in its first training; name"
                " a family in place of the model, to train one that is marked and private from the start"
            )


def spent_before(card: Mapping[str, Any]) -> list[str]:
    """The defenses, by a model's card, that promised something for its training rows, as differential privacy does."""
    listed = card.get("protections")
    entries = listed if isinstance(listed, list) else []
    return [str(entry.get("name")) for entry in entries if isinstance(entry, dict) and entry.get("spent")]


def recipe_of(
    family: NetworkFamily | EstimatorFamily | None,
    before: Trained | None,
    data: Dataset,
    changes: dict[str, Any],
    protections: Sequence[Any],
) -> Recipe | None:
    """How to train: from scratch as ``train`` does, or on from ``before``, with smaller steps."""
    from stealproof.cli._families import family_of
    from stealproof.cli.train import recipe_for
    from stealproof.studies.workshop import adapted
    from stealproof.training.composed import in_training_order
    from stealproof.training.suited import suited_recipe

    ordered = in_training_order(protections)
    if before is None:
        return recipe_for(family, len(data.train), changes, ordered)
    suited = suited_recipe(family_of(before.card, data), len(data.train), ordered)
    return adapted(dataclasses.replace(suited, learning_rate=GENTLE * suited.learning_rate), changes)


def trained_with(
    protections: Sequence[Any],
    model: NetworkFamily | EstimatorFamily | Trained,
    data: Dataset,
    *,
    recipe: Recipe | None,
    seed: OwnersSeed,
    progress: Callable[[str, float], None],
    checkpoint: Path | None = None,
) -> Trained:
    """A new model of a family, or a network that is trained on."""
    from stealproof.cli._families import family_of
    from stealproof.training.composed import in_training_order
    from stealproof.training.fit import fit
    from stealproof.training.trained import Trained, train

    how: dict[str, Any] = {
        "recipe": recipe,
        "protections": in_training_order(protections),
        "seed": seed.value,
        "progress": progress,
        "checkpoint": checkpoint,
    }
    if not isinstance(model, Trained):
        return train(model, data, **how)
    family = family_of(model.card, data)
    network = fit(family, data.train, classes=data.classes, domain=data.domain, start=model.model, **how)
    return dataclasses.replace(model, model=network)


def mark(
    scheme: Watermark,
    model: NetworkFamily | EstimatorFamily | Trained,
    data: Dataset,
    defenses: Sequence[TrainingDefense] = (),
    *,
    recipe: Recipe | None,
    seed: OwnersSeed,
    progress: Callable[[str, float], None],
    checkpoint: Path,
) -> tuple[Trained, Claim]:
    """A marked model, trained with ``defenses`` as well, and the claim to it."""
    protections = [scheme, *defenses]
    trained = trained_with(protections, model, data, recipe=recipe, seed=seed, progress=progress, checkpoint=checkpoint)
    claim = scheme.claim(trained.model if trained.is_network else None)
    return published(trained, defenses), with_seed(claim, seed)


def enroll(
    scheme: Fingerprint, trained: Trained, data: Dataset, *, seed: OwnersSeed, progress: Callable[[str, float], None]
) -> Claim:
    """The claim to a model that stays as it is."""
    return with_seed(scheme.enroll(trained.model, data, seed=seed.value, progress=progress), seed)


def published(trained: Trained, defenses: Sequence[TrainingDefense] = ()) -> Trained:
    """The model with a card that may lie beside it: nothing in it tells how the model was marked."""
    card = {key: value for key, value in trained.card.items() if key not in PRIVATE}
    if defenses:
        card["protections"] = [_promised(defense) for defense in defenses]
    return dataclasses.replace(trained, card=card)


def _promised(defense: TrainingDefense) -> dict[str, Any]:
    """Name of a defense and what it spent, rounded up to two digits, at which delta.

    Parameters would tell of a mark that joins triggers, as ``joined=outside`` does. Steps, rates and the last digits of
    an epsilon would tell how many rows were trained on, and so how many a mark took out.
    """
    upwards = decimal.Context(prec=2, rounding=decimal.ROUND_CEILING)
    spent = {
        name: float(upwards.create_decimal_from_float(value)) if name in defense.spends else value
        for name, value in defense.spent.items()
        if name in defense.spends or name == "delta"
    }
    return {"name": defense.name()} | ({"spent": spent} if spent else {})


def with_seed(claim: Claim, seed: OwnersSeed) -> Claim:
    """The claim that also holds the seed, with which its owner can do everything again."""
    return dataclasses.replace(claim, secrets={**claim.secrets, "owner_seed": seed.value})


def own_verdict(scheme: Ownership, claim: Claim, trained: Trained) -> Verdict | str:
    """What a judge would say of the owner's own model, or why nothing can be said here."""
    from stealproof.cli._dispute import telling_access
    from stealproof.inputs.oracle import narrow
    from stealproof.measures.conformal import controls_needed

    level = 1e-3
    if not scheme.exact:
        needed = controls_needed(level)
        return f"not tested: it takes control models, with --controls {needed} of verify for the level {level:g}"
    try:
        model = trained.model if trained.is_network else None
        return scheme.verify(claim, narrow(trained, telling_access(scheme)), model=model, level=level)
    except StealproofError as error:
        return f"can't be tested: {error}"


def price(before: Trained, after: Trained, test: Part) -> Estimate:
    """Accuracy lost to the mark, as a fraction, paired by test row; positive means that the marked model is worse."""
    from stealproof.measures.intervals import row_mean
    from stealproof.oracle import Access, Answer, as_array

    truth = as_array(test.y)
    labels = Access(answer=Answer.LABELS)
    right = [(model.oracle(labels).ask(test.x).predicted == truth).astype(float) for model in (before, after)]
    return row_mean(right[0] - right[1])


def save_both(claim: Claim, claim_path: Path, trained: Trained, out: Path, accuracy: Estimate | None) -> None:
    """Write model and claim, or neither."""
    from stealproof.inputs.model import save_model

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
            staged = save_model(trained, Path(folder) / out.name, accuracy=accuracy)
            claim_file.save_claim(claim, claim_path)
            os.replace(staged, out)
            os.replace(staged.with_suffix(".json"), out.with_suffix(".json"))
    except OSError as error:
        raise StorageError(f"could not write {out}: {error.strerror or error}; choose another folder") from error
