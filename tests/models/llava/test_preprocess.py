import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from gesso.core.errors import CheckpointError
from gesso.models.llava.preprocess import TileMaker, lay_on_canvas
from gesso.models.llava.settings import AspectRatio, LlavaSettings
from gesso.models.pixels import PixelSettings, pad_to_square

SIDE = 12
FILL = (122, 116, 104)
CANVASES = ((12, 24), (24, 12), (24, 24))
SIZES = st.tuples(st.integers(1, 60), st.integers(1, 60))


def _picture(size: tuple[int, int]) -> Image.Image:
    grey = np.random.default_rng(size[0]).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(grey)


def _maker(ratio: AspectRatio, pixels: PixelSettings | None = None) -> TileMaker:
    canvases = CANVASES if ratio == "anyres" else ()
    return TileMaker(
        LlavaSettings(image_aspect_ratio=ratio, image_size=SIDE, patch_size=4, image_grid_pinpoints=canvases),
        pixels,
    )


def _clip(image: Image.Image, pixels: PixelSettings | None = None) -> torch.Tensor:
    values = (pixels or PixelSettings()).to_values(SIDE)
    tensor: torch.Tensor = CLIPImageProcessorPil(**values)(image, return_tensors="pt")["pixel_values"][0]
    return tensor


@given(SIZES)
@settings(max_examples=60, deadline=None)
def test_cutting_and_normalising_equal_clips(size: tuple[int, int]) -> None:
    image = _picture(size)
    tiles = _maker("square")(image)
    assert torch.equal(tiles.pixels[0], _clip(image))
    assert tiles.size == size


@given(SIZES)
@settings(max_examples=30, deadline=None)
def test_padding_equals_clip_on_the_square(size: tuple[int, int]) -> None:
    image = _picture(size)
    assert torch.equal(_maker("pad")(image).pixels[0], _clip(pad_to_square(image, FILL)))


def test_a_picture_of_the_right_size_is_only_normalised() -> None:
    image = _picture((SIDE, SIDE))
    for ratio in ("square", "pad"):
        assert torch.equal(_maker(ratio)(image).pixels, _clip(image)[None])


def test_all_grey_levels_equal_clips() -> None:
    grey = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    maker = TileMaker(LlavaSettings(image_size=16, patch_size=4))
    clip = CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    image = Image.fromarray(grey)
    assert torch.equal(maker(image).pixels, clip(image, return_tensors="pt")["pixel_values"])


def test_other_normalisation_and_a_margin_to_cut() -> None:
    pixels = PixelSettings(
        mean=(0.5, 0.4, 0.3), std=(0.1, 0.2, 0.3), shortest_edge=17, resample=Image.Resampling.BILINEAR
    )
    image = _picture((40, 31))
    assert torch.equal(_maker("square", pixels)(image).pixels[0], _clip(image, pixels))


def test_anyres_tiles_are_the_overview_then_the_canvas_row_by_row() -> None:
    image = _picture((40, 38))
    tiles = _maker("anyres")(image).pixels
    canvas = lay_on_canvas(image, (24, 24))
    assert tiles.shape == (5, 3, SIDE, SIDE)
    assert torch.equal(tiles[0], _clip(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)))
    for tile, corner in zip(tiles[1:], [(0, 0), (12, 0), (0, 12), (12, 12)], strict=True):
        assert torch.equal(tile, _clip(canvas.crop((*corner, corner[0] + 12, corner[1] + 12))))


def test_the_overview_can_stand_alone() -> None:
    image = _picture((40, 38))
    alone = _maker("anyres")(image, overview_only=True).pixels
    assert torch.equal(alone, _maker("anyres")(image).pixels[:1])


def test_canvases_are_black_around_the_picture() -> None:
    canvas = np.asarray(lay_on_canvas(Image.new("RGB", (10, 5), "white"), (20, 20)))
    assert (canvas[5:15] == 255).all()
    assert canvas[:5].max() == canvas[15:].max() == 0


def test_a_picture_smaller_than_a_tile_is_refused() -> None:
    with pytest.raises(CheckpointError, match="resizes to 10 px, less than a tile of 12 px"):
        _maker("square", PixelSettings(shortest_edge=10))
