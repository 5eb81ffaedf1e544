from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from stealproof.errors import UnsafeFile
from stealproof.inputs._pickles import refuse_pickle


@pytest.mark.parametrize("length", [0x0280, 0x0380, 0x0480, 0x0580, 0x10380])
def test_a_safetensors_file_is_none_whatever_the_length_of_its_header(tmp_path: Path, length: int) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + b"{".ljust(length))
    refuse_pickle(path)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("content", [{}, {"a": 1}, [1, 2], "{" * 40, b"\0" * 40])
def test_pickles_are_refused_under_any_name(tmp_path: Path, protocol: int, content: object) -> None:
    path = tmp_path / "mine.claim"
    path.write_bytes(pickle.dumps(content, protocol))
    with pytest.raises(UnsafeFile, match="holds a pickle"):
        refuse_pickle(path)
