from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from stealproof.cli import INTERRUPTED, Verbs, main
from stealproof.cli._options import KEPT, if_interrupted, parse_parameters
from stealproof.errors import EvidenceError, InputError


def test_help_lists_every_verb() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    for verb in ("audit", "steal", "train", "list", "show", "study", "reproduce"):
        assert f"\n  {verb} " in result.output


def test_an_unknown_verb_is_answered_with_the_nearest_one() -> None:
    result = CliRunner().invoke(main, ["stael"])
    assert result.exit_code == 2
    assert "no command is named 'stael'; did you mean 'steal'?" in result.stderr


@pytest.mark.parametrize("verb", ["audit", "steal", "train", "list", "show", "study", "reproduce"])
def test_every_verb_explains_itself(verb: str) -> None:
    result = CliRunner().invoke(main, [verb, "--help"])
    assert result.exit_code == 0
    assert len(result.output) > 100


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (InputError("budget must be at least 1, got 0"), 2, "error: budget must be at least 1, got 0\n"),
        (EvidenceError("the token is older than the claim"), 3, "error: the token is older than the claim\n"),
        (KeyboardInterrupt(), INTERRUPTED, "interrupted; nothing is kept, the same command starts over\n"),
    ],
)
def test_errors_are_one_line_and_an_exit_code(
    raised: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    def broken() -> None:
        raise raised

    monkeypatch.setattr(Verbs, "get_command", lambda self, ctx, name: broken)
    result = CliRunner().invoke(main, ["list"])
    assert result.exit_code == code
    assert said in result.stderr
    assert result.stdout == ""


def test_ctrl_c_is_answered_with_what_the_verb_said_last(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def broken() -> None:
        if_interrupted("all is lost")
        if_interrupted(KEPT)
        raise KeyboardInterrupt

    monkeypatch.setattr(Verbs, "get_command", lambda self, ctx, name: broken)
    said = CliRunner().invoke(main, ["list"]).stderr
    assert said == "interrupted; finished work is kept, run the same command again to continue\n"


def test_parameters_are_read_as_json_where_they_are_json() -> None:
    pairs = ("a=1", "b=0.5", "c=true", "d=text", "e=[1,2]", "f-g=null")
    assert parse_parameters(pairs) == {"a": 1, "b": 0.5, "c": True, "d": "text", "e": (1, 2), "f_g": None}


@pytest.mark.parametrize("pair", ["novalue", "=3"])
def test_a_parameter_without_key_or_value_is_refused(pair: str) -> None:
    with pytest.raises(InputError, match="expected -p key=value, got"):
        parse_parameters((pair,))
