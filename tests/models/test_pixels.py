import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from gesso.core.errors import CheckpointError
from gesso.models.pixels import Normaliser, PixelSettings, cut_square, pad_to_square

FILL = (122, 116, 104)


@pytest.mark.parametrize(("size", "edge"), [((40, 31), 17), ((12, 12), 12), ((7, 50), 12)])
def test_cutting_and_normalising_equal_clips(size: tuple[int, int], edge: int) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    pixels = PixelSettings(shortest_edge=edge)
    cut = cut_square(Image.fromarray(grey), 12, edge=edge, resample=pixels.resample)
    clip = CLIPImageProcessorPil(**pixels.to_values(12))(Image.fromarray(grey), return_tensors="pt")
    assert torch.equal(Normaliser(pixels)(cut), clip["pixel_values"][0])


def test_padding_has_the_mean_colour() -> None:
    assert PixelSettings().fill == FILL


def test_squares_are_padded_in_the_middle() -> None:
    square = np.asarray(pad_to_square(Image.new("RGB", (2, 5), "white"), FILL))
    assert square.shape == (5, 5, 3)
    assert (square[:, 1:3] == 255).all()
    assert (square[:, [0, 3, 4]] == FILL).all()


def test_settings_are_read_from_a_checkpoint_folder(tmp_path: Path) -> None:
    assert PixelSettings.from_folder(tmp_path) == PixelSettings()
    pixels = PixelSettings(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), shortest_edge=16)
    nested = {"image_processor": pixels.to_values(12), "processor_class": "LlavaProcessor"}
    (tmp_path / "processor_config.json").write_text(json.dumps(nested))
    assert PixelSettings.from_folder(tmp_path) == pixels
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"size": 20, "image_std": [1, 1, 1]}))
    assert PixelSettings.from_folder(tmp_path) == PixelSettings(std=(1, 1, 1), shortest_edge=20)


def test_a_processor_without_all_steps_is_refused() -> None:
    with pytest.raises(CheckpointError, match="switches off do_resize, do_normalize"):
        PixelSettings.from_values({"do_resize": False, "do_normalize": False})


def test_a_processor_that_squashes_pictures_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"resizes to .*'height': 12.*shortest_edge"):
        PixelSettings.from_values({"size": {"height": 12, "width": 12}})


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"cannot read .*preprocessor_config\.json"):
        PixelSettings.from_folder(tmp_path)
