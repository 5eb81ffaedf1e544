from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from stealproof.claims import Claim
from stealproof.errors import EvidenceError, InputError, MissingData, StorageError, UnsafeFile
from stealproof.inputs import claim as claim_file
from stealproof.inputs.claim import open_claim, save_claim

DTYPES = ("bool", "uint8", "int32", "int64", "uint64", "float16", "float32", ">f8")
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.text() | st.integers() | FINITE
ARRAYS = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(
        np.dtype(dtype),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
        elements={"allow_nan": False, "allow_infinity": False} if "f" in dtype else None,
    )
)
PARAMETERS = st.recursive(st.none() | st.booleans() | SCALARS, lambda inner: st.lists(inner, max_size=3).map(tuple))


def small() -> Claim:
    rng = np.random.default_rng(0)
    return Claim(
        scheme="adi2018",
        parameters={"count": 3, "rate": 0.5, "words": "a", "sizes": (1, (2,)), "nothing": None, "yes": True},
        model_digest="ab" * 32,
        secrets={
            "inputs": rng.random((3, 1, 2, 2)).astype(np.float32),
            "labels": np.array([0, 1, 2], dtype=np.int64),
            "key": 'a "sha256":"text" \\ \u00e9',
            "seed": 2**62 + 1,
            "share": 0.25,
        },
    )


def assert_equal(one: Claim, other: Claim) -> None:
    assert (one.scheme, one.parameters, one.model_digest) == (other.scheme, other.parameters, other.model_digest)
    assert set(one.secrets) == set(other.secrets)
    for name, value in one.secrets.items():
        found = other.secrets[name]
        if isinstance(value, np.ndarray):
            assert (value.shape, value.dtype.newbyteorder("<")) == (found.shape, found.dtype)
            assert np.array_equal(value, found)
        else:
            assert (type(value), value) == (type(found), found)


