"""Claim files: what an accuser holds, in one ``safetensors`` file that only its owner may read and that checks itself.

Arrays are tensors; all else is one JSON text in the file's metadata, which ends with the SHA-256 of the whole file as
it was while that digest stood at zeros. So any changed byte is noticed, wherever it lies.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from stealproof.claims import Claim
from stealproof.errors import EvidenceError, InputError, MissingData
from stealproof.files import write_atomic
from stealproof.inputs._pickles import refuse_pickle

SUFFIX = ".claim"
FORMAT = "stealproof claim 1"
MODE = 0o600
"""A claim holds secrets: whoever reads the triggers can train them away, or claim them."""
LARGEST = 2**30
"""Bytes; claims hold some hundred inputs, so a larger file is something else."""
NAMES = re.compile(r"[A-Za-z_]\w*", re.ASCII)
NUMBERS = "biuf"
"""Kinds of NumPy arrays that a claim may hold: booleans, integers and floats."""
ZEROS = b"0" * 64
MARK = b'\\"sha256\\":\\"'
"""What stands before the digest: JSON in JSON. Names are identifiers and texts are escaped once more, so that the last
one of these in the header is the real one."""
MISREAD = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What reading JSON of another structure than ours raises."""
ADVICE = f"expected a {SUFFIX} file as `stealproof protect` writes it"


def save_claim(claim: Claim, path: Path) -> Path:
    """Write ``claim`` to ``path``, readable by its owner only; equal claims are equal files.

    Args:
        claim: its secrets are arrays of numbers, texts, integers and floats; all of them finite.
        path: ends in ``.claim``; replaced as a whole.

    Raises:
        InputError: another suffix, or something that such a file can't hold.
        StorageError: the disk refuses; a file that was there stays as it was.
    """
    if path.suffix != SUFFIX:
        raise InputError(f"a claim is saved as {SUFFIX}, got {path.name}; name it {path.stem}{SUFFIX}")
    try:
        content = _encode(claim)
    except ValueError as error:
        raise InputError(f"the claim of {claim.scheme} can't be saved: {error}") from error
    return write_atomic(path, content, mode=MODE)


def open_claim(path: str | Path) -> Claim:
    """The claim at ``path``.

    Raises:
        MissingData: nothing is there.
        UnsafeFile: a pickle.
        EvidenceError: damaged, cut short, of another kind or of a later version; the message says what.
    """
    path = Path(path).expanduser()
    refuse_pickle(path, ADVICE)
    if not path.is_file():
        raise MissingData(f"there is no claim file {path}; {ADVICE}")
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise ValueError(f"it has {size:,} bytes, more than {LARGEST:,}")
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise _unreadable(str(path), error) from error
    return read_claim(content, what=str(path))


def read_claim(content: bytes, *, what: str) -> Claim:
    """The claim in the bytes of a claim file, which ``what`` names in messages.

    Raises:
        EvidenceError: damaged, cut short, of another kind or of a later version; the message says what.
    """
    try:
        return _decode(content)
    except (safetensors.SafetensorError, *MISREAD) as error:
        raise _unreadable(what, error) from error


def _unreadable(what: str, error: Exception) -> EvidenceError:
    return EvidenceError(f"{what} is no claim that can be read: {str(error) or type(error).__name__}; {ADVICE}")


def _encode(claim: Claim) -> bytes:
    arrays, values = dict[str, NDArray[Any]](), dict[str, Any]()
    for name, secret in claim.secrets.items():
        if NAMES.fullmatch(name) is None:
            raise ValueError(f"secrets are named like variables, got {name!r}")
        if isinstance(secret, np.ndarray):
            arrays[name] = _plain_array(name, secret)
        else:
            values[name] = _plain_value(name, secret)
    whole = {
        "claim": {
            "scheme": claim.scheme,
            "parameters": {key: _plain_parameter(key, value) for key, value in claim.parameters.items()},
            "model_digest": claim.model_digest,
            "secrets": values,
        },
        "format": FORMAT,
        "sha256": ZEROS.decode(),
    }
    # "sha256" is the last of the sorted keys, and one key of metadata has no order that could vary.
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"), allow_nan=False)
    content = safetensors.numpy.save(arrays, {"stealproof": text})
    if len(content) > LARGEST:
        raise ValueError(f"it has {len(content):,} bytes, more than {LARGEST:,}; use fewer inputs")
    place = _digest_place(content)
    return content[:place] + hashlib.sha256(content).hexdigest().encode() + content[place + len(ZEROS) :]


