"""Input processing: legal outputs, JPEG as Pillow makes it, noise that never contradicts itself."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from stealproof.attacks.removal._preprocess import (
    CompressedInput,
    NoisedInput,
    Preprocessor,
    SmoothedInput,
    SqueezedInput,
)
from stealproof.attacks.removal.input_noising import InputNoising
from stealproof.errors import InputError, InvalidData
from stealproof.inputs._layers import build_layers, describe_layers
from stealproof.oracle import Domain
from stealproof.roles.dataset import Dataset
from stealproof.training.trained import Trained

RANGE = {"low": -1.0, "high": 3.0}
EVERY: list[Preprocessor] = [
    NoisedInput(deviation=0.5, key=1, **RANGE),
    SmoothedInput(kind="mean", size=3, deviation=1.0, **RANGE),
    SmoothedInput(kind="median", size=5, deviation=1.0, **RANGE),
    SmoothedInput(kind="gaussian", size=3, deviation=0.6, **RANGE),
    CompressedInput(quality=10, **RANGE),
    SqueezedInput(bits=2, **RANGE),
]


def images(seed: int, *shape: int) -> torch.Tensor:
    """Values in [-1, 3], some of them exactly at the bounds."""
    x = torch.from_numpy(np.random.default_rng(seed).uniform(-2, 4, size=shape)).float()
    return x.clamp(-1, 3)


@pytest.mark.parametrize("front", EVERY, ids=lambda front: f"{type(front).__name__}-{front.arguments}")
class TestEveryPreprocessor:
    @given(seed=st.integers(0, 100), channels=st.sampled_from([1, 2, 3]), height=st.integers(1, 17))
    def test_stays_in_the_legal_range(self, front: Preprocessor, seed: int, channels: int, height: int) -> None:
        x = images(seed, 2, channels, height, 9)
        made = front(x)
        assert made.shape == x.shape
        assert made.dtype == x.dtype
        assert float(made.min()) >= -1
        assert float(made.max()) <= 3

    def test_an_input_is_processed_alike_in_every_batch_and_layout(self, front: Preprocessor) -> None:
        x = images(0, 5, 3, 8, 8)
        alone = torch.cat([front(row[None]) for row in x])
        torch.testing.assert_close(front(x), alone, rtol=0, atol=1e-6)
        torch.testing.assert_close(front(x.contiguous(memory_format=torch.channels_last)), alone, rtol=0, atol=1e-6)

    def test_is_written_down_and_built_again(self, front: Preprocessor) -> None:
        layers = describe_layers(torch.nn.Sequential(front, torch.nn.Flatten()))
        built = build_layers(layers)
        x = images(1, 3, 1, 8, 8)
        assert torch.equal(built(x), front(x).flatten(1))


@pytest.mark.parametrize("quality", [10, 65, 95])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_is_what_an_encoder_makes(quality: int, mode: str) -> None:
    """Pillow may round a level differently, and a coefficient halfway between two steps the other way."""
    channels = 3 if mode == "RGB" else 1
    noise = np.random.default_rng(0).normal(size=(channels, 21, 30))
    smooth = ndimage.gaussian_filter(noise, sigma=(0, 2, 2))
    pixels = np.clip(128 + 60 * smooth / smooth.std(), 0, 255).round().astype(np.uint8)
    picture = Image.fromarray(pixels[0] if mode == "L" else pixels.transpose(1, 2, 0))
    file = io.BytesIO()
    picture.save(file, format="JPEG", quality=quality, subsampling=0)
    expected = np.asarray(Image.open(file), dtype=np.float64).reshape(21, 30, channels).transpose(2, 0, 1)
    front = CompressedInput(quality=quality, low=0.0, high=1.0)
    found = front(torch.from_numpy(pixels).double()[None] / 255)[0].numpy() * 255
    assert np.abs(found - expected).mean() < 0.5
    assert np.quantile(np.abs(found - expected), 0.9) <= 2
    assert np.abs(found - pixels).mean() > 0.1


@pytest.mark.parametrize(
    ("kind", "reference"),
    [
        ("mean", lambda x: ndimage.uniform_filter(x, 3, mode="nearest")),
        ("median", lambda x: ndimage.median_filter(x, 3, mode="nearest")),
        ("gaussian", lambda x: ndimage.gaussian_filter(x, 0.8, mode="nearest", radius=3)),
    ],
)
def test_smoothing_is_that_of_scipy(kind: str, reference: object) -> None:
    x = np.random.default_rng(1).random((11, 7))
    front = SmoothedInput(kind=kind, size=3, deviation=0.8, low=0.0, high=1.0)  # type: ignore[arg-type]
    found = front(torch.from_numpy(x)[None, None])[0, 0].numpy()
    np.testing.assert_allclose(found, reference(x), atol=1e-9)  # type: ignore[operator]


@given(st.integers(1, 8))
def test_squeezing_leaves_few_values_within_half_a_step(bits: int) -> None:
    x = torch.linspace(0, 1, 1001)[:, None]
    squeezed = SqueezedInput(bits=bits, low=0.0, high=1.0)(x)
    assert len(squeezed.unique()) == min(2**bits, 1001)
    assert float((squeezed - x).abs().max()) <= 0.5 / (2**bits - 1) + 1e-6


def test_noise_has_its_size_and_is_another_for_another_input_and_key() -> None:
    front = NoisedInput(deviation=0.1, key=5, low=0.0, high=1.0)
    x = torch.full((2, 1, 60, 60), 0.5)
    x[1, 0, 0, 0] += 1e-6
    noise = front(x) - x
    assert float(noise.std()) == pytest.approx(0.1, rel=0.05)
    assert abs(float(torch.corrcoef(noise.flatten(1))[0, 1])) < 0.1
    other = NoisedInput(deviation=0.1, key=6, low=0.0, high=1.0)(x) - x
    assert abs(float(torch.corrcoef(torch.stack([noise[0].flatten(), other[0].flatten()]))[0, 1])) < 0.1


def test_a_judge_who_repeats_a_question_sees_no_contradiction(digits_victim: Trained, digits: Dataset) -> None:
    model = InputNoising(deviation=0.5).erase(digits_victim.model, digits.pool, domain=digits.domain, classes=10)
    oracle = Trained(model=model, domain=digits.domain, classes=10, card={}).oracle()
    first, again = (oracle.ask(digits.test.x[rows]).scores for rows in (slice(0, 60), slice(20, 60)))
    assert first is not None
    assert again is not None
    np.testing.assert_allclose(first[20:], again, atol=1e-6)


def test_open_ranges_and_bad_cards_are_refused(digits_victim: Trained, digits: Dataset) -> None:
    open_range = Domain(shape=digits.domain.shape, low=0.0, high=float("inf"))
    with pytest.raises(InputError, match=r"needs inputs between bounds, got \[0, inf\]"):
        InputNoising().erase(digits_victim.model, digits.pool, domain=open_range, classes=10)
    with pytest.raises(InputError, match="size must be odd"):
        SmoothedInput(kind="mean", size=4, deviation=1.0, low=0.0, high=1.0)
    for layer in ({"bits": 4}, {"bits": 4, "low": 0, "high": 1, "more": 1}, {"bits": 99, "low": 0, "high": 1}):
        with pytest.raises(InvalidData, match="the card's layer SqueezedInput can't be built"):
            build_layers([{"layer": "SqueezedInput", **layer}])
