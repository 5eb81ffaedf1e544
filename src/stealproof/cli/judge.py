"""``stealproof judge``: hold a dossier against a suspect, step by step, and sign what was found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stealproof.cli._dossiers import DOSSIER, FILE, VERDICT, roots_option
from stealproof.cli._evidence import SEED_BITS, as_party, held_out_rows, open_signing_key, written_evidence
from stealproof.cli._options import (
    data_parameter_option,
    if_interrupted,
    json_option,
    level_option,
    pairs_option,
    parse_parameters,
    print_json,
    progress_bar,
    say,
)
from stealproof.cli._targets import check_writable
from stealproof.errors import InputError

if TYPE_CHECKING:
    from stealproof.court.hearing import Judgement

MARKS = {True: "yes", False: "NO", None: "-"}
"""What a step is marked with on the terminal."""
OF_REPLAYS = {"replay_path", "judge_path", "html", "as_json"}
"""Options that mean something beside --replay."""


@click.command("judge")
@click.argument("dossier_path", metavar="CLAIM", type=DOSSIER, required=False)
@click.argument("suspect", required=False)
@roots_option
@click.option(
    "--accuser", "accuser_path", type=FILE, metavar="PUB", help="The public key that the accuser is known by."
)
@click.option(
    "--suspect-since",
    "since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]),
    help="When the accuser could first look at SUSPECT (UTC); the claim must be older.",
)
@click.option("--counter", type=DOSSIER, metavar="X.dossier", help="A dossier by which SUSPECT's maker claims it.")
@click.option(
    "--attempts",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Plans or claims of this accuser that you know of.",
)
@click.option("--data", "data_spec", default="", metavar="DATA", help="The data that SUSPECT is for.")
@data_parameter_option
@click.option("--access", "access_words", default="", metavar="KIND", help="What the judge sees, as in `verify`.")
@level_option
@click.option("--controls", "count", type=int, metavar="N", help="Train N independent models on the data's pool part.")
@click.option("--control", "control_specs", multiple=True, metavar="MODEL", help="An independent model. Repeatable.")
@click.option("--public", "public_spec", default="", metavar="DATA", help="Data that SUSPECT's maker may have used.")
@pairs_option("-t", "--target-option", "target_pairs", text="Of a URL or .onnx: softmax, output, batch, parallel, ...")
@click.option("--token", envvar="STEALPROOF_TOKEN", help="Sent to a URL as a bearer token; or set STEALPROOF_TOKEN.")
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=2**SEED_BITS - 1),
    help="Of all that the judge chooses.  [default: fresh from the system, so that no liar can prepare for it]",
)
@click.option("--key", "key_path", type=FILE, metavar="FILE", help="Your private key, to sign the verdict with.")
@click.option("--out", type=FILE, metavar="X.verdict", help="The signed verdict; it holds the claim's secrets.")
@click.option("--force", is_flag=True, help="Overwrite a verdict that is there.")
@click.option(
    "--replay", "replay_path", type=VERDICT, metavar="X.verdict", help="Recompute this verdict; nobody is asked."
)
@click.option("--judge", "judge_path", type=FILE, metavar="PUB", help="The public key that the judge is known by.")
@click.option("--html", type=FILE, metavar="X.html", help="A printable page of the verdict; with --out or --replay.")
@json_option
def command(as_json: bool, html: Path | None, replay_path: Path | None, **options: Any) -> None:
    """Judge the CLAIM (a .dossier file) against SUSPECT, a model as `stealproof verify` takes it.

    Exit code 0: owned. 1: not owned, or inconclusive (--json tells which). 2: wrong input. 3: bad evidence.
    """
    context = click.get_current_context()
    _refuse_unused(context, replays=replay_path is not None)
    if html is not None:
        if not (replay_path or options["out"]):
            raise InputError(
                "a page shows a verdict file; write one with --key FILE --out X.verdict, or name it by --replay"
            )
        check_writable(html)
    judgement, report = _replayed(replay_path, options) if replay_path else _judged(options)
    if html is not None:
        _write_page(judgement, Path(report["out"]), html)
    if as_json:
        print_json(report | _in_json(judgement))
    else:
        click.echo(in_words(judgement, report))
    context.exit(0 if judgement.decision == "owned" else 1)


def _refuse_unused(context: click.Context, *, replays: bool) -> None:
    """Refuse what was typed and would have no effect: whoever typed it believes that it has one."""
    sources = {one: context.get_parameter_source(str(one.name)) for one in context.command.params}
    typed = [one for one, source in sources.items() if source is click.core.ParameterSource.COMMANDLINE]
    if not replays:
        if any(one.name == "judge_path" for one in typed):
            raise InputError("--judge says whose verdict is replayed, and none is; drop it, or add --replay X.verdict")
        return
    unused = [
        one.opts[-1] if isinstance(one, click.Option) else one.human_readable_name
        for one in typed
        if one.name not in OF_REPLAYS
    ]
    if unused:
        raise InputError(
            f"a replay takes everything from the verdict, so it takes no {' and no '.join(unused)};"
            f" drop {'it' if len(unused) == 1 else 'them'}"
        )


def _judged(options: dict[str, Any]) -> tuple[Judgement, dict[str, Any]]:
    from stealproof.cli import _dispute
    from stealproof.cli._theft import open_data_of
    from stealproof.cli._verification import trained_parties
    from stealproof.court.claiming import opened_claim
    from stealproof.court.judging import check_evidence, judge, scheme_of
    from stealproof.court.verdict_file import judge_and_sign
    from stealproof.inputs.oracle import parse_access

    path, suspect, out = options["dossier_path"], options["suspect"], options["out"]
    if path is None or suspect is None:
        raise InputError("name the dossier and the suspect: stealproof judge CLAIM SUSPECT; or --replay X.verdict")
    # What is wrong with the evidence is said before models are opened and controls trained, which may take hours.
    key = open_signing_key(options["key_path"], out, force=options["force"])
    hearing = written_evidence(options)
    scheme = scheme_of(opened_claim(hearing.dossier, what=str(path)))
    access = parse_access(options["access_words"]) if options["access_words"] else None
    target = parse_parameters(options["target_pairs"]) | ({"token": options["token"]} if options["token"] else {})
    specs = options["control_specs"]
    _dispute.refuse_twins(suspect, specs)
    pairs, count = parse_parameters(options["data_pairs"]), options["count"]
    wanted = options["data_spec"] or pairs or count is not None
    data = open_data_of(options["data_spec"], pairs, suspect) if wanted else None
    party = _dispute.open_party(suspect, scheme, data=data, access=access, options=target)
    public = options["public_spec"]
    leaked = _dispute.open_public(public, party.oracle.domain.shape) if public else None
    given = [_dispute.open_party(spec, scheme, data=data, access=access, options={}) for spec in specs]
    check_evidence(hearing, as_party(party))
    if count is not None:
        again = f" with --seed {hearing.seed}" if options["seed"] is None else ""
        if_interrupted(f"trained control models are kept, run the same command again{again} to continue")
    with progress_bar() as progress:
        controls = given + trained_parties(count, suspect, data, party, hearing.seed, progress)
        asked: dict[str, Any] = {
            "controls": [as_party(one) for one in controls],
            "public": leaked,
            "held_out": held_out_rows(data, hearing.seed) if data is not None and controls else None,
            "progress": progress,
        }
        if key is None:
            judgement = judge(hearing, as_party(party), **asked)
        else:
            judgement, signed = judge_and_sign(hearing, as_party(party), key, **asked)
    report = {
        "claim": str(path),
        "suspect": suspect,
        "access": str(party.oracle.access),
        "seed": hearing.seed,
        "out": None,
    }
    if key is not None:
        from stealproof.files import write_atomic

        write_atomic(out, signed, mode=0o600)
        if scheme.opens_model():
            say(f"saved {out}; it can't be replayed, since it rests on the inside of networks")
        else:
            say(f"saved {out}, which both sides can recompute: stealproof judge --replay {out}")
        report["out"] = str(out)
    return judgement, report


def _replayed(path: Path, options: dict[str, Any]) -> tuple[Judgement, dict[str, Any]]:
    from stealproof.court.replay import replay
    from stealproof.evidence.dossier import read_evidence
    from stealproof.evidence.keys import open_public

    expected = None if options["judge_path"] is None else open_public(options["judge_path"])
    judgement, file = replay(read_evidence(path), expected=expected, what=str(path))
    say(f"recomputed {path}: every finding is as signed by the key {file.judge.key_id}")
    evidence, suspect = file.said["evidence"], file.said["suspect"]
    return judgement, {
        "claim": f"{path}, claim.dossier",
        "suspect": suspect["name"],
        "access": suspect["answers"]["answer"],
        "seed": evidence["seed"],
        "out": str(path),
    }


def _write_page(judgement: Judgement, verdict_path: Path, html: Path) -> None:
    from stealproof.court.verdict_file import read_verdict
    from stealproof.evidence.dossier import read_evidence
    from stealproof.files import write_atomic
    from stealproof.reports.judgement_page import judgement_page

    file = read_verdict(read_evidence(verdict_path), what=str(verdict_path))
    write_atomic(html, judgement_page(judgement, file).encode())
    say(f"saved {html}")


def _in_json(judgement: Judgement) -> dict[str, Any]:
    return {
        "decision": str(judgement.decision),
        "findings": [finding.in_json() for finding in judgement.findings],
        "verdict": judgement.verdict.in_json(),
    }


def printable(text: str) -> str:
    """``text`` without control characters: nobody's names or errors may write over a judge's screen."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def in_words(judgement: Judgement, report: dict[str, Any]) -> str:
    """The judgement as text: the decision, then each step."""
    import textwrap

    about = printable(f"{report['suspect']}, held against {report['claim']}")
    lines = [str(judgement.decision).upper(), "", about, ""]
    for number, finding in enumerate(judgement.findings, 1):
        head = f"{number}  {finding.step:10}  {MARKS[finding.ok]:3}  "
        lines.append(
            textwrap.fill(printable(finding.words), 100, initial_indent=head, subsequent_indent=" " * len(head))
        )
    return "\n".join(lines)
