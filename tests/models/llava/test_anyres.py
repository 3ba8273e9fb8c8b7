import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.models.llava.anyres import best_canvas, image_token_count, placement, tile_grid, unpadded
from gesso.models.llava.settings import LlavaSettings

PUBLISHED = ((336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008))
NEXT = LlavaSettings(
    image_aspect_ratio="anyres", patch_merge_type="spatial_unpad", image_grid_pinpoints=PUBLISHED
)
SIZES = st.tuples(st.integers(1, 4000), st.integers(1, 4000))


@pytest.mark.parametrize(
    ("size", "canvas", "tokens"),
    [
        ((336, 336), (336, 672), 1176),  # a tie: the first canvas
        ((640, 480), (672, 672), 2340),
        ((480, 640), (672, 672), 2352),
        ((1024, 768), (672, 672), 2340),
        ((1920, 1080), (672, 672), 1948),
        ((1080, 1920), (672, 672), 1968),
        ((1000, 100), (1008, 336), 1160),
        ((672, 672), (672, 672), 2928),
        ((1, 1), (336, 672), 1176),
    ],
)
def test_published_sizes(size: tuple[int, int], canvas: tuple[int, int], tokens: int) -> None:
    assert best_canvas(size, PUBLISHED) == canvas
    columns, rows = tile_grid(size, NEXT)
    assert (columns * 336, rows * 336) == canvas
    assert image_token_count(size, 1 + columns * rows, NEXT) == tokens


def test_order_decides_ties() -> None:
    assert best_canvas((336, 336), ((672, 336), (336, 672))) == (672, 336)
    assert best_canvas((336, 336), ((336, 672), (672, 336))) == (336, 672)
    assert best_canvas((336, 336), ((672, 672), (336, 672))) == (336, 672)  # less waste comes before order


@given(SIZES, st.sampled_from(PUBLISHED))
def test_a_placed_picture_lies_within_its_canvas_and_fills_one_side(
    size: tuple[int, int], canvas: tuple[int, int]
) -> None:
    (width, height), (left, top) = placement(size, canvas)
    assert width == canvas[0] or height == canvas[1]
    assert min(left, top) == 0
    assert 0 <= canvas[0] - width - 2 * left <= 1
    assert 0 <= canvas[1] - height - 2 * top <= 1


@given(SIZES)
def test_kept_features_are_the_middle_of_the_grid(size: tuple[int, int]) -> None:
    columns, rows = tile_grid(size, NEXT)
    kept_rows, kept_columns = unpadded(size, (columns * 24, rows * 24))
    assert kept_rows.start == rows * 24 - kept_rows.stop
    assert kept_columns.start == columns * 24 - kept_columns.stop
    assert kept_rows.start == 0 or kept_columns.start == 0
    assert image_token_count(size, 1 + columns * rows, NEXT) <= 2928


def test_unpadding_keeps_the_pictures_rows() -> None:
    assert unpadded((100, 50), (48, 48)) == (slice(12, 36), slice(0, 48))
    assert unpadded((50, 100), (48, 48)) == (slice(0, 48), slice(12, 36))
    # half a row too much is kept
    assert unpadded((48, 25), (48, 48)) == (slice(11, 37), slice(0, 48))


def test_token_counts_without_unpadding() -> None:
    size = (100, 50)
    assert image_token_count(size, 1, LlavaSettings()) == 576
    assert image_token_count(size, 1, LlavaSettings(select_feature="cls_patch")) == 577
    assert image_token_count(size, 1, NEXT) == 577  # the overview alone ends with a newline
    for merge in ("flat", "spatial"):
        settings = LlavaSettings(
            image_aspect_ratio="anyres", patch_merge_type=merge, image_grid_pinpoints=PUBLISHED
        )
        assert image_token_count(size, 5, settings) == 5 * 576