def test_a_claim_comes_back_as_it_was_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = save_claim(small(), tmp_path / "new" / "mine.claim")
    assert_equal(small(), open_claim(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["mine.claim"]
    assert set(safetensors.numpy.load_file(path)) == {"inputs", "labels"}


@given(
    secrets=st.dictionaries(NAMES.filter(lambda name: name not in ("inputs", "labels")), SCALARS | ARRAYS, max_size=5),
    parameters=st.dictionaries(NAMES, PARAMETERS, max_size=4),
)
def test_whatever_a_scheme_keeps_survives_the_file(
    tmp_path_factory: pytest.TempPathFactory, secrets: dict[str, Any], parameters: dict[str, Any]
) -> None:
    claim = Claim(scheme="any", parameters=parameters, secrets=secrets)
    folder = tmp_path_factory.mktemp("claims")
    path = save_claim(claim, folder / "a.claim")
    assert_equal(claim, open_claim(path))
    assert path.read_bytes() == save_claim(open_claim(path), folder / "b.claim").read_bytes()


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = save_claim(small(), tmp_path / "mine.claim")
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for place, bit in zip(range(len(content)), rng.integers(0, 8, len(content)), strict=True):
        path.write_bytes(content[:place] + bytes([content[place] ^ (1 << int(bit))]) + content[place + 1 :])
        with pytest.raises((EvidenceError, UnsafeFile)):
            open_claim(path)


def test_a_file_that_was_cut_short_or_grew_is_noticed(tmp_path: Path) -> None:
    path = save_claim(small(), tmp_path / "mine.claim")
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(EvidenceError):
            open_claim(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(EvidenceError, match="damaged"):
        open_claim(path)


def resealed(content: bytes) -> bytes:
    """The file with the right digest: what a forger, not an accident, would write."""
    place = content.rfind(claim_file.MARK) + len(claim_file.MARK)
    blank = content[:place] + claim_file.ZEROS + content[place + 64 :]
    return blank[:place] + hashlib.sha256(blank).hexdigest().encode() + blank[place + 64 :]


def forged(text: str, arrays: dict[str, NDArray[Any]] | None = None) -> bytes:
    return resealed(safetensors.numpy.save(arrays or {}, {"stealproof": text}))


def altered(change: Callable[[dict[str, Any]], object], arrays: dict[str, NDArray[Any]] | None = None) -> bytes:
    whole: dict[str, Any] = {
        "claim": {"scheme": "x", "parameters": {}, "model_digest": "", "secrets": {}},
        "format": claim_file.FORMAT,
        "sha256": "0" * 64,
    }
    change(whole)
    return forged(json.dumps(whole, separators=(",", ":")), arrays)


SEAL = '"sha256":"' + "0" * 64 + '"}'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cut short or is something else"),
        (b"no claim at all, but a text of some length", "cut short or is something else"),
        (safetensors.numpy.save({"x": np.zeros(3)}), "it names no SHA-256 of its content"),
        ((2**62).to_bytes(8, "little") + b"{}", "cut short or is something else"),
        (altered(lambda whole: whole.update(format="stealproof claim 2")), "it is of format 'stealproof claim 2'"),
        (altered(lambda whole: whole.pop("claim")), "'claim'"),
        (altered(lambda whole: whole["claim"].update(scheme=3)), "expected a text, got int"),
        (altered(lambda whole: whole["claim"].update(secrets=[1])), "no claim that can be read"),
        (altered(lambda whole: whole["claim"].update(parameters=None)), "no claim that can be read"),
        (altered(lambda whole: whole["claim"]["secrets"].update(key=[1])), "it holds a list in 'key'"),
        (altered(lambda whole: whole["claim"]["secrets"].update(rate=float("nan"))), "it holds NaN"),
        (altered(lambda _: None, {"inputs": np.full((2, 3), np.nan)}), "NaN or infinite values in 'inputs'"),
        (altered(lambda _: None, {"inputs": np.zeros(3)}), "its inputs are no rows"),
        (altered(lambda _: None, {"inputs": np.zeros((3, 2)), "labels": np.zeros(2)}), "3 inputs and 2 labels"),
        (altered(lambda _: None, {"inputs": np.zeros((3, 2)), "labels": np.asarray(2)}), "3 inputs and no labels"),
        (forged('{"claim":{"scheme":"x","parameters":{"a":1e999}},' + SEAL), "no claim that can be read"),
        (forged('{"claim":' + "[" * 100_000 + SEAL), "no claim that can be read"),
        (forged(f'{{"claim":{"9" * 5000},' + SEAL), "no claim that can be read"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_claim_is_refused_with_a_sentence(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "their.claim"
    path.write_bytes(content)
    with pytest.raises(EvidenceError, match=r"their\.claim is no claim that can be read") as caught:
        open_claim(path)
    assert said in str(caught.value)
    assert "expected a .claim file as `stealproof protect` writes it" in str(caught.value)


def test_an_infinite_parameter_is_refused_even_where_json_lets_it_pass(tmp_path: Path) -> None:
    path = tmp_path / "their.claim"
    text = (
        '{"claim":{"model_digest":"","parameters":{},"scheme":"x","secrets":{"rate":1e999}},"format":"'
        + claim_file.FORMAT
        + '",'
        + SEAL
    )
    path.write_bytes(forged(text))
    with pytest.raises(EvidenceError, match="it holds inf in 'rate'"):
        open_claim(path)


def test_a_pickle_is_refused_by_name_and_by_content(tmp_path: Path) -> None:
    for name, content in (("a.pkl", b""), ("a.claim", b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00.")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnsafeFile, match="pickle, which could run code"):
            open_claim(tmp_path / name)


def test_what_is_missing_a_folder_or_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingData, match="there is no claim file"):
        open_claim(tmp_path / "none.claim")
    with pytest.raises(MissingData, match="there is no claim file"):
        open_claim(tmp_path)
    path = save_claim(small(), tmp_path / "mine.claim")
    monkeypatch.setattr(claim_file, "LARGEST", 100)
    with pytest.raises(EvidenceError, match="more than 100"):
        open_claim(path)
    with pytest.raises(InputError, match="more than 100; use fewer inputs"):
        save_claim(small(), tmp_path / "large.claim")
    assert not (tmp_path / "large.claim").exists()


@pytest.mark.parametrize(
    ("secrets", "said"),
    [
        ({"a b": 1}, "secrets are named like variables, got 'a b'"),
        ({"key": b"bytes"}, "it holds a bytes in 'key'; expected an array, a text or a number"),
        ({"key": float("inf")}, "it holds inf in 'key'; expected a finite number"),
        ({"key": np.array([1.0, np.nan])}, "it holds NaN or infinite values in 'key'"),
        ({"key": np.array(["text"])}, "expected booleans, integers or floats"),
        ({"key": np.array([object()])}, "it holds object in 'key'"),
    ],
)
def test_what_a_claim_file_cannot_hold_is_said_before_anything_is_written(
    secrets: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="the claim of x can't be saved") as caught:
        save_claim(Claim(scheme="x", secrets=secrets), tmp_path / "a.claim")
    assert said in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a claim is saved as \.claim, got a\.txt; name it a\.claim"):
        save_claim(small(), tmp_path / "a.txt")


def test_numpy_numbers_are_stored_as_plain_ones(tmp_path: Path) -> None:
    secrets = {"a": np.int64(3), "b": np.float32(0.5), "c": np.bool_(True)}
    found = open_claim(save_claim(Claim(scheme="x", secrets=secrets), tmp_path / "a.claim")).secrets
    assert {name: (type(value), value) for name, value in found.items()} == {
        "a": (int, 3),
        "b": (float, 0.5),
        "c": (bool, True),
    }


def test_a_full_disk_leaves_the_old_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_claim(small(), tmp_path / "mine.claim")
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="could not write"):
        save_claim(Claim(scheme="other"), path)
    monkeypatch.undo()
    assert path.read_bytes() == before
