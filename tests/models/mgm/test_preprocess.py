import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from gesso.models.mgm.preprocess import SquareMaker
from gesso.models.pixels import PixelSettings, pad_to_square
from models.mgm import originals


def picture(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("ratio", ["pad", "square"])
def test_pictures_equal_clips_at_the_high_resolution(ratio):
    image, pixels = picture(50, 31), PixelSettings(shortest_edge=28)
    made = SquareMaker(originals.settings(image_aspect_ratio=ratio), pixels)(image)
    clip = CLIPImageProcessorPil(**PixelSettings().to_values(64))
    shown = pad_to_square(image, pixels.fill) if ratio == "pad" else image
    assert torch.equal(made.pixels, clip(shown, return_tensors="pt")["pixel_values"])
    assert made.size == (50, 31)


def test_an_overview_is_smaller_by_the_grid():
    make = SquareMaker(originals.settings(image_size_aux=128, image_grid=2), PixelSettings())
    assert make(picture(9, 9)).pixels.shape == (1, 3, 128, 128)
    assert make(picture(9, 9), overview_only=True).pixels.shape == (1, 3, 64, 64)
