"""Replay: the same trial once more, from the answers that were recorded, without the suspect or the network."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from typing import Any

from stealproof.court.hearing import Hearing, Judgement, Party
from stealproof.court.judging import judge
from stealproof.court.recording import ReplayingOracle, check_kind, decode_records, held_out_rows, public_rows
from stealproof.court.verdict_file import VerdictFile, outcome, read_verdict
from stealproof.errors import EvidenceError, InputError
from stealproof.evidence.keys import PublicKey

CLOSE = 1e-6
"""Relative difference between two computers' floating-point numbers that is no contradiction."""
MISREAD = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
"""What a signed statement of another structure than ours raises while it is read."""


def replay(
    content: bytes, *, expected: PublicKey | None = None, what: str = "the verdict"
) -> tuple[Judgement, VerdictFile]:
    """Recompute the verdict in ``content`` and compare every finding.

    Args:
        content: a verdict file.
        expected: the key that the judge is known by; None for whichever stands in the file.
        what: the file in words, for messages.

    Raises:
        EvidenceError: the file was altered, or its findings do not follow from its answers; the message says which.
        InputError: the scheme looked inside networks, which no answers can stand for.
    """
    file = read_verdict(content, expected=expected, what=what)
    try:
        parties = {"suspect": file.said["suspect"]}
        parties |= {f"control{number}": control for number, control in enumerate(file.said["controls"])}
        for party in parties.values():
            for name, kind in (("name", str), ("digest", str), ("opened", bool)):
                check_kind(name, party[name], (kind,))
        if any(party["opened"] for party in parties.values()):
            raise InputError(f"{what} rests on the inside of networks, which it does not hold; judge the files again")
        records = decode_records(file.answers, {name: party["answers"] for name, party in parties.items()})
        hearing, held_out = _hearing(file), held_out_rows(file.answers)
        oracles = {name: ReplayingOracle(record, parties[name]["name"]) for name, record in records.items()}
        players = [
            Party(name=parties[name]["name"], digest=parties[name]["digest"], oracle=o) for name, o in oracles.items()
        ]
    except MISREAD as error:
        raise EvidenceError(
            f"{what} can't be read ({error}); expected what this version of stealproof writes"
        ) from error
    judgement = judge(hearing, players[0], controls=players[1:], public=public_rows(file.answers), held_out=held_out)
    found = outcome(judgement)
    for name in found:
        compare(file.said[name], found[name], where=name)
    for oracle in oracles.values():
        oracle.finish()
    return judgement, file


def compare(said: Any, found: Any, *, where: str) -> None:
    """Raise ``EvidenceError`` at the first place where what was ``said`` is not what is ``found``."""
    if isinstance(said, Mapping) and isinstance(found, Mapping) and set(said) == set(found):
        for name in found:
            compare(said[name], found[name], where=f"{where}.{name}")
    elif isinstance(said, list) and isinstance(found, list) and len(said) == len(found):
        for number, (one, other) in enumerate(zip(said, found, strict=True), 1):
            compare(one, other, where=f"{where}, number {number}")
    elif not _same(said, found):
        raise EvidenceError(f"the verdict says {said!r:.200} ({where}), but recomputing it gives {found!r:.200}")


def _same(said: Any, found: Any) -> bool:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (said, found))
    return math.isclose(said, found, rel_tol=CLOSE) if numbers else type(said) is type(found) and said == found


def _moment(text: str) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment.astimezone(datetime.UTC)


def _hearing(file: VerdictFile) -> Hearing:
    evidence = file.said["evidence"]
    since, accuser = evidence["since"], evidence["accuser"]
    for name, kind in (("attempts", int), ("level", float), ("seed", int), ("controls_are", str)):
        check_kind(name, evidence[name], (kind,))
    return Hearing(
        dossier=file.dossier,
        roots=tuple(root.encode("latin-1") for root in evidence["roots"]),
        accuser=b"" if accuser is None else accuser.encode(),
        since=None if since is None else _moment(since),
        counter=file.counter,
        attempts=evidence["attempts"],
        level=evidence["level"],
        seed=evidence["seed"],
        controls_are=evidence["controls_are"],
    )
