"""Make the bad input files of this folder, each wrong in the one way that its name says.

Run it in this folder after a change: ``python make_bad_inputs.py``. The tests read the stored files, so that a
newer library can't quietly make them good.
"""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.numpy import save

HERE = Path(__file__).parent
ROWS = np.linspace(0, 1, 48).reshape(12, 4)
LABELS = np.arange(12) % 3


def main() -> None:
    """Write every file."""
    arrays()
    tables()
    images()
    models()


def arrays() -> None:
    """``.npz`` files."""
    good = npz(x=ROWS, y=LABELS)
    write("npz", "cut_short.npz", good[: len(good) // 2])
    write("npz", "no_zip.npz", b"x,y\n1,2\n")
    write("npz", "no_x.npz", npz(inputs=ROWS, y=LABELS))
    write("npz", "x_is_text.npz", npz(x=ROWS.astype(str), y=LABELS))
    write("npz", "x_is_one_column.npz", npz(x=ROWS[:, 0], y=LABELS))
    write("npz", "x_has_nan.npz", npz(x=np.where(ROWS > 0.9, np.nan, ROWS), y=LABELS))
    write("npz", "x_out_of_range.npz", npz(x=ROWS * 255, y=LABELS))
    write("npz", "x_is_empty.npz", npz(x=ROWS[:0], y=LABELS[:0]))
    write("npz", "y_too_short.npz", npz(x=ROWS, y=LABELS[:-1]))
    write("npz", "y_from_one.npz", npz(x=ROWS, y=LABELS + 1))
    write("npz", "y_negative.npz", npz(x=ROWS, y=LABELS - 1))
    write("npz", "y_is_real.npz", npz(x=ROWS, y=LABELS + 0.5))
    write("npz", "test_y_unknown.npz", npz(x=ROWS, y=LABELS, test_x=ROWS, test_y=LABELS + 1))
    write("npz", "test_y_missing.npz", npz(x=ROWS, y=LABELS, test_x=ROWS))
    write("npz", "x_is_objects.npz", npz(x=np.array([{"a": 1}] * 12, dtype=object), y=LABELS))
    write("npz", "a_pickle.npz", pickle.dumps({"x": [1, 2], "y": [0, 1]}))


def tables() -> None:
    """``.csv`` files."""
    good = "age,job,label\n31,cook,0\n54,smith,1\n20,cook,0\n44,nurse,1\n"
    write("csv", "no_label.csv", good.replace("label", "outcome"))
    write("csv", "row_too_short.csv", good.replace("54,smith,1", "54,smith"))
    write("csv", "empty_cells.csv", good.replace("31,", ","))
    write("csv", "nan.csv", good.replace("31,", "nan,"))
    write("csv", "header_only.csv", "age,job,label\n")
    write("csv", "two_of_a_name.csv", good.replace("job", "age"))
    write("csv", "one_class.csv", good.replace(",1\n", ",0\n"))
    write("csv", "no_utf8.csv", good.replace("smith", "Schäfer").encode("latin-1"))
    write("csv", "names.csv", "name,label\n" + "".join(f"person {i},{i % 2}\n" for i in range(300)))


def images() -> None:
    """Images, and the idx format of MNIST."""
    picture = io.BytesIO()
    Image.fromarray((ROWS * 255).astype(np.uint8)).save(picture, format="PNG")
    write("images", "cut_short.png", picture.getvalue()[:60])
    header = b"\0\0\x08\x03" + b"".join(size.to_bytes(4, "big") for size in (3, 2, 2))
    write("idx", "good.gz", gzip.compress(header + bytes(range(12)), mtime=0))
    write("idx", "cut_short.gz", gzip.compress(header + bytes(range(12)), mtime=0)[:-12])
    write("idx", "too_few_bytes.gz", gzip.compress(header + bytes(range(7)), mtime=0))
    write("idx", "of_floats.gz", gzip.compress(b"\0\0\x0d\x03" + header[4:] + bytes(48), mtime=0))
    write("idx", "no_gzip.gz", header + bytes(range(12)))


def models() -> None:
    """Model files."""
    pickled = pickle.dumps({"weight": [1.0, 2.0]})
    write("models", "pickled.pkl", pickled)
    write("models", "pickle_called.safetensors", pickled)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(zipfile.ZipInfo("archive/data.pkl"), pickled)
    write("models", "torch_archive.pt", archive.getvalue())
    write("models", "torch_archive_called.safetensors", archive.getvalue())
    write("models", "no_card.safetensors", save({"0.weight": np.zeros((2, 4), dtype=np.float32)}))


def npz(**content: Any) -> bytes:
    """The bytes of a ``.npz`` file."""
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=True, **content)
    return stream.getvalue()


def write(folder: str, name: str, content: bytes | str) -> None:
    """Write one file."""
    path = HERE / folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


if __name__ == "__main__":
    main()
