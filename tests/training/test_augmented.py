from __future__ import annotations

import pytest
import torch

from stealproof.errors import InvalidData
from stealproof.roles.dataset import Part
from stealproof.training.augmented import augmented, moved_aside


@pytest.mark.parametrize(("way", "place"), [((1, 0), (2, 1)), ((-1, 0), (0, 1)), ((0, 1), (1, 2)), ((0, -1), (1, 0))])
def test_images_are_moved_by_whole_pixels(way: tuple[int, int], place: tuple[int, int]) -> None:
    x = torch.zeros(1, 1, 3, 3)
    x[0, 0, 1, 1] = 1
    moved = moved_aside(x, *way, 0.0)
    assert moved[0, 0][place] == 1
    assert moved.sum() == 1


@pytest.mark.parametrize(("low", "edge"), [(-2.0, -2.0), (float("-inf"), 0.0)])
def test_the_edge_is_filled_with_the_least_legal_value(low: float, edge: float) -> None:
    moved = moved_aside(torch.ones(2, 3, 4, 4), 2, 0, low)
    assert (moved[:, :, :2] == edge).all()
    assert (moved[:, :, 2:] == 1).all()


def test_a_table_cannot_be_moved_aside() -> None:
    with pytest.raises(InvalidData, match="only images"):
        augmented(Part(x=torch.zeros(3, 4), y=torch.zeros(3, dtype=torch.long)), 0.0)


def test_every_image_comes_five_times_with_its_label() -> None:
    part = Part(x=torch.rand(6, 1, 5, 5), y=torch.arange(6))
    found = augmented(part, 0.0)
    assert len(found) == 30
    assert torch.equal(found.x[:6], part.x)
    assert torch.equal(found.y, part.y.repeat(5))
