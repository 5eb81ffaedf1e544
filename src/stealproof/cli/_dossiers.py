"""What the verbs ``claim`` and ``judge`` share: options, keys, and dossiers as files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stealproof.cli._options import print_json

if TYPE_CHECKING:
    from stealproof.evidence.dossier import Dossier
    from stealproof.evidence.keys import PrivateKey

FILE = click.Path(dir_okay=False, path_type=Path)
KINDS = {
    ".claim": "a claim, which `stealproof verify` tests and `stealproof claim new` makes a dossier of",
    ".dossier": "a dossier, which `stealproof claim show` describes and `stealproof judge` judges",
    ".verdict": "a verdict, which `stealproof judge --replay` recomputes",
}
"""What files of evidence are by their suffixes, and what they are for."""


class EvidenceFile(click.Path):
    """A path to one kind of evidence; another kind, by its suffix, is refused with what that is for."""

    def __init__(self, suffix: str) -> None:
        """``suffix`` is one of ``KINDS``."""
        super().__init__(dir_okay=False, path_type=Path)
        self.suffix = suffix

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        from stealproof.errors import InputError

        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if path.suffix != self.suffix and path.suffix in KINDS:
            raise InputError(f"{path} is {KINDS[path.suffix]}; expected a {self.suffix} file")
        return path


CLAIM, DOSSIER, VERDICT = map(EvidenceFile, KINDS)
key_option = click.option(
    "--key", "key_path", type=FILE, metavar="FILE", help="Your private key; `stealproof claim key FILE` makes one."
)
out_option = click.option(
    "--out", type=FILE, metavar="X.dossier", help="The file to write.  [default: beside the input]"
)
roots_option = click.option(
    "--tsa-root",
    "root_paths",
    type=FILE,
    multiple=True,
    metavar="PEM",
    help="Root certificate of a time-stamping authority that you trust. Repeatable.",
)
PRIVATE = 0o600


def read_root(path: Path) -> bytes:
    """A root certificate's bytes."""
    from stealproof.errors import InputError

    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"the certificate {path} can't be read: {error.strerror}") from error


def open_key(path: Path | None) -> PrivateKey:
    """The private key at ``path``; without one, a sentence that says how to make one."""
    from stealproof.errors import InputError
    from stealproof.evidence.keys import open_private

    if path is None:
        raise InputError("sign with --key FILE; if you have no key, make one first: stealproof claim key FILE")
    return open_private(path)


def check_target(out: Path) -> None:
    """Refuse another suffix, and a file that is there."""
    from stealproof.errors import InputError
    from stealproof.evidence.dossier import SUFFIX

    if out.suffix != SUFFIX:
        raise InputError(f"a dossier is saved as {SUFFIX}, got {out.name}; name it {out.stem}{SUFFIX}")
    if out.exists():
        raise InputError(f"{out} is there already, and may be timestamped; choose another name with --out")


def save(dossier: Dossier, out: Path, *, mode: int | None = PRIVATE) -> None:
    """Write a dossier, for its owner's eyes only unless ``mode`` says otherwise."""
    from stealproof.files import write_atomic

    write_atomic(out, dossier.to_bytes(), mode=mode)


def described(path: Path) -> dict[str, Any]:
    """What the dossier at ``path`` says, without secrets, in JSON types."""
    from stealproof.evidence.dossier import PLAN, Dossier, open_dossier, read_statement

    dossier = open_dossier(path)
    said = read_statement(dossier, what=str(path))
    planned = dossier.kind == PLAN
    plan = dossier if planned else Dossier.from_bytes(dossier.plan, what="the plan") if dossier.plan else None
    # With the timestamp, the commitment of a plan tells the triggers.
    digests = {"sha256": None, "commitment": None} if planned else {"sha256": said.model, "commitment": said.commitment}
    return {
        "dossier": str(path),
        "kind": "plan" if planned else "claim",
        "model": said.subject,
        **digests,
        "scheme": said.scheme,
        "parameters": dict(said.parameters),
        "key": said.key_id,
        "created": said.created,
        "timestamped": bool(dossier.token),
        "open": dossier.opened,
        "plan": said.plan,
        "beacon": None if plan is None or not plan.opened else _beacon(plan),
    }


def _beacon(plan: Dossier) -> str:
    """Where the plan's triggers come from, as it says; nothing is verified."""
    from stealproof.court.drawing import planned_kind
    from stealproof.evidence.drand import Round

    if not plan.round:
        return {"timestamp": "timestamp", "drand": "drand, but no round yet"}[planned_kind(plan)]
    return f"round {Round.from_bytes(plan.round, what='its round').number} of drand"


def print_report(report: dict[str, Any], *, as_json: bool) -> None:
    """Print what ``described`` gives, as JSON or as text."""
    if as_json:
        print_json(report)
        return
    words = {True: "yes", False: "no", None: "none"}
    for name, value in report.items():
        click.echo(f"{name:12}  {words.get(value, value) if value is None or isinstance(value, bool) else value}")
