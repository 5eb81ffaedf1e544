"""What ``judge`` is given: evidence in writing, a key to sign with, models as parties, rows to compare them by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stealproof.cli._dossiers import read_root
from stealproof.errors import InputError

if TYPE_CHECKING:
    from stealproof.cli import _dispute
    from stealproof.court.case import HeldOut
    from stealproof.court.hearing import Hearing, Party
    from stealproof.evidence.keys import PrivateKey
    from stealproof.roles.dataset import Dataset

SEED_BITS = 53
"""Of the judge's seed: as many as every reader of JSON keeps."""


def as_party(one: _dispute.Party) -> Party:
    """One of the models before the judge, named by its files where it has some."""
    from stealproof.court.hearing import Party
    from stealproof.evidence.model_manifest import model_digest

    digest = model_digest(one.name) if Path(one.name).exists() else ""
    return Party(name=one.name, digest=digest, oracle=one.oracle, model=one.model)


def held_out_rows(data: Dataset, seed: int) -> HeldOut | None:
    """Rows by which suspect and controls are compared; None where the data have none with one class each."""
    from stealproof import seeds
    from stealproof.court.case import HeldOut
    from stealproof.roles.trial import JUDGE

    part = data.parts.get("test")
    if part is None or len(part) == 0 or part.y.ndim != 1:
        return None
    return HeldOut.of(part.take(seeds.rng(seed, JUDGE, "which rows are held out").permutation(len(part))))


def open_signing_key(key_path: Path | None, out: Path | None, *, force: bool) -> PrivateKey | None:
    """The judge's key, when there is a verdict to sign, which can be written; None when there is none."""
    from stealproof.cli._targets import check_target, check_writable
    from stealproof.court.verdict_file import SUFFIX
    from stealproof.evidence.keys import open_private

    if key_path is None and out is None:
        return None
    if key_path is None or out is None:
        raise InputError("a verdict is signed with --key FILE and written to --out X.verdict; give both or neither")
    check_target(out, SUFFIX, what="a verdict", force=force)
    check_writable(out)
    return open_private(key_path)


def written_evidence(options: dict[str, Any]) -> Hearing:
    """What the judge has in writing, and a seed."""
    import secrets
    from datetime import UTC

    from stealproof.cli._verification import described_controls
    from stealproof.court.hearing import Hearing
    from stealproof.evidence.dossier import read_evidence
    from stealproof.evidence.keys import open_public

    given, trained = len(options["control_specs"]), options["count"] or 0
    return Hearing(
        dossier=read_evidence(options["dossier_path"]),
        roots=tuple(read_root(root) for root in options["root_paths"]),
        accuser=b"" if options["accuser_path"] is None else open_public(options["accuser_path"]).to_pem(),
        since=None if options["since"] is None else options["since"].replace(tzinfo=UTC),
        counter=b"" if options["counter"] is None else read_evidence(options["counter"]),
        attempts=options["attempts"],
        level=options["level"],
        seed=secrets.randbits(SEED_BITS) if options["seed"] is None else options["seed"],
        controls_are=described_controls(given, trained) if given or trained else "",
    )