def _decode(content: bytes) -> Claim:
    place = _digest_place(content)
    end = place + len(ZEROS)
    found = hashlib.sha256(content[:place] + ZEROS + content[end:]).hexdigest()
    if found.encode() != content[place:end]:
        raise ValueError("it is damaged, since its content does not have the SHA-256 that it names")
    whole = json.loads(json.loads(content[8 : _header_end(content)])["__metadata__"]["stealproof"], parse_constant=_no)
    if whole["format"] != FORMAT:
        raise ValueError(f"it is of format {whole['format']!r}, and this version of stealproof reads {FORMAT!r}")
    claim, arrays = whole["claim"], safetensors.numpy.load(content)
    secrets: dict[str, Any] = {name: _plain_value(name, value) for name, value in claim["secrets"].items()}
    for name, array in arrays.items():
        secrets[name] = _plain_array(name, array)
    _check_trigger_set(secrets)
    return Claim(
        scheme=_text(claim["scheme"]),
        parameters={key: _thawed(value) for key, value in claim["parameters"].items()},
        model_digest=_text(claim["model_digest"]),
        secrets=secrets,
    )


def _header_end(content: bytes) -> int:
    """Where the header ends: the format starts with its length in eight bytes, little-endian."""
    end = 8 + int.from_bytes(content[:8], "little")
    if not 8 < end <= len(content):
        raise ValueError("its header reaches beyond its end, as in a file that was cut short or is something else")
    return end


def _digest_place(content: bytes) -> int:
    end = _header_end(content)
    place = content.rfind(MARK, 8, end) + len(MARK)
    if place < len(MARK) or place + len(ZEROS) > end:
        raise ValueError("it names no SHA-256 of its content")
    return place


def _check_trigger_set(secrets: Mapping[str, Any]) -> None:
    """What every scheme may rely on: inputs in rows, and a label for each where there are labels."""
    inputs, labels = secrets.get("inputs"), secrets.get("labels")
    if inputs is not None and (not isinstance(inputs, np.ndarray) or inputs.ndim < 2):
        raise ValueError("its inputs are no rows; expected an array (n, *shape)")
    if inputs is not None and labels is not None and np.shape(labels)[:1] != inputs.shape[:1]:
        count = "no" if np.ndim(labels) == 0 else len(labels)
        raise ValueError(f"it holds {len(inputs)} inputs and {count} labels; expected one label for each input")
    members = secrets.get("members")
    if inputs is not None and members is not None and np.shape(members) != inputs.shape[:1]:
        raise ValueError(f"it holds {len(inputs)} inputs, of which it does not say one by one which are members")


def _plain_array(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """``array`` as the format wants it: contiguous, little-endian, of finite numbers."""
    if array.dtype.kind not in NUMBERS or array.dtype.itemsize > 8:
        raise ValueError(f"it holds {array.dtype} in {name!r}; expected booleans, integers or floats")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"it holds NaN or infinite values in {name!r}; expected finite ones")
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _plain_value(name: str, value: Any) -> str | bool | int | float:
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, str | int | float):
        raise ValueError(f"it holds a {type(value).__name__} in {name!r}; expected an array, a text or a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"it holds {value} in {name!r}; expected a finite number")
    return value


def _plain_parameter(name: str, value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain_parameter(name, item) for item in value]
    return None if value is None else _plain_value(name, value)


def _thawed(value: Any) -> Any:
    """Lists as the tuples that they were."""
    return tuple(_thawed(item) for item in value) if isinstance(value, list) else value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, got {type(value).__name__}")
    return value


def _no(constant: str) -> Any:
    raise ValueError(f"it holds {constant}")
