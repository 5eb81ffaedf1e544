"""``stealproof claim``: keys, plans, dossiers and timestamps, so that a claim can be shown to a stranger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from stealproof.cli._dossiers import (
    CLAIM,
    DOSSIER,
    FILE,
    check_target,
    described,
    key_option,
    open_key,
    out_option,
    print_report,
    read_root,
    roots_option,
    save,
)
from stealproof.cli._options import (
    data_parameter_option,
    json_option,
    parameter_option,
    parse_parameters,
    print_json,
    say,
)


@click.group("claim")
def command() -> None:
    """Make a claim that a stranger can check: sign it, have it timestamped, show it, verify it."""


@command.command("key")
@click.argument("path", type=FILE)
@click.option("--algorithm", type=click.Choice(["ed25519", "ecdsa-p256"]), default="ed25519", show_default=True)
def key_command(path: Path, algorithm: Any) -> None:
    """Make a private key at PATH, for your eyes only, and the public one that others check with at PATH.pub."""
    from stealproof.evidence.keys import new_key, open_private

    new_key(path, algorithm=algorithm)
    say(f"saved {path}, which you keep secret, and {path}.pub, which you give to others")
    click.echo(open_private(path).key_id)


@command.command("plan")
@click.argument("scheme_name", metavar="SCHEME")
@click.option("--data", "data_spec", required=True, metavar="DATA", help="The owner's data, as `protect` takes them.")
@data_parameter_option
@parameter_option
@key_option
@click.option("--out", type=FILE, required=True, metavar="X.dossier", help="The file to write.")
@click.option(
    "--beacon",
    type=click.Choice(["timestamp", "drand"]),
    default="timestamp",
    show_default=True,
    help="What the triggers follow from: the timestamp itself, or the round of drand that comes out a minute after it.",
)
def plan_command(
    scheme_name: str,
    data_spec: str,
    data_pairs: tuple[str, ...],
    parameters: tuple[str, ...],
    key_path: Path | None,
    out: Path,
    beacon: Any,
) -> None:
    """Before you mark a model: promise how, so that its triggers will be ones that nobody chose.

    Then have the plan timestamped (for drand, go on with `stealproof claim beacon`), and give it to
    `stealproof protect SCHEME ... --plan X.dossier`.
    """
    from stealproof import catalog
    from stealproof.court.claiming import plan_triggers
    from stealproof.court.judging import triggers_needed
    from stealproof.errors import InputError
    from stealproof.inputs.data import open_data
    from stealproof.ownership.derived_triggers import DerivedTriggers

    key = open_key(key_path)
    check_target(out)
    scheme = catalog.make(scheme_name, "ownership", **parse_parameters(parameters))
    if not isinstance(scheme, DerivedTriggers):
        raise InputError(f"{scheme.name()} chooses its triggers, so nothing can be planned; plan derived_triggers")
    data = open_data(data_spec, **parse_parameters(data_pairs))
    plan = plan_triggers(scheme, data, key, beacon=beacon)
    needed = triggers_needed(data.classes)
    if needed and scheme.triggers < needed:
        say(
            f"{scheme.triggers} triggers are too few for a judge, who counts secret attempts against a plan: with"
            f" {data.classes} classes it takes {needed}, and more if some may be lost; plan anew with -p triggers=..."
        )
    save(plan, out)
    say(f"saved {out}; keep it secret, and go on: stealproof claim timestamp {out} --tsa URL")


@command.command("new")
@click.argument("claim_path", metavar="CLAIM", type=CLAIM)
@click.option(
    "--model",
    type=click.Path(exists=True, path_type=Path),
    required=True,
    metavar="FILE",
    help="The model that you claim, a file or a folder.",
)
@key_option
@click.option("--plan", "plan_path", type=DOSSIER, metavar="X.dossier", help="The plan that the model was marked by.")
@out_option
def new_command(claim_path: Path, model: Path, key_path: Path | None, plan_path: Path | None, out: Path | None) -> None:
    """Sign the CLAIM (a .claim file of `stealproof protect`) to the model, and put all evidence into one dossier."""
    from stealproof.court.claiming import claim_model
    from stealproof.evidence.dossier import SUFFIX, open_dossier, read_evidence

    key = open_key(key_path)
    out = out or claim_path.with_suffix(SUFFIX)
    check_target(out)
    plan = b"" if plan_path is None else open_dossier(plan_path).to_bytes()
    save(claim_model(read_evidence(claim_path), model, key, plan=plan, what=str(claim_path)), out)
    say(f"saved {out}; it holds your secrets, for you and a judge alone")
    say(f"go on: stealproof claim timestamp {out} --tsa URL")


@command.command("timestamp")
@click.argument("path", metavar="DOSSIER", type=DOSSIER)
@click.option("--tsa", "url", metavar="URL", help="Address of a time-stamping authority (RFC 3161).")
@click.option("--query", type=FILE, metavar="X.tsq", help="Write the request to a file instead of sending it.")
@click.option("--reply", type=FILE, metavar="X.tsr", help="Take what an authority answered to it from a file.")
@click.option("--timeout", type=float, default=30.0, show_default=True, help="Seconds to wait for the authority.")
@roots_option
@click.option("--force", is_flag=True, help="Replace a timestamp, although an older one is worth more.")
def timestamp_command(
    path: Path,
    url: str | None,
    query: Path | None,
    reply: Path | None,
    timeout: float,
    root_paths: tuple[Path, ...],
    force: bool,
) -> None:
    """Have somebody else sign that DOSSIER exists today; only its SHA-256 is sent. The file is replaced."""
    from stealproof.court.drawing import due_round, in_utc, planned_kind
    from stealproof.errors import InputError
    from stealproof.evidence.dossier import PLAN, open_dossier, read_evidence, read_statement
    from stealproof.evidence.timestamp import check_token, make_request, request_token
    from stealproof.files import write_atomic

    if sum(way is not None for way in (url, query, reply)) != 1:
        raise InputError(
            "name a time-stamping authority with --tsa URL, or ask one yourself with --query, then --reply"
        )
    if reply is not None and not root_paths:
        raise InputError("a timestamp from a file is checked before it is kept: name the root certificate, --tsa-root")
    dossier = open_dossier(path)
    read_statement(dossier, what=str(path))
    if dossier.token and not force:
        raise InputError(
            f"{path} is timestamped, and an older timestamp is worth more; --force replaces it all the same"
        )
    if query is not None:
        write_atomic(query, make_request(dossier.envelope))
        say(f"saved {query}; go on: stealproof claim timestamp {path} --reply X.tsr --tsa-root ROOT.pem")
        return
    token = read_evidence(reply) if reply is not None else request_token(str(url), dossier.envelope, timeout=timeout)
    if root_paths:
        stamp = check_token(token, dossier.envelope, roots=[read_root(root) for root in root_paths])
        say(f"{stamp.authority} saw it at {stamp.time:%Y-%m-%d %H:%M:%S} UTC")
    else:
        say("whether to trust the authority was not checked; --tsa-root names its root certificate")
    stamped = dossier.stamped(token)
    save(stamped, path)
    say(f"saved {path}, timestamped")
    if stamped.kind == PLAN and stamped.opened and planned_kind(stamped) == "drand":
        number, moment = due_round(stamped)
        say(f"round {number} of drand comes out at {in_utc(moment)}; go on then: stealproof claim beacon {path}")


@command.command("beacon")
@click.argument("path", metavar="PLAN", type=DOSSIER)
@click.option("--server", metavar="URL", help="Address of a server of drand.  [default: https://api.drand.sh]")
@click.option("--reply", type=FILE, metavar="X.json", help="Take what such a server answered from a file.")
@click.option("--timeout", type=float, default=30.0, show_default=True, help="Seconds to wait for the server.")
def beacon_command(path: Path, server: str | None, reply: Path | None, timeout: float) -> None:
    """Put the round of drand into a timestamped PLAN (a .dossier file) that takes its beacon from one.

    It is the first that comes out a minute or more after the timestamp; no other is accepted. The file is replaced.
    """
    from stealproof.court.drawing import due_round, fetch_due, hold_round, in_utc
    from stealproof.evidence.dossier import check_content, open_dossier, read_evidence, read_statement
    from stealproof.evidence.drand import SERVER, Round

    plan = open_dossier(path)
    check_content(plan, read_statement(plan, what=str(path)), what=str(path))
    number, moment = due_round(plan)
    if reply is None:
        drawn = fetch_due(plan, server=server or SERVER, timeout=timeout)
    else:
        drawn = Round.from_answer(read_evidence(reply), what=str(reply))
    save(hold_round(plan, drawn), path)
    say(f"saved {path}, with round {number} of drand, which came out at {in_utc(moment)}")


@command.command("close")
@click.argument("path", metavar="DOSSIER", type=DOSSIER)
@click.option("--out", type=FILE, required=True, metavar="X.dossier", help="The file to write.")
def close_command(path: Path, out: Path) -> None:
    """Write a copy of DOSSIER without secrets, which may be published; a judge needs the open one."""
    from stealproof.errors import InputError
    from stealproof.evidence.dossier import PLAN, open_dossier

    check_target(out)
    dossier = open_dossier(path)
    if dossier.kind == PLAN:
        raise InputError(
            f"{path} is a plan, whose very commitment tells the triggers; it goes to a judge only, in a claim"
        )
    save(dossier.closed(), out, mode=None)
    say(f"saved {out}, without secrets")


@command.command("show")
@click.argument("path", metavar="DOSSIER", type=DOSSIER)
@json_option
def show_command(path: Path, as_json: bool) -> None:
    """Print what DOSSIER says, without its secrets. Nothing but the signature is verified."""
    print_report(described(path), as_json=as_json)


@command.command("verify")
@click.argument("path", metavar="DOSSIER", type=DOSSIER)
@roots_option
@click.option(
    "--accuser", "accuser_path", type=FILE, metavar="PUB", help="The public key that the accuser is known by."
)
@json_option
def verify_command(path: Path, root_paths: tuple[Path, ...], accuser_path: Path | None, as_json: bool) -> None:
    """Check all of DOSSIER that can be checked without a suspect. Exit code 3: it does not check out."""
    from stealproof.court.checking import check_dossier
    from stealproof.evidence.dossier import read_evidence
    from stealproof.evidence.keys import open_public

    checks = check_dossier(
        read_evidence(path),
        roots=[read_root(root) for root in root_paths],
        accuser=None if accuser_path is None else open_public(accuser_path),
        what=str(path),
    )
    if as_json:
        print_json({"dossier": str(path), "checks": checks})
    else:
        click.echo("\n".join(f"{name:12}  {words}" for name, words in checks.items()))
