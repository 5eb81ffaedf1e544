"""A user's own images in a folder: one sub-folder a class, or a flat folder as an unlabelled pool."""

from __future__ import annotations

import hashlib
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from stealproof.data._idx import image_domain
from stealproof.errors import InvalidData
from stealproof.files import sha256_file
from stealproof.inputs._own import OwnData, joined
from stealproof.roles.dataset import Raw

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".pgm", ".ppm"})
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM")
"""Formats whose decoders run no other program."""


@dataclass(frozen=True, kw_only=True)
class FolderData(OwnData):
    """``folder/class/*.png``, or ``folder/train/class/*`` with ``folder/test/class/*``; flat: a pool without labels.

    Classes are numbered in alphabetical order of the sub-folders.
    """

    size: int | None = None
    """Height and width to resize to; None takes the images as they are, all of one size."""
    grey: bool | None = None
    """One channel or three; None means grey when every image is."""

    def _read(self) -> Raw:
        root = Path(self.path)
        subfolders = sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
        if not subfolders:
            files = _images(root)
            x = self._load(files)
            return Raw(
                x=x,
                y=torch.zeros(len(x), dtype=torch.int64),
                classes=1,
                domain=image_domain(x),
                notes={"sha256": _digest(root, files)},
            )
        official = "train" in subfolders and set(subfolders) <= {"train", "test"}
        classes = _classes(root / "train" if official else root)
        files, labels = _labelled(root / "train" if official else root, classes)
        test_files, test_labels = _labelled(root / "test", classes) if "test" in subfolders and official else ([], [])
        x = self._load(files + test_files)
        cut = len(files)
        return Raw(
            x=x[:cut],
            y=torch.tensor(labels),
            test_x=x[cut:] if test_files else None,
            test_y=torch.tensor(test_labels) if test_files else None,
            classes=len(classes),
            domain=image_domain(x),
            notes={"sha256": _digest(root, files + test_files), "labels": classes},
        )

    def _load(self, files: list[Path]) -> torch.Tensor:
        """Images ``(n, 1 or 3, height, width)`` float32 in [0, 1]."""
        opened = [_pixels(path, self.size) for path in files]
        grey = all(pixels.ndim == 2 for pixels in opened) if self.grey is None else self.grey
        shapes = {pixels.shape[:2] for pixels in opened}
        if len(shapes) > 1:
            sizes = joined([f"{width}x{height}" for height, width in sorted(shapes)], 4)
            raise InvalidData(f"{self.path} has images of different sizes ({sizes}); give one with size=...")
        return torch.from_numpy(np.stack([_channels(pixels, grey=grey) for pixels in opened]))


def _images(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise InvalidData(f"{folder} has no images; expected files ending in {', '.join(sorted(SUFFIXES))}")
    return files


def _classes(folder: Path) -> list[str]:
    names = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(names) < 2:
        raise InvalidData(f"{folder} has {len(names)} sub-folders, expected one for each of at least 2 classes")
    return names


def _labelled(folder: Path, classes: list[str]) -> tuple[list[Path], list[int]]:
    strangers = sorted({p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")} - set(classes))
    if strangers:
        raise InvalidData(f"{folder} has the classes {joined(strangers)}, which the training images do not have")
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        if (folder / name).is_dir():
            found = _images(folder / name)
            files += found
            labels += [label] * len(found)
    return files, labels


def _pixels(path: Path, size: int | None) -> NDArray[np.uint8]:
    """The bytes of one image, ``(height, width)`` when it is grey, else ``(height, width, 3)``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                picture = image.convert("L" if image.mode in ("1", "L", "LA", "I", "I;16") else "RGB")
        if size is not None:
            picture = picture.resize((size, size), Image.Resampling.BILINEAR)
        return np.asarray(picture, dtype=np.uint8)
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        struct.error,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise InvalidData(f"{path} is no readable image ({error}); replace or remove it") from error


def _channels(pixels: NDArray[np.uint8], *, grey: bool) -> NDArray[np.float32]:
    """``(1 or 3, height, width)`` float32 in [0, 1]."""
    if pixels.ndim == 3 and grey:
        pixels = np.asarray(Image.fromarray(pixels).convert("L"), dtype=np.uint8)
    if pixels.ndim == 2 and not grey:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return np.asarray(planes / np.float32(255), dtype=np.float32)


def _digest(root: Path, files: list[Path]) -> str:
    """One SHA-256 over the names and contents of all images."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(root).as_posix()}\0{sha256_file(path)}\n".encode())
    return digest.hexdigest()
