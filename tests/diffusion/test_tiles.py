from itertools import pairwise

import numpy as np
import pytest
from PIL import Image as Pictures

from diffusion.tiny_paint import array, scene
from gesso.diffusion.tiles import by_tiles, tile_spans


@pytest.mark.parametrize("length", [30, 64, 65, 97, 130, 1000])
def test_spans_cover_and_overlap(length):
    spans = tile_spans(length, 64, 16)
    assert spans[0][0] == 0
    assert spans[-1][1] == length
    assert all(end - start == min(length, 64) for start, end in spans)
    assert all(one[1] - other[0] >= 15 for one, other in pairwise(spans))


@pytest.mark.parametrize("size", [(40, 30), (97, 64), (200, 131)])
def test_pieces_that_agree_leave_no_seams(size):
    picture = scene(size)
    grown = by_tiles(
        picture,
        lambda tile, _: tile.resize((tile.width * 2, tile.height * 2), 0),
        tile=64,
        overlap=32,
        scale=2,
    )
    assert np.array_equal(array(grown), array(picture.resize((size[0] * 2, size[1] * 2), 0)))


def test_seams_are_soft():
    grown = by_tiles(
        scene((96, 32)),
        lambda tile, number: Pictures.new("RGB", tile.size, (200 * (number % 2),) * 3),
        tile=64, overlap=32, scale=1,
    )  # fmt: skip
    row = array(grown)[0, :, 0]
    assert row[0] == 0
    assert row[-1] == 200
    assert np.abs(np.diff(row)).max() < 10
