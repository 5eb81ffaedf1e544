from __future__ import annotations

import numpy as np
import pytest

from stealproof.data._images import scaled
from stealproof.errors import InputError

COLOURED = np.stack([np.full((4, 4), value, dtype=np.uint8) for value in (255, 0, 51)])[None]


def test_bytes_are_divided_by_255_and_left_alone_otherwise() -> None:
    x = scaled(COLOURED, size=4, grey=False)
    assert x.shape == (1, 3, 4, 4)
    assert x[0, :, 0, 0].tolist() == pytest.approx([1.0, 0.0, 0.2])


def test_grey_is_the_luma_and_colour_is_grey_three_times() -> None:
    grey = scaled(COLOURED, size=4, grey=True)
    assert grey.shape == (1, 1, 4, 4)
    assert float(grey[0, 0, 0, 0]) == pytest.approx(0.299 + 0.114 * 0.2)
    back = scaled((grey.numpy() * 255).round().astype(np.uint8), size=4, grey=False)
    assert back.shape == (1, 3, 4, 4)
    assert bool((back[:, 0] == back[:, 2]).all())


def test_another_size_keeps_a_flat_image_flat_and_within_the_box() -> None:
    x = scaled(COLOURED, size=7, grey=False)
    assert x.shape == (1, 3, 7, 7)
    assert float((x[0, 2] - 0.2).abs().max()) < 1e-6
    noise = np.random.default_rng(0).integers(0, 256, (5, 1, 28, 28), dtype=np.uint8)
    assert 0 <= float(scaled(noise, size=8, grey=True).min()) <= float(scaled(noise, size=8, grey=True).max()) <= 1


def test_a_size_must_have_a_pixel() -> None:
    with pytest.raises(InputError, match="size must be at least 1 pixel, got 0"):
        scaled(COLOURED, size=0, grey=False)
